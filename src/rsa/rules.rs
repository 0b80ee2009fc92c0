//! The rules that every key is held to, read or generated.

use alloc::boxed::Box;
use alloc::string::String;

use pkcs1::{RsaPrivateKeyRef, RsaPublicKeyRef, Version};
use pkcs8::spki::AlgorithmIdentifierRef;
use subtle::ConstantTimeEq;

use super::arithmetic::{
    Half, ONE, Whole, bit_width, from_bytes, is_less, less_one, multiply_small, product, remainder,
};
use super::private_key::Numbers;
use super::{MODULUS_LEN, PublicKey, primality};
use crate::backend::mod_exp::{MODULUS, ModExp, Modulus, PRIME, Power, SecretPower, subtract};
use crate::error::Error;
use crate::random;

const MODULUS_BITS: usize = 8 * MODULUS_LEN;
const PRIME_LEN: usize = MODULUS_LEN / 2;

pub(super) const SIZE: &str = "its modulus is not of 2048 bits, the only size that is supported; \
    use an RSA key of 2048 bits";
pub(super) const EXPONENT: &str =
    "its public exponent is not an odd number in 3..2^32; use a key with the exponent 65537";
pub(super) const EVEN_MODULUS: &str = "its modulus is even, so it is damaged; use another key";
pub(super) const PRIME_SIZE: &str =
    "it does not consist of two primes of 1024 bits each; use a key generated with two such primes";
pub(super) const MULTI_PRIME: &str = "it has more than two primes, which is not supported; use a key \
    of exactly two primes of 1024 bits each";
pub(super) const SAME_PRIME: &str = "its two primes are not distinct; use another key";
pub(super) const CLOSE_PRIMES: &str =
    "its two primes are so close to each other that they can be found; use another key";
pub(super) const NOT_PRIME: &str =
    "one of its factors is not a prime, so it is damaged or broken; use another key";
pub(super) const NOT_PRODUCT: &str =
    "its modulus is not the product of its primes, so it is damaged; use another copy of it";
pub(super) const NOT_INVERSE: &str = "its private exponent does not belong to its public exponent and primes, so it is damaged; use \
     another copy of it";
pub(super) const ALGORITHM: &str = "its algorithm is not rsaEncryption (keys restricted to \
    RSASSA-PSS cannot encrypt, keys of other kinds are not supported); use an RSA key of 2048 bits \
    made for encryption";

/// An [`Error::Key`] about a key that has no id yet.
pub(super) fn refuse(reason: &'static str) -> Error {
    Error::Key { key: String::from("RSA key"), reason }
}

/// Accepts `rsaEncryption` with its NULL parameters (RFC 8017 appendix A.1) and nothing else.
pub(super) fn algorithm(identifier: AlgorithmIdentifierRef<'_>) -> Result<(), Error> {
    if identifier == pkcs1::ALGORITHM_ID { Ok(()) } else { Err(refuse(ALGORITHM)) }
}

/// The public key, once it keeps the rules; sizes come first, so that an oversized key costs nothing.
pub(super) fn public(key: &RsaPublicKeyRef<'_>) -> Result<PublicKey, Error> {
    let n = from_bytes::<MODULUS>(key.modulus.as_bytes()).ok_or_else(|| refuse(SIZE))?;
    if bit_width(&*n) != MODULUS_BITS {
        return Err(refuse(SIZE));
    }
    if is_even(&*n) {
        return Err(refuse(EVEN_MODULUS));
    }
    let e = key.public_exponent.as_bytes();
    let e = e.iter().try_fold(0_u32, |e, &byte| Some(e.checked_mul(256)? | u32::from(byte)));
    match e {
        Some(e) if e >= 3 && e & 1 == 1 => Ok(PublicKey::new(Modulus::new(&n), e)),
        _ => Err(refuse(EXPONENT)),
    }
}

/// The private key, once it keeps the rules. Its `dP`, `dQ` and `qInv` are not looked at, they are
/// computed afresh: a file could name values that make the private operation give the primes away.
/// A modulus that `is_known` has been factored into primes before, and has no other factors.
pub(super) fn private(
    key: &RsaPrivateKeyRef<'_>,
    is_known: impl FnOnce(&PublicKey) -> bool,
) -> Result<Box<Numbers>, Error> {
    let public = public(&key.public_key())?;
    let (p, q) = (key.prime1.as_bytes(), key.prime2.as_bytes());
    if key.version() != Version::TwoPrime {
        return Err(refuse(MULTI_PRIME));
    }
    if !is_prime_size(p) || !is_prime_size(q) {
        return Err(refuse(PRIME_SIZE));
    }
    let prime = |bytes| from_bytes::<PRIME>(bytes).ok_or_else(|| refuse(PRIME_SIZE));
    let (p, q) = (prime(p)?, prime(q)?);
    let d = from_bytes(key.private_exponent.as_bytes()).ok_or_else(|| refuse(NOT_INVERSE))?;
    assemble(ModExp::detect(), public, d, &p, &q, is_known, &mut random::fill)
}

/// True where `bytes`, without leading zeros, is a number of exactly 1024 bits.
fn is_prime_size(bytes: &[u8]) -> bool {
    bytes.len() == PRIME_LEN && bytes.first().is_some_and(|byte| byte & 0x80 != 0)
}

fn is_even(limbs: &[u64]) -> bool {
    limbs.first().is_none_or(|limb| limb & 1 == 0)
}

/// The key of these numbers, whose sizes are right, once they keep the rules.
pub(super) fn assemble(
    kernel: ModExp,
    public: PublicKey,
    d: Whole,
    p: &Half,
    q: &Half,
    is_known: impl FnOnce(&PublicKey) -> bool,
    random: &mut impl FnMut(&mut [u8]) -> Result<(), Error>,
) -> Result<Box<Numbers>, Error> {
    if p.ct_eq(&**q).into() {
        return Err(refuse(SAME_PRIME));
    }
    // Of an odd product both factors are odd.
    if !bool::from(product(p, q).ct_eq(&public.modulus().limbs)) {
        return Err(refuse(NOT_PRODUCT));
    }
    if !bool::from(is_less(&d, &public.modulus().limbs)) {
        return Err(refuse(NOT_INVERSE));
    }
    let dp = private_exponent(&d, p, public.exponent())?;
    let dq = private_exponent(&d, q, public.exponent())?;
    if are_close(p, q) {
        return Err(refuse(CLOSE_PRIMES));
    }
    let is_known = is_known(&public);
    let (p, q) = (Modulus::new(p), Modulus::new(q));
    if !is_known && !primality::are_prime(kernel, [&p, &q], random)? {
        return Err(refuse(NOT_PRIME));
    }
    let coefficient = coefficient(kernel, &p, &q.limbs);
    Ok(Box::new(Numbers { public, d, p, q, dp, dq, coefficient }))
}

/// `d` modulo the prime less one, where `d` is the inverse of `e` there.
fn private_exponent(d: &Whole, prime: &Half, e: u32) -> Result<Half, Error> {
    let order = less_one(prime);
    let exponent = remainder(d, &order);
    let mut identity = Whole::default();
    identity.split_at_mut(PRIME).0.copy_from_slice(&*exponent);
    multiply_small(&mut identity, u64::from(e));
    let identity = remainder(&identity, &order);
    if identity.ct_eq(&ONE).into() { Ok(exponent) } else { Err(refuse(NOT_INVERSE)) }
}

/// The inverse of `q` modulo the prime `p`, in Montgomery form: the power of `p` less two (Fermat).
fn coefficient(kernel: ModExp, p: &Modulus<PRIME>, q: &[u64; PRIME]) -> Half {
    let mut exponent = less_one(&p.limbs);
    subtract(&mut exponent, &ONE);
    let mut powers = [SecretPower { modulus: p, exponent: &exponent, value: *q }];
    let [Power { value, .. }] = &mut powers;
    p.reduce_once(value, 0);
    kernel.secret(&mut powers);
    let [Power { value, .. }] = &mut powers;
    p.enter(value);
    Half::new(*value)
}

/// True where |p - q| < 2^925: Fermat's method factors a modulus whose primes are close. (FIPS 186-5 appendix
/// A.1.3 draws the line at 2^924; sound keys are far from either.)
fn are_close(p: &Half, q: &Half) -> bool {
    [(p, q), (q, p)].into_iter().any(|(one, other)| {
        // Modulo 2^1024 one of the two differences is |p - q|, the other its complement.
        let mut difference = one.clone();
        subtract(&mut difference, other);
        bit_width(&*difference) <= 64 * PRIME - 99
    })
}
