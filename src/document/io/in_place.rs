//! Parts of a file that are overwritten where they stand: what was written is on the disk, and was read
//! back, before anything else is touched.

use crate::document::header::Header;
use crate::document::header::slots::PREFIX_LEN;
use crate::document::io::IoLabels;
use crate::document::io::read_at::Durable;
use crate::error::Error;

const READING_BACK: &str = "reading the header back";

/// Writes `bytes`, which are within the file, at `offset`, makes them durable, and compares what is read back.
pub(crate) fn overwrite(
    file: &(impl Durable + ?Sized),
    bytes: &[u8],
    offset: u64,
) -> Result<(), Error> {
    write_durably(file, bytes, offset)?;
    let mut found = vec![0; bytes.len()];
    file.read_exact_at(&mut found, offset).map_err(Error::io(READING_BACK))?;
    if found == bytes { Ok(()) } else { Err(differs()) }
}

/// The same for bytes that are there already, in a header of `length` bytes: all of it is read back.
pub(crate) fn overwrite_and_read_header(
    file: &(impl Durable + ?Sized),
    bytes: &[u8],
    offset: usize,
    length: usize,
) -> Result<Vec<u8>, Error> {
    write_durably(file, bytes, offset as u64)?;
    let mut header = vec![0; length];
    file.read_exact_at(&mut header, 0).map_err(Error::io(READING_BACK))?;
    let kept = header.get(offset..).is_some_and(|found| found.starts_with(bytes));
    if kept { Ok(header) } else { Err(differs()) }
}

fn write_durably(file: &(impl Durable + ?Sized), bytes: &[u8], offset: u64) -> Result<(), Error> {
    let length = file.byte_len().map_err(Error::io(IoLabels::HEADER.writing))?;
    file.write_all_at(bytes, offset).map_err(Error::io(IoLabels::HEADER.writing))?;
    file.sync().map_err(Error::io("making the header durable"))?;
    // Whatever was written within it leaves a file its length.
    let kept = file.byte_len().map_err(Error::io(READING_BACK))? == length;
    if kept { Ok(()) } else { Err(differs()) }
}

fn differs() -> Error {
    let differs = "the file does not hold what was written to it";
    Error::io(READING_BACK)(std::io::Error::other(differs))
}

/// Overwrites the header of `file` with zeros, makes that durable and reads it back: whoever has no other
/// copy of it can never open the document again, whatever keys they hold. For a detached header, or a
/// whole document whose body is to follow. The slots may be damaged, or the file may end within them.
///
/// A disk may keep what was overwritten, and backups do: to be certain, destroy the keys that it is
/// wrapped with.
///
/// # Errors
///
/// [`Error::Format`] where `file` does not begin with a header's prologue and geometry; [`Error::Io`]
/// where it ignores offsets, as one that is open for appending: nothing is written then. [`Error::Io`]
/// also where writing, syncing or reading back fails.
pub fn destroy_header(file: &(impl Durable + ?Sized)) -> Result<(), Error> {
    let available = file.byte_len().map_err(Error::io(IoLabels::HEADER.reading))?;
    let available = usize::try_from(available).unwrap_or(usize::MAX);
    let mut start = vec![0; available.min(PREFIX_LEN)];
    file.read_exact_at(&mut start, 0).map_err(Error::io(IoLabels::HEADER.reading))?;
    let prefix: &[u8; PREFIX_LEN] = start.first_chunk().ok_or_else(|| Header::cut(&start))?;
    let length = Header::required_len(prefix)?.min(available);
    file.check_offsets().map_err(Error::io(IoLabels::HEADER.writing))?;
    overwrite(file, &vec![0; length], 0)
}
