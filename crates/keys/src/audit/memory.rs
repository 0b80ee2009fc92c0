//! A sink for hosts that look at events themselves.

use std::sync::Mutex;

use async_trait::async_trait;

use super::error::AuditError;
use super::event::{AuditEvent, AuditSink};
use crate::lock::lock;

/// Keeps events in memory, without a limit.
///
/// # Example
///
/// ```
/// use strongroom_keys::audit::{AuditEvent, AuditResult, AuditSink, MemorySink};
///
/// let sink = MemorySink::default();
/// let event = AuditEvent::new("refresh", AuditResult::Done);
/// futures_lite::future::block_on(sink.record(&event))?;
/// assert_eq!(sink.events()[0].operation, "refresh");
/// # Ok::<(), strongroom_keys::audit::AuditError>(())
/// ```
#[derive(Debug, Default)]
pub struct MemorySink(Mutex<Vec<AuditEvent>>);

impl MemorySink {
    /// Recorded events, from the oldest.
    #[must_use]
    pub fn events(&self) -> Vec<AuditEvent> {
        lock(&self.0).clone()
    }
}

#[async_trait]
impl AuditSink for MemorySink {
    async fn record(&self, event: &AuditEvent) -> Result<(), AuditError> {
        lock(&self.0).push(event.clone());
        Ok(())
    }
}
