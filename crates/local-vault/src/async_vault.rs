//! The local vault as a [`Vault`]: the same work, on threads that may block.

use std::sync::Arc;

use async_trait::async_trait;
use strongroom::secret::SecretVec;
use strongroom::wrap::Algorithm;

use super::error::LocalVaultError;
use super::key_id::LocalKeyId;
use super::record::Caller;
use super::store::Store;
use super::vault::LocalVault;
use strongroom_vault::unblock;
use strongroom_vault::{KeyDescription, KeyName, Place, Vault, VaultError, VersionedKeyId};

impl LocalVault {
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
}

/// A local vault as one identity may use it: with the permissions that the vault's grants give it.
///
/// # Example
///
/// ```
/// use strongroom_local_vault::IdentityVault;
/// use strongroom_vault::{Operation, Operations, VersionedKeyId};
/// use strongroom::wrap::Algorithm;
/// use strongroom_local_vault::LocalVault;
/// use strongroom_vault::{Vault, VaultError};
///
/// # let directory = tempfile::tempdir()?;
/// let vault = LocalVault::init(&directory.path().join("vault"))?;
/// let id = VersionedKeyId::try_from(&vault.create("invoices")?)?;
/// vault.grant("auditor", Some("invoices"), Operations::from([Operation::Get]))?;
///
/// let auditor: IdentityVault = vault.as_identity("auditor");
/// assert!(futures_lite::future::block_on(auditor.describe(&id)).is_ok());
/// let wrapped = futures_lite::future::block_on(auditor.wrap(&id, Algorithm::RsaOaep256, &[7; 32]));
/// assert!(matches!(wrapped, Err(VaultError::Denied { .. }))); // it may look, and not wrap
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct IdentityVault {
    store: Arc<Store>,
    caller: Caller,
}

impl IdentityVault {
    pub(super) fn new(store: Arc<Store>, caller: Caller) -> Self {
        Self { store, caller }
    }

    /// Does `work` with the key `id` where it may block.
    async fn ask<T: Send + 'static>(
        &self,
        id: &VersionedKeyId,
        work: impl FnOnce(&Store, &Caller, &LocalKeyId) -> Result<T, LocalVaultError> + Send + 'static,
    ) -> Result<T, VaultError> {
        let (asked, id) = (self.clone(), id.clone());
        unblock(move || {
            LocalKeyId::try_from(&id)
                .and_then(|local| work(&asked.store, &asked.caller, &local))
                .map_err(|error| error.into_vault_error(Some(&id)))
        })
        .await
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Vault for IdentityVault {
    fn id(&self) -> &str {
        &self.store.prefix
    }

    fn place(&self) -> Place {
        self.store.place.clone()
    }

    async fn newest(&self, name: &KeyName) -> Result<KeyDescription, VaultError> {
        let (asked, name) = (self.clone(), name.clone());
        let newest = unblock(move || {
            let id = asked
                .store
                .newest(&asked.caller, &name)
                .map_err(|error| error.into_vault_error(None))?;
            VersionedKeyId::try_from(&id)
        })
        .await?;
        self.describe(&newest).await
    }

    async fn describe(&self, id: &VersionedKeyId) -> Result<KeyDescription, VaultError> {
        self.ask(id, Store::describe).await
    }

    async fn wrap(
        &self,
        id: &VersionedKeyId,
        algorithm: Algorithm,
        payload: &[u8],
    ) -> Result<Vec<u8>, VaultError> {
        let payload = SecretVec::from(payload.to_vec());
        self.ask(id, move |store, caller, id| store.wrap(caller, id, algorithm, payload.expose()))
            .await
    }

    async fn unwrap(
        &self,
        id: &VersionedKeyId,
        algorithm: Algorithm,
        wrapped: &[u8],
    ) -> Result<SecretVec, VaultError> {
        let none = || VaultError::Invalid { reason: format!("the key {id} gave no answer") };
        self.unwrap_batch(id, algorithm, &[wrapped]).await.pop().unwrap_or_else(|| Err(none()))
    }

    async fn unwrap_batch(
        &self,
        id: &VersionedKeyId,
        algorithm: Algorithm,
        wrapped: &[&[u8]],
    ) -> Vec<Result<SecretVec, VaultError>> {
        let owned: Vec<Vec<u8>> = wrapped.iter().map(|wrapped| wrapped.to_vec()).collect();
        let unwrapped = self.ask(id, move |store, caller, id| {
            let wrapped: Vec<&[u8]> = owned.iter().map(Vec::as_slice).collect();
            store.unwrap(caller, id, algorithm, |key| key.unwrap_batch(&wrapped))
        });
        match unwrapped.await {
            Ok(each) => each
                .into_iter()
                .map(|one| one.map_err(|error| error.into_vault_error(Some(id))))
                .collect(),
            Err(error) => wrapped.iter().map(|_| Err(error.clone())).collect(),
        }
    }
}

impl LocalVault {
    fn as_owner(&self) -> IdentityVault {
        IdentityVault::new(Arc::clone(&self.0), Caller::Owner)
    }
}

#[deny(clippy::missing_trait_methods)]
#[async_trait]
impl Vault for LocalVault {
    fn id(&self) -> &str {
        &self.0.prefix
    }

    fn place(&self) -> Place {
        self.0.place.clone()
    }

    async fn newest(&self, name: &KeyName) -> Result<KeyDescription, VaultError> {
        self.as_owner().newest(name).await
    }

    async fn describe(&self, id: &VersionedKeyId) -> Result<KeyDescription, VaultError> {
        self.as_owner().describe(id).await
    }

    async fn wrap(
        &self,
        id: &VersionedKeyId,
        algorithm: Algorithm,
        payload: &[u8],
    ) -> Result<Vec<u8>, VaultError> {
        self.as_owner().wrap(id, algorithm, payload).await
    }

    async fn unwrap(
        &self,
        id: &VersionedKeyId,
        algorithm: Algorithm,
        wrapped: &[u8],
    ) -> Result<SecretVec, VaultError> {
        self.as_owner().unwrap(id, algorithm, wrapped).await
    }

    async fn unwrap_batch(
        &self,
        id: &VersionedKeyId,
        algorithm: Algorithm,
        wrapped: &[&[u8]],
    ) -> Vec<Result<SecretVec, VaultError>> {
        self.as_owner().unwrap_batch(id, algorithm, wrapped).await
    }
}
