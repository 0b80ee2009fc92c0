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
use crate::document::PlaintextLen;
use crate::error::Error;
use crate::gcm::{Aes256Gcm, InOutBuf, Output};
use crate::parallel::{Chunk, ChunkSpan, TAG_LEN};
use crate::secret::Buffer;

/// Length of a text in bytes from which on a counter cache for its document saves more than it takes to make.
const CACHE_FROM: u64 = 16 * 1024;

/// Seals and opens the chunks of one document.
pub(crate) struct ChunkCipher {
    inner: Aes256Gcm,
    /// Of a document of two layers.
    outer: Option<Aes256Gcm>,
}

impl ChunkCipher {
    /// For the chunk keys of all layers, the inner one first.
    pub(crate) fn new(
        chunk_keys: &[[u8; 32]],
        plaintext_len: PlaintextLen,
        backend: Backend,
    ) -> Result<Self, Error> {
        let is_short = matches!(plaintext_len, PlaintextLen::Known(bytes) if bytes < CACHE_FROM);
        let cipher = |key| {
            if is_short {
                Aes256Gcm::unprepared(key, backend)
            } else {
                Aes256Gcm::with_counter_cache(key, backend, &nonce(0, false))
            }
        };
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

    /// Seals a chunk's text into its record.
    #[allow(clippy::needless_pass_by_value, reason = "sealing consumes the chunk")]
    pub(crate) fn seal(&self, chunk: Chunk, buffers: Buffers<'_, '_>) -> Result<(), Error> {
        let nonce = nonce(chunk.index(), chunk.is_last());
        let (text, record, output) = match buffers {
            #[cfg(feature = "std")]
            Buffers::InPlace(record) => (None, record, Output::Cached),
            Buffers::Apart(text, record, output) => (Some(text), record, output),
        };
        let seal = |layer: &Aes256Gcm, text: Option<&[u8]>, sealed: &mut [u8], output| {
            let (body, tag) = sealed.split_last_chunk_mut().ok_or_else(record_too_short)?;
            let buffer = match text {
                Some(text) => InOutBuf::new(text, body).map_err(|_| record_too_short())?,
                None => body.into(),
            };
            *tag = layer.seal(&nonce, &[], buffer, output)?;
            Ok(())
        };
        let Some(outer) = &self.outer else { return seal(&self.inner, text, record, output) };
        let inner = record.split_last_chunk_mut::<TAG_LEN>();
        let (inner, _) = inner.ok_or_else(record_too_short)?;
        // In the cache, where the outer layer is to find it.
        seal(&self.inner, text, inner, Output::Cached)?;
        seal(outer, None, record, Output::Cached)
    }

    /// Opens the record of the chunk of that index, the `last` one or not, and returns its text; zeros
    /// where a tag does not hold.
    pub(crate) fn open<'o>(
        &self,
        index: u32,
        last: bool,
        buffers: Buffers<'_, 'o>,
    ) -> Result<&'o mut [u8], Error> {
        let nonce = nonce(index, last);
        match buffers {
            #[cfg(feature = "std")]
            Buffers::InPlace(record) => {
                let open = |layer: &Aes256Gcm, sealed: &'o mut [u8]| {
                    let (text, tag) = sealed.split_last_chunk_mut().ok_or_else(record_too_short)?;
                    layer.open(&nonce, &[], (&mut *text).into(), tag, Output::Cached)?;
                    Ok(text)
                };
                let record = match &self.outer {
                    Some(outer) => open(outer, record)?,
                    None => record,
                };
                open(&self.inner, record)
            }
            Buffers::Apart(record, text, output) => {
                let (body, tag) = record.split_last_chunk().ok_or_else(record_too_short)?;
                let Some(outer) = &self.outer else {
                    let buffer = InOutBuf::new(body, &mut *text).map_err(|_| record_too_short())?;
                    self.inner.open(&nonce, &[], buffer, tag, output)?;
                    return Ok(text);
                };
                // The inner record is opened where it is: only its tag is elsewhere.
                let mut inner_tag = [0; TAG_LEN];
                outer.open_split(&nonce, body, text, &mut inner_tag, tag)?;
                let buffer = (&mut *text).into();
                self.inner.open(&nonce, &[], buffer, &inner_tag, Output::Cached)?;
                Ok(text)
            }
        }
    }

    /// True where less than all of a chunk is decrypted for so many bytes of it: where there is one layer. Of
    /// two the inner one is found by decrypting all of the outer.
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
        let whole = Buffers::Apart(record, &mut text, Output::Cached);
        self.open(span.index, span.last, whole)?;
        parts.into_iter().try_for_each(|(offset, part)| copy(&text, offset, part))
    }
}

/// Input and output of one chunk.
pub(crate) enum Buffers<'i, 'o> {
    /// The record's, with the text at its start: what is behind it becomes the tags, or was them.
    #[cfg(feature = "std")]
    InPlace(&'o mut [u8]),
    /// The text and the record, or the record and the text: the record is longer by the overhead.
    Apart(&'i [u8], &'o mut [u8], Output),
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
