//! The files that paths on the command line name: themselves, and those in directories.

use std::fs;
use std::path::{Path, PathBuf};

use strongroom_local_vault::LocalVault;

use crate::failure::Failure;
use crate::output::{is_temporary, next_header};
use crate::service::HomeLocation;

/// A file to work on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    /// True where the command line names the file itself, and not a directory that it is in.
    pub(crate) is_named: bool,
}

/// The files at `paths`, in their order, those of a directory by their names. In directories links are not
/// followed; vaults and services' homes, and the command's own unfinished files, are left out. What cannot be
/// looked at goes to `failed`.
pub(crate) fn files(paths: Vec<PathBuf>, failed: &mut dyn FnMut(Failure)) -> Vec<Found> {
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            in_directory(&path, &mut found, failed);
        } else if is_temporary(&path) {
            failed(Failure::ReservedInput { path });
        } else {
            found.push(Found { path, is_named: true });
        }
    }
    found
}

fn in_directory(directory: &Path, found: &mut Vec<Found>, failed: &mut dyn FnMut(Failure)) {
    let unread = |source| Failure::read(directory.display().to_string(), source);
    let mut paths = Vec::new();
    let entries = match fs::read_dir(directory) {
        Err(error) => return failed(unread(error)),
        Ok(entries) => entries,
    };
    for entry in entries {
        match entry.and_then(|entry| Ok((entry.path(), entry.file_type()?))) {
            Err(error) => failed(unread(error)),
            Ok((path, kind)) if kind.is_dir() || kind.is_file() => paths.push((path, kind)),
            Ok(_) => {}
        }
    }
    paths.sort_by(|(one, _), (other, _)| one.cmp(other));
    for (path, kind) in paths {
        if kind.is_dir() {
            if !LocalVault::is_at(&path) && !HomeLocation::is_at(&path) {
                in_directory(&path, found, failed);
            }
        } else if !is_temporary(&path) && !path.file_name().is_some_and(next_header::is_next_name) {
            found.push(Found { path, is_named: false });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_stands_for_its_files_by_name_and_for_nothing_of_vaults_or_unfinished() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::create_dir(at("b")).unwrap();
        LocalVault::init(&at("vault")).unwrap();
        let own = [".x.strongroom-next-0123456789abcdef", "b/.h.strongroom-next-0000000000000000"];
        for name in ["c", "a", "b/z", "b/y"].iter().chain(&own) {
            fs::write(at(name), b"").unwrap();
        }
        #[cfg(unix)]
        std::os::unix::fs::symlink(at("a"), at("link")).unwrap();
        let mut failures = Vec::new();
        let paths = vec![at("c"), directory.path().to_owned()];
        let found = files(paths, &mut |failure| failures.push(failure.to_string()));
        let named = |path: PathBuf| Found { path, is_named: true };
        let inside = |path: PathBuf| Found { path, is_named: false };
        let expected = [at("a"), at("b/y"), at("b/z"), at("c")].map(inside);
        assert_eq!(found[0], named(at("c")));
        assert_eq!(found[1..], expected);
        assert_eq!(failures, [""; 0]);
    }
}
