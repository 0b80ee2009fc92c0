//! The store's manifest: what all of its objects have in common, fixed when it is made.
//!
//! It is a sealed document itself, under a resource that the host names for it: whoever cannot use the service's keys can
//! neither make one nor change it, and it never changes. So a listing needs no request to know how long texts are.

use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode, PutOptions};
use serde::{Deserialize, Serialize};
use strongroom::document::{ChunkLen, Context, SealOptions, SealedLen, Slots};
use strongroom_keys::Resources;
use strongroom_keys::resource::{OpenRequest, ResourceId, SealRequest};
use strongroom_keys::vault::hex;

use crate::error::StoreError;
use crate::names;

/// The length in bytes of the header of every object: one slot.
pub(crate) const HEADER_LEN: u64 = 512;

/// The version of manifests that this code writes and reads.
const VERSION: u32 = 1;

/// Properties that are fixed when a store is made: see [`StoreConfig::init`](crate::StoreConfig::init).
///
/// # Example
///
/// ```
/// use strongroom_store::NewStore;
///
/// assert_eq!(NewStore::default().chunk_len.bytes(), 65_536);
/// assert!(NewStore::default().bind_path);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewStore {
    /// Length of the chunks: 64 KiB by default. A read of a few bytes opens one chunk.
    pub chunk_len: ChunkLen,
    /// Binds each object to its path, as by default: an object that somebody moves in the inner store is refused.
    /// Copying and renaming then seal anew.
    ///
    /// Without it whoever can write to the inner store can make one object of a resource pass for another.
    pub bind_path: bool,
    /// Seals each object under two layers, as by default: the outer one is for a customer's key, and as long as none is enabled a key of
    /// the service's stands in for it. Without it the store takes no object of a resource with a customer's key, and seals up to twice
    /// as fast.
    pub two_layers: bool,
}

impl Default for NewStore {
    fn default() -> Self {
        // 64 KiB is a chunk's length.
        let chunk_len = ChunkLen::new(64 * 1024).unwrap_or_default();
        Self { chunk_len, bind_path: true, two_layers: true }
    }
}

/// The manifest as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    version: u32,
    id: String,
    header_len: u64,
    chunk_len: u64,
    layers: u8,
    bind_path: bool,
}

/// Properties that all objects of a store have in common.
#[derive(Clone, Debug)]
pub(crate) struct Manifest {
    /// A random name: objects of another store are refused.
    pub(crate) id: String,
    pub(crate) chunk_len: ChunkLen,
    pub(crate) layers: u8,
    pub(crate) lengths: SealedLen,
    pub(crate) bind_path: bool,
}

impl Manifest {
    /// Makes the manifest of a new store.
    pub(crate) async fn create(
        inner: &dyn ObjectStore,
        resources: &Resources,
        keeper: &ResourceId,
        name: &str,
        new: NewStore,
    ) -> Result<Self, StoreError> {
        let path = path();
        let id = strongroom::secret::Secret::<16>::generate().map_err(StoreError::engine(&path))?;
        let record = Record {
            version: VERSION,
            id: hex::encode(id.expose()),
            header_len: HEADER_LEN,
            chunk_len: new.chunk_len.bytes(),
            layers: if new.two_layers { 2 } else { 1 },
            bind_path: new.bind_path,
        };
        let manifest = Self::from_record(&path, &record)?;
        let json =
            serde_json::to_vec(&record).map_err(|error| unreadable(&path, &error.to_string()))?;
        let options = SealOptions {
            context: context(&path, name)?,
            slots: Slots::One,
            ..SealOptions::default()
        };
        let request = SealRequest { options, ..SealRequest::default() };
        let sealed = resources.seal(keeper, &json, &request).await;
        let sealed = sealed.map_err(StoreError::document(&path))?;
        let create = PutOptions::from(PutMode::Create);
        match inner.put_opts(&path, sealed.into(), create).await {
            Err(object_store::Error::AlreadyExists { .. }) => {
                return Err(StoreError::ManifestExists { path });
            }
            put => put?,
        };
        // What was written is read back: everything depends on it from now on.
        let read = Self::read(inner, resources, keeper, name).await?;
        if read.id == manifest.id { Ok(read) } else { Err(StoreError::ManifestExists { path }) }
    }

    /// Reads the manifest of a store.
    pub(crate) async fn read(
        inner: &dyn ObjectStore,
        resources: &Resources,
        keeper: &ResourceId,
        name: &str,
    ) -> Result<Self, StoreError> {
        let path = path();
        let sealed = match inner.get(&path).await {
            Err(object_store::Error::NotFound { .. }) => {
                return Err(StoreError::NoManifest { path });
            }
            found => found?.bytes().await?,
        };
        let request = OpenRequest { context: context(&path, name)?, ..OpenRequest::default() };
        let json = resources.open(keeper, &sealed, &request).await;
        let json = json.map_err(StoreError::document(&path))?;
        let record: Record =
            serde_json::from_slice(&json).map_err(|error| unreadable(&path, &error.to_string()))?;
        Self::from_record(&path, &record)
    }

    fn from_record(path: &Path, record: &Record) -> Result<Self, StoreError> {
        let Record { version, id, header_len, chunk_len, layers, bind_path } = record;
        if *version != VERSION {
            return Err(unreadable(path, &format!("its version is {version}")));
        }
        if *header_len != HEADER_LEN {
            let reason = format!("its headers have {header_len} bytes");
            return Err(unreadable(path, &reason));
        }
        let chunk_len = ChunkLen::new(*chunk_len).map_err(StoreError::engine(path))?;
        let lengths =
            SealedLen::new(*header_len, chunk_len, *layers).map_err(StoreError::engine(path))?;
        let (id, layers, bind_path) = (id.clone(), *layers, *bind_path);
        Ok(Self { id, chunk_len, layers, lengths, bind_path })
    }
}

fn path() -> Path {
    names::hidden(&["manifest"])
}

/// The manifest of another store of the same keeper is refused.
fn context(path: &Path, name: &str) -> Result<Context, StoreError> {
    let mut context = Context::new();
    context.insert("strongroom-store", "manifest").map_err(StoreError::engine(path))?;
    context.insert("name", name).map_err(StoreError::engine(path))?;
    Ok(context)
}

fn unreadable(path: &Path, reason: &str) -> StoreError {
    StoreError::Manifest { path: path.clone(), reason: reason.to_owned() }
}
