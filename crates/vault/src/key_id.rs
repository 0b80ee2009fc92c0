//! Names and versioned ids of keys in vaults.
//!
//! A name becomes a directory's name in a local vault, and an id may come from an attacker's document:
//! both are checked character by character before anything is done with them.

use std::fmt;

use serde::{Deserialize, Serialize};
use strongroom::wrap::KeyId;

/// Text that is not a key's name or id.
///
/// # Example
///
/// ```
/// use strongroom_vault::{InvalidKeyId, KeyName};
///
/// let error: InvalidKeyId = KeyName::new("../invoices").unwrap_err();
/// assert!(error.to_string().contains("letters, digits and hyphens"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct InvalidKeyId {
    reason: String,
}

/// A key's name: 1 to 127 ASCII letters, digits and hyphens, as in Azure Key Vault. No such name
/// is a path with a separator, a parent directory or a hidden file.
///
/// # Example
///
/// ```
/// use strongroom_vault::KeyName;
///
/// assert_eq!(KeyName::new("invoices-2026")?.as_str(), "invoices-2026");
/// assert!(KeyName::new("../invoices").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyName(String);

impl KeyName {
    /// Checks `name`.
    ///
    /// # Errors
    ///
    /// [`InvalidKeyId`] when it is empty, too long or has another character.
    pub fn new(name: &str) -> Result<Self, InvalidKeyId> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        if (1..=127).contains(&name.len()) && name.bytes().all(allowed) {
            return Ok(Self(name.to_owned()));
        }
        let reason =
            format!("{name:?} cannot name a key; use 1 to 127 letters, digits and hyphens");
        Err(InvalidKeyId { reason })
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for KeyName {
    type Error = InvalidKeyId;

    fn try_from(name: String) -> Result<Self, InvalidKeyId> {
        Self::new(&name)
    }
}

impl From<KeyName> for String {
    fn from(name: KeyName) -> Self {
        name.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A versioned key id, `VAULT/NAME/VERSION`: which vault, which key, which version of it. The vault may
/// have slashes itself (`local/0123456789abcdef`, `https://contoso.vault.azure.net/keys`).
///
/// # Example
///
/// ```
/// use strongroom_vault::VersionedKeyId;
///
/// let id = VersionedKeyId::parse("https://contoso.vault.azure.net/keys/invoices/0a1b2c")?;
/// assert_eq!(id.vault(), "https://contoso.vault.azure.net/keys");
/// assert_eq!((id.name().as_str(), id.version()), ("invoices", "0a1b2c"));
/// // Without a version it names no key that data could be opened with later.
/// assert!(VersionedKeyId::parse("invoices/").is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VersionedKeyId {
    vault: String,
    name: KeyName,
    version: String,
}

impl VersionedKeyId {
    /// The id of the version `version` of the key `name` in `vault`.
    ///
    /// # Errors
    ///
    /// [`InvalidKeyId`] where the version is not 1 to 64 ASCII letters and digits, or the whole
    /// is not what [`KeyId`] allows.
    pub fn new(vault: &str, name: KeyName, version: &str) -> Result<Self, InvalidKeyId> {
        let id = Self { vault: vault.to_owned(), name, version: version.to_owned() };
        let alphanumeric = version.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if vault.is_empty() || !alphanumeric || !(1..=64).contains(&version.len()) {
            return Err(not_versioned(&id.to_string()));
        }
        id.key_id()?;
        Ok(id)
    }

    /// Takes `id` apart.
    ///
    /// # Errors
    ///
    /// [`InvalidKeyId`] where it is not a versioned key id.
    pub fn parse(id: &str) -> Result<Self, InvalidKeyId> {
        let mut parts = id.rsplitn(3, '/');
        let (Some(version), Some(name), Some(vault)) = (parts.next(), parts.next(), parts.next())
        else {
            return Err(not_versioned(id));
        };
        Self::new(vault, KeyName::new(name)?, version)
    }

    /// The vault's id.
    #[must_use]
    pub fn vault(&self) -> &str {
        &self.vault
    }

    /// The key's name.
    #[must_use]
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// The key's version.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// As the engine writes it into a document's header.
    ///
    /// # Errors
    ///
    /// [`InvalidKeyId`] where it is longer than a header takes, or has other characters.
    pub fn key_id(&self) -> Result<KeyId, InvalidKeyId> {
        KeyId::new(&self.to_string()).map_err(|error| InvalidKeyId { reason: error.to_string() })
    }
}

fn not_versioned(id: &str) -> InvalidKeyId {
    let reason = format!("{id:?} is not a versioned key id; write VAULT/NAME/VERSION");
    InvalidKeyId { reason }
}

impl TryFrom<String> for VersionedKeyId {
    type Error = InvalidKeyId;

    fn try_from(id: String) -> Result<Self, InvalidKeyId> {
        Self::parse(&id)
    }
}

impl From<VersionedKeyId> for String {
    fn from(id: VersionedKeyId) -> Self {
        id.to_string()
    }
}

impl fmt::Display for VersionedKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.vault, self.name, self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rule_of_azure_key_vault() {
        for name in ["a", "invoices-2026", "-", "0", &"x".repeat(127)] {
            assert_eq!(KeyName::new(name).unwrap().as_str(), name);
        }
        let long = "x".repeat(128);
        for name in ["", ".", "..", "a/b", "../x", "a.b", "a b", "a\0", "ä", "a\n", "/etc", &long]
        {
            assert!(KeyName::new(name).is_err(), "{name:?}");
        }
    }
}
