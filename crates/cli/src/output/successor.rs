//! A new file that takes the name, the owner and the permissions of an old one, unless another file has the name by
//! then.

use std::fs::{self, File, Metadata};
use std::io;
use std::path::Path;
use std::time::Duration;

use super::{Existing, NewFile, Others, Rules, sweep};
use crate::failure::Failure;
use crate::platform;
use crate::waiting;

/// The file at `path`, which messages call `name`, with its lock held; `None` where the name was given to another
/// file while the lock was waited for, at most as long as `most` says.
///
/// # Errors
///
/// [`Failure::Write`] when it cannot be opened, [`Failure::Waited`] when another process holds the lock for too long.
pub(crate) fn open_locked(
    path: &Path,
    name: &str,
    to_write: bool,
    most: Option<Duration>,
) -> Result<Option<File>, Failure> {
    // For writing also where only the lock needs that, as over NFS.
    let open = |write| File::options().read(true).write(write).open(path);
    let file = match open(true) {
        Err(_) if !to_write => open(false),
        opened => opened,
    };
    let file = file.map_err(|source| Failure::write(name, source))?;
    waiting::lock(&file, name, most)?;
    // Whoever held the lock before may have given the name to a new file.
    Ok(is_at(&file, path).then_some(file))
}

/// True where `path` still names `file`.
pub(crate) fn is_at(file: &File, path: &Path) -> bool {
    match (platform::identity(file), platform::identity_at(path)) {
        (Ok(open), Ok(named)) => open == named,
        _ => false,
    }
}

/// A file whose name another one is to take.
#[derive(Debug)]
pub(crate) struct Predecessor<'o> {
    file: &'o File,
    path: &'o Path,
    /// As it was before the work on its successor began.
    metadata: Metadata,
}

impl<'o> Predecessor<'o> {
    /// The open file `file` at `path`.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub(crate) fn new(file: &'o File, path: &'o Path) -> io::Result<Self> {
        Ok(Self { file, path, metadata: file.metadata()? })
    }

    /// Its length in bytes.
    pub(crate) fn byte_len(&self) -> u64 {
        self.metadata.len()
    }

    /// A new file beside it, which is to have its name and its permissions; it waits for other commands at most as
    /// long as `most` says.
    ///
    /// # Errors
    ///
    /// [`Failure::Directory`] and [`Failure::Write`].
    pub(crate) fn successor(&self, most: Option<Duration>) -> Result<NewFile, Failure> {
        let name = || self.path.display().to_string();
        // What a link points to is replaced, not the link.
        let target =
            fs::canonicalize(self.path).map_err(|source| Failure::write(name(), source))?;
        sweep(&target);
        let mode = platform::mode(&self.metadata);
        let rules = Rules {
            existing: Existing::Replace,
            mode,
            is_mode_asked_for: false,
            option: "",
            others: Others::WaitedFor(most),
        };
        NewFile::create(&target, self.path, rules)
    }

    /// Gives `new` the owner of this one and makes it durable: what is left is its name.
    ///
    /// # Errors
    ///
    /// Those of the system: a file that changed hands would be closed to its owner.
    pub(crate) fn hand_over(&self, new: &NewFile) -> io::Result<()> {
        platform::keep_owner(&self.metadata, new.file())?;
        // Before the last look, so that nothing long is between that and the name.
        new.file().sync_all()
    }

    /// True where it still has its name, and was not written to.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub(crate) fn is_as_it_was(&self) -> io::Result<bool> {
        let now = self.file.metadata()?;
        let same =
            now.len() == self.metadata.len() && now.modified()? == self.metadata.modified()?;
        Ok(same && is_at(self.file, self.path))
    }
}
