//! A private file that is replaced whole.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use crate::file_system::{sweep, temporary_name};
use crate::platform::{create_private, sync_directory};

/// Replaces the private file `path` by one with `contents`, or makes it: written under a temporary name, synced,
/// renamed, and the directory synced. A crash leaves the old file or the new one; what a killed process left
/// beside it goes with the next replacement.
///
/// # Errors
///
/// The system's. The old file is there then, unless the directory alone could not be synced.
pub fn replace(path: &Path, contents: &[u8]) -> io::Result<()> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    sweep(directory);
    let temporary = directory.join(temporary_name(path.file_name().unwrap_or(OsStr::new("")))?);
    let written = create_private(&temporary).and_then(|mut file| {
        // Best effort: where there are no locks, the name tells that this process lives.
        let _ = file.lock();
        file.write_all(contents)?;
        file.sync_all()?;
        drop(file); // a file that is open cannot be renamed everywhere
        fs::rename(&temporary, path)
    });
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written.and_then(|()| sync_directory(directory))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_is_left_beside_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        for contents in [&b"first"[..], b"", b"the third"] {
            replace(&path, contents).unwrap();
            assert_eq!(fs::read(&path).unwrap(), contents);
            assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        }
        let taken = directory.path().join("directory");
        fs::create_dir_all(taken.join("full")).unwrap();
        assert!(replace(&taken, b"no").is_err());
        assert!(taken.join("full").is_dir());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
        assert!(replace(&directory.path().join("none/file"), b"no").is_err());
    }

    #[cfg(unix)]
    #[test]
    fn others_cannot_read_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        replace(&path, b"secret").unwrap();
        assert_eq!(crate::platform::mode(&fs::metadata(&path).unwrap()), 0o600);
    }
}
