//! One chunk to its record and back.
//!
//! ```text
//! nonce  = six zero bytes || index (u32) || zero byte || 1 if last, else 0
//! sealed = ciphertext || 16-byte tag               no associated data
//! record = the chunk sealed under the inner layer's key, that sealed under the outer one's
//! ```
//!
//! A chunk's keys are its document's alone, and [`Chunk`] exists once for each index: no nonce is
//! used twice. Bytes 0, 5 and 10 of the nonce never change within a document, on purpose: what
//! counter-mode caching precomputes depends on the key and these three.
//!
//! Both layers are done chunk by chunk: the second finds the chunk in the cache.

use crate::backend::Backend;
use crate::error::Error;
use crate::gcm::Aes256Gcm;
use crate::parallel::{Chunk, ChunkSpan, TAG_LEN};
use crate::secret::Buffer;

/// Seals and opens the chunks of one document.
pub(crate) struct ChunkCipher {
    inner: Aes256Gcm,
    /// Of a document of two layers.
    outer: Option<Aes256Gcm>,
}

impl ChunkCipher {
    /// For the chunk keys of all layers, the inner one first.
    pub(crate) fn new(chunk_keys: &[[u8; 32]], backend: Backend) -> Result<Self, Error> {
        let cipher = |key| Aes256Gcm::with_counter_cache(key, backend, &nonce(0, false));
        match chunk_keys {
            [inner] => Ok(Self { inner: cipher(inner), outer: None }),
            [inner, outer] => Ok(Self { inner: cipher(inner), outer: Some(cipher(outer)) }),
            _ => Err(Error::Argument { what: "layers", reason: "there are one or two" }),
        }
    }

    /// Number of layers, 1 or 2.
    pub(crate) fn layers(&self) -> u8 {
        1 + u8::from(self.outer.is_some())
    }

    /// Bytes that a record is longer than its chunk.
    #[cfg(feature = "std")]
    pub(crate) fn overhead(&self) -> usize {
        TAG_LEN * usize::from(self.layers())
    }

    /// Seals the text at the start of `record` in place; the bytes behind it become the tags.
    #[cfg(feature = "std")]
    #[allow(clippy::needless_pass_by_value, reason = "sealing consumes the chunk")]
    pub(crate) fn seal_in_place(&self, chunk: Chunk, record: &mut [u8]) -> Result<(), Error> {
        let nonce = nonce(chunk.index(), chunk.is_last());
        let Some(outer) = &self.outer else { return seal_in_place(&self.inner, &nonce, record) };
        let Some((inner, _)) = record.split_last_chunk_mut::<TAG_LEN>() else {
            return Err(record_too_short());
        };
        seal_in_place(&self.inner, &nonce, inner)?;
        seal_in_place(outer, &nonce, record)
    }

    /// Seals `text` into `record`, which is longer by the overhead, and one of those of a text of
    /// `whole_len` bytes.
    #[allow(clippy::needless_pass_by_value, reason = "sealing consumes the chunk")]
    pub(crate) fn seal_into(
        &self,
        chunk: Chunk,
        text: &[u8],
        record: &mut [u8],
        whole_len: u64,
    ) -> Result<(), Error> {
        let nonce = nonce(chunk.index(), chunk.is_last());
        let Some(outer) = &self.outer else {
            return seal_into(&self.inner, &nonce, text, record, whole_len);
        };
        let Some((inner, _)) = record.split_last_chunk_mut::<TAG_LEN>() else {
            return Err(record_too_short());
        };
        // The outer layer is to find it in the cache.
        seal_into(&self.inner, &nonce, text, inner, 0)?;
        seal_in_place(outer, &nonce, record)
    }

    /// Opens a record in place and returns its text; zeros where a tag does not hold.
    #[cfg(feature = "std")]
    pub(crate) fn open_in_place<'r>(
        &self,
        index: u32,
        last: bool,
        record: &'r mut [u8],
    ) -> Result<&'r mut [u8], Error> {
        let nonce = nonce(index, last);
        let record = match &self.outer {
            Some(outer) => open_in_place(outer, &nonce, record)?,
            None => record,
        };
        open_in_place(&self.inner, &nonce, record)
    }

    /// Whether less than all of a chunk is decrypted for so many bytes of it: where there is one layer.
    /// Of two the inner one is found by decrypting all of the outer.
    #[cfg(feature = "std")]
    pub(crate) fn opens_parts(&self, span: ChunkSpan, wanted: usize) -> bool {
        self.outer.is_none() && wanted <= span.plaintext_len / 2
    }

    /// Opens parts of a chunk, each with the offset in bytes at which it begins. The whole record is
    /// authenticated, and where [`ChunkCipher::opens_parts`] no more than the parts decrypted.
    pub(crate) fn open_parts<'p>(
        &self,
        span: ChunkSpan,
        record: &[u8],
        parts: impl IntoIterator<Item = (usize, &'p mut [u8])>,
    ) -> Result<(), Error> {
        let copy = |from: &[u8], offset: usize, part: &mut [u8]| {
            let from = from.get(offset..offset.saturating_add(part.len()));
            from.map(|from| part.copy_from_slice(from)).ok_or_else(record_too_short)
        };
        if self.outer.is_none() {
            let (body, tag) = record.split_last_chunk().ok_or_else(record_too_short)?;
            let verified = self.inner.verify(&nonce(span.index, span.last), body, tag)?;
            return parts.into_iter().try_for_each(|(offset, part)| {
                copy(body, offset, part)?;
                verified.decrypt(offset, part)
            });
        }
        let mut text = Buffer::zeroed(span.plaintext_len);
        self.open_into(span, record, &mut text, 0)?;
        parts.into_iter().try_for_each(|(offset, part)| copy(&text, offset, part))
    }

    /// Opens a record into `text`, which is shorter by the overhead, and part of a text of `whole_len`
    /// bytes; zeros where a tag does not hold. Of two layers the inner record is opened where it is: only
    /// its tag is elsewhere.
    pub(crate) fn open_into(
        &self,
        span: ChunkSpan,
        record: &[u8],
        text: &mut [u8],
        whole_len: u64,
    ) -> Result<(), Error> {
        let nonce = nonce(span.index, span.last);
        let (body, tag) = record.split_last_chunk().ok_or_else(record_too_short)?;
        let Some(outer) = &self.outer else {
            return self.inner.open_part_into(&nonce, body, text, tag, whole_len);
        };
        let mut inner_tag = [0; TAG_LEN];
        outer.open_into_two(&nonce, body, text, &mut inner_tag, tag)?;
        self.inner.open_in_place(&nonce, &[], text, &inner_tag)
    }
}

fn seal_in_place(key: &Aes256Gcm, nonce: &[u8; 12], sealed: &mut [u8]) -> Result<(), Error> {
    let (text, tag) = sealed.split_last_chunk_mut().ok_or_else(record_too_short)?;
    *tag = key.seal_in_place(nonce, &[], text)?;
    Ok(())
}

fn seal_into(
    key: &Aes256Gcm,
    nonce: &[u8; 12],
    text: &[u8],
    sealed: &mut [u8],
    whole_len: u64,
) -> Result<(), Error> {
    let (body, tag) = sealed.split_last_chunk_mut().ok_or_else(record_too_short)?;
    *tag = key.seal_part_into(nonce, text, body, whole_len)?;
    Ok(())
}

#[cfg(feature = "std")]
fn open_in_place<'r>(
    key: &Aes256Gcm,
    nonce: &[u8; 12],
    sealed: &'r mut [u8],
) -> Result<&'r mut [u8], Error> {
    let (text, tag) = sealed.split_last_chunk_mut().ok_or_else(record_too_short)?;
    key.open_in_place(nonce, &[], text, tag)?;
    Ok(text)
}

fn nonce(index: u32, last: bool) -> [u8; 12] {
    let [i0, i1, i2, i3] = index.to_be_bytes();
    [0, 0, 0, 0, 0, 0, i0, i1, i2, i3, 0, u8::from(last)]
}

fn record_too_short() -> Error {
    Error::Argument { what: "record", reason: "it must be 16 bytes a layer longer than its chunk" }
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
