//! A document and the header that is kept apart from it: two files that appear as one.
//!
//! Two names cannot change in one step, and neither half opens without the other. So where files are
//! replaced the new header first gets a name beside its own, the *next* name, where `open` looks for it
//! when the header does not belong to the document. The names then hold (D document, H header, N next
//! header; 1 the old pair, 2 the new one, - nothing):
//!
//! ```text
//!                                  D  H  N   what opens
//! before                           1  1  -   D with H
//! the next header is there         1  1  2   D with H: N does not belong to D
//! the document is replaced         2  1  2   D with N: H does not belong to D
//! the header is replaced           2  2  -   D with H
//! ```
//!
//! Each line is durable before the next begins, and each is whole for every reader. Where only one of the
//! two was there before, it is whatever it was until its own line. A run that was killed on the second
//! line leaves a header that belongs to nothing, and the next one writes over it; killed on the third, the
//! next run first finishes what it began: N then is the only header that opens D.
//!
//! Where nothing is to be replaced the header gets its name first, then the document: what a killed run
//! leaves is a header without a document, which loses nothing.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::{Existing, NewFile, parent};
use crate::failure::Failure;
use crate::platform::{self, Directory, Identity};

/// Follows the header's name in that of the next header.
const MARK: &str = ".strongroom-next";

/// Bytes with which a detached header and the document that it belongs to begin, and no others.
pub(crate) const LEADING: usize = 128;

/// The longest name of a header, in bytes, so that the next one has a name as well: 255 are the most.
const LONGEST_NAME: usize = 255 - MARK.len() - 1;

/// `.NAME.strongroom-next`.
fn next_name(header: &OsStr) -> OsString {
    let mut name = OsString::from(".");
    name.push(header);
    name.push(MARK);
    name
}

/// Path of a header that was to take the place of the one at `header` when a run was killed.
pub(crate) fn next_header(header: &Path) -> Option<PathBuf> {
    // What a link points to is replaced, not the link.
    let target = match fs::symlink_metadata(header) {
        Ok(found) if found.is_symlink() => fs::canonicalize(header).ok()?,
        _ => header.to_owned(),
    };
    let next = target.with_file_name(next_name(target.file_name()?));
    next.is_file().then_some(next)
}

/// The first bytes of a file, if it has as many.
pub(crate) fn leading(path: &Path) -> Option<[u8; LEADING]> {
    let mut bytes = [0; LEADING];
    File::open(path).ok()?.read_exact(&mut bytes).ok()?;
    Some(bytes)
}

/// Refuses a header whose next one could not be named.
///
/// # Errors
///
/// [`Failure::Usage`] where its name is too long.
pub(crate) fn check_name(header: &NewFile) -> Result<(), Failure> {
    let length = header.target.file_name().map_or(0, OsStr::len);
    if header.rules.existing == Existing::Keep || length <= LONGEST_NAME {
        return Ok(());
    }
    Err(Failure::Usage(format!(
        "the name of {} is too long to replace header and document together; give --detach-header a \
         name of at most {LONGEST_NAME} bytes",
        header.name()
    )))
}

/// Gives both files their names, durably, as the module says.
///
/// # Errors
///
/// A [`Failure`] when a name is taken and its file is to be kept, or when the system refuses: then
/// everything is as it was, or both are new and the failure says where the header is.
pub(crate) fn publish(document: NewFile, header: NewFile) -> Result<(), Failure> {
    match header.rules.existing {
        Existing::Keep => make(document, header),
        Existing::Replace => replace(document, header),
    }
}

fn make(document: NewFile, header: NewFile) -> Result<(), Failure> {
    let (named_header, named_document) = (Named::of(&header, None)?, Named::of(&document, None)?);
    let published = header.publish().and_then(|()| document.publish());
    if published.is_err() {
        // A name may be there although it is not durable.
        for named in [named_document, named_header].iter().filter(|named| named.is_taken()) {
            named.remove();
        }
    }
    published
}

fn replace(document: NewFile, mut header: NewFile) -> Result<(), Failure> {
    let (last, named_document) = (Named::of(&header, None)?, Named::of(&document, None)?);
    let next = Named::of(&header, Some(&next_name(last.name())))?;
    // One run at a time, where directories have locks.
    #[cfg(unix)]
    let lock = platform::open_directory_lock(parent(&last.path));
    #[cfg(unix)]
    let _locked = lock.as_ref().map(File::lock);
    let names = [
        document.name(),
        header.name(),
        header.path().with_file_name(next.name()).display().to_string(),
    ];
    let unnamed = |source| {
        let [document, header, next] = names;
        Failure::HeaderName { document, header, next, source }
    };

    let begun = leading(&next.path);
    if begun.is_some() && begun == leading(&named_document.path) && begun != leading(&last.path) {
        next.rename(&last).map_err(|source| Failure::write(header.name(), source))?;
    }
    header.atomic.set_name(next.name().to_owned());
    if let Err(failure) = header.publish() {
        next.remove();
        return Err(failure);
    }
    let published = document.publish();
    if published.is_err() && !named_document.is_taken() {
        next.remove();
        return published;
    }
    next.rename(&last).map_err(unnamed)?;
    published
}

/// A name in an open directory, and the new file that is to have it.
struct Named {
    directory: Directory,
    path: PathBuf,
    new: Identity,
}

impl Named {
    /// The target name of `file`, or another `name` beside it.
    fn of(file: &NewFile, name: Option<&OsStr>) -> Result<Self, Failure> {
        let failed = |source| Failure::write(file.name(), source);
        let path = match name {
            Some(name) => file.target.with_file_name(name),
            None => file.target.clone(),
        };
        Ok(Self {
            directory: Directory::open(parent(&path)).map_err(failed)?,
            path,
            new: platform::identity(file.file()).map_err(failed)?,
        })
    }

    fn name(&self) -> &OsStr {
        self.path.file_name().unwrap_or_default()
    }

    /// True where the new file has the name: a failure can come after that.
    fn is_taken(&self) -> bool {
        platform::identity_at(&self.path).is_ok_and(|found| found == self.new)
    }

    /// Gives the file the name of `to`, durably.
    fn rename(&self, to: &Self) -> io::Result<()> {
        self.directory.rename(self.name(), to.name())?;
        self.directory.sync()
    }

    /// Takes the name away. Best effort: what stays opens nothing and harms nothing.
    fn remove(&self) {
        let _ = self.directory.remove(self.name());
    }
}
