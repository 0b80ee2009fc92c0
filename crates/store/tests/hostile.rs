//! Inner stores with oddities, other hosts, and callers that give up: nothing is lost, mixed or kept waiting.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails should stop")]
#![allow(unreachable_pub, dead_code, reason = "the support is shared by several tests")]

#[path = "support/sealed.rs"]
mod sealed;
#[path = "support/watched.rs"]
mod watched;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetRange, GetResult, GetResultPayload, ListResult,
    MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt as _, PutMultipartOptions, PutOptions,
    PutPayload, PutResult, Result, UploadPart,
};
use sealed::{id, sealed, with_clock, with_customer};
use strongroom::document::ChunkLen;
use strongroom_keys::Vault;
use strongroom_keys::resource::{EnableCmk, NewResource, ResourcesConfig};
use strongroom_keys::testing::{
    Fault, FaultyVault, ManualClock, MemoryAudit, MemoryStore, MemoryVault,
};
use strongroom_keys::vault::KeyName;
use strongroom_store::{
    ByPrefix, NewStore, Placement, SealedStore, Settings, StoreConfig, StoreError,
};
use watched::Watched;

const MIB: usize = 1 << 20;

fn a() -> Path {
    Path::from("a")
}

/// A property of an inner store.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Oddity {
    /// All versions have one ETag.
    OneTag,
    WeakTags,
    /// A body stalls after its first 600 KiB.
    Stalls,
    /// A body goes on for 512 MiB behind its end.
    TooLong,
    /// The first part of an upload fails, and the others take long.
    FirstPartFails,
    PartsHang,
    CompletionHangs,
    /// Case does not count in names.
    FoldsCase,
}

#[derive(Clone, Debug)]
struct Odd {
    inner: Arc<InMemory>,
    oddity: Oddity,
    aborts: Arc<AtomicUsize>,
    pulled: Arc<AtomicUsize>,
}

impl Odd {
    fn new(oddity: Oddity) -> Self {
        let inner = Arc::new(InMemory::new());
        Self { inner, oddity, aborts: Arc::default(), pulled: Arc::default() }
    }

    fn name(&self, path: &Path) -> Path {
        match self.oddity {
            Oddity::FoldsCase => Path::parse(path.as_ref().to_lowercase()).unwrap(),
            _ => path.clone(),
        }
    }

    /// The payload as the oddity has it.
    async fn payload(&self, payload: GetResultPayload) -> GetResultPayload {
        let GetResultPayload::Stream(bytes) = payload else { panic!("of a store in memory") };
        let pulled = Arc::clone(&self.pulled);
        let bytes = match self.oddity {
            Oddity::Stalls => {
                let all = bytes.try_collect::<Vec<_>>().await.unwrap().concat();
                let first = Bytes::copy_from_slice(&all[..all.len().min(600 << 10)]);
                let first = stream::once(async move { Ok(first) });
                // A manifest, and what is short, comes whole.
                if all.len() > 600 << 10 {
                    first.chain(stream::pending()).boxed()
                } else {
                    first.boxed()
                }
            }
            Oddity::TooLong => {
                let more = stream::iter(0..512).map(move |_| {
                    pulled.fetch_add(1, Ordering::SeqCst);
                    Ok(Bytes::from(vec![0; MIB]))
                });
                bytes.chain(more).boxed()
            }
            _ => bytes,
        };
        GetResultPayload::Stream(bytes)
    }
}

impl fmt::Display for Odd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Odd({:?})", self.oddity)
    }
}

#[async_trait]
impl ObjectStore for Odd {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        self.inner.put_opts(&self.name(location), payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let upload = self.inner.put_multipart_opts(&self.name(location), options).await?;
        Ok(Box::new(OddUpload { store: self.clone(), upload, parts: 0 }))
    }

    async fn get_opts(&self, location: &Path, mut options: GetOptions) -> Result<GetResult> {
        let weak = options.if_match.as_deref().is_some_and(|tag| tag.starts_with("W/"));
        if weak {
            let source = "a weak tag matches nothing".into();
            return Err(Error::Precondition { path: location.to_string(), source });
        }
        if self.oddity == Oddity::OneTag && options.if_match.as_deref() == Some("\"one\"") {
            options.if_match = None;
        }
        let mut answer = self.inner.get_opts(&self.name(location), options).await?;
        answer.meta.location = location.clone();
        match self.oddity {
            Oddity::OneTag => {
                answer.meta.e_tag = Some("\"one\"".to_owned());
                answer.meta.last_modified = "2026-01-01T00:00:00Z".parse().unwrap();
            }
            Oddity::WeakTags => {
                answer.meta.e_tag = answer.meta.e_tag.map(|tag| format!("W/{tag}"));
            }
            _ => {}
        }
        let empty = GetResultPayload::Stream(stream::empty().boxed());
        let payload = std::mem::replace(&mut answer.payload, empty);
        let is_object = !location.as_ref().starts_with(".strongroom");
        answer.payload = if is_object { self.payload(payload).await } else { payload };
        Ok(answer)
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let this = self.clone();
        let names = locations.map(move |location| location.map(|location| this.name(&location)));
        self.inner.delete_stream(names.boxed())
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(&self.name(from), &self.name(to), options).await
    }
}

#[derive(Debug)]
struct OddUpload {
    store: Odd,
    upload: Box<dyn MultipartUpload>,
    parts: usize,
}

#[async_trait]
impl MultipartUpload for OddUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.parts += 1;
        let part = self.upload.put_part(data);
        match self.store.oddity {
            Oddity::PartsHang => std::future::pending().boxed(),
            Oddity::FirstPartFails if self.parts == 1 => {
                let error = Error::Generic { store: "odd", source: "planned".into() };
                std::future::ready(Err(error)).boxed()
            }
            Oddity::FirstPartFails => async move {
                tokio::time::sleep(Duration::from_millis(100)).await;
                part.await
            }
            .boxed(),
            _ => part,
        }
    }

    async fn complete(&mut self) -> Result<PutResult> {
        if self.store.oddity == Oddity::CompletionHangs {
            std::future::pending::<()>().await;
        }
        self.upload.complete().await
    }

    async fn abort(&mut self) -> Result<()> {
        self.store.aborts.fetch_add(1, Ordering::SeqCst);
        self.upload.abort().await
    }
}

/// Two hosts of one store.
async fn two(inner: Arc<dyn ObjectStore>) -> (SealedStore, SealedStore) {
    let config = sealed::config(inner).await;
    let one = config.clone().init(NewStore::default()).await.unwrap();
    (one, config.open().await.unwrap())
}

async fn small(inner: Arc<dyn ObjectStore>, memory: usize) -> SealedStore {
    let settings = Settings { part_len: 5 * MIB, memory, ..Settings::default() };
    let config = sealed::config(inner).await.with_settings(settings);
    config.init(NewStore::default()).await.unwrap()
}

/// The output of a future that must be ready within 5 s, and is in milliseconds.
async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let done = tokio::time::timeout(Duration::from_secs(5), future).await;
    done.unwrap_or_else(|_| panic!("{what} hangs"))
}

#[tokio::test]
async fn a_length_that_was_known_before_refuses_no_range_and_makes_none_empty() {
    let (reader, writer) = two(Arc::new(InMemory::new())).await;
    writer.put(&a(), "0123456789".into()).await.unwrap();
    assert_eq!(reader.get_range(&a(), 0..4).await.unwrap(), "0123");
    writer.put(&a(), vec![7; 1000].into()).await.unwrap();
    assert_eq!(reader.get_range(&a(), 500..600).await.unwrap().len(), 100);
    writer.put(&a(), vec![7; 2000].into()).await.unwrap();
    let many = reader.get_ranges(&a(), std::slice::from_ref(&(1500..1600))).await.unwrap();
    assert_eq!(many[0].len(), 100);
    writer.delete(&a()).await.unwrap();
    let gone = reader.get_range(&a(), 5000..5001).await.unwrap_err();
    assert!(matches!(gone, Error::NotFound { .. }), "{gone}");

    writer.put(&a(), Vec::new().into()).await.unwrap();
    let suffix = || GetOptions { range: Some(GetRange::Suffix(4)), ..GetOptions::default() };
    assert!(reader.get_opts(&a(), suffix()).await.unwrap().bytes().await.unwrap().is_empty());
    writer.put(&a(), "0123456789".into()).await.unwrap();
    let read = reader.get_opts(&a(), suffix()).await.unwrap();
    assert_eq!((read.range.clone(), read.meta.size), (6..10, 10));
    assert_eq!(read.bytes().await.unwrap(), "6789");
}

#[tokio::test]
async fn versions_with_one_etag_and_weak_etags_stay_readable() {
    let (reader, writer) = two(Arc::new(Odd::new(Oddity::OneTag))).await;
    for text in ["0123456789", "abcdefghij", "ABCDEFGHIJ"] {
        writer.put(&a(), text.into()).await.unwrap();
        assert_eq!(reader.get(&a()).await.unwrap().bytes().await.unwrap(), text);
        let many = reader.get_ranges(&a(), std::slice::from_ref(&(2..4))).await.unwrap();
        assert_eq!(many[0], text[2..4]);
    }
    writer.put(&a(), "replaced..".into()).await.unwrap();
    // A range that was opened with the header before is refused once, and read then.
    let _refused_once = reader.get_range(&a(), 0..4).await;
    assert_eq!(reader.get_range(&a(), 0..4).await.unwrap(), "repl");

    let store = sealed(Arc::new(Odd::new(Oddity::WeakTags))).await;
    store.put(&a(), vec![1; 4 * MIB].into()).await.unwrap();
    for _ in 0..2 {
        assert_eq!(store.get_range(&a(), 3 << 20..(3 << 20) + 5).await.unwrap().len(), 5);
    }
}

#[tokio::test]
async fn conditions_count_with_a_known_header_as_without() {
    let store = sealed(Arc::new(InMemory::new())).await;
    store.put(&a(), "0123456789".into()).await.unwrap();
    let past = store.head(&a()).await.unwrap().last_modified - Duration::from_secs(60);
    for _known in [false, true] {
        let options = GetOptions {
            range: Some((0..4).into()),
            if_unmodified_since: Some(past),
            ..GetOptions::default()
        };
        let refused = store.get_opts(&a(), options).await.unwrap_err();
        assert!(matches!(refused, Error::Precondition { .. }), "{refused}");
        store.get_range(&a(), 0..4).await.unwrap();
    }
    let head = GetOptions { head: true, range: Some((2..5).into()), ..GetOptions::default() };
    assert_eq!(store.get_opts(&a(), head).await.unwrap().range, 2..5);
}

#[tokio::test]
async fn a_result_is_found_where_an_older_one_has_expired_and_a_copy_lives_no_longer() {
    let clock = Arc::new(ManualClock::default());
    let resources = with_clock(clock.clone()).await;
    let resolver = Arc::new(Placement::result(id("contoso")));
    let inner = Arc::new(InMemory::new());
    let config = StoreConfig::new("results", inner, resources, id("store"), resolver);
    let writer = config.clone().init(NewStore::default()).await.unwrap();
    let reader = config.open().await.unwrap();
    writer.put(&a(), "old".into()).await.unwrap();
    reader.get_range(&a(), 0..3).await.unwrap();
    clock.advance(Duration::from_secs(23 * 3600));
    let copy = Path::from("copy");
    writer.copy(&a(), &copy).await.unwrap();
    clock.advance(Duration::from_secs(3600));
    let expired = reader.get_range(&copy, 0..3).await.unwrap_err();
    assert!(matches!(expired, Error::NotFound { .. }), "{expired}");
    writer.put(&a(), "new".into()).await.unwrap();
    assert_eq!(reader.get_range(&a(), 0..3).await.unwrap(), "new");
}

#[tokio::test]
async fn an_object_that_is_renamed_onto_itself_stays() {
    let store = sealed(Arc::new(InMemory::new())).await;
    store.put(&a(), "text".into()).await.unwrap();
    store.rename(&a(), &a()).await.unwrap();
    store.copy(&a(), &a()).await.unwrap();
    let refused = store.copy_if_not_exists(&a(), &a()).await.unwrap_err();
    assert!(matches!(refused, Error::AlreadyExists { .. }), "{refused}");
    assert_eq!(store.get_range(&a(), 0..4).await.unwrap(), "text");

    // Two names of one object.
    let store = sealed(Arc::new(Odd::new(Oddity::FoldsCase))).await;
    store.put(&a(), "text".into()).await.unwrap();
    let capital = Path::from("A");
    let left = store.rename(&a(), &capital).await.unwrap_err();
    assert!(left.to_string().contains("was not removed"), "{left}");
    assert_eq!(store.get(&capital).await.unwrap().bytes().await.unwrap(), "text");
    let hidden = store.put(&Path::from(".Strongroom/manifest"), "x".into()).await.unwrap_err();
    assert!(matches!(hidden, Error::PermissionDenied { .. }), "{hidden}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_rename_through_a_link_removes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let real = directory.path().join("real");
    std::fs::create_dir(&real).unwrap();
    std::os::unix::fs::symlink(&real, directory.path().join("link")).unwrap();
    let store = sealed(Arc::new(LocalFileSystem::new_with_prefix(directory.path()).unwrap())).await;
    store.put(&Path::from("real/a"), "text".into()).await.unwrap();
    assert!(store.rename(&Path::from("real/a"), &Path::from("link/a")).await.is_err());
    let text = store.get(&Path::from("link/a")).await.unwrap().bytes().await.unwrap();
    assert_eq!(text, "text");
}

#[tokio::test]
async fn a_version_that_is_written_during_a_rename_is_not_removed() {
    let raw = Arc::new(InMemory::new());
    let watched = Watched::new(raw.clone());
    let resources = sealed::resources().await;
    let config = |inner: Arc<dyn ObjectStore>| {
        let resolver = Arc::new(Placement::model(id("contoso")));
        StoreConfig::new("store", inner, resources.clone(), id("store"), resolver)
    };
    let store = config(Arc::new(watched.clone())).init(NewStore::default()).await.unwrap();
    let other = config(raw).open().await.unwrap();
    store.put(&a(), "old".into()).await.unwrap();
    let b = Path::from("b");
    let mut is_written = false;
    watched.decide(move |call| {
        if call.kind == watched::Kind::Head && !std::mem::replace(&mut is_written, true) {
            other.put(&a(), "acknowledged".into()).now_or_never().unwrap().unwrap();
        }
        watched::Fate::Done
    });
    assert!(store.rename(&a(), &b).await.is_err());
    watched.come_back();
    assert_eq!(store.get(&a()).await.unwrap().bytes().await.unwrap(), "acknowledged");
    assert_eq!(store.get(&b).await.unwrap().bytes().await.unwrap(), "old");
}

#[tokio::test]
async fn chunks_that_are_longer_than_parts_are_uploaded() {
    for (chunk_len, part_len) in [(16 * MIB, 8 * MIB), (8 * MIB, 5 * MIB)] {
        let settings = Settings { part_len, ..Settings::default() };
        let config = sealed::config(Arc::new(InMemory::new())).await.with_settings(settings);
        let chunk_len = ChunkLen::new(chunk_len as u64).unwrap();
        let store = config.init(NewStore { chunk_len, ..NewStore::default() }).await.unwrap();
        let mut upload = store.put_multipart(&a()).await.unwrap();
        for part in 0..6 {
            upload.put_part(vec![part; 9 * MIB].into()).await.unwrap();
        }
        upload.complete().await.unwrap();
        let text = store.get(&a()).await.unwrap().bytes().await.unwrap();
        let pieces: Vec<u8> = text.chunks(9 * MIB).map(|piece| piece[9]).collect();
        assert_eq!((text.len(), pieces), (54 * MIB, vec![0, 1, 2, 3, 4, 5]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_of_which_a_part_has_failed_fails_and_gives_its_memory_back() {
    let store = small(Arc::new(Odd::new(Oddity::FirstPartFails)), 32 * MIB).await;
    let mut upload = store.put_multipart(&a()).await.unwrap();
    let parts: Vec<_> = (0..6).map(|_| upload.put_part(vec![1; 5 * MIB].into())).collect();
    let failed = soon("completing", upload.complete()).await.unwrap_err();
    assert!(failed.to_string().contains("planned"), "{failed}");
    drop(parts);
    let b = Path::from("b");
    soon("a put beside it", store.put(&b, vec![1; 30 * MIB].into())).await.unwrap();
    upload.abort().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_is_given_up_is_aborted_and_gives_its_memory_back() {
    let odd = Odd::new(Oddity::PartsHang);
    let store = small(Arc::new(odd), 16 * MIB).await;
    let mut upload = store.put_multipart(&a()).await.unwrap();
    let part = upload.put_part(vec![1; 6 * MIB].into());
    assert!(tokio::time::timeout(Duration::from_millis(100), part).await.is_err());
    upload.abort().await.unwrap();
    soon("a put", store.put(&Path::from("b"), vec![1; 6 * MIB].into())).await.unwrap();

    let odd = Odd::new(Oddity::CompletionHangs);
    let store = sealed(Arc::new(odd.clone())).await;
    let mut upload = store.put_multipart(&a()).await.unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(100), upload.complete()).await.is_err());
    drop(upload);
    for _ in 0..500 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        if odd.aborts.load(Ordering::SeqCst) == 1 {
            return;
        }
    }
    panic!("it was not aborted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_that_are_not_polled_stop_no_writer() {
    let store = small(Arc::new(Odd::new(Oddity::Stalls)), 16 * MIB).await;
    store.put(&a(), vec![1; 5 * MIB].into()).await.unwrap();
    let mut readers = Vec::new();
    for _ in 0..12 {
        let mut text = store.get(&a()).await.unwrap().into_stream();
        assert!(text.try_next().await.unwrap().is_some());
        let _asks_for_more_once = text.try_next().now_or_never();
        readers.push(text);
    }
    soon("a put", store.put(&Path::from("b"), vec![1; 3 * MIB].into())).await.unwrap();
}

#[tokio::test]
async fn an_error_ends_a_text_and_a_withdrawal_what_was_opened_ahead() {
    let (resources, enable, _) = with_customer().await;
    let inner = Arc::new(InMemory::new());
    let resolver = Arc::new(Placement::model(id("contoso")));
    let config = StoreConfig::new("store", inner.clone(), resources.clone(), id("store"), resolver);
    let store = config.init(NewStore::default()).await.unwrap();
    resources.enable_cmk(&id("contoso"), &enable).await.unwrap();
    store.put(&a(), vec![1; 40 * MIB].into()).await.unwrap();
    let mut text = store.get(&a()).await.unwrap().into_stream();
    text.try_next().await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    resources.revoke_now(&id("contoso")).await.unwrap();
    let after = text.next().await.unwrap().unwrap_err();
    assert!(matches!(after, Error::PermissionDenied { .. }), "{after}");
    assert!(text.next().await.is_none());
    resources.refresh(&id("contoso")).await.unwrap();

    let mut changed = inner.get(&a()).await.unwrap().bytes().await.unwrap().to_vec();
    changed[2 * MIB] ^= 1;
    inner.put(&a(), changed.into()).await.unwrap();
    let pieces: Vec<_> = store.get(&a()).await.unwrap().into_stream().collect().await;
    let failed = pieces.iter().position(std::result::Result::is_err).unwrap();
    assert_eq!(failed + 1, pieces.len(), "text behind the error");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vault_that_hangs_keeps_no_other_tenants_memory() {
    let clock = Arc::new(ManualClock::default());
    let customer = Arc::new(MemoryVault::new("memory/customer").at("contoso", "westeurope"));
    let key = customer.create_rsa("cmk").unwrap();
    let faulty = Arc::new(FaultyVault::new(customer.clone(), clock.clone()));
    let vault = MemoryVault::new("memory/service");
    vault.create_aes("service-key").unwrap();
    let vaults = BTreeMap::from([(key.vault().to_owned(), faulty.clone() as Arc<dyn Vault>)]);
    let (states, trail) = (Arc::new(MemoryStore::default()), Arc::new(MemoryAudit::default()));
    let service_key = KeyName::new("service-key").unwrap();
    let config = ResourcesConfig::new(states, Arc::new(vault), service_key, trail)
        .with_vaults(Arc::new(vaults))
        .with_permission_wait(Duration::ZERO)
        .with_clock(clock.clone());
    let resources = config.init().await.unwrap();
    for name in ["store", "contoso", "fabrikam"] {
        let new = NewResource {
            id: id(name),
            tenant: name.into(),
            region: "westeurope".into(),
            cmk_allowed: true,
            created_at: None,
        };
        resources.create(new).await.unwrap();
    }
    resources.enable_cmk(&id("contoso"), &EnableCmk::new(key, "an identity")).await.unwrap();
    let tenants = ["contoso", "fabrikam"];
    let prefixes = tenants.map(|name| (Path::from(name), Placement::model(id(name))));
    let resolver = Arc::new(ByPrefix::new(prefixes));
    let inner = Arc::new(InMemory::new());
    let settings = Settings { memory: 16 * MIB, ..Settings::default() };
    let config = StoreConfig::new("store", inner, resources.clone(), id("store"), resolver);
    let config = config.with_settings(settings);
    let store = config.init(NewStore::default()).await.unwrap();
    clock.advance(Duration::from_secs(3600)); // all keys are too old
    faulty.always(Fault::Hang);
    let hanging: Vec<_> = (0..20)
        .map(|number| {
            let store = store.clone();
            let path = Path::from(format!("contoso/{number}"));
            tokio::spawn(async move { store.put(&path, vec![1; MIB].into()).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!hanging.iter().any(tokio::task::JoinHandle::is_finished));
    let b = Path::from("fabrikam/b");
    soon("another tenant's put", store.put(&b, vec![1; MIB].into())).await.unwrap();
    faulty.come_back();
}

#[tokio::test]
async fn a_longer_body_is_not_collected_and_many_near_ranges_are_not_one_request() {
    let odd = Odd::new(Oddity::TooLong);
    let store = sealed(Arc::new(odd.clone())).await;
    store.put(&a(), vec![1; 4 * MIB].into()).await.unwrap();
    for range in [0..5, 3 << 20..(3 << 20) + 5] {
        let _refused_or_right = store.get_range(&a(), range).await;
    }
    let pulled = odd.pulled.load(Ordering::SeqCst);
    assert!(pulled < 8, "{pulled} MiB");

    let watched = Watched::new(Arc::new(InMemory::new()));
    let store = small(Arc::new(watched.clone()), 32 * MIB).await;
    store.put(&a(), vec![1; 100 * MIB].into()).await.unwrap();
    watched.take_calls();
    let ranges: Vec<_> = (0..100_u64).map(|at| at << 20..(at << 20) + 1).collect();
    let read = store.get_ranges(&a(), &ranges).await.unwrap();
    assert!(read.len() == 100 && read.iter().all(|one| one == &[1][..]));
    let calls = watched.take_calls();
    let lengths = calls.iter().filter_map(|call| call.range.clone()).map(|one| one.end - one.start);
    assert!(lengths.clone().count() > 10 && lengths.max().unwrap() <= 8 << 20);
}

#[tokio::test]
async fn the_manifest_of_another_store_is_refused_and_so_are_settings_that_cannot_work() {
    let resources = sealed::resources().await;
    let config = |name: &str, inner: &Arc<InMemory>| {
        let resolver = Arc::new(Placement::model(id("contoso")));
        StoreConfig::new(name, inner.clone(), resources.clone(), id("store"), resolver)
    };
    let (strong, weak) = (Arc::new(InMemory::new()), Arc::new(InMemory::new()));
    config("strong", &strong).init(NewStore::default()).await.unwrap();
    let less = NewStore { bind_path: false, two_layers: false, ..NewStore::default() };
    config("weak", &weak).init(less).await.unwrap();
    let path = Path::from(".strongroom/manifest");
    let manifest = weak.get(&path).await.unwrap().bytes().await.unwrap();
    strong.put(&path, manifest.into()).await.unwrap();
    let refused = config("strong", &strong).open().await.unwrap_err();
    assert!(matches!(refused, StoreError::Document { .. }), "{refused}");
    config("weak", &strong).open().await.unwrap();

    for settings in [
        Settings { headers: 0, ..Settings::default() },
        Settings { headers: usize::MAX, ..Settings::default() },
        Settings { part_len: 1, ..Settings::default() },
        Settings { part_len: usize::MAX, ..Settings::default() },
    ] {
        let refused = config("weak", &weak).with_settings(settings).open().await.unwrap_err();
        assert!(matches!(refused, StoreError::Setting { .. }), "{refused}");
    }
}
