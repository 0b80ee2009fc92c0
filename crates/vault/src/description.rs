//! The description of a key, and the checks before wrapping with it.

use sha2::{Digest, Sha256};
use strongroom::rsa::PublicKey;
use strongroom::wrap::WrappingKey;

use super::error::{DeniedReason, VaultError};
use crate::key_id::VersionedKeyId;

/// One version of a key, as its vault describes it.
///
/// # Example
///
/// ```
/// use strongroom::rsa::PrivateKey;
/// use strongroom_vault::{
///     KeyDescription, KeyType, Operation, Operations, RecoveryLevel, VersionedKeyId,
/// };
///
/// let description = KeyDescription {
///     id: VersionedKeyId::parse("local/0123456789abcdef/invoices/3")?,
///     key_type: KeyType::Rsa { public: PrivateKey::generate()?.public_key() },
///     bits: 2048,
///     operations: Operations::from([Operation::WrapKey, Operation::UnwrapKey]),
///     enabled: true,
///     not_before: None,
///     expires: Some(1_900_000_000),
///     recovery_level: Some(RecoveryLevel::new("Recoverable+ProtectedSubscription")),
/// };
/// let now = 1_800_000_000; // seconds since 1970
/// assert!(description.wrapping_key(now).is_ok());
/// assert!(description.wrapping_key(1_900_000_000).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct KeyDescription {
    /// The key and its version.
    pub id: VersionedKeyId,
    /// RSA with its public key, or AES.
    pub key_type: KeyType,
    /// Length of the modulus or of the AES key in bits.
    pub bits: u32,
    /// The operations that the key may be used for.
    pub operations: Operations,
    /// A disabled key neither wraps nor unwraps.
    pub enabled: bool,
    /// Seconds since 1970: earlier, the key does not wrap. It unwraps at any time.
    pub not_before: Option<u64>,
    /// Seconds since 1970: from then on, the key does not wrap. It unwraps at any time.
    pub expires: Option<u64>,
    /// The fate of the key when it is deleted, where the vault says it.
    pub recovery_level: Option<RecoveryLevel>,
}

impl KeyDescription {
    /// The RSA key to wrap with at `now` (seconds since 1970), after the checks that the vault itself
    /// would make: wrapping needs no private key, so nobody else would make them.
    ///
    /// # Errors
    ///
    /// [`VaultError::Denied`] where the key is disabled or may not wrap, [`VaultError::Invalid`] outside
    /// of its time or where it is not an RSA-2048 key.
    pub fn wrapping_key(&self, now: u64) -> Result<WrappingKey, VaultError> {
        self.may_wrap(now)?;
        let (KeyType::Rsa { public }, 2048) = (&self.key_type, self.bits) else {
            return Err(self.invalid("is no RSA key of 2,048 bits; create one of that kind"));
        };
        Ok(WrappingKey::rsa(self.id.key_id()?, public.clone()))
    }

    /// Refuses a key that may not wrap at `now`, in seconds since 1970.
    ///
    /// # Errors
    ///
    /// As [`KeyDescription::wrapping_key`].
    pub fn may_wrap(&self, now: u64) -> Result<(), VaultError> {
        let denied = |reason| Err(VaultError::Denied { reason, key: Some(self.id.clone()) });
        if !self.enabled {
            return denied(DeniedReason::KeyDisabled);
        }
        if !self.operations.contains(Operation::WrapKey) {
            return denied(DeniedReason::Permission);
        }
        if self.not_before.is_some_and(|not_before| now < not_before) {
            return Err(self.invalid("does not wrap yet: its not-before date is to come"));
        }
        if self.expires.is_some_and(|expires| now >= expires) {
            return Err(self.invalid("wraps no more: it has expired; rotate it"));
        }
        Ok(())
    }

    /// SHA-256 of the public key's `SubjectPublicKeyInfo` (as in RFC 7469 section 2.4): what a version
    /// is pinned by. `None` of an AES key.
    ///
    /// # Errors
    ///
    /// [`VaultError::Invalid`] where the key cannot be encoded.
    pub fn thumbprint(&self) -> Result<Option<[u8; 32]>, VaultError> {
        let KeyType::Rsa { public } = &self.key_type else { return Ok(None) };
        let der = public.to_spki_der();
        let der = der.map_err(|error| VaultError::Invalid { reason: error.to_string() })?;
        Ok(Some(Sha256::digest(der).into()))
    }

    fn invalid(&self, reason: &str) -> VaultError {
        VaultError::Invalid { reason: format!("the key {} {reason}", self.id) }
    }
}

/// The kind of a key.
#[derive(Clone, Debug)]
pub enum KeyType {
    /// RSA; RSA-OAEP-256 is what it wraps with.
    Rsa {
        /// The public key.
        public: PublicKey,
    },
    /// AES, which never leaves the vault; A256KW is what it wraps with.
    Oct,
}

/// One thing that a key may be used for, or an identity may do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Operation {
    /// Describing the key and getting its public half.
    Get,
    /// Wrapping other keys.
    WrapKey,
    /// Unwrapping them.
    UnwrapKey,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Get, Self::WrapKey, Self::UnwrapKey];

    /// As Azure Key Vault spells it: `get`, `wrapKey` or `unwrapKey`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::WrapKey => "wrapKey",
            Self::UnwrapKey => "unwrapKey",
        }
    }
}

/// A set of operations.
///
/// # Example
///
/// ```
/// use strongroom_vault::{Operation, Operations};
///
/// let operations = Operations::from([Operation::Get]);
/// assert!(operations.contains(Operation::Get) && !operations.contains(Operation::WrapKey));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(from = "Vec<Operation>", into = "Vec<Operation>")]
pub struct Operations(u8);

impl Operations {
    /// True where `operation` is in the set.
    #[must_use]
    pub fn contains(self, operation: Operation) -> bool {
        self.0 & Self::bit(operation) != 0
    }

    /// The union of both sets.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn bit(operation: Operation) -> u8 {
        1 << operation as u8
    }
}

impl<const N: usize> From<[Operation; N]> for Operations {
    fn from(operations: [Operation; N]) -> Self {
        Self::from(operations.to_vec())
    }
}

impl From<Vec<Operation>> for Operations {
    fn from(operations: Vec<Operation>) -> Self {
        Self(operations.into_iter().fold(0, |set, operation| set | Self::bit(operation)))
    }
}

impl From<Operations> for Vec<Operation> {
    fn from(set: Operations) -> Self {
        Operation::ALL.into_iter().filter(|operation| set.contains(*operation)).collect()
    }
}

/// The fate of a deleted key, as Azure Key Vault spells it (`recoveryLevel`).
///
/// # Example
///
/// ```
/// use strongroom_vault::RecoveryLevel;
///
/// assert!(RecoveryLevel::new("Recoverable").is_protected());
/// assert!(!RecoveryLevel::new("Recoverable+Purgeable").is_protected());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct RecoveryLevel(String);

impl RecoveryLevel {
    /// As the vault spells it.
    #[must_use]
    pub fn new(level: &str) -> Self {
        Self(level.to_owned())
    }

    /// Soft delete with purge protection: nobody can destroy the key at once. A level that is not known
    /// is none.
    #[must_use]
    pub fn is_protected(&self) -> bool {
        self.0.contains("Recoverable") && !self.0.contains("Purgeable")
    }

    /// As the vault spells it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A vault's tenant and region, as far as it knows them.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Place {
    /// The tenant that owns it.
    pub tenant: Option<String>,
    /// The region that it is in.
    pub region: Option<String>,
}
