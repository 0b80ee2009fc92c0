//! Messages of failures: one sentence each, with the next step.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
#[cfg(unix)]
use std::os::unix::fs::{PermissionsExt as _, chown};
#[cfg(unix)]
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::home::{
    Done, Home, PROGRAM, bytes, converted_as_text, key_file, put_back, wait_until_written,
};

const OTHER_FILE: &str = "give a file that strongroom has sealed, in full";

const HEADER: &str = "authentication of its header failed: the key or the context is not the one it was \
                      sealed with, or the header was changed; give the --context it was sealed with, or \
                      restore the file from a copy";

#[test]
fn an_input_that_cannot_be_read() {
    let home = Home::with_vault();
    fs::create_dir(home.path("folder")).unwrap();
    for command in ["seal", "open", "verify", "inspect"] {
        let output = ["-o", "out"].into_iter().filter(|_| matches!(command, "seal" | "open"));
        let with = |input| [command, input].into_iter().chain(output.clone());
        home.run(with("missing"))
            .fails_with("cannot read missing: there is no such file or directory; check the path");
        home.run(with("folder")).fails_with(
            "folder is a directory, and strongroom works on single files; pack it into one first, \
             for instance with tar",
        );
    }
    assert_eq!(home.names(), ["folder"]);
}

#[test]
fn a_file_that_is_no_sealed_document() {
    let home = Home::with_vault();
    home.write("empty.sealed", b"");
    home.write("text.sealed", &b"Dear Sir or Madam, ".repeat(400));
    home.write("plain", &bytes(100_000));
    home.run(["seal", "plain"]).succeeds();
    let sealed = home.read("plain.sealed");
    home.write("head.sealed", &sealed[..700]);
    home.write("cut.sealed", &sealed[..sealed.len() - 1]);
    home.write("long.sealed", &[&sealed[..], b"\n"].concat());
    let names = home.names();

    let wrong = |name: &str, reason: &str| {
        format!("{name}: not a valid sealed document: {reason}; {OTHER_FILE}")
    };
    for name in ["empty.sealed", "text.sealed"] {
        let sentence = wrong(name, "it does not begin as one (at byte 0)");
        for command in ["open", "verify", "inspect"] {
            home.run([command, name]).fails_with(&sentence);
        }
        let sentence = wrong("standard input", "it does not begin as one (at byte 0)");
        for command in ["open", "verify", "inspect"] {
            home.pipe([command, "-"], &home.read(name)).fails_with(&sentence);
        }
    }
    let sentence = wrong("head.sealed", "it ends within its header (at byte 700)");
    for command in ["open", "verify", "inspect"] {
        home.run([command, "head.sealed"]).fails_with(&sentence);
    }
    for name in ["cut.sealed", "long.sealed"] {
        for command in ["open", "verify"] {
            let done = home.run([command, name]);
            let start = format!("error: {name}: not a valid sealed document: ");
            assert!(done.stderr.starts_with(&start), "{}", done.stderr);
            assert!(done.stderr.ends_with(&format!("; {OTHER_FILE}\n")), "{}", done.stderr);
            assert_eq!((done.code, done.stderr.lines().count()), (Some(1), 1));
        }
        home.run(["inspect", name]).succeeds();
    }
    assert_eq!(home.names(), names);
}

#[test]
fn a_document_that_was_changed() {
    let home = Home::with_vault();
    home.write("plain", &bytes(20_000));
    home.run(["seal", "plain", "--chunk-size", "4KiB"]).succeeds();
    let sealed = home.read("plain.sealed");
    for at in [16 + 7, 32, 64, 96, 2560, 2560 + 4096, sealed.len() - 1] {
        let mut changed = sealed.clone();
        changed[at] ^= 1;
        home.write("changed.sealed", &changed);
        for command in ["open", "verify"] {
            let done = home.run([command, "changed.sealed"]);
            assert_eq!(done.code, Some(1), "byte {at}: {}", done.stderr);
            // A length that the body contradicts is told before any key is used.
            let chunk = |number: u64, start: usize, end: usize| {
                format!(
                    "changed.sealed: its header is authentic, and its chunk {number} (bytes {start} to \
                     {end}) was changed, or the end is cut off; restore the file from a copy"
                )
            };
            let sentence = match at {
                23 => continue,
                ..2560 => format!("changed.sealed: {HEADER}"),
                2560 | 6656 => chunk(1, 2560, 6672),
                _ => chunk(5, 2560 + 4 * 4112, sealed.len()),
            };
            done.fails_with(&sentence);
        }
    }
    assert_eq!(home.names(), ["changed.sealed", "plain", "plain.sealed"]);
}

#[test]
fn a_document_that_was_converted_as_text() {
    let home = Home::with_vault();
    home.write("plain", b"text");
    home.run(["seal", "plain"]).succeeds();
    let sealed = home.read("plain.sealed");
    for (converted, words) in converted_as_text(&sealed) {
        home.write("converted", &converted);
        for done in [home.run(["verify", "converted"]), home.pipe(["verify", "-"], &converted)] {
            let message = format!("not a valid sealed document: {words}");
            assert!(done.stderr.contains(&message), "{}", done.stderr);
            assert!(done.stderr.contains("copy it again, in binary"), "{}", done.stderr);
        }
    }
}

#[cfg(unix)] // `sha256sum`
#[test]
fn an_algorithm_that_is_not_known_is_not_told_as_a_missing_key() {
    let home = Home::with_vault();
    home.write("plain", b"text");
    home.run(["seal", "plain"]).succeeds();
    let mut sealed = home.read("plain.sealed");
    let header = strongroom::document::Header::parse(&sealed).unwrap();
    let id = header.recipients()[0].key_id().as_str().to_owned();
    for start in [512, 512 + 1024] {
        // Behind the generation: the recipient's layer and its algorithm.
        sealed[start + 9] = 77;
        let checked = start + 1024 - 16;
        home.write("slot", &sealed[start..checked]);
        let sum = Command::new("sha256sum").arg(home.path("slot")).output().unwrap().stdout;
        for (at, byte) in sealed[checked..start + 1024].iter_mut().enumerate() {
            let digits = std::str::from_utf8(&sum[2 * at..2 * at + 2]).unwrap();
            *byte = u8::from_str_radix(digits, 16).unwrap();
        }
    }
    home.write("changed", &sealed);
    home.run(["verify", "changed"]).fails_with(&format!(
        "changed: it is wrapped with the key {id} by an algorithm that this version does not know \
         (number 77): open it with a newer version, or restore it from a copy if it was changed"
    ));
}

#[test]
fn a_key_that_is_damaged_does_not_stop_what_does_not_need_it() {
    let home = Home::with_vault();
    home.write("plain", b"text");
    home.run(["vault", "create", "other"]).succeeds();
    for file in ["attributes.json", "1.pem", "1.pub.pem"] {
        fs::write(home.default_vault().join("keys/other").join(file), b"damaged").unwrap();
    }
    home.run(["seal", "plain"]).succeeds();
    assert_eq!(home.run(["open", "plain.sealed", "-o", "-"]).succeeds().stdout, b"text");
    home.run(["vault", "rotate", "default"]).succeeds();
    home.run(["rewrap", "plain.sealed"]).succeeds();
    home.run(["vault", "create", "third"]).succeeds();
    assert_eq!(home.run(["seal", "plain", "-o", "x", "--key", "other"]).code, Some(1));
}

#[test]
fn a_damaged_copy_of_the_recipients_is_mended_and_told() {
    let home = Home::with_vault();
    home.write("plain", b"text");
    home.run(["seal", "plain"]).succeeds();
    let sealed = home.read("plain.sealed");
    let damaged = |offsets: &[usize]| {
        let mut damaged = sealed.clone();
        for &offset in offsets {
            damaged[offset] ^= 0xff;
        }
        home.write("damaged.sealed", &damaged);
    };
    for (offset, copy) in [(600, "first"), (1600, "second")] {
        damaged(&[offset]);
        let verified = home.run(["verify", "damaged.sealed"]).succeeds();
        let words = format!(
            "the {copy} copy of the recipients in its header is damaged, and the other one serves"
        );
        assert_eq!(
            verified.stderr,
            format!(
                "warning: damaged.sealed: {words}; write both anew with: strongroom rewrap \
                 damaged.sealed\n"
            )
        );
        let verified = home.run(["verify", "damaged.sealed", "--json"]).succeeds();
        let report: serde_json::Value = serde_json::from_str(verified.text()).unwrap();
        assert_eq!(report["mended"], words);
        assert_eq!(home.run(["open", "damaged.sealed", "-o", "-"]).succeeds().stdout, b"text");
    }
    damaged(&[600, 1600]);
    for command in ["open", "verify", "inspect"] {
        home.run([command, "damaged.sealed"]).fails_with(&format!(
            "damaged.sealed: not a valid sealed document: both header slots are damaged (at byte \
             512); {OTHER_FILE}"
        ));
    }
}

#[test]
fn a_vault_or_key_that_is_not_there() {
    let home = Home::with_vault();
    home.write("plain", b"text");
    home.run(["seal", "plain"]).succeeds();
    home.run(["seal", "plain", "-o", "x", "--vault", "nowhere"]).fails_with(
        "there is no vault at nowhere; check the path; where the vault was moved, name its new place; one without keys is made with: strongroom vault \
         init --vault nowhere",
    );
    let vault = home.default_vault();
    let vault = vault.display();
    home.run(["seal", "plain", "-o", "x", "--key", "defualt"]).fails_with(&format!(
        "the vault {vault} has no key \"defualt\"; it has: default; create it with: strongroom \
         vault create defualt --vault {vault}"
    ));
    home.run(["seal", "plain", "-o", "x", "--key", "../default"])
        .fails_with("\"../default\" cannot name a key; use 1 to 127 letters, digits and hyphens");

    let sealed_under = home.run(["inspect", "plain.sealed", "--json"]).succeeds();
    let header: serde_json::Value = serde_json::from_str(sealed_under.text()).unwrap();
    let key = header["recipients"][0]["key"].as_str().unwrap();
    home.run(["vault", "init", "--vault", "other"]).succeeds();
    let listed = home.run(["vault", "list", "--vault", "other", "--json"]).succeeds();
    let listed: serde_json::Value = serde_json::from_str(listed.text()).unwrap();
    let id = listed["id"].as_str().unwrap();
    home.run(["open", "plain.sealed", "-o", "x", "--vault", "other"]).fails_with(&format!(
        "no key for plain.sealed in the vault other (id {id}): it is sealed under {key}; name the \
         vault that has this key with --vault"
    ));

    let pem = home.key_file("default", 1);
    let shown = pem.display();
    #[cfg(unix)] // permission bits
    {
        fs::set_permissions(&pem, fs::Permissions::from_mode(0o644)).unwrap();
        home.run(["open", "plain.sealed", "-o", "x"]).fails_with(&format!(
            "{shown} is open to other users (mode 644), so its keys may be known to them; make it \
             private with: chmod 600 {shown}"
        ));
    }
    fs::remove_file(&pem).unwrap();
    home.run(["open", "plain.sealed", "-o", "x"]).fails_with(&format!(
        "{shown} is damaged: it is missing; {}",
        put_back("vault", &home.default_vault(), &pem)
    ));
    assert_eq!(home.names(), ["other", "plain", "plain.sealed"]);
}

#[test]
fn an_output_that_cannot_be_written() {
    let home = Home::with_vault();
    home.write("plain", b"text");
    home.run(["seal", "plain", "-o", "no/where"]).fails_with(
        "cannot write into the directory no: there is no such file or directory; choose another \
         place with -o",
    );
    home.pipe(["seal", "-", "-o", "."], b"text")
        .fails_with(". is a directory; give the name of a file with -o");
    #[cfg(unix)] // the words of the system's errors
    {
        let long = "n".repeat(256);
        home.run(["seal", "plain", "-o", &long]).fails_with(&format!(
            "cannot write {long}: the name is too long or not allowed; choose another place with -o"
        ));
        home.run(["seal", "plain", "-o", "plain/sealed"])
            .fails_with("cannot write plain/sealed: Not a directory; choose another place with -o");
    }
    assert_eq!(home.names(), ["plain"]);
}

#[cfg(unix)] // a shell that closes it
#[test]
fn standard_output_that_was_closed_from_the_start() {
    let home = Home::with_vault();
    home.write("plain", b"text");
    home.run(["seal", "plain"]).succeeds();
    for args in ["open plain.sealed -o -", "seal plain -o -"] {
        let line = format!("exec \"$0\" {args} >&-");
        Done::of(&home.shell(&line).output().unwrap()).fails_with(
            "cannot write standard output: it is closed (or is /dev/null); name a file with -o; the \
             command verify authenticates a document and writes nothing",
        );
    }
}

#[cfg(unix)]
/// The program as a user without rights: another one where the tests run as root.
fn as_unprivileged(home: &Home, program: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(home.work()).env("HOME", "/nonexistent");
    if rustix::process::geteuid().is_root() {
        command.uid(65534).gid(65534);
    }
    command
}

#[cfg(unix)] // permission bits
#[test]
fn files_and_directories_without_permission() {
    // Under /tmp, because a home directory may be closed to other users.
    let directory = tempfile::tempdir().unwrap();
    let open_to_all = fs::Permissions::from_mode(0o755);
    fs::set_permissions(directory.path(), open_to_all).unwrap();
    let program = directory.path().join("strongroom");
    fs::copy(PROGRAM, &program).unwrap();
    let home = Home::with_vault();
    let path = |name: &str| directory.path().join(name);
    fs::write(path("secret"), b"text").unwrap();
    fs::set_permissions(path("secret"), fs::Permissions::from_mode(0o000)).unwrap();
    fs::write(path("plain"), b"text").unwrap();
    fs::create_dir(path("closed")).unwrap();
    fs::set_permissions(path("closed"), fs::Permissions::from_mode(0o555)).unwrap();
    let vault = path("vault");
    let copied = Command::new("cp").arg("-rp").arg(home.default_vault()).arg(&vault).status();
    assert!(copied.unwrap().success());
    if rustix::process::geteuid().is_root() {
        let pem = key_file(&vault, "default", 1);
        let owned = ["", "vault.json", "keys", "keys/default"].map(|part| vault.join(part));
        for path in owned.into_iter().chain([pem]) {
            chown(path, Some(65534), Some(65534)).unwrap();
        }
    }
    let run = |input: &Path, output: &Path| {
        let mut command = as_unprivileged(&home, &program);
        command.current_dir(directory.path()).arg("seal").arg(input).arg("-o").arg(output);
        Done::of(&command.arg("--vault").arg(&vault).output().unwrap())
    };
    let (secret, closed) = (path("secret"), path("closed"));
    run(&secret, &path("closed/x")).fails_with(&format!(
        "cannot read {}: permission denied; check who may read it with ls -l",
        secret.display()
    ));
    run(&path("plain"), &path("closed/x")).fails_with(&format!(
        "cannot write into the directory {}: permission denied; choose another place with -o",
        closed.display()
    ));
    assert_eq!(fs::read_dir(&closed).unwrap().count(), 0);

    // The home directory is another user's, so there is no place for the first vault.
    let mut first = as_unprivileged(&home, &program);
    first.current_dir(directory.path()).env("HOME", &closed).args(["seal", "plain", "-o", "-"]);
    Done::of(&first.output().unwrap()).fails_with(&format!(
        "cannot create the directory {}: permission denied; check whose it is with ls -l, or name \
         another vault with --vault",
        closed.join(".local").display()
    ));
}

#[cfg(unix)] // /dev/full
#[test]
fn a_full_disk_behind_standard_output() {
    let home = Home::with_vault();
    home.write("plain", &bytes(3_000_000));
    home.run(["seal", "plain"]).succeeds();
    let full = || OpenOptions::new().write(true).open("/dev/full").unwrap();
    for command in ["seal", "open"] {
        let input = if command == "seal" { "plain" } else { "plain.sealed" };
        let run = home.command([command, input, "-o", "-"]).stdout(full()).output().unwrap();
        Done::of(&run).fails_with(
            "cannot write standard output: no space is left on the device; free some space, or \
             choose another place with -o",
        );
    }
    home.run(["seal", "plain", "-o", "/dev/full"]).fails_with(
        "cannot write /dev/full: no space is left on the device; free some space, or choose \
         another place with -o",
    );
    let listed = home.command(["backends"]).stdout(full()).output().unwrap();
    assert_eq!(Done::of(&listed).code, Some(1));
}

#[test]
fn standard_output_that_nobody_reads() {
    let home = Home::with_vault();
    home.write("plain", &bytes(3_000_000));
    home.run(["seal", "plain"]).succeeds();
    let run = |args: &[&str]| {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        Done::of(&home.command(args).stdout(writer).output().unwrap())
    };
    for args in [["open", "plain.sealed", "-o", "-"], ["seal", "plain", "-o", "-"]] {
        run(&args).fails_with(
            "cannot write standard output: the reader has closed it; what it got is incomplete and \
             must be discarded",
        );
    }
    for args in [&["backends"][..], &["inspect", "plain.sealed"], &["vault", "list"]] {
        run(args).fails_with(
            "standard output was closed before everything was printed; run it again without the \
             pipe",
        );
    }
    run(&["seal", "plain", "-o", "done"]).fails_with(
        "done is complete, but standard output was closed before the figures were printed",
    );
    home.run(["open", "done", "-o", "back"]).succeeds();
}

#[cfg(unix)] // /proc
#[test]
fn an_input_that_changes_while_it_is_sealed() {
    let home = Home::with_vault();
    let file = File::create(home.path("plain")).unwrap();
    file.set_len(64 << 20).unwrap();
    let mut child = home
        .command(["seal", "plain", "--threads", "1", "--backend", "software"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Shorter than it was: whether it is seen at the first missing byte or at the end.
    wait_until_written(&mut child, 4097);
    file.set_len(1 << 20).unwrap();
    Done::of(&child.wait_with_output().unwrap()).fails_with(
        "plain is not the 67108864 bytes that its length was given as: it was changed while it was \
         read, or the file system reports a wrong length; try again when nothing writes to it, or read it \
         to its end with --stream",
    );
    (&file).write_all(b"x").unwrap();
    assert_eq!(home.names(), ["plain"]);
}

#[test]
fn a_document_with_one_damaged_copy_of_its_recipients_opens_with_a_warning() {
    let home = Home::with_vault();
    home.write("plain", b"text");
    home.run(["seal", "plain", "-o", "a doc"]).succeeds();
    let mut sealed = home.read("a doc");
    sealed[512 + 512] ^= 0xff; // the middle of the first slot
    home.write("a doc", &sealed);
    let quoted = if cfg!(windows) { "\"a doc\"" } else { "'a doc'" };
    let warning = format!(
        "warning: a doc: the first copy of the recipients in its header is damaged, and the other one serves; \
         write both anew with: strongroom rewrap {quoted}\n"
    );
    let opened = home.run(["open", "a doc", "-o", "-", "--quiet"]).succeeds();
    assert_eq!((&opened.stdout[..], &*opened.stderr), (&b"text"[..], &*warning));
    home.run(["rewrap", "a doc"]).succeeds();
    assert_eq!(home.run(["open", "a doc", "-o", "back"]).succeeds().stderr, "");
}

#[cfg(unix)] // limits of a process
#[test]
fn a_file_that_may_not_grow_is_told_of() {
    let home = Home::with_vault();
    home.write("plain", &bytes(300_000));
    for args in ["seal plain", "seal - <plain -o plain.sealed"] {
        let line = format!("ulimit -f 100; exec \"$0\" {args}");
        let done = Done::of(&home.shell(&line).output().unwrap());
        done.fails_words(
            "the file is too large for the file system, or for the limit of this process",
        );
        assert_eq!(home.names(), ["plain"], "{args}");
    }
    // What it starts has the system's own treatment of the signal.
    let line = "exec \"$0\" seal -o out --exec 'ulimit -f 1; head -c 5000 plain >grown'";
    let done = Done::of(&home.shell(line).output().unwrap());
    assert_eq!(done.code, Some(1), "{}", done.stderr);
    assert!(done.stderr.contains("exit code 153"), "{}", done.stderr); // 128 + SIGXFSZ
}
