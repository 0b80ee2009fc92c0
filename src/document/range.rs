//! Parts of a document, without the rest.
//!
//! ```text
//! range of the plaintext -> chunks that hold it -> their records: one piece of the sealed document
//!                        -> each chunk authenticated whole -> the range's bytes
//! ```
//!
//! Each chunk authenticates length, context and its own place, so that a range needs nothing else.
//! A stream's length is authenticated by its last chunk, which is opened first.

use alloc::vec::Vec;
use core::ops::Range;

use zeroize::Zeroize;

use super::layout::Layout;
use super::opener::Opener;
use super::sealer::too_long_for_memory;
use crate::error::Error;
use crate::parallel::{ChunkSpan, for_each, workers};

impl Opener {
    /// Opens a part of a document that was fetched by itself: `sealed` are the bytes of
    /// [`Layout::sealed_range`] for the same `plaintext` range.
    ///
    /// Of a stream, the caller first opens a range that ends where the layout says the plaintext does,
    /// or the length is not authenticated; a [`Reader`](super::Reader) does so by itself.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] where the range is not within the plaintext, `sealed` has another length
    /// than the sealed range, or the layout is another document's; [`Error::Authentication`] where a
    /// chunk was changed.
    pub fn open_range(
        &self,
        layout: &Layout,
        plaintext: Range<u64>,
        sealed: &[u8],
    ) -> Result<Vec<u8>, Error> {
        // Of chunks of another length an index is another place: a last one would open there too.
        if self.layout(layout.sealed_len()).ok().as_ref() != Some(layout) {
            let reason = "it is not of the document that the opener is for";
            return Err(Error::Argument { what: "layout", reason });
        }
        let expected = layout.sealed_range(plaintext.clone())?;
        if sealed.len() as u64 != expected.end.saturating_sub(expected.start) {
            let reason = "it must have exactly the length of the sealed range";
            return Err(Error::Argument { what: "sealed bytes", reason });
        }
        let Some((first, last)) = layout.spans(&plaintext)? else { return Ok(Vec::new()) };
        let length = usize::try_from(plaintext.end.saturating_sub(plaintext.start))
            .map_err(|_| too_long_for_memory())?;
        let mut text = alloc::vec![0; length];
        let (mut records, mut parts) = (sealed, &mut text[..]);
        let jobs = (first.index..=last.index).map_while(|index| {
            let span = layout.plan().span(index)?;
            let within = within(span, &plaintext);
            let record = records.split_off(..span.record_len)?;
            Some((span, record, within.start, parts.split_off_mut(..within.len())?))
        });
        let chunks = u64::from(last.index.saturating_sub(first.index)).saturating_add(1);
        let workers = workers(sealed.len() as u64, chunks, 0, usize::MAX);
        let whole_len = length as u64;
        let opened = for_each(
            workers,
            jobs,
            || (),
            |(), (span, record, from, part)| {
                if part.len() == span.plaintext_len {
                    self.cipher.open_into(span, record, part, whole_len)
                } else {
                    self.cipher.open_parts(span, record, [(from, part)])
                }
            },
        );
        if let Err(error) = opened {
            text.zeroize();
            return Err(error);
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
