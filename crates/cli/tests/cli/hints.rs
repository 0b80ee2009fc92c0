//! Commands that messages name, run as they are printed.

#[path = "hints/resources.rs"]
mod resources;
#[path = "hints/table.rs"]
mod table;
#[path = "hints/vaults.rs"]
mod vaults;

use std::fs;

use crate::home::{Done, Home, key_file};

/// The command at the end of `text`, from its first word on: a program's name after `: ` or `with `.
#[track_caller]
fn hint<'t>(text: &'t str, program: &str) -> &'t str {
    let text = text.trim_end();
    let at = text.rfind(&format!(" {program}"));
    assert!(at.is_some(), "no {program} in: {text}");
    let at = at.unwrap();
    text[at + 1..].lines().next().unwrap()
}

/// Runs `command`, as a message printed it, in a shell that finds the program under test.
#[track_caller]
fn follow(home: &Home, command: &str) -> Done {
    let line = format!("strongroom() {{ \"$0\" \"$@\"; }}; {command}");
    let done = Done::of(&home.shell(&line).output().unwrap());
    assert_eq!(done.code, Some(0), "{command}: {}", done.stderr);
    done
}

/// A name that a shell would take apart.
const NASTY: &str = "-it's a $(vault)";

/// A path of that name, which no command takes for an option.
fn nasty() -> String {
    format!("./{NASTY}")
}

#[test]
fn what_is_said_of_a_vault_names_it_for_a_shell() {
    let home = Home::new();
    home.write("plain", b"text");
    let vault = nasty();
    let run = |line: &[&str]| home.run(line.iter().copied().chain(["--vault", &vault]));

    let refused = run(&["vault", "list"]);
    assert_eq!(refused.code, Some(1));
    follow(&home, hint(&refused.stderr, "strongroom vault init"));
    let empty = run(&["vault", "list"]).succeeds();
    follow(&home, &hint(empty.text(), "strongroom vault create").replace("NAME", "other"));
    let refused = run(&["seal", "plain", "--key", "k"]);
    follow(&home, hint(&refused.stderr, "strongroom vault create"));
    run(&["seal", "plain", "--key", "k"]).succeeds();

    let deleted = run(&["vault", "delete", "k"]).succeeds();
    follow(&home, hint(deleted.text(), "strongroom vault recover"));
    run(&["verify", "plain.sealed"]).succeeds();

    let backup = "a 'backup'";
    let backed_up = run(&["vault", "backup", "k", "-o", backup]).succeeds();
    run(&["vault", "delete", "k"]).succeeds();
    run(&["vault", "purge", "k"]).succeeds();
    follow(&home, hint(backed_up.text(), "strongroom vault restore"));
    run(&["verify", "plain.sealed"]).succeeds();
    // What is said of an output that is there holds of this one as well.
    let again = ["vault", "backup", "k", "-o", backup];
    assert!(run(&again).stderr.contains("replace it with --force"));
    run(&[&again[..], &["--force"]].concat()).succeeds();
}

#[test]
fn what_is_said_of_a_document_carries_its_context() {
    let home = Home::new();
    let vault = nasty();
    home.run(["vault", "init", "--vault", &vault]).succeeds();
    home.run(["vault", "create", "k", "--vault", &vault]).succeeds();
    let document = "-my doc";
    home.write("plain", b"text");
    let given = ["--vault", &*vault, "--context", "owner=it's me"];
    let place = format!("./{document}");
    home.run(["seal", "plain", "-o", &place, "--key", "k"].iter().chain(&given)).succeeds();
    let mut sealed = home.read(document);
    sealed[512 + 512] ^= 0xff; // the middle of the first slot
    home.write(document, &sealed);
    for command in [&["verify", &*place][..], &["open", &place, "-o", "-"]] {
        home.write(document, &sealed);
        let done = home.run(command.iter().chain(&given)).succeeds();
        follow(&home, hint(&done.stderr, "strongroom rewrap"));
        assert_eq!(home.run(["verify", &place].iter().chain(&given)).succeeds().stderr, "");
    }
}

#[test]
fn what_is_said_of_a_resource_names_its_home() {
    let home = Home::new();
    home.write("plain", b"text");
    let place = format!("{}/a home's", home.work().display());
    let run = |line: &[&str]| home.run(line.iter().copied().chain(["--home", &place]));
    let refused = run(&["resource", "list"]);
    assert_eq!(refused.code, Some(1));
    follow(&home, hint(&refused.stderr, "strongroom service init"));
    let none = run(&["resource", "list"]).succeeds();
    let created = |text: &str| {
        let command = hint(text, "strongroom resource create");
        command.replace("TENANT", "t").replace("REGION", "e").replace("NAME", "first")
    };
    follow(&home, &created(none.text()));
    let refused = run(&["seal", "plain", "--resource", "r"]);
    follow(&home, &created(&refused.stderr));
    run(&["seal", "plain", "--resource", "r"]).succeeds();

    let vault = nasty();
    let init = ["vault", "init", "--purge-protection", "--tenant", "t", "--region", "e"];
    home.run(init.into_iter().chain(["--vault", &vault])).succeeds();
    home.run(["vault", "create", "k", "--vault", &vault]).succeeds();
    let enable = ["resource", "enable-cmk", "r", "--key", "k", "--vault", &vault];
    let refused = run(&enable);
    assert_eq!(refused.code, Some(1));
    follow(&home, hint(&refused.stderr, "strongroom vault grant"));
    run(&enable).succeeds();
    run(&["seal", "plain", "--resource", "r", "--force"]).succeeds();
    // A restored resource is without access until it is refreshed.
    for (withdraw, give_back) in [("revoke", &["refresh"][..]), ("delete", &["restore", "refresh"])]
    {
        let done = run(&["resource", withdraw, "r"]).succeeds();
        for next in give_back {
            let refused = run(&["verify", "plain.sealed"]);
            assert_eq!(refused.code, Some(1), "{withdraw}");
            let done = follow(&home, hint(&refused.stderr, &format!("strongroom resource {next}")));
            if *next == "restore" {
                let said = hint(done.text(), "strongroom resource refresh");
                assert!(said.contains(" r --home '"), "{said}");
            }
        }
        run(&["verify", "plain.sealed"]).succeeds();
        let said = hint(done.text(), &format!("strongroom resource {}", give_back[0]));
        assert!(said.contains(" r --home '"), "{said}");
    }
}

#[cfg(unix)] // permissions
#[test]
fn what_is_said_of_permissions_sets_them() {
    use std::os::unix::fs::PermissionsExt as _;

    let home = Home::new();
    let place = format!("{}/a home's", home.work().display());
    home.run(["service", "init", "--home", &place]).succeeds();
    fs::set_permissions(&place, fs::Permissions::from_mode(0o755)).unwrap();
    let refused = home.run(["resource", "list", "--home", &place]);
    assert_eq!(refused.code, Some(1));
    follow(&home, hint(&refused.stderr, "chmod"));
    home.run(["resource", "list", "--home", &place]).succeeds();
}

#[cfg(unix)] // permissions
#[test]
fn what_is_said_of_a_vaults_permissions_sets_them() {
    use std::os::unix::fs::PermissionsExt as _;

    let home = Home::new();
    let vault = nasty();
    home.run(["vault", "init", "--vault", &vault]).succeeds();
    home.run(["vault", "create", "k", "--vault", &vault]).succeeds();
    home.write("plain", b"text");
    for (path, mode) in [(home.path(NASTY), 0o755), (key_file(&home.path(NASTY), "k", 1), 0o644)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        let seal = ["seal", "plain", "--force", "--key", "k", "--vault", &vault];
        let refused = home.run(seal);
        assert_eq!(refused.code, Some(1));
        follow(&home, hint(&refused.stderr, "chmod"));
        home.run(seal).succeeds();
    }
}

#[test]
fn what_is_said_of_names_and_values_that_look_like_options_works() {
    let home = Home::new();
    home.write("plain", b"text");
    home.run(["vault", "init"]).succeeds();
    home.run(["vault", "create", "--", "-x"]).succeeds();
    let given = ["--context=-a=b", "--context", "c=-d e"];
    home.run(["seal", "plain", "--key=-x"].iter().chain(&given)).succeeds();
    let deleted = home.run(["vault", "delete", "--", "-x"]).succeeds();
    follow(&home, hint(deleted.text(), "strongroom vault recover"));
    let mut sealed = home.read("plain.sealed");
    sealed[512 + 512] ^= 0xff; // the middle of the first slot
    home.write("plain.sealed", &sealed);
    let done = home.run(["verify", "plain.sealed"].iter().chain(&given)).succeeds();
    follow(&home, hint(&done.stderr, "strongroom rewrap"));
    let whole = home.run(["verify", "plain.sealed"].iter().chain(&given)).succeeds();
    assert_eq!(whole.stderr, "");
}

#[test]
fn what_is_said_of_names_with_control_characters_works_in_every_shell() {
    let home = Home::new();
    home.write("plain", b"text");
    let vault = "a\x1b[31mred\nvault's 100%";
    let refused = home.run(["vault", "list", "--vault", vault]);
    assert_eq!(refused.code, Some(1));
    follow(&home, hint(&refused.stderr, "strongroom vault init"));
    assert!(home.path(vault).join("vault.json").exists());
    let refused = home.run(["seal", "plain", "--key", "k", "--vault", vault]);
    follow(&home, hint(&refused.stderr, "strongroom vault create"));
    home.run(["seal", "plain", "--key", "k", "--vault", vault]).succeeds();
}
