//! Making events of what is done, and what a trail that cannot be written means for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::error::AuditError;
use super::event::{AuditEvent, AuditResult, AuditSink};
use super::text::printable;
use crate::clock::Clock;
use crate::vault::VersionedKeyId;

/// Who asked for something, in the host's words.
///
/// # Example
///
/// ```
/// use strongroom_keys::audit::Caller;
///
/// let caller = Caller::new("analyze-api").correlated("request 7f3a");
/// assert_ne!(caller, Caller::default());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    name: Option<String>,
    correlation_id: Option<String>,
}

impl Caller {
    /// A person or a service.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: Some(name.to_owned()), correlation_id: None }
    }

    /// With what ties the events to the host's own logs.
    #[must_use]
    pub fn correlated(mut self, correlation_id: &str) -> Self {
        self.correlation_id = Some(correlation_id.to_owned());
        self
    }
}

/// Makes an event of each operation, shows it to `tracing` (target `strongroom::audit`) and hands it
/// to the sink.
///
/// Where the trail is required, what cannot be recorded is to be refused: ask it before a secret is handed out
/// or a change of state becomes final. Where it is not, a failure is counted and shown, and the work goes on.
///
/// # Example
///
/// ```
/// use std::sync::Arc;
///
/// use strongroom_keys::audit::{AuditResult, Auditor, Caller, MemorySink};
/// use strongroom_keys::clock::{Clock, SystemClock};
///
/// let sink = Arc::new(MemorySink::default());
/// let auditor = Auditor::new(sink.clone(), Arc::new(SystemClock), true);
/// let started = SystemClock.elapsed();
/// // … the operation …
/// let (done, took) = (AuditResult::Done, SystemClock.elapsed().saturating_sub(started));
/// let caller = Caller::new("ops");
/// let recorded = auditor.record("enable-cmk", None, Some("invoices"), done, took, &caller);
/// futures_lite::future::block_on(recorded)?;
/// assert_eq!(sink.events()[0].caller.as_deref(), Some("ops"));
/// # Ok::<(), strongroom_keys::audit::AuditError>(())
/// ```
#[derive(Debug)]
pub struct Auditor {
    sink: Arc<dyn AuditSink>,
    clock: Arc<dyn Clock>,
    required: bool,
    failures: AtomicU64,
}

impl Auditor {
    /// Records to `sink`, with the times of `clock`; `required` says whether what cannot be recorded is
    /// refused.
    #[must_use]
    pub fn new(sink: Arc<dyn AuditSink>, clock: Arc<dyn Clock>, required: bool) -> Self {
        Self { sink, clock, required, failures: AtomicU64::new(0) }
    }

    /// Whether what cannot be recorded is refused.
    #[must_use]
    pub fn is_required(&self) -> bool {
        self.required
    }

    /// How many events could not be recorded.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Records that `operation` took `duration` and ended with `result`.
    ///
    /// # Errors
    ///
    /// The sink's, where the trail is required: the operation is then to be refused.
    pub async fn record(
        &self,
        operation: &str,
        key: Option<&VersionedKeyId>,
        resource: Option<&str>,
        result: AuditResult,
        duration: Duration,
        caller: &Caller,
    ) -> Result<(), AuditError> {
        let event = AuditEvent {
            time: self.clock.unix_time(),
            operation: operation.to_owned(),
            key: key.cloned(),
            resource: resource.map(str::to_owned),
            result,
            duration_us: u64::try_from(duration.as_micros()).unwrap_or(u64::MAX),
            caller: caller.name.clone(),
            correlation_id: caller.correlation_id.clone(),
        };
        trace(&event);
        let Err(error) = self.sink.record(&event).await else { return Ok(()) };
        self.failures.fetch_add(1, Ordering::Relaxed);
        tracing::error!(
            target: "strongroom::audit",
            operation = %printable(operation),
            required = self.required,
            error = %printable(&error.to_string()),
            "an event could not be recorded",
        );
        if self.required { Err(error) } else { Ok(()) }
    }
}

/// Shows `event` to `tracing`, with the fields of the event.
fn trace(event: &AuditEvent) {
    let text = |text: &Option<String>| text.as_deref().map(|text| printable(text).to_string());
    let (resource, caller) = (text(&event.resource), text(&event.caller));
    let correlation_id = text(&event.correlation_id);
    let key = event.key.as_ref().map(ToString::to_string);
    // The level is a part of the place in the code: one place for each.
    macro_rules! show {
        ($level:ident) => {
            tracing::$level!(
                target: "strongroom::audit",
                time = event.time,
                operation = %printable(&event.operation),
                key,
                resource,
                result = %event.result,
                duration_us = event.duration_us,
                caller,
                correlation_id,
            )
        };
    }
    match event.result {
        AuditResult::Done => show!(info),
        AuditResult::Failed(_) => show!(warn),
    }
}
