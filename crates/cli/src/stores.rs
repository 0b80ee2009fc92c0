//! Directories that keep keys: vaults and services' homes, in which the command's other files have no place.

use std::fs;
use std::path::{Path, PathBuf};

use strongroom_local_vault::LocalVault;

use crate::platform::{self, Identity};
use crate::service::HomeLocation;

/// Greatest depth of a file in a home: `vault/keys/NAME/FILE`.
const DEPTH_OF_HOMES: usize = 4;

/// The vault or the home that the directory `path` is, or is in; `None` where `path` is not there.
pub(crate) fn store_of(path: &Path) -> Option<PathBuf> {
    let directory = fs::canonicalize(path).ok()?;
    let mut directories = directory.ancestors().take(DEPTH_OF_HOMES);
    let found = directories.find(|one| LocalVault::is_at(one) || HomeLocation::is_at(one))?;
    Some(found.to_owned())
}

/// True where one of the files below the directory `store` has this identity, whatever its name there.
pub(crate) fn has_file(store: &Path, identity: Identity) -> bool {
    let mut directories = vec![(store.to_owned(), 1)];
    while let Some((directory, depth)) = directories.pop() {
        let Ok(entries) = fs::read_dir(directory) else { continue };
        for entry in entries.flatten() {
            let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_directory && depth < DEPTH_OF_HOMES {
                directories.push((entry.path(), depth + 1));
            } else if !is_directory
                && platform::identity_at(&entry.path()).is_ok_and(|found| found == identity)
            {
                return true;
            }
        }
    }
    false
}
