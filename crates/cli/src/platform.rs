//! Operations on files that differ between operating systems. Each system's file has the same names.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(crate) use self::unix::*;
#[cfg(windows)]
pub(crate) use self::windows::*;

/// Identity of a file or a directory: the device or volume, and the number there.
pub(crate) type Identity = (u64, u64);
