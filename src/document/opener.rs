//! A document whose header is authenticated: its body in memory.

use alloc::vec::Vec;

use zeroize::Zeroize;

use super::chunk::ChunkCipher;
use super::context::Context;
use super::header::Header;
use super::key_schedule::BoundKeys;
use super::sealer::{LAYER, too_long_for_memory};
use super::{ChunkLen, PlaintextLen};
use crate::backend::Backend;
use crate::error::Error;
use crate::parallel::{ChunkPlan, for_each, workers};

/// How a document is opened.
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
    /// What the document belongs to, as it was sealed.
    pub context: Context,
    /// The time in seconds since the Unix epoch, for documents that expire; `None` asks the system
    /// clock.
    pub now: Option<u64>,
    /// The implementation of AES-256-GCM; the fastest by default.
    pub backend: Backend,
}

impl OpenOptions {
    pub(crate) fn now(&self) -> Result<u64, Error> {
        if let Some(now) = self.now {
            return Ok(now);
        }
        #[cfg(feature = "std")]
        if let Ok(since_epoch) = std::time::UNIX_EPOCH.elapsed() {
            return Ok(since_epoch.as_secs());
        }
        let reason = "the document expires and there is no clock; give the time";
        Err(Error::Argument { what: "now", reason })
    }
}

/// Opens the body of one document. [`Header::unlock`] makes it.
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
    pub(super) header_len: usize,
    pub(super) chunk_len: ChunkLen,
    pub(super) plaintext_len: PlaintextLen,
    pub(super) cipher: ChunkCipher,
}

impl Opener {
    pub(crate) fn new(header: &Header, keys: &BoundKeys, options: &OpenOptions) -> Self {
        Self {
            header_len: header.len(),
            chunk_len: header.chunk_len(),
            plaintext_len: header.plaintext_len(),
            cipher: ChunkCipher::new(&keys.chunk_key, options.backend),
        }
    }

    /// Opens `sealed`, a whole document in memory; several chunks at once.
    ///
    /// # Errors
    ///
    /// [`Error::Format`] where the body has not the length that the header asks for, and
    /// [`Error::Authentication`] where a chunk was changed.
    pub fn open_slice(&self, sealed: &[u8]) -> Result<Vec<u8>, Error> {
        let plan = self.plan(sealed.len() as u64)?;
        let length = usize::try_from(plan.plaintext_len()).map_err(|_| too_long_for_memory())?;
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
        let plan = self.plan(sealed.len() as u64)?;
        if plaintext.len() as u64 != plan.plaintext_len() {
            let reason = "it must have exactly the length of the plaintext";
            return Err(Error::Argument { what: "output buffer", reason });
        }
        let mut records = sealed.get(self.header_len..).unwrap_or_default();
        let mut texts = &mut *plaintext;
        let jobs = plan.spans().map(|span| {
            let record = records.split_off(..span.record_len).unwrap_or_default();
            let text = texts.split_off_mut(..span.plaintext_len).unwrap_or_default();
            (span, record, text)
        });
        // Nothing is buffered: the memory is the caller's.
        let workers = workers(plan.plaintext_len(), plan.chunks(), 0, usize::MAX);
        let opened = for_each(
            workers,
            jobs,
            || (),
            |(), (span, record, text)| self.cipher.open_into(span, record, text),
        );
        if opened.is_err() {
            plaintext.zeroize();
        }
        opened
    }

    /// The plan of a document of `sealed_len` bytes, header included.
    pub(crate) fn plan(&self, sealed_len: u64) -> Result<ChunkPlan, Error> {
        let body_len = sealed_len.saturating_sub(self.header_len as u64);
        match self.plaintext_len {
            PlaintextLen::Known(bytes) => {
                let plan = ChunkPlan::new(self.chunk_len, LAYER, bytes)?;
                let expected = plan.body_len();
                match body_len.cmp(&expected) {
                    core::cmp::Ordering::Equal => Ok(plan),
                    core::cmp::Ordering::Less => Err(Error::Format {
                        offset: sealed_len,
                        reason: "it ends before its last byte: it was truncated",
                    }),
                    core::cmp::Ordering::Greater => Err(Error::Format {
                        offset: expected.saturating_add(self.header_len as u64),
                        reason: "it goes on after its last byte: something was appended",
                    }),
                }
            }
            PlaintextLen::Stream => ChunkPlan::from_body_len(self.chunk_len, LAYER, body_len)
                .map_err(|reason| Error::Format { offset: sealed_len, reason }),
        }
    }
}

impl core::fmt::Debug for Opener {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Opener").field("plaintext_len", &self.plaintext_len).finish_non_exhaustive()
    }
}
