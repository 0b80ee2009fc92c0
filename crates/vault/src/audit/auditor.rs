//! Making events of what is done, and what a trail that cannot be written means for it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

use super::error::AuditError;
use super::event::{AuditEvent, AuditResult, AuditSink};
use super::known::{Known, StateMark};
use super::text::printable;
use crate::clock::Clock;

/// Caller of an operation, in the host's words.
///
/// # Example
///
/// ```
/// use strongroom_vault::audit::Caller;
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

    /// Adds an id that ties the events to the host's own logs.
    #[must_use]
    pub fn correlated(mut self, correlation_id: &str) -> Self {
        self.correlation_id = Some(correlation_id.to_owned());
        self
    }

    /// `event` with this caller's name and correlation id.
    #[must_use]
    pub fn attribute(&self, event: AuditEvent) -> AuditEvent {
        let Self { name: caller, correlation_id } = self.clone();
        AuditEvent { caller, correlation_id, ..event }
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
/// use strongroom_vault::audit::{AuditEvent, AuditResult, Auditor, Caller, MemorySink};
/// use strongroom_vault::clock::SystemClock;
///
/// let sink = Arc::new(MemorySink::default());
/// let auditor = Auditor::new(sink.clone(), Arc::new(SystemClock), true);
/// // … the operation …
/// let event = AuditEvent {
///     resource: Some("invoices".to_owned()),
///     duration_us: 812,
///     ..AuditEvent::new("enable-cmk", AuditResult::Done)
/// };
/// futures_lite::future::block_on(auditor.record(event, &Caller::new("ops")))?;
/// assert_eq!(sink.events()[0].caller.as_deref(), Some("ops"));
/// # Ok::<(), strongroom_vault::audit::AuditError>(())
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

    /// True where an operation that cannot be recorded is refused.
    #[must_use]
    pub fn is_required(&self) -> bool {
        self.required
    }

    /// Knowledge of the trail from before this process.
    pub async fn recall(&self) -> Known {
        self.sink.recall().await
    }

    /// The newest state of each name that was recorded before with its detail.
    ///
    /// # Errors
    ///
    /// The sink's.
    pub async fn outlines(&self) -> Result<BTreeMap<String, (StateMark, Value)>, AuditError> {
        self.sink.outlines().await
    }

    /// Number of events that could not be recorded.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Records `event`, with the time of this moment and on behalf of `caller`.
    ///
    /// # Errors
    ///
    /// The sink's, where the trail is required: the operation is then to be refused.
    pub async fn record(&self, event: AuditEvent, caller: &Caller) -> Result<(), AuditError> {
        let event = AuditEvent { time: self.clock.unix_time(), ..caller.attribute(event) };
        trace(&event);
        let Err(error) = self.sink.record(&event).await else { return Ok(()) };
        self.failures.fetch_add(1, Ordering::Relaxed);
        tracing::error!(
            target: "strongroom::audit",
            operation = %printable(&event.operation),
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
    let (resource, identity) = (text(&event.resource), text(&event.identity));
    let (caller, correlation_id) = (text(&event.caller), text(&event.correlation_id));
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
                identity,
                result = %event.result,
                duration_us = event.duration_us,
                caller,
                correlation_id,
            )
        };
    }
    match event.result {
        AuditResult::Done | AuditResult::Begun => show!(info),
        AuditResult::Failed(_) => show!(warn),
    }
}
