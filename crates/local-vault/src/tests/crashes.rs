//! Every change of a vault, cut short after each of its steps on the best and on the worst disk, and
//! failed at each of its steps.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use strongroom::secret::SecretVec;
use strongroom::wrap::{Algorithm, KeyId};

use super::super::disk::Step;
use super::super::*;
use super::probe::{Plan, Probe, Tree, lay_out, record, tree};
use strongroom_vault::{Operation, Operations, Place};

const COST: PassphraseCost = PassphraseCost { memory_kib: 64, passes: 1, lanes: 1 };

/// A change, the name for messages first.
type Change = (&'static str, fn(&LocalVault) -> Result<(), LocalVaultError>);

const CHANGES: [Change; 16] = [
    ("create", |vault| vault.create_with("new", aes()).map(drop)),
    ("create RSA", |vault| vault.create("new").map(drop)),
    ("rotate", |vault| vault.rotate("kept").map(drop)),
    ("rotate RSA", |vault| vault.rotate("rsa").map(drop)),
    ("disable", |vault| vault.set_enabled("kept", Versions::All, false)),
    ("dates", |vault| vault.set_dates("kept", Versions::Newest, Some(1), Some(2))),
    ("delete", |vault| vault.delete("kept").map(drop)),
    ("recover", |vault| vault.recover("gone")),
    ("purge", |vault| vault.purge("gone")),
    ("protect", LocalVault::protect_from_purge),
    ("place", |vault| vault.set_place(Place { tenant: Some("t".to_owned()), region: None })),
    ("revoke", |vault| vault.revoke("billing").map(drop)),
    ("grant", |vault| vault.grant("new", None, Operations::from([Operation::Get])).map(drop)),
    ("passphrase", |vault| vault.set_passphrase(&passphrase("another"), COST).map(drop)),
    ("remove passphrase", |vault| vault.remove_passphrase().map(drop)),
    ("restore", |vault| vault.restore(&fs::read(backup_of(vault)).unwrap()).map(drop)),
];

fn aes() -> KeyOptions {
    KeyOptions { kind: KeyKind::Oct, ..KeyOptions::default() }
}

fn passphrase(text: &str) -> SecretVec {
    SecretVec::from(text.as_bytes().to_vec())
}

fn backup_of(vault: &LocalVault) -> std::path::PathBuf {
    vault.path().parent().unwrap().join("backup")
}

/// A vault with some life behind it, and what was wrapped under each version of its keys.
struct Scene {
    directory: tempfile::TempDir,
    vault: LocalVault,
    sealed: bool,
    wrapped: BTreeMap<String, (Algorithm, Vec<u8>)>,
}

impl Scene {
    /// An RSA key is there where `change` needs one: it takes its time.
    fn new(sealed: bool, change: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let options = InitOptions {
            passphrase: sealed.then(|| passphrase("first")),
            cost: COST,
            ..InitOptions::default()
        };
        let vault = LocalVault::init_with(&directory.path().join("vault"), options).unwrap();
        let mut ids = Vec::new();
        for name in ["kept", "gone", "restored"] {
            ids.push(vault.create_with(name, aes()).unwrap());
        }
        ids.push(vault.rotate("kept").unwrap());
        if change.contains("RSA") {
            ids.push(vault.create("rsa").unwrap());
        }
        vault.grant("billing", Some("kept"), Operations::from(Operation::ALL)).unwrap();
        let mut wrapped = BTreeMap::new();
        for id in ids {
            let rsa = id.name().as_str() == "rsa";
            let algorithm = if rsa { Algorithm::RsaOaep256 } else { Algorithm::A256Kw };
            let id = id.to_string();
            let secret = vault.wrap(&KeyId::new(&id).unwrap(), algorithm, payload(&id).as_slice());
            wrapped.insert(id, (algorithm, secret.unwrap()));
        }
        fs::write(backup_of(&vault), vault.backup("restored").unwrap().expose()).unwrap();
        vault.delete("restored").unwrap();
        vault.purge("restored").unwrap();
        vault.delete("gone").unwrap();
        Self { directory, vault, sealed, wrapped }
    }

    /// Describes the vault as a user sees it. Panics where anything is half done: where a key that is listed
    /// does not do its work, or a key file is damaged.
    fn view(&self, path: &Path) -> String {
        let vault = open(path);
        let mut view = Vec::new();
        for key in vault.list().unwrap() {
            for version in &key.versions {
                view.push(format!(
                    "{} {} {:?} {:?}",
                    version.id, version.enabled, version.not_before, version.expires
                ));
                let id = KeyId::new(&version.id.to_string()).unwrap();
                if !version.enabled {
                    continue;
                }
                if let Some((algorithm, wrapped)) = self.wrapped.get(id.as_str()) {
                    let secret = vault.unwrap(&id, *algorithm, wrapped).unwrap();
                    assert_eq!(secret.expose(), payload(id.as_str()), "{id}");
                } else {
                    let wrapped = vault.wrap(&id, version.algorithm, &[7; 16]).unwrap();
                    vault.unwrap(&id, version.algorithm, &wrapped).unwrap();
                }
            }
        }
        for deleted in vault.list_deleted().unwrap() {
            view.push(format!("deleted {} of {}", deleted.key.name, deleted.key.versions.len()));
        }
        view.push(format!("{:?}", vault.settings().unwrap()));
        view.push(format!("{:?}", vault.identities().unwrap()));
        if self.sealed {
            let another =
                OpenOptions { passphrase: Some(passphrase("another")), ..OpenOptions::default() };
            view.push(format!("{}", LocalVault::open_with(path, another).is_ok()));
        }
        view.join("\n")
    }

    /// Describes the vault `tree`, laid out beside the scene, as a user sees it.
    fn view_of(&self, tree: &Tree) -> String {
        let path = self.directory.path().join("picture");
        lay_out(tree, &path);
        let view = self.view(&path);
        // The next writer gets on with it.
        open(&path).create_with("afterwards", aes()).unwrap();
        let left = super::probe::tree(&path);
        let temporary = left.keys().filter(|path| path.to_string_lossy().contains("-tmp-"));
        assert_eq!(temporary.count(), 0, "what a crash left is swept");
        let directories =
            ["keys", "keys-2"].iter().filter(|keys| left.contains_key(Path::new(keys)));
        assert_eq!(directories.count(), 1, "the keys are in one place");
        fs::remove_dir_all(&path).unwrap();
        view
    }
}

/// Opens the vault at `path` with whichever passphrase it has.
fn open(path: &Path) -> LocalVault {
    let with = |text: Option<&str>| {
        let passphrase = text.map(passphrase);
        LocalVault::open_with(path, OpenOptions { passphrase, ..OpenOptions::default() })
    };
    with(None).or_else(|_| with(Some("first"))).or_else(|_| with(Some("another"))).unwrap()
}

/// Payload that is wrapped under the key `id`: 48 bytes that differ from id to id.
fn payload(id: &str) -> Vec<u8> {
    id.bytes().cycle().take(48).collect()
}

/// Cuts `change` short after each step. How many pictures show the vault before, and after it.
fn cut_short(sealed: bool, (name, change): Change, plan: Plan) -> (usize, usize, Probe) {
    let scene = Scene::new(sealed, name);
    let before = scene.view(scene.vault.path());
    let (done, probe) = record(scene.vault.path(), plan, || change(&scene.vault));
    done.unwrap();
    let after = scene.view(scene.vault.path());
    assert_ne!(before, after, "{name}");
    let mut seen = (0, 0);
    for (number, picture) in probe.pictures.iter().enumerate() {
        let view = scene.view_of(picture);
        // An RSA key that is drawn anew differs; what is seen of it does not.
        match view {
            view if view == before => seen.0 += 1,
            view if view == after => seen.1 += 1,
            view => panic!("{name}, picture {number} is neither before nor after:\n{view}"),
        }
    }
    // When the change returned, it was durable.
    let worst = probe.pictures.iter().rev().nth(1).unwrap();
    assert_eq!(scene.view_of(worst), after, "{name} returned before it was durable");
    (seen.0, seen.1, probe)
}

#[test]
fn a_power_cut_after_any_step_leaves_the_vault_before_or_after_a_change() {
    let mut pictures = 0;
    for sealed in [false, true] {
        for change in CHANGES {
            if change.0 == "remove passphrase" && !sealed {
                continue;
            }
            let (before, after, probe) = cut_short(sealed, change, Plan::Picture);
            assert!(before > 0 && after > 0, "{}: {before} before, {after} after", change.0);
            assert_eq!(before + after, 2 * probe.steps.len());
            pictures += before + after;
        }
    }
    assert!(pictures >= 200, "only {pictures} pictures");
}

#[test]
fn a_sync_that_is_forgotten_is_found() {
    let mut found = BTreeMap::new();
    for kind in [Step::SyncFile, Step::SyncDirectory] {
        for change in CHANGES.into_iter().filter(|(name, _)| *name != "remove passphrase") {
            let outcome =
                std::panic::catch_unwind(|| drop(cut_short(false, change, Plan::Forget(kind))));
            *found.entry(format!("{kind:?}")).or_insert(0) += usize::from(outcome.is_err());
        }
    }
    // A purge writes no file, so it cannot forget to sync one.
    assert_eq!(found["SyncFile"], CHANGES.len() - 2);
    assert_eq!(found["SyncDirectory"], CHANGES.len() - 1);
}

#[test]
fn a_failure_of_any_step_leaves_the_vault_before_or_after_the_change() {
    let mut failures = 0;
    for change in CHANGES {
        let sealed = change.0 == "remove passphrase";
        for lasting in [false, true] {
            let mut number = 0;
            loop {
                let scene = Scene::new(sealed, change.0);
                let before = scene.view(scene.vault.path());
                let plan = if lasting { Plan::FailFrom(number) } else { Plan::FailOnce(number) };
                let (done, probe) = record(scene.vault.path(), plan, || change.1(&scene.vault));
                let hit = probe.steps.len() > number;
                let after = scene.view_of(&tree(scene.vault.path()));
                if done.is_ok() && !hit {
                    assert!(number > 3, "{} has steps", change.0);
                    break;
                }
                if let Err(error) = done {
                    assert!(matches!(error, LocalVaultError::Io { .. }), "{error}");
                    // A second attempt succeeds, or finds that the first did its work.
                    let _ = change.1(&scene.vault);
                    assert_ne!(scene.view(scene.vault.path()), before, "{}", change.0);
                } else {
                    // Only a temporary file may stay without an error.
                    assert_ne!(after, before, "{} said that it was done", change.0);
                }
                failures += 1;
                number += 1;
            }
        }
    }
    assert!(failures >= 100, "only {failures} failures");
}

#[test]
fn a_vault_that_is_made_is_whole_or_none() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("vault");
    fs::create_dir(&path).unwrap();
    let (made, probe) = record(&path, Plan::Picture, || LocalVault::init(&path));
    let id = made.unwrap().id().clone();
    let mut opened = 0;
    for picture in &probe.pictures {
        let path = directory.path().join("picture");
        lay_out(picture, &path);
        match LocalVault::open(&path) {
            Ok(vault) => {
                assert_eq!(*vault.id(), id);
                vault.create_with("key", aes()).unwrap();
                opened += 1;
            }
            Err(LocalVaultError::Missing { .. }) => {
                LocalVault::init(&path).unwrap();
            }
            Err(error) => panic!("{error}"),
        }
        fs::remove_dir_all(&path).unwrap();
    }
    assert!(opened > 0 && opened < probe.pictures.len());
    let worst = probe.pictures.iter().rev().nth(1).unwrap();
    assert!(worst.contains_key(Path::new("vault.json")), "durable when it returned");
}
