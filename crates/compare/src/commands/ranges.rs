//! `ranges`: a small range of a large document, against one chunk in the kernel.
//!
//! The document's text is computed from the offset, so that every range can be checked and no copy of
//! the text is kept. What is read of the file is counted: one read opens the document, and one or two
//! fetch a range.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use anyhow::{Context as _, Result, ensure};
use strongroom::backend::Backend;
use strongroom::document::{Header, ReadAt, Reader, Run, SealOptions};

use super::files;
use crate::args::RangesArgs;
use crate::buffer::Buffer;
use crate::chunks::{Chunks, DOCUMENT_CHUNK};
use crate::clock::{Share, ThreadClock};
use crate::cores;
use crate::keys::Keys;
use crate::peer::{Peer, Strongroom};
use crate::report::chart::{Chart, Kind, Panel, Shape};
use crate::report::{Case, Report, Unit};
use crate::rounds::{Contender, Speeds, float, microseconds};
use crate::size;

/// Ranges that are checked and counted before any is timed.
const CHECKED: u64 = 1000;

/// Titles of the columns; the contenders that they compare with follow the range in this order.
const COLUMNS: [&str; 3] = ["to one chunk in cache", "to one from the file", "to its pread"];

/// Bytes that a record is longer than its chunk.
const TAG_LEN: usize = 16;

/// The nonce of the kernel's chunk: a document's.
const NONCE: [u8; 12] = [0; 12];

/// Measures and reports.
///
/// # Errors
///
/// Ranges that are not the text's, or cost more reads than they may; the system's.
pub(super) fn run(args: &RangesArgs) -> Result<()> {
    let (most, least) = (DOCUMENT_CHUNK, 2 * DOCUMENT_CHUNK);
    ensure!(args.range <= most, "--range: at most a chunk, {}", size::display(most));
    ensure!(args.size >= least, "--size: at least two chunks, {}", size::display(least));
    let folder = files::folder(args.dir.as_deref())?;
    let title = format!(
        "Ranges of {} of a document of {}, one core",
        size::display(args.range),
        size::display(args.size)
    );
    let mut report = Report::begin(args.common.rounds, Chart { title, panels: Vec::new() });
    report.print_head()?;
    cores::alone(args.core.core, |core| {
        let share = Share::start()?;

        let keys = Keys::aes()?;
        let source = Counted::new(seal(&keys, args.size, folder.path())?);
        let reader = open(&keys, &source)?;
        let opening = source.take();
        ensure!(opening.reads == 1, "opening the document took {} reads", opening.reads);
        let counts = check(&reader, &source, args)?;
        report.notes.push(counts_note(&opening, &counts));

        let mut work = Work::new(reader, &source.file, args.range)?;
        let taken = measure(&keys, &source, &mut work, args)?;
        let title = format!("range of {}", size::display(args.range));
        let case = Case::new(title, Unit::Microseconds, &COLUMNS, &taken, |row, column| {
            (row == 0).then_some(column + 1)
        })?;
        let mut panel = Panel::new(&case.title, case.unit.symbol(), Shape::Bars);
        let kind = |row| if row == 0 { Kind::Ours } else { Kind::Yardstick };
        let rows = case.rows.iter().enumerate();
        panel.add("", rows.map(|(row, is)| (is.name.as_str(), kind(row), is.median)));
        report.chart.panels.push(panel);
        report.add(case)?;
        report.notes.push(share.note(core)?);
        report.finish(args.common.json.as_deref(), args.common.svg.as_deref())
    })
}

fn counts_note(opening: &Counts, ranges: &Counts) -> String {
    let each = |count| float(count) / float(CHECKED);
    format!(
        "Opening the document cost {} read of {} bytes; each of {CHECKED} ranges at random offsets \
         {:.3} reads and {:.0} bytes. All were compared with the text.",
        opening.reads,
        opening.bytes,
        each(ranges.reads),
        each(ranges.bytes),
    )
}

/// A text that is computed: its length in bytes.
struct Text(u64);

impl Text {
    /// The bytes from `offset` on.
    fn fill(buffer: &mut [u8], offset: u64) {
        let (mut rest, mut position) = (buffer, offset);
        while !rest.is_empty() {
            let word = mixed(position / 8).to_le_bytes();
            let from = &word[word.len().min(usize::from((position % 8).to_le_bytes()[0]))..];
            let count = from.len().min(rest.len());
            rest[..count].copy_from_slice(&from[..count]);
            rest = &mut rest[count..];
            position += count as u64;
        }
    }
}

/// A number that looks nothing like its neighbours' (the finalizer of SplitMix64).
fn mixed(number: u64) -> u64 {
    let mut z = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl ReadAt for Text {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let end = offset.checked_add(buffer.len() as u64);
        if end.is_none_or(|end| end > self.0) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Self::fill(buffer, offset);
        Ok(())
    }

    fn byte_len(&self) -> io::Result<u64> {
        Ok(self.0)
    }
}

/// A file that counts what is read of it.
struct Counted {
    file: File,
    reads: AtomicU64,
    bytes: AtomicU64,
}

/// Counts of reads and of bytes read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    reads: u64,
    bytes: u64,
}

impl Counted {
    fn new(file: File) -> Self {
        Self { file, reads: AtomicU64::new(0), bytes: AtomicU64::new(0) }
    }

    /// Takes the counts since the last call.
    fn take(&self) -> Counts {
        let take = |count: &AtomicU64| count.swap(0, Ordering::Relaxed);
        Counts { reads: take(&self.reads), bytes: take(&self.bytes) }
    }
}

#[deny(clippy::missing_trait_methods)]
impl ReadAt for Counted {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(buffer.len() as u64, Ordering::Relaxed);
        self.file.read_exact_at(buffer, offset)
    }

    fn byte_len(&self) -> io::Result<u64> {
        self.file.byte_len()
    }

    fn modified(&self) -> io::Result<Option<SystemTime>> {
        self.file.modified()
    }
}

/// A sealed text of `length` bytes in a file of `folder`, on its device already: writing it back
/// would disturb what is measured.
fn seal(keys: &Keys, length: usize, folder: &Path) -> Result<File> {
    let path = folder.join("sealed");
    let file = File::options().read(true).write(true).create_new(true).open(&path);
    let file = file.with_context(|| format!("making {}", path.display()))?;
    let sealer = keys.sealer(1, length, &SealOptions::default())?;
    sealer.seal_file(&Text(length as u64), &file, &Run::default())?;
    file.sync_all()?;
    Ok(file)
}

fn open<'s>(keys: &Keys, source: &'s Counted) -> Result<Reader<&'s Counted>> {
    Ok(keys.opener(1, &Header::read_at(source)?)?.into_reader(source)?)
}

/// Reads ranges at random offsets, and one across two chunks: each is the text's, and cost one read of
/// each chunk that it lies in. Returns what the random ones cost together.
fn check(reader: &Reader<&Counted>, source: &Counted, args: &RangesArgs) -> Result<Counts> {
    let (length, range, chunk) = (args.size as u64, args.range as u64, DOCUMENT_CHUNK as u64);
    let (mut read, mut expected) = (vec![0; args.range], vec![0; args.range]);
    let mut total = Counts::default();
    let across = chunk - range / 2;
    let random = std::iter::repeat_with(|| fastrand::u64(..=length - range));
    for (number, offset) in (0..=CHECKED).zip(std::iter::once(across).chain(random)) {
        reader.read_exact_at(&mut read, offset)?;
        let counts = source.take();
        Text::fill(&mut expected, offset);
        ensure!(read == expected, "the range at {offset} is not the text's");

        let records = reader.layout().sealed_range(offset..offset + range)?;
        let chunks = (offset + range - 1) / chunk - offset / chunk + 1;
        let due = Counts { reads: chunks, bytes: records.end - records.start };
        ensure!(counts == due, "the range at {offset} cost {counts:?}, not {due:?}");
        if number > 0 {
            total.reads += counts.reads;
            total.bytes += counts.bytes;
        }
    }
    Ok(total)
}

/// Reader, file and buffers for the contenders.
struct Work<'s> {
    reader: Reader<&'s Counted>,
    file: &'s File,
    kernel: Strongroom,
    /// One, in cache.
    chunk: Chunks,
    /// For each full chunk of the file the tag with which the kernel opens it.
    tags: Vec<[u8; 16]>,
    record: Buffer,
    range: Buffer,
}

impl<'s> Work<'s> {
    fn new(reader: Reader<&'s Counted>, file: &'s File, range: usize) -> Result<Self> {
        let mut kernel = Strongroom::new(Backend::detect());
        let chunk = Chunks::new(DOCUMENT_CHUNK, DOCUMENT_CHUNK, &mut kernel)?;
        let record = Buffer::new(DOCUMENT_CHUNK + TAG_LEN);
        let range = Buffer::new(range);
        let mut work = Self { reader, file, kernel, chunk, tags: Vec::new(), record, range };
        let full = work.reader.layout().plaintext_len() / DOCUMENT_CHUNK as u64;
        for index in 0..full {
            work.read_record(index)?;
            let Self { kernel, record, .. } = &mut work;
            let text = text_of(record.bytes_mut())?;
            // Sealed twice it is what it was, and the second tag is over just that.
            let sealed =
                kernel.seal(&NONCE, &[], text).and_then(|_| kernel.seal(&NONCE, &[], text));
            work.tags.push(sealed.context("the kernel refused to seal")?);
        }
        Ok(work)
    }

    /// Reads the record of a full chunk, as it is in the file.
    fn read_record(&mut self, index: u64) -> Result<()> {
        let record = self.record.bytes_mut();
        let chunk_len = DOCUMENT_CHUNK as u64;
        let text = index * chunk_len..(index + 1) * chunk_len;
        let start = self.reader.layout().sealed_range(text)?.start;
        Ok(self.file.read_exact_at(record, start)?)
    }

    /// Reads the record of a random full chunk; returns which.
    fn read_random_record(&mut self) -> Result<usize> {
        let index = fastrand::usize(..self.tags.len());
        self.read_record(index as u64)?;
        Ok(index)
    }
}

/// Measures a range and what stands beside it, in the order of [`COLUMNS`].
fn measure(
    keys: &Keys,
    source: &Counted,
    work: &mut Work<'_>,
    args: &RangesArgs,
) -> Result<Vec<Speeds>> {
    let last_offset = (args.size - args.range) as u64;
    let range = format!("strongroom, range of {}", size::display(args.range));
    let mut contenders = [
        timed(range, move |work| {
            let Work { reader, range, .. } = work;
            Ok(reader.read_exact_at(range.bytes_mut(), fastrand::u64(..=last_offset))?)
        }),
        timed("kernel, one chunk in cache", |work| work.chunk.open(0, &mut work.kernel)),
        timed("kernel, one chunk from the file", |work| {
            let index = work.read_random_record()?;
            let Work { kernel, tags, record, .. } = work;
            let text = text_of(record.bytes_mut())?;
            ensure!(kernel.open(&NONCE, &[], text, &tags[index]), "the kernel refused a right tag");
            Ok(())
        }),
        timed("pread of a record", |work| work.read_random_record().map(|_| ())),
        timed("strongroom, opening the document", |_| open(keys, source).map(|_| ())),
    ];
    microseconds(&mut contenders, work, args.common.rounds)
}

/// A contender that does one thing a call.
fn timed<'c, 's: 'c>(
    name: impl Into<String>,
    mut once: impl FnMut(&mut Work<'s>) -> Result<()> + 'c,
) -> Contender<'c, Work<'s>> {
    Contender::new(name, 1, move |work: &mut Work<'s>, calls| {
        let start = ThreadClock::start();
        for _ in 0..calls {
            once(work)?;
        }
        Ok(start.elapsed())
    })
}

/// The chunk in a record's buffer.
fn text_of(record: &mut [u8]) -> Result<&mut [u8]> {
    let (text, _) = record.split_last_chunk_mut::<TAG_LEN>().context("a record without a tag")?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_the_same_wherever_it_is_read_from() {
        let mut all = [0; 100];
        Text::fill(&mut all, 0);
        for start in 0..100 {
            for end in start..100 {
                let mut part = vec![0; end - start];
                Text(100).read_exact_at(&mut part, start as u64).unwrap();
                assert_eq!(part, all[start..end]);
            }
        }
        assert!(Text(100).read_exact_at(&mut all[..2], 99).is_err());
        assert_ne!(all[..8], all[8..16]);
    }

    #[test]
    fn ranges_are_checked_and_their_reads_counted() {
        let args = |range| RangesArgs {
            size: (2 << 20) + 5,
            range,
            dir: None,
            core: crate::args::CoreArgs { core: None },
            common: crate::args::CommonArgs { rounds: 1, json: None, svg: None },
        };
        let folder = tempfile::tempdir().unwrap();
        let keys = Keys::aes().unwrap();
        let file = seal(&keys, args(1).size, folder.path()).unwrap();
        let source = Counted::new(file);
        let reader = open(&keys, &source).unwrap();
        assert_eq!(source.take(), Counts { reads: 1, bytes: 2560 });
        for range in [1, 4096, 1 << 20] {
            let counts = check(&reader, &source, &args(range)).unwrap();
            assert!((CHECKED..=2 * CHECKED).contains(&counts.reads));
        }
        // Reads that are counted twice, and another text.
        source.reads.store(1, Ordering::Relaxed);
        let error = check(&reader, &source, &args(1)).unwrap_err().to_string();
        assert!(error.contains("reads: 2"), "{error}");
        let mut work = Work::new(reader, &source.file, 1).unwrap();
        measure(&keys, &source, &mut work, &args(1)).unwrap();
        work.tags.fill([0; 16]);
        let error = measure(&keys, &source, &mut work, &args(1)).unwrap_err();
        assert!(error.to_string().contains("refused a right tag"), "{error}");
        let file = &source.file;
        std::os::unix::fs::FileExt::write_all_at(file, &[1], 2560 + 1000).unwrap();
        assert!(check(&work.reader, &source, &args(4096)).is_err());
    }
}
