//! No runtime is assumed, and no worker of one is blocked.

use std::cell::Cell;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

use futures::executor::block_on;
use strongroom::document::PlaintextLen;
use strongroom_async::{FuturesIo, Input, Options, Output, TokioIo, open, read_header, seal};

use crate::documents::{INLINE, busy_pool, engine_opens, sealed, sealer, text, unlock};
use crate::transports::{EASY, Transport};

/// Seals into one end of a pipe and opens at its other, both tasks of the executor.
async fn through_a_tokio_pipe(length: usize) {
    let text = Arc::new(text(length));
    let (mut near, mut far) = tokio::io::duplex(50_000);
    let sealing = tokio::spawn({
        let text = Arc::clone(&text);
        async move {
            let sealer = sealer(PlaintextLen::Stream, 2);
            let (from, to) = (TokioIo(&text[..]), TokioIo(&mut near));
            seal(sealer, from, to, &Options::default()).await.unwrap();
            // Closed when it is dropped.
        }
    });
    let opening = tokio::spawn(async move {
        let header = read_header(TokioIo(&mut far)).await.unwrap();
        let mut opened = Vec::new();
        let to = TokioIo(&mut opened);
        open(unlock(&header), TokioIo(&mut far), to, &Options::default()).await.unwrap();
        opened
    });
    sealing.await.unwrap();
    assert!(opening.await.unwrap() == *text);
}

#[test]
fn tokio_runs_it_on_one_thread_and_on_several() {
    for length in [0, 1000, INLINE + 1_000_000] {
        let one = tokio::runtime::Builder::new_current_thread().build().unwrap();
        one.block_on(through_a_tokio_pipe(length));
        let several =
            tokio::runtime::Builder::new_multi_thread().worker_threads(3).build().unwrap();
        several.block_on(through_a_tokio_pipe(length));
    }
}

#[test]
fn the_executor_of_futures_runs_it() {
    for length in [0, 1000, INLINE + 1_000_000] {
        let text = text(length);
        let mut sealed = futures::io::Cursor::new(Vec::new());
        let sealer = sealer(PlaintextLen::Stream, 2);
        let options = Options::default();
        block_on(seal(sealer, FuturesIo(&text[..]), FuturesIo(&mut sealed), &options)).unwrap();
        let (opened, outcome) = engine_opens(sealed.get_ref());
        assert!(outcome.is_ok() && opened == text);

        let mut sealed = &sealed.into_inner()[..];
        let mut opened = futures::io::Cursor::new(Vec::new());
        block_on(async {
            let header = read_header(FuturesIo(&mut sealed)).await.unwrap();
            let (from, to) = (FuturesIo(&mut sealed), FuturesIo(&mut opened));
            open(unlock(&header), from, to, &options).await.unwrap();
        });
        assert!(opened.into_inner() == text);
    }
}

/// Counts the turns that another task yields while it is computed.
async fn tick(ticks: Arc<AtomicU64>, stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::Acquire) {
        ticks.fetch_add(1, Ordering::AcqRel);
        tokio::task::yield_now().await;
    }
}

#[test]
fn others_go_on_while_64_mib_are_sealed_and_opened() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let text = text(64 << 20);
    runtime.block_on(async {
        let (ticks, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let ticker = tokio::spawn(tick(Arc::clone(&ticks), Arc::clone(&stop)));
        let mut document = Vec::new();
        let sealer = sealer(PlaintextLen::Stream, 1);
        let (from, to) = (TokioIo(&text[..]), TokioIo(&mut document));
        seal(sealer, from, to, &Options::default()).await.unwrap();
        let sealing = ticks.swap(0, Ordering::AcqRel);

        let mut document = &document[..];
        let header = read_header(TokioIo(&mut document)).await.unwrap();
        let mut opened = Vec::new();
        let (from, to) = (TokioIo(&mut document), TokioIo(&mut opened));
        open(unlock(&header), from, to, &Options::default()).await.unwrap();
        let opening = ticks.load(Ordering::Acquire);
        stop.store(true, Ordering::Release);
        ticker.await.unwrap();
        assert!(opened == text);
        // One for each 256 KiB that was copied, at the least.
        assert!(sealing >= 256 && opening >= 256, "{sealing} {opening}");
    });
}

/// The pool's one thread waits until the ticker has ticked: were the worker blocked meanwhile, neither
/// would go on. It also shows that the pool that was given computes, and no other.
#[test]
fn a_busy_pool_blocks_no_worker_and_no_short_document() {
    const TICKS: u64 = 1000;
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (short, long) = (text(INLINE - 1), text(INLINE + 1));
    runtime.block_on(async {
        let (pool, release) = busy_pool();
        let options = Options { pool: Some(pool), ..Options::default() };
        let stream = || sealer(PlaintextLen::Stream, 1);
        let mut document = Transport::new(Vec::new(), EASY);
        seal(stream(), Transport::new(&short[..], EASY), &mut document, &options).await.unwrap();
        assert!(engine_opens(&document.bytes).0 == short);

        let (ticks, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let ticker = tokio::spawn(tick(Arc::clone(&ticks), Arc::clone(&stop)));
        let releasing = tokio::spawn({
            let ticks = Arc::clone(&ticks);
            async move {
                while ticks.load(Ordering::Acquire) < TICKS {
                    tokio::task::yield_now().await;
                }
                drop(release);
            }
        });
        let mut document = Transport::new(Vec::new(), EASY);
        seal(stream(), Transport::new(&long[..], EASY), &mut document, &options).await.unwrap();
        assert!(ticks.load(Ordering::Acquire) >= TICKS, "another pool computed");
        stop.store(true, Ordering::Release);
        ticker.await.unwrap();
        releasing.await.unwrap();
        assert!(engine_opens(&document.bytes).0 == long);
    });
}

/// Spawning asks for it, on every runtime of several threads: of transports that are `Send` and no
/// more.
#[test]
fn the_futures_are_send() {
    struct NotSync<T>(T, Cell<()>);

    impl<T: Input> Input for NotSync<T> {
        fn poll_read(
            &mut self,
            context: &mut Context<'_>,
            buffer: &mut [u8],
        ) -> Poll<io::Result<usize>> {
            self.0.poll_read(context, buffer)
        }
    }

    impl<T: Output> Output for NotSync<T> {
        fn poll_write(
            &mut self,
            context: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.0.poll_write(context, bytes)
        }

        fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.0.poll_flush(context)
        }
    }

    fn is_send<T: Send>(future: T) -> T {
        future
    }
    let text = text(1000);
    let document = sealed(&text, PlaintextLen::Stream, 1);
    let (report, options) = (|_| (), Options::default());
    let options = Options { progress: Some(&report), ..options };
    let mut from = NotSync(Transport::new(&document[..], EASY), Cell::default());
    let to = || NotSync(Transport::new(Vec::new(), EASY), Cell::default());
    let header = block_on(is_send(read_header(&mut from))).unwrap();
    block_on(is_send(open(unlock(&header), from, to(), &options))).unwrap();
    let from = NotSync(Transport::new(&text[..], EASY), Cell::default());
    block_on(is_send(seal(sealer(PlaintextLen::Stream, 1), from, to(), &options))).unwrap();
}
