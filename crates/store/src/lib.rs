//! Transparent encryption under any object store: a service's code does not change.
//!
//! [`SealedStore`] wraps an [`object_store::ObjectStore`] and is one: plaintext goes in and comes out, and what lies in the inner store is
//! sealed under the keys of a [resource](strongroom_keys::Resources), which a customer may hold and withdraw.
//!
//! ```text
//! put     text -> chunks -> kernels -> one sealed document -> inner store
//! get     range -> records of one version -> kernels -> the range's bytes
//! list    the inner store's, with lengths of texts by arithmetic
//! ```
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//!
//! use object_store::memory::InMemory;
//! use object_store::path::Path;
//! use object_store::{ObjectStore, ObjectStoreExt};
//! use strongroom_keys::resource::{NewResource, ResourceId, ResourcesConfig};
//! use strongroom_keys::testing::{MemoryAudit, MemoryStore, MemoryVault};
//! use strongroom_keys::vault::KeyName;
//! use strongroom_store::{NewStore, Placement, StoreConfig};
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! # let vault = MemoryVault::new("memory/service");
//! # vault.create_aes("service-key")?;
//! # let (states, trail) = (MemoryStore::default(), MemoryAudit::default());
//! # let key = KeyName::new("service-key")?;
//! # let config = ResourcesConfig::new(Arc::new(states), Arc::new(vault), key, Arc::new(trail));
//! let resources = config.init().await?;
//! let new = |id: &ResourceId| NewResource {
//!     id: id.clone(),
//!     tenant: "contoso".into(),
//!     region: "westeurope".into(),
//!     cmk_allowed: false,
//!     created_at: None,
//! };
//! let (keeper, contoso) = (ResourceId::new("store")?, ResourceId::new("contoso")?);
//! resources.create(new(&keeper)).await?;
//! resources.create(new(&contoso)).await?;
//!
//! let inner = Arc::new(InMemory::new());
//! let resolver = Arc::new(Placement::model(contoso));
//! let config = StoreConfig::new("orders", inner.clone(), resources, keeper, resolver);
//! let store = config.init(NewStore::default()).await?;
//!
//! let path = Path::from("orders/2026.parquet");
//! store.put(&path, "a contract".into()).await?;
//! assert_eq!(store.get_range(&path, 2..10).await?, "contract".as_bytes());
//! assert_eq!(store.head(&path).await?.size, 10);
//! assert_eq!(inner.head(&path).await?.size, 512 + 10 + 2 * 16);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![deny(unsafe_code)]

mod budget;
mod config;
mod copy;
mod error;
mod fetch;
mod get;
mod headers;
mod list;
mod manifest;
mod names;
mod object;
mod opened;
mod payload;
mod placement;
mod put;
mod ranges;
mod sealing;
mod settings;
mod shared;
mod states;
mod stats;
mod store;
mod upload;

pub use config::StoreConfig;
pub use error::StoreError;
pub use manifest::NewStore;
pub use placement::{ByPrefix, Placement, Resolver};
pub use settings::Settings;
pub use states::ObjectStates;
pub use stats::Stats;
pub use store::SealedStore;
