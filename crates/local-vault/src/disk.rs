//! The single steps that change a vault's files. Nothing else in this crate's vault touches a disk
//! for writing, so that tests can stop, fail or replay every step of every change.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use super::error::LocalVaultError;
#[cfg(test)]
use super::tests::probe::perform;
use strongroom_files::name_unless_taken;

/// Step of a change on the disk, with its verb in messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    CreateDirectory,
    Write,
    SyncFile,
    Name,
    Rename,
    Remove,
    RemoveDirectory,
    SyncDirectory,
}

impl Step {
    fn verb(self) -> &'static str {
        match self {
            Self::CreateDirectory => "create the directory",
            Self::Write => "write",
            Self::SyncFile => "sync",
            Self::Name | Self::Rename => "name",
            Self::Remove => "remove",
            Self::RemoveDirectory => "remove the directory",
            Self::SyncDirectory => "sync the directory",
        }
    }
}

#[cfg(not(test))]
fn perform(_: Step, _: &Path, work: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    work()
}

/// Performs one step; its failure names the step and the file.
fn step(
    step: Step,
    path: &Path,
    work: impl FnOnce() -> io::Result<()>,
) -> Result<(), LocalVaultError> {
    perform(step, path, work).map_err(LocalVaultError::io(step.verb(), path))
}

/// Makes the directory `path`, private. One that is there already is left as it is.
pub(super) fn create_directory(path: &Path) -> Result<(), LocalVaultError> {
    step(Step::CreateDirectory, path, || tolerate(strongroom_files::create_private_directory(path)))
}

/// Makes the directory `path` with the usual mode. One that is there already is left as it is.
pub(super) fn create_shared_directory(path: &Path) -> Result<(), LocalVaultError> {
    step(Step::CreateDirectory, path, || tolerate(fs::create_dir(path)))
}

fn tolerate(made: io::Result<()>) -> io::Result<()> {
    match made {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

/// Writes the new file `path`, private, and makes its contents durable. Its name is not, yet.
pub(super) fn write(path: &Path, contents: &[u8]) -> Result<(), LocalVaultError> {
    let mut written = None;
    step(Step::Write, path, || {
        let mut file = strongroom_files::create_private(path)?;
        file.write_all(contents)?;
        written = Some(file);
        Ok(())
    })?;
    step(Step::SyncFile, path, || written.map_or(Ok(()), |file| file.sync_all()))
}

/// Gives the file `from`, which may be gone then, the name `to`; whether that name was free.
pub(super) fn link(from: &Path, to: &Path) -> Result<bool, LocalVaultError> {
    let mut free = true;
    step(Step::Name, to, || {
        free = name_unless_taken(from, to)?;
        Ok(())
    })?;
    Ok(free)
}

/// Gives the file or directory `from` the name `to`; a file of that name is replaced.
pub(super) fn rename(from: &Path, to: &Path) -> Result<(), LocalVaultError> {
    step(Step::Rename, to, || fs::rename(from, to))
}

/// Removes the file `path`.
pub(super) fn remove(path: &Path) -> Result<(), LocalVaultError> {
    step(Step::Remove, path, || fs::remove_file(path))
}

/// Removes the empty directory `path`.
pub(super) fn remove_directory(path: &Path) -> Result<(), LocalVaultError> {
    step(Step::RemoveDirectory, path, || fs::remove_dir(path))
}

/// Makes the entries of the directory `path` durable.
pub(super) fn sync_directory(path: &Path) -> Result<(), LocalVaultError> {
    step(Step::SyncDirectory, path, || strongroom_files::sync_directory(path))
}
