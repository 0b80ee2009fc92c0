//! Work of the task's own, which does without any pool, rayon's global one included.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails should stop")]
#![allow(dead_code, reason = "the other tests need more of the support")]

#[path = "support/documents.rs"]
mod documents;
#[path = "support/transports.rs"]
mod transports;

use std::sync::mpsc;
use std::time::Duration;

use futures::executor::block_on;
use strongroom::document::PlaintextLen;
use strongroom_async::{AsyncRangeReader, Options, open, read_header, read_header_at, seal};

use documents::{CHUNK, INLINE, sealed, sealer, text, unlock};
use transports::{EASY, Transport};

#[test]
fn short_documents_and_ranges_wait_for_no_pool() {
    // On a pool of its own: the global one is not there yet.
    let other = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let long = other.install(|| sealed(&text(4 * INLINE), PlaintextLen::Stream, 1));
    // Its one thread is busy for longer than the test takes.
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global().unwrap();
    let (release, released) = mpsc::channel::<()>();
    rayon::spawn(move || {
        let _ = released.recv();
    });
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        for length in [0, 1, CHUNK, INLINE - 1] {
            let (text, options) = (text(length), Options::default());
            let mut document = Transport::new(Vec::new(), EASY);
            let stream = sealer(PlaintextLen::Stream, 2);
            let from = Transport::new(&text[..], EASY);
            block_on(seal(stream, from, &mut document, &options)).unwrap();
            if document.bytes.len() - 2560 < INLINE {
                let mut from = Transport::new(&document.bytes[..], EASY);
                let mut to = Transport::new(Vec::new(), EASY);
                block_on(async {
                    let header = read_header(&mut from).await.unwrap();
                    open(unlock(&header), &mut from, &mut to, &options).await.unwrap();
                });
                assert!(to.bytes == text);
            }
        }
        block_on(async {
            let header = read_header_at(&long[..]).await.unwrap();
            let reader = AsyncRangeReader::new(&long[..], unlock(&header), None).await.unwrap();
            // As many records as make up 256 KiB, and the chunks at both ends only in part.
            let chunks = (INLINE / (CHUNK + 16)) as u64;
            let range = 5..chunks * CHUNK as u64 - 5;
            let part = reader.read(range.clone()).await.unwrap();
            assert!(part == text(4 * INLINE)[5..usize::try_from(range.end).unwrap()]);
        });
        tell.send(()).unwrap();
    });
    let outcome = told.recv_timeout(Duration::from_secs(60));
    drop(release);
    outcome.unwrap();
}
