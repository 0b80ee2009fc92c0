//! The right to use a key, as long as it lasts.

use std::fmt;
use std::sync::Arc;

use super::Shared;
use super::entry::Entry;
use crate::error::Error;

/// The right to use keys of a resource and everything derived from them, an open document for example.
///
/// Clones are the same lease. It fails for good once the vault withdraws a key or the resource's state
/// closes; it fails while a key is older than `max_age`, and works again when the vault has answered.
///
/// # Example
///
/// ```no_run
/// # use strongroom_keys::Error;
/// # fn read(opening: strongroom_keys::resource::OpeningKeys) -> Result<(), Error> {
/// let lease = opening.lease().clone();
/// // … before each read of the open document:
/// lease.check()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Lease {
    parts: Vec<Part>,
    expires_at: Option<u64>,
}

#[derive(Clone)]
struct Part {
    shared: Arc<Shared>,
    entry: Arc<Entry>,
    generation: u64,
}

impl Lease {
    pub(super) fn new(shared: Arc<Shared>, entry: Arc<Entry>, generation: u64) -> Self {
        Self { parts: vec![Part { shared, entry, generation }], expires_at: None }
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

    /// Whether the keys may be used at this moment. It asks nobody and waits for nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`] or [`Error::LeaseEnded`], for good;
    /// [`Error::Unreachable`] until the vault answers; [`Error::Expired`].
    pub fn check(&self) -> Result<(), Error> {
        for part in &self.parts {
            if let Some(expires_at) = self.expires_at
                && part.shared.clock.unix_time() >= expires_at
            {
                return Err(Error::Expired { expires_at });
            }
            part.entry.check(&part.shared, part.generation)?;
        }
        Ok(())
    }

    /// Asks for the keys again where that is due, then [checks](Self::check). For hosts that do not spawn
    /// [`KeyCache::run`](super::KeyCache::run): call it now and then while a document is open.
    ///
    /// # Errors
    ///
    /// As [`Lease::check`].
    pub async fn renew(&self) -> Result<(), Error> {
        for part in &self.parts {
            // What it meets is for the check to say: keys that are not too old serve on.
            let _met = part.shared.fresh(&part.entry).await;
        }
        self.check()
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let roots = self.parts.iter().map(|part| &part.entry.root);
        f.debug_list().entries(roots).finish()
    }
}
