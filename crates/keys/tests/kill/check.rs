//! Invariants that must hold after each kill, checked on the files alone.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use futures_lite::future::block_on;
use strongroom::wrap::{Algorithm, KeyId};
use strongroom_keys::audit::{
    AuditEvent, AuditLine, AuditResult, HeadStore as _, MemorySink, Verified, verify, verify_each,
};
use strongroom_keys::cache::CacheSettings;
use strongroom_keys::resource::{Cause, Protection, Resources, Status};
use strongroom_keys::state::{Created, FileStore, KEPT, StateError, StateStore};
use strongroom_local_vault::LocalVault;

use crate::place::{
    CUSTOMER_KEY, PROBE, Parts, Place, Random, SERVICE_KEY, file_name, open_document, resource,
};

/// Operations that write a state: the trail has each when it begins, and when its state is written.
const CHANGES: [&str; 13] = [
    "create",
    "enable-cmk",
    "disable-cmk",
    "rotate-cmk-start",
    "rotate-cmk-abandon",
    "rotate-cmk",
    "rotate-resource-key",
    "rotate-service-key",
    "add-hour-key",
    "revoke",
    "refresh",
    "delete-resource",
    "restore-resource",
];

/// States that may follow a state, itself aside.
const FOLLOWS: [(&str, &[&str]); 5] = [
    ("service-managed", &["cmk-active", "shred-pending"]),
    ("cmk-active", &["service-managed", "rotating", "denied", "shred-pending"]),
    ("rotating", &["cmk-active", "denied", "shred-pending"]),
    ("denied", &["cmk-active", "shred-pending"]),
    ("shred-pending", &["service-managed", "denied"]),
];

/// Versions, documents and states seen so far, which must not be gone later.
#[derive(Debug, Default)]
pub struct Known {
    /// The versions of keys that were told of, and what each wrapped.
    versions: BTreeMap<String, (Algorithm, Vec<u8>)>,
    documents: usize,
    /// The number and the epoch of the newest state.
    state: (u64, u64),
    /// Lines of the trail that stand in the place of torn ones.
    mended: u64,
    /// Counts over all checks.
    pub found: Found,
}

/// Counts of permitted findings of the checks.
#[derive(Debug, Default)]
pub struct Found {
    pub torn: u64,
    pub head_behind: u64,
    pub states: u64,
    pub rotating: u64,
    pub denied: u64,
    pub deleted: u64,
    pub opened: u64,
    pub lines: u64,
    pub files: u64,
    /// Of the service's key and of the customer's.
    pub versions: [usize; 2],
    pub documents: usize,
    pub newest: u64,
    pub left_in_states: usize,
    pub left_in_vault: usize,
    pub left_in_documents: usize,
}

/// Changes by the trail.
#[derive(Clone, Copy, Debug, Default)]
struct Changes {
    begun: u64,
    /// The highest number of a state that was written by an outcome.
    newest: u64,
}

/// Fails with `message` unless it `holds`.
fn require(holds: bool, message: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(message()) }
}

fn said(what: &str) -> impl Fn(&dyn std::fmt::Display) -> String {
    move |error| format!("{what}: {error}")
}

/// Checks everything. `tear` says whether the trail's last line is torn first, as a loss of power may do and
/// a kill does not: it writes a line or does not.
///
/// # Errors
///
/// What does not hold.
pub fn check(
    place: &Place,
    known: &mut Known,
    tear: bool,
    random: &mut Random,
) -> Result<(), String> {
    let Changes { begun, newest: told } = check_trail(place, known, tear, random)?;
    let vault = LocalVault::open(&place.root.join("vault"));
    let vault = vault.map_err(|error| said("the vault does not open")(&error))?;
    check_versions(place, &vault, known)?;
    let newest = check_states(place, known)?;
    require(begun >= newest, || {
        format!("{newest} states were written, and the trail has {begun} beginnings only")
    })?;
    require(told <= newest, || {
        format!("the trail says that the state {told} was written, and {newest} is the newest")
    })?;
    check_documents(place, known)?;
    count_leftovers(place, known);
    Ok(())
}

/// The chain holds or names its torn last line, which the next writer mends; the kept head is of the chain. How
/// many changes it has.
fn check_trail(
    place: &Place,
    known: &mut Known,
    tear: bool,
    random: &mut Random,
) -> Result<Changes, String> {
    let trail = place.trail();
    let load = || place.head().load().map_err(|error| said("the kept head")(&error));
    let verified = |changes: &mut Changes| -> Result<Verified, String> {
        let mut count = |line: &AuditLine| {
            let event = &line.event;
            if !CHANGES.contains(&event.operation.as_str()) {
                return;
            }
            match (&event.result, &event.state) {
                (AuditResult::Begun, _) => changes.begun += 1,
                (AuditResult::Done, Some(state)) => {
                    changes.newest = changes.newest.max(state.number);
                }
                _ => {}
            }
        };
        let kept = load()?;
        verify_each(&trail, &Place::audit_key(), kept, &mut count)
            .map_err(|error| said("the audit trail does not hold")(&error))
    };
    let mut changes = Changes::default();
    let before = verified(&mut changes)?;
    let (Some(head), Some(kept)) = (before.head, load()?) else {
        return Err("the audit trail has no line, or no head of it is kept".to_owned());
    };
    // Each process may have been killed between a line, or two where it mended, and the head.
    require(kept.number + 4 >= head.number, || format!("{kept} is kept of a chain up to {head}"))?;
    known.found.head_behind += u64::from(kept != head);

    let mut torn = before.torn.map(|torn| torn.length);
    if tear && torn.is_none() && trail.exists() {
        let part = br#"{"number":1234,"time":1,"operation":"unw"#;
        let length = 1 + random.below(part.len() as u64 - 1);
        let file = fs::OpenOptions::new().append(true).open(&trail);
        let part = &part[..usize::try_from(length).unwrap()];
        file.and_then(|mut file| std::io::Write::write_all(&mut file, part)).unwrap();
        torn = Some(length);
    }
    let named = verify(&trail, &Place::audit_key(), load()?);
    let named = named.map_err(|error| said("a torn audit trail does not hold")(&error))?;
    require(named.torn.map(|torn| torn.length) == torn, || {
        format!("{torn:?} bytes of a line are torn, which is not said")
    })?;

    let event = AuditEvent { time: 1, ..AuditEvent::new("look", AuditResult::Done) };
    let written = place.audit(Arc::new(place.head())).record_blocking(&event);
    written.map_err(|error| said("the audit trail is not written on")(&error))?;
    let after = verified(&mut Changes::default())?;
    let lines = before.lines + 1 + u64::from(torn.is_some());
    require((after.torn.is_none(), after.lines) == (true, lines), || {
        format!("after {} lines, {torn:?} torn, there are {after:?}", before.lines)
    })?;
    require(after.mended >= known.mended, || format!("{} mended lines are gone", known.mended))?;
    require(load()? == after.head, || "the kept head is not the chain's".to_owned())?;
    known.mended = after.mended;
    known.found.torn += u64::from(torn.is_some());
    (known.found.lines, known.found.files) = (after.lines, after.files);
    Ok(changes)
}

/// Every version that was ever told of is listed, and unwraps what it wrapped then.
fn check_versions(place: &Place, vault: &LocalVault, known: &mut Known) -> Result<(), String> {
    for entry in fs::read_dir(place.told()).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
            let words: Vec<&str> = line.split(' ').collect();
            let algorithm = [Algorithm::A256Kw, Algorithm::RsaOaep256];
            let algorithm = algorithm.into_iter().find(|one| one.name() == words[1]).unwrap();
            let wrapped = strongroom_vault::hex::decode(words[2]).unwrap();
            known.versions.insert(words[0].to_owned(), (algorithm, wrapped));
        }
        // It will say no more: all that it said is known now.
        fs::remove_file(path).unwrap();
    }
    let mut listed = Vec::new();
    for (n, name) in [SERVICE_KEY, CUSTOMER_KEY].into_iter().enumerate() {
        let key = vault.show(name).map_err(|error| said("a key of the vault")(&error))?;
        known.found.versions[n] = key.versions.len();
        listed.extend(key.versions.iter().map(|version| version.id.to_string()));
    }
    for (id, (algorithm, wrapped)) in &known.versions {
        require(listed.contains(id), || format!("the version {id} was told of and is not listed"))?;
        let unwrapped = vault.unwrap(&KeyId::new(id).unwrap(), *algorithm, wrapped);
        let unwrapped =
            unwrapped.map_err(|error| format!("the version {id} is not usable: {error}"))?;
        require(unwrapped.expose() == PROBE, || format!("the version {id} is another key"))?;
    }
    Ok(())
}

/// A store as it was when one object was the newest of its name.
#[derive(Debug)]
struct StoreAsOf {
    inner: FileStore,
    name: String,
    newest: u64,
}

impl StoreAsOf {
    fn refuse(&self) -> StateError {
        let doing = format!("write {}", self.name);
        StateError::Io { doing, reason: "it is only looked at".to_owned() }
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl StateStore for StoreAsOf {
    async fn names(&self) -> Result<Vec<String>, StateError> {
        self.inner.names().await
    }

    async fn list(&self, name: &str) -> Result<Vec<u64>, StateError> {
        let mut numbers = self.inner.list(name).await?;
        numbers.retain(|number| name != self.name || *number <= self.newest);
        Ok(numbers)
    }

    async fn read(&self, name: &str, number: u64) -> Result<Option<Vec<u8>>, StateError> {
        self.inner.read(name, number).await
    }

    async fn create(&self, _: &str, _: u64, _: &[u8]) -> Result<Created, StateError> {
        Err(self.refuse())
    }

    async fn make_room(&self) -> Result<bool, StateError> {
        Err(self.refuse())
    }

    async fn erase(&self, _: &str, _: u64) -> Result<(), StateError> {
        Err(self.refuse())
    }

    async fn remove(&self, _: &str, _: u64) -> Result<(), StateError> {
        Err(self.refuse())
    }
}

/// Every numbered state loads and verifies, and each may follow the one before. The newest one's number.
fn check_states(place: &Place, known: &mut Known) -> Result<u64, String> {
    let store = place.store();
    for number in kept(&store, "_service")? {
        open_as_of(place, &store, "_service", number)?;
        known.found.states += 1;
    }
    let id = resource();
    let mut before: Option<Status> = None;
    for number in kept(&store, id.as_str())? {
        let resources = open_as_of(place, &store, id.as_str(), number)?;
        let status = block_on(resources.status(&id))
            .map_err(|error| format!("{id}/{number} does not load: {error}"))?;
        require(status.number == number, || format!("{} loads as {number}", status.number))?;
        check_legal(place, &status)?;
        if let Some(before) = &before {
            check_step(before, &status)?;
        }
        known.found.states += 1;
        before = Some(status);
    }
    let newest = before.ok_or("the resource has no state")?;
    let seen = (newest.number, newest.epoch);
    require(seen.0 >= known.state.0 && seen.1 >= known.state.1, || {
        format!("the state went back from {:?} to {seen:?}", known.state)
    })?;
    known.state = seen;
    known.found.newest = newest.number;
    let count = match &newest.protection {
        Protection::Rotating { .. } => &mut known.found.rotating,
        Protection::Denied { .. } => &mut known.found.denied,
        Protection::ShredPending { .. } => &mut known.found.deleted,
        _ => return Ok(newest.number),
    };
    *count += 1;
    Ok(newest.number)
}

/// The numbers that must have content, without a gap; older ones may be erased.
fn kept(store: &FileStore, name: &str) -> Result<Vec<u64>, String> {
    let numbers = block_on(store.list(name)).map_err(|error| error.to_string())?;
    let newest = numbers.last().copied().ok_or_else(|| format!("{name} has no state"))?;
    for pair in numbers.windows(2) {
        require(pair[1] == pair[0] + 1, || format!("{name}: {} follows {}", pair[1], pair[0]))?;
    }
    let mut kept = Vec::new();
    for number in numbers {
        let bytes = block_on(store.read(name, number)).map_err(|error| error.to_string())?;
        let erased = bytes.is_none_or(|bytes| bytes.is_empty());
        if !erased {
            kept.push(number);
        } else if number + KEPT > newest {
            return Err(format!("{name}/{number} is empty, and {newest} is the newest"));
        }
    }
    Ok(kept)
}

/// Resources, as they were when this object was the newest.
fn open_as_of(
    place: &Place,
    inner: &FileStore,
    name: &str,
    newest: u64,
) -> Result<Resources, String> {
    let store = Arc::new(StoreAsOf { inner: inner.clone(), name: name.to_owned(), newest });
    let parts = Parts { store, audit: Arc::new(MemorySink::default()), ..place.plain() };
    block_on(parts.config().open())
        .map_err(|error| format!("{name}/{newest} does not load: {error}"))
}

fn check_legal(place: &Place, status: &Status) -> Result<(), String> {
    let legal = match &status.protection {
        Protection::ServiceManaged => status.cmk.is_none(),
        Protection::CmkActive { .. } | Protection::Rotating { .. } => true,
        Protection::Denied { cause, .. } => *cause == Cause::Revoked,
        Protection::ShredPending { cause, .. } => *cause == Cause::ResourceDeleted,
        _ => false,
    };
    require(legal, || format!("{status:?} is not legal"))?;
    let Some(cmk) = &status.cmk else { return Ok(()) };
    require(status.epoch > 0, || format!("a customer's key in epoch 0: {status:?}"))?;
    let described = block_on(place.plain().customer.describe(&cmk.key));
    let thumbprint = described.and_then(|described| described.thumbprint());
    let same = thumbprint.is_ok_and(|found| found.is_some_and(|found| cmk.thumbprint == found));
    require(same, || format!("{} is not the key that it was", cmk.key))
}

fn check_step(before: &Status, after: &Status) -> Result<(), String> {
    let (from, to) = (before.protection.name(), after.protection.name());
    let follows = FOLLOWS.iter().any(|(name, next)| *name == from && next.contains(&to));
    require(from == to || follows, || {
        format!("{to} ({}) follows {from} ({})", after.number, before.number)
    })?;
    let enabled = (from, to) == ("service-managed", "cmk-active");
    require(after.epoch == before.epoch + u64::from(enabled), || {
        format!("epoch {} follows {} from {from} to {to}", after.epoch, before.epoch)
    })
}

/// Every document that was ever finished is there and opens, after a refresh if access was revoked.
fn check_documents(place: &Place, known: &mut Known) -> Result<(), String> {
    // One look at the vault does for all documents.
    let cache = CacheSettings::default();
    let config = place.plain().config().with_cache(cache);
    let resources =
        block_on(config.open()).map_err(|error| said("the resources do not open")(&error))?;
    let id = resource();
    let protection = || {
        let status = block_on(resources.status(&id));
        status.map(|status| status.protection).map_err(|error| error.to_string())
    };
    if matches!(protection()?, Protection::ShredPending { .. }) {
        let restored = block_on(resources.resource_restored(&id));
        restored.map_err(|error| said("a deleted resource is not restored")(&error))?;
    }
    if matches!(protection()?, Protection::Denied { .. }) {
        let refreshed = block_on(resources.refresh(&id));
        refreshed.map_err(|error| said("a revoked resource is not refreshed")(&error))?;
    }
    let finished = place.finished();
    require(finished.len() >= known.documents, || {
        format!("there were {} finished documents, {} are left", known.documents, finished.len())
    })?;
    for path in &finished {
        let opened = open_document(&resources, path, || {});
        opened.map_err(|error| format!("{}: {error:?}", file_name(path)))?;
        known.found.opened += 1;
    }
    known.documents = finished.len();
    known.found.documents = finished.len();
    Ok(())
}

/// Counts the temporary names that killed processes left, which no reader takes for anything.
fn count_leftovers(place: &Place, known: &mut Known) {
    let hidden = |folder: &Path| {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| file_name(path).starts_with('.')).count()
    };
    let keys = place.root.join("vault/keys");
    let states = [resource().as_str(), "_service"].map(|name| place.states().join(name));
    known.found.left_in_states = states.iter().map(|folder| hidden(folder)).sum();
    known.found.left_in_vault =
        [CUSTOMER_KEY, SERVICE_KEY].map(|name| hidden(&keys.join(name))).iter().sum();
    known.found.left_in_documents = hidden(&place.documents());
}
