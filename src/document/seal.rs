//! A document being sealed: for whom, its keys, its header, and the text in memory.

use alloc::vec::Vec;

use crate::backend::Backend;
use crate::document::chunk::{Buffers, ChunkCipher};
use crate::document::header::Header;
use crate::document::header::prologue::{Core, PROLOGUE_LEN};
use crate::document::header::recipient::Recipient;
use crate::document::header::slots::Slots;
use crate::document::key_schedule::{Context, DataKey, KeySchedule, MAX_LAYERS};
use crate::document::{ChunkLen, PlaintextLen};
use crate::error::Error;
use crate::gcm::Output;
use crate::parallel::{ChunkCounter, ChunkPlan, Memory, Work, for_each};
use crate::secret::Scratch;
use crate::wrap::WrappingKey;

/// Options for sealing a document.
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
    /// The context that the document belongs to; needed again to open it.
    pub context: Context,
    /// The time from which it may not be opened, in seconds since the Unix epoch; `None` is never.
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
/// The data keys and the salt come from the operating system's random number generator, anew for
/// each `Sealer`; within a document each chunk index is used once, by type. The caller guarantees
/// nothing.
///
/// Sealing that was interrupted starts again with a new `Sealer`, by rule: what was read the second
/// time may differ from what was sealed the first time, and two texts under one key and nonce would
/// give both away.
///
/// For the same reason a `Sealer`, and what it was made into, seals in the process that made it and in
/// no forked child (on Unix, with `std`). Two running copies of one virtual machine
/// are one process to it: see SECURITY.md.
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
    /// Bytes of the header that the sealed text begins with: all, or the prologue.
    leading_len: usize,
    pub(crate) chunk_len: ChunkLen,
    pub(crate) plaintext_len: PlaintextLen,
    pub(crate) cipher: ChunkCipher,
    pub(crate) process: Process,
}

impl Sealer {
    /// Makes a data key for each layer, wraps it with that layer's keys, and the header with it.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] for a layer without a key, with more than 8, or with one twice;
    /// [`Error::Length`] for a text above 2^44 bytes or 2^32 chunks; [`Error::Random`]; what a key's
    /// `wrap` returns.
    pub fn new<'k>(
        plaintext_len: PlaintextLen,
        keys: impl Into<Layers<'k>>,
        options: &SealOptions,
    ) -> Result<Self, Error> {
        Self::with_random(crate::random::fill, plaintext_len, keys.into(), options)
    }

    /// The same, with random bytes from `fill`, which is asked once for all that the document needs.
    pub(crate) fn with_random(
        fill: impl FnOnce(&mut [u8]) -> Result<(), Error>,
        plaintext_len: PlaintextLen,
        keys: Layers<'_>,
        options: &SealOptions,
    ) -> Result<Self, Error> {
        let mut random = Scratch::<{ 32 * (1 + MAX_LAYERS) }>::zeroed();
        let (random, _) = random.split_at_mut(32 * (1 + usize::from(keys.count())));
        fill(random)?;
        match random.as_chunks().0 {
            [salt, one] => {
                let data_keys = [DataKey::new(1, one)];
                Self::with_data_keys(&data_keys, *salt, plaintext_len, keys, options)
            }
            [salt, one, two, ..] => {
                let data_keys = [DataKey::new(1, one), DataKey::new(2, two)];
                Self::with_data_keys(&data_keys, *salt, plaintext_len, keys, options)
            }
            _ => Err(Error::Random),
        }
    }

    /// `data_keys`: one a layer, in order.
    pub(crate) fn with_data_keys(
        data_keys: &[DataKey],
        salt: [u8; 32],
        plaintext_len: PlaintextLen,
        keys: Layers<'_>,
        options: &SealOptions,
    ) -> Result<Self, Error> {
        if let PlaintextLen::Known(bytes) = plaintext_len {
            ChunkPlan::new(options.chunk_len, keys.count(), bytes)?;
        }
        keys.check()?;
        if options.expires_at == Some(0) {
            let reason = "0 stands for never; leave it out";
            return Err(Error::Argument { what: "expires_at", reason });
        }
        let mut recipients = Vec::new();
        for (data_key, (_, keys)) in data_keys.iter().zip(keys.each()) {
            recipients.extend(Recipient::wrap_for(data_key, keys)?);
        }

        let schedule = KeySchedule::new(&salt, data_keys);
        let core = Core {
            layers: keys.count(),
            chunk_len: options.chunk_len,
            plaintext_len,
            expires_at: options.expires_at.unwrap_or(0),
            salt,
            context_tag: schedule.context_tag(&options.context.encode()),
        };
        let keys = schedule.bind(&core.encode());
        let header = Header::encode(&core, &keys, options.slots, recipients)?;
        Ok(Self {
            leading_len: header.len(),
            header,
            chunk_len: options.chunk_len,
            plaintext_len,
            cipher: ChunkCipher::new(keys.chunk_keys(), plaintext_len, options.backend)?,
            process: Process::current(),
        })
    }

    /// The header's bytes, to be kept apart, and what seals the text behind the first 128 of them:
    /// [`Opener::detached`](crate::document::Opener::detached) brings the two together. Without its
    /// header a document cannot be opened by anyone.
    ///
    /// # Example
    ///
    /// ```
    /// # use strongroom::document::{PlaintextLen, SealOptions, Sealer};
    /// # use strongroom::secret::Secret;
    /// # use strongroom::wrap::{KeyId, WrappingKey};
    /// # let key = WrappingKey::aes(KeyId::new("vault/contracts/1")?, Secret::generate()?);
    /// # let sealer = Sealer::new(PlaintextLen::Known(4), &[key], &SealOptions::default())?;
    /// let (header, sealer) = sealer.detached();
    /// let body = sealer.seal_slice(b"text")?;
    /// assert_eq!((header.len(), body.len()), (2560, 128 + 4 + 16));
    /// # Ok::<(), strongroom::Error>(())
    /// ```
    ///
    /// What seals without taking the header does not compile:
    ///
    /// ```compile_fail,E0599
    /// # use strongroom::document::{PlaintextLen, SealOptions, Sealer};
    /// # use strongroom::secret::Secret;
    /// # use strongroom::wrap::{KeyId, WrappingKey};
    /// # let key = WrappingKey::aes(KeyId::new("vault/contracts/1")?, Secret::generate()?);
    /// # let sealer = Sealer::new(PlaintextLen::Known(4), &[key], &SealOptions::default())?;
    /// let body = sealer.detached().seal_slice(b"text")?;
    /// # Ok::<(), strongroom::Error>(())
    /// ```
    #[must_use = "without its header nobody opens the document"]
    pub fn detached(self) -> (Vec<u8>, Self) {
        (self.header.clone(), Self { leading_len: PROLOGUE_LEN, ..self })
    }

    /// The header's bytes: the document begins with them, if the header is not detached.
    #[must_use]
    pub fn header(&self) -> &[u8] {
        &self.header
    }

    /// Length of the sealed document in bytes, without a detached header, where the plaintext's is
    /// known.
    #[must_use]
    pub fn sealed_len(&self) -> Option<u64> {
        let PlaintextLen::Known(bytes) = self.plaintext_len else { return None };
        let plan = ChunkPlan::new(self.chunk_len, self.cipher.layers(), bytes).ok()?;
        Some((self.leading_len as u64).saturating_add(plan.body_len()))
    }

    /// Seals a text in memory; several chunks at once on the current thread pool.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] where the text has another length than was announced, and in a forked child;
    /// [`Error::Length`] where the sealed document does not fit into memory.
    pub fn seal_slice(self, plaintext: &[u8]) -> Result<Vec<u8>, Error> {
        let plan = self.plan_for(plaintext)?;
        let sealed_len = self.leading_len as u64 + plan.body_len();
        let sealed_len = usize::try_from(sealed_len).map_err(|_| too_long_for_memory())?;
        let mut sealed = alloc::vec![0; sealed_len];
        self.seal_into(plaintext, &mut sealed)?;
        Ok(sealed)
    }

    /// Seals a text in memory into `sealed`, whose length is the sealed document's.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] where one of the lengths is not as it must be, and in a forked child; `sealed`
    /// is as it was.
    pub fn seal_into(self, plaintext: &[u8], sealed: &mut [u8]) -> Result<(), Error> {
        self.process.check()?;
        let plan = self.plan_for(plaintext)?;
        let Some((leading, body)) = sealed.split_at_mut_checked(self.leading_len) else {
            return Err(wrong_output_length());
        };
        if body.len() as u64 != plan.body_len() {
            return Err(wrong_output_length());
        }
        leading.copy_from_slice(self.leading());

        let cipher = &self.cipher;
        let mut counter = ChunkCounter::default();
        let (mut texts, mut records) = (plaintext, body);
        let jobs = plan.spans().map(|span| {
            let text = texts.split_off(..span.plaintext_len).unwrap_or_default();
            let record = records.split_off_mut(..span.record_len).unwrap_or_default();
            (counter.take(span.last), text, record)
        });
        let output = Output::of_len(plan.plaintext_len());
        let work = Work { bytes: plan.plaintext_len(), jobs: plan.chunks() };
        for_each(work.team(Memory::Callers), jobs, |(chunk, text, record)| {
            cipher.seal(chunk?, Buffers::Apart(text, record, output))
        })
    }

    /// The plan for a text that has the announced length.
    fn plan_for(&self, plaintext: &[u8]) -> Result<ChunkPlan, Error> {
        let plaintext_len = plaintext.len() as u64;
        match self.plaintext_len {
            PlaintextLen::Known(announced) if announced != plaintext_len => Err(Error::Argument {
                what: "plaintext",
                reason: "it must have the length that was announced",
            }),
            _ => ChunkPlan::new(self.chunk_len, self.cipher.layers(), plaintext_len),
        }
    }

    /// The leading bytes of the sealed text.
    pub(crate) fn leading(&self) -> &[u8] {
        self.header.get(..self.leading_len).unwrap_or(&self.header)
    }
}

impl core::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Sealer").field("plaintext_len", &self.plaintext_len).finish_non_exhaustive()
    }
}

/// The process that made a data key. After a fork two processes hold that key and count its chunks from
/// the same one on: only the first of them may seal. Other systems than Unix do not fork, and without
/// `std` nothing distinguishes processes.
#[derive(Clone, Copy)]
pub(crate) struct Process {
    #[cfg(all(feature = "std", unix))]
    id: u32,
}

impl Process {
    fn current() -> Self {
        Self {
            #[cfg(all(feature = "std", unix))]
            id: std::process::id(),
        }
    }

    /// Refuses another process.
    #[cfg_attr(
        not(all(feature = "std", unix)),
        expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "nothing is known")
    )]
    pub(crate) fn check(self) -> Result<(), Error> {
        #[cfg(all(feature = "std", unix))]
        if self.id != std::process::id() {
            let reason = "it belongs to the process that forked this one, which may seal another \
                          text with the same key and nonces; make a new one here";
            return Err(Error::Argument { what: "sealer", reason });
        }
        Ok(())
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

/// The keys that a document's data keys are wrapped with, 1 to 8 for each layer. Any one of a layer's
/// keys opens that layer; a document of two layers needs one of each.
///
/// A slice of keys is one layer.
///
/// # Example
///
/// ```
/// use strongroom::document::{self, Layers, OpenOptions, SealOptions};
/// use strongroom::secret::Secret;
/// use strongroom::wrap::{KeyId, UnwrappingKey, WrappingKey};
///
/// let ids = [KeyId::new("resource/7/service/1")?, KeyId::new("resource/7/customer/1")?];
/// let wrapping = |n: usize| WrappingKey::aes(ids[n].clone(), Secret::copy_from(&[n as u8; 32]));
/// let unwrapping = |n: usize| UnwrappingKey::aes(ids[n].clone(), Secret::copy_from(&[n as u8; 32]));
///
/// let layers = Layers::Two { service: &[wrapping(0)], customer: &[wrapping(1)] };
/// let sealed = document::seal(b"text", layers, &SealOptions::default())?;
///
/// let (one, both) = ([unwrapping(0)], [unwrapping(0), unwrapping(1)]);
/// assert!(document::open(&sealed, &one, &OpenOptions::default()).is_err());
/// assert_eq!(document::open(&sealed, &both, &OpenOptions::default())?, b"text");
/// # Ok::<(), strongroom::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub enum Layers<'k> {
    /// One layer of encryption, layer 1.
    One(&'k [WrappingKey]),
    /// Two layers with independent data keys: losing the keys of either makes the document
    /// unreadable.
    Two {
        /// Keys of layer 1, the inner one: the service's.
        service: &'k [WrappingKey],
        /// Keys of layer 2, the outer one: the customer's.
        customer: &'k [WrappingKey],
    },
}

impl<'k> Layers<'k> {
    /// Number of layers, 1 or 2.
    pub(crate) fn count(self) -> u8 {
        match self {
            Self::One(_) => 1,
            Self::Two { .. } => 2,
        }
    }

    /// Each layer's number and keys, the inner one first.
    pub(crate) fn each(self) -> impl Iterator<Item = (u8, &'k [WrappingKey])> {
        let (inner, outer) = match self {
            Self::One(keys) => (keys, None),
            Self::Two { service, customer } => (service, Some((2, customer))),
        };
        core::iter::once((1, inner)).chain(outer)
    }

    /// Refuses a layer that nobody could open.
    pub(crate) fn check(self) -> Result<(), Error> {
        if self.each().any(|(_, keys)| keys.is_empty()) {
            let reason = "each layer needs one at least, or nobody could open the document";
            return Err(Error::Argument { what: "recipients", reason });
        }
        Ok(())
    }
}

impl<'k> From<&'k [WrappingKey]> for Layers<'k> {
    fn from(keys: &'k [WrappingKey]) -> Self {
        Self::One(keys)
    }
}

impl<'k, const N: usize> From<&'k [WrappingKey; N]> for Layers<'k> {
    fn from(keys: &'k [WrappingKey; N]) -> Self {
        Self::One(keys)
    }
}

impl<'k> From<&'k Vec<WrappingKey>> for Layers<'k> {
    fn from(keys: &'k Vec<WrappingKey>) -> Self {
        Self::One(keys)
    }
}
