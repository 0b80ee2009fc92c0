//! The output of a run that was dropped: a part, and never a whole document.

use std::pin::pin;
use std::task::{Context, Waker};

use strongroom::document::PlaintextLen;
use strongroom_async::{open, read_header, seal};

use crate::documents::{
    CHUNK, INLINE, engine_opens, known, many_batches, sealed, sealer, text, unlock,
};
use crate::transports::{HARD, Transport};

/// Polls a future up to `polls` times and drops it; tells whether it was done.
fn poll_and_drop(future: impl Future, polls: usize, pool: &rayon::ThreadPool) -> bool {
    let mut context = Context::from_waker(Waker::noop());
    let mut future = pin!(future);
    (0..polls).any(|_| {
        let done = future.as_mut().poll(&mut context).is_ready();
        pool.install(|| ());
        done
    })
}

#[test]
fn a_run_that_is_dropped_at_any_poll_leaves_no_whole_document() {
    let options = many_batches();
    let pool = options.pool.clone().unwrap();
    for (length, every) in [(0, 1), (2 * CHUNK + 50, 1), (INLINE + 9 * CHUNK + 100, 7)] {
        let text = text(length);
        for announced in [known(&text), PlaintextLen::Stream] {
            let whole = sealed(&text, announced, 1);
            let mut parts = 0;
            for polls in (0..).step_by(every) {
                let mut to = Transport::new(Vec::new(), HARD[2]);
                let from = Transport::new(&text[..], HARD[3]);
                let run = seal(sealer(announced, 1), from, &mut to, &options);
                let done = poll_and_drop(run, polls, &pool);
                let (_, outcome) = engine_opens(&to.bytes);
                // All of it may be there before it is flushed.
                assert_eq!(outcome.is_ok(), to.bytes.len() == whole.len());
                if done {
                    assert!(outcome.is_ok());
                    break;
                }
                assert!(!to.flushed || to.bytes.is_empty());
                parts += 1;
            }
            assert!(parts > 4, "{parts}");

            for polls in (0..).step_by(every) {
                let mut to = Transport::new(Vec::new(), HARD[2]);
                let mut from = Transport::new(&whole[..], HARD[3]);
                let run = async {
                    let header = read_header(&mut from).await.unwrap();
                    open(unlock(&header), &mut from, &mut to, &options).await.unwrap();
                };
                let done = poll_and_drop(run, polls, &pool);
                assert!(text.starts_with(&to.bytes));
                if done {
                    assert!(to.bytes == text);
                    break;
                }
            }
        }
    }
}
