//! Where the cache gets its keys: the newest state, then the vault.

use async_trait::async_trait;

use super::keeper::Keeper;
use super::keys::{Ring, Side};
use super::transition::Event;
use super::{Caller, ResourceError};
use crate::cache::{KeySource, LoadError, Loaded, Root};
use crate::vault::VaultError;

#[async_trait]
impl KeySource for Keeper {
    async fn load(&self, root: &Root) -> Result<Loaded, LoadError> {
        let caller = Caller::new("key cache");
        let read = async {
            self.write_pending(&root.resource, &caller).await?;
            let current = self.read(&root.resource, &caller).await?;
            current.resource.check_access()?;
            Ok(current)
        };
        // The service's own vault may have been asked there. Its word about an identity is about the service's.
        let current = read.await.map_err(|error| match sort(error, root.side, self) {
            LoadError::Unavailable { error, retry_after, .. } => {
                LoadError::Unavailable { error, retry_after, identity: false }
            }
            refused => refused,
        })?;
        let loaded = async {
            let answer = self.unwrap_root(&current.resource, root.side, &caller).await?;
            let ring = Ring::build(root.side, &current.resource, current.number, answer.value)?;
            Ok(Loaded { ring, started: answer.started })
        };
        loaded.await.map_err(|error| sort(error, root.side, self))
    }

    async fn identity_is_gone(&self, root: &Root) -> Option<ResourceError> {
        // The service's own identity is its operator's to mend: no customer's resource is closed by it.
        let (Side::Customer, Some(current)) = (root.side, self.known(&root.resource)) else {
            return None;
        };
        let event = Event::IdentityDisabled { at: self.clock.unix_time() };
        self.close(&current.resource, event, &Caller::new("key cache")).await
    }
}

/// Whether cached keys must go, or serve on.
fn sort(error: ResourceError, side: Side, keeper: &Keeper) -> LoadError {
    let refused = match &error {
        // A definite word about the customer's key has become `Denied` by now.
        ResourceError::Vault(VaultError::Denied { key: Some(key), .. }) => {
            let own = side == Side::Service && keeper.service.is_own(key);
            matches!(&error, ResourceError::Vault(error) if own && error.is_definite_about(key))
        }
        ResourceError::Denied { .. }
        | ResourceError::Shredded { .. }
        | ResourceError::NotFound { .. }
        | ResourceError::Pinned { .. } => true,
        // The customer's side of a resource that is under the service's keys alone, now.
        ResourceError::WrongState { .. } => return LoadError::Gone(error),
        _ => false,
    };
    if refused {
        return LoadError::Refused(error);
    }
    let retry_after = match &error {
        ResourceError::Vault(VaultError::Unavailable { retry_after, .. }) => *retry_after,
        _ => None,
    };
    let identity = Keeper::is_identity(&error);
    LoadError::Unavailable { error, retry_after, identity }
}
