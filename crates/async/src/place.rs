//! Place of computation: the task that asks, or a pool's threads, awaited.

use std::fmt;
use std::io;
use std::sync::Arc;

use futures_channel::oneshot;
use rayon::ThreadPool;
use strongroom::Error;

/// Up to so many bytes are computed where they are: handing them over would cost more.
pub(crate) const INLINE: usize = 256 * 1024;

/// Place of computation, for other crates that work on documents in an asynchronous host.
///
/// # Example
///
/// ```
/// use strongroom_async::Place;
///
/// # futures::executor::block_on(async {
/// let place = Place::of_work(1 << 20, None);
/// assert_eq!(place.start(|| 6 * 7).finish().await?, 42);
/// # Ok::<(), strongroom::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub enum Place {
    /// In the task that asks.
    Here,
    /// On a pool: the one given, or rayon's global one.
    Pool(Option<Arc<ThreadPool>>),
}

impl Place {
    /// The place for work on so many bytes: the task up to 256 KiB, and the pool for more.
    #[must_use]
    pub fn of_work(bytes: u64, pool: Option<&Arc<ThreadPool>>) -> Self {
        if bytes <= INLINE as u64 { Self::Here } else { Self::Pool(pool.cloned()) }
    }

    /// Starts `job`, before anything is awaited. The job owns what it works on: whoever waits for it
    /// may be dropped at any time. A job that nobody waits for any more when its turn comes is
    /// dropped instead of run.
    pub fn start<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Started<T> {
        let pool = match self {
            Self::Pool(pool) if !is_worker_of(pool.as_deref()) => pool,
            _ => return Started(Progress::Done(job())),
        };
        let (sender, receiver) = oneshot::channel();
        spawn(pool.as_deref(), move || {
            if !sender.is_canceled() {
                // What cannot be handed over any more is dropped, and with that wiped.
                let _ = sender.send(job());
            }
        });
        Started(Progress::Running(Awaited { receiver, place: self.clone() }))
    }

    /// Drops `value` where work is computed: to wipe what is long takes long.
    pub fn discard<T: Send + 'static>(&self, value: T) {
        if let Self::Pool(pool) = self {
            spawn(pool.as_deref(), move || drop(value));
        }
    }
}

/// True on a thread of the pool: it computes itself, for the pool may have no other, and it would wait for itself.
fn is_worker_of(pool: Option<&ThreadPool>) -> bool {
    match pool {
        Some(pool) => pool.current_thread_index().is_some(),
        None => rayon::current_thread_index().is_some(),
    }
}

fn spawn(pool: Option<&ThreadPool>, job: impl FnOnce() + Send + 'static) {
    match pool {
        Some(pool) => pool.spawn(job),
        None => rayon::spawn(job),
    }
}

/// A job that was started: see [`Place::start`].
///
/// # Example
///
/// ```
/// use strongroom_async::{Place, Started};
///
/// let started: Started<u8> = Place::Here.start(|| 7);
/// # futures::executor::block_on(async {
/// assert_eq!(started.finish().await?, 7);
/// # Ok::<(), strongroom::Error>(())
/// # }).unwrap();
/// ```
#[must_use = "its result is to be awaited"]
pub struct Started<T: Send + 'static>(Progress<T>);

enum Progress<T: Send + 'static> {
    Done(T),
    Running(Awaited<T>),
}

impl<T: Send + 'static> Started<T> {
    /// Waits for the job's result.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where the pool lost the job: a thread of it has panicked.
    pub async fn finish(self) -> Result<T, Error> {
        match self.0 {
            Progress::Done(result) => Ok(result),
            // Only a pool whose panic handler went on after a panic loses a job.
            Progress::Running(mut awaited) => {
                (&mut awaited.receiver).await.map_err(|_| Error::Io {
                    doing: "computing on the thread pool",
                    source: io::Error::other(
                        "the job was lost: look for a panic in the pool's threads",
                    ),
                })
            }
        }
    }
}

/// A result that is on its way.
struct Awaited<T: Send + 'static> {
    receiver: oneshot::Receiver<T>,
    place: Place,
}

impl<T: Send + 'static> Drop for Awaited<T> {
    fn drop(&mut self) {
        // From here on the job drops its result itself.
        self.receiver.close();
        if let Ok(Some(result)) = self.receiver.try_recv() {
            self.place.discard(result);
        }
    }
}

impl<T: Send + 'static> fmt::Debug for Started<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_done = matches!(self.0, Progress::Done(_));
        f.debug_struct("Started").field("is_done", &is_done).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails should stop")]

    use super::*;

    #[test]
    fn a_thread_of_a_pool_without_another_does_not_wait_for_itself() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let pool = Arc::new(pool);
        for place in [Place::Pool(Some(Arc::clone(&pool))), Place::Pool(None)] {
            let there = std::thread::current().id();
            let (inside, outside) = (place.clone(), place);
            let run = |place: Place| {
                let started = place.start(|| std::thread::current().id());
                futures::executor::block_on(started.finish()).unwrap()
            };
            pool.install(move || assert_eq!(run(inside), std::thread::current().id()));
            assert_ne!(run(outside), there);
        }
    }
}
