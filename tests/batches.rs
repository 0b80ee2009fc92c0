//! Batches in the hands of somebody who uses them otherwise than the crate's own readers and writers.

#![allow(clippy::unwrap_used, reason = "a test that fails should stop")]

use strongroom::Error;
use strongroom::document::{
    self, Batch, BatchOpener, BatchSealer, ChunkLen, Header, OpenOptions, PlaintextLen, Run,
    SealOptions, Sealer, Slots,
};
use strongroom::secret::Secret;
use strongroom::wrap::{KeyId, UnwrappingKey, WrappingKey};

const CHUNK: usize = 4096;
const RECORD: usize = CHUNK + 16;
/// One chunk a batch.
const RUN: Run<'static> = Run { memory: 0, progress: None };

fn id() -> KeyId {
    KeyId::new("vault/documents/1").unwrap()
}

fn sealer_of(chunk_len: usize, length: PlaintextLen) -> Sealer {
    let chunk_len = ChunkLen::new(chunk_len as u64).unwrap();
    let options = SealOptions { chunk_len, slots: Slots::One, ..SealOptions::default() };
    let key = WrappingKey::aes(id(), Secret::copy_from(&[7; 32]));
    Sealer::new(length, &[key], &options).unwrap()
}

fn sealer(length: PlaintextLen) -> (Vec<u8>, BatchSealer) {
    sealer_of(CHUNK, length).into_batches(&RUN)
}

fn keys() -> [UnwrappingKey; 1] {
    [UnwrappingKey::aes(id(), Secret::copy_from(&[7; 32]))]
}

fn opener(sealed: &[u8]) -> BatchOpener {
    let header = Header::parse(sealed).unwrap();
    header.unlock_with(&keys(), &OpenOptions::default()).unwrap().into_batches(&RUN)
}

fn open(sealed: &[u8]) -> Result<Vec<u8>, Error> {
    document::open(sealed, &keys(), &OpenOptions::default())
}

/// Empties the batch and fills it with `bytes`, which must fit.
fn fill(batch: &mut Batch, mut bytes: &[u8]) {
    batch.clear();
    while !bytes.is_empty() {
        let place = batch.unfilled().unwrap();
        let count = place.len().min(bytes.len());
        place[..count].copy_from_slice(&bytes[..count]);
        batch.advance(count);
        bytes = &bytes[count..];
    }
}

#[track_caller]
fn assert_refused(outcome: &Result<(), Error>) {
    assert!(matches!(outcome, Err(Error::Argument { what: "batch", .. })), "{outcome:?}");
}

/// Checks the end found only after the last batch, with an empty one left: a cut stream would be taken for
/// whole.
#[test]
fn a_cut_stream_is_refused_whichever_batch_ends_it() {
    let sealed = sealer_of(CHUNK, PlaintextLen::Stream).seal_slice(&[5; 3 * CHUNK]).unwrap();
    for records in 1..3 {
        let mut batches = opener(&sealed);
        let mut batch = batches.batch();
        for record in sealed[512..].chunks(RECORD).take(records) {
            fill(&mut batch, record);
            batches.open(&mut batch, false).unwrap();
        }
        batch.clear();
        let ended = batches.open(&mut batch, true);
        assert!(matches!(ended, Err(Error::Authentication)), "{ended:?}");
    }
}

/// The same where one seals: without a last chunk nobody could open the document.
#[test]
fn an_empty_batch_does_not_end_a_document_that_has_text() {
    for length in [PlaintextLen::Stream, PlaintextLen::Known(CHUNK as u64)] {
        let (_, mut batches) = sealer(length);
        let mut batch = batches.batch();
        fill(&mut batch, &[5; CHUNK]);
        batches.seal(&mut batch, false).unwrap();
        batch.clear();
        assert_refused(&batches.seal(&mut batch, true));
    }
    // An empty document is what an empty batch makes.
    let (mut sealed, mut batches) = sealer(PlaintextLen::Known(0));
    let mut batch = batches.batch();
    batches.seal(&mut batch, true).unwrap();
    sealed.extend(batch.outputs().flatten());
    assert_eq!(open(&sealed).unwrap(), b"");
    batch.clear();
    assert_refused(&batches.seal(&mut batch, true));
}

#[test]
fn behind_the_end_nothing_is_sealed_and_no_text_is_output() {
    for ended in [false, true] {
        let (mut sealed, mut batches) = sealer(PlaintextLen::Stream);
        let mut batch = batches.batch();
        fill(&mut batch, b"all there is");
        batches.seal(&mut batch, true).unwrap();
        sealed.extend(batch.outputs().flatten());
        fill(&mut batch, &[5; CHUNK]);
        assert_refused(&batches.seal(&mut batch, ended));
        assert_eq!(batch.outputs().flatten().count(), 0, "text that was not sealed");
        assert_eq!(batches.totals().sealed_len, sealed.len() as u64);
        assert_eq!(open(&sealed).unwrap(), b"all there is");
    }
}

/// Checks that a batch that was sealed is refused: its content would be sealed as text.
#[test]
fn a_batch_is_not_sealed_twice() {
    let (mut sealed, mut batches) = sealer(PlaintextLen::Stream);
    let mut batch = batches.batch();
    fill(&mut batch, &[5; CHUNK]);
    batches.seal(&mut batch, false).unwrap();
    sealed.extend(batch.outputs().flatten());
    assert_refused(&batches.seal(&mut batch, true));
    fill(&mut batch, b"end");
    batches.seal(&mut batch, true).unwrap();
    sealed.extend(batch.outputs().flatten());
    assert_eq!(open(&sealed).unwrap(), [&[5; CHUNK][..], b"end"].concat());

    let mut batches = opener(&sealed);
    let mut batch = batches.batch();
    fill(&mut batch, &sealed[512..512 + RECORD]);
    batches.open(&mut batch, false).unwrap();
    assert_refused(&batches.open(&mut batch, true));
}

/// Chunks of another length would make a document that does not open; records have no room for tags.
#[test]
fn a_batch_of_another_shape_is_refused() {
    let (_, mut batches) = sealer(PlaintextLen::Stream);
    let sealed = sealer_of(CHUNK, PlaintextLen::Stream).seal_slice(b"text").unwrap();
    let mut opening = opener(&sealed);
    let mut of_opener = opening.batch();
    fill(&mut of_opener, &[1; RECORD]);
    let mut of_larger = sealer_of(2 * CHUNK, PlaintextLen::Stream).into_batches(&RUN).1.batch();
    fill(&mut of_larger, &[1; 2 * CHUNK]);
    let mut of_sealer = batches.batch();
    fill(&mut of_sealer, &sealed[512..]);
    for ended in [false, true] {
        assert_refused(&batches.seal(&mut of_opener, ended));
        assert_refused(&batches.seal(&mut of_larger, ended));
        assert_refused(&opening.open(&mut of_sealer, ended));
    }
    // None of it disturbs what comes next; a batch of another document of the same shape will do.
    let mut batch = sealer(PlaintextLen::Stream).1.batch();
    fill(&mut batch, b"text");
    batches.seal(&mut batch, true).unwrap();
}
