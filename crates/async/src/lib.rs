//! Strongroom's documents over asynchronous readers, writers and remote stores.
//!
//! ```text
//! Input -> read n+1 | compute n | write n-1 -> Output        the pool computes, the task waits
//! ```
//!
//! [`seal`] and [`open`] work in batches: the next is read and the one before is written in the task
//! while one is computed on a rayon pool, which is awaited and blocks no worker of the runtime. A
//! document of up to 256 KiB is computed in the task. No runtime is assumed: `FuturesIo` takes the
//! readers and writers of `futures-io`, `TokioIo` those of `tokio` (feature `tokio`), and
//! [`Input`] and [`Output`] are two small traits for any other.
//!
//! | | to seal | to open |
//! |---|---|---|
//! | from a reader into a writer | [`seal`] | [`open`], [`verify`] |
//! | as it is written, as it is read | [`AsyncSealWriter`] | [`AsyncStreamReader`] |
//! | in part, from a remote store | | [`AsyncRangeReader`]: one request for a range |
//!
//! # What may be believed
//!
//! Every byte that is given out was verified. That a text is whole is known only when [`open`] has
//! returned without an error, or a reader has said without one that it ended: whoever uses what came
//! before must be able to take it back.
//!
//! # Cancelling
//!
//! Every future here may be dropped at any await. A job on the pool owns its batch: it goes on by
//! itself to the end of that batch, or does not begin, touches nothing else, and wipes what it holds.
//! The run's other batches are wiped on the pool too, for that takes milliseconds.
//! What was written until then is a part of a document or of a text, and must be discarded.
//!
//! # Example
//!
//! ```
//! use strongroom::document::{OpenOptions, PlaintextLen, SealOptions, Sealer};
//! use strongroom::secret::Secret;
//! use strongroom::wrap::{KeyId, UnwrappingKey, WrappingKey};
//! use strongroom_async::{FuturesIo, Options, open, read_header, seal};
//!
//! # futures::executor::block_on(async {
//! let (id, key) = (KeyId::new("vault/contracts/1")?, [7; 32]);
//! let wrapping = WrappingKey::aes(id.clone(), Secret::copy_from(&key));
//! let sealer = Sealer::new(PlaintextLen::Stream, &[wrapping], &SealOptions::default())?;
//! let mut sealed = futures::io::Cursor::new(Vec::new());
//! let from = FuturesIo(&b"a contract"[..]);
//! seal(sealer, from, FuturesIo(&mut sealed), &Options::default()).await?;
//!
//! sealed.set_position(0);
//! let header = read_header(FuturesIo(&mut sealed)).await?;
//! let unwrapping = UnwrappingKey::aes(id, Secret::copy_from(&key));
//! let opener = header.unlock_with(&[unwrapping], &OpenOptions::default())?;
//! let mut text = futures::io::Cursor::new(Vec::new());
//! open(opener, FuturesIo(&mut sealed), FuturesIo(&mut text), &Options::default()).await?;
//! assert_eq!(text.get_ref(), b"a contract");
//! # Ok::<(), strongroom::Error>(())
//! # }).unwrap();
//! ```

#![deny(unsafe_code)]

mod adapters;
mod header;
mod options;
mod peek;
mod pipeline;
mod place;
mod range;
mod stream;
mod transfer;
mod transport;

pub use adapters::{AsyncSealWriter, AsyncStreamReader};
pub use header::read_header;
pub use options::Options;
pub use place::{Place, Started};
pub use range::{AsyncRangeReader, AsyncReadAt, read_header_at};
pub use stream::{open, seal, verify};
#[cfg(feature = "futures")]
pub use transport::FuturesIo;
#[cfg(feature = "tokio")]
pub use transport::TokioIo;
pub use transport::{Input, Output};
