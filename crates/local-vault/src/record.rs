//! The record of what is done with the vault's keys, and by whom.
//!
//! An event is written before the operation becomes final: nothing is done that leaves no trace, and a crash in
//! between leaves an event of something that did not happen. What only takes access away is done first, and done
//! whether or not it can be recorded.

use std::time::Duration;

use super::error::LocalVaultError;
use super::key_id::LocalKeyId;
use super::store::Store;
use strongroom_vault::audit::{AuditEvent, AuditResult};
use strongroom_vault::{KeyName, VersionedKeyId};

/// Caller of an operation.
#[derive(Clone, Debug)]
pub(super) enum Caller {
    /// The owner, who can open the directory: may do everything.
    Owner,
    /// May do what the vault's grants say.
    Identity(String),
}

/// One operation, until it is recorded.
#[derive(Debug)]
pub(super) struct Act {
    pub(super) event: AuditEvent,
    pub(super) takes_away: bool,
    pub(super) is_recorded: bool,
}

impl Act {
    /// An operation on the key `name`, or on the whole vault. It is refused where it cannot be recorded.
    pub(super) fn new(operation: &str, name: Option<&KeyName>) -> Self {
        let event = AuditEvent {
            resource: name.map(KeyName::to_string),
            ..AuditEvent::new(operation, AuditResult::Done)
        };
        Self { event, takes_away: false, is_recorded: false }
    }

    /// The same where it only takes access away: it is done first, and whether or not it can be recorded.
    pub(super) fn taking_away(self) -> Self {
        self.taking_away_if(true)
    }

    /// The same where `takes_away`.
    pub(super) fn taking_away_if(mut self, takes_away: bool) -> Self {
        self.takes_away(takes_away);
        self
    }

    /// Says whether it only takes access away, where that shows under the lock.
    pub(super) fn takes_away(&mut self, takes_away: bool) {
        self.takes_away = takes_away;
    }

    /// Names the identity that it is about.
    pub(super) fn of_identity(mut self, identity: &str) -> Self {
        self.event.identity = Some(identity.to_owned());
        self
    }

    /// Names the version that it is about.
    pub(super) fn of_key(&mut self, id: &LocalKeyId) {
        self.event.key = VersionedKeyId::try_from(id).ok();
    }

    /// Says what it is more exactly.
    pub(super) fn is(&mut self, operation: &str) {
        operation.clone_into(&mut self.event.operation);
    }
}

impl Store {
    /// Records `event` with the time and the caller.
    ///
    /// # Errors
    ///
    /// [`LocalVaultError::Trail`].
    pub(super) fn record(&self, event: &AuditEvent) -> Result<(), LocalVaultError> {
        let event = AuditEvent { time: self.clock.unix_time(), ..event.clone() };
        let recorded =
            self.trail.lines().record_blocking(&self.trail.options().caller.attribute(event));
        recorded.map_err(|source| LocalVaultError::Trail { source })
    }

    /// Hands out `outcome` of what `caller` asked of the key `id`, once it is recorded. The owner's own use of keys is
    /// not an event of the trail.
    ///
    /// # Errors
    ///
    /// Those of `outcome`; [`LocalVaultError::Trail`] where it would leave no trace.
    pub(super) fn recorded<T>(
        &self,
        caller: &Caller,
        operation: &str,
        id: &LocalKeyId,
        started: Duration,
        outcome: Result<T, LocalVaultError>,
        result: impl FnOnce(&Result<T, LocalVaultError>) -> AuditResult,
    ) -> Result<T, LocalVaultError> {
        let Caller::Identity(identity) = caller else { return outcome };
        let mut act = Act::new(operation, Some(id.name())).of_identity(identity);
        act.of_key(id);
        let took = self.clock.elapsed().saturating_sub(started).as_micros();
        let event = AuditEvent {
            result: result(&outcome),
            duration_us: u64::try_from(took).unwrap_or(u64::MAX),
            ..act.event
        };
        // A refusal stands, whether or not it is recorded.
        let recorded = self.record(&event);
        let value = outcome?;
        recorded.map(|()| value)
    }

    /// Records `act`, which needs no lock, before its result is handed out.
    ///
    /// # Errors
    ///
    /// [`LocalVaultError::Trail`].
    pub(super) fn record_reading(&self, act: &Act) -> Result<(), LocalVaultError> {
        self.record(&act.event)
    }
}
