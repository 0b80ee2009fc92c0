//! RSA keys and RSA-OAEP-256 once more: the rules for a key on another crate's numbers, and the plain decoder that RFC 8017
//! section 7.1.2 describes, with a branch for each thing that may be wrong.

use crypto_bigint::{BoxedUint, NonZero, Resize};
use rsa::pkcs1::{self, RsaPrivateKeyRef, RsaPublicKeyRef, Version};
use rsa::pkcs8::PrivateKeyInfoRef;
use rsa::pkcs8::spki::SubjectPublicKeyInfoRef;
use sha2::{Digest, Sha256};

const BITS: u32 = 2048;

/// Wide enough for a product of two halves and for e times d.
fn wide(bytes: &[u8]) -> Option<BoxedUint> {
    BoxedUint::from_be_slice(bytes, 2 * BITS).ok()
}

/// Numbers of a public key, where they keep the rules.
pub fn public(key: &RsaPublicKeyRef<'_>) -> Option<(Vec<u8>, u32)> {
    let n = key.modulus.as_bytes();
    let e = key.public_exponent.as_bytes();
    let is_sound = n.len() == 256 && n[0] >= 0x80 && n[255] & 1 == 1 && e.len() <= 4;
    let e = e.iter().fold(0_u64, |e, byte| e << 8 | u64::from(*byte));
    (is_sound && e >= 3 && e & 1 == 1).then(|| (n.to_vec(), e as u32))
}

/// Numbers of the public half of a private key, where all of its numbers keep the rules; but whether its factors are
/// primes.
pub fn private(key: &RsaPrivateKeyRef<'_>) -> Option<(Vec<u8>, u32)> {
    let (n, e) = public(&key.public_key())?;
    let [p, q] = [key.prime1, key.prime2].map(|prime| prime.as_bytes().to_vec());
    let is_half = |prime: &[u8]| prime.len() == 128 && prime[0] >= 0x80;
    if key.version() != Version::TwoPrime || !is_half(&p) || !is_half(&q) || p == q {
        return None;
    }
    let (p, q, d) = (wide(&p)?, wide(&q)?, wide(key.private_exponent.as_bytes())?);
    let modulus = wide(&n)?;
    let one = BoxedUint::one_with_precision(2 * BITS);
    let is_inverse = |prime: &BoxedUint| {
        let order = NonZero::new(prime.wrapping_sub(&one)).expect("a prime is not 1");
        let exponent = d.rem(&order);
        exponent.wrapping_mul(BoxedUint::from(e).resize(2 * BITS)).rem(&order) == one
    };
    let difference = if p > q { p.wrapping_sub(&q) } else { q.wrapping_sub(&p) };
    let is_sound = p.wrapping_mul(&q) == modulus
        && d < modulus
        && is_inverse(&p)
        && is_inverse(&q)
        && difference.bit_width() > 925;
    is_sound.then_some((n, e))
}

/// Public numbers of the private key in `der`, PKCS#8 or PKCS#1, where it keeps the rules.
pub fn private_der(der: &[u8]) -> Option<(Vec<u8>, u32)> {
    if let Ok(key) = RsaPrivateKeyRef::try_from(der) {
        return private(&key);
    }
    let info = PrivateKeyInfoRef::try_from(der).ok()?;
    let is_rsa = info.algorithm == pkcs1::ALGORITHM_ID;
    private(&RsaPrivateKeyRef::try_from(info.private_key.as_bytes()).ok().filter(|_| is_rsa)?)
}

/// Numbers of the public key in `der`, `SubjectPublicKeyInfo` or PKCS#1, where it keeps the rules.
pub fn public_der(der: &[u8]) -> Option<(Vec<u8>, u32)> {
    if let Ok(key) = RsaPublicKeyRef::try_from(der) {
        return public(&key);
    }
    let info = SubjectPublicKeyInfoRef::try_from(der).ok()?;
    let is_rsa = info.algorithm == pkcs1::ALGORITHM_ID;
    let key = info.subject_public_key.as_bytes().filter(|_| is_rsa)?;
    public(&RsaPublicKeyRef::try_from(key).ok()?)
}

/// `target ^= MGF1(source)`.
fn mask(source: &[u8], target: &mut [u8]) {
    for (counter, chunk) in (0_u32..).zip(target.chunks_mut(32)) {
        let pad = Sha256::digest([source, &counter.to_be_bytes()].concat());
        chunk.iter_mut().zip(pad).for_each(|(byte, pad)| *byte ^= pad);
    }
}

/// Encoded message of a first byte, a seed and a data block, which are masked.
pub fn encode(first: u8, seed: [u8; 32], block: &[u8]) -> Vec<u8> {
    let (mut seed, mut block) = (seed, block.to_vec());
    mask(&seed, &mut block);
    mask(&block, &mut seed);
    [&[first][..], &seed, &block].concat()
}

/// The message in a first byte and a data block, unmasked.
pub fn decode(first: u8, block: &[u8]) -> Option<Vec<u8>> {
    let rest = block.strip_prefix(&Sha256::digest(b"")[..]).filter(|_| first == 0)?;
    let start = rest.iter().position(|byte| *byte != 0)?;
    rest[start..].strip_prefix(&[1]).map(<[u8]>::to_vec)
}
