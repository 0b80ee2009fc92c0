//! Generation of a key (FIPS 186-5 appendix A.1.3: probable primes from random numbers).
//!
//! ```text
//! for each of two primes:
//!     random odd numbers with the two highest bits set          their product has 2048 bits
//!     without divisors below 1,000, prime to e when 1 less      each divisor spares a thousandth of the work or more
//!     that pass Euler's test, eight at a time
//! d = (1 + k (p - 1) (q - 1)) / e,  k = -1 / ((p - 1) (q - 1)) modulo e
//! then every rule for keys, Miller-Rabin with 8 bases among them
//! ```
//!
//! How long it takes depends on the numbers that are thrown away, and not on those that stay.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::arithmetic::{
    Half, Whole, add_small, bit_width, divide_exactly, less_one, multiply_small, product,
    random_number, remainder_small,
};
use super::private_key::Numbers;
use super::{PublicKey, primality, rules};
use crate::backend::mod_exp::{ModExp, Modulus, PRIME};
use crate::error::Error;

/// The public exponent of every key that is generated; a prime.
const EXPONENT: u32 = 65537;

/// Divisors that candidates are tried with.
const DIVISORS: [u64; 167] = odd_primes();

/// The odd primes below 1,000.
const fn odd_primes() -> [u64; 167] {
    let (mut primes, mut count, mut number) = ([0; 167], 0, 3);
    while number < 1000 {
        let (mut divisor, mut is_prime) = (3, true);
        while divisor * divisor <= number {
            is_prime &= number % divisor != 0;
            divisor += 2;
        }
        if is_prime {
            primes[count] = number;
            count += 1;
        }
        number += 2;
    }
    primes
}

/// A key from the random bytes of `random`.
pub(super) fn generate(
    kernel: ModExp,
    mut random: impl FnMut(&mut [u8]) -> Result<(), Error>,
) -> Result<Box<Numbers>, Error> {
    loop {
        let p = prime(kernel, &mut random)?;
        let q = prime(kernel, &mut random)?;
        let d = private_exponent(&p, &q);
        let public = PublicKey::new(Modulus::new(&product(&p, &q)), EXPONENT);
        let key = rules::assemble(kernel, public, d, &p, &q, |_| false, &mut random);
        match key {
            // Primes that are close to each other, or a composite that came through: once in an age.
            Err(Error::Key { .. }) => {}
            result => return result,
        }
    }
}

/// The inverse of the public exponent modulo `(p - 1) (q - 1)`, which it does not divide.
pub(super) fn private_exponent(p: &Half, q: &Half) -> Whole {
    let e = u64::from(EXPONENT);
    let mut d = product(&less_one(p), &less_one(q));
    let factor = minus_inverse(remainder_small(&*d, e), e);
    multiply_small(&mut d, factor);
    add_small(&mut d, 1);
    divide_exactly(&mut d, e);
    d
}

/// `-1 / number` modulo a prime of 17 bits: the power of that less two (Fermat). The number is secret, and a
/// processor may divide small numbers faster.
fn minus_inverse(number: u64, prime: u64) -> u64 {
    let base = prime - number;
    let mut power = 1;
    for place in (0..17).rev() {
        power = remainder_small(&[power * power], prime);
        if (prime - 2) >> place & 1 == 1 {
            power = remainder_small(&[power * base], prime);
        }
    }
    power
}

/// A number that is prime by all likelihood.
fn prime(
    kernel: ModExp,
    random: &mut impl FnMut(&mut [u8]) -> Result<(), Error>,
) -> Result<Half, Error> {
    loop {
        let mut candidates = Vec::with_capacity(kernel.lanes());
        while candidates.len() < kernel.lanes() {
            let candidate = candidate(random)?;
            if has_no_small_divisor(&candidate) {
                candidates.push(Modulus::new(&candidate));
            }
        }
        let passed = primality::may_be_prime(kernel, &candidates, random)?;
        if let Some((prime, _)) = candidates.iter().zip(passed).find(|(_, passed)| *passed) {
            return Ok(Half::new(prime.limbs));
        }
    }
}

/// A random odd number with its two highest bits set.
fn candidate(random: &mut impl FnMut(&mut [u8]) -> Result<(), Error>) -> Result<Half, Error> {
    let mut candidate = random_number(random)?;
    if let [low, .., high] = candidate.as_mut_slice() {
        *low |= 1;
        *high |= 3 << 62;
    }
    debug_assert_eq!(bit_width(&*candidate), 1024);
    Ok(candidate)
}

/// True where no small divisor is found, and the number less one is not a multiple of the public exponent.
fn has_no_small_divisor(candidate: &[u64; PRIME]) -> bool {
    remainder_small(candidate, u64::from(EXPONENT)) != 1
        && DIVISORS.iter().all(|divisor| remainder_small(candidate, *divisor) != 0)
}
