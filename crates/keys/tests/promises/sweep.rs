//! Every fault at every request of a transition, and what may never come of it.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

use strongroom_keys::Error;
use strongroom_keys::resource::Cause;
use strongroom_keys::testing::{Fault, FaultyVault, Operation};
use strongroom_keys::vault::{DeniedReason, VersionedKeyId};

use crate::changes::{
    CREATE, DISABLE, ENABLE, ENABLE_AGAIN, REFRESH, ROTATE_KEYS, ROTATE_SERVICE_KEY, ROTATE_TO_KEY,
    ROTATE_TO_VERSION,
};
use crate::rig::Vaults;
use crate::world::World;

/// Number of times that each request and fault met, by their names.
pub type Hits = BTreeMap<(&'static str, &'static str), usize>;

/// Number of a host's attempts while a fault lasts.
const TRIES: usize = 8;

const SECOND: Duration = Duration::from_secs(1);

/// A transition, with all faults done to it once a test run, whoever wants to know.
pub struct Sweep {
    name: &'static str,
    prepare: fn(&World),
    run: fn(&World) -> Result<(), Error>,
    met: OnceLock<Hits>,
}

/// Requests that meet the fault.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Extent {
    /// One.
    Once,
    /// All of that kind, from that one on, until the vault comes back.
    Standing,
}

fn faults() -> Vec<Fault> {
    let other = VersionedKeyId::parse("memory/customer/documents/99").unwrap();
    let mut faults = vec![
        Fault::RefuseOther(DeniedReason::KeyMissing, other),
        Fault::Delay(SECOND),
        Fault::Throttle(None),
        Fault::Throttle(Some(SECOND * 7)),
        Fault::Fail,
        Fault::Invalid,
        Fault::Hang,
        Fault::LoseAnswer,
    ];
    faults.extend(
        [
            DeniedReason::KeyDisabled,
            DeniedReason::KeyMissing,
            DeniedReason::Permission,
            DeniedReason::Identity,
            DeniedReason::Firewall,
        ]
        .map(Fault::Refuse),
    );
    faults
}

fn is_definite(fault: &Fault) -> bool {
    use DeniedReason::{KeyDisabled, KeyMissing, Permission};
    matches!(fault, Fault::Refuse(KeyDisabled | KeyMissing | Permission))
}

impl Sweep {
    pub const fn new(
        name: &'static str,
        prepare: fn(&World),
        run: fn(&World) -> Result<(), Error>,
    ) -> Self {
        Self { name, prepare, run, met: OnceLock::new() }
    }

    /// Does every fault to every request, of both vaults.
    pub fn met(&self) -> &Hits {
        self.met.get_or_init(|| {
            let mut hits = Hits::new();
            self.over(&Vaults::in_memory(), &mut hits);
            self.over(&Vaults::local(), &mut hits);
            hits
        })
    }

    /// Every fault at every request, in both extents.
    fn over(&self, vaults: &Vaults, hits: &mut Hits) {
        let world = self.prepared(vaults).0;
        world.customer.reset_counts();
        world.service.reset_counts();
        (self.run)(&world).unwrap_or_else(|error| panic!("{}: {error}", self.name));
        let mut requests = Vec::new();
        for customer in [true, false] {
            let vault = if customer { &world.customer } else { &world.service };
            for operation in Operation::ALL {
                requests.extend((0..vault.calls(operation)).map(|n| (customer, operation, n)));
            }
        }
        assert!(!requests.is_empty(), "{} asks no vault", self.name);
        for fault in faults() {
            for request in &requests {
                for extent in [Extent::Once, Extent::Standing] {
                    self.one(vaults, &fault, *request, extent, hits);
                }
            }
        }
    }

    /// A world before the transition, with documents of before.
    fn prepared(&self, vaults: &Vaults) -> (World, Vec<Vec<u8>>) {
        let world = vaults.world();
        let mut documents = vec![world.seal().unwrap()];
        (self.prepare)(&world);
        documents.extend(world.seal());
        (world, documents)
    }

    fn one(
        &self,
        vaults: &Vaults,
        fault: &Fault,
        (customer, operation, at): (bool, Operation, usize),
        extent: Extent,
        hits: &mut Hits,
    ) {
        let (world, documents) = self.prepared(vaults);
        let context =
            format!("{}: {fault:?}, {extent:?}, {operation:?} {at}, {customer}", self.name);
        let closed_before = world.state() == "denied";
        let vault: &FaultyVault = if customer { &world.customer } else { &world.service };
        vault.reset_counts();
        let given = match (fault, extent) {
            (Fault::Delay(_), Extent::Standing) => Fault::Delay(SECOND * 5), // too long to wait for
            _ => fault.clone(),
        };
        vault.decide(move |call| {
            let met = call.operation == operation
                && match extent {
                    Extent::Once => call.number_of_kind == at,
                    Extent::Standing => call.number_of_kind >= at,
                };
            if met { given.clone() } else { Fault::None }
        });
        let tries = if extent == Extent::Once { 1 } else { TRIES };
        for _try in 0..tries {
            if (self.run)(&world).is_ok() {
                break;
            }
        }
        for (kind, name, count) in vault.all_hits().into_iter().filter(|hit| hit.1 != "none") {
            *hits.entry((kind, name)).or_default() += count;
        }
        assert!(vault.hits(operation, fault.name()) > 0, "{context}: not met");
        vault.come_back();
        world.clock.advance(SECOND * 61); // no refusal is asked about more often

        // Closed by a definite word about the key in use, and by nothing else.
        let state = world.state();
        assert!(state != "shredded" && state != "shred-pending", "{context}: {state}");
        if state == "denied" {
            assert!(closed_before || customer && is_definite(fault), "{context}: {state}");
            let resources = world.restart();
            for sealed in &documents {
                let opened = world.open_in(&resources, sealed);
                assert!(matches!(opened, Err(Error::Denied { .. })), "{context}");
            }
            world.run(world.resources.refresh(&world.id)).unwrap();
        }
        let all_open = |when: &str| {
            let resources = world.restart();
            for sealed in &documents {
                let opened = world.open_in(&resources, sealed);
                opened.unwrap_or_else(|error| panic!("{context}, {when}: {error}"));
            }
        };
        all_open("after the fault");
        (self.run)(&world).unwrap_or_else(|error| panic!("{context}, again: {error}"));
        all_open("after the transition");
        withdrawn(&world, vaults, &documents, &context);
        all_open("after the key is back");
    }
}

/// Nothing opens while the customer's key in use is withdrawn; without one, no key of a customer matters.
fn withdrawn(world: &World, vaults: &Vaults, documents: &[Vec<u8>], context: &str) {
    let status = world.run(world.resources.status(&world.id)).unwrap();
    let Some(cmk) = status.cmk else {
        world.customer.always(Fault::Fail);
        let resources = world.restart();
        for sealed in documents {
            let opened = world.open_in(&resources, sealed);
            opened.unwrap_or_else(|error| panic!("{context}, without a customer: {error}"));
        }
        world.customer.come_back();
        return;
    };
    vaults.owner.enable(&cmk.key, false);
    let resources = world.restart();
    for sealed in documents {
        let error = world.open_in(&resources, sealed).unwrap_err();
        let cause = Cause::Vault(DeniedReason::KeyDisabled);
        assert!(
            matches!(&error, Error::Denied { cause: found, .. } if *found == cause),
            "{context}, withdrawn: {error}"
        );
    }
    vaults.owner.enable(&cmk.key, true);
    world.run(world.resources.refresh(&world.id)).unwrap();
}

#[test]
fn every_fault_was_met_often_enough() {
    let mut sum = Hits::new();
    for sweep in [
        &CREATE,
        &ENABLE,
        &ENABLE_AGAIN,
        &ROTATE_TO_VERSION,
        &ROTATE_TO_KEY,
        &ROTATE_KEYS,
        &ROTATE_SERVICE_KEY,
        &DISABLE,
        &REFRESH,
    ] {
        for (met, count) in sweep.met() {
            *sum.entry(*met).or_default() += count;
        }
    }
    println!("{sum:#?}");
    for operation in ["describe", "wrap", "unwrap"] {
        for fault in faults() {
            let count = sum.get(&(operation, fault.name())).copied().unwrap_or_default();
            assert!(count >= 50, "{operation} met {} {count} times", fault.name());
        }
    }
}
