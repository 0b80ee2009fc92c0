//! HMAC-SHA-256 (RFC 2104) whose key is used several times.
//!
//! ```text
//! inner = SHA-256 state after key ^ 36 36 …
//! outer = SHA-256 state after key ^ 5c 5c …          both once a key
//! HMAC  = outer continued with (inner continued with the message)
//! ```
//!
//! The `hmac` crate, which the tests compare with, makes both states anew for each message where it is
//! given the key, and leaves key and result on the stack. Here all is written where it stays or wiped.

use sha2::block_api::compress256;

use crate::secret::{Scratch, wipe};

const BLOCK_LEN: usize = 64;
/// Length of a key and of an output in bytes.
const LEN: usize = 32;
/// FIPS 180-4, section 5.3.3.
const INITIAL: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// Both states of a key. Wiped on drop; it must not be moved once it has a key.
pub(crate) struct HmacKey {
    inner: [u32; 8],
    outer: [u32; 8],
}

impl HmacKey {
    /// A place for a key.
    pub(crate) const fn empty() -> Self {
        Self { inner: INITIAL, outer: INITIAL }
    }

    /// Puts a key in, once.
    pub(crate) fn set(&mut self, key: &[u8; LEN]) {
        let mut block = Scratch::<BLOCK_LEN>::zeroed();
        for (state, pad) in [(&mut self.inner, 0x36), (&mut self.outer, 0x5c)] {
            block.fill(pad);
            for (byte, key) in block.iter_mut().zip(key) {
                *byte ^= key;
            }
            *state = INITIAL;
            compress256(state, core::slice::from_ref(&*block));
        }
    }

    /// The HMAC of the parts in a row, written where it belongs.
    pub(crate) fn mac(&self, parts: &[&[u8]], out: &mut [u8; LEN]) {
        let mut state = State(self.inner);
        finish(&mut state.0, parts, out);
        state.0 = self.outer;
        let inner = Scratch(*out);
        finish(&mut state.0, &[&inner[..]], out);
    }
}

impl Drop for HmacKey {
    fn drop(&mut self) {
        wipe(&mut self.inner);
        wipe(&mut self.outer);
    }
}

/// A state on the stack, wiped where it is.
struct State([u32; 8]);

impl Drop for State {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

/// SHA-256 of one block that was hashed before, and of the parts.
fn finish(state: &mut [u32; 8], parts: &[&[u8]], out: &mut [u8; LEN]) {
    let mut block = Scratch::<BLOCK_LEN>::zeroed();
    let (mut filled, mut hashed) = (0, BLOCK_LEN as u64);
    for part in parts {
        hashed += part.len() as u64;
        let mut part = *part;
        if filled > 0 {
            let (first, rest) = part.split_at(part.len().min(BLOCK_LEN - filled));
            block[filled..][..first.len()].copy_from_slice(first);
            (filled, part) = (filled + first.len(), rest);
            if filled < BLOCK_LEN {
                continue;
            }
            compress256(state, core::slice::from_ref(&*block));
        }
        let (blocks, rest) = part.as_chunks();
        compress256(state, blocks);
        block[..rest.len()].copy_from_slice(rest);
        filled = rest.len();
    }
    // FIPS 180-4, section 5.1.1: a one bit, zeros, and the length in bits as the last eight bytes.
    block[filled] = 0x80;
    block[filled + 1..].fill(0);
    if filled + 1 > BLOCK_LEN - 8 {
        compress256(state, core::slice::from_ref(&*block));
        block.fill(0);
    }
    block[BLOCK_LEN - 8..].copy_from_slice(&(8 * hashed).to_be_bytes());
    compress256(state, core::slice::from_ref(&*block));
    for (bytes, word) in out.as_chunks_mut().0.iter_mut().zip(*state) {
        *bytes = word.to_be_bytes();
    }
}

#[cfg(test)]
mod tests {
    use hmac::{Hmac, KeyInit, Mac};
    use sha2::Sha256;

    use super::*;

    /// Every length around a few blocks, in one part and cut in two and three everywhere.
    #[test]
    fn agrees_with_the_crate() {
        let key: [u8; 32] = core::array::from_fn(|i| u8::try_from(7 * i % 251).unwrap());
        let mut ours = HmacKey::empty();
        ours.set(&key);
        let text: Vec<u8> = (0..260_u32).map(|i| u8::try_from(i * 5 % 253).unwrap()).collect();
        for length in 0..text.len() {
            let text = &text[..length];
            let mut theirs = Hmac::<Sha256>::new_from_slice(&key).unwrap();
            theirs.update(text);
            let expected: [u8; 32] = theirs.finalize().into_bytes().into();
            for cut in 0..=length {
                let (first, rest) = text.split_at(cut);
                let (second, third) = rest.split_at(rest.len() / 2);
                let mut found = [0xff; 32];
                ours.mac(&[first, second, third], &mut found);
                assert_eq!(found, expected, "{length} cut at {cut}");
            }
        }
    }
}
