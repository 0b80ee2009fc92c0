//! Where the cache gets its keys: the newest state, then the vault.

use async_trait::async_trait;

use super::repository::Repository;
use super::transition::Event;
use super::{Caller, Error};
use crate::cache::{CacheKey, LoadError, Loaded, Loader};
use crate::key_ring::{KeyRing, Layer};
use crate::vault::VaultError;

#[async_trait]
impl Loader for Repository {
    async fn load(&self, root: &CacheKey) -> Result<Loaded, LoadError> {
        let caller = Caller::new("key cache");
        let read = async {
            self.write_pending(&root.resource, &caller).await?;
            let current = self.read(&root.resource, &caller).await?;
            current.resource.check_access()?;
            Ok(current)
        };
        // The service's own vault may have been asked there. Its word about an identity is about the service's.
        let current = read.await.map_err(|error| match classify(error, root.layer, self) {
            LoadError::Unavailable { error, retry_after, .. } => {
                LoadError::Unavailable { error, retry_after, identity: false }
            }
            refused => refused,
        })?;
        let loaded = async {
            let answer = self.unwrap_root(&current.resource, root.layer, &caller).await?;
            let ring = KeyRing::build(root.layer, current.keys(), answer.value)?;
            Ok(Loaded { ring, started: answer.started })
        };
        loaded.await.map_err(|error| classify(error, root.layer, self))
    }

    async fn identity_is_gone(&self, root: &CacheKey) -> Option<Error> {
        // The service's own identity is its operator's to mend: no customer's resource is closed by it.
        let (Layer::Customer, Some(current)) = (root.layer, self.known(&root.resource)) else {
            return None;
        };
        let event = Event::IdentityDisabled { at: self.clock.unix_time() };
        self.close(&current.resource, event, &Caller::new("key cache")).await
    }
}

/// Whether cached keys must go, or serve on.
fn classify(error: Error, layer: Layer, repository: &Repository) -> LoadError {
    let refused = match &error {
        // A definite word about the customer's key has become `Denied` by now.
        Error::Vault(VaultError::Denied { key: Some(key), .. }) => {
            let own = layer == Layer::Service && repository.service.is_own(key);
            matches!(&error, Error::Vault(error) if own && error.is_definite_about(key))
        }
        Error::Denied { .. }
        | Error::Shredded { .. }
        | Error::NotFound { .. }
        | Error::Pinned { .. } => true,
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
    let identity = Repository::is_identity(&error);
    LoadError::Unavailable { error, retry_after, identity }
}
