//! Resources: whose keys their documents are sealed under, and how that changes.
//!
//! ```text
//!  create ──> service-managed ──enable_cmk──> cmk-active <──rotate_cmk──> rotating
//!                  ^                            │  ^  │
//!                  └────────disable_cmk─────────┘  │  │ the vault withdraws the key, revoke_now,
//!                                          refresh │  │ identity_disabled, moved_to_tenant
//!                                                  │  v
//!                        denied, or shred-pending where the customer chose so
//!                                                     │ shred_due, when it is due
//!                                                     v
//!                                                  shredded
//! ```
//!
//! Every arrow is a function of [`Resources`], and asks vaults first, then decides (a pure function from
//! state and event to state), then records and writes. A crash leaves the state before or the one after.
//!
//! Unreachable is no state but a [`Reach`] in memory, and heals by itself. A definite refusal
//! ([`VaultError::is_definite_about`](crate::VaultError::is_definite_about) the customer's key in use) is
//! written, and left by [`Resources::refresh`] only. The service's own key is its operator's: a refusal of
//! it wipes cached keys as well, and heals when the vault unwraps again.

mod cmk;
mod documents;
mod error;
mod id;
mod keeper;
pub(crate) mod keys;
mod lifecycle;
mod rotation;
mod source;
mod state;
mod status;
mod transition;
mod unwritten;

use std::collections::HashMap;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use crate::audit::AuditSink;
use crate::cache::{CacheSettings, KeyCache};
use crate::clock::Clock;
use crate::gateway::Gateway;
use crate::service_key::ServiceKey;
use crate::state::StateStore;
use crate::vault::{KeyName, Vault, VersionedKeyId};

pub use self::cmk::EnableCmk;
pub use self::documents::{OpeningKeys, SealRequest, SealingKeys};
pub use self::error::{Cause, Ineligible, ResourceError};
pub use self::id::ResourceId;
pub use self::rotation::ServiceKeyRotation;
pub use self::state::{Cmk, DocumentKind, NewResource, OnKeyLoss, Protection, Scope};
pub use self::status::{Reach, Status};
pub use crate::audit::Caller;
pub use crate::gateway::VaultLimits;

pub(crate) use self::id::KeyKind;
use self::keeper::{Keeper, lock};
pub(crate) use self::keys::{Ring, Side};
use self::unwritten::Unwritten;

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

/// What a host may have to act on.
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
    /// There is no access any more.
    Denied {
        /// To which resource.
        resource: ResourceId,
        /// Why.
        cause: Cause,
    },
    /// There is no access any more, because the identity is disabled.
    IdentityDisabled {
        /// To which resource.
        resource: ResourceId,
    },
    /// There is no access any more, and the keys may be destroyed once that is due.
    ShredPending {
        /// Which resource.
        resource: ResourceId,
        /// Why.
        cause: Cause,
        /// When, in seconds since 1970.
        due: u64,
    },
    /// Its keys were destroyed.
    Shredded {
        /// Which resource.
        resource: ResourceId,
    },
    /// There is access again.
    AccessRestored {
        /// To which resource.
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

/// What a host knows of a resource from elsewhere, against a store that is rolled back.
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
    /// It has a customer-managed key: without one there is no access, and documents have two layers.
    pub cmk_required: bool,
    /// A key was enabled at least so often.
    pub least_epoch: u64,
}

/// All that [`Resources`] stand on.
///
/// # Example
///
/// ```
/// use std::collections::HashMap;
/// use std::sync::Arc;
/// use strongroom_keys::resource::{Caller, NewResource, ResourceId, Resources, Surroundings};
/// use strongroom_keys::testing::{ManualClock, MemoryAudit, MemoryStore, MemoryVault};
/// use strongroom_keys::vault::KeyName;
///
/// # futures_lite::future::block_on(async {
/// let vault = Arc::new(MemoryVault::new("memory/service"));
/// vault.create_aes("service-key")?;
/// let surroundings = Surroundings::new(
///     Arc::new(MemoryStore::default()),
///     vault,
///     KeyName::new("service-key")?,
///     Arc::new(HashMap::new()),
///     Arc::new(MemoryAudit::default()),
///     Arc::new(ManualClock::default()),
/// );
/// let resources = Resources::init(surroundings).await?;
///
/// let id = ResourceId::new("contoso")?;
/// let new = NewResource {
///     id: id.clone(),
///     tenant: "contoso".into(),
///     region: "westeurope".into(),
///     cmk_allowed: true,
///     created_at: None,
/// };
/// resources.create(new).await?;
/// assert_eq!(resources.status(&id).await?.protection.name(), "service-managed");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// Where states are kept.
    pub store: Arc<dyn StateStore>,
    /// The service's own vault.
    pub service_vault: Arc<dyn Vault>,
    /// The service's AES-256 key in it.
    pub service_key: KeyName,
    /// The customers' vaults.
    pub vaults: Arc<dyn VaultDirectory>,
    /// Where events are recorded.
    pub audit: Arc<dyn AuditSink>,
    /// Whether nothing is done that cannot be recorded; true. What only takes access away is done all the
    /// same.
    pub audit_required: bool,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// How long unwrapped keys serve.
    pub cache: CacheSettings,
    /// How vaults are asked.
    pub limits: VaultLimits,
    /// How long enabling waits for permissions that were granted a moment ago; 2 min.
    pub permission_wait: Duration,
    /// How long a deleted resource can be restored, in seconds; 24 h.
    pub deletion_grace: u64,
    /// Who takes note of what the host may have to act on.
    pub host: Arc<dyn HostEvents>,
}

impl Surroundings {
    /// The defaults for the rest.
    #[must_use]
    pub fn new(
        store: Arc<dyn StateStore>,
        service_vault: Arc<dyn Vault>,
        service_key: KeyName,
        vaults: Arc<dyn VaultDirectory>,
        audit: Arc<dyn AuditSink>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            store,
            service_vault,
            service_key,
            vaults,
            audit,
            audit_required: true,
            clock,
            cache: CacheSettings::default(),
            limits: VaultLimits::default(),
            permission_wait: Duration::from_secs(120),
            deletion_grace: 24 * 3600,
            host: Arc::new(NoHostEvents),
        }
    }
}

/// The resources of a service. Clones share keys, states and vaults; see [`Surroundings`] for an example.
#[derive(Clone, Debug)]
pub struct Resources {
    keeper: Arc<Keeper>,
    cache: KeyCache,
    permission_wait: Duration,
    deletion_grace: u64,
    caller: Caller,
}

impl Resources {
    /// The resources of a service that has run before. A missing state of the service is an error.
    ///
    /// # Errors
    ///
    /// [`ResourceError::State`] where it is missing or not valid, [`ResourceError::Vault`],
    /// [`ResourceError::Audit`].
    pub async fn open(surroundings: Surroundings) -> Result<Self, ResourceError> {
        let resources = Self::build(surroundings);
        resources.keeper.service.open(&resources.caller).await?;
        Ok(resources)
    }

    /// The resources of a new service, in an empty store. Its key is in the vault already.
    ///
    /// # Errors
    ///
    /// [`ResourceError::Argument`] where the store has a service's state; those of [`Resources::open`].
    pub async fn init(surroundings: Surroundings) -> Result<Self, ResourceError> {
        let resources = Self::build(surroundings);
        resources.keeper.service.init(&resources.caller).await?;
        Ok(resources)
    }

    fn build(given: Surroundings) -> Self {
        let (clock, settings) = (Arc::clone(&given.clock), given.cache);
        let gateway = Gateway::new(given.clock, given.audit, given.audit_required, given.limits);
        let gateway = Arc::new(gateway);
        let (vault, name, store) = (given.service_vault, given.service_key, given.store);
        let service = ServiceKey::new(vault, name, Arc::clone(&store), Arc::clone(&gateway));
        let keeper = Arc::new(Keeper {
            store,
            service,
            vaults: given.vaults,
            gateway,
            clock: Arc::clone(&clock),
            host: given.host,
            states: Mutex::default(),
            pins: Mutex::default(),
            unwritten: Unwritten::default(),
            cache: OnceLock::new(),
        });
        let cache = KeyCache::new(Arc::clone(&keeper) as _, clock, settings);
        let _first = keeper.cache.set(cache.downgrade());
        let (permission_wait, deletion_grace) = (given.permission_wait, given.deletion_grace);
        Self { keeper, cache, permission_wait, deletion_grace, caller: Caller::default() }
    }

    /// The same resources, with this caller in the audit trail.
    #[must_use]
    pub fn on_behalf_of(&self, caller: Caller) -> Self {
        Self { caller, ..self.clone() }
    }

    /// The cache of unwrapped keys: spawn its [`run`](KeyCache::run).
    #[must_use]
    pub fn cache(&self) -> &KeyCache {
        &self.cache
    }

    /// Holds the states of `resource` against what the host knows, from now on and in this process.
    pub fn pin(&self, resource: &ResourceId, pins: Pins) {
        lock(&self.keeper.pins).insert(resource.clone(), pins);
        // A document that was opened before may not be what is pinned.
        self.forget_keys(resource, None);
    }

    fn forget_keys(&self, resource: &ResourceId, error: Option<&ResourceError>) {
        self.cache.wipe(resource, Side::Service, error);
        self.cache.wipe(resource, Side::Customer, error);
    }
}
