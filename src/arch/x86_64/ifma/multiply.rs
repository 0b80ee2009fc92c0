//! Montgomery's multiplication in eight lanes, a part of twenty digits by a part of twenty digits at a time.
//!
//! ```text
//! 2048 bits:   value  factor                 window: twenty sums, from the one of that place on
//!              low    low     finds m        0 to 20    (0, the sums that it leaves behind are zeros)
//!              high   low     uses m         20 to 40   hands out the lowest sum of each row
//!              low    high    finds m        20 to 40   takes in at the top what there is from 40 on
//!              high   high    uses m         40 to 60   hands out 40 to 59; what stays is 60 to 79
//! ```
//!
//! A number of 1024 bits is one part: it needs the first of these alone.

use core::arch::x86_64::{
    __m512i, _mm512_add_epi64, _mm512_madd52hi_epu64, _mm512_madd52lo_epu64, _mm512_setzero_si512,
    _mm512_srli_epi64,
};

use super::digits::{DIGITS, Digit, Numbers, Part, Window, carry, empty_window, load, store};
use crate::arch::x86_64::memory::{load_512, store_512};
use crate::arch::x86_64::reload::reload;

/// The modulus of every lane, with what the multiplication needs to know of it.
pub(super) struct Moduli<const PARTS: usize> {
    pub(super) numbers: Numbers<PARTS>,
    /// `-modulus^-1` modulo 2^52; higher bits do not count.
    pub(super) factors: Digit,
}

/// `value = value * factor * R^-1`, for moduli of 1024 bits.
#[inline(never)]
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn multiply(value: &mut Numbers<1>, factor: &Numbers<1>, moduli: &Moduli<1>) {
    let ([digits], [factor], [modulus]) = (&mut value.0, &factor.0, &moduli.numbers.0);
    let mut window = empty_window();
    let factors = load_512(&moduli.factors);
    for digit in factor {
        let (mut top, digit) = (_mm512_setzero_si512(), load_512(digit));
        add_product(&mut window, &mut top, 0, digit, load_512(&digits[0]));
        let quotient = find_quotient(&window, factors);
        add_row::<1>(&mut window, &mut top, digits, digit);
        reduce(&mut window, &mut top, modulus, quotient);
        shift(&mut window, top);
    }
    carry(digits, &window, _mm512_setzero_si512());
}

/// `value = value * factor * R^-1`, for moduli of 2048 bits.
#[inline(never)]
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn multiply_double(value: &mut Numbers<2>, factor: &Numbers<2>, moduli: &Moduli<2>) {
    let ([low, high], [modulus_low, modulus_high]) = (&mut value.0, &moduli.numbers.0);
    let factors = load_512(&moduli.factors);
    // What was added of the modulus, and the sums that are not in the window.
    let (Numbers([quotients]), Numbers([sums])) =
        (&mut Numbers::<1>::zeroed(), &mut Numbers::<1>::zeroed());
    let mut window = empty_window();
    for factor in &factor.0 {
        for ((digit, quotient), sum) in factor.iter().zip(&mut *quotients).zip(&*sums) {
            let (mut top, digit) = (load_512(sum), load_512(digit));
            add_product(&mut window, &mut top, 0, digit, load_512(&low[0]));
            let times = find_quotient(&window, factors);
            store_512(quotient, times);
            add_row::<1>(&mut window, &mut top, low, digit);
            reduce(&mut window, &mut top, modulus_low, times);
            shift(&mut window, top);
        }
        for ((digit, quotient), sum) in factor.iter().zip(&*quotients).zip(&mut *sums) {
            let mut top = _mm512_setzero_si512();
            add_row::<0>(&mut window, &mut top, high, load_512(digit));
            add_row::<0>(&mut window, &mut top, modulus_high, load_512(quotient));
            store_512(sum, window[0]);
            shift(&mut window, top);
        }
        // The window goes back to the sums that were handed out.
        let above = window;
        window = load(sums);
        store(sums, &above);
    }
    let carried = carry(low, &window, _mm512_setzero_si512());
    carry(high, &load(sums), carried);
}

/// Adds `digits`, from that index on, times one digit of the other number. `top` is the sum above the window.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
#[expect(clippy::needless_range_loop, reason = "the index is that of a register")]
fn add_row<const FROM: usize>(
    window: &mut Window,
    top: &mut __m512i,
    digits: &Part,
    digit: __m512i,
) {
    let digits = reload(digits); // the registers are for the window
    for index in FROM..DIGITS {
        add_product(window, top, index, digit, load_512(&digits[index]));
    }
}

/// Adds the product of two digits to the sum of that index and the next.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn add_product(
    window: &mut Window,
    top: &mut __m512i,
    index: usize,
    digit: __m512i,
    other: __m512i,
) {
    window[index] = _mm512_madd52lo_epu64(window[index], digit, other);
    let next = if index + 1 < DIGITS { &mut window[index + 1] } else { top };
    *next = _mm512_madd52hi_epu64(*next, digit, other);
}

/// Finds the multiple of the modulus whose addition makes the lowest sum one of 2^52. It is asked for as soon as that
/// sum is known: all of the reduction waits for it.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn find_quotient(window: &Window, factors: __m512i) -> __m512i {
    _mm512_madd52lo_epu64(_mm512_setzero_si512(), window[0], factors)
}

/// Adds the modulus `quotient` times, and carries the lowest sum to the next.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn reduce(window: &mut Window, top: &mut __m512i, modulus: &Part, quotient: __m512i) {
    add_row::<0>(window, top, modulus, quotient);
    window[1] = _mm512_add_epi64(window[1], _mm512_srli_epi64::<52>(window[0]));
}

/// Leaves the lowest sum behind and takes `top` in.
#[inline]
#[target_feature(enable = "avx512f")]
#[expect(clippy::many_single_char_names, reason = "a letter a sum")]
pub(super) fn shift(window: &mut Window, top: __m512i) {
    // By name: a loop is compiled to a copy of memory.
    let [_, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s] = *window;
    *window = [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, top];
}
