//! Numbers of fixed length: 64-bit limbs, the least significant first.
//!
//! Constant-time: loops run to the lengths of numbers, and selections are by masks. Divisors are public.

use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use crate::backend::mod_exp::{MODULUS, Modulus, PRIME, select, subtract};
use crate::error::Error;

/// A number below a prime of 1024 bits, wiped on drop.
pub(super) type Half = Zeroizing<[u64; PRIME]>;
/// A number of up to 2048 bits, wiped on drop.
pub(super) type Whole = Zeroizing<[u64; MODULUS]>;

/// 1.
pub(super) const ONE: [u64; PRIME] = {
    let mut one = [0; PRIME];
    one[0] = 1;
    one
};

/// A random number of 1024 bits.
pub(super) fn random_number(
    random: &mut impl FnMut(&mut [u8]) -> Result<(), Error>,
) -> Result<Half, Error> {
    let mut bytes = Zeroizing::new([0; 8 * PRIME]);
    random(&mut *bytes)?;
    Ok(from_bytes(&*bytes).unwrap_or_default())
}

/// `odd - 1`.
pub(super) fn less_one(odd: &[u64; PRIME]) -> Half {
    let mut even = Half::new(*odd);
    subtract(&mut even, &ONE);
    even
}

/// Reads a big-endian number, which may begin with zeros; `None` where it is too long.
pub(super) fn from_bytes<const N: usize>(bytes: &[u8]) -> Option<Zeroizing<[u64; N]>> {
    let mut limbs = Zeroizing::new([0; N]);
    let mut places = limbs.iter_mut();
    for chunk in bytes.rchunks(8) {
        let value = chunk.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
        match places.next() {
            Some(limb) => *limb = value,
            None if value == 0 => {}
            None => return None,
        }
    }
    Some(limbs)
}

/// Writes a number as so many big-endian bytes, at most those of its limbs.
pub(super) fn to_bytes<const N: usize>(limbs: &[u64; N], bytes: &mut [u8]) {
    for (chunk, limb) in bytes.rchunks_mut(8).zip(limbs) {
        for (byte, value) in chunk.iter_mut().rev().zip(limb.to_le_bytes()) {
            *byte = value;
        }
    }
}

/// 1 where `number` is less than `limit`.
pub(super) fn is_less<const N: usize>(number: &[u64; N], limit: &[u64; N]) -> Choice {
    let mut difference = Zeroizing::new(*number);
    subtract(&mut difference, limit).ct_eq(&1)
}

/// The bits of a number without leading zeros.
pub(super) fn bit_width(limbs: &[u64]) -> usize {
    let leading = limbs.iter().rposition(|limb| *limb != 0);
    leading.map_or(0, |index| {
        64 * (index + 1) - limbs.get(index).map_or(0, |limb| limb.leading_zeros() as usize)
    })
}

/// `number + small`, modulo 2^(64 N); for what does not overflow.
pub(super) fn add_small<const N: usize>(number: &mut [u64; N], small: u64) {
    let mut carry = small;
    for limb in number {
        let (sum, over) = limb.overflowing_add(carry);
        *limb = sum;
        carry = u64::from(over);
    }
}

/// The product of two numbers.
pub(super) fn product(one: &[u64; PRIME], other: &[u64; PRIME]) -> Whole {
    let mut product = Zeroizing::new([0; MODULUS]);
    for (place, factor) in one.iter().enumerate() {
        let mut carry = 0;
        let (_, sums) = product.split_at_mut(place);
        let (sums, above) = sums.split_at_mut(PRIME);
        for (sum, limb) in sums.iter_mut().zip(other) {
            (*sum, carry) = limb.carrying_mul_add(*factor, *sum, carry);
        }
        if let Some(above) = above.first_mut() {
            *above = carry;
        }
    }
    product
}

/// `number * factor`, modulo 2^(64 N).
pub(super) fn multiply_small<const N: usize>(number: &mut [u64; N], factor: u64) {
    let mut carry = 0;
    for limb in number {
        (*limb, carry) = limb.carrying_mul_add(factor, 0, carry);
    }
}

/// `number` modulo a prime with its constants.
pub(super) fn reduce(number: &[u64; MODULUS], prime: &Modulus<PRIME>) -> Half {
    // High and low half apart: the high one times R, and the low one, which is less than twice the prime.
    let mut reduced = Zeroizing::new([0; PRIME]);
    let mut low = Zeroizing::new([0; PRIME]);
    let (from_low, from_high) = number.split_at(PRIME);
    reduced.copy_from_slice(from_high);
    low.copy_from_slice(from_low);
    prime.enter(&mut reduced);
    prime.reduce_once(&mut low, 0);
    prime.add(&mut reduced, &low);
    reduced
}

/// `number` modulo any `modulus` whose highest bit is set, bit by bit.
pub(super) fn remainder<const N: usize>(number: &[u64; N], modulus: &[u64; PRIME]) -> Half {
    let mut remainder = Zeroizing::new([0; PRIME]);
    let mut difference = Zeroizing::new([0; PRIME]);
    for limb in number.iter().rev() {
        for place in (0..64).rev() {
            let mut carry = limb >> place & 1;
            for digit in remainder.iter_mut() {
                let doubled = *digit << 1 | carry;
                carry = *digit >> 63;
                *digit = doubled;
            }
            *difference = *remainder;
            let borrow = subtract(&mut difference, modulus);
            let is_greater = !(borrow.ct_eq(&1) & carry.ct_eq(&0));
            select(&mut remainder, &difference, is_greater);
        }
    }
    remainder
}

/// `number` modulo `divisor`, which is public and less than 2^32.
pub(super) fn remainder_small(limbs: &[u64], divisor: u64) -> u64 {
    // Barrett: the quotient by this is too small by two at most.
    let reciprocal = u64::MAX / divisor;
    let mut remainder = 0;
    for limb in limbs.iter().rev() {
        for half in [limb >> 32, limb & u64::from(u32::MAX)] {
            let number = remainder << 32 | half;
            let (_, quotient) = number.carrying_mul(reciprocal, 0);
            let rest = number.wrapping_sub(quotient.wrapping_mul(divisor));
            remainder = less_where_greater(less_where_greater(rest, divisor), divisor);
        }
    }
    remainder
}

/// `number - divisor` where that is not negative; both are less than 2^63.
fn less_where_greater(number: u64, divisor: u64) -> u64 {
    let difference = number.wrapping_sub(divisor);
    let negative = (difference >> 63).wrapping_neg();
    difference.wrapping_add(divisor & negative)
}

/// Divides `number`, a multiple of the odd `divisor`, by it.
pub(super) fn divide_exactly<const N: usize>(number: &mut [u64; N], divisor: u64) {
    let mut inverse = divisor;
    for _ in 0..5 {
        inverse = inverse.wrapping_mul(2_u64.wrapping_sub(divisor.wrapping_mul(inverse)));
    }
    // From the lowest limb: each quotient is exact modulo 2^64, and its product is taken away above.
    let mut borrow = 0;
    for limb in number {
        let (rest, under) = limb.overflowing_sub(borrow);
        *limb = rest.wrapping_mul(inverse);
        let (_, high) = limb.carrying_mul(divisor, 0);
        borrow = high + u64::from(under);
    }
}
