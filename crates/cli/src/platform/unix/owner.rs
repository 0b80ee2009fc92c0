//! The owner and the group of a file that is replaced.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;

use rustix::fs::{Gid, Uid};

/// The permission bits of the group.
const GROUP: u32 = 0o070;

/// Gives `new` the owner and the group of the file that it replaces, as far as this process may. Tells what of
/// the permissions `mode` it may have (those of a group that it could not get are not given to another one),
/// and what could not be kept, in words.
///
/// # Errors
///
/// What the system says, but for a refusal.
pub(crate) fn keep_what_is_allowed(
    replaced: &Metadata,
    new: &File,
    mode: u32,
) -> io::Result<(u32, Option<String>)> {
    let made = new.metadata()?;
    let (owner, group) = (Uid::from_raw(replaced.uid()), Gid::from_raw(replaced.gid()));
    let mut lost = Vec::new();
    let mut mode = mode;
    if made.gid() != replaced.gid() && rustix::fs::fchown(new, None, Some(group)).is_err() {
        lost.push(format!("its group {}", replaced.gid()));
        // As others have it.
        mode &= !GROUP | (mode << 3 & GROUP);
    }
    if made.uid() != replaced.uid() && rustix::fs::fchown(new, Some(owner), None).is_err() {
        lost.push(format!("its owner {}", replaced.uid()));
    }
    Ok((mode, (!lost.is_empty()).then(|| lost.join(" and "))))
}
