//! The threads and the AES-256-GCM implementation that a command works with.

use std::io::{self, Write};
use std::num::NonZero;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use rayon::{ThreadPool, ThreadPoolBuilder};
use strongroom::backend::Backend;
use strongroom::document::Run;
use strongroom_keys::cache::Lease;
use strongroom_keys::{Resources, block_on};

use crate::args::{PrintOptions, RunOptions, ThreadsOption};
use crate::failure::Failure;
use crate::progress::Progress;

/// As many threads as are asked for; by default one a processor, or as many of those as the system
/// gives. One is this thread itself, and no other is started. The engine never meets rayon's global
/// pool: all that spreads work runs in this one.
///
/// # Errors
///
/// [`Failure::Threads`] when the system does not give as many as are asked for.
pub(crate) fn pool(options: &ThreadsOption) -> Result<ThreadPool, Failure> {
    let asked = options.count.map(usize::from);
    let processors = || thread::available_parallelism().map_or(1, NonZero::get);
    let mut threads = asked.unwrap_or_else(processors);
    loop {
        let builder = ThreadPoolBuilder::new().num_threads(threads);
        let built = if threads == 1 { builder.use_current_thread() } else { builder }.build();
        match built {
            Err(_) if asked.is_none() && threads > 1 => threads /= 2,
            built => {
                return built
                    .map_err(|error| Failure::Threads { threads, reason: error.to_string() });
            }
        }
    }
}

/// The right to use a resource's keys, and the resources that ask for it again.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) resources: Resources,
    pub(crate) lease: Lease,
}

impl Grant {
    /// Refuses where the keys were withdrawn; asks for them again where that is due.
    ///
    /// # Errors
    ///
    /// Those of [`Resources::renew`].
    pub(crate) fn renew(&self) -> Result<(), strongroom_keys::Error> {
        block_on(self.resources.renew(&self.lease))
    }
}

/// Bytes that are written to a pipe at once: its reader may take long for more.
const PIECE: usize = 64 * 1024;

/// An output of text that takes it in pieces, each while the keys may be used.
#[derive(Debug)]
pub(crate) struct Granted<'g, W> {
    pub(crate) output: W,
    pub(crate) grant: Option<&'g Grant>,
}

impl<W: Write> Write for Granted<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(grant) = self.grant {
            grant.renew()?;
        }
        self.output.write(bytes.get(..PIECE).unwrap_or(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

/// Threads, backend and output of a command, as its options and this machine have them.
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
    /// says `doing`; returns how long it took as well. A large document takes longer than a resource's key
    /// may be used without asking for it again: `grant` is renewed between chunks.
    ///
    /// # Errors
    ///
    /// That of `work`.
    pub(crate) fn run<T: Send, E: Send>(
        &self,
        doing: &'static str,
        total: Option<u64>,
        grant: Option<&Grant>,
        work: impl FnOnce(&Run<'_>) -> Result<T, E> + Send,
    ) -> Result<(T, Duration), E> {
        let started = Instant::now();
        let progress = Progress::new(doing, total, self.quiet);
        let renewing = Mutex::new(());
        let advance = |bytes| {
            progress.advance(bytes);
            if let (Some(grant), Ok(_alone)) = (grant, renewing.try_lock()) {
                // It asks only where that is due. The last renewal reports a refusal.
                let _reported_later = grant.renew();
            }
        };
        let run = Run { progress: Some(&advance), ..Run::default() };
        let done = self.pool.install(|| work(&run))?;
        Ok((done, started.elapsed()))
    }

    /// Number of threads.
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
