//! A vault in memory.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use async_trait::async_trait;
use strongroom::rsa::PrivateKey;
use strongroom::secret::{Secret, SecretVec};
use strongroom::wrap::{Algorithm, UnwrappingKey, WrappingKey};

use crate::vault::{
    DeniedReason, KeyDescription, KeyName, KeyType, Operation, Operations, Place, RecoveryLevel,
    Vault, VaultError, VersionedKeyId,
};
use strongroom_vault::lock;

/// RSA-2048 and AES-256 keys in memory, in versions that can be changed one by one.
///
/// # Example
///
/// ```
/// use strongroom_keys::testing::MemoryVault;
/// use strongroom_keys::vault::Vault;
///
/// # futures_lite::future::block_on(async {
/// let vault = MemoryVault::new("memory/customer").at("contoso", "westeurope");
/// let key = vault.create_rsa("documents")?;
/// assert!(vault.describe(&key).await?.enabled);
/// vault.disable(&key);
/// assert!(!vault.describe(&key).await?.enabled);
/// # Ok::<(), strongroom_keys::VaultError>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct MemoryVault {
    id: String,
    place: Place,
    keys: Mutex<BTreeMap<VersionedKeyId, Key>>,
}

#[derive(Debug)]
struct Key {
    description: KeyDescription,
    /// The operations that the identity may do.
    granted: Operations,
    deleted: bool,
    /// Position in the order in which versions were made.
    order: usize,
    material: Material,
}

#[derive(Debug)]
enum Material {
    Rsa(UnwrappingKey),
    Aes(Secret<32>),
}

impl MemoryVault {
    /// An empty vault that does not say where it is.
    #[must_use]
    pub fn new(id: &str) -> Self {
        Self { id: id.to_owned(), place: Place::default(), keys: Mutex::default() }
    }

    /// The vault in this tenant and region.
    #[must_use]
    pub fn at(mut self, tenant: &str, region: &str) -> Self {
        self.place = Place { tenant: Some(tenant.to_owned()), region: Some(region.to_owned()) };
        self
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<VersionedKeyId, Key>> {
        lock(&self.keys)
    }

    /// A new RSA-2048 key, or a new version of it.
    ///
    /// # Errors
    ///
    /// [`VaultError::Invalid`] for a name that is none.
    pub fn create_rsa(&self, name: &str) -> Result<VersionedKeyId, VaultError> {
        let key = PrivateKey::generate().map_err(invalid)?;
        self.insert_rsa(name, key)
    }

    /// An RSA-2048 key that was made before: making one takes a while.
    ///
    /// # Errors
    ///
    /// As [`MemoryVault::create_rsa`].
    pub fn insert_rsa(&self, name: &str, key: PrivateKey) -> Result<VersionedKeyId, VaultError> {
        let key_type = KeyType::Rsa { public: key.public_key() };
        self.insert(name, key_type, 2048, |id| {
            Ok(Material::Rsa(UnwrappingKey::rsa(id.key_id()?, key)))
        })
    }

    /// A new AES-256 key, or a new version of it.
    ///
    /// # Errors
    ///
    /// As [`MemoryVault::create_rsa`].
    pub fn create_aes(&self, name: &str) -> Result<VersionedKeyId, VaultError> {
        let key = Secret::generate().map_err(invalid)?;
        self.insert(name, KeyType::Oct, 256, |_| Ok(Material::Aes(key)))
    }

    fn insert(
        &self,
        name: &str,
        key_type: KeyType,
        bits: u32,
        material: impl FnOnce(&VersionedKeyId) -> Result<Material, VaultError>,
    ) -> Result<VersionedKeyId, VaultError> {
        let mut keys = self.lock();
        let order = keys.len() + 1;
        let id = VersionedKeyId::new(&self.id, KeyName::new(name)?, &order.to_string())?;
        let description = KeyDescription {
            id: id.clone(),
            key_type,
            bits,
            operations: Operations::from(Operation::ALL),
            enabled: true,
            not_before: None,
            expires: None,
            recovery_level: Some(RecoveryLevel::new("Recoverable")),
        };
        let (granted, deleted, material) =
            (Operations::from(Operation::ALL), false, material(&id)?);
        keys.insert(id.clone(), Key { description, granted, deleted, order, material });
        Ok(id)
    }

    /// Changes what the vault says of a version: its times, its recovery level, and so on.
    pub fn change(&self, id: &VersionedKeyId, change: impl FnOnce(&mut KeyDescription)) {
        if let Some(key) = self.lock().get_mut(id) {
            change(&mut key.description);
        }
    }

    /// Disables a version.
    pub fn disable(&self, id: &VersionedKeyId) {
        self.change(id, |description| description.enabled = false);
    }

    /// Enables a version.
    pub fn enable(&self, id: &VersionedKeyId) {
        self.change(id, |description| description.enabled = true);
    }

    /// Deletes a version, softly.
    pub fn delete(&self, id: &VersionedKeyId) {
        if let Some(key) = self.lock().get_mut(id) {
            key.deleted = true;
        }
    }

    /// Brings a deleted version back.
    pub fn recover(&self, id: &VersionedKeyId) {
        if let Some(key) = self.lock().get_mut(id) {
            key.deleted = false;
        }
    }

    /// Sets the operations that the identity may do with a version.
    pub fn grant(&self, id: &VersionedKeyId, operations: impl Into<Operations>) {
        if let Some(key) = self.lock().get_mut(id) {
            key.granted = operations.into();
        }
    }

    fn with<T>(
        &self,
        id: &VersionedKeyId,
        operation: Operation,
        use_key: impl FnOnce(&Key) -> Result<T, VaultError>,
    ) -> Result<T, VaultError> {
        let denied = |reason| Err(VaultError::Denied { reason, key: Some(id.clone()) });
        let keys = self.lock();
        let Some(key) = keys.get(id).filter(|key| !key.deleted) else {
            return denied(DeniedReason::KeyMissing);
        };
        if !key.granted.contains(operation) {
            return denied(DeniedReason::Permission);
        }
        if operation != Operation::Get && !key.description.enabled {
            return denied(DeniedReason::KeyDisabled);
        }
        use_key(key)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what `map_err` hands over")]
fn invalid(error: strongroom::Error) -> VaultError {
    VaultError::Invalid { reason: error.to_string() }
}

impl Key {
    fn check(&self, algorithm: Algorithm) -> Result<(), VaultError> {
        let fits = matches!(
            (&self.material, algorithm),
            (Material::Rsa(_), Algorithm::RsaOaep256) | (Material::Aes(_), Algorithm::A256Kw)
        );
        if fits { Ok(()) } else { Err(self.none()) }
    }

    fn none(&self) -> VaultError {
        let reason = format!("the key {} does not do that algorithm", self.description.id);
        VaultError::Invalid { reason }
    }
}

#[async_trait]
impl Vault for MemoryVault {
    fn id(&self) -> &str {
        &self.id
    }

    fn place(&self) -> Place {
        self.place.clone()
    }

    async fn newest(&self, name: &KeyName) -> Result<KeyDescription, VaultError> {
        let newest = {
            let keys = self.lock();
            let of_name = keys.values().filter(|key| key.description.id.name() == name);
            of_name.max_by_key(|key| key.order).map(|key| key.description.id.clone())
        };
        match newest {
            Some(id) => self.describe(&id).await,
            None => Err(VaultError::Denied { reason: DeniedReason::KeyMissing, key: None }),
        }
    }

    async fn describe(&self, id: &VersionedKeyId) -> Result<KeyDescription, VaultError> {
        self.with(id, Operation::Get, |key| Ok(key.description.clone()))
    }

    async fn wrap(
        &self,
        id: &VersionedKeyId,
        algorithm: Algorithm,
        payload: &[u8],
    ) -> Result<Vec<u8>, VaultError> {
        self.with(id, Operation::WrapKey, |key| {
            key.check(algorithm)?;
            let wrapping = match (&key.material, &key.description.key_type) {
                (Material::Aes(secret), _) => {
                    WrappingKey::aes(id.key_id()?, Secret::copy_from(secret.expose()))
                }
                (Material::Rsa(_), KeyType::Rsa { public }) => {
                    WrappingKey::rsa(id.key_id()?, public.clone())
                }
                (Material::Rsa(_), KeyType::Oct) => return Err(key.none()),
            };
            wrapping.wrap(payload).map_err(invalid)
        })
    }

    async fn unwrap(
        &self,
        id: &VersionedKeyId,
        algorithm: Algorithm,
        wrapped: &[u8],
    ) -> Result<SecretVec, VaultError> {
        self.with(id, Operation::UnwrapKey, |key| {
            key.check(algorithm)?;
            match &key.material {
                Material::Rsa(unwrapping) => unwrapping.unwrap(wrapped),
                Material::Aes(secret) => {
                    let copy = Secret::copy_from(secret.expose());
                    UnwrappingKey::aes(id.key_id()?, copy).unwrap(wrapped)
                }
            }
            .map_err(invalid)
        })
    }
}
