//! Montgomery's multiplication in eight lanes.
//!
//! ```text
//! row i, for the digit b_i:
//!     w_0 += lo(a_0 b_i),  m = lo(w_0 factor)              all of the reduction waits for the quotient m
//!     the rest of a b_i, and n m
//!     w_1 += w_0 / 2^52;  w = (w_1, ..., w_20)
//! ```
//!
//! The window stays in registers, and digits are read from memory, each once a row.

use core::arch::x86_64::{
    __m512i, _mm512_add_epi64, _mm512_madd52hi_epu64, _mm512_madd52lo_epu64, _mm512_setzero_si512,
    _mm512_srli_epi64,
};

use super::numbers::{DIGITS, Digits, Numbers, Window, carry, empty_window};
use crate::arch::x86_64::ifma::digits::Vector;
use crate::arch::x86_64::memory::load_512;
use crate::arch::x86_64::reload::reload;

/// The modulus of every lane, with what the multiplication needs to know of it.
pub(super) struct Moduli {
    pub(super) numbers: Numbers,
    /// `-modulus^-1` modulo 2^52; higher bits do not count.
    pub(super) factors: Vector,
}

/// `value = value * factor * R^-1`.
#[inline(never)]
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn multiply(value: &mut Numbers, factor: &Numbers, moduli: &Moduli) {
    let (digits, modulus) = (&mut value.0, &moduli.numbers.0);
    let mut window = empty_window();
    let factors = load_512(&moduli.factors);
    for digit in &factor.0 {
        let (mut top, digit) = (_mm512_setzero_si512(), load_512(digit));
        add_product(&mut window, &mut top, 0, digit, load_512(&digits[0]));
        let quotient = find_quotient(&window, factors);
        add_row::<1>(&mut window, &mut top, digits, digit);
        reduce(&mut window, &mut top, modulus, quotient);
        shift(&mut window, top);
    }
    carry(digits, &window);
}

/// Adds `digits`, from that index on, times one digit of the other number. `top` is the sum above the window.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
#[expect(clippy::needless_range_loop, reason = "the index is that of a register")]
fn add_row<const FROM: usize>(
    window: &mut Window,
    top: &mut __m512i,
    digits: &Digits,
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
pub(super) fn reduce(window: &mut Window, top: &mut __m512i, modulus: &Digits, quotient: __m512i) {
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
