//! Keys that are destroyed, and those that are not.

use strongroom_keys::Error;
use strongroom_keys::clock::Clock as _;
use strongroom_keys::resource::{EnableCmk, OnKeyLoss, ResourceId, SealRequest};
use strongroom_keys::testing::Fault;
use strongroom_keys::vault::{DeniedReason, VersionedKeyId};

use crate::world::{World, now};
use crate::{DAY, HOUR, seconds};

fn shredding() -> World {
    let world = World::new();
    let with = EnableCmk { on_key_loss: OnKeyLoss::crypto_shred(), ..world.enable() };
    now(world.resources.enable_cmk(&world.id, &with)).unwrap();
    world
}

/// The first loss, `due`, and whether the resource was shredded then.
fn shred(world: &World) -> Vec<(ResourceId, Result<(), Error>)> {
    world.run(world.resources.shred_due(world.clock.unix_time())).unwrap()
}

#[test]
fn shredding_needs_the_loss_to_stand() {
    for reason in [DeniedReason::KeyDisabled, DeniedReason::KeyMissing, DeniedReason::Permission] {
        let world = shredding();
        let sealed = world.seal().unwrap();
        world.clock.advance(seconds(61));
        world.customer.always(Fault::Refuse(reason));
        assert!(world.open(&sealed).is_err());
        assert_eq!(world.state(), "shred-pending");
        world.clock.advance(seconds(DAY - 1));
        assert!(shred(&world).is_empty(), "not due");
        world.clock.advance(seconds(1));
        // Anything but the same definite word hinders it.
        for fault in [
            Fault::None,
            Fault::Fail,
            Fault::Hang,
            Fault::Refuse(DeniedReason::Firewall),
            Fault::Refuse(DeniedReason::Identity),
            Fault::RefuseOther(reason, world.cmk[1].clone()),
        ] {
            world.customer.always(fault);
            let outcomes = shred(&world);
            assert!(matches!(outcomes.as_slice(), [(_, Err(_))]), "{outcomes:?}");
            assert_eq!(world.state(), "shred-pending");
        }
        world.customer.always(Fault::Refuse(reason));
        assert!(matches!(shred(&world).as_slice(), [(_, Ok(()))]));
        assert_eq!(world.state(), "shredded");
        assert_eq!(world.store.numbers(world.id.as_str()).len(), 1, "no older state has the keys");
        world.customer.come_back();
        assert!(matches!(world.open(&sealed), Err(Error::Shredded { .. })));
        assert!(now(world.resources.refresh(&world.id)).is_err());
        assert!(shred(&world).is_empty());
    }
}

#[test]
fn a_key_that_is_back_in_time_saves_the_data() {
    let world = shredding();
    let sealed = world.seal().unwrap();
    world.customer_keys.delete(&world.cmk[0]);
    world.clock.advance(seconds(61));
    assert!(world.open(&sealed).is_err());
    world.customer_keys.recover(&world.cmk[0]);
    world.clock.advance(seconds(2 * DAY));
    now(world.resources.refresh(&world.id)).unwrap();
    assert!(shred(&world).is_empty());
    world.open(&sealed).unwrap();
}

/// No outage, and nothing but the vault's word about the key, begins the way to shredding.
#[test]
fn outages_never_shred() {
    for fault in [
        Fault::Fail,
        Fault::Refuse(DeniedReason::Firewall),
        Fault::Refuse(DeniedReason::Identity),
        Fault::RefuseOther(
            DeniedReason::KeyMissing,
            VersionedKeyId::parse("memory/customer/documents/9").unwrap(),
        ),
        Fault::Invalid,
    ] {
        let world = shredding();
        let sealed = world.seal().unwrap();
        world.customer.always(fault.clone());
        for _ in 0..50 {
            world.clock.advance(seconds(HOUR));
            assert!(world.open(&sealed).is_err());
            assert!(shred(&world).is_empty());
        }
        world.customer.come_back();
        now(world.resources.refresh(&world.id)).unwrap();
        world.open(&sealed).unwrap();
    }
    // A revocation by the customer's word is none either.
    let world = shredding();
    now(world.resources.revoke_now(&world.id)).unwrap();
    world.clock.advance(seconds(2 * DAY));
    assert!(shred(&world).is_empty() && world.state() == "denied");
    // Nor is any loss where the customer chose to block.
    let world = World::with_cmk();
    world.customer_keys.delete(&world.cmk[0]);
    assert!(now(world.resources.disable_cmk(&world.id)).is_err());
    world.clock.advance(seconds(2 * DAY));
    assert!(shred(&world).is_empty() && world.state() == "denied");
}

#[test]
fn a_deleted_resource_can_be_restored_in_time() {
    for with_cmk in [false, true] {
        let world = if with_cmk { World::with_cmk() } else { World::new() };
        let sealed = world.seal().unwrap();
        now(world.resources.resource_deleted(&world.id)).unwrap();
        assert!(world.open(&sealed).is_err());
        assert!(shred(&world).is_empty());
        now(world.resources.resource_restored(&world.id)).unwrap();
        if with_cmk {
            assert!(world.open(&sealed).is_err());
            now(world.resources.refresh(&world.id)).unwrap();
        }
        world.open(&sealed).unwrap();
        for _ in 0..2 {
            now(world.resources.resource_deleted(&world.id)).unwrap();
        }
        world.clock.advance(seconds(DAY));
        assert!(matches!(shred(&world).as_slice(), [(_, Ok(()))]));
        assert!(now(world.resources.resource_restored(&world.id)).is_err());
    }
}

#[test]
fn hours_end_with_their_keys() {
    for with_cmk in [false, true] {
        let world = if with_cmk { World::with_cmk() } else { World::new() };
        let start = world.clock.unix_time();
        let lasting = world.seal().unwrap();
        let request = |seconds| SealRequest::default().expiring_at(Some(start + seconds));
        let early = world.seal_in(&world.resources, &request(HOUR / 2)).unwrap();
        let late = world.seal_in(&world.resources, &request(HOUR + 1)).unwrap();
        let same = world.seal_in(&world.restart(), &request(HOUR)).unwrap();
        let status = now(world.resources.status(&world.id)).unwrap();
        assert_eq!(status.hours, [start / HOUR + 1, start / HOUR + 2]);
        for sealed in [&early, &late, &same] {
            world.open(sealed).unwrap();
        }
        let lease = world.opener(&early).unwrap().lease().clone();
        assert_eq!(now(world.resources.sweep(world.clock.unix_time())).unwrap(), 0);

        world.clock.advance(seconds(HOUR));
        assert!(matches!(world.open(&early), Err(Error::Expired { .. })));
        assert!(matches!(lease.check(), Err(Error::Expired { .. })));
        assert_eq!(now(world.resources.sweep(world.clock.unix_time())).unwrap(), 1);
        assert_eq!(now(world.resources.sweep(world.clock.unix_time())).unwrap(), 0);
        let status = now(world.resources.status(&world.id)).unwrap();
        assert_eq!(status.hours, [start / HOUR + 2]);
        assert_eq!(world.store.numbers(world.id.as_str()), [status.number]);
        for sealed in [&lasting, &late] {
            world.open(sealed).unwrap();
            world.open_in(&world.restart(), sealed).unwrap();
        }
        assert!(matches!(
            world.seal_in(&world.resources, &request(HOUR)),
            Err(Error::Expired { .. })
        ));
    }
}
