//! Two secret powers at once, with AVX-512 IFMA: those of one private operation, modulo p and modulo q. Or one public
//! power, whose number of twice the length has the lanes of both.
//!
//! ```text
//! A number is twenty digits of 52 bits. Vector k of five holds the digits k, k + 5, k + 10 and k + 15 of both
//! numbers: its lane 2 j + h is digit k + 5 j of number h. So vector k times one digit b_i, which is in all lanes of
//! its number, adds to the places k + i, k + i + 5, ...: a vector of sums again, and nothing moves from lane to lane.
//!
//! multiply(a, b) = a b R^-1 modulo n, R = 2^1040:         almost: less than 2 n, not less than n
//!     w = 0                                                    w_k: the sums of the places i + k, i + k + 5, ...
//!     for each digit b_i:
//!         w_k += lo(a_k b_i),  w_(k+1) += hi(a_k b_i)          for each vector k
//!         m = lo(w_0 factor), the lowest lane's in all         factor = -n^-1 modulo 2^52
//!         w_k += lo(n_k m),    w_(k+1) += hi(n_k m)            for each vector k
//!         w_1 += w_0 / 2^52 in the lowest lane                 a multiple of 2^52 there
//!         w_5 += w_0, each digit's sum a lane further down      the same places
//!         w = (w_1, ..., w_5)
//!     carry from sum to sum
//! ```
//!
//! A number of 2048 bits is forty digits: lane j of vector k is digit k + 5 j, and R = 2^2080.
//!
//! A row waits for its quotient m, and that for the row before: the kernel asks for the next quotient before it adds
//! the rest of a row (`pair/multiply.rs`), so that the processor has products to compute meanwhile.
//!
//! **Bounds** are those of eight lanes (`eight.rs`): with `a, b < 2 n` the result is less than `2 n`, and after the last
//! multiplication, by 1, at most `n`. A sum is of two halves of a product from each of the D digits of `b` and as many
//! quotients, and a carry: less than `4 D 2^52 + 2^9 < 2^60`, where D is 20 or 40. Which vector a place is in does not
//! change that.
//!
//! Gueron and Krasnov, ARITH 2016 (these instructions); Drucker and Gueron, ITNG 2019 (squaring with them); Montgomery,
//! Math. Comp. 44 (1985).
//!
//! Constant-time: loops run to constants, no address depends on a secret, and an entry of the table is selected by
//! masks, one a number, while the whole table is read. Carries run through all lanes, whether there are any or not.
//!
//! Windows of the exponents have 4 bits as in eight lanes. With 5, reading twice the table takes nearly all the time that
//! fewer multiplications save.

mod multiply;
mod numbers;

use core::arch::x86_64::{
    __m512i, _mm512_cmpeq_epi64_mask, _mm512_mask_mov_epi64, _mm512_mask_set1_epi64,
    _mm512_set1_epi64, _mm512_setzero_si512,
};

use super::{EXPONENT_LEN, TABLE_LEN, WINDOW, fill, of_lane};
use crate::arch::mod_exp::{PublicPower, SecretPower, bits};
use multiply::{Moduli, multiply, square};
use numbers::{Numbers, ODD_LANES};

pub(super) use numbers::PAIR;

/// Operands and results. They are filled where they are, for a move would leave a copy behind.
struct Pair {
    moduli: Moduli<PAIR>,
    /// R^2, which brings a number into Montgomery form.
    entries: Numbers<PAIR>,
    values: Numbers<PAIR>,
    factor: Numbers<PAIR>,
    /// The powers of the bases.
    table: [Numbers<PAIR>; TABLE_LEN],
}

/// Computes one power, or two in the same time.
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn secret(powers: &mut [SecretPower<'_>]) {
    let mut pair = Pair {
        moduli: Moduli::zeroed(),
        entries: Numbers::zeroed(),
        values: Numbers::zeroed(),
        factor: Numbers::zeroed(),
        table: core::array::from_fn(|_| Numbers::zeroed()),
    };
    let Pair { moduli, entries, values, factor, table } = &mut pair;
    for number in 0..PAIR {
        let power = of_lane(powers, number);
        moduli.put(number, power.modulus);
        entries.put(number, &power.modulus.entry_52);
        values.put(number, &power.value);
    }
    table[0].copy_from(&Numbers::one());
    multiply(&mut table[0], entries, moduli);
    multiply(values, entries, moduli);
    table[1].copy_from(values);
    let square_of = |entry: &mut Numbers<PAIR>, lower: &_| {
        entry.copy_from(lower);
        square(entry, moduli);
    };
    let next_to = |entry: &mut Numbers<PAIR>, lower: &_| {
        entry.copy_from(lower);
        multiply(entry, values, moduli);
    };
    fill(table, square_of, next_to);

    let mut places = (0..EXPONENT_LEN).step_by(WINDOW).rev();
    if let Some(highest) = places.next() {
        read(table, windows(powers, highest), values);
    }
    for place in places {
        for _ in 0..WINDOW {
            square(values, moduli);
        }
        read(table, windows(powers, place), factor);
        multiply(values, factor, moduli);
    }
    factor.copy_from(&Numbers::one());
    multiply(values, factor, moduli);
    for (number, power) in powers.iter_mut().enumerate() {
        let above = values.take(number, &mut power.value);
        power.modulus.reduce_once(&mut power.value, above);
    }
}

/// The bits of the exponents from `place` on, each in the lanes of its number.
#[inline]
#[target_feature(enable = "avx512f")]
fn windows(powers: &[SecretPower<'_>], place: usize) -> __m512i {
    let window = |number| {
        let window = bits(of_lane(powers, number).exponent, place, WINDOW);
        window.cast_signed()
    };
    _mm512_mask_set1_epi64(_mm512_set1_epi64(window(0)), ODD_LANES, window(1))
}

/// Reads the whole table for the entry that each number wants.
#[inline]
#[target_feature(enable = "avx512f")]
fn read(table: &[Numbers<PAIR>; TABLE_LEN], wanted: __m512i, value: &mut Numbers<PAIR>) {
    let mut read = [_mm512_setzero_si512(); _];
    for (index, entry) in (0..).zip(table) {
        let lanes = _mm512_cmpeq_epi64_mask(wanted, _mm512_set1_epi64(index));
        for (vector, entry) in read.iter_mut().zip(entry.load()) {
            *vector = _mm512_mask_mov_epi64(*vector, lanes, entry);
        }
    }
    value.store(&read);
}

/// Computes one power with a public exponent, from its highest bit on.
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn public(power: &mut PublicPower<'_>) {
    let exponent = power.exponent;
    let mut moduli = Moduli::<1>::zeroed();
    let (mut base, mut value) = (Numbers::zeroed(), Numbers::zeroed());
    let mut factor = Numbers::zeroed();
    moduli.put(0, power.modulus);
    base.put(0, &power.value);
    factor.put(0, &power.modulus.entry_52);
    multiply(&mut base, &factor, &moduli);
    value.copy_from(&base);
    for place in (0..exponent.checked_ilog2().unwrap_or(0)).rev() {
        factor.copy_from(&value);
        multiply(&mut value, &factor, &moduli);
        if exponent >> place & 1 == 1 {
            multiply(&mut value, &base, &moduli);
        }
    }
    multiply(&mut value, &Numbers::one(), &moduli);
    let above = value.take(0, &mut power.value);
    power.modulus.reduce_once(&mut power.value, above);
}
