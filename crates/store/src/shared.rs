//! State that all operations of a store share, and the meaning of a path.

use std::num::NonZeroUsize;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::path::Path;
use rayon::ThreadPool;
use strongroom::document::Context;
use strongroom_async::Place;
use strongroom_keys::Resources;

use crate::budget::Budget;
use crate::error::StoreError;
use crate::headers::Headers;
use crate::manifest::Manifest;
use crate::names;
use crate::placement::{Placement, Resolver};
use crate::settings::Settings;
use crate::stats::Counters;

/// State that all operations of a store share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) inner: Arc<dyn ObjectStore>,
    pub(crate) resources: Resources,
    pub(crate) manifest: Manifest,
    pub(crate) headers: Headers,
    pub(crate) budget: Budget,
    pub(crate) settings: Settings,
    pub(crate) counters: Counters,
    resolver: Arc<dyn Resolver>,
}

/// An object that a client has named: its keys, and what it is bound to.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) location: Path,
    pub(crate) placement: Placement,
    pub(crate) context: Context,
}

impl Shared {
    pub(crate) fn new(
        inner: Arc<dyn ObjectStore>,
        resources: Resources,
        manifest: Manifest,
        resolver: Arc<dyn Resolver>,
        settings: Settings,
    ) -> Self {
        let capacity = NonZeroUsize::new(settings.headers).unwrap_or(NonZeroUsize::MIN);
        Self {
            inner,
            resources,
            manifest,
            headers: Headers::new(capacity),
            budget: Budget::new(settings.memory),
            counters: Counters::default(),
            settings,
            resolver,
        }
    }

    /// The object at `location`, if a client may name it and a resource has it.
    pub(crate) fn named(&self, location: &Path) -> Result<Named, StoreError> {
        names::check(location)?;
        let placement = self.resolver.resolve(location);
        let placement =
            placement.ok_or_else(|| StoreError::NoResource { path: location.clone() })?;
        let context = self.context(location, &placement).map_err(StoreError::engine(location))?;
        Ok(Named { location: location.clone(), placement, context })
    }

    /// The properties that an object is bound to: its store, its resource and kind, and, if the manifest says so, its path.
    fn context(
        &self,
        location: &Path,
        placement: &Placement,
    ) -> Result<Context, strongroom::Error> {
        let mut context = Context::new();
        context.insert("strongroom-store", &self.manifest.id)?;
        context.insert("resource", placement.resource.as_str())?;
        context.insert("kind", placement.kind_name())?;
        if self.manifest.bind_path {
            context.insert("path", location.as_ref())?;
        }
        Ok(context)
    }

    /// The place to compute on so many bytes.
    pub(crate) fn place(&self, bytes: u64) -> Place {
        Place::of_work(bytes, self.pool())
    }

    fn pool(&self) -> Option<&Arc<ThreadPool>> {
        self.settings.pool.as_ref()
    }
}
