//! The states of a service in an object store: the contract of a `StateStore`, writers at once, and faults.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails should stop")]
#![allow(unreachable_pub, dead_code, reason = "the support is shared by several tests")]

#[path = "support/sealed.rs"]
mod sealed;
#[path = "states/service.rs"]
mod service;
#[path = "support/watched.rs"]
mod watched;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::join_all;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use strongroom_keys::state::{Created, FileStore, NUMBERED, StateError, StateStore};
use strongroom_keys::testing::MemoryStore;
use strongroom_store::ObjectStates;
use watched::{Fate, Kind, Watched};

/// An object store in memory, and one in a directory that is there as long as the guard is.
fn stores() -> (tempfile::TempDir, [Arc<dyn ObjectStore>; 2]) {
    let directory = tempfile::tempdir().unwrap();
    let local = LocalFileSystem::new_with_prefix(directory.path()).unwrap();
    (directory, [Arc::new(InMemory::new()), Arc::new(local)])
}

fn in_memory() -> (Watched, ObjectStates) {
    let watched = Watched::new(Arc::new(InMemory::new()));
    (watched.clone(), ObjectStates::new(Arc::new(watched)))
}

fn object(name: &str, number: u64) -> Path {
    Path::from(format!(".strongroom/states/{name}/{number:020}"))
}

/// A small generator with a seed (`xorshift`).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        let at = self.below(from.len().max(1) as u64);
        from.get(usize::try_from(at).unwrap()).copied()
    }
}

async fn everything(states: &dyn StateStore) -> BTreeMap<(String, u64), Vec<u8>> {
    let mut found = BTreeMap::new();
    for name in states.names().await.unwrap() {
        for number in states.list(&name).await.unwrap() {
            let bytes = states.read(&name, number).await.unwrap().unwrap();
            found.insert((name.clone(), number), bytes);
        }
    }
    found
}

/// Compares with two references. The newest number is not removed, as nobody does that; that a free number below it is not
/// created is left by the references to those who use them.
#[tokio::test]
async fn any_sequence_of_operations_does_what_a_file_store_and_one_in_memory_do() {
    let (directory, inners) = stores();
    for (which, inner) in inners.into_iter().enumerate() {
        let states = ObjectStates::new(inner);
        let files = FileStore::open(directory.path().join(format!("files-{which}"))).await.unwrap();
        let references: [&dyn StateStore; 2] = [&files, &MemoryStore::default()];
        let mut random = Random(0x5eed + which as u64);
        let mut outcomes = BTreeMap::<String, u32>::new();
        for step in 0..400_u32 {
            let name = random.pick(&["contoso", "fabrikam", "a-b_9"]).unwrap();
            let listed = states.list(name).await.unwrap();
            let newest = listed.last().copied().unwrap_or(0);
            let bytes = format!("{name} at {step}").into_bytes();
            let operation = random.below(10);
            let taken = random.pick(&listed);
            let number = match operation {
                // Some far above, so that there are free numbers below.
                0..=4 if random.below(30) == 0 => newest + random.below(300),
                0..=4 => newest + 1 + random.below(3),
                5 => 1 + random.below(newest + 1),
                _ => taken.filter(|_| random.below(4) > 0).unwrap_or(random.below(newest + 1)),
            };
            let what = match operation {
                0..=6 => {
                    let created = states.create(name, number, &bytes).await.unwrap();
                    for reference in references {
                        let expected = reference.create(name, number, &bytes).await.unwrap();
                        if number >= newest {
                            assert_eq!(created, expected, "step {step}");
                            continue;
                        }
                        assert_eq!(created, Created::Exists, "step {step}");
                        if expected == Created::New && number + NUMBERED <= newest {
                            reference.remove(name, number).await.unwrap();
                        } else if expected == Created::New {
                            reference.erase(name, number).await.unwrap();
                        }
                    }
                    format!("create {created:?}")
                }
                7 | 8 if listed.contains(&number) => {
                    states.erase(name, number).await.unwrap();
                    for reference in references {
                        reference.erase(name, number).await.unwrap();
                    }
                    "erase".to_owned()
                }
                _ if number < newest => {
                    states.remove(name, number).await.unwrap();
                    for reference in references {
                        reference.remove(name, number).await.unwrap();
                    }
                    format!("remove {}", listed.contains(&number))
                }
                _ => continue,
            };
            *outcomes.entry(what).or_default() += 1;
            let found = everything(&states).await;
            for reference in references {
                assert_eq!(found, everything(reference).await, "step {step}");
                let absent = newest + 1000;
                assert_eq!(reference.read(name, absent).await.unwrap(), None);
            }
            assert_eq!(states.read(name, newest + 1000).await.unwrap(), None);
        }
        let expected = ["create Exists", "create New", "erase", "remove false", "remove true"];
        assert_eq!(outcomes.keys().collect::<Vec<_>>(), expected, "{outcomes:?}");
        assert!(outcomes.values().all(|count| *count > 5), "{outcomes:?}");
    }
}

#[tokio::test]
async fn names_are_checked_and_foreign_objects_are_none_of_the_states() {
    let (_directory, inners) = stores();
    for inner in inners {
        let states = ObjectStates::new(Arc::clone(&inner));
        assert_eq!(states.names().await.unwrap(), Vec::<String>::new());
        assert!(states.list("contoso").await.unwrap().is_empty());
        states.create("contoso", 7, b"state").await.unwrap();
        for foreign in [
            ".strongroom/states/contoso/readme.txt",
            ".strongroom/states/contoso/8",
            ".strongroom/states/contoso/+0000000000000000009",
            ".strongroom/states/contoso/99999999999999999999",
            ".strongroom/states/contoso/deeper/00000000000000000009",
            ".strongroom/states/Upper/00000000000000000009",
            ".strongroom/states/00000000000000000009",
            ".strongroom/states/fabrikam/notes",
            ".strongroom/statesmen/contoso/00000000000000000009",
            "states/contoso/00000000000000000009",
        ] {
            inner.put(&Path::from(foreign), "foreign".into()).await.unwrap();
        }
        assert_eq!(states.names().await.unwrap(), ["contoso"]);
        assert_eq!(states.list("contoso").await.unwrap(), [7]);
        assert!(states.list("fabrikam").await.unwrap().is_empty());
        assert_eq!(states.create("contoso", 8, b"next").await.unwrap(), Created::New);
        let greatest = u64::MAX;
        assert_eq!(states.create("contoso", greatest, b"last").await.unwrap(), Created::New);
        assert_eq!(states.list("contoso").await.unwrap(), [7, 8, greatest]);

        for name in ["", "..", ".", "a/b", "/etc", "A", "a\0", "a.b", &"a".repeat(65)] {
            let refused = [
                states.list(name).await.map(|_| ()),
                states.read(name, 1).await.map(|_| ()),
                states.create(name, 1, b"state").await.map(|_| ()),
                states.erase(name, 1).await,
                states.remove(name, 1).await,
            ];
            for refused in refused {
                assert!(matches!(refused, Err(StateError::Name { .. })), "{name}");
            }
        }
        // One of a length that no state has is not read into memory.
        let long = vec![7; (16 << 20) + 1];
        inner.put(&object("contoso", 9), long.into()).await.unwrap();
        let error = states.read("contoso", 9).await.unwrap_err();
        assert!(error.to_string().contains("too long"), "{error}");
    }
}

/// Adds an entry to the newest state until that counts: its number, and all entries in it.
async fn add(states: &ObjectStates, task: usize, round: usize) -> (u64, BTreeSet<String>) {
    let entry = format!("{task}.{round}");
    loop {
        let newest = states.list("contoso").await.unwrap().last().copied().unwrap_or(0);
        let text = match newest {
            0 => Vec::new(),
            _ => states.read("contoso", newest).await.unwrap().unwrap_or_default(),
        };
        if newest > 0 && text.is_empty() {
            // Another has written on, and its own was undone.
            assert_ne!(states.list("contoso").await.unwrap().last(), Some(&newest));
            continue;
        }
        let text = String::from_utf8(text).unwrap();
        // The writer is named: the states of two are never equal.
        let mut lines: BTreeSet<String> = text.lines().skip(1).map(str::to_owned).collect();
        lines.insert(entry.clone());
        let body: Vec<&str> = lines.iter().map(String::as_str).collect();
        let state = format!("by {entry}\n{}", body.join("\n"));
        let number = newest + 1;
        if states.create("contoso", number, state.as_bytes()).await.unwrap() == Created::New {
            return (number, lines);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_racing_writers_one_owns_each_number_and_no_update_is_lost() {
    const TASKS: usize = 8;
    const ROUNDS: usize = 12;
    let (_directory, inners) = stores();
    for inner in inners {
        let states = ObjectStates::new(inner);
        let tasks = (0..TASKS).map(|task| {
            let states = states.clone();
            tokio::spawn(async move {
                let mut counted = Vec::new();
                for round in 0..ROUNDS {
                    counted.push(add(&states, task, round).await);
                }
                counted
            })
        });
        let counted: Vec<_> =
            join_all(tasks).await.into_iter().flat_map(|task| task.unwrap()).collect();
        assert_eq!(counted.len(), TASKS * ROUNDS);
        let by_number: BTreeMap<u64, BTreeSet<String>> = counted.into_iter().collect();
        assert_eq!(by_number.len(), TASKS * ROUNDS, "a number has two owners");
        // Each that counted holds all that counted before.
        for (before, after) in by_number.values().zip(by_number.values().skip(1)) {
            assert!(before.is_subset(after), "{before:?} {after:?}");
        }
        assert_eq!(by_number.values().last().unwrap().len(), TASKS * ROUNDS);
    }
}

#[tokio::test]
async fn a_slow_writer_whose_number_was_pruned_is_told_that_another_was_first() {
    let (_directory, inners) = stores();
    for inner in inners {
        let states = ObjectStates::new(Arc::clone(&inner));
        let newest = 5 + NUMBERED;
        for number in [5, 6, newest - 1, newest] {
            assert_eq!(states.create("contoso", number, b"fast").await.unwrap(), Created::New);
        }
        states.remove("contoso", 5).await.unwrap();
        // Taken numbers are what they were, and what is free far below is free again.
        for (number, left) in [(5, false), (6, true)] {
            let created = states.create("contoso", number, b"slow").await.unwrap();
            assert_eq!((number, created), (number, Created::Exists));
            assert_eq!(states.list("contoso").await.unwrap().contains(&number), left);
        }
        assert_eq!(states.read("contoso", 5).await.unwrap(), None);
        assert_eq!(states.read("contoso", 6).await.unwrap(), Some(b"fast".to_vec()));
        // A hole nearer to the newest, as in a store that was rolled back: it is taken from now on, and nothing of
        // the slow writer's state is left.
        assert_eq!(states.create("contoso", 7, b"slow").await.unwrap(), Created::Exists);
        assert_eq!(states.read("contoso", 7).await.unwrap(), Some(Vec::new()));
        assert_eq!(states.create("contoso", 7, b"slow").await.unwrap(), Created::Exists);
        assert_eq!(states.read("contoso", newest).await.unwrap(), Some(b"fast".to_vec()));
    }
}

/// Each request of a create meets each fault, alone and with all that follow; before it another's object may be there, a
/// newer one, or an own one of which the answer was lost.
#[tokio::test]
async fn a_create_says_new_of_its_own_bytes_only_and_exists_of_others_only() {
    let (ours, others) = (b"ours".to_vec(), b"another's".to_vec());
    let scenes: [&[(u64, &[u8])]; 6] = [
        &[],
        &[(3, b"another's")],
        &[(3, b"")],
        &[(4, b"another's")],
        &[(3 + NUMBERED, b"another's")],
        &[(3, b"ours")],
    ];
    let mut outcomes = BTreeSet::new();
    for (scene, before) in scenes.into_iter().enumerate() {
        for fault in [Fate::Fails, Fate::AnswerLost, Fate::Cut(0), Fate::Cut(2)] {
            for (at, and_after) in (0..5).flat_map(|at| [(at, false), (at, true)]) {
                let (watched, states) = in_memory();
                for (number, bytes) in before {
                    watched.put(&object("contoso", *number), bytes.to_vec().into()).await.unwrap();
                }
                let mut count = 0;
                watched.decide(move |call| {
                    let now = count;
                    count += 1;
                    let applies = now == at || (and_after && now > at);
                    let cuts_put = matches!(fault, Fate::Cut(_)) && call.kind != Kind::Get;
                    if applies && !cuts_put { fault } else { Fate::Done }
                });
                let created = states.create("contoso", 3, &ours).await;
                watched.come_back();
                let what = format!("scene {scene}, {fault:?} at {at} {and_after}: {created:?}");
                let there = states.read("contoso", 3).await.unwrap();
                let newest = states.list("contoso").await.unwrap().last().copied();
                match &created {
                    Ok(Created::New) => {
                        assert_eq!((there, newest), (Some(ours.clone()), Some(3)), "{what}");
                    }
                    Ok(Created::Exists) => assert_ne!(there, Some(ours.clone()), "{what}"),
                    Err(error) => {
                        let error = error.to_string();
                        assert!(
                            error.contains(object("contoso", 3).as_ref())
                                || error.contains("list .strongroom/states/contoso"),
                            "{error}"
                        );
                        // It is for the next try to find out, and no try touches another's.
                        let again = states.create("contoso", 3, &ours).await.unwrap();
                        let there = states.read("contoso", 3).await.unwrap();
                        assert_eq!(again == Created::New, there == Some(ours.clone()), "{what}");
                    }
                }
                for (number, bytes) in before.iter().filter(|(_, bytes)| *bytes == others) {
                    let kept = states.read("contoso", *number).await.unwrap();
                    assert_eq!(kept.as_deref(), Some(*bytes), "{what}");
                }
                outcomes.insert((
                    scene,
                    created.map_or_else(
                        |_| "error",
                        |created| match created {
                            Created::New => "new",
                            Created::Exists => "exists",
                        },
                    ),
                ));
            }
        }
    }
    let of = |scene| -> Vec<_> {
        outcomes.iter().filter(|(of, _)| *of == scene).map(|(_, outcome)| *outcome).collect()
    };
    assert_eq!([of(0), of(5)], [["error", "new"], ["error", "new"]]);
    for scene in 1..5 {
        assert_eq!(of(scene), ["error", "exists"], "scene {scene}");
    }
}

#[tokio::test]
async fn a_lost_answer_is_looked_up() {
    let (watched, states) = in_memory();
    watched.decide(|call| if call.kind == Kind::Put { Fate::AnswerLost } else { Fate::Done });
    assert_eq!(states.create("contoso", 1, b"ours").await.unwrap(), Created::New);
    assert_eq!(states.create("contoso", 1, b"another's").await.unwrap(), Created::Exists);
    // The retry of a client meets its own object.
    watched.come_back();
    assert_eq!(states.create("contoso", 1, b"ours").await.unwrap(), Created::New);
    // What was erased is nobody's any more.
    states.erase("contoso", 1).await.unwrap();
    for bytes in [&b"ours"[..], b""] {
        assert_eq!(states.create("contoso", 1, bytes).await.unwrap(), Created::Exists);
    }
}

#[tokio::test]
async fn a_store_that_lists_late_is_refused() {
    let (watched, states) = in_memory();
    watched.decide(|call| if call.kind == Kind::List { Fate::Cut(0) } else { Fate::Done });
    let error = states.create("contoso", 1, b"state").await.unwrap_err();
    assert!(error.to_string().contains("does not list what it has taken"), "{error}");
    watched.come_back();
    assert_eq!(states.create("contoso", 1, b"state").await.unwrap(), Created::New);
}

#[tokio::test]
async fn every_fault_is_told_with_the_object_and_what_is_cut_is_not_taken_for_erased() {
    let (watched, states) = in_memory();
    states.create("contoso", 1, b"state").await.unwrap();
    watched.decide(|call| match call.kind {
        Kind::Get => Fate::Cut(0),
        _ => Fate::Fails,
    });
    let (path, folder) = (object("contoso", 1), ".strongroom/states");
    let errors = [
        (states.read("contoso", 1).await.map(|_| ()), format!("cannot read {path}: 0 of its 5")),
        (states.erase("contoso", 1).await, format!("cannot erase {path}: ")),
        (states.remove("contoso", 1).await, format!("cannot remove {path}: ")),
        (states.list("contoso").await.map(|_| ()), format!("cannot list {folder}/contoso: ")),
        (states.names().await.map(|_| ()), format!("cannot list {folder}: ")),
    ];
    for (error, words) in errors {
        let error = error.unwrap_err();
        assert!(error.to_string().starts_with(&words), "{error}");
    }
    watched.come_back();
    assert_eq!(states.read("contoso", 1).await.unwrap(), Some(b"state".to_vec()));
    // Done, and tried again because the answer was lost.
    watched.decide(|_| Fate::AnswerLost);
    states.erase("contoso", 1).await.unwrap_err();
    watched.come_back();
    assert_eq!(states.read("contoso", 1).await.unwrap(), Some(Vec::new()));
    states.erase("contoso", 1).await.unwrap();
    watched.decide(|_| Fate::AnswerLost);
    states.remove("contoso", 1).await.unwrap_err();
    watched.come_back();
    for _ in 0..2 {
        states.remove("contoso", 1).await.unwrap();
        assert!(states.list("contoso").await.unwrap().is_empty());
    }
}
