//! Documents that are sealed as they are written and opened as they are read, with the traits of both
//! families over transports that have them.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use futures::executor::block_on;
use strongroom::document::PlaintextLen;
use strongroom_async::{
    AsyncSealWriter, AsyncStreamReader, FuturesIo, Input, Options, Output, TokioIo, open,
    read_header, seal,
};

use crate::documents::{
    CHUNK, INLINE, engine_opens, known, many_batches, sealed, sealer, text, unlock,
};
use crate::transports::{EASY, HARD, Manners, PLANTED, Pace, Transport, paced};

const LENGTHS: [usize; 5] = [0, 1, 3 * CHUNK, INLINE, INLINE + 9 * CHUNK + 100];

/// A transport with the traits of `futures` and of `tokio`.
struct Foreign<T>(T);

impl<T: Input + Unpin> futures::io::AsyncRead for Foreign<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_read(context, buffer)
    }
}

impl<T: Input + Unpin> tokio::io::AsyncRead for Foreign<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let count = ready!(self.0.poll_read(context, buffer.initialize_unfilled()))?;
        buffer.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl<T: Output + Unpin> futures::io::AsyncWrite for Foreign<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_flush(context)
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        panic!("an output is the caller's to close")
    }
}

impl<T: Output + Unpin> tokio::io::AsyncWrite for Foreign<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        panic!("an output is the caller's to close")
    }
}

/// Seals through `to` and opens through `from` with what `$wrap` makes of both.
macro_rules! round_trip {
    ($wrap:ident, $text:expr, $manners:expr, $options:expr) => {{
        let (text, manners, options) = ($text, $manners, $options);
        let mut from = Foreign(Transport::new(text, manners));
        let mut to = Foreign(Transport::new(Vec::new(), manners));
        let stream = sealer(PlaintextLen::Stream, 2);
        block_on(seal(stream, $wrap(&mut from), $wrap(&mut to), options)).unwrap();
        assert!(to.0.flushed);
        let document = to.0.bytes;
        let (opened, outcome) = engine_opens(&document);
        assert!(outcome.is_ok() && opened == text);

        let mut from = Foreign(Transport::new(&document[..], manners));
        let mut to = Foreign(Transport::new(Vec::new(), manners));
        block_on(async {
            let header = read_header($wrap(&mut from)).await.unwrap();
            open(unlock(&header), $wrap(&mut from), $wrap(&mut to), options).await.unwrap();
        });
        assert!(to.0.bytes == text && to.0.flushed);
        assert!(from.0.waits > 0 && to.0.waits > 0 || text.len() < INLINE);

        // What the reader says is handed on.
        let failing = Manners { fails_at: Some(document.len() - 1), ..manners };
        let mut from = Foreign(Transport::new(&document[..], failing));
        let error = block_on(async {
            let header = read_header($wrap(&mut from)).await?;
            let to = Transport::new(Vec::new(), EASY);
            open(unlock(&header), $wrap(&mut from), to, options).await
        });
        assert!(io::Error::from(error.unwrap_err()).to_string() == PLANTED);
    }};
}

#[test]
fn both_families_move_documents_at_any_pace() {
    let options = many_batches();
    for length in LENGTHS {
        let text = text(length);
        for seed in 3..9 {
            let manners = paced(Pace::Random(seed));
            round_trip!(FuturesIo, &text[..], manners, &options);
            round_trip!(TokioIo, &text[..], manners, &options);
        }
    }
}

fn reader<'d>(
    document: &'d [u8],
    manners: Manners,
    options: &Options<'d>,
) -> AsyncStreamReader<'d> {
    let mut sealed = Transport::new(document, manners);
    let header = block_on(read_header(&mut sealed)).unwrap();
    AsyncStreamReader::new(unlock(&header), sealed, options.clone())
}

/// Reads until the end or an error in pieces of `piece` bytes.
fn read_all(reader: &mut AsyncStreamReader<'_>, piece: usize) -> (Vec<u8>, io::Result<()>) {
    use futures::io::AsyncReadExt;

    let (mut all, mut buffer) = (Vec::new(), vec![0; piece]);
    loop {
        match block_on(reader.read(&mut buffer)) {
            Ok(0) => return (all, Ok(())),
            Ok(count) => all.extend_from_slice(&buffer[..count]),
            Err(error) => return (all, Err(error)),
        }
    }
}

#[test]
fn a_document_is_opened_as_it_is_read() {
    let options = many_batches();
    for length in LENGTHS {
        let text = text(length);
        for announced in [known(&text), PlaintextLen::Stream] {
            let document = sealed(&text, announced, 2);
            for (number, piece) in [1, 700, CHUNK, 3 * CHUNK + 1, 1 << 20].into_iter().enumerate() {
                let mut reader = reader(&document, HARD[number % 4], &options);
                assert!(reader.totals().is_none());
                let (opened, outcome) = read_all(&mut reader, piece);
                assert!(outcome.is_ok() && opened == text);
                assert_eq!(reader.totals().unwrap().sealed_len, document.len() as u64);
                assert!(read_all(&mut reader, piece).0.is_empty(), "the end stays the end");
            }
            let mut opened = Vec::new();
            let mut reader = reader(&document, HARD[3], &options);
            block_on(tokio::io::AsyncReadExt::read_to_end(&mut reader, &mut opened)).unwrap();
            assert!(opened == text);
        }
    }
}

/// Cut or changed anywhere, the reader never says that it has ended, and says why again and again.
#[test]
fn an_error_of_a_reader_is_final() {
    let options = many_batches();
    let mut faults = 0;
    for length in [1, 3 * CHUNK, INLINE + 9 * CHUNK + 100] {
        let text = text(length);
        let document = sealed(&text, PlaintextLen::Stream, 1);
        let record = CHUNK + 16;
        let positions = (2560..document.len())
            .filter(|at| (at - 2560) % record < 2 || at % 911 == 0 || document.len() - at < 20);
        for at in positions {
            let mut changed = document.clone();
            changed[at] ^= 8;
            for (document, manners) in [
                (&document[..at], EASY),
                (&changed, EASY),
                (&document, Manners { fails_at: Some(at), ..HARD[2] }),
            ] {
                let mut reader = reader(document, manners, &options);
                let (given, outcome) = read_all(&mut reader, 5000);
                let first = outcome.unwrap_err();
                assert!(given.len() < text.len() && text.starts_with(&given));
                for _ in 0..3 {
                    let (more, again) = read_all(&mut reader, 5000);
                    let again = again.unwrap_err();
                    assert!(more.is_empty());
                    assert_eq!(again.kind(), first.kind());
                    assert_eq!(again.to_string(), first.to_string());
                }
                assert!(reader.totals().is_none());
                faults += 1;
            }
        }
    }
    assert!(faults > 1000, "{faults}");
}

#[test]
fn a_document_is_sealed_as_it_is_written() {
    use futures::io::AsyncWriteExt;

    let options = many_batches();
    for length in LENGTHS {
        let text = text(length);
        for announced in [known(&text), PlaintextLen::Stream] {
            for (number, piece) in [1, 700, CHUNK, 3 * CHUNK + 1, 1 << 20].into_iter().enumerate() {
                let mut to = Transport::new(Vec::new(), HARD[number % 4]);
                let options = options.clone();
                let mut writer = AsyncSealWriter::new(sealer(announced, 2), &mut to, options);
                block_on(async {
                    for piece in text.chunks(piece) {
                        writer.write_all(piece).await.unwrap();
                        writer.flush().await.unwrap();
                    }
                    assert!(writer.totals().is_none());
                    writer.close().await.unwrap();
                    writer.close().await.unwrap();
                    assert!(writer.write(b"more").await.is_err());
                });
                assert_eq!(writer.totals().unwrap().plaintext_len, length as u64);
                drop(writer);
                assert!(to.flushed);
                let (opened, outcome) = engine_opens(&to.bytes);
                assert!(outcome.is_ok() && opened == text);
            }
            let mut to = Transport::new(Vec::new(), HARD[2]);
            let mut writer = AsyncSealWriter::new(sealer(announced, 1), &mut to, options.clone());
            block_on(tokio::io::AsyncWriteExt::write_all(&mut writer, &text)).unwrap();
            // Not closed: it is no document.
            block_on(tokio::io::AsyncWriteExt::flush(&mut writer)).unwrap();
            drop(writer);
            assert!(engine_opens(&to.bytes).1.is_err());

            let mut to = Transport::new(Vec::new(), HARD[2]);
            let mut writer = AsyncSealWriter::new(sealer(announced, 1), &mut to, options.clone());
            block_on(tokio::io::AsyncWriteExt::write_all(&mut writer, &text)).unwrap();
            block_on(tokio::io::AsyncWriteExt::shutdown(&mut writer)).unwrap();
            drop(writer);
            assert!(engine_opens(&to.bytes).0 == text);
        }
    }
}

#[test]
fn an_error_of_a_writer_is_final() {
    use futures::io::AsyncWriteExt;

    let options = many_batches();
    let text = text(5 * INLINE);
    let document_len = sealed(&text, PlaintextLen::Stream, 1).len();
    let mut early = 0;
    for at in (0..document_len).step_by(9973).chain([document_len - 1]) {
        let to = Transport::new(Vec::new(), Manners { fails_at: Some(at), ..HARD[2] });
        let stream = sealer(PlaintextLen::Stream, 1);
        let mut writer = AsyncSealWriter::new(stream, to, options.clone());
        let outcome = block_on(writer.write_all(&text));
        early += usize::from(outcome.is_err());
        let closed = block_on(writer.close()).unwrap_err();
        let again = block_on(writer.write_all(b"more")).unwrap_err();
        assert_eq!((closed.to_string(), again.to_string()), (PLANTED.into(), PLANTED.into()));
        assert!(writer.totals().is_none());
    }
    assert!(early > 10, "{early}");

    // Another length than was announced: told at the latest when it is closed.
    for announced in [0, 1, text.len() - 1, text.len() + 1] {
        let announced = PlaintextLen::Known(announced as u64);
        let to = Transport::new(Vec::new(), EASY);
        let mut writer = AsyncSealWriter::new(sealer(announced, 1), to, options.clone());
        let outcome = block_on(async {
            writer.write_all(&text).await?;
            writer.close().await
        });
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert_eq!(block_on(writer.close()).unwrap_err().to_string(), error.to_string());
    }
}

/// A writer takes no more than it has room for while its output takes nothing.
#[test]
fn an_output_that_takes_nothing_holds_the_writer_up() {
    struct Stuck;

    impl Output for Stuck {
        fn poll_write(&mut self, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Pending
        }

        fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    let options = many_batches();
    let pool = options.pool.clone().unwrap();
    let memory = options.memory;
    let mut writer = AsyncSealWriter::new(sealer(PlaintextLen::Stream, 1), Stuck, options);
    let mut context = Context::from_waker(Waker::noop());
    let (piece, mut taken) = ([7; 1000], 0);
    for _ in 0..10_000 {
        match Output::poll_write(&mut writer, &mut context, &piece) {
            Poll::Ready(count) => taken += count.unwrap(),
            Poll::Pending => pool.install(|| ()),
        }
    }
    assert!(taken > INLINE && taken <= INLINE + memory + INLINE, "{taken}");
}
