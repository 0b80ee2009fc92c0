//! A256KW: AES Key Wrap (RFC 3394, "KW" of NIST SP 800-38F) under a 256-bit key, with the default
//! initial value.
//!
//! The check of the initial value in `aes-kw` compares two 64-bit words: it has no early exit, and
//! its timing says no more than the answer does.

use alloc::vec;
use alloc::vec::Vec;

use aes_kw::{KeyInit, KwAes256};

use crate::error::Error;
use crate::secret::{Secret, SecretVec};

/// The unit of RFC 3394, half a block, in bytes; also what wrapping adds.
const SEMIBLOCK: usize = 8;

/// RFC 3394 section 2 wraps two semiblocks or more: a single one would be its own special case.
const PAYLOAD_MIN: usize = 2 * SEMIBLOCK;

/// The key schedule, which wipes itself. It is expanded for each operation, which costs less than a
/// wrap, so that one wiped copy of the key is all that is kept.
fn schedule(key: &Secret<32>) -> KwAes256 {
    KwAes256::new(key.expose().into())
}

/// `payload`, wrapped.
pub(super) fn wrap(key: &Secret<32>, payload: &[u8]) -> Result<Vec<u8>, Error> {
    let refused = || Error::Argument {
        what: "payload for A256KW",
        reason: "its length is not a multiple of 8 bytes from 16 on; wrap a key of such a length",
    };
    if payload.len() < PAYLOAD_MIN || !payload.len().is_multiple_of(SEMIBLOCK) {
        return Err(refused());
    }
    // Overwritten in place, and ciphertext where it is returned; a failure is one of lengths, before
    // anything is written.
    let mut wrapped = vec![0; payload.len().saturating_add(SEMIBLOCK)];
    schedule(key).wrap_key(payload, &mut wrapped).map_err(|_| refused())?;
    Ok(wrapped)
}

/// The payload of `wrapped`.
pub(super) fn unwrap(key: &Secret<32>, wrapped: &[u8]) -> Result<SecretVec, Error> {
    let payload_len = wrapped
        .len()
        .checked_sub(SEMIBLOCK)
        .filter(|len| *len >= PAYLOAD_MIN && len.is_multiple_of(SEMIBLOCK))
        .ok_or(Error::Authentication)?;
    let mut payload = SecretVec::zeroed(payload_len);
    schedule(key).unwrap_key(wrapped, payload.expose_mut()).map_err(|_| Error::Authentication)?;
    Ok(payload)
}
