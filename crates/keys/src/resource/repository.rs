//! The states of resources: reading the newest, and changing it by an event.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::host::{HostEvent, HostEvents, Pins};
use super::pending::Pending;
use super::record::{Protection, Resource};
use super::transition::{Event, apply};
use serde_json::Value;

use crate::audit::{AuditError, AuditEvent, AuditResult, Caller, Doubt, StateMark};
use crate::clock::Clock;
use crate::error::{Cause, Error};
use crate::id::ResourceId;
use crate::key_ring::WrappedKeys;
use crate::service_key::ServiceKey;
use crate::state::{Created, KEPT, NUMBERED, StateError, StateStore, prune};
use crate::state_marks::{StateMarks, mark_of};
use crate::vault::VersionedKeyId;
use crate::vault_client::{Origin, SERVICE, VaultClient, micros};
use strongroom_vault::lock;

/// The number of times that another writer may come first before a change is given up.
const ATTEMPTS: usize = 32;

/// A state as it was read.
#[derive(Clone, Debug)]
pub(crate) struct Current {
    pub(crate) number: u64,
    pub(crate) resource: Arc<Resource>,
    /// The version of the service key that it is signed under.
    pub(crate) signed_by: Arc<str>,
    pub(crate) mac: [u8; 32],
}

impl Current {
    /// The keys of the state, wrapped.
    pub(crate) fn keys(&self) -> WrappedKeys<'_> {
        self.resource.wrapped_keys(self.number)
    }

    /// The mark of the state in the audit trail.
    pub(crate) fn mark(&self) -> StateMark {
        let name = self.resource.id.as_str().to_owned();
        StateMark { name, number: self.number, mac: self.mac }
    }
}

/// The outcome of a change.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) current: Current,
    /// True where something was written.
    pub(crate) changed: bool,
    /// The failure to record it, which takes nothing back.
    pub(crate) unrecorded: Option<AuditError>,
}

/// The states of a service's resources, for one caller. Clones and those for other callers share them.
#[derive(Clone)]
pub(crate) struct Repository {
    shared: Arc<Shared>,
    caller: Caller,
    /// True where the audit trail hinders nothing.
    lenient: bool,
}

struct Shared {
    store: Arc<dyn StateStore>,
    service_key: ServiceKey,
    client: Arc<VaultClient>,
    marks: Arc<StateMarks>,
    clock: Arc<dyn Clock>,
    host: Arc<dyn HostEvents>,
    states: Mutex<BTreeMap<ResourceId, Current>>,
    pins: Mutex<BTreeMap<ResourceId, Pins>>,
    pending: Pending,
}

impl fmt::Debug for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_struct("Repository");
        f.field("store", &self.shared.store).field("caller", &self.caller).finish_non_exhaustive()
    }
}

impl Repository {
    pub(crate) fn new(
        store: Arc<dyn StateStore>,
        service_key: ServiceKey,
        client: Arc<VaultClient>,
        marks: Arc<StateMarks>,
        clock: Arc<dyn Clock>,
        host: Arc<dyn HostEvents>,
    ) -> Self {
        let (states, pins) = (Mutex::default(), Mutex::default());
        let pending = Pending::default();
        let shared =
            Shared { store, service_key, client, marks, clock, host, states, pins, pending };
        Self { shared: Arc::new(shared), caller: Caller::default(), lenient: false }
    }

    /// The same states, with this caller in the audit trail.
    pub(crate) fn on_behalf_of(&self, caller: Caller) -> Self {
        Self { shared: Arc::clone(&self.shared), caller, lenient: self.lenient }
    }

    /// The same states, for what only takes access away or looks: the audit trail is written where that is possible.
    pub(crate) fn unhindered(&self) -> Self {
        Self { lenient: true, ..self.clone() }
    }

    /// The origin of requests that are for no resource.
    pub(crate) fn service_origin(&self) -> Origin<'_> {
        Origin { resource: None, caller: &self.caller, identity: SERVICE, lenient: self.lenient }
    }

    /// The states that the audit trail knows.
    pub(crate) fn marks(&self) -> &StateMarks {
        &self.shared.marks
    }

    pub(crate) fn store(&self) -> &dyn StateStore {
        &*self.shared.store
    }

    pub(crate) fn service_key(&self) -> &ServiceKey {
        &self.shared.service_key
    }

    pub(crate) fn client(&self) -> &VaultClient {
        &self.shared.client
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.shared.clock
    }

    pub(crate) fn pending(&self) -> &Pending {
        &self.shared.pending
    }

    /// The origin of requests for a resource to the service's own vault.
    pub(crate) fn origin<'a>(&'a self, id: &'a ResourceId) -> Origin<'a> {
        Origin { resource: Some(id.as_str()), ..self.service_origin() }
    }

    /// The state as it was last read or written by this process.
    pub(crate) fn known(&self, id: &ResourceId) -> Option<Current> {
        lock(&self.shared.states).get(id).cloned()
    }

    /// Compares the states of `id` with `pins` from now on.
    pub(crate) fn pin(&self, id: &ResourceId, pins: Pins) {
        lock(&self.shared.pins).insert(id.clone(), pins);
    }

    /// The pins of `id`.
    pub(crate) fn pins(&self, id: &ResourceId) -> Option<Pins> {
        lock(&self.shared.pins).get(id).copied()
    }

    /// The newest state, from the store. It is none that is older than one which the audit trail knows. One that may be
    /// older than what the trail has lost gives no access.
    pub(crate) async fn read(&self, id: &ResourceId) -> Result<Current, Error> {
        // Another process may have ended it since.
        if self.marks().doubt_of(id.as_str()).is_some() {
            if self.lenient {
                self.marks().recall(&self.client().recall().await);
            } else {
                self.settle().await?;
            }
        }
        let current = self.newest(id).await?;
        if self.known(id).is_none_or(|known| known.number < current.number) {
            let (signed_by, outline) = (&current.signed_by, current.resource.outline());
            self.marks().record(&current.mark(), signed_by, outline, self.origin(id)).await?;
            self.remember(&current);
        }
        self.check_pins(&current.resource)?;
        if !self.lenient && current.resource.check_access().is_ok() {
            self.marks().check_doubt(&current.mark())?;
        }
        Ok(current)
    }

    /// The newest state, which the audit trail may not know yet.
    async fn newest(&self, id: &ResourceId) -> Result<Current, Error> {
        let (store, name) = (self.store(), id.as_str());
        loop {
            let number = store.list(name).await?.last().copied();
            self.marks().check_number(name, number.unwrap_or(0))?;
            let number = number.ok_or_else(|| Error::NotFound { resource: id.clone() })?;
            if let Some(known) = self.known(id) {
                if known.number > number {
                    let (name, seen) = (name.to_owned(), known.number);
                    return Err(StateError::RolledBack { name, seen, found: number }.into());
                }
                if known.number == number {
                    return Ok(known);
                }
            }
            let Some(current) = self.read_object(id, number).await? else { continue };
            self.marks().check(store, &current.mark()).await?;
            return Ok(current);
        }
    }

    /// Looks at all states, where a part of the audit trail was closed as damaged and nobody has done so since: what is
    /// there cannot be rolled back afterwards.
    pub(crate) async fn settle(&self) -> Result<(), Error> {
        let known = self.client().recall().await;
        self.marks().recall(&known);
        if let Some(damage) = known.damage {
            return Err(damage.into());
        }
        if !known.all_in_doubt {
            return Ok(());
        }
        let mut names: BTreeSet<String> = self.store().names().await?.into_iter().collect();
        names.extend(self.marks().names());
        for id in names.iter().filter_map(|name| ResourceId::new(name).ok()) {
            self.look_at(&id).await?;
        }
        Ok(self.marks().limit_doubt(self.service_origin()).await?)
    }

    /// Records the newest state that is there. One that gives access is in doubt from now on, and so is what cannot be
    /// read: states that are not known of any more may have withdrawn it.
    pub(crate) async fn look_at(&self, id: &ResourceId) -> Result<(), Error> {
        let (mark, outline, is_open) = match self.newest(id).await {
            Ok(Current { number, resource, mac, .. }) => {
                let mark = StateMark { name: id.as_str().to_owned(), number, mac };
                (mark, resource.outline(), resource.check_access().is_ok())
            }
            // One that cannot be read keeps no other resource closed.
            Err(error @ (Error::NotFound { .. } | Error::State(_))) => {
                let Some(mark) = self.marks().newest(id.as_str()) else {
                    let is_there = matches!(error, Error::State(StateError::Io { .. }));
                    return if is_there { Err(error) } else { Ok(()) };
                };
                if self.marks().is_lost(&mark.name) {
                    return Ok(());
                }
                (mark, None, true)
            }
            Err(error) => return Err(error),
        };
        let doubt = is_open.then_some(Doubt::Raised);
        Ok(self.marks().settle("look-at-state", &mark, doubt, outline, self.origin(id)).await?)
    }

    /// The state in the object `number`, which is the newest; `None` where it is not any more.
    async fn read_object(&self, id: &ResourceId, number: u64) -> Result<Option<Current>, Error> {
        let (store, name) = (self.store(), id.as_str());
        // Pruned between the two calls: then a newer one exists.
        let Some(bytes) = store.read(name, number).await? else { return Ok(None) };
        // Erased between the two calls, where a key was destroyed: the same.
        if bytes.is_empty() && store.list(name).await?.last() != Some(&number) {
            return Ok(None);
        }
        let verified =
            self.service_key().verify::<Resource>(name, number, &bytes, self.service_origin());
        let (resource, signed_by) = verified.await?;
        if resource.id != *id {
            let reason = "it is another resource's".to_owned();
            return Err(StateError::Invalid { name: name.into(), number, reason }.into());
        }
        let (signed_by, mac) = (signed_by.into(), mark_of(name, number, &bytes).mac);
        Ok(Some(Current { number, resource: Arc::new(resource), signed_by, mac }))
    }

    fn remember(&self, current: &Current) {
        let mut states = lock(&self.shared.states);
        let known = states.get(&current.resource.id).map_or(0, |known| known.number);
        if current.number > known {
            states.insert(current.resource.id.clone(), current.clone());
        }
    }

    fn check_pins(&self, resource: &Resource) -> Result<(), Error> {
        let Some(pins) = self.pins(&resource.id) else { return Ok(()) };
        let refuse = |reason: String| Err(Error::Pinned { resource: resource.id.clone(), reason });
        if resource.epoch < pins.least_epoch {
            return refuse(format!(
                "it is of epoch {} and {} is the least",
                resource.epoch, pins.least_epoch
            ));
        }
        if pins.cmk_required && matches!(resource.protection, Protection::ServiceManaged) {
            return refuse("it has no customer-managed key and one is required".to_owned());
        }
        Ok(())
    }

    /// Writes the first state of a resource.
    pub(crate) async fn create(&self, resource: Resource) -> Result<(), Error> {
        let id = resource.id.clone();
        let (wrapped_by, key) = self.service_key().current(self.service_origin()).await?;
        self.marks().check_number(id.as_str(), 0)?;
        let record = Recording::new(self, "create", &wrapped_by, self.origin(&id));
        record.event(AuditResult::Begun, None, None).await?;
        let bytes = key.sign(id.as_str(), 1, &resource)?;
        let created = self.store().create(id.as_str(), 1, &bytes).await;
        if let Ok(Created::New) = created {
            let (signed_by, mac) = (key.id().into(), mark_of(id.as_str(), 1, &bytes).mac);
            let current = Current { number: 1, resource: Arc::new(resource), signed_by, mac };
            self.remember(&current);
            let recorded = record.done(&current).await;
            return recorded.map_err(|source| Error::Unrecorded {
                done: format!("the resource {id} is made"),
                source,
            });
        }
        let error = match created {
            Err(error) => error.into(),
            Ok(_) => Error::AlreadyExists { resource: id.clone() },
        };
        record.event(AuditResult::Failed(error.to_string()), None, None).await?;
        Err(error)
    }

    /// Reads the newest state, has `decide` make an event of it, and writes the state that follows. Where
    /// another writer is first, it decides anew.
    ///
    /// # Errors
    ///
    /// [`Error::Unrecorded`] where it is written and the audit trail does not say so, unless access was only taken
    /// away: the [`Change`] says so.
    pub(crate) async fn change(
        &self,
        id: &ResourceId,
        mut decide: impl FnMut(&Resource) -> Result<Event, Error> + Send,
    ) -> Result<Change, Error> {
        for _attempt in 0..ATTEMPTS {
            let before = self.read(id).await?;
            let event = decide(&before.resource)?;
            let after = apply(&before.resource, &event)?;
            let sign_anew = matches!(event, Event::ServiceKeyRotated { .. })
                && self.service_key().current(self.service_origin()).await?.0.to_string()
                    != *before.signed_by;
            if after == *before.resource && !sign_anew {
                let destroyed = before.resource.keys.is_empty() || before.resource.hours_from > 0;
                if event.destroys_keys() && destroyed {
                    // It may have been interrupted before the older states were erased.
                    prune(self.store(), id.as_str(), before.number, 1).await?;
                }
                return Ok(Change { current: before, changed: false, unrecorded: None });
            }
            if !event.only_closes() {
                self.marks().check_doubt(&before.mark())?;
            }
            if let Some((current, recorded)) = self.write(&before, after, &event).await? {
                let unrecorded = match recorded.err() {
                    Some(source) if !event.only_closes() => {
                        let done = format!("the resource {id} is changed ({})", event.name());
                        return Err(Error::Unrecorded { done, source });
                    }
                    unrecorded => unrecorded,
                };
                return Ok(Change { current, changed: true, unrecorded });
            }
        }
        Err(Error::Contended { resource: id.clone() })
    }

    /// Writes the state after `before`, with its beginning and its outcome in the audit trail; `None` where
    /// another writer was first.
    async fn write(
        &self,
        before: &Current,
        after: Resource,
        event: &Event,
    ) -> Result<Option<(Current, Result<(), AuditError>)>, Error> {
        let id = after.id.clone();
        // Above what the trail knows, where that is more than the store has: then it was rolled back.
        let number = before.number.max(self.marks().number(id.as_str())).saturating_add(1);
        let cmk = after.protection.cmk().or(before.resource.protection.cmk());
        let (service_key, state_key) = self.service_key().current(self.service_origin()).await?;
        let origin = self.origin(&id);
        let cmk = cmk.cloned();
        let (key, origin) = match (event, &cmk) {
            (Event::ServiceKeyRotated { .. }, _) | (_, None) => (&service_key, origin),
            (_, Some(cmk)) => (&cmk.key, origin.asked_as(&cmk.identity)),
        };
        let record = Recording::new(self, event.name(), key, origin);
        // Before it is done: a withdrawal that is interrupted is carried out by the next process, and of anything
        // else that could not be recorded afterwards there would be no trace.
        let begun = record.event(AuditResult::Begun, Some(before.mark()), event.detail()).await;
        if !event.only_closes() {
            begun?;
        }
        let bytes = state_key.sign(id.as_str(), number, &after)?;
        match self.create_object(&id, number, &bytes, event).await {
            Ok(Created::New) => {}
            Ok(Created::Exists) => {
                let reason = "another writer was first; decided anew".to_owned();
                let _best_effort = record.event(AuditResult::Failed(reason), None, None).await;
                return Ok(None);
            }
            Err(error) => {
                let failed = AuditResult::Failed(error.to_string());
                let _best_effort = record.event(failed, None, None).await;
                return Err(error.into());
            }
        }
        // The number may have been pruned. If a newer state exists, this write does not count.
        let newest = self.store().list(id.as_str()).await?.last().copied().unwrap_or(number);
        if newest >= number.saturating_add(NUMBERED) {
            return Ok(None);
        }
        let (signed_by, mac) = (state_key.id().into(), mark_of(id.as_str(), number, &bytes).mac);
        let current = Current { number, resource: Arc::new(after), signed_by, mac };
        self.remember(&current);
        self.notify(&before.resource, &current.resource);
        let kept = if event.destroys_keys() { 1 } else { KEPT };
        let pruned = prune(self.store(), id.as_str(), number, kept).await;
        if event.destroys_keys() {
            pruned?; // the keys are not destroyed before that
        }
        let recorded = record.done(&current).await;
        Ok(Some((current, recorded)))
    }

    /// Creates an object. Where the store is full, what only takes access away gets the room that is kept for it.
    async fn create_object(
        &self,
        id: &ResourceId,
        number: u64,
        bytes: &[u8],
        event: &Event,
    ) -> Result<Created, StateError> {
        let store = self.store();
        match store.create(id.as_str(), number, bytes).await {
            Err(_) if event.only_closes() && store.make_room().await? => {
                store.create(id.as_str(), number, bytes).await
            }
            created => created,
        }
    }

    /// Goes on from a state that is older than one which the audit trail knows, or that was written on from an older
    /// one: the number of the older one, where it is so.
    pub(crate) async fn roll_forward(
        &self,
        id: &ResourceId,
        known: Resource,
    ) -> Result<Option<u64>, Error> {
        let Some((before, after, event)) = self.rolled_forward(id, known).await? else {
            return Ok(None);
        };
        let Some((_, recorded)) = self.write(&before, after, &event).await? else {
            return Err(Error::Contended { resource: id.clone() });
        };
        recorded.map_err(|source| Error::Unrecorded {
            done: format!("the state of the resource {id} is restored"),
            source,
        })?;
        Ok(Some(before.number))
    }

    /// The older state, the one that goes on from it, and the event that leads there.
    pub(crate) async fn rolled_forward(
        &self,
        id: &ResourceId,
        known: Resource,
    ) -> Result<Option<(Current, Resource, Event)>, Error> {
        let (name, now) = (id.as_str(), self.clock().unix_time());
        let number = self.store().list(name).await?.last().copied();
        let number = number.ok_or_else(|| Error::NotFound { resource: id.clone() })?;
        let contended = || Error::Contended { resource: id.clone() };
        let before = match self.read_object(id, number).await {
            // Of one that is not valid nothing is known that leads on, and nothing that keeps others from going on.
            Err(Error::State(StateError::Invalid { .. }))
                if number >= self.marks().number(name) =>
            {
                return Ok(None);
            }
            before => before?.ok_or_else(contended)?,
        };
        let written_on = match self.marks().check(self.store(), &before.mark()).await {
            Ok(()) => return Ok(None),
            Err(StateError::RolledBack { .. }) => false,
            Err(StateError::Replaced { .. }) => true,
            Err(error) => return Err(error.into()),
        };
        let event = Event::RolledForward { known: Box::new(known), now, written_on };
        let after = apply(&before.resource, &event)?;
        Ok(Some((before, after, event)))
    }

    /// Notifies the host of what it may have to act on.
    fn notify(&self, before: &Resource, after: &Resource) {
        if before.protection == after.protection {
            return;
        }
        let resource = after.id.clone();
        let event = match &after.protection {
            Protection::Denied { cause: Cause::IdentityDisabled, .. } => {
                HostEvent::IdentityDisabled { resource }
            }
            Protection::Denied { cause, .. } => HostEvent::Denied { resource, cause: *cause },
            Protection::ShredPending { cause, due, .. } => {
                HostEvent::ShredPending { resource, cause: *cause, due: *due }
            }
            Protection::Shredded { .. } => HostEvent::Shredded { resource },
            Protection::CmkActive { .. } if before.check_access().is_err() => {
                HostEvent::AccessRestored { resource }
            }
            _ => return,
        };
        self.shared.host.notify(&event);
    }
}

/// The events of one change: its beginning, and its outcome with the time that it took.
struct Recording<'a> {
    repository: &'a Repository,
    operation: &'static str,
    key: &'a VersionedKeyId,
    origin: Origin<'a>,
    started: Duration,
}

impl<'a> Recording<'a> {
    fn new(
        repository: &'a Repository,
        operation: &'static str,
        key: &'a VersionedKeyId,
        origin: Origin<'a>,
    ) -> Self {
        let started = repository.clock().elapsed();
        Self { repository, operation, key, origin, started }
    }

    async fn event(
        &self,
        result: AuditResult,
        state: Option<StateMark>,
        detail: Option<Value>,
    ) -> Result<(), AuditError> {
        let took = self.repository.clock().elapsed().saturating_sub(self.started);
        let (key, marks) = (Some(self.key.clone()), self.repository.marks());
        let written = state.as_ref().filter(|_| result == AuditResult::Done);
        let event = AuditEvent {
            key,
            duration_us: micros(took),
            doubt: written.and_then(|state| marks.doubt_of(&state.name)),
            state,
            detail,
            ..AuditEvent::new(self.operation, result)
        };
        self.repository.client().record(event, self.origin).await
    }

    /// The outcome: `current` is written.
    async fn done(&self, current: &Current) -> Result<(), AuditError> {
        self.repository.marks().learn(&current.mark());
        self.event(AuditResult::Done, Some(current.mark()), current.resource.outline()).await
    }
}
