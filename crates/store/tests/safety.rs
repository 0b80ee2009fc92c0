//! The view of whoever has the inner store, what changes there do, and the rights to read and write.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails should stop")]
#![allow(unreachable_pub, dead_code, reason = "the support is shared by several tests")]

#[path = "support/sealed.rs"]
mod sealed;

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::TryStreamExt as _;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt as _};
use sealed::{id, resources, sealed, with_clock, with_customer};
use strongroom_keys::Resources;
use strongroom_keys::testing::ManualClock;
use strongroom_store::{ByPrefix, NewStore, Placement, SealedStore, StoreConfig, StoreError};

fn text(length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

async fn read(store: &dyn ObjectStore, path: &Path) -> object_store::Result<Vec<u8>> {
    Ok(store.get(path).await?.bytes().await?.to_vec())
}

#[tokio::test]
async fn nothing_of_a_text_lies_in_the_inner_store_and_every_byte_of_it_counts() {
    let inner = Arc::new(InMemory::new());
    let store = sealed(inner.clone()).await;
    let secret = b"a sentence that nobody else may read".repeat(3);
    let (put, uploaded) = (Path::from("put"), Path::from("uploaded"));
    store.put(&put, secret.clone().into()).await.unwrap();
    let mut upload = store.put_multipart(&uploaded).await.unwrap();
    upload.put_part(secret.clone().into()).await.unwrap();
    upload.complete().await.unwrap();

    let (mut searched, mut refused) = (0, 0);
    let all: Vec<_> = inner.list(None).try_collect().await.unwrap();
    for meta in &all {
        let bytes = read(&*inner, &meta.location).await.unwrap();
        assert!(!bytes.windows(8).any(|window| window == &secret[..8]), "{}", meta.location);
        searched += 1;
    }
    assert_eq!(searched, 3, "two objects, and the manifest");
    for path in [&put, &uploaded] {
        let whole = read(&*inner, path).await.unwrap();
        // The slot has room: its zeros are authenticated as well.
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 0x10;
            inner.put(path, changed.into()).await.unwrap();
            assert!(read(&store, path).await.is_err(), "byte {at} of {path}");
            assert!(store.get_range(path, 0..5).await.is_err(), "byte {at} of {path}");
            refused += 2;
        }
        for length in 0..whole.len() {
            inner.put(path, whole[..length].to_vec().into()).await.unwrap();
            assert!(read(&store, path).await.is_err(), "{length} bytes of {path}");
            refused += 1;
        }
        inner.put(path, whole.into()).await.unwrap();
        assert_eq!(read(&store, path).await.unwrap(), secret);
    }
    assert!(refused > 3000, "{refused}");
    assert!(store.stats().refused > 1000, "{:?}", store.stats());
}

/// A store of two tenants, each with models and results.
async fn of_two_tenants(inner: &Arc<InMemory>, resources: &Resources) -> SealedStore {
    let prefixes = ByPrefix::new([
        (Path::from("contoso"), Placement::model(id("contoso"))),
        (Path::from("contoso/results"), Placement::result(id("contoso"))),
        (Path::from("fabrikam"), Placement::model(id("fabrikam"))),
    ]);
    let (inner, resolver) = (inner.clone(), Arc::new(prefixes));
    let config = StoreConfig::new("store", inner, resources.clone(), id("store"), resolver);
    let new = NewStore { bind_path: false, ..NewStore::default() };
    config.init(new).await.unwrap()
}

#[tokio::test]
async fn an_object_opens_for_its_own_tenant_kind_and_store() {
    let inner = Arc::new(InMemory::new());
    let store = of_two_tenants(&inner, &resources().await).await;
    let [a, other, result] = ["contoso/a", "fabrikam/a", "contoso/results/a"].map(Path::from);
    store.put(&a, "a text".into()).await.unwrap();
    for place in [&other, &result] {
        inner.copy(&a, place).await.unwrap();
        assert!(read(&store, place).await.is_err(), "{place}");
    }
    // Copied through the store it is sealed for its place.
    store.copy(&a, &other).await.unwrap();
    assert_eq!(read(&store, &other).await.unwrap(), b"a text");

    // Another store over the same keys.
    let (other_inner, resources) = (Arc::new(InMemory::new()), resources().await);
    let resolver = Arc::new(Placement::model(id("contoso")));
    let config = StoreConfig::new("store", other_inner.clone(), resources, id("store"), resolver);
    let other_store = config.init(NewStore::default()).await.unwrap();
    let sealed = read(&*inner, &a).await.unwrap();
    other_inner.put(&a, sealed.into()).await.unwrap();
    assert!(read(&other_store, &a).await.is_err());

    // A path that no resource has.
    let error = store.put(&Path::from("litware/a"), "x".into()).await.unwrap_err();
    assert!(matches!(error, Error::PermissionDenied { .. }), "{error}");
    assert!(error.to_string().contains("litware/a"), "{error}");
}

#[tokio::test]
async fn the_stores_own_objects_are_hidden_and_cannot_be_named() {
    let inner = Arc::new(InMemory::new());
    let store = sealed(inner.clone()).await;
    let manifest = Path::from(".strongroom/manifest");
    assert!(inner.head(&manifest).await.is_ok());
    assert_eq!(store.list(None).try_collect::<Vec<_>>().await.unwrap(), []);
    let prefix = Path::from(".strongroom");
    assert_eq!(store.list(Some(&prefix)).try_collect::<Vec<_>>().await.unwrap(), []);
    let listed = store.list_with_delimiter(None).await.unwrap();
    assert_eq!((listed.objects, listed.common_prefixes), (vec![], vec![]));
    let a = Path::from("a");
    store.put(&a, "text".into()).await.unwrap();
    let denied = [
        store.put(&manifest, "x".into()).await.map(|_| ()),
        store.put_multipart(&manifest).await.map(|_| ()),
        store.get(&manifest).await.map(|_| ()),
        store.head(&manifest).await.map(|_| ()),
        store.get_ranges(&manifest, std::slice::from_ref(&(0..1))).await.map(|_| ()),
        store.delete(&manifest).await,
        store.copy(&a, &manifest).await,
        store.copy(&manifest, &a).await,
        store.rename(&a, &manifest).await,
        store.rename(&manifest, &a).await,
    ];
    for (number, denied) in denied.into_iter().enumerate() {
        assert!(matches!(denied, Err(Error::PermissionDenied { .. })), "{number}: {denied:?}");
    }
    assert_eq!(read(&store, &a).await.unwrap(), b"text");
}

#[tokio::test]
async fn a_store_is_made_once_and_opened_with_its_own_keys() {
    let inner = Arc::new(InMemory::new());
    let config = sealed::config(inner.clone()).await;
    let error = config.clone().open().await.unwrap_err();
    assert!(matches!(error, StoreError::NoManifest { .. }), "{error}");
    let store = config.clone().init(NewStore::default()).await.unwrap();
    let a = Path::from("a");
    store.put(&a, "text".into()).await.unwrap();
    let error = config.clone().init(NewStore::default()).await.unwrap_err();
    assert!(matches!(error, StoreError::ManifestExists { .. }), "{error}");
    assert_eq!(read(&config.open().await.unwrap(), &a).await.unwrap(), b"text");
    // Another service.
    assert!(sealed::config(inner.clone()).await.open().await.is_err());
    // A byte of the manifest.
    let path = Path::from(".strongroom/manifest");
    let mut manifest = read(&*inner, &path).await.unwrap();
    *manifest.last_mut().unwrap() ^= 1;
    inner.put(&path, manifest.into()).await.unwrap();
    assert!(sealed::config(inner).await.open().await.is_err());
}

#[tokio::test]
async fn objects_that_are_not_sealed_are_errors_of_their_own() {
    let inner = Arc::new(InMemory::new());
    let store = sealed(inner.clone()).await;
    store.put(&Path::from("a"), "text".into()).await.unwrap();
    for (name, length) in [("empty", 0), ("short", 100), ("between", 512 + 32 + 65_536 + 3)] {
        inner.put(&Path::from(name), text(length).into()).await.unwrap();
        assert!(store.get(&Path::from(name)).await.is_err(), "{name}");
        assert!(store.head(&Path::from(name)).await.is_err(), "{name}");
        assert!(store.get_range(&Path::from(name), 0..1).await.is_err(), "{name}");
    }
    let mut listing = store.list(None);
    let (mut found, mut errors) = (0, 0);
    while let Some(entry) = futures_util::StreamExt::next(&mut listing).await {
        match entry {
            Ok(meta) => {
                assert_eq!((meta.location.as_ref(), meta.size), ("a", 4));
                found += 1;
            }
            Err(error) => {
                assert!(error.to_string().contains("is not a sealed object"), "{error}");
                errors += 1;
            }
        }
    }
    assert_eq!((found, errors), (1, 3));
    let listed = store.list_with_delimiter(None).await.unwrap();
    assert_eq!(listed.objects.len(), 1);
}

#[tokio::test]
async fn a_withdrawal_ends_reading_and_writing() {
    let inner = Arc::new(InMemory::new());
    let (resources, enable, _) = with_customer().await;
    let store = of_two_tenants(&inner, &resources).await;
    resources.enable_cmk(&id("contoso"), &enable).await.unwrap();
    let [a, other, result] = ["contoso/a", "fabrikam/a", "contoso/results/a"].map(Path::from);
    let long = text(3 << 20);
    for path in [&a, &other, &result] {
        store.put(path, long.clone().into()).await.unwrap();
    }
    let mut upload = store.put_multipart(&a).await.unwrap();
    upload.put_part(text(9 << 20).into()).await.unwrap();
    // A reader that is under way, with a few pieces opened ahead.
    store.put(&a, text(40 << 20).into()).await.unwrap();
    let mut under_way = store.get(&a).await.unwrap().into_stream();
    assert!(under_way.try_next().await.unwrap().is_some());
    store.put(&a, long.clone().into()).await.unwrap();
    assert_eq!(store.get_range(&a, 0..5).await.unwrap(), long[..5]);

    resources.revoke_now(&id("contoso")).await.unwrap();
    let mut after = 0;
    let error = loop {
        match under_way.try_next().await {
            Ok(Some(piece)) => after += piece.len(),
            Ok(None) => panic!("all of it was read"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::PermissionDenied { .. }), "{error}");
    assert!(after <= 5 << 20, "{after} bytes: what was opened before");
    for path in [&a, &result] {
        for error in [
            store.get(path).await.map(|_| ()).unwrap_err(),
            store.get_range(path, 0..5).await.map(|_| ()).unwrap_err(),
            store.put(path, "x".into()).await.map(|_| ()).unwrap_err(),
        ] {
            assert!(matches!(error, Error::PermissionDenied { .. }), "{error}");
        }
    }
    let error = upload.complete().await.unwrap_err();
    assert!(matches!(error, Error::PermissionDenied { .. }), "{error}");
    upload.abort().await.unwrap();
    // The other tenant's are as they were.
    assert_eq!(read(&store, &other).await.unwrap(), long);
    resources.refresh(&id("contoso")).await.unwrap();
    assert_eq!(read(&store, &a).await.unwrap(), long);
}

/// Two layers from the first object on: lengths stay, and objects stay readable, through all that happens to a customer's key.
#[tokio::test]
async fn objects_of_two_layers_outlive_every_change_of_the_customers_key() {
    let inner = Arc::new(InMemory::new());
    let (resources, enable, customer) = with_customer().await;
    let store = of_two_tenants(&inner, &resources).await;
    let contoso = id("contoso");
    let mut paths = Vec::new();
    let long = text(100_000);
    for step in 0..6 {
        match step {
            1 => resources.enable_cmk(&contoso, &enable).await.unwrap(),
            2 => {
                let newer = customer.create_rsa("cmk").unwrap();
                resources.rotate_cmk(&contoso, &newer).await.unwrap();
            }
            3 => resources.rotate_resource_key(&contoso).await.unwrap(),
            4 => resources.disable_cmk(&contoso).await.unwrap(),
            5 => {
                let newest = customer.create_rsa("cmk").unwrap();
                let key = strongroom_keys::resource::EnableCmk::new(newest, "an identity");
                resources.enable_cmk(&contoso, &key).await.unwrap();
            }
            _ => {}
        }
        for folder in ["contoso", "contoso/results"] {
            let path = Path::from(format!("{folder}/{step}"));
            store.put(&path, long.clone().into()).await.unwrap();
            assert_eq!(inner.head(&path).await.unwrap().size, 512 + 100_000 + 2 * 32);
            assert_eq!(store.head(&path).await.unwrap().size, 100_000);
            paths.push(path);
        }
        for path in &paths {
            assert_eq!(read(&store, path).await.unwrap(), long, "{path} at step {step}");
        }
    }
    // A resource's longest name fits into the header, with an hour's key.
    let longest = id(&"x".repeat(64));
    let new = strongroom_keys::resource::NewResource {
        id: longest.clone(),
        tenant: "contoso".to_owned(),
        region: "westeurope".to_owned(),
        cmk_allowed: true,
        created_at: None,
    };
    resources.create(new).await.unwrap();
    for (name, placement) in [
        ("models", Placement::model(longest.clone())),
        ("results", Placement::result(longest.clone())),
    ] {
        let inner = Arc::new(InMemory::new());
        let config =
            StoreConfig::new("store", inner, resources.clone(), id("store"), Arc::new(placement));
        let store = config.init(NewStore::default()).await.unwrap();
        store.put(&Path::from(name), "text".into()).await.unwrap();
        resources.enable_cmk(&longest, &enable_again(&customer)).await.unwrap();
        store.put(&Path::from(name), "text".into()).await.unwrap();
        resources.disable_cmk(&longest).await.unwrap();
        assert_eq!(read(&store, &Path::from(name)).await.unwrap(), b"text");
    }
}

fn enable_again(
    customer: &strongroom_keys::testing::MemoryVault,
) -> strongroom_keys::resource::EnableCmk {
    strongroom_keys::resource::EnableCmk::new(customer.create_rsa("cmk").unwrap(), "an identity")
}

#[tokio::test]
async fn a_store_of_one_layer_takes_nothing_that_needs_two() {
    let inner = Arc::new(InMemory::new());
    let (resources, enable, _) = with_customer().await;
    let resolver = Arc::new(Placement::model(id("contoso")));
    let config = StoreConfig::new("store", inner.clone(), resources.clone(), id("store"), resolver);
    let new = NewStore { two_layers: false, ..NewStore::default() };
    let store = config.init(new).await.unwrap();
    let path = Path::from("a");
    store.put(&path, "text".into()).await.unwrap();
    assert_eq!(inner.head(&path).await.unwrap().size, 512 + 4 + 16);
    resources.enable_cmk(&id("contoso"), &enable).await.unwrap();
    let error = store.put(&path, "other".into()).await.unwrap_err();
    assert!(error.to_string().contains("use a store of two"), "{error}");
    assert_eq!(read(&store, &path).await.unwrap(), b"text");
}

#[tokio::test]
async fn a_result_is_not_found_once_it_has_expired_and_a_model_stays() {
    let clock = Arc::new(ManualClock::default());
    let resources = with_clock(clock.clone()).await;
    let inner = Arc::new(InMemory::new());
    let store = of_two_tenants(&inner, &resources).await;
    let [model, result, streamed] =
        ["contoso/a", "contoso/results/a", "contoso/results/b"].map(Path::from);
    store.put(&model, "text".into()).await.unwrap();
    store.put(&result, "text".into()).await.unwrap();
    let mut upload = store.put_multipart(&streamed).await.unwrap();
    upload.put_part("text".into()).await.unwrap();
    upload.complete().await.unwrap();
    for path in [&model, &result, &streamed] {
        assert_eq!(read(&store, path).await.unwrap(), b"text");
    }
    clock.advance(Duration::from_secs(24 * 3600));
    for path in [&result, &streamed] {
        for error in [
            store.get(path).await.map(|_| ()).unwrap_err(),
            store.get_range(path, 0..2).await.map(|_| ()).unwrap_err(),
            store.get_ranges(path, std::slice::from_ref(&(0..2))).await.map(|_| ()).unwrap_err(),
        ] {
            assert!(matches!(error, Error::NotFound { .. }), "{error}");
        }
    }
    assert_eq!(read(&store, &model).await.unwrap(), b"text");
}
