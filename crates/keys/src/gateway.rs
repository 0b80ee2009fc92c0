//! The one way to a vault: so many requests at once, each with a time limit, each in the audit trail.

use std::collections::HashMap;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_lock::Semaphore;
use futures_util::future::{Either, select};
use strongroom::secret::SecretVec;
use strongroom::wrap::Algorithm;

use crate::audit::{AuditError, AuditResult, AuditSink, Auditor, Caller};
use crate::clock::Clock;
use crate::vault::{KeyDescription, KeyName, Vault, VaultError, VersionedKeyId};

/// For which resource, and who asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin<'a> {
    pub(crate) resource: Option<&'a str>,
    pub(crate) caller: &'a Caller,
}

/// Why nothing came back.
#[derive(Clone, Debug)]
pub(crate) enum AskError {
    Vault(VaultError),
    Audit(AuditError),
}

impl From<VaultError> for AskError {
    fn from(error: VaultError) -> Self {
        Self::Vault(error)
    }
}

/// What came back, and when the request was sent, in [`Clock::elapsed`]'s time.
#[derive(Debug)]
pub(crate) struct Answer<T> {
    pub(crate) value: T,
    pub(crate) started: Duration,
}

/// How vaults are asked.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use strongroom_keys::resource::VaultLimits;
///
/// let limits = VaultLimits { request_timeout: Duration::from_secs(2), ..VaultLimits::default() };
/// assert_eq!(limits.requests_per_vault, 16);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VaultLimits {
    /// How long a request may take, its wait for a turn included; 3 s. After that the vault counts as
    /// unreachable for the moment.
    pub request_timeout: Duration,
    /// Requests at once to each vault; 16. A vault that hangs takes up its own turns only.
    pub requests_per_vault: usize,
}

impl Default for VaultLimits {
    fn default() -> Self {
        Self { request_timeout: Duration::from_secs(3), requests_per_vault: 16 }
    }
}

/// What was asked of vaults so far.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) requests: AtomicU64,
    pub(crate) unwraps: AtomicU64,
    pub(crate) failures: AtomicU64,
    pub(crate) denials: AtomicU64,
    pub(crate) latency_us: AtomicU64,
    pub(crate) latency_max_us: AtomicU64,
}

#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) clock: Arc<dyn Clock>,
    auditor: Auditor,
    pub(crate) limits: VaultLimits,
    pub(crate) counters: Counters,
    turns: Mutex<HashMap<String, Arc<Semaphore>>>,
}

impl Gateway {
    pub(crate) fn new(
        clock: Arc<dyn Clock>,
        audit: Arc<dyn AuditSink>,
        audit_required: bool,
        limits: VaultLimits,
    ) -> Self {
        let (counters, turns) = (Counters::default(), Mutex::default());
        let auditor = Auditor::new(audit, Arc::clone(&clock), audit_required);
        Self { clock, auditor, limits, counters, turns }
    }

    pub(crate) async fn newest(
        &self,
        vault: &dyn Vault,
        name: &KeyName,
        origin: Origin<'_>,
    ) -> Result<KeyDescription, AskError> {
        self.ask(vault.id(), "describe", None, origin, vault.newest(name)).await.map(value)
    }

    pub(crate) async fn describe(
        &self,
        vault: &dyn Vault,
        key: &VersionedKeyId,
        origin: Origin<'_>,
    ) -> Result<KeyDescription, AskError> {
        self.ask(vault.id(), "describe", Some(key), origin, vault.describe(key)).await.map(value)
    }

    pub(crate) async fn wrap(
        &self,
        vault: &dyn Vault,
        key: &VersionedKeyId,
        algorithm: Algorithm,
        payload: &SecretVec,
        origin: Origin<'_>,
    ) -> Result<Vec<u8>, AskError> {
        let request = vault.wrap(key, algorithm, payload.expose());
        self.ask(vault.id(), "wrap", Some(key), origin, request).await.map(value)
    }

    pub(crate) async fn unwrap(
        &self,
        vault: &dyn Vault,
        key: &VersionedKeyId,
        algorithm: Algorithm,
        wrapped: &[u8],
        origin: Origin<'_>,
    ) -> Result<Answer<SecretVec>, AskError> {
        let request = vault.unwrap(key, algorithm, wrapped);
        self.ask(vault.id(), "unwrap", Some(key), origin, request).await
    }

    /// Waits for a turn, asks, gives up after the time limit, and records how it ended.
    async fn ask<T>(
        &self,
        vault: &str,
        operation: &'static str,
        key: Option<&VersionedKeyId>,
        origin: Origin<'_>,
        request: impl Future<Output = Result<T, VaultError>>,
    ) -> Result<Answer<T>, AskError> {
        let timeout = self.limits.request_timeout;
        let limit = pin!(self.clock.sleep(timeout));
        let turn = pin!(self.turns_of(vault).acquire_arc());
        let (turn, limit) = match select(turn, limit).await {
            Either::Left(both) => both,
            Either::Right(_) => {
                let reason = format!("{vault}: no turn within {timeout:?}, it answers too slowly");
                return Err(VaultError::Unavailable { reason, retry_after: None }.into());
            }
        };
        let started = self.clock.elapsed();
        let result = match select(pin!(request), limit).await {
            Either::Left((result, _)) => result,
            Either::Right(_) => {
                let reason = format!("{vault}: no answer within {timeout:?}");
                Err(VaultError::Unavailable { reason, retry_after: None })
            }
        };
        drop(turn); // the trail may be slow, and is no matter of the vault's
        let duration = self.clock.elapsed().saturating_sub(started);
        self.count(operation, duration, result.as_ref().err());
        let outcome = match &result {
            Ok(_) => AuditResult::Done,
            Err(error) => AuditResult::Failed(error.to_string()),
        };
        let recorded = self.record(operation, key, origin, outcome, duration).await;
        let value = result?; // a refusal counts, whether it could be recorded or not
        recorded.map_err(AskError::Audit)?;
        Ok(Answer { value, started })
    }

    /// Records one event.
    ///
    /// # Errors
    ///
    /// Where the sink fails and the trail is required.
    pub(crate) async fn record(
        &self,
        operation: &str,
        key: Option<&VersionedKeyId>,
        origin: Origin<'_>,
        result: AuditResult,
        duration: Duration,
    ) -> Result<(), AuditError> {
        self.auditor.record(operation, key, origin.resource, result, duration, origin.caller).await
    }

    fn turns_of(&self, vault: &str) -> Arc<Semaphore> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Semaphore::new(self.limits.requests_per_vault.max(1)));
        Arc::clone(turns.entry(vault.to_owned()).or_insert_with(new))
    }

    fn count(&self, operation: &str, duration: Duration, error: Option<&VaultError>) {
        let counters = &self.counters;
        counters.requests.fetch_add(1, Ordering::Relaxed);
        counters.latency_us.fetch_add(micros(duration), Ordering::Relaxed);
        counters.latency_max_us.fetch_max(micros(duration), Ordering::Relaxed);
        if operation == "unwrap" {
            counters.unwraps.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(error) = error {
            counters.failures.fetch_add(1, Ordering::Relaxed);
            if matches!(error, VaultError::Denied { .. }) {
                counters.denials.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

fn value<T>(answer: Answer<T>) -> T {
    answer.value
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
