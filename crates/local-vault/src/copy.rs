//! A copy of a whole vault, while others write to it.

use std::path::Path;

use zeroize::Zeroizing;

use super::attributes::{ATTRIBUTES, Attributes};
use super::disk;
use super::error::LocalVaultError;
use super::files::{self, LONGEST_KEY, Published};
use super::identities::Identities;
use super::json_file::Document;
use super::manifest::{MANIFEST, Manifest};
use super::store::{Store, public_file};
use super::trail::TRAIL;
use super::vault::LocalVault;
use strongroom_vault::KeyName;
use strongroom_vault::audit::AuditError;

/// A file's name and its contents.
type Named = (String, Zeroizing<String>);

impl LocalVault {
    /// Copies the vault with all its keys, grants and its audit trail to the directory `path`, whose parent must be
    /// there: a vault with the same id and, where it has one, the same passphrase. Each private key is parsed, and
    /// every file that was written is read back. Nobody is kept from writing: of a key that changes meanwhile the copy
    /// has one state or the other.
    ///
    /// # Errors
    ///
    /// [`LocalVaultError::Damaged`] and its like where a key cannot be read, [`LocalVaultError::Trail`] where the audit
    /// trail does not hold; [`LocalVaultError::NotEmpty`] where something is at `path`; [`LocalVaultError::Io`].
    ///
    /// # Security
    ///
    /// **The copy of a vault without a passphrase holds its keys in the clear**, in files of mode 0600. It does not
    /// know of a key that is disabled or deleted in the original afterwards.
    ///
    /// # Example
    ///
    /// ```
    /// use strongroom_local_vault::LocalVault;
    ///
    /// # let directory = tempfile::tempdir()?;
    /// let vault = LocalVault::init(&directory.path().join("vault"))?;
    /// vault.create("invoices")?;
    /// let copy = directory.path().join("copy");
    /// vault.copy_to(&copy)?;
    /// assert_eq!(LocalVault::open(&copy)?.show("invoices")?, vault.show("invoices")?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn copy_to(&self, path: &Path) -> Result<(), LocalVaultError> {
        let store = &*self.0;
        disk::create_directory(path)?;
        if !files::entries(path)?.is_empty() {
            return Err(LocalVaultError::NotEmpty { path: path.to_owned() });
        }
        let keys = path.join(store.layout.keys());
        disk::create_directory(&keys)?;
        match store.trail.lines().copy_to(&path.join(TRAIL)) {
            // It begins with the next event.
            Err(AuditError::Missing { path }) if path == self.trail_path() => {}
            copied => drop(copied.map_err(|source| LocalVaultError::Trail { source })?),
        }
        for name in store.names()? {
            let Some(found) = store.files_of(&name)? else { continue };
            let contents: Vec<_> =
                found.iter().map(|(file, text)| (file.clone(), text.as_bytes())).collect();
            files::install(&keys, name.as_str(), &contents)?;
            read_back(&keys.join(name.as_str()), &found)?;
        }
        // The manifest comes last: a directory that has it is a whole vault.
        let identities = store.layout.identities();
        for (file, longest) in [(identities, Identities::LONGEST), (MANIFEST, Manifest::LONGEST)] {
            let Some(text) = files::read_private(&store.path.join(file), longest)? else {
                continue;
            };
            // It is the one that the keys are of.
            store.manifest()?;
            if files::publish(path, file, text.as_bytes())? == Published::NameTaken {
                return Err(LocalVaultError::NotEmpty { path: path.to_owned() });
            }
            read_back(path, &[(file.to_owned(), text)])?;
        }
        Ok(())
    }
}

impl Store {
    /// The files of the key `name`, each private key parsed; `None` where it was purged meanwhile.
    fn files_of(&self, name: &KeyName) -> Result<Option<Vec<Named>>, LocalVaultError> {
        let manifest = self.manifest()?;
        let directory = self.directory(name);
        let read = |attributes: &Attributes| {
            let listed = files::read_private(&directory.join(ATTRIBUTES), Attributes::LONGEST)?;
            let listed = listed.ok_or_else(|| missing(&directory.join(ATTRIBUTES)))?;
            let mut found = vec![(ATTRIBUTES.to_owned(), listed)];
            for version in &attributes.versions {
                let file = self.private_file(version);
                let path = directory.join(&file);
                let text =
                    files::read_private(&path, LONGEST_KEY)?.ok_or_else(|| missing(&path))?;
                // What does not open is no copy.
                self.parse(&self.key_id(name, version.version), version, &text, &path, |_| true)?;
                found.push((file, text));
                let file = public_file(version.version);
                if let Some(text) = files::read_private(&directory.join(&file), LONGEST_KEY)? {
                    found.push((file, text));
                }
            }
            Ok(found)
        };
        let mut before = self.attributes(&manifest, name)?;
        while let Some(attributes) = before {
            let found = read(&attributes);
            // They list a version only once its files are there, and may list more by now.
            let after = self.attributes(&manifest, name)?;
            if after.as_ref() == Some(&attributes) {
                return found.map(Some);
            }
            before = after;
        }
        Ok(None)
    }
}

fn missing(path: &Path) -> LocalVaultError {
    LocalVaultError::Damaged { path: path.to_owned(), reason: "it is missing" }
}

/// Compares the files in `directory` with what was written there.
fn read_back(directory: &Path, written: &[Named]) -> Result<(), LocalVaultError> {
    for (file, text) in written {
        let path = directory.join(file);
        let longest = text.len() as u64;
        if files::read_private(&path, longest)?.is_none_or(|found| found != *text) {
            let reason = "it is not what was written there";
            return Err(LocalVaultError::Damaged { path, reason });
        }
    }
    Ok(())
}
