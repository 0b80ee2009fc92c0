//! The `software` tier: constant-time code for any processor, on the `aes` crate.
//!
//! ```text
//! for each batch of blocks, in private memory:
//!     keystream = AES(counter, counter + 1, …)     bitsliced, several blocks at once, from J0 on
//!     output = input ^ keystream
//!     hash = GHASH(hash, ciphertext)
//! tag = AES(J0) ^ GHASH(hash, lengths)
//! ```
//!
//! The cipher is asked once for a whole text, because each time it first spreads the round keys over
//! the bitsliced words. What it calls is one function for sealing and opening: with a single caller
//! all of AES is compiled into it.
//!
//! NIST SP 800-38D, algorithms 4 and 5. Constant-time by that crate's documentation, fixslicing (Adomnicai and
//! Peyrin, TCHES 2021(1)), and by `software/ghash.rs`. Where a user's build lets the crate find the
//! processor's own AES instructions, it uses them.

mod ghash;
pub(crate) mod key_wrap;
#[cfg(feature = "rsa")]
pub(crate) mod mod_exp;

use alloc::boxed::Box;

use aes::Aes256Enc;
use aes::cipher::consts::U16;
use aes::cipher::{
    Array, BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt, BlockSizeUser, KeyInit,
};
use zeroize::{Zeroize, optimization_barrier};

use self::ghash::HashKey;
use crate::arch::counter_cache::add_to_counter;
use crate::arch::{BLOCK_LEN, Fault, Hints, InOutBuf, Kernel, OPEN, SEAL, length_block};
use crate::secret::wipe_stack;

/// Blocks of keystream made at a time: many bitsliced groups, so that the processor changes seldom
/// between the long codes of AES and GHASH.
const BATCH: usize = 64;
/// Blocks in a bitsliced group on 64-bit processors. It takes the same time for one as for all.
const GROUP: usize = 4;

/// Any processor can run this tier.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token;

/// The expanded key. Both parts wipe themselves.
pub(crate) struct Key {
    cipher: Aes256Enc,
    hash_key: HashKey,
}

impl Kernel for Key {
    type Token = Token;

    /// Not inlined: what it leaves on the stack is to lie below the caller.
    #[inline(never)]
    fn new(_: Token, key: &[u8; 32], _first_rounds: bool) -> Box<Self> {
        let mut expanded =
            Box::new(Self { cipher: Aes256Enc::new(key.into()), hash_key: HashKey::zeroed() });
        let mut h = aes::Block::default();
        expanded.cipher.encrypt_block(&mut h);
        expanded.hash_key.set(u128::from_be_bytes(h.into()));
        h.as_mut_slice().zeroize();
        expanded
    }

    /// Each time the cipher leaves all round keys on the stack, where a caller's result may be put later and take
    /// some along. Beside the time that this tier takes, wiping them is little.
    ///
    /// Not inlined: the dispatch is to stay short, so that callers take it in.
    #[inline(never)]
    fn crypt<const DIRECTION: bool>(
        &self,
        _: Hints<'_>,
        pre_counter_block: u128,
        associated_data: &[u8],
        buffer: InOutBuf<'_, '_, u8>,
    ) -> Result<[u8; 16], Fault> {
        let tag = self.compute(DIRECTION, pre_counter_block, associated_data, buffer);
        wipe_stack();
        Ok(tag)
    }

    fn ghash(&self, hash: u128, bytes: &[u8]) -> u128 {
        self.hash_key.absorb_padded(hash, bytes)
    }
}

impl Key {
    /// Encrypts or decrypts `buffer`, in the direction that is given; returns the tag.
    #[inline(never)]
    fn compute(
        &self,
        direction: bool,
        pre_counter_block: u128,
        associated_data: &[u8],
        buffer: InOutBuf<'_, '_, u8>,
    ) -> [u8; 16] {
        let lengths = length_block(associated_data.len(), buffer.len());
        let mut hash = self.hash_key.absorb_padded(0, associated_data);
        let mut mask = aes::Block::default();
        self.cipher.encrypt_with_backend(Text {
            direction,
            pre_counter_block,
            hash_key: &self.hash_key,
            hash: &mut hash,
            mask: &mut mask,
            rest: buffer,
        });

        hash = self.hash_key.absorb_padded(hash, &lengths.to_be_bytes());
        let tag = (u128::from_be_bytes(mask.into()) ^ hash).to_be_bytes();
        // Either of them and the tag, which is public, give away the hash key.
        mask.as_mut_slice().zeroize();
        hash.zeroize();
        tag
    }
}

/// Arguments of one pass over a text, made while the cipher has its round keys at hand.
struct Text<'a, 'i, 'o> {
    direction: bool,
    pre_counter_block: u128,
    hash_key: &'a HashKey,
    hash: &'a mut u128,
    /// Receives AES(J0).
    mask: &'a mut aes::Block,
    rest: InOutBuf<'i, 'o, u8>,
}

impl BlockSizeUser for Text<'_, '_, '_> {
    type BlockSize = U16;
}

impl BlockCipherEncClosure for Text<'_, '_, '_> {
    /// Not inlined: where the compiler sees how round keys are spread it does so again in each group.
    #[inline(never)]
    fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, backend: &B) {
        let Self { direction, pre_counter_block, hash_key, hash, mask, mut rest } = self;
        let mut counter = pre_counter_block;
        let mut keystream = [aes::Block::default(); BATCH];
        let mut text = [0; BATCH * BLOCK_LEN];
        // The first block of keystream is not the text's.
        let mut skipped = 1;
        loop {
            let wanted = skipped + rest.len().div_ceil(BLOCK_LEN);
            let blocks = &mut keystream[..wanted.next_multiple_of(GROUP).min(BATCH)];
            for block in blocks.iter_mut() {
                *block = counter.to_be_bytes().into();
                counter = add_to_counter(counter, 1);
            }
            let (groups, tail) = InOutBuf::from(&mut *blocks).into_chunks();
            for group in groups {
                backend.encrypt_par_blocks(group);
            }
            backend.encrypt_tail_blocks(tail);
            if skipped == 1 {
                *mask = blocks[0];
            }

            let keystream = Array::slice_as_flattened(&blocks[skipped..]);
            skipped = 0;
            let length = rest.len().min(keystream.len());
            let (mut batch, behind) = rest.split_at(length);
            let text = &mut text[..length];
            text.copy_from_slice(batch.get_in());
            if direction == OPEN {
                *hash = hash_key.absorb_padded(*hash, text);
            }
            xor(text, keystream);
            if direction == SEAL {
                *hash = hash_key.absorb_padded(*hash, text);
            }
            batch.get_out().copy_from_slice(text);
            rest = behind;
            if rest.is_empty() {
                break;
            }
        }
        Array::slice_as_flattened_mut(&mut keystream).fill(0);
        text.fill(0);
        optimization_barrier(&keystream);
        optimization_barrier(&text);
    }
}

fn xor(bytes: &mut [u8], others: &[u8]) {
    for (byte, other) in bytes.iter_mut().zip(others) {
        *byte ^= other;
    }
}
