//! New keys for a resource, and a new service key for all of them.

use super::cmk::{Asked, check_key, same_roots};
use super::record::{Cmk, Protection, Resource};
use super::repository::Current;
use super::resources::Resources;
use super::transition::{Event, wrong_state};
use crate::error::Error;
use crate::id::ResourceId;
use crate::key_ring::{KeyRecord, KeyRing, Layer, ResourceKey, WrappedBy};
use crate::vault::VersionedKeyId;

/// The outcome of [`Resources::rotate_service_key`].
///
/// # Example
///
/// ```no_run
/// # async fn rotate(resources: strongroom_keys::Resources) -> Result<(), Box<dyn std::error::Error>> {
/// let rotation = resources.rotate_service_key().await?;
/// println!("{} resources are under {}", rotation.moved + rotation.before, rotation.key);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceKeyRotation {
    /// The version that everything is under now.
    pub key: VersionedKeyId,
    /// Resources that were moved to it by this call.
    pub moved: usize,
    /// Resources that were under it before.
    pub before: usize,
}

impl Resources {
    /// Gives a resource new keys: what is sealed from now on is wrapped by them, and earlier ones still
    /// open what they wrapped. Under a customer-managed key both sides get one. A vault that unwraps, but
    /// refuses to describe the key or to wrap, ends this call and not the access: reading needs neither.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`], [`Error::WrongState`] while the CMK rotates, those of the vaults.
    /// Nothing has changed then.
    pub async fn rotate_resource_key(&self, id: &ResourceId) -> Result<(), Error> {
        let current = self.repository.current(id).await?;
        let resource = &*current.resource;
        let cmk = match &resource.protection {
            Protection::ServiceManaged => None,
            Protection::CmkActive { cmk } => Some(cmk),
            _ => return Err(wrong_state(resource, "rotate the resource's keys")),
        };
        let service = self.unwrap_layer(&current, Layer::Service).await?;
        let mut keys = self.new_service_root(resource, &service).await?;
        let customer = match cmk {
            None => None,
            Some(cmk) => {
                let ring = self.unwrap_layer(&current, Layer::Customer).await?;
                keys.extend(self.new_customer_root(&current, cmk, &ring).await?);
                Some(ring)
            }
        };
        let mut rings = vec![&service];
        rings.extend(&customer);
        let change = self.repository.change(id, |resource| {
            same_roots(resource, &rings)?;
            Ok(Event::KeysReplaced { keys: keys.clone() })
        });
        change.await?;
        self.cache.renew(id);
        Ok(())
    }

    async fn new_service_root(
        &self,
        resource: &Resource,
        ring: &KeyRing,
    ) -> Result<Vec<KeyRecord>, Error> {
        let root = ResourceKey::generate(&resource.id, ring.next_label(), 0)?;
        let record = self.wrap_service_root(&resource.id, &root).await?;
        under(resource, ring, &root, record)
    }

    async fn new_customer_root(
        &self,
        current: &Current,
        cmk: &Cmk,
        ring: &KeyRing,
    ) -> Result<Vec<KeyRecord>, Error> {
        let resource = &*current.resource;
        let vault = self.vaults.find(&cmk.key, &cmk.identity)?;
        let asked = Asked { vault: &*vault, identity: &cmk.identity };
        let description = asked.client(&self.repository, &resource.id).describe(&cmk.key).await?;
        let thumbprint = check_key(&cmk.key, &description, self.repository.clock().unix_time())?;
        if thumbprint != cmk.thumbprint {
            let reason = "its vault shows another public key than when it was enabled".to_owned();
            return Err(Error::UnsuitableKey { key: cmk.key.clone(), reason });
        }
        let root = ResourceKey::generate(&resource.id, ring.next_label(), resource.epoch)?;
        let record = self.wrap_proven(resource, asked, &cmk.key, &root).await?;
        under(resource, ring, &root, record)
    }

    /// A service root under the newest version of the service key, proven to come out again.
    pub(super) async fn wrap_service_root(
        &self,
        id: &ResourceId,
        root: &ResourceKey,
    ) -> Result<KeyRecord, Error> {
        let service = self.repository.service_key();
        let (key, _) = service.current(self.repository.service_origin()).await?;
        let wrapped = service.wrap(&key, &root.payload(id), self.repository.origin(id)).await?;
        let (label, epoch, by) = (root.label, root.epoch, WrappedBy::Vault(key));
        let record = KeyRecord { label, epoch, by, wrapped };
        if self.unwrap_service_root(id, &record).await?.secret == root.secret {
            Ok(record)
        } else {
            Err(Error::WrongKey { key: label.text(id) })
        }
    }

    async fn unwrap_service_root(
        &self,
        id: &ResourceId,
        record: &KeyRecord,
    ) -> Result<ResourceKey, Error> {
        let WrappedBy::Vault(key) = &record.by else {
            return Err(Error::WrongKey { key: record.label.text(id) });
        };
        let unwrapped = self
            .repository
            .service_key()
            .unwrap(key, &record.wrapped, self.repository.origin(id))
            .await?;
        ResourceKey::from_payload(id, record, &unwrapped.value)
    }

    /// Moves every resource to the newest version of the service key in its vault: wraps its service root
    /// anew and signs its state. Interrupted or repeated, it goes on with those that are left. An earlier
    /// version may be disabled once a later call has found all of them moved: another process may have
    /// written one under it in between.
    ///
    /// # Errors
    ///
    /// Those of the vault, store and audit trail: the first that was met, with all other resources moved.
    pub async fn rotate_service_key(&self) -> Result<ServiceKeyRotation, Error> {
        let key =
            self.repository.service_key().add_generation(self.repository.service_origin()).await?;
        let mut rotation = ServiceKeyRotation { key, moved: 0, before: 0 };
        let mut failed = None;
        for id in self.list().await? {
            match self.move_to_service_key(&id, &rotation.key).await {
                Ok(true) => rotation.moved += 1,
                Ok(false) => rotation.before += 1,
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(rotation), Err)
    }

    async fn move_to_service_key(
        &self,
        id: &ResourceId,
        key: &VersionedKeyId,
    ) -> Result<bool, Error> {
        let current = self.repository.read(id).await?;
        let resource = &*current.resource;
        let before = resource.root_of(Layer::Service).cloned();
        let root = match &before {
            Some(record) if record.by != WrappedBy::Vault(key.clone()) => {
                let root = self.unwrap_service_root(id, record).await?;
                Some(self.wrap_service_root(id, &root).await?)
            }
            _ => None,
        };
        let change = self.repository.change(id, |resource| {
            if resource.root_of(Layer::Service) != before.as_ref() {
                return Err(Error::Contended { resource: id.clone() });
            }
            Ok(Event::ServiceKeyRotated { root: root.clone() })
        });
        Ok(change.await?.changed)
    }
}

/// A ring's keys under a new root, whose own record this is.
fn under(
    resource: &Resource,
    ring: &KeyRing,
    root: &ResourceKey,
    record: KeyRecord,
) -> Result<Vec<KeyRecord>, Error> {
    let mut records = vec![record];
    for key in ring.children().chain(ring.root()) {
        records.push(key.wrapped_by(&resource.id, root)?);
    }
    Ok(records)
}
