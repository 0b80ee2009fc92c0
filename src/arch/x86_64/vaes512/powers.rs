//! The powers of the hash key, each where the block stands that it meets.
//!
//! ```text
//! H^33, H^32, …, H^1, and zeros
//!
//! H^4 … H^1     H^2 = H · H, H^3 = H^2 · H, H^4 = H^2 · H^2
//! H^8 … H^5     = (H^4 … H^1) · H^4
//! H^16 … H^9    = (H^8 … H^1) · H^8
//! H^32 … H^17   = (H^16 … H^1) · H^16
//! ```
//!
//! No multiplication waits for more than five others; made one after the other, the last would wait for 31.

use core::arch::x86_64::{
    __m128i, __m512i, _mm512_castsi512_si128, _mm512_inserti32x4, _mm512_shuffle_i32x4,
    _mm512_zextsi128_si512,
};

use zeroize::Zeroize;

use super::ghash::{dot_lanes, half_sums};
use super::group::{GROUP, GROUP_BLOCKS};
use crate::arch::BLOCK_LEN;
use crate::arch::x86_64::ghash::dot;
use crate::arch::x86_64::memory::{load_512, store_128, store_512};

/// H^33 and below: a group's blocks, and the block of lengths behind the last ones.
pub(super) const POWERS: usize = GROUP_BLOCKS + 1;
/// Unused entries before H^33: a group's first power, H^32, starts a cache line.
const LEAD: usize = 3;
/// Entries behind H^1, so that four vectors of powers may be read from any entry. They meet the zero
/// blocks behind the text's last one.
const PADDING: usize = 15;

/// Lead, H^33, H^32, …, H^1, and padding. Wiped on drop.
#[repr(align(64))]
pub(super) struct Powers([[u8; 16]; LEAD + POWERS + PADDING]);

impl Powers {
    /// A place for powers.
    pub(super) fn zeroed() -> Self {
        Self([[0; 16]; LEAD + POWERS + PADDING])
    }

    /// Writes the powers where this is.
    #[inline]
    #[target_feature(enable = "pclmulqdq,avx512f,vpclmulqdq")]
    pub(super) fn set(&mut self, hash_key: __m128i) {
        let square = dot(hash_key, hash_key);
        let lowest = [dot(square, square), dot(square, hash_key), square, hash_key];
        let mut vectors = [lanes(lowest); GROUP];
        for known in [1, 2, 4] {
            let highest = vectors[GROUP - known];
            let highest = _mm512_shuffle_i32x4::<0>(highest, highest);
            for vector in GROUP - known..GROUP {
                vectors[vector - known] = dot_lanes(vectors[vector], highest);
            }
        }
        let last = dot(_mm512_castsi512_si128(vectors[0]), hash_key);
        store_128(&mut self.0[LEAD], last);
        let of_group = self.0[LEAD + 1..].as_flattened_mut().as_chunks_mut().0;
        for (bytes, vector) in of_group.iter_mut().zip(vectors) {
            store_512(bytes, vector);
        }
    }

    /// The powers for what starts `blocks_left` blocks before the end.
    #[inline]
    pub(super) fn at<const LEN: usize>(&self, blocks_left: usize) -> &[u8; LEN] {
        let from = (LEAD + POWERS - blocks_left) * BLOCK_LEN;
        // The padding makes every slice long enough.
        self.0.as_flattened()[from..].first_chunk().unwrap_or(&[0; LEN])
    }

    /// The powers for a vector that starts `blocks_left` blocks before the end.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn vector(&self, blocks_left: usize) -> __m512i {
        load_512(self.at(blocks_left))
    }
}

impl Drop for Powers {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// Four blocks in a vector, the first one lowest.
#[inline]
#[target_feature(enable = "avx512f")]
fn lanes([first, second, third, fourth]: [__m128i; 4]) -> __m512i {
    let vector = _mm512_zextsi128_si512(first);
    let vector = _mm512_inserti32x4::<1>(vector, second);
    let vector = _mm512_inserti32x4::<2>(vector, third);
    _mm512_inserti32x4::<3>(vector, fourth)
}

/// The sums of a group's powers' halves, as the blocks' are: H^32 to H^25, …, H^8 to H^1. Wiped on drop.
#[repr(align(64))]
pub(super) struct PowerSums([[u8; 64]; GROUP / 2]);

impl PowerSums {
    /// A place for sums.
    pub(super) fn zeroed() -> Self {
        Self([[0; 64]; GROUP / 2])
    }

    /// Writes the sums where this is.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn set(&mut self, powers: &Powers) {
        for (pair, sum) in self.0.iter_mut().enumerate() {
            let blocks_left = 4 * (GROUP - 2 * pair);
            let (first, second) = (powers.vector(blocks_left), powers.vector(blocks_left - 4));
            store_512(sum, half_sums(first, second));
        }
    }

    /// For a pair of a group's vectors.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn of_pair(&self, pair: usize) -> __m512i {
        load_512(&self.0[pair])
    }
}

impl Drop for PowerSums {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}
