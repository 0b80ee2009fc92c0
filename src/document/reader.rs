//! A sealed document that is read like a plain one: at offsets by many threads, or in a row.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::{Mutex, PoisonError};

use crate::document::Run;
use crate::document::io::file::read_record;
use crate::document::io::read_at::ReadAt;
use crate::document::open::Opener;
use crate::document::range::{Layout, Piece, within};
use crate::error::Error;
use crate::parallel::{ChunkSpan, Memory, Work, for_each_init};
use crate::secret::{Buffer, wipe_stack};

/// Reads the plaintext of a sealed document at any offset; each chunk that holds a part of what is
/// asked for is read once and authenticated whole. Of a chunk that is wanted in a small part only that
/// part is decrypted.
///
/// [`Reader::read_at`] takes `&self`: one reader serves many threads. [`Read`] and [`Seek`] keep a
/// position and the chunk that it is in.
///
/// # Example
///
/// ```
/// use std::io::{Read, Seek, SeekFrom};
/// use strongroom::document::{self, Header, OpenOptions, SealOptions};
/// use strongroom::secret::Secret;
/// use strongroom::wrap::{KeyId, UnwrappingKey, WrappingKey};
///
/// let (id, key) = (KeyId::new("vault/contracts/1")?, [7; 32]);
/// let wrapping = WrappingKey::aes(id.clone(), Secret::copy_from(&key));
/// let sealed = document::seal(b"a long contract", &[wrapping], &SealOptions::default())?;
///
/// let key = UnwrappingKey::aes(id, Secret::copy_from(&key));
/// let opener = Header::parse(&sealed)?.unlock_with(&[key], &OpenOptions::default())?;
/// let mut reader = opener.into_reader(&sealed[..])?;
/// let mut word = [0; 4];
/// reader.read_exact_at(&mut word, 2)?;
/// assert_eq!(&word, b"long");
///
/// let mut end = String::new();
/// reader.seek(SeekFrom::End(-8)).unwrap();
/// reader.read_to_string(&mut end).unwrap();
/// assert_eq!(end, "contract");
/// # Ok::<(), strongroom::Error>(())
/// ```
pub struct Reader<S> {
    opener: Opener,
    source: S,
    layout: Layout,
    /// Buffers for whole records that wait for the next to be opened.
    spare: Mutex<Vec<Buffer>>,
    position: u64,
    /// The chunk that sequential reading is in.
    current: Option<Current>,
}

struct Current {
    span: ChunkSpan,
    text: Buffer,
}

impl Opener {
    /// A reader of `source`, a whole document. Of a stream it opens the last chunk first, which
    /// vouches for the length.
    ///
    /// # Errors
    ///
    /// [`Error::Format`] where `source` has not the length that the header asks for,
    /// [`Error::Authentication`] where a stream's last chunk does not hold, [`Error::Io`].
    pub fn into_reader<S: ReadAt>(self, source: S) -> Result<Reader<S>, Error> {
        let layout = self.file_layout(&source)?;
        let spare = Mutex::default();
        Ok(Reader { opener: self, source, layout, spare, position: 0, current: None })
    }
}

impl<S: ReadAt> Reader<S> {
    /// The layout of the sealed document.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Reads as many bytes from `offset` on as `buffer` takes and the plaintext has; returns the
    /// count. Several chunks are opened at once on the current thread pool.
    ///
    /// # Errors
    ///
    /// [`Error::Authentication`] where a chunk was changed, [`Error::Io`],
    /// [`Error::InputChanged`]. After an error `buffer` holds nothing of use.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize, Error> {
        let left = self.layout.plaintext_len().saturating_sub(offset);
        let count = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        if count > 0 {
            self.read_ranges(&mut [(offset, &mut buffer[..count])])?;
        }
        Ok(count)
    }

    /// Fills `buffer` from `offset` on.
    ///
    /// # Errors
    ///
    /// Those of [`Reader::read_at`], and [`Error::Argument`] where the plaintext ends before.
    pub fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> Result<(), Error> {
        self.read_ranges(&mut [(offset, buffer)])
    }

    /// Fills many buffers, each from its own offset on, in one go: chunks are spread over the current
    /// thread pool, and ranges that follow each other within a chunk share its reading and opening.
    ///
    /// # Errors
    ///
    /// As [`Reader::read_exact_at`]. After an error the buffers are zeroed.
    pub fn read_ranges(&self, ranges: &mut [(u64, &mut [u8])]) -> Result<(), Error> {
        let read = self.read_all(ranges);
        if read.is_err() {
            for (_, buffer) in ranges {
                buffer.fill(0);
            }
        }
        read
    }

    fn read_all(&self, ranges: &mut [(u64, &mut [u8])]) -> Result<(), Error> {
        let mut pieces = Vec::new();
        for (offset, buffer) in ranges.iter_mut() {
            for piece in self.layout.pieces(*offset, buffer)? {
                pieces.push(piece?);
            }
        }
        // In the order of the document, so that what shares a chunk stands together.
        pieces.sort_by_key(|piece| (piece.span.index, piece.start));
        let mut jobs: Vec<ChunkJob<'_>> = Vec::new();
        for Piece { span, start, text } in pieces {
            match jobs.last_mut().filter(|job| job.span == span) {
                Some(job) => job.pieces.push((start, text)),
                None => jobs.push(ChunkJob { span, pieces: vec![(start, text)] }),
            }
        }
        let record_len = jobs.iter().map(|job| job.span.record_len).max().unwrap_or(0);
        let bytes = jobs.iter().map(|job| job.span.record_len as u64).sum();
        let work = Work { bytes, jobs: jobs.len() as u64 };
        let memory = Memory::Buffers { len: record_len, budget: Run::default().memory };
        for_each_init(
            work.team(memory),
            jobs.into_iter(),
            || Loan { home: &self.spare, buffer: None },
            |buffer, job| self.read_chunk(buffer, job),
        )
    }

    fn read_chunk(&self, buffer: &mut Loan<'_>, job: ChunkJob<'_>) -> Result<(), Error> {
        let record = buffer.of_len(job.span.record_len);
        let wanted: usize = job.pieces.iter().map(|(_, piece)| piece.len()).sum();
        if self.opener.cipher.opens_parts(job.span, wanted) {
            read_record(&self.source, &self.layout, job.span, record)?;
            return self.opener.cipher.open_parts(job.span, record, job.pieces);
        }
        let text = self.opener.open_record(&self.source, &self.layout, job.span, record)?;
        for (start, piece) in job.pieces {
            let end = start + piece.len();
            piece.copy_from_slice(&text[start..end]);
        }
        Ok(())
    }

    /// The chunk at the position, opened if it is not the current one.
    fn chunk_at_position(&mut self) -> Result<Option<&Current>, Error> {
        let Some(span) = self.layout.plan().chunk_at(self.position) else { return Ok(None) };
        if self.current.as_ref().is_none_or(|current| current.span != span) {
            // Taken out first: after an error no other chunk stands for this one.
            let buffer = self.current.take().map(|current| current.text).unwrap_or_default();
            let mut text = buffer;
            text.resize(span.record_len);
            let opened = self.opener.open_record(&self.source, &self.layout, span, &mut text);
            wipe_stack();
            opened?;
            self.current = Some(Current { span, text });
        }
        Ok(self.current.as_ref())
    }
}

/// Parts wanted of one chunk: from which byte of it on, and the buffer for each.
struct ChunkJob<'b> {
    span: ChunkSpan,
    pieces: Vec<(usize, &'b mut [u8])>,
}

/// A buffer that goes back to the others when its worker is done: making one of a megabyte takes
/// longer than opening the chunk.
struct Loan<'r> {
    home: &'r Mutex<Vec<Buffer>>,
    buffer: Option<Buffer>,
}

impl Loan<'_> {
    fn of_len(&mut self, length: usize) -> &mut [u8] {
        let lend = || self.home.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let buffer = self.buffer.get_or_insert_with(|| lend().unwrap_or_default());
        if buffer.len() < length {
            buffer.resize(length);
        }
        &mut buffer[..length]
    }
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        if let Some(buffer) = self.buffer.take() {
            self.home.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
        }
    }
}

impl<S: ReadAt> Read for Reader<S> {
    /// Reads on from the position, within one chunk at a time.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidData`] with the engine's [`Error`] inside where a chunk does not hold;
    /// it does so again each time: no later byte is given in its place.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let position = self.position;
        if buffer.is_empty() {
            return Ok(0);
        }
        let Some(chunk) = self.chunk_at_position()? else { return Ok(0) };
        let range = position..position.saturating_add(buffer.len() as u64);
        let text = &chunk.text[within(chunk.span, &range)];
        buffer[..text.len()].copy_from_slice(text);
        let count = text.len();
        self.position += count as u64;
        Ok(count)
    }
}

impl<S: ReadAt> Seek for Reader<S> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
            SeekFrom::End(by) => self.layout.plaintext_len().checked_add_signed(by),
        };
        self.position = target.ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "a seek to before the plaintext's start")
        })?;
        Ok(self.position)
    }
}

impl<S> std::fmt::Debug for Reader<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("layout", &self.layout).finish_non_exhaustive()
    }
}
