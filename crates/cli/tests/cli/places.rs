//! Places of customers' vaults that a restore brings back: the newest that the audit trail has, never an older one.

use std::fs;

use crate::backups::BACKUP;
use crate::home::{Home, copy_dir, lines, run, service};

const ENABLE: &str = "resource enable-cmk r --vault c --key k --home h";
const RESTORE: &str = "service restore --from b --home h";
const OPEN: &str = "open plain.sealed -o - --home h";

/// A service with a document under the key `k`, and its backup `b`. Since then the vault `c` was moved to `moved`; at
/// `c` is an older copy of it, in which the key is enabled, as it is not any more.
fn moved_since_the_backup() -> Home {
    let home = service();
    lines(&home, &[ENABLE, "seal plain --resource r --home h", &format!("{BACKUP} b")]);
    fs::rename(home.path("c"), home.path("moved")).unwrap();
    copy_dir(&home.path("moved"), &home.path("c"));
    lines(&home, &["service move-vault --vault moved --home h", "vault disable k --vault moved"]);
    home
}

#[test]
fn a_restore_does_not_undo_that_a_vault_was_moved() {
    for places in [Some(&b"no json"[..]), None, Some(b"{}")] {
        let home = moved_since_the_backup();
        match places {
            Some(places) => home.write("h/vaults.json", places),
            None => fs::remove_file(home.path("h/vaults.json")).unwrap(),
        }
        let done = run(&home, RESTORE).succeeds();
        let place = home.path("moved").canonicalize().unwrap();
        assert!(
            done.text().contains(&format!("the home expects it at {}\n", place.display())),
            "{}",
            done.text()
        );
        assert!(run(&home, OPEN).stderr.contains("the key is disabled"), "the copy is asked");
    }
}

/// The file is from before the move, and something else is damaged.
#[test]
fn an_older_list_of_places_does_not_undo_that_a_vault_was_moved() {
    let home = moved_since_the_backup();
    fs::copy(home.path("b/home/vaults.json"), home.path("h/vaults.json")).unwrap();
    fs::remove_dir_all(home.path("h/state/r")).unwrap();
    lines(&home, &[RESTORE]);
    assert!(run(&home, OPEN).stderr.contains("the key is disabled"), "the copy is asked");
}

/// The trail was damaged where it told of the move: then nobody knows the place.
#[test]
fn a_place_that_a_damaged_trail_may_have_told_of_is_asked_for() {
    let home = moved_since_the_backup();
    let trail = String::from_utf8(home.read("h/audit.jsonl")).unwrap();
    assert!(trail.contains("\"operation\":\"move-vault\""));
    home.write("h/audit.jsonl", trail.replace("move-vault", "m0ve-vault").as_bytes());
    lines(&home, &["audit repair --home h"]);
    home.write("h/vaults.json", b"no json");
    let done = run(&home, "service restore --from b --accept-states --home h").succeeds();
    let (_, command) = done.text().split_once("say where it is, with: strongroom ").unwrap();
    let command = command.lines().next().unwrap();
    assert!(run(&home, OPEN).stderr.contains("does not know the vault of "), "the copy is asked");
    lines(&home, &[&command.replace("DIR", "moved")]);
    assert!(run(&home, OPEN).stderr.contains("the key is disabled"));
}

#[test]
fn a_home_without_the_places_of_vaults_is_damaged_where_there_were_some() {
    let home = service();
    lines(&home, &[ENABLE, "seal plain --resource r --home h", &format!("{BACKUP} b")]);
    for places in [None, Some(&b"{}"[..])] {
        run(&home, RESTORE).fails_words(" is whole, ");
        match places {
            Some(places) => home.write("h/vaults.json", places),
            None => fs::remove_file(home.path("h/vaults.json")).unwrap(),
        }
        lines(&home, &[RESTORE, OPEN]);
    }
    // There never was one.
    let home = service();
    lines(&home, &[&format!("{BACKUP} b")]);
    run(&home, RESTORE).fails_words(" is whole, ");
}

/// The home has forgotten its vaults, and the trail has not.
#[test]
fn a_copy_of_a_vault_that_was_moved_is_refused_without_the_list_of_places() {
    let home = moved_since_the_backup();
    lines(&home, &["vault enable k --vault moved"]);
    fs::remove_file(home.path("h/vaults.json")).unwrap();
    let refused = run(&home, ENABLE);
    assert_eq!(refused.code, Some(1), "a copy is taken for the vault");
    assert!(refused.stderr.contains("has the same id: a copy"), "{}", refused.stderr);
    lines(&home, &["resource enable-cmk r --vault moved --key k --home h", OPEN]);
}
