//! A text as a stream: pieces of whole chunks are fetched, opened several at once, and handed out in order.

use std::future::ready;
use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use object_store::Result;
use zeroize::Zeroizing;

use crate::error::StoreError;
use crate::fetch::cut;
use crate::object::OpenObject;
use crate::shared::{Named, Shared};

/// Bytes of text in a piece while memory is free.
const PIECE: u64 = 512 << 10;
/// Pieces that are opened before they are wanted.
const AHEAD: usize = 4;

/// The rest of a text, and the sealed bytes that have come.
struct Rest {
    shared: Arc<Shared>,
    named: Named,
    object: Arc<OpenObject>,
    text: Range<u64>,
    sealed: BoxStream<'static, Result<Bytes>>,
    come: Bytes,
}

/// A piece of a text, and the sealed bytes that hold it.
struct Piece {
    text: Range<u64>,
    sealed: Bytes,
}

/// Opens a range of a text whose sealed bytes `sealed` gives.
pub(crate) fn opened(
    shared: &Arc<Shared>,
    named: Named,
    object: Arc<OpenObject>,
    text: Range<u64>,
    sealed: BoxStream<'static, Result<Bytes>>,
) -> BoxStream<'static, Result<Bytes>> {
    let rest = Rest {
        shared: Arc::clone(shared),
        named: named.clone(),
        object: Arc::clone(&object),
        text,
        sealed,
        come: Bytes::new(),
    };
    let (shared, path) = (Arc::clone(shared), named.location.clone());
    let lease = object.opener.lease().clone();
    let texts = stream::try_unfold(rest, Rest::next)
        .map_ok(move |piece| shared.open_piece(&named, &object, piece))
        .try_buffered(AHEAD);
    // Nothing is handed out once the keys are withdrawn, also of what was opened ahead, nor behind an error.
    let handed = texts.map(move |text| {
        let mut text = text?;
        lease.check().map_err(StoreError::keys(&path))?;
        Ok(Bytes::from(std::mem::take(&mut *text)))
    });
    handed
        .scan(false, |has_failed, text| {
            let ended = std::mem::replace(has_failed, *has_failed || text.is_err());
            ready((!ended).then_some(text))
        })
        .boxed()
}

impl Rest {
    async fn next(mut self) -> Result<Option<(Piece, Self)>> {
        let Range { start, end } = self.text;
        if start >= end {
            return Ok(None);
        }
        let chunk_len = self.shared.manifest.chunk_len.bytes();
        // Pieces that are opened, and those that come.
        let wanted = usize::try_from(4 * PIECE).unwrap_or(usize::MAX);
        let has_room = self.shared.budget.has_room(wanted);
        let length = if has_room { PIECE.max(chunk_len) } else { chunk_len };
        let stop = start.saturating_add(length);
        let stop = stop.saturating_sub(stop % chunk_len).min(end);
        let sealed = self.object.sealed_range(&self.named.location, start..stop)?;
        let length = sealed.end.saturating_sub(sealed.start);
        let sealed = self.take(usize::try_from(length).unwrap_or(usize::MAX)).await?;
        self.text.start = stop;
        Ok(Some((Piece { text: start..stop, sealed }, self)))
    }

    /// The next `length` sealed bytes; without a copy where they came together.
    async fn take(&mut self, length: usize) -> Result<Bytes> {
        if self.come.len() >= length {
            return Ok(self.come.split_to(length));
        }
        let mut taken = BytesMut::new();
        loop {
            let missing = length.saturating_sub(taken.len());
            let more = self.come.split_to(missing.min(self.come.len()));
            if taken.is_empty() && more.len() == length {
                return Ok(more);
            }
            taken.reserve(missing);
            taken.extend_from_slice(&more);
            if taken.len() == length {
                return Ok(taken.freeze());
            }
            self.come = self.sealed.try_next().await?.ok_or_else(|| cut(&self.named))?;
        }
    }
}

impl Shared {
    /// Starts to open a piece, and waits for it.
    fn open_piece(
        self: &Arc<Self>,
        named: &Named,
        object: &Arc<OpenObject>,
        piece: Piece,
    ) -> impl Future<Output = Result<Zeroizing<Vec<u8>>>> + Send + use<> {
        let Piece { text, sealed } = piece;
        let (shared, path) = (Arc::clone(self), named.location.clone());
        let opening = self.place(sealed.len() as u64).start({
            let object = Arc::clone(object);
            move || object.opener.open_range(&object.layout, text, &sealed).map(Zeroizing::new)
        });
        async move {
            let opened = opening.finish().await.map_err(StoreError::engine(&path))?;
            let opened = opened.map_err(|error| {
                shared.counters.refused.add(1);
                // The header may have been another version's, whose ETag is the same.
                shared.headers.forget(&path);
                StoreError::document(&path)(error)
            })?;
            shared.counters.opened_bytes.add(opened.len() as u64);
            Ok(opened)
        }
    }
}
