//! The settings of the cache, and its counts.

use std::time::Duration;

/// Times for which unwrapped keys serve.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use strongroom_keys::cache::CacheSettings;
///
/// let settings = CacheSettings { max_age: Duration::from_secs(120), ..CacheSettings::default() };
/// assert_eq!(settings.refresh, Duration::from_secs(60));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheSettings {
    /// Keys older than this are asked for again; 60 s. It is the longest that a revocation in a vault
    /// that answers goes unnoticed.
    pub refresh: Duration,
    /// Keys older than this are not used, whatever the vault's state; 5 min. It is the longest that
    /// anything stays readable after a revocation, open documents included.
    pub max_age: Duration,
    /// The longest pause between attempts while a vault does not answer, unless it names a longer one
    /// itself; 1 s. Together with the time limit of a request it is what an outage may be shorter than
    /// `max_age - refresh` by and still go unnoticed.
    pub retry_at_most: Duration,
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self {
            refresh: Duration::from_secs(60),
            max_age: Duration::from_secs(300),
            retry_at_most: Duration::from_secs(1),
        }
    }
}

/// Counts of the cache and of requests to vaults, at one moment.
///
/// # Example
///
/// ```
/// use strongroom_keys::cache::Stats;
///
/// let stats = Stats { hits: 999, loads: 1, ..Stats::default() };
/// assert_eq!(stats.hits, 999);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Keys that were served from memory.
    pub hits: u64,
    /// Callers that waited for a request that another one had begun.
    pub waits: u64,
    /// Requests for keys, to the state's store and where it allows to the vault.
    pub loads: u64,
    /// Definite refusals, after which keys were wiped.
    pub refusals: u64,
    /// Sides of resources whose keys are in memory.
    pub keys: usize,
    /// Age of the oldest of them.
    pub oldest: Duration,
    /// Requests to vaults, of all kinds.
    pub vault_requests: u64,
    /// Unwraps among them.
    pub unwraps: u64,
    /// Requests to vaults that failed, refusals among them.
    pub vault_failures: u64,
    /// Refusals of vaults, of all kinds.
    pub denials: u64,
    /// Time that vaults took for all requests together.
    pub vault_time: Duration,
    /// Time that the slowest one took.
    pub vault_slowest: Duration,
}
