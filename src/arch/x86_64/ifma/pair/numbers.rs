//! Two numbers as digits of 52 bits, in five vectors.

use core::arch::x86_64::{
    __m512i, _mm512_add_epi64, _mm512_alignr_epi64, _mm512_and_si512, _mm512_broadcast_i32x4,
    _mm512_set1_epi64, _mm512_setzero_si512, _mm512_srli_epi64,
};

use crate::arch::mod_exp::bits;
use crate::arch::x86_64::ifma::digits::{DIGITS, Digit, join, put, take};
use crate::arch::x86_64::memory::{load_128, load_512, store_512};
use crate::secret::wipe;

/// Numbers that are computed with at once.
pub(crate) const PAIR: usize = 2;
/// Vectors that hold them.
pub(super) const VECTORS: usize = 5;
/// Digits of one number in a vector.
const GROUPS: usize = DIGITS / VECTORS;
/// The lanes of the second number.
pub(super) const ODD_LANES: u8 = 0b1010_1010;

/// Two numbers; wiped on drop.
#[repr(C, align(64))]
pub(super) struct Numbers([Digit; VECTORS]);

impl Drop for Numbers {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(wipe);
    }
}

impl Numbers {
    pub(super) fn zeroed() -> Self {
        Self([[0; 64]; VECTORS])
    }

    /// 1 and 1.
    pub(super) fn one() -> Self {
        let mut one = Self::zeroed();
        (0..PAIR).for_each(|number| one.put(number, &[1]));
        one
    }

    pub(super) fn copy_from(&mut self, other: &Self) {
        self.0 = other.0;
    }

    /// Sets a number.
    pub(super) fn put<const N: usize>(&mut self, number: usize, limbs: &[u64; N]) {
        for (index, vector) in self.0.iter_mut().enumerate() {
            for group in 0..GROUPS {
                let digit = bits(limbs, 52 * (index + VECTORS * group), 52);
                put(vector, lane(group, number), digit);
            }
        }
    }

    /// Takes a number; returns its bits from 2^(64 N) on.
    pub(super) fn take<const N: usize>(&self, number: usize, limbs: &mut [u64; N]) -> u64 {
        let group = |group| self.0.iter().map(move |vector| take(vector, lane(group, number)));
        join((0..GROUPS).flat_map(group), limbs)
    }

    /// The digits of that vector.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn vector(&self, index: usize) -> __m512i {
        load_512(&self.0[index])
    }

    /// One digit of either number, in all of that number's lanes.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn digit(&self, index: usize) -> __m512i {
        let (groups, _) = self.0[index % VECTORS].as_chunks();
        _mm512_broadcast_i32x4(load_128(&groups[index / VECTORS]))
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn load(&self) -> [__m512i; VECTORS] {
        let mut vectors = [_mm512_setzero_si512(); VECTORS];
        for (vector, stored) in vectors.iter_mut().zip(&self.0) {
            *vector = load_512(stored);
        }
        vectors
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn store(&mut self, vectors: &[__m512i; VECTORS]) {
        for (stored, vector) in self.0.iter_mut().zip(vectors) {
            store_512(stored, *vector);
        }
    }

    /// Stores sums as digits.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn carry(&mut self, mut sums: [__m512i; VECTORS]) {
        let mask = _mm512_set1_epi64((1 << 52) - 1);
        let mut carried = _mm512_setzero_si512();
        // The first time is right for the lowest five digits, which nothing is carried into, and each further time for
        // the five above.
        for _ in 0..GROUPS {
            for sum in &mut sums {
                let total = _mm512_add_epi64(*sum, carried);
                carried = _mm512_srli_epi64::<52>(total);
                *sum = _mm512_and_si512(total, mask);
            }
            carried = one_group_up(carried);
        }
        self.store(&sums);
    }
}

/// The lane of a number's digit, of all that the vector holds of it.
fn lane(group: usize, number: usize) -> usize {
    PAIR * group + number
}

#[inline]
#[target_feature(enable = "avx512f")]
fn one_group_up(vector: __m512i) -> __m512i {
    _mm512_alignr_epi64::<6>(vector, _mm512_setzero_si512())
}

/// Each number's digits or sums where the ones below were; the lowest are left out.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn one_group_down(vector: __m512i) -> __m512i {
    _mm512_alignr_epi64::<2>(_mm512_setzero_si512(), vector)
}
