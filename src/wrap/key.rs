//! The keys that wrap and unwrap.

#[cfg(feature = "rsa")]
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use super::{Algorithm, KeyId, a256kw};
use crate::error::Error;
#[cfg(feature = "rsa")]
use crate::rsa;
use crate::secret::{Expected, Secret, SecretVec};

/// A named key that wraps: an RSA public key, or an AES-256 key.
///
/// # Example
///
/// ```
/// use strongroom::secret::Secret;
/// use strongroom::wrap::{Algorithm, KeyId, WrappingKey};
///
/// let key = WrappingKey::aes(KeyId::new("resource/42/service/1")?, Secret::generate()?);
/// assert_eq!(key.algorithm(), Algorithm::A256Kw);
/// assert_eq!(key.wrap(&[7; 40])?.len(), 48);
/// # Ok::<(), strongroom::Error>(())
/// ```
pub struct WrappingKey {
    id: KeyId,
    kind: Wrapping,
}

enum Wrapping {
    #[cfg(feature = "rsa")]
    Rsa(Box<rsa::PublicKey>),
    Aes(a256kw::Wrapper),
}

impl WrappingKey {
    /// A key that wraps with [`Algorithm::RsaOaep256`].
    #[cfg(feature = "rsa")]
    #[must_use]
    pub fn rsa(id: KeyId, key: rsa::PublicKey) -> Self {
        Self { id, kind: Wrapping::Rsa(Box::new(key)) }
    }

    /// A key that wraps with [`Algorithm::A256Kw`].
    #[must_use]
    #[allow(clippy::needless_pass_by_value, reason = "the key as it came is wiped here")]
    pub fn aes(id: KeyId, key: Secret<32>) -> Self {
        Self { id, kind: Wrapping::Aes(a256kw::Wrapper::new(&key)) }
    }

    /// The key's id, with its version.
    #[must_use]
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    /// The algorithm that the key wraps with.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        match self.kind {
            #[cfg(feature = "rsa")]
            Wrapping::Rsa(_) => Algorithm::RsaOaep256,
            Wrapping::Aes(_) => Algorithm::A256Kw,
        }
    }

    /// Wraps `payload` into [`Algorithm::wrapped_len`] bytes.
    ///
    /// RSA-OAEP-256 takes at most 190 bytes, A256KW a multiple of 8 bytes from 16 on.
    ///
    /// # Errors
    ///
    /// [`Error::Length`] or [`Error::Argument`] when the algorithm cannot wrap a payload of this
    /// length; [`Error::Random`] when RSA-OAEP-256 gets no random bytes.
    ///
    /// # Security
    ///
    /// A256KW shows when the same payload is wrapped twice; keys are random, so that says nothing
    /// about them. RSA-OAEP-256 does not authenticate: anyone who has the public key can wrap.
    pub fn wrap(&self, payload: &[u8]) -> Result<Vec<u8>, Error> {
        match &self.kind {
            #[cfg(feature = "rsa")]
            Wrapping::Rsa(key) => Ok(key.encrypt_oaep_256(payload)?.to_vec()),
            Wrapping::Aes(key) => key.wrap(payload),
        }
    }
}

impl fmt::Debug for WrappingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WrappingKey({}, {}, redacted)", self.id, self.algorithm())
    }
}

/// A named key that unwraps: an RSA private key, or an AES-256 key. Wiped on drop.
///
/// # Example
///
/// ```
/// use strongroom::Error;
/// use strongroom::secret::Secret;
/// use strongroom::wrap::{KeyId, UnwrappingKey};
///
/// let key = UnwrappingKey::aes(KeyId::new("resource/42/service/1")?, Secret::generate()?);
/// assert!(matches!(key.unwrap(&[7; 48]), Err(Error::Authentication)));
/// # Ok::<(), strongroom::Error>(())
/// ```
pub struct UnwrappingKey {
    id: KeyId,
    kind: Unwrapping,
}

enum Unwrapping {
    #[cfg(feature = "rsa")]
    Rsa(Box<rsa::PrivateKey>),
    Aes(a256kw::Unwrapper),
}

impl UnwrappingKey {
    /// A key that unwraps [`Algorithm::RsaOaep256`].
    #[cfg(feature = "rsa")]
    #[must_use]
    pub fn rsa(id: KeyId, key: rsa::PrivateKey) -> Self {
        Self { id, kind: Unwrapping::Rsa(Box::new(key)) }
    }

    /// A key that unwraps [`Algorithm::A256Kw`].
    #[must_use]
    #[allow(clippy::needless_pass_by_value, reason = "the key as it came is wiped here")]
    pub fn aes(id: KeyId, key: Secret<32>) -> Self {
        Self { id, kind: Unwrapping::Aes(a256kw::Unwrapper::new(&key)) }
    }

    /// The key's id, with its version.
    #[must_use]
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    /// The algorithm that the key unwraps.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        match self.kind {
            #[cfg(feature = "rsa")]
            Unwrapping::Rsa(_) => Algorithm::RsaOaep256,
            Unwrapping::Aes(_) => Algorithm::A256Kw,
        }
    }

    /// The payload of `wrapped`.
    ///
    /// # Errors
    ///
    /// [`Error::Authentication`], whatever is wrong with `wrapped`: its length, its contents, or that
    /// it was wrapped for another key. [`Error::Fault`] when RSA-OAEP-256 was computed wrongly, which says
    /// nothing about `wrapped`.
    pub fn unwrap(&self, wrapped: &[u8]) -> Result<SecretVec, Error> {
        match &self.kind {
            #[cfg(feature = "rsa")]
            Unwrapping::Rsa(key) => key.decrypt_oaep_256(wrapped),
            Unwrapping::Aes(key) => key.unwrap(wrapped, None),
        }
    }

    /// The payload of `wrapped`, whose form is known: any other payload is refused.
    ///
    /// # Errors
    ///
    /// As [`UnwrappingKey::unwrap`]: whether it is `wrapped` or the form of the payload that is wrong cannot be told.
    ///
    /// # Security
    ///
    /// The form is compared together with the padding of RSA-OAEP-256, or the initial value of A256KW, before the one
    /// branch: see [`rsa::PrivateKey::decrypt_oaep_256_expected`](crate::rsa::PrivateKey::decrypt_oaep_256_expected).
    pub fn unwrap_expected(
        &self,
        wrapped: &[u8],
        expected: Expected<'_>,
    ) -> Result<SecretVec, Error> {
        match &self.kind {
            #[cfg(feature = "rsa")]
            Unwrapping::Rsa(key) => key.decrypt_oaep_256_expected(wrapped, expected),
            Unwrapping::Aes(key) => key.unwrap(wrapped, Some(expected)),
        }
    }

    /// The payload of each of `wrapped`, in their order; RSA spreads them over vectors and the current thread
    /// pool.
    ///
    /// # Errors
    ///
    /// Each result has those of [`UnwrappingKey::unwrap`].
    #[must_use]
    pub fn unwrap_batch(&self, wrapped: &[&[u8]]) -> Vec<Result<SecretVec, Error>> {
        match &self.kind {
            #[cfg(feature = "rsa")]
            Unwrapping::Rsa(key) => {
                let items: Vec<_> = wrapped.iter().map(|wrapped| (&**key, *wrapped)).collect();
                rsa::unwrap_batch(&items)
            }
            Unwrapping::Aes(_) => wrapped.iter().map(|wrapped| self.unwrap(wrapped)).collect(),
        }
    }

    /// The payload of each, as [`UnwrappingKey::unwrap_batch`], each of its form as
    /// [`UnwrappingKey::unwrap_expected`].
    ///
    /// # Errors
    ///
    /// Each result has those of [`UnwrappingKey::unwrap_expected`].
    #[must_use]
    pub fn unwrap_batch_expected(
        &self,
        wrapped: &[(&[u8], Expected<'_>)],
    ) -> Vec<Result<SecretVec, Error>> {
        match &self.kind {
            #[cfg(feature = "rsa")]
            Unwrapping::Rsa(key) => {
                let item = |(wrapped, expected)| ((&**key, wrapped), Some(expected));
                let items: Vec<_> = wrapped.iter().copied().map(item).collect();
                rsa::unwrap_each(&items)
            }
            Unwrapping::Aes(key) => {
                let unwrap =
                    |&(wrapped, expected): &(_, Expected<'_>)| key.unwrap(wrapped, Some(expected));
                wrapped.iter().map(unwrap).collect()
            }
        }
    }
}

impl fmt::Debug for UnwrappingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UnwrappingKey({}, {}, redacted)", self.id, self.algorithm())
    }
}
