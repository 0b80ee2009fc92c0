//! The only caller of a vault. It bounds the requests to each vault, times them out and audits them.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_lock::Semaphore;
use futures_util::future::{Either, select};
use serde_json::Value;
use strongroom::secret::SecretVec;
use strongroom::wrap::Algorithm;

use crate::audit::{
    AuditError, AuditEvent, AuditResult, AuditSink, Auditor, Caller, Known, StateMark,
};
use crate::clock::Clock;
use crate::error::Error;
use crate::vault::{KeyDescription, KeyName, Vault, VaultError, VersionedKeyId};
use strongroom_vault::lock;

/// The identity for requests to the service's own vault, in the audit trail.
pub(crate) const SERVICE: &str = "the service";

/// The resource that a request is for, the caller that it is made for, and the identity that asks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin<'a> {
    pub(crate) resource: Option<&'a str>,
    pub(crate) caller: &'a Caller,
    pub(crate) identity: &'a str,
    /// True where a trail that cannot be written hinders nothing: access is taken away.
    pub(crate) lenient: bool,
}

impl<'a> Origin<'a> {
    /// The same, asking as another identity.
    pub(crate) fn asked_as(self, identity: &'a str) -> Self {
        Self { identity, ..self }
    }
}

/// A vault's answer, and when the request was sent, in [`Clock::elapsed`]'s time.
#[derive(Debug)]
pub(crate) struct Timed<T> {
    pub(crate) value: T,
    pub(crate) started: Duration,
}

/// Limits of the requests to a vault.
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
    /// The time that a request may take, its wait for a permit included; 3 s. After that the vault counts as
    /// unreachable for the moment.
    pub request_timeout: Duration,
    /// Requests at once to each vault; 16. A vault that hangs takes up its own permits only.
    pub requests_per_vault: usize,
}

impl Default for VaultLimits {
    fn default() -> Self {
        Self { request_timeout: Duration::from_secs(3), requests_per_vault: 16 }
    }
}

/// Counts of the requests to vaults.
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
pub(crate) struct VaultClient {
    clock: Arc<dyn Clock>,
    auditor: Auditor,
    limits: VaultLimits,
    pub(crate) counters: Counters,
    permits: Mutex<BTreeMap<String, Arc<Semaphore>>>,
}

/// The client of one vault, for one origin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BoundClient<'a> {
    client: &'a VaultClient,
    vault: &'a dyn Vault,
    origin: Origin<'a>,
}

impl VaultClient {
    pub(crate) fn new(
        clock: Arc<dyn Clock>,
        audit: Arc<dyn AuditSink>,
        audit_required: bool,
        limits: VaultLimits,
    ) -> Self {
        let auditor = Auditor::new(audit, Arc::clone(&clock), audit_required);
        Self { clock, auditor, limits, counters: Counters::default(), permits: Mutex::default() }
    }

    /// A client that asks `vault` on behalf of `origin`.
    pub(crate) fn at<'a>(&'a self, vault: &'a dyn Vault, origin: Origin<'a>) -> BoundClient<'a> {
        BoundClient { client: self, vault, origin }
    }

    /// Records `event`, with what `origin` says.
    ///
    /// # Errors
    ///
    /// The sink's, where the trail is required.
    pub(crate) async fn record(
        &self,
        event: AuditEvent,
        origin: Origin<'_>,
    ) -> Result<(), AuditError> {
        let event = AuditEvent {
            resource: origin.resource.map(str::to_owned),
            identity: Some(origin.identity.to_owned()),
            ..event
        };
        self.auditor.record(event, origin.caller).await
    }

    /// The newest state of each resource that was recorded before, without its keys.
    pub(crate) async fn outlines(
        &self,
    ) -> Result<BTreeMap<String, (StateMark, Value)>, AuditError> {
        self.auditor.outlines().await
    }

    /// Knowledge of the trail from before this process.
    pub(crate) async fn recall(&self) -> Known {
        self.auditor.recall().await
    }

    fn permits_of(&self, vault: &str) -> Arc<Semaphore> {
        let mut permits = lock(&self.permits);
        let new = || Arc::new(Semaphore::new(self.limits.requests_per_vault.max(1)));
        Arc::clone(permits.entry(vault.to_owned()).or_insert_with(new))
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

impl BoundClient<'_> {
    pub(crate) async fn newest(self, name: &KeyName) -> Result<KeyDescription, Error> {
        let described = |found: &KeyDescription| Some(found.id.clone());
        Ok(self.request("describe", None, described, self.vault.newest(name)).await?.value)
    }

    pub(crate) async fn describe(self, key: &VersionedKeyId) -> Result<KeyDescription, Error> {
        Ok(self.about("describe", key, self.vault.describe(key)).await?.value)
    }

    pub(crate) async fn wrap(
        self,
        key: &VersionedKeyId,
        algorithm: Algorithm,
        payload: &SecretVec,
    ) -> Result<Vec<u8>, Error> {
        let wrapping = self.vault.wrap(key, algorithm, payload.expose());
        Ok(self.about("wrap", key, wrapping).await?.value)
    }

    pub(crate) async fn unwrap(
        self,
        key: &VersionedKeyId,
        algorithm: Algorithm,
        wrapped: &[u8],
    ) -> Result<Timed<SecretVec>, Error> {
        self.about("unwrap", key, self.vault.unwrap(key, algorithm, wrapped)).await
    }

    async fn about<T>(
        self,
        operation: &'static str,
        key: &VersionedKeyId,
        answer: impl Future<Output = Result<T, VaultError>>,
    ) -> Result<Timed<T>, Error> {
        self.request(operation, Some(key), |_| None, answer).await
    }

    /// Waits for a permit, asks, gives up after the time limit, and records how it ended: about `key`, or
    /// the one that the answer is about.
    async fn request<T>(
        self,
        operation: &'static str,
        key: Option<&VersionedKeyId>,
        key_of: impl FnOnce(&T) -> Option<VersionedKeyId>,
        answer: impl Future<Output = Result<T, VaultError>>,
    ) -> Result<Timed<T>, Error> {
        let (client, vault) = (self.client, self.vault.id());
        let timeout = client.limits.request_timeout;
        let limit = pin!(client.clock.sleep(timeout));
        let permit = pin!(client.permits_of(vault).acquire_arc());
        let (permit, limit) = match select(permit, limit).await {
            Either::Left(both) => both,
            Either::Right(_) => {
                let reason = format!("{vault}: no turn within {timeout:?}, it answers too slowly");
                return Err(VaultError::Unavailable { reason, retry_after: None }.into());
            }
        };
        let started = client.clock.elapsed();
        let result = match select(pin!(answer), limit).await {
            Either::Left((result, _)) => result,
            Either::Right(_) => {
                let reason = format!("{vault}: no answer within {timeout:?}");
                Err(VaultError::Unavailable { reason, retry_after: None })
            }
        };
        drop(permit); // before the audit write, which may be slow
        let duration = client.clock.elapsed().saturating_sub(started);
        client.count(operation, duration, result.as_ref().err());
        let found = result.as_ref().ok().and_then(key_of);
        let event = AuditEvent {
            key: key.cloned().or(found),
            duration_us: micros(duration),
            ..AuditEvent::new(operation, AuditResult::of(&result))
        };
        let recorded = client.record(event, self.origin).await;
        let value = result?; // takes precedence over a failed audit write
        if !self.origin.lenient {
            recorded?;
        }
        Ok(Timed { value, started })
    }
}

/// Microseconds, as events have them.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
