//! Files that remember, in an error, which side of the work it was.
//!
//! The engine reports that reading or writing failed; the user wants to know which file. So the
//! adapters here put the file's name into the error, and [`failure`] takes it out again.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::time::SystemTime;

use strongroom::Error;
use strongroom::document::{ReadAt, WriteAt};

use crate::failure::Failure;
use crate::output::room;
use crate::platform::Patient;

/// A file or stream that is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source<'a> {
    /// The file itself.
    pub(crate) file: &'a File,
    /// Its name in messages.
    pub(crate) name: &'a str,
}

/// A file or stream that is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sink<'a> {
    /// The file itself.
    pub(crate) file: &'a File,
    /// Its name in messages.
    pub(crate) name: &'a str,
}

/// Error of one side, input or output.
#[derive(Debug)]
struct Tagged {
    side: Side,
    name: String,
    source: io::Error,
}

#[derive(Clone, Copy, Debug)]
enum Side {
    Read,
    Write,
}

impl fmt::Display for Tagged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.source)
    }
}

impl std::error::Error for Tagged {}

fn tag(side: Side, name: &str) -> impl FnOnce(io::Error) -> io::Error {
    move |source| io::Error::new(source.kind(), Tagged { side, name: name.to_owned(), source })
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Patient(self.file).read(buffer).map_err(tag(Side::Read, self.name))
    }
}

#[deny(clippy::missing_trait_methods)]
impl ReadAt for Source<'_> {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset).map_err(tag(Side::Read, self.name))
    }

    fn byte_len(&self) -> io::Result<u64> {
        self.file.byte_len().map_err(tag(Side::Read, self.name))
    }

    fn modified(&self) -> io::Result<Option<SystemTime>> {
        self.file.modified().map_err(tag(Side::Read, self.name))
    }
}

#[deny(clippy::missing_trait_methods)]
impl WriteAt for Sink<'_> {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset).map_err(tag(Side::Write, self.name))
    }

    /// For a new file, which holds nothing that would have to go.
    fn set_byte_len(&self, length: u64) -> io::Result<()> {
        room::take(self.file, length).map_err(tag(Side::Write, self.name))
    }

    fn check_offsets(&self) -> io::Result<()> {
        self.file.check_offsets().map_err(tag(Side::Write, self.name))
    }

    fn check_byte_len(&self, length: u64) -> io::Result<()> {
        self.file.check_byte_len(length).map_err(tag(Side::Write, self.name))
    }
}

impl Sink<'_> {
    /// Gives the file its length, without room for it on the device.
    pub(crate) fn set_len(&self, length: u64) -> io::Result<()> {
        self.file.set_len(length).map_err(tag(Side::Write, self.name))
    }

    /// Returns when all that was written is on the disk.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_data().map_err(tag(Side::Write, self.name))
    }
}

impl Write for Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Patient(self.file).write(bytes).map_err(tag(Side::Write, self.name))
    }

    fn flush(&mut self) -> io::Result<()> {
        Patient(self.file).flush().map_err(tag(Side::Write, self.name))
    }
}

/// Converts the engine's error in work on the document `name`.
pub(crate) fn failure(name: &str, error: Error) -> Failure {
    let Error::Io { doing, source } = error else {
        return Failure::Document { name: name.to_owned(), source: error };
    };
    match source.downcast::<Tagged>() {
        Ok(Tagged { side: Side::Read, name, source }) => Failure::read(name, source),
        Ok(Tagged { side: Side::Write, name, source }) => Failure::write(name, source),
        Err(source) => {
            Failure::Document { name: name.to_owned(), source: Error::Io { doing, source } }
        }
    }
}
