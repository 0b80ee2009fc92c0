//! Parts of a document, without the rest.
//!
//! ```text
//! range of the plaintext -> chunks that hold it -> their records: one piece of the sealed document
//!                        -> each chunk opened whole, for a tag covers all of it -> the range's bytes
//! ```
//!
//! Each chunk authenticates length, context and its own place, so that a range needs nothing else.
//! A stream's length is authenticated by its last chunk, which is opened first.

use alloc::vec::Vec;
use core::ops::Range;

use zeroize::{Zeroize, Zeroizing};

use super::layout::Layout;
use super::opener::Opener;
use crate::error::Error;
use crate::parallel::ChunkSpan;

impl Opener {
    /// Opens a part of a document that was fetched by itself: `sealed` are the bytes of
    /// [`Layout::sealed_range`] for the same `plaintext` range.
    ///
    /// Of a stream, the caller first opens a range that ends where the layout says the plaintext does,
    /// or the length is not authenticated; a [`Reader`](super::Reader) does so by itself.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] where the range is not within the plaintext or `sealed` has another length
    /// than the sealed range, [`Error::Authentication`] where a chunk was changed.
    pub fn open_range(
        &self,
        layout: &Layout,
        plaintext: Range<u64>,
        sealed: &[u8],
    ) -> Result<Vec<u8>, Error> {
        let expected = layout.sealed_range(plaintext.clone())?;
        if sealed.len() as u64 != expected.end.saturating_sub(expected.start) {
            let reason = "it must have exactly the length of the sealed range";
            return Err(Error::Argument { what: "sealed bytes", reason });
        }
        let mut text = Vec::new();
        let Some((first, last)) = layout.spans(&plaintext)? else { return Ok(text) };
        let mut records = sealed;
        // One chunk's text at a time, so that the result is as long as the range and no longer.
        let mut chunk = Zeroizing::new(Vec::new());
        let mut between = Vec::new();
        for index in first.index..=last.index {
            let span = layout.plan().span(index).ok_or(Error::Authentication)?;
            let record = records.split_off(..span.record_len).unwrap_or_default();
            chunk.resize(span.plaintext_len, 0);
            if let Err(error) = self.cipher.open_into(span, record, &mut chunk, &mut between) {
                text.zeroize();
                return Err(error);
            }
            text.extend_from_slice(chunk.get(within(span, &plaintext)).unwrap_or_default());
        }
        Ok(text)
    }
}

/// The part of a chunk that is in a range of the plaintext.
pub(super) fn within(span: ChunkSpan, plaintext: &Range<u64>) -> Range<usize> {
    let clamp = |offset: u64| {
        let offset = offset.saturating_sub(span.plaintext_offset);
        usize::try_from(offset).map_or(span.plaintext_len, |at| at.min(span.plaintext_len))
    };
    clamp(plaintext.start)..clamp(plaintext.end)
}
