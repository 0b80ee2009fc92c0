//! Many unwrappings in one call.

use alloc::vec::Vec;

use super::PrivateKey;
use crate::error::Error;
use crate::secret::SecretVec;
#[cfg(feature = "parallel")]
use crate::threads;

/// Decrypts each of `wrapped` with RSA-OAEP-256, spread over the current thread pool. The results are
/// in the order of what was given, and one that fails does not disturb the others.
///
/// # Errors
///
/// Each result has those of [`PrivateKey::decrypt_oaep_256`].
///
/// # Example
///
/// ```
/// use strongroom::rsa::{PrivateKey, unwrap_batch};
///
/// let key = PrivateKey::generate()?;
/// let wrapped = key.public_key().encrypt_oaep_256(b"a data key")?;
/// let payloads = unwrap_batch(&key, &[&wrapped[..], b"no ciphertext"]);
/// assert_eq!(payloads[0].as_ref().unwrap().expose(), b"a data key");
/// assert!(payloads[1].is_err());
/// # Ok::<(), strongroom::Error>(())
/// ```
#[must_use]
pub fn unwrap_batch(key: &PrivateKey, wrapped: &[&[u8]]) -> Vec<Result<SecretVec, Error>> {
    let unwrap = |wrapped: &&[u8]| key.decrypt_oaep_256(wrapped);
    #[cfg(feature = "parallel")]
    if wrapped.len() > 1 && threads::are_there() {
        use rayon::prelude::*;
        return wrapped.par_iter().map(unwrap).collect();
    }
    wrapped.iter().map(unwrap).collect()
}
