//! Changes of a trail on the disk, in one place, so that tests can watch them.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::Path;

/// The changes that a trail makes.
pub(super) trait Disk: Send + Sync + fmt::Debug {
    /// Appends `line` to `file`, which was opened for that.
    fn append(&self, file: &File, line: &[u8]) -> io::Result<()>;

    /// Writes `line` at `offset` of `file`, which was opened for appending and is at `path`.
    fn overwrite(&self, file: &File, path: &Path, offset: u64, line: &[u8]) -> io::Result<()>;

    /// Makes `file` `length` bytes long.
    fn cut(&self, file: &File, length: u64) -> io::Result<()>;

    /// Makes `file` durable.
    fn sync(&self, file: &File) -> io::Result<()>;

    /// Gives a file another name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Makes the names in `directory` durable.
    fn sync_directory(&self, directory: &Path) -> io::Result<()>;
}

/// The operating system's files.
#[derive(Debug)]
pub(super) struct RealDisk;

impl Disk for RealDisk {
    fn append(&self, file: &File, line: &[u8]) -> io::Result<()> {
        strongroom_files::append(file, line)
    }

    fn overwrite(&self, file: &File, path: &Path, offset: u64, line: &[u8]) -> io::Result<()> {
        strongroom_files::overwrite(file, path, line, offset)
    }

    fn cut(&self, file: &File, length: u64) -> io::Result<()> {
        file.set_len(length)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        strongroom_files::sync_directory(directory)
    }
}
