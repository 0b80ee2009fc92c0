//! Documents that go: results after 24 hours, expired ones by `resource sweep`, others by `resource delete-documents`.

use std::fs;

use strongroom::document::{self, SealOptions};
use strongroom::secret::Secret;
use strongroom::wrap::{KeyId, WrappingKey};

use crate::home::{Home, lines, run, seal_expiring, unix_time, wait_until};

const SEAL: &str = "seal plain --resource r --home h -o";
const SWEEP: &str = "resource sweep r docs --home h";
const DELETE: &str = "resource delete-documents r";

/// The resource `r` in the home `h`, and a directory `docs`.
fn service() -> Home {
    let home = Home::new();
    home.write("plain", b"text");
    fs::create_dir(home.path("docs")).unwrap();
    lines(&home, &["service init --home h", "resource create r --tenant t --region e --home h"]);
    home
}

fn names(home: &Home) -> Vec<String> {
    crate::home::names(&home.path("docs"))
}

#[test]
fn a_result_expires_24_hours_after_it_was_sealed_unless_told_otherwise() {
    let home = service();
    let sealed =
        |more: &str| run(&home, &format!("{SEAL} x --force --json{more}")).succeeds().json();
    let before = unix_time();
    let expires_at = sealed(" --kind result")["expires_at"].as_u64().unwrap();
    assert!((before..=unix_time()).contains(&(expires_at - 24 * 3600)), "{expires_at}");
    let header = home.run(["inspect", "x", "--json"]).json();
    assert_eq!(header["expires_at"], expires_at, "and in its header");
    let key = header["recipients"][0]["key"].as_str().unwrap().to_owned();
    assert!(key.starts_with("resource/r/hour/"), "{key}");
    assert_eq!(sealed("")["expires_at"], serde_json::Value::Null);
    let told = sealed(" --kind result --expires-at 2100-01-01");
    assert_eq!(told["expires_at"], 4_102_444_800_u64);
    let told = sealed(" --kind result --expires-in 1h")["expires_at"].as_u64().unwrap();
    assert!(told < unix_time() + 3700);
    let line = run(&home, &format!("{SEAL} y --kind result --expires-at 2100-01-01"));
    assert!(line.succeeds().text().ends_with("; it expires at 2100-01-01T00:00:00Z\n"));
    run(&home, &format!("{SEAL} z --expires-at 2100-01-01 --expires-in 1h"))
        .is_refused_with("cannot be used with");
    run(&home, &format!("{SEAL} z --expires-at 2020-01-01")).is_refused_with("is over already");
}

#[test]
fn a_sweep_removes_expired_documents_and_names_what_it_cannot_prove_to_have_expired() {
    let home = service();
    lines(&home, &["resource create other --tenant t --region e --home h"]);
    let expired = [
        format!("{SEAL} docs/expired.sealed --context a=b"),
        format!("{SEAL} docs/damaged.sealed --context a=b"),
        format!("{SEAL} docs/body --detach-header docs/header"),
        format!("{SEAL} docs/gone --detach-header docs/alone"),
        "seal plain -o docs/foreign.sealed --resource other --home h".to_owned(),
    ];
    let expiry = expired.iter().map(|line| seal_expiring(&home, line)).max().unwrap();
    lines(
        &home,
        &[
            &format!("{SEAL} docs/lasting.sealed"),
            &format!("{SEAL} docs/later.sealed --kind result"),
        ],
    );
    // As a sweep that was killed between the two leaves it.
    fs::remove_file(home.path("docs/gone")).unwrap();
    let mut damaged = home.read("docs/damaged.sealed");
    damaged[60] ^= 1; // within the salt
    home.write("docs/damaged.sealed", &damaged);
    // It names a key of an hour that is over, which the resource never had.
    let key = WrappingKey::aes(
        KeyId::new("resource/r/hour/490000").unwrap(),
        Secret::generate().unwrap(),
    );
    let options = SealOptions { expires_at: Some(490_000 * 3600), ..SealOptions::default() };
    home.write("docs/forged.sealed", &document::seal(b"text", &[key], &options).unwrap());
    home.write("docs/notes.txt", b"no document");
    wait_until(expiry);
    let done = run(&home, SWEEP);
    assert_eq!(done.code, Some(1), "{}", done.stderr);
    for said in [
        "error: docs/damaged.sealed: ",
        "error: docs/forged.sealed is not a document of the resource r: it is sealed under resource/r/hour/490000",
        "error: docs/foreign.sealed is not a document of the resource r: it is sealed under resource/other/hour/",
        "error: 3 of 8 files could not be removed, each named above;",
    ] {
        assert!(done.stderr.contains(said), "{said}\n{}", done.stderr);
    }
    let text = done.text();
    assert!(text.contains("removed docs/expired.sealed, which expired at 20"), "{text}");
    assert!(text.contains("removed docs/body, which expired at 20"), "{text}");
    assert!(
        text.ends_with(
            "3 expired documents removed, 2 not expired, 3 failed; destroyed the keys of past hours in 0 resources\n"
        ),
        "{text}"
    );
    let left =
        ["damaged", "foreign", "forged", "lasting", "later"].map(|name| format!("{name}.sealed"));
    assert_eq!(names(&home), [&left[..], &["notes.txt".to_owned()]].concat());
    for name in ["damaged", "foreign", "forged"] {
        fs::remove_file(home.path(&format!("docs/{name}.sealed"))).unwrap();
    }
    let told = run(&home, &format!("{SWEEP} --json")).succeeds().json();
    assert_eq!(
        (&told["removed"], &told["kept"], &told["failed"]),
        (&0.into(), &2.into(), &0.into())
    );
    run(&home, "resource sweep r --home h").is_refused_with("<FILE|DIR>");
}

#[test]
fn documents_are_deleted_early_and_again_and_whatever_the_key_does() {
    let home = service();
    lines(
        &home,
        &[
            "vault init --vault c --purge-protection --tenant t --region e",
            "vault create k --vault c",
            "vault grant service --vault c",
            "resource enable-cmk r --vault c --key k --home h",
            &format!("{SEAL} docs/answer --kind result --expires-at 2100-01-01"),
            &format!("{SEAL} docs/body --detach-header docs/header"),
            "seal plain -o docs/of-a-vault",
            "vault disable k --vault c",
        ],
    );
    home.write("docs/notes.txt", b"no document");
    let done = run(&home, &format!("{DELETE} docs/answer docs/body docs/header")).succeeds();
    assert_eq!(
        done.text(),
        "removed docs/answer; other copies of it stay readable until 2100-01-01T00:00:00Z\n\
         removed docs/body; other copies of it stay readable: it does not expire\n"
    );
    let again = run(&home, &format!("{DELETE} docs/answer docs/body docs/header")).succeeds();
    assert_eq!(
        again.text(),
        "docs/answer is not there\ndocs/body is not there\ndocs/header is not there\n"
    );
    let told = run(&home, &format!("{DELETE} docs/answer --json")).succeeds().json();
    assert_eq!((&told["operation"], &told["absent"]), (&"documents-deleted".into(), &1.into()));
    // Nothing else goes by a slip of the hand.
    for (name, said) in [
        (
            "of-a-vault",
            "docs/of-a-vault is not a document of the resource r: it is sealed under local/",
        ),
        ("notes.txt", "docs/notes.txt: "),
        ("", "docs/ is a directory"),
    ] {
        let done = run(&home, &format!("{DELETE} docs/{name}"));
        assert_eq!(done.code, Some(1));
        assert!(done.stderr.contains(said), "{said}\n{}", done.stderr);
    }
    assert_eq!(names(&home), ["notes.txt", "of-a-vault"]);
}
