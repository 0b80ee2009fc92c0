//! `identities.json`: who may do what with which key.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::error::LocalVaultError;
use super::id::VaultId;
use super::json_file::{self, Document};
use super::keyring::Keyring;
use super::store::Store;
use strongroom_vault::{KeyName, Operations};

/// Content of `identities.json`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Identities {
    pub(super) identities: BTreeMap<String, Grants>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    check: Option<String>,
}

/// Permissions of one identity: those for every key, and those for single ones.
///
/// # Example
///
/// ```
/// use strongroom_local_vault::LocalVault;
/// use strongroom_vault::{Operation, Operations};
///
/// # let directory = tempfile::tempdir()?;
/// let vault = LocalVault::init(&directory.path().join("vault"))?;
/// vault.grant("billing", Some("invoices"), Operations::from([Operation::Get]))?;
///
/// let grants = &vault.identities()?["billing"];
/// assert!(grants.enabled && grants.every_key == Operations::default());
/// assert!(grants.of_key("invoices").contains(Operation::Get));
/// assert!(!grants.of_key("contracts").contains(Operation::Get));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grants {
    /// True where the vault accepts the identity at the moment.
    pub enabled: bool,
    /// Operations that it may do with every key.
    pub every_key: Operations,
    /// Operations that it may do with single keys, in addition.
    pub keys: BTreeMap<KeyName, Operations>,
}

impl Default for Grants {
    /// Enabled, without any permission.
    fn default() -> Self {
        Self { enabled: true, every_key: Operations::default(), keys: BTreeMap::new() }
    }
}

impl Grants {
    /// All that the identity may do with the key `name` while it is enabled: what is granted on every key, and
    /// what is granted on this one.
    #[must_use]
    pub fn of_key(&self, name: &str) -> Operations {
        let single = self.keys.iter().find(|(key, _)| key.as_str() == name);
        single.map_or(self.every_key, |(_, operations)| self.every_key.union(*operations))
    }
}

impl Document for Identities {
    const LONGEST: u64 = 8 * 1024 * 1024;

    fn check(&mut self) -> &mut Option<String> {
        &mut self.check
    }
}

impl Identities {
    /// Those of the vault of `store`: none, where none was ever granted anything.
    ///
    /// # Errors
    ///
    /// [`LocalVaultError::Damaged`], [`LocalVaultError::Exposed`], [`LocalVaultError::Io`].
    pub(super) fn read(store: &Store) -> Result<Self, LocalVaultError> {
        let path = store.path.join(store.layout.identities());
        let found = json_file::read(&store.keyring, &label(&store.id), &path);
        // Under the names from before a passphrase was set or removed there is nothing, or something else.
        if !matches!(found, Ok(Some(_))) {
            store.manifest()?;
        }
        Ok(found?.unwrap_or_default())
    }

    /// As the file's contents.
    ///
    /// # Errors
    ///
    /// [`LocalVaultError::Io`] where they cannot be written as JSON.
    pub(super) fn encode(
        &mut self,
        vault: &VaultId,
        keyring: &Keyring,
    ) -> Result<Vec<u8>, LocalVaultError> {
        json_file::encode(keyring, &label(vault), self)
    }
}

fn label(vault: &VaultId) -> String {
    format!("{vault}/identities")
}
