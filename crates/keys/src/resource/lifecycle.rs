//! The life of a resource: creating, revoking, refreshing, deleting, shredding.

use super::loader::unwrap_root;
use super::record::{NewResource, Protection, Resource};
use super::resources::Resources;
use super::revoke::withdraw;
use super::transition::{Event, apply, wrong_state};
use crate::error::{Cause, Error, NextStep};
use crate::id::{KeyKind, KeyLabel, ResourceId};
use crate::key_ring::{Layer, ResourceKey};
use crate::state::prune;

impl Resources {
    /// Makes a resource under the service's keys. Enabling a customer-managed key comes later.
    ///
    /// # Errors
    ///
    /// [`Error::AlreadyExists`], [`Error::Argument`] without a tenant or region, those of
    /// the service's vault.
    pub async fn create(&self, new: NewResource) -> Result<(), Error> {
        let id = &new.id;
        new.check()?;
        if !self.repository.store().list(id.as_str()).await?.is_empty() {
            return Err(Error::AlreadyExists { resource: id.clone() });
        }
        let label = KeyLabel { kind: KeyKind::Service, version: 1 };
        let root = ResourceKey::generate(id, label, 0)?;
        let record = self.wrap_service_root(id, &root).await?;
        let created_at = new.created_at.unwrap_or_else(|| self.repository.clock().unix_time());
        let resource = Resource::new(&new, created_at, record);
        self.repository.create(resource).await
    }

    /// Ends all access at once, whatever the vault says: cached keys are wiped and every lease fails. Other
    /// processes follow within their `refresh`. [`Resources::refresh`] undoes it.
    ///
    /// # Errors
    ///
    /// [`Error::WrongState`] where no customer-managed key is enabled; where the state cannot be
    /// written, access has ended in this process all the same. [`Error::Kept`] where the newest state is not there.
    pub async fn revoke_now(&self, id: &ResourceId) -> Result<(), Error> {
        let at = self.time.now();
        self.close(id, Event::Revoked { at }).await
    }

    /// Ends access, as the host reports that the identity for requests to the vault is disabled.
    ///
    /// # Errors
    ///
    /// As [`Resources::revoke_now`].
    pub async fn identity_disabled(&self, id: &ResourceId) -> Result<(), Error> {
        let at = self.time.now();
        self.close(id, Event::IdentityDisabled { at }).await
    }

    /// Moves the resource to `tenant`, as the host reports. Under a customer-managed key that ends access,
    /// until it is moved back and refreshed; else it is recorded and nothing more.
    ///
    /// # Errors
    ///
    /// As [`Resources::revoke_now`], [`Error::Shredded`].
    pub async fn moved_to_tenant(&self, id: &ResourceId, tenant: &str) -> Result<(), Error> {
        let at = self.time.now();
        self.close(id, Event::Moved { tenant: tenant.to_owned(), at }).await
    }

    /// Marks the resource as deleted, as the host says: access ends now, and once the deletion grace is over
    /// [`Resources::shred_due`] destroys its keys.
    ///
    /// # Errors
    ///
    /// As [`Resources::revoke_now`], but any state will do.
    pub async fn resource_deleted(&self, id: &ResourceId) -> Result<(), Error> {
        let (at, grace) = (self.time.now(), self.deletion_grace);
        self.close(id, Event::Deleted { at, grace }).await
    }

    /// Restores a deleted resource, as the host reports, in time. Under a customer-managed key a
    /// [`Resources::refresh`] must follow.
    ///
    /// # Errors
    ///
    /// [`Error::WrongState`] where it is not deleted, or shredded.
    pub async fn resource_restored(&self, id: &ResourceId) -> Result<(), Error> {
        let at = self.time.now();
        self.repository.persist_pending(id).await?;
        self.repository.change(id, |_| Ok(Event::Restored { at })).await?;
        self.cache.wipe(id, None);
        Ok(())
    }

    async fn close(&self, id: &ResourceId, event: Event) -> Result<(), Error> {
        match withdraw(&self.repository, &self.cache, id, event.clone()).await.written {
            // Access is refused all the same: the state is none that gives it.
            Err(error) => Err(self.repository.keep(id, &event, error).await),
            written => written,
        }
    }

    /// Asks the vault anew. Where the key is back, so is access; this is the only way out of a denial.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`] where the vault still refuses or the tenant is another one;
    /// [`Error::Contended`] where access was taken away while the vault was asked; those of the vault
    /// where it does not answer. The state is not changed then.
    pub async fn refresh(&self, id: &ResourceId) -> Result<(), Error> {
        let current = self.repository.current(id).await?;
        let resource = &*current.resource;
        let Some(cmk) = resource.protection.cmk() else {
            let in_use = matches!(resource.protection, Protection::ServiceManaged);
            if in_use {
                self.cache.renew(id);
                return Ok(());
            }
            return Err(wrong_state(resource, "refresh the customer-managed key"));
        };
        let event = Event::Refreshed { key: cmk.key.clone() };
        // Decided before the vault is asked: it may be for nothing.
        apply(resource, &event)?;
        self.unwrap_layer(&current, Layer::Customer).await?;
        let key = cmk.key.clone();
        let change = self.repository.change(id, |now| {
            // What was taken away since is not given back: this was asked for before.
            if now.check_access().is_err() && now.protection != resource.protection {
                return Err(Error::Contended { resource: id.clone() });
            }
            Ok(Event::Refreshed { key: key.clone() })
        });
        change.await?;
        self.cache.renew(id);
        Ok(())
    }

    /// Destroys the keys of resources that are due at `now`, in seconds since 1970: of those whose host
    /// chose [`OnKeyLoss::CryptoShred`](super::OnKeyLoss::CryptoShred) and whose vault, asked once more,
    /// still withdraws the key, and of deleted ones. It cannot be undone. The names of those that are
    /// shredded now, with what hindered others.
    ///
    /// # Errors
    ///
    /// [`Error::State`] where resources cannot be listed; [`Error::Time`] where the clock is not believed: see
    /// [`Resources::accept_time`].
    pub async fn shred_due(&self, now: u64) -> Result<Vec<(ResourceId, Result<(), Error>)>, Error> {
        self.time.check(now)?;
        let mut outcomes = Vec::new();
        for id in self.list().await? {
            match self.shred_one(&id, now).await {
                Ok(false) => {}
                Ok(true) => outcomes.push((id, Ok(()))),
                Err(error) => outcomes.push((id, Err(error))),
            }
        }
        Ok(outcomes)
    }

    async fn shred_one(&self, id: &ResourceId, now: u64) -> Result<bool, Error> {
        let current = self.repository.read(id).await?;
        let resource = &*current.resource;
        match &resource.protection {
            // It may have been interrupted before the older states were erased.
            Protection::Shredded { .. } => {
                prune(self.repository.store(), id.as_str(), current.number, 1).await?;
                return Ok(false);
            }
            Protection::ShredPending { due, cause, since, .. } if *due <= now => {
                let deleted = *cause == Cause::ResourceDeleted;
                let over = deleted && since.saturating_add(self.deletion_grace) <= now;
                // What was due before the deletion is so by the vault's refusal alone: by itself a deletion
                // destroys nothing before its own grace is over.
                match if over { Ok(()) } else { self.still_lost(resource).await } {
                    Err(_) if deleted => return Ok(false),
                    lost => lost?,
                }
            }
            _ => return Ok(false),
        }
        let change = self.repository.change(id, |_| Ok(Event::Shredded { at: now })).await?;
        let error = Error::Shredded { resource: id.clone() };
        self.cache.wipe(id, Some(&error));
        Ok(change.changed)
    }

    /// Refuses to shred unless the vault withdraws the key at this moment, too.
    async fn still_lost(&self, resource: &Resource) -> Result<(), Error> {
        let Some(cmk) = resource.protection.cmk() else { return Ok(()) };
        match unwrap_root(&self.repository, &*self.vaults, resource, Layer::Customer).await {
            Err(Error::Vault(error)) if error.is_definite_about(&cmk.key) => Ok(()),
            Err(error) => Err(error),
            Ok(_) => Err(Error::WrongState {
                resource: resource.id.clone(),
                state: resource.protection.name(),
                operation: "shred the resource",
                next: Box::new(NextStep::KeyIsBack),
            }),
        }
    }

    /// Destroys the keys of hours that are over at `now`, in seconds since 1970, in every resource:
    /// whatever expired in them cannot be opened any more, wherever it was copied to. May be repeated. The
    /// number of resources that had any.
    ///
    /// # Errors
    ///
    /// Those of store and audit trail: the first that was met, with all other resources swept. Call it again.
    /// [`Error::Time`] where the clock is not believed: see [`Resources::accept_time`].
    ///
    /// # Security
    ///
    /// A copy of the state store from before still has the keys, wrapped by the resource's.
    pub async fn sweep(&self, now: u64) -> Result<usize, Error> {
        self.time.check(now)?;
        let (mut swept, mut failed) = (0, None);
        for id in self.list().await? {
            match self.repository.change(&id, |_| Ok(Event::HoursEnded { now })).await {
                Ok(change) => swept += usize::from(change.changed),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(swept), Err)
    }

    /// Takes `now`, in seconds since 1970, for right from now on, and records that: it is the host's operator who
    /// says so. Keys are destroyed only by a time that is at most an hour ahead of the last one that was recorded
    /// and the time that has passed since by the clock's own count, and at most ten minutes behind.
    ///
    /// # Errors
    ///
    /// [`Error::Audit`]; nothing has changed then.
    pub async fn accept_time(&self, now: u64) -> Result<(), Error> {
        self.time.accept(now, self.repository.service_origin()).await
    }

    /// The host has moved `count` documents under the customer's key that were sealed before it was
    /// enabled.
    ///
    /// # Errors
    ///
    /// Those of store and audit trail.
    pub async fn documents_moved(&self, id: &ResourceId, count: u64) -> Result<(), Error> {
        let change = self.repository.change(id, |_| Ok(Event::DocumentsMoved { count }));
        change.await.map(|_| ())
    }
}
