//! Place of computation: the task that asks, or a pool's threads, awaited.

use std::io;
use std::sync::Arc;

use futures_channel::oneshot;
use rayon::ThreadPool;
use strongroom::Error;

/// Up to so many bytes are computed where they are: handing them over would cost more.
pub(crate) const INLINE: usize = 256 * 1024;

#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// In the task that asks.
    Here,
    /// On a pool: the one given, or rayon's global one.
    Pool(Option<Arc<ThreadPool>>),
}

impl Place {
    /// Starts `job`, before anything is awaited. The job owns what it works on: whoever waits for it
    /// may be dropped at any time. A job that nobody waits for any more when its turn comes is
    /// dropped instead of run.
    pub(crate) fn start<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Started<T> {
        let Self::Pool(pool) = self else { return Started::Done(job()) };
        let (sender, receiver) = oneshot::channel();
        spawn(pool.as_deref(), move || {
            if !sender.is_canceled() {
                // What cannot be handed over any more is dropped, and with that wiped.
                let _ = sender.send(job());
            }
        });
        Started::Running(Awaited { receiver, place: self.clone() })
    }

    /// Drops `value` where work is computed: to wipe what is long takes long.
    pub(crate) fn discard<T: Send + 'static>(&self, value: T) {
        if let Self::Pool(pool) = self {
            spawn(pool.as_deref(), move || drop(value));
        }
    }
}

fn spawn(pool: Option<&ThreadPool>, job: impl FnOnce() + Send + 'static) {
    match pool {
        Some(pool) => pool.spawn(job),
        None => rayon::spawn(job),
    }
}

/// A job that was started.
pub(crate) enum Started<T: Send + 'static> {
    Done(T),
    Running(Awaited<T>),
}

impl<T: Send + 'static> Started<T> {
    /// Waits for the job's result.
    pub(crate) async fn finish(self) -> Result<T, Error> {
        match self {
            Self::Done(result) => Ok(result),
            // Only a pool whose panic handler went on after a panic loses a job.
            Self::Running(mut awaited) => (&mut awaited.receiver).await.map_err(|_| Error::Io {
                doing: "computing on the thread pool",
                source: io::Error::other(
                    "the job was lost: look for a panic in the pool's threads",
                ),
            }),
        }
    }
}

/// A result that is on its way.
pub(crate) struct Awaited<T: Send + 'static> {
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
