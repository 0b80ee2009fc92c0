//! Memory for sealed bytes in flight, shared by all operations of a store.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes in a unit of the semaphore, whose counts have 32 bits.
const PAGE: usize = 4096;

/// Limits the bytes in buffers.
///
/// What is put waits for its share until others give theirs back, in turn: that is the back-pressure of a store. Reading takes
/// no share, for a reader that is not polled would keep it: it opens little ahead where room is scarce.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    pages: Arc<Semaphore>,
    all: u32,
}

/// A part of the budget, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    _permit: Option<OwnedSemaphorePermit>,
}

impl Budget {
    pub(crate) fn new(bytes: usize) -> Self {
        let all = pages(bytes).min(u32::try_from(Semaphore::MAX_PERMITS).unwrap_or(u32::MAX));
        Self { pages: Arc::new(Semaphore::new(all as usize)), all }
    }

    /// The length of the budget in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        u64::from(self.all).saturating_mul(PAGE as u64)
    }

    /// A share of so many bytes. What is longer than all of the budget gets all of it: it is alone then.
    pub(crate) async fn share(&self, bytes: usize) -> Share {
        let count = pages(bytes).min(self.all);
        // The semaphore is never closed.
        Share { _permit: Arc::clone(&self.pages).acquire_many_owned(count).await.ok() }
    }

    /// True where so many bytes are free.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        self.pages.available_permits() >= pages(bytes) as usize
    }
}

fn pages(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(PAGE).max(1)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails should stop")]

    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn shares_wait_in_turn_and_the_longest_is_alone() {
        let budget = Budget::new(64 * 1024);
        assert_eq!(budget.bytes(), 64 * 1024);
        let first = budget.share(40 * 1024).now_or_never().unwrap();
        assert!(budget.share(30 * 1024).now_or_never().is_none(), "24 KiB are left");
        assert!(budget.has_room(24 * 1024) && !budget.has_room(28 * 1024));
        let second = budget.share(20 * 1024).now_or_never().unwrap();
        assert!(budget.share(usize::MAX).now_or_never().is_none());
        drop((first, second));
        let all = budget.share(usize::MAX).now_or_never().unwrap();
        assert!(budget.share(1).now_or_never().is_none());
        drop(all);
        assert!(budget.share(1).now_or_never().is_some());
    }
}
