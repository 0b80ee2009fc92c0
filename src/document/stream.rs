//! Documents through readers and writers: batches of chunks, sealed or opened in parallel,
//! written in order.

use std::io::{self, Read, Write};

use zeroize::Zeroizing;

use super::geometry::PREFIX_LEN;
use super::header::Header;
use super::opener::Opener;
use super::positioned::Discard;
use super::sealer::{LAYER, Sealer};
use super::{PlaintextLen, Run, Totals};
use crate::error::Error;
use crate::parallel::{ChunkCounter, ChunkLen, ChunkPlan, TAG_LEN, for_each, workers};

impl Header {
    /// Reads the header from the start of a document; the reader is left at its body.
    ///
    /// # Errors
    ///
    /// Those of [`Header::parse`], and [`Error::Io`].
    pub fn read(sealed: &mut impl Read) -> Result<Self, Error> {
        let mut bytes = vec![0; PREFIX_LEN];
        let mut filled = fill(sealed, &mut bytes).map_err(Error::io("reading the header"))?;
        if let Ok(prefix) = <&[u8; PREFIX_LEN]>::try_from(&bytes[..filled]) {
            bytes.resize(Self::len_from_prefix(prefix)?, 0);
            filled +=
                fill(sealed, &mut bytes[PREFIX_LEN..]).map_err(Error::io("reading the header"))?;
        }
        Self::parse(&bytes[..filled])
    }
}

impl Sealer {
    /// Seals what `input` gives until its end into `output`, header first.
    ///
    /// # Errors
    ///
    /// [`Error::InputChanged`] where a length was announced and the input has another,
    /// [`Error::Length`] above the format's limits, [`Error::Io`]. After an error `output` is
    /// incomplete and must not be kept.
    pub fn seal_stream(
        self,
        input: &mut impl Read,
        output: &mut impl Write,
        run: &Run<'_>,
    ) -> Result<Totals, Error> {
        let (header, chunk_len, announced, cipher) = self.into_parts();
        output.write_all(&header).map_err(Error::io("writing the header"))?;
        let mut totals = Totals { plaintext_len: 0, sealed_len: header.len() as u64 };

        let mut counter = ChunkCounter::default();
        let mut batch = Batch::new(chunk_len, run);
        let chunk_len = batch.record_len - TAG_LEN;
        let mut input = Lookahead::new(input);
        loop {
            let ended = batch.read(&mut input, chunk_len, "reading the input")?;
            totals.plaintext_len += batch.bytes_read();
            // Before a byte more is written than was announced.
            check_announced(announced, totals.plaintext_len, ended)?;
            let jobs = batch.records(ended).map(|record| {
                (counter.take(record.last), &mut record.buffer[..record.filled + TAG_LEN])
            });
            for_each(
                batch_workers(run, chunk_len),
                jobs,
                || (),
                |(), (chunk, record)| cipher.seal_in_place(chunk?, record),
            )?;
            for record in batch.records(ended) {
                let sealed = &record.buffer[..record.filled + TAG_LEN];
                output.write_all(sealed).map_err(Error::io("writing the sealed document"))?;
                totals.sealed_len += sealed.len() as u64;
                run.report(record.filled);
            }
            if ended {
                output.flush().map_err(Error::io("writing the sealed document"))?;
                return Ok(totals);
            }
        }
    }
}

impl Opener {
    /// Opens the body that `sealed` gives next, after [`Header::read`], into `output`.
    ///
    /// A chunk is written when it is verified, which is before a truncation further on can be
    /// known: whoever reads `output` must discard all of it after an error.
    ///
    /// # Errors
    ///
    /// [`Error::Authentication`] where a chunk was changed or the document ends early,
    /// [`Error::Format`] where it has another length than the header says, [`Error::Io`]. The error
    /// is final: this consumes the opener.
    pub fn open_stream(
        self,
        sealed: &mut impl Read,
        output: &mut impl Write,
        run: &Run<'_>,
    ) -> Result<Totals, Error> {
        let mut totals = Totals { plaintext_len: 0, sealed_len: self.header_len as u64 };
        let mut index = 0_u64;
        let mut batch = Batch::new(self.chunk_len, run);
        let record_len = batch.record_len;
        let mut sealed = Lookahead::new(sealed);
        loop {
            let ended = batch.read(&mut sealed, record_len, "reading the sealed document")?;
            totals.sealed_len += batch.bytes_read();
            self.check_sealed_len(totals.sealed_len, ended)?;
            let jobs = (index..).zip(batch.records(ended));
            for_each(
                batch_workers(run, record_len),
                jobs,
                || (),
                |(), (index, record)| {
                    let index = u32::try_from(index).map_err(|_| Error::Authentication)?;
                    let sealed = &mut record.buffer[..record.filled];
                    self.cipher.open_in_place(index, record.last, sealed).map(|_| ())
                },
            )?;
            for record in batch.records(ended) {
                let text = &record.buffer[..record.filled - TAG_LEN];
                output.write_all(text).map_err(Error::io("writing the plaintext"))?;
                totals.plaintext_len += text.len() as u64;
                run.report(text.len());
                index += 1;
            }
            if ended {
                output.flush().map_err(Error::io("writing the plaintext"))?;
                return Ok(totals);
            }
        }
    }

    /// Authenticates the body that `sealed` gives next and writes nothing.
    ///
    /// # Errors
    ///
    /// As [`Opener::open_stream`].
    pub fn verify_stream(self, sealed: &mut impl Read, run: &Run<'_>) -> Result<Totals, Error> {
        self.open_stream(sealed, &mut Discard, run)
    }

    /// Compares what was read so far with what the header asks for: a cut or a longer document is
    /// called so before its last chunk fails to open.
    fn check_sealed_len(&self, read: u64, ended: bool) -> Result<(), Error> {
        if ended {
            return self.plan(read).map(|_| ());
        }
        if let PlaintextLen::Known(bytes) = self.plaintext_len {
            let plan = ChunkPlan::new(self.chunk_len, LAYER, bytes)?;
            let end = self.header_len as u64 + plan.body_len();
            if read >= end {
                let reason = "it goes on after its last byte: something was appended";
                return Err(Error::Format { offset: end, reason });
            }
        }
        Ok(())
    }
}

/// As many records as the memory allows and the workers need, one behind the other.
struct Batch {
    buffers: Zeroizing<Vec<u8>>,
    record_len: usize,
    /// Bytes read into each record's buffer in this round.
    filled: Vec<usize>,
}

/// One record of a batch.
struct Record<'b> {
    buffer: &'b mut [u8],
    filled: usize,
    last: bool,
}

impl Batch {
    fn new(chunk_len: ChunkLen, run: &Run<'_>) -> Self {
        let record_len = (1 << chunk_len.log2()) + TAG_LEN;
        let within_budget = run.memory / record_len;
        let records = (2 * batch_workers(run, record_len)).min(within_budget).max(1);
        let buffers = Zeroizing::new(vec![0; records * record_len]);
        Self { buffers, record_len, filled: Vec::new() }
    }

    /// Reads `length` bytes into each record, fewer into the last one. Returns whether the input
    /// has ended: then, and only then, the last of the records is the document's last.
    fn read(
        &mut self,
        input: &mut Lookahead<'_, impl Read>,
        length: usize,
        doing: &'static str,
    ) -> Result<bool, Error> {
        self.filled.clear();
        for buffer in self.buffers.chunks_mut(self.record_len) {
            let (filled, ended) = input.fill(&mut buffer[..length]).map_err(Error::io(doing))?;
            self.filled.push(filled);
            if ended {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn bytes_read(&self) -> u64 {
        self.filled.iter().map(|filled| *filled as u64).sum()
    }

    fn records(&mut self, ended: bool) -> impl Iterator<Item = Record<'_>> + Send {
        let count = self.filled.len();
        let buffers = self.buffers.chunks_mut(self.record_len);
        buffers.zip(&self.filled).enumerate().map(move |(number, (buffer, filled))| Record {
            buffer,
            filled: *filled,
            last: ended && number + 1 == count,
        })
    }
}

fn batch_workers(run: &Run<'_>, record_len: usize) -> usize {
    workers(u64::MAX, u64::MAX, record_len, run.memory)
}

/// A reader that knows whether more follows: it reads one byte ahead.
struct Lookahead<'r, R> {
    reader: &'r mut R,
    next: Option<u8>,
}

impl<'r, R: Read> Lookahead<'r, R> {
    fn new(reader: &'r mut R) -> Self {
        Self { reader, next: None }
    }

    /// Fills `buffer` as far as the reader goes; returns the count, and whether it has ended.
    fn fill(&mut self, buffer: &mut [u8]) -> io::Result<(usize, bool)> {
        let taken = usize::from(self.next.is_some());
        if let (Some(next), Some(first)) = (self.next.take(), buffer.first_mut()) {
            *first = next;
        }
        let filled = taken + fill(self.reader, &mut buffer[taken..])?;
        if filled < buffer.len() {
            return Ok((filled, true));
        }
        let mut next = [0];
        let more = fill(self.reader, &mut next)? == 1;
        self.next = more.then_some(next[0]);
        Ok((filled, !more))
    }
}

/// Reads until `buffer` is full or the reader has ended; returns the count.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn check_announced(announced: PlaintextLen, read: u64, ended: bool) -> Result<(), Error> {
    match announced {
        PlaintextLen::Known(expected) if read > expected || (ended && read < expected) => {
            Err(Error::InputChanged { expected })
        }
        _ => Ok(()),
    }
}
