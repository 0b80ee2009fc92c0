//! What the operating systems do differently with files. Each system's file has the same names.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(crate) use self::unix::*;
#[cfg(windows)]
pub(crate) use self::windows::*;

/// What tells a file or a directory from every other: the device or volume, and the number there.
pub(crate) type Identity = (u64, u64);
