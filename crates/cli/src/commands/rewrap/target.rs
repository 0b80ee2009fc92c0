//! Which recipients a document is to get: a decision on what its header says, before any key is used.

use std::collections::HashMap;
use std::sync::Arc;

use strongroom::Error;
use strongroom::document::{Recipient, Rewrap};
use strongroom::secret::Secret;
use strongroom::wrap::{KeyId, WrappingKey};
use strongroom_keys::LocalVault;
use strongroom_keys::local_vault::LocalVaultError;
use strongroom_keys::local_vault::{LocalKeyId, VaultId};

use super::super::unlock::own_id;
use crate::failure::Failure;
use crate::vaults::missing_key;

/// The newest versions of a vault's keys, each read and proved once.
pub(super) struct NewestKeys<'v> {
    vault: &'v LocalVault,
    /// The key that takes the place of all others of the vault.
    named: Option<Arc<WrappingKey>>,
    by_name: HashMap<String, Arc<WrappingKey>>,
}

impl<'v> NewestKeys<'v> {
    /// Those of `vault`; with `key` that one for every document.
    ///
    /// # Errors
    ///
    /// A [`Failure`] when `key` is not there, or cannot be used.
    pub(super) fn new(vault: &'v LocalVault, key: Option<&str>) -> Result<Self, Failure> {
        let named = key.map(|name| proved(vault, name)).transpose()?;
        Ok(Self { vault, named, by_name: HashMap::new() })
    }

    /// What takes the place of the key `id`; `None` where that stays.
    ///
    /// # Errors
    ///
    /// A [`Failure`] when the key is not there any more, or cannot be used.
    pub(super) fn instead_of(
        &mut self,
        id: &LocalKeyId,
    ) -> Result<Option<Arc<WrappingKey>>, Failure> {
        if let Some(named) = &self.named {
            return Ok((named.id().as_str() != id.to_string()).then(|| Arc::clone(named)));
        }
        let name = id.name().as_str();
        let newest = if let Some(newest) = self.by_name.get(name) {
            Arc::clone(newest)
        } else {
            let newest = proved(self.vault, name)?;
            self.by_name.insert(name.to_owned(), Arc::clone(&newest));
            newest
        };
        let version = LocalKeyId::parse(newest.id())?.version();
        Ok((id.version() < version).then_some(newest))
    }
}

/// The newest version of the key `name`, after what it wraps was unwrapped again: no document is given
/// to a key that does not open it.
fn proved(vault: &LocalVault, name: &str) -> Result<Arc<WrappingKey>, Failure> {
    let key = vault.wrapping_key(name).map_err(|error| missing_key(vault, error))?;
    let failed = |source| LocalVaultError::Key { key: key.id().to_string(), source };
    let payload = Secret::<32>::generate().map_err(failed)?;
    let wrapped = key.wrap(payload.expose()).map_err(failed)?;
    let unwrapped = vault.unwrap(key.id(), key.algorithm(), &wrapped)?;
    if unwrapped.expose() != payload.expose() {
        return Err(failed(Error::Fault).into());
    }
    Ok(Arc::new(key))
}

/// What is to become of a document's recipients.
#[derive(Debug, Default)]
pub(super) struct Change {
    added: Vec<(u8, Arc<WrappingKey>)>,
    removed: Vec<(u8, KeyId)>,
}

impl Change {
    /// For a document with `recipients`, with what `instead_of` gives for the keys of `vault`; `None`
    /// where no recipient is of that vault.
    ///
    /// # Errors
    ///
    /// Those of `instead_of`.
    pub(super) fn of(
        recipients: &[Recipient],
        vault: &VaultId,
        mut instead_of: impl FnMut(&LocalKeyId) -> Result<Option<Arc<WrappingKey>>, Failure>,
    ) -> Result<Option<Self>, Failure> {
        let mut change = Self::default();
        let mut any = false;
        for recipient in recipients {
            let Some(id) = own_id(recipient, vault) else { continue };
            any = true;
            let Some(key) = instead_of(&id)? else { continue };
            let layer = recipient.layer();
            change.removed.push((layer, recipient.key_id().clone()));
            let stands = recipients
                .iter()
                .map(|recipient| (recipient.layer(), recipient.key_id()))
                .chain(change.added.iter().map(|(layer, key)| (*layer, key.id())))
                .any(|present| present == (layer, key.id()));
            if !stands {
                change.added.push((layer, key));
            }
        }
        Ok(any.then_some(change))
    }

    /// Whether the recipients stay as they are.
    pub(super) fn is_empty(&self) -> bool {
        self.removed.is_empty()
    }

    /// Makes the change, first adding so that no layer is ever without a recipient.
    ///
    /// # Errors
    ///
    /// Those of [`Rewrap::add`].
    pub(super) fn apply(&self, rewrap: &mut Rewrap) -> Result<(), Error> {
        for (layer, key) in &self.added {
            rewrap.add(*layer, key)?;
        }
        for (layer, id) in &self.removed {
            rewrap.remove(*layer, id)?;
        }
        Ok(())
    }
}
