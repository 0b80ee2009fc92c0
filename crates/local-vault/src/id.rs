//! Ids of local vaults and of the versions of their keys.
//!
//! An id may come from an attacker's document, so it is checked character by character before it goes
//! near a path.

use std::fmt;

use serde::{Deserialize, Serialize};

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
    pub(crate) fn generate() -> Result<Self, getrandom::Error> {
        let number = getrandom::u64()?;
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
    pub(super) fn generate() -> Result<Self, getrandom::Error> {
        let mut bits = [0; 16];
        getrandom::fill(&mut bits)?;
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

#[cfg(test)]
mod tests {
    use super::*;

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
