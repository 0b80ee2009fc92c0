//! The keys that a document's recipients are to make way for: a decision on what its header says,
//! before any key is used.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use strongroom::document::Recipient;
use strongroom::wrap::WrappingKey;
use strongroom_local_vault::LocalVault;
use strongroom_local_vault::{LocalKeyId, LocalVaultError, VersionId};

use super::super::unlock::own_id;
use crate::failure::Failure;

/// A recipient of the vault, and the key in whose favour it goes.
pub(super) struct Target {
    pub(super) old: Recipient,
    pub(super) key: Arc<WrappingKey>,
}

impl Target {
    /// True where the recipient's id and algorithm are those of this key; whether that key unwraps it is
    /// still to be seen.
    pub(super) fn is_named(&self) -> bool {
        self.old.algorithm() == Some(self.key.algorithm()) && self.old.key_id() == self.key.id()
    }
}

/// The newest versions of a vault's keys, each read once.
pub(super) struct NewestKeys<'v> {
    vault: &'v LocalVault,
    /// The key that takes the place of all others of the vault.
    named: Option<Arc<WrappingKey>>,
    by_name: BTreeMap<String, Known>,
}

/// A key of the vault: its newest version, and the ids of all.
struct Known {
    newest: Arc<WrappingKey>,
    versions: BTreeSet<VersionId>,
}

impl<'v> NewestKeys<'v> {
    /// Those of `vault`; with `key` that one for every document.
    ///
    /// # Errors
    ///
    /// A [`Failure`] when `key` is not there, or cannot be used.
    pub(super) fn new(vault: &'v LocalVault, key: Option<&str>) -> Result<Self, Failure> {
        let named = key.map(|name| newest(vault, name)).transpose()?;
        Ok(Self { vault, named, by_name: BTreeMap::new() })
    }

    /// The targets of a document with `recipients`; `None` where no recipient is of the vault.
    ///
    /// # Errors
    ///
    /// A [`Failure`] when a key is not there any more, or cannot be used.
    pub(super) fn targets(
        &mut self,
        recipients: &[Recipient],
    ) -> Result<Option<Vec<Target>>, Failure> {
        let mut targets = Vec::new();
        let mut any = false;
        for old in recipients {
            let Some(id) = own_id(old, self.vault.id()) else { continue };
            any = true;
            if let Some(key) = self.instead_of(old, &id)? {
                targets.push(Target { old: old.clone(), key });
            }
        }
        Ok(any.then_some(targets))
    }

    /// The key for which the recipient `old` of the key `id` is to make way; `None` where it stays
    /// whatever it holds.
    fn instead_of(
        &mut self,
        old: &Recipient,
        id: &LocalKeyId,
    ) -> Result<Option<Arc<WrappingKey>>, Failure> {
        if let Some(named) = &self.named {
            return Ok(Some(Arc::clone(named)));
        }
        if old.algorithm().is_none() {
            return Ok(None); // a newer program's, which knows what to do with it
        }
        let name = id.name().as_str();
        if let Some(known) = self.by_name.get(name).filter(|known| known.has(id)) {
            return Ok(Some(Arc::clone(&known.newest)));
        }
        // Read for the first time, or again: the key may have been rotated meanwhile.
        let known = Known::read(self.vault, name)?;
        let newest = Arc::clone(&known.newest);
        let has_it = known.has(id);
        self.by_name.insert(name.to_owned(), known);
        if has_it {
            return Ok(Some(newest));
        }
        // Not an older version, for all that this vault can say: another copy of it may have made it.
        let vault = self.vault.path().to_owned();
        Err(LocalVaultError::VersionMissing { vault, id: id.to_string() }.into())
    }
}

impl Known {
    fn read(vault: &LocalVault, name: &str) -> Result<Self, Failure> {
        let newest = newest(vault, name)?;
        let versions = vault.show(name)?.versions;
        let versions = versions.iter().map(|version| version.id.version()).collect();
        Ok(Self { newest, versions })
    }

    fn has(&self, id: &LocalKeyId) -> bool {
        self.versions.contains(&id.version())
    }
}

fn newest(vault: &LocalVault, name: &str) -> Result<Arc<WrappingKey>, Failure> {
    let key = vault.wrapping_key(name)?;
    Ok(Arc::new(key))
}
