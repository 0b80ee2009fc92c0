//! Directories of customers' vaults. A key id alone opens no path: only directories that a command named are
//! looked at.
//!
//! A directory is recorded once the command that named it has succeeded, and replaced by `service move-vault`
//! alone: a copy of a vault has the same id, and does not know of a key that is disabled in the original.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use strongroom::secret::SecretVec;
use strongroom::wrap::Algorithm;
use strongroom_keys::resource::VaultDirectory;
use strongroom_keys::vault::{KeyDescription, KeyName, Place, Vault, VaultError, VersionedKeyId};
use strongroom_local_vault::LocalVault;
use strongroom_local_vault::LocalVaultError;

use super::files;
use crate::args::VaultOption;
use crate::failure::Failure;
use crate::hint;
use crate::vaults::{Location, open_vault};

/// The vaults that the home knows, by their ids.
#[derive(Clone, Debug)]
pub(crate) struct CustomerVaults {
    home: PathBuf,
    /// A vault that this command names, with its id: used, and not recorded yet.
    candidate: Option<(String, CustomerVault)>,
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
        Self { home: home.to_owned(), candidate: None }
    }

    /// The same with the vault `id` at `vault`, until [`record`](Self::record) keeps it.
    ///
    /// # Errors
    ///
    /// [`Failure::VaultMoved`] where the home knows another directory for `id`.
    pub(crate) fn with(self, id: &str, vault: CustomerVault) -> Result<Self, Failure> {
        match self.get(id)? {
            Some(known) if known.directory != vault.directory => Err(Failure::VaultMoved {
                id: id.to_owned(),
                known: known.directory,
                named: vault.directory,
                home: self.home,
            }),
            _ => Ok(self.with_moved(id, vault)),
        }
    }

    /// The same with the vault `id` at `vault`, wherever it was before.
    pub(crate) fn with_moved(self, id: &str, vault: CustomerVault) -> Self {
        Self { candidate: Some((id.to_owned(), vault)), ..self }
    }

    fn path(&self) -> PathBuf {
        self.home.join("vaults.json")
    }

    fn read(&self) -> Result<BTreeMap<String, CustomerVault>, Failure> {
        Ok(files::read_json(&self.path())?.unwrap_or_default())
    }

    /// The vault that has the id `id`, if the home or this command names it.
    ///
    /// # Errors
    ///
    /// [`Failure::HomeDamaged`] and its like.
    pub(crate) fn get(&self, id: &str) -> Result<Option<CustomerVault>, Failure> {
        match &self.candidate {
            Some((named, vault)) if named == id => Ok(Some(vault.clone())),
            _ => Ok(self.read()?.remove(id)),
        }
    }

    /// Keeps the directory of the vault that this command named; waits at most for `lock_timeout` for others that
    /// change the home.
    ///
    /// # Errors
    ///
    /// [`Failure::HomeFile`] and its like.
    pub(crate) fn record(self, lock_timeout: Option<Duration>) -> Result<(), Failure> {
        let Some((id, vault)) = &self.candidate else { return Ok(()) };
        let _lock = files::lock(&self.home, lock_timeout)?;
        let mut vaults = self.read()?;
        if vaults.get(id) == Some(vault) {
            return Ok(());
        }
        vaults.insert(id.clone(), vault.clone());
        files::write_json(&self.path(), &vaults)
    }
}

impl CustomerVault {
    /// The vault that an option names, and how it is found again from any directory.
    ///
    /// # Errors
    ///
    /// [`Failure::NoVault`] when it is not there; [`Failure::Vault`] when it cannot be used.
    pub(crate) fn find(option: VaultOption) -> Result<(LocalVault, Self), Failure> {
        let passphrase_file = option.passphrase_file.as_deref().map(absolute).transpose()?;
        let vault = Location::find(option)?.open()?;
        let directory = absolute(vault.path())?;
        Ok((vault, Self { directory, passphrase_file }))
    }

    fn open(&self) -> Result<LocalVault, Failure> {
        // Only asked, which takes no lock: there is nothing to wait for.
        match open_vault(&self.directory, self.passphrase_file.as_deref(), None)? {
            // No advice to make one: the customer's is away.
            Err(LocalVaultError::Missing { path }) => {
                let moved =
                    hint::strongroom("service move-vault", &[], &[("--vault", "DIR".as_ref())]);
                let next =
                    format!("bring its directory back, or say where it was moved to with: {moved}");
                Err(Failure::NoVault { path, next })
            }
            opened => Ok(opened?),
        }
    }
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    path.canonicalize().map_err(|source| Failure::read(path.display().to_string(), source))
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
                heals: true,
            }),
            Err(failure) => {
                let heals = matches!(failure, Failure::NoVault { .. } | Failure::VaultFile { .. });
                let (id, reason) = (key.vault().to_owned(), failure.to_string());
                Arc::new(Unreachable { id, reason, heals })
            }
        })
    }
}

/// A vault that cannot be opened. It refuses nothing: it may come back, or be mended.
#[derive(Debug)]
struct Unreachable {
    id: String,
    reason: String,
    /// True where it may come back by itself: damage does not.
    heals: bool,
}

impl Unreachable {
    fn answer<T>(&self) -> Result<T, VaultError> {
        let reason = self.reason.clone();
        Err(if self.heals {
            VaultError::Unavailable { reason, retry_after: None }
        } else {
            VaultError::Invalid { reason }
        })
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
