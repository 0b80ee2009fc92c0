//! The life of a key: created, rotated, disabled, deleted, recovered, purged. Each change is one step on
//! the disk, made under the vault's lock.

use strongroom::rsa::PrivateKey;
use strongroom::secret::{Secret, SecretVec};

use super::attributes::{self, ATTRIBUTES, Attributes, Deletion, MOST_VERSIONS, VersionAttributes};
use super::error::LocalVaultError;
use super::files::{self, Published};
use super::id::VersionId;
use super::key_id::{self, LocalKeyId};
use super::listing::DeletedKey;
use super::locked::Locked;
use super::manifest::Manifest;
use super::options::{DateChange, KeyKind, KeyOptions, RotateOptions, Versions};
use super::record::Act;
use super::store::{Material, Store, public_file};
use super::vault::LocalVault;
use strongroom_vault::KeyName;

const SECONDS_A_DAY: u64 = 86_400;

/// A version that is about to be kept.
pub(super) struct NewVersion {
    pub(super) private: SecretVec,
    pub(super) public: Option<String>,
    pub(super) attributes: VersionAttributes,
}

impl LocalVault {
    /// Creates the key `name` with a fresh RSA-2048 key as its first version, and returns its id.
    ///
    /// # Errors
    ///
    /// Those of [`LocalVault::create_with`].
    pub fn create(&self, name: &str) -> Result<LocalKeyId, LocalVaultError> {
        self.create_with(name, KeyOptions::default())
    }

    /// Creates the key `name` with a fresh key as its first version, as `options` have it, and returns its id.
    ///
    /// # Errors
    ///
    /// [`LocalVaultError::Name`], [`LocalVaultError::KeyExists`] or [`LocalVaultError::KeyDeleted`] when
    /// the name will not do; [`LocalVaultError::Setting`] when an option cannot be;
    /// [`LocalVaultError::Random`], [`LocalVaultError::Key`] or [`LocalVaultError::Io`] when the key
    /// cannot be made or kept.
    #[expect(clippy::needless_pass_by_value, reason = "options are made for one call")]
    pub fn create_with(
        &self,
        name: &str,
        options: KeyOptions,
    ) -> Result<LocalKeyId, LocalVaultError> {
        let name = key_id::key_name(name)?;
        self.0.require_free(&self.0.manifest()?, &name)?;
        check_dates(options.not_before, options.expires)?;
        let material = generate(options.kind, &name)?;
        self.0.create("create", &name, &material, &options)
    }

    /// Creates the key `name` with `key`, made elsewhere, as its first version, and returns its id.
    /// [`PrivateKey::import`], which reads it, has checked it: two primes of 1024 bits that are not close, and all that
    /// follows.
    ///
    /// # Errors
    ///
    /// Those of [`LocalVault::create_with`]; [`LocalVaultError::Setting`] where `options` ask for an AES
    /// key.
    ///
    /// # Example
    ///
    /// ```
    /// use strongroom::rsa::PrivateKey;
    /// use strongroom_local_vault::{KeyOptions, LocalVault};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// let file = PrivateKey::generate()?.to_pkcs8_pem()?; // by OpenSSL, for instance
    /// let vault = LocalVault::init(&directory.path().join("vault"))?;
    /// vault.import_rsa("invoices", PrivateKey::import(file.expose())?, KeyOptions::default())?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[expect(clippy::needless_pass_by_value, reason = "the vault has it from now on")]
    pub fn import_rsa(
        &self,
        name: &str,
        key: PrivateKey,
        options: KeyOptions,
    ) -> Result<LocalKeyId, LocalVaultError> {
        let name = key_id::key_name(name)?;
        check_dates(options.not_before, options.expires)?;
        if options.kind != KeyKind::Rsa {
            let (what, reason) = ("the kind of an imported key", "it is RSA; import it as that");
            return Err(LocalVaultError::Setting { what, reason });
        }
        self.0.create("import", &name, &Material::Rsa(Box::new(key)), &options)
    }

    /// Adds the next version to the key `name`, as [`RotateOptions::default`] has it, and returns its id.
    ///
    /// # Errors
    ///
    /// Those of [`LocalVault::rotate_with`].
    pub fn rotate(&self, name: &str) -> Result<LocalKeyId, LocalVaultError> {
        self.rotate_with(name, RotateOptions::default())
    }

    /// Adds the next version, a fresh key of the newest one's kind and operations, to the key `name`,
    /// and returns its id. It is enabled, with dates as `options` have them. Older versions stay: documents that
    /// they wrapped still need them.
    ///
    /// # Errors
    ///
    /// [`LocalVaultError::Name`], [`LocalVaultError::KeyMissing`] or [`LocalVaultError::KeyDeleted`] when
    /// there is no such key; [`LocalVaultError::TooManyVersions`]; [`LocalVaultError::Setting`] where the dates
    /// cannot be; [`LocalVaultError::Random`],
    /// [`LocalVaultError::Key`] or [`LocalVaultError::Io`] when the key cannot be made or kept.
    pub fn rotate_with(
        &self,
        name: &str,
        options: RotateOptions,
    ) -> Result<LocalKeyId, LocalVaultError> {
        let name = key_id::key_name(name)?;
        let now = self.0.clock.unix_time();
        let next = next_options(&self.0.live(&self.0.manifest()?, &name)?, options, now)?;
        // Outside of the lock: it may take a second.
        let material = generate(next.kind, &name)?;

        self.0.administer(Act::new("rotate", Some(&name)), |locked, act| {
            let directory = self.0.directory(&name);
            let mut attributes = self.0.live(&locked.manifest, &name)?;
            // Others may have been here while the key was drawn. Its kind is the name's for ever.
            let now = self.0.clock.unix_time();
            let options =
                KeyOptions { kind: next.kind, ..next_options(&attributes, options, now)? };
            if attributes.versions.len() >= MOST_VERSIONS {
                return Err(LocalVaultError::TooManyVersions { name: name.to_string() });
            }
            // A key file that is not listed is what a crash left. It is never listed later, because ids are
            // drawn anew, and not removed before the key is purged: no key file ever is, whatever brought it there.
            let id = self.0.key_id(&name, VersionId::generate()?);
            act.of_key(&id);
            let version = self.0.new_version(&id, &material, &options, now)?;
            let private = self.0.private_file(&version.attributes);
            let mut written = vec![(private, version.private.expose())];
            if let Some(public) = &version.public {
                written.push((public_file(id.version()), public.as_bytes()));
            }
            for (file, contents) in written {
                match files::publish(&directory, &file, contents)? {
                    Published::Yes => {}
                    // 128 bits that were drawn twice are not random.
                    Published::NameTaken => return Err(LocalVaultError::Random),
                }
            }
            attributes.versions.push(version.attributes);
            locked.before_the_last_step(act)?;
            locked.write(&name, &mut attributes)?;
            Ok(id)
        })
    }

    /// Enables or disables versions of the key `name`. A disabled version neither wraps nor unwraps.
    ///
    /// # Errors
    ///
    /// [`LocalVaultError::Name`], [`LocalVaultError::KeyMissing`], [`LocalVaultError::KeyDeleted`] or
    /// [`LocalVaultError::VersionMissing`] when there is no such key; [`LocalVaultError::Damaged`] or
    /// [`LocalVaultError::Io`] when it cannot be changed.
    pub fn set_enabled(
        &self,
        name: &str,
        versions: Versions,
        enabled: bool,
    ) -> Result<(), LocalVaultError> {
        let operation = if enabled { "enable" } else { "disable" };
        self.0.change(name, versions, (operation, !enabled), |version| {
            version.enabled = enabled;
            Ok(())
        })
    }

    /// Changes from when (`not_before`) and until when (`expires`) versions of the key `name` wrap. An `Option` sets
    /// a date, in seconds since 1970, or takes it away. They unwrap at any time.
    ///
    /// # Errors
    ///
    /// [`LocalVaultError::Setting`] where the one is not before the other in some version, and those of
    /// [`LocalVault::set_enabled`]. Nothing has changed then.
    pub fn set_dates(
        &self,
        name: &str,
        versions: Versions,
        not_before: impl Into<DateChange>,
        expires: impl Into<DateChange>,
    ) -> Result<(), LocalVaultError> {
        let (not_before, expires) = (not_before.into(), expires.into());
        self.0.change(name, versions, ("set-dates", false), |version| {
            version.not_before = not_before.of(version.not_before);
            version.expires = expires.of(version.expires);
            check_dates(version.not_before, version.expires)
        })
    }

    /// Deletes the key `name` with all its versions: none of them is to be had until it is recovered,
    /// and its name is not free until it is purged.
    ///
    /// # Errors
    ///
    /// [`LocalVaultError::Name`], [`LocalVaultError::KeyMissing`] or [`LocalVaultError::KeyDeleted`] when
    /// there is no such key; [`LocalVaultError::Damaged`] or [`LocalVaultError::Io`] when it cannot be
    /// changed.
    pub fn delete(&self, name: &str) -> Result<DeletedKey, LocalVaultError> {
        let name = key_id::key_name(name)?;
        self.0.administer(Act::new("delete", Some(&name)).taking_away(), |locked, act| {
            let mut attributes = self.0.live(&locked.manifest, &name)?;
            act.of_key(&self.0.newest_id(&name, &attributes)?);
            let at = self.0.clock.unix_time();
            let retention = u64::from(locked.manifest.retention_days).saturating_mul(SECONDS_A_DAY);
            let purge_from = at.saturating_add(retention);
            attributes.deleted = Some(Deletion { at, purge_from });
            locked.write(&name, &mut attributes)?;
            Ok(DeletedKey { key: self.0.entry(&name, &attributes), deleted_at: at, purge_from })
        })
    }

    /// Brings the deleted key `name` back, as it was.
    ///
    /// # Errors
    ///
    /// [`LocalVaultError::NotDeleted`] when it is not deleted, and those of [`LocalVault::delete`].
    pub fn recover(&self, name: &str) -> Result<(), LocalVaultError> {
        let name = key_id::key_name(name)?;
        self.0.administer(Act::new("recover", Some(&name)), |locked, act| {
            let mut attributes = self.0.deleted(&locked.manifest, &name)?.1;
            act.of_key(&self.0.newest_id(&name, &attributes)?);
            attributes.deleted = None;
            locked.before_the_last_step(act)?;
            locked.write(&name, &mut attributes)
        })
    }

    /// Destroys the deleted key `name`: what its versions wrapped can never be opened again, but for
    /// backups of the key. What the disk itself keeps of removed files is for the disk to say.
    ///
    /// # Errors
    ///
    /// [`LocalVaultError::NotDeleted`] when it is not deleted; [`LocalVaultError::PurgeProtected`] before
    /// its time in a vault with purge protection; and those of [`LocalVault::delete`].
    pub fn purge(&self, name: &str) -> Result<(), LocalVaultError> {
        let name = key_id::key_name(name)?;
        self.0.purge_where(&name, |manifest, purge_from| {
            !manifest.purge_protection || self.0.clock.unix_time() >= purge_from
        })
    }

    /// Destroys every deleted key whose retention time had ended by `until` (seconds since 1970), and returns their
    /// names. Nothing is purged by itself: a clock that jumps ahead would destroy keys that are still to be kept. So
    /// the caller, who knows the date, says which time has passed, and the clock must not contradict.
    ///
    /// # Errors
    ///
    /// [`LocalVaultError::Setting`] where `until` is still to come, and those of [`LocalVault::purge`]: what was purged
    /// before stays so.
    ///
    /// # Example
    ///
    /// ```
    /// use strongroom_local_vault::LocalVault;
    ///
    /// # let directory = tempfile::tempdir()?;
    /// let vault = LocalVault::init(&directory.path().join("vault"))?;
    /// vault.create("invoices")?;
    /// let deleted = vault.delete("invoices")?;
    /// assert!(vault.purge_expired(deleted.deleted_at)?.is_empty()); // it is kept for 90 days
    /// assert!(vault.purge_expired(deleted.purge_from).is_err()); // which are not over
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn purge_expired(&self, until: u64) -> Result<Vec<KeyName>, LocalVaultError> {
        if until > self.0.clock.unix_time() {
            return Err(LocalVaultError::Setting {
                what: "the time until which retention has ended",
                reason: "it is still to come by this machine's clock; give one that has passed",
            });
        }
        let mut purged = Vec::new();
        for deleted in self.list_deleted()?.into_iter().filter(|one| one.purge_from <= until) {
            let name = deleted.key.name;
            // It may have been recovered and deleted again meanwhile.
            self.0.purge_where(&name, |_, purge_from| purge_from <= until)?;
            purged.push(name);
        }
        Ok(purged)
    }
}

impl Store {
    /// Destroys the deleted key `name` where its retention time `is_over`.
    fn purge_where(
        &self,
        name: &KeyName,
        is_over: impl Fn(&Manifest, u64) -> bool,
    ) -> Result<(), LocalVaultError> {
        self.administer(Act::new("purge", Some(name)), |locked, act| {
            let (Deletion { purge_from, .. }, attributes) = self.deleted(&locked.manifest, name)?;
            act.of_key(&self.newest_id(name, &attributes)?);
            if !is_over(&locked.manifest, purge_from) {
                return Err(LocalVaultError::PurgeProtected { name: name.to_string(), purge_from });
            }
            locked.before_the_last_step(act)?;
            files::uninstall(&self.keys(), name.as_str())?;
            let left = self.path.join(self.layout.next().keys());
            if files::is_directory(&left.join(name.as_str()))? {
                files::uninstall(&left, name.as_str())?;
            }
            Ok(())
        })
    }

    /// Refuses a name that a key has, or had and was not purged.
    pub(super) fn require_free(
        &self,
        manifest: &Manifest,
        name: &KeyName,
    ) -> Result<(), LocalVaultError> {
        if !files::is_directory(&self.keys())? {
            return Ok(());
        }
        let (vault, name) = match self.attributes(manifest, name)? {
            None => return Ok(()),
            Some(found) => match found.deleted {
                None => (self.path.clone(), name.to_string()),
                Some(_) => return self.live(manifest, name).map(drop),
            },
        };
        Err(LocalVaultError::KeyExists { vault, name })
    }

    fn create(
        &self,
        operation: &str,
        name: &KeyName,
        material: &Material,
        options: &KeyOptions,
    ) -> Result<LocalKeyId, LocalVaultError> {
        let id = self.key_id(name, VersionId::generate()?);
        let version = self.new_version(&id, material, options, self.clock.unix_time())?;
        let mut act = Act::new(operation, Some(name));
        act.of_key(&id);
        // Others may have been here while the key was drawn.
        self.administer(act, |locked, act| locked.install(name, &[version], act))?;
        Ok(id)
    }

    fn new_version(
        &self,
        id: &LocalKeyId,
        material: &Material,
        options: &KeyOptions,
        created: u64,
    ) -> Result<NewVersion, LocalVaultError> {
        let (public, fingerprint) = match material {
            Material::Rsa(key) => {
                let key = key.public_key();
                let refused = |source| LocalVaultError::Key { key: id.to_string(), source };
                (Some(key.to_spki_pem().map_err(refused)?), attributes::of_public_key(&key)?)
            }
            Material::Oct(key) => (None, attributes::of_aes_key(key)),
        };
        let attributes = VersionAttributes::new(id.version(), created, options, fingerprint);
        Ok(NewVersion { private: self.contents(id, material)?, public, attributes })
    }

    fn change(
        &self,
        name: &str,
        which: Versions,
        (operation, takes_away): (&str, bool),
        change: impl Fn(&mut VersionAttributes) -> Result<(), LocalVaultError>,
    ) -> Result<(), LocalVaultError> {
        let name = key_id::key_name(name)?;
        let act = Act::new(operation, Some(&name)).taking_away_if(takes_away);
        self.administer(act, |locked, act| {
            let mut attributes = self.live(&locked.manifest, &name)?;
            let selected = attributes.select(which);
            let last = selected.last().map(|version| version.version);
            if let (Versions::Only(version), None) = (which, last) {
                let id = self.key_id(&name, version).to_string();
                return Err(LocalVaultError::VersionMissing { vault: self.path.clone(), id });
            }
            if let Some(last) = last {
                act.of_key(&self.key_id(&name, last));
            }
            if selected.len() > 1 {
                act.is(&format!("{operation}-all-versions"));
            }
            selected.iter_mut().try_for_each(change)?;
            locked.before_the_last_step(act)?;
            locked.write(&name, &mut attributes)
        })
    }

    /// The attributes of a deleted key.
    fn deleted(
        &self,
        manifest: &Manifest,
        name: &KeyName,
    ) -> Result<(Deletion, Attributes), LocalVaultError> {
        match self.attributes(manifest, name)? {
            Some(found) => match found.deleted {
                Some(deletion) => Ok((deletion, found)),
                None => Err(LocalVaultError::NotDeleted { name: name.to_string() }),
            },
            None => Err(match self.live(manifest, name) {
                Err(error) => error,
                Ok(_) => LocalVaultError::NotDeleted { name: name.to_string() },
            }),
        }
    }
}

impl Locked<'_> {
    /// Makes the key `name` with `versions`, at once, once `act` is recorded.
    pub(super) fn install(
        &self,
        name: &KeyName,
        versions: &[NewVersion],
        act: &mut Act,
    ) -> Result<(), LocalVaultError> {
        let store = self.store;
        store.require_free(&self.manifest, name)?;
        let listed = versions.iter().map(|version| version.attributes.clone()).collect();
        let mut attributes = Attributes::new(&store.id, name, listed);
        let listed = attributes.encode(&store.id, &store.keyring)?;
        let mut files = vec![(ATTRIBUTES.to_owned(), &listed[..])];
        for version in versions {
            let private = store.private_file(&version.attributes);
            files.push((private, version.private.expose()));
            if let Some(public) = &version.public {
                files.push((public_file(version.attributes.version), public.as_bytes()));
            }
        }
        self.before_the_last_step(act)?;
        files::install(&store.keys(), name.as_str(), &files)
    }
}

/// Options of the version that follows the newest one at `now`.
fn next_options(
    attributes: &Attributes,
    options: RotateOptions,
    now: u64,
) -> Result<KeyOptions, LocalVaultError> {
    let Some(newest) = attributes.versions.last() else { return Ok(KeyOptions::default()) };
    let not_before = options.not_before;
    // One whose expiry was set to before its beginning was meant to end, and not to last for a time.
    let began = newest.not_before.unwrap_or(newest.created);
    let lasts =
        newest.expires.and_then(|expires| expires.checked_sub(began)).filter(|&time| time > 0);
    let expires = lasts.map(|time| not_before.unwrap_or(now).saturating_add(time));
    let expires = options.expires.of(expires);
    check_dates(not_before, expires)?;
    let (kind, operations) = (newest.kind, newest.operations);
    Ok(KeyOptions { kind, not_before, expires, operations, ..KeyOptions::default() })
}

fn check_dates(not_before: Option<u64>, expires: Option<u64>) -> Result<(), LocalVaultError> {
    match (not_before, expires) {
        (Some(not_before), Some(expires)) if not_before >= expires => {
            Err(LocalVaultError::Setting {
                what: "the key's dates",
                reason: "give an expiry that is later than the not-before date",
            })
        }
        _ => Ok(()),
    }
}

/// A fresh key for `name`.
fn generate(kind: KeyKind, name: &KeyName) -> Result<Material, LocalVaultError> {
    let refused = |source| match source {
        strongroom::Error::Random => LocalVaultError::Random,
        source => LocalVaultError::Key { key: name.to_string(), source },
    };
    Ok(match kind {
        KeyKind::Rsa => Material::Rsa(Box::new(PrivateKey::generate().map_err(refused)?)),
        KeyKind::Oct => Material::Oct(Secret::generate().map_err(refused)?),
    })
}
