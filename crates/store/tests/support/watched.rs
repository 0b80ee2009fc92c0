//! An inner store that counts its requests and does to each what a test has decided.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions,
    Result, UploadPart,
};

/// A kind of request to the inner store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Put,
    PutMultipart,
    PutPart,
    Complete,
    Abort,
    Get,
    Head,
    Delete,
    List,
    Copy,
    Rename,
}

/// A request, in order of time.
#[derive(Clone, Debug)]
pub struct Call {
    pub kind: Kind,
    pub path: Path,
    /// The range that was asked for, of a `Get`.
    pub range: Option<Range<u64>>,
    pub has_if_match: bool,
    /// Bytes of a `Put` or a `PutPart`.
    pub length: usize,
}

/// The fate of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fate {
    #[default]
    Done,
    /// It fails and nothing is done.
    Fails,
    /// It is done, and its answer is lost.
    AnswerLost,
    /// The answer is cut after so many bytes, or entries of a listing.
    Cut(usize),
}

type Decide = Box<dyn FnMut(&Call) -> Fate + Send>;

#[derive(Default)]
struct Watch {
    calls: Vec<Call>,
    decide: Option<Decide>,
}

/// A store that is watched. Clones are one store.
#[derive(Clone)]
pub struct Watched {
    inner: Arc<dyn ObjectStore>,
    watch: Arc<Mutex<Watch>>,
}

impl Watched {
    pub fn new(inner: Arc<dyn ObjectStore>) -> Self {
        Self { inner, watch: Arc::default() }
    }

    /// The requests since this was asked last.
    pub fn take_calls(&self) -> Vec<Call> {
        std::mem::take(&mut self.watch.lock().unwrap().calls)
    }

    pub fn decide(&self, decide: impl FnMut(&Call) -> Fate + Send + 'static) {
        self.watch.lock().unwrap().decide = Some(Box::new(decide));
    }

    pub fn come_back(&self) {
        self.watch.lock().unwrap().decide = None;
    }

    fn call(&self, call: Call) -> Fate {
        let mut watch = self.watch.lock().unwrap();
        let fate = watch.decide.as_mut().map_or(Fate::Done, |decide| decide(&call));
        watch.calls.push(call);
        fate
    }

    fn simple(&self, kind: Kind, path: &Path) -> Fate {
        self.call(Call { kind, path: path.clone(), range: None, has_if_match: false, length: 0 })
    }
}

fn planned() -> Error {
    Error::Generic { store: "Watched", source: "planned".into() }
}

/// Does `request` as `fate` has it.
async fn with_fate<T>(fate: Fate, request: impl Future<Output = Result<T>>) -> Result<T> {
    match fate {
        Fate::Fails => Err(planned()),
        Fate::AnswerLost => {
            let _lost = request.await;
            Err(planned())
        }
        Fate::Done | Fate::Cut(_) => request.await,
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl ObjectStore for Watched {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        opts: PutOptions,
    ) -> Result<PutResult> {
        let length = payload.content_length();
        let (kind, path) = (Kind::Put, location.clone());
        let fate = self.call(Call { kind, path, range: None, has_if_match: false, length });
        with_fate(fate, self.inner.put_opts(location, payload, opts)).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let fate = self.simple(Kind::PutMultipart, location);
        let upload = with_fate(fate, self.inner.put_multipart_opts(location, opts)).await?;
        Ok(Box::new(WatchedUpload { store: self.clone(), path: location.clone(), upload }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let kind = if options.head { Kind::Head } else { Kind::Get };
        let range = match &options.range {
            Some(object_store::GetRange::Bounded(range)) => Some(range.clone()),
            _ => None,
        };
        let (path, has_if_match) = (location.clone(), options.if_match.is_some());
        let fate = self.call(Call { kind, path, range, has_if_match, length: 0 });
        let mut answer = with_fate(fate, self.inner.get_opts(location, options)).await?;
        if let Fate::Cut(at) = fate {
            let range = answer.range.clone();
            let shell = GetResultPayload::Stream(stream::empty().boxed());
            let payload = std::mem::replace(&mut answer.payload, shell);
            let GetResultPayload::Stream(bytes) = payload else { panic!("of stores in memory") };
            let mut left = at;
            let cut = bytes.map(move |bytes| {
                bytes.map(|bytes: Bytes| {
                    let now = bytes.slice(..left.min(bytes.len()));
                    left -= now.len();
                    now
                })
            });
            answer.payload = GetResultPayload::Stream(cut.boxed());
            answer.range = range;
        }
        Ok(answer)
    }

    async fn get_ranges(&self, _: &Path, _: &[Range<u64>]) -> Result<Vec<Bytes>> {
        panic!("it carries no condition: not used")
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let (this, lost) = (self.clone(), Arc::new(Mutex::new(Vec::new())));
        let noted = Arc::clone(&lost);
        let kept = locations.map(move |location| {
            let location = location?;
            match this.simple(Kind::Delete, &location) {
                Fate::Fails => return Err(planned()),
                Fate::AnswerLost => noted.lock().unwrap().push(location.clone()),
                Fate::Done | Fate::Cut(_) => {}
            }
            Ok(location)
        });
        let deleted = self.inner.delete_stream(kept.boxed());
        let answers = deleted.map(move |deleted| match deleted {
            Ok(location) if lost.lock().unwrap().contains(&location) => Err(planned()),
            deleted => deleted,
        });
        answers.boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.simple(Kind::List, prefix.unwrap_or(&Path::default())) {
            Fate::Fails | Fate::AnswerLost => stream::once(async { Err(planned()) }).boxed(),
            Fate::Done => self.inner.list(prefix),
            Fate::Cut(at) => self.inner.list(prefix).take(at).boxed(),
        }
    }

    fn list_with_offset(
        &self,
        prefix: Option<&Path>,
        offset: &Path,
    ) -> BoxStream<'static, Result<ObjectMeta>> {
        self.simple(Kind::List, prefix.unwrap_or(&Path::default()));
        self.inner.list_with_offset(prefix, offset)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let fate = self.simple(Kind::List, prefix.unwrap_or(&Path::default()));
        with_fate(fate, self.inner.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let fate = self.simple(Kind::Copy, to);
        with_fate(fate, self.inner.copy_opts(from, to, options)).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        let fate = self.simple(Kind::Rename, to);
        with_fate(fate, self.inner.rename_opts(from, to, options)).await
    }
}

impl fmt::Display for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Watched({})", self.inner)
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[derive(Debug)]
struct WatchedUpload {
    store: Watched,
    path: Path,
    upload: Box<dyn MultipartUpload>,
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl MultipartUpload for WatchedUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let (kind, path, length) = (Kind::PutPart, self.path.clone(), data.content_length());
        let fate = self.store.call(Call { kind, path, range: None, has_if_match: false, length });
        let part = self.upload.put_part(data);
        Box::pin(with_fate(fate, part))
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let fate = self.store.simple(Kind::Complete, &self.path);
        with_fate(fate, self.upload.complete()).await
    }

    async fn abort(&mut self) -> Result<()> {
        let fate = self.store.simple(Kind::Abort, &self.path);
        with_fate(fate, self.upload.abort()).await
    }
}
