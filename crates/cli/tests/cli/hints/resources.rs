//! Hints of resources and of services' homes.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use super::{follow, hint};
use crate::home::{Done, Home, copy_dir};

/// A home whose name a shell would take apart.
const HOME: &str = "a home's";

/// Runs `line`, cut at its spaces, on the home.
fn done(home: &Home, line: &str) -> Done {
    home.run(line.split(' ').chain(["--home", HOME]))
}

/// Runs `line` on the home; it is refused.
#[track_caller]
fn refused(home: &Home, line: &str) -> Done {
    let done = done(home, line);
    assert_eq!(done.code, Some(1), "{line}: {}", done.stderr);
    done
}

/// Runs `line` on the home.
#[track_caller]
fn run(home: &Home, line: &str) -> Done {
    done(home, line).succeeds()
}

/// A vault for customers' keys, with the key `k`.
fn customer(home: &Home, vault: &str) {
    for line in [
        "vault init --purge-protection --tenant t --region e",
        "vault create k",
        "vault grant service",
    ] {
        home.run(line.split(' ').chain(["--vault", vault])).succeeds();
    }
}

/// The resource `r`, and the vault `c`.
fn service() -> Home {
    let home = Home::new();
    home.write("plain", b"text");
    customer(&home, "c");
    run(&home, "resource create r --tenant t --region e");
    home
}

/// The same with `r` under the key `k` of the vault `c`, enabled with `more`, and `plain.sealed`.
fn under_cmk(more: &str) -> Home {
    let home = service();
    run(&home, &format!("resource enable-cmk r --key k --vault c{more}"));
    run(&home, SEAL);
    home
}

const SEAL: &str = "seal plain --force --resource r";
const VERIFY: &str = "verify plain.sealed";

fn vault(home: &Home, line: &str) {
    home.run(line.split(' ').chain(["--vault", "c"])).succeeds();
}

#[test]
fn a_state_that_does_not_take_a_command_is_left_by_another() {
    let home = service();
    for line in ["resource rotate-cmk r", "resource move-documents r plain"] {
        let said = refused(&home, line).stderr;
        // Another command takes the state that is left by the hint.
        let enable = hint(&said, "strongroom resource enable-cmk");
        follow(&home, &enable.replace("KEY", "k").replace("DIR", "c"));
        home.run(["vault", "create", "other", "--vault", "c"]);
        let said = refused(&home, "resource enable-cmk r --key other --vault c").stderr;
        follow(&home, hint(&said, "strongroom resource disable-cmk"));
    }
    run(&home, "resource delete r");
    let said = refused(&home, "resource rotate-key r").stderr;
    follow(&home, hint(&said, "strongroom resource restore"));
    run(&home, "resource rotate-key r");
}

#[test]
fn a_rotation_that_was_begun_is_finished() {
    let home = under_cmk("");
    customer(&home, "d");
    // The old key is away: the rotation is begun, and waits for it.
    fs::rename(home.path("c/keys"), home.path("away")).unwrap();
    refused(&home, "resource rotate-cmk r --key k --vault d");
    let said = refused(&home, "resource disable-cmk r").stderr;
    fs::rename(home.path("away"), home.path("c/keys")).unwrap();
    let rotate = hint(&said, "strongroom resource rotate-cmk");
    follow(&home, &rotate.replace("DIR", "d"));
    run(&home, "resource disable-cmk r");
}

#[test]
fn a_key_that_is_back_before_the_data_is_destroyed_gives_access_back() {
    let home = under_cmk(" --on-key-loss shred --grace 1s");
    let withdraw = || {
        vault(&home, "vault disable k");
        refused(&home, "resource refresh r");
    };
    withdraw();
    let said = refused(&home, "resource disable-cmk r").stderr;
    vault(&home, "vault enable k");
    follow(&home, hint(&said, "strongroom resource refresh"));
    run(&home, VERIFY);

    withdraw();
    vault(&home, "vault enable k");
    std::thread::sleep(Duration::from_millis(2_100));
    let said = refused(&home, "resource shred").stderr;
    let said = said.lines().find(|line| line.contains("its key is back")).unwrap();
    follow(&home, hint(said, "strongroom resource refresh"));
    run(&home, VERIFY);
}

#[test]
fn a_resource_whose_keys_are_destroyed_is_followed_by_another() {
    let home = under_cmk(" --on-key-loss shred --grace 0s");
    vault(&home, "vault disable k");
    refused(&home, "resource refresh r");
    std::thread::sleep(Duration::from_millis(1_100));
    run(&home, "resource shred");
    let said = refused(&home, "resource moved-to-tenant r other").stderr;
    let create = hint(&said, "strongroom resource create");
    follow(&home, &create.replace("NAME", "next").replace("TENANT", "t").replace("REGION", "e"));
}

#[test]
fn a_withdrawn_key_is_given_back() {
    let home = under_cmk("");
    for (withdraw, give_back) in [
        ("vault disable k", "vault enable k"),
        ("vault delete k", "vault recover k"),
        ("vault revoke service", "vault grant service"),
    ] {
        vault(&home, withdraw);
        let said = refused(&home, VERIFY).stderr;
        vault(&home, give_back);
        follow(&home, hint(&said, "strongroom resource refresh"));
        run(&home, VERIFY);
    }
}

#[test]
fn a_passphrase_of_a_customers_vault_is_recorded() {
    let home = under_cmk("");
    home.write("one", b"first passphrase\n");
    home.write("two", b"second passphrase\n");
    for (change, file) in [
        ("vault set-passphrase --new-passphrase-file one", "one"),
        ("vault set-passphrase --passphrase-file one --new-passphrase-file two", "two"),
        ("vault remove-passphrase --passphrase-file two", ""),
    ] {
        vault(&home, change);
        let said = refused(&home, VERIFY).stderr;
        let record = hint(&said, "strongroom service move-vault");
        follow(&home, &record.replace("FILE", file));
        run(&home, VERIFY);
    }
}

#[test]
fn a_resource_that_is_closed_for_its_host_is_opened_again() {
    let home = under_cmk("");
    run(&home, "resource identity-disabled r");
    let said = refused(&home, VERIFY).stderr;
    follow(&home, hint(&said, "strongroom resource refresh"));
    run(&home, VERIFY);

    run(&home, "resource moved-to-tenant r other");
    let said = refused(&home, VERIFY).stderr;
    let (_, commands) = said.trim().split_once("with: ").unwrap();
    let (back, refresh) = commands.split_once(", and then: ").unwrap();
    follow(&home, &back.replace("TENANT", "t"));
    follow(&home, refresh);
    run(&home, VERIFY);
}

#[test]
fn an_identity_that_is_disabled_is_enabled() {
    let home = service();
    vault(&home, "vault grant service --disable");
    let enable = "resource enable-cmk r --key k --vault c";
    let said = refused(&home, enable).stderr;
    follow(&home, hint(&said, "strongroom vault grant"));
    run(&home, enable);
}

#[test]
fn a_vault_that_no_resource_is_under_gets_one() {
    let home = service();
    let said = refused(&home, "service move-vault --vault c").stderr;
    let enable = hint(&said, "strongroom resource enable-cmk");
    follow(&home, &enable.replace("NAME", "r").replace("KEY", "k"));
}

#[test]
fn a_damaged_trail_that_keeps_keys_from_being_used_is_repaired() {
    let home = under_cmk("");
    fs::write(home.path(HOME).join("audit.jsonl"), b"nothing that a trail says\n").unwrap();
    let said = refused(&home, VERIFY).stderr;
    assert!(said.contains("the resource r cannot be used: "), "{said}");
    follow(&home, hint(&said, "strongroom audit repair"));
    let said = refused(&home, VERIFY).stderr;
    follow(&home, hint(&said, "strongroom service restore"));
    run(&home, VERIFY);
}

#[test]
fn damage_of_a_trail_is_closed_by_the_command_that_is_named() {
    let home = under_cmk("");
    let trail = home.path(HOME).join("audit.jsonl");
    let kept = home.path(HOME).join("audit.head");
    let whole = fs::read(&trail).unwrap();
    let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
    let without = |cut: usize| [&lines[..cut], &lines[cut + 1..]].concat().concat();
    let head = fs::read(&kept).unwrap();
    for (trail_is, head_is, words) in [
        (Some(without(1)), Some(&head[..]), "a line was removed"),
        (Some(without(lines.len() - 1)), Some(&head[..]), "its end was cut off"),
        (None, Some(&head[..]), "its end was cut off"),
        (None, None, "is missing from the trail"),
        (Some(whole.clone()), Some(b"no head"), "kept head"),
    ] {
        let copy = Home::new();
        copy.write("plain.sealed", &home.read("plain.sealed"));
        copy_dir(&home.path(HOME), &copy.path(HOME));
        let at = |name: &str| copy.path(HOME).join(name);
        match trail_is {
            Some(trail) => fs::write(at("audit.jsonl"), trail).unwrap(),
            None => fs::remove_file(at("audit.jsonl")).unwrap(),
        }
        match head_is {
            Some(head) => fs::write(at("audit.head"), head).unwrap(),
            None => fs::remove_file(at("audit.head")).unwrap(),
        }
        let said = refused(&copy, "audit verify").stderr;
        assert!(said.contains(words), "{words}: {said}");
        follow(&copy, hint(&said, "strongroom audit repair"));
        assert_eq!(done(&copy, "audit verify").code, Some(3), "{words}");
        let said = refused(&copy, "resource rotate-key r").stderr;
        follow(&copy, hint(&said, "strongroom service restore"));
        run(&copy, "resource rotate-key r");
    }
}

#[test]
fn states_that_were_rolled_back_and_written_on_are_gone_on_from() {
    let home = under_cmk("");
    copy_dir(&home.path(HOME), &home.path("other"));
    run(&home, "resource rotate-key r");
    home.run(["resource", "revoke", "r", "--home", "other"]).succeeds();
    let states = |home_name: &str| home.path(home_name).join("state");
    fs::remove_dir_all(states(HOME)).unwrap();
    copy_dir(&states("other"), &states(HOME));
    let said = refused(&home, "resource status r").stderr;
    assert!(said.contains("is another one than this host's audit trail recorded"), "{said}");
    follow(&home, hint(&said, "strongroom service restore"));
    run(&home, "resource status r");
}

#[test]
fn states_that_others_can_reach_are_made_private() {
    let home = service();
    let states = home.path(HOME).join("state");
    fs::set_permissions(states, fs::Permissions::from_mode(0o755)).unwrap();
    let said = refused(&home, "resource list").stderr;
    follow(&home, hint(&said, "chmod"));
    run(&home, "resource list");
}

#[test]
fn a_damaged_file_of_a_home_is_replaced_by_that_of_a_copy() {
    let home = service();
    copy_dir(&home.path(HOME), &home.path("copy"));
    for name in ["home.json", "audit.key"] {
        let path = home.path(HOME).join(name);
        for damage in 0..3 {
            if damage > 0 {
                fs::remove_file(&path).unwrap();
            }
            match damage {
                0 => fs::write(&path, b"no json").unwrap(),
                1 => fs::create_dir(&path).unwrap(),
                _ if name == "home.json" => {
                    fs::copy(home.path("copy").join(name), &path).unwrap();
                    continue; // then it is not a home
                }
                _ => {}
            }
            let said = refused(&home, "resource list").stderr;
            assert!(said.contains("is damaged"), "{said}");
            let (_, command) = said.trim().split_once("in its place, with: ").unwrap();
            follow(&home, &command.replace("COPY", "copy"));
            run(&home, "resource list");
        }
    }
}
