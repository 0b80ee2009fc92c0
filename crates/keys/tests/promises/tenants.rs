//! Audit records, the worth of two layers, and many tenants side by side.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use strongroom::document::{self, Header, OpenOptions};
use strongroom_keys::audit::{AuditEvent, AuditResult};
use strongroom_keys::clock::Clock as _;
use strongroom_keys::resource::{Caller, EnableCmk, ResourceId, SealRequest};
use strongroom_keys::testing::{
    Fault, FaultyVault, ManualClock, MemoryVault, Operation, unwrapping_keys,
};
use strongroom_keys::vault::{DeniedReason, Vault};

use crate::rig::rigs;
use crate::world::{IDENTITY, REGION, TENANT, Tasks, World, new_resource, now, rsa};

#[test]
fn row_06_every_request_and_change_is_recorded() {
    for rig in rigs() {
        let resources = rig.resources.on_behalf_of(Caller::new("portal").correlated("7f3a"));
        let before = rig.audit.events().len();
        now(resources.enable_cmk(&rig.id, &rig.enable())).unwrap();
        rig.customer.decide(|call| match call.operation {
            Operation::WrapKey => Fault::Refuse(DeniedReason::Permission),
            _ => Fault::None,
        });
        assert!(now(resources.rotate_cmk(&rig.id, &rig.cmk[1])).is_err());
        rig.customer.come_back();
        let events = rig.audit.events().split_off(before);
        let said: Vec<_> = events
            .iter()
            .filter(|event| event.result != AuditResult::Begun)
            .map(|event| (event.operation.as_str(), event.result == AuditResult::Done))
            .collect();
        let expected = [
            ("describe", true),
            ("wrap", true),
            ("unwrap", true),
            ("enable-cmk", true),
            ("rotate-cmk-start", true),
            ("describe", true),
            ("unwrap", true),
            ("wrap", false),
            ("rotate-cmk-abandon", true),
        ];
        assert_eq!(said, expected);
        // Each change is begun before it is done, and has its state when it is.
        let begun = |event: &&AuditEvent| event.result == AuditResult::Begun;
        assert_eq!(events.iter().filter(begun).count(), 3);
        let written =
            |event: &&AuditEvent| event.result == AuditResult::Done && event.state.is_some();
        assert_eq!(events.iter().filter(written).count(), 3);
        for event in &events {
            assert_eq!(event.resource.as_deref(), Some(rig.id.as_str()));
            assert_eq!(event.caller.as_deref(), Some("portal"));
            assert_eq!(event.correlation_id.as_deref(), Some("7f3a"));
            assert!(event.key.as_ref().is_some_and(|key| rig.cmk.contains(key)), "{event}");
            assert_eq!(event.time, rig.clock.unix_time());
        }
    }
}

/// The document itself needs both keys: one layer's alone opens nothing, whatever the state says.
#[test]
fn row_07_losing_either_key_makes_data_unreadable() {
    for rig in rigs() {
        let rig = rig.enabled();
        let sealed = rig.seal().unwrap();
        let header = Header::parse(&sealed).unwrap();
        assert_eq!(header.layers(), 2);
        for lost in 0..2 {
            let (keys, _) = rig.run(unwrapping_keys(&rig.resources, &rig.id, &header)).unwrap();
            assert_eq!(keys.len(), 2);
            let kept = &keys[1 - lost..2 - lost];
            assert!(document::open(&sealed, kept, &OpenOptions::default()).is_err());
            let both = document::open(&sealed, &keys, &OpenOptions::default());
            assert_eq!(both.unwrap(), b"text");
        }
        // And so do the vaults: either of them withdraws its key.
        rig.service.always(Fault::Refuse(DeniedReason::KeyMissing));
        rig.clock.advance(Duration::from_secs(61));
        assert!(rig.open(&sealed).is_err());
        rig.service.come_back();
        rig.clock.advance(Duration::from_secs(61));
        rig.open(&sealed).unwrap();
        rig.owner().enable(&rig.cmk[0], false);
        rig.clock.advance(Duration::from_secs(61));
        assert!(rig.open(&sealed).is_err());
    }
}

const VAULTS: usize = 50;

/// Milliseconds that each of 1,000 resources over 50 vaults takes to get its keys, all at once; without those
/// of the vault that may hang.
fn latencies(hangs: bool) -> Vec<u128> {
    let clock = Arc::new(ManualClock::default());
    let keys: Vec<_> = (0..VAULTS)
        .map(|n| {
            let vault = MemoryVault::new(&format!("memory/{n}")).at(TENANT, REGION);
            let key = vault.insert_rsa("documents", rsa(0)).unwrap();
            (key, Arc::new(FaultyVault::new(Arc::new(vault), Arc::clone(&clock) as _)))
        })
        .collect();
    let vaults: HashMap<String, Arc<dyn Vault>> = keys
        .iter()
        .map(|(key, vault)| (key.vault().to_owned(), Arc::clone(vault) as Arc<dyn Vault>))
        .collect();
    let world = World::with(|config| {
        config.with_vaults(Arc::new(vaults)).with_clock(Arc::clone(&clock) as _)
    });
    let ids: Vec<_> = (0..1000)
        .map(|n| {
            let id = ResourceId::new(&format!("tenant-{n}")).unwrap();
            now(world.resources.create(new_resource(&id))).unwrap();
            let with = EnableCmk::new(keys[n % VAULTS].0.clone(), IDENTITY);
            now(world.resources.enable_cmk(&id, &with)).unwrap();
            id
        })
        .collect();
    for (n, (_, vault)) in keys.iter().enumerate() {
        if hangs && n == 0 {
            vault.always(Fault::Hang);
        } else {
            // From 20 to 50 ms, by the request.
            vault.decide(move |call| {
                let spread = u64::try_from((n * 13 + call.number * 7) % 31).unwrap();
                Fault::Delay(Duration::from_millis(20 + spread))
            });
        }
    }
    let took = Mutex::new(Vec::new());
    let start = clock.elapsed();
    let mut tasks = Tasks::new(&clock);
    for (n, id) in ids.iter().enumerate() {
        let (took, clock, resources) = (&took, &clock, &world.resources);
        tasks.spawn(async move {
            let keys = resources.sealing_keys(id, &SealRequest::default()).await;
            assert_eq!(keys.is_err(), hangs && n % VAULTS == 0, "{id}");
            if n % VAULTS != 0 {
                took.lock().unwrap().push(clock.elapsed().saturating_sub(start).as_millis());
            }
        });
    }
    tasks.go(Duration::from_secs(10));
    drop(tasks);
    let mut took = took.into_inner().unwrap();
    assert_eq!(took.len(), 980);
    took.sort_unstable();
    took
}

#[test]
fn of_a_thousand_resources_only_those_of_a_hanging_vault_wait() {
    let p99 = |took: &[u128]| took[took.len() * 99 / 100];
    let (quiet, stuck) = (p99(&latencies(false)), p99(&latencies(true)));
    println!("p99 {quiet} ms, with a vault that hangs {stuck} ms");
    assert!(quiet >= 20 && stuck * 10 < quiet * 11, "{quiet} ms, then {stuck} ms");
}
