//! `seal --exec`: a command's output is sealed if the command succeeds.

use crate::home::Home;

/// A command of the system's shell, what it writes, and the same where it fails.
const PRINT: (&str, &str, &str) = if cfg!(windows) {
    ("echo text", "text\r\n", "echo text& exit 3")
} else {
    ("printf 'a %s' text", "a text", "printf text; exit 3")
};

/// A command that makes the file `ran`, and one that writes nothing.
const TOUCH: &str = if cfg!(windows) { "echo x>ran" } else { "touch ran" };
const NOTHING: &str = if cfg!(windows) { "rem" } else { "true" };

#[test]
fn the_output_of_a_command_is_sealed() {
    let home = Home::with_vault();
    let (command, text, _) = PRINT;
    let done = home.run(["seal", "--exec", command, "-o", "sealed"]).succeeds();
    let length = text.len();
    let words = format!("sealed the output of {command:?} to sealed: {length} bytes");
    assert!(done.text().starts_with(&words), "{}", done.text());
    assert_eq!(home.run(["open", "sealed", "-o", "-"]).succeeds().stdout, text.as_bytes());
}

#[cfg(unix)] // commands that Windows has not
#[test]
fn more_than_a_pipe_holds_comes_from_a_command_and_goes_to_standard_output() {
    let home = Home::with_vault();
    let sealed = home.run(["seal", "--exec", "head -c 3000000 /dev/zero"]).succeeds().stdout;
    assert_eq!(home.pipe(["open", "-"], &sealed).succeeds().stdout, vec![0; 3_000_000]);
}

#[test]
fn a_command_that_fails_leaves_nothing_that_opens() {
    let home = Home::with_vault();
    let (_, _, command) = PRINT;
    let failed = format!(
        "the command {command:?} failed: it ended with exit code 3; what it wrote is not sealed: mend what \
         it said, and run it again"
    );
    home.run(["seal", "--exec", command, "-o", "sealed"]).fails_with(&failed);
    assert!(home.names().is_empty());
    // What is out already is no document.
    let done = home.run(["seal", "--exec", command]);
    assert_eq!((done.code, done.stderr), (Some(1), format!("error: {failed}\n")));
    assert_eq!(home.pipe(["open", "-"], &done.stdout).code, Some(1));
    let done = home.run(["seal", "--exec", "no-such-command", "-o", "sealed"]);
    assert!(done.stderr.contains("failed: it ended with exit code "), "{}", done.stderr);
    #[cfg(unix)] // signals
    {
        let command = "head -c 5000000 /dev/zero; kill -9 $$";
        let done = home.run(["seal", "--exec", command, "-o", "sealed"]);
        assert!(done.stderr.contains("failed: it was ended by a signal: 9"), "{}", done.stderr);
    }
    assert!(home.names().is_empty());
}

#[test]
fn a_command_does_not_run_where_its_output_could_not_be_kept() {
    let home = Home::with_vault();
    home.write("sealed", b"text");
    let done = home.run(["seal", "--exec", TOUCH, "-o", "sealed"]);
    assert_eq!(done.code, Some(1));
    home.run(["seal", "--exec", TOUCH, "-o", "x", "--key", "missing"]);
    assert_eq!(home.names(), ["sealed"]);
    home.run(["seal", "plain", "--exec", TOUCH]).is_refused_with("cannot be used with");
    home.run(["seal"]).is_refused_with("required");
}

#[test]
fn a_stream_that_gives_nothing_is_warned_about() {
    let home = Home::with_vault();
    let done = home.run(["seal", "--exec", NOTHING, "-o", "sealed"]).succeeds();
    assert_eq!(
        done.stderr,
        format!("warning: the output of {NOTHING:?} gave nothing: the document is empty\n")
    );
    let done = home.pipe(["seal", "-", "-o", "piped"], b"").succeeds();
    assert_eq!(done.stderr, "warning: standard input gave nothing: the document is empty\n");
    assert_eq!(home.run(["open", "piped", "-o", "-"]).succeeds().stdout, b"");
    home.write("empty", b"");
    assert_eq!(home.run(["seal", "empty"]).succeeds().stderr, "");
}

#[cfg(unix)] // paths of descriptors
#[test]
fn a_command_does_not_read_the_passphrases_input() {
    let home = Home::new();
    home.write("pass", b"secret\n");
    home.run("vault init --vault v --passphrase-file pass".split(' ')).succeeds();
    home.run("vault create k --vault v --passphrase-file pass".split(' ')).succeeds();
    let args = "seal --exec cat -o sealed --vault v --key k --passphrase-file /dev/stdin";
    for input in ["pipe", "file"] {
        let done = if input == "pipe" {
            home.pipe(args.split(' '), b"secret\nbody\n")
        } else {
            home.write("in", b"secret\nbody\n");
            let line = format!("{} {args} <in", crate::home::PROGRAM);
            crate::home::Done::of(&home.shell(&line).output().unwrap())
        };
        done.fails_with(
            "/dev/stdin is the passphrase file and the command's input at once; give each a file or a pipe of its \
             own",
        );
    }
    assert_eq!(home.names(), ["in", "pass", "v"]);
}
