//! Parts of a document, without the rest: where they lie (arithmetic, no keys and no I/O), and opening
//! them.
//!
//! ```text
//! range of the plaintext -> chunks that hold it -> their records: one piece of the sealed document
//!                        -> each chunk authenticated whole -> the range's bytes
//! ```
//!
//! Each chunk authenticates length, context and its own place, so that a range needs nothing else.
//! A stream's length is authenticated by its last chunk, which is opened first: there is no [`Layout`]
//! without it.

use alloc::vec::Vec;
use core::cmp::Ordering;
use core::ops::Range;

use zeroize::Zeroize;

use crate::document::chunk::Buffers;
use crate::document::header::Header;
use crate::document::header::prologue::PROLOGUE_LEN;
use crate::document::open::Opener;
use crate::document::seal::too_long_for_memory;
use crate::document::{ChunkLen, PlaintextLen};
use crate::error::Error;
use crate::gcm::Output;
use crate::parallel::{ChunkPlan, ChunkSpan, Memory, Work, for_each};
use crate::secret::wipe_stack;

impl Opener {
    /// Opens a part of a document that was fetched by itself: `sealed` are the bytes of
    /// [`Layout::sealed_range`] for the same `plaintext` range.
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
        if self.claimed_layout(layout.sealed_len()).ok().as_ref() != Some(layout) {
            return Err(other_document());
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
        let mut records = sealed;
        let jobs = layout.pieces(plaintext.start, &mut text)?.map(|piece| {
            let piece = piece?;
            let record = records.split_off(..piece.span.record_len).ok_or(Error::Authentication)?;
            Ok((piece, record))
        });
        let chunks = u64::from(last.index.saturating_sub(first.index)).saturating_add(1);
        let work = Work { bytes: sealed.len() as u64, jobs: chunks };
        let output = Output::of_len(length as u64);
        let opened = for_each(work.team(Memory::Callers), jobs, |job: Result<_, Error>| {
            let (Piece { span, start, text }, record) = job?;
            if text.len() < span.plaintext_len {
                return self.cipher.open_parts(span, record, [(start, text)]);
            }
            let buffers = Buffers::Apart(record, text, output);
            self.cipher.open(span.index, span.last, buffers).map(|_| ())
        });
        if let Err(error) = opened {
            text.zeroize();
            return Err(error);
        }
        Ok(text)
    }
}

impl Opener {
    /// The layout of a sealed document of `sealed_len` bytes (with its header, or with the prologue where the
    /// header is detached), if it has that length: see [`UnverifiedLayout`].
    ///
    /// # Errors
    ///
    /// [`Error::Format`] where no document with this header has that length.
    pub fn layout(&self, sealed_len: u64) -> Result<UnverifiedLayout, Error> {
        self.claimed_layout(sealed_len).map(|layout| self.unverified(layout))
    }

    /// The layout, after `proof` has vouched for it: the bytes of [`UnverifiedLayout::proof_range`].
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] where `proof` has another length, or the layout is another document's;
    /// [`Error::Authentication`] where the document ends elsewhere, or was changed there.
    pub fn verify_layout(&self, layout: &UnverifiedLayout, proof: &[u8]) -> Result<Layout, Error> {
        let claimed = self.claimed_layout(layout.claimed.sealed_len()).ok();
        let Some(claimed) = claimed.filter(|own| self.unverified(*own) == *layout) else {
            return Err(other_document());
        };
        let range = layout.proof_range();
        if proof.len() as u64 != range.end.saturating_sub(range.start) {
            let reason = "it must have exactly the length of the proof's range";
            return Err(Error::Argument { what: "proof", reason });
        }
        if layout.is_stream {
            let last = claimed.plan.last().ok_or(Error::Authentication)?;
            let mut text = alloc::vec![0; last.plaintext_len];
            let buffers = Buffers::Apart(proof, &mut text, Output::of_len(0));
            let opened = self.cipher.open(last.index, last.last, buffers).map(|_| ());
            text.zeroize();
            wipe_stack();
            opened?;
        }
        Ok(claimed)
    }

    fn unverified(&self, claimed: Layout) -> UnverifiedLayout {
        UnverifiedLayout { claimed, is_stream: self.plaintext_len() == PlaintextLen::Stream }
    }
}

fn other_document() -> Error {
    let reason = "it is not of the document that the opener is for";
    Error::Argument { what: "layout", reason }
}

/// A piece of the plaintext that lies in one chunk.
pub(crate) struct Piece<'t> {
    pub(crate) span: ChunkSpan,
    /// Position of the piece in the chunk's text, in bytes.
    pub(crate) start: usize,
    pub(crate) text: &'t mut [u8],
}

/// The part of a chunk that is in a range of the plaintext.
pub(crate) fn within(span: ChunkSpan, plaintext: &Range<u64>) -> Range<usize> {
    let clamp = |offset: u64| {
        let offset = offset.saturating_sub(span.plaintext_offset);
        usize::try_from(offset).map_or(span.plaintext_len, |at| at.min(span.plaintext_len))
    };
    clamp(plaintext.start)..clamp(plaintext.end)
}

/// Layout of a sealed document if it had the length that the caller states. A stream's header states no
/// length, and a document that was cut between two chunks looks like a shorter one: its last chunk must
/// vouch, and [`Opener::verify_layout`] then gives the [`Layout`].
///
/// # Example
///
/// ```
/// use strongroom::document::{Header, OpenOptions, PlaintextLen, SealOptions, Sealer};
/// use strongroom::secret::Secret;
/// use strongroom::wrap::{KeyId, UnwrappingKey, WrappingKey};
///
/// let (id, key) = (KeyId::new("vault/contracts/1")?, [7; 32]);
/// let wrapping = WrappingKey::aes(id.clone(), Secret::copy_from(&key));
/// let sealer = Sealer::new(PlaintextLen::Stream, &[wrapping], &SealOptions::default())?;
/// let sealed = sealer.seal_slice(b"text")?;
///
/// let key = UnwrappingKey::aes(id, Secret::copy_from(&key));
/// let opener = Header::parse(&sealed)?.unlock_with(&[key], &OpenOptions::default())?;
/// let layout = opener.layout(sealed.len() as u64)?;
/// assert_eq!(layout.proof_range(), 2560..2580); // what a remote reader fetches first
/// let layout = opener.verify_layout(&layout, &sealed[2560..2580])?;
/// assert_eq!(layout.plaintext_len(), 4);
/// # Ok::<(), strongroom::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnverifiedLayout {
    claimed: Layout,
    is_stream: bool,
}

impl UnverifiedLayout {
    /// Length of the plaintext in bytes, as header and length claim it: nothing vouches for it yet.
    #[must_use]
    pub fn claimed_plaintext_len(&self) -> u64 {
        self.claimed.plaintext_len()
    }

    /// The bytes of the sealed document that vouch for the layout: a stream's last record. None where
    /// the header states the length, which the keys are bound to.
    #[must_use]
    pub fn proof_range(&self) -> Range<u64> {
        let claimed = &self.claimed;
        match claimed.plan.last() {
            Some(last) if self.is_stream => {
                claimed.leading.saturating_add(last.record_offset)..claimed.sealed_len()
            }
            _ => claimed.leading..claimed.leading,
        }
    }
}

/// Layout of one sealed document, whose length is verified: [`Opener::verify_layout`] and
/// [`Opener::file_layout`] make it.
///
/// A remote reader asks for [`Layout::sealed_range`] and gives what it gets to
/// [`Opener::open_range`](crate::document::Opener::open_range): one contiguous piece for any range.
///
/// # Example
///
/// ```
/// use strongroom::document::{self, ChunkLen, Header, OpenOptions, SealOptions};
/// use strongroom::secret::Secret;
/// use strongroom::wrap::{KeyId, UnwrappingKey, WrappingKey};
///
/// let (id, key) = (KeyId::new("vault/contracts/1")?, [7; 32]);
/// let wrapping = WrappingKey::aes(id.clone(), Secret::copy_from(&key));
/// let options = SealOptions { chunk_len: ChunkLen::new(4096)?, ..SealOptions::default() };
/// let sealed = document::seal(&[0; 10_000], &[wrapping], &options)?;
///
/// let key = UnwrappingKey::aes(id, Secret::copy_from(&key));
/// let opener = Header::parse(&sealed)?.unlock_with(&[key], &OpenOptions::default())?;
/// let layout = opener.file_layout(&sealed[..])?;
/// assert_eq!(layout.plaintext_len(), 10_000);
/// // The header of 2,560 bytes, one record of 4,096 + 16 bytes, and that which holds the range.
/// assert_eq!(layout.sealed_range(5000..5004)?, 6672..10_784);
/// assert_eq!(opener.open_range(&layout, 5000..5004, &sealed[6672..10_784])?, [0; 4]);
/// # Ok::<(), strongroom::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The commitment of the document that it is of: in another one a stream may end elsewhere.
    document: [u8; 32],
    /// Bytes before the body.
    leading: u64,
    plan: ChunkPlan,
}

impl Layout {
    /// For a document of `sealed_len` bytes, of which the first `leading` are not its body.
    pub(crate) fn new(
        document: [u8; 32],
        leading: usize,
        chunk_len: ChunkLen,
        layers: u8,
        plaintext_len: PlaintextLen,
        sealed_len: u64,
    ) -> Result<Self, Error> {
        let leading = leading as u64;
        let cut = Error::Format { offset: sealed_len, reason: CUT };
        let Some(body_len) = sealed_len.checked_sub(leading) else { return Err(cut) };
        let plan = match plaintext_len {
            PlaintextLen::Known(bytes) => {
                let plan = ChunkPlan::new(chunk_len, layers, bytes)?;
                match body_len.cmp(&plan.body_len()) {
                    Ordering::Equal => plan,
                    Ordering::Less => return Err(cut),
                    Ordering::Greater => {
                        let offset = leading.saturating_add(plan.body_len());
                        return Err(Error::Format { offset, reason: APPENDED });
                    }
                }
            }
            PlaintextLen::Stream => ChunkPlan::from_body_len(chunk_len, layers, body_len)
                .map_err(|reason| Error::Format { offset: sealed_len, reason })?,
        };
        Ok(Self { document, leading, plan })
    }

    /// Length of the plaintext in bytes.
    #[must_use]
    pub fn plaintext_len(&self) -> u64 {
        self.plan.plaintext_len()
    }

    /// Length of the sealed document in bytes.
    #[must_use]
    pub fn sealed_len(&self) -> u64 {
        self.leading.saturating_add(self.plan.body_len())
    }

    /// The bytes of the sealed document that hold `plaintext`, whole records: none for an empty range.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] where the range ends before it begins or past the plaintext's end.
    pub fn sealed_range(&self, plaintext: Range<u64>) -> Result<Range<u64>, Error> {
        let spans = self.spans(&plaintext)?;
        let Some((first, last)) = spans else { return Ok(self.leading..self.leading) };
        let start = self.leading.saturating_add(first.record_offset);
        let end = self.leading.saturating_add(last.record_offset);
        Ok(start..end.saturating_add(last.record_len as u64))
    }

    /// The first and the last chunk of a range; `None` of an empty one.
    pub(crate) fn spans(
        &self,
        plaintext: &Range<u64>,
    ) -> Result<Option<(ChunkSpan, ChunkSpan)>, Error> {
        if plaintext.start > plaintext.end || plaintext.end > self.plaintext_len() {
            let reason =
                "it must begin before it ends, and end where the plaintext does or earlier";
            return Err(Error::Argument { what: "range", reason });
        }
        let Some(last) = plaintext.end.checked_sub(1).filter(|last| *last >= plaintext.start)
        else {
            return Ok(None);
        };
        let chunk = |offset| self.plan.chunk_at(offset).ok_or(Error::Authentication);
        Ok(Some((chunk(plaintext.start)?, chunk(last)?)))
    }

    /// Splits `text`, which begins at `offset` of the plaintext, at the borders of chunks.
    pub(crate) fn pieces<'t>(
        &self,
        offset: u64,
        text: &'t mut [u8],
    ) -> Result<impl Iterator<Item = Result<Piece<'t>, Error>> + use<'t>, Error> {
        let range = offset..offset.saturating_add(text.len() as u64);
        let indexes = self.spans(&range)?.map(|(first, last)| first.index..=last.index);
        let (plan, mut rest) = (self.plan, text);
        Ok(indexes.into_iter().flatten().map(move |index| {
            let span = plan.span(index).ok_or(Error::Authentication)?;
            let within = within(span, &range);
            let text = rest.split_off_mut(..within.len()).ok_or(Error::Authentication)?;
            Ok(Piece { span, start: within.start, text })
        }))
    }

    /// Bytes before the body.
    #[cfg(feature = "std")]
    pub(crate) fn leading(&self) -> u64 {
        self.leading
    }

    pub(crate) fn plan(&self) -> ChunkPlan {
        self.plan
    }
}

impl Header {
    /// The layout of the document with this header, header included, if that is `sealed_len` bytes long.
    ///
    /// # Errors
    ///
    /// [`Error::Format`] where no document with this header has that length.
    pub fn layout(&self, sealed_len: u64) -> Result<UnverifiedLayout, Error> {
        self.layout_behind(self.len(), sealed_len)
    }

    /// The same where the header is detached: `sealed_len` counts the prologue and the body.
    ///
    /// # Errors
    ///
    /// As [`Header::layout`].
    pub fn detached_layout(&self, sealed_len: u64) -> Result<UnverifiedLayout, Error> {
        self.layout_behind(PROLOGUE_LEN, sealed_len)
    }

    fn layout_behind(&self, leading: usize, sealed_len: u64) -> Result<UnverifiedLayout, Error> {
        let (document, plaintext_len) = (*self.commitment(), self.plaintext_len());
        let claimed = Layout::new(
            document,
            leading,
            self.chunk_len(),
            self.layers(),
            plaintext_len,
            sealed_len,
        )?;
        Ok(UnverifiedLayout { claimed, is_stream: plaintext_len == PlaintextLen::Stream })
    }
}

pub(crate) const CUT: &str = "it ends before its last byte: it was truncated";
pub(crate) const APPENDED: &str = "it goes on after its last byte: something was appended";
