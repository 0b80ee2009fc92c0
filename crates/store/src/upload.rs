//! Writing in parts: texts of any length, with a few parts in memory.
//!
//! ```text
//! put_part, in order -> text that is not sealed yet -> whole chunks, sealed in order -> parts of one length -> inner upload
//! ```
//!
//! Parts of the text have any length; those of the sealed object have one, as some stores demand. The last chunk of the text is
//! held back until the upload is completed: only then is it known to be the last. Sealing goes through a chain of futures, a link
//! a sealed part: whichever is polled drives those before it, in whatever order their callers await them.

use std::collections::VecDeque;
use std::fmt;
use std::future::ready;
use std::pin::pin;
use std::sync::{Arc, PoisonError};

use async_lock::Mutex;
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Either, Shared as Clones, select, try_join_all};
use futures_util::stream::{BoxStream, TryStreamExt as _};
use object_store::{
    MultipartUpload, ObjectStore as _, PutMultipartOptions, PutPayload, PutResult, Result,
    UploadPart,
};
use strongroom::document::{BatchSealer, PlaintextLen, Run};
use strongroom_keys::resource::SealingKeys;

use crate::budget::Share;
use crate::error::{STORE, StoreError};
use crate::manifest::HEADER_LEN;
use crate::shared::{Named, Shared};

/// The greatest number of parts of an upload that every store takes.
const PARTS: u64 = 10_000;

/// Bytes of text that are sealed at once.
const BATCH: usize = 4 << 20;

/// An error that several futures tell.
type Told = Arc<object_store::Error>;

/// A part of the sealed object on its way into the inner store.
type Part = Clones<BoxFuture<'static, std::result::Result<(), Told>>>;

/// The parts that a link of the chain has sealed, after those of all links before it.
type Link = Clones<BoxFuture<'static, std::result::Result<Vec<Part>, Told>>>;

/// An upload of a text whose length is not known.
pub(crate) struct SealedUpload {
    common: Arc<Common>,
    /// Text that was put and fills no part yet: as it was put, without a copy.
    text: VecDeque<Bytes>,
    text_len: u64,
    /// Sealed bytes that fill no part yet.
    left_over: u64,
    parts: u64,
    last: Link,
    state: State,
}

/// Progress of an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// It is being completed, or that has failed: it can be aborted.
    Ending,
    /// It was completed or aborted.
    Ended,
}

/// State that the links of the chain work on, one after the other.
struct Common {
    shared: Arc<Shared>,
    named: Named,
    keys: SealingKeys,
    sealing: std::sync::Mutex<Option<Sealing>>,
    inner: Mutex<Box<dyn MultipartUpload>>,
    /// Parts on their way; `None` once the upload was given up: a link that is under way then begins no other.
    begun: std::sync::Mutex<Option<Vec<Part>>>,
}

/// The sealer, and sealed bytes that fill no part yet.
struct Sealing {
    sealer: Box<BatchSealer>,
    sealed: BytesMut,
}

impl SealedUpload {
    pub(crate) async fn begin(
        shared: &Arc<Shared>,
        named: Named,
        options: PutMultipartOptions,
        expires_at: Option<u64>,
    ) -> Result<Self> {
        let (keys, sealer) = shared.sealer(&named, PlaintextLen::Stream, expires_at).await?;
        let inner = shared.inner.put_multipart_opts(&named.location, options).await?;
        let (header, sealer) = sealer.into_batches(&Run { memory: 3 * BATCH, ..Run::default() });
        let sealing = Sealing { sealer: Box::new(sealer), sealed: BytesMut::from(&header[..]) };
        let common = Common {
            shared: Arc::clone(shared),
            named,
            keys,
            sealing: std::sync::Mutex::new(Some(sealing)),
            inner: Mutex::new(inner),
            begun: std::sync::Mutex::new(Some(Vec::new())),
        };
        Ok(Self {
            common: Arc::new(common),
            text: VecDeque::new(),
            text_len: 0,
            left_over: HEADER_LEN,
            parts: 0,
            last: ready(Ok(Vec::new())).boxed().shared(),
            state: State::Open,
        })
    }

    /// Uploads a text piece by piece.
    pub(crate) async fn put(
        shared: &Arc<Shared>,
        named: Named,
        mut text: BoxStream<'static, Result<Bytes>>,
        options: PutMultipartOptions,
        expires_at: Option<u64>,
    ) -> Result<PutResult> {
        let mut upload = Self::begin(shared, named, options, expires_at).await?;
        let uploaded = async {
            while let Some(piece) = text.try_next().await? {
                upload.put_part(piece.into()).await?;
            }
            upload.complete().await
        };
        let uploaded = uploaded.await;
        if uploaded.is_err() {
            // The first error counts; what is left behind is for the bucket's rules to remove.
            let _left_behind = upload.abort().await;
        }
        uploaded
    }

    /// The text that fills the next part, if there is enough of it and more.
    fn next_part(&mut self) -> Option<Vec<Bytes>> {
        let (part_len, chunk_len, record_len) = self.common.lengths();
        let missing = part_len.saturating_sub(self.left_over);
        let chunks = missing.div_ceil(record_len);
        let wanted = chunks.saturating_mul(chunk_len);
        // What fills the last chunk may be the end of the text.
        if self.text_len <= wanted {
            return None;
        }
        self.count_parts(chunks.saturating_mul(record_len), part_len);
        Some(self.take(wanted))
    }

    /// Counts the parts that so many sealed bytes more fill.
    fn count_parts(&mut self, sealed: u64, part_len: u64) {
        let sealed = self.left_over.saturating_add(sealed);
        self.parts = self.parts.saturating_add(sealed.checked_div(part_len).unwrap_or(0));
        self.left_over = sealed.checked_rem(part_len).unwrap_or(0);
    }

    fn take(&mut self, mut wanted: u64) -> Vec<Bytes> {
        self.text_len = self.text_len.saturating_sub(wanted);
        let mut taken = Vec::new();
        while wanted > 0 {
            let Some(mut first) = self.text.pop_front() else { break };
            let length = usize::try_from(wanted).unwrap_or(usize::MAX).min(first.len());
            let rest = first.split_off(length);
            if !rest.is_empty() {
                self.text.push_front(rest);
            }
            wanted = wanted.saturating_sub(first.len() as u64);
            taken.push(first);
        }
        taken
    }

    /// Adds a link to the chain.
    fn seal(&mut self, text: Vec<Bytes>, is_last: bool) -> Link {
        let (before, common) = (self.last.clone(), Arc::clone(&self.common));
        let is_too_long = self.parts > PARTS;
        let link = async move {
            before.await?;
            if is_too_long {
                return Err(Arc::new(common.too_long().into()));
            }
            common.seal(text, is_last).await.map_err(Arc::new)
        };
        self.last = link.boxed().shared();
        self.last.clone()
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl MultipartUpload for SealedUpload {
    fn put_part(&mut self, text: PutPayload) -> UploadPart {
        if self.state != State::Open {
            return ready(Err(self.common.ended().into())).boxed();
        }
        self.text_len = self.text_len.saturating_add(text.content_length() as u64);
        self.text.extend(text.iter().filter(|bytes| !bytes.is_empty()).cloned());
        let mut links = Vec::new();
        while let Some(text) = self.next_part() {
            links.push(self.seal(text, false));
        }
        async move {
            // All at once: the next part may wait for memory that this one holds.
            let uploaded = links.into_iter().map(|link| async { uploaded(link.await?).await });
            try_join_all(uploaded).await.map(|_| ()).map_err(|told| error(&told))
        }
        .boxed()
    }

    async fn complete(&mut self) -> Result<PutResult> {
        if std::mem::replace(&mut self.state, State::Ending) != State::Open {
            return Err(self.common.ended().into());
        }
        let (part_len, chunk_len, record_len) = self.common.lengths();
        let chunks = self.text_len.div_ceil(chunk_len).max(1);
        self.count_parts(chunks.saturating_mul(record_len), part_len);
        self.parts = self.parts.saturating_add(u64::from(self.left_over > 0));
        let text = self.take(self.text_len);
        let link = self.seal(text, true);
        let common = &self.common;
        let completed = async {
            link.await.map_err(|told| error(&told))?;
            let begun = common.begun().clone().ok_or_else(|| common.ended())?;
            uploaded(begun).await.map_err(|told| error(&told))?;
            let path = &common.named.location;
            // A key that was withdrawn meanwhile seals nothing that is published.
            common.keys.lease().check().map_err(StoreError::keys(path))?;
            common.inner.lock().await.complete().await
        };
        let completed = completed.await;
        common.shared.headers.forget(&common.named.location);
        match completed {
            Ok(_) => self.state = State::Ended,
            Err(_) => self.give_back(),
        }
        completed
    }

    async fn abort(&mut self) -> Result<()> {
        self.state = State::Ending;
        self.give_back();
        self.common.inner.lock().await.abort().await?;
        self.state = State::Ended;
        Ok(())
    }
}

impl SealedUpload {
    /// Drops text, sealed bytes and parts on their way, and with them their shares of the memory.
    fn give_back(&mut self) {
        self.text.clear();
        self.text_len = 0;
        let error = self.common.ended();
        self.last = ready(Err(Arc::new(error.into()))).boxed().shared();
        *self.common.begun() = None;
        self.common.sealing.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl Common {
    /// Lengths in bytes of a sealed part, of a chunk and of its record.
    fn lengths(&self) -> (u64, u64, u64) {
        let manifest = &self.shared.manifest;
        let chunk_len = manifest.chunk_len.bytes();
        let record_len = manifest.lengths.of_plaintext(chunk_len).unwrap_or(u64::MAX);
        let part_len = self.shared.settings.part_len as u64;
        (part_len, chunk_len, record_len.saturating_sub(HEADER_LEN))
    }

    fn begun(&self) -> std::sync::MutexGuard<'_, Option<Vec<Part>>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ended(&self) -> StoreError {
        StoreError::UploadEnded { path: self.named.location.clone() }
    }

    fn too_long(&self) -> StoreError {
        let path = self.named.location.clone();
        StoreError::TooManyParts { path, part_len: self.shared.settings.part_len, limit: PARTS }
    }

    /// Seals text that fills a part, or the last, and begins to upload what that gives.
    async fn seal(self: Arc<Self>, text: Vec<Bytes>, is_last: bool) -> Result<Vec<Part>> {
        let path = &self.named.location;
        let (part_len, chunk_len, record_len) = self.lengths();
        let text_len: u64 = text.iter().map(|bytes| bytes.len() as u64).sum();
        let chunks = text_len.div_ceil(chunk_len).max(1);
        let sealed_len = chunks.saturating_mul(record_len).saturating_add(part_len);
        let memory = usize::try_from(sealed_len).unwrap_or(usize::MAX).saturating_add(BATCH);
        let share = self.share(memory).await?;
        let sealing = self.sealing.lock().unwrap_or_else(PoisonError::into_inner).take();
        let sealing = sealing.ok_or_else(|| self.ended())?;
        let job = self.shared.place(text_len).start(move || sealing.seal(&text, is_last));
        let mut sealing =
            job.finish().await.and_then(|sealed| sealed).map_err(StoreError::engine(path))?;
        self.shared.counters.sealed_bytes.add(text_len);
        self.keys.lease().check().map_err(StoreError::keys(path))?;

        let part_len = self.shared.settings.part_len;
        let mut share = Some(share);
        let mut parts = Vec::new();
        let mut inner = self.inner.lock().await;
        let mut begun = self.begun();
        let begun = begun.as_mut().ok_or_else(|| self.ended())?;
        while sealing.sealed.len() >= part_len || (is_last && !sealing.sealed.is_empty()) {
            let length = sealing.sealed.len().min(part_len);
            let part = sealing.sealed.split_to(length).freeze();
            parts.push(with_share(inner.put_part(part.into()), share.take()));
        }
        begun.extend(parts.iter().cloned());
        *self.sealing.lock().unwrap_or_else(PoisonError::into_inner) = Some(sealing);
        Ok(parts)
    }

    /// A share of the memory. While it is waited for, the parts that hold shares are driven: nobody else may do that.
    async fn share(&self, bytes: usize) -> Result<Share> {
        let begun: Vec<Part> = {
            let mut begun = self.begun();
            let begun = begun.as_mut().ok_or_else(|| self.ended())?;
            begun.retain(|part| !matches!(part.peek(), Some(Ok(()))));
            begun.clone()
        };
        let waiting = pin!(self.shared.budget.share(bytes));
        match select(waiting, pin!(uploaded(begun))).await {
            Either::Left((share, _)) => Ok(share),
            Either::Right((Ok(()), waiting)) => Ok(waiting.await),
            // The upload has failed: what follows is not sealed.
            Either::Right((Err(told), _)) => Err(error(&told)),
        }
    }
}

impl Sealing {
    /// Seals whole chunks, and the last one if it is the last.
    fn seal(
        mut self,
        text: &[Bytes],
        is_last: bool,
    ) -> std::result::Result<Self, strongroom::Error> {
        let mut batch = self.sealer.batch();
        for mut bytes in text.iter().map(|bytes| &bytes[..]) {
            while !bytes.is_empty() {
                let Some(place) = batch.unfilled() else {
                    self.sealer.seal(&mut batch, false)?;
                    batch.outputs().for_each(|record| self.sealed.extend_from_slice(record));
                    batch.clear();
                    continue;
                };
                let length = place.len().min(bytes.len());
                let (now, later) = bytes.split_at(length);
                place.get_mut(..length).unwrap_or_default().copy_from_slice(now);
                batch.advance(length);
                bytes = later;
            }
        }
        self.sealer.seal(&mut batch, is_last)?;
        batch.outputs().for_each(|record| self.sealed.extend_from_slice(record));
        Ok(self)
    }
}

fn with_share(upload: UploadPart, share: Option<Share>) -> Part {
    let part = async move {
        let uploaded = upload.await;
        drop(share);
        uploaded.map_err(Arc::new)
    };
    part.boxed().shared()
}

async fn uploaded(parts: Vec<Part>) -> std::result::Result<(), Told> {
    try_join_all(parts).await.map(|_| ())
}

/// The error once more, for another caller.
fn error(told: &Told) -> object_store::Error {
    use object_store::Error;
    let source = Box::new(StoreError::Upload(Arc::clone(told)));
    match &**told {
        Error::PermissionDenied { path, .. } => {
            Error::PermissionDenied { path: path.clone(), source }
        }
        Error::NotFound { path, .. } => Error::NotFound { path: path.clone(), source },
        Error::AlreadyExists { path, .. } => Error::AlreadyExists { path: path.clone(), source },
        Error::Unauthenticated { path, .. } => {
            Error::Unauthenticated { path: path.clone(), source }
        }
        Error::Precondition { path, .. } => Error::Precondition { path: path.clone(), source },
        _ => Error::Generic { store: STORE, source },
    }
}

/// An upload that is dropped is aborted, where there is a runtime to do that. Elsewhere its parts are left behind, as after
/// a crash: the bucket's rules remove them.
impl Drop for SealedUpload {
    fn drop(&mut self) {
        let runtime = tokio::runtime::Handle::try_current();
        if let (State::Open | State::Ending, Ok(runtime)) = (self.state, runtime) {
            let common = Arc::clone(&self.common);
            let _detached = runtime.spawn(async move { common.inner.lock().await.abort().await });
        }
    }
}

impl fmt::Debug for SealedUpload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealedUpload")
            .field("path", &self.common.named.location)
            .finish_non_exhaustive()
    }
}
