//! States in memory.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;

use crate::state::{Created, StateError, StateStore, check_name};
use strongroom_vault::lock;

type Objects = BTreeMap<String, BTreeMap<u64, Vec<u8>>>;

/// A [`StateStore`] in memory, which outlives the processes that a test plays.
///
/// # Example
///
/// ```
/// use strongroom_keys::testing::MemoryStore;
///
/// let store = MemoryStore::default();
/// store.fail(true);
/// assert!(store.numbers("contoso").is_empty());
/// ```
#[derive(Debug, Default)]
pub struct MemoryStore {
    objects: Mutex<Objects>,
    faults: Mutex<Faults>,
}

#[derive(Debug, Default)]
struct Faults {
    all: bool,
    /// Successful changes left before every change fails.
    changes_left: Option<usize>,
    changes: usize,
    /// Nothing is created, until room is made once.
    full: bool,
}

impl MemoryStore {
    fn objects(&self) -> MutexGuard<'_, Objects> {
        lock(&self.objects)
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        lock(&self.faults)
    }

    /// Has every call fail from now on, or none.
    pub fn fail(&self, fails: bool) {
        self.faults().all = fails;
    }

    /// Lets `changes` more changes succeed and fails all after them, as a crash would; `None` ends that.
    pub fn fail_after(&self, changes: Option<usize>) {
        self.faults().changes_left = changes;
    }

    /// Has it take no object any more, or any; [`StateStore::make_room`] makes room for as many as are wanted.
    pub fn fill(&self, full: bool) {
        self.faults().full = full;
    }

    /// The number of changes so far.
    #[must_use]
    pub fn changes(&self) -> usize {
        self.faults().changes
    }

    /// The numbers under `name` whose content was not erased.
    #[must_use]
    pub fn numbers(&self, name: &str) -> Vec<u64> {
        let whole = |objects: &BTreeMap<u64, Vec<u8>>| {
            objects.iter().filter(|(_, bytes)| !bytes.is_empty()).map(|(n, _)| *n).collect()
        };
        self.objects().get(name).map(whole).unwrap_or_default()
    }

    /// Everything that is in it, to be [restored](MemoryStore::restore): a backup.
    #[must_use]
    pub fn snapshot(&self) -> Vec<(String, u64, Vec<u8>)> {
        let objects = self.objects();
        let each = |(name, objects): (&String, &BTreeMap<u64, Vec<u8>>)| {
            let each = objects.iter().map(|(n, bytes)| (name.clone(), *n, bytes.clone()));
            each.collect::<Vec<_>>()
        };
        objects.iter().flat_map(each).collect()
    }

    /// Replaces everything by a snapshot.
    pub fn restore(&self, snapshot: Vec<(String, u64, Vec<u8>)>) {
        let mut objects = self.objects();
        objects.clear();
        for (name, number, bytes) in snapshot {
            objects.entry(name).or_default().insert(number, bytes);
        }
    }

    fn check(&self, name: &str, doing: &str) -> Result<(), StateError> {
        check_name(name)?;
        if self.faults().all { Err(failed(doing, name)) } else { Ok(()) }
    }

    fn check_change(&self, name: &str, doing: &str) -> Result<(), StateError> {
        self.check(name, doing)?;
        let mut faults = self.faults();
        if let Some(left) = &mut faults.changes_left {
            *left = left.checked_sub(1).ok_or_else(|| failed(doing, name))?;
        }
        faults.changes += 1;
        Ok(())
    }
}

fn failed(doing: &str, name: &str) -> StateError {
    StateError::Io { doing: format!("{doing} {name}"), reason: "the test says so".to_owned() }
}

#[async_trait]
impl StateStore for MemoryStore {
    async fn names(&self) -> Result<Vec<String>, StateError> {
        self.check("all", "list")?;
        Ok(self.objects().keys().cloned().collect())
    }

    async fn list(&self, name: &str) -> Result<Vec<u64>, StateError> {
        self.check(name, "list")?;
        let objects = self.objects();
        Ok(objects.get(name).map(|objects| objects.keys().copied().collect()).unwrap_or_default())
    }

    async fn read(&self, name: &str, number: u64) -> Result<Option<Vec<u8>>, StateError> {
        self.check(name, "read")?;
        Ok(self.objects().get(name).and_then(|objects| objects.get(&number)).cloned())
    }

    async fn create(&self, name: &str, number: u64, bytes: &[u8]) -> Result<Created, StateError> {
        if self.faults().full {
            return Err(failed("create", name));
        }
        self.check_change(name, "create")?;
        let mut objects = self.objects();
        let objects = objects.entry(name.to_owned()).or_default();
        if objects.contains_key(&number) {
            return Ok(Created::Exists);
        }
        objects.insert(number, bytes.to_vec());
        Ok(Created::New)
    }

    async fn make_room(&self) -> Result<bool, StateError> {
        Ok(std::mem::take(&mut self.faults().full))
    }

    async fn erase(&self, name: &str, number: u64) -> Result<(), StateError> {
        self.check_change(name, "erase")?;
        self.objects().entry(name.to_owned()).or_default().insert(number, Vec::new());
        Ok(())
    }

    async fn remove(&self, name: &str, number: u64) -> Result<(), StateError> {
        self.check_change(name, "remove")?;
        if let Some(objects) = self.objects().get_mut(name) {
            objects.remove(&number);
        }
        Ok(())
    }
}
