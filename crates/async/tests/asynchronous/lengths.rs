//! Every length around the borders of chunks and batches, both ways.

use std::sync::atomic::{AtomicU64, Ordering};

use futures::executor::block_on;
use strongroom::document::{Header, PlaintextLen};
use strongroom_async::{Options, open, read_header, seal, verify};

use crate::documents::{
    CHUNK, INLINE, engine_opens, known, many_batches, sealed, sealer, text, unlock,
};
use crate::transports::{EASY, HARD, Manners, Transport};

/// Around chunks, around what is read first, around what is computed in the task, and around batches.
fn lengths() -> Vec<usize> {
    let batch = 4 * CHUNK;
    let borders = [0, CHUNK, 2 * CHUNK, 4 * CHUNK, INLINE - CHUNK, INLINE];
    let behind = (1..=5).map(|batches| INLINE + batches * batch);
    let odd = [INLINE + CHUNK, INLINE + 2 * batch + CHUNK, INLINE + 2 * batch - CHUNK];
    let mut lengths: Vec<usize> = borders
        .into_iter()
        .chain(behind)
        .chain(odd)
        .flat_map(|border| border.saturating_sub(1)..=border + 1)
        .collect();
    // The sealed body is longer by its tags: around these too.
    lengths.extend((INLINE - 70 * 32..INLINE).step_by(16));
    lengths
}

fn both(text: &[u8]) -> [PlaintextLen; 2] {
    [known(text), PlaintextLen::Stream]
}

async fn seals(
    length: PlaintextLen,
    layers: u8,
    text: &[u8],
    manners: Manners,
    options: &Options<'_>,
) -> Vec<u8> {
    let (mut from, mut to) = (Transport::new(text, manners), Transport::new(Vec::new(), manners));
    let totals = seal(sealer(length, layers), &mut from, &mut to, options).await.unwrap();
    assert!(to.flushed && from.bytes.is_empty());
    assert_eq!(totals.plaintext_len, text.len() as u64);
    assert_eq!(totals.sealed_len, to.bytes.len() as u64);
    to.bytes
}

async fn opens(sealed: &[u8], manners: Manners, options: &Options<'_>) -> Vec<u8> {
    let (mut from, mut to) = (Transport::new(sealed, manners), Transport::new(Vec::new(), manners));
    let header = read_header(&mut from).await.unwrap();
    assert_eq!(from.moved, header.len());
    let totals = open(unlock(&header), &mut from, &mut to, options).await.unwrap();
    assert!(to.flushed && from.bytes.is_empty());
    assert_eq!(totals.plaintext_len, to.bytes.len() as u64);
    assert_eq!(totals.sealed_len, sealed.len() as u64);
    to.bytes
}

#[test]
fn every_length_is_sealed_and_opened_as_the_engine_does() {
    let options = many_batches();
    let mut documents = 0;
    for length in lengths() {
        let text = text(length);
        for (layers, announced) in [(1, 0), (1, 1), (2, 0), (2, 1)] {
            let announced = both(&text)[announced];
            // Each length with one set of manners; all of them meet each kind of border.
            let manners = HARD[documents % HARD.len()];
            let document = block_on(seals(announced, layers, &text, manners, &options));
            let (opened, outcome) = engine_opens(&document);
            assert!(outcome.is_ok() && opened == text, "{length} {layers} {manners:?}");

            let document = sealed(&text, announced, layers);
            let opened = block_on(opens(&document, manners, &options));
            assert!(opened == text, "{length} {layers} {manners:?}");
            documents += 1;
        }
        documents += 1; // the next length begins with other manners
    }
    assert!(documents > 500, "{documents}");
}

#[test]
fn every_manner_moves_a_short_and_a_long_document() {
    let options = many_batches();
    for length in [0, 1, 3 * CHUNK + 100, INLINE + 7 * CHUNK + 1] {
        let text = text(length);
        for manners in HARD {
            for announced in both(&text) {
                let document = block_on(seals(announced, 1, &text, manners, &options));
                assert_eq!(block_on(opens(&document, manners, &options)), text);
            }
        }
    }
}

#[test]
fn detached_documents_are_opened_with_their_own_header_alone() {
    for length in [0, 10_000, INLINE + 50_000] {
        let text = text(length);
        let (header, sealer) = sealer(known(&text), 1).detached();
        let header = Header::parse(&header).unwrap();
        let mut to = Transport::new(Vec::new(), HARD[2]);
        let from = Transport::new(&text[..], HARD[2]);
        block_on(seal(sealer, from, &mut to, &many_batches())).unwrap();
        let body = to.bytes;

        let from = || Transport::new(&body[..], HARD[2]);
        let mut to = Transport::new(Vec::new(), HARD[2]);
        let options = many_batches();
        let opener = || unlock(&header).detached();
        let totals = block_on(open(opener(), from(), &mut to, &options)).unwrap();
        assert_eq!(totals.sealed_len, body.len() as u64);
        assert!(to.bytes == text);
        block_on(verify(opener(), from(), &options)).unwrap();

        // As if it were not detached, and with the header of another document.
        assert!(block_on(verify(unlock(&header), from(), &options)).is_err());
        let refused = |opener, body: &[u8], reason| {
            let from = Transport::new(body, HARD[2]);
            let error = block_on(verify(opener, from, &options)).unwrap_err();
            assert!(error.to_string().contains(reason), "{error}");
        };
        let other = Header::parse(&sealed(b"", PlaintextLen::Stream, 1)).unwrap();
        refused(unlock(&other).detached(), &body, "detached header");
        // The prologue counts to its last byte, which no chunk's key depends on.
        let mut changed = body.clone();
        changed[127] ^= 1;
        refused(opener(), &changed, "detached header");
        refused(opener(), &body[..100], "truncated");
    }
}

#[test]
fn progress_is_told_in_the_end_for_every_byte() {
    for length in [0, 10_000, INLINE + 100_000] {
        let text = text(length);
        let document = sealed(&text, PlaintextLen::Stream, 1);
        let (told, calls) = (AtomicU64::new(0), AtomicU64::new(0));
        let report = |bytes| {
            told.fetch_add(bytes, Ordering::Relaxed);
            calls.fetch_add(1, Ordering::Relaxed);
        };
        let options = Options { progress: Some(&report), ..many_batches() };
        block_on(seals(known(&text), 1, &text, EASY, &options));
        assert_eq!(told.swap(0, Ordering::Relaxed), length as u64);
        block_on(opens(&document, EASY, &options));
        assert_eq!(told.load(Ordering::Relaxed), length as u64);
        assert_eq!(calls.load(Ordering::Relaxed) > 10, length > INLINE);
    }
}
