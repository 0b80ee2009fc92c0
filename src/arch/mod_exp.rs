//! Modular exponentiation, as RSA needs it: the modulus and the operation that every kernel knows.
//!
//! Numbers are 64-bit limbs, the least significant first: 16 for a prime and what is computed modulo it,
//! 32 for an RSA modulus. An exponent that is secret has as many bits as its modulus, leading zeros
//! included, and a kernel's instructions, branches and addresses do not depend on it, on the base or on the
//! modulus. A public exponent is a `u32`, and how long it takes depends on it.

use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use crate::arch::software::mod_exp::multiply;
use crate::secret::wipe;

/// Limbs of a prime of 1024 bits.
pub(crate) const PRIME: usize = 16;
/// Limbs of a modulus of 2048 bits.
pub(crate) const MODULUS: usize = 2 * PRIME;

/// An odd modulus whose highest bit is set, with what kernels need to know of it.
///
/// It may be secret: it is wiped on drop, and whoever moves it leaves a copy behind.
#[derive(Clone)]
pub(crate) struct Modulus<const N: usize> {
    pub(crate) limbs: [u64; N],
    /// `-modulus^-1` modulo 2^64.
    pub(crate) factor: u64,
    /// R^2 modulo the modulus, where R = 2^(64 N): what brings a number into Montgomery form.
    pub(crate) entry: [u64; N],
    /// The same where R is the least power of 2^52 above 2^(64 N).
    #[cfg_attr(not(x86_64_kernels), allow(dead_code, reason = "for vectors of 52-bit digits"))]
    pub(crate) entry_52: [u64; N],
}

impl<const N: usize> Modulus<N> {
    /// The constants of `limbs`, which is odd and has its highest bit set.
    pub(crate) fn new(limbs: &[u64; N]) -> Self {
        debug_assert!(limbs.first().is_some_and(|low| low & 1 == 1), "odd");
        debug_assert!(limbs.last().is_some_and(|high| high >> 63 == 1), "of full length");
        let low = limbs.first().copied().unwrap_or(1);
        // Newton's iteration: the inverse of an odd number modulo 8 is itself, and each step doubles the bits.
        let mut inverse = low;
        for _ in 0..5 {
            inverse = inverse.wrapping_mul(2_u64.wrapping_sub(low.wrapping_mul(inverse)));
        }
        let factor = inverse.wrapping_neg();
        let mut modulus = Self { limbs: *limbs, factor, entry: [0; N], entry_52: [0; N] };
        modulus.set_entries();
        modulus
    }

    fn set_entries(&mut self) {
        // R - modulus, which is R modulo the modulus: the highest bit is set.
        let mut power = [0; N];
        subtract(&mut power, &self.limbs);
        // R 2^N by doubling, then R 2^(2 N), R 2^(4 N) and so on up to R 2^(64 N) = R^2 by squaring.
        for _ in 0..N {
            self.double(&mut power);
        }
        let mut factor = [0; N];
        for _ in 0..6 {
            factor = power;
            multiply(&mut power, &factor, self);
        }
        wipe(&mut factor);
        self.entry = power;
        // R_52 = R 2^s, so that R_52^2 = R^2 2^(2 s).
        let shift = (64 * N).next_multiple_of(52) - 64 * N;
        for _ in 0..2 * shift {
            self.double(&mut power);
        }
        self.entry_52 = power;
        wipe(&mut power);
    }

    /// Twice `number`, modulo the modulus.
    fn double(&self, number: &mut [u64; N]) {
        let mut carry = 0;
        for limb in number.iter_mut() {
            let doubled = *limb << 1 | carry;
            carry = *limb >> 63;
            *limb = doubled;
        }
        self.reduce_once(number, carry);
    }

    /// Brings any number of N limbs into Montgomery form: `number * R`, modulo the modulus.
    pub(crate) fn enter(&self, number: &mut [u64; N]) {
        multiply(number, &self.entry, self);
    }

    /// `number * factor / R`, modulo the modulus; one of them may be any number of N limbs.
    pub(crate) fn multiply(&self, number: &mut [u64; N], factor: &[u64; N]) {
        multiply(number, factor, self);
    }

    /// `number + other`, modulo the modulus; both are less than it.
    pub(crate) fn add(&self, number: &mut [u64; N], other: &[u64; N]) {
        let mut carry = false;
        for (limb, other) in number.iter_mut().zip(other) {
            (*limb, carry) = limb.carrying_add(*other, carry);
        }
        self.reduce_once(number, u64::from(carry));
    }

    /// `number - other`, modulo the modulus; both are less than it.
    pub(crate) fn subtract(&self, number: &mut [u64; N], other: &[u64; N]) {
        let borrow = subtract(number, other).wrapping_neg();
        let mut carry = false;
        for (limb, modulus) in number.iter_mut().zip(&self.limbs) {
            (*limb, carry) = limb.carrying_add(*modulus & borrow, carry);
        }
    }

    /// `number + carry R`, which is less than twice the modulus, modulo the modulus.
    pub(crate) fn reduce_once(&self, number: &mut [u64; N], carry: u64) {
        let mut reduced = *number;
        let borrow = subtract(&mut reduced, &self.limbs);
        // It was less where the subtraction borrows more than there is to carry.
        let keep = borrow.ct_eq(&1) & carry.ct_eq(&0);
        select(&mut reduced, number, keep);
        *number = reduced;
        wipe(&mut reduced);
    }
}

impl<const N: usize> Drop for Modulus<N> {
    fn drop(&mut self) {
        wipe(&mut self.limbs);
        wipe(&mut self.entry);
        wipe(&mut self.entry_52);
        wipe(core::array::from_mut(&mut self.factor));
    }
}

/// One exponentiation: `value`, which is less than the modulus, is the base before and the power after.
///
/// `value` is wiped on drop and must not be moved once it is set.
pub(crate) struct Power<'k, const N: usize, E> {
    pub(crate) modulus: &'k Modulus<N>,
    pub(crate) exponent: E,
    pub(crate) value: [u64; N],
}

impl<const N: usize, E> Drop for Power<'_, N, E> {
    fn drop(&mut self) {
        wipe(&mut self.value);
    }
}

/// To the power of an exponent that is secret, modulo a prime.
pub(crate) type SecretPower<'k> = Power<'k, PRIME, &'k [u64; PRIME]>;
/// To the power of the public exponent, modulo the product of two primes.
pub(crate) type PublicPower<'k> = Power<'k, MODULUS, u32>;

/// `count` bits of `number` from bit `place` on; bits beyond the last limb are zeros. `count` is at most 63.
pub(crate) fn bits(number: &[u64], place: usize, count: usize) -> u64 {
    let limb = |index: usize| number.get(index).copied().unwrap_or(0);
    let (index, shift) = (place / 64, place % 64);
    // The second shift is by 1 more than there is room for, in two steps.
    let both = limb(index) >> shift | limb(index + 1) << 1 << (63 - shift);
    both & ((1 << count) - 1)
}

/// Subtracts `other` from `number`, modulo 2^(64 N); the borrow, 0 or 1.
pub(crate) fn subtract<const N: usize>(number: &mut [u64; N], other: &[u64; N]) -> u64 {
    let mut borrow = false;
    for (limb, other) in number.iter_mut().zip(other) {
        (*limb, borrow) = limb.borrowing_sub(*other, borrow);
    }
    u64::from(borrow)
}

/// Sets `number` to `other` where `choice` is 1.
pub(crate) fn select<const N: usize>(number: &mut [u64; N], other: &[u64; N], choice: Choice) {
    for (limb, other) in number.iter_mut().zip(other) {
        limb.conditional_assign(other, choice);
    }
}
