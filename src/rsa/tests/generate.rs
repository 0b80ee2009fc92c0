//! Generation: the keys it makes, and what happens when randomness fails.

use std::collections::HashSet;

use ::rsa::BoxedUint;
use ::rsa::traits::{PrivateKeyParts, PublicKeyParts};

use super::{KEY, oracle};
use crate::error::Error;
use crate::random;
use crate::rsa::PrivateKey;

/// The `rsa` crate takes each key, so that its numbers fit together.
#[test]
fn a_generated_key_keeps_the_rules_and_is_new_each_time() {
    let other = PrivateKey::generate().unwrap();
    let mut primes = HashSet::new();
    for key in [&*KEY, &other] {
        let theirs = oracle(key);
        theirs.validate().unwrap();
        assert_eq!(theirs.n().bit_width(), 2048);
        assert_eq!(theirs.e(), &BoxedUint::from(65537_u64));
        for prime in theirs.primes() {
            assert_eq!(prime.bit_width(), 1024);
            assert!(primes.insert(prime.to_be_bytes()));
        }
        let again = PrivateKey::from_pkcs8_der(key.to_pkcs8_der().unwrap().expose()).unwrap();
        assert_eq!(again.public_key(), key.public_key());
    }
    assert_eq!(primes.len(), 4);
}

/// A source gives so many bytes, and then none.
#[test]
fn generation_without_randomness_is_an_error_and_no_panic() {
    let generate = |mut left: usize| {
        PrivateKey::generate_from(|bytes: &mut [u8]| {
            left = left.checked_sub(bytes.len()).ok_or(Error::Random)?;
            random::fill(bytes)
        })
    };
    for bytes in [0, 100, 200, 10_000] {
        assert!(matches!(generate(bytes), Err(Error::Random)), "after {bytes} bytes");
    }
    generate(usize::MAX).unwrap();
}
