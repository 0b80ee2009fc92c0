//! The states that this host's audit trail knows: no older one is taken for the newest, each that it did not
//! know is recorded, and one that may not be the newest gives no access.

use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::Value;

use crate::audit::{AuditError, AuditEvent, AuditResult, Doubt, Known, StateMark};
use crate::error::Error;
use crate::state::{StateError, StateStore, mac_of};
use crate::vault::VersionedKeyId;
use crate::vault_client::{Origin, VaultClient};
use strongroom_vault::lock;

#[derive(Debug)]
pub(crate) struct StateMarks {
    client: Arc<VaultClient>,
    known: Mutex<Known>,
}

impl StateMarks {
    pub(crate) fn new(client: Arc<VaultClient>) -> Self {
        Self { client, known: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        lock(&self.known)
    }

    /// Takes over what the trail knows.
    pub(crate) fn recall(&self, known: &Known) {
        known.states.values().for_each(|mark| self.learn(mark));
        let mut own = self.lock();
        // What the trail does not tell any more may have been newer.
        own.all_in_doubt = known.all_in_doubt || known.damage.is_some();
        own.in_doubt.clone_from(&known.in_doubt);
        own.lost.clone_from(&known.lost);
    }

    /// Notes a state that is the newest of its name.
    pub(crate) fn learn(&self, mark: &StateMark) {
        let states = &mut self.lock().states;
        if states.get(&mark.name).is_none_or(|before| before.number < mark.number) {
            states.insert(mark.name.clone(), mark.clone());
        }
    }

    /// The newest state of `name` that is known.
    pub(crate) fn newest(&self, name: &str) -> Option<StateMark> {
        self.lock().states.get(name).cloned()
    }

    /// The newest number of `name`; 0 where no state is known.
    pub(crate) fn number(&self, name: &str) -> u64 {
        self.newest(name).map_or(0, |mark| mark.number)
    }

    /// The names of which a state is known.
    pub(crate) fn names(&self) -> Vec<String> {
        self.lock().states.keys().cloned().collect()
    }

    /// The names of which the state that is there may not be the newest.
    pub(crate) fn in_doubt(&self) -> Vec<String> {
        self.lock().in_doubt.iter().cloned().collect()
    }

    /// True where all states of `name` are lost for good.
    pub(crate) fn is_lost(&self, name: &str) -> bool {
        self.lock().lost.contains(name)
    }

    /// True until somebody has looked at all states after a part of the trail was lost.
    pub(crate) fn is_all_in_doubt(&self) -> bool {
        self.lock().all_in_doubt
    }

    /// The doubt about `name`, which what is recorded of it does not end.
    pub(crate) fn doubt_of(&self, name: &str) -> Option<Doubt> {
        let known = self.lock();
        (known.all_in_doubt || known.in_doubt.contains(name)).then_some(Doubt::Raised)
    }

    /// Refuses a state that may not be the newest.
    pub(crate) fn check_doubt(&self, found: &StateMark) -> Result<(), StateError> {
        let (name, number) = (found.name.clone(), found.number);
        self.doubt_of(&name).map_or(Ok(()), |_| Err(StateError::InDoubt { name, number }))
    }

    /// Records the state that is there, and the doubt about it from now on.
    pub(crate) async fn settle(
        &self,
        operation: &str,
        mark: &StateMark,
        doubt: Option<Doubt>,
        detail: Option<Value>,
        origin: Origin<'_>,
    ) -> Result<(), AuditError> {
        let state = Some(mark.clone());
        let new = AuditEvent::new(operation, AuditResult::Done);
        self.note(AuditEvent { state, doubt, detail, ..new }, origin).await
    }

    /// Records that all states were looked at: those of which that was not said are not in doubt.
    pub(crate) async fn limit_doubt(&self, origin: Origin<'_>) -> Result<(), AuditError> {
        let doubt = Some(Doubt::Limited);
        let new = AuditEvent::new("look-at-states", AuditResult::Done);
        self.note(AuditEvent { doubt, ..new }, origin).await
    }

    async fn note(&self, event: AuditEvent, origin: Origin<'_>) -> Result<(), AuditError> {
        self.client.record(event.clone(), origin).await?;
        self.lock().note(&event);
        Ok(())
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
        let Some(known) = self.newest(&found.name) else { return Ok(()) };
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
        // Before all are looked at nobody can say which doubt goes with it.
        if origin.lenient && self.is_all_in_doubt() {
            self.learn(mark);
            return Ok(());
        }
        let event = AuditEvent {
            key: VersionedKeyId::parse(signed_by).ok(),
            state: Some(mark.clone()),
            detail,
            doubt: self.doubt_of(&mark.name),
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
