//! Limits of one run.

use std::fmt;
use std::sync::Arc;

use rayon::ThreadPool;

/// Memory, threads and progress of one run.
///
/// # Example
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use strongroom_async::Options;
///
/// let pool = Arc::new(rayon::ThreadPoolBuilder::new().num_threads(2).build()?);
/// let done = AtomicU64::new(0);
/// let report = |bytes| {
///     done.fetch_add(bytes, Ordering::Relaxed);
/// };
/// let options = Options { pool: Some(pool), progress: Some(&report), ..Options::default() };
/// assert_eq!(options.memory, 64 << 20);
/// # Ok::<(), rayon::ThreadPoolBuildError>(())
/// ```
#[derive(Clone)]
pub struct Options<'p> {
    /// Greatest number of bytes in buffers; 64 MiB by default. Three records, and 320 KiB while a run
    /// begins, are always allowed.
    pub memory: usize,
    /// The pool whose threads compute; rayon's global one by default. Documents of up to 256 KiB need none.
    pub pool: Option<Arc<ThreadPool>>,
    /// Called with the number of plaintext bytes that were done since the last call, in the task that
    /// awaits the run.
    pub progress: Option<&'p (dyn Fn(u64) + Sync)>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self { memory: 64 << 20, pool: None, progress: None }
    }
}

impl fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("memory", &self.memory).finish_non_exhaustive()
    }
}
