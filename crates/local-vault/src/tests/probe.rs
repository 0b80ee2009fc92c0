//! Sees every step on the disk, and keeps what a power cut at that moment would leave at worst.
//!
//! On the worst disk a file holds what was last synced of it, and a directory has the entries that it
//! had when it was last synced; all else is gone. On the best disk everything is there at once. A
//! change must survive a crash on either after each of its steps.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::super::disk::Step;

thread_local! {
    static PROBE: RefCell<Option<Probe>> = const { RefCell::new(None) };
}

/// Treatment of the steps of this thread.
#[derive(Debug)]
pub(crate) enum Plan {
    /// They are done, and a picture is taken after each.
    Picture,
    /// The one with this number (from 0) and all later ones fail, as after a crash.
    FailFrom(usize),
    /// The one with this number fails, and no other.
    FailOnce(usize),
    /// The planted mistake: syncs of this kind are not done, and pictures are taken.
    Forget(Step),
}

/// A recording.
#[derive(Debug)]
pub(crate) struct Probe {
    root: PathBuf,
    plan: Plan,
    pub(crate) steps: Vec<Step>,
    /// Durable contents of files and entries of directories, by inode.
    files: BTreeMap<u64, Vec<u8>>,
    directories: BTreeMap<u64, BTreeMap<String, u64>>,
    kinds: BTreeMap<u64, bool>,
    /// After each step, the worst and the best disk.
    pub(crate) pictures: Vec<Tree>,
}

/// The files of a vault: `None` for a directory.
pub(crate) type Tree = BTreeMap<PathBuf, Option<Vec<u8>>>;

/// Records what `work` does to the vault in `root`, of which all is durable before.
pub(crate) fn record<T>(root: &Path, plan: Plan, work: impl FnOnce() -> T) -> (T, Probe) {
    let mut probe = Probe {
        root: root.to_owned(),
        plan,
        steps: Vec::new(),
        files: BTreeMap::new(),
        directories: BTreeMap::new(),
        kinds: BTreeMap::new(),
        pictures: Vec::new(),
    };
    probe.sync_all(root);
    PROBE.with_borrow_mut(|slot| *slot = Some(probe));
    let done = work();
    (done, PROBE.take().unwrap())
}

/// Performs a step of `disk` as the thread's plan has it, and records it.
pub(crate) fn perform(
    step: Step,
    path: &Path,
    work: impl FnOnce() -> io::Result<()>,
) -> io::Result<()> {
    // That a sync is asked for is what these tests see. What it does shows in a power cut alone, and
    // waiting for the disk thousands of times would take minutes.
    let work = || match step {
        Step::SyncFile | Step::SyncDirectory => Ok(()),
        _ => work(),
    };
    PROBE.with_borrow_mut(|probe| match probe {
        Some(probe) => probe.perform(step, path, work),
        None => work(),
    })
}

impl Probe {
    fn perform(
        &mut self,
        step: Step,
        path: &Path,
        work: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<()> {
        let number = self.steps.len();
        self.steps.push(step);
        match self.plan {
            Plan::FailFrom(first) if number >= first => return Err(io::Error::other("crashed")),
            Plan::FailOnce(this) if number == this => return Err(io::Error::other("planned")),
            Plan::Forget(kind) if kind == step => {}
            _ => {
                work()?;
                self.note(step, path);
            }
        }
        if matches!(self.plan, Plan::Picture | Plan::Forget(_)) {
            let mut worst = Tree::new();
            let root = fs::metadata(&self.root).unwrap().ino();
            self.durable(root, Path::new(""), &mut worst);
            self.pictures.push(worst);
            self.pictures.push(tree(&self.root));
        }
        Ok(())
    }

    /// Notes what the step made durable.
    fn note(&mut self, step: Step, path: &Path) {
        match step {
            // A directory is made anew with a number that another had, and is empty.
            Step::CreateDirectory => {
                let inode = fs::metadata(path).unwrap().ino();
                if fs::read_dir(path).unwrap().next().is_none() {
                    self.directories.insert(inode, BTreeMap::new());
                }
                self.kinds.insert(inode, true);
            }
            Step::Write => {
                let inode = fs::metadata(path).unwrap().ino();
                self.files.insert(inode, Vec::new());
                self.kinds.insert(inode, false);
            }
            Step::SyncFile => {
                self.files.insert(fs::metadata(path).unwrap().ino(), fs::read(path).unwrap());
            }
            Step::SyncDirectory if path.starts_with(&self.root) => self.sync_directory(path),
            _ => {}
        }
    }

    fn sync_directory(&mut self, path: &Path) {
        let entries = fs::read_dir(path).unwrap().map(|entry| {
            let entry = entry.unwrap();
            let metadata = entry.metadata().unwrap();
            self.kinds.insert(metadata.ino(), metadata.is_dir());
            (entry.file_name().into_string().unwrap(), metadata.ino())
        });
        let entries = entries.collect();
        self.directories.insert(fs::metadata(path).unwrap().ino(), entries);
    }

    fn sync_all(&mut self, path: &Path) {
        self.sync_directory(path);
        for entry in fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                self.sync_all(&path);
            } else {
                self.files.insert(fs::metadata(&path).unwrap().ino(), fs::read(&path).unwrap());
            }
        }
    }

    /// The durable files below the directory `inode`.
    fn durable(&self, inode: u64, path: &Path, found: &mut Tree) {
        for (name, inode) in self.directories.get(&inode).into_iter().flatten() {
            let path = path.join(name);
            if self.kinds[inode] {
                found.insert(path.clone(), None);
                self.durable(*inode, &path, found);
            } else {
                found.insert(path, Some(self.files.get(inode).cloned().unwrap_or_default()));
            }
        }
    }
}

/// The files below `root` as they are.
pub(crate) fn tree(root: &Path) -> Tree {
    let mut found = Tree::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(next) = waiting.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let contents = (!path.is_dir()).then(|| fs::read(&path).unwrap());
            if contents.is_none() {
                waiting.push(path.clone());
            }
            found.insert(path.strip_prefix(root).unwrap().to_owned(), contents);
        }
    }
    found
}

/// Puts `tree` into the new directory `root`.
pub(crate) fn lay_out(tree: &Tree, root: &Path) {
    let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode));
    fs::create_dir(root).unwrap();
    set(root, 0o700).unwrap();
    for (path, contents) in tree {
        let path = root.join(path);
        if let Some(contents) = contents {
            fs::write(&path, contents).unwrap();
            set(&path, 0o600).unwrap();
        } else {
            fs::create_dir(&path).unwrap();
            set(&path, 0o700).unwrap();
        }
    }
}
