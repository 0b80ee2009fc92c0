//! A vault in a directory: versioned RSA-2048 and AES-256 keys in files that only their owner can read.
//!
//! ```text
//! vault.json                    its id, purge protection, retention, place, the passphrase's lock
//! identities.json               who may do what, once somebody was granted something
//! audit.jsonl                   what was done with the keys, and by whom; full files have a number at the end
//! keys/NAME/attributes.json     the versions of a key in their order: kind, enabled, dates, operations;
//!                               whether it is deleted
//! keys/NAME/VERSION.pem         an RSA key, PKCS#8 in PEM;    VERSION.aes: an AES key in hexadecimal;
//!                               VERSION.sealed: either, in a vault with a passphrase
//! keys/NAME/VERSION.pub.pem     its public half, which is all that describing it reads
//! keys-2/, identities-2.json    in the place of keys/ and identities.json after a passphrase was set or removed
//! ```
//!
//! A version's id is 128 random bits, drawn when it is made and never reused: a key id names one key for
//! ever, whatever was purged in between, and whichever copy of the vault made it. Which version is the newest
//! is what `attributes.json` says; a version that is not listed there is none, and not an older one.
//!
//! It keeps the rules of Azure Key Vault. A disabled version neither wraps nor unwraps; outside of its
//! dates a version unwraps and does not wrap. A deleted key can be recovered, and its name is not free
//! before it is purged, which purge protection allows only after the retention time. Identities have the
//! permissions get, wrapKey and unwrapKey, for every key or for single ones; who opens the directory
//! itself is the owner, who may do everything.
//!
//! # Several processes
//!
//! Writers hold the lock of the vault's directory, so it must be on a file system that has locks.
//! Readers need none: a file appears whole or not at all, private keys never change, and each change is
//! the one step in which a file or directory gets its name.
//!
//! # Security
//!
//! Directories have mode 0700 and files 0600; what others can read is refused, and so is a symbolic
//! link that leads out of its directory. On a read-only mount, as a secret of Kubernetes is, the modes cannot
//! be changed and are not judged: who mounted it chose its readers, and nobody replaces its files there.
//! Without a passphrase these bits are all that protects the keys, and the files carry checks
//! against accidents. With a passphrase (Argon2id) private keys are sealed, each bound to its id, and
//! everything else is authenticated; who can write into the directory can still put an older file in a
//! newer one's place, or remove it.
//!
//! A key whose directory was removed by hand looks as one that never was; a vault that is not there, or
//! whose files are damaged, never does.
//!
//! # Example
//!
//! ```
//! use strongroom_local_vault::LocalVault;
//!
//! # let directory = tempfile::tempdir()?;
//! let vault = LocalVault::init(&directory.path().join("vault"))?;
//! vault.create("invoices")?;
//!
//! let key = vault.wrapping_key("invoices")?; // the newest version, public part only
//! let wrapped = key.wrap(b"a data key")?;
//! let secret = vault.unwrap(key.id(), key.algorithm(), &wrapped)?;
//! assert_eq!(secret.expose(), b"a data key");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod async_vault;
mod attributes;
mod audit;
mod backup;
mod conversion;
mod copy;
mod disk;
mod error;
mod files;
mod id;
mod identities;
mod json_file;
mod key_id;
mod keyring;
mod leftovers;
mod lifecycle;
mod listing;
mod locked;
mod manifest;
mod operations;
mod options;
mod record;
mod settings;
mod store;
#[cfg(test)]
mod tests;
mod trail;
mod vault;

pub use self::async_vault::IdentityVault;
pub use self::error::LocalVaultError;
pub use self::id::{VaultId, VersionId};
pub use self::identities::Grants;
pub use self::key_id::LocalKeyId;
pub use self::listing::{DeletedKey, KeyEntry, KeyVersion};
pub use self::options::{
    DateChange, InitOptions, KeyKind, KeyOptions, LockWait, OpenOptions, PassphraseCost,
    RotateOptions, TrailOptions, Versions,
};
pub use self::settings::VaultSettings;
pub use self::vault::LocalVault;
pub use strongroom_vault::KeyName;
