//! One changed byte.

use std::num::NonZeroU8;

use arbitrary::Arbitrary;

/// Which byte (modulo how many there are), and which of its bits.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub struct Change {
    at: u32,
    bits: NonZeroU8,
}

impl Change {
    /// Whether there was a byte to change.
    pub fn apply(self, bytes: &mut [u8]) -> bool {
        let at = self.at as usize % bytes.len().max(1);
        bytes.get_mut(at).map(|byte| *byte ^= self.bits.get()).is_some()
    }
}
