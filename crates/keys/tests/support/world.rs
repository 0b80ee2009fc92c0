//! A service, a customer and their vaults, in memory, at a clock that a test moves.

#![allow(unreachable_pub, reason = "each test file has it as a module")]
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails should stop")]

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use strongroom::document::Header;
use strongroom::rsa::PrivateKey;
use strongroom::secret::SecretVec;
use strongroom_keys::Error;
use strongroom_keys::clock::Clock as _;
use strongroom_keys::resource::{
    DocumentError, DocumentKind, EnableCmk, HostEvent, HostEvents, LeasedOpener, NewResource,
    OpenRequest, ResourceId, Resources, ResourcesConfig, SealRequest,
};
use strongroom_keys::state::StateStore;
use strongroom_keys::testing::{FaultyVault, ManualClock, MemoryAudit, MemoryStore, MemoryVault};
use strongroom_keys::vault::{KeyName, Vault, VersionedKeyId};

pub const TENANT: &str = "contoso";
pub const REGION: &str = "westeurope";
pub const IDENTITY: &str = "an-identity";

#[derive(Debug, Default)]
pub struct Told(pub Mutex<Vec<HostEvent>>);

impl HostEvents for Told {
    fn notify(&self, event: &HostEvent) {
        self.0.lock().unwrap().push(event.clone());
    }
}

pub struct World {
    pub clock: Arc<ManualClock>,
    pub store: Arc<MemoryStore>,
    pub service_keys: Arc<MemoryVault>,
    pub service: Arc<FaultyVault>,
    pub customer_keys: Arc<MemoryVault>,
    pub customer: Arc<FaultyVault>,
    pub audit: Arc<MemoryAudit>,
    pub told: Arc<Told>,
    pub resources: Resources,
    pub id: ResourceId,
    /// Two versions of one key, and another key.
    pub cmk: [VersionedKeyId; 3],
}

/// One of three RSA keys: making them takes a while.
pub fn rsa(n: usize) -> PrivateKey {
    static KEYS: OnceLock<Vec<SecretVec>> = OnceLock::new();
    let made = || (0..3).map(|_| PrivateKey::generate().unwrap().to_pkcs8_der().unwrap()).collect();
    PrivateKey::from_pkcs8_der_known(KEYS.get_or_init(made)[n].expose(), |_| true).unwrap()
}

/// The vaults of a world.
#[allow(clippy::struct_field_names, reason = "a world has the same names")]
pub struct Keys {
    pub clock: Arc<ManualClock>,
    pub service: Arc<dyn Vault>,
    pub customer: Arc<dyn Vault>,
    /// The same vaults, where they are in memory.
    pub service_keys: Arc<MemoryVault>,
    pub customer_keys: Arc<MemoryVault>,
    pub cmk: [VersionedKeyId; 3],
}

impl Keys {
    pub fn in_memory() -> Self {
        let service_keys = Arc::new(MemoryVault::new("memory/service"));
        service_keys.create_aes("service-key").unwrap();
        let customer_keys = Arc::new(MemoryVault::new("memory/customer").at(TENANT, REGION));
        let cmk = ["documents", "documents", "other"]
            .iter()
            .enumerate()
            .map(|(n, name)| customer_keys.insert_rsa(name, rsa(n)).unwrap())
            .collect::<Vec<_>>()
            .try_into()
            .unwrap();
        Self {
            clock: Arc::default(),
            service: Arc::clone(&service_keys) as _,
            customer: Arc::clone(&customer_keys) as _,
            service_keys,
            customer_keys,
            cmk,
        }
    }
}

impl World {
    /// One resource, service-managed.
    pub fn new() -> Self {
        Self::with(|config| config)
    }

    pub fn with(change: impl FnOnce(ResourcesConfig) -> ResourcesConfig) -> Self {
        Self::over(&Keys::in_memory(), change)
    }

    /// One resource, service-managed, whose states are in `states`.
    pub fn in_store(states: Arc<dyn StateStore>) -> Self {
        Self::build(&Keys::in_memory(), Some(states), |config| config)
    }

    /// One resource, service-managed, over vaults that may outlive it.
    pub fn over(keys: &Keys, change: impl FnOnce(ResourcesConfig) -> ResourcesConfig) -> Self {
        Self::build(keys, None, change)
    }

    fn build(
        keys: &Keys,
        states: Option<Arc<dyn StateStore>>,
        change: impl FnOnce(ResourcesConfig) -> ResourcesConfig,
    ) -> Self {
        let clock = Arc::clone(&keys.clock);
        let faulty = |inner: &Arc<dyn Vault>| {
            Arc::new(FaultyVault::new(Arc::clone(inner), Arc::clone(&clock) as _))
        };
        let (service, customer) = (faulty(&keys.service), faulty(&keys.customer));
        let (store, audit) = (Arc::new(MemoryStore::default()), Arc::new(MemoryAudit::default()));
        let told = Arc::new(Told::default());
        let states = states.unwrap_or_else(|| Arc::clone(&store) as _);
        let config = config(states, &service, &customer, &audit, &clock, &told);
        let resources = now(change(config).init()).unwrap();
        let id = ResourceId::new("contoso-7").unwrap();
        now(resources.create(new_resource(&id))).unwrap();
        Self {
            clock,
            store,
            service_keys: Arc::clone(&keys.service_keys),
            service,
            customer_keys: Arc::clone(&keys.customer_keys),
            customer,
            audit,
            told,
            resources,
            id,
            cmk: keys.cmk.clone(),
        }
    }

    /// One resource under the customer's key.
    pub fn with_cmk() -> Self {
        let world = Self::new();
        now(world.resources.enable_cmk(&world.id, &world.enable())).unwrap();
        world
    }

    pub fn enable(&self) -> EnableCmk {
        EnableCmk::new(self.cmk[0].clone(), IDENTITY)
    }

    /// Another process of the same service, with nothing in memory.
    pub fn restart(&self) -> Resources {
        self.try_restart().unwrap()
    }

    pub fn try_restart(&self) -> Result<Resources, Error> {
        self.run(self.config(&self.audit).open())
    }

    /// The configuration of a process on the host whose audit trail this is.
    pub fn config(&self, audit: &Arc<MemoryAudit>) -> ResourcesConfig {
        self.config_over(&self.store, audit)
    }

    /// The same with the states in `store`.
    pub fn config_over(
        &self,
        store: &Arc<MemoryStore>,
        audit: &Arc<MemoryAudit>,
    ) -> ResourcesConfig {
        config(
            Arc::clone(store) as _,
            &self.service,
            &self.customer,
            audit,
            &self.clock,
            &self.told,
        )
    }

    /// Runs `future`, with time going on whenever it waits.
    pub fn run<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = Box::pin(future);
        for _step in 0..100_000 {
            if let Poll::Ready(value) = poll(future.as_mut()) {
                return value;
            }
            self.clock.advance_to_next(Duration::from_secs(1));
        }
        panic!("it waits for ever");
    }

    pub fn seal(&self) -> Result<Vec<u8>, Error> {
        self.seal_in(&self.resources, &SealRequest::default())
    }

    pub fn seal_in(&self, resources: &Resources, request: &SealRequest) -> Result<Vec<u8>, Error> {
        self.run(resources.seal(&self.id, b"text", request)).map_err(refusal)
    }

    pub fn opener(&self, sealed: &[u8]) -> Result<LeasedOpener, Error> {
        self.opener_in(&self.resources, sealed)
    }

    pub fn opener_in(&self, resources: &Resources, sealed: &[u8]) -> Result<LeasedOpener, Error> {
        let header = Header::parse(sealed).unwrap();
        self.run(resources.opener(&self.id, &header, &OpenRequest::default())).map_err(refusal)
    }

    /// Opens a document, which must then be the one that was sealed.
    pub fn open(&self, sealed: &[u8]) -> Result<(), Error> {
        self.open_in(&self.resources, sealed)
    }

    pub fn open_in(&self, resources: &Resources, sealed: &[u8]) -> Result<(), Error> {
        let opened = self.run(resources.open(&self.id, sealed, &OpenRequest::default()));
        assert_eq!(opened.map_err(refusal)?, b"text");
        Ok(())
    }

    pub fn state(&self) -> &'static str {
        self.run(self.resources.status(&self.id)).unwrap().protection.name()
    }
}

fn config(
    store: Arc<dyn StateStore>,
    service: &Arc<FaultyVault>,
    customer: &Arc<FaultyVault>,
    audit: &Arc<MemoryAudit>,
    clock: &Arc<ManualClock>,
    told: &Arc<Told>,
) -> ResourcesConfig {
    let vault: Arc<dyn Vault> = Arc::clone(customer) as _;
    let vaults = HashMap::from([(vault.id().to_owned(), vault)]);
    let name = KeyName::new("service-key").unwrap();
    ResourcesConfig::new(store, Arc::clone(service) as _, name, Arc::clone(audit) as _)
        .with_vaults(Arc::new(vaults))
        .with_clock(Arc::clone(clock) as _)
        .with_host_events(Arc::clone(told) as _)
}

/// The resource's error; the document must be in order.
pub fn refusal(error: DocumentError) -> Error {
    match error {
        DocumentError::Resource(error) => error,
        other @ DocumentError::Document(_) => panic!("{other}"),
    }
}

pub fn new_resource(id: &ResourceId) -> NewResource {
    NewResource {
        id: id.clone(),
        tenant: TENANT.into(),
        region: REGION.into(),
        cmk_allowed: true,
        created_at: None,
    }
}

pub fn result() -> SealRequest {
    SealRequest::of(DocumentKind::Result)
}

pub fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Result of a future that never waits.
pub fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = Box::pin(future);
    match poll(future.as_mut()) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits"),
    }
}

/// Tasks, each polled whenever time has gone on.
pub struct Tasks<'a> {
    clock: &'a ManualClock,
    tasks: Vec<Pin<Box<dyn Future<Output = ()> + 'a>>>,
}

impl<'a> Tasks<'a> {
    pub fn new(clock: &'a ManualClock) -> Self {
        Self { clock, tasks: Vec::new() }
    }

    pub fn spawn(&mut self, task: impl Future<Output = ()> + 'a) {
        self.tasks.push(Box::pin(task));
        self.poll();
    }

    pub fn poll(&mut self) {
        for _round in 0..2 {
            self.tasks.retain_mut(|task| poll(task.as_mut()).is_pending());
        }
    }

    pub fn go(&mut self, duration: Duration) {
        let end = self.clock.elapsed() + duration;
        self.poll();
        while self.clock.elapsed() < end {
            self.clock.advance_to_next(end.saturating_sub(self.clock.elapsed()));
            self.poll();
        }
    }
}
