//! The local vault's rules from outside: who is refused what and with which word, the life of a key
//! under a clock that tests set, passphrases, backups, hostile files, and writers that are killed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test helper that fails is a failed test")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_lite::future::block_on;
use strongroom::rsa::PrivateKey;
use strongroom::secret::{Expected, SecretVec};
use strongroom::wrap::{Algorithm, KeyId};
use strongroom_local_vault::LocalVault;
use strongroom_local_vault::{
    DateChange, Grants, InitOptions, KeyKind, KeyOptions, KeyVersion, LocalKeyId, LocalVaultError,
    OpenOptions, PassphraseCost, RotateOptions, VersionId, Versions,
};
use strongroom_vault::clock::Clock;
use strongroom_vault::{DeniedReason, KeyName, Operation, Operations, Place, VersionedKeyId};
use strongroom_vault::{Vault, VaultError};
use tempfile::TempDir;

/// Names the vault to the copies of this test program that act as other processes.
const CHILD_VAULT: &str = "STRONGROOM_TEST_CHILD_VAULT";

const COST: PassphraseCost = PassphraseCost { memory_kib: 64, passes: 1, lanes: 1 };
const START: u64 = 1_800_000_000;
const DAY: u64 = 86_400;
const KW: Algorithm = Algorithm::A256Kw;
const OAEP: Algorithm = Algorithm::RsaOaep256;

#[derive(Debug)]
struct TestClock(AtomicU64);

impl TestClock {
    fn set(&self, time: u64) {
        self.0.store(time, Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for TestClock {
    fn unix_time(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    fn elapsed(&self) -> Duration {
        Duration::from_secs(self.unix_time())
    }

    async fn sleep(&self, _: Duration) {}
}

fn vault_with(options: InitOptions) -> (TempDir, LocalVault, Arc<TestClock>) {
    let directory = tempfile::tempdir().unwrap();
    let clock = Arc::new(TestClock(AtomicU64::new(START)));
    let options = InitOptions { clock: Arc::<TestClock>::clone(&clock), cost: COST, ..options };
    let vault = LocalVault::init_with(&directory.path().join("vault"), options).unwrap();
    (directory, vault, clock)
}

fn new_vault() -> (TempDir, LocalVault, Arc<TestClock>) {
    vault_with(InitOptions::default())
}

fn aes() -> KeyOptions {
    KeyOptions { kind: KeyKind::Oct, ..KeyOptions::default() }
}

fn secret(text: &str) -> SecretVec {
    SecretVec::from(text.as_bytes().to_vec())
}

fn reopen(path: &Path, passphrase: Option<&str>) -> Result<LocalVault, LocalVaultError> {
    let passphrase = passphrase.map(secret);
    LocalVault::open_with(path, OpenOptions { passphrase, ..OpenOptions::default() })
}

/// The version `number` (from 1) of a key, deleted or not; one that nobody made where there is none.
fn id_of(vault: &LocalVault, name: &str, number: usize) -> VersionedKeyId {
    let deleted = vault.list_deleted().unwrap().into_iter().map(|deleted| deleted.key);
    let key =
        vault.list().unwrap().into_iter().chain(deleted).find(|key| key.name.as_str() == name);
    if let Some(version) = key.as_ref().and_then(|key| key.versions.get(number - 1)) {
        return VersionedKeyId::try_from(&version.id).unwrap();
    }
    let version = format!("{number:032x}");
    VersionedKeyId::new(Vault::id(vault), KeyName::new(name).unwrap(), &version).unwrap()
}

/// Selects one version and no other.
fn only(id: &VersionedKeyId) -> Versions {
    Versions::Only(VersionId::parse(id.version()).unwrap())
}

/// A file of that version.
fn file_of(vault: &LocalVault, name: &str, number: usize, suffix: &str) -> PathBuf {
    let version = id_of(vault, name, number).version().to_owned();
    vault.path().join("keys").join(name).join(format!("{version}.{suffix}"))
}

fn denied(reason: DeniedReason, key: Option<&VersionedKeyId>) -> VaultError {
    VaultError::Denied { reason, key: key.cloned() }
}

fn names(vault: &LocalVault) -> Vec<String> {
    vault.list().unwrap().iter().map(|key| key.name.to_string()).collect()
}

#[test]
fn both_kinds_wrap_and_unwrap_as_a_vault() {
    let place = Place { tenant: Some("contoso".to_owned()), region: Some("westeurope".to_owned()) };
    for passphrase in [None, Some(secret("open"))] {
        let options = InitOptions { passphrase, place: place.clone(), ..InitOptions::default() };
        let (_directory, vault, _clock) = vault_with(options);
        vault.create("rsa").unwrap();
        vault.create_with("aes", aes()).unwrap();
        let vault: &dyn Vault = &vault;
        assert_eq!(vault.place(), place);
        for (name, algorithm, bits) in [("rsa", OAEP, 2048), ("aes", KW, 256)] {
            let described = block_on(vault.newest(&KeyName::new(name).unwrap())).unwrap();
            assert_eq!(described.bits, bits);
            assert_eq!(described.recovery_level.unwrap().as_str(), "Recoverable+Purgeable");
            let id = described.id;
            let wrapped = block_on(vault.wrap(&id, algorithm, &[5; 40])).unwrap();
            assert_eq!(block_on(vault.unwrap(&id, algorithm, &wrapped)).unwrap().expose(), [5; 40]);
            let batch = block_on(vault.unwrap_batch(&id, algorithm, &[&wrapped, b"no", &wrapped]));
            assert_eq!(batch.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
            assert!(matches!(batch[1], Err(VaultError::Invalid { .. })));
            let other = if algorithm == KW { OAEP } else { KW };
            let error = block_on(vault.unwrap(&id, other, &wrapped)).unwrap_err();
            assert!(matches!(error, VaultError::Invalid { .. }), "{error}");
        }
        let rsa = block_on(vault.newest(&KeyName::new("rsa").unwrap())).unwrap();
        let key = rsa.wrapping_key(START).unwrap();
        let wrapped = key.wrap(b"outside").unwrap();
        assert_eq!(block_on(vault.unwrap(&rsa.id, OAEP, &wrapped)).unwrap().expose(), b"outside");
    }
}

#[test]
fn every_refusal_says_exactly_what_and_about_which_key() {
    let (_directory, vault, clock) = new_vault();
    vault.create_with("aes", aes()).unwrap();
    vault.rotate("aes").unwrap();
    let (first, second) = (id_of(&vault, "aes", 1), id_of(&vault, "aes", 2));
    let wrapped = block_on(Vault::wrap(&vault, &first, KW, &[1; 32])).unwrap();
    let wrap = |id: &VersionedKeyId| block_on(Vault::wrap(&vault, id, KW, &[1; 32]));
    let unwrap = |id: &VersionedKeyId| block_on(Vault::unwrap(&vault, id, KW, &wrapped));
    let describe = |id: &VersionedKeyId| block_on(Vault::describe(&vault, id));

    // Disabled: this version, and no other.
    vault.set_enabled("aes", only(&first), false).unwrap();
    let disabled = denied(DeniedReason::KeyDisabled, Some(&first));
    assert_eq!(wrap(&first).unwrap_err(), disabled);
    assert_eq!(unwrap(&first).unwrap_err(), disabled);
    assert!(disabled.is_definite_about(&first) && !disabled.is_definite_about(&second));
    assert!(!describe(&first).unwrap().enabled);
    wrap(&second).unwrap();
    vault.set_enabled("aes", Versions::All, true).unwrap();
    unwrap(&first).unwrap();

    // Out of its time: it does not wrap, and unwraps.
    vault.set_dates("aes", Versions::All, Some(START + 10), Some(START + 20)).unwrap();
    for (now, wraps) in [(0, false), (9, false), (10, true), (19, true), (20, false)] {
        clock.set(START + now);
        assert_eq!(wrap(&first).is_ok(), wraps, "{now}");
        assert_eq!(describe(&first).unwrap().may_wrap(START + now).is_ok(), wraps, "{now}");
        if !wraps {
            assert!(matches!(wrap(&first), Err(VaultError::Invalid { .. })));
        }
        unwrap(&first).unwrap();
    }
    let error = vault.set_dates("aes", Versions::All, Some(5), Some(5)).unwrap_err();
    assert!(matches!(error, LocalVaultError::Setting { .. }), "{error}");
    vault.set_dates("aes", Versions::All, None, None).unwrap();

    // Unknown versions and names, and deleted keys.
    for missing in [id_of(&vault, "aes", 3), id_of(&vault, "other", 1)] {
        let refusal = denied(DeniedReason::KeyMissing, Some(&missing));
        assert_eq!(wrap(&missing).unwrap_err(), refusal);
        assert_eq!(unwrap(&missing).unwrap_err(), refusal);
        assert_eq!(describe(&missing).unwrap_err(), refusal);
    }
    vault.delete("aes").unwrap();
    for id in [&first, &second] {
        let refusal = denied(DeniedReason::KeyMissing, Some(id));
        assert_eq!(wrap(id).unwrap_err(), refusal);
        assert_eq!(unwrap(id).unwrap_err(), refusal);
        assert_eq!(describe(id).unwrap_err(), refusal);
    }
    let newest = block_on(Vault::newest(&vault, &KeyName::new("aes").unwrap())).unwrap_err();
    assert_eq!(newest, denied(DeniedReason::KeyMissing, None));
    vault.recover("aes").unwrap();
    unwrap(&first).unwrap();

    // Another vault's key, and what is no version: no word about any key.
    for foreign in [
        "local/0123456789abcdef/aes/0123456789abcdef0123456789abcdef",
        "https://contoso.vault.azure.net/keys/aes/1",
    ] {
        let error = unwrap(&VersionedKeyId::parse(foreign).unwrap()).unwrap_err();
        assert!(matches!(error, VaultError::Invalid { .. }), "{error}");
    }

    // A key that is not meant for it.
    let operations = Operations::from([Operation::WrapKey]);
    vault.create_with("oneway", KeyOptions { operations, ..aes() }).unwrap();
    let oneway = id_of(&vault, "oneway", 1);
    wrap(&oneway).unwrap();
    assert_eq!(unwrap(&oneway).unwrap_err(), denied(DeniedReason::Permission, Some(&oneway)));
}

#[test]
fn identities_may_do_what_they_were_granted() {
    let (_directory, vault, _clock) = new_vault();
    vault.create_with("one", aes()).unwrap();
    vault.create_with("two", aes()).unwrap();
    let (one, two) = (id_of(&vault, "one", 1), id_of(&vault, "two", 1));
    let wrapped = block_on(Vault::wrap(&vault, &one, KW, &[1; 32])).unwrap();
    let billing = vault.as_identity("billing");
    let allowed = |id: &VersionedKeyId| {
        let results = [
            block_on(billing.describe(id)).map(drop),
            block_on(billing.wrap(id, KW, &[1; 32])).map(drop),
            block_on(billing.unwrap(id, KW, &wrapped)).map(drop),
        ];
        results.map(|result| match result {
            Err(VaultError::Denied { reason, key }) => {
                let about = (reason != DeniedReason::Identity).then(|| id.clone());
                assert_eq!(key, about, "{reason:?}");
                Some(reason)
            }
            // What was wrapped under the one key does not open under the other.
            _ => None,
        })
    };
    let (yes, no, unknown) = (None, Some(DeniedReason::Permission), Some(DeniedReason::Identity));
    assert_eq!(allowed(&one), [unknown; 3]);
    vault.grant("somebody-else", None, Operations::from(Operation::ALL)).unwrap();
    assert_eq!(allowed(&one), [unknown; 3]);

    for (operation, expected) in [
        (Operation::Get, [yes, no, no]),
        (Operation::WrapKey, [no, yes, no]),
        (Operation::UnwrapKey, [no, no, yes]),
    ] {
        vault.grant("billing", Some("one"), Operations::from([operation])).unwrap();
        assert_eq!(allowed(&one), expected, "{operation:?}");
        assert_eq!(allowed(&two), [no; 3]);
    }
    vault.grant("billing", None, Operations::from([Operation::Get])).unwrap();
    assert_eq!(allowed(&one), [yes, no, yes]);
    assert_eq!(allowed(&two), [yes, no, no]);
    // A description says what the key is for, whoever asks; what the identity lacks shows when it tries.
    let described = block_on(billing.describe(&one)).unwrap();
    let both = Operations::from([Operation::WrapKey, Operation::UnwrapKey]);
    assert_eq!(described.operations, both);
    let error = block_on(billing.wrap(&one, KW, &[1; 32])).unwrap_err();
    assert_eq!(error, denied(DeniedReason::Permission, Some(&one)));

    vault.set_identity_enabled("billing", false).unwrap();
    assert_eq!(allowed(&one), [unknown; 3]);
    vault.set_identity_enabled("billing", true).unwrap();
    vault.grant("billing", Some("one"), Operations::default()).unwrap();
    assert_eq!(allowed(&one), [yes, no, no]);
    vault.grant("billing", Some("one"), Operations::from(Operation::ALL)).unwrap();
    assert_eq!(vault.revoke("billing").unwrap(), Grants::default());
    assert_eq!((allowed(&one), allowed(&two)), ([no; 3], [no; 3]));
    vault.remove_identity("billing").unwrap();
    assert_eq!(allowed(&one), [unknown; 3]);
    assert!(matches!(vault.revoke("billing"), Err(LocalVaultError::Identity { .. })));
    let error = vault.remove_identity("billing").unwrap_err();
    assert!(matches!(error, LocalVaultError::Identity { .. }), "{error}");
    for identity in ["", "with space", "x\n", &"x".repeat(128)] {
        let error = vault.grant(identity, None, Operations::default()).unwrap_err();
        assert!(matches!(error, LocalVaultError::Setting { .. }), "{error}");
    }
    // The owner is not asked.
    block_on(Vault::describe(&vault, &one)).unwrap();
}

#[test]
fn a_deleted_key_is_kept_recovered_and_purged_in_its_time() {
    let (_directory, vault, clock) = vault_with(InitOptions {
        retention_days: 7,
        purge_protection: false,
        ..InitOptions::default()
    });
    vault.create_with("one", aes()).unwrap();
    vault.rotate("one").unwrap();
    let id = KeyId::new(&id_of(&vault, "one", 1).to_string()).unwrap();
    let wrapped = vault.wrap(&id, KW, &[1; 32]).unwrap();

    for error in [vault.recover("one").unwrap_err(), vault.purge("one").unwrap_err()] {
        assert!(matches!(error, LocalVaultError::NotDeleted { .. }), "{error}");
    }
    for error in [vault.recover("none").unwrap_err(), vault.delete("none").map(drop).unwrap_err()] {
        assert!(matches!(error, LocalVaultError::KeyMissing { .. }), "{error}");
    }
    let deleted = vault.delete("one").unwrap();
    assert_eq!((deleted.deleted_at, deleted.purge_from), (START, START + 7 * DAY));
    assert!(vault.list().unwrap().is_empty());
    assert_eq!(vault.list_deleted().unwrap(), [deleted]);
    for error in [
        vault.create("one").map(drop).unwrap_err(),
        vault.rotate("one").map(drop).unwrap_err(),
        vault.delete("one").map(drop).unwrap_err(),
        vault.show("one").map(drop).unwrap_err(),
        vault.backup("one").map(drop).unwrap_err(),
        vault.wrapping_key("one").map(drop).unwrap_err(),
        vault.set_enabled("one", Versions::All, true).unwrap_err(),
        vault.unwrap(&id, KW, &wrapped).map(drop).unwrap_err(),
    ] {
        assert!(matches!(error, LocalVaultError::KeyDeleted { .. }), "{error}");
    }
    vault.recover("one").unwrap();
    assert_eq!(vault.unwrap(&id, KW, &wrapped).unwrap().expose(), [1; 32]);
    assert_eq!(vault.show("one").unwrap().versions.len(), 2);

    // Purge protection holds for keys that are deleted already, and for good.
    vault.delete("one").unwrap();
    vault.protect_from_purge().unwrap();
    let level = vault.settings().unwrap().recovery_level;
    assert_eq!(level.as_str(), "CustomizedRecoverable");
    assert!(level.is_protected());
    clock.set(START + 7 * DAY - 1);
    let error = vault.purge("one").unwrap_err();
    assert!(matches!(error, LocalVaultError::PurgeProtected { .. }), "{error}");
    vault.recover("one").unwrap();
    vault.delete("one").unwrap();
    clock.set(START + 14 * DAY - 2);
    assert!(vault.purge("one").is_err(), "the time runs from the last deletion");
    clock.set(START + 14 * DAY - 1);
    vault.purge("one").unwrap();
    assert!(fs::read_dir(vault.path().join("keys")).unwrap().next().is_none(), "nothing is left");
    let error = vault.unwrap(&id, KW, &wrapped).unwrap_err();
    assert!(matches!(error, LocalVaultError::KeyMissing { .. }), "{error}");

    // The name is free, and the new key has another id.
    vault.create_with("one", aes()).unwrap();
    let error = vault.unwrap(&id, KW, &wrapped).unwrap_err();
    assert!(matches!(error, LocalVaultError::VersionMissing { .. }), "{error}");

    for days in [0, 6, 91] {
        let options = InitOptions { retention_days: days, ..InitOptions::default() };
        let error = LocalVault::init_with(&vault.path().join("x"), options).unwrap_err();
        assert!(matches!(error, LocalVaultError::Setting { .. }), "{error}");
    }
}

#[test]
fn a_passphrase_seals_the_keys_and_authenticates_the_rest() {
    let (_directory, vault, _clock) =
        vault_with(InitOptions { passphrase: Some(secret("right")), ..InitOptions::default() });
    let path = vault.path();
    vault.create("rsa").unwrap();
    vault.create_with("aes", aes()).unwrap();
    vault.create_with("other", aes()).unwrap();
    vault.rotate("aes").unwrap();
    let id = KeyId::new(&id_of(&vault, "aes", 1).to_string()).unwrap();
    let wrapped = vault.wrap(&id, KW, &[1; 32]).unwrap();
    let rsa = vault.wrapping_key("rsa").unwrap();
    let by_rsa = rsa.wrap(b"rsa").unwrap();
    for (name, suffix, is_there) in
        [("rsa", "pem", false), ("rsa", "sealed", true), ("aes", "aes", false)]
    {
        assert_eq!(file_of(&vault, name, 1, suffix).exists(), is_there, "{name} {suffix}");
    }

    assert!(matches!(reopen(path, None), Err(LocalVaultError::PassphraseNeeded { .. })));
    assert!(matches!(reopen(path, Some("wrong")), Err(LocalVaultError::PassphraseWrong { .. })));
    let again = reopen(path, Some("right")).unwrap();
    assert_eq!(again.unwrap(&id, KW, &wrapped).unwrap().expose(), [1; 32]);
    assert_eq!(again.unwrap(rsa.id(), OAEP, &by_rsa).unwrap().expose(), b"rsa");

    // Every parameter is bounded before work is done, and authenticated.
    let manifest = path.join("vault.json");
    let text = fs::read_to_string(&manifest).unwrap();
    let tampered = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        fs::write(&manifest, text.replacen(from, to, 1)).unwrap();
        let started = std::time::Instant::now();
        let error = reopen(path, Some("right")).unwrap_err();
        assert!(started.elapsed() < Duration::from_secs(20));
        error
    };
    for (from, to) in [
        ("\"memory_kib\":64", "\"memory_kib\":4294967295"),
        ("\"memory_kib\":64", "\"memory_kib\":7"),
        ("\"passes\":1", "\"passes\":4294967295"),
        ("\"passes\":1", "\"passes\":0"),
        ("\"lanes\":1", "\"lanes\":17"),
        ("\"lanes\":1", "\"lanes\":0"),
        ("argon2id-v19", "argon2d-v19"),
        ("\"purge_protection\":false", "\"purge_protection\":true"),
        ("\"retention_days\":90", "\"retention_days\":7"),
        ("\"tenant\":null", "\"tenant\":\"contoso\""),
    ] {
        let error = tampered(from, to);
        assert!(matches!(error, LocalVaultError::Damaged { .. }), "{from} to {to}: {error}");
    }
    for (from, to) in [
        ("\"memory_kib\":64", "\"memory_kib\":65"),
        ("\"passes\":1", "\"passes\":2"),
        ("\"lanes\":1", "\"lanes\":2"),
    ] {
        let error = tampered(from, to);
        assert!(matches!(error, LocalVaultError::PassphraseWrong { .. }), "{from}: {error}");
    }
    // A vault in its place that has no passphrase at all.
    let (_other, open, _clock) = new_vault();
    let bare = fs::read_to_string(open.path().join("vault.json")).unwrap();
    fs::write(&manifest, bare.replace(open.id().as_str(), vault.id().as_str())).unwrap();
    assert!(matches!(reopen(path, Some("right")), Err(LocalVaultError::NoPassphrase { .. })));
    fs::write(&manifest, &text).unwrap();

    // Sealed keys are bound to their ids, attributes and grants to their places.
    let keys = path.join("keys");
    let swap = |one: &Path, other: &Path| {
        let (first, second) = (fs::read(one).unwrap(), fs::read(other).unwrap());
        fs::write(one, second).unwrap();
        let error = vault.unwrap(&id, KW, &wrapped).unwrap_err();
        fs::write(one, first).unwrap();
        error
    };
    for (one, other) in [
        (file_of(&vault, "aes", 1, "sealed"), file_of(&vault, "aes", 2, "sealed")),
        (file_of(&vault, "aes", 1, "sealed"), file_of(&vault, "other", 1, "sealed")),
        (keys.join("aes/attributes.json"), keys.join("other/attributes.json")),
    ] {
        let error = swap(&one, &other);
        assert!(matches!(error, LocalVaultError::Damaged { .. }), "{}: {error}", one.display());
    }
    vault.set_enabled("aes", Versions::All, false).unwrap();
    let attributes = keys.join("aes/attributes.json");
    let disabled = fs::read_to_string(&attributes).unwrap();
    fs::write(&attributes, disabled.replace("\"enabled\":false", "\"enabled\":true")).unwrap();
    let error = vault.unwrap(&id, KW, &wrapped).unwrap_err();
    assert!(matches!(error, LocalVaultError::Damaged { .. }), "{error}");
    fs::remove_file(&attributes).unwrap();
    let error = vault.unwrap(&id, KW, &wrapped).unwrap_err();
    assert!(matches!(error, LocalVaultError::Damaged { .. }), "{error}");
    fs::write(&attributes, disabled).unwrap();
    fs::set_permissions(&attributes, fs::Permissions::from_mode(0o600)).unwrap();
    vault.set_enabled("aes", Versions::All, true).unwrap();

    // Another passphrase.
    vault.set_passphrase(&secret("new"), COST).unwrap();
    assert!(matches!(reopen(path, Some("right")), Err(LocalVaultError::PassphraseWrong { .. })));
    let again = reopen(path, Some("new")).unwrap();
    assert_eq!(again.unwrap(&id, KW, &wrapped).unwrap().expose(), [1; 32]);
    assert_eq!(vault.unwrap(&id, KW, &wrapped).unwrap().expose(), [1; 32]);
}

#[test]
fn another_public_key_never_wraps() {
    for passphrase in [None, Some(secret("open"))] {
        let (_directory, vault, _clock) =
            vault_with(InitOptions { passphrase, ..InitOptions::default() });
        vault.create("one").unwrap();
        let id = id_of(&vault, "one", 1);
        let public = file_of(&vault, "one", 1, "pub.pem");
        let own = fs::read(&public).unwrap();
        let foreign = PrivateKey::generate().unwrap().public_key().to_spki_pem().unwrap();
        for contents in [foreign.as_bytes(), b"", b"-----BEGIN PUBLIC KEY-----\n", b"\xff"] {
            fs::write(&public, contents).unwrap();
            let error = vault.wrapping_key("one").unwrap_err();
            assert!(matches!(error, LocalVaultError::Damaged { .. }), "{error}");
            let error = block_on(Vault::describe(&vault, &id)).unwrap_err();
            assert!(matches!(error, VaultError::Invalid { .. }), "{error}");
        }
        // One that is gone is made up for by the private key.
        fs::remove_file(&public).unwrap();
        vault.wrapping_key("one").unwrap();
        fs::write(&public, own).unwrap();
        fs::set_permissions(&public, fs::Permissions::from_mode(0o600)).unwrap();

        // Describing does not read the private key; unwrapping with another one is damage, no refusal. Nothing
        // is wrapped outside of the vault for a private key that is not there.
        let key = vault.wrapping_key("one").unwrap();
        let wrapped = key.wrap(b"payload").unwrap();
        let suffix = if vault.settings().unwrap().has_passphrase { "sealed" } else { "pem" };
        let private = file_of(&vault, "one", 1, suffix);
        let own = fs::read(&private).unwrap();
        vault.create("two").unwrap();
        fs::write(&private, fs::read(file_of(&vault, "two", 1, suffix)).unwrap()).unwrap();
        block_on(Vault::describe(&vault, &id)).unwrap();
        let error = vault.wrapping_key("one").unwrap_err();
        assert!(matches!(error, LocalVaultError::Damaged { .. }), "{error}");
        let error = block_on(Vault::unwrap(&vault, &id, OAEP, &wrapped)).unwrap_err();
        assert!(matches!(error, VaultError::Invalid { .. }), "{error}");
        fs::remove_file(&private).unwrap();
        let error = block_on(Vault::unwrap(&vault, &id, OAEP, &wrapped)).unwrap_err();
        assert!(matches!(error, VaultError::Invalid { .. }), "{error}");
        fs::write(&private, own).unwrap();
    }
}

#[test]
fn a_backup_restores_a_key_with_all_its_versions() {
    for passphrase in [None, Some("open")] {
        let (directory, vault, _clock) = vault_with(InitOptions {
            passphrase: passphrase.map(secret),
            ..InitOptions::default()
        });
        for (name, options) in [("rsa", KeyOptions::default()), ("aes", aes())] {
            vault.create_with(name, options).unwrap();
            vault.rotate(name).unwrap();
            vault.set_enabled(name, only(&id_of(&vault, name, 2)), false).unwrap();
            let first = only(&id_of(&vault, name, 1));
            vault.set_dates(name, first, Some(5), Some(START * 2)).unwrap();
            let entry = vault.show(name).unwrap();
            let id = KeyId::new(&entry.versions[0].id.to_string()).unwrap();
            let algorithm = entry.versions[0].algorithm;
            let wrapped = vault.wrap(&id, algorithm, &[9; 40]).unwrap();
            let backup = vault.backup(name).unwrap();
            let clear = backup.expose().windows(16).any(|part| part == b"2d2d2d2d2d424547");
            assert_eq!(clear, passphrase.is_none() && name == "rsa", "private keys in the clear");

            let error = vault.restore(backup.expose()).unwrap_err();
            assert!(matches!(error, LocalVaultError::KeyExists { .. }), "{error}");
            vault.delete(name).unwrap();
            let error = vault.restore(backup.expose()).unwrap_err();
            assert!(matches!(error, LocalVaultError::KeyDeleted { .. }), "{error}");
            vault.purge(name).unwrap();
            assert_eq!(vault.restore(backup.expose()).unwrap().as_str(), name);
            assert_eq!(vault.show(name).unwrap(), entry);
            assert_eq!(vault.unwrap(&id, algorithm, &wrapped).unwrap().expose(), [9; 40]);

            // Any byte that is changed is noticed.
            vault.delete(name).unwrap();
            vault.purge(name).unwrap();
            let mut refused = 0;
            for at in (0..backup.expose().len()).step_by(37) {
                let mut changed = backup.expose().to_vec();
                changed[at] ^= 1;
                let error = vault.restore(&changed).unwrap_err();
                assert!(matches!(error, LocalVaultError::Backup { .. }), "byte {at}: {error}");
                refused += 1;
            }
            assert!(refused >= 20, "{refused}");
            let deep = "[".repeat(100_000);
            for junk in [&b""[..], b"{}", b"null", b"[]", deep.as_bytes()] {
                let error = vault.restore(junk).unwrap_err();
                assert!(matches!(error, LocalVaultError::Backup { .. }), "{error}");
            }
            let (_directory, other, _clock) = new_vault();
            let error = other.restore(backup.expose()).unwrap_err();
            assert!(error.to_string().contains("another vault"), "{error}");

            // A vault that was lost is made anew from its vault.json.
            let lost = directory.path().join(format!("lost-{name}"));
            fs::create_dir(&lost).unwrap();
            fs::set_permissions(&lost, fs::Permissions::from_mode(0o700)).unwrap();
            fs::copy(vault.path().join("vault.json"), lost.join("vault.json")).unwrap();
            let anew = reopen(&lost, passphrase).unwrap();
            anew.restore(backup.expose()).unwrap();
            assert_eq!(anew.unwrap(&id, algorithm, &wrapped).unwrap().expose(), [9; 40]);
        }
    }
}

#[test]
fn what_is_not_there_or_damaged_is_never_a_refusal() {
    let (directory, vault, _clock) = new_vault();
    vault.create_with("one", aes()).unwrap();
    let id = id_of(&vault, "one", 1);
    let wrapped = block_on(Vault::wrap(&vault, &id, KW, &[1; 32])).unwrap();
    let ask = || block_on(Vault::unwrap(&vault, &id, KW, &wrapped));
    let unavailable = |result: Result<SecretVec, VaultError>| {
        matches!(result, Err(VaultError::Unavailable { retry_after: None, .. }))
    };
    let invalid = |result| matches!(result, Err(VaultError::Invalid { .. }));
    ask().unwrap();

    let moved = directory.path().join("moved");
    for part in ["", "vault.json", "keys"] {
        let path = vault.path().join(part);
        fs::rename(&path, &moved).unwrap();
        assert!(unavailable(ask()), "without {part:?}");
        let billing = vault.as_identity("billing");
        assert!(
            part == "keys" || unavailable(block_on(billing.unwrap(&id, KW, &wrapped))),
            "without {part:?}"
        );
        fs::rename(&moved, &path).unwrap();
        ask().unwrap();
    }
    let key = vault.path().join("keys/one");
    let private = format!("{}.aes", id.version());
    for file in [&private, "attributes.json"] {
        let path = key.join(file);
        let whole = fs::read(&path).unwrap();
        let long = vec![b'0'; 9 * 1024 * 1024];
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 1;
        for contents in [&b""[..], b"{}", &whole[..whole.len() / 2], &flipped, &long, b"\xff\xfe"] {
            fs::write(&path, contents).unwrap();
            assert!(invalid(ask()), "{file} of {} bytes", contents.len());
        }
        fs::remove_file(&path).unwrap();
        assert!(invalid(ask()), "without {file}");
        fs::create_dir(&path).unwrap();
        assert!(invalid(ask()), "{file} is a directory");
        fs::remove_dir(&path).unwrap();
        let made = Command::new("mkfifo").args(["-m", "600"]).arg(&path).status().unwrap();
        assert!(made.success(), "mkfifo of coreutils is needed");
        assert!(invalid(ask()), "{file} is a pipe");
        fs::remove_file(&path).unwrap();
        let target = directory.path().join("target");
        fs::write(&target, &whole).unwrap();
        fs::set_permissions(&target, fs::Permissions::from_mode(0o600)).unwrap();
        symlink(&target, &path).unwrap();
        assert!(invalid(ask()), "{file} is a link");
        fs::remove_file(&path).unwrap();
        fs::write(&path, &whole).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(invalid(ask()), "{file} is open to others"); // which does not heal
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        ask().unwrap();
    }
    // A directory that leads out of the vault.
    fs::rename(&key, &moved).unwrap();
    symlink(&moved, &key).unwrap();
    assert!(invalid(ask()));
    assert!(matches!(vault.rotate("one"), Err(LocalVaultError::Damaged { .. })));
    assert!(matches!(vault.create("one"), Err(LocalVaultError::Damaged { .. })));
    fs::remove_file(&key).unwrap();
    fs::rename(&moved, &key).unwrap();
    // A key file without an entry is not a version that was deleted.
    let second = id_of(&vault, "one", 2);
    let unlisted = key.join(format!("{}.aes", second.version()));
    fs::copy(key.join(&private), &unlisted).unwrap();
    assert!(invalid(block_on(Vault::unwrap(&vault, &second, KW, &wrapped))));
    // It is not listed later, and stays.
    vault.rotate("one").unwrap();
    assert!(vault.show("one").unwrap().version(second.version()).is_err());
    assert!(invalid(block_on(Vault::unwrap(&vault, &second, KW, &wrapped))));
    assert!(unlisted.exists());
    ask().unwrap();
    let identities = vault.path().join("identities.json");
    fs::write(&identities, "{\"identities\":{}}").unwrap();
    fs::set_permissions(&identities, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(invalid(block_on(vault.as_identity("billing").unwrap(&id, KW, &wrapped))));
}

/// An id that was given out names its key for ever, as a number for a version could not promise.
#[test]
fn no_id_names_two_keys_after_a_purge_or_in_two_copies_of_a_vault() {
    let (directory, vault, _clock) = new_vault();
    for options in [aes(), KeyOptions::default()] {
        let first = vault.create_with("documents", options.clone()).unwrap();
        vault.delete("documents").unwrap();
        vault.purge("documents").unwrap();
        let again = vault.create_with("documents", options).unwrap();
        assert_ne!(first, again, "a purge freed the id");
        let asked = VersionedKeyId::try_from(&first).unwrap();
        let gone = block_on(Vault::describe(&vault, &asked)).unwrap_err();
        assert_eq!(gone, denied(DeniedReason::KeyMissing, Some(&asked)));
        vault.delete("documents").unwrap();
        vault.purge("documents").unwrap();
    }

    let kept = vault.create_with("documents", aes()).unwrap();
    let copied = directory.path().join("copy");
    let done = Command::new("cp").arg("-rp").arg(vault.path()).arg(&copied).status().unwrap();
    assert!(done.success());
    let copy = LocalVault::open(&copied).unwrap();
    let (mine, theirs) = (vault.rotate("documents").unwrap(), copy.rotate("documents").unwrap());
    assert_ne!(mine, theirs, "two copies made one id for two keys");
    let wrapped = |vault: &LocalVault, id: &LocalKeyId| {
        vault.wrap(&KeyId::new(&id.to_string()).unwrap(), KW, &[1; 32])
    };
    for (asked, id, listed) in [(&vault, &theirs, &mine), (&copy, &mine, &theirs)] {
        let error = wrapped(asked, id).unwrap_err();
        assert!(matches!(error, LocalVaultError::VersionMissing { .. }), "{error}");
        let versions = asked.show("documents").unwrap().versions;
        let order: Vec<&LocalKeyId> = versions.iter().map(|version| &version.id).collect();
        assert_eq!(order, [&kept, listed]);
    }
}

#[test]
fn a_version_is_named_by_the_beginning_of_its_id_where_that_is_the_only_one() {
    let (_directory, vault, _clock) = new_vault();
    vault.create_with("one", aes()).unwrap();
    let mut key = vault.show("one").unwrap();
    let ids = ["0123", "0123", "4567"].map(|start| format!("{start}{}", "0".repeat(28)));
    let ids = [&ids[0], &ids[1].replace("30", "31"), &ids[2]].map(String::from);
    let made = key.versions.remove(0);
    key.versions.extend(ids.iter().map(|id| {
        let id = KeyId::new(&format!("local/{}/one/{id}", vault.id())).unwrap();
        KeyVersion { id: LocalKeyId::parse(&id).unwrap(), ..made.clone() }
    }));
    let found = |typed: &str| Ok(key.version(typed)?.id.version().to_string());
    let refused = |typed: &str| -> LocalVaultError { found(typed).unwrap_err() };
    for id in &ids {
        assert_eq!(found(id).unwrap(), *id);
    }
    assert_eq!(found("4567").unwrap(), ids[2]);
    assert_eq!(found("01231").unwrap(), ids[1]);

    let error = refused("0123");
    assert!(matches!(error, LocalVaultError::VersionAmbiguous { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains(&ids[0]) && text.contains(&ids[1]) && !text.contains(&ids[2]), "{text}");
    let error = refused("89ab");
    assert!(matches!(error, LocalVaultError::VersionUnknown { .. }), "{error}");
    assert!(ids.iter().all(|id| error.to_string().contains(id)), "{error}");
    for no_beginning in ["", "456", "4567x", "ABCD", "../.", &format!("{}0", ids[2])] {
        let error = refused(no_beginning);
        assert!(matches!(error, LocalVaultError::Setting { .. }), "{no_beginning:?}: {error}");
    }
}

#[test]
fn a_key_whose_retention_has_ended_is_purged_on_the_word_of_who_knows_the_date() {
    for purge_protection in [false, true] {
        let options = InitOptions { retention_days: 7, purge_protection, ..InitOptions::default() };
        let (_directory, vault, clock) = vault_with(options);
        for (name, deleted) in [("old", START), ("new", START + 5 * DAY), ("live", START)] {
            clock.set(deleted);
            vault.create_with(name, aes()).unwrap();
            if name != "live" {
                vault.delete(name).unwrap();
            }
        }
        let purged = |until: u64| {
            let purged = vault.purge_expired(until)?;
            Ok::<_, LocalVaultError>(purged.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        let left = || vault.list_deleted().unwrap().len();
        clock.set(START + 7 * DAY - 1);
        assert!(purged(START + 7 * DAY - 1).unwrap().is_empty());
        // Not on the word of the one alone: a date that is to come, or a clock that jumped ahead.
        let error = purged(START + 7 * DAY).unwrap_err();
        assert!(matches!(error, LocalVaultError::Setting { .. }), "{error}");
        clock.set(START + 10_000 * DAY);
        assert!(purged(START + 7 * DAY - 1).unwrap().is_empty());
        assert_eq!(left(), 2);
        assert_eq!(purged(START + 7 * DAY).unwrap(), ["old"]);
        assert_eq!(purged(START + 12 * DAY).unwrap(), ["new"]);
        assert!(purged(START + 100 * DAY).unwrap().is_empty());
        assert_eq!((left(), names(&vault)), (0, vec!["live".to_owned()]));
        // No other change purges anything.
        vault.delete("live").unwrap();
        vault.create_with("other", aes()).unwrap();
        vault.rotate("other").unwrap();
        assert_eq!(left(), 1);
    }
}

#[test]
fn a_rotation_keeps_the_time_for_which_a_version_was_meant_to_wrap() {
    let (_directory, vault, clock) = new_vault();
    let newest = |name: &str| {
        let version = vault.show(name).unwrap().versions.pop().unwrap();
        (version.not_before, version.expires)
    };
    // Ninety days from its making, and from its beginning.
    let expires = Some(START + 90 * DAY);
    vault.create_with("made", KeyOptions { expires, ..aes() }).unwrap();
    let (not_before, expires) = (Some(START + 10 * DAY), Some(START + 100 * DAY));
    vault.create_with("begun", KeyOptions { not_before, expires, ..aes() }).unwrap();
    vault.create_with("lasting", aes()).unwrap();
    clock.set(START + 80 * DAY);
    for name in ["made", "begun", "lasting"] {
        vault.rotate(name).unwrap();
        let expires = (name != "lasting").then_some(START + 170 * DAY);
        assert_eq!(newest(name), (None, expires), "{name}");
    }
    // The other versions keep theirs.
    assert_eq!(vault.show("begun").unwrap().versions[0].not_before, Some(START + 10 * DAY));
    // Again, the same time from the new one's own beginning.
    clock.set(START + 100 * DAY);
    let not_before = Some(START + 120 * DAY);
    let with = |expires| RotateOptions { not_before, expires };
    vault.rotate_with("made", with(DateChange::Keep)).unwrap();
    assert_eq!(newest("made"), (not_before, Some(START + 210 * DAY)));
    vault.rotate_with("made", with(DateChange::Remove)).unwrap();
    assert_eq!(newest("made"), (not_before, None));
    vault.rotate_with("made", with(DateChange::Set(START + 121 * DAY))).unwrap();
    assert_eq!(newest("made"), (not_before, Some(START + 121 * DAY)));
    let before = vault.show("made").unwrap();
    let error = vault.rotate_with("made", with(DateChange::Set(START))).unwrap_err();
    assert!(matches!(error, LocalVaultError::Setting { .. }), "{error}");
    assert_eq!(vault.show("made").unwrap(), before);
    // One that was ended by its date has no time to keep.
    vault.set_dates("lasting", Versions::Newest, DateChange::Keep, Some(START)).unwrap();
    vault.rotate("lasting").unwrap();
    assert_eq!(newest("lasting"), (None, None));
}

#[test]
fn one_date_is_changed_and_the_other_stays() {
    let (_directory, vault, _clock) = new_vault();
    vault.create_with("one", aes()).unwrap();
    let dates = || {
        let versions = vault.show("one").unwrap().versions;
        versions.iter().map(|version| (version.not_before, version.expires)).collect::<Vec<_>>()
    };
    let set = |versions, not_before, expires| vault.set_dates("one", versions, not_before, expires);
    set(Versions::Newest, DateChange::Set(5), DateChange::Keep).unwrap();
    set(Versions::Newest, DateChange::Keep, DateChange::Set(9)).unwrap();
    assert_eq!(dates(), [(Some(5), Some(9))]);
    vault.rotate("one").unwrap();
    let kept = dates();
    // In one version it cannot be: then nothing has changed in any.
    let error = set(Versions::All, DateChange::Set(9), DateChange::Keep).unwrap_err();
    assert!(matches!(error, LocalVaultError::Setting { .. }), "{error}");
    assert_eq!(dates(), kept);
    set(Versions::All, DateChange::Remove, DateChange::Keep).unwrap();
    assert_eq!(dates(), [(None, kept[0].1), (None, kept[1].1)]);
    set(Versions::All, DateChange::Keep, DateChange::Remove).unwrap();
    assert_eq!(dates(), [(None, None); 2]);
}

#[test]
fn a_vault_says_its_new_place_to_who_opens_it_from_then_on() {
    for passphrase in [None, Some("open")] {
        let (_directory, vault, _clock) = vault_with(InitOptions {
            passphrase: passphrase.map(secret),
            ..InitOptions::default()
        });
        let place = Place { tenant: Some("contoso".to_owned()), region: None };
        vault.set_place(place.clone()).unwrap();
        assert_eq!(vault.settings().unwrap().place, place);
        assert_eq!(reopen(vault.path(), passphrase).unwrap().place(), place);
    }
}

#[test]
fn a_key_made_elsewhere_is_imported() {
    let (_directory, vault, _clock) = new_vault();
    let key = PrivateKey::generate().unwrap();
    let wrapped = key.public_key().encrypt_oaep_256(b"payload").unwrap();
    let again = PrivateKey::from_pkcs8_der(key.to_pkcs8_der().unwrap().expose()).unwrap();
    let id = vault.import_rsa("theirs", key, KeyOptions::default()).unwrap();
    let id = KeyId::new(&id.to_string()).unwrap();
    assert_eq!(vault.unwrap(&id, OAEP, &wrapped).unwrap().expose(), b"payload");
    let error = vault.import_rsa("theirs", again, KeyOptions::default()).unwrap_err();
    assert!(matches!(error, LocalVaultError::KeyExists { .. }), "{error}");
    let error = vault.import_rsa("aes", PrivateKey::generate().unwrap(), aes()).unwrap_err();
    assert!(matches!(error, LocalVaultError::Setting { .. }), "{error}");
    assert_eq!(names(&vault), ["theirs"]);
}

/// The answer does not say whether the padding or what it holds is wrong.
#[test]
fn a_secret_of_another_form_is_answered_as_a_changed_one_is() {
    let (_directory, vault, _clock) = new_vault();
    let rsa = vault.create("rsa").unwrap().to_string();
    let oct = vault.create_with("oct", aes()).unwrap().to_string();
    for (id, algorithm) in [(rsa, OAEP), (oct, KW)] {
        let id = KeyId::new(&id).unwrap();
        let wrap = |payload: &[u8]| vault.wrap(&id, algorithm, payload).unwrap();
        let expected = Expected::new(b"SRMDK\x01\x01\x01", 40);
        let sound = [&b"SRMDK\x01\x01\x01"[..], &[7; 32]].concat();
        let mut other = sound.clone();
        other[7] = 2;
        let mut changed = wrap(&sound);
        changed[20] ^= 1;
        let unwrapped = vault.unwrap_expected(&id, algorithm, &wrap(&sound), expected).unwrap();
        assert_eq!(unwrapped.expose(), sound);

        let wrapped = [changed, wrap(&other), wrap(&sound[..32])];
        let items = wrapped.each_ref().map(|wrapped| (&wrapped[..], expected));
        let in_batch = vault.unwrap_batch_expected(&id, algorithm, &items).unwrap();
        assert_eq!(in_batch.len(), 3);
        for (wrapped, in_batch) in wrapped.iter().zip(in_batch) {
            let alone = vault.unwrap_expected(&id, algorithm, wrapped, expected);
            for error in [alone.unwrap_err(), in_batch.unwrap_err()] {
                let source = strongroom::Error::Authentication;
                let one_answer = LocalVaultError::Key { key: id.to_string(), source };
                assert_eq!(format!("{error:?}"), format!("{one_answer:?}"));
            }
        }
    }
}

/// This test program again, running the test `test` alone as another process.
fn child(test: &str, vault: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(CHILD_VAULT, vault)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn writers_that_are_killed_lose_no_version_and_leave_no_half() {
    const KILLS: u64 = 200;
    // What a machine that is busy with other things may need until enough was met.
    const KILLS_AT_MOST: u64 = 4_000;
    let (_directory, vault, _clock) = new_vault();
    let path = vault.path().to_owned();
    let kept = KeyId::new(&vault.create_with("kept", aes()).unwrap().to_string()).unwrap();
    let wrapped = vault.wrap(&kept, KW, &[1; 32]).unwrap();
    let (mut acknowledged, mut changed, mut reach) = (0, 0, 12_000);
    for kill in 0..KILLS_AT_MOST {
        if kill >= KILLS && acknowledged >= 100 && changed >= 30 {
            break;
        }
        let mut children = [0, 1].map(|_| child("as_another_process_change_until_killed", &path));
        // Differs from time to time, and reaches from the start of the process on: further where
        // processes get so little time that none came to a change.
        std::thread::sleep(Duration::from_micros(1_500 + kill * 7_919 % reach));
        let mut told = BTreeSet::new();
        for child in &mut children {
            child.kill().unwrap();
            child.wait().unwrap();
            let mut text = String::new();
            std::io::Read::read_to_string(&mut child.stdout.take().unwrap(), &mut text).unwrap();
            told.extend(
                text.lines().filter_map(|line| VersionId::parse(line.strip_prefix("version ")?)),
            );
        }
        let vault = LocalVault::open(&path).unwrap();
        let versions = vault.show("kept").unwrap().versions;
        let listed: BTreeSet<VersionId> =
            versions.iter().map(|version| version.id.version()).collect();
        assert_eq!(listed.len(), versions.len());
        assert!(listed.is_superset(&told), "{told:?} were told, {listed:?} are there");
        acknowledged += told.len();
        changed += usize::from(!told.is_empty());
        reach = if told.is_empty() {
            (reach + reach / 8).min(400_000)
        } else {
            reach.max(12_000 + reach / 8) - reach / 8
        };
        vault.set_enabled("kept", Versions::All, true).unwrap();
        assert_eq!(vault.unwrap(&kept, KW, &wrapped).unwrap().expose(), [1; 32]);
        for version in &versions {
            let id = KeyId::new(&version.id.to_string()).unwrap();
            vault.wrap(&id, KW, &[2; 32]).unwrap();
        }
        for key in vault.list_deleted().unwrap() {
            vault.purge(key.key.name.as_str()).unwrap();
        }
        vault.identities().unwrap();
        let left = fs::read_dir(path.join("keys/kept")).unwrap();
        let left = left
            .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with('.'));
        assert_eq!(left.count(), 0);
    }
    assert!(acknowledged >= 100 && changed >= 30, "{acknowledged} versions in {changed} rounds");
}

/// No test of its own: what [`child`] runs.
#[test]
fn as_another_process_change_until_killed() {
    let Some(path) = std::env::var_os(CHILD_VAULT) else { return };
    let vault = LocalVault::open(Path::new(&path)).unwrap();
    loop {
        // The version counts as told once it is on its way.
        println!("version {}", vault.rotate("kept").unwrap().version());
        let name = format!("of-{}", std::process::id());
        vault.set_enabled("kept", Versions::Newest, false).unwrap();
        let _ = vault.create_with(&name, aes());
        vault.grant(&name, Some("kept"), Operations::from(Operation::ALL)).unwrap();
        let _ = vault.delete(&name);
        let _ = vault.purge(&name);
    }
}
