//! The audit trail of a local vault: one event for each operation, which the vault's owner verifies alone.

#![allow(clippy::unwrap_used, reason = "a test helper that fails is a failed test")]

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_lite::future::block_on;
use strongroom::rsa::PrivateKey;
use strongroom::secret::SecretVec;
use strongroom::wrap::Algorithm;
use strongroom_local_vault::LocalVault;
use strongroom_local_vault::{
    DateChange, InitOptions, KeyKind, KeyOptions, LocalVaultError, OpenOptions, PassphraseCost,
    TrailOptions, VersionId, Versions,
};
use strongroom_vault::audit::{AuditEvent, AuditResult, Caller};
use strongroom_vault::{DeniedReason, Operation, Operations, Place, VersionedKeyId};
use strongroom_vault::{Vault, VaultError};
use tempfile::TempDir;

const COST: PassphraseCost = PassphraseCost { memory_kib: 64, passes: 1, lanes: 1 };
const KW: Algorithm = Algorithm::A256Kw;

fn secret(text: &str) -> SecretVec {
    SecretVec::from(text.as_bytes().to_vec())
}

fn aes() -> KeyOptions {
    KeyOptions { kind: KeyKind::Oct, ..KeyOptions::default() }
}

fn new_vault(passphrase: Option<&str>, notice: Option<fn(&str)>) -> (TempDir, LocalVault) {
    let directory = tempfile::tempdir().unwrap();
    let options = InitOptions {
        passphrase: passphrase.map(secret),
        cost: COST,
        trail: TrailOptions { caller: Caller::new("ops").correlated("7f3a"), notice },
        ..InitOptions::default()
    };
    let vault = LocalVault::init_with(&directory.path().join("vault"), options).unwrap();
    (directory, vault)
}

fn events(vault: &LocalVault) -> Vec<AuditEvent> {
    let mut events = Vec::new();
    vault.audit(None, &mut |line| events.push(line.event.clone())).unwrap();
    events
}

/// The events since the first `known`.
fn new_events(vault: &LocalVault, known: &mut usize) -> Vec<AuditEvent> {
    let events = events(vault).split_off(*known);
    *known += events.len();
    events
}

#[test]
fn each_operation_on_keys_grants_and_settings_leaves_one_event() {
    type Step = (&'static str, fn(&LocalVault) -> Result<(), LocalVaultError>);
    let steps: [Step; 22] = [
        ("create", |vault| vault.create_with("one", aes()).map(drop)),
        ("import", |vault| {
            let key = PrivateKey::generate().unwrap();
            vault.import_rsa("theirs", key, KeyOptions::default()).map(drop)
        }),
        ("rotate", |vault| vault.rotate("one").map(drop)),
        ("disable", |vault| vault.set_enabled("one", Versions::Newest, false)),
        ("disable-all-versions", |vault| vault.set_enabled("one", Versions::All, false)),
        ("enable-all-versions", |vault| vault.set_enabled("one", Versions::All, true)),
        ("set-dates", |vault| {
            vault.set_dates("one", Versions::Newest, DateChange::Keep, Some(4_000_000_000))
        }),
        ("grant get,wrapKey,unwrapKey", |vault| {
            vault.grant("billing", None, Operations::from(Operation::ALL)).map(drop)
        }),
        ("grant get", |vault| {
            vault.grant("billing", Some("one"), Operations::from([Operation::Get])).map(drop)
        }),
        ("grant none", |vault| {
            vault.grant("billing", Some("one"), Operations::default()).map(drop)
        }),
        ("disable-identity", |vault| vault.set_identity_enabled("billing", false).map(drop)),
        ("enable-identity", |vault| vault.set_identity_enabled("billing", true).map(drop)),
        ("revoke", |vault| vault.revoke("billing").map(drop)),
        ("remove-identity", |vault| vault.remove_identity("billing")),
        ("backup", |vault| {
            let backup = vault.backup("one")?;
            fs::write(vault.path().with_file_name("backup"), backup.expose()).unwrap();
            Ok(())
        }),
        ("delete", |vault| vault.delete("one").map(drop)),
        ("recover", |vault| vault.recover("one")),
        ("delete", |vault| vault.delete("one").map(drop)),
        ("purge", |vault| vault.purge("one")),
        ("restore", |vault| {
            let backup = fs::read(vault.path().with_file_name("backup")).unwrap();
            vault.restore(&backup).map(drop)
        }),
        ("set-place", |vault| vault.set_place(Place::default())),
        ("protect-from-purge", LocalVault::protect_from_purge),
    ];
    for passphrase in [None, Some("open")] {
        let (_directory, vault) = new_vault(passphrase, None);
        let mut known = 0;
        let made = new_events(&vault, &mut known);
        assert_eq!(made[0].operation, "init");
        for (operation, step) in steps {
            step(&vault).unwrap();
            let [event] = &new_events(&vault, &mut known)[..] else { panic!("{operation}") };
            assert_eq!((&*event.operation, &event.result), (operation, &AuditResult::Done));
            assert_eq!(event.caller.as_deref(), Some("ops"), "{operation}");
            assert_eq!(event.correlation_id.as_deref(), Some("7f3a"), "{operation}");
            assert!(event.time > 1_700_000_000, "{operation}");
            let of_identity = ["grant", "revoke", "remove", "disable-identity", "enable-identity"];
            let is_of_identity = of_identity.iter().any(|start| operation.starts_with(start));
            let identity = is_of_identity.then_some("billing");
            assert_eq!(event.identity.as_deref(), identity, "{operation}");
            let of_vault = ["set-place", "protect-from-purge"].contains(&operation);
            let of_key = !is_of_identity && !of_vault;
            assert_eq!(event.key.is_some(), of_key, "{operation}");
            if let Some(key) = &event.key {
                assert_eq!(event.resource.as_deref(), Some(key.name().as_str()));
                assert!(VersionId::parse(key.version()).is_some(), "{key}");
            }
        }
        // One that is refused leaves one that says so.
        let error = vault.purge("one").unwrap_err();
        let [event] = &new_events(&vault, &mut known)[..] else { panic!("purge") };
        assert_eq!(event.result, AuditResult::Failed(error.to_string()));
        if passphrase.is_some() {
            vault.set_passphrase(&secret("other"), COST).unwrap();
            assert_eq!(new_events(&vault, &mut known)[0].operation, "set-passphrase");
        }
        let manifest = fs::read_to_string(vault.path().join("vault.json")).unwrap();
        if let Some((_, rest)) = manifest.split_once("\"trail_key\":\"") {
            assert!(passphrase.is_none() && !format!("{vault:?}").contains(&rest[..64]));
        } else {
            assert!(passphrase.is_some(), "the trail's key comes from the passphrase's");
        }
    }
}

#[test]
fn each_wrap_and_unwrap_that_an_identity_asks_for_leaves_one_event() {
    let (_directory, vault) = new_vault(None, None);
    let id = VersionedKeyId::try_from(&vault.create_with("one", aes()).unwrap()).unwrap();
    let wrapped = block_on(Vault::wrap(&vault, &id, KW, &[1; 32])).unwrap();
    block_on(Vault::unwrap(&vault, &id, KW, &wrapped)).unwrap();
    vault.grant("service", None, Operations::from([Operation::Get, Operation::UnwrapKey])).unwrap();
    let mut known = events(&vault).len();
    assert_eq!(known, 3, "the owner's own use of keys is none of the trail's");
    let service = vault.as_identity("service");
    block_on(service.unwrap(&id, KW, &wrapped)).unwrap();
    block_on(service.wrap(&id, KW, &[1; 32])).unwrap_err();
    block_on(service.describe(&id)).unwrap();
    block_on(service.unwrap(&id, KW, b"another key's")).unwrap_err();
    assert_eq!(block_on(service.unwrap_batch(&id, KW, &[&wrapped, &wrapped])).len(), 2);
    block_on(vault.as_identity("stranger").unwrap(&id, KW, &wrapped)).unwrap_err();
    let told: Vec<(String, String, bool)> = new_events(&vault, &mut known)
        .into_iter()
        .map(|event| {
            assert_eq!(event.key, Some(id.clone()));
            (event.operation, event.identity.unwrap(), event.result == AuditResult::Done)
        })
        .collect();
    let expected = [
        ("unwrap", "service", true),
        ("wrap", "service", false),
        ("unwrap", "service", false),
        ("unwrap", "service", true),
        ("unwrap", "stranger", false),
    ];
    let expected = expected.map(|(what, who, done)| (what.to_owned(), who.to_owned(), done));
    assert_eq!(told, expected);
}

static NOTICES: AtomicUsize = AtomicUsize::new(0);

#[test]
fn a_trail_that_cannot_be_written_stops_all_but_what_takes_access_away() {
    let count: fn(&str) = |said| {
        assert!(said.contains("is done, and not recorded: the vault's audit trail: "), "{said}");
        NOTICES.fetch_add(1, Ordering::SeqCst);
    };
    let (directory, vault) = new_vault(None, Some(count));
    for name in ["one", "two", "gone"] {
        vault.create_with(name, aes()).unwrap();
    }
    let id = VersionedKeyId::try_from(&vault.show("one").unwrap().versions[0].id).unwrap();
    let wrapped = block_on(Vault::wrap(&vault, &id, KW, &[1; 32])).unwrap();
    vault.grant("billing", None, Operations::from(Operation::ALL)).unwrap();
    vault.grant("other", Some("one"), Operations::from(Operation::ALL)).unwrap();
    vault.delete("gone").unwrap();
    let backup = vault.backup("two").unwrap();
    let trail = vault.trail_path();
    fs::rename(&trail, directory.path().join("trail")).unwrap();
    fs::create_dir(&trail).unwrap();

    let state = || {
        (
            vault.list().unwrap(),
            vault.list_deleted().unwrap(),
            vault.identities().unwrap(),
            vault.settings().unwrap(),
        )
    };
    let before = state();
    let get = Operations::from([Operation::Get]);
    let stopped: [(&str, Result<(), LocalVaultError>); 12] = [
        ("create", vault.create_with("new", aes()).map(drop)),
        ("rotate", vault.rotate("one").map(drop)),
        ("enable", vault.set_enabled("one", Versions::All, true)),
        ("dates", vault.set_dates("one", Versions::All, None, Some(9))),
        ("grant", vault.grant("new", None, get).map(drop)),
        ("grant more", vault.grant("other", Some("two"), get).map(drop)),
        ("enable identity", vault.set_identity_enabled("billing", true).map(drop)),
        ("recover", vault.recover("gone")),
        ("purge", vault.purge("gone")),
        ("backup", vault.backup("one").map(drop)),
        ("place", vault.set_place(Place { tenant: Some("t".to_owned()), region: None })),
        ("protect", vault.protect_from_purge()),
    ];
    for (operation, outcome) in stopped {
        let error = outcome.unwrap_err();
        assert!(matches!(error, LocalVaultError::Trail { .. }), "{operation}: {error}");
    }
    assert_eq!(state(), before);
    // A directory in the trail's place does not go away by itself.
    let damaged = block_on(vault.as_identity("billing").unwrap(&id, KW, &wrapped)).unwrap_err();
    assert!(matches!(damaged, VaultError::Invalid { .. }), "{damaged}");
    // A refusal stands.
    let refused = block_on(vault.as_identity("stranger").unwrap(&id, KW, &wrapped)).unwrap_err();
    assert!(
        matches!(refused, VaultError::Denied { reason: DeniedReason::Identity, .. }),
        "{refused}"
    );

    // What was stopped was said by its error; what is done is told of.
    assert_eq!(NOTICES.load(Ordering::SeqCst), 0);
    vault.grant("billing", None, get).unwrap();
    assert_eq!(vault.identities().unwrap()["billing"].every_key, get);
    vault.grant("other", Some("one"), Operations::default()).unwrap();
    vault.revoke("billing").unwrap();
    vault.set_identity_enabled("other", false).unwrap();
    vault.remove_identity("other").unwrap();
    vault.set_enabled("one", Versions::All, false).unwrap();
    vault.delete("two").unwrap();
    assert_eq!(NOTICES.load(Ordering::SeqCst), 7);
    assert!(!vault.show("one").unwrap().versions[0].enabled);

    // The trail goes on where it was.
    fs::remove_dir(&trail).unwrap();
    fs::rename(directory.path().join("trail"), &trail).unwrap();
    vault.purge("two").unwrap();
    vault.restore(backup.expose()).unwrap();
    assert_eq!(events(&vault).last().unwrap().operation, "restore");
}

#[test]
fn whoever_owns_the_vault_verifies_its_trail_alone() {
    for passphrase in [None, Some("open")] {
        let (_directory, vault) = new_vault(passphrase, None);
        vault.create_with("one", aes()).unwrap();
        vault.rotate("one").unwrap();
        let head = vault.audit(None, &mut |_| {}).unwrap().head;
        vault.delete("one").unwrap();
        let whole = fs::read(vault.trail_path()).unwrap();
        let path = vault.path().to_owned();
        drop(vault);
        let options = OpenOptions { passphrase: passphrase.map(secret), ..OpenOptions::default() };
        let vault = LocalVault::open_with(&path, options).unwrap();
        assert_eq!(vault.audit(head, &mut |_| {}).unwrap().lines, 4);

        let mut noticed = 0;
        for at in (0..whole.len() - 1).step_by(53) {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            fs::write(vault.trail_path(), &changed).unwrap();
            let error = vault.audit(None, &mut |_| {}).unwrap_err();
            assert!(matches!(error, LocalVaultError::Trail { .. }), "byte {at}: {error}");
            noticed += 1;
        }
        assert!(noticed > 10, "{noticed}");
        // A cut end is noticed by who kept a line of it elsewhere.
        let lines: Vec<&[u8]> = whole.split_inclusive(|byte| *byte == b'\n').collect();
        fs::write(vault.trail_path(), lines[..2].concat()).unwrap();
        assert_eq!(vault.audit(None, &mut |_| {}).unwrap().lines, 2);
        vault.audit(head, &mut |_| {}).unwrap_err();
        // Another vault's trail is none of this one.
        let (_directory, other) = new_vault(passphrase, None);
        fs::copy(other.trail_path(), vault.trail_path()).unwrap();
        vault.audit(None, &mut |_| {}).unwrap_err();
    }
}
