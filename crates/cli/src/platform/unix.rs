//! Unix: permission bits and owners, files without a name, locks on directories.

mod descriptor;
mod owner;
mod patient;
mod signals;
mod terminal;

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, Metadata};
use std::io::{self, IsTerminal as _, PipeReader};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, PermissionsExt as _,
};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Gid, Mode, OFlags, RawMode, Uid};
use rustix::io::Errno;
use strongroom_files::is_not_there;

pub(crate) use self::descriptor::{leads_nowhere, number_of_descriptor, share_descriptor};
pub(crate) use self::owner::keep_what_is_allowed;
pub(crate) use self::patient::Patient;
pub(crate) use self::terminal::{TERMINAL, ask_unseen};
use super::Identity;

/// Permissions of a file until it is whole: private, whatever it becomes.
const PRIVATE: Mode = Mode::RUSR.union(Mode::WUSR);

/// Note on permissions that were asked for on a system without any.
pub(crate) const NO_PERMISSIONS: Option<&str> = None;

/// The permission bits that the process keeps from new files.
pub(crate) fn umask() -> u32 {
    // The mask is told only when it is set; no other thread makes files yet.
    let umask = rustix::process::umask(Mode::RWXG | Mode::RWXO);
    rustix::process::umask(umask);
    #[allow(clippy::useless_conversion, reason = "a mode has 16 bits on Apple's systems")]
    u32::from(umask.bits())
}

/// The user of this process, for the audit trail.
pub(crate) fn user() -> String {
    format!("uid {}", rustix::process::getuid().as_raw())
}

/// Has a write that meets the limit of a file's size fail, and not end the process: something else may be left to do.
pub(crate) fn outlive_size_limits() {
    let met = std::sync::Arc::default();
    // Without it the process ends there, as it always did.
    let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, met);
}

/// Standard input, as a file of its own.
pub(crate) fn standard_input() -> io::Result<File> {
    io::stdin().as_fd().try_clone_to_owned().map(File::from)
}

/// The reading end of a pipe, as a file.
pub(crate) fn pipe(reader: PipeReader) -> File {
    File::from(OwnedFd::from(reader))
}

/// Metadata of `file`: always something here.
pub(crate) fn metadata(file: &File) -> io::Result<Option<Metadata>> {
    file.metadata().map(Some)
}

/// Identity of `file`.
pub(crate) fn identity(file: &File) -> io::Result<Identity> {
    file.metadata().map(|metadata| (metadata.dev(), metadata.ino()))
}

/// Identity of the file at `path`.
pub(crate) fn identity_at(path: &Path) -> io::Result<Identity> {
    fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}

/// True for a terminal, `/dev/null` or another device that any number of users may share.
pub(crate) fn is_character_device(metadata: &Metadata) -> bool {
    metadata.file_type().is_char_device()
}

/// True for a socket, which has two directions.
pub(crate) fn is_socket(metadata: &Metadata) -> bool {
    metadata.file_type().is_socket()
}

/// True where standard error is a terminal in whose foreground this process is. A job in the background would
/// be stopped there by its bar (`stty tostop`), and would draw into the work of others.
pub(crate) fn is_in_foreground() -> bool {
    let stderr = io::stderr();
    stderr.is_terminal()
        && rustix::termios::tcgetpgrp(&stderr)
            .map_or(true, |foreground| foreground == rustix::process::getpgrp())
}

/// The permission bits of `metadata`.
pub(crate) fn mode(metadata: &Metadata) -> u32 {
    metadata.permissions().mode() & 0o777
}

/// Gives `file` these permission bits. A file system without any has what it has.
pub(crate) fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    // A mode has 16 bits on Apple's systems; permissions have 12.
    let bits = RawMode::try_from(mode & 0o7777).unwrap_or_default();
    match rustix::fs::fchmod(file, Mode::from_raw_mode(bits)) {
        // A file system without permissions of its own: what it has is what there is.
        Err(Errno::PERM | Errno::NOTSUP | Errno::NOSYS) => Ok(()),
        changed => Ok(changed?),
    }
}

/// Gives `new` the owner and the group in `old`.
pub(crate) fn keep_owner(old: &Metadata, new: &File) -> io::Result<()> {
    let made = new.metadata()?;
    let owner = (made.uid() != old.uid()).then(|| Uid::from_raw(old.uid()));
    let group = (made.gid() != old.gid()).then(|| Gid::from_raw(old.gid()));
    if owner.is_some() || group.is_some() {
        rustix::fs::fchown(new, owner, group)?;
    }
    Ok(())
}

/// Makes a directory that is its owner's alone, with its parents; it may be there.
pub(crate) fn create_private_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Gives what is at each of two paths the name of the other, in one step.
#[cfg(any(target_os = "linux", target_vendor = "apple"))]
pub(crate) fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    let flags = rustix::fs::RenameFlags::EXCHANGE;
    Ok(rustix::fs::renameat_with(CWD, one, CWD, other, flags)?)
}

/// Fails: this system has no such step.
#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
pub(crate) fn exchange(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// A file with which the directory `path` is locked for others while it is open.
pub(crate) fn open_directory_lock(path: &Path) -> io::Result<File> {
    File::open(path)
}

/// Advises the system that `file` is read at scattered offsets, so that it reads nothing ahead. Best effort.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
pub(crate) fn read_here_and_there(file: &File) {
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::Random);
}

/// Does nothing: this system takes no such advice.
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
pub(crate) fn read_here_and_there(_: &File) {}

/// An open directory, in which files are made and named, wherever it is moved meanwhile.
#[derive(Debug)]
pub(crate) struct Directory(File);

impl Directory {
    /// The directory at `path`.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = |access| rustix::fs::openat(CWD, path, flags | access, Mode::empty());
        // One that may be written and not read is open as a path only.
        #[cfg(target_os = "linux")]
        if let Err(Errno::ACCESS) = open(OFlags::RDONLY) {
            return Ok(Self(File::from(open(OFlags::PATH)?)));
        }
        Ok(Self(File::from(open(OFlags::RDONLY)?)))
    }

    /// Identity of the directory.
    pub(crate) fn identity(&self) -> io::Result<Identity> {
        identity(&self.0)
    }

    /// Identity of what has the name `name`, a link itself included; `None` where it is free.
    #[allow(
        clippy::unnecessary_cast,
        clippy::cast_sign_loss,
        trivial_numeric_casts,
        reason = "as the standard library has them, on every system"
    )]
    pub(crate) fn identity_of(&self, name: &OsStr) -> io::Result<Option<Identity>> {
        match rustix::fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) => Ok(Some((found.st_dev as u64, found.st_ino as u64))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The same directory once more.
    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        self.0.try_clone().map(Self)
    }

    /// A file with whose lock this directory is locked.
    pub(crate) fn open_to_lock(&self) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(File::from(rustix::fs::openat(&self.0, ".", flags, Mode::empty())?))
    }

    /// The private file `name`, made where it is not there.
    pub(crate) fn open_lock_file(&self, name: &OsStr) -> io::Result<File> {
        let flags = OFlags::CREATE | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(File::from(rustix::fs::openat(&self.0, name, flags, PRIVATE)?))
    }

    /// Gives the file `from` the name `to` as well, if that is free.
    pub(crate) fn link_name(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        Ok(rustix::fs::linkat(&self.0, from, &self.0, to, AtFlags::empty())?)
    }

    /// A private file without a name, or `None` where the file system has no such files or nothing
    /// could name them later.
    #[cfg(target_os = "linux")]
    pub(crate) fn create_unnamed(&self) -> io::Result<Option<File>> {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        match rustix::fs::openat(&self.0, ".", flags, PRIVATE) {
            Ok(file) => {
                let file = File::from(file);
                Ok(Path::new(&descriptor_path(&file)).exists().then_some(file))
            }
            // What file systems without them, and kernels before them, say.
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOSYS) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// This system has no files without a name.
    #[cfg(not(target_os = "linux"))]
    #[allow(clippy::unnecessary_wraps, clippy::unused_self, reason = "as on the system that can")]
    pub(crate) fn create_unnamed(&self) -> io::Result<Option<File>> {
        Ok(None)
    }

    /// The new private file `name`.
    pub(crate) fn create(&self, name: &OsStr) -> io::Result<File> {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC;
        Ok(File::from(rustix::fs::openat(&self.0, name, flags, PRIVATE)?))
    }

    /// Gives `file`, which has none, the name `name`, if that is free.
    pub(crate) fn link(&self, file: &File, name: &OsStr) -> io::Result<()> {
        let source = descriptor_path(file);
        Ok(rustix::fs::linkat(CWD, source, &self.0, name, AtFlags::SYMLINK_FOLLOW)?)
    }

    /// Gives the file `from` the name `to`; a file of that name is replaced.
    pub(crate) fn rename(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.0, from, &self.0, to)?)
    }

    /// Gives the file `from` the name `to`, if that is free.
    pub(crate) fn rename_no_replace(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        match self.rename_exclusively(from, to).map_err(io::Error::from) {
            Err(error) if is_not_there(&error) => {}
            renamed => return renamed,
        }
        // A file system that cannot rename so can mostly link.
        match rustix::fs::linkat(&self.0, from, &self.0, to, AtFlags::empty()) {
            Err(error) if is_not_there(&error.into()) => {}
            linked => {
                linked?;
                return self.remove(from);
            }
        }
        // One that can do neither gives the name to an empty file, if it is free, and this one replaces that.
        drop(self.create(to)?);
        self.rename(from, to).inspect_err(|_| {
            let _ = self.remove(to);
        })
    }

    #[cfg(any(target_os = "linux", target_vendor = "apple"))]
    fn rename_exclusively(&self, from: &OsStr, to: &OsStr) -> Result<(), Errno> {
        let flags = rustix::fs::RenameFlags::NOREPLACE;
        rustix::fs::renameat_with(&self.0, from, &self.0, to, flags)
    }

    #[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
    fn rename_exclusively(&self, _from: &OsStr, _to: &OsStr) -> Result<(), Errno> {
        Err(Errno::NOSYS)
    }

    /// Removes the file `name`.
    pub(crate) fn remove(&self, name: &OsStr) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.0, name, AtFlags::empty())?)
    }

    /// Makes its names durable, where the file system keeps directories on a device. On Apple's
    /// systems `sync_all` is `F_FULLFSYNC`, which reaches the medium; their `fsync` does not.
    pub(crate) fn sync(&self) -> io::Result<()> {
        match self.0.sync_all() {
            Err(error) if is_refused(&error) => Ok(()),
            // What is open as a path only cannot be synced, the file system as a whole can.
            #[cfg(target_os = "linux")]
            Err(error) if Errno::from_io_error(&error) == Some(Errno::BADF) => {
                if let Some(file) = self.create_unnamed()? {
                    return Ok(rustix::fs::syncfs(file)?);
                }
                rustix::fs::sync();
                Ok(())
            }
            synced => synced,
        }
    }
}

/// True where the file system cannot do what was asked at all.
fn is_refused(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::INVAL | Errno::NOTSUP | Errno::NOSYS))
}

/// Number of names of `file`.
pub(crate) fn names(file: &File) -> io::Result<u64> {
    file.metadata().map(|metadata| metadata.nlink())
}

/// Path by which `linkat` finds an open file.
fn descriptor_path(file: &File) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}
