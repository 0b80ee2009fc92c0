//! States in and out: reading the newest, applying an event, writing the next.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use super::pending::Pending;
use super::record::{Cmk, Protection, Resource};
use super::transition::{Event, apply};
use super::{Caller, Cause, Error, HostEvent, HostEvents, Pins, ResourceId, VaultDirectory};
use crate::audit::AuditResult;
use crate::cache::WeakCache;
use crate::clock::Clock;
use crate::key_ring::{KeyRecord, Layer, ResourceKey, WrappedBy, WrappedKeys};
use crate::planted::{PlantedBug, is_planted};
use crate::service_key::ServiceKey;
use crate::state::{Created, KEPT, NUMBERED, StateError, StateStore, prune};
use crate::vault::{DeniedReason, Vault, VaultError, VersionedKeyId};
use crate::vault_client::{Origin, Timed, VaultClient};

/// How often somebody else may come first before a change is given up.
const ATTEMPTS: usize = 32;

/// A state as it was read.
#[derive(Clone, Debug)]
pub(crate) struct Current {
    pub(crate) number: u64,
    pub(crate) resource: Arc<Resource>,
    /// The version of the service key that it is signed under.
    pub(crate) signed_by: String,
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
    /// Whether something was written.
    pub(crate) changed: bool,
}

pub(crate) struct Repository {
    pub(crate) store: Arc<dyn StateStore>,
    pub(crate) service: ServiceKey,
    pub(crate) vaults: Arc<dyn VaultDirectory>,
    pub(crate) client: Arc<VaultClient>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) host: Arc<dyn HostEvents>,
    pub(crate) states: Mutex<HashMap<ResourceId, Current>>,
    pub(crate) pins: Mutex<HashMap<ResourceId, Pins>>,
    /// What takes access away and could not be written yet.
    pub(crate) pending: Pending,
    /// Where keys go from at once when access is taken away.
    pub(crate) cache: OnceLock<WeakCache>,
}

impl fmt::Debug for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repository").field("store", &self.store).finish_non_exhaustive()
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Repository {
    /// The state as it was last read or written by this process.
    pub(crate) fn known(&self, id: &ResourceId) -> Option<Current> {
        lock(&self.states).get(id).cloned()
    }

    /// The newest state, from the store.
    pub(crate) async fn read(&self, id: &ResourceId, caller: &Caller) -> Result<Current, Error> {
        let name = id.as_str();
        let current = loop {
            let number = self.store.list(name).await?.last().copied();
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
            // Pruned between the two calls: then there is a newer one.
            let Some(bytes) = self.store.read(name, number).await? else { continue };
            // Erased between the two calls, where a key was destroyed: the same.
            if bytes.is_empty() && self.store.list(name).await?.last() != Some(&number) {
                continue;
            }
            let (resource, signed_by) =
                self.service.verify::<Resource>(name, number, &bytes, caller).await?;
            if resource.id != *id {
                let reason = "it is another resource's".to_owned();
                return Err(StateError::Invalid { name: name.into(), number, reason }.into());
            }
            let current = Current { number, resource: Arc::new(resource), signed_by };
            self.remember(&current);
            break current;
        };
        self.check_pins(&current.resource)?;
        Ok(current)
    }

    fn remember(&self, current: &Current) {
        let mut states = lock(&self.states);
        let known = states.get(&current.resource.id).map_or(0, |known| known.number);
        if current.number > known {
            states.insert(current.resource.id.clone(), current.clone());
        }
    }

    fn check_pins(&self, resource: &Resource) -> Result<(), Error> {
        let Some(pins) = lock(&self.pins).get(&resource.id).copied() else { return Ok(()) };
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
    pub(crate) async fn create(&self, resource: Resource, caller: &Caller) -> Result<(), Error> {
        let origin = Origin { resource: Some(resource.id.as_str()), caller };
        let (_, key) = self.service.current(caller).await?;
        self.client.record("create", None, origin, AuditResult::Done, Duration::ZERO).await?;
        let bytes = key.sign(resource.id.as_str(), 1, &resource)?;
        let created = self.store.create(resource.id.as_str(), 1, &bytes).await;
        if let Ok(Created::New) = created {
            let signed_by = key.id().to_owned();
            self.remember(&Current { number: 1, resource: Arc::new(resource), signed_by });
            return Ok(());
        }
        let error = match created {
            Err(error) => error.into(),
            Ok(_) => Error::AlreadyExists { resource: resource.id.clone() },
        };
        let failed = AuditResult::Failed(error.to_string());
        self.client.record("create", None, origin, failed, Duration::ZERO).await?;
        Err(error)
    }

    /// Reads the newest state, has `decide` make an event of it, and writes what follows. Where another
    /// writer is first, it decides anew.
    pub(crate) async fn change(
        &self,
        id: &ResourceId,
        caller: &Caller,
        mut decide: impl FnMut(&Resource) -> Result<Event, Error> + Send,
    ) -> Result<Change, Error> {
        for _attempt in 0..ATTEMPTS {
            let before = self.read(id, caller).await?;
            let event = decide(&before.resource)?;
            let after = apply(&before.resource, &event)?;
            let sign_anew = matches!(event, Event::ServiceKeyRotated { .. })
                && self.service.current(caller).await?.0.to_string() != before.signed_by;
            if after == *before.resource && !sign_anew {
                let destroyed = before.resource.keys.is_empty() || before.resource.hours_from > 0;
                if event.destroys_keys() && destroyed {
                    // It may have been interrupted before the older states were erased.
                    prune(&*self.store, id.as_str(), before.number, 1).await?;
                }
                return Ok(Change { current: before, changed: false });
            }
            if let Some(current) = self.write(&before, after, &event, caller).await? {
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
        caller: &Caller,
    ) -> Result<Option<Current>, Error> {
        let (id, number) = (after.id.clone(), before.number.saturating_add(1));
        let cmk = after.protection.cmk().or(before.resource.protection.cmk());
        let origin = Origin { resource: Some(id.as_str()), caller };
        let (service_key, state_key) = self.service.current(caller).await?;
        let key = match event {
            Event::ServiceKeyRotated { .. } => Some(&service_key),
            _ => cmk.map(|cmk| &cmk.key),
        };
        // Before it is done: what could not be recorded afterwards would have left no trace.
        let record = |result| self.client.record(event.name(), key, origin, result, Duration::ZERO);
        let recorded = record(AuditResult::Done).await;
        if !event.only_closes() {
            recorded?;
        }
        let bytes = state_key.sign(id.as_str(), number, &after)?;
        match self.store.create(id.as_str(), number, &bytes).await {
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
        // A number may be free because it was given free long ago: then this is no newest state.
        let newest = self.store.list(id.as_str()).await?.last().copied().unwrap_or(number);
        if newest >= number.saturating_add(NUMBERED) {
            return Ok(None);
        }
        let signed_by = state_key.id().to_owned();
        let current = Current { number, resource: Arc::new(after), signed_by };
        self.remember(&current);
        self.tell(&before.resource, &current.resource);
        let kept = if event.destroys_keys() { 1 } else { KEPT };
        let pruned = prune(&*self.store, id.as_str(), number, kept).await;
        if event.destroys_keys() {
            pruned?; // the keys are not destroyed before that
        }
        Ok(Some(current))
    }

    /// Tells the host what it may have to act on.
    fn tell(&self, before: &Resource, after: &Resource) {
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
        self.host.notify(&event);
    }

    /// The vault of a customer's key.
    pub(crate) fn vault_of(
        &self,
        key: &VersionedKeyId,
        identity: &str,
    ) -> Result<Arc<dyn Vault>, Error> {
        self.vaults
            .vault(key, identity)
            .filter(|vault| vault.id() == key.vault())
            .ok_or_else(|| Error::NoVault { key: key.clone(), identity: identity.to_owned() })
    }

    /// A layer's root, unwrapped by the vault now. A definite refusal of the customer's key is written.
    pub(crate) async fn unwrap_root(
        &self,
        resource: &Resource,
        layer: Layer,
        caller: &Caller,
    ) -> Result<Timed<ResourceKey>, Error> {
        let record = resource.root(layer)?;
        let WrappedBy::Vault(key) = &record.by else {
            return Err(Error::WrongKey { key: record.label.text(&resource.id) });
        };
        let origin = Origin { resource: Some(resource.id.as_str()), caller };
        let unwrapped = match (layer, resource.protection.cmk()) {
            (Layer::Service, _) => {
                let unwrapped = self.service.unwrap(key, &record.wrapped, origin).await;
                unwrapped.map_err(|error| about(key, error))
            }
            (Layer::Customer, Some(cmk)) => {
                self.unwrap_customer(resource, cmk, record, origin).await
            }
            (Layer::Customer, None) => {
                Err(Error::WrongKey { key: record.label.text(&resource.id) })
            }
        }?;
        let value = ResourceKey::from_payload(&resource.id, record, &unwrapped.value)?;
        Ok(Timed { value, started: unwrapped.started })
    }

    async fn unwrap_customer(
        &self,
        resource: &Resource,
        cmk: &Cmk,
        record: &KeyRecord,
        origin: Origin<'_>,
    ) -> Result<Timed<strongroom::secret::SecretVec>, Error> {
        let vault = self.vault_of(&cmk.key, &cmk.identity)?;
        let algorithm = Layer::Customer.algorithm();
        let asked =
            self.client.at(&*vault, origin).unwrap(&cmk.key, algorithm, &record.wrapped).await;
        match asked {
            Err(Error::Vault(error)) => {
                Err(self.apply_refusal(resource, &cmk.key, error, origin.caller).await)
            }
            other => other,
        }
    }

    /// Closes the resource where `error` is the vault's definite word about the key in use.
    pub(crate) async fn apply_refusal(
        &self,
        resource: &Resource,
        key: &VersionedKeyId,
        error: VaultError,
        caller: &Caller,
    ) -> Error {
        let VaultError::Denied { reason, .. } = &error else { return error.into() };
        if !error.is_definite_about(key) {
            return error.into();
        }
        let at = self.clock.unix_time();
        let event = Event::Refused { key: key.clone(), reason: *reason, at };
        self.close(resource, event, caller).await.unwrap_or_else(|| error.into())
    }

    /// Writes an event that takes access away, later if not now; the error that follows from the state.
    pub(crate) async fn close(
        &self,
        resource: &Resource,
        event: Event,
        caller: &Caller,
    ) -> Option<Error> {
        let id = &resource.id;
        if is_planted(PlantedBug::DenialNotWritten) {
            return apply(resource, &event).ok()?.check_access().err();
        }
        self.pending.push(id, event.clone());
        // Before it is written: a store may hang, and whoever waits may go away.
        let known = self.known(id);
        let newest = known.as_ref().map_or(resource, |current| &current.resource);
        let closes = apply(newest, &event).ok().and_then(|after| after.check_access().err());
        if let (Some(error), Some(cache)) = (closes, self.cache.get().and_then(WeakCache::upgrade))
        {
            cache.wipe(id, Layer::Service, Some(&error));
            cache.wipe(id, Layer::Customer, Some(&error));
        }
        match (self.write_pending(id, caller).await, self.known(id)) {
            (Ok(()), Some(current)) => current.resource.check_access().err(),
            // Until it can be written, this process heeds it all the same.
            _ => apply(resource, &event).ok()?.check_access().err(),
        }
    }

    /// Writes what could not be written before. Until then there is no access. Where another process has
    /// meanwhile brought the resource to a state that has nothing to withdraw, nothing is left to write.
    pub(crate) async fn write_pending(
        &self,
        id: &ResourceId,
        caller: &Caller,
    ) -> Result<(), Error> {
        while let Some((ticket, event)) = self.pending.first(id) {
            let waits = || self.pending.waits(id, ticket);
            let contended = || Error::Contended { resource: id.clone() };
            let decide = |_: &Resource| waits().then(|| event.clone()).ok_or_else(contended);
            match self.change(id, caller, decide).await {
                Ok(_) | Err(Error::WrongState { .. } | Error::Shredded { .. }) => {}
                // Another task has written it, and what followed it since must stay.
                Err(Error::Contended { .. }) if !waits() => continue,
                Err(error) => return Err(error),
            }
            self.pending.done(id, ticket);
        }
        Ok(())
    }

    /// Whether `reason` says that the identity is not known.
    pub(crate) fn is_identity(error: &Error) -> bool {
        let identity = DeniedReason::Identity;
        matches!(error, Error::Vault(VaultError::Denied { reason, .. }) if *reason == identity)
    }
}

/// `error`, made a mere failure where it is a refusal of another key than the one that was asked about.
fn about(key: &VersionedKeyId, error: Error) -> Error {
    match error {
        Error::Vault(error @ VaultError::Denied { key: Some(_), .. })
            if !error.is_definite_about(key) =>
        {
            VaultError::Unavailable { reason: error.to_string(), retry_after: None }.into()
        }
        other => other,
    }
}
