//! Opens a ciphertext into two buffers: the text, and its last 16 bytes.
//!
//! The outer layer of a record gives the inner record so: its text goes where the plaintext will be, its
//! tag beside it, and nothing needs memory of its own.
//!
//! ```text
//! the kernel opens the whole blocks of the first buffer as if they were all:
//!     T  = (X ^ L) H ^ AES(J0)             X: the hash so far, L: the block of these lengths
//! wanted, with the blocks C D behind them (D only where the first buffer ends within a block):
//!     T' = (((X ^ C) H ^ D) H ^ L') H ^ AES(J0)
//! and GHASH is linear:
//!     (X ^ C) H = (X ^ L) H ^ (L ^ C) H
//! ```
//!
//! Constant-time: branches depend on lengths alone.

use zeroize::Zeroize;

use super::partial::Verified;
use super::{
    Aes256Gcm, NONCE_LEN, Output, TAG_LEN, check_lengths, pre_counter_block, tags_are_equal,
};
use crate::arch::{BLOCK_LEN, Fault, length_block};
use crate::error::Error;

/// Length of the second buffer.
const END_LEN: usize = 16;

impl Aes256Gcm {
    /// Opens `ciphertext` into `text` and the 16 bytes behind it into `end`.
    ///
    /// # Errors
    ///
    /// As [`Aes256Gcm::open_into`]; both buffers are zeroed then.
    pub(crate) fn open_split(
        &self,
        nonce: &[u8; NONCE_LEN],
        ciphertext: &[u8],
        text: &mut [u8],
        end: &mut [u8; END_LEN],
        tag: &[u8; TAG_LEN],
    ) -> Result<(), Error> {
        check_lengths(&[], ciphertext.len())?;
        if ciphertext.len().checked_sub(END_LEN) != Some(text.len()) {
            let reason = "it must be 16 bytes shorter than the input";
            return Err(Error::Argument { what: "output buffer", reason });
        }
        let opened = self.open_blocks_and_end(nonce, ciphertext, text, end, tag);
        if opened.is_err() {
            text.zeroize();
            end.zeroize();
        }
        opened
    }

    fn open_blocks_and_end(
        &self,
        nonce: &[u8; NONCE_LEN],
        ciphertext: &[u8],
        text: &mut [u8],
        end: &mut [u8; END_LEN],
        tag: &[u8; TAG_LEN],
    ) -> Result<(), Error> {
        let blocks_len = text.len() - text.len() % BLOCK_LEN;
        let (whole, rest) = text.split_at_mut(blocks_len);
        let (first, behind) = ciphertext.split_at(blocks_len);
        let pre_counter_block = pre_counter_block(nonce);
        let verified = Verified::unverified(self, pre_counter_block);

        let buffer = super::pair(first, whole)?;
        // What is opened here is opened once more, and must be in the cache then.
        let kernel_tag = self.key.open(self.hints(Output::Cached), pre_counter_block, &[], buffer);
        let mut kernel_tag = kernel_tag.map_err(|Fault| Error::Fault)?;

        let (block, partial) = behind.split_first_chunk().ok_or(Error::Fault)?;
        let mut mask = verified.mask()?;
        let mut hash = u128::from_be_bytes(kernel_tag) ^ u128::from_be_bytes(mask);
        let correction = length_block(0, blocks_len) ^ u128::from_be_bytes(*block);
        hash ^= self.key.ghash(0, &correction.to_be_bytes());
        hash = self.key.ghash(hash, partial);
        hash = self.key.ghash(hash, &length_block(0, ciphertext.len()).to_be_bytes());
        let computed = hash ^ u128::from_be_bytes(mask);
        // Two tags under one nonce give away the hash key.
        kernel_tag.zeroize();
        hash.zeroize();
        mask.zeroize();
        if !tags_are_equal(computed.to_be_bytes(), *tag) {
            return Err(Error::Authentication);
        }

        // Less than a block of the first buffer, and the second.
        let mut last = [0; 2 * BLOCK_LEN];
        let last = last.get_mut(..behind.len()).ok_or(Error::Fault)?;
        last.copy_from_slice(behind);
        verified.decrypt(blocks_len, last)?;
        let (of_text, of_end) = last.split_at(rest.len());
        rest.copy_from_slice(of_text);
        end.copy_from_slice(of_end);
        last.zeroize();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Backend;

    fn plain(len: usize) -> Vec<u8> {
        (0..len).map(|i| u8::try_from(i * 7 % 251).unwrap()).collect()
    }

    const NONCE: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1];

    fn ciphers(backend: Backend) -> [Aes256Gcm; 2] {
        [
            Aes256Gcm::with_counter_cache(&[7; 32], backend, &[0; 12]),
            Aes256Gcm::with_backend(&[7; 32], backend),
        ]
    }

    /// Every tier, with and without a table, every length around the strides: what was sealed in one
    /// buffer is opened into two.
    #[test]
    fn both_buffers_together_are_the_text() {
        for backend in Backend::available() {
            for gcm in ciphers(backend) {
                for len in (0..2200_usize).chain([4096, 16_384, 70_001, 131_072]) {
                    let plain = plain(len + 16);
                    let mut sealed = plain.clone();
                    let tag = gcm.seal_in_place(&NONCE, &[], &mut sealed).unwrap();
                    let (mut text, mut end) = (vec![0xee; len], [0xee; 16]);
                    gcm.open_split(&NONCE, &sealed, &mut text, &mut end, &tag).unwrap();
                    assert_eq!(text, plain[..len], "{backend:?} {len}");
                    assert_eq!(end, plain[len..], "{backend:?} {len}");
                }
            }
        }
    }

    #[test]
    fn whatever_was_changed_is_refused_and_nothing_is_left() {
        for backend in Backend::available() {
            for gcm in ciphers(backend) {
                for len in [0, 1, 15, 16, 17, 255, 500, 512, 1031] {
                    let mut sealed = plain(len + 16);
                    let tag = gcm.seal_in_place(&NONCE, &[], &mut sealed).unwrap();
                    let refused = |sealed: &[u8], tag: &[u8; 16]| {
                        let (mut text, mut end) = (vec![0xee; len], [0xee; 16]);
                        let opened = gcm.open_split(&NONCE, sealed, &mut text, &mut end, tag);
                        assert!(matches!(opened, Err(Error::Authentication)), "{len}");
                        assert!(text.iter().chain(&end).all(|byte| *byte == 0), "{len}");
                    };
                    for at in 0..sealed.len() {
                        sealed[at] ^= 1 << (at % 8);
                        refused(&sealed, &tag);
                        sealed[at] ^= 1 << (at % 8);
                    }
                    for bit in 0..128 {
                        let mut tag = tag;
                        tag[bit / 8] ^= 1 << (bit % 8);
                        refused(&sealed, &tag);
                    }
                    let mut text = vec![0; len + 1];
                    let opened = gcm.open_split(&NONCE, &sealed, &mut text, &mut [0; 16], &tag);
                    assert!(matches!(opened, Err(Error::Argument { .. })));
                }
            }
        }
    }
}
