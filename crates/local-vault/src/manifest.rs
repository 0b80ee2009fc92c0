//! `vault.json`, the file that makes a directory a vault: its id and what holds for all of its keys.

use std::path::Path;

use serde::{Deserialize, Serialize};
use strongroom::secret::SecretVec;

use super::error::LocalVaultError;
use super::files;
use super::id::VaultId;
use super::json_file::{self, Document};
use super::keyring::{Keyring, PassphraseLock};
use super::options::TrailOptions;
use super::trail::{TrailKey, VaultTrail};
use strongroom_vault::{Place, RecoveryLevel};

/// The name of the file.
pub(super) const MANIFEST: &str = "vault.json";

/// The only format that is read. In the formats 1 and 2 versions were numbers, so one id could name two keys.
pub(super) const FORMAT: u32 = 3;

/// Number of times that the vault got a passphrase or lost it. Its parity gives the names of the directory with the keys
/// and of the file with the identities: each time the vault goes over to the other ones. The number never comes back, so
/// whoever misses a file, and finds the number that he knows, knows that the file was not left behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Layout(u64);

impl Layout {
    /// The directory that has one for each key.
    pub(super) fn keys(self) -> &'static str {
        if self.is_even() { "keys" } else { "keys-2" }
    }

    /// The file with the grants of identities.
    pub(super) fn identities(self) -> &'static str {
        if self.is_even() { "identities.json" } else { "identities-2.json" }
    }

    /// The next one, which has the names of the one before as well.
    pub(super) fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    fn is_even(self) -> bool {
        self.0.is_multiple_of(2)
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it")]
    fn is_first(&self) -> bool {
        self.0 == 0
    }
}

/// Content of `vault.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    format: u32,
    pub(super) id: String,
    pub(super) retention_days: u32,
    pub(super) purge_protection: bool,
    pub(super) place: Place,
    #[serde(default, skip_serializing_if = "Layout::is_first")]
    pub(super) layout: Layout,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) passphrase: Option<PassphraseLock>,
    /// In a vault that was made with a passphrase it is derived, until the passphrase is taken away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) trail_key: Option<TrailKey>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    check: Option<String>,
}

impl Document for Manifest {
    const LONGEST: u64 = 64 * 1024;

    fn check(&mut self) -> &mut Option<String> {
        &mut self.check
    }
}

impl Manifest {
    /// Of a new vault.
    pub(super) fn new(
        id: &VaultId,
        retention_days: u32,
        purge_protection: bool,
        place: Place,
    ) -> Self {
        let id = id.as_str().to_owned();
        let (layout, passphrase, trail_key, check) = (Layout::default(), None, None, None);
        Self {
            format: FORMAT,
            id,
            retention_days,
            purge_protection,
            place,
            layout,
            passphrase,
            trail_key,
            check,
        }
    }

    /// The manifest in `path` as it stands, not authenticated, and the vault's id; `None` where there
    /// is none.
    ///
    /// # Errors
    ///
    /// [`LocalVaultError::Damaged`], [`LocalVaultError::Format`], [`LocalVaultError::Exposed`],
    /// [`LocalVaultError::Io`].
    pub(super) fn read(path: &Path) -> Result<Option<(Self, VaultId)>, LocalVaultError> {
        /// The member that every format has.
        #[derive(Deserialize)]
        struct AnyFormat {
            format: u32,
        }

        let file = path.join(MANIFEST);
        let Some(text) = files::read_private(&file, Self::LONGEST)? else { return Ok(None) };
        let damaged = |reason| LocalVaultError::Damaged { path: file.clone(), reason };
        let not_json = |_| damaged("it is not the vault's JSON");
        let AnyFormat { format } = serde_json::from_str(&text).map_err(not_json)?;
        if format != FORMAT {
            return Err(LocalVaultError::Format {
                path: path.to_owned(),
                found: format,
                read: FORMAT,
            });
        }
        let manifest: Self = serde_json::from_str(&text).map_err(not_json)?;
        let id = VaultId::parse(&manifest.id)
            .ok_or_else(|| damaged("its id is not 16 lower-case hexadecimal digits"))?;
        Ok(Some((manifest, id)))
    }

    /// The keys that the passphrase opens, and with them whether the manifest is authentic.
    ///
    /// # Errors
    ///
    /// [`LocalVaultError::PassphraseNeeded`], [`LocalVaultError::PassphraseWrong`],
    /// [`LocalVaultError::NoPassphrase`], [`LocalVaultError::Damaged`].
    pub(super) fn unlock(
        &mut self,
        path: &Path,
        id: &VaultId,
        passphrase: Option<&SecretVec>,
    ) -> Result<Keyring, LocalVaultError> {
        let keyring = match (&self.passphrase, passphrase) {
            (None, None) => Keyring::open(),
            (Some(lock), Some(passphrase)) => {
                Keyring::sealed(lock.unlock(id, passphrase, &path.join(MANIFEST))?)
            }
            (Some(_), None) => {
                return Err(LocalVaultError::PassphraseNeeded { path: path.to_owned() });
            }
            (None, Some(_)) => {
                return Err(LocalVaultError::NoPassphrase { path: path.to_owned() });
            }
        };
        self.authenticate(path, id, &keyring)?;
        Ok(keyring)
    }

    /// The vault's audit trail.
    ///
    /// # Errors
    ///
    /// [`LocalVaultError::Damaged`] where its key is missing.
    pub(super) fn trail(
        &self,
        path: &Path,
        keyring: &Keyring,
        options: TrailOptions,
    ) -> Result<VaultTrail, LocalVaultError> {
        let trail = VaultTrail::new(path, keyring, self.trail_key.as_ref(), options);
        let reason = "it lacks the key of the audit trail";
        trail.ok_or_else(|| LocalVaultError::Damaged { path: path.join(MANIFEST), reason })
    }

    /// Refuses a manifest that something other than the vault wrote.
    ///
    /// # Errors
    ///
    /// [`LocalVaultError::PassphraseChanged`] where it is for other keys than those of the passphrase;
    /// [`LocalVaultError::Damaged`].
    pub(super) fn authenticate(
        &mut self,
        path: &Path,
        id: &VaultId,
        keyring: &Keyring,
    ) -> Result<(), LocalVaultError> {
        let is_for_keyring = match &self.passphrase {
            None => !keyring.is_sealed(),
            Some(lock) => lock.is_for(keyring),
        };
        if self.id == id.as_str() && !is_for_keyring {
            return Err(LocalVaultError::PassphraseChanged { path: path.to_owned() });
        }
        if self.id == id.as_str() && json_file::holds(keyring, &label(id), self)? {
            return Ok(());
        }
        Err(LocalVaultError::Damaged {
            path: path.join(MANIFEST),
            reason: "it was changed by something other than the vault",
        })
    }

    /// As the file's contents.
    ///
    /// # Errors
    ///
    /// [`LocalVaultError::Io`] where it cannot be written as JSON.
    pub(super) fn encode(
        &mut self,
        id: &VaultId,
        keyring: &Keyring,
    ) -> Result<Vec<u8>, LocalVaultError> {
        json_file::encode(keyring, &label(id), self)
    }

    /// The recovery level as Azure Key Vault names it.
    pub(super) fn recovery_level(&self) -> RecoveryLevel {
        let kind = if self.retention_days < 90 { "CustomizedRecoverable" } else { "Recoverable" };
        let purgeable = if self.purge_protection { "" } else { "+Purgeable" };
        RecoveryLevel::new(&format!("{kind}{purgeable}"))
    }
}

fn label(id: &VaultId) -> String {
    format!("{id}/vault")
}
