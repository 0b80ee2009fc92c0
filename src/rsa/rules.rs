//! The rules that every key is held to, read or generated.

#![expect(clippy::many_single_char_names, reason = "the letters are those of RFC 8017")]

use alloc::string::String;
use alloc::vec;

use ::rsa::pkcs1::{RsaPrivateKeyRef, RsaPublicKeyRef, Version};
use ::rsa::pkcs8::spki::AlgorithmIdentifierRef;
use ::rsa::traits::{PrivateKeyParts, PublicKeyParts};
use ::rsa::{BoxedUint, RsaPrivateKey, RsaPublicKey, pkcs1};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use super::{MODULUS_LEN, PublicKey, primality};
use crate::error::Error;

pub(super) const MODULUS_BITS: u32 = 2048;
const PRIME_BITS: u32 = MODULUS_BITS / 2;
const PRIME_LEN: usize = MODULUS_LEN / 2;

pub(super) const SIZE: &str = "its modulus is not of 2048 bits, the only size that is supported; \
    use an RSA key of 2048 bits";
pub(super) const EXPONENT: &str =
    "its public exponent is not an odd number in 3..2^32; use a key with the exponent 65537";
pub(super) const EVEN_MODULUS: &str = "its modulus is even, so it is damaged; use another key";
pub(super) const PRIME_SIZE: &str =
    "it does not consist of two primes of 1024 bits each; use a key generated with two such primes";
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

/// The modulus and the public exponent, checked; sizes come first, so that an oversized key costs
/// nothing.
fn modulus_and_exponent(key: &RsaPublicKeyRef<'_>) -> Result<(BoxedUint, BoxedUint), Error> {
    let modulus = key.modulus.as_bytes();
    let n = BoxedUint::from_be_slice(modulus, MODULUS_BITS).map_err(|_| refuse(SIZE))?;
    if bits(&n) != MODULUS_BITS {
        return Err(refuse(SIZE));
    }
    if modulus.last().is_none_or(|byte| byte & 1 == 0) {
        return Err(refuse(EVEN_MODULUS));
    }
    let e = key.public_exponent.as_bytes();
    let e = e.iter().try_fold(0_u32, |e, &byte| Some(e.checked_mul(256)? | u32::from(byte)));
    match e {
        Some(e) if e >= 3 && e & 1 == 1 => Ok((n, BoxedUint::from(u64::from(e)))),
        _ => Err(refuse(EXPONENT)),
    }
}

/// The public key, once it keeps the rules.
pub(super) fn public(key: &RsaPublicKeyRef<'_>) -> Result<RsaPublicKey, Error> {
    let (n, e) = modulus_and_exponent(key)?;
    RsaPublicKey::new(n, e).map_err(|_| refuse(SIZE))
}

/// The private key, once it keeps the rules. Its `dP`, `dQ` and `qInv` are not looked at, they are
/// computed afresh: a file could name values that make the private operation give the primes away.
/// A modulus that `is_known` has been factored into primes before, and has no other factors.
pub(super) fn private(
    key: &RsaPrivateKeyRef<'_>,
    is_known: impl FnOnce(&PublicKey) -> bool,
) -> Result<RsaPrivateKey, Error> {
    let (n, e) = modulus_and_exponent(&key.public_key())?;
    let (p, q) = (key.prime1.as_bytes(), key.prime2.as_bytes());
    if key.version() != Version::TwoPrime || !is_prime_size(p) || !is_prime_size(q) {
        return Err(refuse(PRIME_SIZE));
    }
    if bool::from(p.ct_eq(q)) {
        return Err(refuse(SAME_PRIME));
    }
    let uint =
        |bytes, bits, reason| BoxedUint::from_be_slice(bytes, bits).map_err(|_| refuse(reason));
    // Read at the width that they are kept in: changing the width would leave copies behind.
    let d = uint(key.private_exponent.as_bytes(), MODULUS_BITS, NOT_INVERSE)?;
    let primes = vec![uint(p, PRIME_BITS, PRIME_SIZE)?, uint(q, PRIME_BITS, PRIME_SIZE)?];
    // Checks n = p * q, d < n, and d * e = 1 modulo p - 1 and q - 1.
    let key = RsaPrivateKey::from_components(n, e, d, primes).map_err(|error| match error {
        ::rsa::Error::InvalidModulus => refuse(NOT_PRODUCT),
        ::rsa::Error::InvalidExponent => refuse(NOT_INVERSE),
        _ => refuse(NOT_PRIME),
    })?;
    but_primality(&key)?;
    if !is_known(&PublicKey::new(key.to_public_key())) {
        primality::check(&key)?;
    }
    Ok(key)
}

/// True where `bytes`, without leading zeros, is a number of exactly 1024 bits.
fn is_prime_size(bytes: &[u8]) -> bool {
    bytes.len() == PRIME_LEN && bytes.first().is_some_and(|byte| byte & 0x80 != 0)
}

/// Holds a complete key to every rule, whoever made it.
pub(super) fn all(key: RsaPrivateKey) -> Result<RsaPrivateKey, Error> {
    but_primality(&key)?;
    primality::check(&key)?;
    Ok(key)
}

fn but_primality(key: &RsaPrivateKey) -> Result<(), Error> {
    if bits(key.n()) != MODULUS_BITS {
        return Err(refuse(SIZE));
    }
    if key.e() < &BoxedUint::from(3_u64) || key.e() > &BoxedUint::from(u64::from(u32::MAX)) {
        return Err(refuse(EXPONENT));
    }
    let [p, q] = key.primes() else { return Err(refuse(PRIME_SIZE)) };
    if bits(p) != PRIME_BITS || bits(q) != PRIME_BITS {
        return Err(refuse(PRIME_SIZE));
    }
    // Without these the private operation would be another, slower one; they are missing when the
    // factors share a divisor.
    if key.dp().is_none() || key.dq().is_none() || key.qinv().is_none() {
        return Err(refuse(NOT_PRIME));
    }
    if are_close(p, q) {
        return Err(refuse(CLOSE_PRIMES));
    }
    key.validate().map_err(|_| refuse(NOT_INVERSE))
}

/// The length of `number` in bits. The function for it has another name from crypto-bigint 0.7.11 on, and
/// the one before is deprecated.
fn bits(number: &BoxedUint) -> u32 {
    number.bits_precision().saturating_sub(number.leading_zeros())
}

/// True where |p - q| < 2^925: Fermat's method factors a modulus whose primes are close. (FIPS 186-5 appendix
/// A.1.3 draws the line at 2^924; sound keys are far from either.)
fn are_close(p: &BoxedUint, q: &BoxedUint) -> bool {
    [(p, q), (q, p)].into_iter().any(|(one, other)| {
        // Modulo 2^1024 one of the two differences is |p - q|, the other its complement.
        let mut difference = one.wrapping_sub(other);
        let close = bits(&difference) <= PRIME_BITS - 99;
        difference.zeroize();
        close
    })
}
