//! Windows: inherited access lists, locks that others cannot read through, files known by volume and index.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::os::windows::fs::OpenOptionsExt as _;
use std::path::Path;

use strongroom::document::WriteAt as _;
use winapi_util::file;

/// `FILE_FLAG_BACKUP_SEMANTICS`: opens directories, too.
const OPEN_DIRECTORIES: u32 = 0x0200_0000;
/// `FILE_FLAG_OPEN_REPARSE_POINT`: opens a symbolic link itself.
const OPEN_LINKS: u32 = 0x0020_0000;

/// The name of the file that stands for a directory's lock: a directory cannot be locked here.
pub const LOCK_FILE: Option<&str> = Some(".lock");

/// Leaves `options` as they are: a new file has the access list of its directory.
pub fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

/// Makes a directory, with the access list of the one it is in.
///
/// # Errors
///
/// The system's.
pub fn create_private_directory(path: &Path) -> io::Result<()> {
    fs::create_dir(path)
}

/// Leaves the directory its access list.
///
/// # Errors
///
/// The system's.
#[allow(clippy::unnecessary_wraps, reason = "as on Unix")]
pub fn make_directory_private(_: &Path) -> io::Result<()> {
    Ok(())
}

/// No permission bits: an access list is not judged.
#[must_use]
pub fn mode(_: &Metadata) -> u32 {
    0
}

/// Not asked: [`mode`] shows nothing to others.
#[must_use]
pub fn is_on_read_only_mount(_: &Path) -> bool {
    false
}

/// Opens a file to read; a symbolic link is opened itself, and is then no file.
///
/// # Errors
///
/// The system's.
pub fn open_unfollowed(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(OPEN_LINKS).open(path)
}

/// Opens a file to read.
///
/// # Errors
///
/// The system's, and [`io::ErrorKind::InvalidInput`] for what is not a file.
pub fn open_regular(path: &Path) -> io::Result<File> {
    let file = File::open(path)?;
    super::require_file(&file)?;
    Ok(file)
}

/// Opens a file to lock it.
pub(crate) fn open_to_lock(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).custom_flags(OPEN_LINKS).open(path)
}

/// True where a call failed because the file system does not support it.
#[must_use]
pub fn is_not_there(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Unsupported
}

/// True where a lock was refused because there are none.
#[must_use]
pub fn gives_no_locks(error: &io::Error) -> bool {
    is_not_there(error)
}

/// Not asked for: hard links are there, or nothing is.
pub(crate) fn rename_unless_taken(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The name of this host.
pub(crate) fn host() -> String {
    std::env::var("COMPUTERNAME").unwrap_or_default()
}

/// Not known: locks show the processes that live.
pub(crate) fn boot() -> (u64, u32) {
    (0, 0)
}

/// Not known: locks show the processes that live.
pub(crate) fn has_ended(_: u32) -> bool {
    false
}

/// Not known.
pub(crate) fn is_of_one_host(_: &File) -> bool {
    false
}

/// True where [`open_unfollowed`] met a symbolic link: never, since it opens one.
#[must_use]
pub fn is_symbolic_link(_: &io::Error) -> bool {
    false
}

/// True where `path` names `file`.
///
/// # Errors
///
/// The system's.
pub fn is_at(open: &File, path: &Path) -> io::Result<bool> {
    let named = OpenOptions::new().read(true).custom_flags(OPEN_DIRECTORIES).open(path)?;
    let (open, named) = (file::information(open)?, file::information(&named)?);
    Ok((open.volume_serial_number(), open.file_index())
        == (named.volume_serial_number(), named.file_index()))
}

/// Number of names of `file`.
///
/// # Errors
///
/// The system's.
pub fn names(open: &File) -> io::Result<u64> {
    Ok(file::information(open)?.number_of_links())
}

/// A file with which the directory `path` is locked for others while it is open.
///
/// # Errors
///
/// The system's.
pub fn open_directory_lock(path: &Path) -> io::Result<File> {
    let name = LOCK_FILE.unwrap_or_default();
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path.join(name))
}

/// Makes the names in the directory `path` durable.
///
/// # Errors
///
/// The system's.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).custom_flags(OPEN_DIRECTORIES).open(path)?.sync_all()
}

/// Opens a file that [`append`] writes to. Not with the right to append alone, which neither cuts a torn
/// line nor writes over one, and the lock keeps every other handle from doing it.
///
/// # Errors
///
/// The system's.
pub fn open_to_append(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
}

/// Writes `bytes` at the end of `file`, which is locked.
///
/// # Errors
///
/// The system's.
pub fn append(mut file: &File, bytes: &[u8]) -> io::Result<()> {
    file.seek(SeekFrom::End(0))?;
    file.write_all(bytes)
}

/// Writes `bytes` at `offset` of the file that [`open_to_append`] gave.
///
/// # Errors
///
/// The system's.
pub fn overwrite(file: &File, _: &Path, bytes: &[u8], offset: u64) -> io::Result<()> {
    file.write_all_at(bytes, offset)
}
