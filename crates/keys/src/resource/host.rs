//! The interfaces that a host implements: finding vaults and taking events; and its pins.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::BuildHasher;
use std::sync::Arc;

use crate::error::{Cause, Error};
use crate::id::ResourceId;
use crate::vault::{Vault, VersionedKeyId};

/// Finds the vault of a customer's key.
///
/// # Example
///
/// ```
/// use std::collections::HashMap;
/// use std::sync::Arc;
/// use strongroom_keys::resource::VaultDirectory;
/// use strongroom_keys::vault::{Vault, VersionedKeyId};
///
/// // A map from vault ids will do where the vaults carry their identities themselves.
/// let vaults: HashMap<String, Arc<dyn Vault>> = HashMap::new();
/// let key = VersionedKeyId::parse("https://contoso.vault.azure.net/keys/documents/3f5c")?;
/// assert!(vaults.vault(&key, "an identity").is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait VaultDirectory: Send + Sync + fmt::Debug {
    /// The vault that has `key`, asked as `identity`. `key` comes from a caller or from a signed state,
    /// never from a document.
    fn vault(&self, key: &VersionedKeyId, identity: &str) -> Option<Arc<dyn Vault>>;
}

impl<S: BuildHasher + Send + Sync> VaultDirectory for HashMap<String, Arc<dyn Vault>, S> {
    fn vault(&self, key: &VersionedKeyId, _identity: &str) -> Option<Arc<dyn Vault>> {
        self.get(key.vault()).map(Arc::clone)
    }
}

impl VaultDirectory for BTreeMap<String, Arc<dyn Vault>> {
    fn vault(&self, key: &VersionedKeyId, _identity: &str) -> Option<Arc<dyn Vault>> {
        self.get(key.vault()).map(Arc::clone)
    }
}

/// An event that a host may have to act on.
///
/// # Example
///
/// ```
/// use strongroom_keys::resource::{HostEvent, ResourceId};
///
/// let event = HostEvent::IdentityDisabled { resource: ResourceId::new("contoso")? };
/// assert!(matches!(event, HostEvent::IdentityDisabled { .. }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostEvent {
    /// Access has ended.
    Denied {
        /// The resource.
        resource: ResourceId,
        /// The cause.
        cause: Cause,
    },
    /// Access has ended, because the identity is disabled.
    IdentityDisabled {
        /// The resource.
        resource: ResourceId,
    },
    /// Access has ended, and the keys may be destroyed once that is due.
    ShredPending {
        /// The resource.
        resource: ResourceId,
        /// The cause.
        cause: Cause,
        /// The time, in seconds since 1970.
        due: u64,
    },
    /// Its keys were destroyed.
    Shredded {
        /// The resource.
        resource: ResourceId,
    },
    /// There is access again.
    AccessRestored {
        /// The resource.
        resource: ResourceId,
    },
}

/// Takes events for the host.
///
/// # Example
///
/// ```
/// use strongroom_keys::resource::{HostEvent, HostEvents, NoHostEvents};
///
/// #[derive(Debug)]
/// struct Print;
///
/// impl HostEvents for Print {
///     fn notify(&self, event: &HostEvent) {
///         println!("{event:?}");
///     }
/// }
/// ```
pub trait HostEvents: Send + Sync + fmt::Debug {
    /// Takes note of `event`, quickly: a change of state waits for it.
    fn notify(&self, event: &HostEvent);
}

/// For hosts that look at the state themselves.
///
/// # Example
///
/// ```
/// use std::sync::Arc;
/// use strongroom_keys::resource::{HostEvents, NoHostEvents};
///
/// let events: Arc<dyn HostEvents> = Arc::new(NoHostEvents);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHostEvents;

impl HostEvents for NoHostEvents {
    fn notify(&self, _event: &HostEvent) {}
}

/// A host's own knowledge of a resource, against a store that is rolled back.
///
/// # Example
///
/// ```
/// use strongroom_keys::resource::Pins;
///
/// let pins = Pins { cmk_required: true, least_epoch: 2 };
/// assert_ne!(pins, Pins::default());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pins {
    /// True where it must have a customer-managed key: without one access is refused, and documents have two
    /// layers.
    pub cmk_required: bool,
    /// A key was enabled at least so often.
    pub least_epoch: u64,
}

impl dyn VaultDirectory + '_ {
    /// The vault that has `key`.
    pub(crate) fn find(
        &self,
        key: &VersionedKeyId,
        identity: &str,
    ) -> Result<Arc<dyn Vault>, Error> {
        let vault = self.vault(key, identity).filter(|vault| vault.id() == key.vault());
        vault.ok_or_else(|| Error::NoVault { key: key.clone(), identity: identity.to_owned() })
    }
}
