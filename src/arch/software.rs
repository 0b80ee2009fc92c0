//! The `software` tier: constant-time code for any processor, on the `aes` and `ghash` crates.
//!
//! ```text
//! for each batch of blocks, in private memory:
//!     keystream = AES(counter, counter + 1, …)     bitsliced, several blocks at once
//!     output = input ^ keystream
//!     hash = GHASH(hash, ciphertext)
//! tag = AES(J0) ^ GHASH(hash, lengths)
//! ```
//!
//! NIST SP 800-38D, algorithms 4 and 5. Constant-time by the two crates' word: fixslicing (Adomnicai
//! and Peyrin, TCHES 2021(1)) and multiplication with masked holes. Where a user's build lets
//! these crates find the processor's own instructions, they use them.

use aes::Aes256Enc;
use aes::cipher::{Array, BlockCipherEncrypt, KeyInit};
use ghash::GHash;
use ghash::universal_hash::UniversalHash;
use zeroize::Zeroize;

use crate::arch::{BLOCK_LEN, InOutBuf, OPEN, SEAL, length_block};

/// Blocks of keystream made at a time: a few of the bitsliced batches.
const BATCH: usize = 32;
const BATCH_LEN: usize = BATCH * BLOCK_LEN;

/// The expanded key. Both parts wipe themselves.
pub(crate) struct Key {
    cipher: Aes256Enc,
    hash: GHash,
}

impl Key {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        let cipher = Aes256Enc::new(key.into());
        let mut h = ghash::Block::default();
        cipher.encrypt_block(&mut h);
        let hash = GHash::new(&h);
        h.as_mut_slice().zeroize();
        Self { cipher, hash }
    }

    pub(crate) fn seal(
        &self,
        pre_counter_block: u128,
        associated_data: &[u8],
        buffer: InOutBuf<'_, '_, u8>,
    ) -> [u8; 16] {
        self.crypt::<SEAL>(pre_counter_block, associated_data, buffer)
    }

    pub(crate) fn open(
        &self,
        pre_counter_block: u128,
        associated_data: &[u8],
        buffer: InOutBuf<'_, '_, u8>,
    ) -> [u8; 16] {
        self.crypt::<OPEN>(pre_counter_block, associated_data, buffer)
    }

    fn crypt<const DIRECTION: bool>(
        &self,
        pre_counter_block: u128,
        associated_data: &[u8],
        mut buffer: InOutBuf<'_, '_, u8>,
    ) -> [u8; 16] {
        let text_len = buffer.len();
        let mut hash = self.hash.clone();
        hash.update_padded(associated_data);

        let [prefix @ .., c0, c1, c2, c3] = pre_counter_block.to_be_bytes();
        let mut counter = u32::from_be_bytes([c0, c1, c2, c3]);
        let mut keystream = [aes::Block::default(); BATCH];
        let mut text = [0; BATCH_LEN];
        while !buffer.is_empty() {
            let batch_len = buffer.len().min(BATCH_LEN);
            let blocks = &mut keystream[..batch_len.div_ceil(BLOCK_LEN)];
            for block in blocks.iter_mut() {
                counter = counter.wrapping_add(1);
                block[..12].copy_from_slice(&prefix);
                block[12..].copy_from_slice(&counter.to_be_bytes());
            }
            self.cipher.encrypt_blocks(blocks);

            let (mut batch, rest) = buffer.split_at(batch_len);
            let text = &mut text[..batch_len];
            text.copy_from_slice(batch.get_in());
            if DIRECTION == OPEN {
                hash.update_padded(text);
            }
            for (byte, key) in text.iter_mut().zip(Array::slice_as_flattened(blocks)) {
                *byte ^= key;
            }
            if DIRECTION == SEAL {
                hash.update_padded(text);
            }
            batch.get_out().copy_from_slice(text);
            buffer = rest;
        }
        text.zeroize();
        for block in &mut keystream {
            block.as_mut_slice().zeroize();
        }

        hash.update(&[length_block(associated_data.len(), text_len).to_be_bytes().into()]);
        let mut tag = aes::Block::from(pre_counter_block.to_be_bytes());
        self.cipher.encrypt_block(&mut tag);
        for (byte, hash) in tag.iter_mut().zip(hash.finalize()) {
            *byte ^= hash;
        }
        tag.into()
    }
}
