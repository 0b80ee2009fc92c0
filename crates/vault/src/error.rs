//! The errors of vaults.

use std::fmt;
use std::time::Duration;

use crate::key_id::{InvalidKeyId, VersionedKeyId};

/// The reason why a request to a vault failed. A message never carries key material.
///
/// # Example
///
/// ```
/// use strongroom_vault::{DeniedReason, VaultError, VersionedKeyId};
///
/// let key = VersionedKeyId::parse("local/0123456789abcdef/invoices/3")?;
/// let error = VaultError::Denied { reason: DeniedReason::KeyDisabled, key: Some(key.clone()) };
/// assert!(error.is_definite_about(&key));
/// assert!(error.to_string().contains("invoices/3"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// The vault refused.
    #[error("{} was refused: {reason}", named(key.as_ref()))]
    Denied {
        /// The reason.
        reason: DeniedReason,
        /// The key that the answer is about, if the vault named one.
        key: Option<VersionedKeyId>,
    },
    /// The vault could not be asked, or was too busy: try again.
    #[error("the vault cannot be reached at the moment: {reason}{}", delay(*retry_after))]
    Unavailable {
        /// The reason.
        reason: String,
        /// The delay that the vault asks for.
        retry_after: Option<Duration>,
    },
    /// The request makes no sense for this key: trying again does not help, and it says nothing about
    /// the key's state.
    #[error("{reason}")]
    Invalid {
        /// The reason, and the next step.
        reason: String,
    },
}

impl From<InvalidKeyId> for VaultError {
    fn from(error: InvalidKeyId) -> Self {
        Self::Invalid { reason: error.to_string() }
    }
}

impl VaultError {
    /// True where the vault itself withdrew `key`, exactly this version: cached copies of what it wrapped
    /// must go at once. An identity that is not known (401), a firewall's refusal and answers about
    /// another key do not count.
    #[must_use]
    pub fn is_definite_about(&self, key: &VersionedKeyId) -> bool {
        use DeniedReason::{KeyDisabled, KeyMissing, Permission};
        matches!(
            self,
            Self::Denied { reason: KeyDisabled | KeyMissing | Permission, key: Some(about) }
                if about == key
        )
    }
}

/// The reason why a vault refused.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeniedReason {
    /// The key, this version of it, is disabled.
    KeyDisabled,
    /// The key or this version is deleted, or was never there.
    KeyMissing,
    /// The identity is known and may not do this with the key.
    Permission,
    /// The identity is disabled or not known: HTTP 401.
    Identity,
    /// A firewall in front of the vault refused: HTTP 403 without a statement about the key.
    Firewall,
}

impl DeniedReason {
    /// Its name in logs and states.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::KeyDisabled => "key-disabled",
            Self::KeyMissing => "key-missing",
            Self::Permission => "permission",
            Self::Identity => "identity",
            Self::Firewall => "firewall",
        }
    }
}

impl fmt::Display for DeniedReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::KeyDisabled => "the key is disabled; enable it in its vault",
            Self::KeyMissing => "the key is not there (any more); recover it in its vault",
            Self::Permission => {
                "the identity lacks a permission; grant it get, wrap and unwrap on the key"
            }
            Self::Identity => "the identity is disabled or not known; enable or renew it",
            Self::Firewall => "the vault's firewall turned the request away; admit this host",
        })
    }
}

fn named(key: Option<&VersionedKeyId>) -> String {
    key.map_or_else(|| "the request".to_owned(), |key| format!("the key {key}"))
}

fn delay(retry_after: Option<Duration>) -> String {
    retry_after.map_or_else(String::new, |delay| format!("; it asks for {} s", delay.as_secs()))
}
