//! One chunk to its record and back.
//!
//! ```text
//! nonce  = six zero bytes || index (u32) || zero byte || 1 if last, else 0
//! record = ciphertext || 16-byte tag               no associated data
//! ```
//!
//! A chunk's key is its document's alone, and [`Chunk`] exists once for each index: no nonce is
//! used twice. Bytes 0, 5 and 10 of the nonce never change within a document, on purpose: what
//! counter-mode caching precomputes depends on the key and these three.

use crate::backend::Backend;
use crate::error::Error;
use crate::gcm::Aes256Gcm;
use crate::parallel::{Chunk, ChunkSpan};
use crate::secret::Secret;

/// Seals and opens the chunks of one document.
pub(crate) struct ChunkCipher(Aes256Gcm);

impl ChunkCipher {
    pub(crate) fn new(chunk_key: &Secret<32>, backend: Backend) -> Self {
        Self(Aes256Gcm::with_counter_cache(chunk_key.expose(), backend, &nonce(0, false)))
    }

    /// Seals the text at the start of `record` in place; its last 16 bytes become the tag.
    #[cfg(feature = "std")]
    #[allow(clippy::needless_pass_by_value, reason = "sealing consumes the chunk")]
    pub(crate) fn seal_in_place(&self, chunk: Chunk, record: &mut [u8]) -> Result<(), Error> {
        let Some((text, tag)) = record.split_last_chunk_mut() else {
            return Err(record_too_short());
        };
        *tag = self.0.seal_in_place(&nonce(chunk.index(), chunk.is_last()), &[], text)?;
        Ok(())
    }

    /// Seals `text` into `record`, which is 16 bytes longer.
    #[allow(clippy::needless_pass_by_value, reason = "sealing consumes the chunk")]
    pub(crate) fn seal_into(
        &self,
        chunk: Chunk,
        text: &[u8],
        record: &mut [u8],
    ) -> Result<(), Error> {
        let Some((body, tag)) = record.split_last_chunk_mut() else {
            return Err(record_too_short());
        };
        *tag = self.0.seal_into(&nonce(chunk.index(), chunk.is_last()), &[], text, body)?;
        Ok(())
    }

    /// Opens a record in place and returns its text; zeros where the tag does not hold.
    #[cfg(feature = "std")]
    pub(crate) fn open_in_place<'r>(
        &self,
        index: u32,
        last: bool,
        record: &'r mut [u8],
    ) -> Result<&'r mut [u8], Error> {
        let Some((text, tag)) = record.split_last_chunk_mut() else {
            return Err(record_too_short());
        };
        self.0.open_in_place(&nonce(index, last), &[], text, tag)?;
        Ok(text)
    }

    /// Opens a record into `text`, which is 16 bytes shorter; zeros where the tag does not hold.
    pub(crate) fn open_into(
        &self,
        span: ChunkSpan,
        record: &[u8],
        text: &mut [u8],
    ) -> Result<(), Error> {
        let Some((body, tag)) = record.split_last_chunk() else { return Err(record_too_short()) };
        self.0.open_into(&nonce(span.index, span.last), &[], body, text, tag)
    }
}

fn nonce(index: u32, last: bool) -> [u8; 12] {
    let [i0, i1, i2, i3] = index.to_be_bytes();
    [0, 0, 0, 0, 0, 0, i0, i1, i2, i3, 0, u8::from(last)]
}

fn record_too_short() -> Error {
    Error::Argument { what: "record", reason: "it must be 16 bytes longer than its chunk" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonces_are_as_the_format_says() {
        assert_eq!(nonce(0x0102_0304, false), [0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 0, 0]);
        assert_eq!(nonce(u32::MAX, true), [0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 0, 1]);
    }
}
