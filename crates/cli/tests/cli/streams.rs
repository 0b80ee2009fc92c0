//! Inputs that end when they end, and readers that cannot wait for it.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use strongroom::document::{Header, PlaintextLen};

use crate::home::{Done, Home, PROGRAM, bytes, wait_until_written};

const CHANGED: &str = "was changed, or the end is cut off; restore the file from a copy";

fn stated_len(home: &Home, path: &str) -> PlaintextLen {
    Header::parse(&home.read(path)).unwrap().plaintext_len()
}

#[test]
fn a_file_is_sealed_as_a_stream_where_that_is_asked_for() {
    let home = Home::with_vault();
    let plain = bytes(100_000);
    home.write("plain", &plain);
    home.run(["seal", "plain", "-o", "known"]).succeeds();
    home.run(["seal", "plain", "-o", "stream", "--stream", "--check"]).succeeds();
    assert_eq!(stated_len(&home, "known"), PlaintextLen::Known(100_000));
    assert_eq!(stated_len(&home, "stream"), PlaintextLen::Stream);
    home.run(["open", "stream", "-o", "back"]).succeeds();
    assert_eq!(home.read("back"), plain);
    let piped = home.pipe(["seal", "-"], &plain).succeeds();
    home.write("piped", &piped.stdout);
    assert_eq!(stated_len(&home, "piped"), PlaintextLen::Stream);
}

#[cfg(unix)] // /proc
#[test]
fn a_file_that_grows_is_sealed_to_its_end() {
    let home = Home::with_vault();
    let mut plain = bytes(64 << 20);
    home.write("plain", &plain);
    let mut child = home
        .command(["seal", "plain", "--stream", "--threads", "1", "--backend", "software"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    wait_until_written(&mut child, 4097);
    let mut file = File::options().append(true).open(home.path("plain")).unwrap();
    file.write_all(b"and more").unwrap();
    plain.extend_from_slice(b"and more");
    Done::of(&child.wait_with_output().unwrap()).succeeds();
    home.run(["open", "plain.sealed", "-o", "back"]).succeeds();
    assert!(home.read("back") == plain);
}

/// Each part is released when it is authenticated: a truncation is found at the end, and only the exit
/// code and the message tell.
#[test]
fn a_truncated_stream_gives_a_part_and_fails() {
    let home = Home::with_vault();
    let plain = bytes(40 << 20);
    let sealed = home.pipe(["seal", "-"], &plain).succeeds().stdout;
    let record = (1 << 20) + 16;
    let cuts = [
        2560 + 30 * record,        // between two chunks
        2560 + 30 * record + 1000, // within one
        sealed.len() - 1,          // within the last
    ];
    for cut in cuts {
        let done = home.pipe(["open", "-"], &sealed[..cut]);
        assert_eq!(
            done.stderr,
            format!(
                "error: standard input: its header is authentic, and something behind it {CHANGED}\n"
            )
        );
        assert_eq!(done.code, Some(1));
        assert!(plain.starts_with(&done.stdout), "cut at {cut}");
        let released = done.stdout.len();
        assert!(
            released >= 8 << 20 && released < plain.len(),
            "{released} bytes of a cut at {cut}"
        );
    }
    home.write("cut", &sealed[..cuts[0]]);
    // A pipeline tells of it only where it is told to.
    #[cfg(unix)] // a shell
    {
        let status = |line: &str| {
            let mut shell = Command::new("bash");
            shell.args(["-c", line, PROGRAM]).current_dir(home.work());
            shell.args(["--vault", home.default_vault().to_str().unwrap()]);
            shell.stderr(Stdio::null()).status().unwrap().code()
        };
        let line = "\"$0\" open - \"$@\" <cut | cat >part";
        assert_eq!(status(line), Some(0));
        assert_eq!(status(&format!("set -o pipefail; {line}")), Some(1));
        fs::remove_file(home.path("part")).unwrap();
    }
    // In a file the last chunk is looked at first, and nothing is released.
    let from_file = home.run(["open", "cut", "-o", "whole"]);
    let last = (2560 + 29 * record, cuts[0]);
    from_file.fails_with(&format!(
        "cut: its header is authentic, and its chunk 30 (bytes {} to {}) {CHANGED}",
        last.0, last.1
    ));
    assert_eq!(home.names(), ["cut"]);
}

#[cfg(unix)] // the size of a pipe
#[test]
fn pipes_are_enlarged() {
    let home = Home::with_vault();
    home.write("plain", &bytes(8 << 20));
    home.run(["seal", "plain"]).succeeds();
    let (mut reader, writer) = std::io::pipe().unwrap();
    let size = || rustix::pipe::fcntl_getpipe_size(&reader).unwrap();
    let before = size();
    assert!(before < 1 << 20, "{before}");
    let mut child = home
        .command(["open", "plain.sealed", "-o", "-"])
        .stdout(writer)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut first = [0];
    reader.read_exact(&mut first).unwrap();
    assert_eq!(rustix::pipe::fcntl_getpipe_size(&reader).unwrap(), 1 << 20);
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest).unwrap();
    assert_eq!(rest.len(), (8 << 20) - 1);
    assert!(child.wait().unwrap().success());
}
