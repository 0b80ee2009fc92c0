//! An audit trail in memory that can fail.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use serde_json::Value;

use crate::audit::{AuditError, AuditEvent, AuditResult, AuditSink, Known, MemorySink, StateMark};

/// Keeps all events, and fails on demand.
///
/// # Example
///
/// ```
/// use strongroom_keys::testing::MemoryAudit;
///
/// let audit = MemoryAudit::default();
/// assert_eq!(audit.count("unwrap"), 0);
/// ```
#[derive(Debug, Default)]
pub struct MemoryAudit {
    kept: MemorySink,
    fails: AtomicBool,
    left: Mutex<Option<usize>>,
}

impl MemoryAudit {
    /// All events that it kept, from the oldest.
    #[must_use]
    pub fn events(&self) -> Vec<AuditEvent> {
        self.kept.events()
    }

    /// The number of events of `operation` say that it was done.
    #[must_use]
    pub fn count(&self, operation: &str) -> usize {
        let done =
            |event: &&AuditEvent| event.operation == operation && event.result == AuditResult::Done;
        self.events().iter().filter(done).count()
    }

    /// Has it refuse every event from now on, or none.
    pub fn fail(&self, fails: bool) {
        self.fails.store(fails, Ordering::SeqCst);
        *self.left() = None;
    }

    /// Has it refuse every event after so many.
    pub fn fail_after(&self, events: usize) {
        *self.left() = Some(events);
    }

    fn left(&self) -> MutexGuard<'_, Option<usize>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn takes_one(&self) -> bool {
        let mut left = self.left();
        match &mut *left {
            Some(0) => false,
            Some(events) => {
                *events = events.saturating_sub(1);
                true
            }
            None => true,
        }
    }
}

#[async_trait]
impl AuditSink for MemoryAudit {
    async fn record(&self, event: &AuditEvent) -> Result<(), AuditError> {
        if self.fails.load(Ordering::SeqCst) || !self.takes_one() {
            return Err(AuditError::Unwritable { reason: "it was set to fail".to_owned() });
        }
        self.kept.record(event).await
    }

    async fn recall(&self) -> Known {
        self.kept.recall().await
    }

    async fn outlines(&self) -> Result<BTreeMap<String, (StateMark, Value)>, AuditError> {
        self.kept.outlines().await
    }
}
