//! Keys, nonces and texts: bytes without a pattern that a stride could hide.

use arbitrary::{Arbitrary, Result, Unstructured};

/// Made from all bytes of the input and of none in particular, so that each change of an input brings
/// other keys and texts, and the fuzzer keeps its bytes for what decides on the way through the code.
/// It must be the first field of what is made from an input.
#[derive(Clone, Copy, Debug)]
pub struct Seed(u64);

impl<'a> Arbitrary<'a> for Seed {
    /// FNV-1a; it takes nothing from the input.
    fn arbitrary(input: &mut Unstructured<'a>) -> Result<Self> {
        let bytes = input.peek_bytes(input.len()).unwrap_or_default();
        Ok(Self(bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        })))
    }
}

impl Seed {
    /// `len` bytes for one purpose: xorshift64.
    pub fn bytes(self, purpose: u8, len: usize) -> Vec<u8> {
        let mut state = (self.0 ^ u64::from(purpose)).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut bytes = Vec::with_capacity(len + 8);
        while bytes.len() < len {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes.extend(state.to_le_bytes());
        }
        bytes.truncate(len);
        bytes
    }

    /// A key, a nonce, a salt.
    pub fn array<const N: usize>(self, purpose: u8) -> [u8; N] {
        let mut array = [0; N];
        array.copy_from_slice(&self.bytes(purpose, N));
        array
    }
}
