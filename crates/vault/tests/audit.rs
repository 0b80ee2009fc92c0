//! The audit trail as other processes see it: many writers at once, and writers that are killed.

#![allow(clippy::unwrap_used, reason = "a test helper that fails is a failed test")]

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;

use futures_lite::future::block_on;
use strongroom_vault::audit::{
    AuditEvent, AuditKey, AuditLine, AuditResult, AuditSink as _, FileHeadStore, HeadStore as _,
    JsonLines, verify, verify_each,
};

/// Names the trail to the copies of this test program that act as other processes.
const CHILD_TRAIL: &str = "STRONGROOM_TEST_CHILD_TRAIL";

/// Names the number of events that such a process records.
const CHILD_EVENTS: &str = "STRONGROOM_TEST_CHILD_EVENTS";

/// Names the number of kills of writers; 60 without it.
const KILLS: &str = "STRONGROOM_KILL_TEST_AUDIT";

fn key() -> AuditKey {
    AuditKey::new(&[7; 32])
}

fn head_store(path: &Path) -> FileHeadStore {
    FileHeadStore::new(path.with_extension("head"), &key())
}

fn event(caller: &str, time: u64) -> AuditEvent {
    AuditEvent {
        time,
        resource: Some("invoices".to_owned()),
        duration_us: 812,
        caller: Some(caller.to_owned()),
        ..AuditEvent::new("unwrap", AuditResult::Done)
    }
}

fn process(path: &Path, events: u64) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "another_process", "--nocapture"])
        .env(CHILD_TRAIL, path)
        .env(CHILD_EVENTS, events.to_string())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Not a test of its own: the work of a process that a test started.
#[test]
fn another_process() {
    let Some(path) = std::env::var_os(CHILD_TRAIL) else { return };
    let path = PathBuf::from(path);
    let events = std::env::var(CHILD_EVENTS).unwrap().parse().unwrap();
    let sink =
        JsonLines::new(&path, &key()).rotate_at(40_000).head_store(Arc::new(head_store(&path)));
    let caller = std::process::id().to_string();
    for time in 1..=events {
        block_on(sink.record(&event(&caller, time))).unwrap();
    }
}

/// Numbers of events that each process recorded; they follow the order in which it recorded them.
fn recorded_by(path: &Path, lines: u64) -> BTreeMap<String, u64> {
    let mut recorded = BTreeMap::new();
    let anchor = head_store(path).load().unwrap();
    let mut count = |line: &AuditLine| {
        if let Some(caller) = &line.event.caller {
            let last: &mut u64 = recorded.entry(caller.clone()).or_default();
            *last += 1;
            assert_eq!(line.event.time, *last, "line {}", line.number);
        }
    };
    let verified = verify_each(path, &key(), anchor, &mut count).unwrap();
    assert_eq!(verified.lines, lines);
    recorded
}

#[test]
fn four_processes_write_800_lines() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    let processes: Vec<_> = (0..4).map(|_| process(&path, 200)).collect();
    for mut process in processes {
        assert!(process.wait().unwrap().success());
    }
    let verified = verify(&path, &key(), head_store(&path).load().unwrap()).unwrap();
    assert_eq!((verified.lines, verified.mended, verified.torn), (800, 0, None));
    assert_eq!(head_store(&path).load().unwrap(), verified.head);
    assert!(verified.files > 3, "{}", verified.files);
    assert_eq!(recorded_by(&path, 800).into_values().collect::<Vec<_>>(), [200; 4]);
}

#[test]
fn threads_write_at_once_as_well() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    let sink = JsonLines::new(&path, &key()).sync(strongroom_vault::audit::Sync::Never);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let sink = sink.clone();
            scope.spawn(move || {
                for time in 1..=100 {
                    block_on(sink.record(&event(&thread.to_string(), time))).unwrap();
                }
            });
        }
    });
    assert_eq!(recorded_by(&path, 400).into_values().collect::<Vec<_>>(), [100; 4]);
    assert_eq!(block_on(sink.head()).unwrap(), verify(&path, &key(), None).unwrap().head);
}

/// A number below `bound` that differs from run to run.
/// Each of 20 copies, most of them made over the end of a file, is a trail that holds.
#[test]
fn a_copy_that_is_made_while_others_write_holds() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    let trail =
        || JsonLines::new(&path, &key()).rotate_at(4096).head_store(Arc::new(head_store(&path)));
    trail().record_blocking(&event("first", 0)).unwrap();
    let (mut grown, mut files) = (0, 0);
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for writer in ["one", "two"] {
            let (trail, is_done) = (trail(), &is_done);
            scope.spawn(move || {
                while !is_done.load(Ordering::Relaxed) {
                    trail.record_blocking(&event(writer, 1)).unwrap();
                }
            });
        }
        for copy in 0..20 {
            let to = directory.path().join(format!("copy-{copy}"));
            let before = block_on(trail().head()).unwrap().unwrap().number;
            let copied = trail().copy_to(&to).unwrap();
            let after = block_on(trail().head()).unwrap().unwrap().number;
            let last = copied.head.unwrap().number;
            assert!((before..=after).contains(&last));
            grown += usize::from(before < after);
            files = copied.files;
            // It is written on.
            JsonLines::new(&to, &key()).record_blocking(&event("copy", 2)).unwrap();
            assert_eq!(verify(&to, &key(), copied.head).unwrap().lines, copied.lines + 1);
            assert!(trail().copy_to(&to).is_err(), "a copy replaces nothing");
        }
        is_done.store(true, Ordering::Relaxed);
    });
    assert!(grown >= 10 && files > 1, "{grown} copies of a trail that grew, of {files} files");
    // A cut trail is not copied. The last line may be the only one of its file.
    let text = std::fs::read(&path).unwrap();
    let end = text[..text.len() - 1].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    std::fs::write(&path, &text[..end]).unwrap();
    assert!(trail().copy_to(&directory.path().join("cut")).unwrap_err().is_damage());
}

fn random_below(bound: u64) -> u64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).unwrap();
    u64::from_le_bytes(bytes) % bound
}

#[test]
fn writers_are_killed_at_any_moment() {
    let kills: u64 = std::env::var(KILLS).map_or(60, |kills| kills.parse().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    let (mut lines, mut torn, mut wrote) = (0, 0, 0);
    for round in 0..kills {
        let mut writers = [process(&path, u64::MAX), process(&path, u64::MAX)];
        // Until one of them writes; then at whatever moment.
        let verified = || verify(&path, &key(), head_store(&path).load().unwrap());
        let started = (0..2_000).any(|_| {
            sleep(Duration::from_millis(5));
            verified().is_ok_and(|verified| verified.lines > lines)
        });
        assert!(started, "round {round}: the writers write nothing: {:?}", verified());
        sleep(Duration::from_micros(random_below(10_000)));
        for writer in &mut writers {
            writer.kill().unwrap();
            writer.wait().unwrap();
        }
        let found = verified().unwrap();
        assert!(found.lines > lines, "round {round}");
        wrote += found.lines - lines;
        (lines, torn) = (found.lines, torn + u64::from(found.torn.is_some()));
        // A process that is killed has written a line or has not; a machine that loses its power leaves a
        // part. Each second round ends like that.
        if round % 2 == 1 && found.torn.is_none() {
            let mut file = OpenOptions::new().append(true).create(true).open(&path).unwrap();
            let part = br#"{"number":1234,"time":1,"operation":"unw"#;
            let length = 1 + usize::try_from(random_below(part.len() as u64 - 1)).unwrap();
            file.write_all(&part[..length]).unwrap();
            torn += 1;
        }
    }
    block_on(JsonLines::new(&path, &key()).record(&event("the last", 1))).unwrap();
    let verified = verify(&path, &key(), head_store(&path).load().unwrap()).unwrap();
    assert_eq!((verified.mended, verified.torn), (torn, None));
    assert!(torn >= kills / 2 && wrote >= kills);
    println!("{kills} rounds, {} lines in {} files, {torn} mended", verified.lines, verified.files);
}
