//! Backups of a home: made while others write, killed, in wrong places, and asked for after each change of keys.

use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::home::{Done, Home, contents, killed_around_its_end, lines, mode, names, run, service};

const SEAL: &str = "seal plain --resource r --home h -o";
const ENABLE: &str = "resource enable-cmk r --vault c --key k --home h";
pub(crate) const BACKUP: &str = "service backup --home h -o";

/// The command that `text` ends with, which makes a backup.
fn advised(text: &str) -> Option<&str> {
    let (_, command) = text.trim_end().rsplit_once("copy the home again with: strongroom ")?;
    Some(command)
}

#[test]
fn each_change_that_makes_keys_says_once_with_which_command_to_copy_the_home_again() {
    let home = service();
    // What a backup from before does not open, and the advice that would have helped.
    lines(&home, &[&format!("{SEAL} before"), &format!("{BACKUP} old")]);
    let enabled = run(&home, ENABLE).succeeds();
    assert!(advised(enabled.text()).is_some(), "{}", enabled.text());
    lines(&home, &[&format!("{SEAL} after"), "service restore --from old --home older"]);
    lines(&home, &["open before -o - --home older"]);
    let refused = run(&home, "open after -o - --home older");
    refused.fails_words(", and the states of the resource r have no such key: ");
    lines(&home, &[&format!("{BACKUP} new")]);
    let (_, command) = refused.stderr.trim_end().rsplit_once("with: strongroom ").unwrap();
    run(&home, &command.replace("BACKUP", "new").replace("OTHER", "newer")).succeeds();
    lines(&home, &["open after -o - --home newer"]);

    for line in [
        "resource create other --tenant t --region e --home h",
        "resource rotate-key r --home h",
        "service-key rotate --home h",
        "vault rotate k --vault c",
        "resource rotate-cmk r --home h",
        &format!("{SEAL} expiring --expires-at 2100-01-01"),
        "resource disable-cmk r --home h",
    ] {
        let done = run(&home, line).succeeds();
        if line.starts_with("vault") {
            continue;
        }
        assert_eq!(done.text().matches("copy the home again").count(), 1, "{line}");
        let command = advised(done.text()).unwrap();
        let target =
            command.split(' ').find(|word| word.starts_with("strongroom-backup-")).unwrap();
        assert!(command.ends_with(" --home h"), "{command}");
        run(&home, command).succeeds();
        lines(&home, &[&format!("service restore --from {target} --home from-it")]);
        run(&home, "verify after --home from-it").succeeds();
        if home.path("expiring").exists() {
            run(&home, "verify expiring --home from-it").succeeds();
        }
        for made in [target, "from-it"] {
            fs::remove_dir_all(home.path(made)).unwrap();
        }
    }
    // Not where no key was made, and not to who asked for silence.
    for line in [
        &format!("{SEAL} again --expires-at 2100-01-01"),
        &format!("{SEAL} lasting"),
        &format!("{SEAL} silent --expires-at 2100-01-02 --quiet"),
        "resource refresh other --home h",
    ] {
        let done = run(&home, line);
        assert!(!format!("{}{}", done.text(), done.stderr).contains("copy the home"), "{line}");
    }
    lines(&home, &[ENABLE]);
    assert!(advised(run(&home, "resource rotate-cmk r --home h").succeeds().text()).is_none());
    // One of two documents needed a new key.
    home.write("second", b"text");
    let seal = "seal plain second --resource r --home h --expires-at 2100-01-03";
    let both = run(&home, seal).succeeds();
    assert_eq!(both.text().matches("copy the home again").count(), 1, "{}", both.text());
    // And for programs.
    for line in [
        "resource rotate-key r --home h --json",
        "service-key rotate --home h --json",
        &format!("{SEAL} x --expires-at 2100-01-04 --json"),
    ] {
        let command = run(&home, line).succeeds().json()["copy_again"].as_str().unwrap().to_owned();
        assert!(
            command.starts_with("strongroom service backup -o strongroom-backup-"),
            "{command}"
        );
        assert!(command.ends_with(" --home h"), "{command}");
    }
    let json = run(&home, &format!("{SEAL} y --expires-at 2100-01-04 --json")).succeeds().json();
    assert!(json.get("copy_again").is_none());
}

/// Number of the last line of the home's audit trail.
fn head(home: &Home) -> u64 {
    let head = run(home, "audit head --home h").succeeds();
    head.text().split(':').next().unwrap().parse().unwrap()
}

/// Runs each line, again where others changed the same resource.
fn persistently(home: &Home, all: &[&str]) {
    for line in all {
        let mut done = run(home, line);
        while done.stderr.contains("at the same time; try again") {
            done = run(home, line);
        }
        done.succeeds();
    }
}

#[test]
fn every_backup_that_is_made_while_others_write_opens_what_was_sealed_before_it() {
    let home = service();
    fs::create_dir(home.path("docs")).unwrap();
    lines(&home, &["resource create s --tenant t --region e --home h"]);
    let (sealed, is_done) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    let seal = |name: String, more: &str| {
        let line = format!("seal plain --home h -o docs/{name} {more}");
        persistently(&home, &[&line]);
        sealed.lock().unwrap().push(format!("docs/{name}"));
    };
    let (mut changed, mut opened) = (0, 0);
    thread::scope(|scope| {
        let is_done = &is_done;
        let going_on = move || !is_done.load(Ordering::Relaxed);
        let home = &home;
        scope.spawn(move || {
            for round in (0..).take_while(|_| going_on()) {
                persistently(home, &[ENABLE]);
                seal(format!("r-{round}"), "--resource r");
                // A key of an hour of its own.
                seal(format!("e-{round}"), &format!("--resource r --expires-in {}h", round + 1));
                let rest = ["resource rotate-key r --home h", "resource disable-cmk r --home h"];
                persistently(home, &rest);
            }
        });
        scope.spawn(move || {
            for round in (0..).take_while(|_| going_on()) {
                let create = format!("resource create n{round} --tenant t --region e --home h");
                let rotate = ["service-key rotate --home h", "resource rotate-key s --home h"];
                persistently(home, &[rotate[0], &create, rotate[1]]);
            }
        });
        for at in 0..10 {
            let documents = sealed.lock().unwrap().clone();
            let before = head(home);
            let made = run(home, &format!("{BACKUP} b{at} --json")).succeeds().json();
            // Two lines are the backup's own.
            changed += usize::from(head(home) > before + 2);
            assert!(made["resources"].as_array().unwrap().len() >= 2);
            run(home, &format!("service restore --from b{at} --home h{at}")).succeeds();
            run(home, &format!("audit verify --home h{at}")).succeeds();
            if !documents.is_empty() {
                let all = format!("verify {} --home h{at}", documents.join(" "));
                run(home, &all).succeeds();
            }
            opened += documents.len();
            for made in ["b", "h"] {
                fs::remove_dir_all(home.path(&format!("{made}{at}"))).unwrap();
            }
        }
        is_done.store(true, Ordering::Relaxed);
    });
    assert!(changed >= 5, "{changed} of 10 backups were made while something changed");
    assert!(opened >= 20, "{opened} documents were opened");
    lines(&home, &["audit verify --home h"]);
}

#[test]
fn a_backup_is_private_whole_and_recorded_and_replaces_nothing() {
    let home = service();
    lines(&home, &[ENABLE, &format!("{SEAL} a"), &format!("{BACKUP} b")]);
    for (path, _) in contents(&home.path("b")) {
        assert_eq!(mode(&path, 0o600), 0o600, "{}", path.display());
        assert_eq!(mode(path.parent().unwrap(), 0o700), 0o700, "{}", path.display());
    }
    let trail = String::from_utf8(home.read("h/audit.jsonl")).unwrap();
    let events: Vec<&str> =
        trail.lines().filter(|line| line.contains("\"operation\":\"backup\"")).collect();
    assert_eq!(events.len(), 2);
    assert!(events[0].contains("\"begun\"") && events[1].contains("\"done\""), "{trail}");
    assert!(events[0].contains("{\"to\":\"b\"}"), "{}", events[0]);

    let before = contents(&home.path("b"));
    for (place, words) in [
        ("b", "b exists and is kept; choose another place with -o"),
        ("plain", "plain exists and is kept; choose another place with -o"),
        ("h", "h exists and is kept; choose another place with -o"),
        ("none/b", "cannot write into the directory none: "),
        ("h/b", "h/b would be a file in "),
        ("h/state/r/b", "h/state/r/b would be a file in "),
        ("c/b", "c/b would be a file in "),
    ] {
        let done = run(&home, &format!("{BACKUP} {place}"));
        assert_eq!(done.code, Some(1), "{place}");
        assert!(done.stderr.starts_with(&format!("error: {words}")), "{place}: {}", done.stderr);
    }
    assert_eq!(contents(&home.path("b")), before);
    assert_eq!(home.names(), ["a", "b", "c", "h", "plain"]);
    run(&home, "service backup -o x --home none").fails_words("there is no service's home at none");
    run(&home, "service backup --home h").is_refused_with("--output <DIR>");
}

#[test]
fn a_damaged_home_is_not_backed_up_and_a_lost_resource_is_told_of() {
    let home = service();
    lines(&home, &["resource create other --tenant t --region e --home h"]);
    lines(&home, &[ENABLE, &format!("{BACKUP} early")]);
    let state = home.path("h/state/r/00000000000000000002.state");
    let whole = fs::read(&state).unwrap();
    fs::write(&state, &whole[1..]).unwrap();
    run(&home, &format!("{BACKUP} b")).fails_words(
        "the file state/r/00000000000000000002.state of the service's home is damaged",
    );
    fs::write(&state, whole).unwrap();
    let key = fs::read_dir(home.path("h/vault/keys/service")).unwrap();
    let key = key.map(|entry| entry.unwrap().path());
    let key = key.filter(|path| path.extension().unwrap() == "aes").max().unwrap();
    fs::rename(&key, home.path("key")).unwrap();
    assert_eq!(run(&home, &format!("{BACKUP} b")).code, Some(1));
    fs::rename(home.path("key"), &key).unwrap();
    assert!(!home.path("b").exists());

    fs::remove_dir_all(home.path("h/state/other")).unwrap();
    let done = run(&home, &format!("{BACKUP} b"));
    assert_eq!(done.code, Some(3), "{}", done.stderr);
    assert!(done.stderr.contains("b is made, and the home has lost all states of other"));
    lines(&home, &["service restore --from b --home again"]);
    let restored = run(&home, "service restore --home h");
    restored.fails_with(
        "all states of the resource other are lost; bring them back from a backup of the home, with: \
         strongroom service restore --from BACKUP --home h",
    );
    let (_, command) = restored.stderr.trim_end().rsplit_once("with: strongroom ").unwrap();
    run(&home, &command.replace("BACKUP", "early")).succeeds();
    lines(&home, &["resource status other --home h", "resource status r --home h"]);
}

/// A backup whose files find no room leaves nothing, and says where and why.
#[cfg(target_os = "linux")]
#[test]
fn a_backup_that_finds_no_room_leaves_nothing() {
    let home = service();
    // Longer than the home's own trail, which must be written first.
    for _ in 0..80 {
        run(&home, "vault rotate audit --vault h/vault").succeeds();
    }
    let length = |path: &str| fs::metadata(home.path(path)).unwrap().len();
    let blocks = length("h/audit.jsonl").div_ceil(512) + 8;
    assert!(length("h/vault/audit.jsonl") > blocks * 512);
    let mut shell = home.shell(&format!("ulimit -f {blocks}; exec \"$0\" {BACKUP} b"));
    let done = Done::of(&shell.output().unwrap());
    done.fails_words("the backup b was not made: ");
    assert!(done.stderr.contains("choose another place with -o"), "{}", done.stderr);
    assert!(!done.stderr.contains("strongroom-tmp"), "{}", done.stderr);
    assert_eq!(home.names(), ["c", "h", "plain"]);
    lines(&home, &[&format!("{BACKUP} b"), "service restore --from b --home again"]);
}

/// Checks that a backup is whole whenever the command was killed, and that the next one removes what it left.
#[test]
fn a_killed_backup_leaves_nothing_under_its_name_or_a_whole_one() {
    let home = service();
    lines(&home, &[ENABLE, &format!("{SEAL} a"), &format!("{BACKUP} first")]);
    let mut left = 0;
    let is_done = || {
        left += usize::from(names(&home.work()).iter().any(|name| name.contains("strongroom-tmp")));
        let is_done = home.path("b").exists();
        if is_done {
            lines(&home, &["service restore --from b --home again", "verify a --home again"]);
            for made in ["again", "b"] {
                fs::remove_dir_all(home.path(made)).unwrap();
            }
        }
        is_done
    };
    killed_around_its_end(|| home.silent(format!("{BACKUP} b").split(' ')), is_done);
    assert!(left > 0, "none was killed while it copied");
    lines(&home, &[&format!("{BACKUP} b"), "audit verify --home h"]);
    assert_eq!(home.names(), ["a", "b", "c", "first", "h", "plain"]);
}

/// Runs `line` where `directory` is mounted read-only.
#[cfg(target_os = "linux")]
pub(crate) fn on_read_only(home: &Home, directory: &str, line: &str) -> Done {
    let path = home.path(directory);
    let mount = format!(
        "mount --bind {0} {0} && mount -o remount,ro,bind {0} && cd . && exec {1} {line}",
        path.display(),
        crate::home::PROGRAM
    );
    let unshare = if rustix::process::geteuid().is_root() {
        "unshare --mount"
    } else {
        "unshare --user --map-root-user --mount"
    };
    Done::of(&home.shell(&format!("exec {unshare} sh -c '{mount}'")).output().unwrap())
}

/// A backup reads: on a disk that nobody can write to it is made, and says what it could not record.
#[cfg(target_os = "linux")] // a mount of its own
#[test]
fn a_home_on_a_read_only_disk_is_backed_up_and_that_is_not_recorded() {
    let home = service();
    lines(&home, &[ENABLE, &format!("{SEAL} a")]);
    let before = contents(&home.path("h"));
    let refused = on_read_only(&home, "h", "resource revoke r --home h");
    assert_eq!(refused.code, Some(1), "it is not read-only");
    let done = on_read_only(&home, "h", &format!("{BACKUP} b")).succeeds();
    assert!(
        done.stderr
            .starts_with("warning: the audit trail does not say that this backup was made: ")
            && done.stderr.contains("h/audit.jsonl"),
        "{}",
        done.stderr
    );
    let json = on_read_only(&home, "h", &format!("{BACKUP} c2 --json")).succeeds().json();
    assert_eq!(json["recorded"], false);
    assert_eq!(contents(&home.path("h")), before);
    assert_eq!(run(&home, &format!("{BACKUP} d --json")).succeeds().json()["recorded"], true);
    for backup in ["b", "c2", "d"] {
        lines(&home, &[&format!("service restore --from {backup} --home from-{backup}")]);
        lines(&home, &[&format!("open a -o - --home from-{backup}")]);
    }
    // A damaged trail is another thing.
    let mut bytes = home.read("h/audit.jsonl");
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    home.write("h/audit.jsonl", &bytes);
    on_read_only(&home, "h", &format!("{BACKUP} e")).fails_words("audit repair");
    assert!(!home.path("e").exists());
}

/// Checks that nothing is done for an identity that cannot be recorded, and that the refusal names the file and what to do.
#[cfg(target_os = "linux")] // a mount of its own
#[test]
fn a_customers_vault_on_a_read_only_disk_refuses_and_names_its_trail() {
    let home = service();
    lines(&home, &[ENABLE, &format!("{SEAL} a")]);
    let refused = on_read_only(&home, "c", "open a -o - --home h");
    refused.fails_words("c/audit.jsonl: ");
    for words in [
        "Read-only file system",
        "nothing is done for others with the vault's keys, or to them, that is not recorded there",
        "mount it writable",
    ] {
        assert!(refused.stderr.contains(words), "{words}: {}", refused.stderr);
    }
    lines(&home, &["open a -o - --home h"]);
    // Its owner needs no trail to read.
    on_read_only(&home, "c", "vault list --vault c").succeeds();
    on_read_only(&home, "c", "vault audit --vault c").succeeds();
    on_read_only(&home, "c", "vault rotate k --vault c").fails_words("c");
}
