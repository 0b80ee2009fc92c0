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
//! two was there before, it is whatever it was until its own line.
//!
//! A run that was killed on the third line leaves the only header of its document, and other documents may
//! have headers of the same name. So the next name tells which document was to be replaced (its path, and the
//! bytes that it begins with): a later run writes over what was killed on the second line, since there is the
//! same document still, and over nothing else. It removes the next header of the very document that it has
//! replaced. All others stay, and the user is told of them.
//!
//! Where nothing is to be replaced the header gets its name first, then the document: what a killed run
//! leaves is a header without a document, which loses nothing.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Existing, NewFile, parent};
use crate::failure::{Failure, naming};
use crate::platform::{self, Directory, Identity};
use crate::print;
use crate::waiting;

/// Follows the header's name in that of the next header.
const MARK: &str = ".strongroom-next-";

/// As many hexadecimal digits end the name of a next header.
const TAG_LEN: usize = 16;

/// Bytes with which a detached header and the document that it belongs to begin, and no others.
pub(crate) const LEADING: usize = 128;

/// The longest name of a header, in bytes, so that the next one has a name as well: 255 are the most.
const LONGEST_NAME: usize = 255 - MARK.len() - TAG_LEN - 1;

/// `.NAME.strongroom-next-`.
fn stem(header: &OsStr) -> OsString {
    let mut name = OsString::from(".");
    name.push(header);
    name.push(MARK);
    name
}

/// True of the name of a next header.
pub(crate) fn is_next_name(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    let tag = name.strip_prefix('.').and_then(|name| name.rsplit_once(MARK)).map(|(_, tag)| tag);
    tag.is_some_and(|tag| tag.len() == TAG_LEN && tag.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// The end of the next header's name where the document at `path`, which begins with `old`, is replaced. One
/// that is not there may have been made by a killed run and moved since: its name is drawn.
fn tag(path: &Path, old: Option<&[u8; LEADING]>) -> io::Result<String> {
    let Some(old) = old else {
        let drawn = getrandom::u64();
        return drawn
            .map(|tag| format!("{tag:016x}"))
            .map_err(|_| io::Error::other("there are no random bytes"));
    };
    let path = fs::canonicalize(path)?;
    // FNV-1a: tells documents apart, whose first bytes are random, and hides nothing.
    let bytes = path.as_os_str().as_encoded_bytes().iter().chain(old);
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3);
    Ok(format!("{:016x}", bytes.fold(0xCBF2_9CE4_8422_2325, step)))
}

/// Paths of headers, in the order of their names, that were to take the place of the one at `header` when runs
/// were killed. Nothing but a file is one.
pub(crate) fn next_headers(header: &Path) -> Vec<PathBuf> {
    // What a link points to is replaced, not the link.
    let target = match fs::symlink_metadata(header) {
        Ok(found) if found.is_symlink() => fs::canonicalize(header).ok(),
        _ => Some(header.to_owned()),
    };
    let Some(target) = target else { return Vec::new() };
    let Some(stem) = target.file_name().map(stem) else { return Vec::new() };
    let Ok(entries) = fs::read_dir(parent(&target)) else { return Vec::new() };
    let is_next = |name: &OsString| {
        let begins = name.as_encoded_bytes().starts_with(stem.as_encoded_bytes());
        begins && name.len() == stem.len() + TAG_LEN && is_next_name(name)
    };
    let names = entries.flatten().map(|entry| entry.file_name()).filter(is_next);
    let mut found: Vec<_> = names.map(|name| target.with_file_name(name)).collect();
    found.retain(|path| fs::symlink_metadata(path).is_ok_and(|found| found.is_file()));
    found.sort();
    found
}

/// The first bytes of a file, if it is one and has as many.
pub(crate) fn leading(path: &Path) -> Option<[u8; LEADING]> {
    // Opening a pipe would wait for its writer, and reading it would take what it holds.
    if !fs::metadata(path).is_ok_and(|found| found.is_file()) {
        return None;
    }
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

/// Gives both files their names, durably, as the module says. Where another process names files there, it waits
/// for that, at most as long as `most` says.
///
/// # Errors
///
/// A [`Failure`] when a name is taken and its file is to be kept, or when the system refuses: then
/// everything is as it was, or both are new and the failure says where the header is.
pub(crate) fn publish(
    document: NewFile,
    header: NewFile,
    most: Option<Duration>,
) -> Result<(), Failure> {
    match header.rules.existing {
        Existing::Keep => make(document, header),
        Existing::Replace => replace(document, header, most, &|| Ok(true)).map(drop),
    }
}

/// As [`publish`] where both names are to be replaced, and `may_be` still says so once no other process names files
/// there; false where it does not.
///
/// # Errors
///
/// Those of [`publish`] and of `may_be`.
pub(crate) fn publish_if(
    document: NewFile,
    header: NewFile,
    most: Option<Duration>,
    may_be: &dyn Fn() -> Result<bool, Failure>,
) -> Result<bool, Failure> {
    replace(document, header, most, may_be)
}

/// Finishes what a stopped run left: where the document at `document` was replaced, and its new header only waits for
/// the name of the old one, `header`, it gets that, durably. True where it did so.
///
/// # Errors
///
/// [`Failure::HeaderName`] when the system refuses; [`Failure::Waited`].
pub(crate) fn finish(
    document: &Path,
    header: &Path,
    most: Option<Duration>,
) -> Result<bool, Failure> {
    let refused = |next: PathBuf, source| Failure::HeaderName {
        document: document.display().to_string(),
        next,
        header: header.to_owned(),
        source,
    };
    // Another document's header of the same name is not the one that was to be replaced: the tag tells.
    let waits = || {
        let (new, old, last) =
            (leading(document)?, leading(header)?, fs::canonicalize(header).ok()?);
        let mut name = stem(last.file_name()?);
        name.push(tag(document, Some(&old)).ok()?);
        let next = last.with_file_name(name);
        (new != old && leading(&next) == Some(new)).then_some((next, last))
    };
    let Some((_, last)) = waits() else { return Ok(false) };
    // Whoever holds it may be about to do the same.
    let _lock = lock(parent(&last), &header.display().to_string(), most)?;
    let Some((next, last)) = waits() else { return Ok(false) };
    let renamed = Directory::open(parent(&last)).and_then(|directory| {
        let name = |path: &Path| path.file_name().unwrap_or_default().to_owned();
        directory.rename(&name(&next), &name(&last))?;
        directory.sync()
    });
    renamed.map_err(|source| refused(next, source))?;
    Ok(true)
}

/// The lock of `directory`, in which messages call a file `name`, where directories have locks: one run names files
/// there at a time.
fn lock(directory: &Path, name: &str, most: Option<Duration>) -> Result<Option<File>, Failure> {
    #[cfg(unix)]
    if let Ok(lock) = platform::open_directory_lock(directory) {
        waiting::lock(&lock, name, most)?;
        return Ok(Some(lock));
    }
    #[cfg(not(unix))]
    let _ = (directory, name, most);
    Ok(None)
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

fn replace(
    document: NewFile,
    mut header: NewFile,
    most: Option<Duration>,
    may_be: &dyn Fn() -> Result<bool, Failure>,
) -> Result<bool, Failure> {
    let (last, named_document) = (Named::of(&header, None)?, Named::of(&document, None)?);
    let _lock = lock(parent(&last.path), &header.name(), most)?;
    if !may_be()? {
        return Ok(false);
    }
    // One that the system does not tell of may be there.
    let is_free = |path| matches!(fs::symlink_metadata(path), Err(error) if error.kind() == io::ErrorKind::NotFound);
    if is_free(&last.path) && is_free(&named_document.path) {
        return make(document, header).map(|()| true);
    }
    let old = leading(&named_document.path);
    let left = next_headers(&last.path);
    let failed = |source| Failure::write(header.name(), source);
    let mut name = stem(last.name());
    name.push(tag(&named_document.path, old.as_ref()).map_err(failed)?);
    let next = Named::of(&header, Some(&name))?;
    let (whole, shown) = (document.name(), header.path().to_owned());
    header.atomic.set_name(name);
    if let Err(failure) = header.publish() {
        next.remove();
        return Err(failure);
    }
    let published = document.publish();
    if published.is_err() && !named_document.is_taken() {
        next.remove();
        return published.map(|()| true);
    }
    next.rename(&last).map_err(|source| Failure::HeaderName {
        document: whole,
        next: shown.with_file_name(next.name()),
        header: shown.clone(),
        source,
    })?;
    for path in left.iter().filter(|path| **path != next.path) {
        if old.is_some() && leading(path) == old {
            // Of the document that was replaced. Best effort: what stays opens nothing and harms nothing.
            let _ = fs::remove_file(path);
        } else {
            say_kept(path, &shown);
        }
    }
    published.map(|()| true)
}

/// Tells of the next header at `path`, which is not that of the document whose header is now at `shown`.
fn say_kept(path: &Path, shown: &Path) {
    let (Some(name), Some(of)) = (path.file_name(), shown.file_name()) else { return };
    let path = shown.with_file_name(name);
    let named = |number: u32| {
        let mut name = of.to_owned();
        name.push(format!(".other{number}"));
        shown.with_file_name(name)
    };
    // One that replaces nothing.
    let is_free = |path: &PathBuf| fs::symlink_metadata(path).is_err();
    let Some(free) = (1..=u32::MAX).map(named).find(is_free) else { return };
    print::notice(
        "note",
        &format!(
            "{} stays: a seal that was stopped left it, and it may be the only header of another document whose \
             header was to be {}; try that document with it as --header, and give it a name of its own: {}",
            path.display(),
            shown.display(),
            naming(&path, &free)
        ),
    );
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
