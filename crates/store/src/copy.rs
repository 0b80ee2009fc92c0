//! Copying and renaming. An object that is bound to its path is opened and sealed anew.

use std::sync::Arc;

use futures_util::stream::TryStreamExt as _;
use object_store::path::Path;
use object_store::{
    CopyMode, CopyOptions, GetOptions, MultipartUpload as _, ObjectStore as _, ObjectStoreExt as _,
    PutMode, PutMultipartOptions, PutOptions, RenameOptions, RenameTargetMode, Result,
};

use crate::shared::Shared;
use crate::upload::SealedUpload;
use crate::{get, put};

pub(crate) async fn copy(
    shared: &Arc<Shared>,
    from: &Path,
    to: &Path,
    options: CopyOptions,
) -> Result<()> {
    let (source, target) = (shared.named(from)?, shared.named(to)?);
    if source.context == target.context {
        let copied = shared.inner.copy_opts(from, to, options).await;
        shared.headers.forget(to);
        return copied;
    }
    let CopyOptions { mode, extensions } = options;
    let read = GetOptions { extensions: extensions.clone(), ..GetOptions::default() };
    let answer = get::get_opts(shared, from, read).await?;
    let attributes = answer.attributes.clone();
    let fits = shared.manifest.lengths.of_plaintext(answer.meta.size);
    let fits = fits.is_ok_and(|sealed_len| sealed_len <= shared.budget.bytes());
    if fits || mode == CopyMode::Create {
        let mode = match mode {
            CopyMode::Create => PutMode::Create,
            CopyMode::Overwrite => PutMode::Overwrite,
        };
        let text = answer.bytes().await?;
        let options = PutOptions { mode, attributes, extensions, ..PutOptions::default() };
        return put::put_opts(shared, to, text.into(), options).await.map(|_| ());
    }
    let options = PutMultipartOptions { attributes, extensions, ..PutMultipartOptions::default() };
    let mut upload = SealedUpload::begin(shared, target, options).await?;
    let mut text = answer.into_stream();
    while let Some(piece) = text.try_next().await? {
        upload.put_part(piece.into()).await?;
    }
    upload.complete().await.map(|_| ())
}

pub(crate) async fn rename(
    shared: &Arc<Shared>,
    from: &Path,
    to: &Path,
    options: RenameOptions,
) -> Result<()> {
    if shared.named(from)?.context == shared.named(to)?.context {
        let renamed = shared.inner.rename_opts(from, to, options).await;
        shared.headers.forget(from);
        shared.headers.forget(to);
        return renamed;
    }
    let RenameOptions { target_mode, extensions } = options;
    let mode = match target_mode {
        RenameTargetMode::Overwrite => CopyMode::Overwrite,
        RenameTargetMode::Create => CopyMode::Create,
    };
    copy(shared, from, to, CopyOptions { mode, extensions }).await?;
    // The copy was acknowledged; the original goes.
    shared.headers.forget(from);
    shared.inner.delete(from).await
}
