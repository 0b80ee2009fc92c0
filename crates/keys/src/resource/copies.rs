//! Copies of a service's states, and the proof that its states, its key and its audit trail fit each other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use super::config::ResourcesConfig;
use super::loader::unwrap_root;
use super::record::{Protection, Resource};
use super::resources::Resources;
use crate::audit::{AuditError, AuditEvent, AuditSink, Known, StateMark};
use crate::error::Error;
use crate::id::ResourceId;
use crate::key_ring::{KeyRing, Layer};
use crate::service_key::NAME;
use crate::state::{Created, StateError, StateStore};

/// Outcome of [`ResourcesConfig::check`].
///
/// # Example
///
/// ```no_run
/// # async fn show(config: strongroom_keys::resource::ResourcesConfig) -> Result<(), Box<dyn std::error::Error>> {
/// let checked = config.check().await?;
/// assert!(checked.lost.is_empty(), "restore them from a backup: {:?}", checked.lost);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The states, each of which holds.
    pub states: Vec<CheckedState>,
    /// Resources that the audit trail knows and that have no state at all any more, those aside that were
    /// [given up](crate::Resources::accept_loss).
    pub lost: Vec<ResourceId>,
}

/// The newest state of a resource, of which all keys of the service's layer came out of their wrappings.
///
/// # Example
///
/// ```no_run
/// # async fn show(config: strongroom_keys::resource::ResourcesConfig) -> Result<(), Box<dyn std::error::Error>> {
/// for state in config.check().await?.states {
///     println!("{}: number {}, {} keys", state.resource, state.number, state.keys);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedState {
    /// The resource.
    pub resource: ResourceId,
    /// The state's number.
    pub number: u64,
    /// Number of its keys that came out of their wrappings: none of a resource that was shredded.
    pub keys: usize,
    /// Its protection; nobody was asked for the customer's key.
    pub protection: Protection,
    /// True where it may not be the newest, as [`Status::in_doubt`](super::Status::in_doubt) says.
    pub in_doubt: bool,
}

/// A trail that is read and not written.
#[derive(Debug)]
struct Unwritten(Arc<dyn AuditSink>);

#[async_trait]
impl AuditSink for Unwritten {
    async fn record(&self, _: &AuditEvent) -> Result<(), AuditError> {
        Ok(())
    }

    async fn recall(&self) -> Known {
        self.0.recall().await
    }

    async fn outlines(&self) -> Result<BTreeMap<String, (StateMark, Value)>, AuditError> {
        self.0.outlines().await
    }
}

impl ResourcesConfig {
    /// The same, for a look at it: the audit trail is not written.
    fn unwritten(&self) -> Self {
        self.clone().with_audit(Arc::new(Unwritten(Arc::clone(&self.audit))))
    }

    /// Reads the newest state of every resource as a service that starts would, and changes nothing: each must be as
    /// new as the audit trail knows and authentic under the service's key, and every key of the service's layer must
    /// come out of its wrapping. No customer's vault is asked.
    ///
    /// # Errors
    ///
    /// [`Error::Audit`] where the trail does not hold, [`Error::State`] where the service's own state is missing, or a state is not valid or older
    /// than the trail knows, [`Error::Vault`], [`Error::WrongKey`].
    pub async fn check(&self) -> Result<Checked, Error> {
        let resources = Resources::new(self.unwritten());
        if let Some(damage) = resources.recall().await.damage {
            return Err(damage.into());
        }
        // What gives no access, since it is in doubt, holds all the same.
        let repository = &resources.repository.unhindered();
        repository.service_key().open(repository.service_origin()).await?;
        let mut names: BTreeSet<String> = self.store.names().await?.into_iter().collect();
        names.extend(repository.marks().names());
        let (mut states, mut lost) = (Vec::new(), Vec::new());
        for name in names {
            let Ok(resource) = ResourceId::new(&name) else { continue };
            if self.store.list(&name).await?.is_empty() {
                if !repository.marks().is_lost(&name) {
                    lost.push(resource);
                }
                continue;
            }
            let current = repository.read(&resource).await?;
            let mut keys = 0;
            if current.resource.root_of(Layer::Service).is_some() {
                let of = &current.resource;
                let root = unwrap_root(repository, &*resources.vaults, of, Layer::Service).await?;
                let ring = KeyRing::build(Layer::Service, current.keys(), Arc::new(root.value))?;
                keys = ring.children().count().saturating_add(1);
            }
            let protection = current.resource.protection.clone();
            let (number, in_doubt) = (current.number, repository.marks().doubt_of(&name).is_some());
            states.push(CheckedState { resource, number, keys, protection, in_doubt });
        }
        Ok(Checked { states, lost })
    }

    /// Copies the newest state of every resource to the empty store `to`, and then the service's own, which those
    /// refer to: so the copy holds while others write. Copy the audit trail before, which refers to states, and the
    /// service's vault afterwards; then [check](Self::check) the copy.
    ///
    /// # Errors
    ///
    /// Those of the stores.
    pub async fn copy_states(&self, to: &dyn StateStore) -> Result<(), Error> {
        let mut names = self.store.names().await?;
        names.retain(|name| name != NAME);
        names.push(NAME.to_owned());
        for name in names {
            let (number, bytes) = newest(&*self.store, &name).await?;
            if to.create(&name, number, &bytes).await? == Created::Exists {
                let reason = format!("the store that {name} is copied to is not empty");
                return Err(Error::Argument { reason });
            }
        }
        Ok(())
    }

    /// Takes over states from `from`, which was the store of the same service: of each name the newest that is
    /// authentic and newer than the one here. What cannot be read there is left; what is older than the audit trail
    /// knows is for [`restore`](Self::restore) to go on from. The names that were taken over.
    ///
    /// # Errors
    ///
    /// Those of this store, and of the service's vault.
    ///
    /// # Security
    ///
    /// The audit trail must be the newest one of `from`: only it shows whether the states there are those that were.
    pub async fn take_newer(&self, from: &dyn StateStore) -> Result<BTreeSet<String>, Error> {
        // Without what the trail knows: states that are older than that are gone on from.
        let resources = Resources::new(self.unwritten());
        let (repository, service_key) = (&resources.repository, resources.repository.service_key());
        let mut taken = BTreeSet::new();
        let origin = repository.service_origin();
        for (number, bytes) in newer(&*self.store, from, NAME).await? {
            if service_key.holds(number, &bytes, origin).await
                && self.store.create(NAME, number, &bytes).await? == Created::New
            {
                taken.insert(NAME.to_owned());
                break;
            }
        }
        service_key.open(origin).await?;
        for name in from.names().await? {
            let Ok(id) = ResourceId::new(&name) else { continue };
            for (number, bytes) in newer(&*self.store, from, &name).await? {
                let held = service_key.verify::<Resource>(&name, number, &bytes, origin).await;
                if held.is_ok_and(|(resource, _)| resource.id == id)
                    && self.store.create(&name, number, &bytes).await? == Created::New
                {
                    taken.insert(name);
                    break;
                }
            }
        }
        Ok(taken)
    }
}

/// The newest object of `name`.
async fn newest(store: &dyn StateStore, name: &str) -> Result<(u64, Vec<u8>), StateError> {
    loop {
        let number = store.list(name).await?.last().copied();
        let number = number.ok_or_else(|| StateError::Missing { name: name.to_owned() })?;
        match store.read(name, number).await? {
            Some(bytes) if !bytes.is_empty() => return Ok((number, bytes)),
            // Erased or removed between the two calls: then there is a newer one.
            _ if store.list(name).await?.last() != Some(&number) => {}
            _ => {
                let (name, reason) = (name.to_owned(), "it is empty".to_owned());
                return Err(StateError::Invalid { name, number, reason });
            }
        }
    }
}

/// The objects of `name` in `from` that are newer than those in `store`, from the newest.
async fn newer(
    store: &dyn StateStore,
    from: &dyn StateStore,
    name: &str,
) -> Result<Vec<(u64, Vec<u8>)>, StateError> {
    let here = store.list(name).await?.last().copied().unwrap_or(0);
    let mut objects = Vec::new();
    for number in from.list(name).await?.into_iter().rev() {
        if number <= here {
            break;
        }
        // What cannot be read is not left out as if it did not hold: it may be the one that ends access.
        if let Some(bytes) = from.read(name, number).await? {
            objects.push((number, bytes));
        }
    }
    Ok(objects)
}
