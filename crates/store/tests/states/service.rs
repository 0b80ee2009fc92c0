//! A whole service whose states lie beside its data: its resources, and a sealed store over the same inner one.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::TryStreamExt as _;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _};
use strongroom_keys::clock::SystemClock;
use strongroom_keys::resource::{OpenRequest, SealRequest};
use strongroom_keys::testing::{ManualClock, MemoryAudit};
use strongroom_keys::{Error, Resources};
use strongroom_store::{NewStore, ObjectStates, Placement, SealedStore, StoreConfig};

use super::sealed::{create_all, id, service_over};
use super::watched::{Fate, Kind, Watched};
use super::{in_memory, object, stores};

async fn store(inner: Arc<dyn ObjectStore>, resources: &Resources, is_new: bool) -> SealedStore {
    let resolver = Arc::new(Placement::model(id("contoso")));
    let config = StoreConfig::new("store", inner, resources.clone(), id("store"), resolver);
    let made = if is_new { config.init(NewStore::default()).await } else { config.open().await };
    made.unwrap()
}

async fn read(store: &SealedStore, path: &Path) -> object_store::Result<Vec<u8>> {
    Ok(store.get(path).await?.bytes().await?.to_vec())
}

#[tokio::test]
async fn a_service_keeps_its_states_hidden_beside_its_data_and_is_opened_again() {
    let (_directory, inners) = stores();
    for inner in inners {
        let states = Arc::new(ObjectStates::new(Arc::clone(&inner)));
        let (config, ..) = service_over(states.clone(), Arc::new(SystemClock));
        let path = Path::from("orders/2026");
        {
            let resources = config.clone().init().await.unwrap();
            create_all(&resources).await;
            let store = store(Arc::clone(&inner), &resources, true).await;
            store.put(&path, "a contract".into()).await.unwrap();
        }
        assert!(config.clone().init().await.is_err(), "there is a service already");
        let resources = config.clone().open().await.unwrap();
        let store = store(Arc::clone(&inner), &resources, false).await;
        assert_eq!(read(&store, &path).await.unwrap(), b"a contract");

        let all: Vec<_> = inner.list(None).try_collect().await.unwrap();
        let prefix = Path::from(".strongroom/states");
        assert!(all.iter().filter(|meta| meta.location.prefix_matches(&prefix)).count() >= 4);
        let listed: Vec<_> =
            store.list(None).map_ok(|meta| meta.location).try_collect().await.unwrap();
        assert_eq!(listed, std::slice::from_ref(&path));
        assert_eq!(store.list(Some(&prefix)).try_collect::<Vec<_>>().await.unwrap(), []);
        let level = store.list_with_delimiter(None).await.unwrap();
        assert_eq!((level.objects.len(), level.common_prefixes), (0, vec![Path::from("orders")]));
        for result in [
            store.get(&object("contoso", 1)).await.map(|_| ()),
            store.put(&object("contoso", 9), "garbage".into()).await.map(|_| ()),
            store.delete(&object("contoso", 1)).await,
            store.copy(&path, &object("contoso", 9)).await,
        ] {
            assert!(matches!(result, Err(object_store::Error::PermissionDenied { .. })));
        }
    }
}

/// Waits until a read says what is expected: the loop that refreshes runs beside the test.
async fn until(store: &SealedStore, path: &Path, expected: bool) -> object_store::Result<Vec<u8>> {
    for _ in 0..1000 {
        let read = read(store, path).await;
        if read.is_ok() == expected {
            return read;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("reads of {path} do not become {expected}");
}

#[tokio::test]
async fn a_withdrawal_by_another_host_is_seen_with_the_next_refresh() {
    let (_directory, inners) = stores();
    for inner in inners {
        let clock = Arc::new(ManualClock::default());
        let states = || Arc::new(ObjectStates::new(Arc::clone(&inner)));
        let (config, cmk, _customer) = service_over(states(), clock.clone());
        let one = config.clone().init().await.unwrap();
        create_all(&one).await;
        one.enable_cmk(&id("contoso"), &cmk).await.unwrap();
        let here = store(Arc::clone(&inner), &one, true).await;
        let other = config.with_audit(Arc::new(MemoryAudit::default())).open().await.unwrap();
        let there = store(Arc::clone(&inner), &other, false).await;
        let refreshing = tokio::spawn(other.run());
        let path = Path::from("a");
        here.put(&path, "text".into()).await.unwrap();
        assert_eq!(read(&there, &path).await.unwrap(), b"text");

        one.revoke_now(&id("contoso")).await.unwrap();
        assert!(read(&here, &path).await.is_err());
        assert!(read(&there, &path).await.is_ok(), "it was not refreshed yet");
        clock.advance(Duration::from_secs(90));
        let error = until(&there, &path, false).await.unwrap_err();
        assert!(matches!(error, object_store::Error::PermissionDenied { .. }), "{error}");

        // Whichever host gives it back, all have it.
        other.refresh(&id("contoso")).await.unwrap();
        assert_eq!(read(&there, &path).await.unwrap(), b"text");
        clock.advance(Duration::from_secs(90));
        assert_eq!(until(&here, &path, true).await.unwrap(), b"text");
        refreshing.abort();
    }
}

/// The requests for the states of `name` since this was asked last.
fn kinds(watched: &Watched, name: &str) -> Vec<Kind> {
    let folder = Path::from(format!(".strongroom/states/{name}"));
    let calls = watched.take_calls().into_iter();
    calls.filter(|call| call.path.prefix_matches(&folder)).map(|call| call.kind).collect()
}

#[tokio::test]
async fn a_change_costs_few_requests() {
    let (watched, states) = in_memory();
    let (config, ..) = service_over(Arc::new(states), Arc::new(SystemClock));
    let resources = config.init().await.unwrap();
    create_all(&resources).await;
    watched.take_calls();
    resources.moved_to_tenant(&id("contoso"), "litware").await.unwrap();
    let asked = kinds(&watched, "contoso");
    assert_eq!(asked, [Kind::List, Kind::Put, Kind::List, Kind::List, Kind::List]);
}

#[tokio::test]
async fn each_refresh_reads_the_state_anew_and_what_is_away_for_max_age_fails_closed() {
    let clock = Arc::new(ManualClock::default());
    let inner = Arc::new(InMemory::new());
    // The data are there all the time, and so are the vaults: it is the states that are away.
    let (watched, data) = (Watched::new(inner.clone()), inner);
    let states = Arc::new(ObjectStates::new(Arc::new(watched.clone())));
    let (config, ..) = service_over(states, clock.clone());
    let resources = config.init().await.unwrap();
    create_all(&resources).await;
    let store = store(data, &resources, true).await;
    let path = Path::from("a");
    store.put(&path, "text".into()).await.unwrap();
    let refreshing = tokio::spawn(resources.run());
    let mut refreshes = 0;
    for _ in 0..5 {
        watched.take_calls();
        assert_eq!(read(&store, &path).await.unwrap(), b"text");
        clock.advance(Duration::from_secs(90));
        for _ in 0..1000 {
            let asked = kinds(&watched, "contoso");
            if !asked.is_empty() {
                assert!(asked.iter().all(|kind| *kind == Kind::List), "{asked:?}");
                refreshes += 1;
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    assert_eq!(refreshes, 5);

    let asked = Arc::new(Mutex::new(0_u32));
    let counted = Arc::clone(&asked);
    watched.decide(move |_| {
        *counted.lock().unwrap() += 1;
        Fate::Fails
    });
    clock.advance(Duration::from_secs(120));
    assert_eq!(read(&store, &path).await.unwrap(), b"text", "less than max_age");
    clock.advance(Duration::from_secs(240));
    for _ in 0..2 {
        let error = until(&store, &path, false).await.unwrap_err();
        assert!(!matches!(error, object_store::Error::PermissionDenied { .. }), "{error}");
        store.put(&Path::from("b"), "text".into()).await.unwrap_err();
    }
    assert!(*asked.lock().unwrap() > 0);
    watched.come_back();
    clock.advance(Duration::from_secs(60));
    assert_eq!(until(&store, &path, true).await.unwrap(), b"text");
    store.put(&Path::from("b"), "text".into()).await.unwrap();
    refreshing.abort();
}

/// A key that a lost update took along would leave its document closed for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn hosts_that_rotate_at_once_lose_no_key() {
    const HOSTS: usize = 4;
    let (_directory, inners) = stores();
    for inner in inners {
        let states = || Arc::new(ObjectStates::new(Arc::clone(&inner)));
        let (config, ..) = service_over(states(), Arc::new(SystemClock));
        create_all(&config.clone().init().await.unwrap()).await;
        let (id, request) = (id("contoso"), SealRequest::default());
        let mut hosts = Vec::new();
        for _ in 0..HOSTS {
            let config = config.clone().with_audit(Arc::new(MemoryAudit::default()));
            let (resources, id, request) =
                (config.open().await.unwrap(), id.clone(), request.clone());
            hosts.push(tokio::spawn(async move {
                let mut documents = Vec::new();
                for _ in 0..5 {
                    // Another host was first: the caller tries again.
                    while let Err(error) = resources.rotate_resource_key(&id).await {
                        assert!(matches!(error, Error::Contended { .. }), "{error}");
                    }
                    documents.push(resources.seal(&id, b"a text", &request).await.unwrap());
                }
                documents
            }));
        }
        let documents: Vec<_> =
            join_all(hosts).await.into_iter().flat_map(|host| host.unwrap()).collect();
        assert_eq!(documents.len(), HOSTS * 5);
        let after = config.open().await.unwrap();
        for document in &documents {
            let text = after.open(&id, document, &OpenRequest::default()).await.unwrap();
            assert_eq!(&text[..], b"a text");
        }
    }
}
