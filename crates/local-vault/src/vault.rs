//! A vault as its owner has it: made, or opened.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use strongroom::secret::Secret;
use zeroize::Zeroizing;

use super::disk;
use super::error::LocalVaultError;
use super::files::{self, Published};
use super::id::VaultId;
use super::keyring::{Keyring, PassphraseLock};
use super::manifest::{Layout, MANIFEST, Manifest};
use super::options::{InitOptions, OpenOptions};
use super::record::Act;
use super::store::Store;
use super::trail::{TRAIL, TrailKey};
use strongroom_files::DIRECTORY_MODE;

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
pub struct LocalVault(pub(super) Arc<Store>);

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

    /// The current file of the vault's audit trail. It is not there before the first event.
    #[must_use]
    pub fn trail_path(&self) -> PathBuf {
        self.0.path.join(TRAIL)
    }
}
