//! Opening what was sealed and then changed: bytes, records, slots, fields, two documents mixed.
//!
//! Every way to open it agrees with the reader written from the format's description on whether it
//! opens; nothing but the text of one of the two documents comes out, before an error as well, and
//! nothing is left in the caller's buffer after one.

#![no_main]

use std::io::{self, Read};
use std::ops::Range;
use std::sync::Mutex;

use arbitrary::{Arbitrary, Unstructured};
use libfuzzer_sys::fuzz_target;
use sha2::{Digest, Sha256};
use strongroom::Error;
use strongroom::document::{
    ChunkLen, Context, Header, Layers, OpenOptions, Opener, PlaintextLen, Run, SealOptions, Slots,
    WriteAt,
};
use strongroom::fuzzing::sealer;
use strongroom::secret::Secret;
use strongroom::wrap::{KeyId, UnwrappingKey, WrappingKey};
use strongroom_fuzz::change::Change;
use strongroom_fuzz::format::{self, Holder};
use strongroom_fuzz::seed::Seed;
use strongroom_fuzz::{assert_same, backends, planted};

const KEY: [u8; 32] = [0x5c; 32];
const CHUNK_LEN: usize = 4096;
const EXPIRES_AT: u64 = 1000;

#[derive(Arbitrary, Debug)]
struct Case<'a> {
    seed: Seed,
    two_slots: bool,
    two_layers: bool,
    text_lens: [ShortTextLen; 2],
    are_streams: [bool; 2],
    expire: bool,
    damages: Vec<Damage<'a>>,
    holder: HolderKind,
    backend: u8,
    /// Length of the pieces in which ranges are read.
    piece_len: u16,
}

/// Up to three chunks and a bit, often whole ones.
#[derive(Clone, Copy, Debug)]
struct ShortTextLen(usize);

impl<'a> Arbitrary<'a> for ShortTextLen {
    fn arbitrary(input: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let chunks = input.int_in_range(0..=3)? * CHUNK_LEN;
        Ok(Self(match input.int_in_range(0..=3)? {
            0 => chunks,
            1 => chunks + input.int_in_range(1..=CHUNK_LEN - 1)?,
            _ => chunks + input.int_in_range(1..=40)?,
        }))
    }
}

/// Numbers of records and slots are modulo how many there are.
#[derive(Arbitrary, Debug)]
enum Damage<'a> {
    Byte(Change),
    HeaderByte(Change),
    LastByte(Change),
    Cut(u16),
    Append(&'a [u8]),
    SwapRecords(u8, u8),
    RemoveRecord(u8),
    RepeatRecord(u8),
    OtherRecord(u8, u8),
    OtherHeader,
    OtherPrologue,
    OtherSlot(u8),
    OtherDocument,
    /// A slot's generation.
    Generation(u8, u8),
    Layers(u8),
    ChunkLen(u8),
    PlaintextLen(PlaintextLenField),
    ExpiresAt(u8),
    Slots(u8),
    /// A slot's checksum, made to hold again.
    Checksum(u8),
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum PlaintextLenField {
    Stream,
    Less(u16),
    More(u16),
    Any(u64),
}

/// Key and context that it is opened with.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum HolderKind {
    Right,
    RightAt(u16),
    OtherKey,
    OtherId,
    OtherContext,
}

/// A sealed document and the text of it.
struct Document {
    text: Vec<u8>,
    sealed: Vec<u8>,
}

impl Case<'_> {
    fn documents(&self) -> [Document; 2] {
        [0, 1].map(|number| {
            let text = self.seed.bytes(number, self.text_lens[usize::from(number)].0);
            let sealed = self.seal(number, &text).expect("a short text");
            Document { text, sealed }
        })
    }

    /// Each layer of each document has a data key and a salt of its own, and both are wrapped with one key.
    fn seal(&self, number: u8, text: &[u8]) -> Result<Vec<u8>, Error> {
        let data_keys = [self.seed.array(2 + number), self.seed.array(6 + number)];
        let salt = self.seed.array(4 + number);
        let options = SealOptions {
            chunk_len: ChunkLen::new(CHUNK_LEN as u64)?,
            context: context("7")?,
            expires_at: self.expire.then_some(EXPIRES_AT),
            slots: if self.two_slots { Slots::Two } else { Slots::One },
            ..SealOptions::default()
        };
        let keys = [("vault/other/1", [0x77; 32]), ("vault/fuzz/1", KEY)]
            .map(|(id, key)| Ok(WrappingKey::aes(KeyId::new(id)?, Secret::copy_from(&key))))
            .into_iter()
            .collect::<Result<Vec<_>, Error>>()?;
        let plaintext_len = if self.are_streams[usize::from(number)] {
            PlaintextLen::Stream
        } else {
            PlaintextLen::Known(text.len() as u64)
        };
        let (data_keys, layers) = if self.two_layers {
            (&data_keys[..], Layers::Two { service: &keys, customer: &keys })
        } else {
            (&data_keys[..1], Layers::One(&keys))
        };
        sealer(data_keys, salt, plaintext_len, layers, &options)?.seal_slice(text)
    }

    /// Position of a slot in an undamaged document.
    fn slot(&self, number: u8) -> Range<usize> {
        if self.two_slots {
            let start = 512 + 1024 * usize::from(number % 2);
            start..start + 1024
        } else {
            136..512
        }
    }

    fn record_len(&self) -> usize {
        CHUNK_LEN + 16 * (1 + usize::from(self.two_layers))
    }

    fn header_len(&self) -> usize {
        if self.two_slots { 2560 } else { 512 }
    }

    /// `sealed` after all damages. Those that meet a document already too short do nothing.
    fn damage(&self, sealed: &[u8], other: &[u8]) -> Vec<u8> {
        let mut bytes = sealed.to_vec();
        for damage in &self.damages {
            self.damage_once(damage, &mut bytes, other);
        }
        bytes
    }

    fn damage_once(&self, damage: &Damage<'_>, bytes: &mut Vec<u8>, other: &[u8]) -> Option<()> {
        let (header_len, record_len) = (self.header_len(), self.record_len());
        let record = |bytes: &[u8], number: u8| {
            let body_len = bytes.len().checked_sub(header_len)?;
            let number = usize::from(number) % body_len.div_ceil(record_len).max(1);
            let start = header_len + number * record_len;
            Some(start..bytes.len().min(start + record_len))
        };
        match *damage {
            Damage::Byte(change) => {
                change.apply(bytes);
            }
            Damage::HeaderByte(change) => {
                change.apply(bytes.get_mut(..header_len)?);
            }
            Damage::LastByte(change) => {
                let start = bytes.len().checked_sub(17)?;
                change.apply(&mut bytes[start..]);
            }
            Damage::Cut(len) => bytes.truncate(bytes.len().saturating_sub(len.into())),
            Damage::Append(more) => bytes.extend(more),
            Damage::SwapRecords(one, two) => {
                let (one, two) = (record(bytes, one)?, record(bytes, two)?);
                let [one, two] = if one.start < two.start { [one, two] } else { [two, one] };
                if one.end <= two.start {
                    let between =
                        [&bytes[two.clone()], &bytes[one.end..two.start], &bytes[one.clone()]];
                    let between = between.concat();
                    bytes.splice(one.start..two.end, between);
                }
            }
            Damage::RemoveRecord(number) => {
                let record = record(bytes, number)?;
                bytes.drain(record);
            }
            Damage::RepeatRecord(number) => {
                let record = record(bytes, number)?;
                let copy = bytes[record.clone()].to_vec();
                bytes.splice(record.start..record.start, copy);
            }
            Damage::OtherRecord(from, to) => {
                let (from, to) = (record(other, from)?, record(bytes, to)?);
                bytes.splice(to, other[from].iter().copied());
            }
            Damage::OtherHeader => copy(other, 0..header_len, bytes)?,
            Damage::OtherPrologue => copy(other, 0..128, bytes)?,
            Damage::OtherSlot(number) => copy(other, self.slot(number), bytes)?,
            Damage::OtherDocument => other.clone_into(bytes),
            Damage::Generation(number, generation) => {
                let start = self.slot(number).start;
                bytes
                    .get_mut(start..start + 8)?
                    .copy_from_slice(&u64::from(generation).to_be_bytes());
            }
            Damage::Layers(layers) => *bytes.get_mut(10)? = layers % 4,
            Damage::ChunkLen(log2) => *bytes.get_mut(11)? = 11 + log2 % 15,
            Damage::PlaintextLen(field) => {
                let place: &mut [u8; 8] = bytes.get_mut(16..24)?.try_into().ok()?;
                let now = u64::from_be_bytes(*place);
                let len = match field {
                    PlaintextLenField::Stream => u64::MAX,
                    PlaintextLenField::Less(less) => now.wrapping_sub(less.into()),
                    PlaintextLenField::More(more) => now.wrapping_add(more.into()),
                    PlaintextLenField::Any(len) => len,
                };
                *place = len.to_be_bytes();
            }
            Damage::ExpiresAt(time) => {
                bytes.get_mut(24..32)?.copy_from_slice(&u64::from(time).to_be_bytes());
            }
            Damage::Slots(slots) => *bytes.get_mut(128)? = slots % 4,
            Damage::Checksum(number) => {
                let slot = bytes.get_mut(self.slot(number))?;
                let (checked, checksum) = slot.split_at_mut(slot.len() - 16);
                checksum.copy_from_slice(&Sha256::digest(checked)[..16]);
            }
        }
        Some(())
    }
}

/// Copies a part of `other` to where it was there.
fn copy(other: &[u8], range: Range<usize>, bytes: &mut [u8]) -> Option<()> {
    bytes.get_mut(range.clone())?.copy_from_slice(other.get(range)?);
    Some(())
}

fn context(tenant: &str) -> Result<Context, Error> {
    let mut context = Context::new();
    context.insert("tenant", tenant)?;
    Ok(context)
}

/// A target that records all writes, with their offsets.
#[derive(Default)]
struct Recorder(Mutex<Vec<(u64, Vec<u8>)>>);

impl WriteAt for Recorder {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.lock().expect("one thread").push((offset, bytes.to_vec()));
        Ok(())
    }
}

fuzz_target!(|case: Case<'_>| {
    let [document, other] = case.documents();
    let sealed = case.damage(&document.sealed, &other.sealed);

    let (key, key_id, tenant, now) = match case.holder {
        HolderKind::Right => (KEY, "vault/fuzz/1", "7", 0),
        HolderKind::RightAt(now) => (KEY, "vault/fuzz/1", "7", u64::from(now) % (2 * EXPIRES_AT)),
        HolderKind::OtherKey => ([0x5d; 32], "vault/fuzz/1", "7", 0),
        HolderKind::OtherId => (KEY, "vault/fuzz/2", "7", 0),
        HolderKind::OtherContext => (KEY, "vault/fuzz/1", "8", 0),
    };
    let context = context(tenant).expect("one pair");
    let holder = Holder { key_id, key: &key, context: &context.encode(), now };
    let expected = format::open(&sealed, holder);
    if let Some(text) = &expected {
        assert!(*text == document.text || *text == other.text, "a text that nobody sealed");
    }

    let keys = [UnwrappingKey::aes(KeyId::new(key_id).expect("an id"), Secret::copy_from(&key))];
    let backend = backends()[usize::from(case.backend) % backends().len()];
    let options =
        OpenOptions { context: context.clone(), now: Some(now), backend, ..OpenOptions::default() };
    let unlock = |header: Header| header.unlock_with(&keys, &options);
    let is_start = |bytes: &[u8], offset: u64| {
        let is_start_of =
            |text: &[u8]| text.get(offset as usize..).is_some_and(|text| text.starts_with(bytes));
        is_start_of(&document.text) || is_start_of(&other.text)
    };

    let mut in_memory = Header::parse(&sealed)
        .and_then(|header| open_in_memory(&header, &unlock(header.clone())?, &sealed));
    // As if the tag of the last chunk were not compared.
    let is_changed_from = |from| {
        sealed.len() == document.sealed.len()
            && sealed[..from] == document.sealed[..from]
            && sealed != document.sealed
    };
    if planted() && is_changed_from(document.sealed.len() - 16) {
        in_memory = Ok(document.text.clone());
    }
    check("in memory", in_memory.as_ref(), expected.as_ref());

    let written = Recorder::default();
    let in_file = Header::read_at(&sealed[..])
        .and_then(unlock)
        .and_then(|opener| opener.open_file(&sealed[..], &written, &Run::default()));
    let mut file = Vec::new();
    for (offset, bytes) in written.0.into_inner().expect("one thread") {
        assert!(is_start(&bytes, offset), "a wrong chunk was written");
        assert_eq!(offset, file.len() as u64, "one thread writes in order");
        file.extend(bytes);
    }
    check("file", in_file.as_ref().map(|_| &file), expected.as_ref());

    let mut input = &sealed[..];
    let mut stream = Vec::new();
    let in_stream = Header::read(&mut input)
        .and_then(unlock)
        .and_then(|opener| opener.open_stream(&mut input, &mut stream, &Run::default()));
    assert!(is_start(&stream, 0), "a wrong chunk was streamed");
    check("stream", in_stream.as_ref().map(|_| &stream), expected.as_ref());

    let mut input = &sealed[..];
    let mut pulled = Vec::new();
    let in_stream_reader = Header::read(&mut input)
        .and_then(unlock)
        .and_then(|opener| opener.into_stream_reader(input, &Run::default()))
        .and_then(|mut reader| reader.read_to_end(&mut pulled).map_err(|_| Error::Authentication));
    assert!(is_start(&pulled, 0), "a wrong chunk was read");
    check("stream reader", in_stream_reader.as_ref().map(|_| &pulled), expected.as_ref());

    // In pieces, the later ones first.
    let in_ranges = Header::parse(&sealed).and_then(unlock).and_then(|opener| {
        let reader = opener.into_reader(&sealed[..])?;
        let mut text = vec![0; reader.layout().plaintext_len() as usize];
        let piece = 200 + usize::from(case.piece_len) % 6000;
        for (index, part) in text.chunks_mut(piece).enumerate().rev() {
            reader.read_exact_at(part, (index * piece) as u64)?;
        }
        // No range of an empty text reads its chunk.
        if text.is_empty() {
            Header::parse(&sealed).and_then(unlock)?.open_slice(&sealed)?;
        }
        Ok(text)
    });
    check("ranges", in_ranges.as_ref(), expected.as_ref());
});

/// Checks that one interface for opening gave the result of the format's reader.
fn check(way: &str, found: Result<&Vec<u8>, &Error>, expected: Option<&Vec<u8>>) {
    match (found, expected) {
        (Ok(found), Some(expected)) => assert_same(found, expected, &way),
        (Ok(_), None) => panic!("{way}: it must not open"),
        (Err(error), Some(_)) => panic!("{way}: it must open: {error}"),
        (Err(_), None) => {}
    }
}

/// Opens into a buffer, in which nothing may be left after an error.
fn open_in_memory(header: &Header, opener: &Opener, sealed: &[u8]) -> Result<Vec<u8>, Error> {
    let text_len = match header.plaintext_len() {
        PlaintextLen::Known(len) => len,
        PlaintextLen::Stream => {
            let body_len = (sealed.len() - header.len()) as u64;
            let tags_len = 16 * u64::from(header.layers());
            let records = body_len.div_ceil(header.chunk_len().bytes() + tags_len);
            body_len.saturating_sub(tags_len * records)
        }
    };
    // A text longer than its sealed document is refused whatever the buffer.
    let mut buffer = vec![0xee; sealed.len().min(text_len as usize)];
    let opened = opener.open_into(sealed, &mut buffer);
    let slice = opener.open_slice(sealed);
    match opened {
        Ok(()) => {
            assert_same(&slice?, &buffer, &"a slice and a buffer");
            Ok(buffer)
        }
        Err(error) => {
            let is_all = |value| buffer == vec![value; buffer.len()];
            assert!(is_all(0) || is_all(0xee), "plaintext is left in the buffer");
            assert!(slice.is_err());
            Err(error)
        }
    }
}
