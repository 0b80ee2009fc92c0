//! The values that pass between the cache and the code that fills it: keys of one layer of one resource, or
//! the reason for none.

use std::time::Duration;

use crate::error::Error;
use crate::id::ResourceId;
use crate::key_ring::{KeyRing, Layer};

/// The cached unit, which one request to a vault opens: one layer of one resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct CacheKey {
    pub(crate) resource: ResourceId,
    pub(crate) layer: Layer,
}

/// Keys, and when the request for them was sent, in [`Clock::elapsed`](crate::clock::Clock::elapsed)'s
/// time.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) ring: KeyRing,
    pub(crate) started: Duration,
}

/// A request for keys that failed without a refusal: cached keys serve on until their time is up.
#[derive(Clone, Debug)]
pub(crate) struct Unavailable {
    pub(crate) error: Error,
    /// The delay that the vault asks for.
    pub(crate) retry_after: Option<Duration>,
    /// True where the vault does not know the identity.
    pub(crate) identity: bool,
}
