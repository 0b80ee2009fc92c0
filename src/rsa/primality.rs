//! Miller-Rabin tests of a key's two factors (FIPS 186-5 appendix B.3.1).
//!
//! ```text
//! p - 1 = odd 2^twos;  for each of 8 random bases:
//!     power = base^odd modulo p                          all bases of both factors at once
//!     passes where power is 1, or p - 1 after fewer than `twos` squarings
//! ```

use alloc::vec::Vec;

use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use super::arithmetic::{Half, ONE, less_one, random_number};
use crate::backend::mod_exp::{ModExp, Modulus, PRIME, Power, SecretPower};
use crate::error::Error;

/// A random number of 1024 bits that passes a single round is composite with a chance below 2^-40
/// (Damgård, Landrock and Pomerance, Math. Comp. 61, 1993). The worst composite that can be made
/// passes all of these with at most 2^-16, and who makes it knows the key anyway.
const ROUNDS: usize = 8;

/// The least power of two that divides a factor less one is looked for up to this one, so that the
/// work is always the same. A prime beyond has never been met, and would be refused.
const TWOS: u32 = 64;

/// True where both factors, which are odd, pass. Every round runs in full, whatever the others' result.
pub(super) fn are_prime(
    kernel: ModExp,
    factors: [&Modulus<PRIME>; 2],
    random: &mut impl FnMut(&mut [u8]) -> Result<(), Error>,
) -> Result<bool, Error> {
    let split = factors.map(|factor| odd_part(&factor.limbs));
    let mut powers: Vec<SecretPower<'_>> = Vec::with_capacity(2 * ROUNDS);
    for (modulus, (odd, _)) in factors.into_iter().zip(&split) {
        for _ in 0..ROUNDS {
            powers.push(Power { modulus, exponent: odd, value: [0; PRIME] });
            set_random_base(powers.last_mut(), random)?;
        }
    }
    kernel.secret(&mut powers);
    let mut pass = Choice::from(1);
    for (round, power) in powers.iter().enumerate() {
        let twos = split.get(round / ROUNDS).map_or(0, |(_, twos)| *twos);
        pass &= passes(power, twos);
    }
    Ok(pass.into())
}

/// True where each of `candidates`, which are odd, passes one round of Euler's test: a prime always does, another
/// number of this size hardly ever.
pub(super) fn may_be_prime(
    kernel: ModExp,
    candidates: &[Modulus<PRIME>],
    random: &mut impl FnMut(&mut [u8]) -> Result<(), Error>,
) -> Result<Vec<bool>, Error> {
    let exponents: Vec<Half> = candidates.iter().map(|candidate| half(&candidate.limbs)).collect();
    let mut powers: Vec<SecretPower<'_>> = Vec::with_capacity(candidates.len());
    for (modulus, exponent) in candidates.iter().zip(&exponents) {
        powers.push(Power { modulus, exponent, value: [0; PRIME] });
        set_random_base(powers.last_mut(), random)?;
    }
    kernel.secret(&mut powers);
    Ok(powers.iter().map(|power| (power.value.ct_eq(&ONE) | is_minus_one(power)).into()).collect())
}

/// Sets the base where the power is, for a move would leave a copy behind.
fn set_random_base(
    power: Option<&mut SecretPower<'_>>,
    random: &mut impl FnMut(&mut [u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    if let Some(power) = power {
        power.value = *random_number(random)?;
        power.modulus.reduce_once(&mut power.value, 0);
    }
    Ok(())
}

/// `(number - 1) / 2` of an odd number.
fn half(number: &[u64; PRIME]) -> Half {
    let mut half = Half::new(*number);
    shift_right(&mut half, Choice::from(1));
    half
}

fn shift_right(number: &mut [u64; PRIME], choice: Choice) {
    let mut above = 0;
    for limb in number.iter_mut().rev() {
        let shifted = *limb >> 1 | above << 63;
        above = *limb & 1;
        limb.conditional_assign(&shifted, choice);
    }
}

/// The odd number and the power of two that `number - 1` is the product of; twos beyond [`TWOS`] stay in the first.
fn odd_part(number: &[u64; PRIME]) -> (Half, u32) {
    let (mut odd, mut twos) = (half(number), 1);
    for _ in 1..TWOS {
        let is_even = odd.first().copied().unwrap_or(1).ct_eq(&0) | !low_bit(&odd);
        shift_right(&mut odd, is_even);
        twos += u32::from(is_even.unwrap_u8());
    }
    (odd, twos)
}

fn low_bit(number: &[u64; PRIME]) -> Choice {
    Choice::from(number.first().map_or(0, |limb| (limb & 1) as u8))
}

/// 1 where the value is the modulus less one.
fn is_minus_one(power: &SecretPower<'_>) -> Choice {
    power.value.ct_eq(&*less_one(&power.modulus.limbs))
}

/// 1 where one of the first `twos` squares of the value is what those of a prime are.
fn passes(power: &SecretPower<'_>, twos: u32) -> Choice {
    let modulus = power.modulus;
    // In Montgomery form, where 1 is R and the modulus less 1 is -R.
    let mut one = Half::new(ONE);
    modulus.enter(&mut one);
    let mut minus_one = Half::new([0; PRIME]);
    modulus.subtract(&mut minus_one, &one);
    let mut square = Half::new(power.value);
    modulus.enter(&mut square);
    let mut passes = square.ct_eq(&*one) | square.ct_eq(&*minus_one);
    let mut factor = Half::default();
    for step in 1..TWOS {
        *factor = *square;
        modulus.multiply(&mut square, &factor);
        passes |= square.ct_eq(&*minus_one) & Choice::from(u8::from(step < twos));
    }
    passes
}
