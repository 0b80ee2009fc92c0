//! Access that ends: by the vault's word, the customer's or the host's; and what brings it back.

use std::sync::Mutex;

use strongroom_keys::Error;
use strongroom_keys::resource::{Cause, HostEvent};
use strongroom_keys::testing::{Fault, Operation};
use strongroom_keys::vault::DeniedReason;

use crate::seconds;
use crate::world::{TENANT, Tasks, World, now, result};

#[test]
fn denials_are_left_by_refresh_only() {
    let world = World::with_cmk();
    let sealed = world.seal().unwrap();
    world.customer_keys.disable(&world.cmk[0]);
    // Everything that needs the key notices.
    let error = now(world.resources.disable_cmk(&world.id)).unwrap_err();
    assert!(matches!(error, Error::Denied { .. }), "{error}");
    assert_eq!(world.state(), "denied");
    for other in [&world.resources, &world.restart()] {
        assert!(matches!(world.open_in(other, &sealed), Err(Error::Denied { .. })));
        assert!(matches!(world.seal_in(other, &result()), Err(Error::Denied { .. })));
    }
    world.customer_keys.enable(&world.cmk[0]);
    let resources = world.restart();
    for error in [
        now(resources.disable_cmk(&world.id)).unwrap_err(),
        now(resources.rotate_cmk(&world.id, &world.cmk[1])).unwrap_err(),
        now(resources.rotate_resource_key(&world.id)).unwrap_err(),
        now(resources.enable_cmk(&world.id, &world.enable())).unwrap_err(),
        world.open_in(&resources, &sealed).unwrap_err(),
    ] {
        assert!(matches!(error, Error::Denied { .. }), "{error}");
    }
    // An answer that is none leaves it as it is.
    for fault in [Fault::Fail, Fault::Hang, Fault::Refuse(DeniedReason::Firewall)] {
        world.customer.always(fault);
        assert!(world.run(resources.refresh(&world.id)).is_err());
        assert_eq!(world.state(), "denied");
    }
    world.customer.come_back();
    world.run(resources.refresh(&world.id)).unwrap();
    world.open_in(&resources, &sealed).unwrap();
    let told = world.told.0.lock().unwrap().clone();
    assert!(matches!(
        told.as_slice(),
        [HostEvent::Denied { .. }, HostEvent::AccessRestored { .. }]
    ));
}

#[test]
fn revoking_works_whatever_fails() {
    let world = World::with_cmk();
    let sealed = world.seal().unwrap();
    let lease = world.opener(&sealed).unwrap().lease().clone();
    world.audit.fail(true);
    world.store.fail(true);
    assert!(now(world.resources.revoke_now(&world.id)).is_err(), "it could not be written");
    assert!(matches!(lease.check(), Err(Error::Denied { cause: Cause::Revoked, .. })));
    assert!(world.open(&sealed).is_err());
    // Written as soon as that is possible, even though the trail still fails.
    world.store.fail(false);
    world.clock.advance(seconds(61));
    assert!(world.open(&sealed).is_err());
    assert_eq!(world.state(), "denied");
    assert_eq!(world.resources.pending(), 0);
    world.audit.fail(false);
    now(world.resources.refresh(&world.id)).unwrap();
    world.open(&sealed).unwrap();
    let error = now(World::new().resources.revoke_now(&world.id)).unwrap_err();
    assert!(matches!(error, Error::WrongState { state: "service-managed", .. }));
}

#[test]
fn host_events_close_and_open() {
    let world = World::with_cmk();
    let sealed = world.seal().unwrap();
    now(world.resources.identity_disabled(&world.id)).unwrap();
    assert!(matches!(
        world.open(&sealed),
        Err(Error::Denied { cause: Cause::IdentityDisabled, .. })
    ));
    now(world.resources.refresh(&world.id)).unwrap();
    world.open(&sealed).unwrap();

    now(world.resources.moved_to_tenant(&world.id, "fabrikam")).unwrap();
    world.customer.reset_counts();
    let error = now(world.resources.refresh(&world.id)).unwrap_err();
    assert!(matches!(error, Error::Denied { cause: Cause::OtherTenant, .. }));
    assert_eq!(world.customer.calls(Operation::UnwrapKey), 0);
    now(world.resources.moved_to_tenant(&world.id, TENANT)).unwrap();
    assert!(world.open(&sealed).is_err(), "back home, and not refreshed");
    now(world.resources.refresh(&world.id)).unwrap();
    world.open(&sealed).unwrap();

    // Without a customer's key it just belongs to another tenant.
    now(world.resources.disable_cmk(&world.id)).unwrap();
    now(world.resources.moved_to_tenant(&world.id, "fabrikam")).unwrap();
    world.open(&sealed).unwrap();
    let error = now(world.resources.enable_cmk(&world.id, &world.enable())).unwrap_err();
    assert!(matches!(error, Error::NotEligible { .. }));
}

/// A refresh that was asked for before a revocation does not undo it, however long the vault takes.
#[test]
fn a_refresh_under_way_does_not_undo_a_revocation() {
    let world = World::with_cmk();
    let other = world.restart();
    world.customer.always(Fault::Hang);
    let refreshed = Mutex::new(None);
    let mut tasks = Tasks::new(&world.clock);
    tasks.spawn(async {
        *refreshed.lock().unwrap() = Some(world.resources.refresh(&world.id).await);
    });
    now(other.revoke_now(&world.id)).unwrap();
    world.customer.come_back();
    tasks.poll();
    let refreshed = refreshed.lock().unwrap().take();
    assert!(matches!(refreshed, Some(Err(Error::Contended { .. }))), "{refreshed:?}");
    assert_eq!(now(other.status(&world.id)).unwrap().protection.name(), "denied");
    now(world.resources.refresh(&world.id)).unwrap();
    assert_eq!(now(other.status(&world.id)).unwrap().protection.name(), "cmk-active");
}

#[test]
fn a_refusal_that_a_rotation_meets_wipes_what_is_cached() {
    let world = World::with_cmk();
    let sealed = world.seal().unwrap();
    let lease = world.opener(&sealed).unwrap().lease().clone();
    lease.check().unwrap();
    world.customer_keys.disable(&world.cmk[0]);
    assert!(now(world.resources.rotate_cmk(&world.id, &world.cmk[1])).is_err());
    assert!(lease.check().is_err(), "an open document is still read");
    assert_eq!(world.state(), "denied");
}

#[test]
fn a_resource_that_is_moved_while_deleted_belongs_to_its_new_tenant() {
    let world = World::new();
    now(world.resources.resource_deleted(&world.id)).unwrap();
    now(world.resources.moved_to_tenant(&world.id, "fabrikam")).unwrap();
    now(world.resources.resource_restored(&world.id)).unwrap();
    assert_eq!(now(world.resources.status(&world.id)).unwrap().tenant, "fabrikam");
}

/// One process could not write a revocation, and another one disabled the key meanwhile.
#[test]
fn what_has_nothing_left_to_withdraw_is_not_written_for_ever() {
    let world = World::with_cmk();
    let sealed = world.seal().unwrap();
    let another = world.restart();
    world.store.fail(true);
    assert!(now(world.resources.revoke_now(&world.id)).is_err());
    world.store.fail(false);
    world.run(another.disable_cmk(&world.id)).unwrap();
    assert_eq!(world.resources.pending(), 1);
    world.clock.advance(seconds(61));
    world.open(&sealed).unwrap();
    assert_eq!((world.resources.pending(), world.state()), (0, "service-managed"));
}

/// A process that has not seen the resource yet heeds what it was told, too.
#[test]
fn what_is_told_while_the_store_is_away_is_heeded_before_anything_else() {
    let world = World::with_cmk();
    let sealed = world.seal().unwrap();
    let fresh = world.restart();
    world.store.fail(true);
    assert!(now(fresh.revoke_now(&world.id)).is_err());
    assert_eq!(fresh.pending(), 1);
    world.store.fail(false);
    assert!(matches!(
        world.open_in(&fresh, &sealed),
        Err(Error::Denied { cause: Cause::Revoked, .. })
    ));
    assert_eq!((fresh.pending(), world.state()), (0, "denied"));
}

#[test]
fn the_hosts_latest_word_on_the_tenant_counts() {
    let world = World::with_cmk();
    let sealed = world.seal().unwrap();
    world.store.fail(true);
    assert!(now(world.resources.moved_to_tenant(&world.id, "fabrikam")).is_err());
    assert!(world.open(&sealed).is_err());
    world.store.fail(false);
    now(world.resources.moved_to_tenant(&world.id, TENANT)).unwrap();
    world.clock.advance(seconds(61));
    world.open(&sealed).unwrap();
    assert_eq!((world.resources.pending(), world.state()), (0, "cmk-active"));
}

/// A second thing that ends access does not take the place of the first.
#[test]
fn all_that_could_not_be_written_is_written_in_its_order() {
    let world = World::with_cmk();
    world.store.fail(true);
    assert!(now(world.resources.resource_deleted(&world.id)).is_err());
    assert!(now(world.resources.revoke_now(&world.id)).is_err());
    world.store.fail(false);
    now(world.resources.resource_restored(&world.id)).unwrap();
    let told = world.told.0.lock().unwrap();
    let deleted = |event: &HostEvent| {
        matches!(event, HostEvent::ShredPending { cause: Cause::ResourceDeleted, .. })
    };
    assert!(told.iter().any(deleted), "{told:?}");
    assert_eq!((world.resources.pending(), world.state()), (0, "denied"));
}
