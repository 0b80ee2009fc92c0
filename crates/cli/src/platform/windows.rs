//! Windows: inherited access lists, no file without a name, files known by volume and index.

use std::ffi::OsStr;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, IsTerminal as _, PipeReader, Read, Write};
use std::os::windows::fs::OpenOptionsExt as _;
use std::os::windows::io::{AsHandle as _, AsRawHandle as _, OwnedHandle};
use std::path::{Path, PathBuf};

use winapi_util::file;
use zeroize::Zeroizing;

use super::Identity;

/// `FILE_FLAG_BACKUP_SEMANTICS`: opens directories, too.
const OPEN_DIRECTORIES: u32 = 0x0200_0000;
/// The file that stands for a directory's lock: a directory cannot be locked here.
const LOCK_FILE: &str = ".lock";

/// Note on permissions that were asked for.
pub(crate) const NO_PERMISSIONS: Option<&str> = Some(
    "on Windows permissions cannot be set, kept or checked here: a file has those of its directory; choose \
     a directory that only you can open, such as one in your profile",
);

/// No permission bits: a new file has the access list of its directory.
pub(crate) fn umask() -> u32 {
    0
}

/// The user of this process, for the audit trail.
pub(crate) fn user() -> String {
    whoami::username().map_or_else(|_| "user unknown".to_owned(), |name| format!("user {name}"))
}

/// Keeps everything as it is: sizes have other limits here.
pub(crate) fn outlive_size_limits() {}

/// Standard input, as a file of its own.
pub(crate) fn standard_input() -> io::Result<File> {
    io::stdin().as_handle().try_clone_to_owned().map(File::from)
}

/// The reading end of a pipe, as a file.
pub(crate) fn pipe(reader: PipeReader) -> File {
    File::from(OwnedHandle::from(reader))
}

/// True where standard output was closed when the program started: it then lacks a handle.
pub(crate) fn leads_nowhere(stdout: &File) -> bool {
    stdout.as_raw_handle().is_null()
}

/// Metadata of `file`; `None` for a pipe or a console.
pub(crate) fn metadata(open: &File) -> io::Result<Option<Metadata>> {
    if file::typ(open)?.is_disk() { open.metadata().map(Some) } else { Ok(None) }
}

/// Identity of `file`.
pub(crate) fn identity(open: &File) -> io::Result<Identity> {
    file::information(open).map(|found| (found.volume_serial_number(), found.file_index()))
}

/// Identity of the file at `path`.
pub(crate) fn identity_at(path: &Path) -> io::Result<Identity> {
    identity(&OpenOptions::new().read(true).custom_flags(OPEN_DIRECTORIES).open(path)?)
}

/// The permission bits of a file as others see them: an access list is not judged.
pub(crate) fn mode(_: &Metadata) -> u32 {
    0
}

/// Leaves `file` the access list of its directory.
#[allow(clippy::unnecessary_wraps, reason = "as on Unix")]
pub(crate) fn set_mode(_: &File, _: u32) -> io::Result<()> {
    Ok(())
}

/// Leaves `new` with the user who runs this, who owns what he makes.
#[allow(clippy::unnecessary_wraps, reason = "as on Unix")]
pub(crate) fn keep_owner(_: &Metadata, _: &File) -> io::Result<()> {
    Ok(())
}

/// Makes a directory with its parents, with the access list of the one it is in; it may be there.
pub(crate) fn create_private_directory(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

/// Fails: this system has no step in which two paths exchange their names.
pub(crate) fn exchange(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// A file with which the directory `path` is locked for others while it is open.
pub(crate) fn open_directory_lock(path: &Path) -> io::Result<File> {
    let lock = path.join(LOCK_FILE);
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(lock)
}

/// Does nothing: this system takes such advice only when a file is opened.
pub(crate) fn read_here_and_there(_: &File) {}

/// A directory, in which files are made and named.
#[derive(Debug)]
pub(crate) struct Directory {
    /// From the root on, so that it does not depend on where the process is.
    path: PathBuf,
    /// Held open: nobody gives its name to another one meanwhile.
    open: File,
}

impl Directory {
    /// The directory at `path`.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let path = fs::canonicalize(path)?;
        // To write: what is only read cannot be made durable.
        let open = OpenOptions::new().write(true).custom_flags(OPEN_DIRECTORIES).open(&path)?;
        Ok(Self { path, open })
    }

    /// Identity of the directory.
    pub(crate) fn identity(&self) -> io::Result<Identity> {
        identity(&self.open)
    }

    /// Identity of what has the name `name`; `None` where it is free.
    pub(crate) fn identity_of(&self, name: &OsStr) -> io::Result<Option<Identity>> {
        match identity_at(&self.path.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            found => found.map(Some),
        }
    }

    /// The same directory once more.
    pub(crate) fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { path: self.path.clone(), open: self.open.try_clone()? })
    }

    /// A directory cannot be locked here.
    #[allow(clippy::unused_self, reason = "as on Unix")]
    pub(crate) fn open_to_lock(&self) -> io::Result<File> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// The file `name`, made where it is not there.
    pub(crate) fn open_lock_file(&self, name: &OsStr) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).open(self.path.join(name))
    }

    /// Gives the file `from` the name `to` as well, if that is free.
    pub(crate) fn link_name(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        fs::hard_link(self.path.join(from), self.path.join(to))
    }

    /// This system has no files without a name.
    #[allow(clippy::unnecessary_wraps, clippy::unused_self, reason = "as on Linux")]
    pub(crate) fn create_unnamed(&self) -> io::Result<Option<File>> {
        Ok(None)
    }

    /// The new file `name`.
    pub(crate) fn create(&self, name: &OsStr) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).create_new(true).open(self.path.join(name))
    }

    /// Not called: this system lacks files without a name.
    #[allow(clippy::unused_self, reason = "as on Linux")]
    pub(crate) fn link(&self, _: &File, _: &OsStr) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Gives the file `from` the name `to`; a file of that name is replaced.
    pub(crate) fn rename(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        fs::rename(self.path.join(from), self.path.join(to))
    }

    /// Gives the file `from` the name `to`, if that is free.
    pub(crate) fn rename_no_replace(&self, from: &OsStr, to: &OsStr) -> io::Result<()> {
        fs::hard_link(self.path.join(from), self.path.join(to))?;
        self.remove(from)
    }

    /// Removes the file `name`.
    pub(crate) fn remove(&self, name: &OsStr) -> io::Result<()> {
        fs::remove_file(self.path.join(name))
    }

    /// Makes its names durable.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.open.sync_all()
    }
}

/// Number of names of `file`.
pub(crate) fn names(open: &File) -> io::Result<u64> {
    file::information(open).map(|found| found.number_of_links())
}

/// `None`: this system lacks paths that name a descriptor.
pub(crate) fn number_of_descriptor(_: &Path) -> Option<u32> {
    None
}

/// Standard output; this system has no other descriptors.
pub(crate) fn share_descriptor(_: u32) -> io::Result<File> {
    io::stdout().as_handle().try_clone_to_owned().map(File::from)
}

/// Nothing here is a device that is shared.
pub(crate) fn is_character_device(_: &Metadata) -> bool {
    false
}

/// A socket is not a file here.
pub(crate) fn is_socket(_: &Metadata) -> bool {
    false
}

/// True where standard error is a terminal: this system lacks jobs in its background.
pub(crate) fn is_in_foreground() -> bool {
    io::stderr().is_terminal()
}

/// The terminal of this process, whatever its standard input and output are.
pub(crate) const TERMINAL: &str = "CONIN$";

/// Asks `question` at the terminal and reads the answer, which is not shown.
pub(crate) fn ask_unseen(question: &str) -> io::Result<Zeroizing<Vec<u8>>> {
    rpassword::prompt_password(question).map(|typed| Zeroizing::new(typed.into_bytes()))
}

/// Leaves `new` with the user who runs this.
#[allow(clippy::unnecessary_wraps, reason = "as on Unix")]
pub(crate) fn keep_what_is_allowed(
    _: &Metadata,
    _: &File,
    mode: u32,
) -> io::Result<(u32, Option<String>)> {
    Ok((mode, None))
}

/// A handle, which waits by itself here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patient<T>(pub(crate) T);

impl<T: Read> Read for Patient<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<T: Write> Write for Patient<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
