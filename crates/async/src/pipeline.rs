//! Three batches at once: one is read, one is computed, one is written.
//!
//! ```text
//!            read   compute  write
//! step n     n+1      n       n-1         reading and writing in the task, computing on the pool
//! ```
//!
//! A batch is computed when it is known whether another follows: the last one ends the document.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use strongroom::Error;
use strongroom::document::{Batch, BatchOpener, BatchSealer, IoLabels, Totals};

use crate::place::Place;
use crate::transfer::{flush, read_some, read_to_full, write_batch};
use crate::transport::{Input, Output};

/// Operation on each batch, in order.
pub(crate) trait Stage: Send + 'static {
    fn batch(&self) -> Batch;
    fn compute(&mut self, batch: &mut Batch, ended: bool) -> Result<(), Error>;
    fn totals(&self) -> Totals;
}

impl Stage for BatchSealer {
    fn batch(&self) -> Batch {
        self.batch()
    }

    fn compute(&mut self, batch: &mut Batch, ended: bool) -> Result<(), Error> {
        self.seal(batch, ended)
    }

    fn totals(&self) -> Totals {
        self.totals()
    }
}

impl Stage for BatchOpener {
    fn batch(&self) -> Batch {
        self.batch()
    }

    fn compute(&mut self, batch: &mut Batch, ended: bool) -> Result<(), Error> {
        self.open(batch, ended)
    }

    fn totals(&self) -> Totals {
        self.totals()
    }
}

/// A batch that is wiped where it was computed, whoever drops it: all three of a run together are as
/// long as its budget, and a run may end, or be dropped, at any time.
struct Buffer {
    batch: Batch,
    place: Place,
}

impl Buffer {
    fn new(stage: &impl Stage, place: &Place) -> Self {
        Self { batch: stage.batch(), place: place.clone() }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.place.discard(self.batch.take());
    }
}

/// Moves all of `input` through `stage` to `output`. The stage is boxed so that its keys stay where
/// they are while it goes to the pool and back.
pub(crate) async fn run<S: Stage>(
    mut stage: Box<S>,
    place: &Place,
    input: &mut impl Input,
    output: &mut impl Output,
    labels: &IoLabels,
    progress: Option<&(dyn Fn(u64) + Sync)>,
) -> Result<Totals, Error> {
    let [mut current, mut next, mut done] = [(); 3].map(|()| Buffer::new(&*stage, place));
    let mut ended =
        !read_to_full(input, &mut current.batch).await.map_err(Error::io(labels.reading))?;
    loop {
        next.batch.clear();
        ended =
            ended || !read_some(input, &mut next.batch).await.map_err(Error::io(labels.reading))?;
        let before = stage.totals().plaintext_len;
        let computing = place.start(move || {
            let outcome = stage.compute(&mut current.batch, ended);
            outcome.map(|()| (stage, current))
        });
        let more;
        ((stage, current), more) = together(
            async { write_batch(output, &done.batch).await.map_err(Error::io(labels.writing)) },
            async { computing.finish().await? },
            async {
                let more = !ended && read_to_full(input, &mut next.batch).await?;
                Ok(more)
            },
        )
        .await
        .and_then(|(computed, read)| Ok((computed, read.map_err(Error::io(labels.reading))?)))?;
        if let Some(progress) = progress {
            progress(stage.totals().plaintext_len - before);
        }
        if ended {
            write_batch(output, &current.batch).await.map_err(Error::io(labels.writing))?;
            flush(output).await.map_err(Error::io(labels.writing))?;
            return Ok(stage.totals());
        }
        ended = !more;
        // The written batch is the next to be read into.
        (done, current, next) = (current, next, done);
    }
}

/// Runs all three at once. Errors come in the order of the bytes that they are about: one of `write`
/// ends everything at once, one of `compute` when all before it is written, and the outcome of
/// `read` is for those that have neither.
async fn together<T, R>(
    write: impl Future<Output = Result<(), Error>>,
    compute: impl Future<Output = Result<T, Error>>,
    read: impl Future<Output = R>,
) -> Result<(T, R), Error> {
    let mut write = pin!(write);
    let mut compute = Ahead::Running(pin!(compute));
    let mut read = Ahead::Running(pin!(read));
    poll_fn(|context| {
        compute.poll_ahead(context);
        read.poll_ahead(context);
        write.as_mut().poll(context)
    })
    .await?;
    let mut compute = pin!(compute.finish());
    let computed = poll_fn(|context| {
        read.poll_ahead(context);
        compute.as_mut().poll(context)
    })
    .await?;
    Ok((computed, read.finish().await))
}

/// A future that makes progress before its output is wanted.
enum Ahead<'f, F: Future> {
    Running(Pin<&'f mut F>),
    Ready(F::Output),
}

impl<F: Future> Ahead<'_, F> {
    fn poll_ahead(&mut self, context: &mut Context<'_>) {
        if let Self::Running(future) = self
            && let Poll::Ready(output) = future.as_mut().poll(context)
        {
            *self = Self::Ready(output);
        }
    }

    async fn finish(self) -> F::Output {
        match self {
            Self::Running(future) => future.await,
            Self::Ready(output) => output,
        }
    }
}
