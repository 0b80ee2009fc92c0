//! Lengths and times of what is sealed: what a file system tells, and what is there.

use std::fs::{self, File};
use std::io::Write as _;
use std::process::Stdio;

use crate::home::{Done, Home, bytes, set_mode, wait_until_written};

/// A file below `/proc` says that it has no bytes, and has some.
#[cfg(target_os = "linux")]
#[test]
fn a_file_without_a_length_is_read_to_its_end() {
    let home = Home::with_vault();
    let text = fs::read("/proc/version").unwrap();
    assert!(!text.is_empty() && fs::metadata("/proc/version").unwrap().len() == 0);
    let done = home.run(["seal", "/proc/version", "-o", "sealed", "--check"]).succeeds();
    let told = String::from_utf8(done.stdout).unwrap() + &done.stderr;
    assert!(told.contains("authenticated") && !told.contains("compared"), "{told}");
    home.run(["open", "sealed", "-o", "back"]).succeeds();
    assert_eq!(home.read("back"), text);

    home.write("empty", b"");
    home.run(["seal", "empty", "--check"]).succeeds();
    home.run(["open", "empty.sealed", "-o", "nothing"]).succeeds();
    assert_eq!(home.read("nothing"), b"");
}

/// A file below `/sys` says that it has 4096 bytes, and has fewer.
#[cfg(target_os = "linux")]
#[test]
fn a_file_with_a_wrong_length_is_refused_and_sealed_as_a_stream() {
    let path = "/sys/devices/system/cpu/online";
    let text = fs::read(path).unwrap();
    assert_eq!(fs::metadata(path).unwrap().len(), 4096);
    let home = Home::with_vault();
    home.run(["seal", path, "-o", "sealed"]).fails_with(&format!(
        "{path} is not the 4096 bytes that its length was given as: it was changed while it was read, \
         or the file system reports a wrong length; try again when nothing writes to it, or read it to \
         its end with --stream"
    ));
    assert!(home.names().is_empty());
    home.run(["seal", path, "-o", "sealed", "--stream"]).succeeds();
    home.run(["open", "sealed", "-o", "back"]).succeeds();
    assert_eq!(home.read("back"), text);
}

#[cfg(unix)] // /proc tells how far it is
#[test]
fn a_file_that_is_overwritten_while_it_is_sealed() {
    let refused = "plain was changed while it was sealed, and the result must not be kept; try again \
                   when nothing writes to it, or seal what it holds by then with --stream";
    let as_file = "plain is not the 67108864 bytes that its length was given as: it was changed while \
                   it was read, or the file system reports a wrong length; try again when nothing writes \
                   to it, or read it to its end with --stream";
    let home = Home::with_vault();
    let file = File::create(home.path("plain")).unwrap();
    file.set_len(64 << 20).unwrap();
    let sealing = |args: &[&str], change: &dyn Fn()| {
        let mut child = home
            .command([&["seal", "plain", "--threads", "1", "--backend", "software"], args].concat())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        wait_until_written(&mut child, 4097);
        change();
        Done::of(&child.wait_with_output().unwrap())
    };
    // The length stays.
    let overwrite = || (&file).write_all(b"another text").unwrap();
    sealing(&[], &overwrite).fails_with(as_file);
    assert_eq!(home.names(), ["plain"]);
    sealing(&["-o", "-"], &overwrite).fails_with(refused);
    sealing(&["--stream"], &overwrite).succeeds();
    fs::remove_file(home.path("plain.sealed")).unwrap();

    let another_name = || {
        fs::hard_link(home.path("plain"), home.path("link")).unwrap();
        set_mode(&home.path("plain"), 0o400);
    };
    sealing(&[], &another_name).succeeds();
}

/// Checks that a missing end is reported before the first byte is given out, of a stream too, which may end
/// between two chunks.
#[test]
fn nothing_of_a_file_that_is_too_short_goes_to_standard_output() {
    let home = Home::with_vault();
    home.write("plain", &bytes(300_000));
    for stream in [false, true] {
        let how: &[&str] = if stream { &["--stream"] } else { &[] };
        let args = ["seal", "plain", "-o", "sealed", "--force", "--chunk-size", "4KiB"];
        home.run([&args, how].concat()).succeeds();
        let sealed = home.read("sealed");
        let done = home.run(["open", "sealed", "-o", "-"]).succeeds();
        assert!(done.stdout == home.read("plain"));
        for kept in [2560 + 10 * 4112, sealed.len() - 100, sealed.len() - 1] {
            home.write("cut", &sealed[..kept]);
            let done = home.run(["open", "cut", "-o", "-"]);
            assert_eq!((done.code, done.stdout.len()), (Some(1), 0), "{kept} bytes, {stream}");
            assert!(!done.stderr.is_empty());
        }
        home.write("longer", &[&sealed[..], b"x"].concat());
        let done = home.run(["open", "longer", "-o", "-"]);
        assert_eq!((done.code, done.stdout.len()), (Some(1), 0), "a longer one, {stream}");
    }
}
