//! Changes of a vault: one at a time, each recorded before its last step.

use std::fs::File;

use zeroize::Zeroizing;

use super::attributes::{ATTRIBUTES, Attributes};
use super::disk;
use super::error::LocalVaultError;
use super::files;
use super::manifest::{MANIFEST, Manifest};
use super::record::Act;
use super::store::Store;
use strongroom_vault::KeyName;
use strongroom_vault::audit::{AuditEvent, AuditResult};

/// The vault's lock, and the manifest as it is under it.
pub(super) struct Locked<'a> {
    pub(super) store: &'a Store,
    pub(super) manifest: Manifest,
    _lock: File,
}

impl Store {
    /// Waits for the vault's lock, and clears what crashed writers left.
    ///
    /// # Errors
    ///
    /// Those of [`Store::manifest`].
    pub(super) fn lock(&self) -> Result<Locked<'_>, LocalVaultError> {
        if !self.path.is_dir() {
            return Err(LocalVaultError::Missing { path: self.path.clone() });
        }
        let lock = files::lock_directory(&self.path, self.lock_wait)?;
        let manifest = self.manifest()?;
        files::sweep(&self.path)?;
        self.require_layout()?;
        if !files::is_directory(&self.keys())? {
            disk::create_directory(&self.keys())?;
            disk::sync_directory(&self.path)?;
        }
        files::sweep(&self.keys())?;
        for entry in files::entries(&self.keys())? {
            // What is no directory is for those who read it to refuse.
            if matches!(files::is_directory(&entry), Ok(true)) {
                files::sweep(&entry)?;
            }
        }
        // Best effort: where it fails, files stay that nothing reads.
        let _ = self.clear_other();
        Ok(Locked { store: self, manifest, _lock: lock })
    }

    /// Does `work` under the vault's lock and records it, also where it is refused.
    ///
    /// # Errors
    ///
    /// Those of [`Store::lock`] and of `work`.
    pub(super) fn administer<T>(
        &self,
        mut act: Act,
        work: impl FnOnce(&mut Locked<'_>, &mut Act) -> Result<T, LocalVaultError>,
    ) -> Result<T, LocalVaultError> {
        let mut locked = self.lock()?;
        let outcome = work(&mut locked, &mut act);
        if outcome.is_ok() && act.is_recorded {
            return outcome;
        }
        let event = AuditEvent { result: AuditResult::of(&outcome), ..act.event };
        let recorded = self.record(&event);
        if let (Ok(_), Err(error), Some(notice)) = (&outcome, recorded, self.trail.options().notice)
        {
            notice(&format!("{} is done, and not recorded: {error}", event.operation));
        }
        outcome
    }
}

impl Locked<'_> {
    /// Records `act` before its last step, which makes it final; where that fails, another event says so. What only
    /// takes access away is recorded afterwards.
    ///
    /// # Errors
    ///
    /// [`LocalVaultError::Trail`]: then it must not be done.
    pub(super) fn before_the_last_step(&self, act: &mut Act) -> Result<(), LocalVaultError> {
        if !act.takes_away {
            self.store.record(&act.event)?;
            act.is_recorded = true;
        }
        Ok(())
    }

    /// Keeps the attributes of the key `name`: the change is done when its file has its name.
    pub(super) fn write(
        &self,
        name: &KeyName,
        attributes: &mut Attributes,
    ) -> Result<(), LocalVaultError> {
        let contents = attributes.encode(&self.store.id, &self.store.keyring)?;
        files::replace(&self.store.directory(name), ATTRIBUTES, &contents)
    }

    /// Keeps the manifest, once `act` is recorded.
    pub(super) fn write_manifest(&mut self, act: &mut Act) -> Result<(), LocalVaultError> {
        let contents = Zeroizing::new(self.manifest.encode(&self.store.id, &self.store.keyring)?);
        self.before_the_last_step(act)?;
        files::replace(&self.store.path, MANIFEST, &contents)
    }
}
