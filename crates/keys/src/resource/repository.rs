//! The states of resources: reading the newest, changing it by an event, and persisting pending ones.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::host::{HostEvent, HostEvents, Pins};
use super::pending::Pending;
use super::record::{Protection, Resource};
use super::transition::{Event, apply};
use crate::audit::{AuditResult, Caller};
use crate::clock::Clock;
use crate::error::{Cause, Error};
use crate::id::ResourceId;
use crate::key_ring::WrappedKeys;
use crate::lock::lock;
use crate::service_key::ServiceKey;
use crate::state::{Created, KEPT, NUMBERED, StateError, StateStore, prune};
use crate::vault_client::{Origin, SERVICE, VaultClient};

/// The number of times that another writer may come first before a change is given up.
const ATTEMPTS: usize = 32;

/// A state as it was read.
#[derive(Clone, Debug)]
pub(crate) struct Current {
    pub(crate) number: u64,
    pub(crate) resource: Arc<Resource>,
    /// The version of the service key that it is signed under.
    pub(crate) signed_by: Arc<str>,
}

impl Current {
    /// The keys of the state, wrapped.
    pub(crate) fn keys(&self) -> WrappedKeys<'_> {
        self.resource.wrapped_keys(self.number)
    }
}

/// The outcome of a change.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) current: Current,
    /// True where something was written.
    pub(crate) changed: bool,
}

/// The states of a service's resources, for one caller. Clones and those for other callers share them.
#[derive(Clone)]
pub(crate) struct Repository {
    shared: Arc<Shared>,
    caller: Caller,
}

struct Shared {
    store: Arc<dyn StateStore>,
    service_key: ServiceKey,
    client: Arc<VaultClient>,
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
        clock: Arc<dyn Clock>,
        host: Arc<dyn HostEvents>,
    ) -> Self {
        let (states, pins) = (Mutex::default(), Mutex::default());
        let pending = Pending::default();
        let shared = Shared { store, service_key, client, clock, host, states, pins, pending };
        Self { shared: Arc::new(shared), caller: Caller::default() }
    }

    /// The same states, with this caller in the audit trail.
    pub(crate) fn on_behalf_of(&self, caller: Caller) -> Self {
        Self { shared: Arc::clone(&self.shared), caller }
    }

    pub(crate) fn caller(&self) -> &Caller {
        &self.caller
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
        Origin { resource: Some(id.as_str()), caller: &self.caller, identity: SERVICE }
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

    /// The newest state, after pending withdrawals are persisted.
    pub(crate) async fn current(&self, id: &ResourceId) -> Result<Current, Error> {
        self.persist_pending(id).await?;
        self.read(id).await
    }

    /// The newest state, from the store.
    pub(crate) async fn read(&self, id: &ResourceId) -> Result<Current, Error> {
        let (store, name) = (self.store(), id.as_str());
        let current = loop {
            let number = store.list(name).await?.last().copied();
            let number = number.ok_or_else(|| Error::NotFound { resource: id.clone() })?;
            if let Some(known) = self.known(id) {
                if known.number > number {
                    let (name, seen) = (name.to_owned(), known.number);
                    return Err(StateError::RolledBack { name, seen, found: number }.into());
                }
                if known.number == number {
                    break known;
                }
            }
            // Pruned between the two calls: then a newer one exists.
            let Some(bytes) = store.read(name, number).await? else { continue };
            // Erased between the two calls, where a key was destroyed: the same.
            if bytes.is_empty() && store.list(name).await?.last() != Some(&number) {
                continue;
            }
            let verified =
                self.service_key().verify::<Resource>(name, number, &bytes, &self.caller);
            let (resource, signed_by) = verified.await?;
            if resource.id != *id {
                let reason = "it is another resource's".to_owned();
                return Err(StateError::Invalid { name: name.into(), number, reason }.into());
            }
            let signed_by = signed_by.into();
            let current = Current { number, resource: Arc::new(resource), signed_by };
            self.remember(&current);
            break current;
        };
        self.check_pins(&current.resource)?;
        Ok(current)
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
        let (id, client) = (resource.id.clone(), self.client());
        let origin = self.origin(&id);
        let (wrapped_by, key) = self.service_key().current(&self.caller).await?;
        let record =
            |result| client.record("create", Some(&wrapped_by), origin, result, Duration::ZERO);
        record(AuditResult::Done).await?;
        let bytes = key.sign(id.as_str(), 1, &resource)?;
        let created = self.store().create(id.as_str(), 1, &bytes).await;
        if let Ok(Created::New) = created {
            let signed_by = key.id().into();
            self.remember(&Current { number: 1, resource: Arc::new(resource), signed_by });
            return Ok(());
        }
        let error = match created {
            Err(error) => error.into(),
            Ok(_) => Error::AlreadyExists { resource: id.clone() },
        };
        record(AuditResult::Failed(error.to_string())).await?;
        Err(error)
    }

    /// Reads the newest state, has `decide` make an event of it, and writes the state that follows. Where
    /// another writer is first, it decides anew.
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
                && self.service_key().current(&self.caller).await?.0.to_string()
                    != *before.signed_by;
            if after == *before.resource && !sign_anew {
                let destroyed = before.resource.keys.is_empty() || before.resource.hours_from > 0;
                if event.destroys_keys() && destroyed {
                    // It may have been interrupted before the older states were erased.
                    prune(self.store(), id.as_str(), before.number, 1).await?;
                }
                return Ok(Change { current: before, changed: false });
            }
            if let Some(current) = self.write(&before, after, &event).await? {
                return Ok(Change { current, changed: true });
            }
        }
        Err(Error::Contended { resource: id.clone() })
    }

    /// Records and writes the state after `before`; `None` where another writer was first.
    async fn write(
        &self,
        before: &Current,
        after: Resource,
        event: &Event,
    ) -> Result<Option<Current>, Error> {
        let (id, number) = (after.id.clone(), before.number.saturating_add(1));
        let cmk = after.protection.cmk().or(before.resource.protection.cmk());
        let (service_key, state_key) = self.service_key().current(&self.caller).await?;
        let origin = self.origin(&id);
        let (key, origin) = match (event, cmk) {
            (Event::ServiceKeyRotated { .. }, _) | (_, None) => (&service_key, origin),
            (_, Some(cmk)) => (&cmk.key, origin.asked_as(&cmk.identity)),
        };
        // Before it is done: what could not be recorded afterwards would have left no trace.
        let client = self.client();
        let record =
            |result| client.record(event.name(), Some(key), origin, result, Duration::ZERO);
        let recorded = record(AuditResult::Done).await;
        if !event.only_closes() {
            recorded?;
        }
        let bytes = state_key.sign(id.as_str(), number, &after)?;
        match self.store().create(id.as_str(), number, &bytes).await {
            Ok(Created::New) => {}
            Ok(Created::Exists) => {
                let reason = "another writer was first; decided anew".to_owned();
                let _best_effort = record(AuditResult::Failed(reason)).await;
                return Ok(None);
            }
            Err(error) => {
                let _best_effort = record(AuditResult::Failed(error.to_string())).await;
                return Err(error.into());
            }
        }
        // The number may have been pruned. If a newer state exists, this write does not count.
        let newest = self.store().list(id.as_str()).await?.last().copied().unwrap_or(number);
        if newest >= number.saturating_add(NUMBERED) {
            return Ok(None);
        }
        let signed_by = state_key.id().into();
        let current = Current { number, resource: Arc::new(after), signed_by };
        self.remember(&current);
        self.notify(&before.resource, &current.resource);
        let kept = if event.destroys_keys() { 1 } else { KEPT };
        let pruned = prune(self.store(), id.as_str(), number, kept).await;
        if event.destroys_keys() {
            pruned?; // the keys are not destroyed before that
        }
        Ok(Some(current))
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

    /// Persists pending withdrawals in their order; until then access is refused. Where another process has
    /// meanwhile brought the resource to a state that has nothing to withdraw, the event is dropped.
    pub(crate) async fn persist_pending(&self, id: &ResourceId) -> Result<(), Error> {
        let pending = self.pending();
        while let Some((ticket, event)) = pending.first(id) {
            let waits = || pending.waits(id, ticket);
            let contended = || Error::Contended { resource: id.clone() };
            let decide = |_: &Resource| waits().then(|| event.clone()).ok_or_else(contended);
            match self.change(id, decide).await {
                Ok(_) | Err(Error::WrongState { .. } | Error::Shredded { .. }) => {}
                // Another task has written it, and what followed it since must stay.
                Err(Error::Contended { .. }) if !waits() => continue,
                Err(error) => return Err(error),
            }
            pending.done(id, ticket);
        }
        Ok(())
    }
}
