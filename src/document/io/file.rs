//! Documents in files: each worker reads, seals or opens, and writes its own chunks at their
//! offsets, in one buffer of its own.

use std::io;
use std::time::SystemTime;

use crate::document::chunk::Buffers;
use crate::document::header::Header;
use crate::document::io::read_at::{Discard, ReadAt, WriteAt};
use crate::document::open::Opener;
use crate::document::range::Layout;
use crate::document::seal::Sealer;
use crate::document::{IoLabels, PlaintextLen, Run, Totals};
use crate::error::Error;
use crate::parallel::{ChunkCounter, ChunkPlan, ChunkSpan, Memory, Team, Work, for_each_init};
use crate::secret::Buffer;

impl Header {
    /// The header at the start of `sealed`: one read, or two where many keys make it longer than usual.
    ///
    /// # Errors
    ///
    /// Those of [`Header::parse`], and [`Error::Io`].
    pub fn read_at(sealed: &(impl ReadAt + ?Sized)) -> Result<Self, Error> {
        let reading = IoLabels::HEADER.reading;
        let available = sealed.byte_len().map_err(Error::io(reading))?;
        let within = |length: usize| usize::try_from(available).unwrap_or(length).min(length);
        let mut bytes = vec![0; within(USUAL_HEADER_LEN)];
        sealed.read_exact_at(&mut bytes, 0).map_err(Error::io(reading))?;
        let (read, length) = (bytes.len(), within(Self::required_len(&bytes)?));
        if let Some(missing @ 1..) = length.checked_sub(read) {
            bytes.resize(read + missing, 0);
            sealed.read_exact_at(&mut bytes[read..], read as u64).map_err(Error::io(reading))?;
        }
        Self::parse(&bytes)
    }
}

impl Sealer {
    /// Seals `input` from its first byte to its last into `output`, header first, with at most
    /// `run.memory` bytes of buffers.
    ///
    /// # Errors
    ///
    /// [`Error::InputChanged`] where the input does not have the announced length before and after,
    /// ends elsewhere, or was modified meanwhile as far as its times show; [`Error::Argument`] for a sealer
    /// without a length, and in a forked child; [`Error::Io`], also where the output ignores
    /// offsets, as a file that is open for appending: that one is as it was. After every other error
    /// `output` is incomplete and must not be kept.
    pub fn seal_file(
        self,
        input: &(impl ReadAt + ?Sized),
        output: &(impl WriteAt + ?Sized),
        run: &Run<'_>,
    ) -> Result<Totals, Error> {
        self.process.check()?;
        let PlaintextLen::Known(expected) = self.plaintext_len else {
            let reason = "a file's length is known: announce it";
            return Err(Error::Argument { what: "plaintext length", reason });
        };
        let announced = Announced::of(input, expected)?;

        let (leading, cipher) = (self.leading(), &self.cipher);
        let plan = ChunkPlan::new(self.chunk_len, cipher.layers(), expected)?;
        let sealed_len = leading.len() as u64 + plan.body_len();
        output.check_offsets().map_err(Error::io(IoLabels::SEALING.writing))?;
        output.set_byte_len(sealed_len).map_err(Error::io(IoLabels::SEALING.writing))?;
        output.write_all_at(leading, 0).map_err(Error::io(IoLabels::SEALING.writing))?;
        let mut counter = ChunkCounter::default();
        let jobs = plan.spans().map(|span| (counter.take(span.last), span));
        let (team, buffer) = team(&plan, run);
        for_each_init(team, jobs, buffer, |record, (chunk, span)| {
            let text = &mut record[..span.plaintext_len];
            input
                .read_exact_at(text, span.plaintext_offset)
                .map_err(input_error(IoLabels::SEALING.reading, expected))?;
            let record = &mut record[..span.record_len];
            cipher.seal(chunk?, Buffers::InPlace(record))?;
            output
                .write_all_at(record, leading.len() as u64 + span.record_offset)
                .map_err(Error::io(IoLabels::SEALING.writing))?;
            run.report(span.plaintext_len as u64);
            Ok(())
        })?;
        announced.check(input)?;
        output.check_byte_len(sealed_len).map_err(Error::io(IoLabels::SEALING.writing))?;
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
    /// [`Error::Io`], also where the output ignores offsets, as a file that is open for appending. After
    /// an error `output` holds chunks that were verified, of a document that was not: it must not be kept.
    pub fn open_file(
        &self,
        sealed: &(impl ReadAt + ?Sized),
        output: &(impl WriteAt + ?Sized),
        run: &Run<'_>,
    ) -> Result<Totals, Error> {
        let layout = self.file_layout(sealed)?;
        let plan = layout.plan();
        output.check_offsets().map_err(Error::io(IoLabels::OPENING.writing))?;
        output.set_byte_len(plan.plaintext_len()).map_err(Error::io(IoLabels::OPENING.writing))?;
        let (team, buffer) = team(&plan, run);
        for_each_init(team, plan.spans(), buffer, |record, span| {
            let text = self.open_record(sealed, &layout, span, record)?;
            output
                .write_all_at(text, span.plaintext_offset)
                .map_err(Error::io(IoLabels::OPENING.writing))?;
            run.report(span.plaintext_len as u64);
            Ok(())
        })?;
        output
            .check_byte_len(plan.plaintext_len())
            .map_err(Error::io(IoLabels::OPENING.writing))?;
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

    /// The layout of `sealed`, a whole document, of which the length is compared with what the header asks
    /// for: to know before the first byte is given out that the end is not missing. Of a stream the last
    /// chunk is opened, which vouches for the length.
    ///
    /// # Errors
    ///
    /// [`Error::Format`] where `sealed` has not the length that the header asks for, or belongs to
    /// another than a detached header; [`Error::Authentication`] where a stream's last chunk does not
    /// hold; [`Error::InputChanged`], [`Error::Io`].
    pub fn file_layout(&self, sealed: &(impl ReadAt + ?Sized)) -> Result<Layout, Error> {
        let sealed_len = sealed.byte_len().map_err(Error::io(IoLabels::OPENING.reading))?;
        let layout = self.layout(sealed_len)?;
        if self.is_detached() {
            let mut leading = vec![0; self.leading_len()];
            sealed.read_exact_at(&mut leading, 0).map_err(Error::io(IoLabels::OPENING.reading))?;
            self.check_leading(&leading)?;
        }
        let range = layout.proof_range();
        let length = usize::try_from(range.end - range.start).map_err(|_| Error::Authentication)?;
        let mut proof = Buffer::zeroed(length);
        if !proof.is_empty() {
            let read = sealed.read_exact_at(&mut proof, range.start);
            read.map_err(input_error(IoLabels::OPENING.reading, sealed_len))?;
        }
        self.verify_layout(&layout, &proof)
    }

    /// Reads a chunk's record and opens it.
    pub(crate) fn open_record<'r>(
        &self,
        sealed: &(impl ReadAt + ?Sized),
        layout: &Layout,
        span: ChunkSpan,
        record: &'r mut [u8],
    ) -> Result<&'r mut [u8], Error> {
        let record = &mut record[..span.record_len];
        read_record(sealed, layout, span, record)?;
        self.cipher.open(span.index, span.last, Buffers::InPlace(record))
    }
}

/// Reads a chunk's record.
pub(crate) fn read_record(
    sealed: &(impl ReadAt + ?Sized),
    layout: &Layout,
    span: ChunkSpan,
    record: &mut [u8],
) -> Result<(), Error> {
    sealed
        .read_exact_at(record, layout.leading() + span.record_offset)
        .map_err(input_error(IoLabels::OPENING.reading, layout.sealed_len()))
}

/// Length of a header with two slots of the usual size.
const USUAL_HEADER_LEN: usize = 2560;

/// The workers of a run, and what makes the buffer of each, for one record; wiped in the end.
fn team(plan: &ChunkPlan, run: &Run<'_>) -> (Team, impl Fn() -> Buffer + Sync + use<>) {
    // The first record is the longest.
    let record_len = plan.span(0).map_or(0, |span| span.record_len);
    let work = Work { bytes: plan.plaintext_len(), jobs: plan.chunks() };
    let team = work.team(Memory::Buffers { len: record_len, budget: run.memory });
    (team, move || Buffer::zeroed(record_len))
}

/// An input as it was when sealing began.
#[derive(PartialEq, Eq)]
struct Announced {
    length: u64,
    modified: Option<SystemTime>,
}

impl Announced {
    /// Refuses an input that says another length than `expected`.
    fn of(input: &(impl ReadAt + ?Sized), expected: u64) -> Result<Self, Error> {
        let asking = "reading the input's length";
        let length = input.byte_len().map_err(Error::io(asking))?;
        let modified = input.modified().map_err(Error::io(asking))?;
        if length == expected {
            Ok(Self { length, modified })
        } else {
            Err(Error::InputChanged { expected })
        }
    }

    /// Refuses an input that goes on behind its length, whatever it says, or is another one by now.
    fn check(&self, input: &(impl ReadAt + ?Sized)) -> Result<(), Error> {
        let changed = || Error::InputChanged { expected: self.length };
        match input.read_exact_at(&mut [0], self.length) {
            Ok(()) => return Err(changed()),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
            Err(error) => return Err(Error::io(IoLabels::SEALING.reading)(error)),
        }
        if Self::of(input, self.length)? == *self { Ok(()) } else { Err(changed()) }
    }
}

/// An end where there was none before is a change of the input, not a fault of the disk.
fn input_error(doing: &'static str, expected: u64) -> impl FnOnce(io::Error) -> Error {
    move |error| match error.kind() {
        io::ErrorKind::UnexpectedEof => Error::InputChanged { expected },
        _ => Error::io(doing)(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{SealOptions, Slots, seal};
    use crate::secret::Secret;
    use crate::wrap::{KeyId, WrappingKey};
    use std::sync::Mutex;

    /// Notes what is read.
    struct Noted<'d>(&'d [u8], Mutex<Vec<(u64, usize)>>);

    impl ReadAt for Noted<'_> {
        fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
            self.1.lock().unwrap().push((offset, buffer.len()));
            self.0.read_exact_at(buffer, offset)
        }

        fn byte_len(&self) -> io::Result<u64> {
            self.0.byte_len()
        }
    }

    #[test]
    fn a_header_is_one_read_and_a_long_one_two() {
        for (slots, keys, text_len, reads) in [
            (Slots::Two, 1, 10_000, &[(0, 2560)][..]),
            (Slots::One, 1, 10_000, &[(0, 2560)]),
            (Slots::One, 1, 4, &[(0, 532)]),
            (Slots::Two, 8, 10_000, &[(0, 2560), (2560, 1024)]),
        ] {
            let key = |number| {
                let id = KeyId::new(&format!("vault/{}/{number}", "k".repeat(90))).unwrap();
                WrappingKey::aes(id, Secret::generate().unwrap())
            };
            let keys: Vec<_> = (0..keys).map(key).collect();
            let options = SealOptions { slots, ..SealOptions::default() };
            let sealed = seal(&vec![7; text_len], &keys, &options).unwrap();
            let source = Noted(&sealed, Mutex::default());
            let header = Header::read_at(&source).unwrap();
            assert_eq!(header.recipients().len(), keys.len());
            assert_eq!(source.1.into_inner().unwrap(), reads);
            for length in [0, 1, 135, 136, header.len() - 1] {
                let cut = Header::read_at(&sealed[..length]).unwrap_err().to_string();
                assert_eq!(cut, Header::parse(&sealed[..length]).unwrap_err().to_string());
            }
        }
    }
}
