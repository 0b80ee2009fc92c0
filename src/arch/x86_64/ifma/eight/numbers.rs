//! Eight numbers of 1024 bits, one a lane, as digits of 52 bits.

use core::arch::x86_64::{
    __m512i, _mm512_add_epi64, _mm512_and_si512, _mm512_set1_epi64, _mm512_setzero_si512,
    _mm512_srli_epi64,
};

use crate::arch::mod_exp::{PRIME, bits};
use crate::arch::x86_64::ifma::digits::{LANES, Vector, join, put, take};
use crate::arch::x86_64::memory::store_512;
use crate::secret::wipe;

/// Digits of a number.
pub(super) const DIGITS: usize = 20;

/// One digit of every number a vector, the lowest first.
pub(super) type Digits = [Vector; DIGITS];
/// Sums in registers, of which digits are made.
pub(super) type Window = [__m512i; DIGITS];

/// A number a lane; wiped on drop.
#[repr(C, align(64))]
pub(super) struct Numbers(pub(super) Digits);

impl Drop for Numbers {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(wipe);
    }
}

impl Numbers {
    pub(super) fn zeroed() -> Self {
        Self([[0; 64]; DIGITS])
    }

    /// 1 in every lane.
    pub(super) fn one() -> Self {
        let mut one = Self::zeroed();
        (0..LANES).for_each(|lane| put(&mut one.0[0], lane, 1));
        one
    }

    pub(super) fn copy_from(&mut self, other: &Self) {
        self.0 = other.0;
    }

    /// Puts a number into a lane.
    pub(super) fn put(&mut self, lane: usize, limbs: &[u64; PRIME]) {
        for (index, digit) in self.0.iter_mut().enumerate() {
            put(digit, lane, bits(limbs, 52 * index, 52));
        }
    }

    /// Takes the number of a lane; returns its bits from 2^1024 on.
    pub(super) fn take(&self, lane: usize, limbs: &mut [u64; PRIME]) -> u64 {
        join(self.0.iter().map(|digit| take(digit, lane)), limbs)
    }
}

/// A window that nothing was added to.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn empty_window() -> Window {
    [_mm512_setzero_si512(); DIGITS]
}

/// Stores sums as digits, with what each carries to the next.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn carry(digits: &mut Digits, sums: &Window) {
    let mask = _mm512_set1_epi64((1 << 52) - 1);
    let mut carried = _mm512_setzero_si512();
    for (digit, sum) in digits.iter_mut().zip(sums) {
        let sum = _mm512_add_epi64(*sum, carried);
        carried = _mm512_srli_epi64::<52>(sum);
        store_512(digit, _mm512_and_si512(sum, mask));
    }
}
