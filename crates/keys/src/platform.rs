//! Operations on private files that differ between operating systems. Each system's file has the same names.
//!
//! On Windows a file has no permission bits: it inherits the access list of its directory. Nothing here
//! changes or judges such a list, so a vault, a store or a trail belongs there into a directory that is
//! already closed to others, as a user's profile is.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(crate) use self::unix::*;
#[cfg(windows)]
pub(crate) use self::windows::*;

/// Refuses what is not a file: a directory, a pipe, a device.
fn require_file(file: &std::fs::File) -> std::io::Result<()> {
    if file.metadata()?.is_file() {
        return Ok(());
    }
    Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, "it is not a file"))
}

/// The permission bits of a private directory.
pub(crate) const DIRECTORY_MODE: u32 = 0o700;

/// The permission bits of a private file.
pub(crate) const FILE_MODE: u32 = 0o600;
