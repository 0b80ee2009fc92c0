//! Two numbers, or one of twice the length, as digits of 52 bits in five vectors.

use core::arch::x86_64::{
    __m512i, _mm512_add_epi64, _mm512_alignr_epi64, _mm512_and_si512, _mm512_broadcast_i32x4,
    _mm512_broadcastq_epi64, _mm512_castsi512_si128, _mm512_set1_epi64, _mm512_setzero_si512,
    _mm512_shuffle_i64x2, _mm512_srli_epi64,
};

use crate::arch::mod_exp::bits;
use crate::arch::x86_64::ifma::digits::{LANES, Vector, join, put, take};
use crate::arch::x86_64::memory::{load_128, load_512, store_512};
use crate::secret::wipe;

/// Secret powers that are computed at once.
pub(in crate::arch::x86_64::ifma) const PAIR: usize = 2;
/// Vectors that hold them.
pub(super) const VECTORS: usize = 5;
/// The lanes of the second number.
pub(super) const ODD_LANES: u8 = 0b1010_1010;

/// `COUNT` numbers, 1 or 2; wiped on drop.
#[repr(C, align(64))]
pub(super) struct Numbers<const COUNT: usize>([Vector; VECTORS]);

impl<const COUNT: usize> Drop for Numbers<COUNT> {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(wipe);
    }
}

impl<const COUNT: usize> Numbers<COUNT> {
    /// Digits of one number in a vector.
    const GROUPS: usize = LANES / COUNT;

    pub(super) fn zeroed() -> Self {
        Self([[0; 64]; VECTORS])
    }

    /// Each number 1.
    pub(super) fn one() -> Self {
        let mut one = Self::zeroed();
        (0..COUNT).for_each(|number| one.put(number, &[1]));
        one
    }

    pub(super) fn copy_from(&mut self, other: &Self) {
        self.0 = other.0;
    }

    /// Sets a number.
    pub(super) fn put<const N: usize>(&mut self, number: usize, limbs: &[u64; N]) {
        for (index, vector) in self.0.iter_mut().enumerate() {
            for group in 0..Self::GROUPS {
                let digit = bits(limbs, 52 * (index + VECTORS * group), 52);
                put(vector, COUNT * group + number, digit);
            }
        }
    }

    /// Takes a number; returns its bits from 2^(64 N) on.
    pub(super) fn take<const N: usize>(&self, number: usize, limbs: &mut [u64; N]) -> u64 {
        let group = |group| self.0.iter().map(move |vector| take(vector, COUNT * group + number));
        join((0..Self::GROUPS).flat_map(group), limbs)
    }

    /// The digits of that vector.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn vector(&self, index: usize) -> __m512i {
        load_512(&self.0[index])
    }

    /// One digit of each number, in all of that number's lanes.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn digit(&self, index: usize) -> __m512i {
        let (vector, group) = (&self.0[index % VECTORS], index / VECTORS);
        if COUNT == 1 {
            _mm512_set1_epi64(i64::from_le_bytes(vector.as_chunks().0[group]))
        } else {
            _mm512_broadcast_i32x4(load_128(&vector.as_chunks().0[group]))
        }
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
        for _ in 0..Self::GROUPS {
            for sum in &mut sums {
                let total = _mm512_add_epi64(*sum, carried);
                carried = _mm512_srli_epi64::<52>(total);
                *sum = _mm512_and_si512(total, mask);
            }
            carried = one_group_up::<COUNT>(carried);
        }
        self.store(&sums);
    }
}

/// Each number's digits one group further up, and zeros as the lowest.
#[inline]
#[target_feature(enable = "avx512f")]
fn one_group_up<const COUNT: usize>(vector: __m512i) -> __m512i {
    let zero = _mm512_setzero_si512();
    if COUNT == 1 {
        _mm512_alignr_epi64::<7>(vector, zero)
    } else {
        _mm512_alignr_epi64::<6>(vector, zero)
    }
}

/// Each number's sums one group further down, and zeros as the highest.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn one_group_down<const COUNT: usize>(vector: __m512i) -> __m512i {
    let zero = _mm512_setzero_si512();
    if COUNT == 1 {
        _mm512_alignr_epi64::<1>(zero, vector)
    } else {
        _mm512_alignr_epi64::<2>(zero, vector)
    }
}

/// Each number's lowest lane, in all of its lanes.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn lowest_in_all<const COUNT: usize>(vector: __m512i) -> __m512i {
    if COUNT == 1 {
        _mm512_broadcastq_epi64(_mm512_castsi512_si128(vector))
    } else {
        _mm512_shuffle_i64x2::<0>(vector, vector)
    }
}
