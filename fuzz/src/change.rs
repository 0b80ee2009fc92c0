//! One changed byte.

use std::num::NonZeroU8;

use arbitrary::Arbitrary;

/// Position of a byte (modulo the number of bytes), and the bits that are flipped in it.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Change {
    at: u32,
    bits: NonZeroU8,
}

impl Change {
    /// Flips the bits; false where there is not a byte to change.
    pub fn apply(self, bytes: &mut [u8]) -> bool {
        let at = self.at as usize % bytes.len().max(1);
        bytes.get_mut(at).map(|byte| *byte ^= self.bits.get()).is_some()
    }
}
