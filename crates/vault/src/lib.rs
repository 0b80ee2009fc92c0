//! The interface of a key vault: it describes keys, wraps and unwraps, and gives precise errors.
//!
//! A vault keeps private keys to itself. It is asked once a resource and refresh time, never once a
//! document; what was unwrapped is kept by the key cache of `strongroom-keys`. The [audit] trail records what is
//! done with its keys.
//!
//! `strongroom-local-vault` implements [`Vault`] over a directory.

pub mod audit;
pub mod clock;
mod description;
mod error;
pub mod hex;
pub mod jwk;
mod key_id;
mod lock;
pub mod mac;
mod offload;

use async_trait::async_trait;
use strongroom::secret::SecretVec;
use strongroom::wrap::Algorithm;

pub use self::description::{KeyDescription, KeyType, Operation, Operations, Place, RecoveryLevel};
pub use self::error::{DeniedReason, VaultError};
pub use self::key_id::{InvalidKeyId, KeyName, VersionedKeyId};
pub use self::lock::lock;
pub use self::offload::{block_on, unblock};

/// A key vault: local, in the cloud, or a hardware module.
///
/// Object-safe and asynchronous: a vault may be far away. Every method may be dropped while it is
/// awaited, and may be called by many tasks at once.
///
/// # Security
///
/// An error decides about data: [`VaultError::Denied`] only where the vault itself, asked for just this
/// key and version, refused. Whatever else goes wrong is [`VaultError::Unavailable`], which never makes
/// anybody wipe or destroy a key.
#[async_trait]
pub trait Vault: Send + Sync + std::fmt::Debug {
    /// The first part of the ids of this vault's keys.
    fn id(&self) -> &str;

    /// The vault's tenant and region, as far as it knows them.
    fn place(&self) -> Place;

    /// The newest version of the key `name`.
    ///
    /// # Errors
    ///
    /// [`VaultError`].
    async fn newest(&self, name: &KeyName) -> Result<KeyDescription, VaultError>;

    /// One version of a key: what it may be used for, and its public key.
    ///
    /// # Errors
    ///
    /// [`VaultError`].
    async fn describe(&self, id: &VersionedKeyId) -> Result<KeyDescription, VaultError>;

    /// Wraps `payload` with a key that never leaves the vault: an AES key. An RSA key's public half
    /// wraps without the vault, see [`KeyDescription::wrapping_key`]; here it wraps as well, which shows
    /// that the identity may and the key does: what a resource comes to depend on is wrapped here.
    ///
    /// # Errors
    ///
    /// [`VaultError`]; [`VaultError::Invalid`] where the key does not do `algorithm`.
    async fn wrap(
        &self,
        id: &VersionedKeyId,
        algorithm: Algorithm,
        payload: &[u8],
    ) -> Result<Vec<u8>, VaultError>;

    /// Unwraps `wrapped`.
    ///
    /// # Errors
    ///
    /// [`VaultError`]; [`VaultError::Invalid`] where `wrapped` does not belong to the key, which says
    /// no more on purpose.
    async fn unwrap(
        &self,
        id: &VersionedKeyId,
        algorithm: Algorithm,
        wrapped: &[u8],
    ) -> Result<SecretVec, VaultError>;

    /// Unwraps many at once: a vault that can, does so in one request.
    ///
    /// # Errors
    ///
    /// One result each, in order.
    async fn unwrap_batch(
        &self,
        id: &VersionedKeyId,
        algorithm: Algorithm,
        wrapped: &[&[u8]],
    ) -> Vec<Result<SecretVec, VaultError>> {
        let mut secrets = Vec::with_capacity(wrapped.len());
        for wrapped in wrapped {
            secrets.push(self.unwrap(id, algorithm, wrapped).await);
        }
        secrets
    }
}
