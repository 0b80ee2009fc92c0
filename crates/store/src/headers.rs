//! Opened headers of the objects that were read last.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lru::LruCache;
use object_store::path::Path;

use crate::object::OpenObject;

/// Keeps the opened headers of so many objects, each under the lease of its keys. Which version of the object a header is of
/// is for the request for its body to find out.
#[derive(Debug)]
pub(crate) struct Headers {
    objects: Mutex<LruCache<Path, Arc<OpenObject>>>,
}

impl Headers {
    pub(crate) fn new(capacity: NonZeroUsize) -> Self {
        Self { objects: Mutex::new(LruCache::new(capacity)) }
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<Path, Arc<OpenObject>>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The object at a path as it was read last, whether its lease serves or not.
    pub(crate) fn get(&self, location: &Path) -> Option<Arc<OpenObject>> {
        self.lock().get(location).map(Arc::clone)
    }

    pub(crate) fn insert(&self, location: &Path, object: &Arc<OpenObject>) {
        self.lock().put(location.clone(), Arc::clone(object));
    }

    pub(crate) fn forget(&self, location: &Path) {
        self.lock().pop(location);
    }

    /// Drops, and with that wipes, what may not be read any more.
    pub(crate) fn wipe_closed(&self) {
        let mut objects = self.lock();
        let is_closed = |object: &OpenObject| object.opener.lease().check().is_err();
        let closed: Vec<Path> = objects
            .iter()
            .filter(|(_, object)| is_closed(object))
            .map(|(path, _)| path.clone())
            .collect();
        for path in closed {
            objects.pop(&path);
        }
    }
}
