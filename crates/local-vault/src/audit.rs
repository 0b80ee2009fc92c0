//! The vault's audit trail for its owner: to read, to verify, and to go on with after damage.

use super::error::LocalVaultError;
use super::vault::LocalVault;
use strongroom_vault::audit::{
    AuditError, AuditEvent, AuditLine, AuditResult, Head, Repaired, Verified, verify_each,
};

impl LocalVault {
    /// Reads the vault's audit trail, and shows each line to `visit` as soon as it is known to hold. The trail has an
    /// event for each operation on keys, grants and settings, and for each wrap and unwrap that an identity asked for.
    /// `anchor` is a line that must be in it: only when this returns is it known that nothing was cut off its end.
    ///
    /// # Errors
    ///
    /// [`LocalVaultError::Trail`] where it cannot be read, or does not hold.
    ///
    /// # Security
    ///
    /// With a passphrase nobody without it can change the trail unnoticed. Without one its key is in `vault.json`:
    /// who can write into the directory can write another trail, which an anchor that is kept elsewhere shows.
    ///
    /// # Example
    ///
    /// ```
    /// use strongroom_local_vault::LocalVault;
    ///
    /// # let directory = tempfile::tempdir()?;
    /// let vault = LocalVault::init(&directory.path().join("vault"))?;
    /// vault.create("invoices")?;
    /// vault.delete("invoices")?;
    /// let mut operations = Vec::new();
    /// vault.audit(None, &mut |line| operations.push(line.event.operation.clone()))?;
    /// assert_eq!(operations, ["init", "create", "delete"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn audit(
        &self,
        anchor: Option<Head>,
        visit: &mut dyn FnMut(&AuditLine),
    ) -> Result<Verified, LocalVaultError> {
        let trail: Result<_, AuditError> =
            verify_each(&self.trail_path(), self.0.trail.key(), anchor, visit);
        trail.map_err(|source| LocalVaultError::Trail { source })
    }

    /// Closes the part of the vault's audit trail that does not hold, and begins a new file that names it: without
    /// that, nothing is done that must be recorded. Nothing is removed or changed, and [`LocalVault::audit`] lists the
    /// part from then on. `None` where the trail holds.
    ///
    /// # Errors
    ///
    /// [`LocalVaultError::Trail`] where files cannot be read, renamed or written, and those of
    /// [`LocalVault::protect_from_purge`].
    ///
    /// # Example
    ///
    /// ```
    /// use strongroom_local_vault::LocalVault;
    ///
    /// # let directory = tempfile::tempdir()?;
    /// let vault = LocalVault::init(&directory.path().join("vault"))?;
    /// std::fs::write(vault.trail_path(), "not a line of a trail\n")?;
    /// assert!(vault.create("invoices").is_err());
    ///
    /// let repaired = vault.repair_audit()?.ok_or("it is damaged")?;
    /// vault.create("invoices")?;
    /// assert_eq!(vault.audit(None, &mut |_| {})?.repaired, [repaired]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn repair_audit(&self) -> Result<Option<Repaired>, LocalVaultError> {
        let store = &*self.0;
        let _locked = store.lock()?;
        let (lines, options) = (store.trail.lines(), store.trail.options());
        let signed = options.caller.attribute(AuditEvent::new("", AuditResult::Done));
        let repaired = lines.repair(store.clock.unix_time(), signed.caller.as_deref());
        repaired.map_err(|source| LocalVaultError::Trail { source })
    }
}
