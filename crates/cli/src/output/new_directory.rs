//! A directory that appears whole under its name or not at all.
//!
//! It is filled under a temporary name beside its own, whose lock is held meanwhile: what a killed run leaves is
//! removed by the next one that makes a directory there.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use strongroom_files::{is_temporary_name, may_be_written_elsewhere, temporary_name};

use super::exchange::Exchange;
use super::{parent, refuse_reserved, refuse_store};
use crate::failure::Failure;
use crate::platform::{self, Directory};

/// The number of times that another run may remove a directory before it is locked.
const ATTEMPTS: usize = 8;

/// A directory that is not there yet.
#[derive(Debug)]
pub(crate) struct NewDirectory {
    target: PathBuf,
    temporary: PathBuf,
    option: &'static str,
    /// The lock; `None` once it has its name.
    lock: Option<File>,
}

impl NewDirectory {
    /// An empty private directory that is to be `target`, in a directory that keeps no keys. `option` names it in
    /// messages. Something may have the name: that shows when it is published.
    ///
    /// # Errors
    ///
    /// [`Failure::InsideStore`], [`Failure::Reserved`], [`Failure::Directory`];
    /// [`Failure::NotPrivate`] where other users could read what is in it.
    pub(crate) fn create(target: &Path, option: &'static str) -> Result<Self, Failure> {
        refuse_reserved(target, option)?;
        refuse_store(target, target, option)?;
        let directory = parent(target);
        let failed = |source| Failure::Directory { path: directory.to_owned(), source, option };
        let name = target.file_name().ok_or_else(|| failed(io::ErrorKind::AlreadyExists.into()))?;
        if !fs::metadata(directory).map_err(failed)?.is_dir() {
            return Err(failed(io::ErrorKind::NotADirectory.into()));
        }
        sweep(directory);
        for _ in 0..ATTEMPTS {
            let temporary = directory.join(temporary_name(name).map_err(failed)?);
            platform::create_private_directory(&temporary).map_err(failed)?;
            let lock = match platform::open_directory_lock(&temporary) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                lock => lock.map_err(failed)?,
            };
            // Where there are no locks nobody sweeps.
            let _ = lock.lock();
            if !temporary.exists() {
                continue; // swept before it was locked, as above
            }
            let target = target.to_owned();
            let new = Self { target, temporary, option, lock: Some(lock) };
            let mode = platform::mode(&fs::metadata(&new.temporary).map_err(failed)?);
            if mode & 0o077 != 0 {
                return Err(Failure::NotPrivate { path: new.target.clone(), option });
            }
            return Ok(new);
        }
        Err(failed(io::Error::other("other processes keep removing the temporary directory")))
    }

    /// The directory, as long as it is not published.
    pub(crate) fn path(&self) -> &Path {
        &self.temporary
    }

    /// Gives it its name, durably, unless something else has it.
    ///
    /// # Errors
    ///
    /// [`Failure::Taken`] where something has the name, [`Failure::Directory`].
    pub(crate) fn publish(mut self) -> Result<(), Failure> {
        self.settle()?;
        // Only what is empty would give way to a directory.
        if fs::symlink_metadata(&self.target).is_ok_and(|found| !found.is_dir()) {
            return Err(self.taken());
        }
        match fs::rename(&self.temporary, &self.target) {
            Err(_) if fs::symlink_metadata(&self.target).is_ok() => Err(self.taken()),
            renamed => {
                renamed.map_err(|source| self.failed(source))?;
                self.done()
            }
        }
    }

    /// Gives it its name, durably, and what had it a name beside it, which is returned. There is a whole directory under its
    /// name at every moment, where the file system can exchange two names in one step.
    ///
    /// # Errors
    ///
    /// [`Failure::Taken`], [`Failure::Directory`]; then what had the name has it.
    pub(crate) fn publish_in_place(mut self) -> Result<PathBuf, Failure> {
        self.settle()?;
        let exchange = Exchange::new(&self.target).ok_or_else(|| self.taken())?;
        let aside = exchange.run(&self.temporary).map_err(|source| self.failed(source))?;
        self.done()?;
        Ok(aside)
    }

    /// Makes its names durable, and gives up the lock where a locked directory cannot be renamed.
    fn settle(&mut self) -> Result<(), Failure> {
        let synced = Directory::open(&self.temporary).and_then(|directory| directory.sync());
        synced.map_err(|source| self.failed(source))?;
        if cfg!(windows) {
            self.lock = None;
        }
        Ok(())
    }

    fn done(mut self) -> Result<(), Failure> {
        self.lock = None;
        let directory = parent(&self.target);
        let synced = Directory::open(directory).and_then(|directory| directory.sync());
        // It has its name, whole.
        synced.map_err(|source| self.failed(source))
    }

    fn taken(&self) -> Failure {
        Failure::Taken { path: self.target.clone(), option: self.option }
    }

    fn failed(&self, source: io::Error) -> Failure {
        Failure::Directory { path: parent(&self.target).to_owned(), source, option: self.option }
    }
}

impl Drop for NewDirectory {
    fn drop(&mut self) {
        // Best effort: what stays is swept by the next run. It is not there any more once it has its name.
        let _ = fs::remove_dir_all(&self.temporary);
    }
}

/// Removes from `directory` the unfinished directories of runs that have ended: they may hold keys. Best effort.
fn sweep(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if !is_temporary_name(&entry.file_name())
            || !entry.file_type().is_ok_and(|kind| kind.is_dir())
        {
            continue;
        }
        let Ok(lock) = platform::open_directory_lock(&path) else { continue };
        match lock.try_lock() {
            Ok(()) if !may_be_written_elsewhere(&path) => {}
            Ok(()) | Err(TryLockError::WouldBlock | TryLockError::Error(_)) => continue,
        }
        let _ = fs::remove_dir_all(&path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let names = fs::read_dir(directory).unwrap();
        let mut names: Vec<_> =
            names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn filled(target: &Path) -> NewDirectory {
        let new = NewDirectory::create(target, "-o").unwrap();
        fs::write(new.path().join("file"), b"new").unwrap();
        new
    }

    #[test]
    fn a_directory_has_its_name_when_it_is_published_and_replaces_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("target");
        let (one, other) = (filled(&target), filled(&target));
        assert!(!target.exists());
        one.publish().unwrap();
        assert!(matches!(other.publish(), Err(Failure::Taken { .. })));
        drop(filled(&target));
        assert_eq!(names(directory.path()), ["target"]);
        assert_eq!(fs::read(target.join("file")).unwrap(), b"new");
        let mode = platform::mode(&fs::metadata(&target).unwrap());
        assert_eq!(mode, if cfg!(unix) { 0o700 } else { 0 });
        let file = directory.path().join("plain");
        fs::write(&file, b"old").unwrap();
        assert!(matches!(filled(&file).publish(), Err(Failure::Taken { .. })));
        assert_eq!(fs::read(&file).unwrap(), b"old");
    }

    #[test]
    fn what_a_killed_run_left_is_removed_and_a_live_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("target");
        let live = filled(&target);
        let dead = directory.path().join(temporary_name("target".as_ref()).unwrap());
        fs::create_dir(&dead).unwrap();
        fs::write(dead.join("key"), b"a key").unwrap();
        drop(filled(&directory.path().join("other")));
        assert!(!dead.exists());
        live.publish().unwrap();
        assert_eq!(names(directory.path()), ["target"]);
    }
}
