//! Responses: kept for their time, deleted early.

use std::time::Duration;

use strongroom_keys::Error;
use strongroom_keys::clock::Clock as _;
use strongroom_keys::resource::{DocumentKind, SealRequest};

use crate::rig::rigs;
use crate::world::now;

const DAY: u64 = 24 * 3600;

#[test]
fn row_24_responses_are_kept_for_24_hours() {
    for rig in rigs() {
        let rig = rig.enabled();
        let expires_at = Some(rig.clock.unix_time() + DAY);
        let request = SealRequest::of(DocumentKind::Result).expiring_at(expires_at);
        let response = rig.seal_in(&rig.resources, &request).unwrap();
        let lasting = rig.seal().unwrap();
        rig.clock.advance(Duration::from_secs(DAY - 1));
        rig.open_in(&rig.restart(), &response).unwrap();
        rig.clock.advance(Duration::from_secs(1));
        for resources in [rig.resources.clone(), rig.restart()] {
            let error = rig.open_in(&resources, &response).unwrap_err();
            assert!(matches!(error, Error::Expired { .. }), "{error}");
        }
        // The key of that hour goes: a clock that is put back opens nothing.
        rig.clock.advance(Duration::from_secs(3600));
        let before = now(rig.resources.status(&rig.id)).unwrap().hours.len();
        assert_eq!(now(rig.resources.sweep(rig.clock.unix_time())).unwrap(), 1);
        assert_eq!((before, now(rig.resources.status(&rig.id)).unwrap().hours.len()), (1, 0));
        assert_eq!(rig.store.numbers(rig.id.as_str()).len(), 1, "no older state has it");
        rig.open_in(&rig.restart(), &lasting).unwrap();
    }
}

/// Deleting is the store's to do; what this crate destroys for it, it destroys any number of times.
#[test]
fn row_25_destroying_is_idempotent() {
    for rig in rigs() {
        let sealed = rig.seal().unwrap();
        for _ in 0..3 {
            now(rig.resources.resource_deleted(&rig.id)).unwrap();
            assert!(rig.open_in(&rig.restart(), &sealed).is_err());
        }
        rig.clock.advance(Duration::from_secs(DAY));
        let due = rig.clock.unix_time();
        assert_eq!(now(rig.resources.shred_due(due)).unwrap().len(), 1);
        for _ in 0..3 {
            assert!(now(rig.resources.shred_due(due)).unwrap().is_empty());
            assert_eq!(now(rig.resources.sweep(due)).unwrap(), 0);
            now(rig.resources.resource_deleted(&rig.id)).unwrap();
            assert_eq!(rig.state(), "shredded");
        }
    }
}
