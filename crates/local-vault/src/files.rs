//! Private, durable files: how a vault reads and writes without losing or showing a key.
//!
//! A file is written under a temporary name in its own directory, synced, and then named: by a hard
//! link (or a rename that replaces nothing) where nothing may be replaced (a key never is), by a rename
//! where it replaces its older self.
//! A whole key is made in a temporary directory that is renamed. What a crash leaves behind begins
//! with [`MARK`], is ignored by every reader and swept by the next writer, which holds the vault's lock,
//! so that it cannot be the live file of another writer of this host.

use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use strongroom::secret::SecretVec;
use zeroize::Zeroizing;

use super::disk;
use super::error::LocalVaultError;
use super::options::LockWait;
use strongroom_files::FILE_MODE;
use strongroom_files::{
    MARK, is_not_there, may_be_written_elsewhere, temporary_name, try_for_keys,
};

/// The permission bits of everyone but the owner.
const OTHERS: u32 = 0o077;

/// No file with one key is longer, in bytes: a 2048-bit key takes 1.7 KB.
pub(super) const LONGEST_KEY: u64 = 64 * 1024;

/// Makes the missing parents of `path`, with the usual mode, durably: a key must
/// not vanish in a crash because a directory above it was never written.
pub(super) fn make_parents(path: &Path) -> Result<(), LocalVaultError> {
    let parent = parent(path);
    if !parent.exists() {
        make_parents(parent)?;
        disk::create_shared_directory(parent)?;
        disk::sync_directory(self::parent(parent))?;
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

/// Interval between attempts at a lock that another process holds.
const LOCK_INTERVAL: Duration = Duration::from_millis(20);

/// Time for which a wait for a lock is silent.
const SILENT_WAIT: Duration = Duration::from_secs(1);

/// The lock of the directory `path`, held until the file is dropped; waits for it as `wait` has it.
pub(super) fn lock_directory(path: &Path, wait: LockWait) -> Result<File, LocalVaultError> {
    let directory =
        strongroom_files::open_directory_lock(path).map_err(LocalVaultError::io("open", path))?;
    let (started, mut said) = (Instant::now(), false);
    loop {
        match directory.try_lock() {
            Ok(()) => return Ok(directory),
            Err(TryLockError::Error(error)) => {
                return Err(LocalVaultError::io("lock", path)(error));
            }
            Err(TryLockError::WouldBlock) if wait.most.is_none() && wait.notice.is_none() => {
                directory.lock().map_err(LocalVaultError::io("lock", path))?;
                return Ok(directory);
            }
            Err(TryLockError::WouldBlock) => {}
        }
        let waited = started.elapsed();
        if wait.most.is_some_and(|most| waited >= most) {
            return Err(LocalVaultError::Locked { path: path.to_owned(), waited });
        }
        if let Some(notice) = wait.notice.filter(|_| !said && waited >= SILENT_WAIT) {
            notice(path);
            said = true;
        }
        thread::sleep(LOCK_INTERVAL);
    }
}

/// True where `path` is a directory's lock, where that is a file.
pub(super) fn is_lock(path: &Path) -> bool {
    strongroom_files::LOCK_FILE.is_some_and(|name| file_name(path) == Some(name))
}

/// Refuses `path`, of which `metadata` is known, when other users have any access to it. On a read-only mount
/// nobody can put another file in its place, and whoever mounted it chose its readers: a mounted secret of
/// Kubernetes shows its files with modes such as 644, which cannot be changed there.
pub(super) fn require_private(
    path: &Path,
    metadata: &fs::Metadata,
    wanted: u32,
) -> Result<(), LocalVaultError> {
    let mode = strongroom_files::mode(metadata);
    if mode & OTHERS == 0 || strongroom_files::is_on_read_only_mount(path) {
        Ok(())
    } else {
        Err(LocalVaultError::Exposed { path: path.to_owned(), mode, wanted })
    }
}

/// Makes the directory `path`, which holds no keys yet, private, and refuses it where its file system lacks
/// what keys need.
pub(super) fn require_fit(path: &Path) -> Result<(), LocalVaultError> {
    match strongroom_files::make_directory_private(path) {
        // What its permissions are is looked at next.
        Err(error) if is_not_there(&error) => {}
        made => made.map_err(LocalVaultError::io("make private", path))?,
    }
    try_for_keys(path)
        .map_err(LocalVaultError::io("use", path))?
        .map_err(|lacking| LocalVaultError::FileSystem { path: path.to_owned(), lacking })
}

/// Target of the symbolic link `path`, which is in the same directory or below it: so Kubernetes shows the
/// files of a secret, `vault.json -> ..data/vault.json` and `..data -> ..2026_11_29`. Who can write the
/// directory could put the file itself there.
///
/// # Errors
///
/// [`LocalVaultError::Damaged`] where it leads elsewhere, or nowhere.
fn linked(path: &Path) -> Result<PathBuf, LocalVaultError> {
    let inside = || {
        let (target, directory) =
            (fs::canonicalize(path).ok()?, fs::canonicalize(parent(path)).ok()?);
        target.starts_with(directory).then_some(target)
    };
    let reason = "it is a symbolic link that leads out of its directory";
    inside().ok_or_else(|| LocalVaultError::Damaged { path: path.to_owned(), reason })
}

/// True where there is a directory `path`.
///
/// # Errors
///
/// [`LocalVaultError::Damaged`] where it is something else, or a symbolic link that leads out of the vault.
pub(super) fn is_directory(path: &Path) -> Result<bool, LocalVaultError> {
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Ok(link) if link.is_symlink() => {
            let target = linked(path)?;
            fs::symlink_metadata(&target).map_err(LocalVaultError::io("read", &target))?
        }
        metadata => metadata.map_err(LocalVaultError::io("read", path))?,
    };
    if metadata.is_dir() {
        return Ok(true);
    }
    Err(LocalVaultError::Damaged { path: path.to_owned(), reason: "it is not a directory" })
}

/// The text of a private file of at most `longest` bytes, wiped when it is dropped; `None` where the file
/// does not exist. A symbolic link is followed within its directory only, and the permissions are those of
/// what it leads to; a pipe is not waited for.
pub(super) fn read_private(
    path: &Path,
    longest: u64,
) -> Result<Option<Zeroizing<String>>, LocalVaultError> {
    let damaged = |reason| LocalVaultError::Damaged { path: path.to_owned(), reason };
    let mut file = match strongroom_files::open_unfollowed(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if strongroom_files::is_symbolic_link(&error) => {
            let target = linked(path)?;
            strongroom_files::open_unfollowed(&target)
                .map_err(LocalVaultError::io("read", &target))?
        }
        opened => opened.map_err(LocalVaultError::io("read", path))?,
    };
    let metadata = file.metadata().map_err(LocalVaultError::io("read", path))?;
    if !metadata.is_file() {
        return Err(damaged("it is not a file"));
    }
    require_private(path, &metadata, FILE_MODE)?;
    if metadata.len() > longest {
        return Err(damaged("it is longer than any such file"));
    }
    // Allocated once at its final size: a vector that grows leaves copies behind.
    let mut bytes = Zeroizing::new(vec![0; usize::try_from(metadata.len()).unwrap_or(0)]);
    file.read_exact(&mut bytes).map_err(LocalVaultError::io("read", path))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| damaged("it is not text"))?;
    Ok(Some(Zeroizing::new(text.to_owned())))
}

/// Outcome of giving a file its name.
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
    let temporary = temporary(directory)?;
    let result = disk::write(&temporary, contents)
        .and_then(|()| disk::link(&temporary, &directory.join(name)));
    // Best effort: what stays is swept by the next writer.
    let _ = disk::remove(&temporary);
    let free = result?;
    disk::sync_directory(directory)?;
    Ok(if free { Published::Yes } else { Published::NameTaken })
}

/// Gives `contents` the name `name` in `directory`, durably; what had the name is replaced at once and
/// whole. The caller holds the vault's lock.
pub(super) fn replace(
    directory: &Path,
    name: &str,
    contents: &[u8],
) -> Result<(), LocalVaultError> {
    let temporary = temporary(directory)?;
    let result = disk::write(&temporary, contents)
        .and_then(|()| disk::rename(&temporary, &directory.join(name)));
    if result.is_err() {
        let _ = disk::remove(&temporary);
    }
    result?;
    disk::sync_directory(directory)
}

/// Makes the directory `name` in `parent` with all of `files` (name and contents), durably: it appears
/// with all of them or not at all. The caller holds the vault's lock and has seen that there is none,
/// or an empty one.
pub(super) fn install(
    parent: &Path,
    name: &str,
    files: &[(String, &[u8])],
) -> Result<(), LocalVaultError> {
    let temporary = temporary(parent)?;
    let fill = || {
        disk::create_directory(&temporary)?;
        for (file, contents) in files {
            disk::write(&temporary.join(file), contents)?;
        }
        disk::sync_directory(&temporary)?;
        disk::rename(&temporary, &parent.join(name))
    };
    if let Err(error) = fill() {
        let _ = empty_and_remove(&temporary);
        return Err(error);
    }
    disk::sync_directory(parent)
}

/// Makes the directory `name` in `parent` with a directory of files (name and contents) for each of `keys`, durably: it
/// appears with all of them or not at all. The caller holds the vault's lock and has seen that there is none.
pub(super) fn install_all(
    parent: &Path,
    name: &str,
    keys: &[(String, Vec<(String, SecretVec)>)],
) -> Result<(), LocalVaultError> {
    let temporary = temporary(parent)?;
    let fill = || {
        disk::create_directory(&temporary)?;
        for (key, files) in keys {
            let directory = temporary.join(key);
            disk::create_directory(&directory)?;
            for (file, contents) in files {
                disk::write(&directory.join(file), contents.expose())?;
            }
            disk::sync_directory(&directory)?;
        }
        disk::sync_directory(&temporary)?;
        disk::rename(&temporary, &parent.join(name))
    };
    if let Err(error) = fill() {
        let _ = empty_and_remove(&temporary);
        return Err(error);
    }
    disk::sync_directory(parent)
}

/// Removes the file `name` of `directory`, for good.
pub(super) fn remove(directory: &Path, name: &str) -> Result<(), LocalVaultError> {
    disk::remove(&directory.join(name))?;
    disk::sync_directory(directory)
}

/// Removes the directory `name` of `parent` with its files: at once for every reader, and for good.
/// The caller holds the vault's lock.
pub(super) fn uninstall(parent: &Path, name: &str) -> Result<(), LocalVaultError> {
    let temporary = temporary(parent)?;
    disk::rename(&parent.join(name), &temporary)?;
    disk::sync_directory(parent)?;
    empty_and_remove(&temporary)?;
    disk::sync_directory(parent)
}

/// Removes the directory of a key, or that of all keys.
fn empty_and_remove(directory: &Path) -> Result<(), LocalVaultError> {
    for path in entries(directory)? {
        let metadata = fs::symlink_metadata(&path).map_err(LocalVaultError::io("read", &path))?;
        if metadata.is_dir() { empty_and_remove(&path)? } else { disk::remove(&path)? }
    }
    disk::remove_directory(directory)
}

fn temporary(directory: &Path) -> Result<PathBuf, LocalVaultError> {
    let name = temporary_name(OsStr::new("")).map_err(|_| LocalVaultError::Random)?;
    Ok(directory.join(name))
}

/// Removes from `directory` what crashed writers left. The caller holds the vault's lock.
pub(super) fn sweep(directory: &Path) -> Result<(), LocalVaultError> {
    for path in entries(directory)? {
        let is_temporary = file_name(&path).is_some_and(|name| name.starts_with(MARK));
        if !is_temporary || may_be_written_elsewhere(&path) {
            continue;
        }
        let metadata = fs::symlink_metadata(&path).map_err(LocalVaultError::io("read", &path))?;
        if metadata.is_dir() { empty_and_remove(&path)? } else { disk::remove(&path)? }
    }
    Ok(())
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
