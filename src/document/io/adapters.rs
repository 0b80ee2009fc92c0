//! A document that is sealed as it is written, and one that is opened as it is read: for code that
//! already has a [`Write`] or a [`Read`] to put something between. Batches of chunks are sealed and
//! opened on the current thread pool; [`Sealer::seal_stream`] and [`Opener::open_stream`], which move
//! the bytes themselves, also read, compute and write at once.

use std::io::{self, Read, Write};

use crate::document::io::batch::{Batch, BatchOpener, BatchSealer};
use crate::document::io::stream::{read_some, read_to_full};
use crate::document::open::Opener;
use crate::document::seal::Sealer;
use crate::document::{IoLabels, Run, Totals};
use crate::error::Error;

/// Seals what is written into it: [`Sealer::into_writer`].
///
/// [`SealWriter::finish`] ends the document. Without it, and after an error, what was written is cut
/// short and does not open.
///
/// # Example
///
/// ```
/// use std::io::Write;
/// use strongroom::document::{PlaintextLen, Run, SealOptions, Sealer};
/// use strongroom::secret::Secret;
/// use strongroom::wrap::{KeyId, WrappingKey};
///
/// let key = WrappingKey::aes(KeyId::new("vault/contracts/1")?, Secret::generate()?);
/// let sealer = Sealer::new(PlaintextLen::Stream, &[key], &SealOptions::default())?;
/// let mut writer = sealer.into_writer(Vec::new(), &Run::default())?;
/// write!(writer, "line {}", 1).unwrap();
/// let (sealed, totals) = writer.finish()?;
/// assert_eq!((sealed.len(), totals.plaintext_len), (2560 + 6 + 16, 6));
/// # Ok::<(), strongroom::Error>(())
/// ```
pub struct SealWriter<W> {
    output: W,
    batches: BatchSealer,
    batch: Batch,
    failed: Option<Failed>,
}

impl Sealer {
    /// A writer that seals what it is given into `output`, of which it writes the header at once.
    ///
    /// # Errors
    ///
    /// [`Error::Io`].
    pub fn into_writer<W: Write>(
        self,
        mut output: W,
        run: &Run<'_>,
    ) -> Result<SealWriter<W>, Error> {
        let (leading, batches) = self.into_batches(run);
        output.write_all(&leading).map_err(Error::io(IoLabels::SEALING.writing))?;
        let batch = batches.batch();
        Ok(SealWriter { output, batches, batch, failed: None })
    }
}

impl<W: Write> SealWriter<W> {
    /// Seals what is left as the end of the document; gives back the output and the lengths.
    ///
    /// # Errors
    ///
    /// [`Error::InputChanged`] where a length was announced and another one was written,
    /// [`Error::Io`], also where writing has failed before. The output must not be kept then.
    pub fn finish(mut self) -> Result<(W, Totals), Error> {
        if let Some(failed) = &self.failed {
            return Err(Error::io(IoLabels::SEALING.writing)(failed.again()));
        }
        self.seal(true)?;
        self.output.flush().map_err(Error::io(IoLabels::SEALING.writing))?;
        Ok((self.output, self.batches.totals()))
    }

    fn seal(&mut self, ended: bool) -> Result<(), Error> {
        self.batches.seal(&mut self.batch, ended)?;
        for record in self.batch.outputs() {
            self.output.write_all(record).map_err(Error::io(IoLabels::SEALING.writing))?;
        }
        self.batch.clear();
        Ok(())
    }
}

impl<W: Write> Write for SealWriter<W> {
    /// # Errors
    ///
    /// Those of the output; [`io::ErrorKind::InvalidData`] with the engine's [`Error`] inside. Every
    /// later call gives the same error.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Failed::check(self.failed.as_ref())?;
        if bytes.is_empty() {
            return Ok(0);
        }
        // A full batch waits for the byte behind it, which shows that it is not the last.
        if self.batch.unfilled().is_none() {
            self.seal(false).map_err(|error| Failed::keep(&mut self.failed, error))?;
        }
        let Some(place) = self.batch.unfilled() else { return Ok(0) };
        let count = place.len().min(bytes.len());
        place[..count].copy_from_slice(&bytes[..count]);
        self.batch.advance(count);
        Ok(count)
    }

    /// Flushes the output. What makes no whole batch yet stays here until [`SealWriter::finish`].
    fn flush(&mut self) -> io::Result<()> {
        Failed::check(self.failed.as_ref())?;
        self.output.flush()
    }
}

impl<W> std::fmt::Debug for SealWriter<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SealWriter").field("batches", &self.batches).finish_non_exhaustive()
    }
}

/// Opens what is read through it: [`Opener::into_stream_reader`].
///
/// What it gives out is verified. That nothing is missing behind it is known when it says that it has
/// ended: after an error all that came before must be discarded, and every later read gives the error
/// again.
///
/// # Example
///
/// ```
/// use std::io::Read;
/// use strongroom::document::{self, Header, OpenOptions, Run, SealOptions};
/// use strongroom::secret::Secret;
/// use strongroom::wrap::{KeyId, UnwrappingKey, WrappingKey};
///
/// let (id, key) = (KeyId::new("vault/contracts/1")?, [7; 32]);
/// let wrapping = WrappingKey::aes(id.clone(), Secret::copy_from(&key));
/// let sealed = document::seal(b"text", &[wrapping], &SealOptions::default())?;
///
/// let key = UnwrappingKey::aes(id, Secret::copy_from(&key));
/// let mut sealed = &sealed[..];
/// let opener = Header::read(&mut sealed)?.unlock_with(&[key], &OpenOptions::default())?;
/// let mut text = String::new();
/// opener.into_stream_reader(sealed, &Run::default())?.read_to_string(&mut text).unwrap();
/// assert_eq!(text, "text");
/// # Ok::<(), strongroom::Error>(())
/// ```
pub struct StreamReader<R> {
    sealed: R,
    batches: BatchOpener,
    /// The batch that is given out, from `given` on.
    current: Batch,
    given: usize,
    /// The batch read behind it: where that is empty, `current` is the last.
    next: Batch,
    ended: bool,
    failed: Option<Failed>,
}

impl Opener {
    /// A reader of the text of the document whose body `sealed` gives next, after
    /// [`Header::read`](crate::document::Header::read). Of a detached document `sealed` begins with the prologue.
    ///
    /// # Errors
    ///
    /// [`Error::Format`] where a detached body belongs to another header, [`Error::Io`].
    pub fn into_stream_reader<R: Read>(
        self,
        mut sealed: R,
        run: &Run<'_>,
    ) -> Result<StreamReader<R>, Error> {
        self.read_leading(&mut sealed)?;
        let batches = self.into_batches(run);
        let (current, next) = (batches.batch(), batches.batch());
        Ok(StreamReader { sealed, batches, current, given: 0, next, ended: false, failed: None })
    }
}

impl<R: Read> StreamReader<R> {
    /// Lengths of what was opened so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.batches.totals()
    }

    /// Reads and opens the next batch.
    fn advance(&mut self) -> Result<(), Error> {
        core::mem::swap(&mut self.current, &mut self.next);
        self.given = 0;
        self.next.clear();
        let read = Error::io(IoLabels::OPENING.reading);
        let more = read_to_full(&mut self.sealed, &mut self.current)
            .and_then(|full| Ok(full && read_some(&mut self.sealed, &mut self.next)?));
        self.ended = !more.map_err(read)?;
        self.batches.open(&mut self.current, self.ended)
    }
}

impl<R: Read> Read for StreamReader<R> {
    /// # Errors
    ///
    /// Those of the reader; [`io::ErrorKind::InvalidData`] with the engine's [`Error`] inside. Every
    /// later call gives the same error.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Failed::check(self.failed.as_ref())?;
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let mut skipped = self.given;
            for text in self.current.outputs() {
                if skipped < text.len() {
                    let left = &text[skipped..];
                    let count = left.len().min(buffer.len());
                    buffer[..count].copy_from_slice(&left[..count]);
                    self.given += count;
                    return Ok(count);
                }
                skipped -= text.len();
            }
            if self.ended {
                return Ok(0);
            }
            if let Err(error) = self.advance() {
                self.current.clear();
                return Err(Failed::keep(&mut self.failed, error));
            }
        }
    }
}

impl<R> std::fmt::Debug for StreamReader<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StreamReader").field("batches", &self.batches).finish_non_exhaustive()
    }
}

/// An error that is given again on every later call.
struct Failed {
    kind: io::ErrorKind,
    message: String,
}

impl Failed {
    fn check(failed: Option<&Self>) -> io::Result<()> {
        failed.map_or(Ok(()), |failed| Err(failed.again()))
    }

    /// Remembers `error`, and gives it.
    fn keep(place: &mut Option<Self>, error: Error) -> io::Error {
        let error = io::Error::from(error);
        *place = Some(Self { kind: error.kind(), message: error.to_string() });
        error
    }

    fn again(&self) -> io::Error {
        io::Error::new(self.kind, self.message.clone())
    }
}
