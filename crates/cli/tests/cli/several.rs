//! Several files in one command, and several keys for one document.

use std::fs;
use std::path::Path;

use crate::home::{Home, bytes};

#[test]
fn several_files_are_sealed_opened_and_verified() {
    let home = Home::with_vault();
    let plain = [bytes(10), bytes(3 << 20), Vec::new()];
    for (name, plain) in ["a", "b", "c"].iter().zip(&plain) {
        home.write(name, plain);
    }
    let sealed = home.run(["seal", "a", "b", "c"]).succeeds();
    assert_eq!(sealed.text().lines().count(), 3);
    let names = ["a", "a.sealed", "b", "b.sealed", "c", "c.sealed"];
    assert_eq!(home.names(), names);
    let verified = home.run(["verify", "a.sealed", "b.sealed", "c.sealed"]).succeeds();
    assert_eq!(verified.text().lines().count(), 3);
    fs::create_dir(home.path("back")).unwrap();
    home.run(["open", "a.sealed", "b.sealed", "c.sealed", "-o", "back"]).succeeds();
    for (name, plain) in ["a", "b", "c"].iter().zip(&plain) {
        assert!(home.read(&format!("back/{name}")) == *plain);
    }
    // A directory for one file, too.
    home.run(["seal", "a", "-o", "back"]).succeeds();
    home.run(["verify", "back/a.sealed"]).succeeds();
}

#[test]
fn a_file_that_fails_does_not_stop_the_others() {
    let home = Home::with_vault();
    home.write("a", b"a");
    home.write("c", b"c");
    let done = home.run(["seal", "a", "missing", "c"]);
    assert_eq!(done.code, Some(1));
    assert_eq!(done.text().lines().count(), 2);
    assert_eq!(
        done.stderr,
        "error: cannot read missing: there is no such file or directory; check the path\n\
         error: 1 of 3 files could not be sealed, each named above; mend what is said there, and run \
         the command again with these files alone: missing\n"
    );
    home.write("c.sealed", b"no document");
    let done = home.run(["open", "a.sealed", "c.sealed", "--force", "--json"]);
    assert_eq!(done.code, Some(1));
    assert_eq!(done.json()["output"], "a");
    let kinds: Vec<String> = done
        .stderr
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|line| line["error"]["kind"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(kinds, ["format", "some-failed"]);
    assert_eq!(home.read("c"), b"c");
}

#[test]
fn several_files_that_cannot_be_meant_so_are_refused_before_anything_is_done() {
    let home = Home::with_vault();
    for name in ["a", "b"] {
        home.write(name, b"text");
    }
    fs::create_dir(home.path("d")).unwrap();
    home.write("d/a", b"text");
    let both = format!("would both become {}", Path::new("d").join("a.sealed").display());
    for (arguments, words) in [
        (&["seal", "a", "b", "-o", "one"][..], "several files cannot all become one"),
        (&["seal", "a", "b", "-o", "-"], "several files cannot all become -"),
        (&["seal", "a", "-"], "standard input is one input of several"),
        (&["seal", "a", "d/a", "-o", "d"], &both),
        (&["seal", "a", "a"], "would both become a.sealed"),
        (&["seal", "a", "b", "--detach-header", "h"], "--detach-header names one file"),
        (&["open", "a.sealed", "b"], "b does not end in .sealed"),
        (&["open", "a.sealed", "b.sealed", "--header", "h"], "--header h is that of one document"),
        (&["verify", "a", "b", "--header", "h"], "--header h is that of one document"),
        (
            &["open", "a.sealed", "b.sealed", "-o", "d", "--range", "1..2"],
            "--range is of one document",
        ),
        (&["seal", "a", "--key", "default", "--key", "default"], "--key default is given twice"),
    ] {
        home.run(arguments).is_refused_with(words);
        assert_eq!(home.names(), ["a", "b", "d"], "{arguments:?}");
    }
}

#[test]
fn any_one_of_several_keys_opens() {
    let home = Home::with_vault();
    home.run(["vault", "create", "escrow"]).succeeds();
    let plain = bytes(70_000);
    home.write("plain", &plain);
    let report = home
        .run(["seal", "plain", "--key", "default", "--key", "escrow", "--json"])
        .succeeds()
        .json();
    let keys: Vec<&str> =
        report["keys"].as_array().unwrap().iter().map(|key| key.as_str().unwrap()).collect();
    assert!(keys[0].contains("/default/") && keys[1].contains("/escrow/"), "{keys:?}");
    for disabled in ["default", "escrow"] {
        home.run(["vault", "disable", disabled]).succeeds();
        home.run(["open", "plain.sealed", "-o", "back", "--force"]).succeeds();
        assert!(home.read("back") == plain);
        home.run(["vault", "enable", disabled]).succeeds();
    }
    home.run(["vault", "disable", "default"]).succeeds();
    home.run(["vault", "disable", "escrow"]).succeeds();
    assert_eq!(home.run(["open", "plain.sealed", "-o", "back", "--force"]).code, Some(1));
}

#[test]
fn files_of_several_resources_open_in_one_command() {
    let home = Home::new();
    home.run(["service", "init"]).succeeds();
    for name in ["r", "s"] {
        home.run(["resource", "create", name, "--tenant", "t", "--region", "e"]).succeeds();
        home.write(name, name.as_bytes());
        home.run(["seal", name, "--resource", name]).succeeds();
        fs::remove_file(home.path(name)).unwrap();
    }
    home.run(["open", "r.sealed", "s.sealed"]).succeeds();
    assert_eq!((home.read("r"), home.read("s")), (b"r".to_vec(), b"s".to_vec()));
    // The keys of one resource open nothing of another.
    let done = home.run(["open", "r.sealed", "s.sealed", "--resource", "r", "--force"]);
    assert_eq!(done.code, Some(1));
    assert_eq!(done.text().lines().count(), 1);
}
