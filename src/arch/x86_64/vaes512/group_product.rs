//! GHASH's product for a group of eight vectors, two at a time and the first ones last: for those the hash
//! of what came before must be known.
//!
//! ```text
//! a, b         blocks of two vectors, byte-reversed          p, q       their powers of H, lane by lane
//! schoolbook   low += a0·p0 + b0·q0    high += a1·p1 + b1·q1    middle += a0·p1 + a1·p0 + b0·q1 + b1·q0
//! Karatsuba    low, high as above      middle += (a0+a1)·(p0+p1) + (b0+b1)·(q0+q1);  at the end  + low + high
//! ```
//!
//! Karatsuba saves a quarter of the products for a shuffle and half a sum a vector: see `tuning.rs`.
//!
//! Karatsuba and Ofman, "Multiplication of Multidigit Numbers on Automata", 1963.

use core::arch::x86_64::{
    __m128i, __m512i, _mm512_setzero_si512, _mm512_xor_si512, _mm512_zextsi128_si512,
};

use super::Key;
use super::ghash::{Product, half_sums, reverse_lanes};
use super::group::{GROUP, Vectors};
use super::tuning::ZEN_5;

/// The product of some of a group's pairs of vectors, from the last one on.
pub(super) struct GroupProduct<'k, const CORE: bool> {
    key: &'k Key,
    product: Product,
    /// The second vector of the pair that was begun.
    second: __m512i,
}

impl<'k, const CORE: bool> GroupProduct<'k, CORE> {
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn new(key: &'k Key) -> Self {
        Self { key, product: Product::zero(), second: _mm512_setzero_si512() }
    }

    /// Adds the second vector of a pair: its first one is next.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,vpclmulqdq")]
    pub(super) fn add_second(&mut self, pair: usize, ciphertext: &Vectors) {
        self.second = reverse_lanes(ciphertext[2 * pair + 1]);
        self.add(2 * pair + 1, self.second);
    }

    /// Adds the first vector of a pair; to the group's first block `hash`, of what came before.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,vpclmulqdq")]
    pub(super) fn add_first(&mut self, pair: usize, ciphertext: &Vectors, hash: __m128i) {
        let mut first = reverse_lanes(ciphertext[2 * pair]);
        if pair == 0 {
            first = _mm512_xor_si512(first, _mm512_zextsi128_si512(hash));
        }
        self.add(2 * pair, first);
        if CORE == ZEN_5 {
            let powers = self.key.power_sums.of_pair(pair);
            self.product.add_half_sums(half_sums(first, self.second), powers);
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f,vpclmulqdq")]
    fn add(&mut self, vector: usize, blocks: __m512i) {
        let powers = self.key.powers.vector(4 * (GROUP - vector));
        if CORE == ZEN_5 {
            self.product.add_outer(blocks, powers);
        } else {
            self.product.add(blocks, powers);
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn barrier(&mut self) {
        self.product.barrier();
    }

    /// The product of all pairs.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn whole(mut self) -> Product {
        if CORE == ZEN_5 {
            self.product.subtract_outer();
        }
        self.product
    }
}
