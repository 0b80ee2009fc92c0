//! Numbers as digits of 52 bits in eight lanes.

use core::arch::x86_64::{
    __m512i, _mm512_add_epi64, _mm512_and_si512, _mm512_set1_epi64, _mm512_setzero_si512,
    _mm512_srli_epi64,
};

use crate::arch::mod_exp::bits;
use crate::arch::x86_64::memory::{load_512, store_512};
use crate::secret::wipe;

/// Numbers that are computed with at once.
pub(crate) const LANES: usize = 8;
/// Digits of a part of a number: those of a number of 1024 bits.
pub(super) const DIGITS: usize = 20;

/// One digit of every lane's number.
pub(super) type Digit = [u8; 64];
/// Twenty digits that follow each other, the lowest first.
pub(super) type Part = [Digit; DIGITS];
/// Twenty sums in registers, of which digits are made.
pub(super) type Window = [__m512i; DIGITS];

/// A number a lane, of `PARTS` parts; wiped on drop.
#[repr(C, align(64))]
pub(super) struct Numbers<const PARTS: usize>(pub(super) [Part; PARTS]);

impl<const PARTS: usize> Drop for Numbers<PARTS> {
    fn drop(&mut self) {
        self.0.as_flattened_mut().iter_mut().for_each(wipe);
    }
}

impl<const PARTS: usize> Numbers<PARTS> {
    pub(super) fn zeroed() -> Self {
        Self([[[0; 64]; DIGITS]; PARTS])
    }

    /// 1 in every lane.
    pub(super) fn one() -> Self {
        let mut one = Self::zeroed();
        (0..LANES).for_each(|lane| one.put(lane, &[1]));
        one
    }

    pub(super) fn copy_from(&mut self, other: &Self) {
        self.0 = other.0;
    }

    /// Puts the number of `limbs` into a lane.
    pub(super) fn put<const N: usize>(&mut self, lane: usize, limbs: &[u64; N]) {
        for (index, digit) in self.0.as_flattened_mut().iter_mut().enumerate() {
            put(digit, lane, bits(limbs, 52 * index, 52));
        }
    }

    /// Takes the number of a lane; returns its bits from 2^(64 N) on.
    pub(super) fn take<const N: usize>(&self, lane: usize, limbs: &mut [u64; N]) -> u64 {
        join(self.0.as_flattened().iter().map(|digit| take(digit, lane)), limbs)
    }
}

/// Joins digits of 52 bits, the lowest first, to limbs; returns the bits from 2^(64 N) on.
pub(super) fn join<const N: usize>(digits: impl Iterator<Item = u64>, limbs: &mut [u64; N]) -> u64 {
    limbs.fill(0);
    let mut above = 0;
    for (index, digit) in digits.enumerate() {
        let (limb, shift) = (52 * index / 64, 52 * index % 64);
        *limbs.get_mut(limb).unwrap_or(&mut above) |= digit << shift;
        // By 64 less the shift, in two steps.
        *limbs.get_mut(limb + 1).unwrap_or(&mut above) |= digit >> 1 >> (63 - shift);
    }
    above
}

/// Puts `value` into a lane.
pub(super) fn put(digit: &mut Digit, lane: usize, value: u64) {
    digit[8 * lane..][..8].copy_from_slice(&value.to_le_bytes());
}

pub(super) fn take(digit: &Digit, lane: usize) -> u64 {
    digit[8 * lane..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// A window that nothing was added to.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn empty_window() -> Window {
    [_mm512_setzero_si512(); DIGITS]
}

/// The sums that were stored as they are.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn load(sums: &Part) -> Window {
    let mut window = empty_window();
    for (sum, stored) in window.iter_mut().zip(sums) {
        *sum = load_512(stored);
    }
    window
}

/// Stores sums as they are.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn store(sums: &mut Part, window: &Window) {
    for (stored, sum) in sums.iter_mut().zip(window) {
        store_512(stored, *sum);
    }
}

/// Writes sums as digits; takes in what was carried out of the part below, and returns what is carried out of
/// this one.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn carry(digits: &mut Part, sums: &Window, mut carried: __m512i) -> __m512i {
    let mask = _mm512_set1_epi64((1 << 52) - 1);
    for (digit, sum) in digits.iter_mut().zip(sums) {
        let sum = _mm512_add_epi64(*sum, carried);
        carried = _mm512_srli_epi64::<52>(sum);
        store_512(digit, _mm512_and_si512(sum, mask));
    }
    carried
}
