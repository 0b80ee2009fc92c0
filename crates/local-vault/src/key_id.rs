//! Versioned key ids of local vaults.
//!
//! An id may come from an attacker's document, so it is checked character by character before it goes near a path.

use std::fmt;

use strongroom::wrap::KeyId;

use super::error::LocalVaultError;
use super::id::{VaultId, VersionId};
use strongroom_vault::{KeyName, VaultError, VersionedKeyId};

/// Checks `name`, for an error that is the vault's own.
///
/// # Errors
///
/// [`LocalVaultError::Name`] when it cannot name a key.
pub(super) fn key_name(name: &str) -> Result<KeyName, LocalVaultError> {
    KeyName::new(name).map_err(|_| LocalVaultError::Name { name: name.to_owned() })
}

/// A versioned key id of a local vault: `local/VAULT/NAME/VERSION`.
///
/// # Example
///
/// ```
/// use strongroom::wrap::KeyId;
/// use strongroom_local_vault::LocalKeyId;
/// use strongroom_vault::VersionedKeyId;
///
/// let id = KeyId::new("local/0123456789abcdef/invoices/5b1e3c0d9f4a42c8a1d07e6b8c2f9d34")?;
/// let id = LocalKeyId::parse(&id)?;
/// assert_eq!(id.name().as_str(), "invoices");
/// assert_eq!(id.version().to_string(), "5b1e3c0d9f4a42c8a1d07e6b8c2f9d34");
///
/// // The same id, as every kind of vault has it.
/// let general = VersionedKeyId::try_from(&id)?;
/// assert_eq!(general.vault(), "local/0123456789abcdef");
/// assert_eq!(general.version(), "5b1e3c0d9f4a42c8a1d07e6b8c2f9d34");
/// assert_eq!(LocalKeyId::try_from(&general)?, id);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalKeyId {
    vault: VaultId,
    name: KeyName,
    version: VersionId,
}

impl LocalKeyId {
    pub(crate) fn new(vault: VaultId, name: KeyName, version: VersionId) -> Self {
        Self { vault, name, version }
    }

    /// Takes `id` apart. Only the one spelling that [`LocalKeyId`] prints is accepted.
    ///
    /// # Errors
    ///
    /// [`LocalVaultError::ForeignId`] when it is not the id of a key in a local vault.
    pub fn parse(id: &KeyId) -> Result<Self, LocalVaultError> {
        Self::spelled(id.as_str())
    }

    fn spelled(id: &str) -> Result<Self, LocalVaultError> {
        Self::parts(id).ok_or_else(|| LocalVaultError::ForeignId { id: id.to_owned() })
    }

    fn parts(id: &str) -> Option<Self> {
        let mut parts = id.strip_prefix("local/")?.split('/');
        let vault = VaultId::parse(parts.next()?)?;
        let name = KeyName::new(parts.next()?).ok()?;
        let version = VersionId::parse(parts.next()?)?;
        parts.next().is_none().then_some(Self { vault, name, version })
    }

    /// The id of the vault that the key is in.
    #[must_use]
    pub fn vault(&self) -> &VaultId {
        &self.vault
    }

    /// The key's name.
    #[must_use]
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// The key's version.
    #[must_use]
    pub fn version(&self) -> VersionId {
        self.version
    }
}

impl fmt::Display for LocalKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "local/{}/{}/{}", self.vault, self.name, self.version)
    }
}

impl TryFrom<&VersionedKeyId> for LocalKeyId {
    type Error = LocalVaultError;

    fn try_from(id: &VersionedKeyId) -> Result<Self, LocalVaultError> {
        Self::spelled(&id.to_string())
    }
}

impl TryFrom<&LocalKeyId> for VersionedKeyId {
    type Error = VaultError;

    fn try_from(id: &LocalKeyId) -> Result<Self, VaultError> {
        let vault = id.vault.key_prefix();
        Ok(Self::new(&vault, id.name.clone(), &id.version.to_string())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_spelling() {
        let text = "local/0123456789abcdef/a-key/0123456789abcdef0123456789abcdef";
        let id = LocalKeyId::parse(&KeyId::new(text).unwrap()).unwrap();
        assert_eq!(id.to_string(), text);
        assert_eq!(id.vault().as_str(), "0123456789abcdef");

        for text in [
            "local",
            "local/0123456789abcdef/a",
            "local/0123456789abcdef/a/1",
            "local/0123456789abcdef/a/V/",
            "local/0123456789abcdef/a/V/V",
            "local/0123456789abcdef/a/V0",
            "local/0123456789abcdef/a/0123456789abcdef0123456789abcde",
            "local/0123456789abcdef/a/0123456789ABCDEF0123456789abcdef",
            "local/0123456789abcdef/a/0123456789abcdef0123456789abcdeg",
            "local/0123456789abcdef/a/+123456789abcdef0123456789abcdef",
            "local/0123456789abcdef/a/0x23456789abcdef0123456789abcdef",
            "local/0123456789abcdef/../V",
            "local/0123456789ABCDEF/a/V",
            "local/0123456789abcde/a/V",
            "Local/0123456789abcdef/a/V",
            "https://example.vault.azure.net/keys/a/V",
        ] {
            let text = text.replace('V', "0123456789abcdef0123456789abcdef");
            let id = KeyId::new(&text).unwrap();
            assert!(
                matches!(LocalKeyId::parse(&id), Err(LocalVaultError::ForeignId { .. })),
                "{text}"
            );
        }
    }
}
