//! Everything that can go wrong: transports that fail at any byte, documents that were changed.

use std::io;
use std::task::{Context, Poll};

use futures::executor::block_on;
use strongroom::Error;
use strongroom::document::{PlaintextLen, Run, Totals};
use strongroom_async::{Input, Options, Output, open, read_header, seal, verify};

use crate::documents::{
    CHUNK, INLINE, engine_opens, known, many_batches, sealed, sealer, text, unlock,
};
use crate::transports::{EASY, HARD, Manners, PLANTED, Transport};

/// One that is computed in the task, and one that takes many batches on the pool.
const LENGTHS: [usize; 2] = [3 * CHUNK + 100, INLINE + 9 * CHUNK + 100];
const HEADER_LEN: usize = 2560;

/// Opens a document: the text that was given out, and the outcome.
fn opens(
    sealed: &[u8],
    from: Manners,
    to: Manners,
    options: &Options<'_>,
) -> (Vec<u8>, Result<Totals, Error>) {
    let (mut from, mut to) = (Transport::new(sealed, from), Transport::new(Vec::new(), to));
    let outcome = block_on(async {
        let header = read_header(&mut from).await?;
        open(unlock(&header), &mut from, &mut to, options).await
    });
    (to.bytes, outcome)
}

fn fails_at(at: usize, manners: Manners) -> Manners {
    Manners { fails_at: Some(at), ..manners }
}

/// Every position of the first records, borders and some of the rest.
fn positions(length: usize) -> impl Iterator<Item = usize> {
    (0..length).filter(move |at| at % 613 == 0 || at % CHUNK < 2 || length - at < 20)
}

fn assert_planted(error: &Error, expected: &str) {
    let Error::Io { doing, source } = error else { panic!("{error}") };
    assert_eq!((*doing, source.to_string().as_str()), (expected, PLANTED));
}

#[test]
fn a_failing_reader_or_writer_ends_the_run_wherever_it_fails() {
    let options = many_batches();
    let mut faults = 0;
    for length in LENGTHS {
        let text = text(length);
        let document = sealed(&text, PlaintextLen::Stream, 1);
        for at in positions(length) {
            let from = Transport::new(&text[..], fails_at(at, HARD[at % 4]));
            let mut to = Transport::new(Vec::new(), EASY);
            let length = PlaintextLen::Stream;
            let error = block_on(seal(sealer(length, 1), from, &mut to, &options)).unwrap_err();
            assert_planted(&error, "reading the input");
            assert!(to.bytes.len() < document.len());
            faults += 1;
        }
        for at in positions(document.len()) {
            let from = Transport::new(&text[..], EASY);
            let mut to = Transport::new(Vec::new(), fails_at(at, HARD[at % 4]));
            let error =
                block_on(seal(sealer(known(&text), 1), from, &mut to, &options)).unwrap_err();
            assert_planted(&error, "writing the sealed document");
            assert_eq!(to.bytes.len(), at);

            let (given, outcome) = opens(&document, fails_at(at, HARD[at % 4]), EASY, &options);
            let doing =
                if at < HEADER_LEN { "reading the header" } else { "reading the sealed document" };
            assert_planted(&outcome.unwrap_err(), doing);
            assert!(given.len() <= at && text.starts_with(&given));
            faults += 2;
        }
        for at in positions(length) {
            let (given, outcome) = opens(&document, EASY, fails_at(at, HARD[at % 4]), &options);
            assert_planted(&outcome.unwrap_err(), "writing the plaintext");
            assert!(given == text[..at]);
            faults += 1;
        }
        // All is written, and what is buffered is lost.
        let (given, outcome) = opens(&document, EASY, fails_at(length, EASY), &options);
        assert_planted(&outcome.unwrap_err(), "writing the plaintext");
        assert!(given == text);
    }
    assert!(faults > 2500, "{faults}");
}

/// The same error as the engine's, and nothing given out but the text's beginning.
fn assert_as_engine(changed: &[u8], text: &[u8], options: &Options<'_>, what: &str) {
    let (_, expected) = engine_opens(changed);
    let (given, outcome) = opens(changed, EASY, EASY, options);
    let (expected, found) = (expected.unwrap_err(), outcome.unwrap_err());
    assert_eq!(expected.to_string(), found.to_string(), "{what}");
    assert!(given.len() < text.len().max(1) && text.starts_with(&given), "{what}");
    assert_eq!(given.len() % CHUNK, 0, "{what}: chunks are given out whole");
}

#[test]
fn every_truncation_is_told_as_the_engine_tells_it() {
    let options = many_batches();
    let mut cuts = 0;
    for length in LENGTHS {
        let text = text(length);
        for (announced, layers) in
            [(known(&text), 1), (PlaintextLen::Stream, 1), (PlaintextLen::Stream, 2)]
        {
            let document = sealed(&text, announced, layers);
            let record = CHUNK + 16 * usize::from(layers);
            for at in 0..document.len() {
                let body = at.saturating_sub(HEADER_LEN);
                let border = at > HEADER_LEN && (body % record < 2 || body % record == record - 1);
                if border || at % 997 == 0 || at < 10 || document.len() - at < 40 {
                    let what = format!("{length} {announced:?} cut at {at}");
                    assert_as_engine(&document[..at], &text, &options, &what);
                    cuts += 1;
                }
            }
        }
    }
    assert!(cuts > 1000, "{cuts}");
}

#[test]
fn every_change_is_told_as_the_engine_tells_it() {
    let options = many_batches();
    for length in LENGTHS {
        let text = text(length);
        for announced in [known(&text), PlaintextLen::Stream] {
            let document = sealed(&text, announced, 1);
            for at in (HEADER_LEN..document.len()).step_by(449) {
                let mut changed = document.clone();
                changed[at] ^= 0x10;
                assert_as_engine(&changed, &text, &options, &format!("{length} flipped at {at}"));
            }
            for more in [1, 15, 16, 17, CHUNK, 5 * CHUNK] {
                let mut changed = document.clone();
                changed.resize(document.len() + more, 0);
                let (_, expected) = engine_opens(&changed);
                let (given, outcome) = opens(&changed, EASY, EASY, &options);
                assert_eq!(expected.unwrap_err().to_string(), outcome.unwrap_err().to_string());
                assert!(text.starts_with(&given));
            }
            // Two records that change places.
            let mut changed = document.clone();
            let (first, rest) = changed[HEADER_LEN..].split_at_mut(CHUNK + 16);
            first.swap_with_slice(&mut rest[..CHUNK + 16]);
            assert_as_engine(&changed, &text, &options, "records exchanged");
        }
    }
    for (text, at) in [(&[][..], HEADER_LEN), (&[7][..], HEADER_LEN)] {
        let mut changed = sealed(text, PlaintextLen::Stream, 1);
        changed[at] ^= 1;
        assert_as_engine(&changed, text, &options, "the only record flipped");
    }
}

#[test]
fn another_length_than_was_announced_is_refused_as_the_engine_refuses_it() {
    let options = many_batches();
    for length in [0, 1, CHUNK, LENGTHS[0], LENGTHS[1]] {
        let text = text(length);
        let wrong = [0, 1, length / 2, length.saturating_sub(1), length + 1, length + 10 * CHUNK];
        for announced in wrong.into_iter().filter(|announced| *announced != length) {
            let announced = PlaintextLen::Known(announced as u64);
            let expected = sealer(announced, 1)
                .seal_stream(&mut &text[..], &mut Vec::new(), &Run::default())
                .unwrap_err();
            let from = Transport::new(&text[..], HARD[2]);
            let mut to = Transport::new(Vec::new(), EASY);
            let error = block_on(seal(sealer(announced, 1), from, &mut to, &options)).unwrap_err();
            assert!(matches!(error, Error::InputChanged { .. }));
            assert_eq!(error.to_string(), expected.to_string());
            let (_, outcome) = engine_opens(&to.bytes);
            assert!(outcome.is_err(), "what was written is no document");
        }
    }
}

/// Says that it moved what it did not.
struct Lying {
    count: usize,
}

impl Input for Lying {
    fn poll_read(&mut self, _: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(buffer.len() + 1))
    }
}

impl Output for Lying {
    fn poll_write(&mut self, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len() * self.count))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[test]
fn a_transport_that_breaks_its_contract_is_an_error() {
    let options = Options::default();
    let stream = || sealer(PlaintextLen::Stream, 1);
    let from = || Transport::new(&b"text"[..], EASY);
    let lying = |count| Lying { count };
    let read = block_on(seal(stream(), lying(0), Transport::new(Vec::new(), EASY), &options));
    assert!(read.unwrap_err().to_string().contains("more bytes than it was given"));
    let write = block_on(seal(stream(), from(), lying(2), &options));
    assert!(write.unwrap_err().to_string().contains("more bytes than it was given"));
    let nothing = block_on(seal(stream(), from(), lying(0), &options)).unwrap_err();
    assert!(
        matches!(&nothing, Error::Io { source, .. } if source.kind() == io::ErrorKind::WriteZero)
    );
    let header = read_header(Transport::new(&b"no document"[..], HARD[1]));
    assert!(matches!(block_on(header), Err(Error::Format { offset: 0, .. })));
}

#[test]
fn verifying_authenticates_all_of_it() {
    for length in LENGTHS {
        let text = text(length);
        let document = sealed(&text, known(&text), 2);
        for at in [None, Some(HEADER_LEN), Some(document.len() - 1)] {
            let mut changed = document.clone();
            if let Some(at) = at {
                changed[at] ^= 1;
            }
            let mut from = Transport::new(&changed[..], HARD[2]);
            let outcome = block_on(async {
                let header = read_header(&mut from).await?;
                verify(unlock(&header), &mut from, &many_batches()).await
            });
            match at {
                None => assert_eq!(outcome.unwrap().plaintext_len, length as u64),
                Some(_) => assert!(matches!(outcome, Err(Error::Authentication))),
            }
        }
    }
}
