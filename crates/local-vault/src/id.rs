//! Ids of local vaults and of the versions of their keys.
//!
//! An id may come from an attacker's document, so it is checked character by character before it goes
//! near a path.

use std::fmt;

use serde::{Deserialize, Serialize};
use strongroom::wrap::KeyId;

use super::error::LocalVaultError;
use strongroom_vault::{KeyName, VaultError, VersionedKeyId};

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
/// use strongroom_local_vault::VaultId;
///
/// assert!(VaultId::parse("0123456789abcdef").is_some());
/// assert!(VaultId::parse("../../etc/passwd").is_none());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultId(String);

impl VaultId {
    /// A fresh id.
    pub(crate) fn generate() -> Result<Self, LocalVaultError> {
        let number = getrandom::u64().map_err(|_| LocalVaultError::Random)?;
        Ok(Self(format!("{number:016x}")))
    }

    /// The id in `text`, if it is one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() == 16 && text.bytes().all(is_digit)).then(|| Self(text.to_owned()))
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

/// A lower-case hexadecimal digit: there is one spelling of an id.
fn is_digit(byte: u8) -> bool {
    byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)
}

/// The id of one version of a key: 128 random bits, printed as 32 lower-case hexadecimal digits, as in
/// Azure Key Vault.
///
/// It is drawn when the version is made and never again, so that no id names two keys: not after a purge,
/// and not where two copies of a vault both rotate. It says nothing about the order of versions, which the
/// vault keeps.
///
/// # Example
///
/// ```
/// use strongroom_local_vault::VersionId;
///
/// let id = VersionId::parse("0123456789abcdef0123456789abcdef").unwrap();
/// assert_eq!(id.to_string(), "0123456789abcdef0123456789abcdef");
/// assert!(VersionId::parse("1").is_none());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VersionId([u8; 16]);

impl VersionId {
    /// A fresh id.
    pub(super) fn generate() -> Result<Self, LocalVaultError> {
        let mut bits = [0; 16];
        getrandom::fill(&mut bits).map_err(|_| LocalVaultError::Random)?;
        Ok(Self(bits))
    }

    /// The id in `text`, if it is one in its only spelling.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if !text.bytes().all(is_digit) {
            return None;
        }
        let mut bits = [0; 16];
        let decoded = base16ct::lower::decode(text, &mut bits).ok()?.len();
        (decoded == 16).then_some(Self(bits))
    }

    /// True of 4 to 32 lower-case hexadecimal digits.
    pub(super) fn may_begin_with(prefix: &str) -> bool {
        (4..=32).contains(&prefix.len()) && prefix.bytes().all(is_digit)
    }
}

impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VersionId({self})")
    }
}

impl From<VersionId> for String {
    fn from(id: VersionId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for VersionId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("the id of a version is 32 lower-case hexadecimal digits")
    }
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

    #[test]
    fn a_version_is_printed_as_it_is_parsed_and_never_drawn_twice() {
        for text in [
            "00000000000000000000000000000000",
            "0000000000000000000000000000000a",
            "ffffffffffffffffffffffffffffffff",
        ] {
            assert_eq!(VersionId::parse(text).unwrap().to_string(), text);
        }
        let drawn: std::collections::BTreeSet<VersionId> =
            (0..1000).map(|_| VersionId::generate().unwrap()).collect();
        assert_eq!(drawn.len(), 1000);
    }
}
