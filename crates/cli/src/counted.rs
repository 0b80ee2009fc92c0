//! A file that is changed in place, and how much of it was read and written.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use strongroom::document::{Durable, ReadAt, WriteAt};

use crate::tagged::{Sink, Source};

/// Bytes read and written.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    read: AtomicU64,
    written: AtomicU64,
}

impl Counts {
    /// Bytes that were read.
    pub(crate) fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Bytes that were written.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// `bytes` more were read.
    pub(crate) fn add_read(&self, bytes: u64) {
        self.read.fetch_add(bytes, Ordering::Relaxed);
    }

    /// `bytes` more were written.
    pub(crate) fn add_written(&self, bytes: u64) {
        self.written.fetch_add(bytes, Ordering::Relaxed);
    }
}

/// A file that counts what is read and written, and remembers in an error which side it was.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted<'a> {
    /// The file itself.
    pub(crate) file: &'a File,
    /// Its name in messages.
    pub(crate) name: &'a str,
    /// The counters for what is read and written.
    pub(crate) counts: &'a Counts,
}

impl<'a> Counted<'a> {
    fn source(&self) -> Source<'a> {
        Source { file: self.file, name: self.name }
    }

    fn sink(&self) -> Sink<'a> {
        Sink { file: self.file, name: self.name }
    }
}

#[deny(clippy::missing_trait_methods)]
impl ReadAt for Counted<'_> {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.source().read_exact_at(buffer, offset)?;
        self.counts.add_read(buffer.len() as u64);
        Ok(())
    }

    fn byte_len(&self) -> io::Result<u64> {
        self.source().byte_len()
    }

    fn modified(&self) -> io::Result<Option<SystemTime>> {
        self.source().modified()
    }
}

#[deny(clippy::missing_trait_methods)]
impl WriteAt for Counted<'_> {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.sink().write_all_at(bytes, offset)?;
        self.counts.add_written(bytes.len() as u64);
        Ok(())
    }

    fn set_byte_len(&self, length: u64) -> io::Result<()> {
        self.sink().set_byte_len(length)
    }

    fn check_offsets(&self) -> io::Result<()> {
        self.sink().check_offsets()
    }

    fn check_byte_len(&self, length: u64) -> io::Result<()> {
        self.sink().check_byte_len(length)
    }
}

impl Durable for Counted<'_> {
    fn sync(&self) -> io::Result<()> {
        self.sink().sync()
    }
}
