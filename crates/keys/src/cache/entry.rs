//! One layer of one resource: its keys, their age, and the one request that is under way for them.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{Shared, WeakShared};

use super::loading::{CacheKey, Loaded, Unavailable};
use super::settings::CacheSettings;
use crate::error::Error;
use crate::key_ring::KeyRing;
use crate::vault::VaultError;
use strongroom_vault::lock;

type Boxed = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;
/// A request for keys that any number of callers wait for. It goes on as long as one of them does, and is
/// dropped with the last.
pub(crate) type Request = Shared<Boxed>;

pub(crate) struct Entry {
    pub(super) key: CacheKey,
    settings: CacheSettings,
    inner: Mutex<Inner>,
    /// Copies of `Inner::generation` and of the time until which its keys may be used, for
    /// [`Entry::serves`], which takes no lock. They are written under the lock.
    generation: AtomicU64,
    usable_until: AtomicU64,
}

#[derive(Default)]
struct Inner {
    /// Counts wipes: a lease and a request belong to one generation.
    generation: u64,
    ring: Option<Arc<KeyRing>>,
    /// True while the resource had no customer key.
    alone: bool,
    /// The time at which the last request that succeeded was sent.
    started: Option<Duration>,
    /// The time at which a caller last asked for the keys.
    used: Duration,
    request: Option<WeakShared<Boxed>>,
    failure: Option<Failure>,
    /// True once the keys were replaced: these serve only while the new ones are not available.
    stale: bool,
}

/// The last failure since the last success.
struct Failure {
    error: Error,
    /// True for a refusal.
    definite: bool,
    attempts: u32,
    retry_at: Duration,
    /// The time since which the vault does not know the identity.
    identity_since: Option<Duration>,
}

/// The cache's answer to a caller.
pub(super) enum Next {
    Use(Arc<KeyRing>, u64),
    Fail(Error),
    Wait { request: Request, joined: bool },
}

/// The right to finish one request: it has no effect once the keys were wiped.
#[derive(Debug)]
pub(crate) struct Ticket {
    entry: Arc<Entry>,
    generation: u64,
}

impl Ticket {
    /// The keys that the request is for.
    pub(crate) fn key(&self) -> &CacheKey {
        &self.entry.key
    }
}

impl Entry {
    pub(super) fn new(key: CacheKey, settings: CacheSettings) -> Self {
        Self {
            key,
            settings,
            inner: Mutex::default(),
            generation: AtomicU64::new(0),
            usable_until: AtomicU64::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }

    /// Changes the entry, and publishes what [`Entry::serves`] reads.
    fn update<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> T {
        let mut inner = self.lock();
        let changed = change(&mut inner);
        let until = inner
            .ring
            .as_ref()
            .and(inner.started)
            .map_or(Duration::ZERO, |started| started.saturating_add(self.settings.max_age));
        self.usable_until.store(nanos(until), Ordering::Release);
        self.generation.store(inner.generation, Ordering::Release);
        changed
    }

    /// The keys at once where they are fresh, where a refresh loop keeps them fresh, and while the vault is
    /// left alone after a failure; else the request to wait for, made with `load` where none is under way.
    pub(super) fn next(
        self: &Arc<Self>,
        now: Duration,
        kept_fresh: bool,
        load: impl FnOnce(Ticket) -> Boxed,
    ) -> Next {
        let mut inner = self.lock();
        inner.used = now;
        let waiting = inner.failure.as_ref().is_some_and(|failure| now < failure.retry_at);
        let fresh = inner.age(now).is_some_and(|age| age < self.settings.refresh);
        let (fresh, kept_fresh) = (fresh && !inner.stale, kept_fresh && !inner.stale);
        if let Some(ring) = inner.usable(now, &self.settings)
            && (fresh || waiting || kept_fresh)
        {
            return Next::Use(ring, inner.generation);
        }
        if let Some(failure) = &inner.failure
            && waiting
        {
            return Next::Fail(failure.error.clone());
        }
        let (request, joined) = self.join(&mut inner, load);
        Next::Wait { request, joined }
    }

    /// The request under way, or a new one.
    pub(super) fn request(self: &Arc<Self>, load: impl FnOnce(Ticket) -> Boxed) -> Request {
        self.join(&mut self.lock(), load).0
    }

    fn join(
        self: &Arc<Self>,
        inner: &mut Inner,
        load: impl FnOnce(Ticket) -> Boxed,
    ) -> (Request, bool) {
        let under_way = inner.request.as_ref().and_then(WeakShared::upgrade);
        if let Some(request) = under_way.filter(|request| request.peek().is_none()) {
            return (request, true);
        }
        let ticket = Ticket { entry: Arc::clone(self), generation: inner.generation };
        let request = load(ticket).shared();
        inner.request = request.downgrade();
        (request, false)
    }

    /// Wipes the keys and ends all leases. With `refusal` callers get that error until its time.
    pub(super) fn wipe(&self, refusal: Option<(Error, Duration)>) {
        self.update(|inner| inner.wipe(refusal));
    }

    /// Has the keys asked for at once when a caller wants them next.
    pub(super) fn renew(&self) {
        let mut inner = self.lock();
        inner.failure = None;
        inner.stale = true;
        // The request under way may bring the keys from before.
        inner.request = None;
    }

    /// True where a lease of `generation` may be used now, by two loads and without a lock.
    pub(super) fn serves(&self, now: Duration, generation: u64) -> bool {
        self.generation.load(Ordering::Acquire) == generation
            && nanos(now) < self.usable_until.load(Ordering::Acquire)
    }

    /// The error of a lease of `generation` that does not serve.
    pub(super) fn lease_error(&self, generation: u64) -> Error {
        let resource = self.key.resource.clone();
        let inner = self.lock();
        if inner.generation != generation {
            let refusal = inner.failure.as_ref().filter(|failure| failure.definite);
            return refusal.map_or(Error::LeaseEnded { resource }, |failure| failure.error.clone());
        }
        let too_old = Error::NotRefreshed { resource };
        inner.failure.as_ref().map_or(too_old, |failure| failure.error.clone())
    }

    /// The keys, unless they are too old, and their generation.
    pub(super) fn usable(&self, now: Duration) -> Option<(Arc<KeyRing>, u64)> {
        let inner = self.lock();
        inner.usable(now, &self.settings).map(|ring| (ring, inner.generation))
    }

    /// Replaces the keys of an unchanged root by those of a newer state.
    pub(super) fn replace(&self, old: &Arc<KeyRing>, new: Arc<KeyRing>) {
        let mut inner = self.lock();
        if inner.ring.as_ref().is_some_and(|ring| Arc::ptr_eq(ring, old)) {
            inner.ring = Some(new);
        }
    }

    pub(super) fn age(&self, now: Duration) -> Option<Duration> {
        self.lock().age(now)
    }

    /// The time at which the refresh loop is to ask again; `None` where the keys are not in use any more.
    /// `is_held` is true while a lease or a caller has the entry.
    pub(super) fn due(&self, now: Duration, is_held: bool) -> Option<Duration> {
        self.update(|inner| {
            if inner.usable(now, &self.settings).is_none() {
                inner.ring = None; // too old: not kept in memory either
            }
            if !is_held && now.saturating_sub(inner.used) >= self.settings.max_age {
                return None;
            }
            let due = match (inner.started, &inner.failure) {
                (Some(started), _) => started.saturating_add(self.settings.refresh),
                (None, Some(_)) => now,
                // There is nothing to keep fresh: a caller that wants these keys asks for them.
                (None, None) => now.saturating_add(self.settings.refresh),
            };
            Some(inner.failure.as_ref().map_or(due, |failure| due.max(failure.retry_at)))
        })
    }

    /// The last failure, and whether the keys' time is up.
    pub(super) fn last_failure(&self, now: Duration) -> Option<(Error, bool)> {
        let inner = self.lock();
        let failure = inner.failure.as_ref()?;
        Some((failure.error.clone(), inner.usable(now, &self.settings).is_none()))
    }

    /// The error that callers get while the vault does not answer.
    fn unreachable(&self, error: &Error) -> Error {
        match error {
            // These say themselves what to do.
            Error::Unreachable { .. } | Error::NoVault { .. } => error.clone(),
            other => {
                let (resource, source) = (self.key.resource.clone(), Box::new(other.clone()));
                Error::Unreachable { resource, source }
            }
        }
    }
}

/// The ends of a request. Keys that were wiped in between stay wiped.
impl Ticket {
    /// Changes the entry, unless it was wiped since the request began; `None` where it was.
    fn update<T>(&self, change: impl FnOnce(&mut Inner) -> T) -> Option<T> {
        self.entry.update(|inner| (inner.generation == self.generation).then(|| change(inner)))
    }

    /// Ends the request with keys.
    pub(crate) fn insert(&self, loaded: Loaded) {
        self.update(|inner| {
            // A lease from before a customer's key was enabled does not hold that key's layer: it would go
            // on when the key is withdrawn.
            if inner.alone && loaded.ring.under_cmk {
                inner.wipe(None);
            }
            inner.alone = !loaded.ring.under_cmk;
            inner.started = Some(loaded.started);
            inner.ring = Some(Arc::new(loaded.ring));
            inner.failure = None;
            inner.stale = false;
        });
    }

    /// Ends a request whose keys do not exist any more, which says nothing about the other layer.
    pub(crate) fn remove(&self) {
        self.wipe(None);
    }

    /// The error that callers get while the vault does not answer.
    pub(crate) fn unreachable(&self, error: &Error) -> Error {
        self.entry.unreachable(error)
    }

    /// Wipes the keys and ends all leases; false where that was done since the request began.
    pub(super) fn wipe(&self, refusal: Option<(Error, Duration)>) -> bool {
        self.update(|inner| inner.wipe(refusal)).is_some()
    }

    /// Notes a failure. Returns true where the identity was not known for the whole of the keys' time.
    pub(super) fn fail(&self, failure: &Unavailable, now: Duration) -> bool {
        let settings = &self.entry.settings;
        let Unavailable { error, retry_after, identity } = failure;
        let noted = self.update(|inner| {
            let before = inner.failure.take();
            let attempts = before.as_ref().map_or(0, |failure| failure.attempts).saturating_add(1);
            // 1/8, 1/4, 1/2, 1 of the longest pause. The vault's own delay is obeyed up to `max_age`: one of
            // weeks must not outlast the outage.
            let pause = settings.retry_at_most / (8 >> attempts.saturating_sub(1).min(3));
            let pause = retry_after.map_or(pause, |delay| delay.min(settings.max_age).max(pause));
            // The time of the first identity error stays until the vault answers differently. A timeout does
            // not reset it.
            let since = before.and_then(|failure| failure.identity_since);
            let answered = matches!(error, Error::Vault(VaultError::Denied { .. }));
            let identity_since =
                if *identity { since.or(Some(now)) } else { since.filter(|_| !answered) };
            let elapsed = identity_since.map_or(Duration::ZERO, |since| now.saturating_sub(since));
            inner.failure = Some(Failure {
                error: self.entry.unreachable(error),
                definite: false,
                attempts,
                retry_at: now.saturating_add(pause),
                identity_since,
            });
            *identity
                && inner.usable(now, settings).is_none()
                && elapsed >= settings.max_age.saturating_sub(settings.refresh)
        });
        noted.unwrap_or(false)
    }
}

impl Inner {
    fn age(&self, now: Duration) -> Option<Duration> {
        self.ring.as_ref().and(self.started).map(|started| now.saturating_sub(started))
    }

    fn usable(&self, now: Duration, settings: &CacheSettings) -> Option<Arc<KeyRing>> {
        self.ring.clone().filter(|_| self.age(now).is_some_and(|age| age < settings.max_age))
    }

    fn wipe(&mut self, refusal: Option<(Error, Duration)>) {
        self.generation = self.generation.wrapping_add(1);
        self.ring = None;
        self.started = None;
        self.request = None;
        self.failure = refusal.map(|(error, retry_at)| Failure {
            error,
            definite: true,
            attempts: 0,
            retry_at,
            identity_since: None,
        });
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("key", &self.key).finish_non_exhaustive()
    }
}
