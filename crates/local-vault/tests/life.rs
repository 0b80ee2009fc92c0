//! The local vault from outside: its life on disk, many writers, crashes, permissions and ids that
//! an attacker chose.

#![allow(clippy::unwrap_used, reason = "a test helper that fails is a failed test")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use strongroom::wrap::{Algorithm, KeyId};
use strongroom_local_vault::LocalVault;
use strongroom_local_vault::{KeyKind, KeyOptions, LocalKeyId, LocalVaultError, VersionId};
use strongroom_vault::{Operation, Operations};
use tempfile::TempDir;

/// Names the vault to the copies of this test program that act as other processes.
const CHILD_VAULT: &str = "STRONGROOM_TEST_CHILD_VAULT";

/// The id of a version that nobody made.
const UNUSED: &str = "00000000000000000000000000000009";

fn new_vault() -> (TempDir, LocalVault) {
    let directory = tempfile::tempdir().unwrap();
    let vault = LocalVault::init(&directory.path().join("vault")).unwrap();
    (directory, vault)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Every path below `directory`, relative to it.
fn tree(directory: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut waiting = vec![directory.to_owned()];
    while let Some(next) = waiting.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            found.insert(path.strip_prefix(directory).unwrap().to_owned());
            if path.is_dir() {
                waiting.push(path);
            }
        }
    }
    found
}

/// Wraps with the newest version of `name` and gives back its id and what was wrapped.
fn wrap(vault: &LocalVault, name: &str, payload: &[u8]) -> (KeyId, Vec<u8>) {
    let key = vault.wrapping_key(name).unwrap();
    (key.id().clone(), key.wrap(payload).unwrap())
}

/// The versions of a key in the vault's order.
fn versions(vault: &LocalVault, name: &str) -> Vec<VersionId> {
    let keys = vault.list().unwrap();
    let key = keys.iter().find(|key| key.name.as_str() == name).unwrap();
    key.versions.iter().map(|version| version.id.version()).collect()
}

/// This test program again, running the test `test` alone as another process.
fn child(test: &str, vault: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test])
        .env(CHILD_VAULT, vault)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn a_key_wraps_rotates_and_unwraps_with_each_version() {
    let (_directory, vault) = new_vault();
    let first = vault.create("invoices").unwrap();
    assert_eq!(first.to_string(), format!("local/{}/invoices/{}", vault.id(), first.version()));
    let (first_id, first_wrapped) = wrap(&vault, "invoices", b"sealed before");
    assert_eq!(first_id.as_str(), first.to_string());

    let second = vault.rotate("invoices").unwrap();
    assert_eq!(versions(&vault, "invoices"), [first.version(), second.version()]);
    let (second_id, second_wrapped) = wrap(&vault, "invoices", b"sealed after");
    assert_eq!(second_id.as_str(), second.to_string());

    // Another process sees the same vault.
    let vault = LocalVault::open(vault.path()).unwrap();
    let oaep = Algorithm::RsaOaep256;
    assert_eq!(vault.unwrap(&first_id, oaep, &first_wrapped).unwrap().expose(), b"sealed before");
    assert_eq!(vault.unwrap(&second_id, oaep, &second_wrapped).unwrap().expose(), b"sealed after");

    let error = vault.unwrap(&second_id, oaep, &first_wrapped).unwrap_err();
    assert!(matches!(error, LocalVaultError::Key { .. }), "{error}");
    let error = vault.unwrap(&first_id, Algorithm::A256Kw, &first_wrapped).unwrap_err();
    assert!(matches!(error, LocalVaultError::Algorithm { .. }), "{error}");
}

#[test]
fn a_batch_is_unwrapped_in_order_and_one_bad_key_does_not_disturb_the_others() {
    let (_directory, vault) = new_vault();
    vault.create("invoices").unwrap();
    let payloads: Vec<Vec<u8>> = (0..12).map(|n| vec![n; 40]).collect();
    let mut wrapped: Vec<Vec<u8>> =
        payloads.iter().map(|payload| wrap(&vault, "invoices", payload).1).collect();
    let (id, _) = wrap(&vault, "invoices", b"any");
    wrapped[7][0] ^= 1;
    wrapped[9].pop();
    let wrapped: Vec<&[u8]> = wrapped.iter().map(Vec::as_slice).collect();

    let oaep = Algorithm::RsaOaep256;
    let unwrapped = vault.unwrap_batch(&id, oaep, &wrapped).unwrap();
    assert_eq!(unwrapped.len(), wrapped.len());
    for (n, (result, payload)) in unwrapped.iter().zip(&payloads).enumerate() {
        match result {
            Ok(secret) => assert!(secret.expose() == payload && n != 7 && n != 9, "{n}"),
            Err(LocalVaultError::Key { key, .. }) => {
                assert!(key == id.as_str() && (n == 7 || n == 9));
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert!(vault.unwrap_batch(&id, oaep, &[]).unwrap().is_empty());

    let error = vault.unwrap_batch(&id, Algorithm::A256Kw, &wrapped).unwrap_err();
    assert!(matches!(error, LocalVaultError::Algorithm { .. }), "{error}");
    let gone = format!("local/{}/invoices/{UNUSED}", vault.id());
    let error = vault.unwrap_batch(&KeyId::new(&gone).unwrap(), oaep, &wrapped).unwrap_err();
    assert!(matches!(error, LocalVaultError::VersionMissing { .. }), "{error}");
}

#[test]
fn the_directory_holds_what_is_documented_and_nothing_else() {
    let (_directory, vault) = new_vault();
    let b1 = vault.create("b-key").unwrap().version();
    let a1 = vault.create("a-key").unwrap().version();
    let b2 = vault.rotate("b-key").unwrap().version();

    let aes = KeyOptions { kind: KeyKind::Oct, ..KeyOptions::default() };
    let c1 = vault.create_with("c-key", aes).unwrap().version();
    vault.grant("billing", None, Operations::from(Operation::ALL)).unwrap();

    let expected = [
        "audit.jsonl".to_owned(),
        "identities.json".to_owned(),
        "keys".to_owned(),
        "keys/a-key".to_owned(),
        format!("keys/a-key/{a1}.pem"),
        format!("keys/a-key/{a1}.pub.pem"),
        "keys/a-key/attributes.json".to_owned(),
        "keys/b-key".to_owned(),
        format!("keys/b-key/{b1}.pem"),
        format!("keys/b-key/{b1}.pub.pem"),
        format!("keys/b-key/{b2}.pem"),
        format!("keys/b-key/{b2}.pub.pem"),
        "keys/b-key/attributes.json".to_owned(),
        "keys/c-key".to_owned(),
        format!("keys/c-key/{c1}.aes"),
        "keys/c-key/attributes.json".to_owned(),
        "vault.json".to_owned(),
    ];
    let found = tree(vault.path());
    assert_eq!(found, expected.iter().map(PathBuf::from).collect());
    assert_eq!(mode(vault.path()), 0o700);
    for path in found {
        let path = vault.path().join(path);
        assert_eq!(mode(&path), if path.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
    }

    let keys = vault.list().unwrap();
    let names: Vec<&str> = keys.iter().map(|key| key.name.as_str()).collect();
    assert_eq!(names, ["a-key", "b-key", "c-key"]);
    assert_eq!(versions(&vault, "b-key"), [b1, b2]);
    for version in keys.iter().flat_map(|key| &key.versions) {
        let aes = version.id.name().as_str() == "c-key";
        assert_eq!(version.algorithm, if aes { Algorithm::A256Kw } else { Algorithm::RsaOaep256 });
        assert!(version.created.elapsed().unwrap().as_secs() < 600);
    }
}

#[test]
fn a_vault_is_copied_whole_while_its_keys_are_rotated() {
    let (directory, vault) = new_vault();
    let aes = KeyOptions { kind: KeyKind::Oct, ..KeyOptions::default() };
    vault.create_with("service", aes).unwrap();
    vault.create("documents").unwrap();
    vault.grant("billing", None, Operations::from(Operation::ALL)).unwrap();
    let newest = || vault.show("service").unwrap().versions.last().unwrap().id.clone();
    let mut changed = 0;
    thread::scope(|scope| {
        let rotating = scope.spawn(|| (0..60).for_each(|_| drop(vault.rotate("service").unwrap())));
        let mut copies = 0;
        while !rotating.is_finished() {
            let before = newest();
            let path = directory.path().join(format!("copy-{copies}"));
            vault.copy_to(&path).unwrap();
            let copy = LocalVault::open(&path).unwrap();
            let has = copy.show("service").unwrap().versions.iter().any(|one| one.id == before);
            assert!(has, "what was there when it began is there");
            assert_eq!(copy.show("documents").unwrap(), vault.show("documents").unwrap());
            assert_eq!(copy.identities().unwrap(), vault.identities().unwrap());
            copy.backup("service").unwrap();
            copy.audit(None, &mut |_| {}).unwrap();
            changed += usize::from(newest() != before);
            copies += 1;
            assert!(matches!(vault.copy_to(&path), Err(LocalVaultError::NotEmpty { .. })));
        }
    });
    assert!(changed >= 3, "{changed} copies of a vault that changed meanwhile");

    let path = vault.path().join("keys/service");
    let key = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path());
    let key = key.filter(|path| path.extension().unwrap() == "aes").max().unwrap();
    fs::write(&key, "0".repeat(64)).unwrap();
    let refused = vault.copy_to(&directory.path().join("damaged")).unwrap_err();
    assert!(matches!(refused, LocalVaultError::Damaged { path, .. } if path == key));
}

#[test]
fn many_threads_and_processes_rotate_one_key_and_lose_none() {
    const THREADS: usize = 6;
    const PROCESSES: usize = 4;

    let (_directory, vault) = new_vault();
    let first = vault.create("shared").unwrap().version();
    let children: Vec<Child> =
        (0..PROCESSES).map(|_| child("as_another_process_rotate", vault.path())).collect();
    let mut ids = BTreeSet::new();
    thread::scope(|scope| {
        let threads: Vec<_> =
            (0..THREADS).map(|_| scope.spawn(|| vault.rotate("shared").unwrap())).collect();
        ids.extend(threads.into_iter().map(|thread| thread.join().unwrap().version()));
    });
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(ids.len(), THREADS, "two threads were told the same version");
    let listed = versions(&vault, "shared");
    assert_eq!((listed[0], listed.len()), (first, 1 + THREADS + PROCESSES));
    assert!(ids.iter().all(|id| listed.contains(id)));

    // Each version is a whole key of its own.
    let pems: BTreeSet<String> = listed
        .iter()
        .map(|version| vault.path().join(format!("keys/shared/{version}.pem")))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    assert_eq!(pems.len(), listed.len());
    wrap(&vault, "shared", b"payload");
}

/// No test of its own: what [`child`] runs.
#[test]
fn as_another_process_rotate() {
    if let Some(vault) = std::env::var_os(CHILD_VAULT) {
        LocalVault::open(Path::new(&vault)).unwrap().rotate("shared").unwrap();
    }
}

#[test]
fn of_many_who_create_a_vault_or_a_key_one_succeeds() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("deep/er/vault");
    let outcomes = |work: &(dyn Fn() -> Result<(), LocalVaultError> + Sync)| {
        thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        })
    };
    let made = outcomes(&|| LocalVault::init(&path).map(drop));
    assert_eq!(made.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    for error in made.into_iter().filter_map(Result::err) {
        assert!(matches!(error, LocalVaultError::AlreadyInitialised { .. }), "{error}");
    }

    let vault = LocalVault::open(&path).unwrap();
    let made = outcomes(&|| vault.create("one").map(drop));
    assert_eq!(made.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    for error in made.into_iter().filter_map(Result::err) {
        assert!(matches!(error, LocalVaultError::KeyExists { .. }), "{error}");
    }
    assert_eq!(versions(&vault, "one").len(), 1);
}

#[test]
fn what_a_crash_leaves_is_ignored_and_swept_by_the_next_writer() {
    let (_directory, vault) = new_vault();
    let first = vault.create("kept").unwrap().version();
    let key = vault.path().join("keys/kept");
    let temporary = || strongroom_files::temporary_name("".as_ref()).unwrap();
    let leftover = key.join(temporary());
    fs::write(&leftover, b"-----BEGIN PRIV").unwrap();
    // Killed after the directory was made and before the key had its name.
    fs::create_dir(vault.path().join("keys/half")).unwrap();
    fs::write(vault.path().join("keys/half").join(temporary()), b"").unwrap();
    // And files that are no keys.
    for name in ["1.pem".to_owned(), format!("{first}.pem.bak"), format!("{first}0.pem")] {
        fs::write(key.join(name), b"").unwrap();
    }

    assert_eq!(versions(&vault, "kept"), [first]);
    assert_eq!(vault.list().unwrap().len(), 1, "a directory without a version is no key");
    let second = vault.rotate("kept").unwrap().version();
    assert!(!leftover.exists());
    assert_eq!(versions(&vault, "kept"), [first, second]);

    let half = vault.create("half").unwrap().version();
    assert_eq!(
        tree(&vault.path().join("keys/half")),
        [format!("{half}.pem"), format!("{half}.pub.pem"), "attributes.json".to_owned()]
            .iter()
            .map(PathBuf::from)
            .collect()
    );

    // A vault whose making was cut short is made now.
    let path = vault.path().parent().unwrap().join("second");
    fs::create_dir_all(path.join("keys")).unwrap();
    fs::write(path.join(temporary()), b"{").unwrap();
    LocalVault::init(&path).unwrap();
    assert_eq!(
        tree(&path),
        ["audit.jsonl", "vault.json", "keys"].iter().map(PathBuf::from).collect()
    );
}

#[test]
fn what_others_can_read_is_refused_with_the_command_that_mends_it() {
    let (_directory, vault) = new_vault();
    vault.create("one").unwrap();
    let (id, wrapped) = wrap(&vault, "one", b"payload");

    let pem = vault.path().join(format!("keys/one/{}.pem", versions(&vault, "one")[0]));
    for exposed in [0o640, 0o604, 0o660, 0o620] {
        set_mode(&pem, exposed);
        let error = vault.unwrap(&id, Algorithm::RsaOaep256, &wrapped).unwrap_err();
        assert!(matches!(error, LocalVaultError::Exposed { .. }), "{error}");
        assert!(error.to_string().contains("make it private to its owner (mode 600)"), "{error}");
        // What it wraps could not be unwrapped.
        let refused = vault.wrapping_key("one").map(drop).unwrap_err();
        assert!(matches!(refused, LocalVaultError::Exposed { .. }), "{refused}");
    }
    set_mode(&pem, 0o400);
    vault.unwrap(&id, Algorithm::RsaOaep256, &wrapped).unwrap();

    for exposed in [0o750, 0o705, 0o711, 0o777] {
        set_mode(vault.path(), exposed);
        let error = LocalVault::open(vault.path()).unwrap_err();
        assert!(matches!(error, LocalVaultError::Exposed { .. }), "{error}");
        assert!(error.to_string().contains("make it private to its owner (mode 700)"), "{error}");
    }
    set_mode(vault.path(), 0o700);
    LocalVault::open(vault.path()).unwrap();
}

#[test]
fn only_ids_of_this_vault_are_tried() {
    let (_directory, vault) = new_vault();
    let (_other_directory, other) = new_vault();
    vault.create("one").unwrap();
    other.create("one").unwrap();
    let (id, wrapped) = wrap(&other, "one", b"payload");
    let oaep = Algorithm::RsaOaep256;

    let error = vault.unwrap(&id, oaep, &wrapped).unwrap_err();
    assert!(matches!(error, LocalVaultError::OtherVault { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains(other.id().as_str()) && text.contains(vault.id().as_str()), "{text}");

    let gone = KeyId::new(&format!("local/{}/one/{UNUSED}", vault.id())).unwrap();
    let error = vault.unwrap(&gone, oaep, &wrapped).unwrap_err();
    assert!(matches!(error, LocalVaultError::VersionMissing { .. }), "{error}");

    // A private key that lies where a path trick would find it must not be found.
    let version = versions(&vault, "one")[0];
    let pem = format!("{version}.pem");
    let own = fs::read(vault.path().join("keys/one").join(&pem)).unwrap();
    fs::write(vault.path().join(&pem), own).unwrap();
    set_mode(&vault.path().join(&pem), 0o600);
    for name in ["..", ".", "one/..", "one/../one", "%2e%2e", "one//", "a\\b"] {
        let id = KeyId::new(&format!("local/{}/{name}/{version}", vault.id())).unwrap();
        let error = vault.unwrap(&id, oaep, &wrapped).unwrap_err();
        assert!(matches!(error, LocalVaultError::ForeignId { .. }), "{error}");
    }
    for version in
        ["1", "..", "%2e", &version.to_string()[1..], &version.to_string().to_uppercase()]
    {
        let id = KeyId::new(&format!("local/{}/one/{version}", vault.id())).unwrap();
        let error = vault.unwrap(&id, oaep, &wrapped).unwrap_err();
        assert!(matches!(error, LocalVaultError::ForeignId { .. }), "{version}: {error}");
    }
    let id = KeyId::new("https://contoso.vault.azure.net/keys/one/1").unwrap();
    assert!(matches!(vault.unwrap(&id, oaep, &wrapped), Err(LocalVaultError::ForeignId { .. })));
    assert!(LocalKeyId::parse(&id).is_err());
}

#[test]
fn a_mistyped_name_lists_what_there_is() {
    let (_directory, vault) = new_vault();
    let error = vault.rotate("invoice").unwrap_err().to_string();
    assert!(
        error.ends_with("has no key \"invoice\"; it has no keys yet: create one first"),
        "{error}"
    );
    vault.create("invoices").unwrap();
    vault.create("default").unwrap();
    let error = vault.wrapping_key("invoice").unwrap_err().to_string();
    assert!(error.ends_with("has no key \"invoice\"; it has: default, invoices"), "{error}");

    for name in ["", "..", "../invoices", "/etc/passwd", "a.b", ".strongroom-tmp-1", "a\0b"] {
        assert!(matches!(vault.create(name), Err(LocalVaultError::Name { .. })), "{name:?}");
        assert!(matches!(vault.rotate(name), Err(LocalVaultError::Name { .. })), "{name:?}");
        assert!(matches!(vault.wrapping_key(name), Err(LocalVaultError::Name { .. })), "{name:?}");
    }
    let error = vault.create("default").unwrap_err();
    assert!(matches!(error, LocalVaultError::KeyExists { .. }), "{error}");
}

#[test]
fn a_directory_that_is_no_vault_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("documents");
    assert!(matches!(LocalVault::open(&path), Err(LocalVaultError::Missing { .. })));
    fs::create_dir(&path).unwrap();
    assert!(matches!(LocalVault::open(&path), Err(LocalVaultError::Missing { .. })));
    fs::write(path.join("thesis.pdf"), b"%PDF").unwrap();
    set_mode(&path, 0o755);
    assert!(matches!(LocalVault::init(&path), Err(LocalVaultError::NotEmpty { .. })));
    assert_eq!(mode(&path), 0o755);
    assert_eq!(tree(&path), BTreeSet::from([PathBuf::from("thesis.pdf")]));
    assert!(matches!(
        LocalVault::open(&path.join("thesis.pdf")),
        Err(LocalVaultError::Missing { .. })
    ));
}

#[test]
fn damage_is_named_with_its_file() {
    let (_directory, vault) = new_vault();
    vault.create("one").unwrap();
    let (id, wrapped) = wrap(&vault, "one", b"payload");
    let pem = vault.path().join(format!("keys/one/{}.pem", versions(&vault, "one")[0]));
    let long = vec![b'x'; 100_000];
    for contents in [&b""[..], b"-----BEGIN PRIVATE KEY-----\n", b"\xff\xfe", &long] {
        fs::write(&pem, contents).unwrap();
        let error = vault.unwrap(&id, Algorithm::RsaOaep256, &wrapped).unwrap_err();
        assert!(error.to_string().contains(pem.to_str().unwrap()), "{error}");
    }
    fs::remove_file(&pem).unwrap();
    fs::create_dir(&pem).unwrap();
    set_mode(&pem, 0o700);
    assert!(matches!(
        vault.unwrap(&id, Algorithm::RsaOaep256, &wrapped),
        Err(LocalVaultError::Damaged { .. })
    ));

    let manifest = vault.path().join("vault.json");
    for contents in ["", "{}", "{\"format\":3,\"id\":\"../../etc\"}", "[]"] {
        fs::write(&manifest, contents).unwrap();
        let error = LocalVault::open(vault.path()).unwrap_err();
        assert!(matches!(error, LocalVaultError::Damaged { .. }), "{contents}: {error}");
        assert!(error.to_string().contains("vault.json"), "{error}");
    }
    for format in [0, 1, 2, 4] {
        let other = format!("{{\"format\":{format},\"id\":\"0123456789abcdef\"}}");
        fs::write(&manifest, other).unwrap();
        let error = LocalVault::open(vault.path()).unwrap_err();
        assert!(
            matches!(error, LocalVaultError::Format { found, .. } if found == format),
            "{error}"
        );
    }
}

#[test]
fn a_vault_may_be_reached_through_a_link() {
    let (directory, vault) = new_vault();
    vault.create("one").unwrap();
    let link = directory.path().join("link");
    symlink(vault.path(), &link).unwrap();
    let linked = LocalVault::open(&link).unwrap();
    assert_eq!(linked.id(), vault.id());
    let rotated = linked.rotate("one").unwrap().version();
    assert_eq!(versions(&vault, "one").last(), Some(&rotated));
}
