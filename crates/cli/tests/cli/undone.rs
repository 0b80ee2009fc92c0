//! Changes that a restore undoes: each is named, with the commands that do it again.

use std::fs;

use crate::backups::BACKUP;
use crate::home::{Home, copy_dir, lines, run, service};

const ENABLE: &str = "resource enable-cmk r --vault c --key k --home h";
const DISABLE: &str = "resource disable-cmk r --home h";
const NEW_KEYS: &str = "resource rotate-key r --home h";
const SERVICE_KEY: &str = "service-key rotate --home h";
const ROTATE: [&str; 2] = ["vault rotate k --vault c", "resource rotate-cmk r --home h"];

/// A restore of older states.
struct Case {
    before: &'static [&'static str],
    /// Commands since the older states.
    since: &'static [&'static str],
    /// Operations that are named.
    operations: &'static [&'static str],
    /// The state once they are done again.
    state: &'static str,
}

#[rustfmt::skip]
const CASES: [Case; 7] = [
    Case { before: &[ENABLE], since: &ROTATE, operations: &["rotate-cmk"], state: "cmk-active" },
    Case { before: &[ENABLE], since: &[DISABLE], operations: &["disable-cmk"], state: "service-managed" },
    Case { before: &[], since: &[ENABLE], operations: &["enable-cmk"], state: "cmk-active" },
    Case { before: &[], since: &[NEW_KEYS], operations: &["rotate-resource-key"], state: "service-managed" },
    Case { before: &[ENABLE], since: &[SERVICE_KEY], operations: &["rotate-service-key"], state: "cmk-active" },
    Case {
        before: &[ENABLE],
        since: &[ROTATE[0], ROTATE[1], NEW_KEYS, "resource revoke r --home h"],
        operations: &["rotate-cmk", "rotate-resource-key"],
        state: "cmk-active",
    },
    Case { before: &[], since: &[ENABLE, DISABLE], operations: &["enable-cmk", "disable-cmk"], state: "service-managed" },
];

/// The state of `r`, the version of its customer's key, and the one of the service's that it is signed under.
fn seen(home: &Home) -> (String, Option<String>, String) {
    let status = run(home, "resource status r --home h --json").json();
    let key = status["protection"]["cmk"]["key"].as_str().map(str::to_owned);
    let state = status["protection"]["state"].as_str().unwrap().to_owned();
    (state, key, status["signed_by"].as_str().unwrap().to_owned())
}

/// The newest version of the service's key.
fn newest_service_key(home: &Home) -> String {
    let shown = run(home, "vault show service --vault h/vault --json").json();
    shown["versions"].as_array().unwrap().last().unwrap()["id"].as_str().unwrap().to_owned()
}

#[test]
fn what_a_restore_undoes_is_named_with_the_commands_that_do_it_again() {
    for Case { before, since, operations, state } in CASES {
        for restore in ["service restore --home h", "service restore --from b --home h"] {
            let home = service();
            lines(&home, before);
            lines(&home, &[&format!("{BACKUP} b")]);
            copy_dir(&home.path("h/state"), &home.path("older"));
            lines(&home, since);
            let (_, key, _) = seen(&home);
            if restore.contains("--from") {
                fs::remove_dir_all(home.path("h/state/r")).unwrap();
            } else {
                fs::remove_dir_all(home.path("h/state")).unwrap();
                copy_dir(&home.path("older"), &home.path("h/state"));
            }
            copy_dir(&home.path("h"), &home.path("rolled-back"));
            let done = run(&home, restore).succeeds();
            let case = format!("{restore}, {since:?}: {}", done.text());
            let (_, undone) = done.text().split_once("\nundone in the resource r: ").expect(&case);
            let undone = undone.lines().next().unwrap();
            for operation in operations {
                assert!(undone.contains(&format!("{operation} at 20")), "{operation}: {case}");
            }
            let commands = undone.split_once("do it again, with: strongroom ");
            if *operations == ["enable-cmk", "disable-cmk"] {
                assert!(commands.is_none(), "nothing is left to be done: {case}");
            } else {
                let (_, commands) = commands.expect(&case);
                for command in commands.split(", and then: strongroom ") {
                    let line = home.shell(&format!("\"$0\" {command}")).output().unwrap();
                    assert!(line.status.success(), "{command}: {line:?}: {case}");
                }
            }
            let now = seen(&home);
            assert_eq!((now.0.as_str(), &now.1), (state, &key), "{case}");
            if *operations == ["rotate-service-key"] {
                assert_eq!(now.2, newest_service_key(&home), "{case}");
            }
            // As JSON.
            fs::remove_dir_all(home.path("h")).unwrap();
            fs::rename(home.path("rolled-back"), home.path("h")).unwrap();
            let json = run(&home, &format!("{restore} --json")).succeeds().json();
            let one = &json["resources"][0];
            let found: Vec<_> = one["undone"].as_array().unwrap().iter().collect();
            for operation in operations {
                assert!(found.iter().any(|change| change["operation"] == *operation), "{one}");
            }
            assert_eq!(
                one["next"].as_array().is_some_and(|next| !next.is_empty()),
                commands.is_some()
            );
        }
    }
}

/// The version before was disabled once it was not needed any more. It is needed again.
#[test]
fn a_version_that_is_in_use_again_is_enabled_first() {
    let home = service();
    lines(&home, &[ENABLE]);
    copy_dir(&home.path("h/state"), &home.path("older"));
    let shown = run(&home, "vault show k --vault c --json").json();
    let id = shown["versions"][0]["id"].as_str().unwrap();
    let version = id.rsplit('/').next().unwrap();
    lines(&home, &ROTATE);
    let (_, key, _) = seen(&home);
    let disable = format!("vault disable k --key-version {version} --vault c");
    lines(&home, &[&disable, "resource revoke r --home h"]);
    fs::remove_dir_all(home.path("h/state")).unwrap();
    copy_dir(&home.path("older"), &home.path("h/state"));
    let done = run(&home, "service restore --home h").succeeds();
    let (_, commands) = done.text().split_once("do it again, with: strongroom ").unwrap();
    let commands: Vec<_> = commands.trim_end().split(", and then: strongroom ").collect();
    assert!(commands[0].starts_with("vault enable k "), "{commands:?}");
    for command in commands {
        run(&home, command).succeeds();
    }
    let now = seen(&home);
    assert_eq!((now.0.as_str(), now.1), ("cmk-active", key));
}

/// Withdrawals and destructions since are in force again: nothing was undone.
#[test]
fn what_is_applied_again_is_not_called_undone() {
    let home = service();
    lines(&home, &[ENABLE]);
    copy_dir(&home.path("h/state"), &home.path("older"));
    lines(&home, &["resource revoke r --home h", "resource delete r --home h"]);
    fs::remove_dir_all(home.path("h/state")).unwrap();
    copy_dir(&home.path("older"), &home.path("h/state"));
    let done = run(&home, "service restore --home h").succeeds();
    assert!(!done.text().contains("undone"), "{}", done.text());
}
