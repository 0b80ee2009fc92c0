//! Time for which keys serve: age, refresh, outages, refusals, and the number of requests to a vault.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use strongroom::document::{Header, SealOptions, Slots, seal_many};
use strongroom_keys::Error;
use strongroom_keys::cache::CacheSettings;
use strongroom_keys::clock::Clock as _;
use strongroom_keys::resource::{
    Cause, EnableCmk, OpenRequest, ResourceId, SealRequest, VaultLimits,
};
use strongroom_keys::testing::{Fault, FaultyVault, MemoryVault, Operation};
use strongroom_keys::vault::{DeniedReason, Vault, VersionedKeyId};

use crate::world::{REGION, TENANT, Tasks, World, new_resource, now, poll, refusal, rsa};

const SECOND: Duration = Duration::from_secs(1);

fn settings() -> CacheSettings {
    CacheSettings::default()
}

/// The promise that a vault is never asked once a document, and that rotating touches none of them.
#[test]
fn a_million_documents_an_hour_ask_once_a_refresh_and_rotate_at_once() {
    const A_SECOND: usize = 278;
    let world = World::with_cmk();
    let mut tasks = Tasks::new(&world.clock);
    tasks.spawn(world.resources.run());
    world.customer.reset_counts();
    world.service.reset_counts();
    let options = SealOptions { slots: Slots::One, ..SealOptions::default() };
    let texts = [(&b"text"[..], &options); A_SECOND];
    let (mut documents, mut kept) = (0, Vec::new());
    while documents < 1_000_000 {
        let request = SealRequest::default();
        let ask = || now(world.resources.sealing_keys(&world.id, &request)).unwrap();
        let keys: Vec<_> = (0..A_SECOND).map(|_| ask()).collect();
        let sealed = seal_many(&texts, keys[documents % A_SECOND].layers());
        documents += sealed.iter().filter(|one| one.is_ok()).count();
        kept.extend(sealed.into_iter().next());
        tasks.go(SECOND);
    }
    let most = 2 + 3600 / usize::try_from(settings().refresh.as_secs()).unwrap();
    for vault in [&world.customer, &world.service] {
        let unwraps = vault.calls(Operation::UnwrapKey);
        assert!((60..=most).contains(&unwraps), "{unwraps} unwraps");
    }
    let stats = world.resources.stats();
    assert!(stats.hits >= 2_000_000 - 2 * most as u64, "{stats:?}");
    assert_eq!(stats.keys, 2);

    world.customer.reset_counts();
    world.service.reset_counts();
    now(world.resources.rotate_cmk(&world.id, &world.cmk[1])).unwrap();
    assert_eq!(Operation::ALL.map(|one| world.customer.calls(one)), [1, 1, 2]);
    assert_eq!(Operation::ALL.map(|one| world.service.calls(one)), [0; 3]);
    world.customer_keys.disable(&world.cmk[0]);
    let another = world.restart();
    assert!(kept.len() >= 3597);
    for sealed in kept {
        world.open_in(&another, &sealed.unwrap()).unwrap();
    }
}

fn faults() -> Vec<Fault> {
    let other = VersionedKeyId::parse("memory/customer/documents/99").unwrap();
    vec![
        Fault::Fail,
        Fault::Hang,
        Fault::Throttle(None),
        Fault::Throttle(Some(SECOND)),
        Fault::Refuse(DeniedReason::Firewall),
        Fault::RefuseOther(DeniedReason::KeyMissing, other),
    ]
}

/// An outage of `length` that begins at a phase of the refresh, met by one reader a second; how many reads
/// failed during and right after it, and how many requests met the fault.
fn outage(fault: &Fault, phase: Duration, length: Duration, background: bool) -> (usize, usize) {
    let world = World::with_cmk();
    let mut tasks = Tasks::new(&world.clock);
    if background {
        tasks.spawn(world.resources.run());
    }
    let sealed = world.seal().unwrap();
    let lease = world.opener(&sealed).unwrap().lease().clone();
    let mut failed = 0;
    let mut read = |tasks: &mut Tasks<'_>, duration: Duration| {
        let end = world.clock.elapsed() + duration;
        while world.clock.elapsed() < end {
            tasks.go(SECOND.min(end.saturating_sub(world.clock.elapsed())));
            if !background {
                world.run(world.resources.renew(&lease)).ok();
            }
            failed += usize::from(lease.check().is_err());
        }
    };
    read(&mut tasks, settings().refresh + phase);
    world.customer.always(fault.clone());
    read(&mut tasks, length);
    world.customer.always(Fault::None); // what hangs goes on hanging
    read(&mut tasks, SECOND * 6);
    let hits = world.customer.hits(Operation::UnwrapKey, fault.name());
    assert_eq!(world.state(), "cmk-active", "an outage is no denial: {fault:?}");
    assert!(lease.check().is_ok(), "it heals by itself: {fault:?}");
    (failed, hits)
}

#[test]
fn a_short_outage_fails_no_read_whatever_its_phase() {
    let length = settings().max_age.saturating_sub(settings().refresh + SECOND * 5);
    for fault in faults() {
        let mut hits = 0;
        for phase in (0..60).step_by(7).chain([1, 59]) {
            for background in [true, false] {
                let (failed, met) = outage(&fault, Duration::from_secs(phase), length, background);
                assert_eq!(failed, 0, "{fault:?} at {phase} s, in the background: {background}");
                hits += met;
            }
        }
        assert!(hits >= 50, "{fault:?}: {hits} hits");
    }
}

#[test]
fn a_long_outage_closes_and_heals() {
    for fault in faults() {
        for background in [true, false] {
            let length = settings().max_age + SECOND;
            let (failed, hits) = outage(&fault, Duration::ZERO, length, background);
            assert!(failed > 0 && hits >= 20, "{fault:?}: {failed} failed, {hits} hits");
        }
    }
}

/// A vault's own word about its time is heeded.
#[test]
fn retry_after_is_heeded() {
    let world = World::with_cmk();
    world.seal().unwrap();
    world.customer.reset_counts();
    world.customer.always(Fault::Throttle(Some(SECOND * 40)));
    let mut tasks = Tasks::new(&world.clock);
    tasks.spawn(world.resources.run());
    tasks.go(SECOND * 60);
    let met = || world.customer.hits(Operation::UnwrapKey, "throttle-with-time");
    assert_eq!(met(), 1);
    tasks.go(SECOND * 39);
    assert_eq!(met(), 1);
    tasks.go(SECOND * 2);
    assert_eq!(met(), 2);
}

/// 64 readers of open documents, and the vault withdraws the key.
#[test]
fn a_refusal_stops_all_readers_within_one_refresh() {
    for (reason, background) in [
        (DeniedReason::KeyDisabled, true),
        (DeniedReason::KeyMissing, true),
        (DeniedReason::Permission, true),
        (DeniedReason::KeyDisabled, false),
    ] {
        let world = World::with_cmk();
        let sealed = world.seal().unwrap();
        let mut tasks = Tasks::new(&world.clock);
        if background {
            tasks.spawn(world.resources.run());
        }
        let leases: Vec<_> =
            (0..64).map(|_| world.opener(&sealed).unwrap().lease().clone()).collect();
        world.customer.always(Fault::Refuse(reason));
        tasks.go(settings().refresh + SECOND);
        if !background {
            assert!(world.run(world.resources.renew(&leases[0])).is_err());
        }
        for lease in &leases {
            let error = lease.check().unwrap_err();
            assert!(
                matches!(error, Error::Denied { cause: Cause::Vault(found), .. } if found == reason),
                "{error:?}"
            );
        }
        assert_eq!(world.customer.hits(Operation::UnwrapKey, Fault::Refuse(reason).name()), 1);
        assert_eq!(world.resources.stats().keys, 0, "wiped");
        // For good: the key is back, and only a refresh brings access back, to new leases.
        world.customer.come_back();
        tasks.go(settings().max_age);
        assert!(world.open(&sealed).is_err() && leases[0].check().is_err());
        world.run(world.resources.refresh(&world.id)).unwrap();
        world.open(&sealed).unwrap();
        assert!(leases.iter().all(|lease| lease.check().is_err()));
    }
}

/// One request whatever the number of callers; one that goes away does not take it with it.
#[test]
fn callers_share_one_request() {
    let world = World::with_cmk();
    let resources = world.restart();
    world.customer.reset_counts();
    world.customer.always(Fault::Delay(SECOND));
    let request = SealRequest::default();
    let mut callers: Vec<_> =
        (0..64).map(|_| Box::pin(resources.sealing_keys(&world.id, &request))).collect();
    for caller in &mut callers {
        assert!(poll(caller.as_mut()).is_pending());
    }
    drop(callers.remove(0)); // the one that began it
    world.clock.advance(SECOND * 2);
    for mut caller in callers {
        assert!(world.run(caller.as_mut()).is_ok());
    }
    assert_eq!(world.customer.calls(Operation::UnwrapKey), 1);
    assert_eq!(resources.stats().waits, 63);
}

/// A request that nobody waits for any more leaves its turn to others.
#[test]
fn abandoned_requests_free_their_turn() {
    let world = World::with(|config| {
        config.with_limits(VaultLimits { requests_per_vault: 1, ..VaultLimits::default() })
    });
    now(world.resources.enable_cmk(&world.id, &world.enable())).unwrap();
    world.customer.always(Fault::Hang);
    let request = SealRequest::default();
    let mut caller = Box::pin(world.resources.sealing_keys(&world.id, &request));
    assert!(poll(caller.as_mut()).is_pending());
    drop(caller);
    world.customer.always(Fault::None);
    now(world.resources.sealing_keys(&world.id, &request)).unwrap();
}

/// A vault that hangs costs its own resources only.
#[test]
fn a_vault_that_hangs_does_not_slow_others() {
    let stuck = Arc::new(MemoryVault::new("memory/stuck").at(TENANT, REGION));
    let key = stuck.insert_rsa("documents", rsa(0)).unwrap();
    let customer = Arc::new(MemoryVault::new("memory/customer").at(TENANT, REGION));
    let other_key = customer.insert_rsa("documents", rsa(1)).unwrap();
    let clock = Arc::new(strongroom_keys::testing::ManualClock::default());
    let stuck = Arc::new(FaultyVault::new(stuck, clock));
    let vaults: HashMap<String, Arc<dyn Vault>> = HashMap::from([
        ("memory/stuck".to_owned(), Arc::clone(&stuck) as _),
        ("memory/customer".to_owned(), customer as _),
    ]);
    let world = World::with(|config| config.with_vaults(Arc::new(vaults)));
    let resources = &world.resources;
    now(resources.enable_cmk(&world.id, &EnableCmk::new(other_key, "one"))).unwrap();
    let mut ids = Vec::new();
    for n in 0..50 {
        let id = ResourceId::new(&format!("stuck-{n}")).unwrap();
        now(resources.create(new_resource(&id))).unwrap();
        now(resources.enable_cmk(&id, &EnableCmk::new(key.clone(), "one"))).unwrap();
        ids.push(id);
    }
    stuck.always(Fault::Hang);
    let request = SealRequest::default();
    let mut waiting: Vec<_> =
        ids.iter().map(|id| Box::pin(resources.sealing_keys(id, &request))).collect();
    for caller in &mut waiting {
        assert!(poll(caller.as_mut()).is_pending());
    }
    assert_eq!(stuck.most_at_once(), 16);
    // Not one moment passes.
    now(resources.sealing_keys(&world.id, &request)).unwrap();
}

/// A 401 wipes nothing. Standing for the whole time, it closes the resource, until a refresh.
#[test]
fn an_unknown_identity_closes_after_the_whole_time() {
    let world = World::with_cmk();
    let sealed = world.seal().unwrap();
    let lease = world.opener(&sealed).unwrap().lease().clone();
    let mut tasks = Tasks::new(&world.clock);
    tasks.spawn(world.resources.run());
    world.customer.always(Fault::Refuse(DeniedReason::Identity));
    tasks.go(settings().max_age.saturating_sub(SECOND));
    assert!(lease.check().is_ok() && world.state() == "cmk-active");
    tasks.go(SECOND * 3);
    assert!(lease.check().is_err());
    assert_eq!(world.state(), "denied");
    let told = world.told.0.lock().unwrap().clone();
    assert!(matches!(
        told.as_slice(),
        [strongroom_keys::resource::HostEvent::IdentityDisabled { .. }]
    ));
    world.customer.come_back();
    tasks.go(settings().max_age);
    assert!(world.open(&sealed).is_err());
    world.run(world.resources.refresh(&world.id)).unwrap();
    world.open(&sealed).unwrap();
}

/// Nobody uses the keys any more: they leave memory, and the vault is left alone.
#[test]
fn unused_keys_are_wiped() {
    let world = World::with_cmk();
    world.seal().unwrap();
    let mut tasks = Tasks::new(&world.clock);
    tasks.spawn(world.resources.run());
    tasks.go(settings().max_age * 3);
    assert_eq!(world.resources.stats().keys, 0);
    world.customer.reset_counts();
    tasks.go(settings().max_age * 3);
    assert_eq!(world.customer.calls(Operation::UnwrapKey), 0);
    // An open document keeps them.
    let sealed = world.seal().unwrap();
    let opening = world.opener(&sealed).unwrap();
    tasks.go(settings().max_age * 3);
    assert!(opening.lease().check().is_ok());
    assert!(world.customer.calls(Operation::UnwrapKey) >= 15);
}

/// Another process revokes: this one follows within its refresh.
#[test]
fn processes_follow_each_other() {
    let world = World::with_cmk();
    let other = world.restart();
    let sealed = world.seal().unwrap();
    let lease = world.opener(&sealed).unwrap().lease().clone();
    let mut tasks = Tasks::new(&world.clock);
    tasks.spawn(world.resources.run());
    world.run(other.revoke_now(&world.id)).unwrap();
    tasks.go(settings().refresh + SECOND);
    assert!(matches!(lease.check(), Err(Error::Denied { cause: Cause::Revoked, .. })));
    world.run(other.refresh(&world.id)).unwrap();
    tasks.go(settings().refresh + SECOND);
    world.open(&sealed).unwrap();
}

/// Checks that a request under way when keys are wiped does not bring them back.
#[test]
fn a_request_from_before_a_wipe_brings_nothing() {
    let world = World::with_cmk();
    let sealed = world.seal().unwrap();
    let resources = world.restart();
    world.customer.always(Fault::Delay(SECOND));
    let header = Header::parse(&sealed).unwrap();
    let request = OpenRequest::default();
    let mut opening = Box::pin(resources.opener(&world.id, &header, &request));
    assert!(poll(opening.as_mut()).is_pending());
    now(resources.revoke_now(&world.id)).unwrap();
    assert!(matches!(world.run(opening.as_mut()).map_err(refusal), Err(Error::Denied { .. })));
    assert_eq!(resources.stats().keys, 0);
}
