//! Sinks for tests and for hosts that look at events themselves.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;

use super::error::AuditError;
use super::event::{AuditEvent, AuditSink};

/// Keeps events in memory, without a limit.
///
/// # Example
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// use strongroom_keys::audit::{AuditResult, Auditor, Caller, MemorySink};
/// use strongroom_keys::clock::SystemClock;
///
/// let sink = Arc::new(MemorySink::default());
/// let auditor = Auditor::new(sink.clone(), Arc::new(SystemClock), true);
/// let (done, caller) = (AuditResult::Done, Caller::default());
/// let recorded = auditor.record("refresh", None, Some("invoices"), done, Duration::ZERO, &caller);
/// futures_lite::future::block_on(recorded)?;
/// assert_eq!(sink.events()[0].operation, "refresh");
/// # Ok::<(), strongroom_keys::audit::AuditError>(())
/// ```
#[derive(Debug, Default)]
pub struct MemorySink(Mutex<Vec<AuditEvent>>);

impl MemorySink {
    /// What was recorded, from the oldest.
    #[must_use]
    pub fn events(&self) -> Vec<AuditEvent> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn push(&self, event: &AuditEvent) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(event.clone());
    }
}

#[async_trait]
impl AuditSink for MemorySink {
    async fn record(&self, event: &AuditEvent) -> Result<(), AuditError> {
        self.push(event);
        Ok(())
    }
}

/// A sink that fails as long as it is told to.
///
/// # Example
///
/// ```
/// use strongroom_keys::audit::FailingSink;
///
/// let sink = FailingSink::default();
/// sink.fail(true);
/// assert_eq!((sink.failures(), sink.events().len()), (0, 0)); // nothing was recorded yet
/// ```
#[cfg(any(test, feature = "testing"))]
#[derive(Debug, Default)]
pub struct FailingSink {
    fails: std::sync::atomic::AtomicBool,
    failures: std::sync::atomic::AtomicU64,
    kept: MemorySink,
}

#[cfg(any(test, feature = "testing"))]
impl FailingSink {
    /// Whether it fails from now on.
    pub fn fail(&self, fails: bool) {
        self.fails.store(fails, std::sync::atomic::Ordering::SeqCst);
    }

    /// How often it failed.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failures.load(std::sync::atomic::Ordering::SeqCst)
    }

    /// What was recorded while it did not fail, from the oldest.
    #[must_use]
    pub fn events(&self) -> Vec<AuditEvent> {
        self.kept.events()
    }
}

#[cfg(any(test, feature = "testing"))]
#[async_trait]
impl AuditSink for FailingSink {
    async fn record(&self, event: &AuditEvent) -> Result<(), AuditError> {
        if self.fails.load(std::sync::atomic::Ordering::SeqCst) {
            self.failures.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            return Err(AuditError::Unwritable { reason: "it was told to fail".to_owned() });
        }
        self.kept.push(event);
        Ok(())
    }
}
