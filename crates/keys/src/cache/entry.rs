//! One layer of one resource: its keys, their age, and the one request that is under way for them.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{Shared as SharedFuture, WeakShared};

use super::{CacheKey, LoadError, Shared};
use crate::error::Error;
use crate::key_ring::KeyRing;
use crate::planted::{PlantedBug, is_planted};
use crate::vault::VaultError;

type Boxed = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;
/// A request that any number of callers wait for. It goes on as long as one of them does, and is given up
/// with the last.
pub(super) type Flight = SharedFuture<Boxed>;

pub(super) struct Entry {
    pub(super) root: CacheKey,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// Counts wipes: a lease and a request are of one generation.
    generation: u64,
    ring: Option<Arc<KeyRing>>,
    /// Whether they were the only layer's of their resource.
    alone: bool,
    /// When the last request that succeeded was sent.
    started: Option<Duration>,
    /// When somebody last asked.
    used: Duration,
    flight: Option<WeakShared<Boxed>>,
    failure: Option<Failure>,
    /// The keys were replaced: those at hand serve only while the new ones cannot be had.
    stale: bool,
}

/// What went wrong since the last success.
struct Failure {
    error: Error,
    /// Whether that was a definite word.
    definite: bool,
    attempts: u32,
    retry_at: Duration,
    /// Since when the vault says that it does not know the identity.
    identity_since: Option<Duration>,
}

/// What to do for a caller.
pub(super) enum Next {
    Use(Arc<KeyRing>, u64),
    Fail(Error),
    Wait { flight: Flight, joined: bool },
}

impl Entry {
    pub(super) fn new(root: CacheKey) -> Self {
        Self { root, inner: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a caller gets: fresh keys at once; older ones at once where somebody else keeps them fresh or
    /// the vault is to be left alone; else a request.
    pub(super) fn next(self: &Arc<Self>, shared: &Arc<Shared>, kept_fresh: bool) -> Next {
        let now = shared.clock.elapsed();
        let mut inner = self.lock();
        inner.used = now;
        let waiting = inner.failure.as_ref().is_some_and(|failure| now < failure.retry_at);
        let fresh = inner.age(now).is_some_and(|age| age < shared.settings.refresh);
        let (fresh, kept_fresh) = (fresh && !inner.stale, kept_fresh && !inner.stale);
        if let Some(ring) = inner.usable(now, shared.settings.max_age)
            && (fresh || waiting || kept_fresh)
        {
            return Next::Use(ring, inner.generation);
        }
        if let Some(failure) = &inner.failure
            && waiting
        {
            return Next::Fail(failure.error.clone());
        }
        let joined = inner.flight.as_ref().and_then(WeakShared::upgrade);
        let joined = joined.filter(|flight| flight.peek().is_none());
        match joined {
            Some(flight) => Next::Wait { flight, joined: true },
            None => Next::Wait { flight: self.begin(&mut inner, shared), joined: false },
        }
    }

    /// The request under way, or a new one.
    pub(super) fn flight(self: &Arc<Self>, shared: &Arc<Shared>) -> Flight {
        let mut inner = self.lock();
        let joined = inner.flight.as_ref().and_then(WeakShared::upgrade);
        let joined = joined.filter(|flight| flight.peek().is_none());
        joined.unwrap_or_else(|| self.begin(&mut inner, shared))
    }

    fn begin(self: &Arc<Self>, inner: &mut Inner, shared: &Arc<Shared>) -> Flight {
        let (entry, shared, generation) = (Arc::clone(self), Arc::clone(shared), inner.generation);
        let boxed: Boxed = Box::pin(async move { entry.load(&shared, generation).await });
        let flight = boxed.shared();
        inner.flight = flight.downgrade();
        flight
    }

    async fn load(&self, shared: &Shared, generation: u64) -> Result<(), Error> {
        shared.loads.fetch_add(1, Ordering::Relaxed);
        let loaded = shared.source.load(&self.root).await;
        let now = shared.clock.elapsed();
        let failure = match loaded {
            Ok(loaded) => {
                let mut inner = self.lock();
                // Keys that were asked for before a wipe are not put back after it.
                if inner.generation == generation {
                    // A lease from before a customer's key was enabled knows nothing of that key's layer:
                    // it would go on when the key is withdrawn.
                    if inner.alone && loaded.ring.under_cmk {
                        inner.wipe(None);
                    }
                    inner.alone = !loaded.ring.under_cmk;
                    inner.started = Some(loaded.started);
                    inner.ring = Some(Arc::new(loaded.ring));
                    inner.failure = None;
                    inner.stale = false;
                }
                return Ok(());
            }
            Err(failure) => failure,
        };
        match failure {
            LoadError::Refused(error) => {
                shared.refusals.fetch_add(1, Ordering::Relaxed);
                self.refuse(generation, &error, now, shared);
                Err(error)
            }
            LoadError::Gone(error) => {
                let mut inner = self.lock();
                if inner.generation == generation {
                    inner.wipe(None);
                }
                Err(error)
            }
            LoadError::Unavailable { error, retry_after, identity } => {
                if self.fail(generation, &error, retry_after, identity, now, shared)
                    && let Some(error) = shared.source.identity_is_gone(&self.root).await
                {
                    self.refuse(generation, &error, now, shared);
                    return Err(error);
                }
                Err(self.unreachable(&error))
            }
        }
    }

    /// Notes a failure; whether it was that the identity is not known for the whole of the keys' time.
    fn fail(
        &self,
        generation: u64,
        error: &Error,
        retry_after: Option<Duration>,
        identity: bool,
        now: Duration,
        shared: &Shared,
    ) -> bool {
        let settings = &shared.settings;
        let mut inner = self.lock();
        if inner.generation != generation {
            return false;
        }
        let before = inner.failure.take();
        let attempts = before.as_ref().map_or(0, |failure| failure.attempts).saturating_add(1);
        // 1/8, 1/4, 1/2, 1 of the longest pause; what the vault asks for is heeded, within reason: a
        // word of weeks must not outlast the outage.
        let pause = settings.retry_at_most / (8 >> attempts.saturating_sub(1).min(3));
        let pause = retry_after.map_or(pause, |asked| asked.min(settings.max_age).max(pause));
        // Identity answers stand until something else is heard; silence says nothing.
        let since = before.and_then(|failure| failure.identity_since);
        let heard = matches!(error, Error::Vault(VaultError::Denied { .. }));
        let identity_since = if identity { since.or(Some(now)) } else { since.filter(|_| !heard) };
        let elapsed = identity_since.map_or(Duration::ZERO, |since| now.saturating_sub(since));
        let stands = identity
            && inner.usable(now, settings.max_age).is_none()
            && elapsed >= settings.max_age.saturating_sub(settings.refresh);
        inner.failure = Some(Failure {
            error: self.unreachable(error),
            definite: false,
            attempts,
            retry_at: now.saturating_add(pause),
            identity_since,
        });
        stands
    }

    /// Wipes the keys after a definite word, and those of the resource's other layer.
    fn refuse(&self, generation: u64, error: &Error, now: Duration, shared: &Shared) {
        let refusal = (error.clone(), now.saturating_add(shared.settings.refresh));
        {
            let mut inner = self.lock();
            if inner.generation != generation {
                return;
            }
            inner.wipe(Some(refusal.clone()));
        }
        if let Some(other) = shared.other_layer(&self.root) {
            other.wipe(Some(refusal));
        }
    }

    /// Wipes the keys and ends all leases.
    pub(super) fn wipe(&self, refusal: Option<(Error, Duration)>) {
        self.lock().wipe(refusal);
    }

    /// Has the keys asked for at once when somebody wants them next.
    pub(super) fn renew(&self) {
        let mut inner = self.lock();
        inner.failure = None;
        inner.stale = true;
        // What is under way may bring the keys from before.
        inner.flight = None;
    }

    /// Whether a lease of `generation` may be used now.
    pub(super) fn check(&self, shared: &Shared, generation: u64) -> Result<(), Error> {
        let now = shared.clock.elapsed();
        let mut inner = self.lock();
        inner.used = now;
        if inner.generation != generation {
            let definite = inner.failure.as_ref().filter(|failure| failure.definite);
            let ended = || Error::LeaseEnded { resource: self.root.resource.clone() };
            return Err(definite.map_or_else(ended, |failure| failure.error.clone()));
        }
        if inner.usable(now, shared.settings.max_age).is_some() {
            return Ok(());
        }
        let failure = inner.failure.as_ref().map(|failure| failure.error.clone());
        Err(failure.unwrap_or_else(|| {
            let reason = "its keys were not refreshed in time; spawn KeyCache::run".to_owned();
            Error::Unreachable { resource: self.root.resource.clone(), reason }
        }))
    }

    /// The keys, if they are not too old.
    pub(super) fn usable(&self, shared: &Shared) -> (Option<Arc<KeyRing>>, u64) {
        let inner = self.lock();
        (inner.usable(shared.clock.elapsed(), shared.settings.max_age), inner.generation)
    }

    pub(super) fn replace(&self, old: &Arc<KeyRing>, new: Arc<KeyRing>) {
        let mut inner = self.lock();
        if inner.ring.as_ref().is_some_and(|ring| Arc::ptr_eq(ring, old)) {
            inner.ring = Some(new);
        }
    }

    pub(super) fn age(&self, now: Duration) -> Option<Duration> {
        self.lock().age(now)
    }

    /// When the background loop is to ask again; `None` where nobody uses the keys any more.
    pub(super) fn due(self: &Arc<Self>, shared: &Shared) -> Option<Duration> {
        let (now, settings) = (shared.clock.elapsed(), &shared.settings);
        let mut inner = self.lock();
        if inner.usable(now, settings.max_age).is_none() {
            inner.ring = None; // too old: not kept in memory either
        }
        // The map's and the loop's are two; any more is a lease or a caller.
        let in_use =
            Arc::strong_count(self) > 2 || now.saturating_sub(inner.used) < settings.max_age;
        if !in_use {
            return None;
        }
        let due = match (inner.started, &inner.failure) {
            (Some(started), _) => started.saturating_add(settings.refresh),
            (None, Some(_)) => now,
            // Nothing to keep fresh: whoever wants these keys asks for them.
            (None, None) => now.saturating_add(settings.refresh),
        };
        Some(inner.failure.as_ref().map_or(due, |failure| due.max(failure.retry_at)))
    }

    /// What went wrong last, and whether the keys' time is up.
    pub(super) fn last_failure(&self, now: Duration, max_age: Duration) -> Option<(Error, bool)> {
        let inner = self.lock();
        let failure = inner.failure.as_ref()?;
        Some((failure.error.clone(), inner.usable(now, max_age).is_none()))
    }

    fn unreachable(&self, error: &Error) -> Error {
        match error {
            Error::Unreachable { .. } => error.clone(),
            other => Error::Unreachable {
                resource: self.root.resource.clone(),
                reason: other.to_string(),
            },
        }
    }
}

impl Inner {
    fn age(&self, now: Duration) -> Option<Duration> {
        self.ring.as_ref().and(self.started).map(|started| now.saturating_sub(started))
    }

    fn usable(&self, now: Duration, max_age: Duration) -> Option<Arc<KeyRing>> {
        let young = |age| age < max_age || is_planted(PlantedBug::KeysKeptTooLong);
        self.ring.clone().filter(|_| self.age(now).is_some_and(young))
    }

    fn wipe(&mut self, refusal: Option<(Error, Duration)>) {
        if refusal.is_some() && is_planted(PlantedBug::KeysKeptOnDenial) {
            return;
        }
        self.generation = self.generation.wrapping_add(1);
        self.ring = None;
        self.started = None;
        self.flight = None;
        self.failure = refusal.map(|(error, retry_at)| Failure {
            error,
            definite: true,
            attempts: 0,
            retry_at,
            identity_since: None,
        });
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("root", &self.root).finish_non_exhaustive()
    }
}
