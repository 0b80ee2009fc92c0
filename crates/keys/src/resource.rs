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
//! Unreachable is no state but a [`Reachability`] in memory, and heals by itself. A definite refusal
//! ([`VaultError::is_definite_about`](crate::VaultError::is_definite_about) the customer's key in use) is
//! written, and left by [`Resources::refresh`] only. The service's own key is its operator's: a refusal of
//! it wipes cached keys as well, and heals when the vault unwraps again.

mod cmk;
mod documents;
mod lifecycle;
mod loader;
mod pending;
mod record;
mod repository;
mod rotation;
mod status;
mod transition;

use std::collections::HashMap;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use crate::audit::AuditSink;
use crate::cache::{CacheSettings, KeyCache};
use crate::clock::Clock;
use crate::service_key::ServiceKey;
use crate::state::StateStore;
use crate::vault::{KeyName, Vault, VersionedKeyId};
use crate::vault_client::VaultClient;

pub use self::cmk::EnableCmk;
pub use self::documents::{OpeningKeys, SealRequest, SealingKeys};
pub use self::record::{Cmk, DocumentKind, NewResource, OnKeyLoss, Protection, Scope};
pub use self::rotation::ServiceKeyRotation;
pub use self::status::{Reachability, Status};
pub use crate::audit::Caller;
pub use crate::error::{Cause, Ineligible};
pub use crate::id::{InvalidResourceId, ResourceId};
pub use crate::vault_client::VaultLimits;

use self::pending::Pending;
use self::repository::{Repository, lock};
use crate::error::Error;
use crate::id::KeyKind;
use crate::key_ring::Layer;

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
    repository: Arc<Repository>,
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
    /// [`Error::State`] where it is missing or not valid, [`Error::Vault`],
    /// [`Error::Audit`].
    pub async fn open(surroundings: Surroundings) -> Result<Self, Error> {
        let resources = Self::build(surroundings);
        resources.repository.service.open(&resources.caller).await?;
        Ok(resources)
    }

    /// The resources of a new service, in an empty store. Its key is in the vault already.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] where the store has a service's state; those of [`Resources::open`].
    pub async fn init(surroundings: Surroundings) -> Result<Self, Error> {
        let resources = Self::build(surroundings);
        resources.repository.service.init(&resources.caller).await?;
        Ok(resources)
    }

    fn build(given: Surroundings) -> Self {
        let (clock, settings) = (Arc::clone(&given.clock), given.cache);
        let vault_client =
            VaultClient::new(given.clock, given.audit, given.audit_required, given.limits);
        let vault_client = Arc::new(vault_client);
        let (vault, name, store) = (given.service_vault, given.service_key, given.store);
        let service = ServiceKey::new(vault, name, Arc::clone(&store), Arc::clone(&vault_client));
        let repository = Arc::new(Repository {
            store,
            service,
            vaults: given.vaults,
            client: vault_client,
            clock: Arc::clone(&clock),
            host: given.host,
            states: Mutex::default(),
            pins: Mutex::default(),
            pending: Pending::default(),
            cache: OnceLock::new(),
        });
        let cache = KeyCache::new(Arc::clone(&repository) as _, clock, settings);
        let _first = repository.cache.set(cache.downgrade());
        let (permission_wait, deletion_grace) = (given.permission_wait, given.deletion_grace);
        Self { repository, cache, permission_wait, deletion_grace, caller: Caller::default() }
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
        lock(&self.repository.pins).insert(resource.clone(), pins);
        // A document that was opened before may not be what is pinned.
        self.forget_keys(resource, None);
    }

    fn forget_keys(&self, resource: &ResourceId, error: Option<&Error>) {
        self.cache.wipe(resource, Layer::Service, error);
        self.cache.wipe(resource, Layer::Customer, error);
    }
}
