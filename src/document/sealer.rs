//! A document being sealed: its keys, its header, and the text in memory.

use alloc::vec::Vec;

use super::chunk::ChunkCipher;
use super::context::Context;
use super::data_key::DataKey;
use super::geometry::Slots;
use super::header::Header;
use super::key_schedule::KeySchedule;
use super::prologue::Core;
use super::recipient::Recipient;
use super::{ChunkLen, PlaintextLen};
use crate::backend::Backend;
use crate::error::Error;
use crate::parallel::{ChunkCounter, ChunkPlan, for_each, workers};
use crate::wrap::WrappingKey;

/// The only layer of a document of one layer.
pub(crate) const LAYER: u8 = 1;

/// How a document is sealed.
///
/// # Example
///
/// ```
/// use strongroom::document::{ChunkLen, SealOptions};
///
/// let mut options = SealOptions { chunk_len: ChunkLen::new(65_536)?, ..SealOptions::default() };
/// options.context.insert("tenant", "7")?;
/// # Ok::<(), strongroom::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct SealOptions {
    /// Length of the chunks; 1 MiB by default.
    pub chunk_len: ChunkLen,
    /// What the document belongs to; needed again to open it.
    pub context: Context,
    /// When it may not be opened any more, in seconds since the Unix epoch; `None` is never.
    pub expires_at: Option<u64>,
    /// Copies of the recipients in the header; two by default, for files.
    pub slots: Slots,
    /// The implementation of AES-256-GCM; the fastest by default.
    pub backend: Backend,
}

/// One document being sealed. Sealing consumes it: a data key seals one text.
///
/// # Security
///
/// The data key and the salt come from the operating system's random number generator, anew for
/// each `Sealer`; within a document each chunk index is used once, by type. The caller guarantees
/// nothing.
///
/// # Example
///
/// ```
/// use strongroom::document::{PlaintextLen, SealOptions, Sealer};
/// use strongroom::secret::Secret;
/// use strongroom::wrap::{KeyId, WrappingKey};
///
/// let key = WrappingKey::aes(KeyId::new("vault/contracts/1")?, Secret::generate()?);
/// let sealer = Sealer::new(PlaintextLen::Known(4), &[key], &SealOptions::default())?;
/// assert_eq!(sealer.sealed_len(), Some(2560 + 4 + 16));
/// let sealed = sealer.seal_slice(b"text")?;
/// assert_eq!(sealed.len(), 2580);
/// # Ok::<(), strongroom::Error>(())
/// ```
pub struct Sealer {
    header: Vec<u8>,
    chunk_len: ChunkLen,
    plaintext_len: PlaintextLen,
    cipher: ChunkCipher,
}

impl Sealer {
    /// Makes a data key, wraps it with each of `keys`, and the header with it.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] without a key, with more than 8, or with one twice; [`Error::Length`]
    /// for a text above 2^44 bytes or 2^32 chunks; [`Error::Random`]; what a key's `wrap` returns.
    pub fn new(
        plaintext_len: PlaintextLen,
        keys: &[WrappingKey],
        options: &SealOptions,
    ) -> Result<Self, Error> {
        let mut salt = [0; 32];
        crate::random::fill(&mut salt)?;
        Self::with_data_key(&DataKey::generate(LAYER)?, salt, plaintext_len, keys, options)
    }

    pub(crate) fn with_data_key(
        data_key: &DataKey,
        salt: [u8; 32],
        plaintext_len: PlaintextLen,
        keys: &[WrappingKey],
        options: &SealOptions,
    ) -> Result<Self, Error> {
        if let PlaintextLen::Known(bytes) = plaintext_len {
            ChunkPlan::new(options.chunk_len, LAYER, bytes)?;
        }
        if keys.is_empty() {
            let reason = "at least one is needed, or nobody could open the document";
            return Err(Error::Argument { what: "recipients", reason });
        }
        if options.expires_at == Some(0) {
            let reason = "0 stands for never; leave it out";
            return Err(Error::Argument { what: "expires_at", reason });
        }
        let payload = data_key.payload();
        let recipients = keys
            .iter()
            .map(|key| {
                let wrapped = key.wrap(payload.expose())?;
                Ok(Recipient::new(LAYER, key.algorithm(), key.id().clone(), wrapped))
            })
            .collect::<Result<Vec<_>, Error>>()?;

        let schedule = KeySchedule::new(&salt, data_key);
        let core = Core {
            layers: LAYER,
            chunk_len: options.chunk_len,
            plaintext_len,
            expires_at: options.expires_at.unwrap_or(0),
            salt,
            context_tag: schedule.context_tag(&options.context.encode())?,
        };
        let keys = schedule.bind(&core.encode())?;
        Ok(Self {
            header: Header::encode(&core, &keys, options.slots, recipients)?,
            chunk_len: options.chunk_len,
            plaintext_len,
            cipher: ChunkCipher::new(&keys.chunk_key, options.backend),
        })
    }

    /// The header's bytes: the document begins with them.
    #[must_use]
    pub fn header(&self) -> &[u8] {
        &self.header
    }

    /// Length of the sealed document in bytes, where the plaintext's is known.
    #[must_use]
    pub fn sealed_len(&self) -> Option<u64> {
        let PlaintextLen::Known(bytes) = self.plaintext_len else { return None };
        let plan = ChunkPlan::new(self.chunk_len, LAYER, bytes).ok()?;
        Some(self.header.len() as u64 + plan.body_len())
    }

    /// Seals a text in memory; several chunks at once on the current thread pool.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] where the text has another length than was announced, and
    /// [`Error::Length`] where the sealed document does not fit into memory.
    pub fn seal_slice(self, plaintext: &[u8]) -> Result<Vec<u8>, Error> {
        let sealed_len = match self.plaintext_len {
            PlaintextLen::Known(_) => self.sealed_len(),
            PlaintextLen::Stream => {
                let plan = ChunkPlan::new(self.chunk_len, LAYER, plaintext.len() as u64)?;
                Some(self.header.len() as u64 + plan.body_len())
            }
        };
        let sealed_len = sealed_len.and_then(|bytes| usize::try_from(bytes).ok());
        let mut sealed = alloc::vec![0; sealed_len.ok_or_else(too_long_for_memory)?];
        self.seal_into(plaintext, &mut sealed)?;
        Ok(sealed)
    }

    /// Seals a text in memory into `sealed`, whose length is the sealed document's.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] where one of the lengths is not as it must be; `sealed` is as it was.
    pub fn seal_into(self, plaintext: &[u8], sealed: &mut [u8]) -> Result<(), Error> {
        let plaintext_len = plaintext.len() as u64;
        if self.plaintext_len != PlaintextLen::Stream
            && self.plaintext_len != PlaintextLen::Known(plaintext_len)
        {
            let reason = "it must have the length that was announced";
            return Err(Error::Argument { what: "plaintext", reason });
        }
        let plan = ChunkPlan::new(self.chunk_len, LAYER, plaintext_len)?;
        let Some((header, body)) = sealed.split_at_mut_checked(self.header.len()) else {
            return Err(wrong_output_length());
        };
        if body.len() as u64 != plan.body_len() {
            return Err(wrong_output_length());
        }
        header.copy_from_slice(&self.header);

        let cipher = &self.cipher;
        let mut counter = ChunkCounter::default();
        let (mut texts, mut records) = (plaintext, body);
        let jobs = plan.spans().map(|span| {
            let text = texts.split_off(..span.plaintext_len).unwrap_or_default();
            let record = records.split_off_mut(..span.record_len).unwrap_or_default();
            (counter.take(span.last), text, record)
        });
        // Nothing is buffered: the memory is the caller's.
        let workers = workers(plaintext_len, plan.chunks(), 0, usize::MAX);
        for_each(
            workers,
            jobs,
            || (),
            |(), (chunk, text, record)| cipher.seal_into(chunk?, text, record),
        )
    }

    /// The parts that the input and output modules work with.
    #[cfg(feature = "std")]
    pub(crate) fn into_parts(self) -> (Vec<u8>, ChunkLen, PlaintextLen, ChunkCipher) {
        (self.header, self.chunk_len, self.plaintext_len, self.cipher)
    }
}

impl core::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Sealer").field("plaintext_len", &self.plaintext_len).finish_non_exhaustive()
    }
}

fn wrong_output_length() -> Error {
    Error::Argument {
        what: "output buffer",
        reason: "it must have exactly the length of the sealed document",
    }
}

pub(crate) fn too_long_for_memory() -> Error {
    let (length, limit) = (u64::MAX, usize::MAX as u64);
    Error::Length { what: "document in memory, in bytes", length, limit }
}
