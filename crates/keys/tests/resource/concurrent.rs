//! Tasks of one process at the same time, futures that are dropped, stores that hang, and what must hold then.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use futures_lite::future::block_on;
use strongroom_keys::Error;
use strongroom_keys::clock::Clock as _;
use strongroom_keys::resource::{EnableCmk, OnKeyLoss, ResourceId, ResourcesConfig, SealRequest};
use strongroom_keys::state::{Created, FileStore, StateError, StateStore};
use strongroom_keys::testing::{Fault, MemoryAudit, MemoryStore};
use strongroom_keys::vault::{DeniedReason, KeyName};

use crate::world::{Keys, Tasks, World, new_resource, now, poll};

const SECOND: Duration = Duration::from_secs(1);

/// A store whose requests of one kind wait as long as the test wants.
#[derive(Debug, Default)]
struct Gated {
    inner: MemoryStore,
    held: Mutex<Option<&'static str>>,
    waiting: AtomicUsize,
}

impl Gated {
    fn hold(&self, operation: Option<&'static str>) {
        *self.held.lock().unwrap() = operation;
    }

    /// Waits where it is to; a request that waits sees what is there when it goes on.
    async fn pass(&self, operation: &'static str, name: &str) {
        if name == "_service" {
            return;
        }
        let mut counted = false;
        std::future::poll_fn(|_| {
            if *self.held.lock().unwrap() != Some(operation) {
                return Poll::Ready(());
            }
            if !counted {
                self.waiting.fetch_add(1, Ordering::SeqCst);
                counted = true;
            }
            Poll::Pending
        })
        .await;
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl StateStore for Gated {
    async fn names(&self) -> Result<Vec<String>, StateError> {
        self.inner.names().await
    }

    async fn list(&self, name: &str) -> Result<Vec<u64>, StateError> {
        self.pass("list", name).await;
        self.inner.list(name).await
    }

    async fn read(&self, name: &str, number: u64) -> Result<Option<Vec<u8>>, StateError> {
        self.pass("read", name).await;
        self.inner.read(name, number).await
    }

    async fn create(&self, name: &str, number: u64, bytes: &[u8]) -> Result<Created, StateError> {
        self.pass("create", name).await;
        self.inner.create(name, number, bytes).await
    }

    async fn make_room(&self) -> Result<bool, StateError> {
        self.inner.make_room().await
    }

    async fn erase(&self, name: &str, number: u64) -> Result<(), StateError> {
        self.inner.erase(name, number).await
    }

    async fn remove(&self, name: &str, number: u64) -> Result<(), StateError> {
        self.inner.remove(name, number).await
    }
}

fn gated() -> (World, Arc<Gated>) {
    let store = Arc::new(Gated::default());
    let world = World::in_store(Arc::clone(&store) as _);
    (world, store)
}

/// The background loop asks for the customer's side again, which is gone: the service's side is none of that.
#[test]
fn disabling_with_the_background_loop_keeps_the_data_open() {
    let world = World::with_cmk();
    let mut tasks = Tasks::new(&world.clock);
    tasks.spawn(world.resources.run());
    let sealed = world.seal().unwrap();
    world.open(&sealed).unwrap();
    now(world.resources.disable_cmk(&world.id)).unwrap();
    let mut failed = Vec::new();
    for second in 0..400 {
        tasks.go(SECOND);
        if let Err(error) = world.open(&sealed) {
            failed.push((second, error.to_string()));
        }
    }
    assert!(failed.is_empty(), "{} of 400, the first: {:?}", failed.len(), failed[0]);
}

/// The same in a process that has not done it itself.
#[test]
fn disabling_in_another_process_keeps_the_data_open() {
    for background in [false, true] {
        let world = World::with_cmk();
        let mut tasks = Tasks::new(&world.clock);
        if background {
            tasks.spawn(world.resources.run());
        }
        let sealed = world.seal().unwrap();
        now(world.restart().disable_cmk(&world.id)).unwrap();
        let mut failed = Vec::new();
        for second in 0..400 {
            tasks.go(SECOND);
            if let Err(error) = world.open(&sealed) {
                failed.push((second, error.to_string()));
            }
        }
        assert!(failed.is_empty(), "{} of 400, the first: {:?}", failed.len(), failed[0]);
    }
}

/// A document that was opened before the key was enabled is closed with the others.
#[test]
fn a_lease_from_before_the_key_was_enabled_ends_with_it() {
    for here in [true, false] {
        let world = World::new();
        let mut tasks = Tasks::new(&world.clock);
        tasks.spawn(world.resources.run());
        let sealed = world.seal().unwrap();
        let lease = world.opener(&sealed).unwrap().lease().clone();
        let enabling = if here { world.resources.clone() } else { world.restart() };
        now(enabling.enable_cmk(&world.id, &world.enable())).unwrap();
        tasks.go(SECOND * 10);
        world.customer_keys.disable(&world.cmk[0]);
        for _second in 0..3600 {
            tasks.go(SECOND);
            let _open_document = lease.check();
        }
        assert!(lease.check().is_err(), "an hour after the key was disabled, here: {here}");
    }
}

/// The vault refuses, and whoever asked goes away while that is being written.
#[test]
fn a_refusal_ends_leases_whoever_waits_for_its_writing() {
    let (world, store) = gated();
    now(world.resources.enable_cmk(&world.id, &world.enable())).unwrap();
    let sealed = world.seal().unwrap();
    let lease = world.opener(&sealed).unwrap().lease().clone();
    world.clock.advance(SECOND * 61);
    world.customer_keys.disable(&world.cmk[0]);
    store.hold(Some("create"));
    {
        let mut asks = Box::pin(world.resources.renew(&lease));
        for _ in 0..10 {
            assert!(poll(asks.as_mut()).is_pending());
        }
        assert_eq!(store.waiting.load(Ordering::SeqCst), 1);
        assert!(lease.check().is_err(), "the vault has refused: while it is being written");
    }
    assert!(lease.check().is_err(), "the vault has refused: after who asked went away");
}

/// "Ends all access at once, whatever the vault says": a store that hangs does not keep the keys.
#[test]
fn revoke_now_does_not_wait_for_the_store() {
    let (world, store) = gated();
    now(world.resources.enable_cmk(&world.id, &world.enable())).unwrap();
    let sealed = world.seal().unwrap();
    let lease = world.opener(&sealed).unwrap().lease().clone();
    store.hold(Some("list"));
    let mut revoking = Box::pin(world.resources.revoke_now(&world.id));
    for _ in 0..10 {
        assert!(poll(revoking.as_mut()).is_pending());
    }
    assert!(lease.check().is_err());
}

/// Two tasks write the same event that waits; in between the host takes it back.
#[test]
fn a_deletion_is_written_once() {
    let (world, store) = gated();
    let keys = world.resources.clone();
    world.seal().unwrap();
    world.clock.advance(SECOND * 61);
    // One task deletes, and another one meets the event that waits.
    store.hold(Some("create"));
    let mut deleting = Box::pin(world.resources.resource_deleted(&world.id));
    assert!(poll(deleting.as_mut()).is_pending());
    let mut asking = Box::pin(keys.refresh(&world.id));
    assert!(poll(asking.as_mut()).is_pending());
    assert_eq!(store.waiting.load(Ordering::SeqCst), 2);
    store.hold(None);
    assert!(poll(deleting.as_mut()).is_ready());
    now(world.resources.resource_restored(&world.id)).unwrap();
    let _outcome = world.run(asking);
    assert_eq!(world.state(), "service-managed", "the host has restored it");
    world.clock.advance(SECOND * 25 * 3600);
    assert_eq!(world.run(world.resources.shred_due(world.clock.unix_time())).unwrap(), []);
}

/// A key that came back, unnoticed, and then the host deletes the resource: it can be restored in time.
#[test]
fn a_deleted_resource_can_be_restored_for_its_whole_grace() {
    let world = World::new();
    let enable = EnableCmk { on_key_loss: OnKeyLoss::crypto_shred(), ..world.enable() };
    now(world.resources.enable_cmk(&world.id, &enable)).unwrap();
    let sealed = world.seal().unwrap();
    world.clock.advance(SECOND * 61);
    world.customer_keys.disable(&world.cmk[0]);
    assert!(world.open(&sealed).is_err());
    assert_eq!(world.state(), "shred-pending");
    // It is back an hour later. Nobody refreshes.
    world.clock.advance(SECOND * 3600);
    world.customer_keys.enable(&world.cmk[0]);
    world.clock.advance(SECOND * 48 * 3600);
    // The vault has the key: so far nothing may be destroyed.
    let outcome = world.run(world.resources.shred_due(world.clock.unix_time())).unwrap();
    assert!(outcome[0].1.is_err());
    // Deleted by mistake, and restored a minute later.
    world.run(world.resources.resource_deleted(&world.id)).unwrap();
    world.clock.advance(SECOND * 60);
    let _ = world.run(world.resources.shred_due(world.clock.unix_time())).unwrap();
    world.run(world.resources.resource_restored(&world.id)).unwrap();
    world.run(world.resources.refresh(&world.id)).unwrap();
    world.open(&sealed).unwrap();
}

/// Row 8 holds for the state that is written, not for one from before the vault was asked.
#[test]
fn a_resource_that_moves_while_a_key_is_enabled_does_not_get_it() {
    let world = World::new();
    // Permissions are on their way: it is tried again for two minutes.
    world.customer.always(Fault::Refuse(DeniedReason::Permission));
    let (resources, enable) = (world.resources.clone(), world.enable());
    let mut enabling = Box::pin(resources.enable_cmk(&world.id, &enable));
    assert!(poll(enabling.as_mut()).is_pending());
    now(world.resources.moved_to_tenant(&world.id, "fabrikam")).unwrap();
    world.customer.always(Fault::None);
    let enabled = world.run(enabling);
    assert!(matches!(enabled, Err(Error::NotEligible { .. })), "{enabled:?}");
}

/// The newest state is erased between the list and the read, because a newer one destroys keys.
#[test]
fn a_state_that_is_erased_while_it_is_read_is_no_damage() {
    let (world, store) = gated();
    let hour = world.clock.unix_time() / 3600 * 3600 + 3600;
    let request = SealRequest::default().expiring_at(Some(hour));
    world.seal_in(&world.resources, &request).unwrap();
    let config = ResourcesConfig::new(
        Arc::clone(&store) as _,
        Arc::clone(&world.service) as _,
        KeyName::new("service-key").unwrap(),
        Arc::clone(&world.audit) as _,
    );
    let other = now(config.with_clock(Arc::clone(&world.clock) as _).open()).unwrap();
    store.hold(Some("read"));
    let mut status = Box::pin(other.status(&world.id));
    assert!(poll(status.as_mut()).is_pending());
    // This process knows the newest state and reads nothing.
    world.clock.advance(SECOND * 3600);
    // Its own reads are of what is older: it goes first.
    let mut sweeping = Box::pin(world.resources.sweep(hour));
    store.hold(None);
    let Poll::Ready(swept) = poll(sweeping.as_mut()) else { panic!("it waits") };
    assert_eq!(swept.unwrap(), 1);
    world.run(status).unwrap();
}

/// A process that was killed, or met a full disk, while it made a resource leaves an empty directory: it has
/// no objects and is no resource, and hinders nobody.
#[test]
fn what_was_not_created_hinders_no_other_resource() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state");
    let store = Arc::new(block_on(FileStore::open(&path)).unwrap());
    let keys = Keys::in_memory();
    let config = ResourcesConfig::new(
        Arc::clone(&store) as _,
        keys.service,
        KeyName::new("service-key").unwrap(),
        Arc::new(MemoryAudit::default()),
    );
    let resources = block_on(config.with_clock(Arc::clone(&keys.clock) as _).init()).unwrap();
    let id = ResourceId::new("contoso-7").unwrap();
    block_on(resources.create(new_resource(&id))).unwrap();
    let hour = keys.clock.unix_time() + 3600;
    let request = SealRequest::default().expiring_at(Some(hour));
    block_on(resources.sealing_keys(&id, &request)).unwrap();
    std::fs::create_dir(path.join("adatum")).unwrap();
    assert_eq!(block_on(store.names()).unwrap().len(), 2, "those that have objects");
    assert_eq!(block_on(resources.sweep(hour)).unwrap(), 1);
    block_on(resources.rotate_service_key()).unwrap();
}

/// The service's own identity is its operator's to mend: no customer's resource is closed by it.
#[test]
fn the_services_own_unknown_identity_closes_no_resource() {
    let world = World::with_cmk();
    let mut tasks = Tasks::new(&world.clock);
    tasks.spawn(world.resources.run());
    let sealed = world.seal().unwrap();
    let lease = world.opener(&sealed).unwrap().lease().clone();
    // Another process, which the vault knows, rotates the service key.
    world.service_keys.create_aes("service-key").unwrap();
    now(world.restart().rotate_service_key()).unwrap();
    world.service.always(Fault::Refuse(DeniedReason::Identity));
    tasks.go(SECOND * 1200);
    world.service.always(Fault::None);
    tasks.go(SECOND * 120);
    assert_eq!(world.state(), "cmk-active");
    lease.check().unwrap();
}

/// A writer that was on its way when the keys were destroyed, and was killed then, leaves its state behind,
/// with the keys: destroying them once more is to sweep it.
#[test]
fn destroying_again_sweeps_what_a_writer_left_meanwhile() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state");
    let keys = Keys::in_memory();
    let config = ResourcesConfig::new(
        Arc::new(block_on(FileStore::open(&path)).unwrap()),
        keys.service,
        KeyName::new("service-key").unwrap(),
        Arc::new(MemoryAudit::default()),
    );
    let resources = block_on(config.with_clock(Arc::clone(&keys.clock) as _).init()).unwrap();
    let id = ResourceId::new("contoso-7").unwrap();
    block_on(resources.create(new_resource(&id))).unwrap();
    block_on(resources.resource_deleted(&id)).unwrap();
    keys.clock.advance(SECOND * 25 * 3600);
    let shred = || block_on(resources.shred_due(keys.clock.unix_time())).unwrap();
    assert_eq!(shred().len(), 1);
    let name = strongroom_files::temporary_name("".as_ref()).unwrap();
    let left = path.join(id.as_str()).join(name);
    std::fs::write(&left, b"a state with all keys").unwrap();
    shred();
    assert!(!left.exists());
}
