//! The header's parser against one written from the format's description, which must agree on what is
//! a header and on everything that it says. From bytes as they come, and from headers whose fields are
//! chosen: their checksums hold, which no mutation of bytes would bring about.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use sha2::{Digest, Sha256};
use strongroom::Error;
use strongroom::document::{Header, PlaintextLen, SlotState};
use strongroom_fuzz::change::Change;
use strongroom_fuzz::{format, planted};

#[derive(Arbitrary, Debug)]
enum Case<'a> {
    /// Behind so many bytes of what every document begins with.
    Bytes {
        start: u8,
        bytes: &'a [u8],
    },
    Fields(Fields<'a>),
}

/// Magic, version and suite.
const START: [u8; 10] = *b"\x93SRM\r\n\x1a\n\x01\x01";

#[derive(Arbitrary, Debug)]
struct Fields<'a> {
    two_layers: bool,
    chunk_len_log2: u8,
    plaintext_len: PlaintextLenField,
    expires_at: u64,
    two_slots: bool,
    /// A slot's length, modulo 4.
    units: u8,
    slots: [Slot<'a>; 2],
    /// The second slot is the first one.
    alike: bool,
    /// Changes before the checksums are made, and after.
    changes: [Vec<Change>; 2],
    cut: Option<u16>,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum PlaintextLenField {
    Known(u32),
    Stream,
    /// Around the limit of 2^44.
    Longest(i8),
    Any(u64),
}

impl PlaintextLenField {
    fn encode(self) -> [u8; 8] {
        let len = match self {
            Self::Known(len) => len.into(),
            Self::Stream => u64::MAX,
            Self::Longest(more) => (1_u64 << 44).saturating_add_signed(more.into()),
            Self::Any(len) => len,
        };
        len.to_be_bytes()
    }
}

#[derive(Arbitrary, Clone, Debug)]
struct Slot<'a> {
    generation: u8,
    recipients: Vec<Recipient<'a>>,
    sorted: bool,
    /// A byte behind them, rarely another than zero.
    behind: u8,
}

#[derive(Arbitrary, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Recipient<'a> {
    /// Rarely one that the document does not have.
    layer: u8,
    algorithm: Algorithm,
    key_id: &'a [u8],
    /// The wrapped key has so many bytes more than its algorithm gives.
    longer: i8,
}

#[derive(Arbitrary, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Algorithm {
    RsaOaep256,
    A256Kw,
    Other(u8),
}

impl Recipient<'_> {
    fn encode(&self, two_layers: bool) -> Vec<u8> {
        let layer = match self.layer {
            0xf0.. => self.layer - 0xf0,
            even_or_odd if two_layers => 1 + even_or_odd % 2,
            _ => 1,
        };
        let (code, wrapped_len) = match self.algorithm {
            Algorithm::RsaOaep256 => (1, 256_usize),
            Algorithm::A256Kw => (2, 48),
            Algorithm::Other(code) => (code, 20),
        };
        // Rarely anything but what the algorithm gives.
        let longer = if self.longer > 100 { self.longer - 101 } else { 0 };
        let wrapped_len = wrapped_len.saturating_add_signed(longer.into());
        let key_id: Vec<u8> = match self.key_id {
            [] => b"key/1".to_vec(),
            // Mostly visible ASCII, as ids are.
            [first, ..] if *first < 0xf0 => {
                self.key_id.iter().map(|byte| 0x21 + byte % 94).collect()
            }
            other => other.to_vec(),
        };
        let mut bytes = vec![layer, code];
        bytes.extend((key_id.len() as u16).to_be_bytes());
        bytes.extend((wrapped_len as u16).to_be_bytes());
        bytes.extend(key_id);
        bytes.resize(bytes.len() + wrapped_len, 0x77);
        bytes
    }
}

impl Fields<'_> {
    fn encode(&self) -> Vec<u8> {
        let mut header = START.to_vec();
        header.extend([1 + u8::from(self.two_layers), 12 + self.chunk_len_log2 % 13, 0, 0, 0, 0]);
        header.extend(self.plaintext_len.encode());
        header.extend(self.expires_at.to_be_bytes());
        header.extend((0..96).map(|byte| byte ^ 0x55)); // salt, context tag, commitment
        let units = 1 + self.units % 4;
        header.extend([1 + u8::from(self.two_slots), units, 0, 0, 0, 0, 0, 0]);
        let mut unit = 512 * usize::from(units);
        if self.two_slots {
            header.resize(512, 0);
        } else {
            unit -= header.len();
        }
        let starts: Vec<_> = (0..1 + usize::from(self.two_slots))
            .map(|number| header.len() + number * unit)
            .collect();
        for (number, _) in starts.iter().enumerate() {
            let slot =
                self.slots[if self.alike { 0 } else { number }].encode(self.two_layers, unit);
            header.extend(slot);
        }
        for change in &self.changes[0] {
            change.apply(&mut header);
        }
        for start in starts {
            let end = start + unit - 16;
            let checksum = Sha256::digest(&header[start..end]);
            header[end..end + 16].copy_from_slice(&checksum[..16]);
        }
        for change in &self.changes[1] {
            change.apply(&mut header);
        }
        if let Some(cut) = self.cut {
            header.truncate(cut.into());
        } else {
            header.extend([0xaa; 20]); // a body, which is not looked at
        }
        header
    }
}

impl Slot<'_> {
    fn encode(&self, two_layers: bool, len: usize) -> Vec<u8> {
        let mut slot = u64::from(self.generation).to_be_bytes().to_vec();
        let mut recipients: Vec<_> =
            self.recipients.iter().map(|recipient| recipient.encode(two_layers)).collect();
        if self.sorted {
            // By layer, algorithm and id: the lengths stand between.
            recipients
                .sort_by(|one, other| (&one[..2], &one[6..]).cmp(&(&other[..2], &other[6..])));
            recipients.dedup();
        }
        slot.extend(recipients.concat());
        slot.push(self.behind.saturating_sub(0xf0));
        slot.resize(len, 0);
        slot
    }
}

fuzz_target!(|case: Case| {
    let bytes = match case {
        Case::Bytes { start, bytes } => {
            [&START[..usize::from(start) % (START.len() + 1)], bytes].concat()
        }
        Case::Fields(fields) => fields.encode(),
    };
    let expected = format::parse(&bytes);
    check(&bytes, &Header::parse(&bytes), expected.as_ref());

    // The other two ways to read it say the same, the stream's without reading on.
    let mut rest = &bytes[..];
    let streamed = Header::read(&mut rest);
    if let Ok(header) = &streamed {
        assert_eq!(rest.len(), bytes.len() - header.len());
    }
    check(&bytes, &streamed, expected.as_ref());
    check(&bytes, &Header::read_at(&bytes[..]), expected.as_ref());
});

fn check(bytes: &[u8], parsed: &Result<Header, Error>, expected: Option<&format::Header>) {
    let (header, expected) = match (parsed, expected) {
        (Ok(header), Some(expected)) => (header, expected),
        (Err(Error::Format { offset, .. }), None) => {
            assert!(*offset <= bytes.len() as u64, "an error behind the end");
            return;
        }
        _ => panic!("parsed {parsed:?}, expected {expected:?}"),
    };
    assert_eq!(header.len(), expected.len);
    assert_eq!(header.layers(), expected.layers);
    assert_eq!(header.chunk_len().bytes(), expected.chunk_len);
    let plaintext_len = expected.plaintext_len.map_or(PlaintextLen::Stream, PlaintextLen::Known);
    assert_eq!(header.plaintext_len(), plaintext_len);
    assert_eq!(header.expires_at().unwrap_or(0), expected.expires_at);
    assert_eq!(header.commitment(), &expected.commitment);
    assert_eq!(header.generation(), expected.generation);
    let recipients: Vec<_> =
        expected.recipients.iter().map(|r| (r.layer, &r.key_id[..], &r.wrapped[..])).collect();
    let found: Vec<_> = header
        .recipients()
        .iter()
        .map(|r| (r.layer(), r.key_id().as_str().as_bytes(), r.wrapped()))
        .collect();
    assert_eq!(found, recipients);
    let codes =
        |r: &strongroom::document::Recipient| r.algorithm().map(|algorithm| algorithm.code());
    let found: Vec<_> = header.recipients().iter().map(codes).collect();
    let known = |code: u8| matches!(code, 1 | 2).then_some(code);
    let algorithms: Vec<_> = expected.recipients.iter().map(|r| known(r.algorithm)).collect();
    assert_eq!(found, algorithms);
    let states: Vec<_> = expected
        .slots
        .iter()
        .map(|generation| match generation {
            None => SlotState::Damaged,
            Some(generation) if *generation == expected.generation => SlotState::Current,
            Some(_) => SlotState::Stale,
        })
        .collect();
    let mut found = header.slots().to_vec();
    if planted() {
        found.fill(SlotState::Current); // as if the slots were not compared
    }
    assert_eq!(found, states);
}
