//! Every event in every state.

use super::*;
use crate::resource::{NewResource, ResourceId, Scope};

const T: u64 = 1_800_000_000;

fn key(version: &str) -> VersionedKeyId {
    VersionedKeyId::parse(&format!("memory/customer/documents/{version}")).unwrap()
}

fn cmk(on_key_loss: OnKeyLoss) -> Cmk {
    Cmk {
        key: key("1"),
        thumbprint: vec![1; 32],
        identity: "one".into(),
        scope: Scope::ModelsAndResults,
        on_key_loss,
        enabled_at: T,
    }
}

fn record(kind: KeyKind, version: u64, epoch: u64, by: WrappedBy) -> KeyRecord {
    KeyRecord { label: KeyLabel { kind, version }, epoch, by, wrapped: vec![7; 80] }
}

fn customer(version: u64, epoch: u64) -> KeyRecord {
    record(KeyKind::Customer, version, epoch, WrappedBy::Vault(key("1")))
}

fn service_managed() -> Resource {
    let new = NewResource {
        id: ResourceId::new("contoso").unwrap(),
        tenant: "contoso".into(),
        region: "westeurope".into(),
        cmk_allowed: true,
        created_at: None,
    };
    let by = VersionedKeyId::parse("memory/service/service-key/1").unwrap();
    Resource::new(&new, T, record(KeyKind::Service, 1, 0, WrappedBy::Vault(by)))
}

fn enabled(on_key_loss: OnKeyLoss) -> Event {
    Event::CmkEnabled { cmk: cmk(on_key_loss), root: customer(1, 1), outside: Some(5) }
}

fn refusal() -> Event {
    Event::Refused { key: key("1"), reason: DeniedReason::KeyDisabled, at: T }
}

/// One resource in each state.
fn states() -> [Resource; 6] {
    let managed = service_managed();
    let active = apply(&managed, &enabled(OnKeyLoss::Block)).unwrap();
    let rotating = apply(&active, &Event::RotationStarted { to: key("2") }).unwrap();
    let denied = apply(&active, &refusal()).unwrap();
    let shredding = apply(&managed, &enabled(OnKeyLoss::CryptoShred { grace: 100 })).unwrap();
    let pending = apply(&shredding, &refusal()).unwrap();
    let shredded = apply(&pending, &Event::Shredded { at: T + 100 }).unwrap();
    [managed, active, rotating, denied, pending, shredded]
}

fn disabling() -> Event {
    let by = WrappedBy::Root(KeyLabel { kind: KeyKind::Service, version: 1 });
    Event::CmkDisabled { rewrapped: vec![record(KeyKind::Customer, 1, 1, by)] }
}

fn hour() -> Event {
    let by = WrappedBy::Root(KeyLabel { kind: KeyKind::Service, version: 1 });
    Event::HourKeyAdded { key: record(KeyKind::Hour, T / 3600 + 1, 0, by), now: T }
}

fn stand_in() -> Event {
    let by = WrappedBy::Root(KeyLabel { kind: KeyKind::Service, version: 1 });
    Event::StandInAdded { key: record(KeyKind::StandIn, 1, 0, by) }
}

/// Checks the outcome of every event in each state of [`states`]; `-` is a refusal.
#[test]
fn every_event_in_every_state() {
    let (man, act, rot) = ("service-managed", "cmk-active", "rotating");
    let (den, pen, shr, no) = ("denied", "shred-pending", "shredded", "-");
    let rotated = Event::Rotated { to: key("2"), thumbprint: vec![2; 32], root: customer(1, 1) };
    let moved = Event::Moved { tenant: "fabrikam".into(), at: T };
    let table = [
        (enabled(OnKeyLoss::Block), [act, no, no, no, no, no]),
        (disabling(), [no, man, no, no, no, no]),
        (Event::RotationStarted { to: key("2") }, [no, rot, rot, no, no, no]),
        (Event::RotationAbandoned, [man, act, act, den, pen, shr]),
        (rotated, [no, no, act, no, no, no]),
        (Event::ServiceKeyRotated { root: None }, [man, act, rot, den, pen, shr]),
        (hour(), [man, act, rot, no, no, no]),
        (stand_in(), [man, act, rot, no, no, no]),
        (Event::HoursEnded { now: T }, [man, act, rot, den, pen, shr]),
        (refusal(), [man, den, den, den, pen, shr]),
        (Event::Revoked { at: T }, [no, den, den, den, pen, no]),
        (Event::IdentityDisabled { at: T }, [no, den, den, den, pen, no]),
        (moved, [man, den, den, den, pen, no]),
        (Event::Refreshed { key: key("1") }, [no, act, rot, act, act, no]),
        (Event::Deleted { at: T, grace: 50 }, [pen, pen, pen, pen, pen, shr]),
        (Event::Restored { at: T }, [no; 6]),
        (Event::Shredded { at: T + 99 }, [no, no, no, no, no, shr]),
        (Event::Shredded { at: T + 100 }, [no, no, no, no, shr, shr]),
        (Event::DocumentsMoved { count: 1 }, [man, act, rot, den, pen, shr]),
    ];
    let mut seen = 0;
    for (event, expected) in table {
        for (state, expected) in states().iter().zip(expected) {
            let after = apply(state, &event);
            let found = after.as_ref().map_or(no, |after| after.protection.name());
            let name = (event.name(), state.protection.name());
            assert_eq!(found, expected, "{name:?}");
            // What closes may not open, and nothing but shredding destroys a key that is no hour's.
            if let Ok(after) = after {
                if event.only_closes() && state.check_access().is_err() {
                    assert!(after.check_access().is_err(), "{name:?}");
                }
                if !matches!(event, Event::Shredded { .. }) {
                    assert!(
                        state.keys.iter().all(|key| after.find(key.label).is_some()),
                        "{name:?}"
                    );
                }
            }
            seen += 1;
        }
    }
    assert_eq!(seen, 19 * 6);
}

/// Checks that a refusal of another key, or of another version, changes nothing.
#[test]
fn only_the_key_in_use_counts() {
    let [_, active, rotating, ..] = states();
    for resource in [active, rotating] {
        let event = Event::Refused { key: key("2"), reason: DeniedReason::KeyMissing, at: T };
        assert_eq!(apply(&resource, &event).unwrap(), resource);
    }
}

/// Checks that reasons other than a loss of the key block, even where a loss shreds.
#[test]
fn only_a_loss_of_the_key_shreds() {
    let shredding =
        apply(&service_managed(), &enabled(OnKeyLoss::CryptoShred { grace: 100 })).unwrap();
    for event in [
        Event::Revoked { at: T },
        Event::IdentityDisabled { at: T },
        Event::Moved { tenant: "fabrikam".into(), at: T },
        Event::Refused { key: key("1"), reason: DeniedReason::Firewall, at: T },
        Event::Refused { key: key("1"), reason: DeniedReason::Identity, at: T },
    ] {
        let after = apply(&shredding, &event).unwrap();
        assert_eq!(after.protection.name(), "denied", "{}", event.name());
        assert!(apply(&after, &Event::Shredded { at: u64::MAX }).is_err());
    }
}

/// A customer key of an earlier epoch is not taken again.
#[test]
fn old_epochs_are_refused() {
    let [_, active, ..] = states();
    let managed = apply(&active, &disabling()).unwrap();
    for root in [customer(1, 1), customer(1, 2), customer(2, 1), customer(2, 3)] {
        let event = Event::CmkEnabled { cmk: cmk(OnKeyLoss::Block), root, outside: None };
        assert!(matches!(apply(&managed, &event), Err(Error::Contended { .. })));
    }
    let root = customer(2, 2);
    let event = Event::CmkEnabled { cmk: cmk(OnKeyLoss::Block), root, outside: None };
    let again = apply(&managed, &event).unwrap();
    assert_eq!((again.epoch, again.keys.len()), (2, 3));
}

/// States as they are written, and fields that a newer version adds.
#[test]
fn unknown_fields_are_kept() {
    for resource in states() {
        let mut json = serde_json::to_value(&resource).unwrap();
        json["added_later"] = serde_json::json!({ "any": 1 });
        let read: Resource = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(read.protection, resource.protection);
        assert_eq!(serde_json::to_value(&read).unwrap(), json);
    }
}

#[test]
fn hours_end_and_a_new_key_of_one_may_come() {
    let managed = service_managed();
    let with_hour = apply(&managed, &hour()).unwrap();
    assert_eq!(apply(&with_hour, &hour()).unwrap(), with_hour);
    let end = (T / 3600 + 1) * 3600;
    let before = apply(&with_hour, &Event::HoursEnded { now: end - 1 }).unwrap();
    assert_eq!(before, with_hour);
    let after = apply(&with_hour, &Event::HoursEnded { now: end }).unwrap();
    assert_eq!(after.keys, managed.keys);
    // By a clock that was wrong it may have been over too early: sealing goes on, and the new key lives its hour.
    let again = apply(&after, &hour()).unwrap();
    assert_eq!(again.keys, with_hour.keys);
    assert_eq!(apply(&again, &Event::HoursEnded { now: end - 1 }).unwrap().keys, again.keys);
}

/// Hours that are over, and hours that are far ahead, take no place from the next ones.
#[test]
fn too_many_hour_keys_do_not_block_the_next_hours() {
    let by = WrappedBy::Root(KeyLabel { kind: KeyKind::Service, version: 1 });
    let add = |resource: &Resource, hour| {
        let key = record(KeyKind::Hour, hour, 0, by.clone());
        apply(resource, &Event::HourKeyAdded { key, now: T })
    };
    let (now, most) = (T / 3600, HOUR_KEYS_MAX as u64);
    let mut resource = service_managed();
    for hour in now + most + 1..=now + 2 * most {
        resource = add(&resource, hour).unwrap();
    }
    assert!(add(&resource, now + 3 * most).is_err());
    for hour in now + 1..=now + most {
        resource = add(&resource, hour).unwrap();
    }
    assert_eq!(resource.keys.len() as u64, 1 + 2 * most);
}

/// New keys are made from a state that was read before: what another writer did since stays done.
#[test]
fn replaced_keys_neither_lose_one_nor_bring_one_back() {
    let by = VersionedKeyId::parse("memory/service/service-key/1").unwrap();
    let under = WrappedBy::Root(KeyLabel { kind: KeyKind::Service, version: 2 });
    let roots = [
        record(KeyKind::Service, 2, 0, WrappedBy::Vault(by)),
        record(KeyKind::Service, 1, 0, under.clone()),
    ];
    let with_hour = [&roots[..], &[record(KeyKind::Hour, T / 3600 + 1, 0, under)]].concat();
    let replaced = |keys: &[KeyRecord]| Event::KeysReplaced { keys: keys.to_vec() };
    let managed = service_managed();
    assert_eq!(apply(&managed, &replaced(&roots)).unwrap().keys, roots);

    // A customer's key was enabled, an hour's key was added, an hour ended.
    let active = apply(&managed, &enabled(OnKeyLoss::Block)).unwrap();
    let added = apply(&managed, &hour()).unwrap();
    assert_eq!(apply(&added, &replaced(&with_hour)).unwrap().keys, with_hour);
    let ended = apply(&added, &Event::HoursEnded { now: T + 7200 }).unwrap();
    assert_eq!(ended.keys, managed.keys);
    for (state, keys) in [(&active, &roots[..]), (&added, &roots), (&ended, &with_hour)] {
        let error = apply(state, &replaced(keys)).unwrap_err();
        assert!(matches!(error, Error::Contended { .. }), "{error}");
    }
}
