//! The files of one run, in a folder that goes with it.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use crate::buffer::Buffer;

/// A new folder in `parent`, or where temporary files go.
///
/// # Errors
///
/// The system's.
pub(super) fn folder(parent: Option<&Path>) -> Result<TempDir> {
    let parent = parent.map_or_else(std::env::temp_dir, Path::to_owned);
    tempfile::Builder::new()
        .prefix("strongroom-compare-")
        .tempdir_in(&parent)
        .with_context(|| format!("making a folder in {}", parent.display()))
}

/// Writes `length` bytes to seal.
///
/// # Errors
///
/// The system's.
pub(super) fn write_plain(path: &Path, length: usize) -> Result<()> {
    let mut file = File::create(path)?;
    let buffer = Buffer::new(length.min(64 << 20));
    let mut left = length;
    while left > 0 {
        let part = left.min(buffer.bytes().len());
        file.write_all(&buffer.bytes()[..part])?;
        left -= part;
    }
    file.sync_all()?;
    Ok(())
}

/// True where two files have the same bytes.
///
/// # Errors
///
/// The system's.
pub(super) fn same(one: &Path, other: &Path) -> Result<bool> {
    Ok(fs::read(one)? == fs::read(other)?)
}
