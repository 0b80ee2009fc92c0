//! Giving a vault a passphrase, and taking it away: every private key is sealed, or unsealed, into new files.
//!
//! ```text
//! 1  all keys are written for the other keyring into a directory of their own, which nothing reads yet
//! 2  each is read back, and unwraps what the one before it wraps
//! 3  vault.json names that directory and the lock: from this one step on the new files are the vault's
//! 4  the files before go, once each key in them is shown to be among the new ones
//! ```
//!
//! A crash before 3 leaves the vault as it was, and one after it the new vault: the next writer does 4, or removes
//! what 1 made. Handles from before 3 get [`LocalVaultError::PassphraseChanged`].

use std::path::Path;

use strongroom::secret::{Secret, SecretVec};
use strongroom::wrap::{KeyId, UnwrappingKey, WrappingKey};
use zeroize::Zeroizing;

use super::attributes::{ATTRIBUTES, Attributes};
use super::error::LocalVaultError;
use super::files;
use super::identities::Identities;
use super::key_id::LocalKeyId;
use super::keyring::{Keyring, PassphraseLock};
use super::locked::Locked;
use super::manifest::{MANIFEST, Manifest};
use super::options::PassphraseCost;
use super::record::Act;
use super::store::{Material, Store, public_file};
use super::trail::TrailKey;
use super::vault::LocalVault;
use strongroom_vault::KeyName;

impl LocalVault {
    /// Gives the vault a passphrase: its first one, or another one in the place of the one it has. Returns the vault as
    /// it is used from then on.
    ///
    /// The first one seals every private key into new files, each of which is read back and shown to work before the
    /// old ones are removed; a vault that was interrupted in between is whole, and the same call again finishes. Handles
    /// that were opened before get [`LocalVaultError::PassphraseChanged`]. Another one in the place of the first changes
    /// the file `vault.json` alone, and handles that are open stay so; but only one that was opened with the passphrase of
    /// the moment changes it or takes it away.
    ///
    /// # Errors
    ///
    /// [`LocalVaultError::PassphraseChanged`] where the passphrase is not the one any more that this handle was opened
    /// with, or was the vault's first one meanwhile; [`LocalVaultError::Setting`] where the cost is out of bounds; [`LocalVaultError::Damaged`],
    /// [`LocalVaultError::Key`] where a private key cannot be read, and nothing has changed then;
    /// [`LocalVaultError::Io`] where files cannot be written, or the old ones cannot be removed.
    ///
    /// # Security
    ///
    /// Copies and backups from before hold the private keys in the clear, or open with the old passphrase. The files
    /// that are removed are not overwritten: a file system may keep what they held, in a journal, in a snapshot, or on
    /// blocks of a flash disk. Where that matters, rotate the keys afterwards. A backup of a single key from before the
    /// first passphrase is not restored any more: make a new one.
    ///
    /// # Example
    ///
    /// ```
    /// use strongroom::secret::SecretVec;
    /// use strongroom_local_vault::{LocalVault, PassphraseCost};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// let vault = LocalVault::init(&directory.path().join("vault"))?;
    /// let key = vault.create("invoices")?;
    /// let cost = PassphraseCost::default();
    /// # let cost = PassphraseCost { memory_kib: 64, passes: 1, lanes: 1 };
    /// let vault = vault.set_passphrase(&SecretVec::from(b"correct horse".to_vec()), cost)?;
    /// assert_eq!(vault.show("invoices")?.versions[0].id, key);
    /// assert!(LocalVault::open(vault.path()).is_err());
    ///
    /// let vault = vault.remove_passphrase()?;
    /// assert!(LocalVault::open(vault.path()).is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_passphrase(
        &self,
        passphrase: &SecretVec,
        cost: PassphraseCost,
    ) -> Result<Self, LocalVaultError> {
        let store = &*self.0;
        let Some(vault_key) = store.keyring.vault_key() else {
            let vault_key = Secret::generate().map_err(|_| LocalVaultError::Random)?;
            let lock = self.lock_for(&vault_key, passphrase, cost)?;
            return self.convert("set-passphrase", Keyring::sealed(vault_key), Some(lock));
        };
        let lock = self.lock_for(vault_key, passphrase, cost)?;
        let new = store.administer(Act::new("set-passphrase", None), |locked, act| {
            store.require_lock(&locked.manifest)?;
            locked.manifest.passphrase = Some(lock);
            let keyring = Keyring::sealed(Secret::copy_from(vault_key.expose()));
            let new = store.with(keyring, &locked.manifest)?;
            locked.write_manifest(act)?;
            Ok(new)
        })?;
        new.finish()?;
        Ok(Self(new.into()))
    }

    /// Takes the vault's passphrase away: every private key is written in the clear, as
    /// [`LocalVault::set_passphrase`] does it the other way round. Returns the vault as it is used from then on. Of a
    /// vault that has none it finishes what was interrupted.
    ///
    /// # Errors
    ///
    /// Those of [`LocalVault::set_passphrase`].
    ///
    /// # Security
    ///
    /// From then on the permission bits of the directory are all that protects the keys. Copies from before still open
    /// with the passphrase; a backup of a single key from before is not restored any more: make a new one.
    pub fn remove_passphrase(&self) -> Result<Self, LocalVaultError> {
        if !self.0.keyring.is_sealed() {
            self.0.finish()?;
            return Ok(self.clone());
        }
        self.convert("remove-passphrase", Keyring::open(), None)
    }

    /// A lock that is shown to open.
    fn lock_for(
        &self,
        vault_key: &Secret<32>,
        passphrase: &SecretVec,
        cost: PassphraseCost,
    ) -> Result<PassphraseLock, LocalVaultError> {
        let (id, path) = (&self.0.id, &self.0.path);
        let lock = PassphraseLock::new(id, vault_key, passphrase, cost)?;
        if lock.unlock(id, passphrase, path)? == *vault_key {
            Ok(lock)
        } else {
            Err(LocalVaultError::PassphraseWrong { path: path.clone() })
        }
    }

    fn convert(
        &self,
        operation: &str,
        keyring: Keyring,
        lock: Option<PassphraseLock>,
    ) -> Result<Self, LocalVaultError> {
        let old = &*self.0;
        let new = old.administer(Act::new(operation, None), |locked, act| {
            old.require_lock(&locked.manifest)?;
            old.clear_other()?;
            old.require_own_files(&locked.manifest)?;
            let mut manifest = locked.manifest.clone();
            (manifest.passphrase, manifest.layout) = (lock, manifest.layout.next());
            let trail_key = old.trail_key(&locked.manifest)?;
            manifest.trail_key = Some(TrailKey::new(&keyring, &trail_key)?);
            let new = old.with(keyring, &manifest)?;
            let contents = Zeroizing::new(manifest.encode(&new.id, &new.keyring)?);
            if new.trail_key(&manifest)? != trail_key {
                return Err(damaged(&new, "its trail's key does not come back"));
            }
            new.write_all(old, locked)?;
            new.prove_all(old, locked)?;
            locked.before_the_last_step(act)?;
            files::replace(&new.path, MANIFEST, &contents)?;
            Ok(new)
        })?;
        new.finish()?;
        Ok(Self(new.into()))
    }
}

impl Store {
    /// The same vault with other keys, as `manifest` has it.
    fn with(&self, keyring: Keyring, manifest: &Manifest) -> Result<Self, LocalVaultError> {
        let trail = manifest.trail(&self.path, &keyring, self.trail.options().clone())?;
        Ok(Self {
            path: self.path.clone(),
            id: self.id.clone(),
            prefix: self.prefix.clone(),
            place: self.place.clone(),
            layout: manifest.layout,
            keyring,
            lock: manifest.passphrase.clone(),
            trail,
            clock: self.clock.clone(),
            lock_wait: self.lock_wait,
        })
    }

    /// Refuses a vault whose passphrase is another one than this handle was opened with: of two who change it at once,
    /// both would succeed, and one of their passphrases open nothing.
    fn require_lock(&self, manifest: &Manifest) -> Result<(), LocalVaultError> {
        if manifest.passphrase == self.lock {
            return Ok(());
        }
        Err(LocalVaultError::PassphraseChanged { path: self.path.clone() })
    }

    /// Refuses a file or directory among the keys that is not the vault's: with it the files from before could not be
    /// removed once the vault has gone over to others, and private keys would stay there.
    fn require_own_files(&self, manifest: &Manifest) -> Result<(), LocalVaultError> {
        let stray = |path: &Path| LocalVaultError::Damaged {
            path: path.to_owned(),
            reason: "it is not one of the vault's files; move it out of the vault",
        };
        for directory in files::entries(&self.keys())? {
            let name = files::file_name(&directory).and_then(|name| KeyName::new(name).ok());
            let name = name.filter(|_| directory.is_dir()).ok_or_else(|| stray(&directory))?;
            let mut own = vec![ATTRIBUTES.to_owned()];
            for version in self.attributes(manifest, &name)?.iter().flat_map(|one| &one.versions) {
                own.extend([self.private_file(version), public_file(version.version)]);
            }
            for file in files::entries(&directory)? {
                if !files::file_name(&file).is_some_and(|name| own.iter().any(|own| own == name)) {
                    return Err(stray(&file));
                }
            }
        }
        Ok(())
    }

    fn trail_key(&self, manifest: &Manifest) -> Result<Secret<32>, LocalVaultError> {
        let key = TrailKey::secret(&self.keyring, manifest.trail_key.as_ref());
        key.ok_or_else(|| damaged(self, "it lacks the key of the audit trail"))
    }

    /// Writes every key of `old`, deleted ones as well, and the identities, for this keyring and where this layout has
    /// them.
    fn write_all(&self, old: &Self, locked: &Locked<'_>) -> Result<(), LocalVaultError> {
        if files::is_directory(&self.keys())? {
            return Err(LocalVaultError::Damaged {
                path: self.keys(),
                reason: "it holds keys that are not among the vault's; move it out of the vault",
            });
        }
        let mut keys = Vec::new();
        for name in old.names()? {
            let Some(mut attributes) = old.attributes(&locked.manifest, &name)? else { continue };
            keys.push((name.to_string(), self.files_for(old, &name, &mut attributes)?));
        }
        files::install_all(&self.path, self.layout.keys(), &keys)?;
        let mut identities = Identities::read(old)?;
        let contents = identities.encode(&self.id, &self.keyring)?;
        files::replace(&self.path, self.layout.identities(), &contents)
    }

    /// The files of the key `name` of `old`, for this keyring.
    fn files_for(
        &self,
        old: &Self,
        name: &KeyName,
        attributes: &mut Attributes,
    ) -> Result<Vec<(String, SecretVec)>, LocalVaultError> {
        let mut files = Vec::new();
        for version in &attributes.versions {
            let id = self.key_id(name, version.version);
            let material = old.material(&id, version)?;
            if let Material::Rsa(key) = &material {
                let refused = |source| LocalVaultError::Key { key: id.to_string(), source };
                let public = key.public_key().to_spki_pem().map_err(refused)?.into_bytes();
                files.push((public_file(version.version), SecretVec::from(public)));
            }
            files.push((self.private_file(version), self.contents(&id, &material)?));
        }
        let listed = attributes.encode(&self.id, &self.keyring)?;
        files.push((ATTRIBUTES.to_owned(), SecretVec::from(listed)));
        Ok(files)
    }

    /// Reads back all that [`Store::write_all`] wrote, and has each key do what that of `old` does.
    fn prove_all(&self, old: &Self, locked: &Locked<'_>) -> Result<(), LocalVaultError> {
        for name in old.names()? {
            let Some(wanted) = old.attributes(&locked.manifest, &name)? else { continue };
            let found = Attributes::read(&self.directory(&name), &self.id, &name, &self.keyring)?;
            if !found.as_ref().is_some_and(|found| found.says_the_same(&wanted)) {
                return Err(LocalVaultError::Damaged {
                    path: self.directory(&name).join(ATTRIBUTES),
                    reason: "it is not what was written there",
                });
            }
            for version in &wanted.versions {
                let id = self.key_id(&name, version.version);
                prove(&id, &old.material(&id, version)?, self.material(&id, version)?)?;
            }
        }
        if Identities::read(self)?.identities == Identities::read(old)?.identities {
            Ok(())
        } else {
            let path = self.path.join(self.layout.identities());
            Err(LocalVaultError::Damaged { path, reason: "it is not what was written there" })
        }
    }

    /// Removes the files of the other layout, which a conversion left.
    ///
    /// # Errors
    ///
    /// [`LocalVaultError::Io`]; [`LocalVaultError::Damaged`] where they hold a key that is not shown to be the vault's.
    fn finish(&self) -> Result<(), LocalVaultError> {
        let _locked = self.lock()?;
        self.clear_other()?;
        let left = self.path.join(self.layout.next().keys());
        if !files::is_directory(&left)? {
            return Ok(());
        }
        let reason = "it holds keys that are not among the vault's; move it out of the vault";
        Err(LocalVaultError::Damaged { path: left, reason })
    }
}

fn damaged(store: &Store, reason: &'static str) -> LocalVaultError {
    LocalVaultError::Damaged { path: store.path.join(MANIFEST), reason }
}

/// Has `new` unwrap what `old` wrapped.
fn prove(id: &LocalKeyId, old: &Material, new: Material) -> Result<(), LocalVaultError> {
    let refused = |source| LocalVaultError::Key { key: id.to_string(), source };
    let key_id = KeyId::new(&id.to_string()).map_err(refused)?;
    let wrapping = match old {
        Material::Rsa(key) => WrappingKey::rsa(key_id.clone(), key.public_key()),
        Material::Oct(key) => WrappingKey::aes(key_id.clone(), Secret::copy_from(key.expose())),
    };
    let unwrapping = match new {
        Material::Rsa(key) => UnwrappingKey::rsa(key_id, *key),
        Material::Oct(key) => UnwrappingKey::aes(key_id, key),
    };
    let secret = Secret::<32>::generate().map_err(|_| LocalVaultError::Random)?;
    let wrapped = wrapping.wrap(secret.expose()).map_err(refused)?;
    let again = unwrapping.unwrap(&wrapped).map_err(refused)?;
    if again.expose() == &secret.expose()[..] {
        return Ok(());
    }
    Err(refused(strongroom::Error::Fault))
}
