//! Histories of a resource's keys, with faults, crashes and restarts, against a plain reference model.

#![allow(unreachable_pub, reason = "modules of one test")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails should stop")]

#[path = "support/world.rs"]
mod world;

#[path = "model/acts.rs"]
mod acts;
#[path = "model/checks.rs"]
mod checks;
#[path = "model/faults.rs"]
mod faults;
#[path = "model/history.rs"]
mod history;
#[path = "model/reference.rs"]
mod reference;
#[path = "model/tally.rs"]
mod tally;

use std::cell::RefCell;

use history::History;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};
use strongroom_keys::testing::PlantedBug;
use tally::Tally;

/// How many histories are played; [`HISTORIES_IN_A_TEST`] without it.
const HISTORIES: &str = "STRONGROOM_MODEL_HISTORIES";
const HISTORIES_IN_A_TEST: u64 = 2000;
/// Which ones: the number that a failure named, or another one.
const SEED: &str = "STRONGROOM_MODEL_SEED";
const SEED_IN_A_TEST: u64 = 7;
/// So many histories are enough to find each planted bug.
const TO_FIND_A_BUG: u32 = 300;

/// Plays histories until one disagrees with the model: what was met, and what was wrong.
fn play(cases: u32, seed: u64, shrinking: u32) -> (Tally, Option<String>) {
    let config = Config {
        cases,
        rng_seed: RngSeed::Fixed(seed),
        max_shrink_iters: shrinking,
        failure_persistence: None,
        ..Config::default()
    };
    let tally = RefCell::new(Tally::default());
    let outcome = TestRunner::new(config).run(&acts::histories(), |steps| {
        History::new(&mut tally.borrow_mut()).play(&steps).map_err(TestCaseError::fail)
    });
    let wrong = match outcome {
        Ok(()) => None,
        Err(TestError::Fail(wrong, steps)) => Some(format!("{wrong}\nthe history: {steps:#?}")),
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    };
    (tally.into_inner(), wrong)
}

#[test]
fn histories_agree_with_the_model() {
    let number = |name: &str| std::env::var(name).ok().map(|value| value.parse::<u64>().unwrap());
    let seed = number(SEED).unwrap_or(SEED_IN_A_TEST);
    let half = u32::try_from(number(HISTORIES).unwrap_or(HISTORIES_IN_A_TEST).div_ceil(2)).unwrap();
    let halves = [seed, !seed].map(|seed| std::thread::spawn(move || play(half, seed, 2000)));
    let mut tally = Tally::default();
    for thread in halves {
        let (played, wrong) = thread.join().unwrap();
        if let Some(wrong) = wrong {
            panic!("{SEED}={seed} finds: {wrong}");
        }
        tally.add(&played);
    }
    println!("{tally}{} steps; {SEED}={seed}", tally.all("step"));
    assert_eq!(tally.histories(), 2 * half as usize);
    assert_eq!(tally.missing(), Vec::<String>::new());
}

/// Each is found by what the resource does, and not because the test itself stumbles.
#[test]
fn the_model_finds_planted_bugs() {
    let bugs: [(PlantedBug, &[&str]); 7] = [
        (PlantedBug::KeysKeptOnDenial, &["an open document is read on"]),
        (PlantedBug::EpochReused, &["of epoch 1 serves in epoch 2", "a document opens as Err"]),
        (PlantedBug::SwitchedBeforeProbe, &["Step { act: Rotate("]),
        (PlantedBug::StateUnverified, &["a state that was tampered with gives Ok"]),
        (PlantedBug::ShreddedOnOutage, &["and found State { kind: Shredded"]),
        (PlantedBug::KeysKeptTooLong, &["with keys of"]),
        (PlantedBug::DenialNotWritten, &["and found State { kind: Active"]),
    ];
    assert_eq!(bugs.map(|(bug, _)| bug), PlantedBug::ALL);
    for (bug, words) in bugs {
        let planted = bug.plant();
        let (tally, wrong) = play(TO_FIND_A_BUG, SEED_IN_A_TEST, 0);
        drop(planted);
        let histories = tally.histories();
        let wrong =
            wrong.unwrap_or_else(|| panic!("{bug:?} is not found in {histories} histories"));
        let what = wrong.lines().next().unwrap();
        println!("{bug:?} after {histories} histories: {what}");
        assert!(what.starts_with("step ") || what.starts_with("at the end: "), "{bug:?}: {what}");
        assert!(words.iter().any(|words| what.contains(words)), "{bug:?}: {what}");
    }
}
