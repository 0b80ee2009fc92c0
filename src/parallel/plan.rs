//! Position of each chunk: pure arithmetic from plaintext to records and back.
//!
//! ```text
//! plaintext  | chunk 0 | chunk 1 | … | last chunk |        every chunk but the last is full
//! body       | record 0      | record 1      | … | last record |
//! record     = chunk, 16 bytes of tag a layer
//! ```

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::error::Error;

/// Bytes that a layer adds to each chunk.
pub(crate) const TAG_LEN: usize = 16;
/// Greatest number of chunks in a document: the nonce has 32 bits for the index.
const MAX_CHUNKS: u64 = 1 << 32;
/// Greatest length of a document's plaintext in bytes.
const MAX_PLAINTEXT_LEN: u64 = 1 << 44;

/// Length of a document's chunks: a power of two from 4 KiB to 16 MiB.
///
/// Larger chunks cost less per byte; smaller ones make reading a short range cheaper.
///
/// # Example
///
/// ```
/// use strongroom::document::ChunkLen;
///
/// assert_eq!(ChunkLen::default().bytes(), 1 << 20);
/// assert_eq!(ChunkLen::new(65_536)?.bytes(), 65_536);
/// assert!(ChunkLen::new(65_537).is_err());
/// # Ok::<(), strongroom::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkLen {
    log2: u8,
}

impl ChunkLen {
    /// A chunk of `bytes` bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] where `bytes` is not a power of two from 4,096 to 16,777,216.
    pub fn new(bytes: u64) -> Result<Self, Error> {
        u8::try_from(bytes.trailing_zeros())
            .ok()
            .and_then(Self::from_log2)
            .filter(|chunk_len| chunk_len.bytes() == bytes)
            .ok_or(Error::Argument {
                what: "chunk length",
                reason: "it must be a power of two from 4096 (4 KiB) to 16777216 (16 MiB)",
            })
    }

    /// A chunk of 2^`log2` bytes, as the format writes it.
    pub(crate) fn from_log2(log2: u8) -> Option<Self> {
        (12..=24).contains(&log2).then_some(Self { log2 })
    }

    pub(crate) fn log2(self) -> u8 {
        self.log2
    }

    /// The length in bytes.
    #[must_use]
    pub fn bytes(self) -> u64 {
        1_u64.wrapping_shl(u32::from(self.log2))
    }
}

impl Default for ChunkLen {
    /// 1 MiB: a chunk and its record fit the second-level cache of one core.
    fn default() -> Self {
        Self { log2: 20 }
    }
}

/// The right to seal one chunk: it cannot be copied, and sealing consumes it.
#[derive(Debug)]
pub(crate) struct Chunk {
    index: u32,
    last: bool,
}

impl Chunk {
    pub(crate) fn index(&self) -> u32 {
        self.index
    }

    pub(crate) fn is_last(&self) -> bool {
        self.last
    }
}

/// Hands out each chunk of one document once, in order, up to the last.
#[derive(Debug, Default)]
pub(crate) struct ChunkCounter {
    next: u64,
    ended: bool,
}

impl ChunkCounter {
    /// The next chunk; `last` ends the document.
    pub(crate) fn take(&mut self, last: bool) -> Result<Chunk, Error> {
        let Some(index) = u32::try_from(self.next).ok().filter(|_| !self.ended) else {
            return Err(Error::Length {
                what: "chunks of a document",
                length: self.next.saturating_add(1),
                limit: if self.ended { self.next } else { MAX_CHUNKS },
            });
        };
        self.next = self.next.saturating_add(1);
        self.ended = last;
        Ok(Chunk { index, last })
    }
}

/// Positions of a chunk's plaintext and of its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChunkSpan {
    pub(crate) index: u32,
    pub(crate) last: bool,
    /// Bytes from the start of the plaintext.
    pub(crate) plaintext_offset: u64,
    pub(crate) plaintext_len: usize,
    /// Bytes from the start of the body.
    pub(crate) record_offset: u64,
    pub(crate) record_len: usize,
}

/// The cut of a plaintext of known length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChunkPlan {
    chunk_len: ChunkLen,
    /// Bytes that a record is longer than its chunk.
    overhead: u64,
    plaintext_len: u64,
    chunks: u64,
}

impl ChunkPlan {
    /// The plan for `plaintext_len` bytes.
    pub(crate) fn new(chunk_len: ChunkLen, layers: u8, plaintext_len: u64) -> Result<Self, Error> {
        if plaintext_len > MAX_PLAINTEXT_LEN {
            let (what, limit) = ("plaintext, in bytes", MAX_PLAINTEXT_LEN);
            return Err(Error::Length { what, length: plaintext_len, limit });
        }
        // An empty document is one empty chunk.
        let chunks = plaintext_len.div_ceil(chunk_len.bytes()).max(1);
        if chunks > MAX_CHUNKS {
            let (what, limit) = ("chunks of a document", MAX_CHUNKS);
            return Err(Error::Length { what, length: chunks, limit });
        }
        let overhead = (TAG_LEN as u64).saturating_mul(u64::from(layers));
        Ok(Self { chunk_len, overhead, plaintext_len, chunks })
    }

    /// The plan whose body has `body_len` bytes, or why there is none.
    pub(crate) fn from_body_len(
        chunk_len: ChunkLen,
        layers: u8,
        body_len: u64,
    ) -> Result<Self, &'static str> {
        const TOO_LONG: &str = "the body is longer than a document may be";
        let record_len = Self::record_len(chunk_len, layers);
        let records = body_len.div_ceil(record_len).max(1);
        let tags = (TAG_LEN as u64).saturating_mul(u64::from(layers)).saturating_mul(records);
        let Some(plaintext_len) = body_len.checked_sub(tags) else {
            return Err("the body ends in the middle of a tag");
        };
        let plan = Self::new(chunk_len, layers, plaintext_len).map_err(|_| TOO_LONG)?;
        // A record with a tag and nothing else is an empty document's only one.
        if plan.chunks == records { Ok(plan) } else { Err("the last record holds no text") }
    }

    /// Length of the record of a full chunk, in bytes.
    pub(crate) fn record_len(chunk_len: ChunkLen, layers: u8) -> u64 {
        chunk_len.bytes().saturating_add((TAG_LEN as u64).saturating_mul(u64::from(layers)))
    }

    pub(crate) fn plaintext_len(&self) -> u64 {
        self.plaintext_len
    }

    /// Number of chunks, at least one.
    pub(crate) fn chunks(&self) -> u64 {
        self.chunks
    }

    /// Length of all records together, in bytes.
    pub(crate) fn body_len(&self) -> u64 {
        self.plaintext_len.saturating_add(self.overhead.saturating_mul(self.chunks))
    }

    /// Positions of chunk `index`; `None` past the last.
    pub(crate) fn span(&self, index: u32) -> Option<ChunkSpan> {
        let left = self.chunks.checked_sub(u64::from(index))?;
        let last = match left {
            0 => return None,
            left => left == 1,
        };
        let plaintext_offset = self.chunk_len.bytes().saturating_mul(u64::from(index));
        let left = self.plaintext_len.saturating_sub(plaintext_offset);
        let plaintext_len = left.min(self.chunk_len.bytes());
        let tags_before = self.overhead.saturating_mul(u64::from(index));
        Some(ChunkSpan {
            index,
            last,
            plaintext_offset,
            plaintext_len: usize::try_from(plaintext_len).ok()?,
            record_offset: plaintext_offset.saturating_add(tags_before),
            record_len: usize::try_from(plaintext_len.saturating_add(self.overhead)).ok()?,
        })
    }

    /// The chunk that holds the plaintext's byte at `offset`; `None` past the end.
    pub(crate) fn chunk_at(&self, offset: u64) -> Option<ChunkSpan> {
        if offset >= self.plaintext_len {
            return None;
        }
        let index = offset.checked_div(self.chunk_len.bytes())?;
        self.span(u32::try_from(index).ok()?)
    }

    /// The last chunk.
    pub(crate) fn last(&self) -> Option<ChunkSpan> {
        self.span(u32::try_from(self.chunks.saturating_sub(1)).ok()?)
    }

    /// Every chunk's span, in order.
    pub(crate) fn spans(self) -> impl Iterator<Item = ChunkSpan> + Send {
        (0..=u32::MAX).map_while(move |index| self.span(index))
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "128 bits do not overflow, and a test may panic")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Lengths near what decides: nothing, a chunk's boundary, the greatest of all, and the sum's end.
    fn lengths() -> impl Strategy<Value = u64> {
        let near =
            |edge: u64| (0..40_u64).prop_map(move |by| edge.saturating_add(by).saturating_sub(20));
        prop_oneof![
            0..100_000_u64,
            0..=MAX_PLAINTEXT_LEN,
            (12..64_u32, 1..=4096_u64)
                .prop_flat_map(move |(log2, times)| { near(times.saturating_mul(1 << log2)) }),
            near(MAX_PLAINTEXT_LEN),
            near(MAX_PLAINTEXT_LEN + (32 << 32)),
            near(u64::MAX),
            any::<u64>(),
        ]
    }

    /// The same by arithmetic that cannot overflow, of one chunk at a time.
    struct Model {
        chunk: u128,
        tags: u128,
        text: u128,
    }

    impl Model {
        fn chunks(&self) -> u128 {
            if self.text == 0 {
                1
            } else {
                self.text / self.chunk + u128::from(!self.text.is_multiple_of(self.chunk))
            }
        }

        fn body(&self) -> u128 {
            self.text + self.chunks() * self.tags
        }

        fn is_within_limits(&self) -> bool {
            self.text <= 1 << 44 && self.chunks() <= 1 << 32
        }

        fn text_of(&self, index: u128) -> u128 {
            if index + 1 < self.chunks() { self.chunk } else { self.text - index * self.chunk }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn agrees_with_arithmetic_that_cannot_overflow(
            log2 in 12..=24_u8,
            layers in 1..=2_u8,
            length in lengths(),
            place in any::<prop::sample::Index>(),
        ) {
            let chunk_len = ChunkLen::from_log2(log2).unwrap();
            let (chunk, tags) = (1_u128 << log2, 16 * u128::from(layers));
            let model = Model { chunk, tags, text: length.into() };
            let plan = ChunkPlan::new(chunk_len, layers, length);
            prop_assert_eq!(plan.is_ok(), model.is_within_limits());
            if let Ok(plan) = plan {
                prop_assert_eq!(u128::from(plan.chunks()), model.chunks());
                prop_assert_eq!(u128::from(plan.body_len()), model.body());
                prop_assert_eq!(ChunkPlan::from_body_len(chunk_len, layers, plan.body_len()), Ok(plan));

                let last = u32::try_from(model.chunks() - 1).unwrap();
                let any = u32::try_from(place.index(usize::MAX) as u128 % model.chunks()).unwrap();
                for index in [0, any, last.saturating_sub(1), last] {
                    let span = plan.span(index).unwrap();
                    let number = u128::from(index);
                    prop_assert_eq!(u128::from(span.plaintext_offset), number * chunk);
                    prop_assert_eq!(span.plaintext_len as u128, model.text_of(number));
                    prop_assert_eq!(u128::from(span.record_offset), number * (chunk + tags));
                    prop_assert_eq!(span.record_len as u128, model.text_of(number) + tags);
                    prop_assert_eq!(span.last, index == last);
                    let (from, len) = (span.plaintext_offset, span.plaintext_len as u64);
                    for offset in [from, from + len / 2, from + len.saturating_sub(1)] {
                        prop_assert_eq!(plan.chunk_at(offset), (len > 0).then_some(span));
                    }
                }
                prop_assert_eq!(last.checked_add(1).and_then(|past| plan.span(past)), None);
                prop_assert_eq!(plan.last().map(|span| span.index), Some(last));
                prop_assert_eq!(plan.chunk_at(length), None);
            }

            // The same number as a body's length: there is a plan if and only if some text has that body.
            let records = model.text.div_ceil(chunk + tags).max(1);
            let text = model.text.checked_sub(records * tags);
            let back = text.map(|text| Model { chunk, tags, text });
            let expected = back.filter(|back| back.is_within_limits() && back.body() == model.text);
            let plan = ChunkPlan::from_body_len(chunk_len, layers, length).ok();
            prop_assert_eq!(plan.map(|plan| u128::from(plan.plaintext_len())), expected.map(|plan| plan.text));
        }
    }

    fn chunk_len() -> ChunkLen {
        ChunkLen::new(4096).unwrap()
    }

    /// The plan against a walk through the text, byte counts only.
    #[test]
    fn agrees_with_a_walk() {
        for layers in [1, 2] {
            for plaintext_len in (0..20_000).step_by(7).chain([4095, 4096, 4097, 8192, 12_288]) {
                let plan = ChunkPlan::new(chunk_len(), layers, plaintext_len).unwrap();
                let (mut at, mut record_at, mut left) = (0, 0, plaintext_len);
                let mut spans = plan.spans();
                loop {
                    let take = left.min(4096);
                    left -= take;
                    let record_len = take + 16 * u64::from(layers);
                    let span = spans.next().unwrap();
                    assert_eq!(span.plaintext_offset, at);
                    assert_eq!(span.plaintext_len as u64, take);
                    assert_eq!(span.record_offset, record_at);
                    assert_eq!(span.record_len as u64, record_len);
                    assert_eq!(span.last, left == 0);
                    at += take;
                    record_at += record_len;
                    if left == 0 {
                        break;
                    }
                }
                assert_eq!(spans.next(), None);
                assert_eq!(plan.body_len(), record_at);
                let back = ChunkPlan::from_body_len(chunk_len(), layers, plan.body_len());
                assert_eq!(back, Ok(plan));
            }
        }
    }

    /// Of all body lengths, those that no plaintext has are refused.
    #[test]
    fn body_lengths_that_no_plaintext_has_are_refused() {
        let reachable: Vec<u64> = (0..=3 * 4096)
            .map(|len| ChunkPlan::new(chunk_len(), 1, len).unwrap().body_len())
            .collect();
        let mut refused = 0;
        for body_len in 0..=3 * (4096 + 16) {
            let plan = ChunkPlan::from_body_len(chunk_len(), 1, body_len);
            assert_eq!(plan.is_ok(), reachable.contains(&body_len), "{body_len}");
            refused += usize::from(plan.is_err());
        }
        // Before the first tag is whole, and from one byte past a full record to its next tag.
        assert_eq!(refused, 16 + 2 * 16);
    }

    #[test]
    fn limits_hold_without_overflow() {
        let most = ChunkPlan::new(chunk_len(), 2, 1 << 44).unwrap();
        assert_eq!(most.chunks(), 1 << 32);
        let last = most.span(u32::MAX).unwrap();
        assert!(last.last);
        assert_eq!(last.record_offset + last.record_len as u64, most.body_len());
        assert!(ChunkPlan::new(chunk_len(), 1, (1 << 44) + 1).is_err());
        assert!(ChunkPlan::new(ChunkLen::default(), 1, u64::MAX).is_err());
        for body_len in [u64::MAX, u64::MAX - 4096, (1 << 44) + (16 << 32) + 1] {
            assert!(ChunkPlan::from_body_len(chunk_len(), 1, body_len).is_err());
        }
    }

    #[test]
    fn chunk_lengths_are_powers_of_two_within_limits() {
        let valid: Vec<u64> =
            (0..64).map(|log2| 1 << log2).filter(|bytes| ChunkLen::new(*bytes).is_ok()).collect();
        assert_eq!(valid, (12..=24).map(|log2| 1 << log2).collect::<Vec<u64>>());
        for bytes in [0, 1, 4095, 4097, 12_288, u64::MAX] {
            assert!(ChunkLen::new(bytes).is_err(), "{bytes}");
        }
    }

    #[test]
    fn a_counter_ends_with_the_last_chunk_and_at_the_limit() {
        let mut counter = ChunkCounter::default();
        assert_eq!(counter.take(false).unwrap().index(), 0);
        assert!(counter.take(true).unwrap().is_last());
        assert!(counter.take(false).is_err());

        let mut counter = ChunkCounter { next: u64::from(u32::MAX), ended: false };
        assert_eq!(counter.take(false).unwrap().index(), u32::MAX);
        assert!(matches!(counter.take(true), Err(Error::Length { limit: MAX_CHUNKS, .. })));
    }
}
