//! Headers and bodies from the inner store, of one version of an object.
//!
//! ```text
//! cached header ------------------------------> body, if it is of the same version still
//! first bytes -> header -> unlock -> (a stream's last chunk) -> layout -> body
//! ```
//!
//! A client names no version. The request for the body carries the ETag of the header: where the object was replaced in between
//! everything begins again, a bounded number of times.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use object_store::{GetOptions, GetResult, ObjectMeta, ObjectStore as _};
use strongroom::document::Header;
use strongroom_keys::resource::OpenRequest;

use crate::error::{STORE, StoreError};
use crate::manifest::HEADER_LEN;
use crate::object::{OpenObject, Version};
use crate::payload;
use crate::shared::{Named, Shared};

/// The number of times that an object may be replaced while it is read.
pub(crate) const ATTEMPTS: usize = 8;

/// Bytes that are fetched without need where that saves a request.
pub(crate) const NEAR: u64 = 1 << 20;

/// An opened object, and what came with its header where that was asked for now.
pub(crate) struct Found {
    pub(crate) object: Arc<OpenObject>,
    pub(crate) beginning: Option<Beginning>,
}

/// The first bytes of the inner object, and the answer that brought them, without its payload.
pub(crate) struct Beginning {
    pub(crate) answer: GetResult,
    pub(crate) bytes: Bytes,
}

impl Shared {
    /// The object, opened: from memory, or from its first bytes, of which `text_end` says how much of its text is wanted.
    pub(crate) async fn find(
        &self,
        named: &Named,
        options: &GetOptions,
        text_end: Option<u64>,
    ) -> object_store::Result<Found> {
        if options.version.is_none()
            && let Some(object) = self.known(named).await
        {
            self.counters.header_hits.add(1);
            return Ok(Found { object, beginning: None });
        }
        self.counters.header_misses.add(1);
        let whole_chunks = |end: u64| end.checked_next_multiple_of(self.manifest.chunk_len.bytes());
        let near = text_end.and_then(whole_chunks);
        let near = near.and_then(|end| self.manifest.lengths.of_plaintext(end).ok());
        let end = near.filter(|end| *end <= NEAR).unwrap_or(0).max(HEADER_LEN);
        let first = GetOptions { range: Some((0..end).into()), head: false, ..options.clone() };
        let mut answer = self.inner.get_opts(&named.location, first).await?;
        let bytes = payload::collect(payload::take(&mut answer), end).await?;
        if bytes.len() as u64 > end {
            return Err(cut(named).into());
        }
        let object = self.open(named, options, &answer.meta, &bytes).await?;
        Ok(Found { object, beginning: Some(Beginning { answer, bytes }) })
    }

    /// The object as it was read last, if its keys can be used again. That they cannot says nothing of the object that is there
    /// now.
    async fn known(&self, named: &Named) -> Option<Arc<OpenObject>> {
        let object = self.headers.get(&named.location)?;
        if object.opener.lease().check().is_ok() {
            return Some(object);
        }
        // The keys may have been replaced, or be too old: they are asked for again, as for any document.
        self.headers.forget(&named.location);
        self.headers.wipe_closed();
        let opener = self.unlock(named, &object.header).await.ok()?;
        let OpenObject { version, header_bytes, header, layout, .. } = &*object;
        let object = Arc::new(OpenObject {
            version: version.clone(),
            header_bytes: header_bytes.clone(),
            header: header.clone(),
            opener,
            layout: *layout,
        });
        self.headers.insert(&named.location, &object);
        Some(object)
    }

    /// Opens the object whose first bytes are at hand.
    pub(crate) async fn open(
        &self,
        named: &Named,
        options: &GetOptions,
        meta: &ObjectMeta,
        beginning: &Bytes,
    ) -> object_store::Result<Arc<OpenObject>> {
        let opened = self.open_beginning(named, options, meta, beginning).await;
        if matches!(&opened, Err(object_store::Error::Generic { source, .. }) if source.is::<StoreError>())
        {
            self.counters.refused.add(1);
        }
        opened
    }

    async fn open_beginning(
        &self,
        named: &Named,
        options: &GetOptions,
        meta: &ObjectMeta,
        beginning: &Bytes,
    ) -> object_store::Result<Arc<OpenObject>> {
        let path = &named.location;
        self.text_len(path, meta.size)?;
        // A copy: what came with it is not kept.
        let header_bytes = beginning.get(..usize::try_from(HEADER_LEN).unwrap_or(usize::MAX));
        let header_bytes = Bytes::copy_from_slice(header_bytes.unwrap_or(beginning));
        let header = Header::parse(&header_bytes).map_err(StoreError::engine(path))?;
        let manifest = &self.manifest;
        if (header.len() as u64, header.chunk_len(), header.layers())
            != (HEADER_LEN, manifest.chunk_len, manifest.layers)
        {
            return Err(StoreError::ForeignShape { path: path.clone() }.into());
        }
        let opener = self.unlock(named, &header).await?;
        let version = Version::of(meta);
        let claimed = opener.layout(meta.size).map_err(StoreError::document(path))?;
        let proof = claimed.proof_range();
        let proof = if proof.is_empty() {
            Bytes::new()
        } else if let Some(bytes) = slice(beginning, &proof) {
            bytes
        } else {
            self.fetch(named, options, &version, proof).await?
        };
        let layout = opener.verify_layout(&claimed, &proof).map_err(StoreError::document(path))?;
        let object = Arc::new(OpenObject { version, header_bytes, header, opener, layout });
        // Without an ETag nothing tells that a body is of another version.
        if options.version.is_none() && object.version.e_tag.is_some() {
            self.headers.insert(path, &object);
        }
        Ok(object)
    }

    async fn unlock(
        &self,
        named: &Named,
        header: &Header,
    ) -> Result<strongroom_keys::resource::LeasedOpener, StoreError> {
        let request = OpenRequest { context: named.context.clone(), ..OpenRequest::default() };
        let opener = self.resources.opener(&named.placement.resource, header, &request).await;
        opener.map_err(StoreError::document(&named.location))
    }

    /// A range of one version of an object.
    pub(crate) async fn fetch(
        &self,
        named: &Named,
        options: &GetOptions,
        version: &Version,
        sealed: Range<u64>,
    ) -> object_store::Result<Bytes> {
        let mut answer = self.answer(named, options, version, sealed.clone()).await?;
        let length = sealed.end.saturating_sub(sealed.start);
        let bytes = payload::collect(payload::take(&mut answer), length).await?;
        if bytes.len() as u64 == length { Ok(bytes) } else { Err(cut(named).into()) }
    }

    /// The answer for a range of one version of an object; [`StoreError::Replaced`] where there is another by now.
    pub(crate) async fn answer(
        &self,
        named: &Named,
        options: &GetOptions,
        version: &Version,
        sealed: Range<u64>,
    ) -> object_store::Result<GetResult> {
        let replaced = || stale(named);
        match self.inner.get_opts(&named.location, version.range(options, sealed.clone())).await {
            Err(object_store::Error::Precondition { .. }) if options.if_match.is_none() => {
                Err(replaced().into())
            }
            Ok(answer) if Version::of(&answer.meta) != *version => Err(replaced().into()),
            Ok(answer) if answer.range != sealed => Err(cut(named).into()),
            // Our condition takes the place of one of the client's on the time.
            Ok(answer) => options.check_preconditions(&answer.meta).map(|()| answer),
            Err(error) => Err(error),
        }
    }

    /// The length of the text of an object of `sealed_len` bytes.
    pub(crate) fn text_len(
        &self,
        path: &object_store::path::Path,
        sealed_len: u64,
    ) -> Result<u64, StoreError> {
        self.manifest.lengths.plaintext(sealed_len).map_err(|_| {
            self.counters.foreign.add(1);
            StoreError::ForeignLen { path: path.clone(), sealed_len }
        })
    }

    /// The outcome of a read; `None` where the object was replaced meanwhile, so that it is to be read anew.
    pub(crate) fn unless_replaced<T>(
        &self,
        named: &Named,
        read: object_store::Result<T>,
    ) -> Option<object_store::Result<T>> {
        if !matches!(&read, Err(error) if is_replaced(error)) {
            return Some(read);
        }
        self.headers.forget(&named.location);
        self.counters.replaced.add(1);
        None
    }
}

/// A range that the text does not have.
pub(crate) fn outside(
    error: impl std::error::Error + Send + Sync + 'static,
) -> object_store::Error {
    object_store::Error::Generic { store: STORE, source: Box::new(error) }
}

/// The object is another one than was read last: it is read anew.
pub(crate) fn stale(named: &Named) -> StoreError {
    StoreError::Replaced { path: named.location.clone() }
}

/// True of the error that says that an object was replaced while it was read.
fn is_replaced(error: &object_store::Error) -> bool {
    matches!(error, object_store::Error::Generic { source, .. }
        if matches!(source.downcast_ref(), Some(StoreError::Replaced { .. })))
}

/// The inner store gave fewer bytes than it said.
pub(crate) fn cut(named: &Named) -> StoreError {
    let source = std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
    let error = strongroom::Error::Io { doing: "reading the inner store", source };
    StoreError::engine(&named.location)(error)
}

/// A range of the object, if its first bytes reach so far.
pub(crate) fn slice(beginning: &Bytes, sealed: &Range<u64>) -> Option<Bytes> {
    let start = usize::try_from(sealed.start).ok()?;
    let end = usize::try_from(sealed.end).ok()?;
    (start <= end && end <= beginning.len()).then(|| beginning.slice(start..end))
}
