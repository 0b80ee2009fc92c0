//! Settings that each process chooses for itself: memory, threads and lengths.

use std::sync::Arc;

use rayon::ThreadPool;

use crate::error::StoreError;

/// The shortest part that every store takes, in bytes.
const SHORTEST_PART: usize = 5 << 20;
/// The longest part that every store takes, in bytes.
const LONGEST_PART: usize = 4 << 30;

/// The greatest number of headers in memory.
const MOST_HEADERS: usize = 1 << 24;

/// Settings that each process chooses for itself.
///
/// # Example
///
/// ```
/// use strongroom_store::Settings;
///
/// let settings = Settings { memory: 128 << 20, ..Settings::default() };
/// assert_eq!(settings.part_len, 8 << 20);
/// ```
#[derive(Clone, Debug)]
pub struct Settings {
    /// Bytes of sealed text in memory, of all operations together: 256 MiB by default. What is put waits for its share; one object
    /// or part that is longer than all of it is alone.
    pub memory: usize,
    /// Bytes of each part of an upload, from 5 MiB on: 8 MiB by default. An upload has 10,000 parts at most.
    pub part_len: usize,
    /// The number of objects whose opened headers are kept: 16,384 by default, about 2 KiB each.
    pub headers: usize,
    /// The pool whose threads seal and open; rayon's global one by default.
    pub pool: Option<Arc<ThreadPool>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { memory: 256 << 20, part_len: 8 << 20, headers: 16 * 1024, pool: None }
    }
}

impl Settings {
    /// Refuses what cannot work.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        let (what, reason) = if !(SHORTEST_PART..=LONGEST_PART).contains(&self.part_len) {
            (
                "the length of parts",
                "stores take parts of 5 MiB to 4 GiB; choose one of these lengths",
            )
        } else if !(1..=MOST_HEADERS).contains(&self.headers) {
            (
                "the number of headers in memory",
                "a store keeps 1 to 16,777,216; choose one of these numbers",
            )
        } else {
            return Ok(());
        };
        Err(StoreError::Setting { what, reason })
    }
}
