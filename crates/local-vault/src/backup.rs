//! A key with all its versions in one file.

use std::path::Path;

use serde::{Deserialize, Serialize};
use strongroom::secret::SecretVec;
use zeroize::Zeroizing;

use super::attributes::{self, Attributes, FORMAT};
use super::error::LocalVaultError;
use super::files::{self, LONGEST_KEY};
use super::json_file::{self, Document};
use super::key_id;
use super::lifecycle::NewVersion;
use super::record::Act;
use super::store::{Material, Store};
use super::vault::LocalVault;
use strongroom_vault::KeyName;

/// Content of a backup.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Backup {
    format: u32,
    vault: String,
    attributes: Attributes,
    /// The contents of the private files, in the order of the versions.
    keys: Vec<SecretText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    check: Option<String>,
}

/// Hexadecimal text, which JSON takes as it is; wiped when it is dropped.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct SecretText(Zeroizing<String>);

impl Document for Backup {
    const LONGEST: u64 = 128 * 1024 * 1024;

    fn check(&mut self) -> &mut Option<String> {
        &mut self.check
    }
}

impl LocalVault {
    /// The key `name` with all its versions and their attributes, for [`LocalVault::restore`].
    ///
    /// # Errors
    ///
    /// [`LocalVaultError::Name`], [`LocalVaultError::KeyMissing`] or [`LocalVaultError::KeyDeleted`] when
    /// there is no such key; [`LocalVaultError::Damaged`], [`LocalVaultError::Exposed`] or
    /// [`LocalVaultError::Io`] when it cannot be read.
    ///
    /// # Security
    ///
    /// In a vault with a passphrase the private keys are sealed in the backup as they are in the vault.
    /// In one without, **the backup holds them in the clear**: keep it as the vault itself, in a file of
    /// mode 0600.
    ///
    /// # Example
    ///
    /// ```
    /// use strongroom_local_vault::LocalVault;
    ///
    /// # let directory = tempfile::tempdir()?;
    /// let vault = LocalVault::init(&directory.path().join("vault"))?;
    /// vault.create("invoices")?;
    /// let backup = vault.backup("invoices")?;
    ///
    /// vault.delete("invoices")?;
    /// vault.purge("invoices")?;
    /// assert_eq!(vault.restore(backup.expose())?.as_str(), "invoices");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn backup(&self, name: &str) -> Result<SecretVec, LocalVaultError> {
        let store = &*self.0;
        let name = key_id::key_name(name)?;
        let mut backup = store.read_consistent(&name, |_, attributes| {
            let directory = store.directory(&name);
            let keys = attributes.versions.iter().map(|version| {
                let path = directory.join(store.private_file(version));
                let text = files::read_private(&path, LONGEST_KEY)?.ok_or_else(|| {
                    LocalVaultError::Damaged { path: path.clone(), reason: "it is missing" }
                })?;
                // What could not be restored is no backup.
                let id = store.key_id(&name, version.version);
                store.parse(&id, version, &text, &path, |_| false)?;
                Ok(SecretText(Zeroizing::new(base16ct::lower::encode_string(text.as_bytes()))))
            });
            Ok(Backup {
                format: FORMAT,
                vault: store.id.as_str().to_owned(),
                attributes: attributes.clone(),
                keys: keys.collect::<Result<_, LocalVaultError>>()?,
                check: None,
            })
        })?;
        let label = label(store, &name);
        let mut act = Act::new("backup", Some(&name));
        act.of_key(&store.newest_id(&name, &backup.attributes)?);
        store.record_reading(&act)?;
        Ok(SecretVec::from(json_file::encode(&store.keyring, &label, &mut backup)?))
    }

    /// Brings back the key of which `backup` was made, with all its versions and their attributes, and
    /// returns its name.
    ///
    /// A backup is restored into the vault that it is of: the vault's id is part of the keys' ids, by
    /// which documents find them. A vault that was lost can be made anew from a copy of its `vault.json`
    /// alone, in a directory of mode 0700, and has that id again.
    ///
    /// # Errors
    ///
    /// [`LocalVaultError::Backup`] where `backup` is none of this vault, or was changed;
    /// [`LocalVaultError::KeyExists`] or [`LocalVaultError::KeyDeleted`] where a key has the name;
    /// [`LocalVaultError::Io`] where it cannot be kept.
    pub fn restore(&self, backup: &[u8]) -> Result<KeyName, LocalVaultError> {
        let store = &*self.0;
        let refused = |reason| LocalVaultError::Backup { vault: store.path.clone(), reason };
        if backup.len() as u64 > Backup::LONGEST {
            return Err(refused(
                "it is longer than any backup; give the file that was made as one",
            ));
        }
        let mut backup: Backup = serde_json::from_slice(backup).map_err(|_| {
            refused("it is not the JSON of a backup; give the file that was made as one")
        })?;
        if backup.format != FORMAT {
            return Err(refused(if backup.format > FORMAT {
                "a newer version made it; use that one"
            } else {
                "it is of an earlier format, in which two keys could have one id; only the version that \
                 made it restores it"
            }));
        }
        if backup.vault != store.id.as_str() {
            return Err(refused("it is of another vault; restore it there"));
        }
        let name = backup.attributes.name().clone();
        let whole = json_file::holds(&store.keyring, &label(store, &name), &mut backup)?
            && backup.attributes.is_of(&store.id, &name)
            && backup.attributes.versions.len() == backup.keys.len();
        if !whole {
            return Err(refused(
                "it was changed since, or made under another passphrase's keys; use another copy",
            ));
        }
        let keys = std::mem::take(&mut backup.attributes.versions).into_iter().zip(&backup.keys);
        let mut versions = Vec::new();
        for (mut attributes, key) in keys {
            let id = store.key_id(&name, attributes.version);
            let text = base16ct::lower::decode_vec(key.0.as_bytes()).ok().map(Zeroizing::new);
            let text = text.ok_or_else(|| refused("a key in it is not hexadecimal"))?;
            let text =
                std::str::from_utf8(&text).map_err(|_| refused("a key in it is not text"))?;
            let from = Path::new("the backup");
            let public = match store.parse(&id, &attributes, text, from, |_| false)? {
                Material::Oct(_) => None,
                Material::Rsa(key) => {
                    let key = key.public_key();
                    let unwritten = |source| LocalVaultError::Key { key: id.to_string(), source };
                    attributes.fingerprint = attributes::of_public_key(&key)?;
                    Some(key.to_spki_pem().map_err(unwritten)?)
                }
            };
            let private = SecretVec::from(text.as_bytes().to_vec());
            versions.push(NewVersion { private, public, attributes });
        }
        let mut act = Act::new("restore", Some(&name));
        if let Some(newest) = versions.last() {
            act.of_key(&store.key_id(&name, newest.attributes.version));
        }
        store.administer(act, |locked, act| locked.install(&name, &versions, act))?;
        Ok(name)
    }
}

fn label(store: &Store, name: &KeyName) -> String {
    format!("{}/backup/{name}", store.id)
}
