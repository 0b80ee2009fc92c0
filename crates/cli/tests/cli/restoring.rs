//! Homes that are made from a backup: where there is none, and in place of damaged ones.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::backups::BACKUP;
use crate::home::{
    Done, Home, contents, copy_dir, killed_around_its_end, lines, mode, run, service,
};

const SEAL: &str = "seal plain --resource r --home h -o";
const ENABLE: &str = "resource enable-cmk r --vault c --key k --home h";
const RESTORE: &str = "service restore --from b --home h";

/// A service with the documents `one` and `two`, sealed before and after its backup `b` under the customer's key.
fn backed_up() -> Home {
    let home = service();
    lines(&home, &[ENABLE, &format!("{SEAL} one"), &format!("{BACKUP} b")]);
    lines(&home, &["resource rotate-key r --home h", &format!("{SEAL} two")]);
    home
}

/// The only home that gave way to `h`.
fn aside(home: &Home) -> String {
    let names = home.names();
    let mut asides = names.iter().filter(|name| name.starts_with("h.before-restore-"));
    let found = asides.next().unwrap().clone();
    assert!(asides.next().is_none(), "{names:?}");
    found
}

fn lose_states(home: &Home) {
    for (path, _) in contents(&home.path("h/state/r")) {
        fs::remove_file(path).unwrap();
    }
}

/// The outline of a backup, `text`, with its check made anew, as anybody can.
fn checked(text: &str) -> Vec<u8> {
    let (content, _) = text.split_once(",\"check\"").unwrap();
    let check = strongroom_keys::vault::hex::encode(&Sha256::digest(format!("{content}}}")));
    format!("{content},\"check\":\"{check}\"}}").into_bytes()
}

fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_home_is_made_from_a_backup_where_there_is_none() {
    let home = backed_up();
    fs::rename(home.path("h"), home.path("lost")).unwrap();
    let done = run(&home, RESTORE).succeeds();
    let text = done.text();
    assert!(text.starts_with("restored the service's home h from the backup b of 20"), "{text}");
    assert!(
        text.contains(
            "\nthe resource r has its state number 2, as it was in the backup: cmk-active\n"
        ),
        "{text}"
    );
    let vault = home.path("c").canonicalize().unwrap();
    let place = format!("is not part of a backup: the home expects it at {}\n", vault.display());
    assert!(text.contains(&place), "{text}");
    for said in [
        "nothing here knows what was done since 20",
        "--anchor HEAD --home h",
        "sweep --accept-time --home h",
    ] {
        assert!(done.stderr.contains(said), "{said}: {}", done.stderr);
    }
    lines(&home, &["open one -o - --home h", "audit verify --home h"]);
    assert_eq!(run(&home, "open two -o - --home h").code, Some(1), "its key came later");
    for (path, _) in contents(&home.path("h")) {
        assert_eq!(mode(&path, 0o600), 0o600, "{}", path.display());
        assert_eq!(mode(path.parent().unwrap(), 0o700), 0o700, "{}", path.display());
    }
    let trail = String::from_utf8(home.read("h/audit.jsonl")).unwrap();
    assert_eq!(trail.matches("\"operation\":\"restore-backup\"").count(), 1);
    // What was withdrawn since is not, and only an anchor tells.
    let head = run(&home, "audit head --home lost").succeeds().text().trim_end().to_owned();
    let verified = run(&home, &format!("audit verify --anchor {head} --home h"));
    assert_eq!(verified.code, Some(1), "{}", verified.text());

    // In an empty directory as well, and as JSON.
    fs::create_dir(home.path("empty")).unwrap();
    let json = run(&home, "service restore --from b --home empty --json").succeeds().json();
    assert_eq!(
        (&json["operation"], &json["trail"]),
        (&"restored-from-backup".into(), &"backup".into())
    );
    assert_eq!(
        (&json["resources"][0]["in_backup"], &json["resources"][0]["number"]),
        (&2.into(), &2.into())
    );
    assert_eq!(json["vaults"][0]["directory"], vault.to_str().unwrap());
    assert!(json.get("moved_aside").is_none());
}

#[test]
fn lost_states_come_from_the_backup_and_what_the_trail_knows_comes_on_top() {
    let home = backed_up();
    lines(&home, &["resource revoke r --home h"]);
    lose_states(&home);
    let lost = contents(&home.path("h"));
    let done = run(&home, RESTORE).succeeds();
    assert!(
        done.text()
            .contains("the resource r has its state number 5, number 2 in the backup: denied\n"),
        "{}",
        done.text()
    );
    assert!(
        done.stderr.contains("the audit trail of the home that was there goes on"),
        "{}",
        done.stderr
    );
    let aside = aside(&home);
    assert!(done.text().contains(&format!("/{aside} now: ")), "{}", done.text());
    for (path, bytes) in lost {
        let kept = home.path(&aside).join(path.strip_prefix(home.path("h")).unwrap());
        assert_eq!(fs::read(kept).unwrap(), bytes, "{}", path.display());
    }
    assert_eq!(run(&home, "open one -o - --home h").code, Some(1), "it was revoked");
    lines(
        &home,
        &["resource refresh r --home h", "open one -o - --home h", "audit verify --home h"],
    );
    assert_eq!(run(&home, "open two -o - --home h").code, Some(1), "its key is lost");
}

/// Files of one resource are lost: another one's newest state stays.
#[test]
fn the_newest_states_that_hold_are_kept() {
    let home = service();
    lines(&home, &["resource create s --tenant t --region e --home h", &format!("{BACKUP} b")]);
    lines(
        &home,
        &[
            "resource rotate-key s --home h",
            "service-key rotate --home h",
            "seal plain --resource s --home h -o of-s --expires-in 5h",
            "resource rotate-key r --home h",
            "resource create later --tenant t --region e --home h",
            "resource create lost --tenant t --region e --home h",
            &format!("{SEAL} of-r"),
        ],
    );
    fs::remove_dir_all(home.path("h/state/lost")).unwrap();
    // The newest state of `r` is damaged, and the one before holds.
    let newest = contents(&home.path("h/state/r")).pop().unwrap().0;
    flip(&newest);
    let done = run(&home, RESTORE).succeeds();
    for said in [
        "the resource later has its state number 1, not in the backup: service-managed\n",
        "the resource r has its state number 4, number 1 in the backup: service-managed\n",
        "the resource s has its state number 4, number 1 in the backup: service-managed\n",
        "the resource lost is lost: it was made since the backup\n",
    ] {
        assert!(done.text().contains(said), "{said}\n{}", done.text());
    }
    lines(
        &home,
        &["open of-s -o - --home h", "resource rotate-key later --home h", "audit verify --home h"],
    );
    assert_eq!(
        run(&home, "open of-r -o - --home h").code,
        Some(1),
        "its key was in that state alone"
    );
    assert_eq!(run(&home, &format!("{BACKUP} next")).code, Some(3), "one is lost for good");
}

#[test]
fn a_lost_vault_a_lost_key_and_a_lost_manifest_come_from_the_backup() {
    for gone in
        ["vault", "vault/vault.json", "vault/keys", "vault/keys/service", "audit.key", "home.json"]
    {
        let home = backed_up();
        let path = home.path("h").join(gone);
        if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
        let done = run(&home, RESTORE);
        assert_eq!(done.code, Some(0), "{gone}: {}", done.stderr);
        lines(
            &home,
            &["open one -o - --home h", "open two -o - --home h", "audit verify --home h"],
        );
        aside(&home);
    }
}

#[test]
fn without_its_trail_a_home_is_as_it_was_in_the_backup() {
    let home = backed_up();
    lines(&home, &["resource revoke r --home h"]);
    lines(&home, &["resource revoke r --home h"]);
    flip(&home.path("h/audit.jsonl"));
    // The trail alone: the states know more than the backup.
    let refused = run(&home, RESTORE);
    refused.fails_words("the audit trail of the service's home ");
    assert!(
        refused.stderr.contains("/h is damaged, and the rest of the home may be"),
        "{}",
        refused.stderr
    );
    assert!(
        refused.stderr.ends_with("with: strongroom audit repair --home h\n"),
        "{}",
        refused.stderr
    );
    copy_dir(&home.path("h"), &home.path("kept"));
    let (_, command) = refused.stderr.trim_end().rsplit_once("with: strongroom ").unwrap();
    run(&home, command).succeeds();
    run(&home, RESTORE).fails_words(" is whole, ");
    fs::remove_dir_all(home.path("h")).unwrap();
    fs::rename(home.path("kept"), home.path("h")).unwrap();

    // With states lost as well: the withdrawal since the backup is in a line behind the damage.
    copy_dir(&home.path("h"), &home.path("kept"));
    lose_states(&home);
    run(&home, RESTORE).fails_words("strongroom audit repair --home h");
    lines(&home, &["audit repair --home h", RESTORE]);
    assert!(run(&home, "open one -o - --home h").stderr.contains("no access to the resource r"));

    // Without any trail.
    fs::remove_dir_all(home.path("h")).unwrap();
    fs::rename(home.path("kept"), home.path("h")).unwrap();
    fs::remove_file(home.path("h/audit.jsonl")).unwrap();
    fs::remove_dir_all(home.path(&aside(&home))).unwrap();
    lose_states(&home);
    let done = run(&home, RESTORE).succeeds();
    assert!(
        done.text().contains("the resource r has its state number 2, as it was in the backup"),
        "{}",
        done.text()
    );
    assert!(done.stderr.contains("nothing here knows what was done since"), "{}", done.stderr);
    lines(&home, &["open one -o - --home h", "audit verify --home h"]);
}

/// A kill leaves it so where two names cannot be exchanged in one step.
#[test]
fn a_home_that_gave_way_is_put_back_where_that_was_interrupted() {
    let home = backed_up();
    lines(&home, &["resource revoke r --home h"]);
    lose_states(&home);
    fs::rename(home.path("h"), home.path("h.before-restore-20261124T013513Z")).unwrap();
    let refused = run(&home, RESTORE);
    refused.fails_words("there is no home at ");
    let (_, command) = refused.stderr.split_once("run this again, with: ").unwrap();
    assert_eq!(Done::of(&home.shell(command).output().unwrap()).code, Some(0), "{command}");
    lines(&home, &[RESTORE]);
    assert_eq!(run(&home, "open one -o - --home h").code, Some(1), "it was revoked");
}

/// The home that is called old is the old one at every moment: a kill at the exchange of the names is noticed by the next command.
#[test]
fn a_restore_that_was_killed_at_the_exchange_is_finished_or_begun_again() {
    let home = backed_up();
    lines(&home, &["resource revoke r --home h"]);
    lose_states(&home);
    copy_dir(&home.path("h"), &home.path("damaged"));
    let old: Vec<_> = contents(&home.path("damaged")).into_iter().map(|(_, text)| text).collect();
    let is_old = |name: &str| {
        let found = contents(&home.path(name)).into_iter().map(|(_, text)| text);
        assert_eq!(found.collect::<Vec<_>>(), old, "{name}");
    };
    lines(&home, &[RESTORE]);
    let before = aside(&home);
    let between = before.replace("before-restore", "exchange");

    // Just after it.
    for next in ["resource status r --home h", RESTORE, "audit verify --home h"] {
        fs::rename(home.path(&before), home.path(&between)).unwrap();
        home.write("h/.strongroom-new", b"");
        let done = run(&home, next);
        assert!(
            done.stderr.starts_with("note: a restore was interrupted at its last step"),
            "{next}: {}",
            done.stderr
        );
        assert!(done.stderr.contains(&before), "{next}: {}", done.stderr);
        is_old(&before);
        assert!(!home.path(&between).exists() && !home.path("h/.strongroom-new").exists());
        let again = run(&home, "resource status r --home h").succeeds();
        assert!(!again.stderr.contains("interrupted"), "{}", again.stderr);
    }

    // Just before it.
    fs::remove_dir_all(home.path(&before)).unwrap();
    fs::rename(home.path("h"), home.path(&between)).unwrap();
    home.write(&format!("{between}/.strongroom-new"), b"");
    copy_dir(&home.path("damaged"), &home.path("h"));
    lines(&home, &[RESTORE]);
    is_old(&aside(&home));
    assert!(!home.path(&between).exists());

    // Between the two steps that it takes where names cannot be exchanged in one.
    let (before, between) = (aside(&home), aside(&home).replace("before-restore", "exchange"));
    fs::rename(home.path("h"), home.path(&between)).unwrap();
    home.write(&format!("{between}/.strongroom-new"), b"");
    let done = run(&home, "resource status r --home h").succeeds();
    assert!(done.stderr.contains("which is done now"), "{}", done.stderr);
    is_old(&before);
    assert_eq!(run(&home, "open one -o - --home h").code, Some(1), "it was revoked");
}

#[test]
fn a_whole_home_another_service_and_anything_else_are_left() {
    let home = backed_up();
    lines(&home, &["service init --home other"]);
    fs::create_dir(home.path("things")).unwrap();
    home.write("things/file", b"something");
    let before = [contents(&home.path("h")), contents(&home.path("other"))];
    for (line, words) in [
        (RESTORE, " is whole, and newer than the backup; nothing was restored"),
        ("service restore --from b --home other", " is not the home that the backup was made of"),
        ("service restore --from b --home things", " is not the home that the backup was made of"),
        ("service restore --from b --home plain", "cannot read "),
        ("service restore --from none --home x", "there is no backup at none"),
        ("service restore --from h --home x", "there is no backup at h"),
        ("service restore --from b --home none/x", "cannot write into the directory none"),
    ] {
        run(&home, line).fails_words(words);
    }
    assert_eq!([contents(&home.path("h")), contents(&home.path("other"))], before);
    copy_dir(&home.path("b"), &home.path("h/b"));
    lose_states(&home);
    run(&home, "service restore --from h/b --home h").fails_words("which would be moved aside");
    // Of another service, it stays whatever is damaged in it.
    fs::remove_file(home.path("other/audit.key")).unwrap();
    run(&home, "service restore --from b --home other")
        .fails_words("is not the home that the backup was made of");
    let names = ["b", "c", "h", "one", "other", "plain", "things", "two"];
    assert_eq!(home.names(), names);
}

#[test]
fn a_damaged_backup_is_refused_by_the_name_of_the_file_and_nothing_is_touched() {
    let home = backed_up();
    lose_states(&home);
    let before = contents(&home.path("h"));
    let files = contents(&home.path("b"));
    assert!(files.len() >= 12, "{}", files.len());
    for (path, bytes) in files {
        for is_removed in [false, true] {
            if is_removed {
                fs::remove_file(&path).unwrap();
            } else {
                flip(&path);
            }
            let done = run(&home, RESTORE);
            let shown = path.strip_prefix(home.work()).unwrap().display().to_string();
            let words = if is_removed && shown == "b/backup.json" {
                "there is no backup at b; ".to_owned()
            } else {
                format!("error: {shown} is damaged: ")
            };
            done.fails_words(&words);
            fs::write(&path, &bytes).unwrap();
        }
    }
    assert_eq!(contents(&home.path("h")), before);
    assert_eq!(home.names(), ["b", "c", "h", "one", "plain", "two"]);
    lines(&home, &[RESTORE]);
    let manifest = String::from_utf8(home.read("b/backup.json")).unwrap();
    home.write("b/backup.json", manifest.replace("\"format\":1,", "\"format\":7,").as_bytes());
    run(&home, "service restore --from b --home x").fails_words("the backup b has the format 7");
}

/// Checks that there is a home under the name at every moment: the damaged one, or the new one.
#[test]
fn a_killed_restore_leaves_the_old_home_or_the_new_one() {
    let home = backed_up();
    lines(&home, &["resource revoke r --home h"]);
    lose_states(&home);
    copy_dir(&home.path("h"), &home.path("damaged"));
    let again = || {
        for name in home.names() {
            if name == "h" || name.starts_with("h.before-restore-") {
                fs::remove_dir_all(home.path(&name)).unwrap();
            }
        }
        copy_dir(&home.path("damaged"), &home.path("h"));
    };
    let is_done = || {
        let is_done = run(&home, "resource status r --home h").code == Some(0);
        if is_done {
            let old = contents(&home.path(&aside(&home))).len();
            assert!(old >= contents(&home.path("damaged")).len());
        } else {
            lines(&home, &[RESTORE]);
        }
        assert_eq!(run(&home, "open one -o - --home h").code, Some(1), "it was revoked");
        lines(&home, &["resource refresh r --home h", "open one -o - --home h"]);
        again();
        is_done
    };
    killed_around_its_end(|| home.silent(RESTORE.split(' ')), is_done);
}

/// A restore waits for commands that use the home, and they for it: none writes into a home that gives way.
#[test]
fn who_uses_the_home_and_who_replaces_it_wait_for_each_other() {
    let home = backed_up();
    lines(&home, &["resource create other --tenant t --region e --home h"]);
    fs::remove_dir_all(home.path("h/state/other")).unwrap();
    // As a command does that is at work.
    let used = fs::File::open(home.path("h/home.json")).unwrap();
    used.lock_shared().unwrap();
    let mut command = home.command(RESTORE.split(' '));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    run(&home, "resource revoke r --home h").succeeds();
    thread::sleep(Duration::from_millis(300));
    assert!(child.try_wait().unwrap().is_none(), "it did not wait");
    drop(used);
    let done = Done::of(&child.wait_with_output().unwrap());
    assert!(home.path(&aside(&home)).is_dir(), "{}", done.stderr);
    assert!(run(&home, "open two -o - --home h").stderr.contains("no access to the resource r"));

    // As a restore does.
    let alone = fs::File::open(home.path("h/home.json")).unwrap();
    alone.lock().unwrap();
    let mut command = home.command("resource status r --home h".split(' '));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    thread::sleep(Duration::from_millis(300));
    assert!(child.try_wait().unwrap().is_none(), "it did not wait");
    drop(alone);
    Done::of(&child.wait_with_output().unwrap()).succeeds();
}

/// Checks that files that cannot be read are not taken for damaged ones, after which older states would count.
#[cfg(unix)] // permission bits
#[test]
fn a_home_that_cannot_be_read_is_not_restored_as_if_it_were_damaged() {
    let home = backed_up();
    lines(&home, &["resource revoke r --home h"]);
    let manifest = home.read("h/home.json");
    fs::remove_file(home.path("h/home.json")).unwrap();
    crate::home::set_mode(&home.path("h/state"), 0o755);
    run(&home, RESTORE).fails_words("chmod 700");
    assert_eq!(
        fs::read_dir(home.work())
            .unwrap()
            .filter(|entry| {
                entry.as_ref().unwrap().file_name().to_string_lossy().contains("before-restore")
            })
            .count(),
        0
    );
    crate::home::set_mode(&home.path("h/state"), 0o700);
    home.write("h/home.json", &manifest);
    crate::home::set_mode(&home.path("h/home.json"), 0o600);
    assert!(run(&home, "open two -o - --home h").stderr.contains("no access to the resource r"));
}

/// The trail is lost, and what the states say cannot be seen at the moment: they may be newer than the backup.
#[test]
fn a_state_that_cannot_be_read_beside_a_lost_trail_ends_the_restore() {
    let home = backed_up();
    lines(&home, &["resource revoke r --home h"]);
    for name in ["audit.jsonl", "audit.head", "audit.jsonl.known"] {
        let _ = fs::remove_file(home.path("h").join(name));
    }
    let newest = contents(&home.path("h/state/r")).pop().unwrap().0;
    fs::rename(&newest, home.path("kept")).unwrap();
    fs::create_dir(&newest).unwrap();
    run(&home, RESTORE).fails_words("cannot read ");
    assert!(!home.names().iter().any(|name| name.contains("before-restore")));
    fs::remove_dir(&newest).unwrap();
    fs::rename(home.path("kept"), &newest).unwrap();
    run(&home, RESTORE).fails_words("strongroom audit repair --home h");
}

#[test]
fn what_is_not_a_backup_is_called_just_that() {
    let home = backed_up();
    for from in ["plain", "c", "nothing"] {
        run(&home, &format!("service restore --from {from} --home h"))
            .fails_words(&format!("there is no backup at {from}; give the directory"));
    }
}

/// A backup is of the service whose home and vault are in it: the id of a trail is not a secret.
#[test]
fn a_backup_of_another_service_under_this_ones_id_is_refused() {
    let home = backed_up();
    lines(&home, &["service init --home evil", "service backup -o e --home evil"]);
    let of = |path: &str| String::from_utf8(home.read(path)).unwrap();
    let trail = |text: &str| text.split("\"trail\":").nth(1).unwrap()[..40].to_owned();
    let forged = of("e/backup.json");
    let forged = forged.replace(&trail(&forged), &trail(&of("b/backup.json")));
    home.write("e/backup.json", &checked(&forged));
    fs::remove_file(home.path("h/vaults.json")).unwrap();
    let refused = run(&home, "service restore --from e --home h");
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert!(refused.stderr.contains("another service's"), "{}", refused.stderr);
    assert!(!home.names().iter().any(|name| name.contains("before-restore")));
}

/// Nothing of a backup is copied before the lengths of all its files, and the room for them, are known to do.
#[cfg(unix)] // a limit on the size of files, and holes in them
#[test]
fn a_backup_of_wrong_lengths_or_without_room_for_it_fills_no_disk() {
    let home = backed_up();
    fs::rename(home.path("h"), home.path("lost")).unwrap();
    // No file may be written at all.
    let limited =
        || Done::of(&home.shell(&format!("ulimit -f 0; exec \"$0\" {RESTORE}")).output().unwrap());
    let files = contents(&home.path("b"));
    let (last, bytes) = files.iter().find(|(path, _)| path.ends_with("vaults.json")).unwrap();
    for length in [1 << 42, bytes.len() as u64 - 1, 0] {
        fs::File::options().write(true).open(last).unwrap().set_len(length).unwrap();
        let started = std::time::Instant::now();
        for done in [limited(), run(&home, RESTORE)] {
            done.fails_words("error: b/home/vaults.json is damaged: it is not as long as it was; ");
        }
        assert!(started.elapsed() < Duration::from_secs(20));
        fs::write(last, bytes).unwrap();
    }
    // The outline itself.
    let manifest = home.read("b/backup.json");
    fs::File::options()
        .write(true)
        .open(home.path("b/backup.json"))
        .unwrap()
        .set_len(1 << 42)
        .unwrap();
    run(&home, RESTORE).fails_words("error: b/backup.json is damaged: ");
    // One that says that a file is as long as it is, and there is no room for that.
    let text = String::from_utf8(manifest.clone()).unwrap();
    let entry = format!("\"path\":\"vaults.json\",\"length\":{}", bytes.len());
    assert!(text.contains(&entry), "{text}");
    let long = entry.replace(&format!(":{}", bytes.len()), &format!(":{}", 1_u64 << 43));
    home.write("b/backup.json", &checked(&text.replace(&entry, &long)));
    fs::File::options().write(true).open(last).unwrap().set_len(1 << 43).unwrap();
    run(&home, RESTORE).fails_words("the home in the backup takes 87960930");
    assert!(!home.path("h").exists() && !home.names().iter().any(|name| name.starts_with('.')));
    home.write("b/backup.json", &manifest);
    fs::write(last, bytes).unwrap();
    lines(&home, &[RESTORE]);
}
