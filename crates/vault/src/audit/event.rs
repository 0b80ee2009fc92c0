//! Audit events, and the trait of their sinks.

use std::collections::BTreeMap;
use std::fmt;

use async_trait::async_trait;
use serde_json::Value;

use super::error::AuditError;
use super::known::{Doubt, Known, StateMark, TimeMark};
use super::text::printable;
use crate::VersionedKeyId;

/// Record of one operation on a key or a resource, with its caller and its result; it never holds a secret.
///
/// Printed, it is one line in which no character commands the terminal.
///
/// # Example
///
/// ```
/// use strongroom_vault::audit::{AuditEvent, AuditResult};
///
/// let event = AuditEvent {
///     time: 1_790_000_000,
///     resource: Some("invoices".to_owned()),
///     identity: Some("service".to_owned()),
///     duration_us: 812,
///     caller: Some("ops\u{1b}[2J".to_owned()),
///     ..AuditEvent::new("enable-cmk", AuditResult::Done)
/// };
/// assert_eq!(
///     event.to_string(),
///     r#"time=1790000000 operation="enable-cmk" resource="invoices" identity="service" result=done duration_us=812 caller="ops\u{1b}[2J""#
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct AuditEvent {
    /// Seconds since 1970.
    pub time: u64,
    /// Name of the operation, such as `unwrap` or `enable-cmk`.
    pub operation: String,
    /// The key with its version, where one was used.
    pub key: Option<VersionedKeyId>,
    /// The resource, where it was done for one.
    pub resource: Option<String>,
    /// The identity that a vault was asked as, where one was.
    pub identity: Option<String>,
    /// Result of the operation.
    pub result: AuditResult,
    /// Duration in microseconds.
    pub duration_us: u64,
    /// Name of the caller, in the host's words.
    pub caller: Option<String>,
    /// Id that ties this to the host's own logs.
    pub correlation_id: Option<String>,
    /// The state that was read or written, or that a change was begun from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<StateMark>,
    /// Data that the service itself needs to go on from here; for nobody else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Value>,
    /// The time that was taken for right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock: Option<TimeMark>,
    /// Doubt about states that a repair of the trail left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doubt: Option<Doubt>,
}

impl AuditEvent {
    /// An event of `operation` that ended with `result`, and says nothing else yet. The [`Auditor`](super::Auditor)
    /// fills in time and caller.
    #[must_use]
    pub fn new(operation: &str, result: AuditResult) -> Self {
        Self {
            time: 0,
            operation: operation.to_owned(),
            key: None,
            resource: None,
            identity: None,
            result,
            duration_us: 0,
            caller: None,
            correlation_id: None,
            state: None,
            detail: None,
            clock: None,
            doubt: None,
        }
    }
}

impl fmt::Display for AuditEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "time={} operation=\"{}\"", self.time, printable(&self.operation))?;
        if let Some(key) = &self.key {
            write!(f, " key={key}")?;
        }
        if let Some(resource) = &self.resource {
            write!(f, " resource=\"{}\"", printable(resource))?;
        }
        if let Some(identity) = &self.identity {
            write!(f, " identity=\"{}\"", printable(identity))?;
        }
        write!(f, " result={} duration_us={}", self.result, self.duration_us)?;
        if let Some(caller) = &self.caller {
            write!(f, " caller=\"{}\"", printable(caller))?;
        }
        if let Some(correlation_id) = &self.correlation_id {
            write!(f, " correlation_id=\"{}\"", printable(correlation_id))?;
        }
        if let Some(state) = &self.state {
            write!(f, " state={state}")?;
        }
        if let Some(clock) = &self.clock {
            write!(f, " clock=\"{clock}\"")?;
        }
        if let Some(doubt) = &self.doubt {
            write!(f, " doubt={doubt}")?;
        }
        Ok(())
    }
}

/// Result of an operation.
///
/// # Example
///
/// ```
/// use strongroom_vault::audit::AuditResult;
/// use strongroom_vault::KeyName;
///
/// let outcome = KeyName::new("../invoices");
/// let result = AuditResult::of(&outcome);
/// assert!(matches!(&result, AuditResult::Failed(why) if why.contains("cannot name a key")));
/// assert_eq!(AuditResult::Done.to_string(), "done");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuditResult {
    /// It was done.
    Done,
    /// It is about to be done. The outcome follows, unless the process ends before.
    Begun,
    /// It was not, and why: an error's message.
    Failed(String),
}

impl AuditResult {
    /// The result that records `outcome`: an error with its message.
    #[must_use]
    pub fn of<T, E: fmt::Display>(outcome: &Result<T, E>) -> Self {
        match outcome {
            Ok(_) => Self::Done,
            Err(error) => Self::Failed(error.to_string()),
        }
    }
}

impl fmt::Display for AuditResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("done"),
            Self::Begun => f.write_str("begun"),
            Self::Failed(why) => write!(f, "failed (\"{}\")", printable(why)),
        }
    }
}

/// Destination of audit events.
///
/// # Example
///
/// ```
/// use std::sync::mpsc::{Sender, channel};
///
/// use strongroom_vault::audit::{AuditError, AuditEvent, AuditSink};
///
/// /// Hands events to the host's own log.
/// #[derive(Debug)]
/// struct Host(Sender<AuditEvent>);
///
/// #[async_trait::async_trait]
/// impl AuditSink for Host {
///     async fn record(&self, event: &AuditEvent) -> Result<(), AuditError> {
///         let gone = |_| AuditError::Unwritable { reason: "the host's log has ended".to_owned() };
///         self.0.send(event.clone()).map_err(gone)
///     }
/// }
///
/// let (sender, _receiver) = channel();
/// let sink: Box<dyn AuditSink> = Box::new(Host(sender));
/// ```
#[async_trait]
pub trait AuditSink: Send + Sync + fmt::Debug {
    /// Records `event`; it is kept when this returns.
    ///
    /// # Errors
    ///
    /// What hindered it. Changes of state and unwraps are then refused, unless the host chose otherwise.
    async fn record(&self, event: &AuditEvent) -> Result<(), AuditError>;

    /// Knowledge of what was recorded before, for a service that starts again. A sink that cannot be read has none:
    /// with it a store that is rolled back while no process runs goes unnoticed.
    async fn recall(&self) -> Known {
        Known::default()
    }

    /// The newest state of each name that has a [detail](AuditEvent::detail), with that.
    ///
    /// # Errors
    ///
    /// [`AuditError`] where what was recorded cannot be read.
    async fn outlines(&self) -> Result<BTreeMap<String, (StateMark, Value)>, AuditError> {
        Ok(BTreeMap::new())
    }
}
