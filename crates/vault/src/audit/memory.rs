//! A sink for hosts that look at events themselves.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use serde_json::Value;

use super::error::AuditError;
use super::event::{AuditEvent, AuditSink};
use super::known::{Known, Outlines, StateMark, note_outline};
use crate::lock::lock;

/// Keeps events in memory, without a limit.
///
/// # Example
///
/// ```
/// use strongroom_vault::audit::{AuditEvent, AuditResult, AuditSink, MemorySink};
///
/// let sink = MemorySink::default();
/// let event = AuditEvent::new("refresh", AuditResult::Done);
/// futures_lite::future::block_on(sink.record(&event))?;
/// assert_eq!(sink.events()[0].operation, "refresh");
/// # Ok::<(), strongroom_vault::audit::AuditError>(())
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

    async fn recall(&self) -> Known {
        let mut known = Known::default();
        self.events().iter().for_each(|event| known.note(event));
        known
    }

    async fn outlines(&self) -> Result<BTreeMap<String, (StateMark, Value)>, AuditError> {
        let mut outlines = Outlines::new();
        self.events().iter().for_each(|event| note_outline(&mut outlines, event));
        Ok(outlines)
    }
}
