//! Two processes on one vault, one resource and one audit trail, killed at random: the trail holds or names its
//! torn line, every state loads, and no version of a key is lost.
//!
//! Each process says what it is about to do ([`phase`]), and the test kills it there, in each phase in turn.

#![allow(unreachable_pub, reason = "modules of one test")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails should stop")]

#[path = "kill/check.rs"]
mod check;
#[path = "kill/child.rs"]
mod child;
#[path = "kill/harness.rs"]
mod harness;
#[path = "kill/phase.rs"]
mod phase;
#[path = "kill/place.rs"]
mod place;
#[path = "kill/proxies.rs"]
mod proxies;

use child::Orders;
use harness::{Plan, run};
use phase::{Met, Operation, Phase};
use proxies::Planted;

/// Names the number of kills; 24 without it.
const KILLS: &str = "STRONGROOM_KILL_TEST_RESOURCE";
/// Names the seed of a run's choices; another one each time without it.
const SEED: &str = "STRONGROOM_KILL_TEST_SEED";
/// With so many kills each phase is to be hit [`HITS`] times, and with the few of every day half of them once.
const MANY: u64 = 200;
const HITS: u64 = 3;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|number| number.parse().unwrap())
}

fn seed() -> u64 {
    number(SEED).unwrap_or_else(|| {
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes).unwrap();
        u64::from_le_bytes(bytes)
    })
}

/// Not a test of its own: the work of a process that a test started.
#[test]
fn as_another_process() {
    if let Some(orders) = Orders::received() {
        child::work(&orders);
    }
}

#[test]
fn two_processes_are_killed_in_every_phase_and_nothing_is_lost() {
    let kills = number(KILLS).unwrap_or(24);
    let seed = seed();
    println!("seed {seed}");
    let plan = Plan { kills, seed, customer_versions: 3, planted: None, aim: None };
    let report = run(&plan).unwrap_or_else(|what| panic!("{what}"));
    report.print();
    assert_eq!(report.kills, kills);
    let done: u64 = report.done.iter().sum();
    assert!(done >= kills, "{done} operations only");
    assert!(report.found.torn >= kills / 4, "{} torn lines", report.found.torn);
    if kills >= MANY {
        for (phase, [hits, _]) in Phase::ALL.iter().zip(&report.hits) {
            assert!(*hits >= HITS, "{}: {hits} kills only", phase.name());
        }
        for (operation, done) in Operation::ALL.iter().zip(&report.done) {
            assert!(*done > 0, "{} was never done", operation.name());
        }
        for met in [Met::Contended, Met::Denied] {
            let times = report.met[usize::from(met.code())];
            assert!(times > 0, "{}: the two processes never met", met.name());
        }
    } else if kills >= 24 {
        assert!(2 * report.phases_hit() >= Phase::ALL.len(), "{} phases", report.phases_hit());
    }
}

/// A mistake is found within a few kills, by what must be found wrong then.
fn is_found(planted: Planted, aim: Phase, expected: &[&str]) {
    let seed = seed();
    let plan =
        Plan { kills: 60, seed, customer_versions: 2, planted: Some(planted), aim: Some(aim) };
    let Err(what) = run(&plan) else { panic!("seed {seed}: {planted:?} was not found") };
    println!("{planted:?}: {what}");
    assert!(expected.iter().any(|expected| what.contains(expected)), "{what}");
}

#[test]
fn a_state_written_in_place_is_found() {
    // By the look at what is left, or by the other process, which meets half a state. Writing in place refuses
    // no number that is taken, either: both processes may write one state, and each is told that it is new. The
    // later one takes away keys that the earlier one has sealed a document under, which is then nobody's; or the
    // trail tells that the state is not the one that was recorded.
    let expected = [
        "does not load",
        "is empty",
        "ended by itself",
        "follows",
        "ForeignDocument",
        "another one than",
    ];
    is_found(Planted::StateInPlace, Phase::StateWrite, &expected);
}

#[test]
fn a_lost_version_is_found() {
    let expected = ["was told of and is not listed", "not usable", "it does not list a version"];
    is_found(Planted::LostVersion, Phase::VaultWrite, &expected);
}

#[test]
fn half_a_line_of_the_trail_is_found() {
    is_found(Planted::HalfLine, Phase::Audit, &["its end was cut off"]);
}
