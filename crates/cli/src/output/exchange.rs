//! A directory that takes the name of another one, so that a kill at any moment leaves both, and shows which is which.
//!
//! ```text
//! 1  the new one is marked, and gets the name NAME.exchange-TIME, which nobody sweeps
//! 2  both exchange their names
//! 3  the old one gets the name NAME.before-restore-TIME
//! 4  the mark goes
//! ```
//!
//! A kill before 2 leaves a marked directory beside the old one, which [`remove_unfinished`] removes, and one after 2 a
//! marked directory under the name, of which [`finish`] does the rest. Where names cannot be exchanged in one step, 3
//! comes first: then a kill leaves nothing under the name, and both beside it. So what is under the name of an old
//! directory is always that.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use strongroom_files::is_not_there;

use super::parent;
use crate::platform::{self, Directory};
use crate::time::{compact_time, since_epoch};

/// The file in a new directory that has, or is about to have, the name of another one.
const MARK: &str = ".strongroom-new";
/// Part of the name of the new directory before the exchange, and of the old one just after it.
const BETWEEN: &str = ".exchange-";
/// Part of the name of a directory that gave way.
const ASIDE: &str = ".before-restore-";

/// The names of an exchange, and the place of it.
#[derive(Debug)]
pub(crate) struct Exchange {
    target: PathBuf,
    between: PathBuf,
    aside: PathBuf,
}

impl Exchange {
    /// One for the directory at `target`, with free names; `None` where all are taken.
    pub(crate) fn new(target: &Path) -> Option<Self> {
        let time = compact_time(since_epoch(SystemTime::now()));
        let mut times =
            std::iter::once(time.clone()).chain((2..100).map(|n| format!("{time}-{n}")));
        times.find_map(|time| {
            let one = Self::named(target, &time);
            let is_free = |path: &Path| fs::symlink_metadata(path).is_err();
            (is_free(&one.between) && is_free(&one.aside)).then_some(one)
        })
    }

    fn named(target: &Path, time: &str) -> Self {
        let with = |part: &str| {
            let mut name = start_of(target, part);
            name.push(time);
            parent(target).join(name)
        };
        Self { between: with(BETWEEN), aside: with(ASIDE), target: target.to_owned() }
    }

    /// Gives the whole directory `new`, which is beside its target, that name, durably. Returns the path of what had the
    /// name.
    ///
    /// # Errors
    ///
    /// The system's; then both have the names that they had.
    pub(crate) fn run(&self, new: &Path) -> io::Result<PathBuf> {
        self.prepare(new)?;
        let exchanged = match platform::exchange(&self.between, &self.target) {
            Err(error) if is_not_there(&error) || error.kind() == io::ErrorKind::Unsupported => {
                self.in_steps()
            }
            exchanged => exchanged,
        };
        exchanged.inspect_err(|_| drop(fs::rename(&self.between, new)))?;
        Ok(self.settle())
    }

    fn prepare(&self, new: &Path) -> io::Result<()> {
        strongroom_files::create_private(&new.join(MARK))?.sync_all()?;
        Directory::open(new)?.sync()?;
        fs::rename(new, &self.between)
    }

    fn in_steps(&self) -> io::Result<()> {
        fs::rename(&self.target, &self.aside)?;
        let named = fs::rename(&self.between, &self.target);
        named.inspect_err(|_| drop(fs::rename(&self.aside, &self.target)))
    }

    /// Gives what had the name its new one, where it has not got it, and removes the mark.
    fn settle(&self) -> PathBuf {
        // Another command may have done it meanwhile.
        if fs::rename(&self.between, &self.aside).is_err() && !self.aside.exists() {
            return self.between.clone();
        }
        // The mark is there as long as the name may not outlast a power cut.
        if Directory::open(parent(&self.target)).and_then(|directory| directory.sync()).is_ok() {
            let _ = fs::remove_file(self.target.join(MARK));
        }
        self.aside.clone()
    }
}

/// Does the rest of an exchange for `target` that was interrupted. Returns the path of what had the name; `None` where there
/// is nothing to do.
pub(crate) fn finish(target: &Path) -> Option<PathBuf> {
    if fs::symlink_metadata(target).is_err() {
        let mut found = interrupted(target).into_iter();
        let half = found.find(|one| one.is_marked() && one.aside.exists() && one.is_left())?;
        half.in_place()?;
        return Some(half.settle());
    }
    fs::symlink_metadata(target.join(MARK)).ok()?;
    let found = interrupted(target).into_iter().find(|one| !one.is_marked());
    if found.is_none() {
        let _ = fs::remove_file(target.join(MARK));
    }
    Some(found?.settle())
}

/// Removes the new directories of exchanges for `target` that were interrupted before it gave way. Best effort.
pub(crate) fn remove_unfinished(target: &Path) {
    for one in interrupted(target) {
        if one.is_marked() && one.is_left() {
            let _ = fs::remove_dir_all(one.between);
        }
    }
}

/// The directory that gave way to the one at `target` last.
pub(crate) fn newest_aside(target: &Path) -> Option<PathBuf> {
    let mut asides = names_with(target, ASIDE);
    asides.sort();
    asides.pop().map(|time| Exchange::named(target, &time).aside)
}

impl Exchange {
    fn is_marked(&self) -> bool {
        fs::symlink_metadata(self.between.join(MARK)).is_ok()
    }

    /// True where no process is at work on it.
    fn is_left(&self) -> bool {
        platform::open_directory_lock(&self.between).is_ok_and(|lock| lock.try_lock().is_ok())
    }

    fn in_place(&self) -> Option<()> {
        fs::rename(&self.between, &self.target).ok()
    }
}

/// The exchanges for `target` of which a directory is left.
fn interrupted(target: &Path) -> Vec<Exchange> {
    let times = names_with(target, BETWEEN).into_iter();
    let found = times.map(|time| Exchange::named(target, &time));
    found.filter(|one| one.between.is_dir()).collect()
}

/// The ends of the names beside `target` that begin with its own and `part`.
fn names_with(target: &Path, part: &str) -> Vec<String> {
    let start = start_of(target, part);
    let Ok(entries) = fs::read_dir(parent(target)) else { return Vec::new() };
    let names = entries.flatten().map(|entry| entry.file_name());
    names
        .filter_map(|name| {
            let rest = name.as_encoded_bytes().strip_prefix(start.as_encoded_bytes())?;
            Some(std::str::from_utf8(rest).ok()?.to_owned())
        })
        .collect()
}

fn start_of(target: &Path, part: &str) -> OsString {
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(part);
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory with `h`, which holds `old`, and the new directory `n`.
    fn scene() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let (target, new) = (directory.path().join("h"), directory.path().join("n"));
        for (path, text) in [(&target, "old"), (&new, "new")] {
            fs::create_dir(path).unwrap();
            fs::write(path.join("file"), text).unwrap();
        }
        (directory, target, new)
    }

    fn text(path: &Path) -> String {
        fs::read_to_string(path.join("file")).unwrap()
    }

    /// Number of names beside `target`, which an exchange left.
    fn beside(target: &Path) -> usize {
        fs::read_dir(parent(target)).unwrap().count() - usize::from(target.exists())
    }

    #[test]
    fn what_had_the_name_is_beside_it_afterwards() {
        let (_directory, target, new) = scene();
        let aside = Exchange::new(&target).unwrap().run(&new).unwrap();
        assert_eq!((text(&target), text(&aside)), ("new".into(), "old".into()));
        let name = aside.file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with("h.before-restore-20"), "{name}");
        assert_eq!(newest_aside(&target), Some(aside));
        assert_eq!((beside(&target), fs::read_dir(&target).unwrap().count()), (1, 1));
        assert_eq!(finish(&target), None);
    }

    #[test]
    fn what_is_called_old_is_the_old_one_whenever_it_is_killed() {
        // Before the exchange: the new one is not in use, and goes.
        let (_directory, target, new) = scene();
        let exchange = Exchange::new(&target).unwrap();
        exchange.prepare(&new).unwrap();
        assert_eq!((finish(&target), newest_aside(&target)), (None, None));
        let at_work = platform::open_directory_lock(&exchange.between).unwrap();
        at_work.lock().unwrap();
        remove_unfinished(&target);
        assert_eq!(beside(&target), 1, "a restore is at work on it");
        drop(at_work);
        remove_unfinished(&target);
        assert_eq!((text(&target), beside(&target)), ("old".into(), 0));

        // After it, in one step.
        let (_directory, target, new) = scene();
        let exchange = Exchange::new(&target).unwrap();
        exchange.prepare(&new).unwrap();
        let third = target.with_file_name("third");
        fs::rename(&target, &third).unwrap();
        fs::rename(&exchange.between, &target).unwrap();
        fs::rename(&third, &exchange.between).unwrap();
        remove_unfinished(&target);
        assert_eq!(newest_aside(&target), None);
        let aside = finish(&target).unwrap();
        assert_eq!((text(&target), text(&aside)), ("new".into(), "old".into()));
        assert_eq!((beside(&target), finish(&target)), (1, None));

        // Between the two steps.
        let (_directory, target, new) = scene();
        let exchange = Exchange::new(&target).unwrap();
        exchange.prepare(&new).unwrap();
        fs::rename(&target, &exchange.aside).unwrap();
        assert_eq!(text(&newest_aside(&target).unwrap()), "old");
        let aside = finish(&target).unwrap();
        assert_eq!((text(&target), text(&aside)), ("new".into(), "old".into()));
        assert_eq!((beside(&target), finish(&target)), (1, None));

        // Before the mark goes.
        fs::write(target.join(MARK), b"").unwrap();
        assert_eq!((finish(&target), target.join(MARK).exists()), (None, false));
    }

    #[test]
    fn where_names_cannot_be_exchanged_in_one_step_it_takes_two() {
        let (_directory, target, new) = scene();
        let exchange = Exchange::new(&target).unwrap();
        exchange.prepare(&new).unwrap();
        exchange.in_steps().unwrap();
        let aside = exchange.settle();
        assert_eq!((text(&target), text(&aside)), ("new".into(), "old".into()));
        // Nothing has the name: what is new has the one that it had.
        let (_directory, target, new) = scene();
        fs::remove_dir_all(&target).unwrap();
        assert!(Exchange::new(&target).unwrap().run(&new).is_err());
        assert_eq!((text(&new), target.exists()), ("new".into(), false));
    }
}
