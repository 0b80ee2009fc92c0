//! Ids of local vaults and of the versions of their keys.
//!
//! An id may come from an attacker's document, so it is checked character by character before it goes
//! near a path.

use std::fmt;

use strongroom::wrap::KeyId;

use super::error::LocalVaultError;
use crate::vault::{KeyName, VaultError, VersionedKeyId};

/// Checks `name`, for an error that is the vault's own.
///
/// # Errors
///
/// [`LocalVaultError::Name`] when it cannot name a key.
pub(super) fn key_name(name: &str) -> Result<KeyName, LocalVaultError> {
    KeyName::new(name).map_err(|_| LocalVaultError::Name { name: name.to_owned() })
}

/// A vault's id: 16 lower-case hexadecimal digits, drawn at random when the vault is made, so that
/// the keys of two vaults are never taken for each other.
///
/// # Example
///
/// ```
/// use strongroom_keys::local_vault::VaultId;
///
/// assert!(VaultId::parse("0123456789abcdef").is_some());
/// assert!(VaultId::parse("../../etc/passwd").is_none());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultId(String);

impl VaultId {
    /// A fresh id.
    pub(crate) fn generate() -> Result<Self, LocalVaultError> {
        random_hex().map(Self)
    }

    /// The id in `text`, if it is one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (text.len() == 16 && text.bytes().all(digit)).then(|| Self(text.to_owned()))
    }

    /// The first part of the ids of the vault's keys.
    pub(super) fn key_prefix(&self) -> String {
        format!("local/{self}")
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for VaultId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// 16 random hexadecimal digits.
pub(crate) fn random_hex() -> Result<String, LocalVaultError> {
    let number = getrandom::u64().map_err(|_| LocalVaultError::Random)?;
    Ok(format!("{number:016x}"))
}

/// A versioned key id of a local vault: `local/VAULT/NAME/VERSION`.
///
/// # Example
///
/// ```
/// use strongroom::wrap::KeyId;
/// use strongroom_keys::local_vault::LocalKeyId;
/// use strongroom_keys::vault::VersionedKeyId;
///
/// let id = KeyId::new("local/0123456789abcdef/invoices/3")?;
/// let id = LocalKeyId::parse(&id)?;
/// assert_eq!((id.name().as_str(), id.version()), ("invoices", 3));
///
/// // The same id, as every kind of vault has it.
/// let general = VersionedKeyId::try_from(&id)?;
/// assert_eq!((general.vault(), general.version()), ("local/0123456789abcdef", "3"));
/// assert_eq!(LocalKeyId::try_from(&general)?, id);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalKeyId {
    vault: VaultId,
    name: KeyName,
    version: u32,
}

impl LocalKeyId {
    pub(crate) fn new(vault: VaultId, name: KeyName, version: u32) -> Self {
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
        let version = parse_version(parts.next()?)?;
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

    /// The key's version, from 1.
    #[must_use]
    pub fn version(&self) -> u32 {
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

/// A version as it is printed: decimal, from 1, without sign or leading zeros.
pub(crate) fn parse_version(text: &str) -> Option<u32> {
    let version = text.parse().ok().filter(|&version: &u32| version > 0)?;
    (version.to_string() == text).then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_spelling() {
        let text = "local/0123456789abcdef/a-key/12";
        let id = LocalKeyId::parse(&KeyId::new(text).unwrap()).unwrap();
        assert_eq!(id.to_string(), text);
        assert_eq!(id.vault().as_str(), "0123456789abcdef");

        for text in [
            "local",
            "local/0123456789abcdef/a",
            "local/0123456789abcdef/a/1/",
            "local/0123456789abcdef/a/1/2",
            "local/0123456789abcdef/a/0",
            "local/0123456789abcdef/a/01",
            "local/0123456789abcdef/a/+1",
            "local/0123456789abcdef/a/4294967296",
            "local/0123456789abcdef/../1",
            "local/0123456789ABCDEF/a/1",
            "local/0123456789abcde/a/1",
            "Local/0123456789abcdef/a/1",
            "https://example.vault.azure.net/keys/a/1",
        ] {
            let id = KeyId::new(text).unwrap();
            assert!(
                matches!(LocalKeyId::parse(&id), Err(LocalVaultError::ForeignId { .. })),
                "{text}"
            );
        }
    }
}
