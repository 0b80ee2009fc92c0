//! An audit trail in memory that can fail.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;

use crate::audit::{AuditError, AuditEvent, AuditResult, AuditSink, MemorySink};

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
    }
}

#[async_trait]
impl AuditSink for MemoryAudit {
    async fn record(&self, event: &AuditEvent) -> Result<(), AuditError> {
        if self.fails.load(Ordering::SeqCst) {
            return Err(AuditError::Unwritable { reason: "it was told to fail".to_owned() });
        }
        self.kept.record(event).await
    }
}
