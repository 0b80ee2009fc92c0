//! Resources, their customers' keys and the audit trail, beyond what the chapters of `docs/keys.md` show.

use std::fs;
use std::io::Read as _;
#[cfg(unix)]
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use crate::home::{
    Done, bytes, copy_dir, lines, lock_of, put_back, run, seal_expiring, service, wait_until,
};

#[test]
fn a_home_that_another_command_changes_is_not_waited_for_longer_than_asked() {
    let home = service();
    let other = lock_of(&home.path("h"));
    other.lock().unwrap();
    run(&home, &format!("{ENABLE} --lock-timeout 1s")).fails_with(
        "another process has been changing the service's home h for 1 s; wait for it, or end it, and run \
         this again",
    );
    drop(other);
    run(&home, &format!("{ENABLE} --lock-timeout 1s")).succeeds();
}

#[test]
fn each_event_of_one_command_has_its_user_and_its_correlation_id() {
    let home = service();
    lines(&home, &[ENABLE, "seal plain --resource r --home h"]);
    let mut command = home.command("open plain.sealed -o - --home h".split(' '));
    command.env("STRONGROOM_CORRELATION_ID", "ticket 7");
    assert!(command.output().unwrap().status.success());
    let shown = run(&home, "resource events r --home h --json").json();
    let events = shown["events"].as_array().unwrap();
    let mut ids = std::collections::BTreeSet::new();
    for event in events {
        assert!(event["caller"].as_str().unwrap().starts_with('u'), "{event}"); // uid or user
        ids.insert(event["correlation_id"].as_str().unwrap());
        assert!(event["identity"].is_string() && event["key"].is_string(), "{event}");
    }
    // One a command: create, enable, seal, open.
    assert_eq!(ids.len(), 4, "{ids:?}");
    assert_eq!(events.last().unwrap()["correlation_id"], "ticket 7");
}

const ENABLE: &str = "resource enable-cmk r --vault c --key k --home h";

#[test]
fn what_is_done_is_told_as_json() {
    let home = service();
    let operation = |line: &str, operation: &str| {
        let done = run(&home, &format!("{line} --json")).succeeds().json();
        assert_eq!((&done["operation"], &done["resource"]), (&operation.into(), &"r".into()));
    };
    operation(ENABLE, "cmk-enabled");
    run(&home, "vault rotate k --vault c").succeeds();
    operation("resource rotate-cmk r --home h", "cmk-rotated");
    operation("resource rotate-key r --home h", "key-rotated");
    operation("resource revoke r --home h", "revoked");
    operation("resource refresh r --home h", "refreshed");
    let status = run(&home, "resource status r --home h --json").json();
    assert_eq!(status["protection"]["state"], "cmk-active");
    let key = status["protection"]["cmk"]["key"].as_str().unwrap();
    assert!(home.numbered(key).ends_with("/k/2"), "{key}");
    assert_eq!(status["epoch"], 1);
    operation("resource disable-cmk r --home h", "cmk-disabled");
    operation("resource delete r --home h", "deleted");
    operation("resource restore r --home h", "restored");
    assert_eq!(
        run(&home, "resource list --home h --json").succeeds().text(),
        "[{\"resource\":\"r\",\"state\":\"service-managed\",\"in_doubt\":false}]\n"
    );
    assert_eq!(
        run(&home, "resource sweep --home h --json").succeeds().text(),
        "{\"operation\":\"swept\",\"resources\":0}\n"
    );
    let rotated = run(&home, "service-key rotate --home h --json").json();
    let key = rotated["key"].as_str().unwrap();
    assert!(home.numbered(key).ends_with("/service/2"), "{key}");
    assert_eq!((&rotated["moved"], &rotated["moved_before"]), (&1.into(), &0.into()));
    let events = run(&home, "resource events r --home h --json").json();
    let events = events["events"].as_array().unwrap().clone();
    for name in ["create", "enable-cmk", "rotate-cmk", "revoke", "refresh", "disable-cmk"] {
        assert!(events.iter().any(|event| event["operation"] == name), "{name}");
    }
}

#[test]
fn documents_find_their_resource_by_their_header_among_the_homes_own() {
    let home = service();
    lines(&home, &[ENABLE]);
    let sealed = run(&home, "seal plain --resource r --home h --json").json();
    assert_eq!(sealed["keys"][0], "resource/r/service/1");
    assert_eq!(sealed["customer_key"], "resource/r/customer/1");
    for line in ["open plain.sealed -o - --home h", "open plain.sealed -o - --home h --resource r"]
    {
        assert_eq!(run(&home, line).succeeds().stdout, b"text");
    }
    lines(
        &home,
        &["verify plain.sealed --home h", "seal plain -o x --check --resource r --home h"],
    );
    let under = "it is sealed under resource/r/service/1, resource/r/customer/1";
    lines(&home, &["service init --home other"]);
    run(&home, "verify plain.sealed --home other").fails_with(&format!(
        "no key for plain.sealed in the service's home other: {under}; name the home that has this \
         resource with --home, or, where this home has lost it, bring it back with: strongroom service restore --from \
         BACKUP --home other"
    ));
    // Another resource of the same name has other keys.
    lines(&home, &["resource create r --tenant t --region e --home other"]);
    let done = run(&home, "verify plain.sealed --home other");
    assert_eq!(done.code, Some(1), "{}", done.stderr);
    let done = run(&home, "verify plain.sealed --home nowhere");
    assert!(done.stderr.contains("no key for plain.sealed in the service's home nowhere"));
}

#[test]
fn a_scope_of_models_leaves_results_to_the_service() {
    let home = service();
    lines(&home, &[&format!("{ENABLE} --scope models")]);
    let layers = |kind: &str| {
        let line = format!("seal plain -o {kind} --resource r --home h --kind {kind} --json");
        run(&home, &line).json()["customer_key"].is_string()
    };
    assert!(layers("model") && !layers("result"));
}

#[test]
fn an_expired_document_is_not_opened() {
    let home = service();
    wait_until(seal_expiring(&home, "seal plain --resource r --kind result --home h"));
    let done = run(&home, "open plain.sealed -o - --home h");
    assert!(done.stderr.starts_with("error: the document expired at 20"), "{}", done.stderr);
    assert_eq!(done.code, Some(1));
    run(&home, "seal plain -o y --expires-in 24")
        .is_refused_with("write it as 90s, 30m, 24h or 7d");
}

#[test]
fn a_customer_who_chose_it_has_the_keys_destroyed() {
    let home = service();
    lines(&home, &[&format!("{ENABLE} --on-key-loss shred --grace 0s")]);
    lines(&home, &["seal plain --resource r --home h"]);
    let none = "no resource was shredded: none is due\n";
    assert_eq!(run(&home, "resource shred --home h").succeeds().text(), none);
    lines(&home, &["vault disable k --vault c"]);
    assert_eq!(run(&home, "verify plain.sealed --home h").code, Some(1));
    assert_eq!(
        run(&home, "resource shred --home h --json").succeeds().text(),
        "{\"operation\":\"shredded\",\"resources\":[\"r\"]}\n"
    );
    lines(&home, &["vault enable k --vault c"]);
    for line in ["verify plain.sealed --home h", "seal plain -o z --resource r --home h"] {
        run(&home, line).fails_with(
            "the resource r was shredded: its keys are destroyed and nothing opens its data",
        );
    }
}

#[test]
fn what_cannot_be_a_customers_key_changes_nothing() {
    let home = service();
    lines(
        &home,
        &[
            "vault init --vault unprotected --tenant t --region e",
            "vault create k --vault unprotected",
            "vault grant service --vault unprotected",
            "vault init --vault abroad --purge-protection --tenant t --region w",
            "vault create k --vault abroad",
            "vault create aes --type aes --vault c",
            "vault grant looks --permissions get --vault c",
            "resource create small --tenant t --region e --no-cmk --home h",
            "resource create old --tenant t --region e --created-at 2020-05-10 --home h",
        ],
    );
    for (line, words) in [
        ("r --vault unprotected --key k", "its vault lacks soft delete or purge protection"),
        ("r --vault abroad --key k", "it is in the region e and the vault in w"),
        ("r --vault c --key aes", "it is not an RSA key; create an RSA key of 2048 bits"),
        ("r --vault c --key none", "strongroom vault create none --vault c"),
        (
            "r --vault c --key k --key-version 9",
            "at least the first 4 of its 32 hexadecimal digits",
        ),
        ("r --vault c --key k --key-version 9999x", "at least the first 4"),
        ("r --vault c --key k --identity x", "strongroom vault grant x --vault c"),
        ("r --vault c --key k --identity looks", "strongroom vault grant looks --vault c"),
        ("r --vault nowhere --key k", "there is no vault at nowhere"),
        ("small --vault c --key k", "its tier does not include one"),
        ("old --vault c --key k", "it was created before 2020-05-11"),
        ("nobody --vault c --key k", "there is no resource nobody; see which there are with"),
    ] {
        let done = run(&home, &format!("resource enable-cmk {line} --home h"));
        assert_eq!(done.code, Some(1), "{line}");
        assert!(done.stderr.contains(words), "{line}: {}", done.stderr);
        assert_eq!(done.stderr.lines().count(), 1, "{}", done.stderr);
    }
    let listed = run(&home, "resource list --home h").succeeds();
    assert_eq!(listed.text(), "old  service-managed\nr  service-managed\nsmall  service-managed\n");
    run(&home, "resource rotate-cmk r --home h").fails_with(
        "cannot rotate the customer-managed key: the resource r is service-managed; enable a customer-managed key \
         first with: strongroom resource enable-cmk r --key KEY --vault DIR --home h",
    );
}

#[test]
fn a_home_that_will_not_do() {
    let home = service();
    run(&home, "service init --home h")
        .fails_with("h is a service's home already; use it as it is, or name another with --home");
    run(&home, "resource create r --tenant t --region e --home h")
        .fails_with("there is a resource r already: choose another name");
    run(&home, "resource list --home nowhere").fails_with(
        "there is no service's home at nowhere; check the path, or make one with: strongroom service \
         init --home nowhere",
    );
    run(&home, "resource list").fails_with(&format!(
        "there is no service's home at {}; name it with --home, or make one with: strongroom service \
         init",
        home.default_vault().with_file_name("service").display()
    ));
    run(&home, "resource status ../x --home h").is_refused_with("cannot name a resource");
    #[cfg(unix)] // permission bits
    {
        fs::set_permissions(home.path("h"), fs::Permissions::from_mode(0o755)).unwrap();
        run(&home, "resource list --home h")
            .fails_with("h is open to other users (mode 755); make it private with: chmod 700 h");
        fs::set_permissions(home.path("h"), fs::Permissions::from_mode(0o700)).unwrap();
    }
    home.write("h/home.json", b"{");
    run(&home, "resource list --home h").fails_with(&format!(
        "{} is damaged: it is not what was written there; {}",
        Path::new("h").join("home.json").display(),
        put_back("home", Path::new("h"), &Path::new("h").join("home.json"))
    ));
}

#[test]
fn the_audit_trail_holds_until_somebody_writes_into_it() {
    let home = service();
    let head = run(&home, "audit head --home h").succeeds().text().trim_end().to_owned();
    let number: u64 = head.split(':').next().unwrap().parse().unwrap();
    assert_eq!(
        run(&home, "audit verify --home h").succeeds().text(),
        format!(
            "the audit trail {} holds: {number} lines\n",
            Path::new("h").join("audit.jsonl").display()
        )
    );
    assert_eq!(run(&home, "audit head --home h --json").json()["head"], head.as_str());
    let verified = run(&home, &format!("audit verify --home h --json --anchor {head}")).json();
    assert_eq!((&verified["lines"], &verified["head"]), (&number.into(), &head.as_str().into()));

    let trail = String::from_utf8(home.read("h/audit.jsonl")).unwrap();
    let cut: String = trail.lines().take(2).flat_map(|line| [line, "\n"]).collect();
    home.write("h/audit.jsonl", cut.as_bytes());
    let done = run(&home, "audit verify --home h");
    assert!(done.stderr.contains("its end was cut off"), "{}", done.stderr);
    let changed = trail.replacen("\"resource\":\"r\"", "\"resource\":\"s\"", 1);
    assert_ne!(changed, trail);
    home.write("h/audit.jsonl", changed.as_bytes());
    for line in ["audit verify --home h", "resource events r --home h"] {
        let done = run(&home, line);
        assert!(done.stderr.contains("the trail does not hold from there on"), "{}", done.stderr);
        assert_eq!(done.code, Some(1));
    }
}

/// A document on its way into a slow pipe is open for minutes. The command asks for its keys again between the
/// pieces, and stops where the customer has disabled the key.
#[test]
fn a_slow_pipe_gets_no_more_a_refresh_after_the_key_was_disabled() {
    /// The cache's: what it promises at most.
    const REFRESH: Duration = Duration::from_secs(60);
    let home = service();
    home.write("large", &bytes(64 << 20));
    lines(&home, &[ENABLE, "seal large --resource r --home h"]);
    let mut command = home.command("open large.sealed -o - --home h".split(' '));
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (opened, mut pipe) = (Instant::now(), child.stdout.take().unwrap());
    let (mut piece, mut read) = (vec![0; 64 << 10], 0);
    pipe.read_exact(&mut piece).unwrap();
    run(&home, "vault disable k --vault c").succeeds();
    let disabled = Instant::now();
    loop {
        match pipe.read(&mut piece).unwrap() {
            0 => break,
            count => read += count,
        }
        thread::sleep(Duration::from_millis(200));
    }
    // The keys are asked for again at most a refresh after they came; some seconds are the machine's.
    let (since, open) = (disabled.elapsed(), opened.elapsed());
    assert!(since < REFRESH + Duration::from_secs(10), "{since:?}, {read} bytes");
    assert!(open + Duration::from_secs(10) > REFRESH, "it ended by itself: {open:?}");
    assert!(read < 60 << 20, "{read} bytes");
    let done = Done::of(&child.wait_with_output().unwrap());
    assert_eq!(done.code, Some(1), "{}", done.stderr);
    assert!(done.stderr.contains("no access to the resource r"), "{}", done.stderr);
}

#[test]
fn a_copy_of_a_vault_does_not_take_the_place_of_the_vault() {
    let home = service();
    lines(
        &home,
        &[
            ENABLE,
            "seal plain --resource r --home h",
            "resource create other --tenant t --region e --home h",
            "resource create abroad --tenant t --region w --home h",
        ],
    );
    copy_dir(&home.path("c"), &home.path("copy"));
    let known = home.path("c").canonicalize().unwrap();
    let named = home.path("copy").canonicalize().unwrap();
    for line in [
        "resource enable-cmk other --vault copy --key k --home h",
        "resource enable-cmk abroad --vault copy --key k --home h",
        "resource rotate-cmk r --vault copy --home h",
    ] {
        let done = run(&home, line);
        assert_eq!(done.code, Some(1), "{line}");
        let words = format!(
            " is at {known}, and {named} has the same id: a copy, or the vault moved; name {known}, or, if it was \
             moved, say so with: strongroom service move-vault --vault {named} --home h\n",
            known = known.display(),
            named = named.display()
        );
        assert!(done.stderr.contains(&words), "{line}: {}", done.stderr);
    }
    let status = run(&home, "resource status r --home h --json").json();
    assert_eq!(status["vault"].as_str().unwrap(), known.to_str().unwrap());
    // The original counts, whatever the copy says.
    run(&home, "vault disable k --vault c").succeeds();
    assert_eq!(run(&home, "open plain.sealed -o - --home h").code, Some(1));
    assert_eq!(run(&home, "resource rotate-cmk r --vault copy --home h").code, Some(1));
    let status = run(&home, "resource status r --home h --json").json();
    assert_eq!(status["vault"].as_str().unwrap(), known.to_str().unwrap());
}

#[test]
fn a_vault_is_recorded_once_a_resource_is_under_its_key() {
    let home = service();
    lines(&home, &["resource create abroad --tenant t --region w --home h"]);
    copy_dir(&home.path("c"), &home.path("copy"));
    // It fails, so that the copy is not where the vault is.
    let failed = run(&home, "resource enable-cmk abroad --vault copy --key k --home h");
    assert_eq!(failed.code, Some(1));
    assert!(failed.stderr.contains("region"), "{}", failed.stderr);
    lines(&home, &[ENABLE]);
    let status = run(&home, "resource status r --home h --json").json();
    let known = home.path("c").canonicalize().unwrap();
    assert_eq!(status["vault"].as_str().unwrap(), known.to_str().unwrap());
}

#[test]
fn a_vault_that_was_moved_is_asked_at_its_new_place_by_a_command_of_its_own() {
    let home = service();
    lines(&home, &[ENABLE, "seal plain --resource r --home h"]);
    copy_dir(&home.path("c"), &home.path("older"));
    lines(&home, &["vault rotate k --vault c", "resource rotate-cmk r --home h"]);
    fs::rename(home.path("c"), home.path("d")).unwrap();
    let done = run(&home, "open plain.sealed -o - --home h");
    assert!(done.stderr.contains("strongroom service move-vault --vault DIR"), "{}", done.stderr);
    let older = run(&home, "service move-vault --vault older --home h");
    assert_eq!(older.code, Some(1));
    assert!(older.stderr.contains("it is an older copy of the vault"), "{}", older.stderr);
    // A copy that cannot be read is told as that.
    home.write("older/keys/k/attributes.json", b"{");
    let damaged = run(&home, "service move-vault --vault older --home h");
    assert_eq!(damaged.code, Some(1));
    assert!(!damaged.stderr.contains("older copy"), "{}", damaged.stderr);
    lines(&home, &["vault init --vault unused --purge-protection"]);
    let unused = run(&home, "service move-vault --vault unused --home h");
    assert_eq!(unused.code, Some(1));
    assert!(
        unused.stderr.contains("no resource of h is under a key of the vault"),
        "{}",
        unused.stderr
    );
    let moved = run(&home, "service move-vault --vault d --home h --json").json();
    assert_eq!(moved["operation"], "vault-moved");
    assert_eq!(moved["resources"], serde_json::json!(["r"]));
    run(&home, "open plain.sealed -o - --home h").succeeds();
    let events = run(&home, "resource events r --home h").succeeds();
    assert!(events.text().contains("move-vault"), "{}", events.text());
    run(&home, "audit verify --home h").succeeds();
}

/// No resource is under its keys at the moment, and the command that is advised must work.
#[test]
fn a_vault_that_was_moved_while_no_resource_was_under_its_keys_is_told_as_that() {
    let home = service();
    lines(&home, &[ENABLE, "resource disable-cmk r --home h"]);
    fs::rename(home.path("c"), home.path("d")).unwrap();
    let enable = ENABLE.replace("--vault c", "--vault d");
    assert_ne!(enable, ENABLE);
    let refused = run(&home, &enable);
    assert_eq!(refused.code, Some(1));
    assert!(
        refused.stderr.contains("strongroom service move-vault --vault "),
        "{}",
        refused.stderr
    );
    let moved = run(&home, "service move-vault --vault d --home h --json").json();
    assert_eq!(moved["resources"], serde_json::json!([]));
    run(&home, &enable).succeeds();
    let trail = String::from_utf8(home.read("h/audit.jsonl")).unwrap();
    assert_eq!(trail.matches("move-vault").count(), 2, "{trail}");
}

/// Two commands name the vault and a copy of it for the first time, at once.
#[test]
fn a_copy_that_is_named_at_the_same_time_as_the_vault_does_not_take_its_place() {
    let home = service();
    lines(&home, &["resource create other --tenant t --region e --home h"]);
    copy_dir(&home.path("c"), &home.path("copy"));
    for round in 0..4 {
        let _ = fs::remove_file(home.path("h/vaults.json"));
        let lines = ["r", "other"].map(|name| {
            let vault = if name == "r" { "c" } else { "copy" };
            format!("resource enable-cmk {name} --vault {vault} --key k --home h")
        });
        let codes = thread::scope(|scope| {
            let each = lines.each_ref().map(|line| scope.spawn(|| run(&home, line).code));
            each.map(|done| done.join().unwrap())
        });
        assert_eq!(codes.iter().filter(|code| **code == Some(0)).count(), 1, "{round}: {codes:?}");
        for (name, code) in ["r", "other"].into_iter().zip(codes) {
            let status = run(&home, &format!("resource status {name} --home h"));
            let expected = if code == Some(0) { "cmk-active" } else { "service-managed" };
            assert!(status.text().contains(expected), "{round}: {}", status.text());
            run(&home, &format!("resource disable-cmk {name} --home h")).succeeds();
        }
    }
}

#[test]
fn a_damaged_state_does_not_hide_the_other_resources() {
    let home = service();
    for name in ["a", "b", "z"] {
        lines(&home, &[&format!("resource create {name} --tenant t --region e --home h")]);
    }
    for name in ["a", "r"] {
        let folder = fs::read_dir(home.path("h").join("state").join(name)).unwrap();
        for state in folder {
            fs::write(state.unwrap().path(), b"{}").unwrap();
        }
    }
    let done = run(&home, "resource list --home h");
    assert_eq!(done.code, Some(1));
    assert_eq!(done.text(), "b  service-managed\nz  service-managed\n");
    let errors: Vec<&str> = done.stderr.lines().collect();
    assert_eq!(errors.len(), 2, "{}", done.stderr);
    assert!(errors[0].contains(" a") && errors[1].contains(" r"), "{}", done.stderr);
}
