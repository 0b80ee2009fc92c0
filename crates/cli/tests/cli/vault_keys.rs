//! The life of keys in a vault: enabled, dated, deleted, granted, backed up, behind a passphrase.

use std::path::Path;

use serde_json::Value;

use crate::home::{Done, Home};

fn run(home: &Home, line: &str) -> String {
    home.run(line.split(' ')).golden(home)
}

/// A vault with purge protection and the key `k`, in the default place.
fn with_key() -> Home {
    let home = Home::new();
    home.run(["vault", "init", "--purge-protection", "--retention-days", "7"]).succeeds();
    home.run(["vault", "create", "k"]).succeeds();
    home.write("plain", b"text");
    home.run(["seal", "plain", "--key", "k"]).succeeds();
    home
}

#[test]
fn a_disabled_key_opens_nothing_until_it_is_enabled() {
    let home = with_key();
    assert_eq!(
        run(&home, "vault disable k"),
        "0\ndisabled the key \"k\": all its versions neither wrap nor unwrap\n"
    );
    let id = home.key_id("k/1");
    home.run(["open", "plain.sealed", "-o", "-"]).fails_words(&format!(
        "the key {id} is disabled; enable it with: strongroom vault enable k "
    ));
    assert_eq!(
        run(&home, "vault list"),
        "0\nvault VAULT (id ID)\nk/1  RSA-OAEP-256  #  disabled\n"
    );
    let version = id.rsplit('/').next().unwrap();
    assert_eq!(
        run(&home, &format!("vault enable k --key-version {} --json", &version[..4])),
        "0\n{\"operation\":\"enabled\",\"vault\":\"VAULT\",\"id\":\"k\"}\n"
    );
    assert_eq!(home.run(["open", "plain.sealed", "-o", "-"]).succeeds().stdout, b"text");
    let other = if version.starts_with("7777") { "8888" } else { "7777" };
    home.run(["vault", "enable", "k", "--key-version", other]).fails_with(&format!(
        "the key \"k\" has no version whose id begins with \"{other}\"; it has, newest last: {version}"
    ));
    for short in ["1", "abc", "ABCD", "12345678901234567890123456789012x", "../a"] {
        home.run(["vault", "disable", "k", "--key-version", short]).fails_with(
            "the version of the key: give its id, or at least the first 4 of its 32 hexadecimal digits",
        );
    }
}

#[test]
fn a_deleted_key_is_recovered_and_not_purged_before_its_time() {
    let home = with_key();
    assert_eq!(
        run(&home, "vault delete k"),
        "0\ndeleted the key \"k\": nothing opens with it any more; it cannot be purged before # and \
         stays until it is, bring it back with: strongroom vault recover k\n"
    );
    assert_eq!(home.run(["open", "plain.sealed", "-o", "-"]).code, Some(1));
    let listed = home.run(["vault", "list", "--json"]).json();
    assert_eq!(listed["keys"].as_array().unwrap().len(), 0);
    assert_eq!(listed["deleted"][0]["name"], "k");
    let purge_from = listed["deleted"][0]["purge_from"].as_u64().unwrap();
    assert_eq!(purge_from - listed["deleted"][0]["deleted_at"].as_u64().unwrap(), 7 * 86_400);
    let until = strongroom_keys::time::Rfc3339(purge_from);
    home.run(["vault", "purge", "k"]).fails_with(&format!(
        "purge protection keeps the deleted key \"k\" until {until}; wait if it is to be destroyed with every document under \
         it, or recover it with: strongroom vault recover k"
    ));
    assert_eq!(home.run(["vault", "create", "k"]).code, Some(1));
    assert_eq!(
        run(&home, "vault recover k"),
        "0\nrecovered the key \"k\": it opens documents again\n"
    );
    assert_eq!(home.run(["open", "plain.sealed", "-o", "-"]).succeeds().stdout, b"text");
}

#[test]
fn keys_whose_retention_has_ended_are_purged_by_a_command_of_its_own() {
    let home = with_key();
    home.run(["vault", "delete", "k"]).succeeds();
    let listed = run(&home, "vault list");
    assert_eq!(listed, "0\nvault VAULT (id ID)\nk  deleted #  retained until #\n");
    assert_eq!(
        run(&home, "vault purge --expired-until 2026-01-31"),
        "0\nno deleted key has been kept for its time by then; nothing was purged\n"
    );
    home.run(["vault", "purge", "--expired-until", "2999-01-31"]).fails_with(
        "the time until which retention has ended: it is still to come by this machine's clock; give one that \
         has passed",
    );
    home.run(["vault", "purge"]).is_refused_with("<NAME>");
    home.run(["vault", "purge", "k", "--expired-until", "2026-01-31"])
        .is_refused_with("cannot be used with");
    home.run(["vault", "recover", "k"]).succeeds();
}

#[test]
fn without_protection_a_deleted_key_is_purged() {
    let home = Home::with_vault();
    home.run(["vault", "purge", "default"])
        .fails_with("the key \"default\" is not deleted: it is in use as it is; only a deleted key is recovered or purged");
    let recovered = home.run(["vault", "recover", "default"]);
    assert!(recovered.stderr.contains("is in use as it is"), "{}", recovered.stderr);
    home.run(["vault", "backup", "default", "-o", "backup"]).succeeds();
    home.run(["vault", "delete", "default"]).succeeds();
    // Nothing that destroys is advised, and nothing is said of a protection that there is not.
    let restored = home.run(["vault", "restore", "backup"]);
    assert_eq!(restored.code, Some(1));
    assert!(
        restored.stderr.contains("choose another name for another key, or recover it with: "),
        "{}",
        restored.stderr
    );
    assert!(!restored.stderr.contains("purge protection"), "{}", restored.stderr);
    assert_eq!(
        run(&home, "vault purge default"),
        "0\npurged the key \"default\": nothing opens what was sealed under it\n"
    );
    home.run(["vault", "create", "default"]).succeeds();
}

#[test]
fn a_key_has_a_type_and_dates() {
    let home = Home::new();
    home.run(["vault", "init"]).succeeds();
    assert_eq!(
        run(
            &home,
            "vault create a --type aes --not-before 2030-01-01 --expires 2031-01-01T00:00:00Z"
        ),
        "0\ncreated the key \"a\": local/ID/a/1 wraps the keys of services; copy the vault VAULT to a \
         safe place again\n"
    );
    assert_eq!(
        run(&home, "vault show a"),
        "0\nkey a of the vault VAULT\ntype        AES-256\noperations  wrapKey, unwrapKey\n\
         recovery    Recoverable+Purgeable, 90 days\n\
         version     a/1  A256KW  #  enabled  wraps from #  wraps until #\n"
    );
    let shown = home.run(["vault", "show", "a", "--json"]).json();
    assert_eq!(shown["versions"][0]["not_before"], 1_893_456_000_u64);
    assert_eq!(shown["versions"][0]["expires"], 1_924_992_000_u64);
    home.run(["vault", "create", "b", "--expires", "soon"])
        .is_refused_with("write it as 2027-01-31");
    home.run(["vault", "create", "b", "--type", "dsa"])
        .is_refused_with("possible values: rsa, aes");
    let done = home.run(["vault", "create", "b", "--not-before", "2", "--expires", "1"]);
    assert_eq!(done.code, Some(1), "{}", done.stderr);
}

#[test]
fn identities_are_granted_what_they_may_do() {
    let home = with_key();
    assert_eq!(
        run(&home, "vault grant auditor --key k --permissions get"),
        "0\ngranted \"auditor\" on the key \"k\" of the vault VAULT: get\n"
    );
    assert_eq!(
        run(&home, "vault grant auditor --json"),
        "0\n{\"operation\":\"granted\",\"vault\":\"VAULT\",\"identity\":\"auditor\",\"enabled\":true,\
         \"every_key\":[\"get\",\"wrapKey\",\"unwrapKey\"],\"keys\":[{\"name\":\"k\",\"granted\":[\"get\"],\
         \"effective\":[\"get\",\"wrapKey\",\"unwrapKey\"]}]}\n"
    );
    home.run(["vault", "revoke", "auditor"]).succeeds();
    assert_eq!(
        run(&home, "vault grant auditor --disable"),
        "0\ndisabled the identity \"auditor\" in the vault VAULT\n"
    );
    assert_eq!(
        run(&home, "vault grant auditor"),
        "0\ngranted \"auditor\" on every key of the vault VAULT: get, wrapKey, unwrapKey\n\
         --\nwarning: \"auditor\" is disabled and may do nothing until: strongroom vault grant --enable \
         auditor\n"
    );
    home.run(["vault", "grant", "auditor", "--permissions", "none,get"])
        .is_refused_with("--permissions none stands alone");
    home.run(["vault", "grant", "nobody", "--enable"]).fails_with(&format!(
        "the vault {} does not know the identity \"nobody\", or it is disabled there; enable it, or grant \
         it something with: strongroom vault grant nobody --vault {}",
        home.default_vault().display(),
        home.default_vault().display()
    ));
}

/// The command that a warning ends with, run as it stands there.
fn follow(home: &Home, said: &str) -> Done {
    let command = said.trim_end().rsplit_once("with: strongroom ").unwrap().1;
    Done::of(&home.shell(&format!("\"$0\" {command}")).output().unwrap())
}

/// A key's own grant and the one on every key add up: the one that was taken away looked like the end of both.
#[cfg(unix)] // a shell that takes the hints
#[test]
fn taking_one_grant_away_tells_what_the_other_leaves() {
    let home = Home::new();
    for line in
        ["vault init --vault", "vault create documents --vault", "vault grant service --vault"]
    {
        home.run(line.split(' ').chain(["a vault's place"])).succeeds();
    }
    let run = |line: &str| home.run(line.split(' ').chain(["--vault", "a vault's place"]));
    let effective = || {
        let listed = run("vault grants --json").succeeds().json();
        let one = listed["identities"][0].clone();
        assert_eq!(one["identity"], "service");
        let of_key = one["keys"].as_array().unwrap().iter().find(|key| key["name"] == "documents");
        of_key.map_or(one["every_key"].clone(), |key| key["effective"].clone())
    };
    let all = serde_json::json!(["get", "wrapKey", "unwrapKey"]);
    assert_eq!(effective(), all);

    let done = run("vault grant service --key documents --permissions none").succeeds();
    assert_eq!(effective(), all);
    assert_eq!(
        done.stderr,
        "warning: in effect \"service\" may get, wrapKey, unwrapKey with the key \"documents\": what is \
         granted on every key adds to it, and is taken away with: strongroom vault grant service \
         --permissions none --vault 'a vault'\\''s place'\n"
    );
    follow(&home, &done.stderr).succeeds();
    assert_eq!(effective(), serde_json::json!([]));

    run("vault grant service --key documents --permissions get,unwrap").succeeds();
    let done = run("vault grant service --permissions none").succeeds();
    assert_eq!(effective(), serde_json::json!(["get", "unwrapKey"]));
    assert!(
        done.stderr.starts_with(
            "warning: in effect \"service\" may get, unwrapKey with \"documents\": what is granted on a \
             single key adds to it, and is taken away with: strongroom vault grant service --key documents"
        ),
        "{}",
        done.stderr
    );
    follow(&home, &done.stderr).succeeds();
    assert_eq!(effective(), serde_json::json!([]));

    for key in ["documents", "others"] {
        run(&format!("vault grant service --key {key} --permissions get")).succeeds();
    }
    let done = run("vault grant service --permissions none").succeeds();
    follow(&home, &done.stderr).succeeds();
    assert_eq!(effective(), serde_json::json!([]));
    let done = run("vault grant service --permissions none").succeeds();
    assert_eq!(done.stderr, "");
}

#[test]
fn grants_list_what_each_identity_may_do() {
    let home = with_key();
    assert_eq!(
        run(&home, "vault grants"),
        "0\nvault VAULT (id ID)\nnobody is granted anything; grant something with: strongroom vault grant \
         IDENTITY\n"
    );
    for line in ["auditor --permissions get", "auditor --key k --permissions unwrap", "billing"] {
        home.run(format!("vault grant {line}").split(' ')).succeeds();
    }
    home.run(["vault", "grant", "billing", "--disable"]).succeeds();
    assert_eq!(
        run(&home, "vault grants"),
        "0\nvault VAULT (id ID)\nauditor\n  the key \"k\": get, unwrapKey\n  every other key: get\n\
         billing  disabled: may do nothing\n  every key: get, wrapKey, unwrapKey\n"
    );
    assert_eq!(
        run(&home, "vault revoke auditor"),
        "0\nrevoked all that \"auditor\" was granted in the vault VAULT\n"
    );
    let listed = home.run(["vault", "grants", "--json"]).json();
    assert_eq!(
        listed["identities"][0],
        serde_json::json!({"identity": "auditor", "enabled": true, "every_key": [], "keys": []})
    );
}

#[test]
fn dates_are_set_kept_by_a_rotation_and_told() {
    let home = Home::with_vault();
    home.write("plain", b"text");
    home.run(["vault", "set-dates", "default"]).is_refused_with("--not-before");
    assert_eq!(
        run(&home, "vault set-dates default --expires 2020-01-01"),
        "0\nset the dates of the key \"default\": local/ID/default/1 wraps until #; it unwraps at any time\n"
    );
    let refused = home.run(["seal", "plain"]);
    assert!(refused.stderr.contains(" expired at 2020-01-01T00:00:00Z"), "{}", refused.stderr);
    home.run(["vault", "set-dates", "default", "--expires", "none"]).succeeds();
    home.run(["seal", "plain"]).succeeds();

    home.run(["vault", "set-dates", "default", "--expires", "2100-01-01"]).succeeds();
    let rotated = run(&home, "vault rotate default");
    assert_eq!(
        rotated,
        "0\nrotated the key \"default\": from now on local/ID/default/2 seals, until #; copy the vault VAULT to a \
         safe place again\n"
    );
    let version = |number: usize| {
        home.run(["vault", "show", "default", "--json"]).json()["versions"][number - 1].clone()
    };
    let lasts = |version: &Value| {
        version["expires"].as_u64().unwrap() - version["created"].as_u64().unwrap()
    };
    assert_eq!(lasts(&version(1)), lasts(&version(2)));
    assert_eq!(
        run(&home, "vault rotate default --not-before 2099-01-01 --expires none"),
        "0\nrotated the key \"default\": from # on local/ID/default/3 seals, and until then nothing does; copy the \
         vault VAULT to a safe place again\n"
    );
    assert!(version(3)["expires"].is_null() && version(3)["not_before"].is_u64());
    // An older version by the beginning of its id.
    let second = version(2)["version"].as_str().unwrap()[..8].to_owned();
    let set = ["vault", "set-dates", "default", "--expires", "none", "--key-version", &second];
    home.run(set).succeeds();
    assert!(version(2)["expires"].is_null() && version(1)["expires"].is_u64());
}

#[test]
fn settings_are_shown_and_changed_where_that_is_safe() {
    let home = Home::with_vault();
    let shown = |protection: &str, tenant: &str, region: &str| {
        let level = if protection == "yes" { "Recoverable" } else { "Recoverable+Purgeable" };
        format!(
            "0\nvault VAULT (id ID)\npurge protection  {protection}\nretention         90 days\n\
             recovery          {level}\npassphrase        no\ntenant            {tenant}\n\
             region            {region}\n"
        )
    };
    assert_eq!(run(&home, "vault settings"), shown("no", "none", "none"));
    assert_eq!(
        run(&home, "vault settings --purge-protection"),
        shown("yes", "none", "none")
            + "--\nnote: purge protection is on from now on, and nobody can switch it off\n"
    );
    let moved = run(&home, "vault settings --tenant contoso --region westeurope");
    assert!(moved.starts_with(&shown("yes", "contoso", "westeurope")), "{moved}");
    assert!(
        moved.contains("note: resources that are under a key of this vault stay so"),
        "{moved}"
    );
    let moved = run(&home, "vault settings --region northeurope");
    assert!(moved.starts_with(&shown("yes", "contoso", "northeurope")), "{moved}");
    assert_eq!(run(&home, "vault settings"), shown("yes", "contoso", "northeurope"));
    home.run(["vault", "delete", "default"]).succeeds();
    let refused = home.run(["vault", "purge", "default"]);
    assert!(refused.stderr.contains("purge protection keeps"), "{}", refused.stderr);
    let settings = home.run(["vault", "settings", "--json"]).json();
    assert_eq!(
        (&settings["purge_protection"], &settings["tenant"]),
        (&true.into(), &"contoso".into())
    );
}

/// A file that OpenSSL wrote, by the OpenSSL of this machine where it has one.
fn key_of_openssl(home: &Home, name: &str, args: &str) {
    let mut openssl = std::process::Command::new("openssl");
    openssl.args(args.split(' ')).current_dir(home.work()).stderr(std::process::Stdio::null());
    if openssl.status().is_ok_and(|status| status.success()) {
        return;
    }
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/imported").join(name);
    std::fs::copy(kept, home.path(name)).unwrap();
}

#[test]
fn a_key_that_the_user_brings_seals_and_opens() {
    let home = Home::with_vault();
    key_of_openssl(
        &home,
        "pkcs8.pem",
        "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out pkcs8.pem",
    );
    let args = "pkcs8 -topk8 -in pkcs8.pem -out encrypted.pem -passout pass:open";
    key_of_openssl(&home, "encrypted.pem", args);
    key_of_openssl(
        &home,
        "rsa3072.pem",
        "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out rsa3072.pem",
    );
    home.write("plain", b"text");
    home.write("passphrase", b"open\n");
    home.write("wrong", b"other\n");
    assert_eq!(
        run(&home, "vault import mine pkcs8.pem --expires 2100-01-01"),
        "0\nimported the key \"mine\": from now on local/ID/mine/1 seals, until #; copy the vault VAULT to a safe \
         place again; pkcs8.pem still holds the key, so keep it as safe as the vault, or destroy it\n"
    );
    home.run(["seal", "plain", "--key", "mine"]).succeeds();
    std::fs::remove_file(home.path("pkcs8.pem")).unwrap();
    assert_eq!(home.run(["open", "plain.sealed", "-o", "-"]).succeeds().stdout, b"text");

    let import = ["vault", "import", "locked", "encrypted.pem"];
    home.run(import)
        .is_refused_with("name a file that holds its passphrase with --key-passphrase-file");
    home.run(import.iter().chain(&["--key-passphrase-file", "wrong"])).fails_with(
        "encrypted.pem does not hold a key that can be imported: the passphrase does not open the key; give the one \
         that it was encrypted with",
    );
    home.run(import.iter().chain(&["--key-passphrase-file", "passphrase"])).succeeds();
    home.run(["seal", "plain", "-o", "x", "--key", "locked"]).succeeds();
    assert_eq!(home.run(["open", "x", "-o", "-"]).succeeds().stdout, b"text");

    for (file, words) in
        [("rsa3072.pem", "2048"), ("plain", "RSA"), ("missing", "cannot read missing")]
    {
        let refused = home.run(["vault", "import", "other", file]);
        assert_eq!(refused.code, Some(1), "{file}");
        assert!(refused.stderr.contains(words), "{file}: {}", refused.stderr);
    }
    let again = home.run([
        "vault",
        "import",
        "mine",
        "encrypted.pem",
        "--key-passphrase-file",
        "passphrase",
    ]);
    assert!(again.stderr.contains("has a key \"mine\" already"), "{}", again.stderr);
    let names: Vec<Value> = home.run(["vault", "list", "--json"]).json()["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key["name"].clone())
        .collect();
    assert_eq!(names, ["default", "locked", "mine"]);
}

#[test]
fn the_vaults_own_trail_tells_what_was_done_by_whom_and_holds() {
    let home = Home::with_vault();
    let by = |line: &str| {
        let mut command = home.command(line.split(' '));
        let done = command.env("STRONGROOM_CORRELATION_ID", "request-7").output().unwrap();
        assert!(done.status.success(), "{line}");
    };
    by("vault rotate default");
    by("vault grant service --key default --permissions get,unwrap");
    by("vault disable default");
    let refused = home.run(["vault", "purge", "default"]);
    assert_eq!(refused.code, Some(1));
    let shown = home.run(["vault", "audit", "--json"]).succeeds().json();
    let told: Vec<(String, Value)> = shown["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| (event["operation"].as_str().unwrap().to_owned(), event["key"].clone()))
        .collect();
    let key = |number: usize| Value::from(home.key_id(&format!("default/{number}")));
    let expected = [
        ("init", Value::Null),
        ("create", key(1)),
        ("rotate", key(2)),
        ("grant get,unwrapKey", Value::Null),
        ("disable-all-versions", key(2)),
        ("purge", Value::Null),
    ];
    assert_eq!(told, expected.map(|(operation, key)| (operation.to_owned(), key)));
    let event = &shown["events"][3];
    assert_eq!((&event["identity"], &event["resource"]), (&"service".into(), &"default".into()));
    assert_eq!(event["correlation_id"], "request-7");
    assert!(event["caller"].as_str().is_some_and(|user| !user.is_empty()), "{event}");
    assert!(shown["events"][5]["result"]["failed"].as_str().unwrap().contains("is not deleted"));

    let text = home.run(["vault", "audit"]).succeeds().text().to_owned();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 7);
    assert!(
        lines[3].contains("  grant get,unwrapKey  \"default\"  identity service  by "),
        "{}",
        lines[3]
    );
    assert!(lines[6].contains(" holds: 6 lines, up to 6:"), "{}", lines[6]);
    let head = lines[6].rsplit_once(' ').unwrap().1;
    home.run(["vault", "enable", "default"]).succeeds();
    home.run(["vault", "audit", "--verify", "--anchor", head]).succeeds();
    // Somebody cuts the end, and somebody changes a line.
    let trail = home.in_vault("audit.jsonl");
    let whole = std::fs::read_to_string(&trail).unwrap();
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    std::fs::write(&trail, lines[..4].concat()).unwrap();
    let cut = home.run(["vault", "audit", "--anchor", head]);
    assert_eq!(cut.code, Some(1));
    assert!(cut.stderr.contains("its end was cut off"), "{}", cut.stderr);
    std::fs::write(&trail, whole.replacen("rotate", "rotatf", 1)).unwrap();
    let changed = home.run(["vault", "audit"]);
    assert!(changed.stderr.contains("the trail does not hold from there on"), "{}", changed.stderr);
    assert_eq!(changed.text(), "");
    std::fs::write(&trail, &whole).unwrap();

    // What takes access away is done all the same, and all else is not.
    std::fs::remove_file(&trail).unwrap();
    std::fs::create_dir(&trail).unwrap();
    home.run(["vault", "rotate", "default"]).code.filter(|code| *code == 1).unwrap();
    let done = home.run(["vault", "disable", "default"]).succeeds();
    assert!(
        done.stderr.starts_with(
            "warning: disable-all-versions is done, and not recorded: the vault's audit"
        ),
        "{}",
        done.stderr
    );
    let versions = home.run(["vault", "show", "default", "--json"]).json()["versions"].clone();
    assert_eq!(versions.as_array().unwrap().len(), 2);
    assert!(versions.as_array().unwrap().iter().all(|version| version["enabled"] == false));
}

#[test]
fn a_backup_brings_a_purged_key_back() {
    let home = Home::with_vault();
    home.write("plain", b"text");
    home.run(["seal", "plain"]).succeeds();
    assert_eq!(
        run(&home, "vault backup default -o backup"),
        "0\nbacked up the key \"default\" with all its versions to backup: whoever has the file has \
         the key; put it back with: strongroom vault restore backup\n"
    );
    assert_eq!(home.run(["vault", "backup", "default", "-o", "backup"]).code, Some(1));
    home.run(["vault", "delete", "default"]).succeeds();
    home.run(["vault", "purge", "default"]).succeeds();
    assert_eq!(home.run(["open", "plain.sealed", "-o", "-"]).code, Some(1));
    assert_eq!(
        run(&home, "vault restore backup"),
        "0\nrestored the key \"default\" with all its versions\n"
    );
    assert_eq!(home.run(["open", "plain.sealed", "-o", "-"]).succeeds().stdout, b"text");
    let done = home.run(["vault", "restore", "plain"]);
    assert!(done.stderr.contains("this is not a backup that the vault"), "{}", done.stderr);
}

#[test]
fn a_vault_with_a_passphrase_opens_with_it_alone() {
    let home = Home::new();
    home.write("right", b"correct horse\n");
    home.write("wrong", b"battery staple\n");
    home.write("empty", b"\n");
    home.write("plain", b"text");
    let with = |args: &[&str], file: &str| {
        home.run(args.iter().copied().chain(["--vault", "v", "--passphrase-file", file]))
    };
    with(&["vault", "init"], "empty").is_refused_with("has an empty first line");
    with(&["vault", "init"], "right").succeeds();
    with(&["seal", "plain"], "right").succeeds();
    home.run(["vault", "list", "--vault", "v"])
        .fails_with("the vault v has a passphrase; give it with --passphrase-file");
    assert!(with(&["verify", "plain.sealed"], "wrong").stderr.contains("does not open"));
    home.run(["vault", "init", "--vault", "w"]).succeeds();
    home.run(["vault", "list", "--vault", "w", "--passphrase-file", "right"]).fails_words(
        "the vault w has no passphrase: check that it is the right one, and leave out",
    );
    with(&["verify", "plain.sealed"], "missing")
        .fails_with("cannot read missing: there is no such file or directory; check the path");
    assert_eq!(with(&["open", "plain.sealed", "-o", "-"], "right").succeeds().stdout, b"text");
}

#[test]
fn nothing_is_sealed_under_a_key_whose_private_half_is_lost() {
    let home = with_key();
    let private = home.key_file("k", 1);
    let kept = std::fs::read(&private).unwrap();
    let seal = ["seal", "plain", "-o", "new", "--key", "k"];
    std::fs::remove_file(&private).unwrap();
    home.run(seal).fails_with(&format!(
        "{} is damaged: it is missing; {}",
        private.display(),
        crate::home::put_back("vault", &home.default_vault(), &private)
    ));
    std::fs::write(&private, &kept[..kept.len() / 2]).unwrap();
    crate::home::set_mode(&private, 0o600);
    let damaged = home.run(seal);
    assert_eq!(damaged.code, Some(1), "{}", damaged.stderr);
    assert!(damaged.stderr.contains(private.to_str().unwrap()), "{}", damaged.stderr);
    assert_eq!(home.names(), ["plain", "plain.sealed"]);
    std::fs::write(&private, kept).unwrap();
    home.run(seal).succeeds();
}
