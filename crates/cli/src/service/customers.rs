//! Where customers' vaults are. A key id alone opens no path: only what `enable-cmk` and `rotate-cmk`
//! were told on the command line is ever looked at.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use strongroom::secret::SecretVec;
use strongroom::wrap::Algorithm;
use strongroom_keys::LocalVault;
use strongroom_keys::local_vault::LocalVaultError;
use strongroom_keys::resource::VaultDirectory;
use strongroom_keys::vault::{KeyDescription, KeyName, Place, Vault, VaultError, VersionedKeyId};

use super::files;
use crate::failure::Failure;
use crate::vaults::open_vault;

/// The vaults that the home knows, by their ids.
#[derive(Clone, Debug)]
pub(crate) struct CustomerVaults {
    home: PathBuf,
}

/// One vault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CustomerVault {
    pub(crate) directory: PathBuf,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) passphrase_file: Option<PathBuf>,
}

impl CustomerVaults {
    pub(super) fn of(home: &Path) -> Self {
        Self { home: home.to_owned() }
    }

    fn path(&self) -> PathBuf {
        self.home.join("vaults.json")
    }

    fn read(&self) -> Result<BTreeMap<String, CustomerVault>, Failure> {
        Ok(files::read_json(&self.path())?.unwrap_or_default())
    }

    /// The vault that has the id `id`, if the home was told.
    ///
    /// # Errors
    ///
    /// [`Failure::HomeDamaged`] and its like.
    pub(crate) fn get(&self, id: &str) -> Result<Option<CustomerVault>, Failure> {
        Ok(self.read()?.remove(id))
    }

    /// Remembers where the vault `id` is; waits at most for `lock_timeout` for others that change the home.
    ///
    /// # Errors
    ///
    /// [`Failure::HomeFile`] and its like.
    pub(crate) fn put(
        &self,
        id: &str,
        vault: CustomerVault,
        lock_timeout: Option<Duration>,
    ) -> Result<(), Failure> {
        let _lock = files::lock(&self.home, lock_timeout)?;
        let mut vaults = self.read()?;
        if vaults.get(id) == Some(&vault) {
            return Ok(());
        }
        vaults.insert(id.to_owned(), vault);
        files::write_json(&self.path(), &vaults)
    }
}

impl CustomerVault {
    fn open(&self) -> Result<LocalVault, Failure> {
        // Only asked, which takes no lock: there is nothing to wait for.
        match open_vault(&self.directory, self.passphrase_file.as_deref(), None)? {
            // No advice to make one: the customer's is away.
            Err(LocalVaultError::Missing { path }) => {
                let next = "bring its directory back".to_owned();
                Err(Failure::NoVault { path, next })
            }
            opened => Ok(opened?),
        }
    }
}

impl VaultDirectory for CustomerVaults {
    fn vault(&self, key: &VersionedKeyId, identity: &str) -> Option<Arc<dyn Vault>> {
        let vault = match self.get(key.vault()) {
            Ok(None) => return None,
            Ok(Some(vault)) => vault.open(),
            Err(failure) => Err(failure),
        };
        Some(match vault {
            Ok(vault) if Vault::id(&vault) == key.vault() => Arc::new(vault.as_identity(identity)),
            Ok(other) => Arc::new(Unreachable {
                id: key.vault().to_owned(),
                reason: format!("{} is another vault now", other.path().display()),
            }),
            Err(failure) => {
                Arc::new(Unreachable { id: key.vault().to_owned(), reason: failure.to_string() })
            }
        })
    }
}

/// A vault that cannot be opened. It may come back, so it refuses nothing: it does not answer.
#[derive(Debug)]
struct Unreachable {
    id: String,
    reason: String,
}

impl Unreachable {
    fn answer<T>(&self) -> Result<T, VaultError> {
        Err(VaultError::Unavailable { reason: self.reason.clone(), retry_after: None })
    }
}

#[async_trait]
impl Vault for Unreachable {
    fn id(&self) -> &str {
        &self.id
    }

    fn place(&self) -> Place {
        Place::default()
    }

    async fn newest(&self, _name: &KeyName) -> Result<KeyDescription, VaultError> {
        self.answer()
    }

    async fn describe(&self, _id: &VersionedKeyId) -> Result<KeyDescription, VaultError> {
        self.answer()
    }

    async fn wrap(
        &self,
        _id: &VersionedKeyId,
        _algorithm: Algorithm,
        _payload: &[u8],
    ) -> Result<Vec<u8>, VaultError> {
        self.answer()
    }

    async fn unwrap(
        &self,
        _id: &VersionedKeyId,
        _algorithm: Algorithm,
        _wrapped: &[u8],
    ) -> Result<SecretVec, VaultError> {
        self.answer()
    }
}
