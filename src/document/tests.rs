//! Tampering from inside: what an attacker with the file can do, and what only a bug could.
//!
//! Each case says which error it must give; none may ever give other bytes, and the buffer of the
//! caller must hold no plaintext afterwards.

use std::io::Read as _;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::secret::Secret;
use crate::wrap::{KeyId, WrappingKey};

mod damaged;
mod examples;
mod recipients;
mod slots;

const KEK: [u8; 32] = [0x11; 32];
const OTHER_KEK: [u8; 32] = [0x22; 32];
const CHUNK: usize = 4096;
const RECORD: usize = CHUNK + 16;

fn id(name: &str) -> KeyId {
    KeyId::new(name).unwrap()
}

fn wrapping(name: &str, key: &[u8; 32]) -> WrappingKey {
    WrappingKey::aes(id(name), Secret::copy_from(key))
}

fn unwrapping(name: &str, key: &[u8; 32]) -> UnwrappingKey {
    UnwrappingKey::aes(id(name), Secret::copy_from(key))
}

fn context(pairs: &[(&str, &str)]) -> Context {
    let mut context = Context::new();
    for (key, value) in pairs {
        context.insert(key, value).unwrap();
    }
    context
}

fn seal_options(slots: Slots) -> SealOptions {
    SealOptions {
        chunk_len: ChunkLen::new(CHUNK as u64).unwrap(),
        context: context(&[("tenant", "7")]),
        slots,
        ..SealOptions::default()
    }
}

fn open_options() -> OpenOptions {
    OpenOptions { context: context(&[("tenant", "7")]), now: Some(1000), ..OpenOptions::default() }
}

fn text(len: usize) -> Vec<u8> {
    (0..len).map(|i| u8::try_from(i * 31 % 251).unwrap() | 1).collect()
}

fn sealed(plaintext_len: PlaintextLen, len: usize, slots: Slots) -> Vec<u8> {
    let keys = [wrapping("vault/k/1", &KEK), wrapping("vault/k/2", &OTHER_KEK)];
    Sealer::new(plaintext_len, &keys, &seal_options(slots)).unwrap().seal_slice(&text(len)).unwrap()
}

/// Opens on every path (memory, file, stream, reader, ranges), which must agree; checks that buffers hold nothing
/// after an error and that no wrong byte is ever given out.
fn open_everywhere(sealed: &[u8], options: &OpenOptions) -> Result<Vec<u8>, Error> {
    let keys = [unwrapping("vault/k/1", &KEK)];
    let original = text(40_000);
    let unlock = |header: Header| header.unlock_with(&keys, options);

    let in_memory = Header::parse(sealed).and_then(unlock).and_then(|opener| {
        let length = opener.layout(sealed.len() as u64)?.claimed_plaintext_len();
        let mut buffer = vec![0xee; usize::try_from(length).unwrap()];
        match opener.open_into(sealed, &mut buffer) {
            Ok(()) => Ok(buffer),
            Err(error) => {
                assert!(buffer.iter().all(|byte| *byte == 0), "plaintext left in the buffer");
                Err(error)
            }
        }
    });
    let written = Recorder::default();
    let in_file = Header::read_at(sealed)
        .and_then(unlock)
        .and_then(|opener| opener.open_file(sealed, &written, &Run::default()));
    for (offset, bytes) in written.0.into_inner().unwrap() {
        let offset = usize::try_from(offset).unwrap();
        assert_eq!(bytes, original[offset..offset + bytes.len()], "a wrong chunk was written");
    }
    let mut stream = sealed;
    let mut streamed = Vec::new();
    let in_stream = Header::read(&mut stream)
        .and_then(unlock)
        .and_then(|opener| opener.open_stream(&mut stream, &mut streamed, &Run::default()));
    assert_eq!(streamed, original[..streamed.len()], "a wrong chunk was streamed");
    let mut pulled = Vec::new();
    let mut stream = sealed;
    let in_pull = Header::read(&mut stream)
        .and_then(unlock)
        .and_then(|opener| opener.into_stream_reader(stream, &Run::default()))
        .and_then(|mut reader| {
            let read = reader.read_to_end(&mut pulled).map_err(engine_error);
            // An error stays.
            assert_eq!(reader.read(&mut [0; 10]).is_err(), read.is_err());
            read
        });
    assert_eq!(pulled, original[..pulled.len()], "a wrong chunk was read");
    // Longer than half a chunk and shorter: whole chunks and parts of them.
    let in_ranges = [3000, 700].map(|step| {
        let reader = Header::read_at(sealed).and_then(unlock)?.into_reader(sealed)?;
        let length = usize::try_from(reader.layout().plaintext_len()).unwrap();
        let mut text = vec![0xee; length];
        for (number, part) in text.chunks_mut(step).enumerate() {
            let offset = number * step;
            reader.read_exact_at(part, offset as u64).inspect_err(|_| {
                assert!(part.iter().all(|byte| *byte == 0), "plaintext left in a part");
            })?;
            assert_eq!(*part, original[offset..offset + part.len()], "a wrong part was read");
        }
        Ok(text)
    });

    match &in_memory {
        Ok(plaintext) => {
            assert_eq!(in_file.unwrap().plaintext_len, plaintext.len() as u64);
            assert_eq!(in_stream.unwrap().sealed_len, sealed.len() as u64);
            assert_eq!(streamed, *plaintext);
            assert_eq!(in_pull.unwrap(), plaintext.len());
            assert_eq!(pulled, *plaintext);
            for in_ranges in in_ranges {
                assert_eq!(in_ranges.unwrap(), *plaintext);
            }
        }
        Err(error) => {
            // A stream meets a bad chunk before it can know of a bad length.
            let kind = |error: &Error| match error {
                Error::Format { .. } | Error::Authentication => None,
                other => Some(core::mem::discriminant(other)),
            };
            assert_eq!(kind(&in_file.unwrap_err()), kind(error), "file: {error}");
            assert_eq!(kind(&in_stream.unwrap_err()), kind(error), "stream: {error}");
            assert_eq!(kind(&in_pull.unwrap_err()), kind(error), "pull: {error}");
            for in_ranges in in_ranges {
                assert_eq!(kind(&in_ranges.unwrap_err()), kind(error), "ranges: {error}");
            }
        }
    }
    in_memory
}

/// The engine's error inside one of `std::io`.
fn engine_error(error: std::io::Error) -> Error {
    *error.into_inner().unwrap().downcast::<Error>().unwrap()
}

/// A target that records all writes, with their offsets.
#[derive(Default)]
struct Recorder(std::sync::Mutex<Vec<(u64, Vec<u8>)>>);

impl WriteAt for Recorder {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> std::io::Result<()> {
        self.0.lock().unwrap().push((offset, bytes.to_vec()));
        Ok(())
    }
}

/// Makes a slot's checksum hold again, as whoever changes a slot on purpose would.
fn renew_checksum(slot: &mut [u8]) {
    let (checked, checksum) = slot.split_at_mut(slot.len() - 16);
    checksum.copy_from_slice(&<sha2::Sha256 as sha2::Digest>::digest(checked)[..16]);
}

#[derive(Debug, PartialEq, Eq)]
enum Expected {
    Authentication,
    Format,
}

#[track_caller]
fn assert_refused(sealed: &[u8], options: &OpenOptions, expected: &Expected, case: &str) {
    match (open_everywhere(sealed, options), expected) {
        (Err(Error::Authentication), Expected::Authentication)
        | (Err(Error::Format { .. }), Expected::Format) => {}
        (outcome, _) => panic!("{case}: expected {expected:?}, got {outcome:?}"),
    }
}

const SHAPES: [(PlaintextLen, usize); 6] = [
    (PlaintextLen::Known(0), 0),
    (PlaintextLen::Known(300), 300),
    (PlaintextLen::Known(2 * CHUNK as u64 + 5), 2 * CHUNK + 5),
    (PlaintextLen::Stream, 0),
    (PlaintextLen::Stream, 300),
    (PlaintextLen::Stream, 2 * CHUNK),
];

#[test]
fn untouched_documents_open() {
    for (plaintext_len, len) in SHAPES {
        for slots in [Slots::One, Slots::Two] {
            let sealed = sealed(plaintext_len, len, slots);
            assert_eq!(open_everywhere(&sealed, &open_options()).unwrap(), text(len));
        }
    }
}

#[test]
fn stripped_and_swapped_recipients_are_refused() {
    let original = sealed(PlaintextLen::Known(10), 10, Slots::One);
    let range = 136..512;
    let recipients = Header::parse(&original).unwrap().recipients().to_vec();
    assert_eq!(recipients.len(), 2);

    // With a checksum made anew, as an attacker would: the HMAC is what is left to refuse it.
    let rewrite = |list: &mut [Recipient]| {
        let mut slot = 1_u64.to_be_bytes().to_vec();
        header::recipient::encode_list(1, list, &mut slot).unwrap();
        slot.resize(range.len() - 48, 0);
        let mut changed = original.clone();
        changed[range.clone()][..slot.len()].copy_from_slice(&slot);
        renew_checksum(&mut changed[range.clone()]);
        changed
    };
    assert_eq!(rewrite(&mut recipients.clone()), original, "the rewriting itself is faithful");

    let stripped = rewrite(&mut recipients[..1].to_vec());
    assert_refused(&stripped, &open_options(), &Expected::Authentication, "stripped");

    let renamed = Recipient::new(
        1,
        crate::wrap::Algorithm::A256Kw,
        id("vault/k/9"),
        recipients[1].wrapped().to_vec(),
    );
    let renamed = rewrite(&mut [recipients[0].clone(), renamed]);
    assert_refused(&renamed, &open_options(), &Expected::Authentication, "renamed");

    let of_other = sealed(PlaintextLen::Known(10), 10, Slots::One);
    let mut foreign = Header::parse(&of_other).unwrap().recipients().to_vec();
    let foreign = rewrite(&mut foreign);
    assert_refused(&foreign, &open_options(), &Expected::Authentication, "another document's");

    let only_other = rewrite(&mut recipients[1..].to_vec());
    let outcome = open_everywhere(&only_other, &open_options());
    assert!(matches!(outcome, Err(Error::NoKey { .. })), "{outcome:?}");
}

#[test]
fn wrong_keys_are_refused() {
    let sealed = sealed(PlaintextLen::Known(10), 10, Slots::Two);
    let open_with = |keys: &[UnwrappingKey]| open(&sealed, keys, &open_options());
    let refused = open_with(&[unwrapping("vault/k/1", &[0x33; 32])]);
    assert!(matches!(refused, Err(Error::Authentication)));
    let Err(Error::NoKey { wrapped_with }) = open_with(&[unwrapping("vault/k/3", &KEK)]) else {
        panic!("a key that the document does not name is not tried");
    };
    assert_eq!(wrapped_with, "vault/k/1, vault/k/2");
    assert!(matches!(open_with(&[]), Err(Error::NoKey { .. })));
    #[cfg(feature = "rsa")]
    {
        // The right id under another algorithm is another key.
        let rsa = crate::rsa::PrivateKey::generate().unwrap();
        let rsa = UnwrappingKey::rsa(id("vault/k/1"), rsa);
        assert!(matches!(open_with(&[rsa]), Err(Error::NoKey { .. })));
    }
    // The second recipient opens it as well, also behind a wrong key for the first.
    for keys in [
        vec![unwrapping("vault/k/2", &OTHER_KEK)],
        vec![unwrapping("vault/k/1", &OTHER_KEK), unwrapping("vault/k/2", &OTHER_KEK)],
    ] {
        assert_eq!(open_with(&keys).unwrap(), text(10));
    }
}

/// A header that is authentic in all but its commitment: what a second key could be made to open.
#[test]
fn a_key_that_is_not_committed_to_is_refused() {
    let (data_keys, salt) = ([DataKey::new(1, &[5; 32])], [6; 32]);
    let length = PlaintextLen::Known(10);
    let keys = [wrapping("vault/k/1", &KEK)];
    let options = seal_options(Slots::One);
    let sealer =
        Sealer::with_data_keys(&data_keys, salt, length, (&keys).into(), &options).unwrap();
    let original = sealer.seal_slice(&text(10)).unwrap();
    let bound =
        key_schedule::KeySchedule::new(&salt, &data_keys).bind(original[..96].try_into().unwrap());
    let authenticated = |mut sealed: Vec<u8>| {
        let mac = bound.header_key.slot_mac(&sealed[..136], &sealed[136..464]);
        sealed[464..496].copy_from_slice(&mac);
        renew_checksum(&mut sealed[136..512]);
        sealed
    };
    assert_eq!(authenticated(original.clone()), original, "the rewriting itself is faithful");
    for offset in [96, 127] {
        let mut changed = original.clone();
        changed[offset] ^= 1;
        let changed = authenticated(changed);
        assert_refused(&changed, &open_options(), &Expected::Authentication, "commitment");
    }

    let header = Header::parse(&original).unwrap();
    let refused = header.unlock(&[DataKey::new(1, &[7; 32])], &open_options());
    assert!(matches!(refused, Err(Error::Authentication)));
    let refused = header.unlock(&[DataKey::new(2, &[5; 32])], &open_options());
    assert!(matches!(refused, Err(Error::Argument { what: "data keys", .. })));
    assert!(header.unlock(&data_keys, &open_options()).is_ok());
}

#[test]
fn wrong_contexts_are_refused() {
    let sealed = sealed(PlaintextLen::Known(10), 10, Slots::Two);
    for pairs in [&[][..], &[("tenant", "8")], &[("tenant", "7"), ("x", "")], &[("Tenant", "7")]] {
        let options = OpenOptions { context: context(pairs), ..open_options() };
        assert_refused(&sealed, &options, &Expected::Authentication, "context");
    }
}

#[test]
fn expired_documents_are_refused() {
    let options = SealOptions { expires_at: Some(1001), ..seal_options(Slots::Two) };
    let sealed = seal(&text(10), &[wrapping("vault/k/1", &KEK)], &options).unwrap();
    assert_eq!(open_everywhere(&sealed, &open_options()).unwrap(), text(10));
    for now in [1001, 1002, u64::MAX] {
        let outcome = open_everywhere(&sealed, &OpenOptions { now: Some(now), ..open_options() });
        assert!(matches!(outcome, Err(Error::Expired { expires_at: 1001 })), "{outcome:?}");
    }
    // That a later key does not fit does not hide it.
    let keys = [wrapping("vault/k/1", &KEK), wrapping("vault/k/2", &KEK)];
    let two = seal(&text(10), &keys, &options).unwrap();
    let keys = [unwrapping("vault/k/1", &KEK), unwrapping("vault/k/2", &OTHER_KEK)];
    let outcome = open(&two, &keys, &OpenOptions { now: Some(1001), ..open_options() });
    assert!(matches!(outcome, Err(Error::Expired { .. })), "{outcome:?}");
    // By the system's clock it expired long ago.
    let outcome = open_everywhere(&sealed, &OpenOptions { now: None, ..open_options() });
    assert!(matches!(outcome, Err(Error::Expired { .. })));
    let at_zero = SealOptions { expires_at: Some(0), ..SealOptions::default() };
    let refused = seal(b"", &[wrapping("vault/k/1", &KEK)], &at_zero);
    assert!(matches!(refused, Err(Error::Argument { .. })));
}

/// Every field of the core is bound: a changed one fails although nothing else was touched.
#[test]
fn the_core_is_bound() {
    let original = sealed(PlaintextLen::Known(300), 300, Slots::One);
    let mut longer = original.clone();
    longer[16..24].copy_from_slice(&301_u64.to_be_bytes());
    longer.push(0);
    assert_refused(&longer, &open_options(), &Expected::Authentication, "length");
    let mut stream = original.clone();
    stream[16..24].copy_from_slice(&u64::MAX.to_be_bytes());
    assert_refused(&stream, &open_options(), &Expected::Authentication, "as a stream");
    // Chunks of twice the length, a time, and a bit of what is random.
    for (offset, flip) in [(11, 1), (31, 9), (32, 1), (64, 1), (96, 1)] {
        let mut changed = original.clone();
        changed[offset] ^= flip;
        assert_refused(&changed, &open_options(), &Expected::Authentication, "core");
    }
    let mut layers = original;
    layers[10] = 2;
    layers.extend([0; 16]);
    assert_refused(&layers, &open_options(), &Expected::Format, "layers");
}

#[test]
fn an_input_that_changes_is_an_error() {
    /// An input of `now` bytes that said `before` when it was asked first.
    struct Changing {
        before: u64,
        now: Vec<u8>,
        asked: AtomicUsize,
    }
    impl ReadAt for Changing {
        fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<()> {
            self.now.read_exact_at(buffer, offset)
        }
        fn byte_len(&self) -> std::io::Result<u64> {
            let first = self.asked.fetch_add(1, Ordering::Relaxed) == 0;
            Ok(if first { self.before } else { self.now.len() as u64 })
        }
    }
    for (before, now) in [(10_000, 9_999), (10_000, 10_001), (10_000, 0), (0, 1), (4096, 8192)] {
        let sealer = || {
            let keys = [wrapping("vault/k/1", &KEK)];
            Sealer::new(PlaintextLen::Known(before), &keys, &seal_options(Slots::Two)).unwrap()
        };
        let input = Changing { before, now: text(now), asked: AtomicUsize::new(0) };
        let error = sealer().seal_file(&input, &Recorder::default(), &Run::default()).unwrap_err();
        assert!(matches!(error, Error::InputChanged { expected } if expected == before));
        let mut stream = &text(now)[..];
        let error = sealer().seal_stream(&mut stream, &mut Vec::new(), &Run::default());
        assert!(matches!(error, Err(Error::InputChanged { expected }) if expected == before));
    }
}

#[test]
fn bad_arguments_are_refused() {
    let options = seal_options(Slots::Two);
    let keys = || [wrapping("vault/k/1", &KEK)];
    let refused = Sealer::new(PlaintextLen::Known(1), &[], &options);
    assert!(matches!(refused, Err(Error::Argument { what: "recipients", .. })));
    let twice = [wrapping("vault/k/1", &KEK), wrapping("vault/k/1", &KEK)];
    let refused = Sealer::new(PlaintextLen::Known(1), &twice, &options);
    assert!(matches!(refused, Err(Error::Argument { what: "recipients", .. })));
    let refused = Sealer::new(PlaintextLen::Known((1 << 44) + 1), &keys(), &options);
    assert!(matches!(refused, Err(Error::Length { .. })));
    let sealer = || Sealer::new(PlaintextLen::Known(2), &keys(), &options).unwrap();
    assert!(matches!(sealer().seal_slice(b"abc"), Err(Error::Argument { .. })));
    let huge = Sealer::new(PlaintextLen::Known(1 << 44), &keys(), &options).unwrap();
    assert!(matches!(huge.seal_slice(b"abc"), Err(Error::Argument { .. })));
    let mut short = vec![7; 2577];
    assert!(matches!(sealer().seal_into(b"ab", &mut short), Err(Error::Argument { .. })));
    assert_eq!(short, [7; 2577]);
    let stream = Sealer::new(PlaintextLen::Stream, &keys(), &options).unwrap();
    let refused = stream.seal_file(&b"ab"[..], &Recorder::default(), &Run::default());
    assert!(matches!(refused, Err(Error::Argument { .. })));
}

/// Two documents of one text and key share nothing but the layout.
#[test]
fn every_document_has_its_own_keys() {
    let one = sealed(PlaintextLen::Known(300), 300, Slots::One);
    let other = sealed(PlaintextLen::Known(300), 300, Slots::One);
    let id = |sealed: &[u8]| *Header::parse(sealed).unwrap().commitment();
    assert_ne!(id(&one), id(&other));
    assert_ne!(one[32..64], other[32..64]);
    assert_ne!(one[512..], other[512..]);
}
