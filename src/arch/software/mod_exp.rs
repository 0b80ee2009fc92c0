//! Modular exponentiation for any processor: Montgomery's multiplication on 64-bit limbs.
//!
//! ```text
//! multiply(a, b) = a b R^-1 modulo n, R = 2^(64 N):
//!     t = 0
//!     for each limb of b:
//!         t += a limb
//!         t = (t + n (t factor mod 2^64)) / 2^64       factor = -n^-1, so that the division is exact
//!     t -= n where t >= n
//!
//! secret power, windows of 4 bits:                      public power:
//!     table[i] = base^i for i in 0..16                      for each bit of the exponent from the highest:
//!     for each window from the highest:                         power = power^2
//!         power = power^16 table[window]                        power *= base where the bit is set
//! ```
//!
//! P. Montgomery, Math. Comp. 44 (1985); Koç, Acar and Kaliski, IEEE Micro 16(3) (1996), section 5 (CIOS).
//!
//! Constant-time: every loop runs to a constant; the last subtraction is always computed and selected by a
//! mask, and so is an entry of the table, all of which is read. Rust's 64-bit products compile to the
//! processor's multiplication; on 32-bit processors whose multiplication takes a time that depends on its
//! operands (ARM Cortex-M3) it is not constant.

use subtle::ConstantTimeEq;

use crate::arch::mod_exp::{Modulus, Power, PublicPower, SecretPower, bits, select};
use crate::secret::wipe;

/// Bits of the exponent that one multiplication takes care of.
const WINDOW: usize = 4;
const TABLE_LEN: usize = 1 << WINDOW;

/// The powers of one base, wiped on drop.
struct Table<const N: usize>([[u64; N]; TABLE_LEN]);

impl<const N: usize> Drop for Table<N> {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(wipe);
    }
}

impl<const N: usize> Table<N> {
    /// Reads the whole table for the power of that index.
    fn read(&self, index: u64, power: &mut [u64; N]) {
        for (number, entry) in (0_u64..).zip(&self.0) {
            select(power, entry, number.ct_eq(&index));
        }
    }
}

/// Computes each of `powers`.
pub(crate) fn secret(powers: &mut [SecretPower<'_>]) {
    powers.iter_mut().for_each(secret_power);
}

fn secret_power<const N: usize>(power: &mut Power<'_, N, &[u64; N]>) {
    let (modulus, exponent) = (power.modulus, power.exponent);
    let value = &mut power.value;
    let mut table = Table([[0; N]; TABLE_LEN]);
    multiply(value, &modulus.entry, modulus);
    let [unit, entries @ ..] = &mut table.0;
    *unit = one();
    multiply(unit, &modulus.entry, modulus);
    let mut last = unit;
    for entry in entries {
        *entry = *last;
        multiply(entry, value, modulus);
        last = entry;
    }

    let mut factor = [0; N];
    table.read(bits(exponent, 64 * N - WINDOW, WINDOW), value);
    for window in (0..64 * N / WINDOW - 1).rev() {
        for _ in 0..WINDOW {
            factor = *value;
            multiply(value, &factor, modulus);
        }
        table.read(bits(exponent, window * WINDOW, WINDOW), &mut factor);
        multiply(value, &factor, modulus);
    }
    multiply(value, &one(), modulus);
    wipe(&mut factor);
}

/// Computes each of `powers`.
pub(crate) fn public(powers: &mut [PublicPower<'_>]) {
    powers.iter_mut().for_each(public_power);
}

fn public_power<const N: usize>(power: &mut Power<'_, N, u32>) {
    let (modulus, exponent) = (power.modulus, power.exponent);
    let value = &mut power.value;
    multiply(value, &modulus.entry, modulus);
    let mut base = *value;
    let mut square;
    for place in (0..exponent.checked_ilog2().unwrap_or(0)).rev() {
        square = *value;
        multiply(value, &square, modulus);
        wipe(&mut square);
        if exponent >> place & 1 == 1 {
            multiply(value, &base, modulus);
        }
    }
    multiply(value, &one(), modulus);
    wipe(&mut base);
}

fn one<const N: usize>() -> [u64; N] {
    core::array::from_fn(|index| u64::from(index == 0))
}

/// `value * factor * R^-1` modulo the modulus, written over `value`. One of the two may be any number of N limbs,
/// the other is less than the modulus.
#[inline(never)] // one body a length
pub(crate) fn multiply<const N: usize>(
    value: &mut [u64; N],
    factor: &[u64; N],
    modulus: &Modulus<N>,
) {
    let (n, mut sum, mut top) = (&modulus.limbs, [0_u64; N], 0_u64);
    for &limb in factor {
        let mut carry = 0;
        for index in 0..N {
            (sum[index], carry) = value[index].carrying_mul_add(limb, sum[index], carry);
        }
        let (high, highest) = top.carrying_add(carry, false);

        let quotient = sum[0].wrapping_mul(modulus.factor);
        (_, carry) = n[0].carrying_mul_add(quotient, sum[0], 0);
        for index in 1..N {
            (sum[index - 1], carry) = n[index].carrying_mul_add(quotient, sum[index], carry);
        }
        let (last, over) = high.carrying_add(carry, false);
        sum[N - 1] = last;
        top = u64::from(highest) + u64::from(over);
    }
    modulus.reduce_once(&mut sum, top);
    *value = sum;
    wipe(&mut sum);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `base^exponent` modulo `modulus`, bit by bit.
    fn expected(base: u64, exponent: u64, modulus: u64) -> u64 {
        let product = |one: u64, other: u64| {
            let product = u128::from(one) * u128::from(other) % u128::from(modulus);
            u64::try_from(product).unwrap()
        };
        (0..64).rev().fold(1 % modulus, |power, place| {
            let square = product(power, power);
            if exponent >> place & 1 == 1 { product(square, base) } else { square }
        })
    }

    /// The functions are the same for every length: here for one that an interpreter can run.
    #[test]
    fn numbers_of_one_limb_agree_with_long_division() {
        for modulus in [1 << 63 | 1, u64::MAX, 0xdead_beef_0123_4567] {
            for base in [0, 1, 2, modulus - 1, 0x0123_4567_89ab_cdef] {
                for exponent in [0, 1, 3, 65537, u64::MAX, 0xfedc_ba98_7654_3210] {
                    let of = Modulus::new(&[modulus]);
                    let mut power = Power { modulus: &of, exponent: &[exponent], value: [base] };
                    secret_power(&mut power);
                    assert_eq!(power.value, [expected(base, exponent, modulus)]);
                }
                for exponent in [1, 3, 65537, u32::MAX] {
                    let of = Modulus::new(&[modulus]);
                    let mut power = Power { modulus: &of, exponent, value: [base] };
                    public_power(&mut power);
                    assert_eq!(power.value, [expected(base, exponent.into(), modulus)]);
                }
            }
        }
    }
}
