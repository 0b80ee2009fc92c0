//! Directories of customers' vaults. A key id alone opens no path: only directories that a command named are
//! looked at.
//!
//! A directory is recorded once the command that named it has succeeded, and replaced by `service move-vault`
//! alone: a copy of a vault has the same id, and does not know of a key that is disabled in the original. The home is
//! locked from the look at what is recorded to the record, so that no other command records a copy meanwhile.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use strongroom::secret::SecretVec;
use strongroom::wrap::Algorithm;
use strongroom_keys::resource::{NamedVault, VaultDirectory, VaultLocation, VaultLocations};
use strongroom_keys::vault::{KeyDescription, KeyName, Place, Vault, VaultError, VersionedKeyId};
use strongroom_local_vault::LocalVault;
use strongroom_local_vault::LocalVaultError;

use super::{VAULTS, files};
use crate::args::VaultOption;
use crate::failure::Failure;
use crate::hint;
use crate::passphrase_file;
use crate::vaults::{Location, open_vault};

/// The vaults that the home knows, by their ids.
#[derive(Clone, Debug)]
pub(crate) struct CustomerVaults {
    home: PathBuf,
    /// A vault that this command names: used, and not recorded yet.
    named: Option<Named>,
}

/// A vault that a command names, and the lock of the home.
#[derive(Clone, Debug)]
struct Named {
    vault: NamedVault<CustomerVault>,
    _lock: Arc<File>,
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
        Self { home: home.to_owned(), named: None }
    }

    /// The same with the vault `vault`, until [`record`](Self::record) keeps its location; waits at most for
    /// `lock_timeout` for others that change the home.
    ///
    /// # Errors
    ///
    /// [`Failure::VaultMoved`] where the home knows another directory and the vault was not moved;
    /// [`Failure::HomeFile`] and its like.
    pub(crate) fn with(
        self,
        vault: NamedVault<CustomerVault>,
        lock_timeout: Option<Duration>,
    ) -> Result<Self, Failure> {
        let lock = Arc::new(files::lock(&self.home, lock_timeout)?);
        self.places()?.check(&vault).map_err(|known| self.moved(known, &vault))?;
        Ok(Self { named: Some(Named { vault, _lock: lock }), ..self })
    }

    pub(super) fn moved(
        &self,
        known: &CustomerVault,
        named: &NamedVault<CustomerVault>,
    ) -> Failure {
        Failure::VaultMoved {
            id: named.id.clone(),
            known: known.directory.clone(),
            named: named.location.directory.clone(),
            home: self.home.clone(),
        }
    }

    fn path(&self) -> PathBuf {
        self.home.join(VAULTS)
    }

    /// All that the home knows, by their ids.
    ///
    /// # Errors
    ///
    /// [`Failure::HomeDamaged`] and its like.
    pub(super) fn places(&self) -> Result<VaultLocations<CustomerVault>, Failure> {
        Ok(files::read_json(&self.path())?.unwrap_or_default())
    }

    /// The vault that has the id `id`, if the home or this command names it.
    ///
    /// # Errors
    ///
    /// [`Failure::HomeDamaged`] and its like.
    pub(crate) fn get(&self, id: &str) -> Result<Option<CustomerVault>, Failure> {
        let named = self.named.as_ref().map(|named| &named.vault);
        Ok(self.places()?.find(id, named).cloned())
    }

    /// Keeps the directory of the vault that this command named.
    ///
    /// # Errors
    ///
    /// [`Failure::HomeFile`] and its like.
    pub(crate) fn record(self) -> Result<(), Failure> {
        let Some(Named { vault, .. }) = &self.named else { return Ok(()) };
        let before = self.places()?;
        let mut locations = before.clone();
        locations.record(vault).map_err(|known| self.moved(known, vault))?;
        if locations == before { Ok(()) } else { files::write_json(&self.path(), &locations) }
    }
}

impl VaultLocation for CustomerVault {
    fn is_same(&self, other: &Self) -> bool {
        self.directory == other.directory
    }
}

impl CustomerVault {
    /// The vault that an option names, and how the home at `home` finds it again from any directory.
    ///
    /// # Errors
    ///
    /// [`Failure::PassphraseInStore`]; [`Failure::NoVault`] when it is not there; [`Failure::Vault`] when it cannot be used.
    pub(crate) fn find(option: VaultOption, home: &Path) -> Result<(LocalVault, Self), Failure> {
        if let Some(file) = &option.passphrase_file {
            passphrase_file::check_place(file, &[home])?;
        }
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
            Err(
                LocalVaultError::PassphraseNeeded { .. } | LocalVaultError::PassphraseWrong { .. },
            ) => Err(Failure::CustomerPassphrase { vault: self.directory.clone(), has_one: true }),
            Err(LocalVaultError::NoPassphrase { .. }) => {
                Err(Failure::CustomerPassphrase { vault: self.directory.clone(), has_one: false })
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
