//! Operations on private files that differ between operating systems. Each system's file has the same names.
//!
//! On Windows a file has no permission bits: it inherits the access list of its directory. Nothing here
//! changes or judges such a list, so a vault, a store or a trail belongs there into a directory that is
//! already closed to others, as a user's profile is.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub use self::unix::*;
#[cfg(windows)]
pub use self::windows::*;

/// Refuses what is not a file: a directory, a pipe, a device.
fn require_file(file: &File) -> io::Result<()> {
    if file.metadata()?.is_file() {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"))
}

/// Makes the private file `path`, which must not be there, to write.
///
/// # Errors
///
/// The system's.
pub fn create_private(path: &Path) -> io::Result<File> {
    private(OpenOptions::new().write(true).create_new(true)).open(path)
}

/// The permission bits of a private directory.
pub const DIRECTORY_MODE: u32 = 0o700;

/// The permission bits of a private file.
pub const FILE_MODE: u32 = 0o600;
