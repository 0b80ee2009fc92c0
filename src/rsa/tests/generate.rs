//! Generation: the keys it makes, and what happens when randomness fails.

use core::fmt;
use std::collections::HashSet;

use ::rsa::BoxedUint;
use ::rsa::rand_core::{TryCryptoRng, TryRng};
use ::rsa::traits::{PrivateKeyParts, PublicKeyParts};

use super::KEY;
use crate::error::Error;
use crate::rsa::PrivateKey;
use crate::rsa::rules;

#[test]
fn a_generated_key_keeps_the_rules_and_is_new_each_time() {
    let other = PrivateKey::generate().unwrap();
    let mut primes = HashSet::new();
    for key in [&*KEY, &other] {
        assert_eq!(key.0.n().bits(), 2048);
        assert_eq!(key.0.e(), &BoxedUint::from(65537_u64));
        for prime in key.0.primes() {
            assert_eq!(prime.bits(), 1024);
            assert!(primes.insert(prime.to_be_bytes()));
        }
        rules::all(key.0.clone()).unwrap();
    }
    assert_eq!(primes.len(), 4);
}

/// The system's generator, until it has given so many bytes.
struct Exhausted(usize);

#[derive(Debug)]
struct Nothing;

impl fmt::Display for Nothing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no random bytes")
    }
}

impl core::error::Error for Nothing {}

impl TryRng for Exhausted {
    type Error = Nothing;

    fn try_next_u32(&mut self) -> Result<u32, Nothing> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Nothing> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Nothing> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(Nothing)?;
        getrandom::fill(bytes).map_err(|_| Nothing)
    }
}

impl TryCryptoRng for Exhausted {}

#[test]
fn generation_without_randomness_is_an_error_and_no_panic() {
    for bytes in [0, 100, 200] {
        let result = PrivateKey::generate_from(Exhausted(bytes));
        assert!(matches!(result, Err(Error::Random)), "after {bytes} bytes");
    }
    PrivateKey::generate_from(Exhausted(usize::MAX)).unwrap();
}

/// The private operation is blinded: it takes random numbers, and fails without.
#[test]
fn unwrapping_is_blinded() {
    const PLENTY: usize = 1 << 20;
    let ciphertext = KEY.public_key().encrypt_oaep_256(b"a data key").unwrap();
    for _ in 0..3 {
        let mut blinding = Exhausted(PLENTY);
        let opened = KEY.decrypt_blinded(&ciphertext, b"", &mut blinding).unwrap();
        assert_eq!(opened.expose(), b"a data key");
        assert!(blinding.0 <= PLENTY - 256, "only {} random bytes were taken", PLENTY - blinding.0);
    }
    let failed = KEY.decrypt_blinded(&ciphertext, b"", &mut Exhausted(0));
    assert!(matches!(failed, Err(Error::Random)));
}
