//! Eight secret powers at once, with AVX-512 IFMA: a number a lane, each with a modulus, a base and an exponent of its own.
//!
//! ```text
//! A number is 20 digits of 52 bits; a vector holds one digit of every number. lo(x y) and hi(x y) are the low and high
//! 52 bits of a product.
//!
//! multiply(a, b) = a b R^-1 modulo n, R = 2^1040:              almost: less than 2 n, not less than n
//!     w = 0                                                    a window of sums, 64 bits each
//!     for each digit b_i:
//!         w_j += lo(a_j b_i),  w_(j+1) += hi(a_j b_i)          for each j
//!         m = lo(w_0 factor)                                   factor = -n^-1 modulo 2^52
//!         w_j += lo(n_j m),    w_(j+1) += hi(n_j m)            for each j; w_0 is now a multiple of 2^52
//!         w = w / 2^52
//!     carry from sum to sum
//! ```
//!
//! **Bounds.** `n < 2^1024`, and `R` is 2^16 times that. Where `a, b < 2 n`, the result is less than
//! `(4 n^2 + R n) / R = n (1 + 4 n / R) < 2 n`: no subtraction is needed in between, and the last multiplication, by 1,
//! gives at most `n`. A sum takes two halves of a product from each of the 20 digits of `b` and as
//! many of `m`, and a carry: less than `80 * 2^52 + 2^9 < 2^60`.
//!
//! Gueron and Krasnov, ARITH 2016 (Montgomery multiplication with these instructions); Montgomery, Math. Comp. 44
//! (1985).
//!
//! Windows of the exponents have 4 bits: with 5 there are fewer multiplications, but a table of 40 KiB, where the nearest
//! cache has 32.
//!
//! Constant-time: loops run to constants, for secret exponents as well, whose leading zeros are computed with; an
//! entry of a table is selected by masks while the whole table is read. The instructions take a time that does not
//! depend on their operands (Intel's list of such instructions has `VPMADD52LUQ` and `VPMADD52HUQ`).

mod multiply;
mod numbers;
mod square;

use core::arch::x86_64::{_mm512_cmpeq_epi64_mask, _mm512_mask_mov_epi64, _mm512_set1_epi64};

use super::digits::{LANES, Vector, put};
use super::{EXPONENT_LEN, TABLE_LEN, WINDOW, fill, of_lane};
use crate::arch::mod_exp::{Power, SecretPower, bits};
use crate::arch::x86_64::memory::{load_512, store_512};
use multiply::{Moduli, multiply};
use numbers::{Numbers, empty_window};
use square::square;

/// The numbers of the lanes. They are filled in where they are, for a move would leave a copy behind.
struct Lanes {
    moduli: Moduli,
    /// R^2 modulo each modulus: a factor that brings a number into Montgomery form.
    entries: Numbers,
    values: Numbers,
}

impl Lanes {
    fn zeroed() -> Self {
        let moduli = Moduli { numbers: Numbers::zeroed(), factors: [0; 64] };
        Self { moduli, entries: Numbers::zeroed(), values: Numbers::zeroed() }
    }

    fn put(&mut self, powers: &[SecretPower<'_>]) {
        for lane in 0..LANES {
            let Power { modulus, value, .. } = of_lane(powers, lane);
            self.moduli.numbers.put(lane, &modulus.limbs);
            put(&mut self.moduli.factors, lane, modulus.factor);
            self.entries.put(lane, &modulus.entry_52);
            self.values.put(lane, value);
        }
    }

    /// Takes the values, which are less than twice their moduli.
    fn take(&self, powers: &mut [SecretPower<'_>]) {
        for (lane, power) in powers.iter_mut().enumerate() {
            let above = self.values.take(lane, &mut power.value);
            power.modulus.reduce_once(&mut power.value, above);
        }
    }
}

/// Computes eight powers, or fewer in the same time.
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn secret(powers: &mut [SecretPower<'_>]) {
    let mut lanes = Lanes::zeroed();
    lanes.put(powers);
    let Lanes { moduli, entries, values } = &mut lanes;
    let mut doubled = Numbers::zeroed();
    let mut table: [_; TABLE_LEN] = core::array::from_fn(|_| Numbers::one());
    multiply(&mut table[0], entries, moduli);
    multiply(values, entries, moduli);
    table[1].copy_from(values);
    let square_of = |entry: &mut Numbers, lower: &_| {
        entry.copy_from(lower);
        square(entry, &mut doubled, moduli);
    };
    let next_to = |entry: &mut Numbers, lower: &_| {
        entry.copy_from(lower);
        multiply(entry, values, moduli);
    };
    fill(&mut table, square_of, next_to);

    let mut factor = Numbers::zeroed();
    read(&table, &windows(powers, EXPONENT_LEN - WINDOW), values);
    for place in (0..EXPONENT_LEN - WINDOW).step_by(WINDOW).rev() {
        for _ in 0..WINDOW {
            square(values, &mut doubled, moduli);
        }
        read(&table, &windows(powers, place), &mut factor);
        multiply(values, &factor, moduli);
    }
    multiply(values, &Numbers::one(), moduli);
    lanes.take(powers);
}

/// The bits of the exponents from `place` on.
fn windows(powers: &[SecretPower<'_>], place: usize) -> Vector {
    let mut windows = [0; 64];
    for lane in 0..LANES {
        put(&mut windows, lane, bits(of_lane(powers, lane).exponent, place, WINDOW));
    }
    windows
}

/// Reads the whole table for the entry that each lane wants.
#[inline(never)]
#[target_feature(enable = "avx512f")]
fn read(table: &[Numbers; TABLE_LEN], wanted: &Vector, value: &mut Numbers) {
    let wanted = load_512(wanted);
    let mut window = empty_window();
    for (number, Numbers(entry)) in (0..).zip(table) {
        let lanes = _mm512_cmpeq_epi64_mask(wanted, _mm512_set1_epi64(number));
        for (digit, entry) in window.iter_mut().zip(entry) {
            *digit = _mm512_mask_mov_epi64(*digit, lanes, load_512(entry));
        }
    }
    for (digit, read) in value.0.iter_mut().zip(&window) {
        store_512(digit, *read);
    }
}
