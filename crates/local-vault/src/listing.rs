//! The keys of a vault, as they are shown.

use std::time::{Duration, SystemTime};

use strongroom::wrap::Algorithm;

use super::attributes::{Attributes, VersionAttributes};
use super::error::LocalVaultError;
use super::id::VersionId;
use super::key_id::{self, LocalKeyId};
use super::options::KeyKind;
use super::store::Store;
use super::vault::LocalVault;
use strongroom_vault::{KeyName, Operations};

/// A key of a vault with all its versions.
///
/// # Example
///
/// ```
/// use strongroom_local_vault::LocalVault;
///
/// # let directory = tempfile::tempdir()?;
/// let vault = LocalVault::init(&directory.path().join("vault"))?;
/// vault.create("invoices")?;
/// let [key] = &vault.list()?[..] else { panic!() };
/// assert_eq!(key.name.as_str(), "invoices");
/// assert!(key.versions[0].enabled);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyEntry {
    /// The key's name.
    pub name: KeyName,
    /// Its versions, oldest first, as the vault keeps their order; never empty.
    pub versions: Vec<KeyVersion>,
}

impl KeyEntry {
    /// The version whose id begins with `prefix`: at least four of its digits, as somebody types them.
    ///
    /// # Errors
    ///
    /// [`LocalVaultError::Setting`] where that is not the beginning of an id; [`LocalVaultError::VersionUnknown`]
    /// or [`LocalVaultError::VersionAmbiguous`] where it is that of none, or of several.
    ///
    /// # Example
    ///
    /// ```
    /// use strongroom_local_vault::LocalVault;
    ///
    /// # let directory = tempfile::tempdir()?;
    /// let vault = LocalVault::init(&directory.path().join("vault"))?;
    /// let id = vault.create("invoices")?;
    /// let typed = &id.version().to_string()[..6];
    /// assert_eq!(vault.show("invoices")?.version(typed)?.id, id);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn version(&self, prefix: &str) -> Result<&KeyVersion, LocalVaultError> {
        if !VersionId::may_begin_with(prefix) {
            return Err(LocalVaultError::Setting {
                what: "the version of the key",
                reason: "give its id, or at least the first 4 of its 32 hexadecimal digits",
            });
        }
        let begins_so =
            |version: &&KeyVersion| version.id.version().to_string().starts_with(prefix);
        let found: Vec<&KeyVersion> = self.versions.iter().filter(begins_so).collect();
        let ids = |versions: &mut dyn Iterator<Item = &KeyVersion>| {
            versions.map(|version| version.id.version()).collect()
        };
        let (name, prefix) = (self.name.to_string(), prefix.to_owned());
        match found[..] {
            [version] => Ok(version),
            [] => {
                let existing = ids(&mut self.versions.iter());
                Err(LocalVaultError::VersionUnknown { name, prefix, existing })
            }
            _ => {
                let candidates = ids(&mut found.iter().copied());
                Err(LocalVaultError::VersionAmbiguous { name, prefix, candidates })
            }
        }
    }
}

/// One version of a key.
///
/// # Example
///
/// ```
/// use strongroom_local_vault::LocalVault;
/// use strongroom_local_vault::{KeyKind, KeyVersion};
///
/// # let directory = tempfile::tempdir()?;
/// # let vault = LocalVault::init(&directory.path().join("vault"))?;
/// vault.create("invoices")?;
/// let version: KeyVersion = vault.show("invoices")?.versions.remove(0);
/// assert_eq!((version.enabled, version.kind), (true, KeyKind::Rsa));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyVersion {
    /// Its versioned id.
    pub id: LocalKeyId,
    /// RSA or AES.
    pub kind: KeyKind,
    /// Algorithm that it wraps with.
    pub algorithm: Algorithm,
    /// Time of its creation.
    pub created: SystemTime,
    /// True where it wraps and unwraps at all.
    pub enabled: bool,
    /// Seconds since 1970: earlier, it does not wrap.
    pub not_before: Option<u64>,
    /// Seconds since 1970: from then on, it does not wrap.
    pub expires: Option<u64>,
    /// Operations that it may be used for.
    pub operations: Operations,
}

/// A key that is deleted and can be recovered.
///
/// # Example
///
/// ```
/// use strongroom_local_vault::LocalVault;
/// use strongroom_local_vault::DeletedKey;
///
/// # let directory = tempfile::tempdir()?;
/// # let vault = LocalVault::init(&directory.path().join("vault"))?;
/// vault.create("invoices")?;
/// let deleted: DeletedKey = vault.delete("invoices")?;
/// assert_eq!(vault.list_deleted()?, [deleted.clone()]);
/// assert_eq!(deleted.purge_from - deleted.deleted_at, 90 * 86_400);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedKey {
    /// The key with its versions.
    pub key: KeyEntry,
    /// Seconds since 1970.
    pub deleted_at: u64,
    /// Seconds since 1970: purge protection keeps it until then. Nothing is purged by itself.
    pub purge_from: u64,
}

impl LocalVault {
    /// Every key that is not deleted with its versions, by name.
    ///
    /// # Errors
    ///
    /// [`LocalVaultError::Damaged`], [`LocalVaultError::Exposed`] or [`LocalVaultError::Io`] when a key or
    /// the vault cannot be read.
    pub fn list(&self) -> Result<Vec<KeyEntry>, LocalVaultError> {
        let mut keys = Vec::new();
        for (name, attributes) in self.0.all()? {
            if attributes.deleted.is_none() {
                keys.push(self.0.entry(&name, &attributes));
            }
        }
        Ok(keys)
    }

    /// Every key that is deleted and not purged, by name.
    ///
    /// # Errors
    ///
    /// As [`LocalVault::list`].
    pub fn list_deleted(&self) -> Result<Vec<DeletedKey>, LocalVaultError> {
        let all = self.0.all()?.into_iter();
        Ok(all.filter_map(|(name, attributes)| self.0.deleted_entry(&name, &attributes)).collect())
    }

    /// The key `name`.
    ///
    /// # Errors
    ///
    /// [`LocalVaultError::Name`], [`LocalVaultError::KeyMissing`] or [`LocalVaultError::KeyDeleted`] when
    /// there is no such key, and those of [`LocalVault::list`].
    pub fn show(&self, name: &str) -> Result<KeyEntry, LocalVaultError> {
        let name = key_id::key_name(name)?;
        let attributes = self.0.live(&self.0.manifest()?, &name)?;
        Ok(self.0.entry(&name, &attributes))
    }
}

impl Store {
    fn all(&self) -> Result<Vec<(KeyName, Attributes)>, LocalVaultError> {
        let manifest = self.manifest()?;
        let mut keys = Vec::new();
        for name in self.names()? {
            // One that is purged meanwhile is none.
            if let Some(attributes) = self.attributes(&manifest, &name)? {
                keys.push((name, attributes));
            }
        }
        Ok(keys)
    }

    pub(super) fn entry(&self, name: &KeyName, attributes: &Attributes) -> KeyEntry {
        let versions = attributes.versions.iter().map(|version| {
            let &VersionAttributes { kind, enabled, not_before, expires, operations, .. } = version;
            let created = Duration::from_secs(version.created);
            KeyVersion {
                id: self.key_id(name, version.version),
                kind,
                algorithm: kind.algorithm(),
                created: SystemTime::UNIX_EPOCH
                    .checked_add(created)
                    .unwrap_or(SystemTime::UNIX_EPOCH),
                enabled,
                not_before,
                expires,
                operations,
            }
        });
        KeyEntry { name: name.clone(), versions: versions.collect() }
    }

    /// `None` of a key that is not deleted.
    pub(super) fn deleted_entry(
        &self,
        name: &KeyName,
        attributes: &Attributes,
    ) -> Option<DeletedKey> {
        let deletion = attributes.deleted?;
        Some(DeletedKey {
            key: self.entry(name, attributes),
            deleted_at: deletion.at,
            purge_from: deletion.purge_from,
        })
    }
}
