//! Layer 4: the sealed document. `docs/format.md` is the normative text.
//!
//! A document is a header and a body of records, one a chunk. The header holds the data key,
//! wrapped for one or more recipients; whoever unwraps it opens the body.
//!
//! ```text
//! seal:  bytes -> plan -> chunks -> kernel -> records        Sealer
//! open:  header -> unwrap -> unlock -> records -> kernel -> bytes        Header, Opener
//! ```
//!
//! The engine never calls a vault: a key at hand is used by [`Header::unlock_with`]; where the
//! vault is remote, [`Header::recipients`] say what to unwrap and [`Header::unlock`] takes the
//! result.

mod chunk;
mod context;
mod data_key;
#[cfg(feature = "std")]
mod file;
mod geometry;
mod header;
mod key_schedule;
mod opener;
#[cfg(feature = "std")]
mod positioned;
mod prologue;
mod recipient;
#[cfg(feature = "std")]
mod run;
mod sealer;
mod slot;
#[cfg(feature = "std")]
mod stream;

use alloc::vec::Vec;

pub use context::Context;
pub use data_key::DataKey;
pub use geometry::Slots;
pub use header::{Header, SlotState};
pub use opener::{OpenOptions, Opener};
#[cfg(feature = "std")]
pub use positioned::{ReadAt, WriteAt};
pub use recipient::Recipient;
#[cfg(feature = "std")]
pub use run::{Run, Totals};
pub use sealer::{SealOptions, Sealer};

pub use crate::parallel::ChunkLen;

use crate::error::Error;
use crate::wrap::{UnwrappingKey, WrappingKey};

/// Length of a plaintext, if it is known before sealing begins.
///
/// # Example
///
/// ```
/// use strongroom::document::PlaintextLen;
///
/// assert_ne!(PlaintextLen::Known(0), PlaintextLen::Stream);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaintextLen {
    /// So many bytes. Any one chunk then authenticates the length.
    Known(u64),
    /// Whatever the input gives. The last chunk authenticates the length.
    Stream,
}

/// Seals `plaintext` for the holders of `keys`.
///
/// # Errors
///
/// Those of [`Sealer::new`] and [`Sealer::seal_slice`].
///
/// # Security
///
/// Data key, salt and nonces are made here; the caller guarantees nothing.
///
/// # Example
///
/// ```
/// use strongroom::document::{self, OpenOptions, SealOptions};
/// use strongroom::rsa::PrivateKey;
/// use strongroom::wrap::{KeyId, UnwrappingKey, WrappingKey};
///
/// let (id, key) = (KeyId::new("vault/contracts/1")?, PrivateKey::generate()?);
/// let recipient = WrappingKey::rsa(id.clone(), key.public_key());
/// let sealed = document::seal(b"a contract", &[recipient], &SealOptions::default())?;
///
/// let holder = UnwrappingKey::rsa(id, key);
/// let opened = document::open(&sealed, &[holder], &OpenOptions::default())?;
/// assert_eq!(opened, b"a contract");
/// # Ok::<(), strongroom::Error>(())
/// ```
pub fn seal(
    plaintext: &[u8],
    keys: &[WrappingKey],
    options: &SealOptions,
) -> Result<Vec<u8>, Error> {
    let plaintext_len = PlaintextLen::Known(plaintext.len() as u64);
    Sealer::new(plaintext_len, keys, options)?.seal_slice(plaintext)
}

/// Opens `sealed`, a whole document, with one of `keys`.
///
/// # Errors
///
/// Those of [`Header::parse`], [`Header::unlock_with`] and [`Opener::open_slice`].
pub fn open(
    sealed: &[u8],
    keys: &[UnwrappingKey],
    options: &OpenOptions,
) -> Result<Vec<u8>, Error> {
    Header::parse(sealed)?.unlock_with(keys, options)?.open_slice(sealed)
}

#[cfg(test)]
mod tests;
