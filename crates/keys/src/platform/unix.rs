//! Unix: permission bits, locks on directories, files known by device and inode.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{
    DirBuilderExt as _, FileExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::Path;
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};

use super::{DIRECTORY_MODE, FILE_MODE};

/// The name of the file that stands for a directory's lock: the directory itself is locked here.
pub(crate) const LOCK_FILE: Option<&str> = None;

/// Has `options` make files that are their owner's alone.
pub(crate) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options.mode(FILE_MODE)
}

/// Makes a directory that is its owner's alone.
pub(crate) fn create_private_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(DIRECTORY_MODE).create(path)
}

/// Makes a directory that is there its owner's alone.
pub(crate) fn make_directory_private(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(DIRECTORY_MODE))
}

/// The permission bits of `metadata`.
pub(crate) fn mode(metadata: &Metadata) -> u32 {
    metadata.permissions().mode() & 0o777
}

/// Opens a file to read without following a symbolic link or waiting for a pipe's other end.
pub(crate) fn open_unfollowed(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

/// Whether [`open_unfollowed`] met a symbolic link.
pub(crate) fn is_symbolic_link(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::LOOP.raw_os_error())
}

/// Whether `path` names `file`.
pub(crate) fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let (open, named) = (file.metadata()?, fs::metadata(path)?);
    Ok((open.dev(), open.ino()) == (named.dev(), named.ino()))
}

/// How many names `file` has.
pub(crate) fn names(file: &File) -> io::Result<u64> {
    Ok(file.metadata()?.nlink())
}

/// A file with which the directory `path` is locked for others while it is open.
pub(crate) fn open_directory_lock(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// Makes the names in the directory `path` durable. On Apple's systems `sync_all` is `F_FULLFSYNC`,
/// which reaches the medium; their `fsync` does not.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Opens a file that [`append`] writes to.
pub(crate) fn open_to_append(path: &Path) -> io::Result<File> {
    private(OpenOptions::new().read(true).append(true).create(true)).open(path)
}

/// Writes `bytes` at the end of `file`.
pub(crate) fn append(mut file: &File, bytes: &[u8]) -> io::Result<()> {
    file.write_all(bytes)
}

/// Writes `bytes` at `offset` of the file `path`, which [`open_to_append`] gave.
pub(crate) fn overwrite(_: &File, path: &Path, bytes: &[u8], offset: u64) -> io::Result<()> {
    // A file opened for appending would write at its end, whatever the offset.
    OpenOptions::new().write(true).open(path)?.write_all_at(bytes, offset)
}

/// Time since some moment in the past, the machine's sleep included.
pub(crate) fn elapsed() -> Duration {
    #[cfg(target_os = "linux")]
    const THROUGH_SUSPEND: ClockId = ClockId::Boottime;
    // On Apple's systems this one goes on during sleep; elsewhere nothing better is known.
    #[cfg(not(target_os = "linux"))]
    const THROUGH_SUSPEND: ClockId = ClockId::Monotonic;
    let time = clock_gettime(THROUGH_SUSPEND);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}
