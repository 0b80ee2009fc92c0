//! An inner store that fails, loses answers and cuts them, at each request of each operation; and writers and readers of the same
//! objects at once.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails should stop")]
#![allow(unreachable_pub, dead_code, reason = "the support is shared by several tests")]

#[path = "support/sealed.rs"]
mod sealed;
#[path = "support/watched.rs"]
mod watched;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::stream::TryStreamExt as _;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore as _, ObjectStoreExt as _, PutMode, PutOptions, Result};
use strongroom_store::{NewStore, SealedStore, Settings, StoreConfig};
use watched::{Fate, Kind, Watched};

const CHUNK: usize = 64 * 1024;
/// The length of a text that takes two parts of an upload.
const LONG: usize = (9 << 20) + 1234;

fn text(seed: u8, length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from(at % 251).unwrap() ^ seed).collect()
}

/// An operation: its outcome is the text that was read, if any.
#[derive(Clone, Copy, Debug)]
enum Operation {
    Put,
    PutNew,
    Upload,
    Get,
    GetRange,
    GetRanges,
    Head,
    List,
    Copy,
    Rename,
    Delete,
}

const OPERATIONS: [Operation; 11] = [
    Operation::Put,
    Operation::PutNew,
    Operation::Upload,
    Operation::Get,
    Operation::GetRange,
    Operation::GetRanges,
    Operation::Head,
    Operation::List,
    Operation::Copy,
    Operation::Rename,
    Operation::Delete,
];

fn a() -> Path {
    Path::from("a")
}

fn b() -> Path {
    Path::from("b")
}

impl Operation {
    async fn run(self, store: &SealedStore) -> Result<Option<Vec<u8>>> {
        match self {
            Self::Put => store.put(&a(), text(2, 3 * CHUNK).into()).await.map(|_| None),
            Self::PutNew => {
                let create = PutOptions::from(PutMode::Create);
                store.put_opts(&b(), text(2, 3 * CHUNK).into(), create).await.map(|_| None)
            }
            Self::Upload => {
                let mut upload = store.put_multipart(&a()).await?;
                for part in text(2, LONG).chunks(3 << 20) {
                    upload.put_part(part.to_vec().into()).await?;
                }
                upload.complete().await.map(|_| None)
            }
            Self::Get => {
                let text = store.get(&a()).await?.bytes().await?;
                Ok(Some(text.to_vec()))
            }
            Self::GetRange => {
                let start = LONG - 2 * CHUNK;
                let read = store.get_range(&a(), start as u64..LONG as u64).await?;
                Ok(Some([text(1, start), read.to_vec()].concat()))
            }
            Self::GetRanges => {
                let ranges = [0..10, 5 << 20..(5 << 20) + 7, 100_000..100_001];
                let read = store.get_ranges(&a(), &ranges).await?;
                let mut whole = text(1, LONG);
                for (range, read) in ranges.iter().zip(read) {
                    let start = usize::try_from(range.start).unwrap();
                    whole[start..start + read.len()].copy_from_slice(&read);
                }
                Ok(Some(whole))
            }
            Self::Head => {
                assert_eq!(store.head(&a()).await?.size, LONG as u64);
                Ok(None)
            }
            Self::List => {
                let listed: Vec<_> = store.list(None).try_collect().await?;
                assert_eq!(listed.len(), 1);
                store.list_with_delimiter(None).await.map(|_| None)
            }
            Self::Copy => store.copy(&a(), &b()).await.map(|()| None),
            Self::Rename => store.rename(&a(), &b()).await.map(|()| None),
            Self::Delete => store.delete(&a()).await.map(|()| None),
        }
    }

    /// The texts that may be found under each name afterwards: before, after, or `None` for nothing.
    fn allowed(self) -> [Vec<Option<Vec<u8>>>; 2] {
        let (old, new) = (|| Some(text(1, LONG)), || Some(text(2, 3 * CHUNK)));
        match self {
            Self::Put => [vec![old(), new()], vec![None]],
            Self::PutNew => [vec![old()], vec![None, new()]],
            Self::Upload => [vec![old(), Some(text(2, LONG))], vec![None]],
            Self::Copy => [vec![old()], vec![None, old()]],
            Self::Rename => [vec![old(), None], vec![None, old()]],
            Self::Delete => [vec![old(), None], vec![None]],
            _ => [vec![old()], vec![None]],
        }
    }

    /// The texts under each name once it was done.
    fn done(self) -> [Option<Vec<u8>>; 2] {
        let [mut a, mut b] = self.allowed();
        [a.pop().unwrap(), b.pop().unwrap()]
    }
}

async fn found(store: &SealedStore, path: &Path) -> Option<Vec<u8>> {
    match store.get(path).await {
        Err(object_store::Error::NotFound { .. }) => None,
        got => Some(got.unwrap().bytes().await.unwrap().to_vec()),
    }
}

async fn scene() -> (Watched, StoreConfig) {
    let inner = Watched::new(Arc::new(InMemory::new()));
    let settings = Settings { part_len: 5 << 20, ..Settings::default() };
    let config = sealed::config(Arc::new(inner.clone())).await.with_settings(settings);
    let store = config.clone().init(NewStore::default()).await.unwrap();
    store.put(&a(), text(1, LONG).into()).await.unwrap();
    (inner, config)
}

/// Each request of each operation fails once, loses its answer once, and is cut once: whatever is acknowledged is there, nothing but
/// the text before or after is ever found, and no other byte is read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_at_every_request_leaves_the_old_object_or_the_new_one() {
    let mut hit = BTreeMap::new();
    for operation in OPERATIONS {
        let (inner, config) = scene().await;
        let cold = config.open().await.unwrap();
        inner.take_calls();
        operation.run(&cold).await.unwrap();
        let requests = inner.take_calls();
        assert!(!requests.is_empty());
        for (at, request) in requests.iter().enumerate() {
            let is_read = request.kind == Kind::Get;
            let cuts = [Fate::Cut(0), Fate::Cut(511), Fate::Cut(100_000)];
            let fates = [Fate::Fails, Fate::AnswerLost].into_iter();
            for fate in fates.chain(cuts.into_iter().filter(|_| is_read)) {
                let (inner, config) = scene().await;
                let store = config.open().await.unwrap();
                let mut number = 0;
                inner.decide(move |_| {
                    number += 1;
                    if number == at + 1 { fate } else { Fate::Done }
                });
                let outcome = operation.run(&store).await;
                inner.come_back();
                *hit.entry((request.kind, format!("{fate:?}"))).or_insert(0) += 1;
                let what = format!("{operation:?}: request {at}, {:?} {fate:?}", request.kind);
                if let Ok(Some(read)) = &outcome {
                    assert!(*read == text(1, LONG), "{what}: other bytes were read");
                }
                let allowed = operation.allowed();
                for ((path, allowed), done) in [a(), b()].iter().zip(&allowed).zip(operation.done())
                {
                    let found = found(&store, path).await;
                    assert!(allowed.contains(&found), "{what}: {path} is neither old nor new");
                    if outcome.is_ok() {
                        assert!(found == done, "{what}: {path} was acknowledged");
                    }
                }
                // Both names of a rename are never gone.
                if matches!(operation, Operation::Rename) {
                    let (a, b) = (found(&store, &a()).await, found(&store, &b()).await);
                    assert!(a.is_some() || b.is_some(), "{what}: it is lost");
                }
                if fate == Fate::Fails {
                    assert!(outcome.is_err(), "{what}");
                }
            }
        }
    }
    let kinds: std::collections::BTreeSet<_> = hit.keys().map(|(kind, _)| *kind).collect();
    for kind in [
        Kind::Put,
        Kind::PutMultipart,
        Kind::PutPart,
        Kind::Complete,
        Kind::Get,
        Kind::Head,
        Kind::Delete,
        Kind::List,
    ] {
        assert!(kinds.contains(&kind), "{kind:?} was not hit: {hit:?}");
    }
    assert!(hit.values().sum::<i32>() > 60, "{hit:?}");
}

/// Seconds that writers and readers meet on the same objects: 2, or as many as the environment says.
fn seconds() -> u64 {
    std::env::var("STRONGROOM_STORE_RACE_SECONDS").map_or(2, |seconds| seconds.parse().unwrap())
}

/// Eight overwriters and eight readers of ranges on the same objects: no error, and no mixture of versions.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_and_overwriters_of_the_same_objects_meet() {
    let config = sealed::config(Arc::new(InMemory::new())).await;
    let reading = config.clone().init(NewStore::default()).await.unwrap();
    // As on another host: what it writes is news to the readers.
    let writing = config.open().await.unwrap();
    let paths: Vec<Path> = (0..3).map(|n| Path::from(format!("object-{n}"))).collect();
    let version = |seed: u8| vec![seed; 20 * CHUNK + usize::from(seed) * 100];
    for path in &paths {
        writing.put(path, version(1).into()).await.unwrap();
    }
    let (ended, written, read) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    let shared = Arc::new((ended, written, read));
    let mut tasks = Vec::new();
    for number in 0..16_u8 {
        let store = if number < 8 { &writing } else { &reading };
        let (store, paths, shared) = (store.clone(), paths.clone(), Arc::clone(&shared));
        tasks.push(tokio::spawn(async move {
            for round in 0_usize.. {
                if shared.0.load(Ordering::Relaxed) {
                    break;
                }
                let path = &paths[round % paths.len()];
                if number < 8 {
                    let seed = number * 20 + u8::try_from(round % 20).unwrap() + 1;
                    if round % 5 == 0 {
                        let mut upload = store.put_multipart(path).await.unwrap();
                        upload.put_part(version(seed).into()).await.unwrap();
                        upload.complete().await.unwrap();
                    } else {
                        store.put(path, version(seed).into()).await.unwrap();
                    }
                    shared.1.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(3)).await;
                } else {
                    let ranges = [0..10, 70_000..70_010, 1_300_000..1_300_010];
                    let texts = if round % 3 == 0 {
                        let whole = store.get(path).await.unwrap().bytes().await.unwrap();
                        let seed = whole[0];
                        assert_eq!(whole.len(), version(seed).len());
                        vec![whole]
                    } else if round % 3 == 1 {
                        store.get_ranges(path, &ranges).await.unwrap()
                    } else {
                        vec![store.get_range(path, 1_200_000..1_300_000).await.unwrap()]
                    };
                    let seed = texts[0][0];
                    for text in texts {
                        assert!(text.iter().all(|byte| *byte == seed), "a mixture of versions");
                    }
                    shared.2.fetch_add(1, Ordering::Relaxed);
                }
                tokio::task::yield_now().await;
            }
        }));
    }
    let until = Instant::now() + Duration::from_secs(seconds());
    while Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    shared.0.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.unwrap();
    }
    let (written, read) = (shared.1.load(Ordering::Relaxed), shared.2.load(Ordering::Relaxed));
    assert!(written > 50 && read > 50, "{written} were written, {read} were read");
    let stats = reading.stats();
    assert!(stats.replaced > 0, "no reader met a writer: {stats:?}");
    println!("{written} written, {read} read, {} begun again", stats.replaced);
}

/// An upload takes parts of any length, in whatever order they are awaited, and gives parts of one length.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uploads_of_any_parts_are_sealed_into_parts_of_one_length() {
    let inner = Watched::new(Arc::new(InMemory::new()));
    let part_len = 5 << 20;
    // Room for hardly more than one part: each must be able to go on by itself.
    let settings = Settings { part_len, memory: 16 << 20, ..Settings::default() };
    let config = sealed::config(Arc::new(inner.clone())).await.with_settings(settings);
    let store = config.init(NewStore::default()).await.unwrap();
    let record = CHUNK + 32;
    // Texts that end at, before and behind the borders of chunks and parts.
    let chunks = (part_len - 512) / record;
    let lengths = [
        0,
        1,
        CHUNK,
        chunks * CHUNK,
        chunks * CHUNK + CHUNK / 2,
        (chunks + 1) * CHUNK,
        (chunks + 1) * CHUNK + 1,
        3 * part_len + 17,
        40 << 20,
    ];
    for length in lengths {
        for piece in [1_usize << 16, 100_003, 7 << 20, usize::MAX] {
            let whole = text(3, length);
            inner.take_calls();
            let path = a();
            let mut upload = store.put_multipart(&path).await.unwrap();
            let mut parts: Vec<_> = whole
                .chunks(piece.min(whole.len().max(1)))
                .map(|part| upload.put_part(part.to_vec().into()))
                .collect();
            // The last first.
            parts.reverse();
            for part in parts {
                part.await.unwrap();
            }
            upload.complete().await.unwrap();
            assert!(upload.complete().await.is_err(), "it has ended");
            assert!(upload.put_part("x".into()).await.is_err(), "it has ended");
            let calls = inner.take_calls();
            let parts: Vec<usize> = calls
                .iter()
                .filter(|call| call.kind == Kind::PutPart)
                .map(|call| call.length)
                .collect();
            let (last, before) = parts.split_last().unwrap();
            assert!(before.iter().all(|length| *length == part_len), "{parts:?}");
            assert!(*last > 0 && *last <= part_len, "{parts:?}");
            assert!(found(&store, &path).await.unwrap() == whole, "{length} in {piece}");
        }
    }
    // An upload that is dropped is aborted.
    inner.take_calls();
    let mut upload = store.put_multipart(&a()).await.unwrap();
    upload.put_part(text(1, 6 << 20).into()).await.unwrap();
    drop(upload);
    for _ in 0..2000 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        if inner.take_calls().iter().any(|call| call.kind == Kind::Abort) {
            return;
        }
    }
    panic!("it was not aborted");
}

/// A text that is longer than the memory goes in parts, and comes out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_text_longer_than_the_memory_is_put_in_parts() {
    let inner = Watched::new(Arc::new(InMemory::new()));
    let settings = Settings { part_len: 5 << 20, memory: 12 << 20, ..Settings::default() };
    let config = sealed::config(Arc::new(inner.clone())).await.with_settings(settings);
    let store = config.init(NewStore::default()).await.unwrap();
    let whole = text(9, 30 << 20);
    inner.take_calls();
    store.put(&a(), whole.clone().into()).await.unwrap();
    let count = |kind| inner.take_calls().iter().filter(|call| call.kind == kind).count();
    assert!(count(Kind::PutPart) >= 6);
    assert!(found(&store, &a()).await.unwrap() == whole);
    // A condition needs one request: it is alone.
    let create = || PutOptions::from(PutMode::Create);
    inner.take_calls();
    store.put_opts(&b(), whole.clone().into(), create()).await.unwrap();
    assert_eq!(count(Kind::Put), 1);
    let again = store.put_opts(&b(), whole.clone().into(), create()).await.unwrap_err();
    assert!(matches!(again, object_store::Error::AlreadyExists { .. }), "{again}");
    let path = Path::from("c");
    store.copy(&a(), &path).await.unwrap();
    assert!(found(&store, &path).await.unwrap() == whole);
}
