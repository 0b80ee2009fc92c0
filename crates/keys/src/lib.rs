//! Vaults and the life of the keys that Strongroom's documents are sealed under.
//!
//! [`LocalVault`] is the embedded vault: a directory with versioned RSA-2048 and AES-256 keys, for the command
//! line and for services without a key vault of their own. What it needs of a
//! [file system](file_system) is tried when it is made.
//!
//! [`Resources`] are what a service has: each under the service's keys, or under a customer's key as
//! well, which can be rotated and revoked. A [cache] keeps unwrapped keys for minutes, so
//! that a vault is asked once a resource and refresh, never once a document.
//!
//! `examples/service.rs` is a whole service over a remote vault.
//!
//! # Example
//!
//! ```
//! use strongroom_keys::LocalVault;
//!
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("vault");
//! let vault = LocalVault::init(&path)?;
//! vault.create("invoices")?;
//!
//! let key = vault.wrapping_key("invoices")?; // the newest version, public part only
//! let wrapped = key.wrap(b"a data key")?;
//! let secret = vault.unwrap(key.id(), key.algorithm(), &wrapped)?;
//! assert_eq!(secret.expose(), b"a data key");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod audit;
pub mod cache;
pub mod clock;
mod error;
pub mod file_system;
mod hex;
mod id;
mod key_id;
mod key_ring;
pub mod local_vault;
mod lock;
mod offload;
mod platform;
pub mod resource;
mod service_key;
pub mod state;
mod state_marks;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod vault;
mod vault_client;

pub use error::Error;
pub use local_vault::LocalVault;
pub use offload::block_on;
pub use resource::Resources;
pub use strongroom::time;
pub use vault::{Vault, VaultError};
