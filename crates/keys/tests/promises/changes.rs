//! Creating, enabling, rotating, disabling: each an explicit change that can be interrupted and repeated.

use strongroom::document::Header;
use strongroom_keys::Error;
use strongroom_keys::resource::{DocumentKind, EnableCmk, ResourceId, Scope, SealRequest};
use strongroom_keys::testing::Operation;

use crate::rig::rigs;
use crate::sweep::Sweep;
use crate::world::{World, new_resource, now, result};

pub static CREATE: Sweep = Sweep::new(
    "create",
    |_| {},
    |world| {
        let id = ResourceId::new("contoso-8").unwrap();
        match world.run(world.resources.create(new_resource(&id))) {
            Ok(()) | Err(Error::AlreadyExists { .. }) => {}
            Err(error) => return Err(error),
        }
        world.run(world.resources.sealing_keys(&id, &SealRequest::default())).map(|_| ())
    },
);

fn enable(world: &World) -> Result<(), Error> {
    world.run(world.resources.enable_cmk(&world.id, &world.enable()))
}

fn enabled(world: &World) {
    enable(world).unwrap();
}

pub static ENABLE: Sweep = Sweep::new("enable", |_| {}, enable);

pub static ENABLE_AGAIN: Sweep = Sweep::new(
    "enable again",
    |world| {
        enabled(world);
        world.run(world.resources.disable_cmk(&world.id)).unwrap();
    },
    enable,
);

pub static ROTATE_TO_VERSION: Sweep = Sweep::new("rotate to a version", enabled, |world| {
    world.run(world.resources.rotate_cmk(&world.id, &world.cmk[1]))
});

pub static ROTATE_TO_KEY: Sweep = Sweep::new("rotate to another key", enabled, |world| {
    world.run(world.resources.rotate_cmk(&world.id, &world.cmk[2]))
});

pub static ROTATE_KEYS: Sweep = Sweep::new("rotate the resource's keys", enabled, |world| {
    world.run(world.resources.rotate_resource_key(&world.id))
});

pub static ROTATE_SERVICE_KEY: Sweep = Sweep::new(
    "rotate the service key",
    |world| {
        enabled(world);
        world.service_keys.create_aes("service-key").unwrap();
    },
    |world| world.run(world.resources.rotate_service_key()).map(|_| ()),
);

pub static DISABLE: Sweep =
    Sweep::new("disable", enabled, |world| world.run(world.resources.disable_cmk(&world.id)));

pub static REFRESH: Sweep = Sweep::new(
    "refresh",
    |world| {
        enabled(world);
        world.run(world.resources.revoke_now(&world.id)).unwrap();
    },
    |world| world.run(world.resources.refresh(&world.id)),
);

fn layers(sealed: &[u8]) -> u8 {
    Header::parse(sealed).unwrap().layers()
}

#[test]
fn row_05_every_change_is_explicit() {
    for rig in rigs() {
        let mut documents = vec![rig.seal().unwrap()];
        let mut step = |done: Result<(), Error>, state: &str| {
            done.unwrap();
            assert_eq!(rig.state(), state);
            if state == "denied" {
                for sealed in &documents {
                    assert!(rig.open_in(&rig.restart(), sealed).is_err());
                }
                return;
            }
            documents.push(rig.seal().unwrap());
            for sealed in &documents {
                rig.open_in(&rig.restart(), sealed).unwrap();
            }
        };
        let (resources, id) = (&rig.resources, &rig.id);
        step(now(resources.enable_cmk(id, &rig.enable())), "cmk-active");
        step(now(resources.rotate_cmk(id, &rig.cmk[1])), "cmk-active");
        step(now(resources.rotate_resource_key(id)), "cmk-active");
        step(now(resources.revoke_now(id)), "denied");
        step(now(resources.refresh(id)), "cmk-active");
        step(now(resources.disable_cmk(id)), "service-managed");
    }
    assert!(!ROTATE_KEYS.met().is_empty() && !ROTATE_SERVICE_KEY.met().is_empty());
}

#[test]
fn row_09_a_new_resource_is_service_managed() {
    for rig in rigs() {
        let status = now(rig.resources.status(&rig.id)).unwrap();
        assert_eq!(
            (status.protection.name(), status.cmk, status.epoch),
            ("service-managed", None, 0)
        );
        assert_eq!(layers(&rig.seal().unwrap()), 1);
    }
    assert!(!CREATE.met().is_empty());
}

/// One describe, two unwraps and one wrap, whatever was sealed; the documents stay as they are.
#[test]
fn row_20_rotation_proves_the_new_key_and_encrypts_no_data_anew() {
    for rig in rigs() {
        let with = EnableCmk { documents_before: Some(1_000_000), ..rig.enable() };
        now(rig.resources.enable_cmk(&rig.id, &with)).unwrap();
        let documents: Vec<_> = (0..1000).map(|_| rig.seal().unwrap()).collect();
        for to in [&rig.cmk[1], &rig.cmk[2]] {
            rig.customer.reset_counts();
            rig.service.reset_counts();
            let changes = rig.store.changes();
            now(rig.resources.rotate_cmk(&rig.id, to)).unwrap();
            assert_eq!(Operation::ALL.map(|one| rig.customer.calls(one)), [1, 1, 2]);
            assert_eq!(Operation::ALL.map(|one| rig.service.calls(one)), [0; 3]);
            assert_eq!(rig.store.changes() - changes, 2, "it starts, it is done");
            rig.customer.reset_counts();
            for resources in [rig.resources.clone(), rig.restart()] {
                for sealed in &documents {
                    rig.open_in(&resources, sealed).unwrap();
                }
            }
            assert!(rig.customer.calls(Operation::UnwrapKey) <= 2, "once a process");
        }
        // The old version is not needed any more, the new one is.
        rig.owner().enable(&rig.cmk[0], false);
        rig.open_in(&rig.restart(), &documents[0]).unwrap();
        rig.owner().enable(&rig.cmk[2], false);
        assert!(rig.open_in(&rig.restart(), &documents[0]).is_err());
    }
    assert!(!ROTATE_TO_VERSION.met().is_empty() && !ROTATE_TO_KEY.met().is_empty());
}

/// Until a rotation is done, the old version is what everything depends on.
#[test]
fn row_20_the_old_version_is_needed_until_it_is_done() {
    use strongroom_keys::testing::Fault;
    for rig in rigs() {
        let rig = rig.enabled();
        let sealed = rig.seal().unwrap();
        rig.customer.decide(|call| match (call.operation, call.number_of_kind) {
            (Operation::WrapKey, _) => Fault::Fail,
            _ => Fault::None,
        });
        assert!(rig.run(rig.resources.rotate_cmk(&rig.id, &rig.cmk[1])).is_err());
        rig.customer.come_back();
        assert_eq!(rig.state(), "rotating");
        rig.owner().enable(&rig.cmk[0], false);
        assert!(rig.open_in(&rig.restart(), &sealed).is_err());
        rig.owner().enable(&rig.cmk[0], true);
        rig.run(rig.resources.refresh(&rig.id)).unwrap();
        now(rig.restart().rotate_cmk(&rig.id, &rig.cmk[1])).unwrap();
        rig.owner().enable(&rig.cmk[0], false);
        rig.open_in(&rig.restart(), &sealed).unwrap();
    }
}

#[test]
fn row_21_disabling_returns_to_service_keys_and_not_while_revoked() {
    for rig in rigs() {
        let rig = rig.enabled();
        let sealed = rig.seal().unwrap();
        assert_eq!(layers(&sealed), 2);
        now(rig.resources.revoke_now(&rig.id)).unwrap();
        let error = now(rig.resources.disable_cmk(&rig.id)).unwrap_err();
        assert!(matches!(error, Error::Denied { .. }), "{error}");
        now(rig.resources.refresh(&rig.id)).unwrap();
        // The vault's word counts, whatever is cached.
        rig.owner().enable(&rig.cmk[0], false);
        let error = now(rig.resources.disable_cmk(&rig.id)).unwrap_err();
        assert!(matches!(error, Error::Denied { .. }), "{error}");
        rig.owner().enable(&rig.cmk[0], true);
        now(rig.resources.refresh(&rig.id)).unwrap();
        now(rig.resources.disable_cmk(&rig.id)).unwrap();
        rig.owner().delete(&rig.cmk[0]);
        rig.open_in(&rig.restart(), &sealed).unwrap();
        assert_eq!(layers(&rig.seal().unwrap()), 1);
    }
    assert!(!DISABLE.met().is_empty());
}

#[test]
fn row_22_the_scope_is_recorded_and_decides_about_layers() {
    for rig in rigs() {
        let with = EnableCmk { scope: Scope::Models, ..rig.enable() };
        now(rig.resources.enable_cmk(&rig.id, &with)).unwrap();
        let recorded = now(rig.restart().status(&rig.id)).unwrap().cmk.unwrap().scope;
        assert_eq!(recorded, Scope::Models);
        let model = SealRequest::of(DocumentKind::Model);
        assert_eq!(layers(&rig.seal_in(&rig.resources, &model).unwrap()), 2);
        assert_eq!(layers(&rig.seal_in(&rig.resources, &result()).unwrap()), 1);
    }
    assert!(!ENABLE.met().is_empty());
}

#[test]
fn row_23_enabling_again_changes_the_scope_from_then_on() {
    for rig in rigs() {
        let with = EnableCmk { scope: Scope::Models, ..rig.enable() };
        now(rig.resources.enable_cmk(&rig.id, &with)).unwrap();
        let older = rig.seal_in(&rig.resources, &result()).unwrap();
        let model = rig.seal().unwrap();
        now(rig.resources.disable_cmk(&rig.id)).unwrap();
        now(rig.resources.enable_cmk(&rig.id, &rig.enable())).unwrap();
        let newer = rig.seal_in(&rig.resources, &result()).unwrap();
        assert_eq!((layers(&older), layers(&newer)), (1, 2));
        for sealed in [&older, &model, &newer] {
            rig.open_in(&rig.restart(), sealed).unwrap();
        }
    }
    assert!(!ENABLE_AGAIN.met().is_empty());
}
