//! Key operations of a vault: describe, wrap, unwrap, each after the checks of a key vault.

use strongroom::secret::{Expected, SecretVec};
use strongroom::wrap::{Algorithm, KeyId, UnwrappingKey, WrappingKey};

use super::attributes::VersionAttributes;
use super::error::LocalVaultError;
use super::identities::Identities;
use super::key_id::{self, LocalKeyId};
use super::manifest::Manifest;
use super::options::KeyKind;
use super::record::Caller;
use super::store::{Material, Store};
use super::vault::LocalVault;
use strongroom_vault::audit::{AuditError, AuditResult};
use strongroom_vault::{
    KeyDescription, KeyName, KeyType, Operation, Operations, VaultError, VersionedKeyId,
};

impl KeyKind {
    /// Algorithm that a key of this kind wraps with.
    pub(super) fn algorithm(self) -> Algorithm {
        match self {
            Self::Rsa => Algorithm::RsaOaep256,
            Self::Oct => Algorithm::A256Kw,
        }
    }
}

impl LocalVault {
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
        self.0.wrapping_key(&key_id::key_name(name)?)
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
        only(id, self.unwrap_batch(id, algorithm, &[wrapped])?)
    }

    /// Unwraps `wrapped` as [`LocalVault::unwrap`] does, a secret whose form is known: any other is refused as
    /// a wrapped key that does not belong to `id`.
    ///
    /// # Errors
    ///
    /// Those of [`LocalVault::unwrap`].
    ///
    /// # Security
    ///
    /// The vault compares the form together with the padding ([`UnwrappingKey::unwrap_expected`]): its answer does not
    /// say which of them is wrong.
    ///
    /// # Example
    ///
    /// ```
    /// use strongroom::secret::Expected;
    /// use strongroom_local_vault::LocalVault;
    ///
    /// # let directory = tempfile::tempdir()?;
    /// let vault = LocalVault::init(&directory.path().join("vault"))?;
    /// vault.create("invoices")?;
    /// let key = vault.wrapping_key("invoices")?;
    /// let wrapped = key.wrap(b"MINE, a secret")?;
    ///
    /// let unwrap = |expected| vault.unwrap_expected(key.id(), key.algorithm(), &wrapped, expected);
    /// assert!(unwrap(Expected::new(b"MINE", 14)).is_ok());
    /// assert!(unwrap(Expected::new(b"YOUR", 14)).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn unwrap_expected(
        &self,
        id: &KeyId,
        algorithm: Algorithm,
        wrapped: &[u8],
        expected: Expected<'_>,
    ) -> Result<SecretVec, LocalVaultError> {
        only(id, self.unwrap_batch_expected(id, algorithm, &[(wrapped, expected)])?)
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
        let id = LocalKeyId::parse(id)?;
        self.0.unwrap(&Caller::Owner, &id, algorithm, |key| key.unwrap_batch(wrapped))
    }

    /// Unwraps many as [`LocalVault::unwrap_batch`] does, each of its form as [`LocalVault::unwrap_expected`].
    ///
    /// # Errors
    ///
    /// Those of [`LocalVault::unwrap_batch`].
    pub fn unwrap_batch_expected(
        &self,
        id: &KeyId,
        algorithm: Algorithm,
        wrapped: &[(&[u8], Expected<'_>)],
    ) -> Result<Vec<Result<SecretVec, LocalVaultError>>, LocalVaultError> {
        let id = LocalKeyId::parse(id)?;
        self.0.unwrap(&Caller::Owner, &id, algorithm, |key| key.unwrap_batch_expected(wrapped))
    }
}

/// The result of one request about one wrapped key.
fn only(
    id: &KeyId,
    mut results: Vec<Result<SecretVec, LocalVaultError>>,
) -> Result<SecretVec, LocalVaultError> {
    results.pop().unwrap_or_else(|| {
        let source = strongroom::Error::Authentication;
        Err(LocalVaultError::Key { key: id.to_string(), source })
    })
}

impl Store {
    /// The id of the newest version of `name`.
    ///
    /// # Errors
    ///
    /// [`LocalVaultError::Identity`], and those of [`Store::live`].
    pub(super) fn newest(
        &self,
        caller: &Caller,
        name: &KeyName,
    ) -> Result<LocalKeyId, LocalVaultError> {
        self.permissions(caller, name)?;
        self.read_consistent(name, |_, attributes| self.newest_id(name, attributes))
    }

    /// One version of a key, for `caller`. Its operations are what the key is for, whoever asks: what the caller
    /// may not do is a missing permission, and shows when it is tried.
    ///
    /// # Errors
    ///
    /// [`LocalVaultError`].
    pub(super) fn describe(
        &self,
        caller: &Caller,
        id: &LocalKeyId,
    ) -> Result<KeyDescription, LocalVaultError> {
        self.require(caller, id, Operation::Get)?;
        self.with_version(id, |manifest, version| {
            let (key_type, bits) = match version.kind {
                KeyKind::Rsa => (KeyType::Rsa { public: self.public_key(id, version)? }, 2048),
                KeyKind::Oct => (KeyType::Oct, 256),
            };
            Ok(KeyDescription {
                id: VersionedKeyId::try_from(id)
                    .map_err(|_| LocalVaultError::ForeignId { id: id.to_string() })?,
                key_type,
                bits,
                operations: version.operations,
                enabled: version.enabled,
                not_before: version.not_before,
                expires: version.expires,
                recovery_level: Some(manifest.recovery_level()),
            })
        })
    }

    /// Wraps `payload`.
    ///
    /// # Errors
    ///
    /// [`LocalVaultError`].
    pub(super) fn wrap(
        &self,
        caller: &Caller,
        id: &LocalKeyId,
        algorithm: Algorithm,
        payload: &[u8],
    ) -> Result<Vec<u8>, LocalVaultError> {
        let started = self.clock.elapsed();
        let wrapped = self.wrap_now(caller, id, algorithm, payload);
        self.recorded(caller, "wrap", id, started, wrapped, AuditResult::of)
    }

    fn wrap_now(
        &self,
        caller: &Caller,
        id: &LocalKeyId,
        algorithm: Algorithm,
        payload: &[u8],
    ) -> Result<Vec<u8>, LocalVaultError> {
        self.require(caller, id, Operation::WrapKey)?;
        self.with_version(id, |_, version| {
            self.check_usable(id, version, Operation::WrapKey)?;
            check_algorithm(id, version, algorithm)?;
            let key = match version.kind {
                KeyKind::Rsa => WrappingKey::rsa(engine_id(id)?, self.public_key(id, version)?),
                KeyKind::Oct => match self.material(id, version)? {
                    Material::Oct(key) => WrappingKey::aes(engine_id(id)?, key),
                    Material::Rsa(key) => WrappingKey::rsa(engine_id(id)?, key.public_key()),
                },
            };
            key.wrap(payload).map_err(|source| refused(id, source))
        })
    }

    /// The RSA key of the newest version of `name`, to wrap with outside of the vault, whose private half is
    /// there to unwrap with.
    ///
    /// # Errors
    ///
    /// [`LocalVaultError`].
    pub(super) fn wrapping_key(&self, name: &KeyName) -> Result<WrappingKey, LocalVaultError> {
        self.read_consistent(name, |_, attributes| {
            let id = self.newest_id(name, attributes)?;
            let version = self.version(&id, attributes)?;
            self.check_usable(&id, version, Operation::WrapKey)?;
            let public = self.public_key(&id, version)?;
            // What it wraps outside of the vault, nobody has tried to unwrap: a lost private key shows here.
            self.material(&id, version)?;
            Ok(WrappingKey::rsa(engine_id(&id)?, public))
        })
    }

    /// Reads a key once, and has `unwrap` unwrap with it.
    ///
    /// # Errors
    ///
    /// [`LocalVaultError`]; each result has [`LocalVaultError::Key`] where its wrapped key is not this
    /// key's.
    pub(super) fn unwrap(
        &self,
        caller: &Caller,
        id: &LocalKeyId,
        algorithm: Algorithm,
        unwrap: impl FnOnce(&UnwrappingKey) -> Vec<Result<SecretVec, strongroom::Error>>,
    ) -> Result<Vec<Result<SecretVec, LocalVaultError>>, LocalVaultError> {
        let started = self.clock.elapsed();
        let unwrapped = self.unwrap_now(caller, id, algorithm, unwrap);
        self.recorded(caller, "unwrap", id, started, unwrapped, |outcome| match outcome {
            Err(error) => AuditResult::Failed(error.to_string()),
            // One event for one request: it tells the first that does not belong to the key.
            Ok(each) => {
                each.iter().find(|one| one.is_err()).map_or(AuditResult::Done, AuditResult::of)
            }
        })
    }

    fn unwrap_now(
        &self,
        caller: &Caller,
        id: &LocalKeyId,
        algorithm: Algorithm,
        unwrap: impl FnOnce(&UnwrappingKey) -> Vec<Result<SecretVec, strongroom::Error>>,
    ) -> Result<Vec<Result<SecretVec, LocalVaultError>>, LocalVaultError> {
        self.require(caller, id, Operation::UnwrapKey)?;
        let key = self.with_version(id, |_, version| {
            self.check_usable(id, version, Operation::UnwrapKey)?;
            check_algorithm(id, version, algorithm)?;
            Ok(match self.material(id, version)? {
                Material::Rsa(key) => UnwrappingKey::rsa(engine_id(id)?, *key),
                Material::Oct(key) => UnwrappingKey::aes(engine_id(id)?, key),
            })
        })?;
        Ok(unwrap(&key).into_iter().map(|one| one.map_err(|source| refused(id, source))).collect())
    }

    /// Does `work` with the version `id` of a key that is not deleted.
    fn with_version<T>(
        &self,
        id: &LocalKeyId,
        work: impl Fn(&Manifest, &VersionAttributes) -> Result<T, LocalVaultError>,
    ) -> Result<T, LocalVaultError> {
        self.read_consistent(id.name(), |manifest, attributes| {
            work(manifest, self.version(id, attributes)?)
        })
    }

    /// Operations that `caller` may do with the key `name`.
    fn permissions(&self, caller: &Caller, name: &KeyName) -> Result<Operations, LocalVaultError> {
        let Caller::Identity(identity) = caller else {
            return Ok(Operations::from(Operation::ALL));
        };
        // First, so that a vault that is not there is called just that.
        self.manifest()?;
        let known = Identities::read(self)?.identities;
        match known.get(identity).filter(|grants| grants.enabled) {
            Some(grants) => Ok(grants.of_key(name.as_str())),
            None => Err(LocalVaultError::Identity {
                vault: self.path.clone(),
                identity: identity.clone(),
            }),
        }
    }

    /// Refuses a `caller` that lacks the permission for `operation`, and a key that is not one of this vault.
    fn require(
        &self,
        caller: &Caller,
        id: &LocalKeyId,
        operation: Operation,
    ) -> Result<(), LocalVaultError> {
        if *id.vault() != self.id {
            return Err(LocalVaultError::OtherVault {
                vault: self.path.clone(),
                id: id.to_string(),
                wanted: id.vault().to_string(),
                found: self.id.to_string(),
            });
        }
        let permissions = self.permissions(caller, id.name())?;
        match caller {
            Caller::Identity(identity) if !permissions.contains(operation) => {
                Err(LocalVaultError::Permission {
                    identity: identity.clone(),
                    key: id.to_string(),
                    operation: operation.name(),
                })
            }
            _ => Ok(()),
        }
    }

    /// Refuses a version that is disabled, not meant for `operation`, or out of its time to wrap.
    fn check_usable(
        &self,
        id: &LocalKeyId,
        version: &VersionAttributes,
        operation: Operation,
    ) -> Result<(), LocalVaultError> {
        if !version.enabled {
            return Err(LocalVaultError::KeyDisabled { id: id.to_string() });
        }
        if !version.operations.contains(operation) {
            return Err(LocalVaultError::Operation {
                id: id.to_string(),
                operation: operation.name(),
            });
        }
        if operation != Operation::WrapKey {
            return Ok(());
        }
        let now = self.clock.unix_time();
        if let Some(not_before) = version.not_before.filter(|&not_before| now < not_before) {
            return Err(LocalVaultError::NotYetValid { id: id.to_string(), not_before });
        }
        if let Some(expires) = version.expires.filter(|&expires| now >= expires) {
            return Err(LocalVaultError::Expired { id: id.to_string(), expires });
        }
        Ok(())
    }
}

fn check_algorithm(
    id: &LocalKeyId,
    version: &VersionAttributes,
    algorithm: Algorithm,
) -> Result<(), LocalVaultError> {
    if version.kind.algorithm() == algorithm {
        return Ok(());
    }
    Err(LocalVaultError::Algorithm { id: id.to_string(), algorithm: algorithm.name() })
}

fn refused(id: &LocalKeyId, source: strongroom::Error) -> LocalVaultError {
    LocalVaultError::Key { key: id.to_string(), source }
}

fn engine_id(id: &LocalKeyId) -> Result<KeyId, LocalVaultError> {
    KeyId::new(&id.to_string()).map_err(|source| refused(id, source))
}

impl LocalVaultError {
    /// Converts the error for a caller who asked for `key`. Only the vault's own answer about just this key is
    /// a refusal; files that cannot be read, or are damaged, never are.
    #[must_use]
    pub fn into_vault_error(self, key: Option<&VersionedKeyId>) -> VaultError {
        use strongroom_vault::DeniedReason;
        let reason = self.to_string();
        let denied = |reason| VaultError::Denied { reason, key: key.cloned() };
        match self {
            Self::KeyDisabled { .. } => denied(DeniedReason::KeyDisabled),
            Self::KeyMissing { .. } | Self::KeyDeleted { .. } | Self::VersionMissing { .. } => {
                denied(DeniedReason::KeyMissing)
            }
            Self::Permission { .. } | Self::Operation { .. } => denied(DeniedReason::Permission),
            Self::Identity { .. } => {
                VaultError::Denied { reason: DeniedReason::Identity, key: None }
            }
            Self::Io { .. }
            | Self::Missing { .. }
            | Self::Random
            | Self::Memory
            | Self::Key { source: strongroom::Error::Random | strongroom::Error::Fault, .. }
            | Self::Trail { source: AuditError::File { .. } | AuditError::Unwritable { .. } } => {
                VaultError::Unavailable { reason, retry_after: None }
            }
            // Damage does not heal, nor do permissions.
            _ => VaultError::Invalid { reason },
        }
    }
}
