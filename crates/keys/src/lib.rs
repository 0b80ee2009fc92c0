//! The life of the keys that Strongroom's documents are sealed under: made, cached, rotated, revoked, destroyed.
//!
//! [`Resources`] are what a service has: each under the service's keys, or under a customer's key as
//! well, which can be rotated and revoked. A [cache] keeps unwrapped keys for minutes, so
//! that a vault is asked once a resource and refresh, never once a document.
//!
//! A [`Vault`] keeps the keys that wrap all others. `strongroom-local-vault` has the embedded one, a directory,
//! for the command line and for services without a key vault of their own.
//!
//! `examples/service.rs` is a whole service over a remote vault.
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//!
//! use strongroom_keys::audit::{AuditKey, JsonLines};
//! use strongroom_keys::resource::{NewResource, OpenRequest, ResourceId, ResourcesConfig, SealRequest};
//! use strongroom_keys::state::FileStore;
//! use strongroom_keys::vault::KeyName;
//! use strongroom_local_vault::{KeyKind, KeyOptions, LocalVault};
//!
//! # let directory = tempfile::tempdir()?;
//! # let home = directory.path();
//! # futures_lite::future::block_on(async {
//! let vault = LocalVault::init(&home.join("vault"))?;
//! vault.create_with("service", KeyOptions { kind: KeyKind::Oct, ..KeyOptions::default() })?;
//! let states = FileStore::open(home.join("state")).await?;
//! # let trail_key = [7; 32];
//! let trail = JsonLines::new(home.join("audit.jsonl"), &AuditKey::new(&trail_key));
//! let service_key = KeyName::new("service")?;
//! let config =
//!     ResourcesConfig::new(Arc::new(states), Arc::new(vault), service_key, Arc::new(trail));
//! let resources = config.open_or_init().await?;
//!
//! let contoso = ResourceId::new("contoso")?;
//! let new = NewResource {
//!     id: contoso.clone(),
//!     tenant: "contoso".into(),
//!     region: "westeurope".into(),
//!     cmk_allowed: true,
//!     created_at: None,
//! };
//! resources.create(new).await?;
//! let sealed = resources.seal(&contoso, b"a contract", &SealRequest::default()).await?;
//! assert_eq!(resources.open(&contoso, &sealed, &OpenRequest::default()).await?, b"a contract");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod cache;
mod error;
mod id;
mod key_ring;
pub mod resource;
mod service_key;
pub mod state;
mod state_marks;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod vault_client;

pub use error::Error;
pub use resource::Resources;
pub use strongroom::time;
pub use strongroom_vault as vault;
pub use strongroom_vault::{Vault, VaultError, audit, block_on, clock, unblock};
