//! A file that gets its name only when it is whole.
//!
//! It is written without a name (`O_TMPFILE`), so that neither an error nor a signal nor a power cut
//! leaves anything behind. Where the file system has no such files it is written beside the target
//! under a name of [`super::sweep`]'s pattern, private and locked, which the next run removes.
//! In the end it is synced, named, and the directory is synced.

use std::ffi::{OsStr, OsString};
use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

use super::sweep::temporary_name;
use crate::platform::{self, Directory, Identity};

/// How often a temporary name is tried that a sweeping run of another process takes away.
const NAME_ATTEMPTS: u32 = 16;

/// How the file exists until it is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Without a name where the file system can, else under a temporary one.
    BestEffort,
    /// Under a temporary name, as where the file system cannot do better.
    #[cfg(test)]
    Named,
}

/// A file on its way to its name; dropped before [`AtomicFile::publish`], it is gone.
#[derive(Debug)]
pub(super) struct AtomicFile {
    directory: Directory,
    name: OsString,
    file: File,
    temporary: Option<OsString>,
}

impl AtomicFile {
    /// A file that is to be `name` in the directory at `directory`.
    pub(super) fn create(directory: &Path, name: &OsStr, way: Way) -> io::Result<Self> {
        let directory = Directory::open(directory)?;
        let unnamed = match way {
            Way::BestEffort => create_unnamed(&directory)?,
            #[cfg(test)]
            Way::Named => None,
        };
        let (file, temporary) = match unnamed {
            Some(file) => (file, None),
            None => create_named(&directory, name).map(|(file, name)| (file, Some(name)))?,
        };
        Ok(Self { directory, name: name.to_owned(), file, temporary })
    }

    /// The file, open for reading and writing.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// The directory that it is to be in, and its name there.
    pub(super) fn destination(&self) -> io::Result<(Identity, &OsStr)> {
        Ok((self.directory.identity()?, &self.name))
    }

    /// Gives it another name in that directory.
    pub(super) fn set_name(&mut self, name: OsString) {
        self.name = name;
    }

    /// Syncs the file and gives it its name and permissions. With `replace` it takes the name over
    /// from a file that has it, else that is an error of the kind `AlreadyExists`.
    pub(super) fn publish(mut self, mode: u32, replace: bool) -> io::Result<()> {
        platform::set_mode(&self.file, mode)?;
        self.file.sync_all()?;
        if self.temporary.is_none() && !replace {
            self.directory.link(&self.file, &self.name)?;
        } else {
            if self.temporary.is_none() {
                // A link cannot replace, a rename can: a name on the way to the name.
                let temporary = temporary_name(&self.name)?;
                self.directory.link(&self.file, &temporary)?;
                self.temporary = Some(temporary);
            }
            self.rename(replace)?;
        }
        self.directory.sync()
    }

    /// Exchanges the temporary name for the final one.
    fn rename(&mut self, replace: bool) -> io::Result<()> {
        let Some(temporary) = &self.temporary else { return Ok(()) };
        if replace {
            self.directory.rename(temporary, &self.name)?;
        } else {
            self.directory.rename_no_replace(temporary, &self.name)?;
        }
        self.temporary = None;
        Ok(())
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // Best effort: what stays is swept by the next run.
            let _ = self.directory.remove(temporary);
        }
    }
}

/// A locked file without a name, or `None` where there are none.
fn create_unnamed(directory: &Directory) -> io::Result<Option<File>> {
    let file = directory.create_unnamed()?;
    if let Some(file) = &file {
        // It may get a temporary name for a moment, and must not be swept then. Where there are no
        // locks nobody sweeps.
        let _ = file.try_lock();
    }
    Ok(file)
}

/// A locked file under a temporary name beside `name`.
fn create_named(directory: &Directory, name: &OsStr) -> io::Result<(File, OsString)> {
    for _ in 0..NAME_ATTEMPTS {
        let temporary = temporary_name(name)?;
        let file = directory.create(&temporary)?;
        // A run that sweeps may have found it between these two lines; then it has no name now, or
        // soon none.
        let taken = matches!(file.try_lock(), Err(TryLockError::WouldBlock));
        if !taken && platform::names(&file)? > 0 {
            return Ok((file, temporary));
        }
    }
    Err(io::Error::other("other processes keep removing the temporary file"))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;

    #[cfg(target_os = "linux")]
    use super::super::sweep::is_temporary_name;
    use super::super::sweep::sweep;
    use super::*;

    const WAYS: [Way; 2] = [Way::BestEffort, Way::Named];

    fn names(directory: &Path) -> Vec<OsString> {
        let mut names: Vec<_> =
            fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    }

    fn written(directory: &Path, way: Way, contents: &[u8]) -> AtomicFile {
        let file = AtomicFile::create(directory, OsStr::new("target"), way).unwrap();
        file.file().write_all(contents).unwrap();
        file
    }

    #[test]
    fn a_file_has_its_name_when_it_is_published_and_not_before() {
        for way in WAYS {
            let directory = tempfile::tempdir().unwrap();
            let target = directory.path().join("target");
            let file = written(directory.path(), way, b"whole");
            assert!(!target.exists(), "{way:?}");
            file.publish(0o640, false).unwrap();
            assert_eq!(fs::read(&target).unwrap(), b"whole");
            let mode = platform::mode(&fs::metadata(&target).unwrap());
            assert_eq!(mode, if cfg!(unix) { 0o640 } else { 0 });
            assert_eq!(names(directory.path()), ["target"], "{way:?}");
        }
    }

    #[cfg(target_os = "linux")] // files without a name
    #[test]
    fn here_the_best_way_needs_no_name_and_the_other_is_private() {
        let directory = tempfile::tempdir().unwrap();
        let unnamed = written(directory.path(), Way::BestEffort, b"x");
        assert!(names(directory.path()).is_empty());
        let named = written(directory.path(), Way::Named, b"x");
        let [name] = &names(directory.path())[..] else { panic!("one temporary file") };
        assert!(is_temporary_name(name));
        let mode = platform::mode(&fs::metadata(directory.path().join(name)).unwrap());
        assert_eq!(mode, if cfg!(unix) { 0o600 } else { 0 });
        drop((unnamed, named));
        assert!(names(directory.path()).is_empty());
    }

    #[test]
    fn a_file_that_took_the_name_meanwhile_is_kept_unless_it_is_to_be_replaced() {
        for way in WAYS {
            let directory = tempfile::tempdir().unwrap();
            let target = directory.path().join("target");
            let file = written(directory.path(), way, b"new");
            let replacing = written(directory.path(), way, b"newer");
            fs::write(&target, b"old").unwrap();

            let error = file.publish(0o600, false).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists, "{way:?}");
            assert_eq!(fs::read(&target).unwrap(), b"old");
            replacing.publish(0o600, true).unwrap();
            assert_eq!(fs::read(&target).unwrap(), b"newer");
            assert_eq!(names(directory.path()), ["target"], "{way:?}");
        }
    }

    #[test]
    fn what_a_killed_run_left_is_swept_and_a_live_file_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let live = written(directory.path(), Way::Named, b"live");
        // A killed process leaves its file and no lock.
        let dead = directory.path().join(".target.strongroom-tmp-0123456789abcdef");
        fs::write(&dead, b"plaintext of a killed run").unwrap();
        let others = [".target.strongroom-tmp-0123", "target.strongroom-tmp-0123456789abcdef", "x"];
        for name in others {
            fs::write(directory.path().join(name), b"someone's file").unwrap();
        }

        sweep(directory.path());
        assert!(!dead.exists());
        assert_eq!(names(directory.path()).len(), others.len() + 1);
        live.publish(0o600, false).unwrap();
        assert_eq!(fs::read(directory.path().join("target")).unwrap(), b"live");
        for name in others {
            assert!(directory.path().join(name).exists(), "{name}");
        }
    }

    #[test]
    fn runs_that_sweep_and_runs_that_write_do_not_disturb_each_other() {
        let directory = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for worker in 0..4 {
                let directory = directory.path();
                scope.spawn(move || {
                    for round in 0..50 {
                        sweep(directory);
                        let name = format!("target-{worker}-{round}");
                        let file =
                            AtomicFile::create(directory, OsStr::new(&name), Way::Named).unwrap();
                        file.file().write_all(name.as_bytes()).unwrap();
                        file.publish(0o600, round % 2 == 0).unwrap();
                        assert_eq!(fs::read(directory.join(&name)).unwrap(), name.as_bytes());
                    }
                });
            }
        });
        assert_eq!(names(directory.path()).len(), 200);
    }

    #[test]
    fn the_longest_name_leaves_room_for_a_temporary_one() {
        let directory = tempfile::tempdir().unwrap();
        let name = "n".repeat(255);
        for way in WAYS {
            let file = AtomicFile::create(directory.path(), OsStr::new(&name), way).unwrap();
            file.publish(0o600, true).unwrap();
        }
        assert_eq!(names(directory.path()), [OsStr::new(&name)]);
    }
}
