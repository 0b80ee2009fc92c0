//! The threads and the AES-256-GCM implementation that a command works with.

use rayon::{ThreadPool, ThreadPoolBuilder};
use strongroom::backend::Backend;

use crate::args::RunOptions;
use crate::failure::Failure;

/// What the options of a command come to on this machine.
#[derive(Debug)]
pub(crate) struct Workers {
    pool: ThreadPool,
    backend: Backend,
}

impl Workers {
    /// As many threads as are asked for, one a processor by default, and the backend asked for, the
    /// fastest by default.
    ///
    /// # Errors
    ///
    /// [`Failure::Threads`] when the system does not give that many.
    pub(crate) fn new(options: &RunOptions) -> Result<Self, Failure> {
        let threads = usize::from(options.threads.unwrap_or(0)); // rayon: 0 is its own choice
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .map_err(|error| Failure::Threads { threads, reason: error.to_string() })?;
        Ok(Self { pool, backend: options.backend.unwrap_or_else(Backend::detect) })
    }

    /// Runs `work` on the pool.
    pub(crate) fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.pool.install(work)
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
