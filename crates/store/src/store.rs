//! The store: each method of `ObjectStore`, by the file that does its work.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt as _};
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result,
};

use crate::shared::Shared;
use crate::stats::Stats;
use crate::upload::SealedUpload;
use crate::{copy, get, list, names, put, ranges};

/// An object store that seals what is put into it, and opens what is read. Clones are one store.
///
/// [`StoreConfig`](crate::StoreConfig) makes and opens it; see the [crate] for an example.
#[derive(Clone)]
pub struct SealedStore {
    shared: Arc<Shared>,
}

impl SealedStore {
    pub(crate) fn new(shared: Shared) -> Self {
        Self { shared: Arc::new(shared) }
    }

    /// Counts of what it has done since it was opened.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.counters.stats()
    }

    /// Wipes the opened headers whose keys may not be used any more. Reading does that on the way; call it now and then where a
    /// store may be idle for long.
    pub fn wipe_closed(&self) {
        self.shared.headers.wipe_closed();
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ObjectStore for SealedStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        put::put_opts(&self.shared, location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let named = self.shared.named(location)?;
        Ok(Box::new(SealedUpload::begin(&self.shared, named, options, None).await?))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        get::get_opts(&self.shared, location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        ranges::get_ranges(&self.shared, location, ranges).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let shared = Arc::clone(&self.shared);
        let locations = locations.map(move |location| {
            let location = location?;
            names::check(&location)?;
            shared.headers.forget(&location);
            Ok(location)
        });
        self.shared.inner.delete_stream(locations.boxed())
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        list::entries(&self.shared, self.shared.inner.list(prefix))
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        list::entries(&self.shared, self.shared.inner.list_with_offset(prefix, offset))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        list::with_delimiter(&self.shared, prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        copy::copy(&self.shared, from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        copy::rename(&self.shared, from, to, options).await
    }
}

impl fmt::Display for SealedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedStore({})", self.shared.inner)
    }
}

impl fmt::Debug for SealedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedStore").field("inner", &self.shared.inner).finish_non_exhaustive()
    }
}
