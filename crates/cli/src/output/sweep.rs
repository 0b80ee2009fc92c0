//! The names of temporary files, and the removal of those that a killed run left behind.
//!
//! A run that is alive holds the lock of its file; the system releases it when the run ends, however
//! it ends. So a file of the pattern whose lock is free is nobody's.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::path::Path;

use crate::platform;

/// Stands between the target's name and 16 hexadecimal digits.
const MARK: &str = ".strongroom-tmp-";

/// As much of the target's name goes into a temporary one: a name has at most 255 bytes.
const LONGEST_STEM: usize = 200;

/// A fresh name beside `target`: `.TARGET.strongroom-tmp-0123456789abcdef`.
pub(super) fn temporary_name(target: &OsStr) -> io::Result<OsString> {
    let number = getrandom::u64().map_err(|_| io::Error::other("there are no random bytes"))?;
    let stem = target.to_string_lossy();
    let ends = stem.char_indices().map(|(at, char)| at + char.len_utf8());
    let end = ends.take_while(|end| *end <= LONGEST_STEM).last().unwrap_or(0);
    let stem = stem.get(..end).unwrap_or_default();
    Ok(OsString::from(format!(".{stem}{MARK}{number:016x}")))
}

/// Whether `name` has the pattern of [`temporary_name`].
pub(super) fn is_temporary_name(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    let Some((head, digits)) = name.split_last_chunk::<16>() else { return false };
    let digit = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
    head.first() == Some(&b'.') && head.ends_with(MARK.as_bytes()) && digits.iter().all(digit)
}

/// Removes from `directory` the temporary files of runs that are gone. Best effort: a directory that
/// cannot be listed, or a file that cannot be removed, does not stop the work at hand.
pub(super) fn sweep(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten().filter(|entry| is_temporary_name(&entry.file_name())) {
        let path = entry.path();
        if let Some(_lock) = lock_abandoned(&path) {
            let _ = fs::remove_file(&path);
        }
    }
}

/// The file at `path` with its lock, if it is a plain file that no run is writing.
fn lock_abandoned(path: &Path) -> Option<File> {
    let file = platform::open_unfollowed(path).ok()?;
    (file.metadata().ok()?.is_file() && file.try_lock().is_ok()).then_some(file)
}
