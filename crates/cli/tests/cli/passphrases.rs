//! A vault that gets a passphrase, and loses it, by commands that may be run again.

use std::fs;
use std::process::Stdio;

use crate::home::{Done, Home, contents, lines, run};

/// A vault `v` without a passphrase, a document sealed with it, and files with two passphrases.
fn vault() -> Home {
    let home = Home::new();
    home.write("plain", b"text");
    home.write("one", b"first passphrase\n");
    home.write("two", b"second passphrase\n");
    lines(
        &home,
        &["vault init --vault v", "vault create k --vault v", "seal plain --key k --vault v"],
    );
    home
}

/// True where the vault's directory holds a private key in the clear.
fn is_in_the_clear(home: &Home) -> bool {
    let mut folders = vec![home.path("v")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if fs::read_to_string(&path).unwrap().contains("BEGIN PRIVATE KEY") {
                return true;
            }
        }
    }
    false
}

const SET: &str = "vault set-passphrase --vault v --new-passphrase-file one";

#[test]
fn a_vault_gets_a_passphrase_and_loses_it_and_each_command_may_be_run_again() {
    let home = vault();
    assert!(is_in_the_clear(&home));
    let set = run(&home, SET).succeeds();
    assert!(set.text().contains("opens with its passphrase alone from now on"), "{}", set.text());
    assert!(!is_in_the_clear(&home));
    run(&home, "verify plain.sealed --vault v").fails_words("has a passphrase; give it with");
    lines(&home, &["verify plain.sealed --vault v --passphrase-file one", SET]);

    let change =
        "vault set-passphrase --vault v --passphrase-file one --new-passphrase-file two --json";
    for _ in 0..2 {
        assert_eq!(run(&home, change).succeeds().json()["operation"], "passphrase-set");
    }
    run(&home, SET).fails_words("has a passphrase; give it with");
    lines(&home, &["verify plain.sealed --vault v --passphrase-file two"]);

    run(&home, "vault remove-passphrase --vault v").fails_words("has a passphrase; give it with");
    let remove = "vault remove-passphrase --vault v --passphrase-file two";
    let removed = run(&home, remove).succeeds();
    assert!(removed.text().contains("opens without a passphrase"), "{}", removed.text());
    assert!(is_in_the_clear(&home));
    lines(&home, &[remove, "verify plain.sealed --vault v", "vault audit --vault v"]);
}

/// A file that is not the vault's would keep the old keys where they are: it is told of before anything is changed.
#[test]
fn a_stray_file_among_the_keys_is_told_of_before_the_vault_goes_over() {
    let home = vault();
    home.write("new", b"correct horse");
    for stray in ["keys/note.txt", "keys/k/pass"] {
        fs::write(home.path("v").join(stray), b"mine").unwrap();
        let refused = run(&home, "vault set-passphrase --vault v --new-passphrase-file new");
        assert!(refused.stderr.contains(stray), "{}", refused.stderr);
        assert_eq!(refused.code, Some(1));
        assert_eq!(home.read(&format!("v/{stray}")), b"mine");
        run(&home, "vault list --vault v").succeeds();
        fs::remove_file(home.path("v").join(stray)).unwrap();
    }
    run(&home, "vault set-passphrase --vault v --new-passphrase-file new").succeeds();
    assert!(!is_in_the_clear(&home));
}

/// The commands of a service have no passphrase to give: its own vault would open for none of them.
#[test]
fn a_services_own_vault_gets_no_passphrase() {
    let home = Home::new();
    home.write("new", b"correct horse");
    run(&home, "service init --home h").succeeds();
    run(&home, "vault set-passphrase --vault h/vault --new-passphrase-file new")
        .fails_words("is a service's own");
    run(&home, "resource create r --tenant t --region e --home h").succeeds();
}

/// Each of several that start from one passphrase is told the truth: what it says is what the vault has at the end.
#[test]
fn of_several_who_change_the_passphrase_at_once_one_is_told_that_theirs_holds() {
    let home = vault();
    for (round, given) in ["", " --passphrase-file one"].into_iter().enumerate() {
        let names: Vec<String> = (0..4).map(|one| format!("new-{round}-{one}")).collect();
        let mut running = Vec::new();
        for name in &names {
            home.write(name, format!("passphrase of {name}\n").as_bytes());
            let line =
                format!("vault set-passphrase --vault v --new-passphrase-file {name}{given}");
            let mut command = home.command(line.split(' '));
            running.push(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
        }
        let done: Vec<Done> =
            running.into_iter().map(|child| Done::of(&child.wait_with_output().unwrap())).collect();
        let mut told = Vec::new();
        for (name, done) in names.iter().zip(&done) {
            let opens = format!("verify plain.sealed --vault v --passphrase-file {name}");
            let holds = run(&home, &opens).code == Some(0);
            assert_eq!(done.code, Some(i32::from(!holds)), "{name}: {}", done.stderr);
            told.extend(holds.then_some(name));
        }
        assert_eq!(told.len(), 1, "{done:?}");
        let change = "vault set-passphrase --vault v --new-passphrase-file one --passphrase-file";
        lines(&home, &[&format!("{change} {}", told[0])]);
    }
}

/// A file of the vault would be replaced by the command that it gives a passphrase to, or copied beside what it protects.
#[test]
fn a_passphrase_file_among_the_keys_is_refused_whatever_its_name() {
    let home = vault();
    lines(&home, &["service init --home h", "vault init --vault plain-vault"]);
    for place in ["v/pass", "h/pass", "h/vault/pass", "plain-vault/pass"] {
        home.write(place, b"correct horse\n");
    }
    let mut files: Vec<String> =
        ["v/vault.json", "v/audit.jsonl", "v/pass", "h/pass", "h/vault/pass", "plain-vault/pass"]
            .map(str::to_owned)
            .into();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("v/vault.json", home.path("link")).unwrap();
        std::os::unix::fs::symlink("v", home.path("linked")).unwrap();
        fs::hard_link(home.path("v/audit.jsonl"), home.path("hard")).unwrap();
        files.extend(["link", "linked/pass", "hard"].map(str::to_owned));
    }
    let before = contents(&home.path("v"));
    let import = "vault import i key.pem --vault v --key-passphrase-file";
    home.write("key.pem", b"no key");
    for file in &files {
        for command in [
            "vault set-passphrase --vault v --new-passphrase-file",
            "vault list --vault v --passphrase-file",
            "seal plain --key k --vault v --force --passphrase-file",
            import,
        ] {
            let done = run(&home, &format!("{command} {file}"));
            done.fails_words(&format!("the passphrase file {file} is a file of "));
        }
    }
    assert_eq!(contents(&home.path("v")), before);
    // Also where another vault is meant, or a home is to know the file.
    run(&home, "vault init --vault new --passphrase-file v/pass").fails_words("is a file of ");
    assert!(!home.path("new").exists());
    lines(&home, &["resource create r --tenant t --region e --home h"]);
    let enable = "resource enable-cmk r --key k --vault v --home h --passphrase-file h/pass";
    run(&home, enable).fails_words("the passphrase file h/pass is a file of ");
    fs::remove_file(home.path("v/pass")).unwrap();
    lines(&home, &[SET]);
    #[cfg(unix)]
    {
        fs::hard_link(home.path("h/audit.jsonl"), home.path("of-home")).unwrap();
        run(&home, &enable.replace("h/pass", "of-home")).fails_words("of-home is a file of ");
    }
}
