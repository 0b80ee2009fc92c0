//! Writing: one object at once.

use std::iter;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use object_store::path::Path;
use object_store::{
    ObjectStore as _, PutMode, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use strongroom::document::PlaintextLen;

use crate::error::StoreError;
use crate::shared::{Named, Shared};
use crate::upload::SealedUpload;

/// Seals a text and puts it.
pub(crate) async fn put_opts(
    shared: &Arc<Shared>,
    location: &Path,
    text: PutPayload,
    options: PutOptions,
) -> Result<PutResult> {
    put(shared, &shared.named(location)?, text, options, None).await
}

/// The same for an object that is named already, and may have to expire at a time.
pub(crate) async fn put(
    shared: &Arc<Shared>,
    named: &Named,
    text: PutPayload,
    options: PutOptions,
    expires_at: Option<u64>,
) -> Result<PutResult> {
    let location = &named.location;
    let text_len = text.content_length() as u64;
    let sealed_len = shared.manifest.lengths.of_plaintext(text_len);
    let sealed_len = sealed_len.map_err(StoreError::engine(location))?;
    if sealed_len > shared.budget.bytes() && options.mode == PutMode::Overwrite {
        return put_in_parts(shared, named, text, options, expires_at).await;
    }
    // A vault that does not answer keeps nobody else waiting: its keys come before the memory.
    let (keys, sealer) = shared.sealer(named, PlaintextLen::Known(text_len), expires_at).await?;
    let share = shared.budget.share(usize::try_from(sealed_len).unwrap_or(usize::MAX)).await;
    let sealing = shared.place(text_len).start(move || sealer.seal_slice(&Bytes::from(text)));
    let sealed = sealing.finish().await.and_then(|sealed| sealed);
    let sealed = sealed.map_err(StoreError::engine(location))?;
    // A key that was withdrawn meanwhile seals nothing that is published.
    keys.lease().check().map_err(StoreError::keys(location))?;
    let put = shared.inner.put_opts(location, sealed.into(), options).await;
    drop(share);
    shared.headers.forget(location);
    let put = put?;
    shared.counters.sealed_bytes.add(text_len);
    Ok(put)
}

/// A text that does not fit into the memory for sealed bytes, part by part.
async fn put_in_parts(
    shared: &Arc<Shared>,
    named: &Named,
    text: PutPayload,
    options: PutOptions,
    expires_at: Option<u64>,
) -> Result<PutResult> {
    let PutOptions { tags, attributes, extensions, .. } = options;
    let options = PutMultipartOptions { tags, attributes, extensions };
    let part_len = shared.settings.part_len;
    let pieces = text.into_iter().flat_map(move |mut bytes: Bytes| {
        iter::from_fn(move || {
            (!bytes.is_empty()).then(|| Ok(bytes.split_to(bytes.len().min(part_len))))
        })
    });
    let pieces = stream::iter(pieces).boxed();
    SealedUpload::put(shared, named.clone(), pieces, options, expires_at).await
}
