//! Modular exponentiation for any processor: Montgomery's multiplication on 64-bit limbs.
//!
//! ```text
//! multiply(a, b) = a b R^-1 modulo n, R = 2^(64 N):
//!     t = 0
//!     for each limb of b:
//!         t += a limb
//!         t = (t + n (t factor mod 2^64)) / 2^64       factor = -n^-1, so that the division is exact
//!     t -= n where t >= R                              which leaves less than R, and not always less than n
//!
//! square(a) = a a R^-1 modulo n:
//!     t = the products of two different limbs, in blocks of 8 limbs that fit into registers
//!     t = 2 t + the squares of the limbs
//!     N times: t = (t + n (t factor mod 2^64)) / 2^64, and t -= n as above
//!
//! secret power, windows of 5 bits:                      public power:
//!     table[i] = base^i for i in 0..32                      for each bit of the exponent from the highest:
//!     for each window from the highest:                         power = power^2
//!         power = power^32 table[window]                        power *= base where the bit is set
//! ```
//!
//! P. Montgomery, Math. Comp. 44 (1985); Koç, Acar and Kaliski, IEEE Micro 16(3) (1996), section 5 (CIOS); for numbers
//! below R, S. Gueron, "Efficient software implementations of modular exponentiation", J. Cryptogr. Eng. 2 (2012).
//!
//! Constant-time: every loop runs to a constant; the last subtraction is always computed, of the modulus or of 0 by a
//! mask, and so is an entry of the table, all of which is read. Rust's 64-bit products compile to the
//! processor's multiplication; on 32-bit processors whose multiplication takes a time that depends on its
//! operands (ARM Cortex-M3) it is not constant.

use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use crate::arch::mod_exp::{Modulus, Power, PublicPower, SecretPower, bits};
use crate::secret::wipe;

/// Bits of the exponent that one multiplication takes care of.
const WINDOW: usize = 5;
const TABLE_LEN: usize = 1 << WINDOW;
/// Limbs of a block in a square.
const BLOCK: usize = 8;

/// Both halves of a number of twice the length, the lower one first.
type Double<const N: usize> = [[u64; N]; 2];

/// The memory of one exponentiation, wiped on drop.
struct Memory<const N: usize> {
    /// The powers of the base, from that of 0 on.
    table: [[u64; N]; TABLE_LEN],
    factor: [u64; N],
    square: Double<N>,
}

impl<const N: usize> Memory<N> {
    fn zeroed() -> Self {
        Self { table: [[0; N]; TABLE_LEN], factor: [0; N], square: [[0; N]; 2] }
    }

    /// Reads the whole table for the power of that index.
    fn read(&self, index: u64) -> [u64; N] {
        let mut power = [0; N];
        for (number, entry) in (0_u64..).zip(&self.table) {
            let mask = mask(number.ct_eq(&index));
            for (limb, other) in power.iter_mut().zip(entry) {
                *limb |= other & mask;
            }
        }
        power
    }
}

impl<const N: usize> Drop for Memory<N> {
    fn drop(&mut self) {
        self.table.iter_mut().for_each(wipe);
        self.square.iter_mut().for_each(wipe);
        wipe(&mut self.factor);
    }
}

/// All bits where `choice` is 1, else none.
fn mask(choice: Choice) -> u64 {
    u64::conditional_select(&0, &u64::MAX, choice)
}

/// Computes each of `powers`.
pub(crate) fn secret(powers: &mut [SecretPower<'_>]) {
    powers.iter_mut().for_each(secret_power);
}

fn secret_power<const N: usize>(power: &mut Power<'_, N, &[u64; N]>) {
    let (modulus, exponent) = (power.modulus, power.exponent);
    let value = &mut power.value;
    let mut memory = Memory::zeroed();
    almost_multiply(value, &modulus.entry, modulus);
    let [unit, entries @ ..] = &mut memory.table;
    *unit = one();
    almost_multiply(unit, &modulus.entry, modulus);
    let mut last = unit;
    for entry in entries {
        *entry = *last;
        almost_multiply(entry, value, modulus);
        last = entry;
    }

    let windows = (64 * N).div_ceil(WINDOW);
    *value = memory.read(bits(exponent, (windows - 1) * WINDOW, WINDOW));
    for window in (0..windows - 1).rev() {
        for _ in 0..WINDOW {
            almost_square(value, &mut memory.square, modulus);
        }
        memory.factor = memory.read(bits(exponent, window * WINDOW, WINDOW));
        almost_multiply(value, &memory.factor, modulus);
    }
    multiply(value, &one(), modulus);
}

/// Computes each of `powers`.
pub(crate) fn public(powers: &mut [PublicPower<'_>]) {
    powers.iter_mut().for_each(public_power);
}

fn public_power<const N: usize>(power: &mut Power<'_, N, u32>) {
    let (modulus, exponent) = (power.modulus, power.exponent);
    let value = &mut power.value;
    almost_multiply(value, &modulus.entry, modulus);
    let (mut base, mut square) = (*value, [[0; N]; 2]);
    for place in (0..exponent.checked_ilog2().unwrap_or(0)).rev() {
        almost_square(value, &mut square, modulus);
        if exponent >> place & 1 == 1 {
            almost_multiply(value, &base, modulus);
        }
    }
    multiply(value, &one(), modulus);
    wipe(&mut base);
    square.iter_mut().for_each(wipe);
}

fn one<const N: usize>() -> [u64; N] {
    core::array::from_fn(|index| u64::from(index == 0))
}

/// `value * factor * R^-1` modulo the modulus, written over `value`. One of the two may be any number of N limbs,
/// the other is less than the modulus or 1.
pub(crate) fn multiply<const N: usize>(
    value: &mut [u64; N],
    factor: &[u64; N],
    modulus: &Modulus<N>,
) {
    almost_multiply(value, factor, modulus);
    modulus.reduce_once(value, 0);
}

/// A number of N limbs that is `value * factor * R^-1` modulo the modulus, written over `value`; both may be any
/// number of N limbs.
#[inline(never)] // one body a length
fn almost_multiply<const N: usize>(value: &mut [u64; N], factor: &[u64; N], modulus: &Modulus<N>) {
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
    bring_below(&mut sum, top, n);
    *value = sum;
    wipe(&mut sum);
}

/// A number of N limbs that is `value^2 R^-1` modulo the modulus, written over `value`, which may be any number of N
/// limbs. `square` is for what comes between; the caller wipes it.
#[inline(never)] // one body a length
fn almost_square<const N: usize>(
    value: &mut [u64; N],
    square: &mut Double<N>,
    modulus: &Modulus<N>,
) {
    if !N.is_multiple_of(BLOCK) {
        let [factor, _] = square;
        *factor = *value;
        return almost_multiply(value, factor, modulus);
    }
    different_products(value, square);
    double_and_add_squares(value, square);
    reduce(value, square, modulus);
}

/// The sum of the products of each two different limbs, each at its place.
fn different_products<const N: usize>(limbs: &[u64; N], sum: &mut Double<N>) {
    let blocks = limbs.as_chunks::<BLOCK>().0;
    let sum = sum.as_flattened_mut().as_chunks_mut().0;
    for (block, places) in blocks.iter().zip(sum.as_chunks_mut().0) {
        *places = products_in(block);
    }
    for (first, block) in blocks.iter().enumerate() {
        for (second, other) in blocks.iter().enumerate().skip(first + 1) {
            if let Some([low, high, above @ ..]) = sum.get_mut(first + second..) {
                let mut carry = add_product(block, other, low, high);
                for limb in above.as_flattened_mut() {
                    (*limb, carry) = limb.carrying_add(0, carry);
                }
            }
        }
    }
}

/// The same of one block.
#[inline]
fn products_in(block: &[u64; BLOCK]) -> Double<BLOCK> {
    let mut products = [[0; BLOCK]; 2];
    let sum = products.as_flattened_mut();
    for first in 0..BLOCK {
        let mut carry = 0;
        for second in first + 1..BLOCK {
            let place = &mut sum[first + second];
            (*place, carry) = block[first].carrying_mul_add(block[second], *place, carry);
        }
        sum[first + BLOCK] = carry;
    }
    products
}

/// Adds the product of two blocks to `low` and `high`; the carry.
#[inline]
fn add_product(
    block: &[u64; BLOCK],
    other: &[u64; BLOCK],
    low: &mut [u64; BLOCK],
    high: &mut [u64; BLOCK],
) -> bool {
    let mut sum = *low;
    for (place, &limb) in low.iter_mut().zip(other) {
        let mut carry;
        (*place, carry) = block[0].carrying_mul_add(limb, sum[0], 0);
        for index in 1..BLOCK {
            (sum[index - 1], carry) = block[index].carrying_mul_add(limb, sum[index], carry);
        }
        sum[BLOCK - 1] = carry;
    }
    let mut carry = false;
    for (limb, addend) in high.iter_mut().zip(sum) {
        (*limb, carry) = limb.carrying_add(addend, carry);
    }
    carry
}

/// Twice the sum, and the square of each limb.
fn double_and_add_squares<const N: usize>(limbs: &[u64; N], sum: &mut Double<N>) {
    let (mut bit, mut carry) = (0, false);
    for ([low, high], limb) in sum.as_flattened_mut().as_chunks_mut().0.iter_mut().zip(limbs) {
        let (square, square_high) = limb.carrying_mul(*limb, 0);
        let doubled = [*low << 1 | bit, *high << 1 | *low >> 63];
        bit = *high >> 63;
        (*low, carry) = doubled[0].carrying_add(square, carry);
        (*high, carry) = doubled[1].carrying_add(square_high, carry);
    }
}

/// A number of N limbs that is `number R^-1` modulo the modulus, written to `value`.
fn reduce<const N: usize>(value: &mut [u64; N], number: &Double<N>, modulus: &Modulus<N>) {
    let (n, [low, high]) = (&modulus.limbs, number);
    let (mut sum, mut top) = (*low, false);
    for above in high {
        let quotient = sum[0].wrapping_mul(modulus.factor);
        let (_, mut carry) = n[0].carrying_mul_add(quotient, sum[0], 0);
        for index in 1..N {
            (sum[index - 1], carry) = n[index].carrying_mul_add(quotient, sum[index], carry);
        }
        (sum[N - 1], top) = above.carrying_add(carry, top);
    }
    bring_below(&mut sum, u64::from(top), n);
    *value = sum;
    wipe(&mut sum);
}

/// Subtracts the modulus from `sum + top R` where `top` is 1: what was less than R and the modulus together is less than
/// R.
fn bring_below<const N: usize>(sum: &mut [u64; N], top: u64, modulus: &[u64; N]) {
    let (mask, mut borrow) = (mask(top.ct_eq(&1)), false);
    for (limb, modulus) in sum.iter_mut().zip(modulus) {
        (*limb, borrow) = limb.borrowing_sub(modulus & mask, borrow);
    }
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

    /// Squares have a way of their own, which lengths of whole blocks take.
    #[test]
    fn squares_are_products() {
        fn squares_of_length<const N: usize>() {
            let mut seed = 0x0123_4567_89ab_cdef_u64;
            let mut random = || {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                seed ^ seed >> 29
            };
            // An interpreter takes many seconds for a case.
            for case in if cfg!(miri) { 3..4 } else { 0..24 } {
                let mut modulus: [u64; N] = core::array::from_fn(|_| random());
                if case % 3 == 0 {
                    modulus = [u64::MAX; N];
                }
                modulus[0] |= 1;
                modulus[N - 1] |= 1 << 63;
                let modulus = Modulus::new(&modulus);
                let number = match case % 4 {
                    0 => [u64::MAX; N],
                    1 => core::array::from_fn(|index| u64::MAX * (index as u64 % 2)),
                    _ => core::array::from_fn(|_| random()),
                };
                let (mut square, mut product) = (number, number);
                almost_square(&mut square, &mut [[0; N]; 2], &modulus);
                almost_multiply(&mut product, &number, &modulus);
                // Both are less than R, and so less than twice the modulus.
                modulus.reduce_once(&mut square, 0);
                modulus.reduce_once(&mut product, 0);
                assert_eq!(square, product, "{N} limbs, case {case}");
            }
        }
        squares_of_length::<1>();
        squares_of_length::<8>();
        squares_of_length::<16>();
        if !cfg!(miri) {
            squares_of_length::<24>();
            squares_of_length::<32>();
        }
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
