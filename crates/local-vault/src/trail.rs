//! The vault's own audit trail: what was done with its keys, and by whom, for its owner to read and to verify.
//!
//! An event is written before the operation becomes final: nothing is done that leaves no trace, and a crash in
//! between leaves an event of something that did not happen. What only takes access away is done first, and done
//! whether or not it can be recorded.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use strongroom::secret::Secret;
use zeroize::Zeroizing;

use super::LocalVault;
use super::error::LocalVaultError;
use super::id::LocalKeyId;
use super::keyring::Keyring;
use super::lifecycle::Locked;
use super::operations::Caller as Asking;
use super::options::TrailOptions;
use super::store::Store;
use strongroom_vault::audit::{
    AuditError, AuditEvent, AuditKey, AuditLine, AuditResult, Head, JsonLines, Repaired, Verified,
    verify_each,
};
use strongroom_vault::{KeyName, VersionedKeyId};

/// The name of its current file.
pub(super) const TRAIL: &str = "audit.jsonl";

/// Label of the trail's key where it is sealed: no id of a key is such.
const LABEL: &str = "trail";

/// Length of a full file, in bytes.
const FULL: u64 = 64 << 20;

/// The key of the trail in `vault.json`: it keeps whoever has a copy of the trail alone from changing it. With a
/// passphrase it is sealed. In a vault that was made with one the key comes from the vault key, and is not there.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct TrailKey(Zeroizing<String>);

impl fmt::Debug for TrailKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TrailKey(redacted)")
    }
}

impl TrailKey {
    /// A fresh key, of a vault without a passphrase.
    pub(super) fn generate() -> Result<Self, LocalVaultError> {
        let key = Secret::generate().map_err(|_| LocalVaultError::Random)?;
        Self::new(&Keyring::open(), &key)
    }

    /// `key` for `vault.json`, sealed where `keyring` has the keys of a passphrase.
    ///
    /// # Errors
    ///
    /// [`LocalVaultError::Random`], [`LocalVaultError::Key`].
    pub(super) fn new(keyring: &Keyring, key: &Secret<32>) -> Result<Self, LocalVaultError> {
        let text = match keyring.seal(LABEL, key.expose()) {
            Some(sealed) => base16ct::lower::encode_string(&sealed?),
            None => base16ct::lower::encode_string(key.expose()),
        };
        Ok(Self(Zeroizing::new(text)))
    }

    /// The key in `kept`, or the one that is derived from the passphrase; `None` where there is none, or another text.
    pub(super) fn secret(keyring: &Keyring, kept: Option<&Self>) -> Option<Secret<32>> {
        let Some(kept) = kept else { return keyring.trail_key() };
        let bytes = Zeroizing::new(base16ct::lower::decode_vec(kept.0.as_bytes()).ok()?);
        if !keyring.is_sealed() {
            return Some(Secret::copy_from(bytes.as_slice().try_into().ok()?));
        }
        let opened = keyring.unseal(LABEL, &bytes)?;
        Some(Secret::copy_from(opened.expose().try_into().ok()?))
    }
}

/// The trail of an opened vault.
#[derive(Debug)]
pub(super) struct VaultTrail {
    lines: JsonLines,
    key: AuditKey,
    options: TrailOptions,
}

impl VaultTrail {
    /// Of the vault in `path`; `None` where it has no key for it.
    pub(super) fn new(
        path: &Path,
        keyring: &Keyring,
        key: Option<&TrailKey>,
        options: TrailOptions,
    ) -> Option<Self> {
        let key = AuditKey::new(TrailKey::secret(keyring, key)?.expose());
        let lines = JsonLines::new(path.join(TRAIL), &key).rotate_at(FULL);
        Some(Self { lines, key, options })
    }

    /// Its options.
    pub(super) fn options(&self) -> &TrailOptions {
        &self.options
    }

    /// Its lines.
    pub(super) fn lines(&self) -> &JsonLines {
        &self.lines
    }
}

/// One operation, until it is recorded.
#[derive(Debug)]
pub(super) struct Act {
    event: AuditEvent,
    takes_away: bool,
    is_recorded: bool,
}

impl Act {
    /// An operation on the key `name`, or on the whole vault. It is refused where it cannot be recorded.
    pub(super) fn new(operation: &str, name: Option<&KeyName>) -> Self {
        let event = AuditEvent {
            resource: name.map(KeyName::to_string),
            ..AuditEvent::new(operation, AuditResult::Done)
        };
        Self { event, takes_away: false, is_recorded: false }
    }

    /// The same where it only takes access away: it is done first, and whether or not it can be recorded.
    pub(super) fn taking_away(self) -> Self {
        self.taking_away_if(true)
    }

    /// The same where `takes_away`.
    pub(super) fn taking_away_if(mut self, takes_away: bool) -> Self {
        self.takes_away(takes_away);
        self
    }

    /// Says whether it only takes access away, where that shows under the lock.
    pub(super) fn takes_away(&mut self, takes_away: bool) {
        self.takes_away = takes_away;
    }

    /// Names the identity that it is about.
    pub(super) fn of_identity(mut self, identity: &str) -> Self {
        self.event.identity = Some(identity.to_owned());
        self
    }

    /// Names the version that it is about.
    pub(super) fn of_key(&mut self, id: &LocalKeyId) {
        self.event.key = VersionedKeyId::try_from(id).ok();
    }

    /// Says what it is more exactly.
    pub(super) fn is(&mut self, operation: &str) {
        operation.clone_into(&mut self.event.operation);
    }
}

impl Store {
    fn record(&self, event: &AuditEvent) -> Result<(), LocalVaultError> {
        let event = AuditEvent { time: self.clock.unix_time(), ..event.clone() };
        let recorded =
            self.trail.lines.record_blocking(&self.trail.options.caller.attribute(event));
        recorded.map_err(|source| LocalVaultError::Trail { source })
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
        if let (Ok(_), Err(error), Some(notice)) = (&outcome, recorded, self.trail.options.notice) {
            notice(&format!("{} is done, and not recorded: {error}", event.operation));
        }
        outcome
    }

    /// Hands out `outcome` of what `caller` asked of the key `id`, once it is recorded. The owner's own use of keys is
    /// not an event of the trail.
    ///
    /// # Errors
    ///
    /// Those of `outcome`; [`LocalVaultError::Trail`] where it would leave no trace.
    pub(super) fn recorded<T>(
        &self,
        caller: &Asking,
        operation: &str,
        id: &LocalKeyId,
        started: Duration,
        outcome: Result<T, LocalVaultError>,
        result: impl FnOnce(&Result<T, LocalVaultError>) -> AuditResult,
    ) -> Result<T, LocalVaultError> {
        let Asking::Identity(identity) = caller else { return outcome };
        let mut act = Act::new(operation, Some(id.name())).of_identity(identity);
        act.of_key(id);
        let took = self.clock.elapsed().saturating_sub(started).as_micros();
        let event = AuditEvent {
            result: result(&outcome),
            duration_us: u64::try_from(took).unwrap_or(u64::MAX),
            ..act.event
        };
        // A refusal stands, whether or not it is recorded.
        let recorded = self.record(&event);
        let value = outcome?;
        recorded.map(|()| value)
    }

    /// Records `act`, which needs no lock, before its result is handed out.
    ///
    /// # Errors
    ///
    /// [`LocalVaultError::Trail`].
    pub(super) fn record_reading(&self, act: &Act) -> Result<(), LocalVaultError> {
        self.record(&act.event)
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
}

impl LocalVault {
    /// The current file of the vault's audit trail. It is not there before the first event.
    #[must_use]
    pub fn trail_path(&self) -> PathBuf {
        self.0.path.join(TRAIL)
    }

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
            verify_each(&self.trail_path(), &self.0.trail.key, anchor, visit);
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
        let VaultTrail { lines, options, .. } = &store.trail;
        let signed = options.caller.attribute(AuditEvent::new("", AuditResult::Done));
        let repaired = lines.repair(store.clock.unix_time(), signed.caller.as_deref());
        repaired.map_err(|source| LocalVaultError::Trail { source })
    }
}
