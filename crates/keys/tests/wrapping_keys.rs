//! Public keys of a vault: how often it is asked, what is checked, and what is never given out.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails should stop")]

#[path = "support/world.rs"]
mod world;

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use strongroom::wrap::{KeyId, UnwrappingKey};
use strongroom_keys::VaultError;
use strongroom_keys::clock::Clock as _;
use strongroom_keys::testing::{Fault, Operation};
use strongroom_keys::vault::{DeniedReason, KeyType, Operations, Vault as _, WrappingKeys};
use world::{Keys, Tasks, World, now, rsa};

const MAX_AGE: Duration = Duration::from_secs(60);

fn keys(world: &World) -> WrappingKeys {
    WrappingKeys::new(Arc::clone(&world.customer) as _, Arc::clone(&world.clock) as _, MAX_AGE)
}

#[test]
fn a_key_is_described_once_and_wraps_what_its_private_half_unwraps() {
    let world = World::over(&Keys::in_memory(), |_| {});
    let (keys, id) = (keys(&world), &world.cmk[0]);
    let private = UnwrappingKey::rsa(KeyId::new(&id.to_string()).unwrap(), rsa(0));
    for _ in 0..1000 {
        let wrapped = now(keys.get(id)).unwrap().wrap(b"a data key").unwrap();
        assert_eq!(private.unwrap(&wrapped).unwrap().expose(), b"a data key");
        world.clock.advance(Duration::from_millis(119));
    }
    // 119 seconds: at the beginning and after a minute.
    assert_eq!(world.customer.calls(Operation::Get), 2);
}

#[test]
fn what_the_vault_said_is_checked_each_time() {
    let world = World::over(&Keys::in_memory(), |_| {});
    let (keys, id) = (keys(&world), &world.cmk[0]);
    let later = |seconds| world.clock.unix_time() + seconds;
    let (from, until) = (later(10), later(20));
    world.customer_keys.change(id, |key| {
        (key.not_before, key.expires) = (Some(from), Some(until));
    });
    for (seconds, wraps) in [(0, false), (9, false), (1, true), (9, true), (1, false), (30, false)]
    {
        world.clock.advance(Duration::from_secs(seconds));
        let got = now(keys.get(id));
        assert_eq!(got.is_ok(), wraps, "{got:?} after {seconds} s more");
    }
    assert_eq!(world.customer.calls(Operation::Get), 1);

    // What changes in the vault is seen once the description is too old.
    world.customer_keys.change(id, |key| (key.not_before, key.expires) = (None, None));
    world.customer_keys.disable(id);
    world.clock.advance(MAX_AGE);
    let disabled = VaultError::Denied { reason: DeniedReason::KeyDisabled, key: Some(id.clone()) };
    assert_eq!(now(keys.get(id)).unwrap_err(), disabled);
    world.customer_keys.enable(id);
    world.clock.advance(MAX_AGE);
    now(keys.get(id)).unwrap();
    world.customer_keys.change(id, |key| key.operations = Operations::from([Operation::UnwrapKey]));
    world.clock.advance(MAX_AGE);
    assert!(now(keys.get(id)).is_err());
}

#[test]
fn a_version_never_gets_another_public_key() {
    let world = World::over(&Keys::in_memory(), |_| {});
    let (keys, id) = (keys(&world), &world.cmk[0]);
    let thumbprint = |n: usize| {
        let description = now(world.customer_keys.describe(&world.cmk[n])).unwrap();
        description.thumbprint().unwrap().unwrap()
    };
    let swap = |n| {
        let public = rsa(n).public_key();
        world.customer_keys.change(id, |key| key.key_type = KeyType::Rsa { public });
        world.clock.advance(MAX_AGE);
    };
    now(keys.get(id)).unwrap();
    swap(2);
    for _ in 0..2 {
        let refused = now(keys.get(id)).unwrap_err();
        assert!(refused.to_string().contains("another public key"), "{refused}");
    }
    swap(0);
    now(keys.get(id)).unwrap();

    // Pinned before anything was seen of it.
    let pinned = self::keys(&world);
    pinned.pin(id, thumbprint(1));
    assert!(now(pinned.get(id)).is_err());
    pinned.pin(id, thumbprint(0));
    now(pinned.get(id)).unwrap();

    // An AES key has none.
    let aes = world.customer_keys.create_aes("aes").unwrap();
    assert!(matches!(now(keys.get(&aes)), Err(VaultError::Invalid { .. })));
}

#[test]
fn nothing_old_is_given_out_while_the_vault_is_away() {
    let world = World::over(&Keys::in_memory(), |_| {});
    let (keys, id) = (keys(&world), &world.cmk[0]);
    now(keys.get(id)).unwrap();
    let refused = Fault::Refuse(DeniedReason::Firewall);
    for fault in [Fault::Fail, Fault::Throttle(None), refused, Fault::Hang] {
        world.customer.always(fault.clone());
        now(keys.get(id)).unwrap(); // still young
        world.clock.advance(MAX_AGE);
        assert!(world.run(keys.get(id)).is_err(), "{fault:?}");
        world.customer.come_back();
        now(keys.get(id)).unwrap(); // it heals by itself
    }
}

/// However many wait, one request is under way. Where it fails they share that, and the next one asks again.
#[test]
fn all_who_wait_share_one_request() {
    let world = World::over(&Keys::in_memory(), |_| {});
    let (keys, id) = (keys(&world), &world.cmk[0]);
    for is_there in [true, false] {
        world.customer.always(Fault::Delay(Duration::from_secs(2)));
        world.customer.reset_counts();
        if !is_there {
            world.customer_keys.delete(id);
        }
        let outcomes = RefCell::new(Vec::new());
        let mut tasks = Tasks::new(&world.clock);
        for _ in 0..64 {
            tasks.spawn(async {
                let got = keys.get(id).await;
                outcomes.borrow_mut().push(got.is_ok());
            });
        }
        tasks.go(MAX_AGE);
        drop(tasks);
        assert_eq!(outcomes.into_inner(), vec![is_there; 64]);
        assert_eq!(world.customer.calls(Operation::Get), 1);
        world.clock.advance(MAX_AGE);
    }
    world.customer.come_back();
    assert!(now(keys.get(id)).is_err());
    assert_eq!(world.customer.calls(Operation::Get), 2);
    world.customer_keys.recover(id);
    now(keys.get(id)).unwrap();
}
