//! SIGKILL at any moment: the target is absent or whole, the original untouched, and nothing else is
//! left in the directory.
//!
//! A run has three phases, told from outside by how many bytes it has written:
//!
//! ```text
//! before    not one byte: arguments, keys, the key's wrapping or unwrapping
//! body      some, but not all
//! after     all: fsync, --check, naming, the last line
//! ```
//!
//! Each kill aims at a random moment of one phase; in which phase it really hit is read from what the
//! dead process had written. It goes on until twenty hits are counted for sealing and twenty for
//! opening, with at least three in each phase. `STRONGROOM_KILL_TEST_MIB` sets the document's length, 128 by default.

#![cfg(unix)] // signals, and what /proc tells of a process
#![allow(clippy::unwrap_used, reason = "a test helper that fails is a failed test")]

#[path = "support/home.rs"]
#[allow(dead_code, reason = "the other test program uses the rest of it")]
mod home;

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use home::{Home, bytes, written};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};

const KILLS: usize = 20;

/// Two runs at once would spoil each other's aim.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

const LEAST_IN_A_PHASE: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Before,
    Body,
    After,
}

const PHASES: [Phase; 3] = [Phase::Before, Phase::Body, Phase::After];

/// Course of one undisturbed run, to aim by.
struct Course {
    written: u64,
    until_first_byte: Duration,
    after_last_byte: Duration,
}

/// A random number below `limit`.
fn below(limit: u64) -> u64 {
    getrandom::u64().unwrap() % limit.max(1)
}

fn random_part(of: Duration) -> Duration {
    Duration::from_nanos(below(u64::try_from(of.as_nanos()).unwrap()))
}

fn pid(child: &Child) -> Pid {
    Pid::from_child(child)
}

/// True where the process has ended; it is not waited for.
fn has_ended(child: &Child) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    rustix::process::waitid(WaitId::Pid(pid(child)), options).unwrap().is_some()
}

/// Runs `args` to the end and notes its course.
fn observe(home: &Home, args: &[&str]) -> Course {
    let start = Instant::now();
    let mut child = home.command(args).stdout(Stdio::null()).spawn().unwrap();
    let mut first = None;
    let mut last = (0, start);
    while !has_ended(&child) {
        let now = written(child.id());
        if now > 0 && first.is_none() {
            first = Some(start.elapsed());
        }
        if now > last.0 + 4096 {
            last = (now, Instant::now());
        }
    }
    // The last line of the report is not of the document.
    let written = last.0;
    let after_last_byte = last.1.elapsed();
    assert!(child.wait().unwrap().success());
    Course { written, until_first_byte: first.unwrap(), after_last_byte }
}

/// Starts `args`, kills the process at a random moment of `aim`, and tells in which phase it was hit;
/// `None` where it had ended before.
fn kill_one(home: &Home, args: &[&str], course: &Course, aim: Phase) -> Option<Phase> {
    let start = Instant::now();
    let mut child = home.command(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let id = child.id();
    let wait_for = |bytes: u64| while written(id) < bytes && !has_ended(&child) {};
    match aim {
        Phase::Before => {
            let moment = random_part(course.until_first_byte);
            thread::sleep(moment.saturating_sub(start.elapsed()));
        }
        Phase::Body => wait_for(1 + below(course.written - 1)),
        Phase::After => {
            wait_for(course.written);
            thread::sleep(random_part(course.after_last_byte));
        }
    }
    // A corpse that is not waited for keeps its id, so this cannot hit another process.
    rustix::process::kill_process(pid(&child), Signal::KILL).unwrap();
    while !has_ended(&child) {}
    let written = written(id);
    let status = child.wait().unwrap();
    (status.signal() == Some(9)).then_some(match written {
        0 => Phase::Before,
        some if some < course.written => Phase::Body,
        _ => Phase::After,
    })
}

/// True where two files hold the same bytes.
fn same(one: &Path, other: &Path) -> bool {
    let (mut one, mut other) = (File::open(one).unwrap(), File::open(other).unwrap());
    if one.metadata().unwrap().len() != other.metadata().unwrap().len() {
        return false;
    }
    let (mut left, mut right) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    loop {
        let length = one.read(&mut left).unwrap();
        if length == 0 {
            return true;
        }
        other.read_exact(&mut right[..length]).unwrap();
        if left[..length] != right[..length] {
            return false;
        }
    }
}

/// Kills `args`, which makes `target` of `original`, until the counts are reached; `is_whole` judges
/// a target that is there.
fn kill_many(home: &Home, args: &[&str], target: &str, is_whole: impl Fn() -> bool) {
    let original = args[1];
    let copy = home.work().with_file_name("copy");
    fs::copy(home.path(original), &copy).unwrap();

    let mut course = observe(home, args);
    assert!(is_whole());
    fs::remove_file(home.path(target)).unwrap();

    let mut hits = [0; PHASES.len()];
    let mut whole = 0;
    let mut attempts = 0;
    while hits.iter().sum::<usize>() < KILLS || hits.iter().any(|count| *count < LEAST_IN_A_PHASE) {
        let aim = PHASES[attempts % PHASES.len()];
        attempts += 1;
        assert!(attempts <= 10 * KILLS, "the phases are not hit: {hits:?} of {PHASES:?}");
        let hit = kill_one(home, args, &course, aim);
        if let Some(phase) = hit {
            let index = PHASES.iter().position(|other| *other == phase).unwrap();
            hits[index] += 1;
        }
        if aim == Phase::Before && hit != Some(Phase::Before) {
            // The machine is quicker now than it was when it was observed.
            course.until_first_byte = course.until_first_byte.mul_f64(0.8);
        }
        if aim == Phase::After && hit.is_none() {
            course.after_last_byte = course.after_last_byte.mul_f64(0.8);
        }

        let there = home.path(target).exists();
        if there {
            assert!(is_whole(), "killed in {hit:?}, {target} is there and not whole");
            whole += 1;
            fs::remove_file(home.path(target)).unwrap();
        }
        assert_eq!(home.names(), [original], "killed in {hit:?}");
        assert!(same(&home.path(original), &copy), "killed in {hit:?}");
    }
    let kills: usize = hits.iter().sum();
    println!(
        "{}: {kills} kills in {attempts} runs, {hits:?} of {PHASES:?}; {whole} times the target was \
         there, and whole",
        args.join(" ")
    );
    fs::remove_file(copy).unwrap();
}

fn length_mib() -> usize {
    std::env::var("STRONGROOM_KILL_TEST_MIB").map_or(128, |text| text.parse().unwrap())
}

/// This test's turn, and a home with a document.
fn prepare() -> (MutexGuard<'static, ()>, Home) {
    let turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let home = Home::with_vault();
    let mut file = File::create(home.path("plain")).unwrap();
    let mut block = bytes(1 << 20);
    for number in 0..length_mib() {
        block[..8].copy_from_slice(&number.to_le_bytes());
        file.write_all(&block).unwrap();
    }
    (turn, home)
}

#[test]
fn sealing_killed_at_any_moment_leaves_all_or_nothing() {
    let (_turn, home) = prepare();
    let back = home.work().with_file_name("back");
    let back_text = back.to_str().unwrap();
    kill_many(&home, &["seal", "plain", "--check"], "plain.sealed", || {
        home.run(["open", "plain.sealed", "-o", back_text, "--force"]).succeeds();
        same(&home.path("plain"), &back)
    });
}

#[test]
fn opening_killed_at_any_moment_leaves_all_or_nothing() {
    let (_turn, home) = prepare();
    home.run(["seal", "plain"]).succeeds();
    let plain = home.work().with_file_name("plain");
    fs::rename(home.path("plain"), &plain).unwrap();
    kill_many(&home, &["open", "plain.sealed"], "plain", || same(&home.path("plain"), &plain));
}

const MOVE: [&str; 6] = ["resource", "move-documents", "r", "doc", "--home", "../h"];

/// A document of a resource, outside its customer's key, in a directory of its own, and a copy of it.
fn with_a_document_outside(home: &Home) -> std::path::PathBuf {
    let old = home.work().with_file_name("old");
    for line in [
        "service init --home ../h",
        "resource create r --tenant t --region e --home ../h",
        "seal plain -o ../old --resource r --home ../h",
        "vault init --vault ../c --purge-protection --tenant t --region e",
        "vault create k --vault ../c",
        "vault grant service --vault ../c",
        "resource enable-cmk r --vault ../c --key k --home ../h --documents-before 1",
    ] {
        home.run(line.split(' ')).succeeds();
    }
    fs::copy(&old, home.path("doc")).unwrap();
    old
}

/// The number of layers of `doc`, which opens to what it was made of.
fn whole_layers(home: &Home) -> u64 {
    let back = home.work().with_file_name("back");
    let to = back.to_str().unwrap();
    home.run(["open", "doc", "-o", to, "--force", "--home", "../h"]).succeeds();
    assert!(same(&home.path("plain"), &back));
    home.run(["inspect", "doc", "--json"]).json()["layers"].as_u64().unwrap()
}

#[test]
fn moving_killed_at_any_moment_leaves_one_whole_document_and_never_counts_too_many() {
    let (_turn, home) = prepare();
    let old = with_a_document_outside(&home);
    let course = observe(&home, &MOVE);
    assert_eq!(whole_layers(&home), 2);
    home.run(["resource", "disable-cmk", "r", "--home", "../h"]).succeeds();
    let (mut hits, mut moved, mut attempts) = ([0; PHASES.len()], 0, 0);
    while hits.iter().any(|count| *count < LEAST_IN_A_PHASE) {
        let enable = "resource enable-cmk r --vault ../c --key k --home ../h --documents-before 1";
        home.run(enable.split(' ')).succeeds();
        fs::copy(&old, home.path("doc")).unwrap();
        let aim = PHASES[attempts % PHASES.len()];
        attempts += 1;
        assert!(attempts <= 10 * KILLS, "the phases are not hit: {hits:?} of {PHASES:?}");
        let hit = kill_one(&home, &MOVE, &course, aim);
        if let Some(phase) = hit {
            hits[PHASES.iter().position(|other| *other == phase).unwrap()] += 1;
        }
        let layers = whole_layers(&home);
        moved += u32::from(layers == 2);
        assert_eq!(home.names(), ["doc", "plain"], "killed in {hit:?}");
        let status = home.run(["resource", "status", "r", "--home", "../h", "--json"]).json();
        assert!(layers == 2 || status["outside_cmk"] == 1, "killed in {hit:?}: counted, not moved");
        home.run(MOVE).succeeds();
        assert_eq!(whole_layers(&home), 2, "the next run after a kill in {hit:?}");
        home.run(["resource", "disable-cmk", "r", "--home", "../h"]).succeeds();
    }
    println!("{hits:?} of {PHASES:?} in {attempts} runs; {moved} times it was moved already");
}

#[test]
fn an_interrupted_move_leaves_the_document_as_it_was() {
    let (_turn, home) = prepare();
    let old = with_a_document_outside(&home);
    let mut command = home.shell(&format!(r#"exec env --default-signal "$0" {}"#, MOVE.join(" ")));
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    while written(child.id()) < 1 << 20 && !has_ended(&child) {}
    rustix::process::kill_process(pid(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().signal(), Some(Signal::INT.as_raw()));
    assert_eq!(home.names(), ["doc", "plain"]);
    assert!(same(&home.path("doc"), &old));
}

#[test]
fn an_interrupted_or_terminated_run_leaves_nothing() {
    let (_turn, home) = prepare();
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        // Whoever runs the tests in the background may have them ignore some signals, and the program
        // inherits that: GNU env takes it back.
        let mut command = home.shell(r#"exec env --default-signal "$0" seal plain"#);
        let mut child = command.stdout(Stdio::null()).spawn().unwrap();
        while written(child.id()) < 1 << 20 && !has_ended(&child) {}
        rustix::process::kill_process(pid(&child), signal).unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(signal.as_raw()), "{signal:?}");
        assert_eq!(home.names(), ["plain"], "{signal:?}");
    }
}
