//! Lengths of documents of one making, without a header at hand: what a listing of sealed objects shows.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::document::ChunkLen;
use crate::document::key_schedule::MAX_LAYERS;
use crate::error::Error;
use crate::parallel::ChunkPlan;

/// Length of sealed documents that have headers of one length, chunks of one length and one number of layers.
///
/// It is arithmetic: nothing vouches that a document of such a length is one.
///
/// # Example
///
/// ```
/// use strongroom::document::{ChunkLen, SealedLen};
///
/// let lengths = SealedLen::new(512, ChunkLen::new(65_536)?, 2)?;
/// assert_eq!(lengths.of_plaintext(100_000)?, 512 + 100_000 + 2 * 32);
/// assert_eq!(lengths.plaintext(512 + 100_000 + 2 * 32)?, 100_000);
/// assert!(lengths.plaintext(512 + 65_536 + 32 + 7).is_err()); // it ends in the middle of a tag
/// # Ok::<(), strongroom::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealedLen {
    header_len: u64,
    chunk_len: ChunkLen,
    layers: u8,
}

impl SealedLen {
    /// The lengths of documents with headers of `header_len` bytes and 1 or 2 layers.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] for another number of layers.
    pub fn new(header_len: u64, chunk_len: ChunkLen, layers: u8) -> Result<Self, Error> {
        if layers == 0 || usize::from(layers) > MAX_LAYERS {
            let reason = "a document has 1 or 2";
            return Err(Error::Argument { what: "layers", reason });
        }
        Ok(Self { header_len, chunk_len, layers })
    }

    /// Length in bytes of the sealed document with a text of `plaintext_len` bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Length`] for a text above 2^44 bytes or 2^32 chunks.
    pub fn of_plaintext(&self, plaintext_len: u64) -> Result<u64, Error> {
        let plan = ChunkPlan::new(self.chunk_len, self.layers, plaintext_len)?;
        Ok(self.header_len.saturating_add(plan.body_len()))
    }

    /// Length in bytes of the text in a sealed document of `sealed_len` bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Format`] where no such document has that length.
    pub fn plaintext(&self, sealed_len: u64) -> Result<u64, Error> {
        let body_len = sealed_len.checked_sub(self.header_len);
        body_len
            .ok_or("it is shorter than a header")
            .and_then(|body_len| ChunkPlan::from_body_len(self.chunk_len, self.layers, body_len))
            .map(|plan| plan.plaintext_len())
            .map_err(|reason| Error::Format { offset: sealed_len, reason })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Header, SealOptions, Slots, seal};
    use crate::secret::Secret;
    use crate::wrap::{KeyId, WrappingKey};

    /// The arithmetic agrees with documents, and no length between those of two documents is one.
    #[test]
    fn lengths_are_those_of_documents() {
        let key = |layer: u8| {
            let id = KeyId::new(&format!("vault/key/{layer}")).unwrap();
            [WrappingKey::aes(id, Secret::copy_from(&[layer; 32]))]
        };
        let (service, customer) = (key(1), key(2));
        for layers in 1..=2 {
            let chunk_len = ChunkLen::new(4096).unwrap();
            let options = SealOptions { chunk_len, slots: Slots::One, ..SealOptions::default() };
            let lengths = SealedLen::new(512, chunk_len, layers).unwrap();
            let mut known = Vec::new();
            for plaintext_len in [0, 1, 4095, 4096, 4097, 8192, 8193] {
                let text = alloc::vec![7; plaintext_len];
                let keys = match layers {
                    1 => crate::document::Layers::One(&service),
                    _ => crate::document::Layers::Two { service: &service, customer: &customer },
                };
                let sealed = seal(&text, keys, &options).unwrap();
                assert_eq!(Header::parse(&sealed).unwrap().len(), 512);
                let sealed_len = sealed.len() as u64;
                assert_eq!(lengths.of_plaintext(plaintext_len as u64).unwrap(), sealed_len);
                assert_eq!(lengths.plaintext(sealed_len).unwrap(), plaintext_len as u64);
                known.push(sealed_len);
            }
            let tag = 16 * u64::from(layers);
            let possible = |sealed_len: u64| {
                let body = sealed_len.saturating_sub(512);
                let rest = body % (4096 + tag);
                sealed_len >= 512 && (body == tag || (body > 0 && (rest == 0 || rest > tag)))
            };
            for sealed_len in 0..=*known.last().unwrap() {
                let found = lengths.plaintext(sealed_len);
                assert_eq!(found.is_ok(), possible(sealed_len), "{layers} {sealed_len}");
            }
        }
        for layers in [0, 3] {
            assert!(SealedLen::new(512, ChunkLen::default(), layers).is_err());
        }
        let lengths = SealedLen::new(512, ChunkLen::default(), 1).unwrap();
        assert!(matches!(lengths.of_plaintext(u64::MAX), Err(Error::Length { .. })));
        assert!(lengths.plaintext(u64::MAX).is_err());
    }
}
