//! Taking access away works whatever the audit trail, the store or the process does meanwhile.

use std::fs;
use std::sync::Arc;

use strongroom_keys::Error;
use strongroom_keys::audit::{AuditEvent, AuditKey, AuditResult, JsonLines, verify};
use strongroom_keys::block_on;
use strongroom_keys::clock::Clock as _;
use strongroom_keys::resource::{Caller, Cause, OpenRequest, Protection, Resources};

use crate::seconds;
use crate::world::{TENANT, World};

/// One way to take access away.
type Withdrawal = fn(&World, &Resources) -> Result<(), Error>;

/// Each way to take access away from a resource under a customer's key.
const WITHDRAWALS: [Withdrawal; 4] = [
    |world, resources| world.run(resources.revoke_now(&world.id)),
    |world, resources| world.run(resources.identity_disabled(&world.id)),
    |world, resources| world.run(resources.moved_to_tenant(&world.id, "fabrikam")),
    |world, resources| world.run(resources.resource_deleted(&world.id)),
];

fn protection(world: &World) -> Protection {
    world.run(world.restart().status(&world.id)).unwrap().protection
}

/// A process starts, finds a trail that cannot be written, and withdraws all the same.
#[test]
fn a_trail_that_cannot_be_written_stops_no_withdrawal() {
    for withdraw in WITHDRAWALS {
        let world = World::with_cmk();
        let sealed = world.seal().unwrap();
        world.audit.fail(true);
        let resources = world.restart();
        assert!(matches!(
            world.open_in(&resources, &sealed),
            Err(Error::Unreachable { .. } | Error::Audit(_))
        ));
        let error = withdraw(&world, &resources).unwrap_err();
        let Error::Unrecorded { done, .. } = &error else { panic!("{error}") };
        assert_eq!(done, "access to the resource contoso-7 has ended");
        world.audit.fail(false);
        assert!(world.open_in(&world.restart(), &sealed).is_err());
        assert!(matches!(
            protection(&world),
            Protection::Denied { .. } | Protection::ShredPending { .. }
        ));
    }
}

/// One flipped byte in the last line of a trail on a disk.
#[test]
fn a_damaged_trail_is_closed_and_the_revocation_is_written_before() {
    let world = World::with_cmk();
    let directory = tempfile::tempdir().unwrap();
    let (path, key) = (directory.path().join("audit.jsonl"), AuditKey::new(&[7; 32]));
    let trail = Arc::new(JsonLines::new(&path, &key));
    let open = || {
        let config = world.config(&world.audit).with_audit(Arc::clone(&trail) as _);
        block_on(config.open())
    };
    let sealed = world.seal().unwrap();
    let opened = async |resources: &Resources, sealed: &[u8]| {
        resources.open(&world.id, sealed, &OpenRequest::default()).await
    };
    block_on(opened(&open().unwrap(), &sealed)).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.len() - 40;
    bytes[at] ^= 1;
    fs::write(&path, &bytes).unwrap();

    let resources = open().unwrap();
    assert!(block_on(opened(&resources, &sealed)).is_err());
    let error = block_on(resources.revoke_now(&world.id)).unwrap_err();
    assert!(matches!(error, Error::Unrecorded { .. }), "{error}");
    assert!(matches!(protection(&world), Protection::Denied { cause: Cause::Revoked, .. }));
    assert_eq!(fs::read(&path).unwrap(), bytes, "nothing is written behind damage");

    trail.repair(world.clock.unix_time(), Some("ops")).unwrap().unwrap();
    block_on(open().unwrap().refresh(&world.id)).unwrap();
    block_on(opened(&open().unwrap(), &sealed)).unwrap();
    assert_eq!(verify(&path, &key, None).unwrap().repaired.len(), 1);
}

/// The process is killed after its audit line, before the state is there.
#[test]
fn a_withdrawal_that_was_begun_is_carried_out_by_the_next_process() {
    for (withdraw, operation) in WITHDRAWALS.into_iter().zip([
        "revoke",
        "identity-disabled",
        "move-to-tenant",
        "delete-resource",
    ]) {
        let world = World::with_cmk();
        let sealed = world.seal().unwrap();
        let killed = world.restart().on_behalf_of(Caller::new("portal"));
        world.store.fail_after(Some(0));
        assert!(withdraw(&world, &killed).is_err());
        drop(killed);
        // The store is still away: the next process acts as if it were written.
        assert!(world.open_in(&world.restart(), &sealed).is_err());
        world.store.fail_after(None);
        assert_eq!(world.audit.count(operation), 0, "only outcomes count");
        let next = world.restart();
        assert!(matches!(
            protection(&world),
            Protection::Denied { .. } | Protection::ShredPending { .. }
        ));
        assert_eq!(next.pending(), 0);
        assert_eq!(world.audit.count(operation), 1);
        let events = world.audit.events();
        let of = |result| {
            let is = |event: &&AuditEvent| event.operation == operation && event.result == result;
            events.iter().find(is).cloned().unwrap()
        };
        let (begun, done) = (of(AuditResult::Begun), of(AuditResult::Done));
        assert_eq!(begun.state.unwrap().number + 1, done.state.unwrap().number);
    }
}

#[test]
fn a_withdrawal_that_was_begun_is_dropped_where_the_state_has_moved_on() {
    let world = World::with_cmk();
    let other = world.restart();
    let killed = world.restart();
    world.store.fail_after(Some(0));
    assert!(world.run(killed.revoke_now(&world.id)).is_err());
    drop(killed);
    world.store.fail_after(None);
    world.run(other.disable_cmk(&world.id)).unwrap();
    world.run(other.enable_cmk(&world.id, &world.enable())).unwrap();
    world.restart();
    assert!(matches!(protection(&world), Protection::CmkActive { .. }));
}

/// Changes that do more than withdraw need their beginning in the trail, and say where only the outcome is lacking.
#[test]
fn a_change_whose_outcome_is_not_recorded_is_told_and_found_again() {
    let world = World::with_cmk();
    let failing = Arc::new(strongroom_keys::testing::MemoryAudit::default());
    let resources = world.run(world.config(&failing).open()).unwrap();
    world.run(resources.status(&world.id)).unwrap();
    let mut unrecorded = 0;
    for left in 0..12 {
        failing.fail_after(left);
        let before = world.run(world.restart().status(&world.id)).unwrap().number;
        let done = world.run(resources.rotate_resource_key(&world.id));
        failing.fail(false);
        let after = world.run(world.restart().status(&world.id)).unwrap().number;
        match done {
            Ok(()) => assert_eq!(after, before + 1),
            Err(Error::Unrecorded { .. }) => {
                unrecorded += 1;
                assert_eq!(after, before + 1, "it was done");
                let found = world.run(world.config(&failing).open()).unwrap();
                world.run(found.status(&world.id)).unwrap();
                let last = failing.events().pop().unwrap();
                assert_eq!(last.operation, "read-state");
                assert_eq!(last.state.unwrap().number, after);
            }
            Err(_) => assert_eq!(after, before),
        }
    }
    assert!(unrecorded > 0);
}

/// The store is full for everything but what takes access away.
#[test]
fn a_full_store_has_room_for_a_withdrawal() {
    let world = World::with_cmk();
    world.store.fill(true);
    assert!(world.run(world.resources.rotate_resource_key(&world.id)).is_err());
    world.run(world.resources.revoke_now(&world.id)).unwrap();
    world.store.fill(false);
    assert!(matches!(protection(&world), Protection::Denied { cause: Cause::Revoked, .. }));
    assert_eq!(world.run(world.resources.status(&world.id)).unwrap().tenant, TENANT);
    world.clock.advance(seconds(61));
}
