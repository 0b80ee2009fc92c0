//! New keys: the customer's, the resource's, the service's.

use std::sync::Mutex;

use strongroom_keys::Error;
use strongroom_keys::clock::Clock as _;
use strongroom_keys::resource::{OpenRequest, ResourceId, SealRequest};
use strongroom_keys::testing::{Fault, Operation};
use strongroom_keys::vault::{DeniedReason, VersionedKeyId};

use crate::world::{Tasks, World, new_resource, now};
use crate::{HOUR, seconds};

#[test]
fn rotating_asks_four_times() {
    let world = World::with_cmk();
    let sealed = world.seal().unwrap();
    for to in [&world.cmk[1], &world.cmk[2], &world.cmk[0]] {
        world.customer.reset_counts();
        now(world.resources.rotate_cmk(&world.id, to)).unwrap();
        let calls = Operation::ALL.map(|operation| world.customer.calls(operation));
        assert_eq!(calls, [1, 1, 2], "describe, wrap, unwrap");
        world.open_in(&world.restart(), &sealed).unwrap();
        // Once more: it is done.
        world.customer.reset_counts();
        now(world.resources.rotate_cmk(&world.id, to)).unwrap();
        assert_eq!(Operation::ALL.map(|operation| world.customer.calls(operation)), [0; 3]);
    }
    // The old key is not needed any more.
    world.customer_keys.delete(&world.cmk[1]);
    world.customer_keys.delete(&world.cmk[2]);
    world.open_in(&world.restart(), &sealed).unwrap();
}

/// Checks that after any failure at any request the old key is in use and everything opens.
#[test]
fn a_rotation_that_fails_changes_nothing() {
    let faults = [
        Fault::Fail,
        Fault::LoseAnswer,
        Fault::Invalid,
        Fault::Hang,
        Fault::Throttle(None),
        Fault::Refuse(DeniedReason::KeyDisabled),
        Fault::Refuse(DeniedReason::KeyMissing),
        Fault::Refuse(DeniedReason::Permission),
        Fault::Refuse(DeniedReason::Identity),
        Fault::Refuse(DeniedReason::Firewall),
    ];
    let mut met = 0;
    for fault in faults {
        for at in 0..4 {
            let world = World::with_cmk();
            let sealed = world.seal().unwrap();
            world.customer.reset_counts();
            let (given, old) = (fault.clone(), world.cmk[0].clone());
            world.customer.decide(
                move |call| {
                    if call.number == at { given.clone() } else { Fault::None }
                },
            );
            let rotated = world.run(world.resources.rotate_cmk(&world.id, &world.cmk[1]));
            assert!(rotated.is_err(), "{fault:?} at {at}");
            met += world.customer.all_hits().iter().filter(|hit| hit.1 == fault.name()).count();
            world.customer.come_back();
            let status = world.run(world.resources.status(&world.id)).unwrap();
            assert_eq!(status.cmk.as_ref().unwrap().key, old, "{fault:?} at {at}");
            // The second request is about the key in use: a definite word about it closes the resource.
            let definite = at == 1
                && matches!(
                    fault,
                    Fault::Refuse(
                        DeniedReason::KeyDisabled
                            | DeniedReason::KeyMissing
                            | DeniedReason::Permission
                    )
                );
            if definite {
                assert_eq!(status.protection.name(), "denied", "{fault:?} at {at}");
                world.run(world.resources.refresh(&world.id)).unwrap();
            }
            world.open_in(&world.restart(), &sealed).unwrap();
            now(world.resources.rotate_cmk(&world.id, &world.cmk[1])).unwrap();
            world.open_in(&world.restart(), &sealed).unwrap();
            assert_eq!(world.state(), "cmk-active");
        }
    }
    assert_eq!(met, 40);
}

#[test]
fn rotation_refuses_unfit_keys() {
    let world = World::with_cmk();
    world.customer_keys.change(&world.cmk[1], |key| key.bits = 4096);
    let error = now(world.resources.rotate_cmk(&world.id, &world.cmk[1])).unwrap_err();
    assert!(matches!(error, Error::UnsuitableKey { .. }), "{error}");
    assert_eq!(world.state(), "cmk-active");
}

#[test]
fn rotating_a_resources_keys_leaves_old_documents_readable() {
    let world = World::with_cmk();
    let expires_at = Some(world.clock.unix_time() + HOUR);
    let request = SealRequest::default().expiring_at(expires_at);
    let mut documents =
        vec![world.seal().unwrap(), world.seal_in(&world.resources, &request).unwrap()];
    let lease = world.opener(&documents[0]).unwrap().lease().clone();
    for _ in 0..3 {
        now(world.resources.rotate_resource_key(&world.id)).unwrap();
        documents.push(world.seal().unwrap());
        for sealed in &documents {
            world.open(sealed).unwrap();
            world.open_in(&world.restart(), sealed).unwrap();
        }
    }
    lease.check().unwrap();
    let newest = strongroom::document::Header::parse(documents.last().unwrap()).unwrap();
    let ids: Vec<_> = newest.recipients().iter().map(|one| one.key_id().as_str()).collect();
    assert_eq!(ids, ["resource/contoso-7/service/4", "resource/contoso-7/customer/4"]);
    // Still one unwrap a side.
    let resources = world.restart();
    world.customer.reset_counts();
    world.open_in(&resources, &documents[0]).unwrap();
    assert_eq!(world.customer.calls(Operation::UnwrapKey), 1);
    now(world.resources.disable_cmk(&world.id)).unwrap();
    for sealed in &documents {
        world.open_in(&world.restart(), sealed).unwrap();
    }
}

#[test]
fn the_service_key_rotates_all_and_resumes() {
    let world = World::with_cmk();
    let mut sealed = vec![(world.id.clone(), world.seal().unwrap())];
    for n in 0..5 {
        let id = ResourceId::new(&format!("more-{n}")).unwrap();
        now(world.resources.create(new_resource(&id))).unwrap();
        let bytes = now(world.resources.seal(&id, b"text", &SealRequest::default())).unwrap();
        sealed.push((id, bytes));
    }
    let old_process = world.restart();
    let nothing = now(world.resources.rotate_service_key()).unwrap();
    assert_eq!((nothing.moved, nothing.before), (0, 6));
    let newest = world.service_keys.create_aes("service-key").unwrap();
    // Interrupted after the service's record and two resources.
    world.store.fail_after(Some(3));
    assert!(now(world.resources.rotate_service_key()).is_err());
    world.store.fail_after(None);
    let rotation = now(world.restart().rotate_service_key()).unwrap();
    assert_eq!((&rotation.key, rotation.moved, rotation.before), (&newest, 4, 2));
    let again = now(world.restart().rotate_service_key()).unwrap();
    assert_eq!((again.moved, again.before), (0, 6));
    // The trail names the key that was changed, whatever other key the resource has.
    let events = world.audit.events();
    let mut rotated = events.iter().filter(|event| event.operation == "rotate-service-key");
    assert!(rotated.all(|event| event.key.as_ref() == Some(&newest)));
    // A process from before goes on.
    now(old_process.rotate_cmk(&world.id, &world.cmk[1])).unwrap();
    let first = VersionedKeyId::parse("memory/service/service-key/1").unwrap();
    world.service_keys.delete(&first);
    let resources = world.restart();
    for (id, bytes) in &sealed {
        now(resources.open(id, bytes, &OpenRequest::default())).unwrap();
        assert_eq!(now(resources.status(id)).unwrap().signed_by, newest.to_string());
    }
}

/// A process that is slow to add a version, which another one adds meanwhile, and a later one: what states are
/// signed with under that version stays the same.
#[test]
fn a_version_of_the_service_key_is_added_once() {
    let world = World::with_cmk();
    let sealed = world.seal().unwrap();
    let slow = world.restart();
    world.service_keys.create_aes("service-key").unwrap();
    let mut first = true;
    world.service.decide(move |call| {
        let hangs = call.operation == Operation::WrapKey && std::mem::take(&mut first);
        if hangs { Fault::Hang } else { Fault::None }
    });
    let rotated = Mutex::new(None);
    let mut tasks = Tasks::new(&world.clock);
    tasks.spawn(async { *rotated.lock().unwrap() = Some(slow.rotate_service_key().await) });
    now(world.resources.rotate_service_key()).unwrap();
    // The later one is interrupted before the resource is moved to it.
    let newest = world.service_keys.create_aes("service-key").unwrap();
    world.store.fail_after(Some(1));
    assert!(now(world.restart().rotate_service_key()).is_err());
    world.store.fail_after(None);
    world.service.come_back();
    tasks.poll();
    let rotated = rotated.lock().unwrap().take();
    world.open_in(&world.restart(), &sealed).unwrap();
    assert!(matches!(&rotated, Some(Ok(done)) if done.key == newest), "{rotated:?}");
}

/// While one process makes new keys for a service-managed resource, another enables a customer's key: that
/// key is not lost.
#[test]
fn new_keys_and_a_customers_key_at_once() {
    let world = World::new();
    let other = world.restart();
    now(other.status(&world.id)).unwrap();
    let mut first = true;
    world.service.decide(move |call| {
        let hangs = call.operation == Operation::UnwrapKey && std::mem::take(&mut first);
        if hangs { Fault::Hang } else { Fault::None }
    });
    let rotated = Mutex::new(None);
    let mut tasks = Tasks::new(&world.clock);
    tasks.spawn(async {
        *rotated.lock().unwrap() = Some(world.resources.rotate_resource_key(&world.id).await);
    });
    now(other.enable_cmk(&world.id, &world.enable())).unwrap();
    let sealed = world.seal_in(&other, &SealRequest::default()).unwrap();
    world.service.come_back();
    tasks.poll();
    let rotated = rotated.lock().unwrap().take();
    assert!(matches!(rotated, Some(Err(Error::Contended { .. }))), "{rotated:?}");
    world.open_in(&world.restart(), &sealed).unwrap();
    now(world.resources.rotate_resource_key(&world.id)).unwrap();
    world.open_in(&world.restart(), &sealed).unwrap();
}

/// The service's own key is its operator's: a refusal wipes, is not written, and heals.
#[test]
fn a_refusal_of_the_service_key_heals() {
    let world = World::with_cmk();
    let sealed = world.seal().unwrap();
    let lease = world.opener(&sealed).unwrap().lease().clone();
    let key = VersionedKeyId::parse("memory/service/service-key/1").unwrap();
    world.service_keys.disable(&key);
    world.clock.advance(seconds(61));
    assert!(world.open(&sealed).is_err() && lease.check().is_err());
    assert_eq!((world.state(), world.resources.stats().keys), ("cmk-active", 0));
    world.service_keys.enable(&key);
    world.clock.advance(seconds(61));
    world.open(&sealed).unwrap();
    // A word about another version of it is none.
    let lease = world.opener(&sealed).unwrap().lease().clone();
    let other = VersionedKeyId::parse("memory/service/service-key/2").unwrap();
    world.service.always(Fault::RefuseOther(DeniedReason::KeyMissing, other));
    world.clock.advance(seconds(61));
    world.open(&sealed).unwrap();
    lease.check().unwrap();
}

/// The id of the service key's newest version names another key by now, as where a copy of the vault went
/// its own way: it does not unwrap what was wrapped under that id.
#[test]
fn an_id_of_the_service_key_that_names_another_key_is_refused() {
    let world = World::new();
    let sealed = world.seal().unwrap();
    let rotate = || now(world.resources.rotate_service_key());
    let nothing = rotate().unwrap();
    assert_eq!((nothing.moved, nothing.before), (0, 1));
    world.service.decide(|call| match call.operation {
        Operation::UnwrapKey => Fault::Invalid,
        _ => Fault::None,
    });
    // Nobody is told that everything is under that key, and that an earlier one may go.
    let refused = rotate();
    assert!(matches!(refused, Err(Error::Vault(_))), "{refused:?}");
    world.service.come_back();
    rotate().unwrap();

    // The same where it is a version from before that has become the newest again.
    let first = world.service_keys.create_aes("service-key").unwrap();
    rotate().unwrap();
    world.service_keys.delete(&first);
    world.service.decide(|call| match call.operation {
        Operation::UnwrapKey => Fault::Invalid,
        _ => Fault::None,
    });
    let refused = rotate();
    assert!(matches!(refused, Err(Error::Vault(_))), "{refused:?}");
    world.service.come_back();
    world.service_keys.recover(&first);
    rotate().unwrap();
    world.open_in(&world.restart(), &sealed).unwrap();
}
