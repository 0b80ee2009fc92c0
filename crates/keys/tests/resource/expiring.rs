//! Documents whose time is up: what proves it before they are removed.

use strongroom::Error as Engine;
use strongroom::document::{self, Header, SealOptions};
use strongroom::secret::Secret;
use strongroom::wrap::{KeyId, WrappingKey};
use strongroom_keys::Error;
use strongroom_keys::clock::Clock as _;
use strongroom_keys::resource::{DocumentError, Expired, ResourceId, SealRequest};
use strongroom_keys::testing::Fault;

use crate::world::{World, new_resource, now, result};
use crate::{DAY, HOUR, seconds};

/// The proof that a document has expired by now.
fn expired(world: &World, sealed: &[u8]) -> Result<Option<Expired>, DocumentError> {
    let header = Header::parse(sealed).unwrap();
    let unix = world.clock.unix_time();
    world.run(world.restart().expired(&world.id, &header, unix))
}

#[test]
fn a_result_that_names_no_expiry_expires_24_hours_after_it_was_completed() {
    let world = World::with_cmk();
    let completed_at = world.clock.unix_time();
    let expires_at = |request: &SealRequest| {
        let sealed = world.seal_in(&world.resources, request).unwrap();
        Header::parse(&sealed).unwrap().expires_at()
    };
    assert_eq!(expires_at(&result()), Some(completed_at + DAY));
    assert_eq!(
        expires_at(&result().expiring_at(Some(completed_at + HOUR))),
        Some(completed_at + HOUR)
    );
    assert_eq!(expires_at(&SealRequest::default()), None);
    let keys = world.run(world.resources.sealing_keys(&world.id, &result())).unwrap();
    assert_eq!(keys.expires_at(), Some(completed_at + DAY));
    let lasting =
        world.run(world.resources.sealing_keys(&world.id, &SealRequest::default())).unwrap();
    assert_eq!(lasting.expires_at(), None);
}

#[test]
fn a_document_has_expired_where_its_authentic_header_says_so_or_the_key_of_its_hour_is_destroyed() {
    let world = World::with_cmk();
    let mut request = result();
    request.options.context.insert("tenant", "7").unwrap(); // which nobody knows who removes it
    let answer = world.seal_in(&world.resources, &request).unwrap();
    let lasting = world.seal().unwrap();
    world.clock.advance(seconds(DAY - 1));
    assert_eq!(expired(&world, &answer).unwrap(), None);
    world.clock.advance(seconds(1));
    assert_eq!(expired(&world, &answer).unwrap(), Some(Expired::Authentic));
    assert_eq!(expired(&world, &lasting).unwrap(), None);
    // Where the customer's vault does not answer, nothing is proved.
    world.customer.always(Fault::Fail);
    assert!(matches!(
        expired(&world, &answer),
        Err(DocumentError::Resource(Error::Unreachable { .. }))
    ));
    world.clock.advance(seconds(HOUR));
    assert_eq!(now(world.resources.sweep(world.clock.unix_time())).unwrap(), 1);
    assert_eq!(expired(&world, &answer).unwrap(), Some(Expired::KeyDestroyed));
}

#[test]
fn a_header_that_says_that_it_has_expired_is_not_believed() {
    let world = World::new();
    let start = world.clock.unix_time();
    let answer = world.seal_in(&world.resources, &result()).unwrap();
    let header = Header::parse(&answer).unwrap();
    let hour = start + DAY;
    let hour_id = header.recipients()[0].key_id().as_str().to_owned();
    world.clock.advance(seconds(DAY));
    // Changed, or made by who has no key of the resource.
    let mut changed = answer.clone();
    changed[40] ^= 1; // within the salt
    let refused = expired(&world, &changed).unwrap_err();
    assert!(matches!(refused, DocumentError::Document(Engine::Authentication)), "{refused:?}");
    let forged = |ids: &[&str], expires_at: u64| {
        let key =
            |id: &&str| WrappingKey::aes(KeyId::new(id).unwrap(), Secret::generate().unwrap());
        let keys: Vec<_> = ids.iter().map(key).collect();
        let options = SealOptions { expires_at: Some(expires_at), ..SealOptions::default() };
        document::seal(b"text", &keys[..], &options).unwrap()
    };
    let service = "resource/contoso-7/service/1";
    for (ids, expires_at) in
        [(&[&*hour_id][..], hour), (&[service], hour), (&[service, &hour_id], hour)]
    {
        assert!(expired(&world, &forged(ids, expires_at)).is_err(), "{ids:?}");
    }
    let id = ResourceId::new("contoso-8").unwrap();
    now(world.resources.create(new_resource(&id))).unwrap();
    let other = world.run(world.resources.seal(&id, b"text", &result())).unwrap();
    world.clock.advance(seconds(DAY + HOUR));
    let foreign = |sealed: &[u8]| {
        matches!(
            expired(&world, sealed),
            Err(DocumentError::Resource(Error::ForeignDocument { .. }))
        )
    };
    assert!(foreign(&other));
    // Destroyed keys of this resource alone count: not those of another, nor of an hour that the header does not say,
    // nor where another recipient may open it.
    assert_eq!(now(world.resources.sweep(world.clock.unix_time())).unwrap(), 2);
    assert!(foreign(&other));
    assert!(expired(&world, &forged(&[&hour_id], start + HOUR)).is_err());
    assert!(expired(&world, &forged(&[&hour_id, service], hour)).is_err());
    assert_eq!(expired(&world, &answer).unwrap(), Some(Expired::KeyDestroyed));
}
