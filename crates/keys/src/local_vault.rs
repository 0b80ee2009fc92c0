//! A vault in a directory: versioned RSA-2048 keys in files that only their owner can read.
//!
//! ```text
//! vault.json            {"format":1,"id":"0123456789abcdef"}
//! keys/NAME/1.pem       the private key of the first version, PKCS#8 in PEM
//! keys/NAME/2.pem       and of the second, after a rotation
//! ```
//!
//! Directories have mode 0700 and files 0600; a vault that others can read is refused. Versions are
//! only ever added. Writers hold the lock of the vault's directory; readers need none, because a
//! file appears whole or not at all.

mod files;
mod id;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use strongroom::rsa::PrivateKey;
use strongroom::secret::SecretVec;
use strongroom::wrap::{Algorithm, KeyId, UnwrappingKey, WrappingKey};

use self::files::{DIRECTORY_MODE, Published};
pub use self::id::{KeyName, LocalKeyId, VaultId};
use crate::error::VaultError;

/// The file that makes a directory a vault.
const MANIFEST: &str = "vault.json";

/// The format version that this crate writes and reads.
const FORMAT: u32 = 1;

/// How often a version is tried that another process takes first. Under the lock that never
/// happens; a file system without locks may let it.
const PUBLISH_ATTEMPTS: u32 = 64;

/// What `vault.json` holds.
#[derive(Serialize, Deserialize)]
struct Manifest {
    format: u32,
    id: String,
}

/// A directory with versioned RSA-2048 keys.
///
/// Every operation reads the directory anew, so that processes may share a vault.
#[derive(Debug)]
pub struct LocalVault {
    path: PathBuf,
    id: VaultId,
}

/// A key of a vault with all its versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyEntry {
    /// The key's name.
    pub name: KeyName,
    /// Its versions, oldest first; never empty.
    pub versions: Vec<KeyVersion>,
}

/// One version of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyVersion {
    /// Its versioned id.
    pub id: LocalKeyId,
    /// What it wraps with.
    pub algorithm: Algorithm,
    /// When it was made, by the file's time.
    pub created: SystemTime,
}

impl LocalVault {
    /// Makes the directory `path` a vault without keys. The directory may be missing (its parents
    /// are made, too) or empty; it gets mode 0700.
    ///
    /// # Errors
    ///
    /// [`VaultError::AlreadyInitialised`] or [`VaultError::NotEmpty`] when something is there;
    /// [`VaultError::Io`] when the directory cannot be written.
    pub fn init(path: &Path) -> Result<Self, VaultError> {
        files::make_parents(path)?;
        files::make_directory(path)?;
        let _lock = files::lock_directory(path)?;
        if path.join(MANIFEST).exists() {
            return Err(VaultError::AlreadyInitialised { path: path.to_owned() });
        }
        files::sweep(path)?;
        let keys = path.join("keys");
        if files::entries(path)?.iter().any(|entry| *entry != keys)
            || !files::entries(&keys)?.is_empty()
        {
            return Err(VaultError::NotEmpty { path: path.to_owned() });
        }
        fs::set_permissions(path, fs::Permissions::from_mode(DIRECTORY_MODE))
            .map_err(VaultError::io("make private", path))?;
        files::make_directory(&keys)?;

        // The manifest comes last: a directory that has it is a whole vault.
        let id = VaultId::generate()?;
        let manifest = Manifest { format: FORMAT, id: id.as_str().to_owned() };
        let manifest = serde_json::to_vec(&manifest)
            .map_err(|error| VaultError::io("write", &path.join(MANIFEST))(error.into()))?;
        match files::publish(path, MANIFEST, &manifest)? {
            Published::Yes => {}
            Published::NameTaken => {
                return Err(VaultError::AlreadyInitialised { path: path.to_owned() });
            }
        }
        files::sync_directory(files::parent(path))?;
        Ok(Self { path: path.to_owned(), id })
    }

    /// Opens the vault in the directory `path`.
    ///
    /// # Errors
    ///
    /// [`VaultError::Missing`] when there is none; [`VaultError::Exposed`] when others can reach
    /// it; [`VaultError::Damaged`], [`VaultError::Format`] or [`VaultError::Io`] when it cannot be
    /// read.
    pub fn open(path: &Path) -> Result<Self, VaultError> {
        let missing = || VaultError::Missing { path: path.to_owned() };
        let metadata = match fs::metadata(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(missing()),
            metadata => metadata.map_err(VaultError::io("read", path))?,
        };
        if !metadata.is_dir() {
            return Err(missing());
        }
        let file = path.join(MANIFEST);
        // Before the permissions: a directory that is no vault at all is called just that.
        if matches!(file.try_exists(), Ok(false)) {
            return Err(missing());
        }
        files::require_private(path, &metadata, DIRECTORY_MODE)?;
        let text = files::read_private(&file)?.ok_or_else(missing)?;

        let damaged = |reason| VaultError::Damaged { path: file.clone(), reason };
        let manifest: Manifest =
            serde_json::from_str(&text).map_err(|_| damaged("it is not the vault's JSON"))?;
        if manifest.format != FORMAT {
            return Err(VaultError::Format { path: path.to_owned(), found: manifest.format });
        }
        let id = VaultId::parse(&manifest.id)
            .ok_or_else(|| damaged("its id is not 16 lower-case hexadecimal digits"))?;
        Ok(Self { path: path.to_owned(), id })
    }

    /// The vault's directory, as it was given.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The vault's id.
    #[must_use]
    pub fn id(&self) -> &VaultId {
        &self.id
    }

    /// Creates the key `name` with a fresh RSA-2048 key as version 1, and returns its id.
    ///
    /// # Errors
    ///
    /// [`VaultError::Name`] or [`VaultError::KeyExists`] when the name will not do;
    /// [`VaultError::Random`], [`VaultError::Key`] or [`VaultError::Io`] when the key cannot be
    /// made or kept.
    pub fn create(&self, name: &str) -> Result<LocalKeyId, VaultError> {
        let name = KeyName::new(name)?;
        let exists =
            || VaultError::KeyExists { vault: self.path.clone(), name: name.as_str().to_owned() };
        if !self.versions(&name)?.is_empty() {
            return Err(exists());
        }
        let pem = generate_pem(&name)?;

        let _lock = files::lock_directory(&self.path)?;
        let directory = self.directory(&name);
        files::make_directory(&directory)?;
        files::sync_directory(&self.path.join("keys"))?;
        files::sweep(&directory)?;
        // Others may have been here while the key was drawn.
        if !self.versions(&name)?.is_empty() {
            return Err(exists());
        }
        match files::publish(&directory, "1.pem", pem.expose())? {
            Published::Yes => Ok(LocalKeyId::new(self.id.clone(), name, 1)),
            Published::NameTaken => Err(exists()),
        }
    }

    /// Adds the next version, a fresh RSA-2048 key, to the key `name`, and returns its id. Older
    /// versions stay: documents that they wrapped still need them.
    ///
    /// # Errors
    ///
    /// [`VaultError::Name`] or [`VaultError::KeyMissing`] when there is no such key;
    /// [`VaultError::Contended`] when other processes took every version tried;
    /// [`VaultError::Random`], [`VaultError::Key`] or [`VaultError::Io`] when the key cannot be
    /// made or kept.
    pub fn rotate(&self, name: &str) -> Result<LocalKeyId, VaultError> {
        let name = KeyName::new(name)?;
        self.newest(&name)?;
        let pem = generate_pem(&name)?;

        let _lock = files::lock_directory(&self.path)?;
        let directory = self.directory(&name);
        files::sweep(&directory)?;
        let contended = || VaultError::Contended { name: name.as_str().to_owned() };
        for _ in 0..PUBLISH_ATTEMPTS {
            let next = self.newest(&name)?.checked_add(1).ok_or_else(contended)?;
            match files::publish(&directory, &file_of(next), pem.expose())? {
                Published::Yes => return Ok(LocalKeyId::new(self.id.clone(), name, next)),
                Published::NameTaken => {}
            }
        }
        Err(contended())
    }

    /// Every key with its versions, by name.
    ///
    /// # Errors
    ///
    /// [`VaultError::Io`] when the vault cannot be read.
    pub fn list(&self) -> Result<Vec<KeyEntry>, VaultError> {
        let mut keys = Vec::new();
        for name in self.names()? {
            let versions = self.versions(&name)?.into_iter().map(|version| {
                let id = LocalKeyId::new(self.id.clone(), name.clone(), version);
                let created = files::modified(&self.file(&id))?;
                Ok(KeyVersion { id, algorithm: Algorithm::RsaOaep256, created })
            });
            keys.push(KeyEntry { versions: versions.collect::<Result<_, _>>()?, name });
        }
        Ok(keys)
    }

    /// The newest version of the key `name`, to wrap with. It holds the public key only and its
    /// versioned id, by which [`LocalVault::unwrap`] finds the private one.
    ///
    /// # Errors
    ///
    /// [`VaultError::Name`] or [`VaultError::KeyMissing`] when there is no such key;
    /// [`VaultError::Exposed`], [`VaultError::Key`] or [`VaultError::Io`] when it cannot be used.
    pub fn wrapping_key(&self, name: &str) -> Result<WrappingKey, VaultError> {
        let name = KeyName::new(name)?;
        let version = self.newest(&name)?;
        let id = LocalKeyId::new(self.id.clone(), name, version);
        let key = self.private_key(&id)?;
        Ok(WrappingKey::rsa(engine_id(&id)?, key.public_key()))
    }

    /// What `wrapped` holds, wrapped with `algorithm` under the key `id`.
    ///
    /// # Errors
    ///
    /// [`VaultError::ForeignId`] or [`VaultError::OtherVault`] when the key is not one of this
    /// vault; [`VaultError::VersionMissing`] when it is gone; [`VaultError::Algorithm`] when it
    /// does another algorithm; [`VaultError::Exposed`] or [`VaultError::Io`] when it cannot be
    /// read; [`VaultError::Key`] when `wrapped` does not belong to it, which says no more on
    /// purpose.
    pub fn unwrap(
        &self,
        id: &KeyId,
        algorithm: Algorithm,
        wrapped: &[u8],
    ) -> Result<SecretVec, VaultError> {
        let key = self.unwrapping_key(id, algorithm)?;
        key.unwrap(wrapped).map_err(|source| unwrap_error(&key, source))
    }

    /// What each of `wrapped` holds, in their order, as [`LocalVault::unwrap`] does for one: the key
    /// is read once, and the work is spread over the current thread pool.
    ///
    /// # Errors
    ///
    /// Where the key cannot be used, that of [`LocalVault::unwrap`] for all of them. Each result has
    /// [`VaultError::Key`] where its wrapped key does not belong to this one.
    ///
    /// # Example
    ///
    /// ```
    /// use strongroom_keys::LocalVault;
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
    ) -> Result<Vec<Result<SecretVec, VaultError>>, VaultError> {
        let key = self.unwrapping_key(id, algorithm)?;
        let unwrapped = key.unwrap_batch(wrapped).into_iter();
        Ok(unwrapped.map(|one| one.map_err(|source| unwrap_error(&key, source))).collect())
    }

    /// The key `id` of this vault, if it does `algorithm`.
    fn unwrapping_key(
        &self,
        id: &KeyId,
        algorithm: Algorithm,
    ) -> Result<UnwrappingKey, VaultError> {
        let local = LocalKeyId::parse(id)?;
        if *local.vault() != self.id {
            return Err(VaultError::OtherVault {
                vault: self.path.clone(),
                id: local.to_string(),
                wanted: local.vault().to_string(),
                found: self.id.to_string(),
            });
        }
        if algorithm != Algorithm::RsaOaep256 {
            return Err(VaultError::Algorithm {
                id: local.to_string(),
                algorithm: algorithm.name(),
            });
        }
        Ok(UnwrappingKey::rsa(id.clone(), self.private_key(&local)?))
    }

    fn private_key(&self, id: &LocalKeyId) -> Result<PrivateKey, VaultError> {
        let file = self.file(id);
        let pem = files::read_private(&file)?.ok_or_else(|| VaultError::VersionMissing {
            vault: self.path.clone(),
            id: id.to_string(),
        })?;
        PrivateKey::from_pkcs8_pem(&pem)
            .map_err(|source| VaultError::Key { key: file.display().to_string(), source })
    }

    /// The directory of the key `name`.
    fn directory(&self, name: &KeyName) -> PathBuf {
        self.path.join("keys").join(name.as_str())
    }

    fn file(&self, id: &LocalKeyId) -> PathBuf {
        self.directory(id.name()).join(file_of(id.version()))
    }

    /// The names that have a version, sorted. A directory without one is what a crash left of
    /// `create`, and is no key.
    fn names(&self) -> Result<Vec<KeyName>, VaultError> {
        let mut names = Vec::new();
        for entry in files::entries(&self.path.join("keys"))? {
            let name = files::file_name(&entry).and_then(|name| KeyName::new(name).ok());
            if let Some(name) = name.filter(|_| entry.is_dir())
                && !self.versions(&name)?.is_empty()
            {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// The versions of `name`, oldest first.
    fn versions(&self, name: &KeyName) -> Result<Vec<u32>, VaultError> {
        let mut versions: Vec<u32> = files::entries(&self.directory(name))?
            .iter()
            .filter_map(|path| files::file_name(path)?.strip_suffix(".pem"))
            .filter_map(id::parse_version)
            .collect();
        versions.sort_unstable();
        Ok(versions)
    }

    fn newest(&self, name: &KeyName) -> Result<u32, VaultError> {
        if let Some(&version) = self.versions(name)?.last() {
            return Ok(version);
        }
        Err(VaultError::KeyMissing {
            vault: self.path.clone(),
            name: name.as_str().to_owned(),
            existing: self.names()?.iter().map(|name| name.as_str().to_owned()).collect(),
        })
    }
}

/// The name of the file that holds `version`.
fn file_of(version: u32) -> String {
    format!("{version}.pem")
}

fn unwrap_error(key: &UnwrappingKey, source: strongroom::Error) -> VaultError {
    VaultError::Key { key: key.id().to_string(), source }
}

fn engine_id(id: &LocalKeyId) -> Result<KeyId, VaultError> {
    KeyId::new(&id.to_string()).map_err(|source| VaultError::Key { key: id.to_string(), source })
}

/// A fresh private key for `name`, as the file's contents.
fn generate_pem(name: &KeyName) -> Result<SecretVec, VaultError> {
    PrivateKey::generate()
        .and_then(|key| key.to_pkcs8_pem())
        .map_err(|source| VaultError::Key { key: name.to_string(), source })
}
