//! Reports, progress and errors, as people, logs and programs read them.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;

use crate::home::{Home, bytes};

#[test]
fn a_quiet_command_prints_nothing_but_what_is_wrong() {
    let home = Home::with_vault();
    home.write("plain", &bytes(100_000));
    for arguments in [
        &["seal", "plain"][..],
        &["open", "plain.sealed", "-o", "back"],
        &["verify", "plain.sealed"],
        &["rewrap", "plain.sealed"],
    ] {
        let done = home.run([arguments, &["--quiet"]].concat()).succeeds();
        assert_eq!((done.text(), done.stderr.as_str()), ("", ""), "{arguments:?}");
    }
    home.run(["seal", "plain", "-q"]).fails_with(
        "plain.sealed exists and is kept; replace it with --force, or choose another name with -o",
    );
    let report = home.run(["seal", "plain", "-q", "--force", "--json"]).succeeds().json();
    assert_eq!(report["bytes"], 100_000);
}

#[test]
fn with_json_an_error_is_a_line_of_json_too() {
    let home = Home::with_vault();
    home.write("plain", &bytes(10));
    home.run(["seal", "plain"]).succeeds();
    home.write("damaged", &{
        let mut sealed = home.read("plain.sealed");
        *sealed.last_mut().unwrap() ^= 1;
        sealed
    });
    for (arguments, code, kind, words) in [
        (&["seal", "plain", "--json"][..], 1, "exists", "replace it with --force"),
        (&["seal", "missing", "--json"], 1, "read", "cannot read missing"),
        (&["open", "plain", "-o", "x", "--json"], 1, "format", "plain"),
        (&["open", "damaged", "-o", "x", "--json"], 1, "authentication", "damaged"),
        (&["open", "plain.sealed", "-o", "x", "--vault", "none", "--json"], 1, "vault", "none"),
        (&["vault", "show", "other", "--json"], 1, "no-key", "strongroom vault create other"),
        (&["open", "plain", "--json"], 2, "usage", "does not end in .sealed"),
        (&["seal", "--json"], 2, "usage", "required"),
        (&["seal", "plain", "--chunk-size", "3", "--json"], 2, "usage", "--chunk-size"),
    ] {
        let done = home.run(arguments);
        assert_eq!(done.code, Some(code), "{arguments:?}");
        assert!(done.stdout.is_empty(), "{arguments:?}");
        assert_eq!(done.stderr.lines().count(), 1, "{arguments:?}: {}", done.stderr);
        let line: serde_json::Value = serde_json::from_str(&done.stderr).unwrap();
        assert_eq!(line["error"]["kind"], kind, "{arguments:?}: {line}");
        let message = line["error"]["message"].as_str().unwrap();
        assert!(message.contains(words), "{arguments:?}: {message}");
        assert!(!message.starts_with("error"), "{message}");
    }
}

/// The signal would end a process that does not listen.
#[cfg(unix)] // SIGUSR1
#[test]
fn a_signal_asks_how_far_the_work_is() {
    let home = Home::with_vault();
    for quiet in [false, true] {
        let mut command = home.command(["seal", "-", "-o", "sealed", "--force", "--threads", "1"]);
        if quiet {
            command.arg("--quiet");
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let chunk = bytes(1 << 20);
        // The first chunks are sealed: the process listens from before them on.
        while crate::home::written(child.id()) < 3 << 20 {
            stdin.write_all(&chunk).unwrap();
        }
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::USR1).unwrap();
        // It answers with the next chunk.
        for _ in 0..16 {
            stdin.write_all(&chunk).unwrap();
        }
        drop(stdin);
        let line = lines.next().unwrap().unwrap();
        assert!(line.starts_with("progress: sealing: ") && line.contains(" done, "), "{line}");
        let rest: Vec<String> = lines.map(Result::unwrap).collect();
        assert!(rest.is_empty(), "{rest:?}");
        assert!(child.wait().unwrap().success());
    }
}

#[cfg(unix)] // names with any character
#[test]
fn no_character_of_a_name_commands_the_terminal() {
    let home = Home::with_vault();
    let name = "\u{1b}]0;x\u{7}\u{9b}2K\u{202e}\rname\nverified x";
    home.write(name, b"text");
    let sealed = format!("{name}.sealed");
    let done = home.run(["seal", name]).succeeds();
    let verified = home.run(["verify", &sealed]).succeeds();
    let json = home.run(["verify", "--json", &sealed]).succeeds();
    let missing = home.run(["open", &format!("no{name}\nverified it")]);
    let rewrapped = home.run(["rewrap", &sealed]).succeeds();
    let shown = home.run(["inspect", &sealed]).succeeds();
    assert!(!shown.text().lines().any(|line| line.starts_with("verified")), "{}", shown.text());
    for text in [done.text(), verified.text(), rewrapped.text(), json.text()] {
        assert_eq!(text.lines().count(), 1, "{text}");
    }
    for text in [done.text(), verified.text(), shown.text(), json.text(), &missing.stderr] {
        assert!(!text.contains(['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}', '\r']), "{text:?}");
    }
    assert!(
        verified.text().contains("\\u{1b}]0;x\\u{7}\\u{9b}2K\\u{202e}\\u{d}name\\u{a}verified x"),
        "{}",
        verified.text()
    );
    assert_eq!(json.json()["input"].as_str(), Some(&*sealed), "{}", json.text());
    assert_eq!(missing.stderr.lines().count(), 1, "{}", missing.stderr);
}
