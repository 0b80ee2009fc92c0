//! The removal of what killed runs left behind, once a directory and run.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

static SWEPT: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// Removes from `directory` the temporary files of runs that have ended: without unnamed files one that was
/// killed leaves plaintext. So each command does it where it reads, and where it writes.
pub(crate) fn sweep(directory: &Path) {
    let mut swept = SWEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if swept.insert(directory.to_owned()) {
        strongroom_files::sweep(directory);
    }
}
