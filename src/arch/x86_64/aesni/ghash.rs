//! GHASH of one block after the other, and of pairs of blocks with a multiplication fewer each. See
//! the part that all tiers share, `x86_64/ghash.rs`, for the arithmetic.
//!
//! ```text
//! a = (a1, a0), b = (b1, b0):
//!     a · b = a1·b1 · x^128  +  ((a1 + a0)·(b1 + b0) + a1·b1 + a0·b0) · x^64  +  a0·b0
//! ```
//!
//! Karatsuba and Ofman, 1962. One vector takes the half sums a1 + a0 of two blocks, another those of
//! their powers: 3 instructions for two blocks in place of 4. On most processors of this tier a
//! carry-less multiplication takes two cycles or more. What a1·b1 and a0·b0 add to the middle is added
//! once a group.

use core::arch::x86_64::{
    __m128i, _mm_clmulepi64_si128, _mm_setzero_si128, _mm_unpackhi_epi64, _mm_unpacklo_epi64,
    _mm_xor_si128,
};
use core::slice;

use super::Key;
use super::group::GROUP;
use crate::arch::x86_64::barrier::barrier;
use crate::arch::x86_64::ghash::Product;
use crate::arch::x86_64::memory::load_128;

/// H^17 and below: a group's blocks, and the block of lengths behind the last ones.
pub(super) const POWERS: usize = GROUP + 1;
/// Vectors with the half sums of two powers each.
pub(super) const HALF_SUMS: usize = GROUP / 2;

/// A hash, and blocks that are added to it one by one: one reduction for all.
pub(super) struct Hash<'k> {
    product: Product,
    /// The hash so far, until it is added to the next block.
    carried: __m128i,
    /// Those of the blocks to come.
    powers: slice::Iter<'k, [u8; 16]>,
}

impl<'k> Hash<'k> {
    /// `hash`, to which so many blocks will be added, at most [`POWERS`].
    #[inline]
    #[target_feature(enable = "sse2")]
    pub(super) fn new(key: &'k Key, hash: __m128i, blocks: usize) -> Self {
        let powers = key.powers[POWERS - blocks..].iter();
        Self { product: Product::zero(), carried: hash, powers }
    }

    /// Adds the next block, byte-reversed.
    #[inline]
    #[target_feature(enable = "pclmulqdq")]
    pub(super) fn add(&mut self, block: __m128i) {
        if let Some(power) = self.powers.next() {
            self.product.add(_mm_xor_si128(block, self.carried), load_128(power));
        }
        self.carried = _mm_setzero_si128();
    }

    #[inline]
    #[target_feature(enable = "pclmulqdq")]
    pub(super) fn reduce(self) -> __m128i {
        self.product.reduce()
    }
}

/// A sum of products of pairs before its reduction.
pub(super) struct PairProduct {
    low: __m128i,
    /// Products of half sums.
    cross: __m128i,
    high: __m128i,
}

impl PairProduct {
    #[inline]
    #[target_feature(enable = "sse2")]
    pub(super) fn zero() -> Self {
        let zero = _mm_setzero_si128();
        Self { low: zero, cross: zero, high: zero }
    }

    /// Adds the upper and lower parts of `block · power`.
    #[inline]
    #[target_feature(enable = "pclmulqdq")]
    pub(super) fn add_outer(&mut self, block: __m128i, power: __m128i) {
        self.low = _mm_xor_si128(self.low, _mm_clmulepi64_si128::<0x00>(block, power));
        self.high = _mm_xor_si128(self.high, _mm_clmulepi64_si128::<0x11>(block, power));
    }

    /// Adds the middle parts of both products of a pair.
    #[inline]
    #[target_feature(enable = "pclmulqdq")]
    pub(super) fn add_cross(&mut self, blocks: [__m128i; 2], powers_half_sums: __m128i) {
        let [first, second] = blocks;
        let sums = half_sums(first, second);
        let of_first = _mm_clmulepi64_si128::<0x00>(sums, powers_half_sums);
        let of_second = _mm_clmulepi64_si128::<0x11>(sums, powers_half_sums);
        self.cross = _mm_xor_si128(self.cross, _mm_xor_si128(of_first, of_second));
    }

    /// Keeps the sums in their registers: the compiler would add up later, and store the products
    /// until then.
    #[inline]
    #[target_feature(enable = "sse2")]
    pub(super) fn barrier(&mut self) {
        let Self { low, cross, high } = self;
        barrier!(xmm_reg: low, cross, high);
    }

    /// The sum modulo the polynomial, times x^-128.
    #[inline]
    #[target_feature(enable = "pclmulqdq")]
    pub(super) fn reduce(&self) -> __m128i {
        let middle = _mm_xor_si128(self.cross, _mm_xor_si128(self.low, self.high));
        Product { low: self.low, middle, high: self.high }.reduce()
    }
}

/// The sum of the halves of the first in the lower half, that of the second in the upper.
#[inline]
#[target_feature(enable = "sse2")]
pub(super) fn half_sums(first: __m128i, second: __m128i) -> __m128i {
    _mm_xor_si128(_mm_unpacklo_epi64(first, second), _mm_unpackhi_epi64(first, second))
}
