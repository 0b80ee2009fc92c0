//! Filling the cache: requests for keys, the refresh loop, and what a refusal leads to.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::{Either, select};
use futures_util::stream::FuturesUnordered;

use super::host::VaultDirectory;
use super::loader::{LoadError, load};
use super::repository::Repository;
use super::revoke::{apply_refusal, withdraw};
use super::transition::Event;
use crate::cache::{CacheKey, KeyCache, Lease, LookUp, Request, Ticket, Unavailable};
use crate::error::Error;
use crate::key_ring::{KeyRing, Layer};

/// The number of times that a request may be overtaken by a wipe before that is given up.
const ATTEMPTS: usize = 3;

/// Loads keys into the cache.
#[derive(Clone, Debug)]
pub(crate) struct Refresher {
    pub(crate) repository: Repository,
    pub(crate) vaults: Arc<dyn VaultDirectory>,
    pub(crate) cache: KeyCache,
}

impl Refresher {
    /// Fresh keys, and the lease that they are used under.
    pub(crate) async fn lease(&self, key: &CacheKey) -> Result<(Arc<KeyRing>, Lease), Error> {
        for _attempt in 0..ATTEMPTS {
            let looked_up = self.cache.look_up(key, |ticket| Box::pin(self.clone().load(ticket)));
            let result = match looked_up {
                LookUp::Use(ring, lease) => return Ok((ring, lease)),
                LookUp::Fail(error) => return Err(error),
                LookUp::Wait(request) => request.await,
            };
            // Keys from before serve on where the request failed without a refusal.
            if let Some(found) = self.cache.usable(key) {
                return Ok(found);
            }
            result?;
        }
        Err(Error::Contended { resource: key.resource.clone() })
    }

    /// Asks for the keys of a lease where that is due. The outcome is the lease's to check: keys that are
    /// not too old serve on.
    pub(crate) async fn renew(&self, lease: &Lease) {
        for key in lease.keys() {
            let _checked_by_the_lease = self.lease(key).await;
        }
    }

    /// One request for keys, from the state to the cache.
    async fn load(self, ticket: Ticket) -> Result<(), Error> {
        let (repository, cache) = (&self.repository, &self.cache);
        match load(repository, &*self.vaults, ticket.key()).await {
            Ok(loaded) => {
                ticket.insert(loaded);
                Ok(())
            }
            Err(LoadError::Gone(error)) => {
                ticket.remove();
                Err(error)
            }
            Err(LoadError::Refused(error)) => Err(self.refused(&ticket, error).await),
            Err(LoadError::Unavailable(failure)) => {
                let gone = cache.fail(&ticket, &failure);
                if gone && let Some(closed) = self.identity_is_gone(ticket.key()).await {
                    return Err(closed);
                }
                Err(ticket.unreachable(&failure.error))
            }
        }
    }

    /// Withdraws access after the vault's refusal of the customer's key. After any other refusal the state
    /// stays, and the cached keys are wiped.
    async fn refused(&self, ticket: &Ticket, error: Error) -> Error {
        let (repository, cache, key) = (&self.repository, &self.cache, ticket.key());
        cache.count_refusal();
        let known = repository.known(&key.resource);
        let by_the_customer = key.layer == Layer::Customer && matches!(error, Error::Vault(_));
        let error = match &known {
            Some(known) if by_the_customer => {
                apply_refusal(repository, cache, &known.resource, error).await
            }
            _ => error,
        };
        if by_the_customer && matches!(error, Error::Vault(_)) {
            // Another key is in use by now: the refusal is not about it.
            let failure = Unavailable { error, retry_after: None, identity: false };
            cache.fail(ticket, &failure);
            return ticket.unreachable(&failure.error);
        }
        cache.refuse(ticket, &error);
        error
    }

    /// Withdraws access after the customer's vault did not know the identity for the whole of the keys'
    /// time. The service's own identity is its operator's to mend: it closes no customer's resource.
    async fn identity_is_gone(&self, key: &CacheKey) -> Option<Error> {
        if key.layer == Layer::Service {
            return None;
        }
        let event = Event::IdentityDisabled { at: self.repository.clock().unix_time() };
        withdraw(&self.repository, &self.cache, &key.resource, event).await.closed
    }

    /// Keeps the keys in use fresh, and wipes those that are not used any more. Never ends.
    pub(crate) async fn run(self) {
        let clock = self.repository.clock();
        let _mark = loop {
            match self.cache.keep_fresh() {
                Some(mark) => break mark,
                None => clock.sleep(self.cache.refresh_time()).await, // until the other loop is dropped
            }
        };
        let mut requests = FuturesUnordered::new();
        let mut under_way: BTreeSet<CacheKey> = BTreeSet::new();
        loop {
            let (due, pause) = self.cache.due();
            for key in due {
                if under_way.insert(key.clone()) {
                    let request = self.request(&key);
                    requests.push(async move {
                        let _kept_by_the_cache = request.await;
                        key
                    });
                }
            }
            let pause = pause.max(Duration::from_millis(1));
            if requests.is_empty() {
                clock.sleep(pause).await;
            } else if let Either::Left((Some(key), _)) =
                select(requests.next(), pin!(clock.sleep(pause))).await
            {
                under_way.remove(&key);
            }
        }
    }

    fn request(&self, key: &CacheKey) -> Request {
        self.cache.request(key, |ticket| Box::pin(self.clone().load(ticket)))
    }
}
