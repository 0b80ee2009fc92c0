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

use strongroom::document::{self, Header, OpenOptions, SealOptions};
use strongroom::rsa::PrivateKey;
use strongroom::secret::SecretVec;
use strongroom_keys::Error;
use strongroom_keys::clock::Clock as _;
use strongroom_keys::resource::{
    DocumentKind, EnableCmk, HostEvent, HostEvents, NewResource, OpeningKeys, ResourceId,
    Resources, SealRequest, Surroundings,
};
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
        Self::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut Surroundings)) -> Self {
        Self::over(&Keys::in_memory(), change)
    }

    /// One resource, service-managed, over vaults that may outlive it.
    pub fn over(keys: &Keys, change: impl FnOnce(&mut Surroundings)) -> Self {
        let clock = Arc::clone(&keys.clock);
        let faulty = |inner: &Arc<dyn Vault>| {
            Arc::new(FaultyVault::new(Arc::clone(inner), Arc::clone(&clock) as _))
        };
        let (service, customer) = (faulty(&keys.service), faulty(&keys.customer));
        let (store, audit) = (Arc::new(MemoryStore::default()), Arc::new(MemoryAudit::default()));
        let told = Arc::new(Told::default());
        let mut surroundings = surroundings(&store, &service, &customer, &audit, &clock, &told);
        change(&mut surroundings);
        let resources = now(Resources::init(surroundings)).unwrap();
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
        let surroundings = surroundings(
            &self.store,
            &self.service,
            &self.customer,
            &self.audit,
            &self.clock,
            &self.told,
        );
        self.run(Resources::open(surroundings))
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
        let keys = self.run(resources.sealing_keys(&self.id, request))?;
        let options = SealOptions { expires_at: request.expires_at, ..SealOptions::default() };
        Ok(document::seal(b"text", keys.layers(), &options).unwrap())
    }

    pub fn opening(&self, sealed: &[u8]) -> Result<OpeningKeys, Error> {
        self.opening_in(&self.resources, sealed)
    }

    pub fn opening_in(&self, resources: &Resources, sealed: &[u8]) -> Result<OpeningKeys, Error> {
        self.run(resources.opening_keys(&self.id, &Header::parse(sealed).unwrap()))
    }

    /// Opens a document, which must then be the one that was sealed.
    pub fn open(&self, sealed: &[u8]) -> Result<(), Error> {
        self.open_in(&self.resources, sealed)
    }

    pub fn open_in(&self, resources: &Resources, sealed: &[u8]) -> Result<(), Error> {
        let opening = self.opening_in(resources, sealed)?;
        let options = OpenOptions {
            policy: opening.policy().clone(),
            now: Some(self.clock.unix_time()),
            ..OpenOptions::default()
        };
        let opened = document::open(sealed, opening.keys(), &options).unwrap();
        assert_eq!(opened, b"text");
        Ok(())
    }

    pub fn state(&self) -> &'static str {
        self.run(self.resources.status(&self.id)).unwrap().protection.name()
    }
}

fn surroundings(
    store: &Arc<MemoryStore>,
    service: &Arc<FaultyVault>,
    customer: &Arc<FaultyVault>,
    audit: &Arc<MemoryAudit>,
    clock: &Arc<ManualClock>,
    told: &Arc<Told>,
) -> Surroundings {
    let vault: Arc<dyn Vault> = Arc::clone(customer) as _;
    let vaults = HashMap::from([(vault.id().to_owned(), vault)]);
    let mut surroundings = Surroundings::new(
        Arc::clone(store) as _,
        Arc::clone(service) as _,
        KeyName::new("service-key").unwrap(),
        Arc::new(vaults),
        Arc::clone(audit) as _,
        Arc::clone(clock) as _,
    );
    surroundings.host = Arc::clone(told) as _;
    surroundings
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
    SealRequest { kind: DocumentKind::Result, expires_at: None }
}

pub fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// What needs no time.
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
