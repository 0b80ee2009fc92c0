//! The time that may destroy: what the host's clock says, held against the last time that the audit trail recorded
//! and the time that has passed since.
//!
//! Sealing and withdrawing never ask. A clock that is wrong must not destroy what is still wanted, and a machine
//! that was off for a while cannot say for how long: then somebody confirms the time.

use std::sync::{Arc, Mutex, MutexGuard};

use crate::audit::{AuditEvent, AuditResult, TimeMark};
use crate::clock::Clock;
use crate::error::Error;
use crate::vault_client::{Origin, VaultClient};
use strongroom_vault::lock;

/// So many seconds may a clock be ahead of what has passed.
const AHEAD: u64 = 3600;
/// So many may it be behind.
const BEHIND: u64 = 600;
/// A new mark is recorded after so many: a machine that starts anew forgets what has passed since.
const INTERVAL: u64 = 3600;

#[derive(Debug)]
pub(crate) struct HostTime {
    clock: Arc<dyn Clock>,
    client: Arc<VaultClient>,
    mark: Mutex<TimeMark>,
}

impl HostTime {
    pub(crate) fn new(clock: Arc<dyn Clock>, client: Arc<VaultClient>) -> Self {
        let mark = TimeMark { time: clock.unix_time(), elapsed: clock.elapsed().as_secs() };
        Self { clock, client, mark: Mutex::new(mark) }
    }

    fn lock(&self) -> MutexGuard<'_, TimeMark> {
        lock(&self.mark)
    }

    /// Takes over the mark of the audit trail, and records one where there is none or it is old.
    pub(crate) async fn recall(&self, known: Option<TimeMark>, origin: Origin<'_>) {
        if let Some(known) = known {
            *self.lock() = known;
        }
        let elapsed = self.clock.elapsed().as_secs();
        let mark = *self.lock();
        let (expected, time) = (self.expected(), self.clock.unix_time());
        let is_old = expected >= mark.time.saturating_add(INTERVAL) || elapsed < mark.elapsed;
        if known.is_none() || (is_old && is_plausible(time, expected)) {
            // A machine that was off has counted less than has passed.
            let restarted = known.is_none() || elapsed < mark.elapsed;
            let time = if restarted { time.max(expected) } else { expected };
            let _next_time = self.set(TimeMark { time, elapsed }, "mark-time", origin).await;
        }
    }

    /// The time by the mark, and by what has passed since.
    fn expected(&self) -> u64 {
        let (mark, elapsed) = (*self.lock(), self.clock.elapsed().as_secs());
        // The count starts anew with the machine.
        let passed = elapsed.checked_sub(mark.elapsed).unwrap_or(elapsed);
        mark.time.saturating_add(passed)
    }

    /// The clock's time, but none that is before one that is known.
    pub(crate) fn now(&self) -> u64 {
        self.clock.unix_time().max(self.expected())
    }

    /// Refuses to destroy by a time that nothing speaks for.
    pub(crate) fn check(&self, now: u64) -> Result<(), Error> {
        let expected = self.expected();
        if is_plausible(now, expected) { Ok(()) } else { Err(Error::Time { now, expected }) }
    }

    /// Takes `now` for right from now on, whatever was before, and records that.
    pub(crate) async fn accept(&self, now: u64, origin: Origin<'_>) -> Result<(), Error> {
        let mark = TimeMark { time: now, elapsed: self.clock.elapsed().as_secs() };
        self.set(mark, "accept-time", origin).await
    }

    async fn set(&self, mark: TimeMark, operation: &str, origin: Origin<'_>) -> Result<(), Error> {
        let event =
            AuditEvent { clock: Some(mark), ..AuditEvent::new(operation, AuditResult::Done) };
        self.client.record(event, origin).await?;
        *self.lock() = mark;
        Ok(())
    }
}

fn is_plausible(time: u64, expected: u64) -> bool {
    time <= expected.saturating_add(AHEAD) && time.saturating_add(BEHIND) >= expected
}
