//! Unix: permission bits, locks on directories, files known by device and inode.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{
    DirBuilderExt as _, FileExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::process::Pid;

use super::{DIRECTORY_MODE, FILE_MODE};

/// The name of the file that stands for a directory's lock: the directory itself is locked here.
pub const LOCK_FILE: Option<&str> = None;

/// Has `options` make files that are their owner's alone.
pub fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options.mode(FILE_MODE)
}

/// Makes a directory that is its owner's alone.
///
/// # Errors
///
/// The system's.
pub fn create_private_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(DIRECTORY_MODE).create(path)
}

/// Makes a directory that is there its owner's alone.
///
/// # Errors
///
/// The system's.
pub fn make_directory_private(path: &Path) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(DIRECTORY_MODE))
}

/// The permission bits of `metadata`.
#[must_use]
pub fn mode(metadata: &Metadata) -> u32 {
    metadata.permissions().mode() & 0o777
}

/// True where `path` is on a file system that is mounted read-only for this process; false where that is not
/// known.
#[must_use]
pub fn is_on_read_only_mount(path: &Path) -> bool {
    let read_only = rustix::fs::StatVfsMountFlags::RDONLY;
    rustix::fs::statvfs(path).is_ok_and(|found| found.f_flag.contains(read_only))
}

/// Opens a file to read without following a symbolic link or waiting for a pipe's other end.
///
/// # Errors
///
/// The system's.
pub fn open_unfollowed(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

/// Opens a file to read, without waiting for a pipe's other end.
///
/// # Errors
///
/// The system's, and [`io::ErrorKind::InvalidInput`] for what is not a file.
pub fn open_regular(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    super::require_file(&file)?;
    Ok(file)
}

/// Opens a file to lock it, as [`open_unfollowed`] does; for writing, too: over NFS an exclusive lock wants that.
pub(crate) fn open_to_lock(path: &Path) -> io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    OpenOptions::new().read(true).write(true).custom_flags(flags).open(path)
}

/// True where a call failed because the file system, or the system, does not support it.
#[must_use]
pub fn is_not_there(error: &io::Error) -> bool {
    let error = Errno::from_io_error(error);
    matches!(error, Some(Errno::PERM | Errno::INVAL | Errno::NOSYS | Errno::NOTSUP))
        || error == Some(Errno::OPNOTSUPP)
}

/// True where a lock was refused because there are none, or none for a file that is open for reading.
#[must_use]
pub fn gives_no_locks(error: &io::Error) -> bool {
    is_not_there(error) || matches!(Errno::from_io_error(error), Some(Errno::NOLCK | Errno::BADF))
}

/// Gives the file `from` the name `to`, in one step that fails where that is taken.
#[cfg(any(target_os = "linux", target_vendor = "apple"))]
pub(crate) fn rename_unless_taken(from: &Path, to: &Path) -> io::Result<()> {
    let flags = rustix::fs::RenameFlags::NOREPLACE;
    Ok(rustix::fs::renameat_with(rustix::fs::CWD, from, rustix::fs::CWD, to, flags)?)
}

/// This system has no such renames.
#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
pub(crate) fn rename_unless_taken(_: &Path, _: &Path) -> io::Result<()> {
    Err(Errno::NOSYS.into())
}

/// Identity of this host: a copied machine has the other's id, and another name.
pub(crate) fn host() -> String {
    let id = fs::read_to_string("/etc/machine-id").unwrap_or_default();
    id + &rustix::system::uname().nodename().to_string_lossy()
}

/// The start of this system, and the name space of its processes' numbers; 0 where they are not known.
pub(crate) fn boot() -> (u64, u32) {
    let digits = |text: &str, is: fn(&char) -> bool, most| -> String {
        text.chars().filter(is).take(most).collect()
    };
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let boot = digits(&boot, char::is_ascii_hexdigit, 16);
    let space = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    let space = digits(&space.to_string_lossy(), char::is_ascii_digit, 10);
    (u64::from_str_radix(&boot, 16).unwrap_or(0), space.parse().unwrap_or(0))
}

/// True where a process of that number does not exist.
pub(crate) fn has_ended(process: u32) -> bool {
    let process = i32::try_from(process).ok().and_then(Pid::from_raw);
    process.is_some_and(|id| rustix::process::test_kill_process(id) == Err(Errno::SRCH))
}

/// True where `file` is on a file system of which only one host has files open: then its locks show every
/// writer. A network's, and one that is not known, is not.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn is_of_one_host(file: &File) -> bool {
    /// ext, XFS, Btrfs, tmpfs, ramfs, overlayfs, F2FS, ZFS, bcachefs, FAT, exFAT.
    const OF_ONE_HOST: [u32; 11] = [
        0xEF53,
        0x5846_5342,
        0x9123_683E,
        0x0102_1994,
        0x8584_58F6,
        0x794C_7630,
        0xF2F5_2010,
        0x2FC1_2FC1,
        0xCA45_1A4E,
        0x4D44,
        0x2011_BAB0,
    ];
    let kind = |found: rustix::fs::StatFs| u32::try_from(found.f_type).ok();
    rustix::fs::fstatfs(file).ok().and_then(kind).is_some_and(|kind| OF_ONE_HOST.contains(&kind))
}

/// Not known on this system.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn is_of_one_host(_: &File) -> bool {
    false
}

/// True where [`open_unfollowed`] met a symbolic link.
#[must_use]
pub fn is_symbolic_link(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::LOOP.raw_os_error())
}

/// True where `path` names `file`.
///
/// # Errors
///
/// The system's.
pub fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let (open, named) = (file.metadata()?, fs::metadata(path)?);
    Ok((open.dev(), open.ino()) == (named.dev(), named.ino()))
}

/// Number of names of `file`.
///
/// # Errors
///
/// The system's.
pub fn names(file: &File) -> io::Result<u64> {
    Ok(file.metadata()?.nlink())
}

/// A file with which the directory `path` is locked for others while it is open.
///
/// # Errors
///
/// The system's.
pub fn open_directory_lock(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// Makes the names in the directory `path` durable. On Apple's systems `sync_all` is `F_FULLFSYNC`,
/// which reaches the medium; their `fsync` does not.
///
/// # Errors
///
/// The system's.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Opens a file that [`append`] writes to.
///
/// # Errors
///
/// The system's.
pub fn open_to_append(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let mut options = OpenOptions::new();
    private(options.read(true).append(true).create(true).custom_flags(flags)).open(path)
}

/// Writes `bytes` at the end of `file`.
///
/// # Errors
///
/// The system's.
pub fn append(mut file: &File, bytes: &[u8]) -> io::Result<()> {
    file.write_all(bytes)
}

/// Writes `bytes` at `offset` of the file `path`, which [`open_to_append`] gave.
///
/// # Errors
///
/// The system's.
pub fn overwrite(_: &File, path: &Path, bytes: &[u8], offset: u64) -> io::Result<()> {
    // A file opened for appending would write at its end, whatever the offset.
    OpenOptions::new().write(true).open(path)?.write_all_at(bytes, offset)
}
