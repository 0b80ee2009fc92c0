//! A document whose header is authenticated: its body in memory.

use alloc::vec::Vec;

use zeroize::Zeroize;

use crate::backend::Backend;
use crate::document::chunk::{Buffers, ChunkCipher};
use crate::document::header::Header;
use crate::document::header::prologue::{CORE_LEN, PROLOGUE_LEN};
use crate::document::key_schedule::{BoundKeys, Context};
use crate::document::policy::OpenPolicy;
use crate::document::range::{CUT, Layout};
use crate::document::seal::too_long_for_memory;
use crate::document::{ChunkLen, PlaintextLen};
use crate::error::Error;
use crate::gcm::Output;
use crate::parallel::{Memory, Work, for_each};

/// Options for opening a document.
///
/// # Example
///
/// ```
/// use strongroom::document::OpenOptions;
///
/// let mut options = OpenOptions::default();
/// options.context.insert("tenant", "7")?;
/// options.now = Some(1_800_000_000); // a clock of the caller's
/// # Ok::<(), strongroom::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    /// The context that the document was sealed with.
    pub context: Context,
    /// The time in seconds since the Unix epoch, for documents that expire; `None` asks the system
    /// clock.
    pub now: Option<u64>,
    /// The policy that the document must satisfy; any document does by default.
    pub policy: OpenPolicy,
    /// The implementation of AES-256-GCM; the fastest by default.
    pub backend: Backend,
}

/// The caller's time, or the system clock's where it gives none.
pub(crate) fn time(now: Option<u64>) -> Result<u64, Error> {
    if let Some(now) = now {
        return Ok(now);
    }
    #[cfg(feature = "std")]
    if let Ok(since_epoch) = std::time::UNIX_EPOCH.elapsed() {
        return Ok(since_epoch.as_secs());
    }
    let reason = "the document expires and there is no clock; give the time";
    Err(Error::Argument { what: "now", reason })
}

/// Opens the body of one document. [`Header::unlock`] makes it, and checks the expiry then: an
/// opener that is kept goes on opening.
///
/// # Example
///
/// ```
/// use strongroom::document::{self, Header, OpenOptions, SealOptions};
/// use strongroom::secret::Secret;
/// use strongroom::wrap::{KeyId, UnwrappingKey, WrappingKey};
///
/// let (id, key) = (KeyId::new("vault/contracts/1")?, [7; 32]);
/// let wrapping = WrappingKey::aes(id.clone(), Secret::copy_from(&key));
/// let sealed = document::seal(b"text", &[wrapping], &SealOptions::default())?;
///
/// let unwrapping = UnwrappingKey::aes(id, Secret::copy_from(&key));
/// let opener = Header::parse(&sealed)?.unlock_with(&[unwrapping], &OpenOptions::default())?;
/// assert_eq!(opener.open_slice(&sealed)?, b"text");
/// # Ok::<(), strongroom::Error>(())
/// ```
pub struct Opener {
    prologue: [u8; PROLOGUE_LEN],
    placement: Placement,
    chunk_len: ChunkLen,
    plaintext_len: PlaintextLen,
    pub(crate) cipher: ChunkCipher,
}

/// Position of the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Placement {
    /// Before the body; its length in bytes.
    Attached(usize),
    /// Elsewhere: the body follows a copy of the prologue.
    Detached,
}

impl Opener {
    pub(crate) fn new(
        header: &Header,
        keys: &BoundKeys,
        options: &OpenOptions,
    ) -> Result<Self, Error> {
        Ok(Self {
            prologue: *header.prologue(),
            placement: Placement::Attached(header.len()),
            chunk_len: header.chunk_len(),
            plaintext_len: header.plaintext_len(),
            cipher: ChunkCipher::new(keys.chunk_keys(), header.plaintext_len(), options.backend)?,
        })
    }

    /// For a document whose header is kept apart: what is opened then begins with the 128 bytes of the
    /// prologue, which must be this header's.
    ///
    /// # Example
    ///
    /// ```
    /// use strongroom::document::{Header, OpenOptions, PlaintextLen, SealOptions, Sealer};
    /// use strongroom::secret::Secret;
    /// use strongroom::wrap::{KeyId, UnwrappingKey, WrappingKey};
    ///
    /// let (id, key) = (KeyId::new("vault/contracts/1")?, [7; 32]);
    /// let wrapping = WrappingKey::aes(id.clone(), Secret::copy_from(&key));
    /// let length = PlaintextLen::Known(4);
    /// let sealer = Sealer::new(length, &[wrapping], &SealOptions::default())?;
    /// let (header, sealer) = sealer.detached();
    /// let body = sealer.seal_slice(b"text")?;
    /// assert_eq!(body.len(), 128 + 4 + 16);
    ///
    /// let key = UnwrappingKey::aes(id, Secret::copy_from(&key));
    /// let opener = Header::parse(&header)?.unlock_with(&[key], &OpenOptions::default())?;
    /// assert_eq!(opener.detached().open_slice(&body)?, b"text");
    /// # Ok::<(), strongroom::Error>(())
    /// ```
    #[must_use]
    pub fn detached(self) -> Self {
        Self { placement: Placement::Detached, ..self }
    }

    /// The layout for a length that, of a stream, is not authenticated.
    pub(crate) fn claimed_layout(&self, sealed_len: u64) -> Result<Layout, Error> {
        let mut document = [0; 32];
        document.copy_from_slice(&self.prologue[CORE_LEN..]);
        let (chunk_len, layers) = (self.chunk_len, self.cipher.layers());
        Layout::new(document, self.leading_len(), chunk_len, layers, self.plaintext_len, sealed_len)
    }

    /// Bytes of a sealed document before its records: the header, or the prologue where the header is
    /// detached.
    #[must_use]
    pub fn leading_len(&self) -> usize {
        match self.placement {
            Placement::Attached(header_len) => header_len,
            Placement::Detached => PROLOGUE_LEN,
        }
    }

    /// True where the header is kept apart: see [`Opener::detached`].
    #[must_use]
    pub fn is_detached(&self) -> bool {
        self.placement == Placement::Detached
    }

    /// The plaintext's length as the header says it.
    #[must_use]
    pub fn plaintext_len(&self) -> PlaintextLen {
        self.plaintext_len
    }

    #[cfg(feature = "std")]
    pub(crate) fn chunk_len(&self) -> ChunkLen {
        self.chunk_len
    }

    /// Compares a detached header with `leading`, the first [`Opener::leading_len`] bytes of the body.
    /// For who reads by himself, with [`Opener::into_batches`] or [`Opener::open_range`]. A header that
    /// is not detached was checked when it was unlocked.
    ///
    /// # Errors
    ///
    /// [`Error::Format`] where they are those of another document, or end too early.
    pub fn check_leading(&self, leading: &[u8]) -> Result<(), Error> {
        if !self.is_detached() || leading == self.prologue {
            return Ok(());
        }
        if self.prologue.starts_with(leading) {
            return Err(Error::format(leading.len(), CUT));
        }
        Err(Error::format(0, "it does not begin as the body that belongs to the detached header"))
    }

    /// Opens `sealed`, a whole document in memory; several chunks at once. Nobody may change it
    /// meanwhile (a mapped file is the caller's to guard).
    ///
    /// # Errors
    ///
    /// [`Error::Format`] where the body has not the length that the header asks for, and
    /// [`Error::Authentication`] where a chunk was changed.
    pub fn open_slice(&self, sealed: &[u8]) -> Result<Vec<u8>, Error> {
        let layout = self.claimed_layout(sealed.len() as u64)?;
        let length = usize::try_from(layout.plaintext_len()).map_err(|_| too_long_for_memory())?;
        let mut plaintext = alloc::vec![0; length];
        self.open_into(sealed, &mut plaintext)?;
        Ok(plaintext)
    }

    /// Opens `sealed`, a whole document in memory, into `plaintext`, which has its length.
    ///
    /// # Errors
    ///
    /// As [`Opener::open_slice`], and [`Error::Argument`] where `plaintext` has another length. On
    /// every error of a chunk `plaintext` is zeroed, the chunks that hold included.
    pub fn open_into(&self, sealed: &[u8], plaintext: &mut [u8]) -> Result<(), Error> {
        let plan = self.claimed_layout(sealed.len() as u64)?.plan();
        let (leading, mut records) = sealed.split_at(self.leading_len().min(sealed.len()));
        self.check_leading(leading)?;
        if plaintext.len() as u64 != plan.plaintext_len() {
            let reason = "it must have exactly the length of the plaintext";
            return Err(Error::Argument { what: "output buffer", reason });
        }
        let mut texts = &mut *plaintext;
        let jobs = plan.spans().map(|span| {
            let record = records.split_off(..span.record_len).unwrap_or_default();
            let text = texts.split_off_mut(..span.plaintext_len).unwrap_or_default();
            (span, record, text)
        });
        let output = Output::of_len(plan.plaintext_len());
        let work = Work { bytes: plan.plaintext_len(), jobs: plan.chunks() };
        let opened = for_each(work.team(Memory::Callers), jobs, |(span, record, text)| {
            let buffers = Buffers::Apart(record, text, output);
            self.cipher.open(span.index, span.last, buffers).map(|_| ())
        });
        if opened.is_err() {
            plaintext.zeroize();
        }
        opened
    }
}

impl core::fmt::Debug for Opener {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Opener").field("plaintext_len", &self.plaintext_len).finish_non_exhaustive()
    }
}
