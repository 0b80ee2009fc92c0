//! Ranges of remote documents: what is asked for, what is given, what is refused.

use std::io;
use std::ops::Range;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};

use futures::executor::block_on;
use strongroom::Error;
use strongroom::document::{self, Header, Layers, OpenOptions, PlaintextLen, SealOptions};
use strongroom::secret::Secret;
use strongroom::wrap::{KeyId, WrappingKey};
use strongroom_async::{AsyncRangeReader, AsyncReadAt, read_header_at};

use crate::documents::{
    CHUNK, INLINE, busy_pool, engine_opens, known, sealed, sealer, text, unlock,
};

const HEADER_LEN: u64 = 2560;

/// A store's object that keeps a list of what it was asked for.
#[derive(Default)]
struct Object {
    bytes: Vec<u8>,
    requests: Mutex<Vec<Range<u64>>>,
    /// So many bytes less than it is asked for.
    short_by: usize,
}

impl Object {
    fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, ..Self::default() }
    }

    /// Takes the ranges that were read since the last call.
    fn requests(&self) -> Vec<Range<u64>> {
        std::mem::take(&mut *self.requests.lock().unwrap())
    }
}

impl AsyncReadAt for Object {
    type Bytes = Vec<u8>;

    async fn read_exact_at(&self, range: Range<u64>) -> io::Result<Vec<u8>> {
        self.requests.lock().unwrap().push(range.clone());
        // An answer takes a while.
        let mut asked = false;
        std::future::poll_fn(|context| {
            if std::mem::replace(&mut asked, true) {
                return std::task::Poll::Ready(());
            }
            context.waker().wake_by_ref();
            std::task::Poll::Pending
        })
        .await;
        let mut bytes = self.bytes[..].read_exact_at(range).await?;
        bytes.truncate(bytes.len() - self.short_by);
        Ok(bytes)
    }

    async fn byte_len(&self) -> io::Result<u64> {
        Ok(self.bytes.len() as u64)
    }
}

fn reader(object: &Object) -> Result<AsyncRangeReader<&Object>, Error> {
    block_on(async {
        let header = read_header_at(object).await?;
        AsyncRangeReader::new(object, unlock(&header), None).await
    })
}

#[test]
fn a_range_is_one_request_for_the_records_that_hold_it() {
    for layers in [1, 2] {
        let record = (CHUNK + 16 * usize::from(layers)) as u64;
        for length in [0, 1, CHUNK, 5 * CHUNK + 700] {
            let text = text(length);
            for announced in [known(&text), PlaintextLen::Stream] {
                let object = Object::new(sealed(&text, announced, layers));
                let total = object.bytes.len() as u64;
                let reader = reader(&object).unwrap();
                let requests = object.requests();
                assert_eq!(requests[0], 0..total.min(4096));
                // A stream's last chunk vouches for its length.
                let expected = usize::from(announced == PlaintextLen::Stream);
                assert_eq!(requests.len(), 1 + expected, "{requests:?}");
                assert_eq!(reader.layout().plaintext_len(), length as u64);

                let mut borders: Vec<usize> = (0..=length.div_ceil(CHUNK))
                    .flat_map(|chunk| (chunk * CHUNK).saturating_sub(1)..=chunk * CHUNK + 1)
                    .chain([length])
                    .filter(|border| *border <= length)
                    .collect();
                borders.dedup();
                for start in &borders {
                    for end in borders.iter().filter(|end| *end >= start) {
                        let range = *start as u64..*end as u64;
                        let part = block_on(reader.read(range.clone())).unwrap();
                        assert!(part == text[*start..*end]);
                        let requests = object.requests();
                        if range.is_empty() {
                            assert!(requests.is_empty());
                            continue;
                        }
                        let chunk = CHUNK as u64;
                        let first = HEADER_LEN + range.start / chunk * record;
                        let last = (HEADER_LEN + ((range.end - 1) / chunk + 1) * record).min(total);
                        assert_eq!(requests.len(), 1);
                        assert_eq!(requests[0], first..last);
                    }
                }
                let past = block_on(reader.read(0..length as u64 + 1));
                assert!(matches!(past, Err(Error::Argument { .. })));
                let (end, start) = (0, 1); // backwards
                let backwards = block_on(reader.read(start..end));
                assert!(matches!(backwards, Err(Error::Argument { .. })));
                assert!(object.requests().is_empty(), "nothing is asked for what is refused");
            }
        }
    }
}

#[test]
fn a_longer_header_takes_one_request_more() {
    for (keys, expected) in [(1, 1), (8, 2)] {
        let key = |n: u8| {
            let id = KeyId::new(&format!("vault/{}/{n}", "a".repeat(200))).unwrap();
            WrappingKey::aes(id, Secret::copy_from(&[n; 32]))
        };
        let keys: Vec<WrappingKey> = (0..keys).map(key).collect();
        let layers = Layers::Two { service: &keys, customer: &keys };
        let sealed = document::seal(b"text", layers, &SealOptions::default()).unwrap();
        let expected_header = Header::parse(&sealed).unwrap();
        assert_eq!(expected_header.len() > 4096, expected == 2);
        let header_len = expected_header.len() as u64;

        let object = Object::new(sealed);
        assert!(block_on(read_header_at(&object)).unwrap() == expected_header);
        let requests = object.requests();
        assert_eq!(requests.len(), expected);
        if expected == 2 {
            assert_eq!(requests[1], 4096..header_len);
        }
        // Cut anywhere within it, it is refused as the engine does.
        for length in (0..object.bytes.len().min(expected_header.len())).step_by(61) {
            let cut = Object::new(object.bytes[..length].to_vec());
            let error = block_on(read_header_at(&cut)).unwrap_err();
            let engine = Header::parse(&cut.bytes).unwrap_err();
            assert_eq!(error.to_string(), engine.to_string());
        }
    }
}

#[test]
fn a_changed_chunk_is_refused_and_others_are_read() {
    let text = text(3 * CHUNK);
    let mut object = Object::new(sealed(&text, known(&text), 1));
    let record = CHUNK + 16;
    for at in (2560..object.bytes.len()).step_by(331) {
        object.bytes[at] ^= 4;
        let reader = reader(&object).unwrap();
        for chunk in 0..3 {
            let range = (chunk * CHUNK + 5) as u64..(chunk * CHUNK + 9) as u64;
            let part = block_on(reader.read(range));
            if (at - 2560) / record == chunk {
                assert!(matches!(part, Err(Error::Authentication)));
            } else {
                assert!(part.unwrap() == text[chunk * CHUNK + 5..chunk * CHUNK + 9]);
            }
        }
        assert!(matches!(block_on(reader.read(0..3 * CHUNK as u64)), Err(Error::Authentication)));
        drop(reader);
        object.bytes[at] ^= 4;
    }
}

/// A length that follows from the object's alone is believed when the last chunk has been opened.
#[test]
fn a_document_that_was_cut_is_refused_before_anything_is_read() {
    for length in [0, 1, CHUNK, 3 * CHUNK + 50] {
        let text = text(length);
        for announced in [known(&text), PlaintextLen::Stream] {
            let document = sealed(&text, announced, 1);
            let borders = (2560..document.len()).filter(|at| {
                (at - 2560) % (CHUNK + 16) < 18 || at % 509 == 0 || document.len() - at < 20
            });
            for at in borders {
                let cut = Object::new(document[..at].to_vec());
                assert!(reader(&cut).is_err(), "{length} {announced:?} cut at {at}");
                assert!(engine_opens(&cut.bytes).1.is_err());
            }
            let longer = Object::new([&document[..], &[0; 5000]].concat());
            assert!(reader(&longer).is_err());
        }
    }
    // Sixteen bytes of anything behind a stream's header are no empty document.
    let mut forged = sealed(&text(100), PlaintextLen::Stream, 1);
    forged.truncate(2560 + 16);
    assert!(matches!(reader(&Object::new(forged)), Err(Error::Authentication)));
}

#[test]
fn detached_documents_are_read_with_their_own_header_alone() {
    for (length, stream) in [(0, false), (0, true), (3 * CHUNK + 50, false), (3 * CHUNK, true)] {
        let text = text(length);
        let announced = if stream { PlaintextLen::Stream } else { known(&text) };
        let (header, sealer) = sealer(announced, 2).detached();
        let header = Header::parse(&header).unwrap();
        let mut object = Object::new(sealer.seal_slice(&text).unwrap());
        let opener = |header| unlock(header).detached();
        {
            let reader = block_on(AsyncRangeReader::new(&object, opener(&header), None)).unwrap();
            // The prologue, and of a stream its last chunk.
            let (chunk, record) = (CHUNK as u64, CHUNK as u64 + 32);
            let last = match length as u64 {
                0 => 128,
                length => 128 + (length - 1) / chunk * record,
            };
            let total = object.bytes.len() as u64;
            let expected = [0..128, last..total];
            assert_eq!(object.requests(), expected[..=usize::from(stream)]);
            assert!(block_on(reader.read(0..length as u64)).unwrap() == text);
            let whole = 128..total;
            let expected = (length > 0).then_some(whole);
            assert_eq!(object.requests(), Vec::from_iter(expected));
        }
        // As if it were not detached, in either way.
        assert!(block_on(AsyncRangeReader::new(&object, unlock(&header), None)).is_err());
        let other = sealed(&text, announced, 2);
        let other_header = Header::parse(&other).unwrap();
        let wrong = block_on(AsyncRangeReader::new(&other[..], opener(&other_header), None));
        assert!(wrong.is_err());
        // A header of another document, and a prologue that was changed in its last byte.
        let wrong = block_on(AsyncRangeReader::new(&object, opener(&other_header), None));
        assert!(matches!(wrong, Err(Error::Format { offset: 0, .. })));
        object.bytes[127] ^= 1;
        let wrong = block_on(AsyncRangeReader::new(&object, opener(&header), None));
        assert!(matches!(wrong, Err(Error::Format { offset: 0, .. })));
    }
}

#[test]
fn a_source_that_gives_less_than_it_was_asked_for_is_an_error() {
    let text = text(3 * CHUNK);
    let mut object = Object::new(sealed(&text, known(&text), 1));
    let header = block_on(read_header_at(&object)).unwrap();
    object.short_by = 1;
    assert!(matches!(block_on(read_header_at(&object)), Err(Error::Io { .. })));
    let reader = AsyncRangeReader::new(&object, unlock(&header), None);
    let reader = block_on(reader).unwrap();
    assert!(matches!(block_on(reader.read(0..1)), Err(Error::Io { .. })));
}

/// More than 256 KiB go to the pool, which is awaited; less is opened where it is asked for.
#[test]
fn long_ranges_are_opened_on_the_pool() {
    let text = text(2 * INLINE);
    let object = Object::new(sealed(&text, known(&text), 1));
    let header = block_on(read_header_at(&object)).unwrap();
    let (pool, release) = busy_pool();
    let options = OpenOptions::default();
    assert!(header.unlock_with(&[], &options).is_err(), "only the keys open it");
    let reader = AsyncRangeReader::new(&object, unlock(&header), Some(Arc::clone(&pool)));
    let reader = block_on(reader).unwrap();
    assert!(block_on(reader.read(0..INLINE as u64 / 2)).unwrap() == text[..INLINE / 2]);

    let mut context = Context::from_waker(Waker::noop());
    {
        let mut dropped = pin!(reader.read(0..text.len() as u64));
        let mut kept = pin!(reader.read(1..text.len() as u64));
        for _ in 0..1000 {
            assert!(dropped.as_mut().poll(&mut context).is_pending());
            assert!(kept.as_mut().poll(&mut context).is_pending());
        }
        drop(release);
        assert!(block_on(kept).unwrap() == text[1..]);
    }
    assert!(block_on(reader.read(5..6)).unwrap() == text[5..6], "the reader goes on serving");
}
