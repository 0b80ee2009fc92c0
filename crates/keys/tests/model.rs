//! Histories of a resource's keys, with faults, crashes and restarts, against a plain reference model.

#![allow(unreachable_pub, reason = "modules of one test")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails should stop")]

#[path = "support/world.rs"]
mod world;

#[path = "model/acts.rs"]
mod acts;
#[path = "model/checks.rs"]
mod checks;
#[path = "model/copies.rs"]
mod copies;
#[path = "model/faults.rs"]
mod faults;
#[path = "model/history.rs"]
mod history;
#[path = "model/perform.rs"]
mod perform;
#[path = "model/reference.rs"]
mod reference;
#[path = "model/scenes.rs"]
mod scenes;
#[path = "model/sink.rs"]
mod sink;
#[path = "model/tally.rs"]
mod tally;
#[path = "model/tampering.rs"]
mod tampering;
#[path = "model/trails.rs"]
mod trails;

use std::cell::RefCell;

use acts::{Act, Step, Trouble};
use history::History;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};
use tally::Tally;

/// Names the number of histories to play; [`HISTORIES_IN_A_TEST`] without it.
const HISTORIES: &str = "STRONGROOM_MODEL_HISTORIES";
const HISTORIES_IN_A_TEST: u64 = 2000;
/// Names their seed: the one that a failure named, or another one.
const SEED: &str = "STRONGROOM_MODEL_SEED";
const SEED_IN_A_TEST: u64 = 7;

/// Plays histories until one disagrees with the model: what was met, and what was wrong.
fn play(cases: u32, seed: u64) -> (Tally, Option<String>) {
    let config = Config {
        cases,
        rng_seed: RngSeed::Fixed(seed),
        max_shrink_iters: 2000,
        failure_persistence: None,
        ..Config::default()
    };
    let tally = RefCell::new(Tally::default());
    let outcome = TestRunner::new(config).run(&scenes::histories(), |plan| {
        let mut tally = tally.borrow_mut();
        History::new(plan.trail, &mut tally).play(&plan.steps).map_err(TestCaseError::fail)
    });
    let wrong = match outcome {
        Ok(()) => None,
        Err(TestError::Fail(wrong, plan)) => Some(format!("{wrong}\nthe history: {plan:#?}")),
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    };
    (tally.into_inner(), wrong)
}

/// A process that was in doubt has read the trail anew by then, and goes on as others do.
#[test]
fn new_damage_behind_a_repair_is_found_by_the_next_process() {
    let enable = Act::Enable { key: 0, at: None, all: false, shred: false };
    let first = Act::Trail(trails::Harm::FlipLast(3));
    let second = Act::Trail(trails::Harm::FlipEarlier { line: 1, at: 3 });
    for act in [Act::Open(0), Act::Refresh, Act::Revoke, Act::Delete, Act::RotateServiceKey] {
        let harm = [first.clone(), Act::Restart, Act::Repair, second.clone()];
        let acts = [enable.clone(), Act::Seal { result: false, hours: None }];
        let steps = acts.into_iter().chain(harm).chain([act.clone()]);
        let steps: Vec<Step> = steps.map(|act| Step { act, trouble: Trouble::None }).collect();
        let mut tally = Tally::default();
        let played = History::new(Some(0), &mut tally).play(&steps);
        assert_eq!(played, Ok(()), "{act:?}");
    }
}

/// The trail is cut before the line that confirmed the state, so that the process which starts then knows of a doubt and
/// of no damage. Another one ends the doubt.
#[test]
fn a_doubt_that_another_process_has_ended_keeps_nothing_closed() {
    let harm = |lines| Act::Trail(trails::Harm::Cut { lines, rest: 0 });
    let enable = Act::Enable { key: 0, at: None, all: false, shred: false };
    for kept in 0..8 {
        let acts = [
            enable.clone(),
            harm(5),
            Act::Restart,
            Act::Repair,
            harm(kept),
            Act::Restart,
            Act::Revoke,
            Act::Repair,
            Act::Refresh,
        ];
        let steps = acts.map(|act| Step { act, trouble: Trouble::None });
        let mut tally = Tally::default();
        let played = History::new(Some(0), &mut tally).play(&steps);
        assert_eq!(played, Ok(()), "with {kept} lines");
    }
}

#[test]
fn histories_agree_with_the_model() {
    let number = |name: &str| std::env::var(name).ok().map(|value| value.parse::<u64>().unwrap());
    let seed = number(SEED).unwrap_or(SEED_IN_A_TEST);
    let half = u32::try_from(number(HISTORIES).unwrap_or(HISTORIES_IN_A_TEST).div_ceil(2)).unwrap();
    let halves = [seed, !seed].map(|seed| std::thread::spawn(move || play(half, seed)));
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
