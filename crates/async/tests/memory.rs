//! Memory that is allocated while a run goes on, and after it is dropped.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails should stop")]

#[path = "support/documents.rs"]
mod documents;
#[path = "support/transports.rs"]
mod transports;

use std::alloc::System;
use std::io;
use std::pin::pin;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use cap::Cap;
use futures::executor::block_on;
use rayon::ThreadPool;
use strongroom::document::PlaintextLen;
use strongroom_async::{Input, Options, Output, open, read_header, seal};

use documents::{
    CHUNK, INLINE, busy_pool, engine_opens, known, many_batches, sealed, sealer, sealer_of_chunks,
    text, unlock,
};
use transports::{EASY, HARD, Transport};

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// Bytes that the test harness and the pools allocate for themselves.
const NOISE: usize = 64 << 10;

/// One test at a time: the allocator counts for all.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A pool whose threads have all begun: what they allocate for themselves is there before anything is counted, and
/// does not come while the next test counts.
fn begun_pool(threads: usize) -> Arc<ThreadPool> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.broadcast(|_| ());
    Arc::new(pool)
}

/// Notes how much memory is in use whenever bytes move.
#[derive(Default)]
struct Gauge {
    left: usize,
    given: usize,
    peak: usize,
}

impl Gauge {
    fn note(&mut self) {
        self.peak = self.peak.max(ALLOCATOR.allocated());
    }
}

impl Input for Gauge {
    fn poll_read(&mut self, _: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.note();
        let count = buffer.len().min(self.left);
        buffer[..count].fill(7);
        self.left -= count;
        Poll::Ready(Ok(count))
    }
}

impl Output for Gauge {
    fn poll_write(&mut self, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.note();
        self.given += bytes.len();
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A run's batches are wiped and freed on the pool, behind its end.
fn until_freed(baseline: usize) {
    let ended = Instant::now();
    while ALLOCATOR.allocated() > baseline + NOISE / 2 {
        assert!(ended.elapsed() < Duration::from_secs(60), "batches are left");
        std::thread::yield_now();
    }
}

#[test]
fn no_more_is_alive_than_the_budget() {
    const LENGTH: usize = 24 << 20;
    let _alone = alone();
    let pool = begun_pool(64);
    let document = sealed(&text(LENGTH), PlaintextLen::Stream, 1);
    let pristine = ALLOCATOR.allocated();
    for memory in [0, 512 << 10, 1 << 20] {
        // Three records are always allowed, and what a run begins with.
        let allowed = memory.max(320 << 10) + 3 * (CHUNK + 32);
        let least = memory.max(256 << 10) * 9 / 10;
        let options = Options { memory, pool: Some(Arc::clone(&pool)), progress: None };
        until_freed(pristine);
        let baseline = ALLOCATOR.allocated();
        let (mut from, mut to) = (Gauge { left: LENGTH, ..Gauge::default() }, Gauge::default());
        block_on(seal(sealer(PlaintextLen::Stream, 1), &mut from, &mut to, &options)).unwrap();
        let peak = from.peak.max(to.peak) - baseline;
        assert_eq!(to.given, document.len());
        assert!(peak <= allowed + NOISE, "sealing: {peak} bytes alive of {memory}");
        assert!(peak >= least, "sealing: only {peak} bytes were seen of {memory}");

        until_freed(baseline);

        let mut to = Gauge::default();
        let mut from = Transport::new(&document[..], EASY);
        let header = block_on(read_header(&mut from)).unwrap();
        block_on(open(unlock(&header), &mut from, &mut to, &options)).unwrap();
        let peak = to.peak - baseline;
        // The input of this one notes nothing: with the least budget the beginning is over.
        let least = if memory == 0 { CHUNK } else { least };
        assert_eq!(to.given, LENGTH);
        assert!(peak <= allowed + NOISE, "opening: {peak} bytes alive of {memory}");
        assert!(peak >= least, "opening: only {peak} bytes were seen of {memory}");
    }
}

/// Polls the future that `make` makes up to `polls` times and drops it; tells whether it was done.
fn poll_and_drop<F: Future>(make: impl FnOnce() -> F, polls: usize, pool: &ThreadPool) -> bool {
    let mut context = Context::from_waker(Waker::noop());
    let mut future = pin!(make());
    for poll in 0..polls {
        if future.as_mut().poll(&mut context).is_ready() {
            return true;
        }
        // Not behind the last one: there the future is dropped while its job runs.
        if poll + 1 < polls {
            pool.install(|| ());
        }
    }
    false
}

/// Drops the future at each of its polls, and looks at what is left.
fn sweep<F: Future>(mut make: impl FnMut() -> F, pool: &ThreadPool) -> usize {
    assert!(poll_and_drop(&mut make, usize::MAX, pool), "it ends if it is left alone");
    pool.install(|| ());
    let baseline = ALLOCATOR.allocated();
    let mut polls = 0;
    while !poll_and_drop(&mut make, polls, pool) {
        polls += 1;
        // The pool's one thread takes jobs in order: behind this one nothing is left of the future's.
        pool.install(|| ());
    }
    let left = ALLOCATOR.allocated().saturating_sub(baseline);
    assert!(left < NOISE, "{left} bytes are left of {polls} dropped futures");
    polls
}

#[test]
fn a_future_that_is_dropped_at_any_poll_leaves_nothing() {
    let _alone = alone();
    let options = Options { pool: Some(begun_pool(1)), ..many_batches() };
    let pool = options.pool.clone().unwrap();
    for length in [3 * CHUNK, INLINE + 9 * CHUNK + 100] {
        let text = text(length);
        let document = sealed(&text, known(&text), 2);
        let polls = sweep(
            || {
                let (from, options) = (Transport::new(&text[..], HARD[2]), &options);
                let to = Transport::new(Vec::new(), HARD[2]);
                async move { seal(sealer(PlaintextLen::Stream, 2), from, to, options).await.unwrap() }
            },
            &pool,
        );
        let opens = sweep(
            || {
                let (mut from, options) = (Transport::new(&document[..], HARD[2]), &options);
                let to = Transport::new(Vec::new(), HARD[2]);
                async move {
                    let header = read_header(&mut from).await.unwrap();
                    open(unlock(&header), &mut from, to, options).await.unwrap()
                }
            },
            &pool,
        );
        let least = length / 5000; // pieces, and at least one poll for each
        assert!(polls > least && opens > least, "{polls} {opens}");
    }
}

/// Occupies the pool's one thread when it is flushed.
struct BusyAtTheEnd {
    pool: Arc<ThreadPool>,
    released: Option<Receiver<()>>,
}

impl Output for BusyAtTheEnd {
    fn poll_write(&mut self, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(released) = self.released.take() {
            self.pool.spawn(move || {
                let _ = released.recv();
            });
        }
        Poll::Ready(Ok(()))
    }
}

/// To wipe all of a budget takes milliseconds: neither a run that ends nor one that is dropped does
/// that in the task.
#[test]
fn batches_are_wiped_on_the_pool() {
    const MIB: usize = 1 << 20;
    let _alone = alone();
    let pool = begun_pool(1);
    let options = Options { memory: 16 * MIB, pool: Some(Arc::clone(&pool)), progress: None };
    let baseline = ALLOCATOR.allocated();
    for ends in [true, false] {
        let (release, released) = channel();
        let (at_end, late) = if ends { (Some(released), None) } else { (None, Some(released)) };
        let mut to = BusyAtTheEnd { pool: Arc::clone(&pool), released: at_end };
        let from = Gauge { left: 9 * MIB, ..Gauge::default() };
        let stream = sealer_of_chunks(MIB, PlaintextLen::Stream, 1);
        {
            let mut run = Box::pin(seal(stream, from, &mut to, &options));
            let mut context = Context::from_waker(Waker::noop());
            // 36 turns read 9 MiB.
            let polls = if ends { usize::MAX } else { 30 };
            let ended = (0..polls).any(|_| {
                let ended = run.as_mut().poll(&mut context).is_ready();
                if !ended {
                    pool.install(|| ());
                }
                ended
            });
            assert_eq!(ended, ends);
            if let Some(receiver) = late {
                pool.spawn(move || {
                    let _ = receiver.recv();
                });
            }
        }
        let left = ALLOCATOR.allocated().saturating_sub(baseline);
        assert!(left >= 4 * MIB, "only {left} bytes wait for the pool's busy thread");
        drop((release, to));
        pool.install(|| ());
        let left = ALLOCATOR.allocated().saturating_sub(baseline);
        assert!(left < NOISE, "{left} bytes are left");
    }
}

/// A job that nobody waits for when its turn comes is dropped: the pool has other things to do.
#[test]
fn a_job_that_waits_for_a_busy_pool_goes_with_its_future() {
    let _alone = alone();
    let (pool, release) = busy_pool();
    let options = Options { pool: Some(Arc::clone(&pool)), ..many_batches() };
    let text = text(INLINE + CHUNK);
    let mut to = Transport::new(Vec::new(), EASY);
    {
        let from = Transport::new(&text[..], EASY);
        let mut context = Context::from_waker(Waker::noop());
        let stream = sealer(PlaintextLen::Stream, 1);
        let mut future = pin!(seal(stream, from, &mut to, &options));
        for _ in 0..10_000 {
            assert!(future.as_mut().poll(&mut context).is_pending());
        }
    }
    drop(release);
    pool.install(|| ());
    assert!(to.bytes.is_empty());

    // And the pool serves the next.
    let from = Transport::new(&text[..], EASY);
    block_on(seal(sealer(PlaintextLen::Stream, 1), from, &mut to, &options)).unwrap();
    assert!(engine_opens(&to.bytes).0 == text);
}
