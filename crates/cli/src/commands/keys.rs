//! Where a document's keys come from: a vault, or a resource of a service.

use std::cell::OnceCell;

use futures_lite::future::block_on;
use strongroom::document::{Header, Layers, OpenOptions, Opener};
use strongroom::wrap::WrappingKey;
use strongroom_keys::resource::{DocumentKind, OpeningKeys, ResourceId, SealRequest, SealingKeys};
use strongroom_keys::{LocalVault, Resources};

use super::unlock::unlock;
use crate::args::{KindOption, ResourceOption, VaultOption};
use crate::failure::Failure;
use crate::service::HomeLocation;
use crate::tagged;
use crate::vaults::Location;

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
    opening: OnceCell<OpeningKeys>,
}

impl ResourceKeys {
    fn new(resources: Resources, id: ResourceId) -> Self {
        // Large documents take longer than a key may be used without asking for it again. The process
        // ends this thread.
        let run = resources.cache().run();
        std::thread::spawn(move || block_on(run));
        Self { resources, id, opening: OnceCell::new() }
    }
}

impl Keys {
    /// Those of the resource or the vault that the command line names; else of the resource that the
    /// header of the document `name` names, where it is one of the home's own; else of the default vault.
    ///
    /// # Errors
    ///
    /// A [`Failure`] when there are none.
    pub(super) fn find(
        vault: VaultOption,
        resource: ResourceOption,
        header: &Header,
        name: &str,
    ) -> Result<Self, Failure> {
        let location = HomeLocation::find(resource.home);
        if let Some(id) = resource.name {
            let resources = location?.open()?.resources()?;
            return Ok(Self::Resource(Box::new(ResourceKeys::new(resources, id))));
        }
        let named: Vec<ResourceId> = header
            .recipients()
            .iter()
            .filter_map(|one| one.key_id().as_str().strip_prefix("resource/")?.split('/').next())
            .filter_map(|id| ResourceId::new(id).ok())
            .collect();
        if named.is_empty() {
            return Ok(Self::Vault(Location::find(vault)?.open()?));
        }
        let location = location?;
        if location.exists() {
            let service = location.open()?;
            for id in named {
                if service.has(&id)? {
                    let keys = ResourceKeys::new(service.resources()?, id);
                    return Ok(Self::Resource(Box::new(keys)));
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
        let keys = opening.get_or_init(|| keys);
        let options = OpenOptions {
            context: options.context.clone(),
            now: options.now,
            policy: keys.policy().clone(),
            backend: options.backend,
        };
        header.unlock_with(keys.keys(), &options).map_err(|error| tagged::failure(name, error))
    }

    /// Refuses where the keys were withdrawn meanwhile.
    ///
    /// # Errors
    ///
    /// [`Failure::Resource`].
    pub(super) fn check(&self) -> Result<(), Failure> {
        if let Self::Resource(of_resource) = self
            && let Some(keys) = of_resource.opening.get()
        {
            keys.lease().check()?;
        }
        Ok(())
    }
}

/// What a document is sealed with.
pub(super) enum SealWith {
    /// One key of a vault.
    Vault([WrappingKey; 1]),
    /// The keys of a resource.
    Resource(Box<SealingKeys>),
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
        Ok((Keys::Resource(Box::new(keys)), Self::Resource(Box::new(sealing))))
    }

    /// As the engine takes them.
    pub(super) fn layers(&self) -> Layers<'_> {
        match self {
            Self::Vault(key) => Layers::One(key),
            Self::Resource(keys) => keys.layers(),
        }
    }

    /// The ids of the service's or the vault's key, and of the customer's where there is one.
    pub(super) fn ids(&self) -> (Option<String>, Option<String>) {
        let id = |keys: &[WrappingKey]| keys.first().map(|key| key.id().as_str().to_owned());
        match self.layers() {
            Layers::One(keys) => (id(keys), None),
            Layers::Two { service, customer } => (id(service), id(customer)),
        }
    }

    /// Refuses where the keys were withdrawn meanwhile.
    ///
    /// # Errors
    ///
    /// [`Failure::Resource`].
    pub(super) fn check(&self) -> Result<(), Failure> {
        match self {
            Self::Vault(_) => Ok(()),
            Self::Resource(keys) => Ok(keys.lease().check()?),
        }
    }
}
