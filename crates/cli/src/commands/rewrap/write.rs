//! A new header for a file: in place, or in a new file that takes the old one's name.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::time::Duration;

use strongroom::Error;
use strongroom::document::{ExpectedContext, Header, ReadAt as _, Rewrap};

use super::Job;
use crate::counted::Counted;
use crate::failure::Failure;
use crate::output::NewFile;
use crate::output::successor::{self, Predecessor, is_at};
use crate::tagged;

/// Result of writing a header to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// Its header is rewritten where it was.
    InPlace,
    /// A new file has its name.
    NewFile,
    /// Nothing that its name shows: that has another file by now, or the file another header.
    ChangedMeanwhile,
}

/// Gives the file of `job` the header of `rewrap`, durably, with its lock held, for which it waits at most as
/// long as `most` says.
///
/// # Errors
///
/// [`Failure::Rewrap`] when it cannot be written; then the old or the new recipients open it.
/// [`Failure::Waited`] when another process holds the lock for too long.
pub(super) fn write<C: ExpectedContext>(
    job: &Job,
    rewrap: &Rewrap<C>,
    most: Option<Duration>,
) -> Result<Written, Failure> {
    let Job { path, name, counts, .. } = job;
    let in_place = rewrap.header().slots().len() == 2 && rewrap.fits();
    let locked = successor::open_locked(path, name, in_place, most);
    let Some(file) = locked.map_err(|failure| failure.into_rewrap(name))? else {
        return Ok(Written::ChangedMeanwhile);
    };
    let counted = Counted { file: &file, name, counts };
    let engine = |error| tagged::failure(name, error).into_rewrap(name);
    if !in_place {
        if Header::read_at(&counted).map_err(engine)? != *rewrap.header() {
            return Ok(Written::ChangedMeanwhile);
        }
        return replace(path, &counted, rewrap, most);
    }
    match rewrap.write_in_place(&counted) {
        // Another document may have taken the name while the old one was written to.
        Ok(()) if is_at(&file, path) => Ok(Written::InPlace),
        Ok(()) => Ok(Written::ChangedMeanwhile),
        Err(Error::Argument { .. })
            if Header::read_at(&counted).map_err(engine)? != *rewrap.header() =>
        {
            Ok(Written::ChangedMeanwhile)
        }
        Err(error) => Err(engine(error)),
    }
}

/// Writes header and body to a new file and reads them back; then it takes the name, owner and
/// permissions of the old one, unless another file has the name by then, or the old one was written to.
fn replace<C: ExpectedContext>(
    path: &Path,
    old: &Counted<'_>,
    rewrap: &Rewrap<C>,
    most: Option<Duration>,
) -> Result<Written, Failure> {
    let failed = |source| Failure::Rewrap { name: old.name.to_owned(), source };
    let predecessor = Predecessor::new(old.file, path).map_err(failed)?;
    let new = predecessor.successor(most).map_err(|made| made.into_rewrap(old.name))?;
    let header = rewrap
        .to_header()
        .map_err(|error| tagged::failure(old.name, error).into_rewrap(old.name))?;

    let start = rewrap.header().len() as u64;
    let copied = copy(&header, start, old, &new).map_err(failed)?;
    if copied != predecessor.byte_len().saturating_sub(start) {
        let changed = io::Error::other("its length changed while it was copied");
        return Err(failed(changed));
    }
    read_back(&header, start, old, new.file()).map_err(failed)?;
    predecessor.hand_over(&new).map_err(failed)?;
    let published = new.publish_if(&|| predecessor.is_as_it_was().map_err(failed));
    let published = published.map_err(|failure| failure.into_rewrap(old.name))?;
    Ok(if published { Written::NewFile } else { Written::ChangedMeanwhile })
}

/// Writes `header`, and behind it what `old` has from byte `start` on; returns the length of that.
fn copy(header: &[u8], start: u64, old: &Counted<'_>, new: &NewFile) -> io::Result<u64> {
    new.file().write_all(header)?;
    let (mut from, mut to) = (old.file, new.file());
    from.seek(SeekFrom::Start(start))?;
    let copied = io::copy(&mut from, &mut to)?;
    old.counts.add_read(copied);
    old.counts.add_written(copied + header.len() as u64);
    Ok(copied)
}

/// Bytes compared at once.
const COMPARED_AT_ONCE: usize = 64 * 1024;

/// Refuses a new file that does not hold `header` and what `old` has from byte `start` on.
fn read_back(header: &[u8], start: u64, old: &Counted<'_>, new: &File) -> io::Result<()> {
    let differs = || io::Error::other("what was written reads back as something else");
    let new = Counted { file: new, ..*old };
    let mut written = vec![0; header.len()];
    new.read_exact_at(&mut written, 0)?;
    let (mut at, mut left) = (header.len() as u64, old.byte_len()?.saturating_sub(start));
    if written != header || new.byte_len()? != at + left {
        return Err(differs());
    }
    let (mut expected, mut written) = (vec![0; COMPARED_AT_ONCE], vec![0; COMPARED_AT_ONCE]);
    let mut from = start;
    while left > 0 {
        let length = COMPARED_AT_ONCE.min(usize::try_from(left).unwrap_or(usize::MAX));
        let (expected, written) = (&mut expected[..length], &mut written[..length]);
        old.read_exact_at(expected, from)?;
        new.read_exact_at(written, at)?;
        if expected != written {
            return Err(differs());
        }
        (from, at, left) = (from + length as u64, at + length as u64, left - length as u64);
    }
    Ok(())
}
