//! Copying and renaming. An object that is bound to its path is opened and sealed anew.

use std::sync::Arc;

use object_store::path::Path;
use object_store::{
    CopyMode, CopyOptions, Error, GetOptions, ObjectStore as _, ObjectStoreExt as _, PutMode,
    PutMultipartOptions, PutOptions, RenameOptions, RenameTargetMode, Result,
};

use crate::error::StoreError;
use crate::object::{OpenObject, Version};
use crate::shared::{Named, Shared};
use crate::upload::SealedUpload;
use crate::{get, put};

pub(crate) async fn copy(
    shared: &Arc<Shared>,
    from: &Path,
    to: &Path,
    options: CopyOptions,
) -> Result<()> {
    let (source, target) = (shared.named(from)?, shared.named(to)?);
    if from == to {
        return stay(shared, &source, options.mode).await;
    }
    if source.context == target.context {
        let copied = shared.inner.copy_opts(from, to, options).await;
        shared.headers.forget(to);
        return copied;
    }
    seal_anew(shared, &source, &target, options).await.map(|_| ())
}

pub(crate) async fn rename(
    shared: &Arc<Shared>,
    from: &Path,
    to: &Path,
    options: RenameOptions,
) -> Result<()> {
    let (source, target) = (shared.named(from)?, shared.named(to)?);
    let RenameOptions { target_mode, extensions } = options.clone();
    let mode = match target_mode {
        RenameTargetMode::Overwrite => CopyMode::Overwrite,
        RenameTargetMode::Create => CopyMode::Create,
    };
    if from == to {
        return stay(shared, &source, mode).await;
    }
    if source.context == target.context {
        let renamed = shared.inner.rename_opts(from, to, options).await;
        shared.headers.forget(from);
        shared.headers.forget(to);
        return renamed;
    }
    let copied = seal_anew(shared, &source, &target, CopyOptions { mode, extensions }).await?;
    // What is there now may be newer, or the copy itself under another spelling of its name: that is not removed.
    shared.headers.forget(from);
    let left = shared.inner.head(from).await?;
    if Version::of(&left) != copied.version {
        return Err(StoreError::NotRemoved { path: from.clone(), copy: to.clone() }.into());
    }
    shared.inner.delete(from).await
}

/// An object that is copied or renamed onto itself is there, and stays.
async fn stay(shared: &Shared, named: &Named, mode: CopyMode) -> Result<()> {
    let head = GetOptions { head: true, ..GetOptions::default() };
    get::head(shared, named, head).await?;
    match mode {
        CopyMode::Overwrite => Ok(()),
        CopyMode::Create => {
            let path = named.location.to_string();
            let source = "it is the object itself".into();
            Err(Error::AlreadyExists { path, source })
        }
    }
}

/// Opens the text of one object and seals it for another path, to expire when the first does. Gives the object that was read.
async fn seal_anew(
    shared: &Arc<Shared>,
    source: &Named,
    target: &Named,
    options: CopyOptions,
) -> Result<Arc<OpenObject>> {
    let CopyOptions { mode, extensions } = options;
    let read = GetOptions { extensions: extensions.clone(), ..GetOptions::default() };
    let (object, answer) = get::get_whole(shared, source, &read).await?;
    let (attributes, expires_at) = (answer.attributes.clone(), object.header.expires_at());
    let fits = object.version.sealed_len <= shared.budget.bytes();
    if fits || mode == CopyMode::Create {
        let mode = match mode {
            CopyMode::Create => PutMode::Create,
            CopyMode::Overwrite => PutMode::Overwrite,
        };
        let text = answer.bytes().await?;
        let options = PutOptions { mode, attributes, extensions, ..PutOptions::default() };
        put::put(shared, target, text.into(), options, expires_at).await?;
        return Ok(object);
    }
    let options = PutMultipartOptions { attributes, extensions, ..PutMultipartOptions::default() };
    let text = answer.into_stream();
    SealedUpload::put(shared, target.clone(), text, options, expires_at).await?;
    Ok(object)
}
