//! The functions with which `object_store` tests its own stores, over the store in memory and that in the local file system.
//! Each must pass on the inner store alone, and then on the sealed one over it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails should stop")]
#![allow(unreachable_pub, dead_code, reason = "the support is shared by several tests")]

#[path = "support/sealed.rs"]
mod sealed;

use std::sync::Arc;

use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{Error, ObjectStore, ObjectStoreExt as _, integration};
use sealed::sealed;

/// One test for each function and inner store. `update` is true where the inner store has conditional updates.
macro_rules! conformance {
    ($($name:ident: |$store:ident, $update:ident| $call:expr;)*) => {$(
        mod $name {
            use super::*;

            async fn run($store: &dyn ObjectStore, $update: bool) {
                let _not_all_ask = $update;
                $call.await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn in_memory() {
                run(&InMemory::new(), true).await;
                run(&sealed(Arc::new(InMemory::new())).await, true).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn in_the_local_file_system() {
                let directory = tempfile::tempdir().unwrap();
                let inner = |name| {
                    let path = directory.path().join(name);
                    std::fs::create_dir(&path).unwrap();
                    LocalFileSystem::new_with_prefix(path).unwrap().with_automatic_cleanup(true)
                };
                run(&inner("plain"), false).await;
                run(&sealed(Arc::new(inner("sealed"))).await, false).await;
            }
        }
    )*};
}

conformance! {
    put_get_delete_list: |store, update| integration::put_get_delete_list(store);
    put_get_attributes: |store, update| integration::put_get_attributes(store);
    get_opts: |store, update| integration::get_opts(store);
    put_opts: |store, update| integration::put_opts(store, update);
    stream_get: |store, update| integration::stream_get(store);
    list_uses_directories_correctly: |store, update| integration::list_uses_directories_correctly(store);
    list_with_delimiter: |store, update| integration::list_with_delimiter(store);
    rename_and_copy: |store, update| integration::rename_and_copy(store);
    copy_if_not_exists: |store, update| integration::copy_if_not_exists(store);
    copy_rename_nonexistent_object: |store, update| integration::copy_rename_nonexistent_object(store);
    multipart_race_condition: |store, update| integration::multipart_race_condition(store, true);
    multipart_out_of_order: |store, update| integration::multipart_out_of_order(store);
    list_with_offset_exclusivity: |store, update| integration::list_with_offset_exclusivity(store);
    get_nonexistent_object: |store, update| not_found(store);
}

async fn not_found(store: &dyn ObjectStore) {
    let error = integration::get_nonexistent_object(store, None).await.unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error}");
    let error = store.head(&Path::from("nothing")).await.unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error}");
}
