//! A file that gets its name only when it is whole.
//!
//! It is written without a name (`O_TMPFILE`), so that neither an error nor a signal nor a power cut
//! leaves anything behind. Where the file system has no such files it is written beside the target
//! under a [`temporary_name`], private and locked, which the next run there removes.
//! In the end it is synced, named, and the directory is synced. Neither unnamed files nor hard links are
//! needed, nor renames that replace nothing: `docs/file-systems.md` says what is done without them.

use std::ffi::{OsStr, OsString};
use std::fs::{File, TryLockError};
use std::io::{self, Seek as _};
use std::path::Path;

use strongroom_files::{is_not_there, temporary_name};

use crate::platform::{self, Directory, Identity};

/// Number of attempts at a temporary name that a sweeping run of another process takes away.
const NAME_ATTEMPTS: u32 = 16;

/// Form of the file until it is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Without a name where the file system can, else under a temporary one.
    BestEffort,
    /// Under a temporary name, as where the file system cannot do better.
    #[cfg(test)]
    Named,
}

/// The reason why a file is not durable under its name.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) source: io::Error,
    /// True where the file has the name all the same.
    pub(super) is_named: bool,
}

impl Refused {
    fn before(source: io::Error) -> Self {
        Self { source, is_named: false }
    }

    /// True where another file has the name, and it was not to be replaced.
    pub(super) fn is_taken(&self) -> bool {
        !self.is_named && self.source.kind() == io::ErrorKind::AlreadyExists
    }
}

/// A file that has not got its name yet; dropped before [`AtomicFile::publish`], it is gone.
#[derive(Debug)]
pub(super) struct AtomicFile {
    directory: Directory,
    name: OsString,
    file: File,
    temporary: Option<OsString>,
    /// The process that made it: a forked child's copy is not the child's to remove.
    process: u32,
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
        let (name, process) = (name.to_owned(), std::process::id());
        Ok(Self { directory, name, file, temporary, process })
    }

    /// The file, open for reading and writing.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// The directory that it is to be in, and its name there.
    pub(super) fn destination(&self) -> io::Result<(Identity, &OsStr)> {
        Ok((self.directory.identity()?, &self.name))
    }

    /// The directory that it is to be in.
    pub(super) fn directory(&self) -> &Directory {
        &self.directory
    }

    /// The name that it has or is to have.
    pub(super) fn name(&self) -> &OsStr {
        &self.name
    }

    /// Changes the name that it gets in that directory, and returns the one before.
    pub(super) fn set_name(&mut self, name: OsString) -> OsString {
        std::mem::replace(&mut self.name, name)
    }

    /// Syncs the file and gives it its name and permissions. With `replace` it takes the name over
    /// from a file that has it, else that is an error of the kind `AlreadyExists`, after which it can be tried again.
    pub(super) fn publish(&mut self, mode: u32, replace: bool) -> Result<(), Refused> {
        self.give_name(mode, replace).map_err(Refused::before)?;
        self.directory.sync().map_err(|source| Refused { source, is_named: true })
    }

    fn give_name(&mut self, mode: u32, replace: bool) -> io::Result<()> {
        self.settle(mode)?;
        if self.temporary.is_none() {
            self.link(mode, replace)?;
        }
        if let Some(temporary) = &self.temporary {
            if replace {
                self.directory.rename(temporary, &self.name)?;
            } else {
                self.directory.rename_no_replace(temporary, &self.name)?;
            }
            self.temporary = None;
        }
        Ok(())
    }

    /// Gives the file, which has its name, another one, durably; a file of that name is replaced.
    pub(super) fn rename(&mut self, to: OsString) -> Result<(), Refused> {
        let from = self.set_name(to);
        if let Err(source) = self.directory.rename(&from, &self.name) {
            // A file system of another host may have done it and not said so.
            if !self.has_name() {
                self.name = from;
                return Err(Refused::before(source));
            }
        }
        self.directory.sync().map_err(|source| Refused { source, is_named: true })
    }

    /// True where the name is certainly this file's.
    fn has_name(&self) -> bool {
        match (platform::identity(&self.file), self.directory.identity_of(&self.name)) {
            (Ok(own), Ok(named)) => named == Some(own),
            _ => false,
        }
    }

    /// Takes the name away, where it is this file's; true where it is gone.
    pub(super) fn withdraw(&self) -> bool {
        self.has_name() && self.directory.remove(&self.name).is_ok()
    }

    /// Makes the file what it is to be under its name.
    fn settle(&self, mode: u32) -> io::Result<()> {
        platform::set_mode(&self.file, mode)?;
        self.file.sync_all()
    }

    /// Gives the unnamed file its name; where it may have to replace a file, which a link cannot and a rename
    /// can, a temporary one.
    fn link(&mut self, mode: u32, replace: bool) -> io::Result<()> {
        let temporary = temporary_name(&self.name)?;
        let name = if replace { &temporary } else { &self.name };
        match self.directory.link(&self.file, name) {
            Ok(()) => {
                self.temporary = replace.then_some(temporary);
                Ok(())
            }
            Err(error) if is_not_there(&error) => self.copy(mode),
            Err(error) => Err(error),
        }
    }

    /// Copies the unnamed file to one with a temporary name: nothing can name it here.
    fn copy(&mut self, mode: u32) -> io::Result<()> {
        let (mut copy, temporary) = create_named(&self.directory, &self.name)?;
        self.temporary = Some(temporary);
        let mut original = std::mem::replace(&mut self.file, copy.try_clone()?);
        original.rewind()?;
        let (copied, metadata) = (io::copy(&mut original, &mut copy)?, original.metadata()?);
        if copied != metadata.len() {
            return Err(io::Error::other("a copy of it is not of its length"));
        }
        copy.set_modified(metadata.modified()?)?;
        platform::keep_owner(&metadata, &copy)?;
        self.settle(mode)
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary
            && self.process == std::process::id()
        {
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

    use strongroom_files::sweep;

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
            let mut file = written(directory.path(), way, b"whole");
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
        assert!(name.to_str().unwrap().starts_with(".target.strongroom-tmp-"));
        let mode = platform::mode(&fs::metadata(directory.path().join(name)).unwrap());
        assert_eq!(mode, if cfg!(unix) { 0o600 } else { 0 });
        drop((unnamed, named));
        assert!(names(directory.path()).is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn a_forked_child_leaves_the_file_of_its_parent() {
        let directory = tempfile::tempdir().unwrap();
        let mut file = written(directory.path(), Way::Named, b"whole");
        match fork::fork().unwrap() {
            fork::Fork::Child => {
                drop(file);
                std::process::exit(0);
            }
            fork::Fork::Parent(child) => assert_eq!(fork::waitpid(child).unwrap(), 0),
        }
        assert_eq!(names(directory.path()).len(), 1);
        file.publish(0o600, false).unwrap();
        assert_eq!(fs::read(directory.path().join("target")).unwrap(), b"whole");
    }

    #[test]
    fn a_file_that_took_the_name_meanwhile_is_kept_unless_it_is_to_be_replaced() {
        for way in WAYS {
            let directory = tempfile::tempdir().unwrap();
            let target = directory.path().join("target");
            let mut file = written(directory.path(), way, b"new");
            let mut replacing = written(directory.path(), way, b"newer");
            fs::write(&target, b"old").unwrap();

            let refused = file.publish(0o600, false).unwrap_err();
            assert!(refused.is_taken(), "{way:?}");
            assert_eq!(fs::read(&target).unwrap(), b"old");
            drop(file); // until then it can be tried again
            replacing.publish(0o600, true).unwrap();
            assert_eq!(fs::read(&target).unwrap(), b"newer");
            assert_eq!(names(directory.path()), ["target"], "{way:?}");
        }
    }

    /// Checks that an unnamed file that cannot be linked is copied.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_copy_has_all_of_the_file() {
        for replace in [false, true] {
            let directory = tempfile::tempdir().unwrap();
            let mut file = written(directory.path(), Way::BestEffort, b"whole");
            assert!(file.temporary.is_none());
            file.copy(0o640).unwrap();
            assert_eq!(names(directory.path()).len(), 1);
            file.publish(0o640, replace).unwrap();
            assert_eq!(names(directory.path()), ["target"]);
            let target = directory.path().join("target");
            assert_eq!(fs::read(&target).unwrap(), b"whole");
            assert_eq!(platform::mode(&fs::metadata(&target).unwrap()), 0o640);
        }
    }

    #[test]
    fn what_a_killed_run_left_is_swept_and_a_live_file_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let mut live = written(directory.path(), Way::Named, b"live");
        // A killed process leaves its file and no lock.
        let dead = directory.path().join(temporary_name(OsStr::new("target")).unwrap());
        fs::write(&dead, b"plaintext of a killed run").unwrap();
        let others =
            [".target.strongroom-tmp-0123", ".target.strongroom-tmp-0123456789abcdef", "x"];
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
                        let mut file =
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
            let mut file = AtomicFile::create(directory.path(), OsStr::new(&name), way).unwrap();
            file.publish(0o600, true).unwrap();
        }
        assert_eq!(names(directory.path()), [OsStr::new(&name)]);
    }
}
