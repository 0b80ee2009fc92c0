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
mod backup;
mod conversion;
mod copy;
mod disk;
mod error;
mod files;
mod id;
mod identities;
mod import;
mod json_file;
mod keyring;
mod lifecycle;
mod listing;
mod manifest;
mod operations;
mod options;
mod settings;
mod store;
#[cfg(test)]
mod tests;
mod trail;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use strongroom::secret::{Secret, SecretVec};
use strongroom::wrap::{Algorithm, KeyId, WrappingKey};
use zeroize::Zeroizing;

pub use self::async_vault::IdentityVault;
pub use self::error::LocalVaultError;
use self::files::Published;
pub use self::id::{LocalKeyId, VaultId, VersionId};
pub use self::identities::Grants;
pub use self::import::read_rsa_key;
use self::keyring::{Keyring, PassphraseLock};
pub use self::listing::{DeletedKey, KeyEntry, KeyVersion};
use self::manifest::{Layout, MANIFEST, Manifest};
use self::operations::Caller;
pub use self::options::{
    DateChange, InitOptions, KeyKind, KeyOptions, LockWait, OpenOptions, PassphraseCost,
    RotateOptions, TrailOptions, Versions,
};
pub use self::settings::VaultSettings;
use self::store::Store;
use self::trail::{Act, TrailKey};
use strongroom_files::DIRECTORY_MODE;
pub use strongroom_vault::KeyName;

/// A directory with versioned keys, opened by its owner.
///
/// Every operation reads the directory anew, so that processes may share a vault. The methods here
/// block; as a [`Vault`](strongroom_vault::Vault) it works on threads of its own.
///
/// # Example
///
/// ```
/// use strongroom_local_vault::LocalVault;
///
/// # let directory = tempfile::tempdir()?;
/// let vault = LocalVault::init(&directory.path().join("vault"))?;
/// vault.create("invoices")?;
/// vault.delete("invoices")?;
/// assert!(vault.wrapping_key("invoices").is_err());
/// vault.recover("invoices")?;
/// assert!(vault.wrapping_key("invoices").is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct LocalVault(Arc<Store>);

impl LocalVault {
    /// True where the directory `path` is a vault's: it has the manifest, whatever else it lacks.
    #[must_use]
    pub fn is_at(path: &Path) -> bool {
        path.join(MANIFEST).exists()
    }

    /// Makes the directory `path` a vault without keys, as [`InitOptions::default`] has it. The
    /// directory may be missing (its parents are made, too) or empty; it gets mode 0700.
    ///
    /// # Errors
    ///
    /// [`LocalVaultError::AlreadyInitialised`] or [`LocalVaultError::NotEmpty`] when something is there;
    /// [`LocalVaultError::FileSystem`] when its file system lacks what keys need; [`LocalVaultError::Io`]
    /// when the directory cannot be written.
    pub fn init(path: &Path) -> Result<Self, LocalVaultError> {
        Self::init_with(path, InitOptions::default())
    }

    /// Makes the directory `path` a vault as `options` have it.
    ///
    /// # Errors
    ///
    /// Those of [`LocalVault::init`]; [`LocalVaultError::Setting`] where an option cannot be;
    /// [`LocalVaultError::Locked`] where another process changes the vault for longer than the wait.
    pub fn init_with(path: &Path, options: InitOptions) -> Result<Self, LocalVaultError> {
        let InitOptions {
            retention_days,
            purge_protection,
            place,
            passphrase,
            cost,
            clock,
            lock_wait,
            trail,
        } = options;
        if !(7..=90).contains(&retention_days) {
            let (what, reason) = ("the retention time", "give 7 to 90 days");
            return Err(LocalVaultError::Setting { what, reason });
        }
        files::make_parents(path)?;
        let is_new = !path.exists();
        disk::create_directory(path)?;
        let _lock = files::lock_directory(path, lock_wait)?;
        if path.join(MANIFEST).exists() {
            return Err(LocalVaultError::AlreadyInitialised { path: path.to_owned() });
        }
        files::sweep(path)?;
        let keys = path.join(Layout::default().keys());
        if files::entries(path)?.iter().any(|entry| *entry != keys && !files::is_lock(entry))
            || !files::entries(&keys)?.is_empty()
        {
            return Err(LocalVaultError::NotEmpty { path: path.to_owned() });
        }
        if let Err(error) = files::require_fit(path) {
            if is_new {
                // Empty again. Best effort.
                let _ = disk::remove_directory(path);
            }
            return Err(error);
        }
        disk::create_directory(&keys)?;

        // The manifest comes last: a directory that has it is a whole vault.
        let id = VaultId::generate()?;
        let mut manifest = Manifest::new(&id, retention_days, purge_protection, place.clone());
        let keyring = match passphrase {
            None => {
                manifest.trail_key = Some(TrailKey::generate()?);
                Keyring::open()
            }
            Some(passphrase) => {
                let vault_key = Secret::generate().map_err(|_| LocalVaultError::Random)?;
                let lock = PassphraseLock::new(&id, &vault_key, &passphrase, cost)?;
                manifest.passphrase = Some(lock);
                Keyring::sealed(vault_key)
            }
        };
        let trail = manifest.trail(path, &keyring, trail)?;
        let contents = Zeroizing::new(manifest.encode(&id, &keyring)?);
        match files::publish(path, MANIFEST, &contents)? {
            Published::Yes => {}
            Published::NameTaken => {
                return Err(LocalVaultError::AlreadyInitialised { path: path.to_owned() });
            }
        }
        disk::sync_directory(files::parent(path))?;
        let prefix = id.key_prefix();
        let path = path.to_owned();
        let layout = manifest.layout;
        let lock = manifest.passphrase;
        let store =
            Store { path, id, prefix, place, layout, keyring, lock, trail, clock, lock_wait };
        store.record_reading(&Act::new("init", None))?;
        Ok(Self(Arc::new(store)))
    }

    /// Opens the vault in the directory `path`, which has no passphrase.
    ///
    /// # Errors
    ///
    /// [`LocalVaultError::Missing`] when there is none; [`LocalVaultError::Exposed`] when others can reach
    /// it; [`LocalVaultError::PassphraseNeeded`]; [`LocalVaultError::Damaged`],
    /// [`LocalVaultError::Format`] or [`LocalVaultError::Io`] when it cannot be read.
    pub fn open(path: &Path) -> Result<Self, LocalVaultError> {
        Self::open_with(path, OpenOptions::default())
    }

    /// Opens the vault in the directory `path`. With a passphrase it takes as long, and as much memory,
    /// as trying one is meant to.
    ///
    /// # Errors
    ///
    /// Those of [`LocalVault::open`]; [`LocalVaultError::PassphraseWrong`],
    /// [`LocalVaultError::NoPassphrase`] where one was given and the vault has none,
    /// [`LocalVaultError::Memory`].
    pub fn open_with(path: &Path, options: OpenOptions) -> Result<Self, LocalVaultError> {
        let missing = || LocalVaultError::Missing { path: path.to_owned() };
        let metadata = match fs::metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(missing()),
            metadata => metadata.map_err(LocalVaultError::io("read", path))?,
        };
        // Before the permissions: a directory that is no vault at all is called just that.
        if !metadata.is_dir() || matches!(path.join(MANIFEST).try_exists(), Ok(false)) {
            return Err(missing());
        }
        files::require_private(path, &metadata, DIRECTORY_MODE)?;
        let (mut manifest, id) = Manifest::read(path)?.ok_or_else(missing)?;
        let keyring = manifest.unlock(path, &id, options.passphrase.as_ref())?;
        let trail = manifest.trail(path, &keyring, options.trail)?;
        Ok(Self(Arc::new(Store {
            path: path.to_owned(),
            prefix: id.key_prefix(),
            id,
            layout: manifest.layout,
            place: manifest.place,
            lock: manifest.passphrase,
            keyring,
            trail,
            clock: options.clock,
            lock_wait: options.lock_wait,
        })))
    }

    /// The vault's directory, as it was given.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// The vault's id.
    #[must_use]
    pub fn id(&self) -> &VaultId {
        &self.0.id
    }

    /// The vault as `identity` may use it. An identity that does not exist is refused at its first request.
    ///
    /// # Example
    ///
    /// ```
    /// use strongroom_vault::{KeyName, Operation, Operations, Vault};
    /// use strongroom_local_vault::LocalVault;
    /// use strongroom_vault::VaultError;
    ///
    /// # let directory = tempfile::tempdir()?;
    /// let vault = LocalVault::init(&directory.path().join("vault"))?;
    /// vault.create("invoices")?;
    /// let billing = vault.as_identity("billing");
    /// let name = KeyName::new("invoices")?;
    /// assert!(futures_lite::future::block_on(billing.newest(&name)).is_err());
    ///
    /// vault.grant("billing", None, Operations::from(Operation::ALL))?;
    /// assert!(futures_lite::future::block_on(billing.newest(&name)).is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn as_identity(&self, identity: &str) -> IdentityVault {
        IdentityVault::new(Arc::clone(&self.0), Caller::Identity(identity.to_owned()))
    }

    /// The newest version of the RSA key `name`, to wrap with. It holds the public key only and its
    /// versioned id, by which [`LocalVault::unwrap`] finds the private one.
    ///
    /// # Errors
    ///
    /// [`LocalVaultError::Name`], [`LocalVaultError::KeyMissing`] or [`LocalVaultError::KeyDeleted`] when
    /// there is no such key; [`LocalVaultError::KeyDisabled`], [`LocalVaultError::NotYetValid`],
    /// [`LocalVaultError::Expired`] or [`LocalVaultError::Operation`] when it may not wrap;
    /// [`LocalVaultError::NoPublicKey`] of an AES key; [`LocalVaultError::Exposed`],
    /// [`LocalVaultError::Damaged`], [`LocalVaultError::Key`] or [`LocalVaultError::Io`] when it cannot be
    /// used.
    pub fn wrapping_key(&self, name: &str) -> Result<WrappingKey, LocalVaultError> {
        self.0.wrapping_key(&id::key_name(name)?)
    }

    /// Wraps `payload` with `algorithm` under the key `id`, inside the vault, as AES keys must.
    ///
    /// # Errors
    ///
    /// Those of [`LocalVault::unwrap`] and [`LocalVault::wrapping_key`].
    pub fn wrap(
        &self,
        id: &KeyId,
        algorithm: Algorithm,
        payload: &[u8],
    ) -> Result<Vec<u8>, LocalVaultError> {
        self.0.wrap(&Caller::Owner, &LocalKeyId::parse(id)?, algorithm, payload)
    }

    /// Unwraps `wrapped`, which was wrapped with `algorithm` under the key `id`.
    ///
    /// # Errors
    ///
    /// [`LocalVaultError::ForeignId`] or [`LocalVaultError::OtherVault`] when the key is not one of this
    /// vault; [`LocalVaultError::KeyMissing`], [`LocalVaultError::KeyDeleted`] or
    /// [`LocalVaultError::VersionMissing`] when it is gone; [`LocalVaultError::KeyDisabled`] or
    /// [`LocalVaultError::Operation`] when it may not unwrap; [`LocalVaultError::Algorithm`] when it does
    /// another algorithm; [`LocalVaultError::Exposed`], [`LocalVaultError::Damaged`] or
    /// [`LocalVaultError::Io`] when it cannot be read; [`LocalVaultError::Key`] when `wrapped` does not
    /// belong to it, which says no more on purpose.
    pub fn unwrap(
        &self,
        id: &KeyId,
        algorithm: Algorithm,
        wrapped: &[u8],
    ) -> Result<SecretVec, LocalVaultError> {
        let mut one = self.unwrap_batch(id, algorithm, &[wrapped])?;
        one.pop().unwrap_or_else(|| {
            let source = strongroom::Error::Authentication;
            Err(LocalVaultError::Key { key: id.to_string(), source })
        })
    }

    /// Unwraps each of `wrapped`, in their order, as [`LocalVault::unwrap`] does for one: the key is read
    /// once, and the work is spread over the current thread pool.
    ///
    /// # Errors
    ///
    /// Where the key cannot be used, that of [`LocalVault::unwrap`] for all of them. Each result has
    /// [`LocalVaultError::Key`] where its wrapped key does not belong to this one.
    ///
    /// # Example
    ///
    /// ```
    /// use strongroom_local_vault::LocalVault;
    ///
    /// # let directory = tempfile::tempdir()?;
    /// let vault = LocalVault::init(&directory.path().join("vault"))?;
    /// vault.create("invoices")?;
    /// let key = vault.wrapping_key("invoices")?;
    /// let (one, two) = (key.wrap(b"one")?, key.wrap(b"two")?);
    ///
    /// let secrets = vault.unwrap_batch(key.id(), key.algorithm(), &[&one, &[0; 256], &two])?;
    /// assert_eq!(secrets[2].as_ref().unwrap().expose(), b"two");
    /// assert!(secrets[1].is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn unwrap_batch(
        &self,
        id: &KeyId,
        algorithm: Algorithm,
        wrapped: &[&[u8]],
    ) -> Result<Vec<Result<SecretVec, LocalVaultError>>, LocalVaultError> {
        self.0.unwrap(&Caller::Owner, &LocalKeyId::parse(id)?, algorithm, wrapped)
    }
}
