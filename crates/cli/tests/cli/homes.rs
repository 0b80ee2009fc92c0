//! A home whose trail is damaged, whose states were rolled back, or whose files are not what they were.

use std::fs;

use crate::home::{Done, Home, copy_dir, lines, run};

/// The resource `r` in the home `h` under the key `k` of the vault `c`, and its document `plain.sealed`.
fn service() -> Home {
    let home = crate::home::service();
    lines(
        &home,
        &["resource enable-cmk r --vault c --key k --home h", "seal plain --resource r --home h"],
    );
    home
}

const OPEN: &str = "open plain.sealed -o - --home h";

fn state(home: &Home) -> String {
    let status = run(home, "resource status r --home h --json").json();
    status["protection"]["state"].as_str().unwrap().to_owned()
}

/// The command in the last part of a message, run as it is printed.
fn run_hint(home: &Home, message: &str) -> Done {
    let (_, command) = message.trim_end().rsplit_once("with: strongroom ").unwrap();
    run(home, command)
}

fn flip_last_line(home: &Home) -> Vec<u8> {
    let mut trail = home.read("h/audit.jsonl");
    let at = trail.len() - 40;
    trail[at] ^= 1;
    home.write("h/audit.jsonl", &trail);
    trail
}

#[test]
fn a_damaged_audit_tail_stops_no_revocation_and_is_repaired_by_a_command() {
    let home = service();
    let damaged = flip_last_line(&home);
    for line in [OPEN, "seal plain -o other --resource r --home h"] {
        let done = run(&home, line);
        assert_eq!(done.code, Some(1));
        assert!(!done.stderr.contains("comes back by itself"), "{}", done.stderr);
    }
    let revoked = run(&home, "resource revoke r --home h");
    assert_eq!(revoked.code, Some(1));
    let words = "error: access to the resource r has ended, but that could not be recorded: the last line of ";
    assert!(revoked.stderr.starts_with(words), "{}", revoked.stderr);
    assert_eq!(state(&home), "denied");
    assert_eq!(home.read("h/audit.jsonl"), damaged, "nothing is written behind damage");

    let repaired = run_hint(&home, &revoked.stderr).succeeds();
    assert!(repaired.text().contains("audit.jsonl.1 ("), "{}", repaired.text());
    assert_eq!(home.read("h/audit.jsonl.1"), damaged);
    assert!(run(&home, "audit repair --home h").succeeds().text().contains("nothing to repair"));
    lines(&home, &["resource refresh r --home h", OPEN]);
    for _ in 0..2 {
        let verified = run(&home, "audit verify --home h");
        assert_eq!(verified.code, Some(3));
        assert!(verified.stderr.contains(": audit.jsonl.1 ("), "{}", verified.stderr);
        assert!(verified.stderr.contains("what they held is lost"), "{}", verified.stderr);
    }
    let shown = run(&home, "audit verify --home h --json");
    assert_eq!(shown.json()["repaired"][0]["files"][0]["name"], "audit.jsonl.1");
}

#[test]
fn a_deleted_trail_is_noticed_whatever_is_deleted_with_it() {
    for with_it in [&[][..], &["audit.head"], &["audit.head", "audit.jsonl.known"]] {
        let home = service();
        for name in [&["audit.jsonl"][..], with_it].concat() {
            let _ = fs::remove_file(home.path("h").join(name));
        }
        for line in [OPEN, "audit verify --home h", "resource rotate-key r --home h"] {
            assert_eq!(run(&home, line).code, Some(1), "{line}");
        }
        let revoked = run(&home, "resource revoke r --home h");
        assert!(
            revoked.stderr.contains("access to the resource r has ended"),
            "{}",
            revoked.stderr
        );
        assert_eq!(state(&home), "denied");
        lines(&home, &["audit repair --home h", "resource refresh r --home h", OPEN]);
        let verified = run(&home, "audit verify --home h");
        assert_eq!(verified.code, Some(3), "{}", verified.stderr);
        assert!(verified.stderr.contains("none of its lines holds"), "{}", verified.stderr);
    }
}

/// No file may grow as long as the trail is: it cannot be written, and the state can.
#[cfg(target_os = "linux")]
#[test]
fn a_trail_that_finds_no_room_stops_no_revocation() {
    let home = service();
    while home.read("h/audit.jsonl").len() < 64 << 10 {
        run(&home, OPEN).succeeds();
    }
    // In blocks of 512 bytes; a state is shorter.
    let limited = |line: &str| {
        let mut shell = home.shell(&format!("ulimit -f 64; exec \"$0\" {line}"));
        Done::of(&shell.output().unwrap())
    };
    assert_eq!(limited(OPEN).code, Some(1));
    let revoked = limited("resource revoke r --home h");
    assert_eq!(revoked.code, Some(1), "{}", revoked.stderr);
    assert!(revoked.stderr.contains("access to the resource r has ended"), "{}", revoked.stderr);
    assert_eq!(state(&home), "denied");
    run(&home, "audit verify --home h").succeeds();
}

#[test]
fn rolled_back_states_are_refused_until_a_command_goes_on_from_them() {
    let home = service();
    copy_dir(&home.path("h/state"), &home.path("older"));
    lines(&home, &["resource revoke r --home h"]);
    assert_eq!(run(&home, OPEN).code, Some(1));
    fs::remove_dir_all(home.path("h/state")).unwrap();
    copy_dir(&home.path("older"), &home.path("h/state"));
    for line in [OPEN, "resource status r --home h", "resource refresh r --home h"] {
        let done = run(&home, line);
        assert_eq!(done.code, Some(1), "{line}");
        assert!(done.stderr.contains("went back from number 3 to 2"), "{line}: {}", done.stderr);
        assert!(done.stderr.ends_with("strongroom service restore --home h\n"), "{}", done.stderr);
    }
    let error = run(&home, OPEN).stderr;
    let restored = run_hint(&home, &error).succeeds();
    assert_eq!(
        restored.text(),
        "the resource r goes on from its state number 2 as number 4: denied\n"
    );
    assert!(
        run(&home, "service restore --home h").succeeds().text().contains("nothing to restore")
    );
    assert_eq!(run(&home, OPEN).code, Some(1));
    lines(&home, &["resource refresh r --home h", OPEN, "audit verify --home h"]);
    let events = run(&home, "resource events r --home h").succeeds();
    assert!(events.text().contains("  restore-state  "), "{}", events.text());
}

/// Puts the states in `copy` in the place of those in the home.
fn roll_back(home: &Home, copy: &str) {
    fs::remove_dir_all(home.path("h/state")).unwrap();
    copy_dir(&home.path(copy), &home.path("h/state"));
}

/// The trail is damaged, so that a withdrawal is in the resource's state alone. The repair records what is there.
#[test]
fn a_withdrawal_that_only_a_state_shows_cannot_be_rolled_back_after_the_repair() {
    let home = service();
    copy_dir(&home.path("h/state"), &home.path("older"));
    flip_last_line(&home);
    assert_eq!(run(&home, "resource revoke r --home h").code, Some(1));
    lines(&home, &["audit repair --home h"]);
    copy_dir(&home.path("h/state"), &home.path("newer"));
    roll_back(&home, "older");
    let refused = run(&home, OPEN);
    assert_eq!(refused.code, Some(1), "it was revoked");
    assert!(refused.stderr.contains("went back from number 3 to 2"), "{}", refused.stderr);
    // What is there was closed when the trail was repaired: nobody needs to confirm anything.
    roll_back(&home, "newer");
    lines(&home, &["resource refresh r --home h", OPEN]);
}

/// The states are rolled back before the repair: then nothing shows that there was a newer one.
#[test]
fn after_a_repair_a_resource_whose_newest_state_may_be_lost_stays_closed_until_that_is_confirmed() {
    let home = service();
    copy_dir(&home.path("h/state"), &home.path("older"));
    flip_last_line(&home);
    assert_eq!(run(&home, "resource revoke r --home h").code, Some(1));
    roll_back(&home, "older");
    let repaired = run(&home, "audit repair --home h").succeeds();
    assert!(
        repaired.text().contains("\nthe resource r is closed: the damaged part may have held "),
        "{}",
        repaired.text()
    );
    let again = run(&home, "audit repair --home h --json").json();
    assert_eq!(again["in_doubt"], serde_json::json!(["r"]));
    let shown = run(&home, "resource status r --home h").succeeds();
    assert!(shown.text().contains("\nin doubt "), "{}", shown.text());
    lines(&home, &["service backup -o b --home h"]);
    copy_dir(&home.path("h"), &home.path("revoked"));
    for line in [
        OPEN,
        "seal plain -o other --resource r --home h",
        "resource refresh r --home h",
        "resource rotate-key r --home h",
        "resource disable-cmk r --home h",
    ] {
        let done = run(&home, line);
        assert_eq!(done.code, Some(1), "{line}");
        assert!(done.stderr.contains("may not be the newest"), "{line}: {}", done.stderr);
        assert!(
            done.stderr.ends_with("strongroom service restore --accept-states --home h\n"),
            "{line}: {}",
            done.stderr
        );
    }
    // A backup has the doubt as well, and the home that is made from it.
    let made = run(&home, "service restore --from b --home x").succeeds();
    assert!(
        made.text().contains("\nthe resource r is closed: the damaged part"),
        "{}",
        made.text()
    );
    run(&home, "open plain.sealed -o - --home x").fails_words("may not be the newest");
    lines(
        &home,
        &["service restore --from b --accept-states --home y", "open plain.sealed -o - --home y"],
    );
    // Nothing is confirmed in passing.
    lines(&home, &["service restore --home h"]);
    let refused = run(&home, OPEN);
    assert_eq!(refused.code, Some(1));
    let accepted = run_hint(&home, &refused.stderr).succeeds();
    assert_eq!(
        accepted.text(),
        "the resource r goes on with its state number 2, which counts as the newest from now on: cmk-active\n"
    );
    lines(&home, &[OPEN, "resource rotate-key r --home h"]);
    let trail = String::from_utf8(home.read("h/audit.jsonl")).unwrap();
    assert_eq!(trail.matches("\"operation\":\"accept-state\"").count(), 1);
    // What was confirmed cannot be rolled back either.
    roll_back(&home, "older");
    assert!(run(&home, OPEN).stderr.contains("went back from number 3 to 2"));

    // Access is taken away all the same, and a refresh does not take that for a confirmation.
    fs::remove_dir_all(home.path("h")).unwrap();
    fs::rename(home.path("revoked"), home.path("h")).unwrap();
    lines(&home, &["resource revoke r --home h"]);
    assert_eq!(state(&home), "denied");
    assert!(run(&home, "resource refresh r --home h").stderr.contains("may not be the newest"));
    lines(
        &home,
        &["service restore --accept-states --home h", "resource refresh r --home h", OPEN],
    );
}

/// The states are older ones: what is to be withdrawn is carried out by who goes on from them, and not forgotten.
#[test]
fn a_withdrawal_from_a_store_that_was_rolled_back_is_kept_and_carried_out_by_the_restore() {
    for (withdraw, then) in [
        ("resource revoke r", "denied"),
        ("resource identity-disabled r", "denied"),
        ("resource moved-to-tenant r other", "denied"),
        ("resource delete r", "shred-pending"),
    ] {
        let home = service();
        copy_dir(&home.path("h/state"), &home.path("older"));
        lines(&home, &["resource rotate-key r --home h"]);
        copy_dir(&home.path("h/state"), &home.path("newer"));
        roll_back(&home, "older");
        let refused = run(&home, &format!("{withdraw} --home h"));
        assert_eq!(refused.code, Some(1), "{withdraw}");
        let words = "error: access to the resource r is refused now, and what is to be withdrawn is recorded: ";
        assert!(refused.stderr.starts_with(words), "{withdraw}: {}", refused.stderr);
        // Another process does not forget it.
        assert_eq!(run(&home, OPEN).code, Some(1));
        copy_dir(&home.path("h"), &home.path("kept"));
        run_hint(&home, &refused.stderr).succeeds();
        assert_eq!(state(&home), then, "{withdraw}");
        assert_eq!(run(&home, OPEN).code, Some(1), "{withdraw}");

        // Where the newest states are put back it is carried out as well.
        fs::remove_dir_all(home.path("h")).unwrap();
        fs::rename(home.path("kept"), home.path("h")).unwrap();
        roll_back(&home, "newer");
        assert_eq!(run(&home, OPEN).code, Some(1), "{withdraw}");
        assert_eq!(state(&home), then, "{withdraw}");
    }
}

/// A withdrawal that a restored state would not take is refused, and not promised.
#[test]
fn what_a_rolled_back_resource_has_not_is_not_withdrawn_from_it() {
    let home = service();
    lines(&home, &["resource create s --tenant t --region e --home h"]);
    copy_dir(&home.path("h/state"), &home.path("older"));
    lines(&home, &["resource rotate-key s --home h"]);
    roll_back(&home, "older");
    let refused = run(&home, "resource revoke s --home h");
    assert!(refused.stderr.contains("strongroom resource enable-cmk s"), "{}", refused.stderr);
}

#[test]
fn a_state_that_cannot_be_read_keeps_no_other_resource_closed_after_a_repair() {
    let home = service();
    lines(&home, &["resource create s --tenant t --region e --home h", OPEN]);
    let state = home.path("h/state/s/00000000000000000001.state");
    fs::rename(&state, home.path("kept")).unwrap();
    fs::create_dir(&state).unwrap();
    flip_last_line(&home);
    let repaired = run(&home, "audit repair --home h").succeeds();
    assert!(!repaired.stderr.contains("warning"), "{}", repaired.stderr);
    assert_eq!(run(&home, OPEN).code, Some(1));
    run(&home, "service restore --accept-states --home h").fails_words("cannot read ");
    lines(&home, &[OPEN]);
    fs::remove_dir(&state).unwrap();
    fs::rename(home.path("kept"), &state).unwrap();
    let refused = run(&home, "resource rotate-key s --home h");
    assert!(refused.stderr.contains("may not be the newest"), "{}", refused.stderr);
    lines(&home, &["service restore --accept-states --home h", "resource rotate-key s --home h"]);
}

#[test]
fn a_resource_whose_states_are_lost_for_good_is_given_up_by_a_command() {
    let home = service();
    lines(&home, &["resource create s --tenant t --region e --home h"]);
    copy_dir(&home.path("h/state"), &home.path("older"));
    fs::remove_dir_all(home.path("h/state/s")).unwrap();
    let lacking = run(&home, "service backup -o a --home h");
    assert_eq!(lacking.code, Some(3), "{}", lacking.stderr);
    let refused = run(&home, "resource delete r --states-lost --home h");
    refused.fails_words("the resource r has states");
    for _ in 0..2 {
        let given_up = run_hint(&home, &lacking.stderr).succeeds();
        let words = "the resource s is given up: all its states are lost";
        assert!(given_up.text().starts_with(words), "{}", given_up.text());
    }
    assert_eq!(run(&home, "resource list --home h").succeeds().text(), "r  cmk-active\n");
    lines(&home, &["service backup -o b --home h", "audit verify --home h", OPEN]);
    let trail = String::from_utf8(home.read("h/audit.jsonl")).unwrap();
    assert_eq!(trail.matches("\"operation\":\"accept-loss\"").count(), 2);
    // Its name stays its own, and where its states come back it is deleted.
    assert_eq!(run(&home, "resource create s --tenant t --region e --home h").code, Some(1));
    flip_last_line(&home);
    let repaired = run(&home, "audit repair --home h").succeeds();
    assert!(!repaired.text().contains("the resource s"), "{}", repaired.text());
    copy_dir(&home.path("older/s"), &home.path("h/state/s"));
    lines(&home, &["service restore --accept-states --home h"]);
    let status = run(&home, "resource status s --home h --json").json();
    assert_eq!(status["protection"]["state"], "shred-pending");
}

#[test]
fn pins_refuse_a_resource_that_is_older_than_what_is_known_elsewhere() {
    let home = service();
    lines(
        &home,
        &[
            &format!("{OPEN} --require-cmk --least-epoch 1"),
            "seal plain -o a --resource r --home h --require-cmk",
            "resource status r --home h --least-epoch 1",
        ],
    );
    for line in [OPEN, "seal plain -o b --resource r --home h", "verify plain.sealed --home h"] {
        let done = run(&home, &format!("{line} --least-epoch 2"));
        assert_eq!(done.code, Some(1), "{line}");
        assert!(done.stderr.contains("2 is the least"), "{}", done.stderr);
    }
    lines(&home, &["resource disable-cmk r --home h", OPEN]);
    let done = run(&home, &format!("{OPEN} --require-cmk"));
    assert!(done.stderr.contains("one is required"), "{}", done.stderr);
}

#[test]
fn a_disabled_identity_and_another_tenant_are_said_with_commands() {
    let home = service();
    let closed = run(&home, "resource identity-disabled r --home h").succeeds();
    assert!(
        closed.text().ends_with("strongroom resource refresh r --home h\n"),
        "{}",
        closed.text()
    );
    assert_eq!((state(&home).as_str(), run(&home, OPEN).code), ("denied", Some(1)));
    lines(&home, &["resource refresh r --home h", OPEN]);

    let moved = run(&home, "resource moved-to-tenant r other --home h").succeeds();
    assert_eq!((state(&home).as_str(), run(&home, OPEN).code), ("denied", Some(1)));
    assert_eq!(run(&home, "resource refresh r --home h").code, Some(1), "it is away");
    let back = run_hint(&home, moved.text()).succeeds();
    assert_eq!(run(&home, OPEN).code, Some(1), "it was not refreshed");
    run_hint(&home, back.text()).succeeds();
    lines(&home, &[OPEN]);
    let done = run(&home, "resource moved-to-tenant r other --home h --json").json();
    assert_eq!(done["operation"], "moved-to-tenant");
}

#[test]
fn a_time_is_confirmed_and_recorded() {
    let home = service();
    lines(&home, &["resource sweep --accept-time --home h", "resource shred --home h"]);
    let trail = String::from_utf8(home.read("h/audit.jsonl")).unwrap();
    assert_eq!(trail.matches("\"operation\":\"accept-time\"").count(), 1);
    assert_eq!(trail.matches("\"operation\":\"mark-time\"").count(), 1);
}

/// Pipes in the place of files are refused, and not waited for.
#[cfg(unix)]
#[test]
fn a_pipe_in_the_place_of_a_file_of_a_home_does_not_hang() {
    let home = service();
    for name in ["home.json", "audit.key", "vaults.json", "audit.jsonl", "audit.head"] {
        let path = home.path("h").join(name);
        fs::rename(&path, home.path("kept")).unwrap();
        let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        let mut shell = home.shell(&format!("timeout 20 \"$0\" {OPEN}"));
        let done = Done::of(&shell.output().unwrap());
        assert_eq!(done.code, Some(1), "{name}: {}", done.stderr);
        assert!(done.stderr.contains("not a file"), "{name}: {}", done.stderr);
        fs::rename(home.path("kept"), &path).unwrap();
    }
    lines(&home, &[OPEN]);
}

#[test]
fn a_home_that_lost_the_places_of_vaults_is_told_of_one_by_a_command() {
    let home = service();
    fs::remove_file(home.path("h/vaults.json")).unwrap();
    let done = run(&home, OPEN);
    assert!(done.stderr.contains("does not know the vault of "), "{}", done.stderr);
    run_hint(&home, &done.stderr.replace("--vault DIR", "--vault c")).succeeds();
    lines(&home, &[OPEN]);
}

#[test]
fn a_home_of_format_1_is_refused_by_name() {
    let home = service();
    home.write("h/home.json", b"{\"format\":1}");
    run(&home, "resource list --home h").fails_with(
        "the service's home h has the format 1, and this version reads the format 2 only; use the version that made it",
    );
}
