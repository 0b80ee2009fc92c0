//! The right to use a key, as long as it lasts.

use std::fmt;
use std::sync::Arc;

use super::entry::Entry;
use super::loading::CacheKey;
use crate::clock::{Clock, SystemClock};
use crate::error::Error;

/// The right to use keys of a resource and everything derived from them, an open document for example.
///
/// Clones are the same lease. It fails for good once the vault withdraws a key or the resource's state
/// closes; it fails while a key is older than `max_age`, and works again when the vault has answered:
/// [`Resources::run`](crate::Resources::run) and [`Resources::renew`](crate::Resources::renew) ask it.
///
/// # Example
///
/// ```no_run
/// # use strongroom_keys::Error;
/// # fn seal(keys: strongroom_keys::resource::SealingKeys) -> Result<(), Error> {
/// let lease = keys.lease().clone();
/// // … before a document that was sealed with these keys is published:
/// lease.check()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Lease {
    clock: Arc<dyn Clock>,
    parts: Vec<Part>,
    expires_at: Option<u64>,
}

#[derive(Clone)]
struct Part {
    entry: Arc<Entry>,
    generation: u64,
}

impl Lease {
    pub(super) fn new(clock: Arc<dyn Clock>, entry: Arc<Entry>, generation: u64) -> Self {
        Self { clock, parts: vec![Part { entry, generation }], expires_at: None }
    }

    /// A lease that always serves: for documents that belong to no resource, in hosts that treat all alike.
    #[must_use]
    pub fn unlimited() -> Self {
        Self { clock: Arc::new(SystemClock), parts: Vec::new(), expires_at: None }
    }

    /// Both leases in one.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.parts.extend(other.parts);
        self.expires_at = self.expires_at.or(other.expires_at);
        self
    }

    /// This lease until a time, in seconds since 1970.
    pub(crate) fn until(mut self, expires_at: Option<u64>) -> Self {
        self.expires_at = expires_at;
        self
    }

    /// The cached keys that it is for.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &CacheKey> {
        self.parts.iter().map(|part| &part.entry.key)
    }

    /// Refuses where the keys may not be used at this moment. It never asks a vault and takes no lock: two
    /// atomic loads a layer and a look at the clock.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`] or [`Error::LeaseEnded`], for good; [`Error::Unreachable`] until the vault
    /// answers; [`Error::Expired`].
    pub fn check(&self) -> Result<(), Error> {
        if let Some(expires_at) = self.expires_at
            && self.clock.unix_time() >= expires_at
        {
            return Err(Error::Expired { expires_at });
        }
        let now = self.clock.elapsed();
        match self.parts.iter().find(|part| !part.entry.serves(now, part.generation)) {
            None => Ok(()),
            Some(part) => Err(part.entry.lease_error(part.generation)),
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys()).finish()
    }
}
