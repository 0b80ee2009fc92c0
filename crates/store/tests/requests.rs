//! The number of requests that each operation makes of the inner store, and the conditions that they carry.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails should stop")]
#![allow(unreachable_pub, dead_code, reason = "the support is shared by several tests")]

#[path = "support/sealed.rs"]
mod sealed;
#[path = "support/watched.rs"]
mod watched;

use std::sync::Arc;

use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{GetOptions, ObjectStore as _, ObjectStoreExt as _};
use sealed::sealed;
use strongroom_store::{NewStore, SealedStore};
use watched::{Call, Kind, Watched};

const CHUNK: usize = 64 * 1024;

async fn store() -> (Watched, SealedStore) {
    let inner = Watched::new(Arc::new(InMemory::new()));
    let store = sealed(Arc::new(inner.clone())).await;
    inner.take_calls();
    (inner, store)
}

/// Another handle on the same objects, with nothing in memory.
async fn cold(inner: &Watched, config: strongroom_store::StoreConfig) -> SealedStore {
    let store = config.open().await.unwrap();
    inner.take_calls();
    store
}

fn text(length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

fn kinds(calls: &[Call]) -> Vec<Kind> {
    calls.iter().map(|call| call.kind).collect()
}

#[tokio::test]
async fn each_operation_makes_as_few_requests_as_it_can() {
    let inner = Watched::new(Arc::new(InMemory::new()));
    let config = sealed::config(Arc::new(inner.clone())).await;
    let store = config.clone().init(NewStore::default()).await.unwrap();
    inner.take_calls();
    let (small, large) = (Path::from("small"), Path::from("large"));
    let (short, long) = (text(10_000), text(40 * CHUNK + 5));
    store.put(&small, short.clone().into()).await.unwrap();
    store.put(&large, long.clone().into()).await.unwrap();
    assert_eq!(kinds(&inner.take_calls()), [Kind::Put; 2]);

    // Lengths are arithmetic.
    assert_eq!(store.head(&large).await.unwrap().size, long.len() as u64);
    assert_eq!(kinds(&inner.take_calls()), [Kind::Head]);

    // A whole object is one request, header included.
    assert_eq!(store.get(&large).await.unwrap().bytes().await.unwrap(), long);
    assert_eq!(kinds(&inner.take_calls()), [Kind::Get]);

    // What is near the beginning comes with the header.
    let store = cold(&inner, config.clone()).await;
    assert_eq!(store.get_range(&small, 7..9000).await.unwrap(), short[7..9000]);
    assert_eq!(kinds(&inner.take_calls()), [Kind::Get]);

    // Elsewhere the header costs one request, once; and the body's carries its ETag.
    let range = 39 * CHUNK + 3..39 * CHUNK + 10;
    for (cold, requests) in [(true, 2), (false, 1)] {
        let wanted = range.start as u64..range.end as u64;
        assert_eq!(store.get_range(&large, wanted).await.unwrap(), long[range.clone()]);
        let calls = inner.take_calls();
        assert_eq!(calls.len(), requests, "{cold}");
        let body = calls.last().unwrap();
        assert!(body.has_if_match);
        let sealed = 512 + 39 * (CHUNK as u64 + 32);
        assert_eq!(body.range, Some(sealed..sealed + CHUNK as u64 + 32), "one record");
    }

    // A hundred ranges in one set of requests: those that are near in one of them.
    let ranges: Vec<_> = (0..100).map(|at| at * 26_000..at * 26_000 + 100).collect();
    let read = store.get_ranges(&large, &ranges).await.unwrap();
    for (range, read) in ranges.iter().zip(&read) {
        let start = usize::try_from(range.start).unwrap();
        assert_eq!(read, &long[start..start + 100]);
    }
    assert_eq!(kinds(&inner.take_calls()), [Kind::Get]);

    // Nothing is asked for nothing.
    assert!(store.get_ranges(&large, &[]).await.unwrap().is_empty());
    assert!(inner.take_calls().is_empty());
}

/// Every range of every shape, of objects of every length around a chunk, warm and cold.
#[tokio::test]
async fn ranges_are_those_of_the_text() {
    let inner = Watched::new(Arc::new(InMemory::new()));
    let config = sealed::config(Arc::new(inner.clone())).await;
    let store = config.clone().init(NewStore::default()).await.unwrap();
    let plain = InMemory::new();
    let lengths = [1, 2, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 7, 20 * CHUNK];
    for length in lengths {
        let (path, text) = (Path::from(format!("{length}")), text(length));
        store.put(&path, text.clone().into()).await.unwrap();
        plain.put(&path, text.into()).await.unwrap();
    }
    store.put(&Path::from("0"), Vec::new().into()).await.unwrap();
    plain.put(&Path::from("0"), Vec::new().into()).await.unwrap();
    let mut compared = 0;
    for length in lengths.into_iter().chain([0]) {
        let path = Path::from(format!("{length}"));
        let chunk = CHUNK as u64;
        let ends = [0, 1, chunk - 1, chunk, chunk + 1, 2 * chunk, length as u64, length as u64 + 9];
        let mut wanted: Vec<object_store::GetRange> = Vec::new();
        for end in ends {
            wanted.push(object_store::GetRange::Offset(end));
            wanted.push(object_store::GetRange::Suffix(end));
            wanted.extend(ends.map(|start| object_store::GetRange::Bounded(start..end)));
        }
        let cold = config.clone().open().await.unwrap();
        for range in wanted {
            let options = GetOptions { range: Some(range.clone()), ..GetOptions::default() };
            let expected = plain.get_opts(&path, options.clone()).await;
            for store in [&store, &cold] {
                let got = store.get_opts(&path, options.clone()).await;
                let (expected, got) = match (&expected, got) {
                    (Ok(expected), Ok(got)) => (expected, got),
                    (Err(_), Err(_)) => continue,
                    (expected, got) => panic!("{length} {range:?}: {expected:?} {got:?}"),
                };
                assert_eq!(got.range, expected.range, "{length} {range:?}");
                assert_eq!(got.meta.size, length as u64);
                let start = usize::try_from(got.range.start).unwrap();
                let end = usize::try_from(got.range.end).unwrap();
                assert_eq!(got.bytes().await.unwrap(), text(length)[start..end], "{range:?}");
                compared += 1;
            }
        }
    }
    assert!(compared > 400, "{compared}");
}

#[tokio::test]
async fn an_object_of_unknown_length_is_proved_once() {
    let (inner, store) = store().await;
    let path = Path::from("stream");
    let long = text(3 * CHUNK + 9);
    let mut upload = store.put_multipart(&path).await.unwrap();
    upload.put_part(long.clone().into()).await.unwrap();
    upload.complete().await.unwrap();
    let calls = inner.take_calls();
    assert_eq!(kinds(&calls), [Kind::PutMultipart, Kind::PutPart, Kind::Complete]);
    assert_eq!(calls[1].length, 512 + long.len() + 4 * 32);
    // The header with the range, which is near, and the last chunk, once.
    for requests in [2, 1, 1] {
        let range = CHUNK as u64 * 2..CHUNK as u64 * 2 + 5;
        let read = store.get_range(&path, range).await.unwrap();
        assert_eq!(read, long[2 * CHUNK..2 * CHUNK + 5]);
        assert_eq!(inner.take_calls().len(), requests);
    }
    // An object that was cut at a chunk's border is no shorter one.
    let whole = inner.get(&path).await.unwrap().bytes().await.unwrap();
    inner.put(&path, whole.slice(..512 + 2 * (CHUNK + 32)).into()).await.unwrap();
    for _ in 0..2 {
        assert_eq!(store.head(&path).await.unwrap().size, 2 * CHUNK as u64, "as it claims");
        assert!(store.get_range(&path, 0..5).await.is_err());
        assert!(store.get(&path).await.is_err());
    }
}

#[tokio::test]
async fn copies_and_renames_of_objects_that_are_bound_to_their_paths_seal_anew() {
    for bind_path in [true, false] {
        let inner = Watched::new(Arc::new(InMemory::new()));
        let config = sealed::config(Arc::new(inner.clone())).await;
        let new = NewStore { bind_path, ..NewStore::default() };
        let store = config.init(new).await.unwrap();
        let (a, b, c) = (Path::from("a"), Path::from("b"), Path::from("c"));
        store.put(&a, text(CHUNK + 1).into()).await.unwrap();
        inner.take_calls();
        store.copy(&a, &b).await.unwrap();
        store.rename(&b, &c).await.unwrap();
        let expected: &[Kind] = if bind_path {
            &[Kind::Get, Kind::Put, Kind::Get, Kind::Put, Kind::Head, Kind::Delete]
        } else {
            &[Kind::Copy, Kind::Rename]
        };
        assert_eq!(kinds(&inner.take_calls()), expected);
        assert_eq!(store.get(&c).await.unwrap().bytes().await.unwrap(), text(CHUNK + 1));
        assert!(store.get(&b).await.is_err());
        // Moved behind the store's back it opens where it is not bound, and only there.
        inner.copy(&a, &b).await.unwrap();
        assert_eq!(store.get(&b).await.is_ok(), !bind_path);
    }
}
