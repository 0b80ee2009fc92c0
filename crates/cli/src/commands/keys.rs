//! Sources of a document's keys: a vault, or a resource of a service.

use strongroom::document::{Header, Layers, OpenOptions, SealOptions};
use strongroom::wrap::WrappingKey;
use strongroom_keys::Resources;
use strongroom_keys::block_on;
use strongroom_keys::cache::Lease;
use strongroom_keys::resource::{
    DocumentError, DocumentKind, LeasedOpener, OpenRequest, ResourceId, SealRequest, SealingKeys,
};
use strongroom_local_vault::LocalVault;

use super::sealed::Sealed;
use super::unlock::unlock;
use crate::args::{KindOption, ResourceOption, VaultOption};
use crate::failure::Failure;
use crate::service::HomeLocation;
use crate::tagged;
use crate::vaults::Location;
use crate::workers::Grant;

/// Keys that open documents.
#[derive(Debug)]
pub(super) enum Keys {
    /// The keys of a vault.
    Vault(LocalVault),
    /// The keys of a resource.
    Resource(Box<ResourceKeys>),
}

/// A resource of a service.
#[derive(Debug)]
pub(super) struct ResourceKeys {
    resources: Resources,
    id: ResourceId,
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
                    let resources = service.resources_with(&id, self.resource.pins.pins())?;
                    Keys::Resource(Box::new(ResourceKeys { resources, id }))
                }
            };
            self.found.push(keys);
            self.found.len() - 1
        };
        Ok(&self.found[at])
    }

    /// Has `sealed` take the header that opens it, where there are several.
    pub(super) fn choose(&mut self, sealed: &mut Sealed, options: &OpenOptions) {
        let name = sealed.input().name().to_owned();
        sealed.choose(|header| {
            let keys = self.find(header, &name);
            keys.is_ok_and(|keys| keys.unlock(header, &name, options).is_ok())
        });
    }

    /// The resource whose keys open the document `name`, where it is not a vault.
    fn resource_of(&self, header: &Header, name: &str) -> Result<Option<ResourceId>, Failure> {
        if let Some(id) = &self.resource.name {
            return Ok(Some(id.clone()));
        }
        let recipients = header.recipients().iter();
        let named: Vec<ResourceId> =
            recipients.filter_map(|one| ResourceId::of_key(one.key_id())).collect();
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
    /// The keys of the resource `id`.
    pub(super) fn of_resource(resources: Resources, id: ResourceId) -> Self {
        Self::Resource(Box::new(ResourceKeys { resources, id }))
    }

    /// An opener for the document `name`. A resource's holds the lease of its keys; a vault's needs none.
    ///
    /// # Errors
    ///
    /// [`Failure::NoKey`] and its like, [`Failure::Resource`] where the resource refuses.
    pub(super) fn unlock(
        &self,
        header: &Header,
        name: &str,
        options: &OpenOptions,
    ) -> Result<LeasedOpener, Failure> {
        match self {
            Self::Vault(vault) => {
                let opener = unlock(header, vault, name, options)?;
                Ok(LeasedOpener::new(opener, Lease::unlimited()))
            }
            Self::Resource(of_resource) => {
                let ResourceKeys { resources, id } = &**of_resource;
                let (context, backend) = (options.context.clone(), options.backend);
                let request = OpenRequest { context, backend, ..OpenRequest::default() };
                let opener = block_on(resources.opener(id, header, &request));
                opener.map_err(|error| open_failure(name, error))
            }
        }
    }

    /// The right to read what was unlocked under `lease`; a vault's keys need none.
    pub(super) fn grant(&self, lease: &Lease) -> Option<Grant> {
        let Self::Resource(of_resource) = self else { return None };
        Some(Grant { resources: of_resource.resources.clone(), lease: lease.clone() })
    }
}

/// The failure to open the document `name`.
pub(super) fn open_failure(name: &str, error: DocumentError) -> Failure {
    match error {
        DocumentError::Document(error) => tagged::failure(name, error),
        DocumentError::Resource(error) => error.into(),
    }
}

/// Keys that a document is sealed with.
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
        option: &ResourceOption,
        id: ResourceId,
        kind: KindOption,
        expires_at: Option<u64>,
    ) -> Result<(Keys, Self), Failure> {
        let kind = match kind {
            KindOption::Model => DocumentKind::Model,
            KindOption::Result => DocumentKind::Result,
        };
        let service = HomeLocation::find(option.home.clone())?.open()?;
        let keys = ResourceKeys { resources: service.resources_with(&id, option.pins.pins())?, id };
        let request = SealRequest::of(kind).expiring_at(expires_at);
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

    /// The expiry of what is sealed with `options`: of a resource's documents each kind has its own.
    pub(super) fn expires_at(&self, options: &SealOptions) -> Option<u64> {
        match self {
            Self::Vault(_) => options.expires_at,
            Self::Resource(keys, _) => keys.expires_at(),
        }
    }

    /// True where a key was made for it that earlier backups of the home lack.
    pub(super) fn made_key(&self) -> bool {
        matches!(self, Self::Resource(keys, _) if keys.made_key())
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
