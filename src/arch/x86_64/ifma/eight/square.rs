//! Montgomery's squaring in eight lanes: three quarters of a multiplication.
//!
//! ```text
//! for each digit a_i:
//!     w += a_i (a_i + 2 (a_(i+1), a_(i+2), …))        the products with lower digits are in the doubled ones of before
//!     reduce and shift as in a multiplication
//! ```
//!
//! Row i begins at the sum of place 2 i, and i of them are left behind by then: that is index i of the window. The
//! instructions take 52 bits of a digit, so the doubled number is one with carries of its own: a_i's highest bit is in
//! the digit above it, but for the first of a row, which has none below.

use core::arch::x86_64::{__m512i, _mm512_add_epi64, _mm512_setzero_si512, _mm512_srli_epi64};

use super::multiply::{Moduli, add_product, find_quotient, reduce, shift};
use super::numbers::{DIGITS, Digits, Numbers, Window, carry, empty_window};
use crate::arch::x86_64::memory::{load_512, store_512};
use crate::arch::x86_64::reload::reload;

/// `value = value * value * R^-1`. `doubled` is memory for it.
#[inline(never)]
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn square(value: &mut Numbers, doubled: &mut Numbers, moduli: &Moduli) {
    let (value, doubled, modulus) = (&mut value.0, &mut doubled.0, &moduli.numbers.0);
    let digits = &*value;
    for index in 1..DIGITS {
        let (digit, below) = (load_512(&digits[index]), load_512(&digits[index - 1]));
        let carried = _mm512_srli_epi64::<51>(below);
        // Bits above the 52nd do not count.
        store_512(&mut doubled[index], _mm512_add_epi64(twice(digit), carried));
    }
    let mut window = empty_window();
    let factors = load_512(&moduli.factors);
    macro_rules! rows {
        ($($index:literal)*) => {$(
            let mut top = _mm512_setzero_si512();
            let digit = load_512(&reload(digits)[$index]);
            // The lowest sum is known beforehand, but for the first row.
            add_product(&mut window, &mut top, $index, digit, digit);
            let quotient = find_quotient(&window, factors);
            add_row_above::<$index>(&mut window, &mut top, digit, digits, doubled);
            reduce(&mut window, &mut top, modulus, quotient);
            shift(&mut window, top);
        )*};
    }
    rows!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19);
    carry(value, &window);
}

/// Adds the products of one digit with the digits above.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn add_row_above<const INDEX: usize>(
    window: &mut Window,
    top: &mut __m512i,
    digit: __m512i,
    digits: &Digits,
    doubled: &Digits,
) {
    let (digits, doubled) = (reload(digits), reload(doubled)); // the registers are for the window
    for index in INDEX + 1..DIGITS {
        let other = if index == INDEX + 1 {
            twice(load_512(&digits[index]))
        } else {
            load_512(&doubled[index])
        };
        add_product(window, top, index, digit, other);
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn twice(digit: __m512i) -> __m512i {
    _mm512_add_epi64(digit, digit)
}
