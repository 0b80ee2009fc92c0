//! Documents through asynchronous readers and writers.

use strongroom::Error;
use strongroom::document::{IoLabels, Opener, Run, Sealer, Totals};

use crate::options::Options;
use crate::peek::Peeked;
use crate::pipeline::{self, Stage};
use crate::place::{Place, Started};
use crate::transfer::{fill, write_all};
use crate::transport::{Discard, Input, Output};

/// Seals what `input` gives until its end into `output`, header first. `output` is flushed and not
/// closed.
///
/// # Errors
///
/// [`Error::InputChanged`] where a length was announced and the input has another,
/// [`Error::Length`] above the format's limits, [`Error::Io`].
///
/// # Cancelling
///
/// The future may be dropped at any time; it cannot be resumed. After that, and after an error,
/// `output` is incomplete and must not be kept: a document without its end does not open. Seal anew
/// with a new [`Sealer`].
pub async fn seal(
    sealer: Sealer,
    input: impl Input,
    mut output: impl Output,
    options: &Options<'_>,
) -> Result<Totals, Error> {
    let begun = Begun::new(input, options, &IoLabels::SEALING).await?;
    let made = begun.stage(|run| {
        let (leading, batches) = sealer.into_batches(run);
        (leading, Box::new(batches))
    });
    let (leading, stage) = made.finish().await?;
    write_all(&mut output, &leading).await.map_err(Error::io(IoLabels::SEALING.writing))?;
    begun.finish(stage, output).await
}

/// Opens the body that `sealed` gives next, after [`read_header`](crate::read_header), into `output`,
/// which is flushed and not closed. Of a detached document `sealed` begins with the prologue.
///
/// A chunk is written when it is verified, which is before a truncation further on can be known:
/// nothing of `output` may be taken for the whole text until this has returned without an error, and
/// after an error all of it must be discarded.
///
/// # Errors
///
/// [`Error::Authentication`] where a chunk was changed or the document ends early,
/// [`Error::Format`] where it has another length than the header says or is the body of another
/// document than a detached header's, [`Error::Io`]. The error is final: this consumes the opener.
///
/// # Cancelling
///
/// The future may be dropped at any time; it cannot be resumed, and `output` is to be discarded then
/// as after an error.
pub async fn open(
    opener: Opener,
    mut sealed: impl Input,
    output: impl Output,
    options: &Options<'_>,
) -> Result<Totals, Error> {
    if opener.is_detached() {
        let mut leading = vec![0; opener.leading_len()];
        let filled =
            fill(&mut sealed, &mut leading).await.map_err(Error::io(IoLabels::OPENING.reading))?;
        opener.check_leading(&leading[..filled])?;
    }
    let begun = Begun::new(sealed, options, &IoLabels::OPENING).await?;
    let made = begun.stage(|run| Box::new(opener.into_batches(run)));
    let stage = made.finish().await?;
    begun.finish(stage, output).await
}

/// Authenticates the body that `sealed` gives next and writes nothing.
///
/// # Errors
///
/// As [`open`].
pub async fn verify(
    opener: Opener,
    sealed: impl Input,
    options: &Options<'_>,
) -> Result<Totals, Error> {
    open(opener, sealed, Discard, options).await
}

/// A run whose input is known to be short, or not to be.
struct Begun<'o, I> {
    input: Peeked<I>,
    place: Place,
    memory: usize,
    options: &'o Options<'o>,
    labels: &'static IoLabels,
}

impl<'o, I: Input> Begun<'o, I> {
    async fn new(
        input: I,
        options: &'o Options<'_>,
        labels: &'static IoLabels,
    ) -> Result<Self, Error> {
        let input = Peeked::new(input).await.map_err(Error::io(labels.reading))?;
        // One record at a time is one worker: the task itself, which waits for no pool.
        let (place, memory) = if input.is_short() {
            (Place::Here, 0)
        } else {
            (Place::Pool(options.pool.clone()), options.memory)
        };
        Ok(Self { input, place, memory, options, labels })
    }

    /// Has the stage made where it will run: how much a batch holds depends on the pool's threads.
    fn stage<T: Send + 'static>(
        &self,
        make: impl FnOnce(&Run<'_>) -> T + Send + 'static,
    ) -> Started<T> {
        let memory = self.memory;
        self.place.start(move || make(&Run { memory, ..Run::default() }))
    }

    async fn finish<S: Stage>(
        mut self,
        stage: Box<S>,
        mut output: impl Output,
    ) -> Result<Totals, Error> {
        let Options { progress, .. } = self.options;
        let (place, input) = (&self.place, &mut self.input);
        pipeline::run(stage, place, input, &mut output, self.labels, *progress).await
    }
}
