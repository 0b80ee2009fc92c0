//! The lock of a directory, held from the last look at its names to the step that gives one to a new file.
//!
//! Without it a file that another command named between the two would be replaced unseen. Where a directory cannot
//! be locked itself (it may be written and not read, or the file system locks only files that are open for writing),
//! a file in it can be locked in its place; single documents do without.

use std::ffi::OsStr;
use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::failure::Failure;
use crate::platform::{self, Directory};
use crate::waiting;

/// The file that is locked in a directory's place. Who holds its lock removes it.
const LOCK_FILE: &str = ".strongroom-lock";

/// Threads of one process name files one at a time: no note is printed of them, as of other commands.
static NAMING: Mutex<()> = Mutex::new(());

/// True of the name of the file that is locked in a directory's place.
pub(super) fn is_lock_name(name: &OsStr) -> bool {
    name == LOCK_FILE
}

/// Locks of one directory or two, until they are dropped.
#[derive(Debug)]
pub(super) struct DirectoryLocks {
    _held: Vec<Held>,
    _naming: MutexGuard<'static, ()>,
}

#[derive(Debug)]
enum Held {
    Directory { _file: File },
    LockFile { directory: Directory, _file: File },
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Self::LockFile { directory, .. } = self {
            // Before the lock goes: who waits for it sees that it has no name, and makes another.
            let _ = directory.remove(LOCK_FILE.as_ref());
        }
    }
}

/// The lock of `directory`, which messages call `path`, for which it waits at most as long as `most` says; `None` where
/// it cannot be locked.
///
/// # Errors
///
/// [`Failure::Waited`] and [`Failure::Lock`].
pub(super) fn lock(
    directory: &Directory,
    path: &Path,
    most: Option<Duration>,
) -> Result<Option<DirectoryLocks>, Failure> {
    let naming = NAMING.lock().unwrap_or_else(PoisonError::into_inner);
    let held = lock_itself(directory, path, most)?;
    Ok(held.map(|held| DirectoryLocks { _held: vec![held], _naming: naming }))
}

/// The locks of both directories, each by a file in it where it cannot be locked itself. All commands take them in the
/// same order.
///
/// # Errors
///
/// Those of [`lock`]; [`Failure::Directory`] where a directory cannot be looked at.
pub(super) fn lock_both(
    directories: [(&Directory, &Path); 2],
    most: Option<Duration>,
) -> Result<Option<DirectoryLocks>, Failure> {
    let mut ordered = Vec::with_capacity(2);
    for (directory, path) in directories {
        let unseen = |source| Failure::write(path.display().to_string(), source);
        ordered.push((directory.identity().map_err(unseen)?, directory, path));
    }
    ordered.sort_by_key(|(identity, ..)| *identity);
    ordered.dedup_by_key(|(identity, ..)| *identity);
    let naming = NAMING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut held = Vec::with_capacity(2);
    for (_, directory, path) in ordered {
        let lock = match lock_itself(directory, path, most)? {
            None => lock_file_in(directory, path, most)?,
            lock => lock,
        };
        let Some(lock) = lock else { return Ok(None) };
        held.push(lock);
    }
    Ok(Some(DirectoryLocks { _held: held, _naming: naming }))
}

/// True where a command holds the lock of the directory at `path` at this moment.
pub(crate) fn is_held(path: &Path) -> bool {
    let file = Directory::open(path).and_then(|directory| directory.open_to_lock());
    file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

fn lock_itself(
    directory: &Directory,
    path: &Path,
    most: Option<Duration>,
) -> Result<Option<Held>, Failure> {
    let Ok(file) = directory.open_to_lock() else { return Ok(None) };
    let held = waiting::lock(&file, &name(path), most)?;
    Ok(held.then_some(Held::Directory { _file: file }))
}

fn lock_file_in(
    directory: &Directory,
    path: &Path,
    most: Option<Duration>,
) -> Result<Option<Held>, Failure> {
    let unseen = |source| Failure::write(path.join(LOCK_FILE).display().to_string(), source);
    loop {
        let Ok(file) = directory.open_lock_file(LOCK_FILE.as_ref()) else { return Ok(None) };
        if !waiting::lock(&file, &name(path), most)? {
            // Nobody can lock it.
            let _ = directory.remove(LOCK_FILE.as_ref());
            return Ok(None);
        }
        let own = platform::identity(&file).map_err(unseen)?;
        // Whoever held it before has removed it.
        if directory.identity_of(LOCK_FILE.as_ref()).map_err(unseen)? == Some(own) {
            let directory = directory.try_clone().map_err(unseen)?;
            return Ok(Some(Held::LockFile { directory, _file: file }));
        }
    }
}

fn name(path: &Path) -> String {
    format!("the directory {}", path.display())
}
