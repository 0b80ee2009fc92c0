//! Miller-Rabin tests of a key's two factors (FIPS 186-5 appendix B.3.1).
//!
//! The `rsa` crate checks that the numbers of a key fit together, which composite factors can do as
//! well. Its own tests of primality are not within reach, its arithmetic modulo a factor is: `qInv`
//! carries it.

#![expect(clippy::many_single_char_names, reason = "the letters are those of RFC 8017")]

use alloc::vec;

use ::rsa::traits::{PrivateKeyParts, PublicKeyParts};
use ::rsa::{BoxedUint, RsaPrivateKey};
use subtle::Choice;
use zeroize::Zeroize;

use super::rules::{NOT_PRIME, refuse};
use crate::error::Error;
use crate::random;

/// A random number of 1024 bits that passes a single round is composite with a chance below 2^-40
/// (Damgård, Landrock and Pomerance, Math. Comp. 61, 1993). The worst composite that can be made
/// passes all of these with at most 2^-16, and who makes it knows the key anyway.
const ROUNDS: usize = 8;

/// The least power of two that divides a factor less one is looked for up to this one, so that the
/// work is always the same. A prime beyond has never been met, and would be refused.
const TWOS: u32 = 64;

/// Refuses a key with a factor that is not a prime.
pub(super) fn check(key: &RsaPrivateKey) -> Result<(), Error> {
    let [p, q] = key.primes() else { return Err(refuse(NOT_PRIME)) };
    let (p, q) = (p.as_ref().clone(), q.as_ref().clone());
    // With its factors swapped, the key carries the arithmetic modulo the other one.
    let (n, e, d) = (key.n().as_ref().clone(), key.e().clone(), key.d().clone());
    let swapped =
        RsaPrivateKey::from_components(n, e, d, vec![q, p]).map_err(|_| refuse(NOT_PRIME))?;
    let both = first_is_prime(key)? & first_is_prime(&swapped)?;
    if both.into() { Ok(()) } else { Err(refuse(NOT_PRIME)) }
}

/// True where the first factor passes. Every round runs in full, whatever the others' result.
fn first_is_prime(key: &RsaPrivateKey) -> Result<Choice, Error> {
    let (Some(unit), Some(p)) = (key.qinv(), key.primes().first()) else {
        return Ok(Choice::from(0));
    };
    let one = unit.pow(&BoxedUint::zero());
    let minus_one = -&one;
    let choice = |holds| Choice::from(u8::from(holds));

    // p - 1 = odd * 2^twos
    let mut even = p.wrapping_sub(BoxedUint::one());
    let twos = even.trailing_zeros();
    let mut odd = even.unbounded_shr(twos);

    let mut passes = choice(true);
    for _ in 0..ROUNDS {
        let mut bits = [0; 128];
        random::fill(&mut bits)?;
        let mut base = one.clone();
        for bit in bits.iter().flat_map(|byte| (0..8).map(move |place| byte >> place & 1)) {
            base = base.double();
            if bit == 1 {
                base += &one;
            }
        }
        let mut power = base.pow(&odd);
        let mut round = choice(power == one) | choice(power == minus_one);
        for step in 1..TWOS {
            power = power.square();
            round |= choice(power == minus_one) & choice(step < twos);
        }
        passes &= round;
    }
    even.zeroize();
    odd.zeroize();
    Ok(passes)
}
