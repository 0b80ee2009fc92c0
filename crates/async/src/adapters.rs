//! A document that is opened as it is read, and one that is sealed as it is written: for code that
//! has an asynchronous reader or writer to put something between.
//!
//! ```text
//! AsyncStreamReader   sealed -> open(..) -> Slot -> who reads       the run goes on where it is polled
//! AsyncSealWriter     who writes -> Slot -> seal(..) -> output
//! ```

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use strongroom::Error;
use strongroom::document::{Opener, Sealer, Totals};
use zeroize::Zeroizing;

use crate::options::Options;
use crate::place::INLINE;
use crate::stream::{open, seal};
use crate::transport::{Input, Output};

/// Opens what is read through it, and is an `AsyncRead` of `futures-io` and of `tokio`.
///
/// What it gives out is verified. That nothing is missing behind it is known when it says that it has
/// ended: nothing may be taken for the whole text before, after an error all that came until then must
/// be discarded, and every later read gives the error again. It holds 256 KiB more than
/// [`Options::memory`]. Dropping it cancels, as dropping the future of [`open`] does.
///
/// # Example
///
/// ```
/// use futures::io::AsyncReadExt;
/// use strongroom::document::{self, OpenOptions, SealOptions};
/// use strongroom::secret::Secret;
/// use strongroom::wrap::{KeyId, UnwrappingKey, WrappingKey};
/// use strongroom_async::{AsyncStreamReader, FuturesIo, Options, read_header};
///
/// # futures::executor::block_on(async {
/// let (id, key) = (KeyId::new("vault/contracts/1")?, [7; 32]);
/// let wrapping = WrappingKey::aes(id.clone(), Secret::copy_from(&key));
/// let sealed = document::seal(b"text", &[wrapping], &SealOptions::default())?;
///
/// let mut sealed = FuturesIo(&sealed[..]);
/// let header = read_header(&mut sealed).await?;
/// let key = UnwrappingKey::aes(id, Secret::copy_from(&key));
/// let opener = header.unlock_with(&[key], &OpenOptions::default())?;
/// let mut text = String::new();
/// let mut reader = AsyncStreamReader::new(opener, sealed, Options::default());
/// reader.read_to_string(&mut text).await.unwrap();
/// assert_eq!(text, "text");
/// # Ok::<(), strongroom::Error>(())
/// # }).unwrap();
/// ```
pub struct AsyncStreamReader<'r> {
    run: Run<'r>,
    slot: Slot,
}

impl<'r> AsyncStreamReader<'r> {
    /// A reader of the text of the document whose body `sealed` gives next, after
    /// [`read_header`](crate::read_header). Of a detached document `sealed` begins with the prologue.
    pub fn new(opener: Opener, sealed: impl Input + Send + 'r, options: Options<'r>) -> Self {
        let slot = Slot::default();
        let output = slot.clone();
        let run = Run::new(async move { open(opener, sealed, output, &options).await });
        Self { run, slot }
    }

    /// Bytes read and opened, when the end was reached without an error; `None` until then.
    #[must_use]
    pub fn totals(&self) -> Option<Totals> {
        self.run.totals()
    }
}

impl Input for AsyncStreamReader<'_> {
    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        loop {
            let count = self.slot.lock().take(buffer);
            if count > 0 {
                return Poll::Ready(Ok(count));
            }
            let outcome = self.run.poll(context);
            // It waits for nothing but room in a slot that it has filled.
            if self.slot.lock().is_empty() {
                return outcome.map_ok(|_| 0);
            }
        }
    }
}

/// Seals what is written into it, and is an `AsyncWrite` of `futures-io` and of `tokio`.
///
/// Closing it (`close`, or `shutdown` of `tokio`) ends the document. Without that, and after an error,
/// what was written to the output is cut short and does not open. Flushing passes on nothing: what
/// makes no whole batch yet stays here. It holds 256 KiB more than [`Options::memory`].
///
/// # Example
///
/// ```
/// use futures::io::{AsyncWriteExt, Cursor};
/// use strongroom::document::{PlaintextLen, SealOptions, Sealer};
/// use strongroom::secret::Secret;
/// use strongroom::wrap::{KeyId, WrappingKey};
/// use strongroom_async::{AsyncSealWriter, FuturesIo, Options};
///
/// # futures::executor::block_on(async {
/// let key = WrappingKey::aes(KeyId::new("vault/contracts/1")?, Secret::generate()?);
/// let sealer = Sealer::new(PlaintextLen::Stream, &[key], &SealOptions::default())?;
/// let mut sealed = Cursor::new(Vec::new());
/// let mut writer = AsyncSealWriter::new(sealer, FuturesIo(&mut sealed), Options::default());
/// writer.write_all(b"line 1").await.unwrap();
/// writer.close().await.unwrap();
/// drop(writer);
/// assert_eq!(sealed.get_ref().len(), 2560 + 6 + 16);
/// # Ok::<(), strongroom::Error>(())
/// # }).unwrap();
/// ```
pub struct AsyncSealWriter<'w> {
    run: Run<'w>,
    slot: Slot,
}

impl<'w> AsyncSealWriter<'w> {
    /// A writer that seals what it is given into `output`, which is flushed and not closed when the
    /// writer is closed.
    pub fn new(sealer: Sealer, output: impl Output + Send + 'w, options: Options<'w>) -> Self {
        let slot = Slot::default();
        let input = slot.clone();
        let run = Run::new(async move { seal(sealer, input, output, &options).await });
        Self { run, slot }
    }

    /// Bytes sealed, when the writer was closed without an error; `None` until then.
    #[must_use]
    pub fn totals(&self) -> Option<Totals> {
        self.run.totals()
    }

    /// Ends the document: seals and writes what is left.
    ///
    /// # Errors
    ///
    /// Those of the output, and [`io::ErrorKind::InvalidData`] with the engine's [`Error`] inside.
    pub fn poll_close(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.slot.lock().ended = true;
        self.run.poll(context).map_ok(|_| ())
    }

    /// Waits until what was written has been taken.
    fn poll_taken(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Run::Failed(..) | Run::Ended(_) = self.run {
            return self.run.poll(context).map_ok(|_| ());
        }
        if self.slot.lock().is_empty() {
            return Poll::Ready(Ok(()));
        }
        // An outcome before the end is an error, and is told whatever is left in the slot.
        let outcome = self.run.poll(context).map_ok(|_| ());
        if outcome.is_pending() && self.slot.lock().is_empty() {
            return Poll::Ready(Ok(()));
        }
        outcome
    }
}

impl Output for AsyncSealWriter<'_> {
    fn poll_write(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_taken(context).map(|taken| {
            taken?;
            let mut slot = self.slot.lock();
            if slot.ended {
                let reason = "the document has ended: nothing can be written after closing it";
                return Err(io::Error::new(io::ErrorKind::BrokenPipe, reason));
            }
            Ok(slot.put(bytes))
        })
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_taken(context)
    }
}

/// A run, polled by whoever reads or writes.
enum Run<'r> {
    Running(Pin<Box<dyn Future<Output = Result<Totals, Error>> + Send + 'r>>),
    Ended(Totals),
    /// Given again on every later call.
    Failed(io::ErrorKind, String),
}

impl<'r> Run<'r> {
    fn new(run: impl Future<Output = Result<Totals, Error>> + Send + 'r) -> Self {
        Self::Running(Box::pin(run))
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Totals>> {
        let outcome = match self {
            Self::Running(run) => std::task::ready!(run.as_mut().poll(context)),
            Self::Ended(totals) => return Poll::Ready(Ok(*totals)),
            Self::Failed(kind, message) => {
                return Poll::Ready(Err(io::Error::new(*kind, message.clone())));
            }
        };
        Poll::Ready(match outcome {
            Ok(totals) => {
                *self = Self::Ended(totals);
                Ok(totals)
            }
            Err(error) => {
                let error = io::Error::from(error);
                *self = Self::Failed(error.kind(), error.to_string());
                Err(error)
            }
        })
    }

    fn totals(&self) -> Option<Totals> {
        match self {
            Self::Ended(totals) => Some(*totals),
            Self::Running(_) | Self::Failed(..) => None,
        }
    }
}

/// Bytes between a run and who polls it: one task, so that the lock is free and nobody is woken. Who
/// finds it full, or empty, is polled again by the one who empties, or fills it.
#[derive(Clone, Default)]
struct Slot(Arc<Mutex<Contents>>);

#[derive(Default)]
struct Contents {
    bytes: Zeroizing<Vec<u8>>,
    taken: usize,
    ended: bool,
}

impl Slot {
    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Contents {
    fn is_empty(&self) -> bool {
        self.taken == self.bytes.len()
    }

    /// Puts bytes into the empty slot; returns how many.
    fn put(&mut self, bytes: &[u8]) -> usize {
        let bytes = &bytes[..bytes.len().min(INLINE)];
        if bytes.len() > self.bytes.capacity() {
            // A new buffer instead of a longer one: the old one is wiped.
            self.bytes = Zeroizing::new(bytes.to_vec());
        } else {
            self.bytes.clear();
            self.bytes.extend_from_slice(bytes);
        }
        self.taken = 0;
        bytes.len()
    }

    fn take(&mut self, buffer: &mut [u8]) -> usize {
        let left = &self.bytes[self.taken..];
        let count = left.len().min(buffer.len());
        buffer[..count].copy_from_slice(&left[..count]);
        self.taken += count;
        count
    }
}

impl Output for Slot {
    fn poll_write(&mut self, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut slot = self.lock();
        if slot.is_empty() { Poll::Ready(Ok(slot.put(bytes))) } else { Poll::Pending }
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Input for Slot {
    fn poll_read(&mut self, _: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut slot = self.lock();
        match slot.take(buffer) {
            0 if !slot.ended => Poll::Pending,
            count => Poll::Ready(Ok(count)),
        }
    }
}

impl fmt::Debug for AsyncStreamReader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncStreamReader").field("totals", &self.totals()).finish_non_exhaustive()
    }
}

impl fmt::Debug for AsyncSealWriter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncSealWriter").field("totals", &self.totals()).finish_non_exhaustive()
    }
}
