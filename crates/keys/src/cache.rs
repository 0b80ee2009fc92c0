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
//! A [`Lease`] is what everything derived from a key is held by: whoever reads an open document
//! [checks](Lease::check) it before each read.
//!
//! The host spawns [`KeyCache::run`], which keeps the keys in use fresh. Where it does not, whoever asks
//! for a lease refreshes what is due, and keys that nobody asks for any more stay in memory until
//! somebody does.

mod entry;
mod lease;
mod run;
mod settings;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;

use self::entry::{Entry, Next};
pub use self::lease::Lease;
pub use self::settings::{CacheSettings, Stats};
use crate::clock::Clock;
use crate::error::Error;
use crate::id::ResourceId;
use crate::key_ring::{KeyRing, Layer};

/// What one request to a vault opens: one layer of one resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct CacheKey {
    pub(crate) resource: ResourceId,
    pub(crate) layer: Layer,
}

/// Keys, and when the request for them was sent, in [`Clock::elapsed`]'s time.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) ring: KeyRing,
    pub(crate) started: Duration,
}

/// Why no keys came.
#[derive(Clone, Debug)]
pub(crate) enum LoadError {
    /// A definite word: what is cached must go.
    Refused(Error),
    /// There are no such keys any more, which says nothing about the other layer.
    Gone(Error),
    /// What is cached serves on, until its time is up.
    Unavailable {
        error: Error,
        retry_after: Option<Duration>,
        /// The vault does not know the identity.
        identity: bool,
    },
}

/// Where keys come from.
#[async_trait]
pub(crate) trait Loader: Send + Sync + fmt::Debug {
    /// Reads the state anew and asks the vault, once.
    async fn load(&self, root: &CacheKey) -> Result<Loaded, LoadError>;

    /// The vault did not know the identity for the cache's whole time: the error from now on, where that
    /// closes the resource.
    async fn identity_is_gone(&self, root: &CacheKey) -> Option<Error>;
}

/// The cache. Clones share it.
///
/// # Example
///
/// ```no_run
/// # fn spawn(future: impl Future<Output = ()> + Send + 'static) {}
/// # fn start(resources: &strongroom_keys::Resources) {
/// let cache = resources.cache();
/// spawn(cache.run());
/// println!("{:?}", cache.stats());
/// # }
/// ```
#[derive(Clone)]
pub struct KeyCache(Arc<Shared>);

/// A cache that may be gone.
pub(crate) struct WeakCache(Weak<Shared>);

impl WeakCache {
    pub(crate) fn upgrade(&self) -> Option<KeyCache> {
        self.0.upgrade().map(KeyCache)
    }
}

pub(crate) struct Shared {
    pub(crate) source: Arc<dyn Loader>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) settings: CacheSettings,
    entries: Mutex<BTreeMap<CacheKey, Arc<Entry>>>,
    running: AtomicBool,
    pub(crate) hits: AtomicU64,
    pub(crate) waits: AtomicU64,
    pub(crate) loads: AtomicU64,
    pub(crate) refusals: AtomicU64,
}

impl KeyCache {
    pub(crate) fn new(
        source: Arc<dyn Loader>,
        clock: Arc<dyn Clock>,
        settings: CacheSettings,
    ) -> Self {
        Self(Arc::new(Shared {
            source,
            clock,
            settings,
            entries: Mutex::default(),
            running: AtomicBool::new(false),
            hits: AtomicU64::new(0),
            waits: AtomicU64::new(0),
            loads: AtomicU64::new(0),
            refusals: AtomicU64::new(0),
        }))
    }

    /// Keeps the keys in use fresh, and wipes those that nobody uses any more. Never ends; dropped, it
    /// leaves refreshing to those who ask for keys. One at a time does the work, another waits for it.
    pub fn run(&self) -> impl Future<Output = ()> + Send + 'static + use<> {
        run::run(Arc::clone(&self.0))
    }

    /// What the cache did and holds. The fields about vaults stay zero: see
    /// [`Resources::stats`](crate::Resources::stats).
    #[must_use]
    pub fn stats(&self) -> Stats {
        let shared = &self.0;
        let now = shared.clock.elapsed();
        let ages: Vec<Duration> = shared.each().iter().filter_map(|entry| entry.age(now)).collect();
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

    /// Fresh keys, and the lease that they are used under.
    pub(crate) async fn lease(&self, root: &CacheKey) -> Result<(Arc<KeyRing>, Lease), Error> {
        let entry = self.0.entry(root);
        let (ring, generation) = self.0.fresh(&entry).await?;
        Ok((ring, Lease::new(Arc::clone(&self.0), entry, generation)))
    }

    /// Wipes what is cached of a resource and ends its leases: with `error` where that is given.
    pub(crate) fn wipe(&self, resource: &ResourceId, layer: Layer, error: Option<&Error>) {
        let root = CacheKey { resource: resource.clone(), layer };
        let entry = self.0.lock_entries().get(&root).cloned();
        if let Some(entry) = entry {
            entry.wipe(error.map(|error| (error.clone(), self.0.clock.elapsed())));
        }
    }

    /// A handle for those whom the cache itself keeps alive.
    pub(crate) fn downgrade(&self) -> WeakCache {
        WeakCache(Arc::downgrade(&self.0))
    }

    /// Has the keys of a resource asked for anew when somebody wants them next. Leases go on.
    pub(crate) fn renew(&self, resource: &ResourceId) {
        for layer in [Layer::Service, Layer::Customer] {
            self.0.entry(&CacheKey { resource: resource.clone(), layer }).renew();
        }
    }

    /// Replaces the keys of an unchanged root by those of a newer state.
    pub(crate) fn replace(&self, root: &CacheKey, old: &Arc<KeyRing>, new: Arc<KeyRing>) {
        self.0.entry(root).replace(old, new);
    }

    /// What the last attempt for this layer met, where it failed.
    pub(crate) fn last_failure(&self, root: &CacheKey) -> Option<(Error, bool)> {
        let entry = self.0.lock_entries().get(root).cloned()?;
        entry.last_failure(self.0.clock.elapsed(), self.0.settings.max_age)
    }
}

impl fmt::Debug for KeyCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeyCache").field(&self.stats()).finish()
    }
}

impl Shared {
    fn lock_entries(&self) -> std::sync::MutexGuard<'_, BTreeMap<CacheKey, Arc<Entry>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn entry(&self, root: &CacheKey) -> Arc<Entry> {
        let mut entries = self.lock_entries();
        let new = || Arc::new(Entry::new(root.clone()));
        Arc::clone(entries.entry(root.clone()).or_insert_with(new))
    }

    fn other_layer(&self, root: &CacheKey) -> Option<Arc<Entry>> {
        let layer = match root.layer {
            Layer::Service => Layer::Customer,
            Layer::Customer => Layer::Service,
        };
        self.lock_entries().get(&CacheKey { resource: root.resource.clone(), layer }).cloned()
    }

    fn each(&self) -> Vec<Arc<Entry>> {
        self.lock_entries().values().map(Arc::clone).collect()
    }

    /// The keys of an entry that may be used now, with the generation that they are of.
    async fn fresh(self: &Arc<Self>, entry: &Arc<Entry>) -> Result<(Arc<KeyRing>, u64), Error> {
        // A flight that was overtaken by a wipe brings nothing: then once more.
        for _attempt in 0..3 {
            let kept_fresh = self.running.load(Ordering::Acquire);
            let result = match entry.next(self, kept_fresh) {
                Next::Use(ring, generation) => {
                    self.hits.fetch_add(1, Ordering::Relaxed);
                    return Ok((ring, generation));
                }
                Next::Fail(refusal) => return Err(refusal),
                Next::Wait { flight, joined } => {
                    self.waits.fetch_add(u64::from(joined), Ordering::Relaxed);
                    flight.await
                }
            };
            // Keys from before serve on where the request failed without a definite word.
            if let (Some(ring), generation) = entry.usable(self) {
                return Ok((ring, generation));
            }
            result?;
        }
        Err(Error::Contended { resource: entry.root.resource.clone() })
    }
}
