//! A text as a stream: pieces of whole chunks are fetched, opened several at once, and handed out in order.

use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use object_store::Result;

use crate::budget::Share;
use crate::error::StoreError;
use crate::fetch::cut;
use crate::object::OpenObject;
use crate::shared::{Named, Shared};

/// Bytes of text in a piece while memory is free.
const PIECE: u64 = 1 << 20;
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
    share: Option<Share>,
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
    let shared = Arc::clone(shared);
    stream::try_unfold(rest, Rest::next)
        .map_ok(move |piece| shared.open_piece(&named, &object, piece))
        .try_buffered(AHEAD)
        .boxed()
}

impl Rest {
    async fn next(mut self) -> Result<Option<(Piece, Self)>> {
        let Range { start, end } = self.text;
        if start >= end {
            return Ok(None);
        }
        let chunk_len = self.shared.manifest.chunk_len.bytes();
        // A piece and its text.
        let wanted = usize::try_from(2 * PIECE).unwrap_or(usize::MAX);
        let share = self.shared.budget.free_share(wanted);
        let length = if share.is_some() { PIECE.max(chunk_len) } else { chunk_len };
        let stop = start.saturating_add(length);
        let stop = stop.saturating_sub(stop % chunk_len).min(end);
        let sealed = self.object.sealed_range(&self.named.location, start..stop)?;
        let length = sealed.end.saturating_sub(sealed.start);
        let sealed = self.take(usize::try_from(length).unwrap_or(usize::MAX)).await?;
        self.text.start = stop;
        Ok(Some((Piece { text: start..stop, sealed, share }, self)))
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
    ) -> impl Future<Output = Result<Bytes>> + Send + use<> {
        let Piece { text, sealed, share } = piece;
        let (shared, path, object) = (Arc::clone(self), named.location.clone(), Arc::clone(object));
        let opening = self.place(sealed.len() as u64).start(move || {
            let opened = object.opener.open_range(&object.layout, text, &sealed);
            drop(share);
            opened
        });
        async move {
            let opened = opening.finish().await.map_err(StoreError::engine(&path))?;
            let opened = opened.map_err(|error| {
                shared.counters.refused.add(1);
                StoreError::document(&path)(error)
            })?;
            shared.counters.opened_bytes.add(opened.len() as u64);
            Ok(Bytes::from(opened))
        }
    }
}
