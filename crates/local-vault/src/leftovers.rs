//! Files that a vault had before it got a passphrase or lost it, where a crash left them.

use std::path::Path;

use super::attributes::Attributes;
use super::error::LocalVaultError;
use super::files;
use super::identities::Identities;
use super::store::{Store, private_files};
use strongroom_vault::KeyName;

impl Store {
    /// Removes the files of the other layout, where each key in them is among the vault's and can be used. The caller
    /// holds the vault's lock.
    pub(super) fn clear_other(&self) -> Result<(), LocalVaultError> {
        let other = self.layout.next();
        let directory = self.path.join(other.keys());
        if files::is_directory(&directory)? {
            if !self.has_all_of(&directory)? {
                return Ok(());
            }
            files::uninstall(&self.path, other.keys())?;
        }
        let identities = self.path.join(other.identities());
        if identities.try_exists().map_err(LocalVaultError::io("read", &identities))? {
            Identities::read(self)?;
            files::remove(&self.path, other.identities())?;
        }
        Ok(())
    }

    /// True where each private key below `directory`, by its name and version, is among this layout's, and is the key
    /// that its attributes say.
    fn has_all_of(&self, directory: &Path) -> Result<bool, LocalVaultError> {
        for entry in files::entries(directory)? {
            let name = files::file_name(&entry).and_then(|name| KeyName::new(name).ok());
            let Some(name) = name else { return Ok(false) };
            let own = Attributes::read(&self.directory(&name), &self.id, &name, &self.keyring);
            for version in private_files(&entry)? {
                let Ok(Some(own)) = &own else { return Ok(false) };
                let id = self.key_id(&name, version);
                let is_there =
                    own.version(version).is_some_and(|version| self.material(&id, version).is_ok());
                if !is_there {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}
