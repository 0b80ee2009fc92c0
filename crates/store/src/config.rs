//! The configuration of a store, which makes it or opens it.

use std::sync::Arc;

use object_store::ObjectStore;
use strongroom_keys::Resources;
use strongroom_keys::resource::ResourceId;

use crate::error::StoreError;
use crate::manifest::{Manifest, NewStore};
use crate::placement::Resolver;
use crate::settings::Settings;
use crate::shared::Shared;
use crate::store::SealedStore;

/// The configuration of a sealed store: an inner store, keys, and which resource has which path.
///
/// # Example
///
/// See the [crate].
#[derive(Clone, Debug)]
pub struct StoreConfig {
    name: String,
    inner: Arc<dyn ObjectStore>,
    resources: Resources,
    keeper: ResourceId,
    resolver: Arc<dyn Resolver>,
    settings: Settings,
}

impl StoreConfig {
    /// The store `name` over `inner`. The name is the host's: a manifest that was made for another name is refused, so that nobody can put that
    /// of a weaker store in its place. `keeper` is the resource whose keys seal the manifest: one of the service's own, without a customer's key, for
    /// without it nothing in the store can be read. `resolver` says which resource has which path.
    #[must_use]
    pub fn new(
        name: &str,
        inner: Arc<dyn ObjectStore>,
        resources: Resources,
        keeper: ResourceId,
        resolver: Arc<dyn Resolver>,
    ) -> Self {
        let (name, settings) = (name.to_owned(), Settings::default());
        Self { name, inner, resources, keeper, resolver, settings }
    }

    /// With these settings.
    #[must_use]
    pub fn with_settings(self, settings: Settings) -> Self {
        Self { settings, ..self }
    }

    /// Makes a store where none is yet.
    ///
    /// # Errors
    ///
    /// [`StoreError::ManifestExists`] where there is one; [`StoreError::Setting`]; those of the keys and of the inner store.
    pub async fn init(self, new: NewStore) -> Result<SealedStore, StoreError> {
        self.settings.check()?;
        let manifest =
            Manifest::create(&*self.inner, &self.resources, &self.keeper, &self.name, new).await?;
        Ok(self.with_manifest(manifest))
    }

    /// Opens a store that was made before.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoManifest`] where there is none; [`StoreError::Setting`]; those of the keys and of the inner store.
    pub async fn open(self) -> Result<SealedStore, StoreError> {
        self.settings.check()?;
        let manifest =
            Manifest::read(&*self.inner, &self.resources, &self.keeper, &self.name).await?;
        Ok(self.with_manifest(manifest))
    }

    fn with_manifest(self, manifest: Manifest) -> SealedStore {
        let Self { inner, resources, resolver, settings, .. } = self;
        SealedStore::new(Shared::new(inner, resources, manifest, resolver, settings))
    }
}
