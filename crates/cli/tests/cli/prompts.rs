//! Passphrases that are typed at a terminal of their own, while standard input is a document.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::home::{Done, Home};

/// Longest time until a question appears: deriving a key takes a second, a busy machine some more.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs `line` at a terminal of its own, with `input` on standard input, and answers its questions with
/// `answers`, each when it was asked; what the terminal showed is the standard error.
fn at_terminal(home: &Home, line: &str, answers: &[&str], input: &[u8]) -> Done {
    let controller =
        openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&controller).unwrap();
    unlockpt(&controller).unwrap();
    let name = ptsname(&controller, Vec::new()).unwrap();
    let terminal =
        rustix::fs::open(&*name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())
            .unwrap();
    home.write("input", input);
    // `setsid` makes its standard input the controlling terminal; the shell then takes another one.
    let mut child = home
        .in_session(&format!("exec <input; exec \"$0\" {line}"))
        .stdin(Stdio::from(terminal.try_clone().unwrap()))
        .stdout(Stdio::piped())
        .stderr(Stdio::from(terminal))
        .spawn()
        .unwrap();
    let shown = Arc::new(Mutex::new(Vec::new()));
    let mut screen = File::from(controller.try_clone().unwrap());
    let display = thread::spawn({
        let shown = Arc::clone(&shown);
        move || {
            let mut buffer = [0; 4096];
            // The last one that holds the terminal is gone: reading it ends with an error.
            while let Ok(length @ 1..) = screen.read(&mut buffer) {
                shown.lock().unwrap().extend_from_slice(&buffer[..length]);
            }
        }
    });
    let text = || String::from_utf8(shown.lock().unwrap().clone()).unwrap();
    let mut keyboard = File::from(controller);
    for (asked, answer) in (1..).zip(answers) {
        let started = Instant::now();
        // What is typed before a question is thrown away by it.
        while text().matches(": ").count() < asked {
            let is_over = started.elapsed() > PATIENCE || child.try_wait().unwrap().is_some();
            if is_over {
                let _ = child.kill();
            }
            assert!(!is_over, "question {asked} was not asked: {}", text());
            thread::sleep(Duration::from_millis(5));
        }
        writeln!(keyboard, "{answer}").unwrap();
    }
    let Output { status, stdout, .. } = child.wait_with_output().unwrap();
    drop(keyboard);
    display.join().unwrap();
    Done { code: status.code(), stdout, stderr: text().replace("\r\n", "\n") }
}

#[test]
fn a_passphrase_is_asked_for_where_no_file_holds_it() {
    let home = Home::new();
    let init = at_terminal(&home, "vault init --vault v --passphrase", &["one", "one"], b"");
    assert_eq!(init.code, Some(0), "{}", init.stderr);
    assert!(init.stderr.contains("new passphrase: "), "{}", init.stderr);
    // The document comes by standard input, the passphrase does not.
    let sealed = at_terminal(&home, "seal - --vault v", &["one"], b"text");
    assert_eq!(sealed.code, Some(0), "{}", sealed.stderr);
    assert_eq!(
        sealed.stderr.matches("passphrase of the vault v: ").count(),
        1,
        "{}",
        sealed.stderr
    );
    home.write("passphrase", b"one\n");
    home.write("sealed", &sealed.stdout);
    let open = ["open", "sealed", "-o", "-", "--vault", "v", "--passphrase-file", "passphrase"];
    assert_eq!(home.run(open).succeeds().stdout, b"text");

    let wrong = at_terminal(&home, "open sealed -o - --vault v", &["two"], b"");
    assert_eq!((wrong.code, &wrong.stdout[..]), (Some(1), &b""[..]), "{}", wrong.stderr);
    assert!(wrong.stderr.contains("does not open"), "{}", wrong.stderr);
    let empty = at_terminal(&home, "open sealed -o - --vault v", &[""], b"");
    assert_eq!(empty.code, Some(2), "{}", empty.stderr);
    assert!(empty.stderr.contains("no passphrase was typed"), "{}", empty.stderr);
    // Where nobody can read the question it is not asked.
    home.run(["open", "sealed", "-o", "-", "--vault", "v"])
        .fails_with("the vault v has a passphrase; give it with --passphrase-file");
}

#[test]
fn several_files_ask_once() {
    let home = Home::new();
    at_terminal(&home, "vault init --vault v --passphrase", &["one", "one"], b"");
    home.write("a", b"a");
    home.write("b", b"b");
    let sealed = at_terminal(&home, "vault create k --vault v", &["one"], b"");
    assert_eq!(sealed.code, Some(0), "{}", sealed.stderr);
    let sealed = at_terminal(&home, "seal a b --key k --vault v", &["one"], b"");
    assert_eq!(sealed.code, Some(0), "{}", sealed.stderr);
    assert_eq!(sealed.stderr.matches("passphrase of the vault v").count(), 1);
    let verified = at_terminal(&home, "verify a.sealed b.sealed --vault v", &["one"], b"");
    assert_eq!(verified.code, Some(0), "{}", verified.stderr);
    assert_eq!(verified.stderr.matches("passphrase of the vault v").count(), 1);
}

#[test]
fn a_passphrase_is_changed_by_prompt_and_by_file() {
    let home = Home::new();
    at_terminal(&home, "vault init --vault v --passphrase", &["one", "one"], b"");
    let differ =
        at_terminal(&home, "vault set-passphrase --vault v", &["one", "two", "three"], b"");
    assert_eq!(differ.code, Some(2), "{}", differ.stderr);
    assert!(differ.stderr.contains("the two passphrases differ"), "{}", differ.stderr);
    let changed = at_terminal(&home, "vault set-passphrase --vault v", &["one", "two", "two"], b"");
    assert_eq!(changed.code, Some(0), "{}", changed.stderr);
    for (file, passphrase) in [("one", "one\n"), ("two", "two\n"), ("three", "three\n")] {
        home.write(file, passphrase.as_bytes());
    }
    let list =
        |file: &str| home.run(["vault", "list", "--vault", "v", "--passphrase-file", file]).code;
    assert_eq!([list("one"), list("two")], [Some(1), Some(0)]);
    let change = ["vault", "set-passphrase", "--vault", "v", "--passphrase-file", "two"];
    home.run(change).is_refused_with("name a file that holds it with --new-passphrase-file");
    home.run(change.iter().copied().chain(["--new-passphrase-file", "three"])).succeeds();
    assert_eq!([list("two"), list("three")], [Some(1), Some(0)]);
}

/// The shell that follows shows what is typed.
#[test]
fn an_interrupted_question_leaves_the_terminal_as_it_was() {
    let home = Home::new();
    at_terminal(&home, "vault init --vault v --passphrase", &["one", "one"], b"");
    let by_key = asked(&home, "", |keyboard, _| keyboard.write_all(b"half a phra\x03").unwrap());
    assert!(!by_key.success());
    for signal in [Signal::TERM, Signal::HUP, Signal::INT, Signal::QUIT] {
        let status = asked(&home, "", |keyboard, program| {
            keyboard.write_all(b"half a phra").unwrap();
            kill_process(program, signal).unwrap();
        });
        assert_eq!(status.signal(), Some(signal.as_raw()));
    }
}

/// As `nohup` has it.
#[cfg(target_os = "linux")] // tells which signals are ignored
#[test]
fn a_signal_that_was_ignored_before_a_question_does_not_end_it() {
    let home = Home::new();
    at_terminal(&home, "vault init --vault v --passphrase", &["one", "one"], b"");
    let status = asked(&home, "trap '' HUP; ", |keyboard, program| {
        kill_process(program, Signal::HUP).unwrap();
        thread::sleep(Duration::from_millis(100));
        writeln!(keyboard, "one").unwrap();
    });
    assert!(status.success(), "{status}");
}

/// Does `then` while the program, which a shell starts after `before`, asks for a passphrase; asserts that its
/// terminal is as it was when it has ended.
fn asked(home: &Home, before: &str, then: impl FnOnce(&mut File, Pid)) -> ExitStatus {
    let controller =
        openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&controller).unwrap();
    unlockpt(&controller).unwrap();
    let name = ptsname(&controller, Vec::new()).unwrap();
    let terminal =
        rustix::fs::open(&*name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())
            .unwrap();
    let echoes = || {
        let modes = rustix::termios::tcgetattr(&terminal).unwrap().local_modes;
        modes.contains(rustix::termios::LocalModes::ECHO | rustix::termios::LocalModes::ISIG)
    };
    assert!(echoes());
    let mut child = home
        .in_session(&format!("{before}exec \"$0\" vault create k --vault v"))
        .stdin(Stdio::from(terminal.try_clone().unwrap()))
        .stdout(Stdio::null())
        .stderr(Stdio::from(terminal.try_clone().unwrap()))
        .spawn()
        .unwrap();
    let started = Instant::now();
    let mut shown = Vec::new();
    let mut screen = File::from(controller);
    while !String::from_utf8_lossy(&shown).contains("passphrase of the vault v: ") {
        assert!(started.elapsed() < PATIENCE);
        let mut buffer = [0; 4096];
        let length = screen.read(&mut buffer).unwrap();
        shown.extend_from_slice(&buffer[..length]);
    }
    assert!(!echoes());
    then(&mut screen, Pid::from_child(&child));
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        let asks_on = started.elapsed() > PATIENCE;
        if asks_on {
            child.kill().unwrap();
        }
        assert!(!asks_on, "it was to end");
        thread::sleep(Duration::from_millis(5));
    };
    assert!(echoes(), "{status}");
    status
}

#[test]
fn a_sealed_document_does_not_go_to_a_terminal_by_any_name() {
    let home = Home::with_vault();
    for line in ["seal - -o /dev/tty --key default", "seal - -o /dev/tty --force --key default"] {
        let done = at_terminal(&home, line, &[], b"text");
        assert_eq!(done.code, Some(2), "{}", done.stderr);
        assert!(done.stderr.contains("is not text for a terminal"), "{}", done.stderr);
    }
}
