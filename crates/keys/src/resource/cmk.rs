//! The customer-managed key: enabling, disabling and rotating it.

use std::sync::Arc;
use std::time::Duration;

use strongroom::secret::SecretVec;

use super::record::{Cmk, OnKeyLoss, Protection, Resource, Scope, require_plain};
use super::repository::{Change, Current, Repository};
use super::resources::Resources;
use super::transition::{Event, wrong_state};
use crate::error::{Error, Ineligible};
use crate::id::{KeyKind, KeyLabel, ResourceId};
use crate::key_ring::{KeyRecord, KeyRing, Layer, ResourceKey, WrappedBy};
use crate::vault::{
    DeniedReason, KeyDescription, KeyType, Operation, Vault, VaultError, VersionedKeyId,
};
use crate::vault_client::BoundClient;

/// 2020-05-11T00:00:00Z: older resources have no customer-managed keys.
const ELIGIBLE_FROM: u64 = 1_589_155_200;
/// The first pause while permissions may still be on their way; it doubles up to [`PAUSE_AT_MOST`].
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_AT_MOST: Duration = Duration::from_secs(16);

/// A request to enable a customer-managed key.
///
/// # Example
///
/// ```
/// use strongroom_keys::resource::{EnableCmk, OnKeyLoss, Scope};
/// use strongroom_keys::vault::VersionedKeyId;
///
/// let key = VersionedKeyId::parse("https://contoso.vault.azure.net/keys/documents/3f5c")?;
/// let enable = EnableCmk {
///     scope: Scope::ModelsAndResults,
///     on_key_loss: OnKeyLoss::crypto_shred(),
///     documents_before: Some(1200),
///     ..EnableCmk::new(key, "an identity")
/// };
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnableCmk {
    /// The key, with its version.
    pub key: VersionedKeyId,
    /// The identity for requests to its vault.
    pub identity: String,
    /// The documents that it covers.
    pub scope: Scope,
    /// The fate of the data when the key is lost.
    pub on_key_loss: OnKeyLoss,
    /// The number of documents that were sealed before, if the host knows: they lie outside the key's protection.
    pub documents_before: Option<u64>,
}

impl EnableCmk {
    /// For models and results; data is blocked, and not destroyed, when the key is lost.
    #[must_use]
    pub fn new(key: VersionedKeyId, identity: &str) -> Self {
        Self {
            key,
            identity: identity.to_owned(),
            scope: Scope::ModelsAndResults,
            on_key_loss: OnKeyLoss::Block,
            documents_before: None,
        }
    }
}

impl Resources {
    /// Puts a resource under a customer-managed key: what is sealed from now on gets a second layer. The
    /// key, its vault and the permissions are tried before anything changes.
    ///
    /// # Errors
    ///
    /// [`Error::NotEligible`], [`Error::UnsuitableKey`], [`Error::NoVault`],
    /// [`Error::WrongState`] where one is enabled already (the same call again is fine), and those
    /// of the vault. Nothing has changed then.
    pub async fn enable_cmk(&self, id: &ResourceId, with: &EnableCmk) -> Result<(), Error> {
        let current = self.repository.current(id).await?;
        let resource = &*current.resource;
        match &resource.protection {
            Protection::ServiceManaged => {}
            Protection::CmkActive { cmk } if is_same_request(cmk, with) => return Ok(()),
            _ if resource.lost_its_customer_key() => {}
            _ => return Err(wrong_state(resource, "enable a customer-managed key")),
        }
        check_resource(resource, with)?;
        let vault = self.vaults.find(&with.key, &with.identity)?;
        check_place(resource, &*vault)?;
        let version = resource.customer_version.saturating_add(1);
        let label = KeyLabel { kind: KeyKind::Customer, version };
        let key = ResourceKey::generate(id, label, resource.epoch.saturating_add(1))?;
        let asked = Asked { vault: &*vault, identity: &with.identity };
        let proven = self.prove_patiently(resource, asked, &with.key, &key).await?;

        let now = self.repository.clock().unix_time();
        let cmk = Cmk {
            key: with.key.clone(),
            thumbprint: proven.thumbprint,
            identity: with.identity.clone(),
            scope: with.scope,
            on_key_loss: with.on_key_loss,
            enabled_at: now,
        };
        let event = Event::CmkEnabled { cmk, root: proven.record, outside: with.documents_before };
        let change = self.repository.change(id, |now| {
            // It may have been moved while the vault was asked.
            check_resource(now, with)?;
            check_place(now, &*vault)?;
            Ok(event.clone())
        });
        match change.await {
            Ok(_) => {
                // Leases that know of one layer only end: they are to end with this key.
                self.cache.wipe(id, None);
                Ok(())
            }
            // Another process did just this.
            Err(error) => {
                let current = self.repository.read(id).await?;
                match &current.resource.protection {
                    Protection::CmkActive { cmk } if is_same_request(cmk, with) => Ok(()),
                    _ => Err(error),
                }
            }
        }
    }

    /// Tries the key until it does all that it must, while permissions may still be on their way.
    async fn prove_patiently(
        &self,
        resource: &Resource,
        asked: Asked<'_>,
        id: &VersionedKeyId,
        key: &ResourceKey,
    ) -> Result<Proven, Error> {
        let clock = self.repository.clock();
        let start = clock.elapsed();
        let mut pause = PAUSE;
        loop {
            let error = match self.prove(resource, asked, id, key).await {
                Ok(proven) => return Ok(proven),
                Err(error) => error,
            };
            let on_their_way = matches!(
                &error,
                Error::Vault(VaultError::Denied {
                    reason: DeniedReason::Permission | DeniedReason::Identity,
                    ..
                })
            );
            let waited = clock.elapsed().saturating_sub(start);
            if !on_their_way || waited.saturating_add(pause) > self.permission_wait {
                return Err(error);
            }
            clock.sleep(pause).await;
            pause = pause.saturating_mul(2).min(PAUSE_AT_MOST);
        }
    }

    /// Has the vault describe `id`, wrap `key` with it and unwrap it again.
    async fn prove(
        &self,
        resource: &Resource,
        asked: Asked<'_>,
        id: &VersionedKeyId,
        key: &ResourceKey,
    ) -> Result<Proven, Error> {
        let client = asked.client(&self.repository, &resource.id);
        let description = client.describe(id).await?;
        let thumbprint = check_key(id, &description, self.repository.clock().unix_time())?;
        let record = self.wrap_proven(resource, asked, id, key).await?;
        Ok(Proven { record, thumbprint })
    }

    /// Has the vault wrap `key` and unwrap it again: only then may anything depend on it.
    pub(super) async fn wrap_proven(
        &self,
        resource: &Resource,
        asked: Asked<'_>,
        id: &VersionedKeyId,
        key: &ResourceKey,
    ) -> Result<KeyRecord, Error> {
        let client = asked.client(&self.repository, &resource.id);
        let algorithm = Layer::Customer.algorithm();
        let payload: SecretVec = key.payload(&resource.id);
        let wrapped = client.wrap(id, algorithm, &payload).await?;
        let (label, epoch, by) = (key.label, key.epoch, WrappedBy::Vault(id.clone()));
        let record = KeyRecord { label, epoch, by, wrapped };
        let again = client.unwrap(id, algorithm, &record.wrapped).await?;
        let again = ResourceKey::from_payload(&resource.id, &record, &again.value)?;
        if again.secret == key.secret {
            Ok(record)
        } else {
            Err(Error::WrongKey { key: key.label.text(&resource.id) })
        }
    }

    /// Returns a resource to the service's keys. Documents of two layers stay readable: the customer keys
    /// are wrapped by the service's from then on.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`] while the customer's key is withdrawn, and where the vault says so now;
    /// [`Error::WrongState`]; those of the vaults. Nothing has changed then.
    pub async fn disable_cmk(&self, id: &ResourceId) -> Result<(), Error> {
        let current = self.repository.current(id).await?;
        let resource = &*current.resource;
        match &resource.protection {
            Protection::ServiceManaged => return Ok(()),
            Protection::CmkActive { .. } => {}
            _ => return Err(wrong_state(resource, "disable the customer-managed key")),
        }
        // Unwrap in the vault, not from the cache: disabling needs the customer's consent now.
        let customer = self.unwrap_layer(&current, Layer::Customer).await?;
        let service = self.unwrap_layer(&current, Layer::Service).await?;
        let root = service.root().ok_or_else(|| contended(id))?;
        let keys = customer.children().chain(customer.root());
        let rewrapped: Vec<KeyRecord> =
            keys.map(|key| key.wrapped_by(id, root)).collect::<Result<_, _>>()?;
        let change = self.repository.change(id, |resource| {
            same_roots(resource, &[&customer, &service])?;
            Ok(Event::CmkDisabled { rewrapped: rewrapped.clone() })
        });
        change.await?;
        self.cache.wipe(id, None);
        Ok(())
    }

    /// Moves a resource to another version of the customer's key, or to another key: it is described, the
    /// customer key of the resource is unwrapped with the old one, wrapped and unwrapped with the new one,
    /// and only then does the resource switch. No document is touched. Interrupted, the same call goes on;
    /// done, it does nothing. A call with the key in use abandons a rotation.
    ///
    /// # Errors
    ///
    /// As [`Resources::enable_cmk`] for the new key, and [`Error::Denied`] for the old one. The old
    /// key is in use then.
    pub async fn rotate_cmk(&self, id: &ResourceId, to: &VersionedKeyId) -> Result<(), Error> {
        let before = self.repository.current(id).await?;
        let cmk = match &before.resource.protection {
            Protection::CmkActive { cmk } | Protection::Rotating { cmk, .. } => cmk.clone(),
            _ => return Err(wrong_state(&before.resource, "rotate the customer-managed key")),
        };
        if cmk.key == *to {
            self.abandon_rotation(id).await?;
            return Ok(());
        }
        let vault = self.vaults.find(to, &cmk.identity)?;
        check_place(&before.resource, &*vault)?;
        let start = Event::RotationStarted { to: to.clone() };
        let started: Change = self.repository.change(id, |_| Ok(start.clone())).await?;
        let asked = Asked { vault: &*vault, identity: &cmk.identity };
        let rotated = self.rotate_started(&started.current, asked, to).await;
        // Abandon the rotation on a permanent error. Keep it on a transient one, so that it can be resumed.
        if let Err(error) = &rotated
            && !matches!(
                error,
                Error::Vault(VaultError::Unavailable { .. })
                    | Error::State(_)
                    | Error::Audit(_)
                    | Error::Denied { .. }
            )
        {
            self.abandon_rotation(id).await?;
        }
        rotated
    }

    async fn abandon_rotation(&self, id: &ResourceId) -> Result<Change, Error> {
        self.repository.change(id, |_| Ok(Event::RotationAbandoned)).await
    }

    async fn rotate_started(
        &self,
        started: &Current,
        asked: Asked<'_>,
        to: &VersionedKeyId,
    ) -> Result<(), Error> {
        let (id, resource) = (&started.resource.id, &*started.resource);
        let description = asked.client(&self.repository, id).describe(to).await?;
        let thumbprint = check_key(to, &description, self.repository.clock().unix_time())?;
        let old = self.unwrap_root(resource, Layer::Customer).await?;
        let root = self.wrap_proven(resource, asked, to, &old).await?;
        let event = Event::Rotated { to: to.clone(), thumbprint, root };
        let before = resource.root(Layer::Customer)?.clone();
        let change = self.repository.change(id, |resource| {
            if matches!(&resource.protection, Protection::CmkActive { cmk } if cmk.key == *to) {
                return Ok(Event::RotationAbandoned); // done by another process: nothing is left
            }
            if *resource.root(Layer::Customer)? != before {
                return Err(Error::Contended { resource: id.clone() });
            }
            Ok(event.clone())
        });
        change.await.map(|_| ())
    }

    /// A layer's keys, unwrapped by the vault now.
    pub(super) async fn unwrap_layer(
        &self,
        current: &Current,
        layer: Layer,
    ) -> Result<KeyRing, Error> {
        let root = self.unwrap_root(&current.resource, layer).await?;
        KeyRing::build(layer, current.keys(), Arc::new(root))
    }
}

/// A customer's vault, and the identity for requests to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub(super) vault: &'a dyn Vault,
    pub(super) identity: &'a str,
}

impl<'a> Asked<'a> {
    /// The client that asks it for a resource.
    pub(super) fn client(self, repository: &'a Repository, id: &'a ResourceId) -> BoundClient<'a> {
        repository.client().at(self.vault, repository.origin(id).asked_as(self.identity))
    }
}

/// A key that was described, wrapped and unwrapped, with its results.
struct Proven {
    record: KeyRecord,
    thumbprint: Vec<u8>,
}

fn is_same_request(cmk: &Cmk, with: &EnableCmk) -> bool {
    (&cmk.key, &cmk.identity, cmk.scope, cmk.on_key_loss)
        == (&with.key, &with.identity, with.scope, with.on_key_loss)
}

fn contended(id: &ResourceId) -> Error {
    Error::Contended { resource: id.clone() }
}

/// Refuses to work on a state whose keys are not the ones that were unwrapped.
pub(super) fn same_roots(resource: &Resource, rings: &[&KeyRing]) -> Result<(), Error> {
    for ring in rings {
        let children = resource.wrapped_keys(0).children_of(ring.record.label);
        let same = resource.root(ring.layer)? == &ring.record
            && children.map(|key| ring.get(key.label)).all(|key| key.is_some());
        if !same {
            return Err(contended(&resource.id));
        }
    }
    Ok(())
}

fn check_resource(resource: &Resource, with: &EnableCmk) -> Result<(), Error> {
    let refuse = |reason| Err(Error::NotEligible { resource: resource.id.clone(), reason });
    if !resource.cmk_allowed {
        return refuse(Ineligible::Tier);
    }
    if resource.created_at < ELIGIBLE_FROM {
        return refuse(Ineligible::Created { at: resource.created_at });
    }
    if with.identity.is_empty() {
        return refuse(Ineligible::Identity);
    }
    require_plain("the identity", &with.identity)
}

/// The vault must be where the resource is; one that does not say where it is, is not.
fn check_place(resource: &Resource, vault: &dyn Vault) -> Result<(), Error> {
    let place = vault.place();
    let refuse = |reason| Err(Error::NotEligible { resource: resource.id.clone(), reason });
    if place.tenant.as_deref() != Some(&resource.tenant) {
        let (resource, vault) = (resource.tenant.clone(), place.tenant);
        return refuse(Ineligible::Tenant { resource, vault });
    }
    if place.region.as_deref() != Some(&resource.region) {
        let (resource, vault) = (resource.region.clone(), place.region);
        return refuse(Ineligible::Region { resource, vault });
    }
    Ok(())
}

/// Refuses a key that cannot be a customer-managed key; returns its thumbprint.
pub(super) fn check_key(
    id: &VersionedKeyId,
    description: &KeyDescription,
    now: u64,
) -> Result<Vec<u8>, Error> {
    let unsuitable =
        |reason: &str| Err(Error::UnsuitableKey { key: id.clone(), reason: reason.to_owned() });
    if description.id != *id {
        return unsuitable("its vault described another key");
    }
    if !matches!(description.key_type, KeyType::Rsa { .. }) {
        return unsuitable("it is not an RSA key; create an RSA key of 2048 bits");
    }
    if description.bits != 2048 {
        let bits = description.bits;
        return unsuitable(&format!("it has {bits} bits; create an RSA key of 2048 bits"));
    }
    for operation in [Operation::WrapKey, Operation::UnwrapKey] {
        if !description.operations.contains(operation) {
            return unsuitable("its permitted operations lack wrapKey or unwrapKey; add both");
        }
    }
    if !description.recovery_level.as_ref().is_some_and(crate::vault::RecoveryLevel::is_protected) {
        return unsuitable("its vault lacks soft delete or purge protection; switch on both");
    }
    description.may_wrap(now)?;
    let thumbprint = description.thumbprint()?;
    match thumbprint {
        Some(thumbprint) => Ok(thumbprint.to_vec()),
        None => unsuitable("it has no public key"),
    }
}
