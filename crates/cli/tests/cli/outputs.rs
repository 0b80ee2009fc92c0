//! Names of results: taken, kept or refused.

use std::fs;
#[cfg(unix)]
use std::os::unix::fs::{PermissionsExt as _, symlink};
#[cfg(unix)]
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use crate::home::{Done, Home, PROGRAM, bytes, mode, set_mode, version_ids};

#[test]
fn an_existing_file_is_kept_unless_it_is_to_be_replaced() {
    let home = Home::with_vault();
    home.write("plain", b"text");
    home.write("plain.sealed", b"something else");
    home.run(["seal", "plain"]).fails_with(
        "plain.sealed exists and is kept; replace it with --force, or choose another name with -o",
    );
    assert_eq!(home.read("plain.sealed"), b"something else");
    home.run(["seal", "plain", "--force"]).succeeds();
    home.run(["open", "plain.sealed"]).fails_with(
        "plain exists and is kept; replace it with --force, or choose another name with -o",
    );
    home.write("plain", b"changed since");
    home.run(["open", "plain.sealed", "--force"]).succeeds();
    assert_eq!(home.read("plain"), b"text");
    assert_eq!(home.names(), ["plain", "plain.sealed"]);
    // A link to nowhere is something, too.
    #[cfg(unix)] // symbolic links, which Windows lets administrators make
    {
        symlink("nowhere", home.path("link")).unwrap();
        home.run(["seal", "plain", "-o", "link"]).fails_with(
            "link exists and is kept; replace it with --force, or choose another name with -o",
        );
        assert_eq!(home.names(), ["link", "plain", "plain.sealed"]);
    }
}

#[cfg(unix)] // symbolic links
#[test]
fn what_a_link_names_is_replaced_and_the_link_stays() {
    let home = Home::with_vault();
    home.write("plain", b"text");
    fs::create_dir(home.path("store")).unwrap();
    home.write("store/sealed", b"old");
    symlink("store/sealed", home.path("link")).unwrap();
    home.run(["seal", "plain", "-o", "link", "--force"]).succeeds();
    assert!(fs::symlink_metadata(home.path("link")).unwrap().is_symlink());
    assert_eq!(home.run(["open", "store/sealed", "-o", "-"]).succeeds().stdout, b"text");
}

#[test]
fn the_input_is_never_the_output() {
    let home = Home::with_vault();
    home.write("plain", b"text");
    fs::hard_link(home.path("plain"), home.path("twin")).unwrap();
    #[cfg(unix)] // symbolic links
    symlink("plain", home.path("link")).unwrap();
    for output in [
        "plain",
        "./plain",
        "twin",
        #[cfg(unix)]
        "link",
    ] {
        home.run(["seal", "plain", "-o", output, "--force"]).fails_with(&format!(
            "{output} is the input and the output at once; choose another name with -o"
        ));
    }
    assert_eq!(home.read("plain"), b"text");
}

#[cfg(unix)] // permission bits, and a shell that sets the umask
#[test]
fn plaintext_is_private_and_sealed_documents_follow_the_umask() {
    let home = Home::with_vault();
    home.write("plain", b"text");
    let with_umask = |umask: &str, args: &str| {
        let line = format!("umask {umask}; exec \"$0\" {args}");
        assert!(home.shell(&line).stdout(Stdio::null()).status().unwrap().success(), "{line}");
    };
    with_umask("022", "seal plain -o a");
    assert_eq!(mode(&home.path("a"), 0o644), 0o644);
    with_umask("077", "seal plain -o b");
    assert_eq!(mode(&home.path("b"), 0o600), 0o600);
    with_umask("002", "seal plain -o c");
    assert_eq!(mode(&home.path("c"), 0o664), 0o664);
    with_umask("000", "open a -o d");
    assert_eq!(mode(&home.path("d"), 0o600), 0o600);

    // A file that is replaced keeps the permissions that its owner gave it.
    for (name, wanted) in [("plain", 0o640), ("d", 0o604)] {
        set_mode(&home.path(name), wanted);
        with_umask("022", &format!("open a --force -o {name}"));
        assert_eq!(mode(&home.path(name), wanted), wanted);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn what_a_killed_run_left_beside_the_target_is_swept_by_the_next() {
    let home = Home::with_vault();
    home.write("plain", b"text");
    let someones = ".other.strongroom-tmp-0123456789abcdef";
    home.write(someones, b"someone's file");
    // Of another writer, whose file system is this host's alone: only Linux tells that.
    let killed =
        ".other.strongroom-tmp-00000000-0000000000000001-00000000-00000001-0000000000000000";
    home.write(killed, b"plaintext of a killed run");
    home.run(["seal", "plain"]).succeeds();
    assert_eq!(home.names(), [someones, "plain", "plain.sealed"]);
    // Whatever the next command is, and wherever its input lies.
    for line in ["inspect plain.sealed", "verify plain.sealed", "open plain.sealed -o d/back"] {
        fs::create_dir_all(home.path("d")).unwrap();
        home.write(killed, b"plaintext of a killed run");
        home.run(line.split(' ')).succeeds();
        assert!(!home.path(killed).exists(), "{line}");
    }
}

#[cfg(unix)] // devices
#[test]
fn devices_and_pipes_are_written_to_and_never_replaced() {
    let home = Home::with_vault();
    let plain = bytes(200_000);
    home.write("plain", &plain);
    home.run(["seal", "plain"]).succeeds();
    home.run(["open", "plain.sealed", "-o", "/dev/null", "--force"]).succeeds();
    let made = Command::new("mkfifo").arg(home.path("pipe")).status().unwrap();
    assert!(made.success());
    let got = fs::File::create(home.path("got")).unwrap();
    let mut reader = Command::new("cat").arg(home.path("pipe")).stdout(got).spawn().unwrap();
    home.run(["open", "plain.sealed", "-o", "pipe"]).succeeds();
    assert!(reader.wait().unwrap().success());
    assert_eq!(home.read("got"), plain);
    assert_eq!(home.names(), ["got", "pipe", "plain", "plain.sealed"]);
}

#[test]
fn a_failure_leaves_nothing_under_the_final_name() {
    let home = Home::with_vault();
    home.write("plain", &bytes(300_000));
    home.run(["seal", "plain", "--chunk-size", "4KiB"]).succeeds();
    let mut sealed = home.read("plain.sealed");
    let last = sealed.len() - 1;
    sealed[last] ^= 1;
    home.write("damaged", &sealed);
    home.write("kept", b"old");
    let done = home.run(["open", "damaged", "-o", "back"]);
    assert_eq!(done.code, Some(1), "{}", done.stderr);
    let done = home.run(["open", "damaged", "-o", "kept", "--force"]);
    assert_eq!(done.code, Some(1), "{}", done.stderr);
    assert_eq!(home.read("kept"), b"old");
    assert_eq!(home.names(), ["damaged", "kept", "plain", "plain.sealed"]);
}

/// As another user, because root reads every directory.
#[cfg(unix)] // permission bits
#[test]
fn a_directory_that_can_be_written_and_not_read() {
    let home = Home::with_vault();
    home.write("plain", b"text");
    home.run(["seal", "plain"]).succeeds();
    let outside = tempfile::tempdir().unwrap();
    fs::set_permissions(outside.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = outside.path().join("strongroom");
    fs::copy(PROGRAM, &program).unwrap();
    let drop_box = outside.path().join("drop");
    fs::create_dir(&drop_box).unwrap();
    let vault = outside.path().join("vault");
    assert!(
        Command::new("cp")
            .arg("-r")
            .arg(home.default_vault())
            .arg(&vault)
            .status()
            .unwrap()
            .success()
    );
    let is_root = rustix::process::geteuid().is_root();
    if is_root {
        let owner = |path: &std::path::Path| {
            let done = Command::new("chown").args(["-R", "65534:65534"]).arg(path).status();
            assert!(done.unwrap().success());
        };
        owner(&drop_box);
        owner(&vault);
    }
    fs::set_permissions(&drop_box, fs::Permissions::from_mode(0o300)).unwrap();
    for force in [false, true, true] {
        let mut command = Command::new(&program);
        command.current_dir(outside.path()).env("HOME", "/nonexistent");
        if is_root {
            command.uid(65534).gid(65534);
        }
        command.args(["seal", "-", "-o", "drop/sealed", "--vault", "vault"]).stdin(Stdio::null());
        command.args(force.then_some("--force"));
        Done::of(&command.output().unwrap()).succeeds();
    }
    fs::set_permissions(&drop_box, fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(crate::home::names(&drop_box), ["sealed"]);
}

#[test]
fn a_file_among_those_of_a_vault_or_a_home_is_no_output() {
    let home = Home::new();
    home.write("plain", b"text");
    for line in ["vault init --vault v", "vault create k --vault v", "service init --home h"] {
        home.run(line.split(' ')).succeeds();
    }
    home.run(["seal", "plain", "--vault", "v", "--key", "k"]).succeeds();
    let pem = format!("v/keys/k/{}.pem", version_ids(&home.path("v"), "k")[0]);
    let key = home.read(&pem);
    for line in [
        &format!("seal plain -o {pem} --force --vault v --key k"),
        "seal plain -o v/vault.json --force --vault v --key k",
        "seal plain -o v/keys/k/new --vault v --key k",
        &format!("seal plain -o outside --detach-header {pem} --force --vault v --key k"),
        &format!("open plain.sealed -o {pem} --force --vault v"),
        "seal plain -o h/audit.jsonl --force --vault v --key k",
        "seal plain -o h/vault/keys/service/new --vault v --key k",
        &format!("vault backup k -o {pem} --force --vault v"),
        "vault backup k -o v/keys/k/attributes.json --force --vault v",
        "vault backup k -o v/vault.json --force --vault v",
        "vault backup k -o h/audit.jsonl --force --vault v",
    ] {
        let done = home.run(line.split(' '));
        assert_eq!(done.code, Some(1), "{line}");
        let words = ", which keeps keys: nothing else belongs there, and a replaced file of it loses keys; \
                     choose another place with -";
        assert!(done.stderr.contains(words), "{line}: {}", done.stderr);
    }
    #[cfg(unix)]
    {
        symlink(home.path(&pem), home.path("link")).unwrap();
        let done =
            home.run(["seal", "plain", "-o", "link", "--force", "--vault", "v", "--key", "k"]);
        assert!(done.stderr.contains(" would be a file in "), "{}", done.stderr);
    }
    assert_eq!(home.read(&pem), key);
    home.run(["open", "plain.sealed", "-o", "-", "--vault", "v"]).succeeds();
}

#[test]
fn a_backup_does_not_replace_the_passphrase_file_that_it_reads() {
    let home = Home::new();
    home.write("phrase", b"correct horse");
    let given = ["--vault", "v", "--passphrase-file", "phrase"];
    home.run(["vault", "init"].iter().chain(&given)).succeeds();
    home.run(["vault", "create", "k"].iter().chain(&given)).succeeds();
    home.run(["vault", "backup", "k", "-o", "phrase", "--force"].iter().chain(&given)).fails_with(
        "phrase is the passphrase file and the output at once; choose another name with -o",
    );
    assert_eq!(home.read("phrase"), b"correct horse");
}

#[test]
fn a_file_that_a_later_document_reads_is_not_overwritten_by_an_earlier_one() {
    let home = Home::with_vault();
    home.write("a", b"text");
    home.run(["seal", "a"]).succeeds();
    home.run(["seal", "a.sealed"]).succeeds();
    let (sealed, twice) = (home.read("a.sealed"), home.read("a.sealed.sealed"));
    fs::hard_link(home.path("a.sealed"), home.path("twin")).unwrap();
    #[cfg(unix)] // symbolic links
    symlink(".", home.path("here")).unwrap();
    for line in [
        "seal --force a a.sealed",
        "seal --force a.sealed a",
        "seal --force a twin",
        "open --force a.sealed.sealed a.sealed",
        "open --force a.sealed.sealed ./a.sealed",
        #[cfg(unix)]
        "open --force here/a.sealed.sealed a.sealed",
    ] {
        home.run(line.split(' ')).is_refused_with("give them commands of their own");
        assert_eq!(home.read("a.sealed"), sealed, "{line}");
        assert_eq!(home.read("a.sealed.sealed"), twice, "{line}");
    }
    // One that is not there yet would be made by the one before it.
    for name in ["a.sealed", "a.sealed.sealed", "twin"] {
        fs::remove_file(home.path(name)).unwrap();
    }
    home.run(["seal", "a", "a.sealed"]).is_refused_with("a.sealed is to be read");
    assert!(!home.path("a.sealed").exists());
}

#[cfg(unix)] // symbolic links
#[test]
fn two_outputs_that_are_one_file_through_links_are_refused() {
    let home = Home::with_vault();
    home.write("a", b"first");
    home.write("b", b"second");
    home.write("one", b"old");
    symlink("one", home.path("a.sealed")).unwrap();
    symlink("one", home.path("b.sealed")).unwrap();
    home.run(["seal", "--force", "a", "b"]).is_refused_with("two of the files would both become");
    fs::create_dir(home.path("d")).unwrap();
    symlink("../a", home.path("d/a")).unwrap();
    symlink("d", home.path("e")).unwrap();
    home.run(["seal", "--force", "d/a", "e/a"])
        .is_refused_with("two of the files would both become");
    assert_eq!(home.read("one"), b"old");
}
