//! `seal --exec`: a command's output is sealed if the command succeeds.

use crate::home::Home;

#[test]
fn the_output_of_a_command_is_sealed() {
    let home = Home::with_vault();
    let done = home.run(["seal", "--exec", "printf 'a %s' text", "-o", "sealed"]).succeeds();
    assert!(
        done.text().starts_with("sealed the output of \"printf 'a %s' text\" to sealed: 6 bytes")
    );
    assert_eq!(home.run(["open", "sealed", "-o", "-"]).succeeds().stdout, b"a text");
    // More than a pipe holds, and to standard output.
    let sealed = home.run(["seal", "--exec", "head -c 3000000 /dev/zero"]).succeeds().stdout;
    assert_eq!(home.pipe(["open", "-"], &sealed).succeeds().stdout, vec![0; 3_000_000]);
}

#[test]
fn a_command_that_fails_leaves_nothing_that_opens() {
    let home = Home::with_vault();
    let failed = "the command \"printf text; exit 3\" failed: it ended with exit code 3; what it wrote is \
                  not sealed: mend what it said, and run it again";
    home.run(["seal", "--exec", "printf text; exit 3", "-o", "sealed"]).fails_with(failed);
    assert!(home.names().is_empty());
    // What is out already is no document.
    let done = home.run(["seal", "--exec", "printf text; exit 3"]);
    assert_eq!((done.code, done.stderr), (Some(1), format!("error: {failed}\n")));
    assert_eq!(home.pipe(["open", "-"], &done.stdout).code, Some(1));
    let done =
        home.run(["seal", "--exec", "head -c 5000000 /dev/zero; kill -9 $$", "-o", "sealed"]);
    assert!(done.stderr.contains("failed: it was ended by a signal: 9"), "{}", done.stderr);
    let done = home.run(["seal", "--exec", "no-such-command", "-o", "sealed"]);
    assert!(done.stderr.contains("exit code 127"), "{}", done.stderr);
    assert!(home.names().is_empty());
}

#[test]
fn a_command_does_not_run_where_its_output_could_not_be_kept() {
    let home = Home::with_vault();
    home.write("sealed", b"text");
    let done = home.run(["seal", "--exec", "touch ran", "-o", "sealed"]);
    assert_eq!(done.code, Some(1));
    home.run(["seal", "--exec", "touch ran", "-o", "x", "--key", "missing"]);
    assert_eq!(home.names(), ["sealed"]);
    home.run(["seal", "plain", "--exec", "touch ran"]).is_refused_with("cannot be used with");
    home.run(["seal"]).is_refused_with("required");
}

#[test]
fn a_stream_that_gives_nothing_is_warned_about() {
    let home = Home::with_vault();
    let done = home.run(["seal", "--exec", "true", "-o", "sealed"]).succeeds();
    assert_eq!(
        done.stderr,
        "warning: the output of \"true\" gave nothing: the document is empty\n"
    );
    let done = home.pipe(["seal", "-", "-o", "piped"], b"").succeeds();
    assert_eq!(done.stderr, "warning: standard input gave nothing: the document is empty\n");
    assert_eq!(home.run(["open", "piped", "-o", "-"]).succeeds().stdout, b"");
    home.write("empty", b"");
    assert_eq!(home.run(["seal", "empty"]).succeeds().stderr, "");
}
