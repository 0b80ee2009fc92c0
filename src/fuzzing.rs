//! Doors for the fuzz targets in `fuzz/`, and for `crates/memcheck`, to what the public interface keeps shut. They are compiled
//! under `--cfg fuzzing` alone, which cargo-fuzz sets; nothing here is promised to anybody.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::arch::counter_cache::{CounterCache, ENTRIES};
use crate::arch::{BLOCK_LEN, Fault, Hints, InOutBuf};
use crate::backend::{Backend, ExpandedKey};
use crate::document::{DataKey, Layers, PlaintextLen, SealOptions, Sealer};
use crate::error::Error;
#[cfg(feature = "rsa")]
use crate::rsa;
use crate::secret;

/// Bits of a counter cache.
const BITS: usize = ENTRIES * BLOCK_LEN * 8;

/// A kernel below the nonce: any pre-counter block, as a big-endian number, and a cache that texts
/// share or none.
pub struct Kernel {
    key: ExpandedKey,
    cache: Option<Box<CounterCache<2>>>,
    streams: bool,
}

impl Kernel {
    /// Without a cache that texts share. The kernel may make one for each long text.
    #[must_use]
    pub fn new(key: &[u8; 32], backend: Backend) -> Self {
        Self { key: backend.expand(key, true), cache: None, streams: false }
    }

    /// With a cache for pre-counter blocks that agree with this one in bytes 0, 5 and 10; `None`
    /// where the tier has no use for one.
    #[must_use]
    pub fn with_cache(key: &[u8; 32], backend: Backend, pre_counter_block: u128) -> Option<Self> {
        let key = backend.expand(key, true);
        let cache = Some(key.counter_cache(pre_counter_block)?);
        Some(Self { key, cache, streams: false })
    }

    /// The same, with output that goes past the processor's caches where it can, or not.
    #[must_use]
    pub fn streaming(self, streams: bool) -> Self {
        Self { streams, ..self }
    }

    fn hints(&self) -> Hints<'_> {
        Hints { cache: self.cache.as_deref(), non_temporal: self.streams }
    }

    /// Flips a bit of the shared cache, as failing memory would. Whether there is one.
    pub fn flip_shared_cache(&mut self, bit: u16) -> bool {
        self.cache.as_mut().map(|cache| cache.flip(usize::from(bit) % BITS)).is_some()
    }

    /// The same of the key's own cache of first rounds.
    pub fn flip_first_rounds(&mut self, bit: u16) -> bool {
        self.key.first_round_mut().map(|cache| cache.flip(usize::from(bit) % BITS)).is_some()
    }

    /// Encrypts `buffer`; returns the tag.
    ///
    /// # Errors
    ///
    /// [`Error::Fault`] where a bit of the cache has flipped.
    pub fn seal(
        &self,
        pre_counter_block: u128,
        associated_data: &[u8],
        buffer: InOutBuf<'_, '_, u8>,
    ) -> Result<[u8; 16], Error> {
        self.key
            .seal(self.hints(), pre_counter_block, associated_data, buffer)
            .map_err(|Fault| Error::Fault)
    }

    /// Decrypts `buffer`; returns the tag that the ciphertext should have.
    ///
    /// # Errors
    ///
    /// As [`Kernel::seal`].
    pub fn open(
        &self,
        pre_counter_block: u128,
        associated_data: &[u8],
        buffer: InOutBuf<'_, '_, u8>,
    ) -> Result<[u8; 16], Error> {
        self.key
            .open(self.hints(), pre_counter_block, associated_data, buffer)
            .map_err(|Fault| Error::Fault)
    }
}

impl core::fmt::Debug for Kernel {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Kernel").field("backend", &self.key.name()).finish_non_exhaustive()
    }
}

/// [`Sealer::new`] with chosen data keys, one a layer, and a chosen salt, so that a finding can be
/// repeated.
///
/// # Errors
///
/// Those of [`Sealer::new`].
pub fn sealer(
    data_keys: &[[u8; 32]],
    salt: [u8; 32],
    plaintext_len: PlaintextLen,
    keys: Layers<'_>,
    options: &SealOptions,
) -> Result<Sealer, Error> {
    let data_keys: Vec<DataKey> =
        (1..).zip(data_keys).map(|(layer, key)| DataKey::new(layer, key)).collect();
    Sealer::with_data_keys(&data_keys, salt, plaintext_len, keys, options)
}

/// Shows `see` each number that the engine computed from secrets and reveals; once in a process.
pub fn on_reveal(see: fn(&mut u64)) {
    // A second one sees nothing.
    let _ = secret::REVEALED.set(see);
}

/// Shows `visit` the numbers of a key that are secret.
#[cfg(feature = "rsa")]
pub fn each_secret_of(key: &rsa::PrivateKey, visit: impl FnMut(&[u64])) {
    rsa::inner::each_secret_of(key, visit);
}

/// Encodes a message with that seed and an empty label.
///
/// # Errors
///
/// [`Error::Length`] when the message is too long.
#[cfg(feature = "rsa")]
pub fn encode_oaep(message: &[u8], seed: &[u8; 32], encoded: &mut [u8; 256]) -> Result<(), Error> {
    rsa::inner::encode(message, seed, encoded)
}

/// Decodes a message with an empty label, of any form or of the one that is expected; `encoded` is overwritten.
///
/// # Errors
///
/// [`Error::Authentication`], whatever is wrong.
#[cfg(feature = "rsa")]
pub fn decode_oaep(
    encoded: &mut [u8; 256],
    expected: Option<secret::Expected<'_>>,
) -> Result<secret::SecretVec, Error> {
    rsa::inner::decode(encoded, expected)
}
