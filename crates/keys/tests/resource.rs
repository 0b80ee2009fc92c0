//! Resources from their making to their end, through every function, with vaults that do as they are told.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails should stop")]

#[path = "support/world.rs"]
mod world;

use std::sync::Mutex;
use std::time::Duration;

use strongroom_keys::clock::Clock as _;
use strongroom_keys::resource::{
    Caller, Cause, EnableCmk, HostEvent, Ineligible, NewResource, OnKeyLoss, Pins, Protection,
    Reach, ResourceError, ResourceId, Scope, SealRequest,
};
use strongroom_keys::state::{StateError, StateStore as _};
use strongroom_keys::testing::{Fault, Operation};
use strongroom_keys::vault::{
    DeniedReason, KeyDescription, KeyType, Operations, RecoveryLevel, VaultError, VersionedKeyId,
};
use world::{Tasks, World, new_resource, now, result};

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

type ChangeResource = fn(&mut NewResource);
type IsReason = fn(&Ineligible) -> bool;
type ChangeKey = fn(&mut KeyDescription);
/// One function of a resource.
type Function = for<'w> fn(&'w World) -> Result<(), ResourceError>;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_new_resource_is_service_managed_and_needs_no_vault_of_a_customer() {
    let world = World::new();
    assert_eq!(world.state(), "service-managed");
    let sealed = world.seal().unwrap();
    world.open(&sealed).unwrap();
    world.open_in(&world.restart(), &sealed).unwrap();
    for operation in Operation::ALL {
        assert_eq!(world.customer.calls(operation), 0);
    }
    let again = now(world.resources.create(new_resource(&world.id)));
    assert!(matches!(again, Err(ResourceError::AlreadyExists { .. })));
}

/// Enabling, closing and enabling again: two layers, fresh keys, and all documents stay readable.
#[test]
fn epochs_never_share_a_key() {
    let world = World::new();
    let mut documents = vec![world.seal().unwrap()];
    let mut ids = Vec::new();
    for epoch in 1..=3 {
        now(world.resources.enable_cmk(&world.id, &world.enable())).unwrap();
        let sealed = world.seal().unwrap();
        let header = strongroom::document::Header::parse(&sealed).unwrap();
        assert_eq!(header.layers(), 2);
        ids.push(header.recipients()[1].key_id().clone());
        documents.push(sealed);
        assert_eq!(now(world.resources.status(&world.id)).unwrap().epoch, epoch);
        for sealed in &documents {
            world.open(sealed).unwrap();
            world.open_in(&world.restart(), sealed).unwrap();
        }
        now(world.resources.disable_cmk(&world.id)).unwrap();
        for sealed in &documents {
            world.open(sealed).unwrap();
            world.open_in(&world.restart(), sealed).unwrap();
        }
    }
    let sealed = world.seal().unwrap();
    assert_eq!(strongroom::document::Header::parse(&sealed).unwrap().layers(), 1);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 3);
}

#[test]
fn enabling_checks_the_resource() {
    let world = World::new();
    let cases: [(ChangeResource, IsReason); 4] = [
        (|new| new.cmk_allowed = false, |reason| *reason == Ineligible::Tier),
        (
            |new| new.created_at = Some(1_589_155_199),
            |reason| *reason == Ineligible::Created { at: 1_589_155_199 },
        ),
        (
            |new| new.tenant = "fabrikam".into(),
            |reason| matches!(reason, Ineligible::Tenant { .. }),
        ),
        (|new| new.region = "eastus".into(), |reason| matches!(reason, Ineligible::Region { .. })),
    ];
    for (n, (change, expected)) in cases.into_iter().enumerate() {
        let mut new = new_resource(&ResourceId::new(&format!("case-{n}")).unwrap());
        change(&mut new);
        let id = new.id.clone();
        now(world.resources.create(new)).unwrap();
        let error = now(world.resources.enable_cmk(&id, &world.enable())).unwrap_err();
        let ResourceError::NotEligible { reason, .. } = &error else { panic!("{error}") };
        assert!(expected(reason), "{error}");
    }
    let nobody = EnableCmk { identity: String::new(), ..world.enable() };
    let error = now(world.resources.enable_cmk(&world.id, &nobody)).unwrap_err();
    assert!(matches!(error, ResourceError::NotEligible { reason: Ineligible::Identity, .. }));
    // The first moment that is late enough.
    let mut new = new_resource(&ResourceId::new("late-enough").unwrap());
    new.created_at = Some(1_589_155_200);
    let id = new.id.clone();
    now(world.resources.create(new)).unwrap();
    assert_eq!(world.customer.calls(Operation::Get), 0, "no vault was asked so far");
    now(world.resources.enable_cmk(&id, &world.enable())).unwrap();
}

#[test]
fn enabling_checks_the_key() {
    let world = World::new();
    let key = &world.cmk[0];
    let before = world.store.changes();
    let changes: [(ChangeKey, &str); 9] = [
        (|key| key.key_type = KeyType::Oct, "RSA"),
        (|key| key.bits = 3072, "3072"),
        (|key| key.operations = Operations::from([Operation::WrapKey]), "unwrapKey"),
        (|key| key.operations = Operations::from([Operation::UnwrapKey]), "wrapKey"),
        (|key| key.recovery_level = None, "purge protection"),
        (|key| key.recovery_level = Some(RecoveryLevel::new("Recoverable+Purgeable")), "purge"),
        (|key| key.enabled = false, "disabled"),
        (|key| key.not_before = Some(u64::MAX), "not-before"),
        (|key| key.expires = Some(1), "expired"),
    ];
    for (change, expected) in changes {
        let original = now(strongroom_keys::Vault::describe(&*world.customer_keys, key)).unwrap();
        world.customer_keys.change(key, change);
        let error = now(world.resources.enable_cmk(&world.id, &world.enable())).unwrap_err();
        assert!(error.to_string().contains(expected), "{expected}: {error}");
        world.customer_keys.change(key, |description| *description = original);
    }
    assert_eq!((world.state(), world.store.changes()), ("service-managed", before));
    let unknown = VersionedKeyId::parse("memory/elsewhere/documents/1").unwrap();
    let error = now(world.resources.enable_cmk(&world.id, &EnableCmk::new(unknown, "one")));
    assert!(matches!(error, Err(ResourceError::NoVault { .. })));
}

/// Get, wrap and unwrap are each tried, and each is waited for while it may be on its way.
#[test]
fn permissions_may_come_late() {
    for operation in Operation::ALL {
        let world = World::new();
        let late = world.clock.unix_time() + 100;
        let clock = std::sync::Arc::clone(&world.clock);
        world.customer.decide(move |call| {
            if call.operation == operation && clock.unix_time() < late {
                Fault::Refuse(DeniedReason::Permission)
            } else {
                Fault::None
            }
        });
        world.run(world.resources.enable_cmk(&world.id, &world.enable())).unwrap();
        assert!(world.clock.unix_time() >= late && world.clock.unix_time() < late + 17);
        assert!(world.customer.hits(operation, "permission") >= 5);
        world.open(&world.seal().unwrap()).unwrap();

        // Not for ever, and nothing has changed then.
        let world = World::new();
        let changes = world.store.changes();
        world.customer.decide(move |call| {
            let refuse = call.operation == operation;
            if refuse { Fault::Refuse(DeniedReason::Permission) } else { Fault::None }
        });
        let start = world.clock.elapsed();
        let error = world.run(world.resources.enable_cmk(&world.id, &world.enable())).unwrap_err();
        assert!(matches!(error, ResourceError::Vault(VaultError::Denied { .. })), "{error}");
        assert!(world.clock.elapsed() <= start + seconds(120));
        assert_eq!((world.state(), world.store.changes()), ("service-managed", changes));
    }
}

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

/// Whatever goes wrong at whichever request: the old key is in use and everything opens.
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
    assert!(matches!(error, ResourceError::UnsuitableKey { .. }), "{error}");
    assert_eq!(world.state(), "cmk-active");
}

#[test]
fn rotating_a_resources_keys_leaves_old_documents_readable() {
    let world = World::with_cmk();
    let expires_at = Some(world.clock.unix_time() + HOUR);
    let request = SealRequest { expires_at, ..SealRequest::default() };
    let mut documents =
        vec![world.seal().unwrap(), world.seal_in(&world.resources, &request).unwrap()];
    let lease = world.opening(&documents[0]).unwrap().lease().clone();
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
fn denials_are_left_by_refresh_only() {
    let world = World::with_cmk();
    let sealed = world.seal().unwrap();
    world.customer_keys.disable(&world.cmk[0]);
    // Everything that needs the key notices.
    let error = now(world.resources.disable_cmk(&world.id)).unwrap_err();
    assert!(matches!(error, ResourceError::Denied { .. }), "{error}");
    assert_eq!(world.state(), "denied");
    for other in [&world.resources, &world.restart()] {
        assert!(matches!(world.open_in(other, &sealed), Err(ResourceError::Denied { .. })));
        assert!(matches!(world.seal_in(other, &result()), Err(ResourceError::Denied { .. })));
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
        assert!(matches!(error, ResourceError::Denied { .. }), "{error}");
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
    let lease = world.opening(&sealed).unwrap().lease().clone();
    world.audit.fail(true);
    world.store.fail(true);
    assert!(now(world.resources.revoke_now(&world.id)).is_err(), "it could not be written");
    assert!(matches!(lease.check(), Err(ResourceError::Denied { cause: Cause::Revoked, .. })));
    assert!(world.open(&sealed).is_err());
    // Written as soon as that is possible, even though the trail still fails.
    world.store.fail(false);
    world.clock.advance(seconds(61));
    assert!(world.open(&sealed).is_err());
    assert_eq!(world.state(), "denied");
    assert_eq!(world.resources.unwritten(), 0);
    world.audit.fail(false);
    now(world.resources.refresh(&world.id)).unwrap();
    world.open(&sealed).unwrap();
    let error = now(World::new().resources.revoke_now(&world.id)).unwrap_err();
    assert!(matches!(error, ResourceError::WrongState { state: "service-managed", .. }));
}

#[test]
fn host_events_close_and_open() {
    let world = World::with_cmk();
    let sealed = world.seal().unwrap();
    now(world.resources.identity_disabled(&world.id)).unwrap();
    assert!(matches!(
        world.open(&sealed),
        Err(ResourceError::Denied { cause: Cause::IdentityDisabled, .. })
    ));
    now(world.resources.refresh(&world.id)).unwrap();
    world.open(&sealed).unwrap();

    now(world.resources.moved_to_tenant(&world.id, "fabrikam")).unwrap();
    world.customer.reset_counts();
    let error = now(world.resources.refresh(&world.id)).unwrap_err();
    assert!(matches!(error, ResourceError::Denied { cause: Cause::OtherTenant, .. }));
    assert_eq!(world.customer.calls(Operation::UnwrapKey), 0);
    now(world.resources.moved_to_tenant(&world.id, world::TENANT)).unwrap();
    assert!(world.open(&sealed).is_err(), "back home, and not refreshed");
    now(world.resources.refresh(&world.id)).unwrap();
    world.open(&sealed).unwrap();

    // Without a customer's key it just belongs to another tenant.
    now(world.resources.disable_cmk(&world.id)).unwrap();
    now(world.resources.moved_to_tenant(&world.id, "fabrikam")).unwrap();
    world.open(&sealed).unwrap();
    let error = now(world.resources.enable_cmk(&world.id, &world.enable())).unwrap_err();
    assert!(matches!(error, ResourceError::NotEligible { .. }));
}

fn shredding() -> World {
    let world = World::new();
    let with = EnableCmk { on_key_loss: OnKeyLoss::crypto_shred(), ..world.enable() };
    now(world.resources.enable_cmk(&world.id, &with)).unwrap();
    world
}

/// The first loss, `due`, and whether the resource was shredded then.
fn shred(world: &World) -> Vec<(ResourceId, Result<(), ResourceError>)> {
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
        assert!(matches!(world.open(&sealed), Err(ResourceError::Shredded { .. })));
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
        let request =
            |seconds| SealRequest { expires_at: Some(start + seconds), ..SealRequest::default() };
        let early = world.seal_in(&world.resources, &request(HOUR / 2)).unwrap();
        let late = world.seal_in(&world.resources, &request(HOUR + 1)).unwrap();
        let same = world.seal_in(&world.restart(), &request(HOUR)).unwrap();
        let status = now(world.resources.status(&world.id)).unwrap();
        assert_eq!(status.hours, [start / HOUR + 1, start / HOUR + 2]);
        for sealed in [&early, &late, &same] {
            world.open(sealed).unwrap();
        }
        let lease = world.opening(&early).unwrap().lease().clone();
        assert_eq!(now(world.resources.sweep(world.clock.unix_time())).unwrap(), 0);

        world.clock.advance(seconds(HOUR));
        assert!(matches!(world.open(&early), Err(ResourceError::Expired { .. })));
        assert!(matches!(lease.check(), Err(ResourceError::Expired { .. })));
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
            Err(ResourceError::Expired { .. })
        ));
    }
}

#[test]
fn scope_decides_about_layers_from_then_on() {
    let world = World::new();
    let layers = |sealed: &[u8]| strongroom::document::Header::parse(sealed).unwrap().layers();
    let models = EnableCmk { scope: Scope::Models, ..world.enable() };
    now(world.resources.enable_cmk(&world.id, &models)).unwrap();
    let model = world.seal().unwrap();
    let outside = world.seal_in(&world.resources, &result()).unwrap();
    assert_eq!((layers(&model), layers(&outside)), (2, 1));
    now(world.resources.disable_cmk(&world.id)).unwrap();
    now(world.resources.enable_cmk(&world.id, &world.enable())).unwrap();
    let inside = world.seal_in(&world.resources, &result()).unwrap();
    assert_eq!(layers(&inside), 2);
    for sealed in [&model, &outside, &inside] {
        world.open_in(&world.restart(), sealed).unwrap();
    }
    // What lies outside is closed by the state alone.
    world.customer_keys.disable(&world.cmk[0]);
    world.clock.advance(seconds(61));
    for sealed in [&outside, &model, &inside] {
        assert!(matches!(world.open(sealed), Err(ResourceError::Denied { .. })));
    }
}

#[test]
fn documents_outside_are_counted() {
    let world = World::new();
    let with = EnableCmk { documents_before: Some(1200), ..world.enable() };
    now(world.resources.enable_cmk(&world.id, &with)).unwrap();
    let outside = || now(world.resources.status(&world.id)).unwrap().outside_cmk;
    assert_eq!(outside(), Some(1200));
    now(world.resources.documents_moved(&world.id, 200)).unwrap();
    assert_eq!(outside(), Some(1000));
    now(world.resources.documents_moved(&world.id, 2000)).unwrap();
    assert_eq!(outside(), Some(0));
}

/// A header is anyone's word: keys of other resources, layers and vaults are not even looked for.
#[test]
fn foreign_documents_ask_no_vault() {
    use strongroom::document::{self, SealOptions};
    use strongroom::secret::Secret;
    use strongroom::wrap::{KeyId, WrappingKey};
    let world = World::with_cmk();
    let own = world.seal().unwrap();
    world.open(&own).unwrap();
    world.customer.reset_counts();
    world.service.reset_counts();
    for id in [
        "resource/fabrikam/service/1",
        "resource/contoso-7/service/2",
        "resource/contoso-7/customer/1", // in the wrong layer
        "resource/contoso-7/hour/500001",
        "memory/customer/documents/1",
        "memory/service/service-key/1",
    ] {
        let key = WrappingKey::aes(KeyId::new(id).unwrap(), Secret::copy_from(&[1; 32]));
        let sealed = document::seal(b"", &[key], &SealOptions::default()).unwrap();
        let error = world.open(&sealed).unwrap_err();
        assert!(matches!(error, ResourceError::ForeignDocument { .. }), "{id}: {error}");
    }
    for operation in Operation::ALL {
        assert_eq!((world.customer.calls(operation), world.service.calls(operation)), (0, 0));
    }
    // Two resources of one service do not open each other's either.
    let id = ResourceId::new("contoso-8").unwrap();
    now(world.resources.create(new_resource(&id))).unwrap();
    let header = document::Header::parse(&own).unwrap();
    let error = now(world.resources.opening_keys(&id, &header)).unwrap_err();
    assert!(matches!(error, ResourceError::ForeignDocument { .. }));
}

#[test]
fn a_state_that_is_missing_rolled_back_or_changed_is_an_error() {
    let world = World::new();
    let unknown = ResourceId::new("unknown").unwrap();
    let error = now(world.resources.status(&unknown)).unwrap_err();
    assert!(matches!(error, ResourceError::NotFound { .. }));

    let before = world.store.snapshot();
    now(world.resources.enable_cmk(&world.id, &world.enable())).unwrap();
    let after = world.store.snapshot();
    world.store.restore(before.clone());
    let error = now(world.resources.status(&world.id)).unwrap_err();
    assert!(matches!(
        error,
        ResourceError::State(StateError::RolledBack { seen: 2, found: 1, .. })
    ));
    // A new process cannot know, unless the host tells.
    let resources = world.restart();
    now(resources.status(&world.id)).unwrap();
    for pins in
        [Pins { cmk_required: true, least_epoch: 0 }, Pins { cmk_required: false, least_epoch: 1 }]
    {
        resources.pin(&world.id, pins);
        let error = now(resources.sealing_keys(&world.id, &SealRequest::default())).unwrap_err();
        assert!(matches!(error, ResourceError::Pinned { .. }), "{error}");
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
        assert!(
            matches!(&error, ResourceError::State(StateError::Invalid { number: 3, .. })),
            "{error}"
        );
        assert!(now(resources.sealing_keys(&world.id, &SealRequest::default())).is_err());
    }
    // The service's own state is never made anew.
    world.store.restore(after.into_iter().filter(|object| object.0 != "_service").collect());
    let error = world.try_restart().unwrap_err();
    assert!(matches!(error, ResourceError::State(StateError::Missing { .. })), "{error}");
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

/// What cannot be recorded is not done, unless the host chose otherwise.
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
        assert!(matches!(error, ResourceError::Audit(_)), "{error}");
    }
    assert_eq!(world.store.changes(), changes);
    // What is cached serves until its time is up, and then nothing.
    world.open(&sealed).unwrap();
    world.clock.advance(seconds(299));
    world.open(&sealed).unwrap();
    world.clock.advance(seconds(2));
    assert!(world.open(&sealed).is_err());
    let reach = now(world.resources.status(&world.id)).unwrap().reach;
    assert!(matches!(reach, Reach::Unreachable { .. }));
    world.audit.fail(false);
    world.clock.advance(seconds(2));
    world.open(&sealed).unwrap();

    let world = World::with(|surroundings| surroundings.audit_required = false);
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
            let request = SealRequest { expires_at, ..SealRequest::default() };
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
fn the_service_key_rotates_all_and_resumes() {
    let world = World::with_cmk();
    let mut sealed = vec![(world.id.clone(), world.seal().unwrap())];
    for n in 0..5 {
        let id = ResourceId::new(&format!("more-{n}")).unwrap();
        now(world.resources.create(new_resource(&id))).unwrap();
        let keys = now(world.resources.sealing_keys(&id, &SealRequest::default())).unwrap();
        let options = strongroom::document::SealOptions::default();
        let bytes = strongroom::document::seal(b"text", keys.layers(), &options).unwrap();
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
        let header = strongroom::document::Header::parse(bytes).unwrap();
        now(resources.opening_keys(id, &header)).unwrap();
        assert_eq!(now(resources.status(id)).unwrap().signed_by, newest.to_string());
    }
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
    assert!(matches!(refreshed, Some(Err(ResourceError::Contended { .. }))), "{refreshed:?}");
    assert_eq!(now(other.status(&world.id)).unwrap().protection.name(), "denied");
    now(world.resources.refresh(&world.id)).unwrap();
    assert_eq!(now(other.status(&world.id)).unwrap().protection.name(), "cmk-active");
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
    assert!(matches!(rotated, Some(Err(ResourceError::Contended { .. }))), "{rotated:?}");
    world.open_in(&world.restart(), &sealed).unwrap();
    now(world.resources.rotate_resource_key(&world.id)).unwrap();
    world.open_in(&world.restart(), &sealed).unwrap();
}

#[test]
fn status_says_what_can_be_reached() {
    let world = World::with_cmk();
    let sealed = world.seal().unwrap();
    world.customer.always(Fault::Fail);
    world.clock.advance(seconds(61));
    world.open(&sealed).unwrap();
    let reach = |world: &World| now(world.resources.status(&world.id)).unwrap().reach;
    assert!(matches!(reach(&world), Reach::Cached { .. }));
    world.clock.advance(seconds(300));
    assert!(matches!(world.open(&sealed), Err(ResourceError::Unreachable { .. })));
    assert!(matches!(reach(&world), Reach::Unreachable { .. }));
    let status = now(world.resources.status(&world.id)).unwrap();
    assert!(matches!(status.protection, Protection::CmkActive { .. }), "in memory only");
    world.customer.come_back();
    world.clock.advance(seconds(2));
    world.open(&sealed).unwrap();
    assert_eq!(reach(&world), Reach::Normal);
}

/// The service's own key is its operator's: a refusal wipes, is not written, and heals.
#[test]
fn a_refusal_of_the_service_key_heals() {
    let world = World::with_cmk();
    let sealed = world.seal().unwrap();
    let lease = world.opening(&sealed).unwrap().lease().clone();
    let key = VersionedKeyId::parse("memory/service/service-key/1").unwrap();
    world.service_keys.disable(&key);
    world.clock.advance(seconds(61));
    assert!(world.open(&sealed).is_err() && lease.check().is_err());
    assert_eq!((world.state(), world.resources.stats().keys), ("cmk-active", 0));
    world.service_keys.enable(&key);
    world.clock.advance(seconds(61));
    world.open(&sealed).unwrap();
    // A word about another version of it is none.
    let lease = world.opening(&sealed).unwrap().lease().clone();
    let other = VersionedKeyId::parse("memory/service/service-key/2").unwrap();
    world.service.always(Fault::RefuseOther(DeniedReason::KeyMissing, other));
    world.clock.advance(seconds(61));
    world.open(&sealed).unwrap();
    lease.check().unwrap();
}

/// Two processes change one resource at the same time: both changes are there in the end.
#[test]
fn writers_do_not_overwrite_each_other() {
    let world = World::new();
    let others = [world.restart(), world.restart()];
    let start = world.clock.unix_time();
    for n in 1..=40 {
        let request = SealRequest { expires_at: Some(start + n * HOUR), ..SealRequest::default() };
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

#[test]
fn a_refusal_that_a_rotation_meets_wipes_what_is_cached() {
    let world = World::with_cmk();
    let sealed = world.seal().unwrap();
    let lease = world.opening(&sealed).unwrap().lease().clone();
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
    assert_eq!(world.resources.unwritten(), 1);
    world.clock.advance(seconds(61));
    world.open(&sealed).unwrap();
    assert_eq!((world.resources.unwritten(), world.state()), (0, "service-managed"));
}

/// A process that has not seen the resource yet heeds what it was told, too.
#[test]
fn what_is_told_while_the_store_is_away_is_heeded_before_anything_else() {
    let world = World::with_cmk();
    let sealed = world.seal().unwrap();
    let fresh = world.restart();
    world.store.fail(true);
    assert!(now(fresh.revoke_now(&world.id)).is_err());
    assert_eq!(fresh.unwritten(), 1);
    world.store.fail(false);
    assert!(matches!(
        world.open_in(&fresh, &sealed),
        Err(ResourceError::Denied { cause: Cause::Revoked, .. })
    ));
    assert_eq!((fresh.unwritten(), world.state()), (0, "denied"));
}

#[test]
fn the_hosts_latest_word_on_the_tenant_counts() {
    let world = World::with_cmk();
    let sealed = world.seal().unwrap();
    world.store.fail(true);
    assert!(now(world.resources.moved_to_tenant(&world.id, "fabrikam")).is_err());
    assert!(world.open(&sealed).is_err());
    world.store.fail(false);
    now(world.resources.moved_to_tenant(&world.id, world::TENANT)).unwrap();
    world.clock.advance(seconds(61));
    world.open(&sealed).unwrap();
    assert_eq!((world.resources.unwritten(), world.state()), (0, "cmk-active"));
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
    assert_eq!((world.resources.unwritten(), world.state()), (0, "denied"));
}
