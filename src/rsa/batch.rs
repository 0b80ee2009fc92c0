//! Many unwrappings in one call.

use alloc::vec::Vec;

use sha2::Sha256;

use super::{PrivateKey, crt, oaep};
use crate::backend::mod_exp::ModExp;
use crate::error::Error;
use crate::secret::{Expected, SecretVec, with_wiped_stack};
#[cfg(feature = "parallel")]
use crate::threads;

/// Decrypts each ciphertext with RSA-OAEP-256 and its key, over all lanes of the processor's vectors and the current
/// thread pool. The results are in the order of what was given, and one that fails does not disturb the others.
///
/// Where the processor has AVX-512 IFMA, four take a fifth less time than one by one.
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
/// let payloads = unwrap_batch(&[(&key, &wrapped[..]), (&key, b"no ciphertext")]);
/// assert_eq!(payloads[0].as_ref().unwrap().expose(), b"a data key");
/// assert!(payloads[1].is_err());
/// # Ok::<(), strongroom::Error>(())
/// ```
#[must_use]
pub fn unwrap_batch(wrapped: &[(&PrivateKey, &[u8])]) -> Vec<Result<SecretVec, Error>> {
    let items: Vec<_> = wrapped.iter().map(|item| (*item, None)).collect();
    unwrap_each(&items)
}

/// A ciphertext with its key, and the form of its message where that is known.
pub(crate) type Wrapped<'a> = ((&'a PrivateKey, &'a [u8]), Option<Expected<'a>>);

/// As [`unwrap_batch`]; a message that has not the form that is expected is refused as a wrong padding is.
pub(crate) fn unwrap_each(wrapped: &[Wrapped<'_>]) -> Vec<Result<SecretVec, Error>> {
    let kernel = ModExp::detect();
    // Two powers each fill the lanes.
    let part_len = kernel.lanes().div_ceil(2);
    #[cfg(feature = "parallel")]
    if wrapped.len() > part_len && threads::are_there() {
        use rayon::prelude::*;
        let parts = wrapped.par_chunks(part_len);
        return parts.flat_map_iter(|part| decrypt(kernel, part)).collect();
    }
    wrapped.chunks(part_len).flat_map(|part| decrypt(kernel, part)).collect()
}

/// Decrypts each with the label of RSA-OAEP-256, the empty one.
pub(super) fn decrypt(kernel: ModExp, part: &[Wrapped<'_>]) -> Vec<Result<SecretVec, Error>> {
    with_wiped_stack(|| {
        let items: Vec<crt::Item<'_>> = part.iter().map(|(item, _)| *item).collect();
        let messages = crt::decrypt(kernel, &items).into_iter().zip(part);
        let decode = |(message, (_, expected)): (Result<SecretVec, Error>, &Wrapped<'_>)| {
            let mut encoded = message?;
            match expected {
                Some(expected) => oaep::decode_expected(encoded.expose_mut(), b"", *expected),
                None => oaep::decode::<Sha256>(encoded.expose_mut(), b""),
            }
        };
        messages.map(decode).collect()
    })
}
