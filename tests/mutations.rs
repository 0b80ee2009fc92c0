//! Headers that were changed in whatever way: a document opens to its own text or not at all.

#![allow(clippy::unwrap_used, reason = "a test that fails should stop")]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Read;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use sha2::{Digest, Sha256};
use strongroom::Error;
use strongroom::document::{
    ChunkLen, Header, Layers, OpenOptions, Opener, PlaintextLen, Run, SealOptions, Sealer, Slots,
};
use strongroom::secret::Secret;
use strongroom::wrap::{KeyId, UnwrappingKey, WrappingKey};

const CHUNK: usize = 4096;
const PREFIX_LEN: usize = 136;

fn id(name: &str) -> KeyId {
    KeyId::new(name).unwrap()
}

fn wrapping(name: &str) -> [WrappingKey; 1] {
    [WrappingKey::aes(id(name), Secret::copy_from(&[7; 32]))]
}

/// One document and another one beside it, under the same keys and of the same shape.
#[derive(Clone, Copy, Debug)]
struct Kind {
    len: usize,
    stream: bool,
    two_layers: bool,
    two_slots: bool,
}

impl Kind {
    fn text(self, seed: usize) -> Vec<u8> {
        (0..self.len).map(|i| u8::try_from((i * 131 + seed) % 251).unwrap()).collect()
    }

    fn seal(self, seed: usize) -> Vec<u8> {
        let (service, customer) = (wrapping("service/1"), wrapping("customer/1"));
        let layers = if self.two_layers {
            Layers::Two { service: &service, customer: &customer }
        } else {
            Layers::One(&service)
        };
        let options = SealOptions {
            chunk_len: ChunkLen::new(CHUNK as u64).unwrap(),
            slots: if self.two_slots { Slots::Two } else { Slots::One },
            ..SealOptions::default()
        };
        let plaintext_len =
            if self.stream { PlaintextLen::Stream } else { PlaintextLen::Known(self.len as u64) };
        let sealer = Sealer::new(plaintext_len, layers, &options).unwrap();
        sealer.seal_slice(&self.text(seed)).unwrap()
    }
}

fn kinds() -> impl Strategy<Value = Kind> {
    let lens = prop_oneof![Just(0), 1..50_usize, 4090..4100_usize, 0..3 * CHUNK];
    (lens, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(len, stream, two_layers, two_slots)| Kind { len, stream, two_layers, two_slots },
    )
}

/// One thing that is done to a header.
#[derive(Clone, Debug)]
enum Mutation {
    Flip {
        at: usize,
        bit: u8,
    },
    Write {
        at: usize,
        bytes: Vec<u8>,
    },
    Copy {
        from: usize,
        to: usize,
        len: usize,
    },
    /// The same bytes of the other document.
    Splice {
        at: usize,
        len: usize,
    },
    Insert {
        at: usize,
        bytes: Vec<u8>,
    },
    Remove {
        at: usize,
        len: usize,
    },
    /// The slots' checksums as anybody can make them.
    RenewChecksums,
}

fn mutation() -> impl Strategy<Value = Mutation> {
    // Where the fields are, and anywhere.
    let at = || prop_oneof![0..PREFIX_LEN, 512..600_usize, 0..2560_usize];
    let bytes = || prop::collection::vec(prop_oneof![Just(0), Just(0xff), any::<u8>()], 1..40);
    prop_oneof![
        4 => (at(), 0..8_u8).prop_map(|(at, bit)| Mutation::Flip { at, bit }),
        2 => (at(), bytes()).prop_map(|(at, bytes)| Mutation::Write { at, bytes }),
        1 => (at(), at(), 1..1100_usize).prop_map(|(from, to, len)| Mutation::Copy { from, to, len }),
        1 => Just(Mutation::Copy { from: 512, to: 1536, len: 1024 }),
        2 => (at(), 1..2500_usize).prop_map(|(at, len)| Mutation::Splice { at, len }),
        1 => Just(Mutation::Splice { at: 0, len: 128 }),
        1 => Just(Mutation::Splice { at: 136, len: 2424 }),
        1 => (at(), bytes()).prop_map(|(at, bytes)| Mutation::Insert { at, bytes }),
        1 => (at(), 1..600_usize).prop_map(|(at, len)| Mutation::Remove { at, len }),
        3 => Just(Mutation::RenewChecksums),
    ]
}

impl Mutation {
    fn apply(&self, header: &mut Vec<u8>, other: &[u8]) {
        let clamp = |at: usize, header: &[u8]| at.min(header.len().saturating_sub(1));
        match self {
            Self::Flip { at, bit } => {
                let at = clamp(*at, header);
                if let Some(byte) = header.get_mut(at) {
                    *byte ^= 1 << bit;
                }
            }
            Self::Write { at, bytes } => {
                for (byte, new) in header.iter_mut().skip(*at).zip(bytes) {
                    *byte = *new;
                }
            }
            Self::Copy { from, to, len } => {
                let source: Vec<u8> = header.iter().skip(*from).take(*len).copied().collect();
                for (byte, new) in header.iter_mut().skip(*to).zip(source) {
                    *byte = new;
                }
            }
            Self::Splice { at, len } => {
                for (byte, new) in header.iter_mut().zip(other).skip(*at).take(*len) {
                    *byte = *new;
                }
            }
            Self::Insert { at, bytes } => {
                let at = clamp(*at, header);
                header.splice(at..at, bytes.iter().copied());
            }
            Self::Remove { at, len } => {
                let at = clamp(*at, header);
                let end = at.saturating_add(*len).min(header.len());
                header.drain(at..end.max(at + 1).min(header.len()));
            }
            Self::RenewChecksums => {
                let slots: &[(usize, usize)] =
                    if header.len() == 2560 { &[(512, 1536), (1536, 2560)] } else { &[(136, 512)] };
                for (start, end) in slots {
                    if let Some(slot) = header.get_mut(*start..*end) {
                        let (checked, checksum) = slot.split_at_mut(end - start - 16);
                        checksum.copy_from_slice(&Sha256::digest(checked)[..16]);
                    }
                }
            }
        }
    }
}

fn unlock(header: &Header) -> Result<Opener, Error> {
    let keys = ["service/1", "customer/1"]
        .map(|name| UnwrappingKey::aes(id(name), Secret::copy_from(&[7; 32])));
    header.unlock_with(&keys, &OpenOptions::default())
}

/// All that the ways of opening give of `sealed`: whole texts, and what a stream gave before its error.
fn open_everywhere(sealed: &[u8]) -> (Vec<Result<Vec<u8>, Error>>, Vec<u8>) {
    let slice = Header::parse(sealed).and_then(|h| unlock(&h)).and_then(|o| o.open_slice(sealed));
    let reader = Header::parse(sealed).and_then(|h| unlock(&h)).and_then(|opener| {
        let reader = opener.into_reader(sealed)?;
        let len = usize::try_from(reader.layout().plaintext_len()).unwrap();
        let mut text = vec![0; len];
        reader.read_exact_at(&mut text, 0).map(|()| text)
    });
    let mut released = Vec::new();
    let mut body = sealed;
    let stream = Header::read(&mut body).and_then(|h| unlock(&h)).and_then(|opener| {
        let mut reader = opener.into_stream_reader(body, &Run::default())?;
        let read = reader.read_to_end(&mut released);
        read.map(|_| released.clone()).map_err(|_| Error::Authentication)
    });
    (vec![slice, reader, stream], released)
}

#[test]
fn whatever_is_done_to_a_header_no_other_text_comes_out() {
    let hits = RefCell::new(BTreeMap::<&str, usize>::new());
    let hit = |what| *hits.borrow_mut().entry(what).or_default() += 1;
    let config =
        ProptestConfig { cases: 6000, failure_persistence: None, ..ProptestConfig::default() };
    let mutations = prop::collection::vec(mutation(), 1..5);
    TestRunner::new(config)
        .run(&(kinds(), mutations), |(kind, mutations)| {
            let (original, other) = (kind.seal(0), kind.seal(1));
            let header_len = if kind.two_slots { 2560 } else { 512 };
            let mut header = original[..header_len].to_vec();
            for mutation in &mutations {
                mutation.apply(&mut header, &other[..header_len]);
            }
            let same = header == original[..header_len];
            let sealed = [&header, &original[header_len..]].concat();
            let (results, released) = open_everywhere(&sealed);
            let text = kind.text(0);
            prop_assert!(text.starts_with(&released), "a stream gave what is not the text");
            for result in results {
                match result {
                    Ok(opened) => {
                        prop_assert_eq!(&opened, &text);
                        hit(if same { "unchanged" } else { "mended" });
                    }
                    Err(error) => {
                        prop_assert!(!same, "{}", error);
                        hit(match error {
                            Error::Authentication => "authentication",
                            Error::Format { .. } => "format",
                            Error::NoKey { .. } => "no key",
                            _ => "other",
                        });
                    }
                }
            }
            Ok(())
        })
        .unwrap();
    let hits = hits.into_inner();
    for (what, least) in [("mended", 300), ("authentication", 1000), ("format", 1000)] {
        assert!(hits.get(what).is_some_and(|count| *count >= least), "{what} of {hits:?}");
    }
    println!("{hits:?}");
}
