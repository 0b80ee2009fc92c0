//! Documents in files: each worker reads, seals or opens, and writes its own chunks at their
//! offsets, in one buffer of its own.

use std::io;

use zeroize::Zeroizing;

use super::geometry::PREFIX_LEN;
use super::header::Header;
use super::layout::Layout;
use super::opener::Opener;
use super::positioned::{Discard, ReadAt, WriteAt};
use super::sealer::{Parts, Sealer};
use super::{PlaintextLen, Run, Totals};
use crate::error::Error;
use crate::parallel::{ChunkCounter, ChunkPlan, ChunkSpan, for_each, workers};

impl Header {
    /// The header at the start of `sealed`.
    ///
    /// # Errors
    ///
    /// Those of [`Header::parse`], and [`Error::Io`].
    pub fn read_at(sealed: &(impl ReadAt + ?Sized)) -> Result<Self, Error> {
        let doing = "reading the header";
        let available = sealed.byte_len().map_err(Error::io(doing))?;
        let read = |length: usize| {
            let mut bytes =
                vec![0; usize::try_from(available).map_or(length, |all| all.min(length))];
            sealed.read_exact_at(&mut bytes, 0).map_err(Error::io(doing))?;
            Ok(bytes)
        };
        let prefix = read(PREFIX_LEN)?;
        let length = match <&[u8; PREFIX_LEN]>::try_from(&prefix[..]) {
            Ok(prefix) => Self::len_from_prefix(prefix)?,
            Err(_) => return Err(Self::cut(&prefix)),
        };
        Self::parse(&read(length)?)
    }
}

impl Sealer {
    /// Seals `input` from its first byte to its last into `output`, header first, with at most
    /// `run.memory` bytes of buffers.
    ///
    /// # Errors
    ///
    /// [`Error::InputChanged`] where the input does not have the announced length before and after;
    /// [`Error::Argument`] for a sealer that was told no length; [`Error::Io`]. After an error
    /// `output` is incomplete and must not be kept.
    pub fn seal_file(
        self,
        input: &(impl ReadAt + ?Sized),
        output: &(impl WriteAt + ?Sized),
        run: &Run<'_>,
    ) -> Result<Totals, Error> {
        let Parts { leading, chunk_len, plaintext_len, cipher } = self.into_parts();
        let PlaintextLen::Known(expected) = plaintext_len else {
            let reason = "a file's length is known: announce it";
            return Err(Error::Argument { what: "plaintext length", reason });
        };
        check_input_len(input, expected)?;

        let plan = ChunkPlan::new(chunk_len, cipher.layers(), expected)?;
        let sealed_len = leading.len() as u64 + plan.body_len();
        output.set_byte_len(sealed_len).map_err(Error::io(WRITING_SEALED))?;
        output.write_all_at(&leading, 0).map_err(Error::io(WRITING_SEALED))?;
        let mut counter = ChunkCounter::default();
        let jobs = plan.spans().map(|span| (counter.take(span.last), span));
        for_each_record(&plan, run, jobs, |record, (chunk, span)| {
            let text = &mut record[..span.plaintext_len];
            input
                .read_exact_at(text, span.plaintext_offset)
                .map_err(input_error("reading the input", expected))?;
            let record = &mut record[..span.record_len];
            cipher.seal_in_place(chunk?, record)?;
            output
                .write_all_at(record, leading.len() as u64 + span.record_offset)
                .map_err(Error::io(WRITING_SEALED))?;
            run.report(span.plaintext_len as u64);
            Ok(())
        })?;
        check_input_len(input, expected)?;
        Ok(Totals { plaintext_len: expected, sealed_len })
    }
}

impl Opener {
    /// Opens `sealed`, a whole document, into `output`, with at most `run.memory` bytes of buffers.
    ///
    /// # Errors
    ///
    /// [`Error::Format`] where the body has not the length that the header asks for,
    /// [`Error::Authentication`] where a chunk was changed, [`Error::InputChanged`],
    /// [`Error::Io`]. After an error `output` holds chunks that were verified, of a document that
    /// was not: it must not be kept.
    pub fn open_file(
        &self,
        sealed: &(impl ReadAt + ?Sized),
        output: &(impl WriteAt + ?Sized),
        run: &Run<'_>,
    ) -> Result<Totals, Error> {
        let layout = self.checked_layout(sealed)?;
        let plan = layout.plan();
        output.set_byte_len(plan.plaintext_len()).map_err(Error::io(WRITING))?;
        for_each_record(&plan, run, plan.spans(), |record, span| {
            let text = self.open_record(sealed, &layout, span, record)?;
            output.write_all_at(text, span.plaintext_offset).map_err(Error::io(WRITING))?;
            run.report(span.plaintext_len as u64);
            Ok(())
        })?;
        Ok(Totals { plaintext_len: plan.plaintext_len(), sealed_len: layout.sealed_len() })
    }

    /// Authenticates all of `sealed`, a whole document, and writes nothing.
    ///
    /// # Errors
    ///
    /// As [`Opener::open_file`].
    pub fn verify_file(
        &self,
        sealed: &(impl ReadAt + ?Sized),
        run: &Run<'_>,
    ) -> Result<Totals, Error> {
        self.open_file(sealed, &Discard, run)
    }

    /// The layout of `sealed`, as far as it can be trusted before its chunks are read: a stream's
    /// length follows from the file's alone, so its last chunk must vouch for it.
    pub(super) fn checked_layout(&self, sealed: &(impl ReadAt + ?Sized)) -> Result<Layout, Error> {
        let layout = self.layout(sealed.byte_len().map_err(Error::io(READING))?)?;
        if self.is_detached() {
            let mut leading = vec![0; self.leading_len()];
            sealed.read_exact_at(&mut leading, 0).map_err(Error::io(READING))?;
            self.check_leading(&leading)?;
        }
        if self.plaintext_len() == PlaintextLen::Stream {
            let last = layout.plan().last().ok_or(Error::Authentication)?;
            let mut record = Zeroizing::new(vec![0; last.record_len]);
            self.open_record(sealed, &layout, last, &mut record)?;
        }
        Ok(layout)
    }

    /// Reads a chunk's record and opens it.
    pub(super) fn open_record<'r>(
        &self,
        sealed: &(impl ReadAt + ?Sized),
        layout: &Layout,
        span: ChunkSpan,
        record: &'r mut [u8],
    ) -> Result<&'r mut [u8], Error> {
        let record = &mut record[..span.record_len];
        read_record(sealed, layout, span, record)?;
        self.cipher.open_in_place(span.index, span.last, record)
    }
}

/// Reads a chunk's record.
pub(super) fn read_record(
    sealed: &(impl ReadAt + ?Sized),
    layout: &Layout,
    span: ChunkSpan,
    record: &mut [u8],
) -> Result<(), Error> {
    sealed
        .read_exact_at(record, layout.leading() + span.record_offset)
        .map_err(input_error(READING, layout.sealed_len()))
}

const READING: &str = "reading the sealed document";
const WRITING: &str = "writing the plaintext";
const WRITING_SEALED: &str = "writing the sealed document";

/// Runs `work` on each job with a buffer for one record, wiped in the end.
fn for_each_record<J: Send>(
    plan: &ChunkPlan,
    run: &Run<'_>,
    jobs: impl Iterator<Item = J> + Send,
    work: impl Fn(&mut [u8], J) -> Result<(), Error> + Sync,
) -> Result<(), Error> {
    // The first record is the longest.
    let record_len = plan.span(0).map_or(0, |span| span.record_len);
    let workers = workers(plan.plaintext_len(), plan.chunks(), record_len, run.memory);
    let buffer = || Zeroizing::new(vec![0; record_len]);
    for_each(workers, jobs, buffer, |buffer, job| work(buffer, job))
}

fn check_input_len(input: &(impl ReadAt + ?Sized), expected: u64) -> Result<(), Error> {
    let length = input.byte_len().map_err(Error::io("reading the input's length"))?;
    if length == expected { Ok(()) } else { Err(Error::InputChanged { expected }) }
}

/// An end where there was none before is a change of the input, not a fault of the disk.
fn input_error(doing: &'static str, expected: u64) -> impl FnOnce(io::Error) -> Error {
    move |error| match error.kind() {
        io::ErrorKind::UnexpectedEof => Error::InputChanged { expected },
        _ => Error::io(doing)(error),
    }
}
