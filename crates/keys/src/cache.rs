//! Unwrapped keys in memory, and for how long they may be used.
//!
//! Each layer of a resource, its service keys and its customer keys, is one entry. It is asked for again
//! every `refresh`, and nothing that came of it is used longer than `max_age`, which counts from the
//! start of the last request that succeeded, on a clock that runs while the machine is suspended.
//!
//! ```text
//!  unwrapped                refresh                                  max_age
//!     ├── served, no request ──┤── served; asked again until it answers ──┤── refused until it answers
//!
//!  the vault withdraws the key: wiped at that moment, and every lease fails from then on
//! ```
//!
//! A [`Lease`] holds everything derived from a key: the reader of an open document
//! [checks](Lease::check) it before each read.
//!
//! The cache asks no vault: [`Resources::run`](crate::Resources::run), which the host spawns, keeps the
//! keys in use fresh. Without it a caller that wants keys refreshes what is due, and keys that are not used
//! any more stay in memory until a caller wants them.

mod entry;
mod lease;
mod loading;
mod settings;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use self::entry::{Entry, Next};
pub(crate) use self::entry::{Request, Ticket};
pub use self::lease::Lease;
pub(crate) use self::loading::{CacheKey, Loaded, Unavailable};
pub use self::settings::{CacheSettings, Stats};
use crate::clock::Clock;
use crate::error::Error;
use crate::id::ResourceId;
use crate::key_ring::{KeyRing, Layer};
use strongroom_vault::lock;

/// The cache. Clones share it.
#[derive(Clone)]
pub(crate) struct KeyCache(Arc<Shared>);

struct Shared {
    clock: Arc<dyn Clock>,
    settings: CacheSettings,
    entries: Mutex<BTreeMap<CacheKey, Arc<Entry>>>,
    kept_fresh: AtomicBool,
    hits: AtomicU64,
    waits: AtomicU64,
    loads: AtomicU64,
    refusals: AtomicU64,
}

/// Keys for a caller, or the request that brings them.
pub(crate) enum LookUp {
    Use(Arc<KeyRing>, Lease),
    Fail(Error),
    Wait(Request),
}

/// The mark that a refresh loop runs; gone when it is dropped.
pub(crate) struct KeptFresh(KeyCache);

impl Drop for KeptFresh {
    fn drop(&mut self) {
        self.0.0.kept_fresh.store(false, Ordering::Release);
    }
}

impl KeyCache {
    pub(crate) fn new(clock: Arc<dyn Clock>, settings: CacheSettings) -> Self {
        Self(Arc::new(Shared {
            clock,
            settings,
            entries: Mutex::default(),
            kept_fresh: AtomicBool::new(false),
            hits: AtomicU64::new(0),
            waits: AtomicU64::new(0),
            loads: AtomicU64::new(0),
            refusals: AtomicU64::new(0),
        }))
    }

    /// The fields of [`Stats`] about the cache; those about vaults are zero.
    pub(crate) fn stats(&self) -> Stats {
        let (shared, now) = (&self.0, self.0.clock.elapsed());
        let ages: Vec<Duration> = self.lock().values().filter_map(|entry| entry.age(now)).collect();
        Stats {
            hits: shared.hits.load(Ordering::Relaxed),
            waits: shared.waits.load(Ordering::Relaxed),
            loads: shared.loads.load(Ordering::Relaxed),
            refusals: shared.refusals.load(Ordering::Relaxed),
            keys: ages.len(),
            oldest: ages.into_iter().max().unwrap_or_default(),
            ..Stats::default()
        }
    }

    /// Fresh keys with their lease, or the request for them, made with `load` where none is under way.
    pub(crate) fn look_up(
        &self,
        key: &CacheKey,
        load: impl FnOnce(Ticket) -> Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>,
    ) -> LookUp {
        let entry = self.entry(key);
        let kept_fresh = self.0.kept_fresh.load(Ordering::Acquire);
        match entry.next(self.0.clock.elapsed(), kept_fresh, load) {
            Next::Use(ring, generation) => {
                self.0.hits.fetch_add(1, Ordering::Relaxed);
                LookUp::Use(ring, self.lease(entry, generation))
            }
            Next::Fail(error) => LookUp::Fail(error),
            Next::Wait { request, joined } => {
                let counter = if joined { &self.0.waits } else { &self.0.loads };
                counter.fetch_add(1, Ordering::Relaxed);
                LookUp::Wait(request)
            }
        }
    }

    /// The request under way for `key`, or a new one, whatever the age of the keys.
    pub(crate) fn request(
        &self,
        key: &CacheKey,
        load: impl FnOnce(Ticket) -> Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>,
    ) -> Request {
        self.entry(key).request(|ticket| {
            self.0.loads.fetch_add(1, Ordering::Relaxed);
            load(ticket)
        })
    }

    /// Keys that are not too old, with their lease.
    pub(crate) fn usable(&self, key: &CacheKey) -> Option<(Arc<KeyRing>, Lease)> {
        let entry = self.entry(key);
        let (ring, generation) = entry.usable(self.0.clock.elapsed())?;
        Some((ring, self.lease(entry, generation)))
    }

    fn lease(&self, entry: Arc<Entry>, generation: u64) -> Lease {
        Lease::new(Arc::clone(&self.0.clock), entry, generation)
    }

    /// Ends a request with a failure. Returns true where the identity was not known for the whole of the
    /// keys' time.
    pub(crate) fn fail(&self, ticket: &Ticket, failure: &Unavailable) -> bool {
        ticket.fail(failure, self.0.clock.elapsed())
    }

    /// Ends a request with a refusal: both layers are wiped, and callers get `error` for the refresh time.
    pub(crate) fn refuse(&self, ticket: &Ticket, error: &Error) {
        let retry_at = self.0.clock.elapsed().saturating_add(self.0.settings.refresh);
        if ticket.wipe(Some((error.clone(), retry_at))) {
            let CacheKey { resource, layer } = ticket.key();
            self.wipe_layer(resource, layer.other(), Some((error.clone(), retry_at)));
        }
    }

    /// Counts a refusal.
    pub(crate) fn count_refusal(&self) {
        self.0.refusals.fetch_add(1, Ordering::Relaxed);
    }

    /// Wipes what is cached of a resource and ends its leases: with `error` where that is given.
    pub(crate) fn wipe(&self, resource: &ResourceId, error: Option<&Error>) {
        let refusal = error.map(|error| (error.clone(), self.0.clock.elapsed()));
        for layer in [Layer::Service, Layer::Customer] {
            self.wipe_layer(resource, layer, refusal.clone());
        }
    }

    /// Wipes what is cached of one layer and ends its leases.
    pub(crate) fn wipe_layer(
        &self,
        resource: &ResourceId,
        layer: Layer,
        refusal: Option<(Error, Duration)>,
    ) {
        let entry = self.lock().get(&CacheKey { resource: resource.clone(), layer }).cloned();
        if let Some(entry) = entry {
            entry.wipe(refusal);
        }
    }

    /// Has the keys of a resource asked for anew when a caller wants them next. Leases go on.
    pub(crate) fn renew(&self, resource: &ResourceId) {
        for layer in [Layer::Service, Layer::Customer] {
            self.entry(&CacheKey { resource: resource.clone(), layer }).renew();
        }
    }

    /// Replaces the keys of an unchanged root by those of a newer state.
    pub(crate) fn replace(&self, key: &CacheKey, old: &Arc<KeyRing>, new: Arc<KeyRing>) {
        self.entry(key).replace(old, new);
    }

    /// The last failure of this layer's requests, and whether the keys' time is up.
    pub(crate) fn last_failure(&self, key: &CacheKey) -> Option<(Error, bool)> {
        let entry = self.lock().get(key).cloned()?;
        entry.last_failure(self.0.clock.elapsed())
    }

    /// Marks the cache as kept fresh, for one refresh loop at a time; `None` where another one runs.
    pub(crate) fn keep_fresh(&self) -> Option<KeptFresh> {
        (!self.0.kept_fresh.swap(true, Ordering::AcqRel)).then(|| KeptFresh(self.clone()))
    }

    /// The keys that are due for a refresh, and the time until the next ones are. Entries that are not in
    /// use any more are dropped with their keys.
    pub(crate) fn due(&self) -> (Vec<CacheKey>, Duration) {
        let now = self.0.clock.elapsed();
        // No entry that comes later is due earlier than that.
        let mut wake = now.saturating_add(self.0.settings.refresh);
        let mut due = Vec::new();
        self.lock().retain(|key, entry| {
            // The map holds one reference; a second one means that a lease or a caller has the entry.
            let Some(at) = entry.due(now, Arc::strong_count(entry) > 1) else { return false };
            if at > now {
                wake = wake.min(at);
            } else {
                due.push(key.clone());
            }
            true
        });
        (due, wake.saturating_sub(now))
    }

    /// The time after which keys are asked for again.
    pub(crate) fn refresh_time(&self) -> Duration {
        self.0.settings.refresh
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<CacheKey, Arc<Entry>>> {
        lock(&self.0.entries)
    }

    fn entry(&self, key: &CacheKey) -> Arc<Entry> {
        let mut entries = self.lock();
        if let Some(entry) = entries.get(key) {
            return Arc::clone(entry);
        }
        let entry = Arc::new(Entry::new(key.clone(), self.0.settings));
        entries.insert(key.clone(), Arc::clone(&entry));
        entry
    }
}

impl fmt::Debug for KeyCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeyCache").field(&self.stats()).finish()
    }
}
