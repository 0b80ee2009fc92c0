//! Parts of this module for `crate::fuzzing`.

use sha2::Sha256;

use super::{PrivateKey, oaep};
use crate::error::Error;
use crate::secret::{Expected, SecretVec};

/// Shows `visit` the numbers that are secret.
pub(crate) fn each_secret_of(key: &PrivateKey, mut visit: impl FnMut(&[u64])) {
    let key = key.numbers();
    for prime in [&key.p, &key.q] {
        for numbers in [&prime.limbs, &prime.entry, &prime.entry_52] {
            visit(numbers);
        }
        visit(core::slice::from_ref(&prime.factor));
    }
    for half in [&key.dp, &key.dq, &key.coefficient] {
        visit(&half[..]);
    }
    visit(&key.d[..]);
}

/// EME-OAEP encoding with an empty label.
pub(crate) fn encode(message: &[u8], seed: &[u8; 32], encoded: &mut [u8]) -> Result<(), Error> {
    oaep::encode(message, b"", seed, encoded)
}

/// EME-OAEP decoding with an empty label, of a message of any form or of the one that is expected.
pub(crate) fn decode(
    encoded: &mut [u8],
    expected: Option<Expected<'_>>,
) -> Result<SecretVec, Error> {
    match expected {
        Some(expected) => oaep::decode_expected(encoded, b"", expected),
        None => oaep::decode::<Sha256>(encoded, b""),
    }
}
