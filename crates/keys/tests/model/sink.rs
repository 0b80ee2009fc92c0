//! The audit trail on a disk, as one process writes to it.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::Value;
use strongroom_keys::audit::{
    AuditError, AuditEvent, AuditSink, Head, HeadStore, JsonLines, Known, StateMark,
};
use strongroom_keys::block_on;

/// The last line, kept out of reach.
#[derive(Debug, Default)]
pub struct Heads(pub Mutex<Option<Head>>);

impl HeadStore for Heads {
    fn load(&self) -> Result<Option<Head>, AuditError> {
        Ok(*self.0.lock().unwrap())
    }

    fn store(&self, head: &Head) -> Result<(), AuditError> {
        *self.0.lock().unwrap() = Some(*head);
        Ok(())
    }
}

/// The trail as one process has it.
#[derive(Debug)]
pub struct Sink {
    pub lines: JsonLines,
    pub full: Arc<AtomicBool>,
    /// True during an act whose trouble it is.
    pub fails: Arc<AtomicBool>,
}

#[async_trait]
impl AuditSink for Sink {
    async fn record(&self, event: &AuditEvent) -> Result<(), AuditError> {
        if self.full.load(Ordering::SeqCst) || self.fails.load(Ordering::SeqCst) {
            return Err(AuditError::File {
                doing: "write to",
                path: self.lines.path().to_owned(),
                kind: io::ErrorKind::StorageFull,
                reason: "no space left on device".to_owned(),
            });
        }
        self.lines.record_blocking(event)
    }

    async fn recall(&self) -> Known {
        block_on(self.lines.recall()) // no time passes meanwhile
    }

    async fn outlines(&self) -> Result<BTreeMap<String, (StateMark, Value)>, AuditError> {
        block_on(self.lines.outlines())
    }
}
