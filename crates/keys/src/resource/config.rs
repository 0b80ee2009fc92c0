//! The configuration of a service's resources.

use std::sync::Arc;
use std::time::Duration;

use super::host::{HostEvents, NoHostEvents, VaultDirectory};
use crate::audit::AuditSink;
use crate::cache::CacheSettings;
use crate::clock::Clock;
use crate::state::StateStore;
use crate::vault::{KeyName, Vault};
use crate::vault_client::VaultLimits;

/// The configuration of [`Resources`](crate::Resources).
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
