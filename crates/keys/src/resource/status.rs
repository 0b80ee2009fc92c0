//! The status of resources.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::record::{Cmk, Protection};
use super::resources::Resources;
use crate::cache::{CacheKey, Stats};
use crate::error::Error;
use crate::id::{KeyKind, ResourceId};
use crate::key_ring::{KeyRecord, Layer};

/// The reachability of a resource's vaults from this process.
///
/// # Example
///
/// ```
/// use strongroom_keys::resource::Reachability;
///
/// assert_ne!(Reachability::Normal, Reachability::Unreachable { reason: "no answer within 3 s".into() });
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reachability {
    /// As far as is known.
    Normal,
    /// Not at the moment; cached keys serve on.
    Cached {
        /// The error of the last attempt.
        reason: String,
    },
    /// Not at the moment, and the cached keys' time is up. It heals by itself.
    Unreachable {
        /// The error of the last attempt.
        reason: String,
    },
}

/// A resource as it stands.
///
/// # Example
///
/// ```no_run
/// # async fn show(resources: strongroom_keys::Resources) -> Result<(), Box<dyn std::error::Error>> {
/// use strongroom_keys::resource::ResourceId;
///
/// let status = resources.status(&ResourceId::new("contoso")?).await?;
/// println!("{}, epoch {}", status.protection.name(), status.epoch);
/// # Ok(())
/// # }
/// ```
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The resource.
    pub id: ResourceId,
    /// The tenant that owns it.
    pub tenant: String,
    /// The tenant that it has been moved to while a customer's key was enabled, if that is another one.
    pub moved_to: Option<String>,
    /// The region that it is in.
    pub region: String,
    /// True where its tier allows a customer-managed key.
    pub cmk_allowed: bool,
    /// The time at which it was made, in seconds since 1970.
    pub created_at: u64,
    /// Its state.
    pub protection: Protection,
    /// The customer's key, if there is one.
    pub cmk: Option<Cmk>,
    /// The number of times that a customer's key was enabled.
    pub epoch: u64,
    /// Documents that were sealed before the key was enabled, as the host has counted them. `None` where that
    /// is not known.
    pub documents_before: Option<u64>,
    /// Those of them that have not been moved under it: they lie outside its protection, and only the state
    /// keeps them closed after a revocation. `None` where that is not known.
    pub outside_cmk: Option<u64>,
    /// Hours that have a key, as the number of the hour since 1970 at whose beginning it is destroyed.
    pub hours: Vec<u64>,
    /// Number of the newest state.
    pub number: u64,
    /// True where it may not be the newest, since a part of the audit trail was lost: it gives no access until
    /// [`Resources::accept_states`].
    pub in_doubt: bool,
    /// The version of the service key that the state is signed under.
    pub signed_by: String,
    /// The reachability of the vaults.
    pub reachability: Reachability,
}

impl Resources {
    /// The status of a resource, by its newest state. No vault is asked, and an audit trail that cannot be written
    /// hinders nothing.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::State`], [`Error::Pinned`].
    pub async fn status(&self, id: &ResourceId) -> Result<Status, Error> {
        let current = self.repository.unhindered().read(id).await?;
        let resource = &*current.resource;
        let hour = |key: &KeyRecord| (key.label.kind == KeyKind::Hour).then_some(key.label.version);
        Ok(Status {
            id: id.clone(),
            tenant: resource.tenant.clone(),
            moved_to: resource.moved_to.clone(),
            region: resource.region.clone(),
            cmk_allowed: resource.cmk_allowed,
            created_at: resource.created_at,
            cmk: resource.protection.cmk().cloned(),
            protection: resource.protection.clone(),
            epoch: resource.epoch,
            documents_before: resource.documents_before,
            outside_cmk: resource.outside_cmk,
            hours: resource.keys.iter().filter_map(hour).collect(),
            number: current.number,
            in_doubt: self.repository.marks().doubt_of(id.as_str()).is_some(),
            signed_by: current.signed_by.to_string(),
            reachability: self.reachability(id),
        })
    }

    fn reachability(&self, id: &ResourceId) -> Reachability {
        let failure = |layer| self.cache.last_failure(&CacheKey { resource: id.clone(), layer });
        let failures = [failure(Layer::Service), failure(Layer::Customer)];
        let worst = failures.into_iter().flatten().max_by_key(|(_, over)| *over);
        match worst {
            Some((error @ (Error::Unreachable { .. } | Error::NoVault { .. }), is_over)) => {
                let reason = error.reason();
                if is_over {
                    Reachability::Unreachable { reason }
                } else {
                    Reachability::Cached { reason }
                }
            }
            _ => Reachability::Normal,
        }
    }

    /// The names of all resources, in order.
    ///
    /// # Errors
    ///
    /// [`Error::State`].
    pub async fn list(&self) -> Result<Vec<ResourceId>, Error> {
        let mut names = self.repository.store().names().await?;
        // One whose states are gone is not forgotten, unless it was given up.
        let marks = self.repository.marks();
        names.extend(marks.names().into_iter().filter(|name| !marks.is_lost(name)));
        let mut ids: Vec<ResourceId> =
            names.iter().filter_map(|name| ResourceId::new(name).ok()).collect();
        ids.sort();
        ids.dedup();
        Ok(ids)
    }

    /// The resources whose states may not be the newest, since a part of the audit trail was lost.
    #[must_use]
    pub fn in_doubt(&self) -> Vec<ResourceId> {
        let names = self.repository.marks().in_doubt();
        names.iter().filter_map(|name| ResourceId::new(name).ok()).collect()
    }

    /// Counts of the cache and of requests to vaults.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let counters = &self.repository.client().counters;
        Stats {
            vault_requests: counters.requests.load(Ordering::Relaxed),
            unwraps: counters.unwraps.load(Ordering::Relaxed),
            vault_failures: counters.failures.load(Ordering::Relaxed),
            denials: counters.denials.load(Ordering::Relaxed),
            vault_time: Duration::from_micros(counters.latency_us.load(Ordering::Relaxed)),
            vault_slowest: Duration::from_micros(counters.latency_max_us.load(Ordering::Relaxed)),
            ..self.cache.stats()
        }
    }

    /// The number of resources with withdrawals that are not persisted yet. This process acts as if they were.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.repository.pending().resources()
    }
}
