//! Hints of vaults.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::{follow, hint, nasty};
use crate::home::{Done, Home, copy_dir, key_file};

/// A vault whose name a shell would take apart, with the key `k`.
fn vault() -> (Home, String) {
    let (home, vault) = (Home::new(), nasty());
    home.write("plain", b"text");
    home.run(["vault", "init", "--vault", &vault]).succeeds();
    home.run(["vault", "create", "k", "--vault", &vault]).succeeds();
    (home, vault)
}

/// Runs `line`, cut at its spaces, on `vault`; it is refused.
#[track_caller]
fn refused(home: &Home, line: &str, vault: &str) -> Done {
    let done = home.run(line.split(' ').chain(["--vault", vault]));
    assert_eq!(done.code, Some(1), "{line}: {}", done.stderr);
    done
}

/// Runs `line`, cut at its spaces, on `vault`.
#[track_caller]
fn run(home: &Home, line: &str, vault: &str) -> Done {
    home.run(line.split(' ').chain(["--vault", vault])).succeeds()
}

const SEAL: &str = "seal plain --force --key k";

#[test]
fn a_key_that_is_there_is_rotated() {
    let (home, vault) = vault();
    let done = refused(&home, "vault create k", &vault);
    follow(&home, hint(&done.stderr, "strongroom vault rotate"));
    let versions = run(&home, "vault show k --json", &vault).json()["versions"].clone();
    assert_eq!(versions.as_array().unwrap().len(), 2);
}

#[test]
fn a_deleted_key_is_recovered_where_it_is_missed() {
    let (home, vault) = vault();
    run(&home, "vault settings --purge-protection", &vault);
    for line in ["vault create k", "vault purge k", SEAL, "vault set-dates k --expires none"] {
        run(&home, "vault delete k", &vault);
        let done = refused(&home, line, &vault);
        follow(&home, hint(&done.stderr, "strongroom vault recover"));
        run(&home, SEAL, &vault);
    }
}

#[test]
fn a_disabled_version_is_enabled_in_its_vault() {
    let (home, vault) = vault();
    run(&home, SEAL, &vault);
    for line in [SEAL, "verify plain.sealed"] {
        run(&home, "vault disable k", &vault);
        let done = refused(&home, line, &vault);
        follow(&home, hint(&done.stderr, "strongroom vault enable"));
        run(&home, line, &vault);
    }
    // The home's own vault is not the one that a command names.
    home.run(["service", "init", "--home", "a home"]).succeeds();
    let own = format!("{}/a home/vault", home.work().display());
    for (line, key) in [("service-key rotate", "service"), ("resource list", "audit")] {
        home.run(["vault", "disable", key, "--vault", &own]).succeeds();
        let done = home.run(line.split(' ').chain(["--home", "a home"]));
        if done.code == Some(0) {
            continue;
        }
        follow(&home, hint(&done.stderr, "strongroom vault enable"));
        home.run(line.split(' ').chain(["--home", "a home"])).succeeds();
    }
}

#[test]
fn a_key_out_of_its_time_wraps_again() {
    let (home, vault) = vault();
    for (date, next) in
        [("--not-before 2100-01-01", "set-dates"), ("--expires 2020-01-01", "rotate")]
    {
        run(&home, &format!("vault set-dates k {date}"), &vault);
        let done = refused(&home, SEAL, &vault);
        follow(&home, hint(&done.stderr, &format!("strongroom vault {next}")));
        run(&home, SEAL, &vault);
    }
}

#[test]
fn an_identity_that_a_vault_does_not_know_is_granted_something() {
    let (home, vault) = vault();
    for line in ["vault revoke ops", "vault grant ops2 --enable"] {
        let done = refused(&home, line, &vault);
        follow(&home, hint(&done.stderr, "strongroom vault grant"));
        run(&home, line, &vault);
    }
}

#[test]
fn a_damaged_trail_of_a_vault_is_repaired() {
    let (home, vault) = vault();
    let trail = home.path(&vault).join("audit.jsonl");
    for line in ["vault create other", "vault audit"] {
        fs::write(&trail, b"nothing that a trail says\n").unwrap();
        let done = refused(&home, line, &vault);
        let said = hint(&done.stderr, "strongroom vault audit");
        let repaired = follow(&home, said);
        assert!(repaired.text().contains("goes on: audit.jsonl."), "{}", repaired.text());
        let nothing = follow(&home, said);
        assert!(nothing.text().contains("there is nothing to repair"), "{}", nothing.text());
    }
    run(&home, "vault create other", &vault);
    // It says for ever that it was damaged, and so does the exit code.
    let audited = home.run(["vault", "audit", "--vault", &vault]);
    assert_eq!(audited.code, Some(3), "{}", audited.stderr);
    assert!(audited.stderr.contains("but for damaged parts"), "{}", audited.stderr);
}

#[test]
fn a_damaged_file_of_a_vault_is_replaced_by_that_of_a_copy() {
    let (home, vault) = vault();
    copy_dir(&home.path(&vault), &home.path("a copy"));
    let path = home.path(&vault);
    let files = ["vault.json".into(), "keys/k/attributes.json".into(), {
        let key = key_file(&path, "k", 1);
        key.strip_prefix(&path).unwrap().to_str().unwrap().to_owned()
    }];
    for file in &files {
        let file = path.join(file);
        for damage in 0..3 {
            match damage {
                0 => fs::write(&file, b"no json").unwrap(),
                1 if file.ends_with("vault.json") => continue, // then it is not a vault
                1 => fs::remove_file(&file).unwrap(),
                _ => {
                    fs::remove_file(&file).unwrap();
                    fs::create_dir(&file).unwrap();
                }
            }
            let done = refused(&home, SEAL, &vault);
            if !done.stderr.contains("is damaged") {
                // The key in the file is the engine's to judge.
                fs::copy(home.path("a copy").join(file.strip_prefix(&path).unwrap()), &file)
                    .unwrap();
                continue;
            }
            let said = done.stderr.split_once("in its place, with: ").unwrap().1.trim();
            follow(
                &home,
                &said.replace("COPY", "./a copy").replacen(" ./a copy/", " './a copy'/", 1),
            );
            run(&home, SEAL, &vault);
        }
    }
}

#[test]
fn a_trail_that_others_may_write_is_made_private() {
    let (home, vault) = vault();
    let open_to_all = |path| fs::set_permissions(path, fs::Permissions::from_mode(0o666)).unwrap();
    open_to_all(home.path(&vault).join("audit.jsonl"));
    let done = refused(&home, "vault create other", &vault);
    follow(&home, hint(&done.stderr, "chmod"));
    run(&home, "vault create other", &vault);

    home.run(["resource", "create", "r", "--tenant", "t", "--region", "e", "--home", "a home"])
        .succeeds();
    open_to_all(home.path("a home/audit.jsonl"));
    let rotate = ["resource", "rotate-key", "r", "--home", "a home"];
    let done = home.run(rotate);
    assert_eq!(done.code, Some(1));
    follow(&home, hint(&done.stderr, "chmod"));
    home.run(rotate).succeeds();
}
