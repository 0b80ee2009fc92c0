//! Other recipients for documents, without what they hold.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
#[cfg(unix)]
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use strongroom::document::{Header, SealOptions, SlotState, Slots, seal};
use strongroom::rsa::PrivateKey;
use strongroom::secret::Secret;
use strongroom::wrap::WrappingKey;
use strongroom_local_vault::LocalVault;

use crate::home::{Done, Home, bytes, put_back};

const HEADER: usize = 2560;

fn header(home: &Home, path: &str) -> Header {
    Header::parse(&home.read(path)).unwrap()
}

/// The names of the keys that a file is wrapped with, and the numbers of their versions.
fn keys(home: &Home, path: &str) -> Vec<String> {
    let header = header(home, path);
    let ids = header.recipients().iter().map(|recipient| recipient.key_id().as_str());
    ids.map(|id| home.numbered(id.splitn(3, '/').nth(2).unwrap())).collect()
}

fn vault(path: &Path) -> LocalVault {
    LocalVault::open(path).unwrap()
}

/// Seals with keys of several vaults, and as many slots as are asked for.
fn seal_for(home: &Home, path: &str, keys: &[WrappingKey], slots: Slots) {
    let options = SealOptions { slots, ..SealOptions::default() };
    home.write(path, &seal(b"text", keys, &options).unwrap());
}

#[test]
fn a_rotated_key_takes_over_in_place_and_the_body_stays() {
    let home = Home::with_vault();
    home.write("plain", &bytes(3_000_000));
    home.run(["seal", "plain"]).succeeds();
    home.run(["vault", "rotate", "default"]).succeeds();
    let before = home.read("plain.sealed");
    #[cfg(unix)]
    let inode = fs::metadata(home.path("plain.sealed")).unwrap().ino();

    let done = home.run(["rewrap", "plain.sealed"]).succeeds();
    let (old, new) = (home.key_id("default/1"), home.key_id("default/2"));
    assert_eq!(done.text(), format!("rewrapped plain.sealed in place: from {old} to {new}\n"));
    assert_eq!(done.stderr, "");
    assert_eq!(keys(&home, "plain.sealed"), ["default/2"]);
    let after = home.read("plain.sealed");
    #[cfg(unix)] // inodes
    assert_eq!(fs::metadata(home.path("plain.sealed")).unwrap().ino(), inode);
    assert!(before[..512] == after[..512] && before[HEADER..] == after[HEADER..]);
    assert_ne!(before[512..HEADER], after[512..HEADER]);
    let header = header(&home, "plain.sealed");
    assert_eq!(header.slots(), [SlotState::Current; 2]);
    assert_eq!(header.generation(), 2);

    // The old version is needed no more.
    fs::remove_file(home.key_file("default", 1)).unwrap();
    home.run(["open", "plain.sealed", "-o", "back"]).succeeds();
    assert_eq!(home.read("back"), home.read("plain"));
    home.run(["verify", "plain.sealed"]).succeeds();
}

/// A copy of the vault made it: it is not older than what this one has, and no key of this one is either.
#[cfg(unix)] // cp
#[test]
fn a_version_that_the_vault_does_not_list_is_an_error_and_never_older() {
    let home = Home::with_vault();
    home.write("plain", b"text");
    let mut copied = Command::new("cp");
    copied.arg("-rp").arg(home.default_vault()).arg(home.path("copy"));
    assert!(copied.status().unwrap().success());
    home.run(["vault", "rotate", "default", "--vault", "copy"]).succeeds();
    home.run(["seal", "plain", "--vault", "copy"]).succeeds();
    home.run(["vault", "rotate", "default"]).succeeds();
    let before = home.read("plain.sealed");
    let theirs = vault(&home.path("copy")).wrapping_key("default").unwrap().id().clone();
    assert_ne!(theirs, *vault(&home.default_vault()).wrapping_key("default").unwrap().id());
    for line in
        ["rewrap plain.sealed", "rewrap plain.sealed --any-context", "open plain.sealed -o x"]
    {
        home.run(line.split(' ')).fails_with(&format!(
            "the vault {} has no key {} (any more); open a copy of the vault that has it, with --vault",
            home.default_vault().display(),
            theirs.as_str()
        ));
        assert_eq!(home.read("plain.sealed"), before);
    }
}

#[test]
fn a_file_that_is_as_asked_is_left_alone() {
    let home = Home::with_vault();
    home.write("plain", b"text");
    home.run(["seal", "plain"]).succeeds();
    let before = home.read("plain.sealed");
    // Nothing is opened for writing.
    let done = home.run(["rewrap", "plain.sealed"]).succeeds();
    assert_eq!(done.text(), "plain.sealed is wrapped as asked already; left as it is\n");
    home.run(["rewrap", "plain.sealed", "--key", "default"]).succeeds();
    let value = home.run(["rewrap", "plain.sealed", "--json"]).succeeds().json();
    assert_eq!(value["unchanged"], 1);
    let file = &value["files"][0];
    assert_eq!(file["outcome"], "unchanged");
    assert_eq!(file["from"], file["to"]);
    assert_eq!(file["to"][0], home.key_id("default/1"));
    assert_eq!(file["bytes_written"], 0);
    assert!(file["bytes_read"].as_u64().unwrap() < 3000);
    assert_eq!(home.read("plain.sealed"), before);
}

#[test]
fn another_key_of_the_vault_takes_over_by_name() {
    let home = Home::with_vault();
    home.run(["vault", "create", "archive"]).succeeds();
    home.run(["vault", "rotate", "archive"]).succeeds();
    home.write("plain", b"text");
    home.run(["seal", "plain"]).succeeds();
    let value =
        home.run(["rewrap", "plain.sealed", "--key", "archive", "--json"]).succeeds().json();
    assert_eq!(value["operation"], "rewrapped");
    assert_eq!(value["rewrapped"], 1);
    let file = &value["files"][0];
    assert_eq!(file["path"], "plain.sealed");
    assert_eq!(file["outcome"], "rewrapped");
    assert_eq!(file["in_place"], true);
    assert_eq!(file["from"], serde_json::json!([home.key_id("default/1")]));
    assert_eq!(file["to"], serde_json::json!([home.key_id("archive/2")]));
    assert_eq!(keys(&home, "plain.sealed"), ["archive/2"]);
    fs::remove_dir_all(home.default_vault().join("keys/default")).unwrap();
    assert_eq!(home.run(["open", "plain.sealed", "-o", "-"]).succeeds().stdout, b"text");

    let shown = home.default_vault();
    let shown = shown.display();
    home.run(["rewrap", "plain.sealed", "--key", "archiv"]).fails_with(&format!(
        "the vault {shown} has no key \"archiv\"; it has: archive; create it with: strongroom vault \
         create archiv --vault {shown}"
    ));
}

#[test]
fn recipients_of_other_vaults_and_other_keys_stay() {
    let home = Home::with_vault();
    home.run(["vault", "create", "second"]).succeeds();
    let other = LocalVault::init(&home.path("other")).unwrap();
    other.create("theirs").unwrap();
    let own = vault(&home.default_vault());
    let wrapping = [
        own.wrapping_key("default").unwrap(),
        own.wrapping_key("second").unwrap(),
        other.wrapping_key("theirs").unwrap(),
    ];
    seal_for(&home, "shared", &wrapping, Slots::Two);
    other.rotate("theirs").unwrap();
    own.rotate("default").unwrap();

    home.run(["rewrap", "shared"]).succeeds();
    let mut found = keys(&home, "shared");
    found.sort();
    assert_eq!(found, ["default/2", "second/1", "theirs/1"]);
    home.run(["open", "shared", "-o", "back", "--vault", "other"]).succeeds();
    // By name all of this vault's give way, and no other.
    home.run(["rewrap", "shared", "--key", "second"]).succeeds();
    let mut found = keys(&home, "shared");
    found.sort();
    assert_eq!(found, ["second/1", "theirs/1"]);
    assert_eq!(home.run(["open", "shared", "-o", "-"]).succeeds().stdout, b"text");
}

#[test]
fn a_header_with_one_copy_comes_into_a_new_file() {
    let home = Home::with_vault();
    let own = vault(&home.default_vault());
    seal_for(&home, "object", &[own.wrapping_key("default").unwrap()], Slots::One);
    let before = home.read("object");
    home.run(["vault", "rotate", "default"]).succeeds();
    let done = home.run(["rewrap", "object"]).succeeds();
    let (from, to) = (home.key_id("default/1"), home.key_id("default/2"));
    assert_eq!(done.text(), format!("rewrapped object in a new file: from {from} to {to}\n"));
    let length = header(&home, "object").len();
    assert_eq!(home.read("object")[length..], before[length..]);
    assert_eq!(home.run(["open", "object", "-o", "-"]).succeeds().stdout, b"text");
    assert_eq!(home.names(), ["object"]);
}

#[cfg(unix)] // owners and symbolic links
#[test]
fn a_new_file_keeps_the_owner_and_the_link_of_the_one_it_replaces() {
    let home = Home::with_vault();
    let own = vault(&home.default_vault());
    seal_for(&home, "object", &[own.wrapping_key("default").unwrap()], Slots::One);
    fs::set_permissions(home.path("object"), fs::Permissions::from_mode(0o640)).unwrap();
    if rustix::process::geteuid().is_root() {
        chown(home.path("object"), Some(65534), Some(65534)).unwrap();
    }
    symlink("object", home.path("link")).unwrap();
    let before = home.read("object");
    let old = fs::metadata(home.path("object")).unwrap();
    home.run(["vault", "rotate", "default"]).succeeds();

    let done = home.run(["rewrap", "link"]).succeeds();
    let (from, to) = (home.key_id("default/1"), home.key_id("default/2"));
    assert_eq!(done.text(), format!("rewrapped link in a new file: from {from} to {to}\n"));
    assert!(fs::symlink_metadata(home.path("link")).unwrap().is_symlink());
    let new = fs::metadata(home.path("object")).unwrap();
    assert_ne!(new.ino(), old.ino());
    assert_eq!((new.mode(), new.uid(), new.gid()), (old.mode(), old.uid(), old.gid()));
    let length = header(&home, "object").len();
    assert_eq!(home.read("object")[length..], before[length..]);
    assert_eq!(home.run(["open", "object", "-o", "-"]).succeeds().stdout, b"text");
    assert_eq!(home.names(), ["link", "object"]);
}

#[test]
fn recipients_that_do_not_fit_come_into_a_new_file_with_a_longer_header() {
    let home = Home::with_vault();
    let own = vault(&home.default_vault());
    let long = "n".repeat(127);
    home.run(["vault", "create", &long]).succeeds();
    let other = LocalVault::init(&home.path("other")).unwrap();
    let mut wrapping = vec![own.wrapping_key("default").unwrap()];
    for name in ["a", "b"] {
        other.create(name).unwrap();
        wrapping.push(other.wrapping_key(name).unwrap());
    }
    seal_for(&home, "full", &wrapping, Slots::Two);
    assert_eq!(header(&home, "full").len(), HEADER);
    let body = home.read("full").split_off(HEADER);

    let value = home.run(["rewrap", "full", "--key", &long, "--json"]).succeeds().json();
    assert_eq!(value["files"][0]["in_place"], false);
    let length = header(&home, "full").len();
    assert_eq!(length, HEADER + 2 * 512);
    assert_eq!(home.read("full")[length..], body);
    assert_eq!(value["bytes_written"], (length + body.len()) as u64);
    assert_eq!(home.run(["open", "full", "-o", "-"]).succeeds().stdout, b"text");
    home.run(["verify", "full", "--vault", "other"]).succeeds();
}

#[test]
fn a_damaged_or_stale_copy_is_mended() {
    let home = Home::with_vault();
    home.write("plain", b"text");
    home.run(["seal", "plain"]).succeeds();
    let first = home.read("plain.sealed");
    home.run(["vault", "rotate", "default"]).succeeds();
    home.run(["rewrap", "plain.sealed"]).succeeds();
    let second = home.read("plain.sealed");

    let states = [("damaged", SlotState::Damaged), ("out of date", SlotState::Stale)];
    for (word, state) in states {
        for (number, slot) in [512..1536, 1536..HEADER].into_iter().enumerate() {
            let mut spoilt = second.clone();
            match state {
                SlotState::Damaged => spoilt[slot.start + 100] ^= 1,
                // As where the power went between the two copies.
                _ => spoilt[slot.clone()].copy_from_slice(&first[slot]),
            }
            home.write("spoilt", &spoilt);
            assert_eq!(header(&home, "spoilt").slots()[number], state);
            let told = home.run(["verify", "spoilt"]).succeeds();
            assert!(told.stderr.contains(word), "{}", told.stderr);
            assert!(told.stderr.ends_with("strongroom rewrap spoilt\n"), "{}", told.stderr);

            let done = home.run(["rewrap", "spoilt"]).succeeds();
            assert_eq!(
                done.text(),
                "mended spoilt in place: both copies of its recipients are written anew\n"
            );
            assert_eq!(header(&home, "spoilt").slots(), [SlotState::Current; 2]);
            assert_eq!(keys(&home, "spoilt"), ["default/2"]);
            assert_eq!(home.run(["verify", "spoilt"]).succeeds().stderr, "");
        }
    }
}

#[test]
fn many_files_of_which_some_are_bad() {
    let home = Home::with_vault();
    let other = LocalVault::init(&home.path("other")).unwrap();
    other.create("default").unwrap();
    seal_for(&home, "foreign", &[other.wrapping_key("default").unwrap()], Slots::Two);
    home.write("plain", &bytes(5000));
    for name in ["a", "b", "c"] {
        home.run(["seal", "plain", "-o", name]).succeeds();
    }
    let mut forged = home.read("a");
    forged[100] ^= 1; // the commitment
    home.write("forged", &forged);
    home.run(["vault", "rotate", "default"]).succeeds();
    home.run(["seal", "plain", "-o", "new"]).succeeds();

    let files = ["a", "plain", "b", "missing", "foreign", "forged", "new", "other", "c"];
    let run = |json: &[&str]| home.run(["rewrap"].iter().chain(&files).chain(json));
    let untouched = home.read("forged");
    let done = run(&[]);
    assert_eq!(done.code, Some(1));
    let own = vault(&home.default_vault());
    let shown = home.default_vault();
    let mut expected = [
        "error: plain: not a valid sealed document: it does not begin as one (at byte 0); give a file \
         that strongroom has sealed, in full"
            .to_owned(),
        "error: cannot read missing: there is no such file or directory; check the path".to_owned(),
        format!(
            "error: no key for foreign in the vault {} (id {}): it is sealed under {}; \
             name the vault that has this key with --vault",
            shown.display(),
            own.id(),
            other.wrapping_key("default").unwrap().id().as_str()
        ),
        "error: forged: authentication failed: the key or the context is not the one it was sealed \
         with, or the bytes were changed; give the --context it was sealed with (or --any-context, to \
         bring it to a newer version of its key and nothing else), or restore the file from a copy \
         where another program changed it"
            .to_owned(),
        "error: other is a directory, and strongroom works on single files; pack it into one first, \
         for instance with tar"
            .to_owned(),
        "error: 5 of 9 files could not be rewrapped, each named above; mend what is said there, and \
         run the same command again"
            .to_owned(),
    ];
    let mut said: Vec<&str> = done.stderr.lines().collect();
    assert_eq!(said.last(), Some(&expected[5].as_str()));
    said.sort_unstable();
    expected.sort();
    assert_eq!(said, expected);
    let lines: Vec<&str> = done.text().lines().collect();
    assert_eq!(lines.len(), 5);
    assert!(lines[0].starts_with("rewrapped a in place: "), "{}", lines[0]);
    assert_eq!(lines[2], "new is wrapped as asked already; left as it is");
    let count = "9 files: 3 rewrapped, 0 mended, 1 left as they are, 5 failed; ";
    assert!(lines[4].starts_with(count), "{}", lines[4]);
    for name in ["a", "b", "c"] {
        assert_eq!(keys(&home, name), ["default/2"]);
    }
    assert_eq!(home.read("forged"), untouched);

    let again = run(&["--json"]);
    assert_eq!(again.code, Some(1));
    let value = again.json();
    assert_eq!(value["unchanged"], 4);
    assert_eq!(value["failed"], 5);
    let of = |path: &str| {
        let files = value["files"].as_array().unwrap();
        files.iter().find(|file| file["path"] == path).unwrap().clone()
    };
    assert_eq!(of("missing")["outcome"], "failed");
    let error = of("missing")["error"].as_str().unwrap().to_owned();
    assert!(error.starts_with("cannot read missing"), "{error}");
    assert_eq!(of("c")["error"], Value::Null);
}

#[test]
fn only_files_are_rewrapped() {
    let home = Home::with_vault();
    home.run(["rewrap", "-"]).is_refused_with("it must be a file");
    home.run(["rewrap"]).is_refused_with("required arguments");
    #[cfg(unix)] // a device
    home.run(["rewrap", "/dev/zero"])
        .fails_with("/dev/zero is not a file; give a sealed document, or a header's file");
    home.write("cut", &[]);
    home.run(["rewrap", "cut"]).fails_with(
        "cut: not a valid sealed document: it does not begin as one (at byte 0); give a file that \
         strongroom has sealed, in full",
    );
}

#[test]
fn a_version_that_is_gone_is_named() {
    let home = Home::with_vault();
    home.write("plain", b"text");
    home.run(["seal", "plain"]).succeeds();
    home.run(["vault", "rotate", "default"]).succeeds();
    let key = home.key_file("default", 1);
    fs::remove_file(&key).unwrap();
    let before = home.read("plain.sealed");
    home.run(["rewrap", "plain.sealed"]).fails_with(&format!(
        "{} is damaged: it is missing; {}",
        key.display(),
        put_back("vault", &home.default_vault(), &key)
    ));
    assert_eq!(home.read("plain.sealed"), before);
}

#[test]
fn who_holds_the_lock_is_waited_for() {
    let home = Home::with_vault();
    home.write("plain", b"text");
    home.run(["seal", "plain"]).succeeds();
    home.run(["vault", "rotate", "default"]).succeeds();
    let before = home.read("plain.sealed");
    let file = File::open(home.path("plain.sealed")).unwrap();
    file.lock().unwrap();
    let mut command = home.command(["rewrap", "plain.sealed"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut said).unwrap();
    assert_eq!(said, "note: waiting for another command that holds the lock of plain.sealed\n");
    assert!(child.try_wait().unwrap().is_none(), "it did not wait for the lock");
    #[cfg(unix)] // where a lock keeps nobody from reading
    assert_eq!(home.read("plain.sealed"), before);
    drop(file);
    assert_ne!(Done::of(&child.wait_with_output().unwrap()).succeeds().text(), "");
    assert_ne!(home.read("plain.sealed"), before);
    assert_eq!(keys(&home, "plain.sealed"), ["default/2"]);
}

/// Several at once on the same files, in place and into new files: each ends well, none undoes another's
/// work, and the documents open.
#[test]
fn who_holds_the_lock_is_not_waited_for_longer_than_the_user_allows() {
    let home = Home::with_vault();
    home.write("plain", b"text");
    home.run(["seal", "plain"]).succeeds();
    home.run(["vault", "rotate", "default"]).succeeds();
    let held = File::options().read(true).write(true).open(home.path("plain.sealed")).unwrap();
    held.lock().unwrap();
    let done = home.run(["rewrap", "plain.sealed", "--lock-timeout", "2s"]);
    assert_eq!(
        done.stderr,
        "note: waiting for another command that holds the lock of plain.sealed\n\
         error: another process has held the lock of plain.sealed for 2 s, and nothing was changed; wait for it, \
         or end it, and run this again\n"
    );
    assert_eq!(done.code, Some(1));
    assert_eq!(keys(&home, "plain.sealed"), ["default/1"]);
}

/// A rewrap that writes a new file takes its time, and another document may have the name by the end.
#[cfg(target_os = "linux")] // how much a process has written
#[test]
fn a_newer_document_that_took_the_name_meanwhile_stays() {
    let home = Home::with_vault();
    let own = vault(&home.default_vault());
    let options = SealOptions { slots: Slots::One, ..SealOptions::default() };
    let key = [own.wrapping_key("default").unwrap()];
    home.write("doc", &seal(&bytes(64 << 20), &key, &options).unwrap());
    home.write("newer", &seal(b"newer", &key, &options).unwrap());
    home.run(["vault", "rotate", "default"]).succeeds();
    let mut command = home.command(["rewrap", "doc"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    crate::home::wait_until_written(&mut child, 1 << 20);
    fs::rename(home.path("newer"), home.path("doc")).unwrap();
    assert!(child.try_wait().unwrap().is_none(), "the rewrap was over before");
    let done = Done::of(&child.wait_with_output().unwrap()).succeeds();
    assert!(done.text().starts_with("rewrapped doc in a new file"), "{}", done.text());
    assert_eq!(home.run(["open", "doc", "-o", "-"]).succeeds().stdout, b"newer");
    assert_eq!(keys(&home, "doc"), ["default/2"]);
    assert_eq!(home.names(), ["doc"]);
}

#[test]
fn several_runs_at_once_do_not_disturb_each_other() {
    let home = Home::with_vault();
    let own = vault(&home.default_vault());
    home.run(["vault", "create", "archive"]).succeeds();
    let names: Vec<String> = (0..12).map(|number| format!("file-{number}")).collect();
    for (number, name) in names.iter().enumerate() {
        let slots = if number % 2 == 0 { Slots::One } else { Slots::Two };
        seal_for(&home, name, &[own.wrapping_key("default").unwrap()], slots);
    }
    home.run(["vault", "rotate", "default"]).succeeds();
    for keys in [&["--key", "archive"][..], &["--key", "default"], &["--key", "archive"]] {
        let children: Vec<_> = (0..4)
            .map(|_| {
                let mut command = home.command(["rewrap"]);
                // Some files twice, so that one run meets itself, too.
                command.args(&names).args(&names[..3]).args(keys).stdout(Stdio::piped());
                command.stderr(Stdio::piped()).spawn().unwrap()
            })
            .collect();
        for child in children {
            Done::of(&child.wait_with_output().unwrap()).succeeds();
        }
    }
    for name in &names {
        assert_eq!(keys(&home, name), ["archive/1"]);
        assert_eq!(header(&home, name).generation(), 4, "each change was made once");
        assert_eq!(home.run(["open", name, "-o", "-"]).succeeds().stdout, b"text");
    }
    let mut sorted = names.clone();
    sorted.sort();
    assert_eq!(home.names(), sorted, "nothing else was left behind");
}

#[cfg(unix)] // permission bits, and `setpriv`
#[test]
fn a_directory_that_cannot_be_written_is_told_and_the_file_stays() {
    let home = Home::with_vault();
    let own = vault(&home.default_vault());
    fs::create_dir(home.path("closed")).unwrap();
    seal_for(&home, "closed/object", &[own.wrapping_key("default").unwrap()], Slots::One);
    seal_for(&home, "closed/file", &[own.wrapping_key("default").unwrap()], Slots::Two);
    home.run(["vault", "rotate", "default"]).succeeds();
    let sentence = |name: &str| {
        format!(
            "cannot rewrap {name}: permission denied; unless another program changed it meanwhile, it opens \
             with its old key or with its new one: \
             check who may write it and its directory with ls -l, and run the same command again"
        )
    };
    let mode = |path: &str, mode| {
        fs::set_permissions(home.path(path), fs::Permissions::from_mode(mode)).unwrap();
    };
    mode("closed/file", 0o444);
    mode("closed", 0o555);
    let run = |name: &str| {
        let mut command = home.command(["rewrap", name]);
        if rustix::process::geteuid().is_root() {
            // Root may write anywhere; without that capability it is a user like others.
            let line = format!(
                "exec setpriv --bounding-set -dac_override,-dac_read_search \
                                --inh-caps -dac_override,-dac_read_search \"$0\" rewrap {name}"
            );
            command = home.shell(&line);
        }
        Done::of(&command.output().unwrap())
    };
    for name in ["closed/object", "closed/file"] {
        let before = home.read(name);
        run(name).fails_with(&sentence(name));
        assert_eq!(home.read(name), before);
    }
    mode("closed", 0o755);
    mode("closed/file", 0o644);
    home.run(["rewrap", "closed/object", "closed/file"]).succeeds();
}

#[test]
fn the_work_goes_on_when_nobody_reads_the_lines() {
    let home = Home::with_vault();
    home.write("plain", b"text");
    for name in ["a", "b"] {
        home.run(["seal", "plain", "-o", name]).succeeds();
    }
    home.run(["vault", "rotate", "default"]).succeeds();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let done = home.command(["rewrap", "a", "b"]).stdout(writer).output().unwrap();
    Done::of(&done).fails_with(
        "standard output was closed before everything was printed; run it again without the pipe",
    );
    assert_eq!(keys(&home, "a"), ["default/2"]);
    assert_eq!(keys(&home, "b"), ["default/2"]);
}

/// A key that is not the vault's and has the id of its newest `default`: a header may say so.
fn under_the_id_of_default(vault: &LocalVault) -> WrappingKey {
    let id = vault.wrapping_key("default").unwrap().id().clone();
    WrappingKey::rsa(id, PrivateKey::generate().unwrap().public_key())
}

fn opens(home: &Home, path: &str) {
    assert_eq!(home.run(["open", path, "-o", "-"]).succeeds().stdout, b"text");
}

/// The id of the key that is asked for stands in the header, and another key wrapped there.
#[test]
fn an_id_that_names_another_key_is_wrapped_anew_before_the_key_that_opens_goes() {
    for slots in [Slots::One, Slots::Two] {
        let home = Home::with_vault();
        home.run(["vault", "create", "escrow"]).succeeds();
        let own = vault(&home.default_vault());
        let keys_of = [under_the_id_of_default(&own), own.wrapping_key("escrow").unwrap()];
        seal_for(&home, "doc", &keys_of, slots);
        opens(&home, "doc");

        let done = home.run(["rewrap", "doc", "--key", "default"]).succeeds();
        assert!(done.text().starts_with("rewrapped doc in "), "{}", done.text());
        assert_eq!(keys(&home, "doc"), ["default/1"]);
        opens(&home, "doc");
    }
}

/// The same without `--key`: what its key does not unwrap is wrapped anew, and the other one stays.
#[test]
fn a_recipient_that_its_key_does_not_unwrap_is_wrapped_anew() {
    let home = Home::with_vault();
    home.run(["vault", "create", "escrow"]).succeeds();
    let own = vault(&home.default_vault());
    let keys_of = [under_the_id_of_default(&own), own.wrapping_key("escrow").unwrap()];
    seal_for(&home, "doc", &keys_of, Slots::Two);

    let done = home.run(["rewrap", "doc"]).succeeds();
    let (default, escrow) = (home.key_id("default/1"), home.key_id("escrow/1"));
    let sentence = format!("rewrapped doc in place: wrapped anew for {default}, {escrow}\n");
    assert_eq!(done.text(), sentence);
    assert_eq!(keys(&home, "doc"), ["default/1", "escrow/1"]);
    let done = home.run(["rewrap", "doc"]).succeeds();
    assert_eq!(done.text(), "doc is wrapped as asked already; left as it is\n");
    home.run(["vault", "delete", "escrow"]).succeeds();
    opens(&home, "doc");
}

/// Nothing opens it any more: that is said, and it is not called wrapped as asked.
#[test]
fn a_document_that_no_key_opens_is_not_called_wrapped_as_asked() {
    let home = Home::with_vault();
    let own = vault(&home.default_vault());
    seal_for(&home, "doc", &[under_the_id_of_default(&own)], Slots::Two);
    let before = home.read("doc");
    for key in [&[][..], &["--key", "default"]] {
        let done = home.run(["rewrap", "doc"].iter().chain(key));
        assert_eq!(done.code, Some(1), "{}", done.text());
        assert!(done.stderr.contains("doc: authentication failed"), "{}", done.stderr);
    }
    assert_eq!(home.read("doc"), before);
}

/// The id that is asked for stands there under another algorithm.
#[test]
fn an_id_under_another_algorithm_is_not_the_key_that_is_asked_for() {
    let home = Home::with_vault();
    home.run(["vault", "create", "escrow"]).succeeds();
    let own = vault(&home.default_vault());
    let default = own.wrapping_key("default").unwrap();
    let other = WrappingKey::aes(default.id().clone(), Secret::generate().unwrap());
    seal_for(&home, "doc", &[other, own.wrapping_key("escrow").unwrap()], Slots::Two);
    opens(&home, "doc");

    home.run(["rewrap", "doc", "--key", "default"]).succeeds();
    let header = header(&home, "doc");
    let [recipient] = header.recipients() else { panic!("{:?}", keys(&home, "doc")) };
    assert_eq!(recipient.algorithm(), Some(default.algorithm()));
    opens(&home, "doc");
}

/// Checks that a user who has the rewrapping done gives no document of another context to a key of theirs.
#[test]
fn another_key_takes_the_context() {
    let home = Home::with_vault();
    home.run(["vault", "create", "mine"]).succeeds();
    home.write("plain", b"text");
    home.run(["seal", "plain", "-o", "doc", "--context", "tenant=7"]).succeeds();
    home.run(["vault", "rotate", "default"]).succeeds();
    let before = home.read("doc");
    let sentence = "doc: authentication failed: the key or the context is not the one it was sealed with, \
                    or the bytes were changed; give the --context it was sealed with (or --any-context, to \
                    bring it to a newer version of its key and nothing else), or restore the file from a \
                    copy where another program changed it";
    let context = ["--context", "tenant=8"];
    for others in
        [&[][..], &context, &["--key", "mine"], &["--key", "mine", context[0], context[1]]]
    {
        home.run(["rewrap", "doc"].iter().chain(others)).fails_with(sentence);
        assert_eq!(home.read("doc"), before);
    }
    for others in [["--key", "mine"], ["--context", "tenant=7"]] {
        home.run(["rewrap", "doc", "--any-context"].iter().chain(&others))
            .is_refused_with("cannot be used with");
    }
    home.run(["rewrap", "doc", "--any-context"]).succeeds();
    assert_eq!(keys(&home, "doc"), ["default/2"]);
    home.run(["rewrap", "doc", "--key", "mine", "--context", "tenant=7"]).succeeds();
    assert_eq!(keys(&home, "doc"), ["mine/1"]);
    let open = ["open", "doc", "-o", "-", "--context", "tenant=7"];
    assert_eq!(home.run(open).succeeds().stdout, b"text");
    // And the other way round: a document without a context is not one of a tenant's.
    home.run(["seal", "plain"]).succeeds();
    let refused = home.run(["rewrap", "plain.sealed", "--context", "tenant=7"]);
    assert!(refused.stderr.contains("authentication failed"), "{}", refused.stderr);
}

/// In any context too a key goes only once the other version has unwrapped what was wrapped for it.
#[test]
fn any_context_wraps_anew_and_leaves_other_keys_alone() {
    for slots in [Slots::One, Slots::Two] {
        let home = Home::with_vault();
        home.run(["vault", "create", "escrow"]).succeeds();
        let own = vault(&home.default_vault());
        let keys_of = ["default", "escrow"].map(|name| own.wrapping_key(name).unwrap());
        home.run(["vault", "rotate", "default"]).succeeds();
        let newer = own.wrapping_key("default").unwrap();
        let [older, escrow] = keys_of;
        seal_for(&home, "doc", &[older, newer, escrow], slots);
        home.run(["vault", "rotate", "default"]).succeeds();
        let done = home.run(["rewrap", "doc", "--any-context"]).succeeds();
        assert!(done.text().contains("to local/"), "{}", done.text());
        assert_eq!(keys(&home, "doc"), ["default/3", "escrow/1"]);
        let done = home.run(["rewrap", "doc", "--any-context"]).succeeds();
        assert!(done.text().contains("as asked already"), "{}", done.text());

        let keys_of = [under_the_id_of_default(&own), own.wrapping_key("escrow").unwrap()];
        seal_for(&home, "doc", &keys_of, slots);
        opens(&home, "doc");
        home.run(["rewrap", "doc", "--any-context"]).succeeds();
        assert_eq!(keys(&home, "doc"), ["default/3", "escrow/1"]);
        home.run(["vault", "delete", "escrow"]).succeeds();
        opens(&home, "doc");
    }
}

#[test]
fn a_document_that_has_expired_is_not_rewrapped() {
    let home = Home::with_vault();
    let own = vault(&home.default_vault());
    let options = SealOptions { expires_at: Some(1000), ..SealOptions::default() };
    let sealed = seal(b"text", &[own.wrapping_key("default").unwrap()], &options).unwrap();
    home.write("old", &sealed);
    home.run(["vault", "rotate", "default"]).succeeds();
    for others in [&[][..], &["--any-context"]] {
        let refused = home.run(["rewrap", "old"].iter().chain(others));
        assert_eq!(refused.code, Some(1));
        assert!(refused.stderr.contains("old: the document expired"), "{}", refused.stderr);
    }
    assert_eq!(home.read("old"), sealed);
}

#[cfg(unix)] // named pipes
#[test]
fn a_pipe_is_refused_and_not_waited_for() {
    let home = Home::with_vault();
    home.write("plain", b"text");
    home.run(["seal", "plain"]).succeeds();
    let made = Command::new("mkfifo").arg(home.path("pipe")).status().unwrap();
    assert!(made.success());
    let done = home.run(["rewrap", "pipe", "/dev/null", "plain.sealed"]);
    assert_eq!(done.code, Some(1));
    for name in ["pipe", "/dev/null"] {
        let words = format!("{name} is not a file; give a sealed document, or a header's file");
        assert!(done.stderr.contains(&words), "{}", done.stderr);
    }
}
