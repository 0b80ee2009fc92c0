//! Layer 4: the sealed document. `docs/format.md` is the normative text.
//!
//! A document is a header and a body of records, one a chunk. The header holds the data key,
//! wrapped for one or more recipients; whoever unwraps it opens the body.
//!
//! ```text
//! seal:    bytes -> plan -> chunks -> kernel -> records                 Sealer
//! open:    header -> unwrap -> unlock -> records -> kernel -> bytes     Header, Opener
//! read:    range -> records -> kernel -> the range's bytes              Layout, Reader
//! rewrap:  header -> unwrap -> other recipients -> header               Rewrap
//! ```
//!
//! | the text is | to seal | to open |
//! |---|---|---|
//! | in memory | [`seal`], [`Sealer::seal_into`] | [`open`], [`Opener::open_into`] |
//! | many short ones | [`seal_many`] | [`open_many`] |
//! | a file | [`Sealer::seal_file`] | [`Opener::open_file`] |
//! | a pipe | [`Sealer::seal_stream`], [`Sealer::into_writer`] | [`Opener::open_stream`], [`Opener::into_stream_reader`] |
//! | wanted in part | | [`Opener::into_reader`], [`Opener::open_range`] |
//! | behind input and output of your own | [`Sealer::into_batches`] | [`Opener::into_batches`] |
//!
//! The engine never calls a vault: a key at hand is used by [`Header::unlock_with`]; where the
//! vault is remote, [`Header::recipients`] say what to unwrap and [`Header::unlock`] takes the
//! result.

mod chunk;
mod header;
mod hmac;
#[cfg(feature = "std")]
mod io;
mod key_schedule;
mod many;
mod open;
mod policy;
mod range;
#[cfg(feature = "std")]
mod reader;
mod seal;
mod sealed_len;
mod unlock;

use alloc::vec::Vec;

pub use header::recipient::Recipient;
pub use header::rewrap::{AnyContext, ExpectedContext, Rewrap, RewrapOptions};
pub use header::slots::Slots;
pub use header::{Header, SlotState};
#[cfg(feature = "std")]
pub use io::{
    IoLabels,
    adapters::{SealWriter, StreamReader},
    batch::{Batch, BatchOpener, BatchSealer},
    in_place::destroy_header,
    limits::{Run, Totals},
    read_at::{Durable, ReadAt, WriteAt},
};
pub use key_schedule::{Context, DataKey};
pub use many::{open_many, rewrap_many, seal_many};
pub use open::{OpenOptions, Opener};
pub use policy::OpenPolicy;
pub use range::{Layout, UnverifiedLayout};
#[cfg(feature = "std")]
pub use reader::Reader;
pub use seal::{Layers, SealOptions, Sealer};
pub use sealed_len::SealedLen;

pub use crate::parallel::ChunkLen;

use crate::error::Error;
use crate::wrap::UnwrappingKey;

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
    /// Unknown: all that the input gives. The last chunk authenticates the length.
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
pub fn seal<'k>(
    plaintext: &[u8],
    keys: impl Into<Layers<'k>>,
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
