//! The audit trail: one event for each wrap, unwrap, key look-up and change of state.

use async_trait::async_trait;

use crate::vault::VersionedKeyId;

/// What happened, to which key and resource, who asked, and how it ended. Never a secret.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct AuditEvent {
    /// Seconds since 1970.
    pub time: u64,
    /// What was done, such as `unwrap` or `enable-cmk`.
    pub operation: String,
    /// The key with its version, where one was used.
    pub key: Option<VersionedKeyId>,
    /// The resource, where it was done for one.
    pub resource: Option<String>,
    /// How it ended.
    pub result: AuditResult,
    /// How long it took, in microseconds.
    pub duration_us: u64,
    /// Who asked, in the host's words.
    pub caller: Option<String>,
    /// What ties this to the host's own logs.
    pub correlation_id: Option<String>,
}

/// How an operation ended.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuditResult {
    /// It was done.
    Done,
    /// It was not, and why: an error's message.
    Failed(String),
}

/// Where audit events go.
#[async_trait]
pub trait AuditSink: Send + Sync + std::fmt::Debug {
    /// Records `event`; it is kept when this returns.
    ///
    /// # Errors
    ///
    /// What hindered it. Changes of state and unwraps are then refused, unless the host chose otherwise.
    async fn record(&self, event: &AuditEvent) -> Result<(), AuditError>;
}

/// What is wrong with the audit trail.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuditError {
    /// A sink could not keep an event.
    #[error("the audit trail cannot be written: {reason}; nothing is done that leaves no trace")]
    Unwritable {
        /// What hindered it.
        reason: String,
    },
}
