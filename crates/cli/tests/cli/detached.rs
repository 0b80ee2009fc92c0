//! A header that is kept apart from its document.

use std::fs;

use strongroom::document::Header;

use crate::home::{Home, bytes, converted_as_text};

const NOT_HERE: &str = "no header follows its first 128 bytes: it is kept in a file of its own, or \
                        damaged";

/// A home with `plain`, sealed into `body` and `head`.
fn sealed(length: usize) -> Home {
    let home = Home::with_vault();
    home.write("plain", &bytes(length));
    let seal = ["seal", "plain", "-o", "body", "--detach-header", "head", "--chunk-size", "4KiB"];
    home.run(seal).succeeds();
    home
}

#[test]
fn both_parts_together_open_in_every_way() {
    for length in [0, 1, 4096, 50_000] {
        let home = sealed(length);
        let (plain, body, head) = (home.read("plain"), home.read("body"), home.read("head"));
        assert_eq!(head.len(), Header::parse(&head).unwrap().len());
        assert_eq!(body[..128], head[..128]);
        assert_eq!(body.len(), 128 + length + 16 * length.div_ceil(4096).max(1));

        home.run(["open", "body", "--header", "head", "-o", "back"]).succeeds();
        assert_eq!(home.read("back"), plain);
        let piped = home.run(["open", "body", "--header", "head", "-o", "-"]).succeeds();
        assert_eq!(piped.stdout, plain);
        let piped = home.pipe(["open", "-", "--header", "head"], &body).succeeds();
        assert_eq!(piped.stdout, plain);
        let piped = home.pipe(["open", "body", "--header", "-", "-o", "-"], &head).succeeds();
        assert_eq!(piped.stdout, plain);
        home.run(["verify", "body", "--header", "head"]).succeeds();
        home.pipe(["verify", "-", "--header", "head"], &body).succeeds();
    }
}

#[test]
fn pipes_have_detached_headers_too() {
    let home = Home::with_vault();
    let plain = bytes(100_000);
    let seal = ["seal", "-", "--detach-header", "head", "--chunk-size", "4KiB"];
    let done = home.pipe(seal, &plain).succeeds();
    let words = "sealed standard input to standard output and its header to head: 100000 bytes in ";
    assert!(done.stderr.starts_with(words), "{}", done.stderr);
    home.write("body", &done.stdout);
    home.run(["open", "body", "--header", "head", "-o", "back"]).succeeds();
    assert_eq!(home.read("back"), plain);
    let range = ["open", "body", "--header", "head", "-o", "-", "--range", "99990.."];
    assert_eq!(home.run(range).succeeds().stdout, plain[99_990..]);
}

#[test]
fn a_check_takes_both_parts() {
    let home = sealed(20_000);
    let seal = ["seal", "plain", "-o", "body", "--detach-header", "head", "--check", "--json"];
    let report = home.run(seal.into_iter().chain(["--force"])).succeeds().json();
    assert_eq!(report["check"]["compared"], true);
    assert_eq!(report["header"], "head");
    home.run(["verify", "body", "--header", "head"]).succeeds();
}

#[test]
fn a_rewrapped_header_opens_the_same_body() {
    let home = sealed(50_000);
    let body = home.read("body");
    home.run(["vault", "rotate", "default"]).succeeds();
    let value = home.run(["rewrap", "head", "--json"]).succeeds().json();
    assert_eq!(value["files"][0]["in_place"], true);
    fs::remove_file(home.key_file("default", 1)).unwrap();
    home.run(["open", "body", "--header", "head", "-o", "back"]).succeeds();
    assert_eq!(home.read("back"), home.read("plain"));
    assert_eq!(home.read("body"), body);
}

#[test]
fn a_damaged_copy_in_the_headers_file_is_told_by_that_files_name() {
    let home = sealed(100);
    let mut head = home.read("head");
    head[512 + 512] ^= 0xff; // the middle of the first slot
    home.write("head", &head);
    assert_eq!(
        home.run(["verify", "body", "--header", "head"]).succeeds().stderr,
        "warning: head: the first copy of the recipients in its header is damaged, and the other one \
         serves; write both anew with: strongroom rewrap head\n"
    );
    home.run(["rewrap", "head"]).succeeds();
    assert_eq!(home.run(["verify", "body", "--header", "head"]).succeeds().stderr, "");
}

#[test]
fn a_body_without_its_header() {
    let home = sealed(50_000);
    for command in ["open", "verify", "inspect"] {
        let output = ["-o", "back"].into_iter().filter(|_| command == "open");
        home.run([command, "body"].into_iter().chain(output)).fails_with(&format!(
            "body: {NOT_HERE}; name that file with --header, or restore the document from a copy"
        ));
    }
    home.run(["rewrap", "body"]).fails_with(&format!(
        "body: {NOT_HERE}; rewrap that file, or restore the document from a copy"
    ));
    assert_eq!(home.names(), ["body", "head", "plain"]);
}

#[test]
fn a_header_without_its_body() {
    let home = sealed(100);
    for command in ["open", "verify"] {
        let output = ["-o", "back"].into_iter().filter(|_| command == "open");
        home.run([command, "head"].into_iter().chain(output)).fails_with(
            "head holds a header and no document: give the document that belongs to it, and this file \
             with --header",
        );
    }
    let shown = home.run(["inspect", "head"]).succeeds();
    assert!(shown.text().ends_with("\nbody        0 bytes; there is none: a header alone\n"));
    home.write("copy", &home.read("body"));
    home.run(["verify", "body", "--header", "copy"]).fails_with(&format!(
        "copy: {NOT_HERE}; name the header's file, and not the body's, with --header, or restore the \
         document from a copy"
    ));
    home.run(["verify", "body", "--header", "body"]).fails_with(
        "body is the input and the header at once; give each a file or a pipe of its own",
    );
    home.write("text", b"no header");
    home.run(["verify", "body", "--header", "text"]).fails_with(
        "text: not a valid sealed document: it does not begin as one (at byte 0); give a file that \
         strongroom has sealed, in full",
    );
    home.run(["verify", "body", "--header", "missing"])
        .fails_with("cannot read missing: there is no such file or directory; check the path");
}

#[test]
fn the_header_of_another_document() {
    let home = sealed(100);
    home.run(["seal", "plain", "-o", "body2", "--detach-header", "head2"]).succeeds();
    let sentence = "body does not belong to the header in head2: that is another document's; name \
                    the header's file that was made with it";
    home.run(["verify", "body", "--header", "head2"]).fails_with(sentence);
    home.run(["open", "body", "--header", "head2", "-o", "back"]).fails_with(sentence);
    home.run(["open", "body", "--header", "head2", "-o", "back", "--range", "0..1"])
        .fails_with(sentence);
    home.pipe(["verify", "-", "--header", "head2"], &home.read("body")).fails_with(
        "standard input does not belong to the header in head2: that is another document's; name the \
         header's file that was made with it",
    );
    // A document in one piece begins with its prologue, too, and has the header where records would be.
    home.run(["seal", "plain"]).succeeds();
    let whole = home.run(["verify", "plain.sealed", "--header", "plain.sealed"]);
    assert_eq!(whole.code, Some(1), "{}", whole.stderr);
    assert_eq!(home.names().len(), 6);
}

#[test]
fn a_body_that_was_cut() {
    for stream in [false, true] {
        let home = sealed(10_000);
        if stream {
            let seal = ["seal", "plain", "-o", "body", "--detach-header", "head", "--stream"];
            home.run(seal.into_iter().chain(["--force"])).succeeds();
        }
        let body = home.read("body");
        // Of a stream the last chunk says how long it is: a cut there is no cut that shows.
        let beyond = if stream { vec![] } else { vec![128, 140, body.len() - 1] };
        for length in [0, 1, 64, 127].into_iter().chain(beyond) {
            home.write("cut", &body[..length]);
            let sentence = format!(
                "not a valid sealed document: it ends before its last byte: it was truncated (at byte \
                 {length}); give a file that strongroom has sealed, in full"
            );
            let verify = |body| ["verify", body, "--header", "head"];
            home.run(verify("cut")).fails_with(&format!("cut: {sentence}"));
            let shown = home.run(["inspect", "cut", "--header", "head"]).succeeds();
            if length < 128 {
                let piped = home.pipe(verify("-"), &body[..length]);
                piped.fails_with(&format!("standard input: {sentence}"));
                let words = "body        0 bytes; it ends within the copy of its header's first 128 bytes\n";
                assert!(shown.text().ends_with(words), "{}", shown.text());
            } else {
                let words = format!(
                    "body        {} bytes; it ends before its last byte: it was truncated\n",
                    length - 128
                );
                assert!(shown.text().ends_with(&words), "{}", shown.text());
            }
        }
    }
}

#[test]
fn a_body_that_was_converted_as_text() {
    let home = sealed(5_000);
    for (converted, words) in converted_as_text(&home.read("body")) {
        home.write("converted", &converted);
        let verify = |body| ["verify", body, "--header", "head"];
        for done in [
            home.run(verify("converted")),
            home.pipe(verify("-"), &converted),
            home.run(["open", "converted", "--header", "head", "-o", "-"]),
        ] {
            let message = format!("not a valid sealed document: {words}");
            assert!(done.stderr.contains(&message), "{}", done.stderr);
            assert!(done.stderr.contains("copy it again, in binary"), "{}", done.stderr);
        }
        let shown = home.run(["inspect", "converted", "--header", "head"]).succeeds();
        assert!(shown.text().contains(words), "{}", shown.text());
    }
}

#[test]
fn the_headers_file_is_made_like_every_other_output() {
    let home = sealed(100);
    let seal = |header: &str, more: &[&str]| {
        let args = ["seal", "plain", "-o", "x", "--detach-header", header];
        home.run(args.iter().chain(more))
    };
    let (body, head) = (home.read("body"), home.read("head"));
    seal("head", &[]).fails_with(
        "head exists and is kept; replace it with --force, or choose another name with \
         --detach-header",
    );
    seal("plain", &["--force"]).fails_with(
        "plain is the input and the output at once; choose another name with --detach-header",
    );
    seal(".", &[]).fails_with(". is a directory; give the name of a file with --detach-header");
    seal("no/x", &[]).fails_with(
        "cannot write into the directory no: there is no such file or directory; choose another \
         place with --detach-header",
    );
    let same = seal("./x", &[]);
    assert_eq!(same.code, Some(2));
    assert_eq!(
        same.stderr,
        "error: ./x is to be the header and the document at once; give --detach-header another name\n"
    );
    seal("-", &[]).is_refused_with("it must be a file, and - is standard input or output");
    let both = home.run(["verify", "-", "--header", "-"]);
    both.is_refused_with(
        "error: the document and its --header cannot both be standard input; name a file\n",
    );
    assert_eq!(home.names(), ["body", "head", "plain"]);
    assert!(home.read("body") == body && home.read("head") == head);
    // What is opened does not replace the header that it is opened with.
    home.run(["open", "body", "--header", "head", "-o", "head", "--force"])
        .fails_with("head is the header and the output at once; choose another name with -o");
    assert_eq!(home.read("head"), head);
}

/// A home with `plain` sealed into `body` and `head`, and `other` sealed over it by a run that was killed
/// before its last step.
fn stopped() -> Home {
    let home = sealed(50_000);
    home.write("other", &bytes(60_001));
    home.run(["seal", "other", "-o", "new", "--detach-header", "next"]).succeeds();
    fs::rename(home.path("new"), home.path("body")).unwrap();
    fs::rename(home.path("next"), home.path(".head.strongroom-next-0123456789abcdef")).unwrap();
    home
}

const NEXT: &str = ".head.strongroom-next-0123456789abcdef";

/// The command that gives the next header a name of its own.
const NAMING: &str = if cfg!(windows) {
    "cmd /c move /-y .head.strongroom-next-0123456789abcdef head.0123456789abcdef"
} else {
    "mv -n -- .head.strongroom-next-0123456789abcdef head.0123456789abcdef"
};

#[test]
fn a_pair_of_which_one_half_has_its_name_opens() {
    let home = stopped();
    let (other, body) = (home.read("other"), home.read("body"));
    let warning = format!(
        "warning: the header of body is {NEXT}: a seal was stopped before it became head, which may be that of another \
         document and stays; give it a name of its own, and open body with that as --header: {NAMING}\n"
    );
    let verified = home.run(["verify", "body", "--header", "head"]).succeeds();
    assert_eq!(verified.stderr, warning);
    home.run(["inspect", "body", "--header", "head"]).succeeds();
    assert!(home.run(["open", "body", "--header", "head", "-o", "-"]).succeeds().stdout == other);
    home.run(["open", "body", "--header", "head", "-o", "back"]).succeeds();
    assert!(home.read("back") == other);
    // Nor does it replace the header that was named, where another one is read in its stead.
    let head = home.read("head");
    for named in ["head", NEXT] {
        let done = home.run(["open", "body", "--header", "head", "-o", named, "--force"]);
        assert_eq!(done.code, Some(1), "{named}: {}", done.stderr);
    }
    assert!(home.read("head") == head);
    let piped = home.pipe(["open", "-", "--header", "head"], &body).succeeds();
    assert!(piped.stdout == other);
    home.pipe(["verify", "-", "--header", "head"], &body).succeeds();
    // A rewrapped header is the right one as well.
    home.run(["vault", "rotate", "default"]).succeeds();
    home.run(["rewrap", "head"]).succeeds();
    fs::remove_file(home.key_file("default", 1)).unwrap();
    home.run(["verify", "body", "--header", "head"]).succeeds();
    // Where there was no header before.
    fs::remove_file(home.path("head")).unwrap();
    home.run(["verify", "body", "--header", "head"]).succeeds();
    // The hint works as printed.
    assert!(home.shell(NAMING).status().unwrap().success());
    let named = home.run(["verify", "body", "--header", "head.0123456789abcdef"]).succeeds();
    assert_eq!(named.stderr, "");
}

#[test]
fn a_header_that_no_document_got_is_not_taken() {
    let home = sealed(50_000);
    home.run(["seal", "plain", "-o", "new", "--detach-header", "next"]).succeeds();
    fs::remove_file(home.path("new")).unwrap();
    fs::rename(home.path("next"), home.path(".head.strongroom-next-0123456789abcdef")).unwrap();
    let body = home.read("body");
    for length in [0, 127, body.len()] {
        home.write("cut", &body[..length]);
        let file = home.run(["verify", "cut", "--header", "head"]);
        let pipe = home.pipe(["verify", "-", "--header", "head"], &body[..length]);
        assert_eq!(file.code, pipe.code, "{length}: {}", pipe.stderr);
        assert_eq!(file.code == Some(0), length == body.len(), "{}", file.stderr);
        assert!(!file.stderr.contains("strongroom-next"), "{}", file.stderr);
    }
    // The next run cannot know whose it is: it stays, and is told of.
    let seal = ["seal", "plain", "-o", "body", "--detach-header", "head", "--force"];
    let done = home.run(seal).succeeds();
    assert!(done.stderr.contains(&format!("note: {NEXT} stays")), "{}", done.stderr);
    home.run(["verify", "body", "--header", "head"]).succeeds();
    assert_eq!(home.names(), [NEXT, "body", "cut", "head", "plain"]);
}

/// Two documents may have headers of one name, and a stopped seal leaves the only header of its own.
#[test]
fn the_next_header_of_another_document_stays() {
    let home = stopped();
    home.write("third", &bytes(70_000));
    home.write("head.0123456789abcdef", b"of the user");
    let seal = ["seal", "third", "-o", "else", "--detach-header", "head", "--force"];
    let done = home.run(seal).succeeds();
    let command = done.stderr.trim_end().rsplit_once(": ").unwrap().1;
    assert!(done.stderr.starts_with(&format!("note: {NEXT} stays: ")), "{}", done.stderr);
    for (body, text) in [("else", "third"), ("body", "other")] {
        let opened = home.run(["open", body, "--header", "head", "-o", "-"]).succeeds();
        assert!(opened.stdout == home.read(text), "{body}");
    }
    // As it is printed.
    assert!(home.shell(command).status().unwrap().success(), "{command}");
    let opened =
        home.run(["open", "body", "--header", "head.0123456789abcdef-1", "-o", "-"]).succeeds();
    assert!(opened.stdout == home.read("other"));
    assert_eq!(home.read("head.0123456789abcdef"), b"of the user");
    assert_eq!(home.run(seal).succeeds().stderr, "");
}

#[cfg(unix)] // named pipes
#[test]
fn a_pipe_in_the_next_headers_place_is_not_waited_for() {
    let home = sealed(100);
    let made = std::process::Command::new("mkfifo").arg(home.path(NEXT)).status().unwrap();
    assert!(made.success());
    home.run(["open", "body", "--header", "head", "-o", "back"]).succeeds();
    home.run(["rewrap", "head"]).succeeds();
    home.run(["seal", "plain", "-o", "body", "--detach-header", "head", "--force"]).succeeds();
    home.run(["verify", "body", "--header", "head"]).succeeds();
    assert_eq!(home.names(), [NEXT, "back", "body", "head", "plain"]);
}

/// A file of such a name is removed by a later run, or taken for a header.
#[test]
fn a_name_of_the_commands_own_files_is_no_output() {
    let home = sealed(100);
    home.run(["seal", "plain"]).succeeds();
    let temporary = strongroom_files::temporary_name("x".as_ref()).unwrap();
    let temporary = temporary.to_str().unwrap();
    let into = home.path("into");
    fs::create_dir(&into).unwrap();
    // It would be opened as that name, which ends in nothing of ours.
    let derived = format!("{temporary}.sealed");
    fs::copy(home.path("plain.sealed"), home.path(&derived)).unwrap();
    for name in [temporary, NEXT] {
        for line in [
            &["seal", "plain", "-o", name][..],
            &["seal", "plain", "-o", name, "--force"],
            &["seal", "plain", "-o", "new", "--detach-header", name],
            &["open", "plain.sealed", "-o", name],
            &["vault", "backup", "default", "-o", name],
        ] {
            let option = if line.contains(&"--detach-header") { "--detach-header" } else { "-o" };
            home.run(line).fails_with(&format!(
                "{name} has a name that strongroom gives to files of its own while it works, and a later run \
                 could remove it; choose another name with {option}"
            ));
        }
    }
    let done = home.run(["open", &derived, "-o", "into"]);
    assert!(done.stderr.contains("has a name that strongroom gives"), "{}", done.stderr);
    home.write(temporary, &home.read("plain.sealed"));
    home.run(["rewrap", temporary]).fails_with(&format!(
        "{temporary} has a name that strongroom gives to unfinished files, and a later run could remove it; give \
         it another name with mv first"
    ));
    assert_eq!(crate::home::names(&into), [""; 0]);
}

/// Another process may hold the directory's lock for as long as it likes.
#[cfg(unix)] // locks on directories
#[test]
fn who_names_a_pair_is_waited_for_as_long_as_the_user_allows() {
    let home = sealed(100);
    let held = fs::File::open(home.work()).unwrap();
    held.lock().unwrap();
    let seal = ["seal", "plain", "-o", "body", "--detach-header", "head", "--force"];
    let before = (home.read("body"), home.read("head"));
    let done = home.run(seal.into_iter().chain(["--lock-timeout", "1s"]));
    assert_eq!(done.code, Some(1));
    let words = format!(
        "error: another process has held the lock of the directory {} for 1 s, and nothing was changed; wait for it, \
         or end it, and run this again\n",
        fs::canonicalize(home.work()).unwrap().display()
    );
    assert!(done.stderr.ends_with(&words), "{}", done.stderr);
    assert_eq!((home.read("body"), home.read("head")), before);
    drop(held);
    home.run(seal).succeeds();
}

#[test]
fn the_next_seal_leaves_the_header_that_a_stopped_one_left() {
    let home = stopped();
    home.write("third", &bytes(70_000));
    // The document may have another name by now, or a copy.
    fs::copy(home.path("body"), home.path("copy")).unwrap();
    let seal = ["seal", "third", "-o", "body", "--detach-header", "head", "--force"];
    let done = home.run(seal).succeeds();
    assert!(done.stderr.starts_with(&format!("note: {NEXT} stays: ")), "{}", done.stderr);
    for (body, text) in [("body", "third"), ("copy", "other")] {
        let opened = home.run(["open", body, "--header", "head", "-o", "-"]).succeeds();
        assert!(opened.stdout == home.read(text), "{body}");
    }
    assert_eq!(home.names(), [NEXT, "body", "copy", "head", "other", "plain", "third"]);
}

#[test]
fn a_header_whose_next_one_would_have_no_name_is_refused() {
    let home = sealed(100);
    let name = "n".repeat(240);
    let seal = ["seal", "plain", "-o", "body", "--detach-header", &name, "--force"];
    let refused = home.run(seal);
    refused.is_refused_with("is too long to replace header and document together");
    home.run(["verify", "body", "--header", "head"]).succeeds();
}

/// Each header gets a name that no other hint has.
#[test]
fn hints_for_two_headers_work_one_after_the_other() {
    let home = stopped();
    home.run(["seal", "other", "-o", "body2", "--detach-header", "next"]).succeeds();
    fs::rename(home.path("next"), home.path(".head.strongroom-next-fedcba9876543210")).unwrap();
    home.write("third", &bytes(70_000));
    let seal = ["seal", "third", "-o", "else", "--detach-header", "head", "--force"];
    let done = home.run(seal).succeeds();
    let commands: Vec<_> =
        done.stderr.lines().map(|line| line.rsplit_once(": ").unwrap().1.to_owned()).collect();
    assert_eq!(commands.len(), 2, "{}", done.stderr);
    for command in commands {
        assert!(home.shell(&command).status().unwrap().success(), "{command}");
    }
    for (body, header) in
        [("else", "head"), ("body", "head.0123456789abcdef"), ("body2", "head.fedcba9876543210")]
    {
        home.run(["verify", body, "--header", header]).succeeds();
    }
}

#[test]
fn a_planted_header_does_not_keep_from_the_real_one() {
    let home = stopped();
    let planted = |name: &str, bytes: &[u8]| {
        home.write(&format!(".head.strongroom-next-{name}"), bytes);
    };
    let mut forged = home.read(NEXT);
    // Cut short, and with other recipients, newer than the real one.
    planted("0000000000000000", &forged[..128]);
    let last = forged.len() - 1;
    for byte in &mut forged[136..last] {
        *byte ^= 1;
    }
    planted("0000000000000001", &forged);
    home.run(["seal", "plain", "-o", "x", "--detach-header", "y"]).succeeds();
    let mut mixed = home.read(NEXT)[..128].to_vec();
    mixed.extend_from_slice(&home.read("y")[128..]);
    planted("0000000000000002", &mixed);
    let other = home.read("other");
    let opened = home.run(["open", "body", "--header", "head", "-o", "-"]).succeeds();
    assert!(opened.stdout == other);
    let verified = home.run(["verify", "body", "--header", "head"]).succeeds();
    assert!(verified.stderr.contains(NEXT), "{}", verified.stderr);
}

#[cfg(unix)] // symbolic links
#[test]
fn a_next_header_beside_a_link_that_leads_nowhere_is_found() {
    let home = stopped();
    fs::remove_file(home.path("head")).unwrap();
    std::os::unix::fs::symlink("nowhere/head", home.path("head")).unwrap();
    home.run(["verify", "body", "--header", "head"]).succeeds();
}

#[cfg(unix)] // locks on directories
#[test]
fn a_seal_that_runs_is_not_called_a_stopped_one() {
    let home = stopped();
    let held = fs::File::open(home.work()).unwrap();
    held.lock().unwrap();
    let verified = home.run(["verify", "body", "--header", "head"]).succeeds();
    let words = format!(
        "note: the header of body is {NEXT} at this moment: another command is about to name it head\n"
    );
    assert_eq!(verified.stderr, words);
}
