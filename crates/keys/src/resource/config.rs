//! The configuration of a service's resources.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::host::{HostEvents, NoHostEvents, VaultDirectory};
use crate::audit::AuditSink;
use crate::cache::CacheSettings;
use crate::clock::{Clock, SystemClock};
use crate::state::StateStore;
use crate::vault::{KeyName, Vault};
use crate::vault_client::VaultLimits;

/// The configuration of [`Resources`](crate::Resources).
///
/// A store, the service's own vault with the name of an AES-256 key in it, and an audit trail are needed;
/// all else has a default.
///
/// # Example
///
/// ```
/// use std::sync::Arc;
/// use strongroom_keys::resource::{NewResource, OpenRequest, ResourceId, ResourcesConfig, SealRequest};
/// use strongroom_keys::testing::{MemoryAudit, MemoryStore, MemoryVault};
/// use strongroom_keys::vault::KeyName;
///
/// # futures_lite::future::block_on(async {
/// let vault = Arc::new(MemoryVault::new("memory/service"));
/// vault.create_aes("service-key")?;
/// let (store, audit) = (Arc::new(MemoryStore::default()), Arc::new(MemoryAudit::default()));
/// let config = ResourcesConfig::new(store, vault, KeyName::new("service-key")?, audit);
/// let resources = config.with_permission_wait(std::time::Duration::ZERO).init().await?;
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
///
/// let sealed = resources.seal(&id, b"a contract", &SealRequest::default()).await?;
/// assert_eq!(resources.open(&id, &sealed, &OpenRequest::default()).await?, b"a contract");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ResourcesConfig {
    pub(super) store: Arc<dyn StateStore>,
    pub(super) service_vault: Arc<dyn Vault>,
    pub(super) service_key: KeyName,
    pub(super) vaults: Arc<dyn VaultDirectory>,
    pub(super) audit: Arc<dyn AuditSink>,
    pub(super) audit_required: bool,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) cache: CacheSettings,
    pub(super) limits: VaultLimits,
    pub(super) permission_wait: Duration,
    pub(super) deletion_grace: u64,
    pub(super) host: Arc<dyn HostEvents>,
}

impl ResourcesConfig {
    /// The store of the states, the service's own vault with the name of its AES-256 key, and the audit
    /// trail; the defaults for the rest.
    #[must_use]
    pub fn new(
        store: Arc<dyn StateStore>,
        service_vault: Arc<dyn Vault>,
        service_key: KeyName,
        audit: Arc<dyn AuditSink>,
    ) -> Self {
        let no_vaults: BTreeMap<String, Arc<dyn Vault>> = BTreeMap::new();
        Self {
            store,
            service_vault,
            service_key,
            vaults: Arc::new(no_vaults),
            audit,
            audit_required: true,
            clock: Arc::new(SystemClock),
            cache: CacheSettings::default(),
            limits: VaultLimits::default(),
            permission_wait: Duration::from_secs(120),
            deletion_grace: 24 * 3600,
            host: Arc::new(NoHostEvents),
        }
    }

    /// With the customers' vaults; none by default.
    #[must_use]
    pub fn with_vaults(self, vaults: Arc<dyn VaultDirectory>) -> Self {
        Self { vaults, ..self }
    }

    /// With `false` work goes on while the audit trail cannot be written; by default it is refused then.
    /// Withdrawing access is never refused.
    #[must_use]
    pub fn with_audit_required(self, audit_required: bool) -> Self {
        Self { audit_required, ..self }
    }

    /// With this clock; the operating system's by default.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// With these times of the key cache.
    #[must_use]
    pub fn with_cache(self, cache: CacheSettings) -> Self {
        Self { cache, ..self }
    }

    /// With these limits of the requests to a vault.
    #[must_use]
    pub fn with_limits(self, limits: VaultLimits) -> Self {
        Self { limits, ..self }
    }

    /// With another audit trail.
    #[must_use]
    pub fn with_audit(self, audit: Arc<dyn AuditSink>) -> Self {
        Self { audit, ..self }
    }

    /// With this time that enabling waits for permissions that were granted a moment ago; 2 min by default.
    #[must_use]
    pub fn with_permission_wait(self, permission_wait: Duration) -> Self {
        Self { permission_wait, ..self }
    }

    /// With this time in which a deleted resource can be restored, in seconds; 24 h by default.
    #[must_use]
    pub fn with_deletion_grace(self, seconds: u64) -> Self {
        Self { deletion_grace: seconds, ..self }
    }

    /// With a receiver of the events that the host may have to act on; none by default.
    #[must_use]
    pub fn with_host_events(self, host: Arc<dyn HostEvents>) -> Self {
        Self { host, ..self }
    }
}
