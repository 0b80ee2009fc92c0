//! A vault that does what a test wants of it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use event_listener::Event;
use strongroom::secret::SecretVec;
use strongroom::wrap::Algorithm;

use crate::clock::Clock;
use crate::vault::{
    DeniedReason, KeyDescription, KeyName, Operation, Place, Vault, VaultError, VersionedKeyId,
};
use strongroom_vault::lock;

/// The fate of a request.
///
/// # Example
///
/// ```
/// use strongroom_keys::testing::Fault;
/// use strongroom_keys::vault::DeniedReason;
///
/// assert_ne!(Fault::Refuse(DeniedReason::Firewall), Fault::Hang);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is answered.
    None,
    /// It is refused, with the key that was asked about.
    Refuse(DeniedReason),
    /// It is refused with an answer about another key.
    RefuseOther(DeniedReason, VersionedKeyId),
    /// It is answered after a while.
    Delay(Duration),
    /// The vault is too busy, and may say for how long.
    Throttle(Option<Duration>),
    /// The vault cannot be reached.
    Fail,
    /// The vault says that the request makes no sense.
    Invalid,
    /// No answer until [`FaultyVault::release`]; then it is answered.
    Hang,
    /// It is done, and the answer is lost.
    LoseAnswer,
}

impl Fault {
    /// Its name in [`FaultyVault::hits`].
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Refuse(reason) => reason.name(),
            Self::RefuseOther(..) => "other-key",
            Self::Delay(_) => "delay",
            Self::Throttle(None) => "throttle",
            Self::Throttle(Some(_)) => "throttle-with-time",
            Self::Fail => "fail",
            Self::Invalid => "invalid",
            Self::Hang => "hang",
            Self::LoseAnswer => "lose-answer",
        }
    }
}

/// One request, for a closure to decide about.
///
/// # Example
///
/// ```
/// use strongroom_keys::testing::{Call, Operation};
///
/// let first = |call: &Call| call.number == 0 && call.operation == Operation::UnwrapKey;
/// # let _ = first;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The number of requests of any kind before.
    pub number: usize,
    /// The number of requests of this kind before.
    pub number_of_kind: usize,
    /// Describing (`Get`), wrapping or unwrapping.
    pub operation: Operation,
    /// The key; `None` of a request for the newest version.
    pub key: Option<VersionedKeyId>,
}

type Decide = Box<dyn FnMut(&Call) -> Fault + Send>;

/// Wraps any vault and decides, request by request, what becomes of it; counts what it did.
///
/// # Example
///
/// ```
/// use std::sync::Arc;
/// use strongroom_keys::testing::{Fault, FaultyVault, ManualClock, MemoryVault, Operation};
/// use strongroom_keys::vault::{DeniedReason, Vault};
///
/// # futures_lite::future::block_on(async {
/// let inner = Arc::new(MemoryVault::new("memory/customer"));
/// let key = inner.create_aes("documents")?;
/// let vault = FaultyVault::new(inner, Arc::new(ManualClock::default()));
/// vault.decide(|call| match call.number {
///     1 => Fault::Refuse(DeniedReason::Permission),
///     _ => Fault::None,
/// });
/// assert!(vault.describe(&key).await.is_ok());
/// assert!(vault.describe(&key).await.is_err());
/// assert_eq!(vault.hits(Operation::Get, "permission"), 1);
/// # Ok::<(), strongroom_keys::VaultError>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct FaultyVault {
    inner: Arc<dyn Vault>,
    clock: Arc<dyn Clock>,
    script: Mutex<Script>,
    released: Event,
}

struct Script {
    decide: Decide,
    calls: usize,
    of_kind: [usize; 3],
    hits: BTreeMap<(&'static str, &'static str), usize>,
    in_flight: usize,
    most_in_flight: usize,
    releases: usize,
}

impl FaultyVault {
    /// `inner`, faultless for the time being. Delays are slept on `clock`.
    #[must_use]
    pub fn new(inner: Arc<dyn Vault>, clock: Arc<dyn Clock>) -> Self {
        let script = Script {
            decide: Box::new(|_| Fault::None),
            calls: 0,
            of_kind: [0; 3],
            hits: BTreeMap::new(),
            in_flight: 0,
            most_in_flight: 0,
            releases: 0,
        };
        Self { inner, clock, script: Mutex::new(script), released: Event::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Script> {
        lock(&self.script)
    }

    /// Decides about every request from now on.
    pub fn decide(&self, decide: impl FnMut(&Call) -> Fault + Send + 'static) {
        self.lock().decide = Box::new(decide);
    }

    /// Does the same to every request from now on.
    pub fn always(&self, fault: Fault) {
        self.decide(move |_| fault.clone());
    }

    /// Answers all requests from now on, and those that hang.
    pub fn come_back(&self) {
        self.always(Fault::None);
        self.release();
    }

    /// Answers the requests that hang.
    pub fn release(&self) {
        self.lock().releases += 1;
        self.released.notify(usize::MAX);
    }

    /// The number of requests of this kind that met the fault of this [name](Fault::name).
    #[must_use]
    pub fn hits(&self, operation: Operation, fault: &str) -> usize {
        let hits = &self.lock().hits;
        hits.iter()
            .filter(|((kind, name), _)| *kind == kind_of(operation) && *name == fault)
            .map(|(_, count)| *count)
            .sum()
    }

    /// The number of requests of this kind.
    #[must_use]
    pub fn calls(&self, operation: Operation) -> usize {
        self.lock().of_kind.get(operation as usize).copied().unwrap_or_default()
    }

    /// Every kind of request with every fault it met, and how often.
    #[must_use]
    pub fn all_hits(&self) -> Vec<(&'static str, &'static str, usize)> {
        let hits = &self.lock().hits;
        hits.iter().map(|((kind, fault), count)| (*kind, *fault, *count)).collect()
    }

    /// The most requests that there were at once.
    #[must_use]
    pub fn most_at_once(&self) -> usize {
        self.lock().most_in_flight
    }

    /// Sets all counts to zero.
    pub fn reset_counts(&self) {
        let mut script = self.lock();
        (script.calls, script.of_kind, script.most_in_flight) = (0, [0; 3], script.in_flight);
        script.hits.clear();
    }

    async fn meet(
        &self,
        operation: Operation,
        key: Option<&VersionedKeyId>,
    ) -> Result<bool, VaultError> {
        let (fault, releases) = {
            let mut script = self.lock();
            let of_kind = script.of_kind.get(operation as usize).copied().unwrap_or_default();
            let (number, number_of_kind) = (script.calls, of_kind);
            let call = Call { number, number_of_kind, operation, key: key.cloned() };
            script.calls += 1;
            if let Some(count) = script.of_kind.get_mut(operation as usize) {
                *count += 1;
            }
            let fault = (script.decide)(&call);
            *script.hits.entry((kind_of(operation), fault.name())).or_default() += 1;
            (fault, script.releases)
        };
        match fault {
            Fault::None => Ok(false),
            Fault::LoseAnswer => Ok(true),
            Fault::Refuse(reason) => Err(VaultError::Denied { reason, key: key.cloned() }),
            Fault::RefuseOther(reason, key) => Err(VaultError::Denied { reason, key: Some(key) }),
            Fault::Delay(delay) => {
                self.clock.sleep(delay).await;
                Ok(false)
            }
            Fault::Throttle(retry_after) => {
                Err(VaultError::Unavailable { reason: "too many requests".into(), retry_after })
            }
            Fault::Fail => Err(lost()),
            Fault::Invalid => Err(VaultError::Invalid { reason: "the test says so".into() }),
            Fault::Hang => loop {
                let listener = self.released.listen();
                if self.lock().releases > releases {
                    return Ok(false);
                }
                listener.await;
            },
        }
    }

    async fn call<T>(
        &self,
        operation: Operation,
        key: Option<&VersionedKeyId>,
        request: impl Future<Output = Result<T, VaultError>> + Send,
    ) -> Result<T, VaultError> {
        let _in_flight = InFlight::enter(self);
        let answer_is_lost = self.meet(operation, key).await?;
        let answer = request.await;
        if answer_is_lost { Err(lost()) } else { answer }
    }
}

/// Counts a request, which may be dropped at any moment.
struct InFlight<'a>(&'a FaultyVault);

impl<'a> InFlight<'a> {
    fn enter(vault: &'a FaultyVault) -> Self {
        let mut script = vault.lock();
        script.in_flight += 1;
        script.most_in_flight = script.most_in_flight.max(script.in_flight);
        Self(vault)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.lock().in_flight -= 1;
    }
}

fn kind_of(operation: Operation) -> &'static str {
    match operation {
        Operation::Get => "describe",
        Operation::WrapKey => "wrap",
        Operation::UnwrapKey => "unwrap",
    }
}

fn lost() -> VaultError {
    VaultError::Unavailable { reason: "connection reset".to_owned(), retry_after: None }
}

impl fmt::Debug for FaultyVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultyVault").field("inner", &self.inner).finish_non_exhaustive()
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Vault for FaultyVault {
    fn id(&self) -> &str {
        self.inner.id()
    }

    fn place(&self) -> Place {
        self.inner.place()
    }

    async fn newest(&self, name: &KeyName) -> Result<KeyDescription, VaultError> {
        self.call(Operation::Get, None, self.inner.newest(name)).await
    }

    async fn describe(&self, id: &VersionedKeyId) -> Result<KeyDescription, VaultError> {
        self.call(Operation::Get, Some(id), self.inner.describe(id)).await
    }

    async fn wrap(
        &self,
        id: &VersionedKeyId,
        algorithm: Algorithm,
        payload: &[u8],
    ) -> Result<Vec<u8>, VaultError> {
        let request = self.inner.wrap(id, algorithm, payload);
        self.call(Operation::WrapKey, Some(id), request).await
    }

    async fn unwrap(
        &self,
        id: &VersionedKeyId,
        algorithm: Algorithm,
        wrapped: &[u8],
    ) -> Result<SecretVec, VaultError> {
        let request = self.inner.unwrap(id, algorithm, wrapped);
        self.call(Operation::UnwrapKey, Some(id), request).await
    }
    async fn unwrap_batch(
        &self,
        id: &VersionedKeyId,
        algorithm: Algorithm,
        wrapped: &[&[u8]],
    ) -> Vec<Result<SecretVec, VaultError>> {
        let request = async { Ok(self.inner.unwrap_batch(id, algorithm, wrapped).await) };
        match self.call(Operation::UnwrapKey, Some(id), request).await {
            Ok(secrets) => secrets,
            Err(error) => wrapped.iter().map(|_| Err(error.clone())).collect(),
        }
    }
}
