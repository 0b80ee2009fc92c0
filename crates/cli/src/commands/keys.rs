//! Where a document's keys come from: a vault, or a resource of a service.

use std::cell::RefCell;

use strongroom::document::{Header, Layers, OpenOptions, Opener};
use strongroom::wrap::WrappingKey;
use strongroom_keys::block_on;
use strongroom_keys::resource::{DocumentKind, OpeningKeys, ResourceId, SealRequest, SealingKeys};
use strongroom_keys::{LocalVault, Resources};

use super::unlock::unlock;
use crate::args::{KindOption, ResourceOption, VaultOption};
use crate::failure::Failure;
use crate::service::HomeLocation;
use crate::tagged;
use crate::vaults::Location;
use crate::workers::Grant;

/// What opens documents.
#[derive(Debug)]
pub(super) enum Keys {
    /// The keys of a vault.
    Vault(LocalVault),
    /// The keys of a resource.
    Resource(Box<ResourceKeys>),
}

/// A resource, and what it gave for one document.
#[derive(Debug)]
pub(super) struct ResourceKeys {
    resources: Resources,
    id: ResourceId,
    /// Those of the last document.
    opening: RefCell<Option<OpeningKeys>>,
}

impl ResourceKeys {
    fn new(resources: Resources, id: ResourceId) -> Self {
        Self { resources, id, opening: RefCell::new(None) }
    }
}

/// Finds the keys of one document after another; each vault and each resource is opened once.
#[derive(Debug)]
pub(super) struct KeyFinder {
    vault: VaultOption,
    resource: ResourceOption,
    found: Vec<Keys>,
}

impl KeyFinder {
    /// Keys of the resource or the vault that the command line names.
    pub(super) fn new(vault: VaultOption, resource: ResourceOption) -> Self {
        Self { vault, resource, found: Vec::new() }
    }

    /// Those of the resource or the vault that the command line names; else of the resource that the
    /// header of the document `name` names, where it is one of the home's own; else of the default vault.
    ///
    /// # Errors
    ///
    /// A [`Failure`] when there are none.
    pub(super) fn find(&mut self, header: &Header, name: &str) -> Result<&Keys, Failure> {
        let id = self.resource_of(header, name)?;
        let is_wanted = |keys: &Keys| match (keys, &id) {
            (Keys::Vault(_), None) => true,
            (Keys::Resource(keys), Some(id)) => keys.id == *id,
            _ => false,
        };
        let at = if let Some(at) = self.found.iter().position(is_wanted) {
            at
        } else {
            let keys = match id {
                None => Keys::Vault(Location::find(self.vault.clone())?.open()?),
                Some(id) => {
                    let service = HomeLocation::find(self.resource.home.clone())?.open()?;
                    Keys::Resource(Box::new(ResourceKeys::new(service.resources()?, id)))
                }
            };
            self.found.push(keys);
            self.found.len() - 1
        };
        Ok(&self.found[at])
    }

    /// The resource whose keys open the document `name`, where it is not a vault.
    fn resource_of(&self, header: &Header, name: &str) -> Result<Option<ResourceId>, Failure> {
        if let Some(id) = &self.resource.name {
            return Ok(Some(id.clone()));
        }
        let named: Vec<ResourceId> = header
            .recipients()
            .iter()
            .filter_map(|one| one.key_id().as_str().strip_prefix("resource/")?.split('/').next())
            .filter_map(|id| ResourceId::new(id).ok())
            .collect();
        if named.is_empty() {
            return Ok(None);
        }
        let location = HomeLocation::find(self.resource.home.clone())?;
        if location.exists() {
            let service = location.open()?;
            for id in named {
                if service.has(&id)? {
                    return Ok(Some(id));
                }
            }
        }
        let ids: Vec<&str> = header.recipients().iter().map(|one| one.key_id().as_str()).collect();
        Err(Failure::NoResourceKey {
            name: name.to_owned(),
            home: location.path().to_owned(),
            wrapped_with: ids.join(", "),
        })
    }
}

impl Keys {
    /// What opens the document `name`.
    ///
    /// # Errors
    ///
    /// [`Failure::NoKey`] and its like, [`Failure::Resource`] where the resource refuses.
    pub(super) fn unlock(
        &self,
        header: &Header,
        name: &str,
        options: &OpenOptions,
    ) -> Result<Opener, Failure> {
        let of_resource = match self {
            Self::Vault(vault) => return unlock(header, vault, name, options),
            Self::Resource(of_resource) => of_resource,
        };
        let ResourceKeys { resources, id, opening } = &**of_resource;
        let keys = block_on(resources.opening_keys(id, header))?;
        let options = OpenOptions {
            context: options.context.clone(),
            now: options.now,
            policy: keys.policy().clone(),
            backend: options.backend,
        };
        let opener = header
            .unlock_with(keys.keys(), &options)
            .map_err(|error| tagged::failure(name, error))?;
        *opening.borrow_mut() = Some(keys);
        Ok(opener)
    }

    /// The right to use what [`Keys::unlock`] gave; a vault's keys need none.
    pub(super) fn grant(&self) -> Option<Grant> {
        let Self::Resource(of_resource) = self else { return None };
        let ResourceKeys { resources, opening, .. } = &**of_resource;
        let lease = opening.borrow().as_ref().map(|keys| keys.lease().clone())?;
        Some(Grant { resources: resources.clone(), lease })
    }
}

/// What a document is sealed with.
pub(super) enum SealWith {
    /// Keys of a vault.
    Vault(Vec<WrappingKey>),
    /// The keys of a resource.
    Resource(Box<SealingKeys>, Resources),
}

impl SealWith {
    /// The keys of a resource, and what opens the document again.
    ///
    /// # Errors
    ///
    /// A [`Failure`] when there is no such resource, or no access to it.
    pub(super) fn resource(
        location: &HomeLocation,
        id: ResourceId,
        kind: KindOption,
        expires_at: Option<u64>,
    ) -> Result<(Keys, Self), Failure> {
        let kind = match kind {
            KindOption::Model => DocumentKind::Model,
            KindOption::Result => DocumentKind::Result,
        };
        let keys = ResourceKeys::new(location.open()?.resources()?, id);
        let request = SealRequest { kind, expires_at };
        let sealing = block_on(keys.resources.sealing_keys(&keys.id, &request))?;
        let resources = keys.resources.clone();
        Ok((Keys::Resource(Box::new(keys)), Self::Resource(Box::new(sealing), resources)))
    }

    /// As the engine takes them.
    pub(super) fn layers(&self) -> Layers<'_> {
        match self {
            Self::Vault(keys) => Layers::One(keys),
            Self::Resource(keys, _) => keys.layers(),
        }
    }

    /// The ids of the service's or the vault's keys, and of the customer's where there is one.
    pub(super) fn ids(&self) -> (Vec<String>, Option<String>) {
        let id = |key: &WrappingKey| key.id().as_str().to_owned();
        match self.layers() {
            Layers::One(keys) => (keys.iter().map(id).collect(), None),
            Layers::Two { service, customer } => {
                (service.iter().map(id).collect(), customer.first().map(id))
            }
        }
    }

    /// The right to use a resource's keys; a vault's need none.
    pub(super) fn grant(&self) -> Option<Grant> {
        match self {
            Self::Vault(_) => None,
            Self::Resource(keys, resources) => {
                Some(Grant { resources: resources.clone(), lease: keys.lease().clone() })
            }
        }
    }
}
