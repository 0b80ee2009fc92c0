//! Headers as an attacker writes them: which keys they get, and how often a vault is asked for them.

use strongroom::Error;
use strongroom::document::{self, Header, Layers, OpenOptions, RewrapOptions, SealOptions, Slots};
use strongroom::secret::Secret;
use strongroom::wrap::{KeyId, WrappingKey};
use strongroom_keys::resource::{DocumentError, OpenRequest, Pins, SealRequest};
use strongroom_keys::testing::{Operation, unwrapping_keys};

use crate::world::World;

fn key(kind: &str, version: usize) -> WrappingKey {
    let id = KeyId::new(&format!("resource/contoso-7/{kind}/{version}")).unwrap();
    WrappingKey::aes(id, Secret::generate().unwrap())
}

/// Puts the service's key in the place of the customer's, as one who has it alone could, beside a recipient
/// that has the name of the customer's and does not open.
#[test]
fn the_customers_layer_does_not_open_under_the_services_key() {
    let world = World::with_cmk();
    let sealed = world.seal().unwrap();
    let header = Header::parse(&sealed).unwrap();
    let unwrapping =
        |header: &Header| world.run(unwrapping_keys(&world.resources, &world.id, header));
    let (own, _) = unwrapping(&header).unwrap();
    let service = header.recipients()[0].clone();
    let keys = world.run(world.resources.sealing_keys(&world.id, &SealRequest::default())).unwrap();
    let Layers::Two { service: by_service, .. } = keys.layers() else { panic!("two layers") };

    let mut rewrap = header.rewrap_with(&own, &RewrapOptions::default()).unwrap();
    let customer = rewrap.recipients()[1].clone();
    assert_eq!((service.layer(), customer.layer()), (1, 2));
    let stolen = rewrap.wrap(2, &by_service[0]).unwrap();
    let unwrapped = own[0].unwrap(stolen.wrapped()).unwrap();
    rewrap.prove(&stolen, &unwrapped).unwrap();
    rewrap.remove(&customer).unwrap();
    let alone = rewrap.to_header().unwrap();
    rewrap.add(2, &key("customer", 1)).unwrap();
    let with_a_decoy = rewrap.to_header().unwrap();

    let document = |header: &[u8]| [header, &sealed[header.len()..]].concat();
    let foreign = world.opener(&document(&alone));
    assert!(matches!(foreign, Err(strongroom_keys::Error::ForeignDocument { .. })), "{foreign:?}");
    let document = document(&with_a_decoy);
    let refused = world.run(world.resources.open(&world.id, &document, &OpenRequest::default()));
    assert!(matches!(refused, Err(DocumentError::Document(Error::Authentication))), "{refused:?}");
    // What keeps the service's key out of that layer is that each layer has its own keys.
    let (keys, _) = unwrapping(&Header::parse(&document).unwrap()).unwrap();
    let opened = document::open(&document, &keys, &OpenOptions::default());
    assert_eq!(opened.unwrap(), b"text");
}

/// Checks that no key that a header names is asked for: what the resource has is in memory.
#[test]
fn no_header_makes_a_vault_be_asked() {
    let world = World::with_cmk();
    let sealed = world.seal().unwrap();
    world.open(&sealed).unwrap();
    let hostile = |first: usize| {
        let keys = |kind| (first..first + 8).map(|n| key(kind, n)).collect::<Vec<_>>();
        let (service, customer) = (keys("service"), keys("customer"));
        let layers = Layers::Two { service: &service, customer: &customer };
        let options = SealOptions { slots: Slots::One, ..SealOptions::default() };
        document::seal(b"other", layers, &options).unwrap()
    };
    for vault in [&world.service, &world.customer] {
        vault.reset_counts();
    }
    // Their names are the resource's, and only the first two are known.
    for first in [1, 2, 100] {
        let document = hostile(first);
        let header = Header::parse(&document).unwrap();
        for _ in 0..10 {
            let keys = world.run(unwrapping_keys(&world.resources, &world.id, &header));
            assert_eq!(keys.is_ok(), first == 1);
            let opened =
                world.run(world.resources.open(&world.id, &document, &OpenRequest::default()));
            let Ok((keys, _)) = keys else {
                assert!(matches!(opened, Err(DocumentError::Resource(_))), "{opened:?}");
                continue;
            };
            assert_eq!(keys.len(), 2);
            let refused = matches!(opened, Err(DocumentError::Document(Error::Authentication)));
            assert!(refused, "{opened:?}");
        }
    }
    for vault in [&world.service, &world.customer] {
        let calls = Operation::ALL.map(|operation| vault.calls(operation));
        assert_eq!(calls, [0; 3], "describe, wrap, unwrap");
    }
    // With nothing in memory: one unwrap a side, however many recipients the header has.
    let resources = world.restart();
    for vault in [&world.service, &world.customer] {
        vault.reset_counts();
    }
    let hostile = hostile(1);
    let opened = world.run(resources.open(&world.id, &hostile, &OpenRequest::default()));
    assert!(matches!(opened, Err(DocumentError::Document(Error::Authentication))), "{opened:?}");
    let unwraps = [&world.service, &world.customer].map(|vault| vault.calls(Operation::UnwrapKey));
    assert_eq!(unwraps, [1, 1]);
}

/// A document of two layers where no key of the customer's covers it: a key of the service's stands in, made once, and is never taken for
/// the customer's.
#[test]
fn a_key_stands_in_for_the_customers_until_that_is_enabled_and_is_not_taken_for_it() {
    let world = World::new();
    let request = SealRequest::default().with_two_layers();
    let id = &world.id;
    let outer = |sealed: &[u8]| {
        let header = Header::parse(sealed).unwrap();
        let outer = header.recipients().iter().find(|one| one.layer() == 2).unwrap();
        outer.key_id().as_str().to_owned()
    };
    let keys = world.run(world.resources.sealing_keys(id, &request)).unwrap();
    assert!(keys.made_key());
    let before = world.seal_in(&world.resources, &request).unwrap();
    assert_eq!(outer(&before), "resource/contoso-7/stand-in/1");
    assert!(!world.run(world.restart().sealing_keys(id, &request)).unwrap().made_key());

    world.run(world.resources.enable_cmk(id, &world.enable())).unwrap();
    let under = world.seal_in(&world.resources, &request).unwrap();
    assert!(outer(&under).starts_with("resource/contoso-7/customer/"));
    let is_under = |resources: &strongroom_keys::Resources, sealed: &[u8]| {
        let header = Header::parse(sealed).unwrap();
        world.run(resources.is_under_cmk(id, &header)).unwrap()
    };
    assert!(is_under(&world.resources, &under) && !is_under(&world.resources, &before));
    world.run(world.resources.rotate_resource_key(id)).unwrap();
    for resources in [world.resources.clone(), world.restart()] {
        world.open_in(&resources, &before).unwrap();
        world.open_in(&resources, &under).unwrap();
        // Where the host knows that the customer's key covers everything, nothing else passes for it.
        resources.pin(id, Pins { cmk_required: true, least_epoch: 0 });
        let refused = world.open_in(&resources, &before).unwrap_err();
        assert!(matches!(refused, strongroom_keys::Error::ForeignDocument { .. }), "{refused:?}");
        world.open_in(&resources, &under).unwrap();
    }
    // A withdrawal ends access to both.
    world.run(world.resources.revoke_now(id)).unwrap();
    for sealed in [&before, &under] {
        assert!(world.open(sealed).is_err());
    }
    world.run(world.resources.refresh(id)).unwrap();
    let unpinned = world.restart();
    world.run(unpinned.disable_cmk(id)).unwrap();
    let after = world.seal_in(&unpinned, &request).unwrap();
    assert_eq!(outer(&after), outer(&before));
    for sealed in [&before, &under, &after] {
        world.open_in(&unpinned, sealed).unwrap();
    }
}
