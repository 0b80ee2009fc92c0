//! Documents through readers and writers: one batch of chunks is sealed or opened on the thread pool
//! while the one before is written and the one behind is read.

use std::io::{self, Read, Write};

use crate::document::header::Header;
use crate::document::io::batch::Batch;
use crate::document::io::read_at::Discard;
use crate::document::open::Opener;
use crate::document::seal::Sealer;
use crate::document::{IoLabels, Run, Totals};
use crate::error::Error;
use crate::parallel::overlap;

impl Header {
    /// Reads the header from the start of a document; the reader is left at its body.
    ///
    /// # Errors
    ///
    /// Those of [`Header::parse`], and [`Error::Io`].
    pub fn read(sealed: &mut impl Read) -> Result<Self, Error> {
        let mut bytes = Vec::new();
        loop {
            let (start, needed) = (bytes.len(), Self::required_len(&bytes)?);
            if start >= needed {
                return Self::parse(&bytes);
            }
            bytes.resize(needed, 0);
            let filled = fill(sealed, &mut bytes[start..]);
            let filled = filled.map_err(Error::io(IoLabels::HEADER.reading))?;
            if start + filled < needed {
                return Self::parse(&bytes[..start + filled]);
            }
        }
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
        let (leading, mut batches) = self.into_batches(run);
        output.write_all(&leading).map_err(Error::io(IoLabels::SEALING.writing))?;
        let spare = [batches.batch(), batches.batch(), batches.batch()];
        pipeline(spare, input, output, &IoLabels::SEALING, |batch, ended| {
            batches.seal(batch, ended)?;
            run.report(batch.input_len());
            Ok(())
        })?;
        Ok(batches.totals())
    }
}

impl Opener {
    /// Opens the body that `sealed` gives next, after [`Header::read`], into `output`. Of a detached
    /// document `sealed` begins with the prologue.
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
        self.read_leading(sealed)?;
        let mut batches = self.into_batches(run);
        let spare = [batches.batch(), batches.batch(), batches.batch()];
        pipeline(spare, sealed, output, &IoLabels::OPENING, |batch, ended| {
            batches.open(batch, ended)?;
            run.report(batch.outputs().map(|text| text.len() as u64).sum());
            Ok(())
        })?;
        Ok(batches.totals())
    }

    /// Authenticates the body that `sealed` gives next and writes nothing.
    ///
    /// # Errors
    ///
    /// As [`Opener::open_stream`].
    pub fn verify_stream(self, sealed: &mut impl Read, run: &Run<'_>) -> Result<Totals, Error> {
        self.open_stream(sealed, &mut Discard, run)
    }

    /// Reads what a detached body begins with.
    pub(crate) fn read_leading(&self, sealed: &mut impl Read) -> Result<(), Error> {
        if !self.is_detached() {
            return Ok(()); // the header, which was read before
        }
        let mut leading = vec![0; self.leading_len()];
        let filled = fill(sealed, &mut leading).map_err(Error::io(IoLabels::OPENING.reading))?;
        self.check_leading(&leading[..filled])
    }
}

/// Moves all of `input` through `compute` to `output`, three batches at once.
///
/// ```text
///            read   compute  write
/// step n     n+1      n       n-1
/// ```
///
/// A batch is computed when it is known whether another follows: the last one ends the document.
fn pipeline(
    spare: [Batch; super::batch::IN_FLIGHT],
    input: &mut impl Read,
    output: &mut impl Write,
    labels: &IoLabels,
    mut compute: impl FnMut(&mut Batch, bool) -> Result<(), Error> + Send,
) -> Result<(), Error> {
    let [mut current, mut next, mut done] = spare;
    let mut ended = !read_to_full(input, &mut current).map_err(Error::io(labels.reading))?;
    loop {
        next.clear();
        ended = ended || !read_some(input, &mut next).map_err(Error::io(labels.reading))?;
        let (computed, (written, read)) = overlap(
            || compute(&mut current, ended),
            || {
                let written = write(output, &done);
                let more = !ended && written.is_ok();
                (written, if more { read_to_full(input, &mut next) } else { Ok(false) })
            },
        );
        // In the order of the bytes that they are about.
        written.map_err(Error::io(labels.writing))?;
        computed?;
        if ended {
            write(output, &current).map_err(Error::io(labels.writing))?;
            return output.flush().map_err(Error::io(labels.writing));
        }
        ended = !read.map_err(Error::io(labels.reading))?;
        // The written batch is the next to be read into.
        (done, current, next) = (current, next, done);
    }
}

fn write(output: &mut impl Write, batch: &Batch) -> io::Result<()> {
    batch.outputs().try_for_each(|bytes| output.write_all(bytes))
}

/// Reads until the batch is full; returns false where the input has ended before.
pub(crate) fn read_to_full(input: &mut impl Read, batch: &mut Batch) -> io::Result<bool> {
    while batch.unfilled().is_some() {
        if !read_some(input, batch)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Reads once; returns false where the input has ended.
pub(crate) fn read_some(input: &mut impl Read, batch: &mut Batch) -> io::Result<bool> {
    let Some(place) = batch.unfilled() else { return Ok(true) };
    loop {
        match input.read(place) {
            Ok(count) => {
                batch.advance(count);
                return Ok(count > 0);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
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
