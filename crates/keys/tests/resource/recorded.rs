//! Records of a resource: its states, its trail, and the remains of both after a crash.

use std::sync::Arc;

use strongroom_keys::Error;
use strongroom_keys::clock::Clock as _;
use strongroom_keys::resource::{Caller, Pins, Protection, Reachability, ResourceId, SealRequest};
use strongroom_keys::state::{StateError, StateStore as _};
use strongroom_keys::testing::Fault;

use crate::world::{IDENTITY, World, now};
use crate::{Function, HOUR, seconds};

#[test]
fn a_state_that_is_missing_rolled_back_or_changed_is_an_error() {
    let world = World::new();
    let unknown = ResourceId::new("unknown").unwrap();
    let error = now(world.resources.status(&unknown)).unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }));

    let before = world.store.snapshot();
    now(world.resources.enable_cmk(&world.id, &world.enable())).unwrap();
    let after = world.store.snapshot();
    world.store.restore(before.clone());
    let error = now(world.resources.status(&world.id)).unwrap_err();
    assert!(matches!(error, Error::State(StateError::RolledBack { seen: 2, found: 1, .. })));
    // A new process knows it from its trail; one on another host cannot know, unless that host tells.
    let error = now(world.restart().status(&world.id)).unwrap_err();
    assert!(matches!(error, Error::State(StateError::RolledBack { seen: 2, found: 1, .. })));
    let resources = now(world.config(&Arc::default()).open()).unwrap();
    now(resources.status(&world.id)).unwrap();
    for pins in
        [Pins { cmk_required: true, least_epoch: 0 }, Pins { cmk_required: false, least_epoch: 1 }]
    {
        resources.pin(&world.id, pins);
        let error = now(resources.sealing_keys(&world.id, &SealRequest::default())).unwrap_err();
        assert!(matches!(error, Error::Pinned { .. }), "{error}");
    }
    world.store.restore(after.clone());
    world.clock.advance(seconds(61)); // no refusal is asked about more often
    now(resources.sealing_keys(&world.id, &SealRequest::default())).unwrap();

    // A newest state that does not hold is no reason to take the one before.
    let name = world.id.as_str().to_owned();
    for content in [Vec::new(), b"garbage".to_vec(), before[1].2.clone(), after[2].2.clone()] {
        world.store.restore(after.clone());
        now(world.store.create(&name, 3, &content)).unwrap();
        let resources = world.restart();
        let error = now(resources.status(&world.id)).unwrap_err();
        assert!(matches!(&error, Error::State(StateError::Invalid { number: 3, .. })), "{error}");
        assert!(now(resources.sealing_keys(&world.id, &SealRequest::default())).is_err());
    }
    // The service's own state is never made anew.
    world.store.restore(after.into_iter().filter(|object| object.0 != "_service").collect());
    let error = world.try_restart().unwrap_err();
    assert!(matches!(error, Error::State(StateError::Missing { .. })), "{error}");
}

#[test]
fn everything_is_recorded_once() {
    let world = World::new();
    let resources = world.resources.on_behalf_of(Caller::new("portal").correlated("7f3a"));
    let count = |operation| world.audit.count(operation);
    let (wraps, unwraps, describes) = (count("wrap"), count("unwrap"), count("describe"));
    now(resources.enable_cmk(&world.id, &world.enable())).unwrap();
    assert_eq!(count("enable-cmk"), 1);
    assert_eq!(
        (count("wrap"), count("unwrap"), count("describe")),
        (wraps + 1, unwraps + 1, describes + 1)
    );
    now(resources.rotate_cmk(&world.id, &world.cmk[1])).unwrap();
    now(resources.revoke_now(&world.id)).unwrap();
    now(resources.refresh(&world.id)).unwrap();
    now(resources.disable_cmk(&world.id)).unwrap();
    for operation in ["create", "rotate-cmk", "revoke", "refresh", "disable-cmk"] {
        assert_eq!(count(operation), 1, "{operation}");
    }
    let events = world.audit.events();
    let enabled = events.iter().find(|event| event.operation == "enable-cmk").unwrap();
    assert_eq!(enabled.key.as_ref(), Some(&world.cmk[0]));
    assert_eq!(enabled.caller.as_deref(), Some("portal"));
    assert_eq!(enabled.correlation_id.as_deref(), Some("7f3a"));
    assert_eq!(enabled.resource.as_deref(), Some("contoso-7"));
}

/// Sealing and opening load keys into the cache: who asked for the document is who asked the vault.
#[test]
fn events_of_sealing_and_opening_name_caller_identity_key_and_correlation() {
    let world = World::with_cmk();
    let sealed = world.seal().unwrap();
    for document in ["seal", "open"] {
        let resources = world.restart().on_behalf_of(Caller::new("portal").correlated("7f3a"));
        let before = world.audit.events().len();
        if document == "seal" {
            let hour = world.clock.unix_time() + 24 * HOUR;
            let request = SealRequest::default().expiring_at(Some(hour));
            world.seal_in(&resources, &request).unwrap();
        } else {
            world.open_in(&resources, &sealed).unwrap();
        }
        let events = world.audit.events().split_off(before);
        let customer = events.iter().filter(|event| event.key.as_ref() == Some(&world.cmk[0]));
        assert!(customer.clone().any(|event| event.operation == "unwrap"), "{events:?}");
        for event in customer {
            assert_eq!(event.identity.as_deref(), Some(IDENTITY), "{event}");
        }
        for event in &events {
            assert_eq!(event.caller.as_deref(), Some("portal"), "{document}: {event}");
            assert_eq!(event.correlation_id.as_deref(), Some("7f3a"), "{document}: {event}");
            assert_eq!(event.resource.as_deref(), Some(world.id.as_str()), "{document}: {event}");
            assert!(event.key.is_some() && event.identity.is_some(), "{document}: {event}");
        }
    }
}

/// Checks that an operation that cannot be recorded is not done, unless the host chose otherwise.
#[test]
fn without_a_trail_nothing_is_done() {
    let world = World::with_cmk();
    let sealed = world.seal().unwrap();
    let changes = world.store.changes();
    world.audit.fail(true);
    for error in [
        now(world.resources.disable_cmk(&world.id)).unwrap_err(),
        now(world.resources.rotate_cmk(&world.id, &world.cmk[1])).unwrap_err(),
        now(world.resources.rotate_resource_key(&world.id)).unwrap_err(),
        now(world.resources.refresh(&world.id)).unwrap_err(),
    ] {
        assert!(matches!(error, Error::Audit(_)), "{error}");
    }
    assert_eq!(world.store.changes(), changes);
    // What is cached serves until its time is up, and then nothing.
    world.open(&sealed).unwrap();
    world.clock.advance(seconds(299));
    world.open(&sealed).unwrap();
    world.clock.advance(seconds(2));
    assert!(world.open(&sealed).is_err());
    let reach = now(world.resources.status(&world.id)).unwrap().reachability;
    assert!(matches!(reach, Reachability::Unreachable { .. }));
    world.audit.fail(false);
    world.clock.advance(seconds(2));
    world.open(&sealed).unwrap();

    let world = World::with(|config| config.with_audit_required(false));
    world.audit.fail(true);
    now(world.resources.enable_cmk(&world.id, &world.enable())).unwrap();
    world.open(&world.seal().unwrap()).unwrap();
}

/// The process dies at every write of every function: another one finds a state in which everything opens,
/// and can do it again.
#[test]
fn crashes_leave_the_state_before_or_after() {
    let functions: [(&str, Function); 6] = [
        ("rotate-cmk", |world| world.run(world.resources.rotate_cmk(&world.id, &world.cmk[1]))),
        ("disable", |world| world.run(world.resources.disable_cmk(&world.id))),
        ("rotate-key", |world| world.run(world.resources.rotate_resource_key(&world.id))),
        ("service-key", |world| world.run(world.resources.rotate_service_key()).map(|_| ())),
        ("sweep", |world| world.run(world.resources.sweep(world.clock.unix_time())).map(|_| ())),
        ("revoke", |world| world.run(world.resources.revoke_now(&world.id))),
    ];
    let mut crashes = 0;
    for (name, function) in functions {
        for writes in 0..64 {
            let mut world = World::with_cmk();
            let mut documents = vec![world.seal().unwrap()];
            let expires_at = Some(world.clock.unix_time() + 1);
            let request = SealRequest::default().expiring_at(expires_at);
            world.seal_in(&world.resources, &request).unwrap();
            now(world.resources.rotate_resource_key(&world.id)).unwrap();
            documents.push(world.seal().unwrap());
            world.clock.advance(seconds(HOUR));
            world.service_keys.create_aes("service-key").unwrap();
            world.store.fail_after(Some(writes));
            let done = function(&world).is_ok();
            world.store.fail_after(None);
            world.resources = world.restart();
            if world.state() == "denied" {
                assert_eq!(name, "revoke");
                world.run(world.resources.refresh(&world.id)).unwrap();
            }
            for sealed in &documents {
                world.open(sealed).unwrap_or_else(|error| panic!("{name} {writes}: {error}"));
            }
            function(&world).unwrap_or_else(|error| panic!("{name} {writes}: {error}"));
            if name == "revoke" {
                world.run(world.resources.refresh(&world.id)).unwrap();
            }
            for sealed in &documents {
                world.open_in(&world.restart(), sealed).unwrap();
            }
            if name == "sweep" {
                assert_eq!(world.store.numbers(world.id.as_str()).len(), 1);
            }
            if done {
                break;
            }
            crashes += 1;
            assert!(writes < 63, "{name} never ends");
        }
    }
    assert!(crashes >= 10, "{crashes}");
}

#[test]
fn status_says_what_can_be_reached() {
    let world = World::with_cmk();
    let sealed = world.seal().unwrap();
    world.customer.always(Fault::Fail);
    world.clock.advance(seconds(61));
    world.open(&sealed).unwrap();
    let reach = |world: &World| now(world.resources.status(&world.id)).unwrap().reachability;
    assert!(matches!(reach(&world), Reachability::Cached { .. }));
    world.clock.advance(seconds(300));
    assert!(matches!(world.open(&sealed), Err(Error::Unreachable { .. })));
    assert!(matches!(reach(&world), Reachability::Unreachable { .. }));
    let status = now(world.resources.status(&world.id)).unwrap();
    assert!(matches!(status.protection, Protection::CmkActive { .. }), "in memory only");
    world.customer.come_back();
    world.clock.advance(seconds(2));
    world.open(&sealed).unwrap();
    assert_eq!(reach(&world), Reachability::Normal);
}

/// Two processes change one resource at the same time: both changes are there in the end.
#[test]
fn writers_do_not_overwrite_each_other() {
    let world = World::new();
    let others = [world.restart(), world.restart()];
    let start = world.clock.unix_time();
    for n in 1..=40 {
        let request = SealRequest::default().expiring_at(Some(start + n * HOUR));
        for resources in &others {
            let sealed = world.seal_in(resources, &request).unwrap();
            world.open(&sealed).unwrap();
        }
    }
    assert_eq!(now(world.resources.status(&world.id)).unwrap().hours.len(), 40);
    // Old states are erased, and their numbers stay taken.
    assert_eq!(world.store.numbers(world.id.as_str()).len(), 8);
    assert_eq!(now(world.store.list(world.id.as_str())).unwrap().len(), 41);
}
