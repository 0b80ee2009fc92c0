//! The vault commands, and the vault that the first seal makes.

use std::fs;
#[cfg(unix)]
use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::home::{Home, names};

#[cfg(unix)] // permission bits
#[test]
fn the_first_seal_makes_a_vault_and_says_what_that_means() {
    let home = Home::new();
    home.write("plain", b"text");
    let first = home.run(["seal", "plain"]).succeeds();
    let vault = home.default_vault();
    assert_eq!(
        first.stderr,
        format!(
            "note: created the key \"default\" in the vault {}: documents open with this key \
             alone, so keep a copy of the directory in a safe place; losing it loses the \
             documents\n",
            vault.display()
        )
    );
    assert_eq!(names(&vault), ["keys", "vault.json"]);
    assert_eq!(fs::metadata(&vault).unwrap().permissions().mode() & 0o777, 0o700);

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
    let sealed = home.command(["seal", "plain"]).env("XDG_DATA_HOME", &data).output().unwrap();
    assert!(sealed.status.success());
    assert_eq!(names(&data.join("strongroom/vault")), ["keys", "vault.json"]);
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
        "there is no vault at {}; name the vault with --vault, or make a new one with: strongroom \
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
    home.run(["vault", "init", "--vault", "v"])
        .fails_with("v is a vault already; use it as it is or name another directory");

    let created = home.run(["vault", "create", "invoices", "--vault", "v"]).succeeds();
    assert!(created.text().starts_with("created the key \"invoices\": "), "{}", created.text());
    home.run(["vault", "create", "invoices", "--vault", "v"]).fails_with(
        "the vault v has a key \"invoices\" already; rotate it for a new version, or choose another \
         name",
    );
    let rotated = home.run(["vault", "rotate", "invoices", "--vault", "v", "--json"]).succeeds();
    let rotated: Value = serde_json::from_str(rotated.text()).unwrap();
    assert_eq!(rotated["operation"], "rotated");
    assert!(rotated["id"].as_str().unwrap().ends_with("/invoices/2"));

    let listed = home.run(["vault", "list", "--vault", "v"]).succeeds();
    let lines: Vec<&str> = listed.text().lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(lines[1].starts_with("invoices/1  RSA-OAEP-256  20"), "{}", lines[1]);
    assert!(lines[2].starts_with("invoices/2  RSA-OAEP-256  20"), "{}", lines[2]);
    let listed = home.run(["vault", "list", "--vault", "v", "--json"]).succeeds();
    let listed: Value = serde_json::from_str(listed.text()).unwrap();
    assert_eq!(listed["keys"][0]["name"], "invoices");
    assert_eq!(listed["keys"][0]["versions"][1]["version"], 2);
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
