//! Arguments that are one open file, and open descriptors that paths name.

#[cfg(unix)]
use std::fs;
#[cfg(unix)]
use std::process::Stdio;

#[cfg(unix)]
use crate::home::Done;
use crate::home::{Home, bytes};

#[cfg(unix)]
/// Runs a shell line in which `$0` is the program.
fn shell(home: &Home, line: &str) -> Done {
    Done::of(&home.shell(line).stdin(Stdio::piped()).output().unwrap())
}

/// A home whose vault `locked` has a passphrase, in `pass`, and with `plain`.
fn with_passphrase() -> Home {
    let home = Home::new();
    home.write("pass", b"correct horse\n");
    home.write("plain", &bytes(100_000));
    let vault = ["--vault", "locked", "--passphrase-file", "pass"];
    home.run(["vault", "init"].iter().chain(&vault)).succeeds();
    home.run(["vault", "create", "default"].iter().chain(&vault)).succeeds();
    home
}

#[cfg(unix)] // a shell, and paths of what is open
#[test]
fn a_passphrase_and_a_document_do_not_share_a_pipe() {
    let home = with_passphrase();
    home.write("both", &[&home.read("pass")[..], &home.read("plain")].concat());
    let options = "--vault locked --key default -o out";
    for (line, name) in [
        ("cat both | \"$0\" seal - --passphrase-file /dev/stdin", "standard input"),
        ("cat both | \"$0\" seal - --passphrase-file /dev/fd/0", "standard input"),
        ("cat both | \"$0\" seal - --passphrase-file /proc/self/fd/0", "standard input"),
        ("\"$0\" seal - --passphrase-file /dev/stdin <both", "standard input"),
        ("\"$0\" seal - --passphrase-file both <both", "standard input"),
        ("\"$0\" seal both --passphrase-file both", "both"),
        ("\"$0\" seal - --passphrase-file /dev/fd/3 3<both <both", "standard input"),
    ] {
        shell(&home, &format!("{line} {options}")).fails_with(&format!(
            "{name} is the passphrase file and the input at once; give each a file or a pipe of its own"
        ));
    }
    let two = "cat plain | \"$0\" seal - --passphrase-file /dev/fd/3 3<pass";
    shell(&home, &format!("{two} {options}")).succeeds();
    let open = "\"$0\" open out -o - --vault locked --passphrase-file /dev/stdin <pass";
    assert!(shell(&home, open).succeeds().stdout == home.read("plain"));
    let open = "cat out | \"$0\" verify - --vault locked --passphrase-file /dev/stdin";
    shell(&home, open).fails_with(
        "standard input is the passphrase file and the input at once; give each a file or a pipe of its \
         own",
    );
}

#[test]
fn a_passphrase_file_is_no_document_no_output_and_no_other_passphrase() {
    let home = with_passphrase();
    let run =
        |line: &str| home.run(format!("{line} --vault locked --passphrase-file pass").split(' '));
    let twice = "at once; give each a file or a pipe of its own";
    run("seal ./pass -o out --key default")
        .fails_with(&format!("./pass is the passphrase file and the input {twice}"));
    run("vault restore ./pass")
        .fails_with(&format!("./pass is the passphrase file and the backup {twice}"));
    run("rewrap plain ./pass")
        .fails_with(&format!("./pass is the passphrase file and the document {twice}"));
    run("vault set-passphrase --new-passphrase-file ./pass")
        .fails_with(&format!("./pass is the passphrase file and the new passphrase file {twice}"));
    run("seal plain -o pass --force --key default").fails_with(
        "pass is the passphrase file and the output at once; choose another name with -o",
    );
    assert_eq!(home.read("pass"), b"correct horse\n");
}

#[cfg(unix)] // a shell, and paths of what is open
#[test]
fn a_backup_another_passphrase_and_what_is_rewrapped_do_not_come_from_the_passphrases_pipe() {
    let home = with_passphrase();
    home.write("new", b"battery staple\n");
    let vault = ["--vault", "locked", "--passphrase-file", "pass"];
    home.run(["vault", "backup", "default", "-o", "backup"].iter().chain(&vault)).succeeds();
    home.run(["seal", "plain", "--key", "default"].iter().chain(&vault)).succeeds();
    let sealed = home.read("plain.sealed");
    home.write("both", &[&home.read("pass")[..], &home.read("backup")].concat());
    home.write("two", b"correct horse\nbattery staple\n");
    for (line, name, role) in [
        ("cat both | \"$0\" vault restore /dev/stdin", "/dev/stdin", "the backup"),
        ("\"$0\" vault restore /dev/fd/0 <both", "/dev/fd/0", "the backup"),
        (
            "cat two | \"$0\" vault set-passphrase --new-passphrase-file /dev/stdin",
            "/dev/stdin",
            "the new passphrase file",
        ),
        (
            "\"$0\" vault set-passphrase --new-passphrase-file /dev/stdin <pass",
            "/dev/stdin",
            "the new passphrase file",
        ),
        ("\"$0\" rewrap /dev/stdin <plain.sealed", "/dev/stdin", "the document"),
        ("\"$0\" rewrap plain.sealed <plain.sealed", "plain.sealed", "the document"),
    ] {
        let line = format!("{line} --vault locked --passphrase-file /dev/stdin");
        shell(&home, &line).fails_with(&format!(
            "{name} is the passphrase file and {role} at once; give each a file or a pipe of its own"
        ));
    }
    assert!(home.read("plain.sealed") == sealed);
    // Each with a pipe of its own they work.
    let change = "cat new | \"$0\" vault set-passphrase --vault locked --passphrase-file /dev/fd/3 \
                  --new-passphrase-file /dev/stdin 3<pass";
    shell(&home, change).succeeds();
    let list = ["vault", "list", "--vault", "locked", "--passphrase-file"];
    home.run(list.iter().chain(&["new"])).succeeds();
}

#[test]
fn a_document_is_not_its_own_header() {
    let home = Home::with_vault();
    home.write("plain", b"text");
    home.run(["seal", "plain"]).succeeds();
    home.run(["verify", "plain.sealed", "--header", "./plain.sealed"]).fails_with(
        "./plain.sealed is the input and the header at once; give each a file or a pipe of its own",
    );
    // One after the other a document may be read again.
    home.run(["verify", "plain.sealed", "plain.sealed"]).succeeds();
    #[cfg(unix)] // a shell, and paths of what is open
    {
        shell(&home, "cat plain.sealed | \"$0\" verify - --header /dev/stdin").fails_with(
            "/dev/stdin is the input and the header at once; give each a file or a pipe of its own",
        );
        let twice = shell(&home, "cat plain.sealed | \"$0\" verify /dev/stdin /dev/fd/0");
        assert!(twice.stderr.contains("/dev/fd/0 is the input and the input"), "{}", twice.stderr);
    }
}

#[cfg(unix)] // a shell, and paths of what is open
#[test]
fn an_output_is_not_an_input() {
    let home = Home::with_vault();
    home.write("grows", b"text");
    for line in [
        "\"$0\" seal --stream grows -o - >>grows",
        "\"$0\" seal - -o - <grows >>grows",
        "\"$0\" seal grows -o /dev/stdout >>grows",
    ] {
        shell(&home, line).fails_with(
            "standard output is the input and the output at once; choose another name with -o",
        );
        assert_eq!(home.read("grows"), b"text");
    }
    shell(&home, "\"$0\" seal grows -o /dev/fd/3 3>>grows")
        .fails_with("/dev/fd/3 is the input and the output at once; choose another name with -o");
    shell(&home, "\"$0\" seal - -o grows --force <grows")
        .fails_with("grows is the input and the output at once; choose another name with -o");
    let header = shell(&home, "\"$0\" seal grows -o - --detach-header /dev/stdout | cat");
    assert!(header.stderr.contains("is to be the header and the document at once"), "{header:?}");
    let header = shell(&home, "\"$0\" seal grows -o - --detach-header hdr --force >hdr");
    assert!(header.stderr.contains("is to be the header and the document at once"), "{header:?}");
    assert_eq!(home.read("grows"), b"text");
}

#[cfg(unix)] // a shell, and paths of what is open
#[test]
fn a_closed_standard_input_is_not_an_empty_document() {
    let home = Home::with_vault();
    for command in ["seal - -o out", "open - -o out", "verify -", "inspect -"] {
        shell(&home, &format!("\"$0\" {command} <&-")).fails_with(
            "cannot read standard input: it is closed; give it something to read, name a file, or have \
             an empty input with: </dev/null",
        );
    }
    assert!(home.names().is_empty());
    shell(&home, "\"$0\" seal - -o out </dev/null").succeeds();
}

#[cfg(unix)] // a shell, and paths of what is open
#[test]
fn a_path_of_a_descriptor_is_written_to_and_not_replaced() {
    let home = Home::with_vault();
    home.write("plain", b"text");
    home.run(["seal", "plain"]).succeeds();
    for output in ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"] {
        home.write("log", b"before, ");
        let line = format!("\"$0\" open plain.sealed -o {output} >>log");
        let done = shell(&home, &line).succeeds();
        assert!(done.stderr.starts_with("opened plain.sealed to standard output"), "{done:?}");
        assert_eq!(home.read("log"), b"before, text", "{output}");
    }
    // The descriptor's offset is the shell's, as that of `-` is.
    let line =
        "{ printf 'one '; \"$0\" open plain.sealed -o /dev/fd/3 >&2; printf ' three'; } 3>log >&3";
    shell(&home, line).succeeds();
    assert_eq!(home.read("log"), b"one text three");
    let closed = shell(&home, "\"$0\" open plain.sealed -o /dev/fd/9 9>&-");
    assert_eq!(closed.code, Some(1), "{closed:?}");
    assert!(closed.stderr.starts_with("error: cannot write /dev/fd/9: "), "{closed:?}");
    assert_eq!(home.names(), ["log", "plain", "plain.sealed"]);
}

#[cfg(unix)] // a shell, and paths of what is open
#[test]
fn pipes_that_do_not_wait_are_waited_for() {
    let home = Home::with_vault();
    let plain = bytes(3_000_000);
    home.write("plain", &plain);
    home.run(["seal", "plain"]).succeeds();
    // Both ends of both pipes answer "not now".
    let no_wait = "import fcntl, os, sys\n\
                   for fd in (0, 1):\n    \
                       fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_NONBLOCK)\n\
                   os.execv(sys.argv[1], sys.argv[1:])\n";
    home.write("no_wait.py", no_wait.as_bytes());
    for (from, command) in [("plain", "seal"), ("plain.sealed", "open")] {
        let line = format!(
            "{{ sleep 0.2; cat {from}; }} | python3 no_wait.py \"$0\" {command} - | \
             {{ sleep 0.3; cat >got; }}"
        );
        let done = shell(&home, &line);
        assert!(!done.stderr.contains("error"), "{}", done.stderr);
        fs::rename(home.path("got"), home.path(&format!("{command}.got"))).unwrap();
    }
    assert!(home.read("open.got") == plain);
    home.run(["open", "seal.got", "-o", "back"]).succeeds();
    assert!(home.read("back") == plain);
}
