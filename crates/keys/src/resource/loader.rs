//! Keys for the cache: the newest state, then one request to the vault.

use std::sync::Arc;

use strongroom::secret::SecretVec;

use super::host::VaultDirectory;
use super::record::Resource;
use super::repository::Repository;
use crate::cache::{CacheKey, Loaded, Unavailable};
use crate::error::Error;
use crate::key_ring::{KeyRing, Layer, ResourceKey, WrappedBy};
use crate::state::StateError;
use crate::vault::{DeniedReason, VaultError, VersionedKeyId};
use crate::vault_client::Timed;

/// The reason for no keys.
#[derive(Debug)]
pub(crate) enum LoadError {
    /// The vault or the state refused: drop the cached keys.
    Refused(Error),
    /// The keys do not exist any more, which says nothing about the other layer.
    Gone(Error),
    /// Cached keys serve on until their time is up.
    Unavailable(Unavailable),
}

/// Reads the state anew and asks the vault, once.
pub(crate) async fn load(
    repository: &Repository,
    vaults: &dyn VaultDirectory,
    key: &CacheKey,
) -> Result<Loaded, LoadError> {
    let current = repository.current(&key.resource).await.and_then(|current| {
        current.resource.check_access()?;
        Ok(current)
    });
    let own = |key: &VersionedKeyId| repository.service_key().is_own(key);
    let current = current.map_err(|error| {
        // Reading may have asked the service's vault. An identity error there is about the service's.
        match classify(error, |asked| key.layer == Layer::Service && own(asked)) {
            LoadError::Unavailable(failure) => {
                LoadError::Unavailable(Unavailable { identity: false, ..failure })
            }
            refused => refused,
        }
    })?;
    let loaded = async {
        let root = unwrap_root(repository, vaults, &current.resource, key.layer).await?;
        let ring = KeyRing::build(key.layer, current.keys(), Arc::new(root.value))?;
        Ok(Loaded { ring, started: root.started })
    };
    loaded.await.map_err(|error| {
        classify(error, |asked| match key.layer {
            Layer::Service => own(asked),
            Layer::Customer => {
                current.resource.protection.cmk().is_some_and(|cmk| cmk.key == *asked)
            }
        })
    })
}

/// A layer's root, unwrapped by the vault now.
pub(crate) async fn unwrap_root(
    repository: &Repository,
    vaults: &dyn VaultDirectory,
    resource: &Resource,
    layer: Layer,
) -> Result<Timed<ResourceKey>, Error> {
    let record = resource.root(layer)?;
    let wrong_key = || Error::WrongKey { key: record.label.text(&resource.id) };
    let WrappedBy::Vault(key) = &record.by else { return Err(wrong_key()) };
    let origin = repository.origin(&resource.id);
    let unwrapped: Timed<SecretVec> = match layer {
        Layer::Service => {
            let unwrapped = repository.service_key().unwrap(key, &record.wrapped, origin).await;
            unwrapped.map_err(|error| unless_about(key, error))?
        }
        Layer::Customer => {
            let cmk = resource.protection.cmk().ok_or_else(wrong_key)?;
            let vault = vaults.find(&cmk.key, &cmk.identity)?;
            let client = repository.client().at(&*vault, origin.asked_as(&cmk.identity));
            client.unwrap(&cmk.key, layer.algorithm(), &record.wrapped).await?
        }
    };
    let value = ResourceKey::from_payload(&resource.id, record, &unwrapped.value)?;
    Ok(Timed { value, started: unwrapped.started })
}

/// Distinguishes a refusal from a failure. A vault's refusal counts where it is definite about a key that
/// `was_asked_about`.
fn classify(error: Error, was_asked_about: impl Fn(&VersionedKeyId) -> bool) -> LoadError {
    let refused = match &error {
        Error::Vault(refusal @ VaultError::Denied { key: Some(key), .. }) => {
            was_asked_about(key) && refusal.is_definite_about(key)
        }
        Error::Denied { .. }
        | Error::Shredded { .. }
        | Error::NotFound { .. }
        | Error::Pinned { .. }
        | Error::State(
            StateError::RolledBack { .. }
            | StateError::Replaced { .. }
            | StateError::InDoubt { .. },
        ) => true,
        // The customer's layer of a resource that is under the service's keys alone, now.
        Error::WrongState { .. } => return LoadError::Gone(error),
        _ => false,
    };
    if refused {
        return LoadError::Refused(error);
    }
    let retry_after = match &error {
        Error::Vault(VaultError::Unavailable { retry_after, .. }) => *retry_after,
        _ => None,
    };
    let identity =
        matches!(&error, Error::Vault(VaultError::Denied { reason: DeniedReason::Identity, .. }));
    LoadError::Unavailable(Unavailable { error, retry_after, identity })
}

/// Downgrades a refusal of a different key to `Unavailable`.
fn unless_about(key: &VersionedKeyId, error: Error) -> Error {
    match error {
        Error::Vault(refusal @ VaultError::Denied { key: Some(_), .. })
            if !refusal.is_definite_about(key) =>
        {
            VaultError::Unavailable { reason: refusal.to_string(), retry_after: None }.into()
        }
        other => other,
    }
}
