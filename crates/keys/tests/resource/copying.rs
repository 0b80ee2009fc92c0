//! Copies of the states: made while others write, checked, and put together with newer ones.

use std::sync::Arc;

use strongroom_keys::Error;
use strongroom_keys::clock::Clock as _;
use strongroom_keys::resource::{ResourcesConfig, SealRequest};
use strongroom_keys::state::{StateError, StateStore};
use strongroom_keys::testing::MemoryStore;

use crate::HOUR;
use crate::world::{World, now};

/// The configuration of the service over another store.
fn over(world: &World, store: &Arc<MemoryStore>) -> ResourcesConfig {
    world.config_over(store, &world.audit)
}

fn copied(world: &World) -> Arc<MemoryStore> {
    let copy = Arc::new(MemoryStore::default());
    now(world.config(&world.audit).copy_states(&*copy)).unwrap();
    copy
}

#[test]
fn a_copy_holds_and_what_it_lacks_is_named() {
    let world = World::with_cmk();
    let expiring = SealRequest::default().expiring_at(Some(world.clock.unix_time() + HOUR));
    world.seal_in(&world.resources, &expiring).unwrap();
    let (events, snapshot) = (world.audit.events().len(), world.store.snapshot());
    let copy = copied(&world);
    let whole = world.run(over(&world, &copy).check()).unwrap();
    let checked = &whole.states;
    assert_eq!((checked.len(), whole.lost.len()), (1, 0));
    assert_eq!((checked[0].resource.as_str(), checked[0].number), (world.id.as_str(), 3));
    // Its root and the key of an hour.
    assert_eq!(
        (checked[0].keys, checked[0].protection.cmk().map(|cmk| &cmk.key)),
        (2, Some(&world.cmk[0]))
    );
    assert_eq!(world.run(world.config(&world.audit).check()).unwrap(), whole);
    assert_eq!((world.audit.events().len(), world.store.snapshot()), (events, snapshot));
    assert!(now(world.config(&world.audit).copy_states(&*copy)).is_err(), "it is not empty");

    // One state less, or changed, and the service's own.
    for name in ["_service", world.id.as_str()] {
        let number = *copied(&world).numbers(name).last().unwrap();
        let damaged = copied(&world);
        now(damaged.erase(name, number)).unwrap();
        let error = world.run(over(&world, &damaged).check()).unwrap_err();
        let wanted = matches!(&error, Error::State(StateError::Invalid { name: found, .. }) if found == name);
        assert!(wanted, "{error}");
        now(damaged.remove(name, number)).unwrap();
        match world.run(over(&world, &damaged).check()) {
            Ok(checked) => {
                assert_eq!((name, checked.lost), (world.id.as_str(), vec![world.id.clone()]));
            }
            Err(error) => assert!(error.to_string().contains("_service"), "{error}"),
        }
    }
    // A newer version of the service key, and then a state that the trail knows and the copy lacks.
    world.service_keys.create_aes("service-key").unwrap();
    world.run(world.resources.rotate_service_key()).unwrap();
    let copy = copied(&world);
    world.run(over(&world, &copy).check()).unwrap();
    now(world.resources.revoke_now(&world.id)).unwrap();
    let error = world.run(over(&world, &copy).check()).unwrap_err();
    assert!(matches!(error, Error::State(StateError::RolledBack { .. })), "{error}");
}

#[test]
fn newer_states_that_hold_are_taken_over_and_others_left() {
    let world = World::with_cmk();
    let sealed = world.seal().unwrap();
    let older = copied(&world);
    now(world.resources.rotate_resource_key(&world.id)).unwrap();
    let newer = world.seal().unwrap();
    let rotated = copied(&world);
    now(world.resources.revoke_now(&world.id)).unwrap();
    let id = world.id.as_str();

    // The newest is damaged: the one before it is, and the trail's revocation comes on top of it.
    let [.., before, newest] = world.store.numbers(id)[..] else { panic!("two states") };
    now(world.store.erase(id, newest)).unwrap();
    let taken = world.run(over(&world, &older).take_newer(&*world.store)).unwrap();
    assert_eq!(taken.into_iter().collect::<Vec<_>>(), [id]);
    assert_eq!(older.numbers(id).last(), Some(&before));
    assert!(world.run(over(&world, &older).take_newer(&*world.store)).unwrap().is_empty());
    let (resources, restored, _) = world.run(over(&world, &older).restore()).unwrap();
    assert_eq!((restored[0].from, restored[0].to), (before, newest + 1));
    assert!(world.open_in(&resources, &newer).is_err(), "it is revoked");
    now(resources.refresh(&world.id)).unwrap();
    for document in [&sealed, &newer] {
        world.open_in(&resources, document).unwrap();
    }

    // One of another service is none.
    let foreign = World::new();
    now(foreign.resources.rotate_resource_key(&foreign.id)).unwrap();
    for _ in 0..4 {
        now(foreign.resources.rotate_resource_key(&foreign.id)).unwrap();
    }
    assert!(foreign.store.numbers(id).last() > rotated.numbers(id).last());
    let taken = world.run(over(&world, &rotated).take_newer(&*foreign.store)).unwrap();
    assert!(taken.is_empty());
    assert_eq!(rotated.numbers(id).last(), Some(&before));
}
