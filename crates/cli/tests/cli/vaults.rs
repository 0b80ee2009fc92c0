//! The vault commands, and the vault that the first seal makes.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
#[cfg(unix)]
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::home::{Done, Home, NOTE, lock_of, mode, names};

#[test]
fn the_first_seal_makes_a_vault_and_says_what_that_means() {
    let home = Home::new();
    home.write("plain", b"text");
    let first = home.run(["seal", "plain"]).succeeds();
    let vault = home.default_vault();
    assert_eq!(
        first.stderr,
        format!(
            "{NOTE}note: created the key \"default\" in the vault {}: documents open with this key \
             alone, so keep a copy of the directory in a safe place; losing it loses the \
             documents\n",
            vault.display()
        )
    );
    assert_eq!(names(&vault), ["audit.jsonl", "keys", "vault.json"]);
    assert_eq!(mode(&vault, 0o700), 0o700);

    let second = home.run(["seal", "plain", "--force"]).succeeds();
    assert_eq!(second.stderr, "");
    assert_eq!(home.run(["open", "plain.sealed", "-o", "-"]).succeeds().stdout, b"text");
}

#[test]
fn several_first_seals_at_once_share_one_vault() {
    let home = Home::new();
    home.write("plain", b"text");
    let outputs = ["a", "b", "c", "d"];
    let children =
        outputs.map(|output| home.command(["seal", "plain", "-o", output]).spawn().unwrap());
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    for output in outputs {
        assert_eq!(home.run(["open", output, "-o", "-"]).succeeds().stdout, b"text");
    }
}

#[test]
fn the_data_directory_of_the_user_counts() {
    let home = Home::new();
    home.write("plain", b"text");
    let data = home.path("data");
    let variable = if cfg!(windows) { "APPDATA" } else { "XDG_DATA_HOME" };
    let sealed = home.command(["seal", "plain"]).env(variable, &data).output().unwrap();
    assert!(sealed.status.success());
    assert_eq!(names(&data.join("strongroom/vault")), ["audit.jsonl", "keys", "vault.json"]);
    assert!(!home.default_vault().exists());
}

#[test]
fn nothing_but_a_seal_makes_a_vault() {
    let home = Home::with_vault();
    home.write("plain", b"text");
    home.run(["seal", "plain"]).succeeds();
    fs::rename(home.default_vault(), home.path("moved")).unwrap();
    let path = home.default_vault();
    let sentence = format!(
        "there is no vault at {}; name the vault with --vault, where it was moved to or another; one without keys is made with: strongroom \
         vault init",
        path.display()
    );
    for args in [
        &["open", "plain.sealed", "-o", "back"][..],
        &["verify", "plain.sealed"],
        &["vault", "list"],
        &["vault", "create", "x"],
        &["vault", "rotate", "default"],
        &["seal", "plain", "-o", "other", "--key", "default"],
    ] {
        home.run(args).fails_with(&sentence);
        assert!(!path.exists(), "{args:?}");
    }
    assert_eq!(home.names(), ["moved", "plain", "plain.sealed"]);
    home.run(["open", "plain.sealed", "-o", "back", "--vault", "moved"]).succeeds();
    let by_environment =
        home.command(["verify", "plain.sealed"]).env("STRONGROOM_VAULT", "moved").output().unwrap();
    assert!(by_environment.status.success());
    // The command line wins over the environment.
    let both = home
        .command(["verify", "plain.sealed", "--vault", "moved"])
        .env("STRONGROOM_VAULT", "nowhere")
        .output()
        .unwrap();
    assert!(both.status.success());
}

#[test]
fn a_vault_is_made_filled_listed_and_rotated() {
    let home = Home::new();
    let made = home.run(["vault", "init", "--vault", "v"]).succeeds();
    assert!(made.text().starts_with("initialised the vault v (id "), "{}", made.text());
    let empty = home.run(["vault", "list", "--vault", "v"]).succeeds();
    assert!(empty.text().contains("no keys yet"), "{}", empty.text());
    home.run(["vault", "init", "--vault", "v"]).fails_with(
        "v is a vault already; use it as it is or name another directory, with --vault",
    );

    let created = home.run(["vault", "create", "invoices", "--vault", "v"]).succeeds();
    assert!(created.text().starts_with("created the key \"invoices\": "), "{}", created.text());
    home.run(["vault", "create", "invoices", "--vault", "v"]).fails_with(
        "the vault v has a key \"invoices\" already; choose another name, or rotate it for a new version \
         with: strongroom vault rotate invoices --vault v",
    );
    let rotated = home.run(["vault", "rotate", "invoices", "--vault", "v", "--json"]).succeeds();
    let rotated: Value = serde_json::from_str(rotated.text()).unwrap();
    assert_eq!(rotated["operation"], "rotated");
    let id = rotated["id"].as_str().unwrap();
    assert!(home.numbered(id).ends_with("/invoices/2"), "{id}");

    let listed = home.run(["vault", "list", "--vault", "v"]).succeeds();
    let text = home.numbered(listed.text());
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(lines[1].starts_with("invoices/1  RSA-OAEP-256  20"), "{}", lines[1]);
    assert!(lines[2].starts_with("invoices/2  RSA-OAEP-256  20"), "{}", lines[2]);
    let listed = home.run(["vault", "list", "--vault", "v", "--json"]).succeeds();
    let listed: Value = serde_json::from_str(listed.text()).unwrap();
    assert_eq!(listed["keys"][0]["name"], "invoices");
    let version = listed["keys"][0]["versions"][1]["version"].as_str().unwrap();
    assert!(id.ends_with(&format!("/invoices/{version}")) && version.len() == 32, "{version}");
    assert_eq!(listed["keys"][0]["versions"][1]["id"], rotated["id"]);

    home.write("plain", b"text");
    home.run(["seal", "plain", "--vault", "v", "--key", "invoices"]).succeeds();
    home.run(["open", "plain.sealed", "-o", "back", "--vault", "v"]).succeeds();
    assert_eq!(home.read("back"), b"text");
}

#[test]
fn an_empty_vault_gets_its_default_key_by_the_first_seal() {
    let home = Home::new();
    home.write("plain", b"text");
    home.run(["vault", "init", "--vault", "v"]).succeeds();
    let sealed = home.run(["seal", "plain", "--vault", "v"]).succeeds();
    assert!(sealed.stderr.starts_with("note: created the key \"default\" in the vault v: "));
    // One that has keys gets no other by the way.
    home.run(["vault", "init", "--vault", "w"]).succeeds();
    home.run(["vault", "create", "invoices", "--vault", "w"]).succeeds();
    home.run(["seal", "plain", "-o", "x", "--vault", "w"]).fails_with(
        "the vault w has no key \"default\"; it has: invoices; create it with: strongroom vault \
         create default --vault w",
    );
}

#[test]
fn who_waits_for_another_change_of_the_vault_says_so_and_not_for_ever() {
    let home = Home::with_vault();
    let other = lock_of(&home.default_vault());
    other.lock().unwrap();
    let started = Instant::now();
    let done = home.run(["vault", "create", "k", "--lock-timeout", "2s"]);
    assert!(started.elapsed() >= Duration::from_secs(2));
    let vault = home.default_vault();
    assert_eq!(done.code, Some(1));
    assert_eq!(
        done.stderr,
        format!(
            "note: waiting for another command that is changing the vault {vault}\n\
             error: another process has been changing the vault {vault} for 2 s; wait for it, or end \
             it, and run this again\n",
            vault = vault.display()
        )
    );
    let mut waiting = home
        .command(["vault", "create", "k"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut said, mut stderr) = (String::new(), BufReader::new(waiting.stderr.take().unwrap()));
    stderr.read_line(&mut said).unwrap();
    drop(other);
    stderr.read_to_string(&mut said).unwrap();
    let done = Done::of(&waiting.wait_with_output().unwrap());
    assert_eq!(done.code, Some(0), "{said}");
    assert!(said.starts_with("note: waiting for another command"), "{said}");
    // So does who makes one.
    fs::create_dir(home.path("new")).unwrap();
    let making = lock_of(&home.path("new"));
    making.lock().unwrap();
    home.run(["vault", "init", "--vault", "new", "--lock-timeout", "0s"]).fails_with(
        "another process has been changing the vault new for 0 s; wait for it, or end it, and run this \
         again",
    );
    drop(making);
    home.run(["vault", "init", "--vault", "new", "--lock-timeout", "0s"]).succeeds();
    // Reading waits for nobody.
    let other = lock_of(&home.default_vault());
    other.lock().unwrap();
    home.run(["vault", "list", "--lock-timeout", "1s"]).succeeds();
}

/// As a mounted secret has it: `vault.json -> ..data/vault.json`, `..data -> ..2026_11_29`.
#[cfg(unix)] // symbolic links
#[test]
fn a_vault_and_a_passphrase_behind_links_as_kubernetes_makes_them() {
    let home = Home::new();
    home.write("pass", b"correct horse\n");
    home.write("plain", b"text");
    let vault = ["--vault", "vault", "--passphrase-file", "pass"];
    home.run(["vault", "init"].iter().chain(&vault)).succeeds();
    home.run(["vault", "create", "default"].iter().chain(&vault)).succeeds();
    let seal = ["seal", "plain", "--key", "default"];
    home.run(seal.iter().chain(&vault)).succeeds();
    let inside = |name: &str| home.path(&format!("vault/{name}"));
    fs::create_dir(inside("..2026_11_29")).unwrap();
    for name in ["vault.json", "keys"] {
        fs::rename(inside(name), inside(&format!("..2026_11_29/{name}"))).unwrap();
        symlink(format!("..data/{name}"), inside(name)).unwrap();
    }
    symlink("..2026_11_29", inside("..data")).unwrap();
    // The passphrase is in a secret of its own: beside the keys it would protect nothing.
    fs::create_dir_all(home.path("secret/..2026_11_29")).unwrap();
    symlink("..2026_11_29", home.path("secret/..data")).unwrap();
    fs::rename(home.path("pass"), home.path("secret/..2026_11_29/pass")).unwrap();
    symlink("secret/..data/pass", home.path("pass")).unwrap();
    let open = ["open", "plain.sealed", "-o", "-"];
    assert_eq!(home.run(open.iter().chain(&vault)).succeeds().stdout, b"text");
    // The permissions are those of what the link leads to.
    let manifest = inside("..2026_11_29/vault.json");
    fs::set_permissions(&manifest, fs::Permissions::from_mode(0o644)).unwrap();
    let exposed = home.run(open.iter().chain(&vault));
    assert!(exposed.stderr.contains("is open to other users (mode 644)"), "{}", exposed.stderr);
    // A link that leads out of the vault is none of its files.
    fs::set_permissions(&manifest, fs::Permissions::from_mode(0o600)).unwrap();
    fs::rename(&manifest, home.path("elsewhere")).unwrap();
    symlink(home.path("elsewhere"), &manifest).unwrap();
    let outside = home.run(open.iter().chain(&vault));
    assert!(outside.stderr.contains("a symbolic link that leads out"), "{}", outside.stderr);
}

/// The system's list of users has another home for the same user.
#[cfg(unix)]
#[test]
fn an_empty_home_is_no_place_for_keys() {
    let home = Home::new();
    home.write("plain", b"text");
    for line in ["seal plain", "vault list", "service init"] {
        let mut command = home.command(line.split(' '));
        let output = command.env("HOME", "").output().unwrap();
        Done::of(&output).fails_with(
            "the variable HOME is empty, so there is no place for a vault or a service's home; set it, or name \
             them with --vault and --home",
        );
    }
}

#[cfg(unix)] // a device without an end
#[test]
fn a_backup_without_an_end_is_refused() {
    let home = Home::with_vault();
    let output =
        home.shell("ulimit -v 1500000; exec \"$0\" vault restore /dev/zero").output().unwrap();
    Done::of(&output).fails_with(&format!(
        "this is not a backup that the vault {} can restore: it is longer than any backup; give the file that was \
         made as one",
        home.default_vault().display()
    ));
}
