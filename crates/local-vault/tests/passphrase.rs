//! A vault that gets a passphrase, and loses it.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails should stop")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use strongroom::secret::SecretVec;
use strongroom::wrap::{Algorithm, KeyId};
use strongroom_local_vault::{
    KeyKind, KeyOptions, LocalVault, LocalVaultError, OpenOptions, PassphraseCost, Versions,
};
use strongroom_vault::{Operation, Operations};

const COST: PassphraseCost = PassphraseCost { memory_kib: 64, passes: 1, lanes: 1 };

fn secret(text: &str) -> SecretVec {
    SecretVec::from(text.as_bytes().to_vec())
}

fn open(path: &Path, passphrase: Option<&str>) -> Result<LocalVault, LocalVaultError> {
    let passphrase = passphrase.map(secret);
    LocalVault::open_with(path, OpenOptions { passphrase, ..OpenOptions::default() })
}

/// A vault without a passphrase, and what was wrapped under each of its keys.
struct Scene {
    directory: tempfile::TempDir,
    vault: LocalVault,
    wrapped: Vec<(KeyId, Algorithm, Vec<u8>)>,
}

impl Scene {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let vault = LocalVault::init(&directory.path().join("vault")).unwrap();
        let aes = KeyOptions { kind: KeyKind::Oct, ..KeyOptions::default() };
        let mut wrapped = Vec::new();
        let ids = [
            vault.create("rsa").unwrap(),
            vault.create_with("aes", aes.clone()).unwrap(),
            vault.rotate("aes").unwrap(),
            vault.create_with("gone", aes).unwrap(),
        ];
        for id in ids {
            let is_rsa = id.name().as_str() == "rsa";
            let algorithm = if is_rsa { Algorithm::RsaOaep256 } else { Algorithm::A256Kw };
            let id = KeyId::new(&id.to_string()).unwrap();
            let bytes = vault.wrap(&id, algorithm, &[7; 40]).unwrap();
            wrapped.push((id, algorithm, bytes));
        }
        vault.set_dates("aes", Versions::All, None, Some(4_000_000_000)).unwrap();
        vault.grant("billing", Some("aes"), Operations::from([Operation::Get])).unwrap();
        vault.delete("gone").unwrap();
        Self { directory, vault, wrapped }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("vault")
    }

    /// All that the vault says of itself but whether it has a passphrase; each key does its work.
    fn view(&self, vault: &LocalVault) -> String {
        vault.recover("gone").unwrap();
        for (id, algorithm, wrapped) in &self.wrapped {
            assert_eq!(vault.unwrap(id, *algorithm, wrapped).unwrap().expose(), [7; 40], "{id}");
        }
        vault.delete("gone").unwrap();
        let deleted: Vec<_> =
            vault.list_deleted().unwrap().into_iter().map(|one| one.key).collect();
        format!("{:?} {deleted:?} {:?}", vault.list().unwrap(), vault.identities().unwrap())
    }

    /// The endings of the private keys' names, wherever they are.
    fn endings(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut folders = vec![self.path()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_str().unwrap();
                if path.is_dir() {
                    folders.push(path);
                } else if let Some((_, ending)) = name.rsplit_once('.')
                    && !name.ends_with(".pub.pem")
                {
                    found.insert(ending.to_owned());
                }
            }
        }
        found
    }
}

/// Of two who change the passphrase at once, each after opening the vault, one is told that theirs holds.
#[test]
fn who_opened_the_vault_before_another_changed_its_passphrase_does_not_change_it() {
    let changed = |done: Result<LocalVault, LocalVaultError>| {
        assert!(matches!(done, Err(LocalVaultError::PassphraseChanged { .. })), "{done:?}");
    };
    let scene = Scene::new();
    let before = scene.view(&scene.vault);
    // The first one.
    let other = open(&scene.path(), None).unwrap();
    scene.vault.set_passphrase(&secret("one"), COST).unwrap();
    changed(other.set_passphrase(&secret("lost"), COST));
    // Another one in its place.
    let handles: Vec<_> = (0..4).map(|_| open(&scene.path(), Some("one")).unwrap()).collect();
    let held = handles[0].set_passphrase(&secret("two"), COST).unwrap();
    changed(handles[1].set_passphrase(&secret("lost"), COST));
    changed(handles[2].set_passphrase(&secret("one"), COST));
    changed(handles[3].remove_passphrase());
    assert_eq!(scene.view(&open(&scene.path(), Some("two")).unwrap()), before);
    // Who was told so goes on.
    let held = held.set_passphrase(&secret("three"), COST).unwrap();
    held.remove_passphrase().unwrap();
    let (one, two) = (open(&scene.path(), None).unwrap(), open(&scene.path(), None).unwrap());
    one.set_passphrase(&secret("one"), COST).unwrap();
    changed(two.set_passphrase(&secret("two"), COST));
    assert_eq!(scene.view(&open(&scene.path(), Some("one")).unwrap()), before);
}

#[test]
fn a_passphrase_is_set_changed_and_removed_and_every_key_works() {
    let scene = Scene::new();
    let before = scene.view(&scene.vault);
    let anchor = scene.vault.audit(None, &mut |_| {}).unwrap().head;
    let mut vault = scene.vault.clone();
    for round in 0..2 {
        vault = vault.set_passphrase(&secret("one"), COST).unwrap();
        assert!(vault.settings().unwrap().has_passphrase);
        assert_eq!(scene.endings(), ["json", "jsonl", "sealed"].map(str::to_owned).into());
        assert_eq!(scene.view(&vault), before, "{round}");
        let stays = vault.set_passphrase(&secret("two"), COST).unwrap();
        assert_eq!(scene.view(&stays), before);
        assert_eq!(scene.view(&vault), before, "a handle from before another passphrase works");
        assert!(matches!(
            open(&scene.path(), Some("one")),
            Err(LocalVaultError::PassphraseWrong { .. })
        ));
        assert!(matches!(open(&scene.path(), None), Err(LocalVaultError::PassphraseNeeded { .. })));
        vault = open(&scene.path(), Some("two")).unwrap();
        vault
            .create_with(
                &format!("new-{round}"),
                KeyOptions { kind: KeyKind::Oct, ..KeyOptions::default() },
            )
            .unwrap();
        vault.delete(&format!("new-{round}")).unwrap();
        vault.purge(&format!("new-{round}")).unwrap();

        vault = vault.remove_passphrase().unwrap();
        assert!(!vault.settings().unwrap().has_passphrase);
        assert_eq!(scene.endings(), ["aes", "json", "jsonl", "pem"].map(str::to_owned).into());
        assert_eq!(scene.view(&vault), before);
        assert_eq!(scene.view(&open(&scene.path(), None).unwrap()), before);
        vault = vault.remove_passphrase().unwrap();
    }
    // The trail goes on through all of it.
    let mut operations = Vec::new();
    vault.audit(anchor, &mut |line| operations.push(line.event.operation.clone())).unwrap();
    let count = |name: &str| operations.iter().filter(|operation| *operation == name).count();
    assert_eq!((count("set-passphrase"), count("remove-passphrase")), (4, 2));
}

#[test]
fn a_vault_that_was_made_with_a_passphrase_loses_it_with_its_trail() {
    let scene = Scene::new();
    let path = scene.directory.path().join("made");
    let options = strongroom_local_vault::InitOptions {
        passphrase: Some(secret("one")),
        cost: COST,
        ..Default::default()
    };
    let vault = LocalVault::init_with(&path, options).unwrap();
    vault.create("k").unwrap();
    let anchor = vault.audit(None, &mut |_| {}).unwrap().head;
    let vault = vault.remove_passphrase().unwrap();
    vault.audit(anchor, &mut |_| {}).unwrap();
    open(&path, None).unwrap().audit(anchor, &mut |_| {}).unwrap();
    let vault = vault.set_passphrase(&secret("two"), COST).unwrap();
    vault.audit(anchor, &mut |_| {}).unwrap();
    open(&path, Some("two")).unwrap().audit(anchor, &mut |_| {}).unwrap();
}

#[test]
fn handles_from_before_are_told_to_open_the_vault_again() {
    let scene = Scene::new();
    let changed = |outcome: Result<(), LocalVaultError>| {
        matches!(outcome, Err(LocalVaultError::PassphraseChanged { .. }))
    };
    let uses = |vault: &LocalVault| {
        let (id, algorithm, wrapped) = &scene.wrapped[1];
        [
            vault.unwrap(id, *algorithm, wrapped).map(drop),
            vault.list().map(drop),
            vault.identities().map(drop),
            vault.rotate("aes").map(drop),
            vault.grant("other", None, Operations::default()).map(drop),
            vault.wrapping_key("rsa").map(drop),
            vault.set_passphrase(&secret("x"), COST).map(drop),
        ]
    };
    let sealed = scene.vault.set_passphrase(&secret("one"), COST).unwrap();
    assert!(uses(&scene.vault).into_iter().all(changed));
    sealed.remove_passphrase().unwrap();
    assert!(uses(&sealed).into_iter().all(changed));
    let again = open(&scene.path(), None).unwrap().set_passphrase(&secret("two"), COST).unwrap();
    assert!(uses(&sealed).into_iter().all(changed), "its key is another vault key by now");
    again.list().unwrap();
}

#[test]
fn a_damaged_key_keeps_everything_as_it_was() {
    let scene = Scene::new();
    let (id, ..) = &scene.wrapped[1];
    let version = id.as_str().rsplit('/').next().unwrap();
    let file = scene.path().join("keys/aes").join(format!("{version}.aes"));
    let whole = fs::read(&file).unwrap();
    fs::write(&file, b"00").unwrap();
    let refused = scene.vault.set_passphrase(&secret("one"), COST).unwrap_err();
    assert!(matches!(refused, LocalVaultError::Damaged { .. }), "{refused}");
    assert!(scene.path().join("keys").is_dir() && !scene.path().join("keys-2").exists());
    fs::write(&file, whole).unwrap();
    scene.view(&open(&scene.path(), None).unwrap());
    scene.view(&scene.vault.set_passphrase(&secret("one"), COST).unwrap());
}

#[test]
fn an_older_manifest_loses_no_key() {
    let scene = Scene::new();
    let manifest = scene.path().join("vault.json");
    let older = fs::read(&manifest).unwrap();
    let vault = scene.vault.set_passphrase(&secret("one"), COST).unwrap();
    let before = scene.view(&vault);
    let newer = fs::read(&manifest).unwrap();
    fs::write(&manifest, older).unwrap();
    let older = open(&scene.path(), None).unwrap();
    let (id, algorithm, wrapped) = &scene.wrapped[1];
    for refused in [
        older.list().map(drop),
        older.create("new").map(drop),
        older.delete("aes").map(drop),
        older.remove_passphrase().map(drop),
    ] {
        assert!(matches!(refused, Err(LocalVaultError::Damaged { .. })), "{refused:?}");
    }
    let refused = older.unwrap(id, *algorithm, wrapped).unwrap_err();
    let not_missing =
        matches!(refused, LocalVaultError::Io { .. } | LocalVaultError::Damaged { .. });
    assert!(not_missing, "{refused}");
    fs::write(&manifest, newer).unwrap();
    assert_eq!(scene.view(&open(&scene.path(), Some("one")).unwrap()), before);
}

#[test]
fn files_from_before_go_once_each_key_is_shown_to_be_there() {
    let scene = Scene::new();
    let kept = scene.directory.path().join("kept");
    copy(&scene.path().join("keys"), &kept);
    let vault = scene.vault.set_passphrase(&secret("one"), COST).unwrap();
    let left = scene.path().join("keys");
    // What a crash leaves, and the next writer removes.
    copy(&kept, &left);
    vault.rotate("aes").unwrap();
    assert!(!left.exists());
    // A key that is not among the vault's is not removed with the others.
    copy(&kept, &left);
    fs::rename(left.join("rsa"), left.join("unknown")).unwrap();
    vault.rotate("aes").unwrap();
    assert!(left.join("unknown").exists());
    let refused = vault.set_passphrase(&secret("two"), COST).unwrap_err();
    assert!(matches!(refused, LocalVaultError::Damaged { .. }), "{refused}");
    // A purged key is not left there either.
    vault.recover("gone").unwrap();
    vault.delete("gone").unwrap();
    vault.purge("gone").unwrap();
    assert!(!left.join("gone").exists());
    fs::remove_dir_all(&left).unwrap();
    // The vault has gone over to the other passphrase all the same.
    open(&scene.path(), Some("two")).unwrap().remove_passphrase().unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    fs::set_permissions(to, fs::metadata(from).unwrap().permissions()).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &to);
        } else {
            fs::copy(&path, &to).unwrap();
        }
    }
}

/// Others open and use the vault all the while: what they get is the key, or one sentence, and never a refusal.
#[test]
fn others_get_their_key_or_are_told_to_open_the_vault_again() {
    let scene = Scene::new();
    let (stop, used, told) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    let path = scene.path();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let opened = open(&path, None).or_else(|_| open(&path, Some("one")));
                    let outcome = opened.and_then(|vault| {
                        for _ in 0..4 {
                            let (id, algorithm, wrapped) = &scene.wrapped[1];
                            vault.unwrap(id, *algorithm, wrapped)?;
                            assert_eq!(vault.list()?.len(), 2);
                            assert_eq!(vault.identities()?.len(), 1);
                            vault.wrapping_key("rsa")?;
                            vault.backup("aes").map(drop)?;
                        }
                        Ok(())
                    });
                    match outcome {
                        Ok(()) => drop(used.fetch_add(1, Ordering::Relaxed)),
                        Err(
                            LocalVaultError::PassphraseChanged { .. }
                            | LocalVaultError::PassphraseNeeded { .. }
                            | LocalVaultError::NoPassphrase { .. },
                        ) => drop(told.fetch_add(1, Ordering::Relaxed)),
                        Err(error) => {
                            stop.store(true, Ordering::Relaxed);
                            panic!("{error}");
                        }
                    }
                }
            });
        }
        let mut vault = scene.vault.clone();
        let mut rounds = 0;
        while !stop.load(Ordering::Relaxed)
            && (rounds < 20
                || told.load(Ordering::Relaxed) == 0
                || used.load(Ordering::Relaxed) < 5)
        {
            vault = vault.set_passphrase(&secret("one"), COST).unwrap();
            vault = vault.remove_passphrase().unwrap();
            rounds += 1;
        }
        stop.store(true, Ordering::Relaxed);
    });
}
