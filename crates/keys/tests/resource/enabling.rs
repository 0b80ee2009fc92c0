//! Turning a customer's key on: who may, with which key, and what it covers from then on.

use strongroom::document::Header;
use strongroom_keys::Error;
use strongroom_keys::clock::Clock as _;
use strongroom_keys::resource::{
    EnableCmk, Ineligible, NewResource, OpenRequest, ResourceId, Scope, SealRequest,
};
use strongroom_keys::testing::{Fault, Operation};
use strongroom_keys::vault::{
    DeniedReason, KeyDescription, KeyType, Operations, RecoveryLevel, VaultError, VersionedKeyId,
};

use crate::seconds;
use crate::world::{World, new_resource, now, refusal, result};

type ChangeResource = fn(&mut NewResource);
type IsReason = fn(&Ineligible) -> bool;
type ChangeKey = fn(&mut KeyDescription);

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
    assert!(matches!(again, Err(Error::AlreadyExists { .. })));
}

/// Text that would command the terminal of who reads a status or a trail does not come in.
#[test]
fn control_characters_in_tenant_region_and_identity_are_refused() {
    let world = World::new();
    for bad in ["a\nb", "\u{1b}[2J", "\u{9b}31m", "\u{202e}abc", "a\u{200b}b"] {
        let id = ResourceId::new("another").unwrap();
        let refused = |error: Error, what: &str| {
            let message = error.to_string();
            assert!(message.starts_with(what) && message.contains("control"), "{message}");
            assert!(!message.contains(bad), "{message:?}");
        };
        let new = NewResource { tenant: bad.into(), ..new_resource(&id) };
        refused(now(world.resources.create(new)).unwrap_err(), "the tenant");
        let new = NewResource { region: bad.into(), ..new_resource(&id) };
        refused(now(world.resources.create(new)).unwrap_err(), "the region");
        let with = EnableCmk::new(world.cmk[0].clone(), bad);
        let enabled = world.run(world.resources.enable_cmk(&world.id, &with));
        refused(enabled.unwrap_err(), "the identity");
        assert_eq!(now(world.resources.list()).unwrap(), std::slice::from_ref(&world.id));
    }
    assert_eq!(world.state(), "service-managed");
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
        let header = Header::parse(&sealed).unwrap();
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
    assert_eq!(Header::parse(&sealed).unwrap().layers(), 1);
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
        let Error::NotEligible { reason, .. } = &error else { panic!("{error}") };
        assert!(expected(reason), "{error}");
    }
    let nobody = EnableCmk { identity: String::new(), ..world.enable() };
    let error = now(world.resources.enable_cmk(&world.id, &nobody)).unwrap_err();
    assert!(matches!(error, Error::NotEligible { reason: Ineligible::Identity, .. }));
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
    assert!(matches!(error, Err(Error::NoVault { .. })));
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
        assert!(matches!(error, Error::Vault(VaultError::Denied { .. })), "{error}");
        assert!(world.clock.elapsed() <= start + seconds(120));
        assert_eq!((world.state(), world.store.changes()), ("service-managed", changes));
    }
}

#[test]
fn scope_decides_about_layers_from_then_on() {
    let world = World::new();
    let layers = |sealed: &[u8]| Header::parse(sealed).unwrap().layers();
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
        assert!(matches!(world.open(sealed), Err(Error::Denied { .. })));
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
        assert!(matches!(error, Error::ForeignDocument { .. }), "{id}: {error}");
    }
    for operation in Operation::ALL {
        assert_eq!((world.customer.calls(operation), world.service.calls(operation)), (0, 0));
    }
    // Two resources of one service do not open each other's either.
    let id = ResourceId::new("contoso-8").unwrap();
    now(world.resources.create(new_resource(&id))).unwrap();
    let error = now(world.resources.open(&id, &own, &OpenRequest::default())).unwrap_err();
    assert!(matches!(refusal(error), Error::ForeignDocument { .. }));
}

/// Only the key of this epoch counts: one of an earlier epoch is wrapped by the service's since it was disabled.
#[test]
fn a_document_is_under_the_customers_key_where_its_outer_layer_is_of_this_epoch() {
    let world = World::new();
    let before = world.seal().unwrap();
    let under = |sealed: &[u8]| {
        let header = Header::parse(sealed).unwrap();
        world.run(world.resources.is_under_cmk(&world.id, &header))
    };
    let error = under(&before).unwrap_err();
    assert!(matches!(error, Error::WrongState { state: "service-managed", .. }), "{error}");
    now(world.resources.enable_cmk(&world.id, &world.enable())).unwrap();
    let first = world.seal().unwrap();
    assert_eq!([&before, &first].map(|sealed| under(sealed).unwrap()), [false, true]);
    // Newer keys of one epoch are no reason to seal anew: the customer's key wraps them all.
    world.run(world.resources.rotate_resource_key(&world.id)).unwrap();
    let rotated = world.seal().unwrap();
    assert_eq!([&first, &rotated].map(|sealed| under(sealed).unwrap()), [true, true]);
    world.run(world.resources.disable_cmk(&world.id)).unwrap();
    world.run(world.resources.enable_cmk(&world.id, &world.enable())).unwrap();
    let second = world.seal().unwrap();
    let all = [&before, &first, &rotated, &second];
    assert_eq!(all.map(|sealed| under(sealed).unwrap()), [false, false, false, true]);
    // Of another resource, whatever it is called.
    let id = ResourceId::new("contoso-8").unwrap();
    now(world.resources.create(new_resource(&id))).unwrap();
    let foreign = world.run(world.resources.seal(&id, b"", &SealRequest::default())).unwrap();
    assert!(matches!(under(&foreign), Err(Error::ForeignDocument { .. })));
    world.run(world.resources.revoke_now(&world.id)).unwrap();
    assert!(matches!(under(&before), Err(Error::Denied { .. })));
}

#[test]
fn how_many_documents_there_were_before_is_kept_beside_how_many_are_outside_still() {
    let world = World::new();
    let counts = || {
        let status = now(world.resources.status(&world.id)).unwrap();
        (status.documents_before, status.outside_cmk)
    };
    let with = EnableCmk { documents_before: Some(5), ..world.enable() };
    now(world.resources.enable_cmk(&world.id, &with)).unwrap();
    now(world.resources.documents_moved(&world.id, 2)).unwrap();
    assert_eq!(counts(), (Some(5), Some(3)));
    world.run(world.resources.disable_cmk(&world.id)).unwrap();
    assert_eq!(counts(), (Some(0), Some(0)));
}
