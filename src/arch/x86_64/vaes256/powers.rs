//! The powers of the hash key, each where the block stands that it meets.

use core::arch::x86_64::{__m128i, __m256i};

use zeroize::Zeroize;

use super::group::GROUP_BLOCKS;
use crate::arch::BLOCK_LEN;
use crate::arch::x86_64::ghash::fill_powers;
use crate::arch::x86_64::memory::load_256;

/// H^17 and below: a group's blocks, and the block of lengths behind the last ones.
pub(super) const POWERS: usize = GROUP_BLOCKS + 1;
/// Entries behind H^1, so that four vectors of powers may be read from any entry. They meet the zero
/// blocks behind the text's last one.
const PADDING: usize = 7;

/// H^17, H^16, …, H^1, and padding. Wiped on drop.
pub(super) struct Powers([[u8; 16]; POWERS + PADDING]);

impl Powers {
    /// A place for powers.
    pub(super) fn zeroed() -> Self {
        Self([[0; 16]; POWERS + PADDING])
    }

    /// Writes the powers where this is.
    #[inline]
    #[target_feature(enable = "pclmulqdq,ssse3")]
    pub(super) fn set(&mut self, hash_key: __m128i) {
        fill_powers(&mut self.0[..POWERS], hash_key);
    }

    /// The powers for what starts `blocks_left` blocks before the end.
    #[inline]
    pub(super) fn at<const LEN: usize>(&self, blocks_left: usize) -> &[u8; LEN] {
        let from = (POWERS - blocks_left) * BLOCK_LEN;
        // The padding makes every slice long enough.
        self.0.as_flattened()[from..].first_chunk().unwrap_or(&[0; LEN])
    }

    /// The powers for a vector that starts `blocks_left` blocks before the end.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn vector(&self, blocks_left: usize) -> __m256i {
        load_256(self.at(blocks_left))
    }
}

impl Drop for Powers {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}
