//! Private, durable files: how a vault reads and writes without losing or showing a key.
//!
//! A file is written under a temporary name in its own directory, synced, and published by a hard
//! link, which fails where the name is taken: a key is never replaced. What a crash leaves behind
//! begins with [`TEMPORARY`], is ignored by every reader and swept by the next writer, which
//! holds the vault's lock, so that it cannot be another writer's live file.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use zeroize::Zeroizing;

use super::error::LocalVaultError;
use super::id::random_hex;

/// How the names of unpublished files begin. No key's name and no version begins with a dot.
pub(super) const TEMPORARY: &str = ".strongroom-tmp-";

/// The permission bits of a vault's directories.
pub(super) const DIRECTORY_MODE: u32 = 0o700;

/// The permission bits of a vault's files.
const FILE_MODE: u32 = 0o600;

/// The permission bits of everyone but the owner.
const OTHERS: u32 = 0o077;

/// No file of a vault is longer: a 2048-bit key takes 1.7 KB.
const LONGEST: u64 = 64 * 1024;

/// Makes the directory `path`, private. One that is there already is left as it is.
pub(super) fn make_directory(path: &Path) -> Result<(), LocalVaultError> {
    match DirBuilder::new().mode(DIRECTORY_MODE).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(LocalVaultError::io("create the directory", path)(error))
        }
        _ => Ok(()),
    }
}

/// Makes the missing parents of `path`, with the usual mode, durably: a key must
/// not vanish in a crash because a directory above it was never written.
pub(super) fn make_parents(path: &Path) -> Result<(), LocalVaultError> {
    let parent = parent(path);
    if !parent.exists() {
        make_parents(parent)?;
        match fs::create_dir(parent) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(LocalVaultError::io("create the directory", parent)(error));
            }
            _ => sync_directory(self::parent(parent))?,
        }
    }
    Ok(())
}

/// The directory that `path` is in.
pub(super) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Makes the entries of the directory `path` durable.
pub(super) fn sync_directory(path: &Path) -> Result<(), LocalVaultError> {
    File::open(path)
        .and_then(|directory| directory.sync_all())
        .map_err(LocalVaultError::io("sync the directory", path))
}

/// The lock of the directory `path`, held until the file is dropped; waits for it.
pub(super) fn lock_directory(path: &Path) -> Result<File, LocalVaultError> {
    let directory = File::open(path).map_err(LocalVaultError::io("open", path))?;
    directory.lock().map_err(LocalVaultError::io("lock", path))?;
    Ok(directory)
}

/// Refuses `path`, of which `metadata` is known, when other users have any access to it.
pub(super) fn require_private(
    path: &Path,
    metadata: &fs::Metadata,
    wanted: u32,
) -> Result<(), LocalVaultError> {
    let mode = metadata.permissions().mode() & 0o777;
    if mode & OTHERS == 0 {
        Ok(())
    } else {
        Err(LocalVaultError::Exposed { path: path.to_owned(), mode, wanted })
    }
}

/// The text of a private file, wiped when it is dropped; `None` when there is no such file.
pub(super) fn read_private(path: &Path) -> Result<Option<Zeroizing<String>>, LocalVaultError> {
    let damaged = |reason| LocalVaultError::Damaged { path: path.to_owned(), reason };
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(LocalVaultError::io("read", path))?,
    };
    let metadata = file.metadata().map_err(LocalVaultError::io("read", path))?;
    require_private(path, &metadata, FILE_MODE)?;
    if !metadata.is_file() {
        return Err(damaged("it is not a file"));
    }
    let length = usize::try_from(metadata.len().min(LONGEST)).unwrap_or(usize::MAX);
    // Allocated once at its final size: a vector that grows leaves copies behind.
    let mut bytes = Zeroizing::new(vec![0; length]);
    file.read_exact(&mut bytes).map_err(LocalVaultError::io("read", path))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| damaged("it is not text"))?;
    Ok(Some(Zeroizing::new(text.to_owned())))
}

/// When the file `path` was written.
pub(super) fn modified(path: &Path) -> Result<SystemTime, LocalVaultError> {
    fs::metadata(path)
        .and_then(|metadata| metadata.modified())
        .map_err(LocalVaultError::io("read", path))
}

/// Whether a file got its name.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Published {
    /// It has, and will keep it through a crash.
    Yes,
    /// The name was taken; what has it is untouched.
    NameTaken,
}

/// Gives `contents` the name `name` in `directory`, durably, unless the name is taken.
pub(super) fn publish(
    directory: &Path,
    name: &str,
    contents: &[u8],
) -> Result<Published, LocalVaultError> {
    let temporary = directory.join(format!("{TEMPORARY}{}", random_hex()?));
    let result = write_private(&temporary, contents).and_then(|()| {
        let target = directory.join(name);
        match fs::hard_link(&temporary, &target) {
            Ok(()) => Ok(Published::Yes),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(Published::NameTaken),
            Err(error) => Err(LocalVaultError::io("name", &target)(error)),
        }
    });
    // Best effort: what stays is swept by the next writer.
    let _ = fs::remove_file(&temporary);
    let published = result?;
    sync_directory(directory)?;
    Ok(published)
}

fn write_private(path: &Path, contents: &[u8]) -> Result<(), LocalVaultError> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(FILE_MODE)
        .open(path)
        .and_then(|mut file| file.write_all(contents).and_then(|()| file.sync_all()))
        .map_err(LocalVaultError::io("write", path))
}

/// Removes from `directory` what crashed writers left. The caller holds the vault's lock.
pub(super) fn sweep(directory: &Path) -> Result<(), LocalVaultError> {
    for path in entries(directory)?.into_iter().filter(|path| is_temporary(path)) {
        fs::remove_file(&path).map_err(LocalVaultError::io("remove", &path))?;
    }
    Ok(())
}

/// Whether `path` is a file that was never published.
pub(super) fn is_temporary(path: &Path) -> bool {
    file_name(path).is_some_and(|name| name.starts_with(TEMPORARY))
}

/// The paths in `directory`; none when it is not there.
pub(super) fn entries(directory: &Path) -> Result<Vec<PathBuf>, LocalVaultError> {
    let list = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        list => list.map_err(LocalVaultError::io("list", directory))?,
    };
    list.map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<_>>()
        .map_err(LocalVaultError::io("list", directory))
}

/// The last part of `path`, when it is UTF-8.
pub(super) fn file_name(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()
}
