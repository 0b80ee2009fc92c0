//! Counts of what a store has done.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counts of a store since it was opened.
///
/// # Example
///
/// ```
/// use strongroom_store::Stats;
///
/// assert_eq!(Stats::default().sealed_bytes, 0);
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Bytes of text that were sealed.
    pub sealed_bytes: u64,
    /// Bytes of text that were opened.
    pub opened_bytes: u64,
    /// Reads that found the header opened.
    pub header_hits: u64,
    /// Reads that asked the inner store for the header.
    pub header_misses: u64,
    /// Reads that began again because the object was replaced meanwhile.
    pub replaced: u64,
    /// Objects that did not authenticate, or were another's.
    pub refused: u64,
    /// Objects of a length that no sealed object has, which listings left out or showed as errors.
    pub foreign: u64,
}

/// The counts, from any thread.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) sealed_bytes: Counter,
    pub(crate) opened_bytes: Counter,
    pub(crate) header_hits: Counter,
    pub(crate) header_misses: Counter,
    pub(crate) replaced: Counter,
    pub(crate) refused: Counter,
    pub(crate) foreign: Counter,
}

/// A count that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counters {
    pub(crate) fn stats(&self) -> Stats {
        Stats {
            sealed_bytes: self.sealed_bytes.get(),
            opened_bytes: self.opened_bytes.get(),
            header_hits: self.header_hits.get(),
            header_misses: self.header_misses.get(),
            replaced: self.replaced.get(),
            refused: self.refused.get(),
            foreign: self.foreign.get(),
        }
    }
}
