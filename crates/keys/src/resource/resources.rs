//! The handle of a service's resources, and what it is made of.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::config::ResourcesConfig;
use super::host::{Pins, VaultDirectory};
use super::host_time::HostTime;
use super::loader::unwrap_root;
use super::record::Resource;
use super::refresh::Refresher;
use super::repository::Repository;
use super::revoke::apply_refusal;
use crate::audit::{Caller, Known, printable};
use crate::cache::{KeyCache, Lease};
use crate::error::Error;
use crate::id::ResourceId;
use crate::key_ring::{Layer, ResourceKey};
use crate::service_key::ServiceKey;
use crate::state_marks::StateMarks;
use crate::vault_client::VaultClient;

/// The resources of a service. Clones share keys, states and vaults; see [`ResourcesConfig`] for an example.
#[derive(Clone, Debug)]
pub struct Resources {
    pub(super) repository: Repository,
    pub(super) vaults: Arc<dyn VaultDirectory>,
    pub(super) cache: KeyCache,
    pub(super) refresher: Refresher,
    pub(super) time: Arc<HostTime>,
    pub(super) permission_wait: Duration,
    pub(super) deletion_grace: u64,
}

impl ResourcesConfig {
    /// The resources of a service that has run before. A missing state of the service is an error. What was begun to
    /// be withdrawn, and was not written, is carried out.
    ///
    /// An audit trail that cannot be written hinders nothing yet: what only takes access away can still be done.
    ///
    /// # Errors
    ///
    /// [`Error::State`] where it is missing, not valid or older than the audit trail knows, [`Error::Vault`].
    pub async fn open(self) -> Result<Resources, Error> {
        let resources = Resources::new(self);
        let known = resources.recall().await;
        let closing = resources.repository.unhindered();
        resources.repository.service_key().open(closing.service_origin()).await?;
        resources.begin(known).await;
        Ok(resources)
    }

    /// The resources of a new service, in an empty store. Its key is in the vault already.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] where the store has a service's state; those of [`ResourcesConfig::open`].
    pub async fn init(self) -> Result<Resources, Error> {
        let resources = Resources::new(self);
        let known = resources.recall().await;
        let repository = &resources.repository;
        repository.service_key().init(repository.service_origin()).await?;
        resources.begin(known).await;
        Ok(resources)
    }

    /// The resources of a service that has run before; of a new one where the store is empty.
    ///
    /// # Errors
    ///
    /// Those of [`ResourcesConfig::open`].
    ///
    /// # Security
    ///
    /// A store that has lost its states is taken for a new one, unless the audit trail knows one. Call it where a
    /// service is set up.
    pub async fn open_or_init(self) -> Result<Resources, Error> {
        let resources = Resources::new(self);
        let known = resources.recall().await;
        let (repository, service_key) = (&resources.repository, resources.repository.service_key());
        if service_key.exists().await? {
            service_key.open(repository.service_origin()).await?;
        } else {
            service_key.add_generation(repository.service_origin()).await?;
        }
        resources.begin(known).await;
        Ok(resources)
    }
}

impl Resources {
    pub(super) fn new(config: ResourcesConfig) -> Self {
        let clock = config.clock;
        let client = VaultClient::new(
            Arc::clone(&clock),
            config.audit,
            config.audit_required,
            config.limits,
        );
        let (client, store) = (Arc::new(client), config.store);
        let marks = Arc::new(StateMarks::new(Arc::clone(&client)));
        let time = Arc::new(HostTime::new(Arc::clone(&clock), Arc::clone(&client)));
        let service_key = ServiceKey::new(
            config.service_vault,
            config.service_key,
            Arc::clone(&store),
            Arc::clone(&client),
            Arc::clone(&marks),
        );
        let cache = KeyCache::new(Arc::clone(&clock), config.cache);
        let repository = Repository::new(store, service_key, client, marks, clock, config.host);
        let refresher = Refresher {
            repository: repository.clone(),
            vaults: Arc::clone(&config.vaults),
            cache: cache.clone(),
        };
        let (permission_wait, deletion_grace) = (config.permission_wait, config.deletion_grace);
        let vaults = config.vaults;
        Self { repository, vaults, cache, refresher, time, permission_wait, deletion_grace }
    }

    /// Takes over what the audit trail knows.
    pub(super) async fn recall(&self) -> Known {
        let known = self.repository.client().recall().await;
        if let Some(damage) = &known.damage {
            tracing::error!(target: "strongroom::audit", error = %printable(&damage.to_string()), "the trail does not hold");
        }
        self.repository.marks().recall(&known);
        known
    }

    /// Begins to work, with what the audit trail knows: what of it fails is done the next time.
    pub(super) async fn begin(&self, known: Known) {
        let closing = self.repository.unhindered();
        for begun in &known.begun {
            let _in_force_in_this_process = self.repository.resume(begun).await;
        }
        if known.all_in_doubt {
            let _next_time = self.repository.settle().await;
        }
        let origin = closing.service_origin();
        self.time.recall(known.time, origin).await;
        let trail = match known.trail {
            None => self.repository.client().recall().await.trail,
            known => known,
        };
        if let Some(trail) = trail {
            let _next_time = self.repository.service_key().register(&trail, origin).await;
        }
    }

    /// The same resources, with this caller in the audit trail.
    #[must_use]
    pub fn on_behalf_of(&self, caller: Caller) -> Self {
        let repository = self.repository.on_behalf_of(caller);
        let refresher = Refresher { repository: repository.clone(), ..self.refresher.clone() };
        Self { repository, refresher, ..self.clone() }
    }

    /// Keeps the keys in use fresh, and wipes those that are not used any more. Spawn it: it never ends.
    /// Dropped, it leaves refreshing to the callers that want keys. One at a time does the work, another
    /// waits for it.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # fn spawn(future: impl Future<Output = ()> + Send + 'static) {}
    /// # fn start(resources: &strongroom_keys::Resources) {
    /// spawn(resources.run());
    /// println!("{:?}", resources.stats());
    /// # }
    /// ```
    pub fn run(&self) -> impl Future<Output = ()> + Send + 'static + use<> {
        self.on_behalf_of(Caller::new("key cache")).refresher.run()
    }

    /// Asks for the keys of `lease` again where that is due, then [checks](Lease::check) it. For hosts that
    /// do not spawn [`Resources::run`]: call it now and then while a document is open.
    ///
    /// # Errors
    ///
    /// As [`Lease::check`].
    pub async fn renew(&self, lease: &Lease) -> Result<(), Error> {
        self.refresher.renew(lease).await;
        lease.check()
    }

    /// Compares the states of `resource` with what the host knows, from now on and in this process.
    pub fn pin(&self, resource: &ResourceId, pins: Pins) {
        self.repository.pin(resource, pins);
        // A document that was opened before may not be what is pinned.
        self.cache.wipe(resource, None);
    }

    /// A layer's root, unwrapped by the vault now. The vault's refusal of the customer's key withdraws access.
    pub(super) async fn unwrap_root(
        &self,
        resource: &Resource,
        layer: Layer,
    ) -> Result<ResourceKey, Error> {
        match unwrap_root(&self.repository, &*self.vaults, resource, layer).await {
            Ok(root) => Ok(root.value),
            Err(error) => Err(apply_refusal(&self.repository, &self.cache, resource, error).await),
        }
    }
}
