//! The name beside a header's own under which a new header waits, the *next* name: `.H.strongroom-next-RANDOM`.
//!
//! Each run draws one that nobody else has, and removes no other. A run that was killed may leave the only header of
//! its document there: nothing shows whether that is so, and all of them stay.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::{Existing, NewFile, parent};
use crate::failure::Failure;
use crate::hint::naming;
use crate::print;

/// Follows the header's name in that of the next header.
const MARK: &str = ".strongroom-next-";

/// As many hexadecimal digits end the name of a next header.
const RANDOM_LEN: usize = 16;

/// Bytes with which a detached header and the document that it belongs to begin, and no others.
pub(crate) const LEADING: usize = 128;

/// The longest name of a header, in bytes, so that the next one has a name as well: 255 are the most.
const LONGEST_NAME: usize = 255 - MARK.len() - RANDOM_LEN - 1;

/// `.NAME.strongroom-next-`.
fn stem(header: &OsStr) -> OsString {
    let mut name = OsString::from(".");
    name.push(header);
    name.push(MARK);
    name
}

/// The random end of the name of a next header.
fn random_part(name: &OsStr) -> Option<String> {
    let name = name.to_string_lossy();
    let (_, random) = name.strip_prefix('.')?.rsplit_once(MARK)?;
    let is_random =
        random.len() == RANDOM_LEN && random.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_random.then(|| random.to_owned())
}

/// True of the name of a next header.
pub(crate) fn is_next_name(name: &OsStr) -> bool {
    random_part(name).is_some()
}

/// A next name for `header` that nobody has.
///
/// # Errors
///
/// The system gives no random bytes.
pub(super) fn draw(header: &OsStr) -> io::Result<OsString> {
    let random = getrandom::u64().map_err(|_| io::Error::other("there are no random bytes"))?;
    let mut name = stem(header);
    name.push(format!("{random:016x}"));
    Ok(name)
}

/// Paths of headers that were to take the place of the one at `header` when runs were killed, the newest first.
/// Nothing but a file is one.
pub(crate) fn next_headers(header: &Path) -> Vec<PathBuf> {
    // What a link points to is replaced, not the link; one that leads nowhere is replaced itself.
    let target = match fs::symlink_metadata(header) {
        Ok(found) if found.is_symlink() => fs::canonicalize(header).ok(),
        _ => None,
    };
    let target = target.unwrap_or_else(|| header.to_owned());
    let Some(stem) = target.file_name().map(stem) else { return Vec::new() };
    let Ok(entries) = fs::read_dir(parent(&target)) else { return Vec::new() };
    let is_next = |name: &OsString| {
        let begins = name.as_encoded_bytes().starts_with(stem.as_encoded_bytes());
        begins && name.len() == stem.len() + RANDOM_LEN && is_next_name(name)
    };
    let names = entries.flatten().map(|entry| entry.file_name()).filter(is_next);
    let mut found: Vec<_> = names
        .map(|name| target.with_file_name(name))
        .filter_map(|path| {
            let metadata = fs::symlink_metadata(&path).ok().filter(fs::Metadata::is_file)?;
            Some((metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH), path))
        })
        .collect();
    found.sort_by(|(time, path), (other_time, other)| (other_time, path).cmp(&(time, other)));
    found.into_iter().map(|(_, path)| path).collect()
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

/// A name beside `header` for what is at `next`, and for nothing else: `HEADER.RANDOM`.
pub(crate) fn own_name(next: &Path, header: &Path) -> PathBuf {
    let random = next.file_name().and_then(random_part).unwrap_or_default();
    let named = |number: u32| {
        let mut name = header.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{random}"));
        if number > 0 {
            name.push(format!("-{number}"));
        }
        next.with_file_name(name)
    };
    let is_free = |path: &PathBuf| fs::symlink_metadata(path).is_err();
    (0..=u32::MAX).map(named).find(is_free).unwrap_or_else(|| named(0))
}

/// Tells of the next header at `next`, which is not that of the document whose header is now at `header`.
pub(super) fn say_kept(next: &Path, header: &Path) {
    let own = own_name(next, header);
    print::notice(
        "note",
        &format!(
            "{} stays: a seal that was stopped left it, and it may be the only header of another document whose \
             header was to be {}; try that document with it as --header, and give it a name of its own, or remove it \
             where no document needs it: {}",
            next.display(),
            header.display(),
            naming(next, &own)
        ),
    );
}
