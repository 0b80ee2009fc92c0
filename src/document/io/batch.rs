//! A stream's chunks in batches, without input and output: whoever brings those fills a [`Batch`],
//! has it sealed or opened on the current thread pool, and takes it out again.
//!
//! ```text
//! input -> Batch -> BatchSealer::seal or BatchOpener::open -> outputs, in order
//! ```

use crate::document::chunk::{Buffers, ChunkCipher};
use crate::document::open::Opener;
use crate::document::range::APPENDED;
use crate::document::seal::{Process, Sealer};
use crate::document::{ChunkLen, PlaintextLen, Run, Totals};
use crate::error::Error;
use crate::parallel::{ChunkCounter, ChunkPlan, Memory, Team, Work, for_each};
use crate::secret::Buffer;

/// Batches that are in use at once: one is read, one is computed, one is written.
pub(crate) const IN_FLIGHT: usize = 3;

/// As many chunks as the memory allows and the workers need. Wiped on drop.
///
/// See [`BatchSealer`] for an example.
pub struct Batch {
    shape: Shape,
    /// Made when they are first needed: a short text needs one.
    records: Vec<Record>,
    /// Those that are filled to the end.
    full: usize,
}

/// Dimensions common to all batches of a stream.
#[derive(Clone, Copy, Debug)]
struct Shape {
    capacity: usize,
    record_len: usize,
    /// Bytes of input that fill a record's buffer: a chunk, or its record.
    input_len: usize,
    team: Team,
}

struct Record {
    buffer: Buffer,
    input_len: usize,
    output_len: usize,
}

impl Shape {
    fn new(input_len: usize, record_len: usize, run: &Run<'_>) -> Self {
        let memory = run.memory / IN_FLIGHT;
        let buffers = Memory::Buffers { len: record_len, budget: memory };
        let Team { workers, draw } = Work::endless(record_len).team(buffers);
        // Two draws a worker even out those that take longer than others.
        let capacity = (2 * workers * draw).min(memory / record_len).max(1);
        let team = Team { workers, draw: draw.min(capacity / workers).max(1) };
        Self { capacity, record_len, input_len, team }
    }

    fn batch(self) -> Batch {
        Batch { shape: self, records: Vec::new(), full: 0 }
    }

    /// Refuses a batch that chunks of another length fit, one whose outputs would be taken for input,
    /// and a short one that is not the last.
    fn check(&self, batch: &mut Batch, ended: bool) -> Result<(), Error> {
        let lens = |shape: &Self| (shape.input_len, shape.record_len);
        let reason = if lens(self) != lens(&batch.shape) {
            "it was made for another document"
        } else if batch.used().iter().any(|record| record.output_len > 0) {
            "it holds outputs still; clear it before it is filled again"
        } else if !ended && (batch.is_empty() || batch.has_part()) {
            "every chunk but the last must be full, and every batch but the last have one"
        } else {
            return Ok(());
        };
        Err(Error::Argument { what: "batch", reason })
    }
}

impl Batch {
    /// The place for the next input; `None` when the batch is full.
    pub fn unfilled(&mut self) -> Option<&mut [u8]> {
        let Shape { capacity, record_len, input_len, .. } = self.shape;
        if self.full == self.records.len() && self.full < capacity {
            let buffer = Buffer::zeroed(record_len);
            self.records.push(Record { buffer, input_len: 0, output_len: 0 });
        }
        let record = self.records.get_mut(self.full)?;
        record.buffer.get_mut(record.input_len..input_len)
    }

    /// Says that the first `count` bytes of [`Batch::unfilled`] were filled.
    pub fn advance(&mut self, count: usize) {
        let input_len = self.shape.input_len;
        if let Some(record) = self.records.get_mut(self.full) {
            record.input_len = record.input_len.saturating_add(count).min(input_len);
            self.full += usize::from(record.input_len == input_len);
        }
    }

    /// True where nothing was filled in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.used().is_empty()
    }

    /// Bytes that were filled in.
    #[must_use]
    pub fn input_len(&self) -> u64 {
        self.used().iter().map(|record| record.input_len as u64).sum()
    }

    /// The records or texts that sealing or opening made of it, to be written in order. Empty before that.
    pub fn outputs(&self) -> impl Iterator<Item = &[u8]> {
        self.used().iter().map(|record| &record.buffer[..record.output_len])
    }

    /// Empties the batch for new input.
    pub fn clear(&mut self) {
        for record in &mut self.records {
            (record.input_len, record.output_len) = (0, 0);
        }
        self.full = 0;
    }

    /// Takes all that it holds, buffers included, and leaves an empty one behind: wiping many megabytes
    /// takes milliseconds, which the taker may spend elsewhere.
    #[must_use]
    pub fn take(&mut self) -> Self {
        core::mem::replace(self, self.shape.batch())
    }

    /// True where the last record is filled in part.
    fn has_part(&self) -> bool {
        self.records.get(self.full).is_some_and(|record| record.input_len > 0)
    }

    fn used(&self) -> &[Record] {
        &self.records[..self.full + usize::from(self.has_part())]
    }

    fn used_mut(&mut self) -> &mut [Record] {
        let used = self.used().len();
        &mut self.records[..used]
    }

    /// Counts an empty record as used: the only one of an empty document.
    fn take_empty(&mut self) {
        let _ = self.unfilled();
        self.full = 1;
    }
}

impl core::fmt::Debug for Batch {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Batch").field("input_len", &self.input_len()).finish_non_exhaustive()
    }
}

/// Seals a text batch by batch: [`Sealer::into_batches`].
///
/// # Example
///
/// ```
/// use strongroom::document::{PlaintextLen, Run, SealOptions, Sealer};
/// use strongroom::secret::Secret;
/// use strongroom::wrap::{KeyId, WrappingKey};
///
/// let key = WrappingKey::aes(KeyId::new("vault/contracts/1")?, Secret::generate()?);
/// let sealer = Sealer::new(PlaintextLen::Stream, &[key], &SealOptions::default())?;
/// let (mut sealed, mut batches) = sealer.into_batches(&Run::default());
///
/// let mut batch = batches.batch();
/// if let Some(place) = batch.unfilled() {
///     place[..4].copy_from_slice(b"text");
///     batch.advance(4);
/// }
/// batches.seal(&mut batch, true)?;
/// sealed.extend(batch.outputs().flatten());
/// assert_eq!(sealed.len(), 2560 + 4 + 16);
/// # Ok::<(), strongroom::Error>(())
/// ```
pub struct BatchSealer {
    cipher: ChunkCipher,
    process: Process,
    counter: ChunkCounter,
    chunk_len: ChunkLen,
    announced: PlaintextLen,
    shape: Shape,
    totals: Totals,
    /// The last chunk was sealed, or sealing has failed: what followed could not be opened.
    ended: bool,
}

impl Sealer {
    /// The leading bytes of the sealed document, and the sealer of the rest, batch by batch.
    #[must_use]
    pub fn into_batches(self, run: &Run<'_>) -> (Vec<u8>, BatchSealer) {
        let leading = self.leading().to_vec();
        let Self { chunk_len, plaintext_len: announced, cipher, process, .. } = self;
        let input_len = 1 << chunk_len.log2();
        let shape = Shape::new(input_len, input_len + cipher.overhead(), run);
        let totals = Totals { plaintext_len: 0, sealed_len: leading.len() as u64 };
        let counter = ChunkCounter::default();
        let sealer = BatchSealer {
            cipher,
            process,
            counter,
            chunk_len,
            announced,
            shape,
            totals,
            ended: false,
        };
        (leading, sealer)
    }
}

impl BatchSealer {
    /// An empty batch.
    #[must_use]
    pub fn batch(&self) -> Batch {
        self.shape.batch()
    }

    /// Seals a batch in place. `ended` says that no input follows it; every other batch has whole chunks only.
    ///
    /// # Errors
    ///
    /// [`Error::InputChanged`] where a length was announced and the input has another,
    /// [`Error::Length`] above the format's limits, [`Error::Argument`] for a batch whose last chunk is not full
    /// and not the last, or a last one that is empty behind others; for one that another document's
    /// chunks fit or that holds outputs still; for every batch behind the end or a failure of sealing;
    /// and in a forked child.
    pub fn seal(&mut self, batch: &mut Batch, ended: bool) -> Result<(), Error> {
        self.process.check()?;
        let refuse = |reason| Err(Error::Argument { what: "batch", reason });
        if self.ended {
            return refuse("the document has ended, or sealing it has failed");
        }
        self.shape.check(batch, ended)?;
        if batch.is_empty() {
            if self.totals.plaintext_len > 0 {
                return refuse(
                    "the last one must not be empty: keep a full one until more follows",
                );
            }
            batch.take_empty();
        }
        let plaintext_len = self.totals.plaintext_len.saturating_add(batch.input_len());
        // Before a byte more is sealed than was announced, or than could be opened again.
        self.check_text_len(plaintext_len, ended)?;

        let Self { cipher, counter, .. } = self;
        let overhead = cipher.overhead();
        let records = batch.used_mut();
        let count = records.len();
        let jobs = (1..).zip(&mut *records).map(|(number, record)| {
            let sealed = &mut record.buffer[..record.input_len + overhead];
            (counter.take(ended && number == count), sealed)
        });
        self.ended = true;
        for_each(self.shape.team, jobs, |(chunk, record)| {
            cipher.seal(chunk?, Buffers::InPlace(record))
        })?;
        self.ended = ended;
        // Not before: until then the buffers hold what was to be sealed.
        for record in records {
            record.output_len = record.input_len + overhead;
        }
        self.totals.plaintext_len = plaintext_len;
        self.totals.sealed_len += batch.outputs().map(|record| record.len() as u64).sum::<u64>();
        Ok(())
    }

    /// Bytes sealed so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// Checks that a text of `read` bytes so far may go on, or end here.
    fn check_text_len(&self, read: u64, ended: bool) -> Result<(), Error> {
        match self.announced {
            PlaintextLen::Known(expected) if read > expected || (ended && read < expected) => {
                Err(Error::InputChanged { expected })
            }
            _ => ChunkPlan::new(self.chunk_len, self.cipher.layers(), read).map(|_| ()),
        }
    }
}

impl core::fmt::Debug for BatchSealer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("BatchSealer").field("totals", &self.totals).finish_non_exhaustive()
    }
}

/// Opens a document's records batch by batch: [`Opener::into_batches`].
///
/// What it has opened is verified and may be given out. That nothing is missing behind it is known
/// only when the last batch has been opened.
///
/// # Example
///
/// ```
/// use strongroom::document::{self, Header, OpenOptions, Run, SealOptions};
/// use strongroom::secret::Secret;
/// use strongroom::wrap::{KeyId, UnwrappingKey, WrappingKey};
///
/// let (id, key) = (KeyId::new("vault/contracts/1")?, [7; 32]);
/// let wrapping = WrappingKey::aes(id.clone(), Secret::copy_from(&key));
/// let sealed = document::seal(b"text", &[wrapping], &SealOptions::default())?;
/// let key = UnwrappingKey::aes(id, Secret::copy_from(&key));
/// let header = Header::parse(&sealed)?;
/// let opener = header.unlock_with(&[key], &OpenOptions::default())?;
///
/// let body = &sealed[header.len()..];
/// let mut batches = opener.into_batches(&Run::default());
/// let mut batch = batches.batch();
/// if let Some(place) = batch.unfilled() {
///     place[..body.len()].copy_from_slice(body);
///     batch.advance(body.len());
/// }
/// batches.open(&mut batch, true)?;
/// assert!(batch.outputs().eq([b"text"]));
/// # Ok::<(), strongroom::Error>(())
/// ```
pub struct BatchOpener {
    opener: Opener,
    shape: Shape,
    index: u64,
    totals: Totals,
}

impl Opener {
    /// An opener of the records, which follow the header or, of a detached body, its prologue.
    #[must_use]
    pub fn into_batches(self, run: &Run<'_>) -> BatchOpener {
        let record_len = (1 << self.chunk_len().log2()) + self.cipher.overhead();
        let shape = Shape::new(record_len, record_len, run);
        let totals = Totals { plaintext_len: 0, sealed_len: self.leading_len() as u64 };
        BatchOpener { opener: self, shape, index: 0, totals }
    }
}

impl BatchOpener {
    /// An empty batch.
    #[must_use]
    pub fn batch(&self) -> Batch {
        self.shape.batch()
    }

    /// Opens a batch in place. `ended` says that no input follows it; every other batch has whole records only.
    ///
    /// # Errors
    ///
    /// [`Error::Authentication`] where a chunk was changed or the document ends early,
    /// [`Error::Format`] where it has another length than the header says, [`Error::Argument`] for a
    /// batch whose last record is not whole and not the last, that another document's records fit, or that holds
    /// outputs still. After an error nothing of the batch is given out.
    pub fn open(&mut self, batch: &mut Batch, ended: bool) -> Result<(), Error> {
        self.shape.check(batch, ended)?;
        let sealed_len = self.totals.sealed_len.saturating_add(batch.input_len());
        self.check_sealed_len(sealed_len, ended)?;
        if batch.is_empty() {
            // What came before opened as chunks that others follow.
            return Err(Error::Authentication);
        }
        let cipher = &self.opener.cipher;
        let records = batch.used_mut();
        let count = records.len();
        let jobs = (self.index..).zip((1..).zip(&mut *records));
        let opened = for_each(self.shape.team, jobs, |(index, (number, record))| {
            let index = u32::try_from(index).map_err(|_| Error::Authentication)?;
            let sealed = &mut record.buffer[..record.input_len];
            cipher.open(index, ended && number == count, Buffers::InPlace(sealed))?;
            Ok(())
        });
        if let Err(error) = opened {
            batch.clear();
            return Err(error);
        }
        let overhead = cipher.overhead();
        for record in records {
            record.output_len = record.input_len - overhead;
            self.totals.plaintext_len += record.output_len as u64;
        }
        self.index += count as u64;
        self.totals.sealed_len = sealed_len;
        Ok(())
    }

    /// Bytes opened so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// Compares what was read so far with what the header asks for: a cut or a longer document is
    /// called so before its last chunk fails to open.
    fn check_sealed_len(&self, read: u64, ended: bool) -> Result<(), Error> {
        let stream = self.opener.plaintext_len() == PlaintextLen::Stream;
        match self.opener.claimed_layout(read) {
            // Until the end an announced length is not there yet: full records are a stream's.
            Err(Error::Format { offset, .. }) if !ended && !stream && offset == read => Ok(()),
            Ok(_) if !ended && !stream => Err(Error::Format { offset: read, reason: APPENDED }),
            outcome => outcome.map(|_| ()),
        }
    }
}

impl core::fmt::Debug for BatchOpener {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("BatchOpener").field("totals", &self.totals).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_stay_within_the_budget() {
        for (log2, memory) in [(12, 1 << 16), (20, 9 << 20), (20, 64 << 20), (24, 200 << 20)] {
            let record_len = (1 << log2) + 16;
            let pool = rayon::ThreadPoolBuilder::new().num_threads(64).build().unwrap();
            let run = Run { memory, ..Run::default() };
            let shape = pool.install(|| Shape::new(1 << log2, record_len, &run));
            assert!(shape.capacity > 1 && shape.team.workers > 1);
            assert!(IN_FLIGHT * shape.capacity * record_len <= memory);
            assert!(shape.team.workers * shape.team.draw <= shape.capacity);
            assert!(shape.batch().records.is_empty(), "nothing is allocated before it is needed");
        }
        let shape = Shape::new(4096, 4112, &Run { memory: 0, ..Run::default() });
        assert_eq!((shape.capacity, shape.team.workers), (1, 1));
    }

    #[test]
    fn a_batch_is_filled_in_any_pieces() {
        let shape = Shape {
            capacity: 3,
            record_len: 14,
            input_len: 10,
            team: Team { workers: 1, draw: 1 },
        };
        for piece in 1..=30 {
            let mut batch = shape.batch();
            assert!(batch.is_empty());
            let mut next = 0_u8;
            while let Some(place) = batch.unfilled() {
                let count = piece.min(place.len());
                for byte in &mut place[..count] {
                    *byte = next;
                    next += 1;
                }
                batch.advance(count);
            }
            assert_eq!((batch.input_len(), batch.full), (30, 3));
            let filled = batch.records.iter().flat_map(|record| &record.buffer[..10]);
            assert!(filled.copied().eq(0..30));
            batch.clear();
            assert!(batch.is_empty() && batch.unfilled().is_some());
        }
    }
}
