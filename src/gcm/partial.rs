//! Partial decryption: the tag covers all of a text, and parts of it are wanted.
//!
//! ```text
//! GHASH of the whole ciphertext -> the tag holds -> AES-CTR of the parts that are wanted, and no more
//! ```
//!
//! Hashing alone takes a third to two thirds of the time that opening takes. Nothing is decrypted
//! before the tag holds: only [`Aes256Gcm::verify`] and `open_split` give out or use a [`Verified`].
//!
//! NIST SP 800-38D, algorithm 5, with its steps 5 and 4 in the other order.

use zeroize::Zeroize;

use super::{Aes256Gcm, NONCE_LEN, Output, TAG_LEN, pre_counter_block, tags_are_equal};
use crate::arch::{BLOCK_LEN, Fault, length_block};
use crate::error::Error;

/// A text whose tag holds, any part of which may be decrypted.
pub(crate) struct Verified<'k> {
    gcm: &'k Aes256Gcm,
    pre_counter_block: u128,
}

impl Aes256Gcm {
    /// # Errors
    ///
    /// [`Error::Authentication`] where `tag` is not that of `ciphertext` without associated data.
    pub(crate) fn verify(
        &self,
        nonce: &[u8; NONCE_LEN],
        ciphertext: &[u8],
        tag: &[u8; TAG_LEN],
    ) -> Result<Verified<'_>, Error> {
        let lengths = length_block(0, ciphertext.len());
        let verified = Verified::unverified(self, pre_counter_block(nonce));
        let mut hash = self.key.ghash(0, ciphertext);
        hash = self.key.ghash(hash, &lengths.to_be_bytes());
        let mut mask = verified.mask()?;
        let computed = u128::from_be_bytes(mask) ^ hash;
        // Beside the public ciphertext either of them gives away the hash key.
        hash.zeroize();
        mask.zeroize();
        if tags_are_equal(computed.to_be_bytes(), *tag) {
            Ok(verified)
        } else {
            Err(Error::Authentication)
        }
    }
}

impl<'k> Verified<'k> {
    /// An unverified handle. The caller compares the tag before it lets plaintext out.
    pub(super) fn unverified(gcm: &'k Aes256Gcm, pre_counter_block: u128) -> Self {
        Self { gcm, pre_counter_block }
    }

    /// AES(J0), which the hash is masked with: the key stream one block before the text's.
    pub(super) fn mask(&self) -> Result<[u8; TAG_LEN], Error> {
        let mut mask = [0; TAG_LEN];
        self.apply_key_stream(-1, &mut mask)?;
        Ok(mask)
    }

    /// Decrypts `part` in place, which begins `offset` bytes after the text does.
    ///
    /// # Errors
    ///
    /// [`Error::Fault`] where the machine computed wrongly: `part` is zeroed then.
    pub(crate) fn decrypt(&self, offset: usize, part: &mut [u8]) -> Result<(), Error> {
        let block = i64::try_from(offset / BLOCK_LEN).map_err(|_| Error::Fault)?;
        let skipped = offset % BLOCK_LEN;
        if skipped == 0 {
            return self.apply_key_stream(block, part);
        }
        // The block that the part begins in the middle of goes through one of its own.
        let length = part.len().min(BLOCK_LEN - skipped);
        let (first, rest) = part.split_at_mut(length);
        let mut whole = [0; BLOCK_LEN];
        whole[skipped..][..length].copy_from_slice(first);
        self.apply_key_stream(block, &mut whole)?;
        first.copy_from_slice(&whole[skipped..][..length]);
        whole.zeroize();
        self.apply_key_stream(block + 1, rest)
    }

    fn apply_key_stream(&self, block: i64, text: &mut [u8]) -> Result<(), Error> {
        let first = add_to_counter(self.pre_counter_block, block);
        // The kernel's hash of the part is of no use, and costs little where parts are short.
        let decrypted =
            self.gcm.key.open(self.gcm.hints(Output::Cached), first, &[], (&mut *text).into());
        decrypted.map(|_| ()).map_err(|Fault| {
            text.zeroize();
            Error::Fault
        })
    }
}

/// The counter is the lowest 32 bits, and wraps within them (SP 800-38D, section 6.2).
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "modulo 2^32")]
fn add_to_counter(block: u128, by: i64) -> u128 {
    let counter = (block as u32).wrapping_add(by as u32);
    (block & !u128::from(u32::MAX)) | u128::from(counter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Backend;

    /// Every tier, many lengths: the tag that sealing gave holds, and any part is the plaintext's.
    #[test]
    fn parts_are_slices_of_the_plaintext() {
        let mut parts = 0;
        for backend in Backend::available() {
            for cached in [false, true] {
                let gcm = if cached {
                    Aes256Gcm::with_counter_cache(&[7; 32], backend, &[0; 12])
                } else {
                    Aes256Gcm::with_backend(&[7; 32], backend)
                };
                for len in (0..1100_usize).chain([4096, 16_384, 70_001]) {
                    let plain: Vec<u8> =
                        (0..len).map(|i| u8::try_from(i * 7 % 251).unwrap()).collect();
                    let mut text = plain.clone();
                    let nonce = [0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1];
                    let tag = gcm.seal_in_place(&nonce, &[], &mut text).unwrap();
                    let verified = gcm.verify(&nonce, &text, &tag).unwrap();
                    for from in [0, 1, 15, 16, 33, len / 2, len.saturating_sub(1), len] {
                        for to in [from, from + 1, from + 15, from + 40, len] {
                            let Some(part) = text.get(from..to) else { continue };
                            let mut part = part.to_vec();
                            verified.decrypt(from, &mut part).unwrap();
                            assert_eq!(part, plain[from..to], "{backend:?} {len}");
                            parts += 1;
                        }
                    }
                }
            }
        }
        assert!(parts > 20_000, "{parts}");
    }

    #[test]
    fn a_changed_byte_or_tag_is_refused() {
        for backend in Backend::available() {
            let gcm = Aes256Gcm::with_backend(&[7; 32], backend);
            let mut text = [3; 999];
            let tag = gcm.seal_in_place(&[1; 12], &[], &mut text).unwrap();
            let verify = |text: &[u8], tag: &[u8; 16]| gcm.verify(&[1; 12], text, tag).map(|_| ());
            assert!(verify(&text, &tag).is_ok());
            assert!(verify(&text[..998], &tag).is_err());
            for at in 0..text.len() {
                text[at] ^= 0x10;
                assert!(matches!(verify(&text, &tag), Err(Error::Authentication)), "{at}");
                text[at] ^= 0x10;
            }
            for bit in 0..128 {
                let mut tag = tag;
                tag[bit / 8] ^= 1 << (bit % 8);
                assert!(verify(&text, &tag).is_err());
            }
        }
    }
}
