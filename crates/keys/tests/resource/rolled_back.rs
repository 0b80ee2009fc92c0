//! A store that is rolled back: noticed by each host that knows better, and left by an explicit word.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use strongroom_keys::audit::{
    AuditError, AuditEvent, AuditKey, AuditSink, JsonLines, Known, MemorySink, StateMark,
};
use strongroom_keys::clock::Clock as _;
use strongroom_keys::resource::{
    EnableCmk, OnKeyLoss, OpenRequest, Protection, Resources, SealRequest,
};
use strongroom_keys::state::StateError;
use strongroom_keys::testing::MemoryAudit;
use strongroom_keys::{Error, block_on};

use crate::world::{TENANT, World, now};
use crate::{DAY, HOUR, seconds};

type Snapshot = Vec<(String, u64, Vec<u8>)>;

fn restored(world: &World) -> Resources {
    let (resources, ..) = world.run(world.config(&world.audit).restore()).unwrap();
    resources
}

/// Holds that an older store opens nothing again.
fn is_noticed(world: &World, older: Snapshot, sealed: &[u8]) {
    let newest = world.run(world.restart().status(&world.id)).unwrap().number;
    let newer = world.store.snapshot();
    world.store.restore(older);
    let resources = world.restart();
    for error in [
        world.open_in(&resources, sealed).unwrap_err(),
        now(resources.status(&world.id)).unwrap_err(),
        now(resources.refresh(&world.id)).unwrap_err(),
    ] {
        let text = error.to_string();
        assert!(text.contains(&newest.to_string()) && text.contains("rolled back"), "{text}");
    }
    world.store.restore(newer);
    now(world.restart().status(&world.id)).unwrap();
}

#[test]
fn a_state_from_before_a_revocation_a_sweep_or_a_shred_is_refused() {
    let world = World::with_cmk();
    let sealed = world.seal().unwrap();
    let older = world.store.snapshot();
    now(world.resources.revoke_now(&world.id)).unwrap();
    is_noticed(&world, older, &sealed);

    let world = World::new();
    let request = SealRequest::default().expiring_at(Some(world.clock.unix_time() + HOUR));
    world.seal_in(&world.resources, &request).unwrap();
    let (sealed, older) = (world.seal().unwrap(), world.store.snapshot());
    world.clock.advance(seconds(HOUR));
    assert_eq!(now(world.resources.sweep(world.clock.unix_time())).unwrap(), 1);
    is_noticed(&world, older, &sealed);

    let world = World::new();
    let sealed = world.seal().unwrap();
    let older = world.store.snapshot();
    now(world.resources.resource_deleted(&world.id)).unwrap();
    world.clock.advance(seconds(DAY));
    now(world.resources.shred_due(world.clock.unix_time())).unwrap();
    is_noticed(&world, older, &sealed);
}

/// The newest object alone is taken away: it was the one that enabled the customer's key.
#[test]
fn without_its_newest_state_a_resource_is_not_service_managed_again() {
    let world = World::with_cmk();
    let without = |number| {
        let all = world.store.snapshot().into_iter();
        all.filter(|object| object.0 != world.id.as_str() || object.1 != number).collect()
    };
    let newer = world.store.snapshot();
    world.store.restore(without(2));
    let error = now(world.restart().status(&world.id)).unwrap_err();
    assert!(matches!(error, Error::State(StateError::RolledBack { seen: 2, found: 1, .. })));
    // No state at all is no reason to make the resource anew.
    world.store.restore(newer.iter().filter(|object| object.0 == "_service").cloned().collect());
    let resources = world.restart();
    assert!(now(resources.create(crate::world::new_resource(&world.id))).is_err());
    assert!(now(resources.list()).unwrap().contains(&world.id), "it is not forgotten");
    world.store.restore(newer);
}

/// Somebody writes on from the older state: the number is the same, and the state is another.
#[test]
fn an_older_state_that_was_written_on_elsewhere_is_refused() {
    let world = World::with_cmk();
    let older = world.store.snapshot();
    now(world.resources.revoke_now(&world.id)).unwrap();
    world.store.restore(older);
    let elsewhere = world.run(world.config(&Arc::default()).open()).unwrap();
    for changes in 1..=2 {
        world.run(elsewhere.rotate_resource_key(&world.id)).unwrap();
        let error = now(world.restart().status(&world.id)).unwrap_err();
        let replaced = matches!(error, Error::State(StateError::Replaced { number: 3, .. }));
        assert!(replaced, "{changes}: {error}");
    }
    // The withdrawal that this host's trail knows is in force again.
    let resources = restored(&world);
    let status = now(resources.status(&world.id)).unwrap();
    assert!(matches!(status.protection, Protection::Denied { .. }), "{:?}", status.protection);
    now(world.restart().status(&world.id)).unwrap();
}

#[test]
fn a_withdrawal_in_a_state_that_was_written_on_elsewhere_stays() {
    let world = World::with_cmk();
    let older = world.store.snapshot();
    world.run(world.resources.rotate_resource_key(&world.id)).unwrap();
    world.store.restore(older);
    let elsewhere = world.run(world.config(&Arc::default()).open()).unwrap();
    now(elsewhere.revoke_now(&world.id)).unwrap();
    assert!(now(world.restart().status(&world.id)).is_err());
    let status = now(restored(&world).status(&world.id)).unwrap();
    assert!(matches!(status.protection, Protection::Denied { .. }), "{:?}", status.protection);
    now(world.restart().refresh(&world.id)).unwrap();
}

#[test]
fn several_hosts_with_trails_of_their_own_notice_what_each_has_seen() {
    let world = World::with_cmk();
    let sealed = world.seal().unwrap();
    let trails: [Arc<MemoryAudit>; 2] = Default::default();
    let hosts = || trails.each_ref().map(|audit| world.run(world.config(audit).open()).unwrap());
    for host in hosts() {
        world.open_in(&host, &sealed).unwrap();
    }
    let older = world.store.snapshot();
    let [one, _] = hosts();
    world.run(one.revoke_now(&world.id)).unwrap();
    let revoked = world.store.snapshot();
    world.store.restore(older.clone());
    // The host that wrote the revocation knows it. The other one has not seen it: that is for an anchor to know.
    let [one, other] = hosts();
    assert!(matches!(
        world.open_in(&one, &sealed),
        Err(Error::State(StateError::RolledBack { seen: 3, found: 2, .. }))
    ));
    world.open_in(&other, &sealed).unwrap();
    // Once it has read the state it knows, too.
    world.store.restore(revoked);
    assert!(world.open_in(&hosts()[1], &sealed).is_err());
    world.store.restore(older);
    for host in hosts() {
        let error = world.open_in(&host, &sealed).unwrap_err();
        assert!(matches!(error, Error::State(StateError::RolledBack { .. })), "{error}");
    }
    // Each host's own events tell of it.
    for trail in &trails {
        assert!(trail.events().iter().any(|event| event.state.is_some()));
    }
}

#[test]
fn restoring_goes_on_above_what_the_trail_knows_with_withdrawals_and_destructions_applied_again() {
    // Revoked since.
    let world = World::with_cmk();
    let sealed = world.seal().unwrap();
    let older = world.store.snapshot();
    now(world.resources.rotate_resource_key(&world.id)).unwrap();
    now(world.resources.revoke_now(&world.id)).unwrap();
    world.store.restore(older);
    let resources = restored(&world);
    let status = now(resources.status(&world.id)).unwrap();
    assert_eq!((status.number, status.protection.name()), (5, "denied"));
    assert!(world.open_in(&world.restart(), &sealed).is_err());
    assert_eq!(world.audit.count("restore-state"), 1);
    now(resources.refresh(&world.id)).unwrap();
    world.open_in(&world.restart(), &sealed).unwrap();
    assert_eq!(world.store.numbers(world.id.as_str()).len(), 2, "no older state has its keys");

    // Revoked and refreshed since: the last word counts.
    let older = world.store.snapshot();
    now(resources.revoke_now(&world.id)).unwrap();
    now(resources.refresh(&world.id)).unwrap();
    world.store.restore(older);
    world.open_in(&restored(&world), &sealed).unwrap();

    // Hours that were swept since, or are over by now, and nothing else.
    let world = World::new();
    let start = world.clock.unix_time();
    let until = |hours| SealRequest::default().expiring_at(Some(start + hours * HOUR));
    for hours in [1, 3, 9] {
        world.seal_in(&world.resources, &until(hours)).unwrap();
    }
    let older = world.store.snapshot();
    world.clock.advance(seconds(HOUR));
    now(world.resources.sweep(world.clock.unix_time())).unwrap();
    world.clock.advance(seconds(3 * HOUR));
    world.store.restore(older);
    let status = now(restored(&world).status(&world.id)).unwrap();
    assert_eq!(status.hours, [start / HOUR + 9]);

    // Shredded since.
    let world = World::new();
    let sealed = world.seal().unwrap();
    let older = world.store.snapshot();
    now(world.resources.resource_deleted(&world.id)).unwrap();
    world.clock.advance(seconds(DAY));
    now(world.resources.shred_due(world.clock.unix_time())).unwrap();
    world.store.restore(older);
    assert!(matches!(world.open_in(&restored(&world), &sealed), Err(Error::Shredded { .. })));
    assert!(matches!(world.open_in(&world.restart(), &sealed), Err(Error::Shredded { .. })));
}

/// A revocation that was begun, from a state that is lost: what goes on from that state is revoked.
#[test]
fn a_withdrawal_that_was_begun_from_a_lost_state_is_carried_out_by_the_restore() {
    let world = World::with_cmk();
    let sealed = world.seal().unwrap();
    let older = world.store.snapshot();
    now(world.resources.rotate_resource_key(&world.id)).unwrap();
    let killed = world.restart();
    world.store.fail_after(Some(0));
    assert!(world.run(killed.revoke_now(&world.id)).is_err());
    drop(killed);
    world.store.fail_after(None);
    world.store.restore(older);
    let status = now(restored(&world).status(&world.id)).unwrap();
    assert_eq!(status.protection.name(), "denied");
    assert!(world.open_in(&world.restart(), &sealed).is_err());
}

/// The newest state is not there: the withdrawal is kept for who restores it, or puts it back.
#[test]
fn a_withdrawal_is_kept_whatever_is_wrong_with_the_newest_state() {
    let is_kept = |resources: &Resources, world: &World| {
        let error = now(resources.resource_deleted(&world.id)).unwrap_err();
        assert!(matches!(error, Error::Kept { .. }), "{error}");
    };
    let world = World::with_cmk();
    let older = world.store.snapshot();
    world.run(world.resources.rotate_resource_key(&world.id)).unwrap();

    // Written on elsewhere.
    world.store.restore(older);
    let elsewhere = world.run(world.config(&Arc::default()).open()).unwrap();
    world.run(elsewhere.rotate_resource_key(&world.id)).unwrap();
    is_kept(&world.restart(), &world);
    let status = now(restored(&world).status(&world.id)).unwrap();
    assert_eq!(status.protection.name(), "shred-pending");

    // Not valid, and put back.
    let world = World::with_cmk();
    let newest_of = |world: &World| {
        let mut objects = world.store.snapshot();
        objects.retain(|object| object.0 == world.id.as_str());
        objects.pop().unwrap()
    };
    let (valid, (name, number, mut bytes)) = (world.store.snapshot(), newest_of(&world));
    bytes[10] ^= 1;
    let mut invalid = valid.clone();
    invalid.retain(|object| (object.0.as_str(), object.1) != (name.as_str(), number));
    invalid.push((name, number, bytes));
    world.store.restore(invalid);
    is_kept(&world.restart(), &world);
    world.store.restore(valid);
    let status = now(world.restart().status(&world.id)).unwrap();
    assert_eq!(status.protection.name(), "shred-pending");

    // A trail that takes nothing keeps nothing, and says so.
    let world = World::with_cmk();
    let older = world.store.snapshot();
    now(world.resources.revoke_now(&world.id)).unwrap();
    world.store.restore(older);
    let resources = world.restart();
    world.audit.fail(true);
    let error = now(resources.resource_deleted(&world.id)).unwrap_err();
    assert!(matches!(error, Error::State(StateError::RolledBack { .. })), "{error}");
}

/// The older state has no customer's key: only the customer's vault leads out of that.
#[test]
fn a_resource_whose_customer_key_is_lost_is_closed_until_one_is_enabled_again() {
    let world = World::new();
    let before = world.seal().unwrap();
    let older = world.store.snapshot();
    let with = EnableCmk { on_key_loss: OnKeyLoss::crypto_shred(), ..world.enable() };
    now(world.resources.enable_cmk(&world.id, &with)).unwrap();
    world.store.restore(older);
    let resources = restored(&world);
    assert_eq!(now(resources.status(&world.id)).unwrap().protection.name(), "denied");
    assert!(world.open_in(&resources, &before).is_err());
    assert!(now(resources.refresh(&world.id)).is_err());
    now(resources.enable_cmk(&world.id, &with)).unwrap();
    let status = now(resources.status(&world.id)).unwrap();
    assert_eq!(status.epoch, 2, "no epoch is used twice");
    assert!(matches!(status.protection, Protection::CmkActive { .. }));
    world.open_in(&resources, &before).unwrap();
}

/// The service's own state may be older, too: its newest version is used again, above what is known.
#[test]
fn the_services_own_state_is_noticed_and_restored_as_well() {
    let world = World::with_cmk();
    let sealed = world.seal().unwrap();
    let older = world.store.snapshot();
    world.service_keys.create_aes("service-key").unwrap();
    world.run(world.resources.rotate_service_key()).unwrap();
    world.store.restore(older);
    let error = world.try_restart().unwrap_err();
    assert!(matches!(error, Error::State(StateError::RolledBack { .. })), "{error}");
    let resources = restored(&world);
    world.open_in(&resources, &sealed).unwrap();
    world.open_in(&world.restart(), &sealed).unwrap();
}

/// The damage hides which states there were since, so that an older one may be from before a revocation.
#[test]
fn who_finds_its_trail_damaged_gives_no_access_until_it_is_repaired() {
    let world = World::with_cmk();
    let directory = tempfile::tempdir().unwrap();
    let (path, key) = (directory.path().join("audit.jsonl"), AuditKey::new(&[7; 32]));
    let process = || {
        let trail = Arc::new(JsonLines::new(&path, &key));
        let config = world.config(&world.audit).with_audit(Arc::clone(&trail) as _);
        (block_on(config.open()).unwrap(), trail)
    };
    let opens = |resources: &Resources, sealed: &[u8]| {
        block_on(resources.open(&world.id, sealed, &OpenRequest::default())).map(drop)
    };
    let (resources, _) = process();
    let sealed = world.seal().unwrap();
    opens(&resources, &sealed).unwrap();
    let older = world.store.snapshot();
    block_on(resources.revoke_now(&world.id)).unwrap();
    let revoked = world.store.snapshot();
    world.store.restore(older);
    // A byte of the first line: the lines behind it cannot be told from others any more.
    let mut bytes = fs::read(&path).unwrap();
    bytes[20] ^= 1;
    fs::write(&path, &bytes).unwrap();

    let (resources, trail) = process();
    assert!(opens(&resources, &sealed).is_err());
    world.store.restore(revoked);
    let error = block_on(resources.refresh(&world.id)).unwrap_err();
    assert!(matches!(&error, Error::Audit(error) if error.is_damage()), "{error}");
    let error = block_on(resources.moved_to_tenant(&world.id, "fabrikam")).unwrap_err();
    assert!(matches!(error, Error::Unrecorded { .. }), "{error}");
    assert_eq!(fs::read(&path).unwrap(), bytes, "nothing is written behind damage");

    // The same process goes on after a repair by another one.
    let other = JsonLines::new(&path, &key);
    other.repair(world.clock.unix_time(), Some("ops")).unwrap().unwrap();
    block_on(resources.moved_to_tenant(&world.id, TENANT)).unwrap();
    block_on(resources.refresh(&world.id)).unwrap();
    opens(&resources, &sealed).unwrap();
    assert!(block_on(trail.recall()).damage.is_none());
}

/// One byte of an early line is changed, and the states are rolled back once the trail is repaired.
#[test]
fn lines_behind_damage_tell_of_states_for_ever() {
    let world = World::with_cmk();
    let directory = tempfile::tempdir().unwrap();
    let (path, key) = (directory.path().join("audit.jsonl"), AuditKey::new(&[7; 32]));
    let config = || world.config(&world.audit).with_audit(Arc::new(JsonLines::new(&path, &key)));
    let sealed = world.seal().unwrap();
    let resources = block_on(config().open()).unwrap();
    block_on(resources.status(&world.id)).unwrap();
    let older = world.store.snapshot();
    block_on(resources.revoke_now(&world.id)).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    bytes[20] ^= 1;
    fs::write(&path, &bytes).unwrap();
    JsonLines::new(&path, &key).repair(world.clock.unix_time(), None).unwrap().unwrap();
    world.store.restore(older);

    let resources = block_on(config().open()).unwrap();
    let opened = block_on(resources.open(&world.id, &sealed, &OpenRequest::default()));
    assert!(opened.is_err());
    let error = block_on(resources.status(&world.id)).unwrap_err();
    assert!(matches!(error, Error::State(StateError::RolledBack { seen: 3, found: 2, .. })));
    // They tell what it was as well.
    let (resources, restored, _) = block_on(config().restore()).unwrap();
    assert_eq!(restored.len(), 1);
    assert_eq!(block_on(resources.status(&world.id)).unwrap().protection.name(), "denied");
}

/// The line is gone that told what the newest state was, and a summary tells of its number.
#[test]
fn a_state_whose_outline_is_lost_is_not_restored_as_an_older_one() {
    let world = World::with_cmk();
    let older = world.store.snapshot();
    now(world.resources.revoke_now(&world.id)).unwrap();
    world.store.restore(older);
    let trail = Arc::new(Forgetful(Arc::clone(&world.audit)));
    let config = || world.config(&world.audit).with_audit(Arc::clone(&trail) as _);
    let (resources, restored, _) = now(config().restore()).unwrap();
    assert!(restored.is_empty(), "{restored:?}");
    let error = now(resources.status(&world.id)).unwrap_err();
    assert!(matches!(error, Error::State(StateError::RolledBack { .. })), "{error}");
}

/// A trail that has lost the outlines of revocations.
#[derive(Debug)]
struct Forgetful(Arc<MemoryAudit>);

#[async_trait]
impl AuditSink for Forgetful {
    async fn record(&self, event: &AuditEvent) -> Result<(), AuditError> {
        self.0.record(event).await
    }

    async fn recall(&self) -> Known {
        self.0.recall().await
    }

    async fn outlines(&self) -> Result<BTreeMap<String, (StateMark, Value)>, AuditError> {
        let kept = MemorySink::default();
        for event in self.0.events() {
            if event.operation != "revoke" {
                kept.record(&event).await?;
            }
        }
        kept.outlines().await
    }
}
