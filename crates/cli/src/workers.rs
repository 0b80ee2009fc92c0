//! The threads and the AES-256-GCM implementation that a command works with.

use std::time::{Duration, Instant};

use rayon::{ThreadPool, ThreadPoolBuilder};
use strongroom::Error;
use strongroom::backend::Backend;
use strongroom::document::Run;

use crate::args::{PrintOptions, RunOptions, ThreadsOption};
use crate::failure::Failure;
use crate::progress::Progress;

/// As many threads as are asked for, one a processor by default.
///
/// # Errors
///
/// [`Failure::Threads`] when the system does not give that many.
pub(crate) fn pool(options: &ThreadsOption) -> Result<ThreadPool, Failure> {
    let threads = usize::from(options.count.unwrap_or(0)); // rayon: 0 is its own choice
    ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|error| Failure::Threads { threads, reason: error.to_string() })
}

/// What the options of a command come to on this machine.
#[derive(Debug)]
pub(crate) struct Workers {
    pool: ThreadPool,
    backend: Backend,
    quiet: bool,
}

impl Workers {
    /// As many threads as are asked for, one a processor by default, and the backend asked for, the
    /// fastest by default.
    ///
    /// # Errors
    ///
    /// [`Failure::Threads`] when the system does not give that many.
    pub(crate) fn new(options: &RunOptions, print: PrintOptions) -> Result<Self, Failure> {
        let pool = pool(&options.threads)?;
        let backend = options.backend.unwrap_or_else(Backend::detect);
        Ok(Self { pool, backend, quiet: print.quiet })
    }

    /// Runs `work` on `total` bytes, where that is known, on the pool and with a progress bar that
    /// says `doing`; tells how long it took, too.
    ///
    /// # Errors
    ///
    /// That of `work`.
    pub(crate) fn run<T: Send>(
        &self,
        doing: &'static str,
        total: Option<u64>,
        work: impl FnOnce(&Run<'_>) -> Result<T, Error> + Send,
    ) -> Result<(T, Duration), Error> {
        let started = Instant::now();
        let progress = Progress::new(doing, total, self.quiet);
        let advance = |bytes| progress.advance(bytes);
        let run = Run { progress: Some(&advance), ..Run::default() };
        let done = self.pool.install(|| work(&run))?;
        Ok((done, started.elapsed()))
    }

    /// How many threads there are.
    pub(crate) fn threads(&self) -> usize {
        self.pool.current_num_threads()
    }

    /// The implementation.
    pub(crate) fn backend(&self) -> Backend {
        self.backend
    }

    /// An implementation to check this one's work with: the fastest other one, or the same where
    /// there is no other.
    pub(crate) fn other_backend(&self) -> Backend {
        Backend::available()
            .find(|other| other.name() != self.backend.name())
            .unwrap_or(self.backend)
    }
}
