//! Listings: the inner store's, without the store's own objects, and with the lengths of texts.

use std::future::ready;
use std::sync::Arc;

use futures_util::stream::{BoxStream, StreamExt as _};
use object_store::path::Path;
use object_store::{ListResult, ObjectMeta, ObjectStore as _, Result};

use crate::names;
use crate::shared::Shared;

/// The entries of a listing. An object of a length that no sealed object has is an error in its place.
pub(crate) fn entries(
    shared: &Arc<Shared>,
    inner: BoxStream<'static, Result<ObjectMeta>>,
) -> BoxStream<'static, Result<ObjectMeta>> {
    let shared = Arc::clone(shared);
    inner
        .filter(|entry| ready(!matches!(entry, Ok(meta) if names::is_hidden(&meta.location))))
        .map(move |entry| entry.and_then(|meta| shared.with_text_len(meta)))
        .boxed()
}

/// One level of a listing. It has no place for an error of an entry: objects of other lengths are left out, and counted.
pub(crate) async fn with_delimiter(shared: &Shared, prefix: Option<&Path>) -> Result<ListResult> {
    let mut listed = shared.inner.list_with_delimiter(prefix).await?;
    listed.common_prefixes.retain(|prefix| !names::is_hidden(prefix));
    let objects = std::mem::take(&mut listed.objects).into_iter();
    let objects = objects.filter(|meta| !names::is_hidden(&meta.location));
    listed.objects = objects.filter_map(|meta| shared.with_text_len(meta).ok()).collect();
    Ok(listed)
}

impl Shared {
    fn with_text_len(&self, meta: ObjectMeta) -> Result<ObjectMeta> {
        let size = self.text_len(&meta.location, meta.size)?;
        Ok(ObjectMeta { size, ..meta })
    }
}
