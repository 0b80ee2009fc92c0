//! Memory for sealed bytes in flight, shared by all operations of a store.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes in a unit of the semaphore, whose counts have 32 bits.
const PAGE: usize = 4096;

/// Limits the bytes in buffers.
///
/// What is put waits for its share until others give theirs back, in turn: that is the back-pressure of a store.
/// Reading never waits: a reader that is not polled keeps what it has opened ahead, and others may have to go on first.
/// Without a share it opens one chunk at a time.
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

    /// A share of so many bytes, where they are free.
    pub(crate) fn free_share(&self, bytes: usize) -> Option<Share> {
        let permit = Arc::clone(&self.pages).try_acquire_many_owned(pages(bytes)).ok()?;
        Some(Share { _permit: Some(permit) })
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
        assert!(budget.free_share(30 * 1024).is_none());
        let second = budget.free_share(20 * 1024).unwrap();
        assert!(budget.share(usize::MAX).now_or_never().is_none());
        drop((first, second));
        let all = budget.share(usize::MAX).now_or_never().unwrap();
        assert!(budget.share(1).now_or_never().is_none());
        drop(all);
        assert!(budget.share(1).now_or_never().is_some());
    }
}
