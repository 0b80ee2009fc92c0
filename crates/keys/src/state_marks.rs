//! The states that this host's audit trail knows: no older one is taken for the newest, and each that it did not
//! know is recorded.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::Value;

use crate::audit::{AuditEvent, AuditResult, Known, StateMark};
use crate::error::Error;
use crate::state::{StateError, StateStore, mac_of};
use crate::vault::VersionedKeyId;
use crate::vault_client::{Origin, VaultClient};
use strongroom_vault::lock;

#[derive(Debug)]
pub(crate) struct StateMarks {
    client: Arc<VaultClient>,
    known: Mutex<BTreeMap<String, StateMark>>,
}

impl StateMarks {
    pub(crate) fn new(client: Arc<VaultClient>) -> Self {
        Self { client, known: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, StateMark>> {
        lock(&self.known)
    }

    /// Takes over what the trail knows.
    pub(crate) fn recall(&self, known: &Known) {
        known.states.values().for_each(|mark| self.learn(mark));
    }

    /// Notes a state that is the newest of its name.
    pub(crate) fn learn(&self, mark: &StateMark) {
        let mut known = self.lock();
        if known.get(&mark.name).is_none_or(|before| before.number < mark.number) {
            known.insert(mark.name.clone(), mark.clone());
        }
    }

    /// The newest number of `name`; 0 where no state is known.
    pub(crate) fn number(&self, name: &str) -> u64 {
        self.lock().get(name).map_or(0, |mark| mark.number)
    }

    /// The names of which a state is known.
    pub(crate) fn names(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    /// Refuses a newest number that is below the one that is known.
    pub(crate) fn check_number(&self, name: &str, found: u64) -> Result<(), StateError> {
        let seen = self.number(name);
        if found < seen {
            return Err(StateError::RolledBack { name: name.to_owned(), seen, found });
        }
        Ok(())
    }

    /// Refuses the newest state where it, or the one that is known, is another than was recorded.
    pub(crate) async fn check(
        &self,
        store: &dyn StateStore,
        found: &StateMark,
    ) -> Result<(), StateError> {
        self.check_number(&found.name, found.number)?;
        let Some(known) = self.lock().get(&found.name).cloned() else { return Ok(()) };
        let replaced = || StateError::Replaced { name: known.name.clone(), number: known.number };
        if known.number == found.number {
            return if known == *found { Ok(()) } else { Err(replaced()) };
        }
        // It is erased where it is old: then nothing can be said of it.
        let bytes = store.read(&known.name, known.number).await?.filter(|bytes| !bytes.is_empty());
        match bytes {
            Some(bytes) if mac_of(&bytes) != Some(known.mac) => Err(replaced()),
            _ => Ok(()),
        }
    }

    /// Records the newest state, which holds, where it was not known.
    pub(crate) async fn record(
        &self,
        mark: &StateMark,
        signed_by: &str,
        detail: Option<Value>,
        origin: Origin<'_>,
    ) -> Result<(), Error> {
        if self.number(&mark.name) >= mark.number {
            return Ok(());
        }
        let event = AuditEvent {
            key: VersionedKeyId::parse(signed_by).ok(),
            state: Some(mark.clone()),
            detail,
            ..AuditEvent::new("read-state", AuditResult::Done)
        };
        let recorded = self.client.record(event, origin).await;
        if !origin.lenient {
            recorded?;
        }
        self.learn(mark);
        Ok(())
    }
}

/// The mark of the object `number` of `name`.
pub(crate) fn mark_of(name: &str, number: u64, bytes: &[u8]) -> StateMark {
    // Without a MAC nothing verifies.
    StateMark { name: name.to_owned(), number, mac: mac_of(bytes).unwrap_or_default() }
}
