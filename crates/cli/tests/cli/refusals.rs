//! Failures that take some doing.

use std::fs::{self, File, FileTimes};
#[cfg(unix)]
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _};
#[cfg(unix)]
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::home::{Done, Home, PROGRAM, put_back, wait_until_written};

#[cfg(unix)] // /proc
#[test]
fn a_check_that_finds_another_input() {
    let home = Home::with_vault();
    let file = File::create_new(home.path("plain")).unwrap();
    file.set_len(64 << 20).unwrap();
    let mut child = home
        .command(["seal", "plain", "--check", "--threads", "1", "--backend", "software"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_until_written(&mut child, 8 << 20);
    // Of the same length, where it was sealed already, and by someone who puts the time back.
    let modified = file.metadata().unwrap().modified().unwrap();
    file.write_all_at(b"x", 0).unwrap();
    file.set_times(FileTimes::new().set_modified(modified)).unwrap();
    let names = home.run(["backends"]).succeeds();
    let other = names.text().split_whitespace().next().unwrap().to_owned();
    Done::of(&child.wait_with_output().unwrap()).fails_with(&format!(
        "the check failed: opened again with backend {other}, the sealed document is not what plain \
         holds; nothing was kept: try again when nothing writes to plain, and test this machine's \
         memory if it happens again"
    ));
    assert_eq!(home.names(), ["plain"]);
}

#[cfg(unix)] // another user
#[test]
fn a_user_without_a_home() {
    const NOBODY: u32 = 54_321; // not in /etc/passwd
    // Under /tmp, because a home directory may be closed to other users.
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let program = directory.path().join("strongroom");
    fs::copy(PROGRAM, &program).unwrap();
    let mut command = if rustix::process::geteuid().is_root() {
        let mut command = Command::new(&program);
        command.uid(NOBODY).gid(NOBODY);
        command
    } else {
        let mut command = Command::new("unshare");
        command.args(["--user", &format!("--map-user={NOBODY}")]).arg(&program);
        command
    };
    command.args(["vault", "list"]).current_dir(directory.path()).env_clear();
    Done::of(&command.output().unwrap())
        .fails_with("there is no home directory for a vault; name one with --vault");
}

#[cfg(unix)]
/// Puts a locked file with another header in the place of `path` whenever somebody waits for the lock of
/// the file that is there.
fn contend(home: &Home, path: &str, child: &mut Child) -> usize {
    let contents = [home.read(path), home.read("other")];
    let mut held = File::open(home.path(path)).unwrap();
    held.lock().unwrap();
    child.stdin.take(); // it waits for that
    let mut swaps = 0;
    while child.try_wait().unwrap().is_none() {
        // A line of a waiting process: "1: -> FLOCK  ADVISORY  WRITE 123 00:2f:456 0 EOF"
        let inode = format!(":{} ", held.metadata().unwrap().ino());
        let locks = fs::read_to_string("/proc/locks").unwrap();
        if !locks.lines().any(|line| line.contains("->") && line.contains(&inode)) {
            thread::sleep(Duration::from_millis(1));
            continue;
        }
        swaps += 1;
        home.write("next", &contents[swaps % 2]);
        let next = File::open(home.path("next")).unwrap();
        next.lock().unwrap();
        fs::rename(home.path("next"), home.path(path)).unwrap();
        held = next; // and the lock before is free
    }
    swaps
}

#[cfg(unix)] // /proc/locks
#[test]
fn a_header_that_others_keep_changing() {
    let home = Home::with_vault();
    home.write("plain", b"text");
    home.run(["seal", "plain"]).succeeds();
    home.run(["seal", "plain", "-o", "other"]).succeeds();
    home.run(["vault", "rotate", "default"]).succeeds();
    let mut child = home
        .shell("read go; exec \"$0\" rewrap plain.sealed")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let swaps = contend(&home, "plain.sealed", &mut child);
    assert_eq!(swaps, 16);
    Done::of(&child.wait_with_output().unwrap()).fails_with(
        "plain.sealed: other processes keep changing its header; run the same command again",
    );
    home.run(["rewrap", "plain.sealed"]).succeeds();
}

#[test]
fn a_directory_that_is_no_vault() {
    let home = Home::new();
    fs::create_dir(home.path("full")).unwrap();
    home.write("full/file", b"");
    home.run(["vault", "init", "--vault", "full"]).fails_with(
        "full is not empty; name a new or an empty directory for the vault, with --vault",
    );
    home.run(["vault", "list", "--vault", "full"]).fails_with(
        "there is no vault at full; check the path; where the vault was moved, name its new place; one without keys is made with: strongroom vault init \
         --vault full",
    );
}

#[test]
fn a_vault_that_is_damaged_or_of_another_version() {
    let home = Home::with_vault();
    let vault = home.default_vault();
    let shown = vault.display();
    let manifest = vault.join("vault.json");
    let file = manifest.display();
    let whole = fs::read(&manifest).unwrap();
    let list = |contents: &str| {
        fs::write(&manifest, contents).unwrap();
        home.run(["vault", "list"])
    };
    list("{").fails_with(&format!(
        "{file} is damaged: it is not the vault's JSON; {}",
        put_back("vault", &vault, &manifest)
    ));
    let text = String::from_utf8(whole.clone()).unwrap();
    let id = serde_json::from_str::<Value>(&text).unwrap()["id"].as_str().unwrap().to_owned();
    list(&text.replace(&id, "../..")).fails_with(&format!(
        "{file} is damaged: its id is not 16 lower-case hexadecimal digits; {}",
        put_back("vault", &vault, &manifest)
    ));
    for format in [1, 2] {
        list(&format!("{{\"format\":{format},\"id\":\"0123456789abcdef\"}}")).fails_with(&format!(
            "the vault {shown} has format {format}, and this version knows format 3 alone; in that one two \
             keys could have one id, so it is not read: make a new vault in another directory, and seal into \
             it what the version that made this one opens"
        ));
    }
    list("{\"format\":4,\"id\":\"0123456789abcdef\"}").fails_with(&format!(
        "the vault {shown} has format 4, and this version knows format 3 alone; use a newer version"
    ));
    fs::write(&manifest, whole).unwrap();
    home.run(["vault", "list"]).succeeds();
    #[cfg(unix)] // permission bits
    {
        fs::set_permissions(&vault, fs::Permissions::from_mode(0o755)).unwrap();
        home.run(["vault", "list"]).fails_with(&format!(
            "{shown} is open to other users (mode 755), so its keys may be known to them; make it private \
             with: chmod 700 {shown}"
        ));
    }
}
