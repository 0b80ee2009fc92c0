//! Bytes out of the inner store's answers, and answers with a text in place of sealed bytes.

use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use object_store::{GetResult, GetResultPayload, Result};

/// Takes the payload out of an answer: what is left of it holds no bytes.
pub(crate) fn take(answer: &mut GetResult) -> BoxStream<'static, Result<Bytes>> {
    let empty = GetResultPayload::Stream(stream::empty().boxed());
    match std::mem::replace(&mut answer.payload, empty) {
        GetResultPayload::Stream(sealed) => sealed,
        #[cfg(all(feature = "fs", not(target_arch = "wasm32")))]
        GetResultPayload::File(file, path) => file::pieces(file, path, answer.range.clone()),
        #[cfg(not(all(feature = "fs", not(target_arch = "wasm32"))))]
        #[allow(
            unreachable_patterns,
            reason = "another crate may have enabled files in object_store"
        )]
        _ => {
            let reason = "enable the feature `fs` of strongroom-store to read files";
            let error = object_store::Error::NotSupported { source: reason.into() };
            stream::once(std::future::ready(Err(error))).boxed()
        }
    }
}

/// All bytes of a payload, and at most one piece more than `limit`; without a copy where it comes in one piece.
pub(crate) async fn collect(
    mut sealed: BoxStream<'static, Result<Bytes>>,
    limit: u64,
) -> Result<Bytes> {
    let Some(first) = sealed.try_next().await? else { return Ok(Bytes::new()) };
    let Some(second) = sealed.try_next().await? else { return Ok(first) };
    let mut all = BytesMut::from(first);
    all.extend_from_slice(&second);
    while all.len() as u64 <= limit
        && let Some(more) = sealed.try_next().await?
    {
        all.extend_from_slice(&more);
    }
    Ok(all.freeze())
}

#[cfg(all(feature = "fs", not(target_arch = "wasm32")))]
mod file {
    use std::fs::File;
    use std::ops::Range;
    use std::path::PathBuf;
    use std::sync::Arc;

    use bytes::Bytes;
    use futures_util::stream::{self, BoxStream, StreamExt as _};
    use object_store::Result;
    use strongroom::document::ReadAt as _;
    use strongroom_keys::unblock;

    use crate::error::STORE;

    /// Bytes that are read at once.
    const PIECE: u64 = 1 << 20;

    /// A range of a file, read on threads that may block.
    pub(super) fn pieces(
        file: File,
        path: PathBuf,
        range: Range<u64>,
    ) -> BoxStream<'static, Result<Bytes>> {
        let (file, path) = (Arc::new(file), Arc::new(path));
        let starts = (range.start..range.end).step_by(usize::try_from(PIECE).unwrap_or(usize::MAX));
        let reads = starts.map(move |start| {
            let (file, path) = (Arc::clone(&file), Arc::clone(&path));
            let end = start.saturating_add(PIECE).min(range.end);
            async move {
                let length = usize::try_from(end.saturating_sub(start)).unwrap_or(usize::MAX);
                let read = unblock(move || {
                    let mut bytes = vec![0; length];
                    file.read_exact_at(&mut bytes, start).map(|()| Bytes::from(bytes))
                });
                read.await.map_err(|source| {
                    let source = format!("cannot read {}: {source}", path.display()).into();
                    object_store::Error::Generic { store: STORE, source }
                })
            }
        });
        stream::iter(reads).buffered(2).boxed()
    }
}
