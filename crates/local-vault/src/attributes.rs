//! `attributes.json` of a key: which versions it has, what each may be used for and when, and whether
//! the key is deleted. It is replaced whole, so every change happens at once or not at all.

use std::collections::BTreeSet;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use strongroom::rsa::PublicKey;
use strongroom::secret::Secret;

use super::error::LocalVaultError;
use super::id::{VaultId, VersionId};
use super::json_file::{self, Document};
use super::keyring::Keyring;
use super::options::{KeyKind, KeyOptions, Versions};
use strongroom_vault::mac::hmac_sha256;
use strongroom_vault::{KeyName, Operations};

/// The name of the file.
pub(super) const ATTRIBUTES: &str = "attributes.json";

/// The most versions that a key can have: one an hour for more than a year.
pub(super) const MOST_VERSIONS: usize = 10_000;

/// The format of the file, and of a backup of the key.
pub(super) const FORMAT: u32 = 2;

/// Content of `attributes.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Attributes {
    format: u32,
    vault: String,
    name: KeyName,
    /// In the order in which they were made, never empty: the last one is the newest. Their ids say nothing
    /// about it.
    pub(super) versions: Vec<VersionAttributes>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) deleted: Option<Deletion>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    check: Option<String>,
}

/// One version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VersionAttributes {
    pub(super) version: VersionId,
    pub(super) kind: KeyKind,
    /// Seconds since 1970.
    pub(super) created: u64,
    pub(super) enabled: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) not_before: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) expires: Option<u64>,
    pub(super) operations: Operations,
    /// [`of_public_key`] or [`of_aes_key`].
    pub(super) fingerprint: String,
}

/// Time of a key's deletion, and of its earliest purge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Deletion {
    /// Seconds since 1970.
    pub(super) at: u64,
    /// Seconds since 1970: under purge protection it stays until then.
    pub(super) purge_from: u64,
}

impl Document for Attributes {
    const LONGEST: u64 = 8 * 1024 * 1024;

    fn check(&mut self) -> &mut Option<String> {
        &mut self.check
    }
}

impl VersionAttributes {
    /// Of a version made at `created` (seconds since 1970) with `options`.
    pub(super) fn new(
        version: VersionId,
        created: u64,
        options: &KeyOptions,
        fingerprint: String,
    ) -> Self {
        let KeyOptions { kind, enabled, not_before, expires, operations } = *options;
        Self { version, kind, created, enabled, not_before, expires, operations, fingerprint }
    }
}

impl Attributes {
    /// Of a key with `versions`.
    pub(super) fn new(vault: &VaultId, name: &KeyName, versions: Vec<VersionAttributes>) -> Self {
        let (vault, name) = (vault.as_str().to_owned(), name.clone());
        Self { format: FORMAT, vault, name, versions, deleted: None, check: None }
    }

    /// The attributes in the directory of the key `name`; `None` where the file does not exist.
    ///
    /// # Errors
    ///
    /// [`LocalVaultError::Damaged`], [`LocalVaultError::Exposed`], [`LocalVaultError::Io`].
    pub(super) fn read(
        directory: &Path,
        vault: &VaultId,
        name: &KeyName,
        keyring: &Keyring,
    ) -> Result<Option<Self>, LocalVaultError> {
        let file = directory.join(ATTRIBUTES);
        let Some(found) = json_file::read::<Self>(keyring, &label(vault, name), &file)? else {
            return Ok(None);
        };
        if found.is_of(vault, name) {
            return Ok(Some(found));
        }
        Err(LocalVaultError::Damaged { path: file, reason: "it is not this key's" })
    }

    /// True where these can be the attributes of the key `name`.
    pub(super) fn is_of(&self, vault: &VaultId, name: &KeyName) -> bool {
        let ids: BTreeSet<VersionId> =
            self.versions.iter().map(|version| version.version).collect();
        self.format == FORMAT
            && self.vault == vault.as_str()
            && self.name == *name
            && !ids.is_empty()
            && ids.len() == self.versions.len()
    }

    /// True where both say the same, whatever key authenticates them.
    pub(super) fn says_the_same(&self, other: &Self) -> bool {
        let unchecked = |attributes: &Self| Self { check: None, ..attributes.clone() };
        unchecked(self) == unchecked(other)
    }

    /// The key's name.
    pub(super) fn name(&self) -> &KeyName {
        &self.name
    }

    /// As the file's contents.
    ///
    /// # Errors
    ///
    /// [`LocalVaultError::Io`] where they cannot be written as JSON.
    pub(super) fn encode(
        &mut self,
        vault: &VaultId,
        keyring: &Keyring,
    ) -> Result<Vec<u8>, LocalVaultError> {
        let label = label(vault, &self.name);
        json_file::encode(keyring, &label, self)
    }

    /// The version with this id.
    pub(super) fn version(&self, id: VersionId) -> Option<&VersionAttributes> {
        self.versions.iter().find(|version| version.version == id)
    }

    /// Those of the versions that `which` names.
    pub(super) fn select(&mut self, which: Versions) -> &mut [VersionAttributes] {
        let range = match which {
            Versions::All => 0..self.versions.len(),
            Versions::Newest => self.versions.len().saturating_sub(1)..self.versions.len(),
            Versions::Only(id) => {
                let at = self.versions.iter().position(|version| version.version == id);
                at.map_or(0..0, |at| at..at.saturating_add(1))
            }
        };
        self.versions.get_mut(range).unwrap_or_default()
    }
}

fn label(vault: &VaultId, name: &KeyName) -> String {
    format!("{vault}/attributes/{name}")
}

/// SHA-256 of the key's `SubjectPublicKeyInfo`.
///
/// # Errors
///
/// [`LocalVaultError::Key`] where it cannot be encoded.
pub(super) fn of_public_key(key: &PublicKey) -> Result<String, LocalVaultError> {
    let der = key
        .to_spki_der()
        .map_err(|source| LocalVaultError::Key { key: "RSA key".to_owned(), source })?;
    Ok(base16ct::lower::encode_string(&Sha256::digest(der)))
}

/// HMAC-SHA-256 of a label under the key: it shows a damaged key, and reveals nothing of a whole one.
pub(super) fn of_aes_key(key: &Secret<32>) -> String {
    base16ct::lower::encode_string(hmac_sha256(key, &[b"strongroom/1 fingerprint"]).expose())
}
