//! Documents through the public interface: every way in, every way out, the same bytes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails should stop")]

use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use proptest::prelude::*;
use strongroom::Error;
use strongroom::backend::Backend;
use strongroom::document::{
    self, ChunkLen, Context, Header, OpenOptions, PlaintextLen, RewrapOptions, Run, SealOptions,
    Sealer, SlotState, Slots,
};
use strongroom::secret::Secret;
use strongroom::wrap::{KeyId, UnwrappingKey, WrappingKey};

const KEK: [u8; 32] = [0x51; 32];

fn key_id() -> KeyId {
    KeyId::new("vault/documents/1").unwrap()
}

fn wrapping() -> [WrappingKey; 1] {
    [WrappingKey::aes(key_id(), Secret::copy_from(&KEK))]
}

fn unwrapping() -> [UnwrappingKey; 1] {
    [UnwrappingKey::aes(key_id(), Secret::copy_from(&KEK))]
}

fn text(len: usize) -> Vec<u8> {
    (0..len).map(|i| u8::try_from(i * 131 % 251).unwrap()).collect()
}

fn options(chunk_len: u64, backend: Backend) -> SealOptions {
    let chunk_len = ChunkLen::new(chunk_len).unwrap();
    SealOptions { chunk_len, backend, ..SealOptions::default() }
}

/// A reader that gives at most a few bytes at a time and is interrupted now and then, as pipes are.
struct Trickle<'b> {
    bytes: &'b [u8],
    reads: usize,
}

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reads += 1;
        if self.reads.is_multiple_of(7) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let most = 1 + self.reads * 977 % 5000;
        let take = most.min(buffer.len());
        self.bytes.read(&mut buffer[..take])
    }
}

fn temporary(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn contents(file: &File) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(file.metadata().unwrap().len()).unwrap()];
    document::ReadAt::read_exact_at(file, &mut bytes, 0).unwrap();
    bytes
}

/// Seals in every way.
fn seal_everywhere(plaintext: &[u8], options: &SealOptions, run: &Run<'_>) -> Vec<Vec<u8>> {
    let known = PlaintextLen::Known(plaintext.len() as u64);
    let sealer = |len| Sealer::new(len, &wrapping(), options).unwrap();

    let (input, output) = (temporary(plaintext), temporary(b""));
    let totals = sealer(known).seal_file(&input, &output, run).unwrap();
    let in_file = contents(&output);
    assert_eq!(totals.plaintext_len, plaintext.len() as u64);
    assert_eq!(totals.sealed_len, in_file.len() as u64);

    let streamed = [known, PlaintextLen::Stream].map(|len| {
        let mut sealed = Vec::new();
        let mut input = Trickle { bytes: plaintext, reads: 0 };
        let totals = sealer(len).seal_stream(&mut input, &mut sealed, run).unwrap();
        assert_eq!(totals.sealed_len, sealed.len() as u64);
        sealed
    });
    let in_memory =
        [known, PlaintextLen::Stream].map(|len| sealer(len).seal_slice(plaintext).unwrap());
    let all: Vec<_> = [in_file].into_iter().chain(streamed).chain(in_memory).collect();
    for sealed in &all {
        assert_eq!(sealer(known).sealed_len(), Some(sealed.len() as u64));
    }
    all
}

/// Opens in every way.
fn open_everywhere(sealed: &[u8], options: &OpenOptions, run: &Run<'_>) -> Result<Vec<u8>, Error> {
    let in_memory = document::open(sealed, &unwrapping(), options)?;

    let (input, output) = (temporary(sealed), temporary(b""));
    let opener = Header::read_at(&input)?.unlock_with(&unwrapping(), options)?;
    assert_eq!(opener.open_file(&input, &output, run)?.plaintext_len, in_memory.len() as u64);
    assert_eq!(contents(&output), in_memory);
    assert_eq!(opener.verify_file(&input, run)?.sealed_len, sealed.len() as u64);

    let mut input = Trickle { bytes: sealed, reads: 0 };
    let opener = Header::read(&mut input)?.unlock_with(&unwrapping(), options)?;
    let mut streamed = Vec::new();
    opener.open_stream(&mut input, &mut streamed, run)?;
    assert_eq!(streamed, in_memory);
    Ok(in_memory)
}

#[test]
fn every_way_in_and_out_agrees_around_chunk_boundaries() {
    let mut documents = 0;
    for backend in Backend::available() {
        let options = options(4096, backend);
        for len in [0, 1, 15, 16, 17, 4095, 4096, 4097, 8191, 8192, 8193, 70_000] {
            let plaintext = text(len);
            for sealed in seal_everywhere(&plaintext, &options, &Run::default()) {
                let opened = OpenOptions { backend, ..OpenOptions::default() };
                assert_eq!(open_everywhere(&sealed, &opened, &Run::default()).unwrap(), plaintext);
                documents += 1;
            }
        }
    }
    assert_eq!(documents, 12 * 5 * Backend::available().count());
}

/// Checks that every tier opens the documents of every other tier.
#[test]
fn tiers_open_each_others_documents() {
    let plaintext = text(3 << 20);
    for sealing in Backend::available() {
        let sealed = document::seal(&plaintext, &wrapping(), &options(1 << 18, sealing)).unwrap();
        for opening in Backend::available() {
            let options = OpenOptions { backend: opening, ..OpenOptions::default() };
            assert_eq!(document::open(&sealed, &unwrapping(), &options).unwrap(), plaintext);
        }
    }
}

#[test]
fn every_chunk_length_round_trips() {
    for log2 in 12..=24 {
        let chunk_len = 1 << log2;
        let plaintext = text(if log2 < 22 { 2 * chunk_len + 77 } else { chunk_len + 1 });
        let options = options(chunk_len as u64, Backend::detect());
        let sealed = document::seal(&plaintext, &wrapping(), &options).unwrap();
        let header = Header::parse(&sealed).unwrap();
        assert_eq!(header.chunk_len().bytes(), chunk_len as u64);
        let opened = document::open(&sealed, &unwrapping(), &OpenOptions::default()).unwrap();
        assert_eq!(opened, plaintext);
    }
}

/// The budget decides how much is in flight, never what is written.
#[test]
fn memory_and_threads_change_nothing() {
    let plaintext = text(2_000_001);
    for threads in [1, 2, 5] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            for memory in [0, 1 << 16, 1 << 20, 64 << 20] {
                let run = Run { memory, ..Run::default() };
                let options = options(65_536, Backend::detect());
                for sealed in seal_everywhere(&plaintext, &options, &run) {
                    let opened = open_everywhere(&sealed, &OpenOptions::default(), &run).unwrap();
                    assert_eq!(opened, plaintext);
                }
            }
        });
    }
}

#[test]
fn progress_adds_up_to_the_plaintext() {
    let plaintext = text(1_000_003);
    let done = AtomicU64::new(0);
    let report = |bytes| {
        done.fetch_add(bytes, Ordering::Relaxed);
    };
    let run = Run { progress: Some(&report), ..Run::default() };
    let sealed = seal_everywhere(&plaintext, &options(65_536, Backend::detect()), &run);
    // Once through a file and twice through a stream; memory reports nothing.
    assert_eq!(done.swap(0, Ordering::Relaxed), 3 * 1_000_003);
    open_everywhere(&sealed[0], &OpenOptions::default(), &run).unwrap();
    // Opened in a file, verified, and opened through a stream.
    assert_eq!(done.into_inner(), 3 * 1_000_003);
}

#[test]
fn a_header_says_what_was_sealed() {
    let mut context = Context::new();
    context.insert("tenant", "7").unwrap();
    let options = SealOptions {
        context: context.clone(),
        expires_at: Some(4_000_000_000),
        slots: Slots::One,
        ..SealOptions::default()
    };
    let sealed = document::seal(b"text", &wrapping(), &options).unwrap();
    let header = Header::parse(&sealed).unwrap();
    assert_eq!(header.len(), 512);
    assert_eq!(header.layers(), 1);
    assert_eq!(header.chunk_len(), ChunkLen::default());
    assert_eq!(header.plaintext_len(), PlaintextLen::Known(4));
    assert_eq!(header.expires_at(), Some(4_000_000_000));
    assert_eq!(header.generation(), 1);
    assert_eq!(header.recipients().len(), 1);
    assert_eq!(header.recipients()[0].layer(), 1);
    assert_eq!(header.recipients()[0].key_id(), &key_id());
    let opened = OpenOptions { context, now: Some(3_999_999_999), ..OpenOptions::default() };
    assert_eq!(document::open(&sealed, &unwrapping(), &opened).unwrap(), b"text");
}

/// Checks that the file's former content is gone, also where it was longer.
#[test]
fn longer_files_are_overwritten_to_their_end() {
    let plaintext = text(9000);
    let options = options(4096, Backend::detect());
    let sealer = Sealer::new(PlaintextLen::Known(9000), &wrapping(), &options).unwrap();
    let (input, output) = (temporary(&plaintext), temporary(&vec![0xaa; 50_000]));
    let totals = sealer.seal_file(&input, &output, &Run::default()).unwrap();
    assert_eq!(contents(&output).len() as u64, totals.sealed_len);

    let opened = temporary(&vec![0xaa; 50_000]);
    let header = Header::read_at(&output).unwrap();
    let opener = header.unlock_with(&unwrapping(), &OpenOptions::default()).unwrap();
    opener.open_file(&output, &opened, &Run::default()).unwrap();
    assert_eq!(contents(&opened), plaintext);
}

/// Every byte of either slot, one at a time. Writing the header anew mends the file.
#[test]
fn damage_to_one_of_two_slots_is_mended_and_reported() {
    let mut mended = 0;
    let original = document::seal(b"text", &wrapping(), &SealOptions::default()).unwrap();
    for offset in 512..2560 {
        let mut damaged = original.clone();
        damaged[offset] ^= 0x80 >> (offset % 8);
        let header = Header::parse(&damaged).unwrap();
        let first = [SlotState::Damaged, SlotState::Current];
        let second = [SlotState::Current, SlotState::Damaged];
        assert_eq!(header.slots(), if offset < 1536 { first } else { second }, "byte {offset}");
        let opened = open_everywhere(&damaged, &OpenOptions::default(), &Run::default());
        assert_eq!(opened.unwrap(), b"text", "byte {offset}");

        let file = temporary(&damaged);
        let rewrap = header.rewrap_with(&unwrapping(), &RewrapOptions::default()).unwrap();
        rewrap.write_in_place(&file).unwrap();
        let header = Header::read_at(&file).unwrap();
        assert_eq!(header.slots(), [SlotState::Current; 2], "byte {offset}");
        assert_eq!(header.recipients(), Header::parse(&original).unwrap().recipients());
        mended += 1;
    }
    assert_eq!(mended, 2048);
}

/// Eight recipients with long ids need larger slots; any one of them opens.
#[test]
fn slots_grow_with_their_recipients() {
    let ids: Vec<_> =
        (0..8).map(|n| KeyId::new(&format!("{n}{}", "x".repeat(254))).unwrap()).collect();
    let keys: Vec<_> =
        ids.iter().map(|id| WrappingKey::aes(id.clone(), Secret::copy_from(&KEK))).collect();
    for slots in [Slots::One, Slots::Two] {
        let options = SealOptions { slots, ..SealOptions::default() };
        let sealed = document::seal(b"text", &keys, &options).unwrap();
        assert_eq!(Header::parse(&sealed).unwrap().recipients().len(), 8);
        for id in &ids {
            let key = UnwrappingKey::aes(id.clone(), Secret::copy_from(&KEK));
            let opened = document::open(&sealed, &[key], &OpenOptions::default()).unwrap();
            assert_eq!(opened, b"text");
        }
    }
}

/// RSA and AES keys side by side: either opens.
#[cfg(feature = "rsa")]
#[test]
fn an_rsa_key_opens_what_it_was_sealed_for() {
    let key = strongroom::rsa::PrivateKey::generate().unwrap();
    let id = KeyId::new("vault/customer/3").unwrap();
    let [aes] = wrapping();
    let keys = [WrappingKey::rsa(id.clone(), key.public_key()), aes];
    let sealed = document::seal(b"text", &keys, &SealOptions::default()).unwrap();
    assert_eq!(Header::parse(&sealed).unwrap().len(), 2560);
    let rsa = [UnwrappingKey::rsa(id, key)];
    assert_eq!(document::open(&sealed, &rsa, &OpenOptions::default()).unwrap(), b"text");
    assert_eq!(document::open(&sealed, &unwrapping(), &OpenOptions::default()).unwrap(), b"text");
}

/// Checks that an error of input or output arrives as the operating system gave it, and ends the run.
#[test]
fn failing_readers_and_writers_end_the_run() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::PermissionDenied.into())
        }
    }
    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    impl document::WriteAt for Failing {
        fn write_all_at(&self, _: &[u8], _: u64) -> io::Result<()> {
            Err(io::ErrorKind::StorageFull.into())
        }
    }
    #[track_caller]
    fn kind(result: Result<document::Totals, Error>) -> io::ErrorKind {
        let Err(Error::Io { source, .. }) = result else { panic!("no input or output error") };
        source.kind()
    }
    let options = options(4096, Backend::detect());
    let run = Run::default();
    let plaintext = text(10_000);
    let known = PlaintextLen::Known(10_000);
    let sealer = |len| Sealer::new(len, &wrapping(), &options).unwrap();
    let stream = sealer(PlaintextLen::Stream);
    let failed = stream.seal_stream(&mut Failing, &mut Vec::new(), &run);
    assert_eq!(kind(failed), io::ErrorKind::PermissionDenied);
    let failed = sealer(known).seal_stream(&mut &plaintext[..], &mut Failing, &run);
    assert_eq!(kind(failed), io::ErrorKind::StorageFull);
    let failed = sealer(known).seal_file(&plaintext[..], &Failing, &run);
    assert_eq!(kind(failed), io::ErrorKind::StorageFull);

    let sealed = sealer(known).seal_slice(&plaintext).unwrap();
    let unlock = || {
        let header = Header::parse(&sealed).unwrap();
        header.unlock_with(&unwrapping(), &OpenOptions::default()).unwrap()
    };
    let failed = unlock().open_file(&sealed[..], &Failing, &run);
    assert_eq!(kind(failed), io::ErrorKind::StorageFull);
    let failed = unlock().open_stream(&mut Failing, &mut Vec::new(), &run);
    assert_eq!(kind(failed), io::ErrorKind::PermissionDenied);
    let failed = unlock().open_stream(&mut &sealed[2560..], &mut Failing, &run);
    assert_eq!(kind(failed), io::ErrorKind::StorageFull);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn arbitrary_texts_round_trip(
        plaintext in proptest::collection::vec(any::<u8>(), 0..40_000),
        log2 in 12_u32..16,
        slots in prop_oneof![Just(Slots::One), Just(Slots::Two)],
    ) {
        let options = SealOptions { slots, ..options(1 << log2, Backend::detect()) };
        for sealed in seal_everywhere(&plaintext, &options, &Run::default()) {
            let opened = open_everywhere(&sealed, &OpenOptions::default(), &Run::default());
            prop_assert_eq!(opened.unwrap(), plaintext.clone());
        }
    }

    /// Checks that the parser and the opener give a result for any bytes; they never panic.
    #[test]
    fn arbitrary_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..4000)) {
        prop_assert!(open_everywhere(&bytes, &OpenOptions::default(), &Run::default()).is_err());
        // As far as the slots: of 100 bytes, expiring never, then salt, tags and geometry at will.
        let mut with_magic = b"\x93SRM\r\n\x1a\n\x01\x01\x01\x0c\0\0\0\0".to_vec();
        with_magic.extend(100_u64.to_be_bytes());
        with_magic.extend(0_u64.to_be_bytes());
        with_magic.extend(bytes);
        let outcome = open_everywhere(&with_magic, &OpenOptions::default(), &Run::default());
        prop_assert!(outcome.is_err());
    }

    /// Arbitrary changes of a sealed document never give other plaintext.
    #[test]
    fn arbitrary_changes_never_give_other_bytes(
        changes in proptest::collection::vec((0_usize..3000, any::<u8>()), 1..6),
    ) {
        let mut sealed = document::seal(b"plaintext", &wrapping(), &SealOptions::default()).unwrap();
        for (offset, value) in changes {
            let offset = offset % sealed.len();
            sealed[offset] = value;
        }
        if let Ok(opened) = open_everywhere(&sealed, &OpenOptions::default(), &Run::default()) {
            prop_assert_eq!(opened, b"plaintext");
        }
    }
}
