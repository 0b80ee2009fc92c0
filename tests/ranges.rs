//! Reading in part: whatever is asked for, in whatever order, is the slice of the plaintext.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails should stop")]

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;
use strongroom::Error;
use strongroom::backend::Backend;
use strongroom::document::{
    ChunkLen, Header, Layers, OpenOptions, Opener, PlaintextLen, ReadAt, SealOptions, Sealer, Slots,
};
use strongroom::secret::Secret;
use strongroom::wrap::{KeyId, UnwrappingKey, WrappingKey};

const CHUNK: usize = 4096;

fn id(name: &str) -> KeyId {
    KeyId::new(name).unwrap()
}

fn wrapping(name: &str) -> [WrappingKey; 1] {
    [WrappingKey::aes(id(name), Secret::copy_from(&[7; 32]))]
}

fn text(len: usize) -> Vec<u8> {
    (0..len).map(|i| u8::try_from(i * 131 % 251).unwrap()).collect()
}

/// A document, and what a test may vary in it.
#[derive(Clone, Copy, Debug)]
struct Kind {
    len: usize,
    stream: bool,
    two_layers: bool,
    detached: bool,
}

fn kinds() -> impl Strategy<Value = Kind> {
    let lens = prop_oneof![
        Just(0_usize),
        1_usize..100,
        (1_usize..5, 0_usize..3).prop_map(|(chunks, by)| chunks * CHUNK + by - 1),
        0_usize..6 * CHUNK,
    ];
    (lens, any::<bool>(), any::<bool>(), any::<bool>())
        .prop_map(|(len, stream, two_layers, detached)| Kind { len, stream, two_layers, detached })
}

/// The sealed bytes, and what opens them.
fn document(kind: Kind, backend: Backend) -> (Vec<u8>, Opener) {
    let (service, customer) = (wrapping("service/1"), wrapping("customer/1"));
    let layers = if kind.two_layers {
        Layers::Two { service: &service, customer: &customer }
    } else {
        Layers::One(&service)
    };
    let plaintext_len =
        if kind.stream { PlaintextLen::Stream } else { PlaintextLen::Known(kind.len as u64) };
    let chunk_len = ChunkLen::new(CHUNK as u64).unwrap();
    let options = SealOptions { chunk_len, slots: Slots::One, backend, ..SealOptions::default() };
    let sealer = Sealer::new(plaintext_len, layers, &options).unwrap();
    let header = Header::parse(sealer.header()).unwrap();
    let sealer = if kind.detached { sealer.detached().1 } else { sealer };
    let sealed = sealer.seal_slice(&text(kind.len)).unwrap();
    let keys = ["service/1", "customer/1"]
        .map(|name| UnwrappingKey::aes(id(name), Secret::copy_from(&[7; 32])));
    let options = OpenOptions { backend, ..OpenOptions::default() };
    let opener = header.unlock_with(&keys, &options).unwrap();
    (sealed, if kind.detached { opener.detached() } else { opener })
}

/// Counts what is read of it.
struct Counted<'b> {
    bytes: &'b [u8],
    reads: AtomicU64,
    read: AtomicU64,
}

impl ReadAt for Counted<'_> {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.read.fetch_add(buffer.len() as u64, Ordering::Relaxed);
        self.bytes.read_exact_at(buffer, offset)
    }

    fn byte_len(&self) -> io::Result<u64> {
        self.bytes.byte_len()
    }
}

/// One step of somebody who reads.
#[derive(Clone, Debug)]
enum Step {
    ReadAt(usize, usize),
    Ranges(Vec<(usize, usize)>),
    Fetch(usize, usize),
    Seek(i64),
    Read(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let place = || (0_usize..7 * CHUNK, prop_oneof![0_usize..50, 0_usize..3 * CHUNK]);
    let step = prop_oneof![
        place().prop_map(|(at, len)| Step::ReadAt(at, len)),
        prop::collection::vec(place(), 0..6).prop_map(Step::Ranges),
        place().prop_map(|(at, len)| Step::Fetch(at, len)),
        (-100_i64..30_000).prop_map(Step::Seek),
        (0_usize..2 * CHUNK).prop_map(Step::Read),
    ];
    prop::collection::vec(step, 1..25)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn any_sequence_of_reads_equals_slices_of_the_plaintext(
        kind in kinds(),
        steps in steps(),
        backend in 0..Backend::available().count(),
    ) {
        let backend = Backend::available().nth(backend).unwrap();
        let (sealed, opener) = document(kind, backend);
        let plain = text(kind.len);
        // Another document of the same shape: its pieces do not open here.
        let (foreign, _) = document(kind, backend);
        let (fetched, fetching) = document(kind, backend);
        let layout = fetching.file_layout(&fetched[..]).unwrap();
        let mut reader = opener.into_reader(&sealed[..]).unwrap();
        prop_assert_eq!(reader.layout().plaintext_len(), plain.len() as u64);
        let mut position = 0_u64;
        for step in steps {
            match step {
                Step::ReadAt(at, len) => {
                    let mut buffer = vec![0xee; len];
                    let count = reader.read_at(&mut buffer, at as u64).unwrap();
                    let expected = plain.get(at..plain.len().min(at + len)).unwrap_or_default();
                    prop_assert_eq!(&buffer[..count], expected);
                }
                Step::Ranges(ranges) => {
                    let mut buffers: Vec<_> =
                        ranges.iter().map(|(_, len)| vec![0xee; *len]).collect();
                    let mut wanted: Vec<(u64, &mut [u8])> = ranges
                        .iter()
                        .zip(&mut buffers)
                        .map(|((at, _), buffer)| (*at as u64, &mut buffer[..]))
                        .collect();
                    let read = reader.read_ranges(&mut wanted);
                    let within = ranges.iter().all(|(at, len)| at + len <= plain.len());
                    prop_assert_eq!(read.is_ok(), within);
                    for ((at, len), buffer) in ranges.iter().zip(&buffers) {
                        if within {
                            prop_assert_eq!(&buffer[..], &plain[*at..at + len]);
                        }
                    }
                }
                Step::Fetch(at, len) => {
                    let range = at as u64..(at + len) as u64;
                    match layout.sealed_range(range.clone()) {
                        Ok(piece) => {
                            let piece =
                                piece.start.try_into().unwrap()..piece.end.try_into().unwrap();
                            let own = &fetched[piece.clone()];
                            let opened = fetching.open_range(&layout, range.clone(), own);
                            prop_assert_eq!(opened.unwrap(), &plain[at..at + len]);
                            let opened = fetching.open_range(&layout, range, &foreign[piece]);
                            prop_assert_eq!(opened.is_err(), len > 0);
                        }
                        Err(error) => {
                            prop_assert!(at + len > plain.len(), "{}", error);
                        }
                    }
                }
                Step::Seek(to) => {
                    let sought = if to < 0 {
                        reader.seek(SeekFrom::End(to))
                    } else {
                        reader.seek(SeekFrom::Start(to.cast_unsigned()))
                    };
                    let expected = if to < 0 {
                        (plain.len() as u64).checked_add_signed(to)
                    } else {
                        Some(to.cast_unsigned())
                    };
                    prop_assert_eq!(sought.ok(), expected);
                    position = expected.unwrap_or(position);
                }
                Step::Read(len) => {
                    let mut buffer = vec![0xee; len];
                    let at = usize::try_from(position).unwrap().min(plain.len());
                    let expected = &plain[at..plain.len().min(at + len)];
                    let mut filled = 0;
                    while filled < expected.len() {
                        let count = reader.read(&mut buffer[filled..]).unwrap();
                        prop_assert!(count > 0, "it ended early");
                        filled += count;
                    }
                    prop_assert_eq!(&buffer[..filled], expected);
                    position += filled as u64;
                }
            }
        }
    }
}

/// Counts the reads of a range: one a chunk, of that chunk's record; a stream's reader reads the last chunk
/// once more, in the beginning.
#[test]
fn a_range_reads_the_chunks_that_hold_it_and_nothing_else() {
    for stream in [false, true] {
        let kind = Kind { len: 10 * CHUNK + 5, stream, two_layers: false, detached: false };
        let (sealed, opener) = document(kind, Backend::detect());
        let source = Counted { bytes: &sealed, reads: AtomicU64::new(0), read: AtomicU64::new(0) };
        let reader = opener.into_reader(&source).unwrap();
        let taken =
            || (source.reads.swap(0, Ordering::Relaxed), source.read.swap(0, Ordering::Relaxed));
        assert_eq!(taken(), if stream { (1, 5 + 16) } else { (0, 0) });
        let record = CHUNK as u64 + 16;
        for (at, len, reads, bytes) in [
            (0, 1, 1, record),
            (CHUNK - 1, 1, 1, record),
            (CHUNK - 1, 2, 2, 2 * record),
            (CHUNK, CHUNK, 1, record),
            (3 * CHUNK + 17, 2 * CHUNK, 3, 3 * record),
            (10 * CHUNK, 5, 1, 5 + 16),
            (9 * CHUNK + 1, 0, 0, 0),
        ] {
            reader.read_exact_at(&mut vec![0; len], at as u64).unwrap();
            assert_eq!(taken(), (reads, bytes), "{at} {len}");
        }
        // Many ranges: each chunk once, in whatever order they were asked for.
        let starts = [100, 8200, 0, 8192, 150, 4000];
        let mut parts = starts.map(|_| [0; 30]);
        let mut ranges: Vec<(u64, &mut [u8])> = starts
            .iter()
            .zip(&mut parts)
            .map(|(start, part)| (*start as u64, &mut part[..]))
            .collect();
        reader.read_ranges(&mut ranges).unwrap();
        assert_eq!(taken(), (2, 2 * record));
        let plain = text(kind.len);
        for (part, at) in parts.iter().zip(starts) {
            assert_eq!(part, &plain[at..at + 30]);
        }
    }
}

#[test]
fn reads_past_the_end_and_of_changed_chunks_are_refused() {
    let kind = Kind { len: 3 * CHUNK, stream: false, two_layers: false, detached: false };
    let (mut sealed, opener) = document(kind, Backend::detect());
    sealed[512 + CHUNK + 16 + 1000] ^= 1; // in the second chunk
    let mut reader = opener.into_reader(&sealed[..]).unwrap();
    for len in [1, CHUNK / 2, CHUNK / 2 + 1, CHUNK] {
        let mut buffer = vec![0xee; len];
        reader.read_exact_at(&mut buffer, 0).unwrap();
        assert_eq!(buffer, text(len));
        let refused = reader.read_exact_at(&mut buffer, CHUNK as u64);
        assert!(matches!(refused, Err(Error::Authentication)));
        assert!(buffer.iter().all(|byte| *byte == 0));
    }
    let past = reader.read_exact_at(&mut [0; 2], kind.len as u64 - 1);
    assert!(matches!(past, Err(Error::Argument { what: "range", .. })));
    assert_eq!(reader.read_at(&mut [0; 2], kind.len as u64).unwrap(), 0);
    assert_eq!(reader.read_at(&mut [0; 2], u64::MAX).unwrap(), 0);

    // In a row: the error stays where it is, and what is behind it can be had by seeking.
    let mut text_before = vec![0; CHUNK];
    reader.read_exact(&mut text_before).unwrap();
    for _ in 0..3 {
        let error = reader.read(&mut [0; 10]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(error.to_string().contains("authentication failed"));
    }
    reader.seek(SeekFrom::Start(2 * CHUNK as u64)).unwrap();
    let mut rest = Vec::new();
    reader.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, text(kind.len)[2 * CHUNK..]);
}

/// Checks that no range is read where one of many cannot be, for any error.
#[test]
fn after_an_error_no_buffer_holds_anything() {
    let kind = Kind { len: 100, stream: false, two_layers: false, detached: false };
    let (sealed, opener) = document(kind, Backend::detect());
    let reader = opener.into_reader(&sealed[..]).unwrap();
    let (mut within, mut past) = ([0xee; 4], [0xee; 4]);
    let refused = reader.read_ranges(&mut [(0, &mut within), (98, &mut past)]);
    assert!(matches!(refused, Err(Error::Argument { what: "range", .. })));
    assert_eq!((within, past), ([0; 4], [0; 4]));
}

/// A last chunk has the same nonce in every layout with as many chunks, and would open at another place.
#[test]
fn a_layout_of_other_chunks_is_refused() {
    let seal = |chunk: usize, len: usize| {
        let chunk_len = ChunkLen::new(chunk as u64).unwrap();
        let options = SealOptions { chunk_len, slots: Slots::One, ..SealOptions::default() };
        strongroom::document::seal(&text(len), &wrapping("service/1"), &options).unwrap()
    };
    let (sealed, other) = (seal(2 * CHUNK, 2 * CHUNK + 100), seal(CHUNK, CHUNK + 100));
    let key = UnwrappingKey::aes(id("service/1"), Secret::copy_from(&[7; 32]));
    let opener = |sealed: &[u8]| {
        let header = Header::parse(sealed).unwrap();
        header.unlock_with(core::slice::from_ref(&key), &OpenOptions::default()).unwrap()
    };
    let (opener, other_opener) = (opener(&sealed), opener(&other));
    let last = &sealed[sealed.len() - 116..];
    let range = |chunk: usize| chunk as u64..chunk as u64 + 100;

    let own = opener.file_layout(&sealed[..]).unwrap();
    let opened = opener.open_range(&own, range(2 * CHUNK), last).unwrap();
    assert_eq!(opened, text(2 * CHUNK + 100)[2 * CHUNK..]);
    let claimed = Header::parse(&other).unwrap().layout(other.len() as u64).unwrap();
    let refused = opener.verify_layout(&claimed, &[]);
    assert!(matches!(refused, Err(Error::Argument { what: "layout", .. })), "{refused:?}");
    let other = other_opener.file_layout(&other[..]).unwrap();
    let refused = opener.open_range(&other, range(CHUNK), last);
    assert!(matches!(refused, Err(Error::Argument { what: "layout", .. })), "{refused:?}");
}

/// A stream that is cut between two chunks looks like a shorter one, and nothing of it opens.
#[test]
fn a_stream_has_no_layout_before_its_last_chunk_has_vouched_for_it() {
    for (two_layers, detached) in [(false, false), (true, false), (false, true), (true, true)] {
        let kind = |chunks| Kind { len: chunks * CHUNK, stream: true, two_layers, detached };
        let (sealed, opener) = document(kind(3), Backend::detect());
        let (shorter, shorter_opener) = document(kind(2), Backend::detect());
        let record = CHUNK + if two_layers { 32 } else { 16 };

        let whole = opener.layout(sealed.len() as u64).unwrap();
        let proof = |range: core::ops::Range<u64>| {
            usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()
        };
        let last = proof(whole.proof_range());
        assert_eq!(last, sealed.len() - record..sealed.len());
        assert_eq!(whole.claimed_plaintext_len(), 3 * CHUNK as u64);
        opener.verify_layout(&whole, &sealed[last.clone()]).unwrap();
        let short = opener.verify_layout(&whole, &sealed[last.start + 1..]);
        assert!(matches!(short, Err(Error::Argument { what: "proof", .. })), "{short:?}");

        let cut = &sealed[..sealed.len() - record];
        let claimed = opener.layout(cut.len() as u64).unwrap();
        let refused = opener.verify_layout(&claimed, &cut[proof(claimed.proof_range())]);
        assert!(matches!(refused, Err(Error::Authentication)), "{refused:?}");
        assert!(matches!(opener.file_layout(cut), Err(Error::Authentication)));
        // Nor does the layout of another document of that length serve.
        let lent = shorter_opener.file_layout(&shorter[..]).unwrap();
        assert_eq!(lent.sealed_len(), cut.len() as u64);
        let first = proof(lent.sealed_range(0..10).unwrap());
        let refused = opener.open_range(&lent, 0..10, &cut[first]);
        assert!(matches!(refused, Err(Error::Argument { what: "layout", .. })), "{refused:?}");
    }
}

/// One reader, many threads.
#[test]
fn a_reader_is_shared_by_threads() {
    let kind = Kind { len: 40 * CHUNK, stream: false, two_layers: true, detached: false };
    let (sealed, opener) = document(kind, Backend::detect());
    let reader = opener.into_reader(&sealed[..]).unwrap();
    let plain = text(kind.len);
    std::thread::scope(|scope| {
        for thread in 0..8_usize {
            let (reader, plain) = (&reader, &plain);
            scope.spawn(move || {
                for step in 0..50 {
                    let at = (thread * 7919 + step * 3571) % (plain.len() - 5000);
                    let mut buffer = vec![0; 1 + (step * 97) % 5000];
                    reader.read_exact_at(&mut buffer, at as u64).unwrap();
                    assert_eq!(buffer, plain[at..at + buffer.len()]);
                }
            });
        }
    });
}
