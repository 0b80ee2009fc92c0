//! Options of a vault, of opening one, and of a key.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use strongroom::secret::SecretVec;

use super::error::LocalVaultError;
use super::id::VersionId;
use strongroom_vault::audit::Caller;
use strongroom_vault::clock::{Clock, SystemClock};
use strongroom_vault::{Operation, Operations, Place};

/// Options of a new vault.
///
/// # Example
///
/// ```
/// use strongroom::secret::SecretVec;
/// use strongroom_local_vault::LocalVault;
/// use strongroom_local_vault::{InitOptions, LocalVaultError, PassphraseCost};
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("vault");
/// let options = InitOptions {
///     purge_protection: true,
///     passphrase: Some(SecretVec::from(b"correct horse battery staple".to_vec())),
/// #   cost: PassphraseCost { memory_kib: 64, passes: 1, lanes: 1 },
///     ..InitOptions::default()
/// };
/// LocalVault::init_with(&path, options)?;
///
/// let error = LocalVault::open(&path).unwrap_err();
/// assert!(matches!(error, LocalVaultError::PassphraseNeeded { .. }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct InitOptions {
    /// Number of days for which a deleted key can be recovered at least, under purge protection: 7 to 90. It
    /// stays as it is for the vault's life.
    pub retention_days: u32,
    /// True where a deleted key cannot be purged before its time. It cannot be taken back.
    pub purge_protection: bool,
    /// The tenant and region that the vault stands for.
    pub place: Place,
    /// Seals the private keys and authenticates everything else; `None` relies on the permission bits
    /// of the directory.
    pub passphrase: Option<SecretVec>,
    /// Cost of trying one passphrase.
    pub cost: PassphraseCost,
    /// Clock by which keys begin, expire and may be purged.
    pub clock: Arc<dyn Clock>,
    /// Wait of making the vault, and of each change of it, for another process that changes it.
    pub lock_wait: LockWait,
    /// Name of the caller, and more, for the events of the vault's audit trail.
    pub trail: TrailOptions,
}

impl Default for InitOptions {
    /// 90 days, no purge protection, no passphrase, no place, the system's clock, and a silent wait for
    /// others.
    fn default() -> Self {
        Self {
            retention_days: 90,
            purge_protection: false,
            place: Place::default(),
            passphrase: None,
            cost: PassphraseCost::default(),
            clock: Arc::new(SystemClock),
            lock_wait: LockWait::default(),
            trail: TrailOptions::default(),
        }
    }
}

/// Options for opening a vault.
///
/// # Example
///
/// ```
/// use strongroom_local_vault::LocalVault;
/// use strongroom_local_vault::OpenOptions;
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("vault");
/// let made = LocalVault::init(&path)?;
/// let opened = LocalVault::open_with(&path, OpenOptions::default())?;
/// assert_eq!(opened.id(), made.id());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct OpenOptions {
    /// The vault's passphrase, if it has one.
    pub passphrase: Option<SecretVec>,
    /// Clock by which keys begin, expire and may be purged.
    pub clock: Arc<dyn Clock>,
    /// Wait of a change for another process that changes the vault.
    pub lock_wait: LockWait,
    /// Name of the caller, and more, for the events of the vault's audit trail.
    pub trail: TrailOptions,
}

impl Default for OpenOptions {
    /// No passphrase, the system's clock, and a silent wait for others.
    fn default() -> Self {
        Self {
            passphrase: None,
            clock: Arc::new(SystemClock),
            lock_wait: LockWait::default(),
            trail: TrailOptions::default(),
        }
    }
}

/// Wait of a change for another process that changes the vault. By default it waits as long as it takes, and
/// says nothing.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use strongroom_local_vault::LocalVault;
/// use strongroom_local_vault::{LocalVaultError, LockWait, OpenOptions};
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("vault");
/// # LocalVault::init(&path)?;
/// let lock_wait = LockWait { most: Some(Duration::from_millis(50)), ..LockWait::default() };
/// let vault = LocalVault::open_with(&path, OpenOptions { lock_wait, ..OpenOptions::default() })?;
/// let other = std::fs::File::open(&path)?;
/// other.lock()?;
/// assert!(matches!(vault.create("invoices"), Err(LocalVaultError::Locked { .. })));
/// other.unlock()?;
/// vault.create("invoices")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct LockWait {
    /// The longest wait; `None` for as long as it takes.
    pub most: Option<Duration>,
    /// Called once with the vault's directory when a wait has taken a second.
    pub notice: Option<fn(&Path)>,
}

/// Use of the vault's audit trail by one handle.
///
/// # Example
///
/// ```
/// use strongroom_local_vault::LocalVault;
/// use strongroom_vault::audit::Caller;
/// use strongroom_local_vault::{OpenOptions, TrailOptions};
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("vault");
/// # LocalVault::init(&path)?;
/// let trail = TrailOptions { caller: Caller::new("ops").correlated("7f3a"), ..TrailOptions::default() };
/// let vault = LocalVault::open_with(&path, OpenOptions { trail, ..OpenOptions::default() })?;
/// vault.create("invoices")?;
/// let mut callers = Vec::new();
/// vault.audit(None, &mut |line| callers.push(line.event.caller.clone()))?;
/// assert_eq!(callers.pop().flatten().as_deref(), Some("ops"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct TrailOptions {
    /// The caller that events name, and the id that ties them to the records of the host.
    pub caller: Caller,
    /// Called with a sentence where something that only takes access away was done, and could not be recorded.
    pub notice: Option<fn(&str)>,
}

/// Cost of trying one passphrase: the parameters of Argon2id (RFC 9106).
///
/// # Example
///
/// ```
/// use strongroom_local_vault::PassphraseCost;
///
/// let cost = PassphraseCost { memory_kib: 256 * 1024, ..PassphraseCost::default() };
/// assert_eq!((cost.passes, cost.lanes), (3, 4));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PassphraseCost {
    /// Memory in KiB: 8 for each lane to 1 GiB.
    pub memory_kib: u32,
    /// Passes over the memory: 1 to 16, and 4 GiB altogether.
    pub passes: u32,
    /// Lanes: 1 to 16.
    pub lanes: u32,
}

impl Default for PassphraseCost {
    /// The second choice of RFC 9106 section 4: 64 MiB, 3 passes, 4 lanes.
    fn default() -> Self {
        Self { memory_kib: 64 * 1024, passes: 3, lanes: 4 }
    }
}

impl PassphraseCost {
    /// Refuses what could keep a machine busy for minutes: the numbers may come from a hostile file.
    pub(super) fn check(self) -> Result<(), LocalVaultError> {
        const GIB: u32 = 1024 * 1024;
        let Self { memory_kib, passes, lanes } = self;
        let total = memory_kib.saturating_mul(passes);
        if (1..=16).contains(&lanes)
            && (1..=16).contains(&passes)
            && (8 * lanes..=GIB).contains(&memory_kib)
            && total <= 4 * GIB
        {
            return Ok(());
        }
        Err(LocalVaultError::Setting {
            what: "the passphrase's cost",
            reason: "give 8 KiB a lane to 1 GiB of memory, 1 to 16 passes (4 GiB altogether) and 1 to \
                     16 lanes",
        })
    }
}

/// Type of a key that a vault makes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum KeyKind {
    /// RSA with 2048 bits; wraps with RSA-OAEP-256, outside of the vault as well.
    #[default]
    #[serde(rename = "RSA")]
    Rsa,
    /// AES with 256 bits (`oct`, as JOSE has it); wraps with A256KW, inside the vault only.
    #[serde(rename = "oct")]
    Oct,
}

/// Options of a new key.
///
/// # Example
///
/// ```
/// use strongroom_local_vault::LocalVault;
/// use strongroom_local_vault::{KeyKind, KeyOptions};
///
/// # let directory = tempfile::tempdir()?;
/// let vault = LocalVault::init(&directory.path().join("vault"))?;
/// let id = vault.create_with("service", KeyOptions { kind: KeyKind::Oct, ..KeyOptions::default() })?;
/// assert_eq!(vault.show("service")?.versions[0].id, id);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyOptions {
    /// RSA or AES.
    pub kind: KeyKind,
    /// True where it can be used at once.
    pub enabled: bool,
    /// Seconds since 1970: earlier, the key does not wrap.
    pub not_before: Option<u64>,
    /// Seconds since 1970: from then on, the key does not wrap.
    pub expires: Option<u64>,
    /// Operations that the key may be used for.
    pub operations: Operations,
}

impl Default for KeyOptions {
    /// RSA, enabled, no dates, wraps and unwraps.
    fn default() -> Self {
        Self {
            kind: KeyKind::default(),
            enabled: true,
            not_before: None,
            expires: None,
            operations: Operations::from([Operation::WrapKey, Operation::UnwrapKey]),
        }
    }
}

/// Change of one of a key's dates.
///
/// # Example
///
/// ```
/// use strongroom_local_vault::LocalVault;
/// use strongroom_local_vault::{DateChange, Versions};
///
/// # let directory = tempfile::tempdir()?;
/// let vault = LocalVault::init(&directory.path().join("vault"))?;
/// vault.create("invoices")?;
/// vault.set_dates("invoices", Versions::Newest, DateChange::Keep, Some(1_900_000_000))?;
/// assert_eq!(vault.show("invoices")?.versions[0].expires, Some(1_900_000_000));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DateChange {
    /// Leaves it.
    #[default]
    Keep,
    /// Takes it away.
    Remove,
    /// Sets it, in seconds since 1970.
    Set(u64),
}

impl DateChange {
    /// The date that becomes of `date`.
    pub(super) fn of(self, date: Option<u64>) -> Option<u64> {
        match self {
            Self::Keep => date,
            Self::Remove => None,
            Self::Set(date) => Some(date),
        }
    }
}

impl From<Option<u64>> for DateChange {
    /// Sets the date, or takes it away where there is none.
    fn from(date: Option<u64>) -> Self {
        date.map_or(Self::Remove, Self::Set)
    }
}

/// Dates of the version that a rotation adds.
///
/// # Example
///
/// ```
/// use strongroom_local_vault::LocalVault;
/// use strongroom_local_vault::{DateChange, RotateOptions};
///
/// # let directory = tempfile::tempdir()?;
/// let vault = LocalVault::init(&directory.path().join("vault"))?;
/// vault.create("invoices")?;
/// let expires = DateChange::Set(4_000_000_000);
/// vault.rotate_with("invoices", RotateOptions { expires, ..RotateOptions::default() })?;
/// assert_eq!(vault.show("invoices")?.versions[1].expires, Some(4_000_000_000));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RotateOptions {
    /// Seconds since 1970: earlier, the new version does not wrap, and no older one does in its place.
    pub not_before: Option<u64>,
    /// The time from which it does not wrap. What is kept is the time for which the version before it was meant to
    /// wrap, as a rotation policy of Azure Key Vault has it: one of 90 days is followed by one of 90 days.
    pub expires: DateChange,
}

/// Versions of a key that a change is for.
///
/// # Example
///
/// ```
/// use strongroom_local_vault::LocalVault;
/// use strongroom_local_vault::{KeyKind, KeyOptions, Versions};
///
/// # let directory = tempfile::tempdir()?;
/// let vault = LocalVault::init(&directory.path().join("vault"))?;
/// let aes = KeyOptions { kind: KeyKind::Oct, ..KeyOptions::default() };
/// let first = vault.create_with("service", aes)?;
/// vault.rotate("service")?;
/// vault.set_enabled("service", Versions::Only(first.version()), false)?;
/// let enabled: Vec<bool> = vault.show("service")?.versions.iter().map(|v| v.enabled).collect();
/// assert_eq!(enabled, [false, true]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Versions {
    /// Every version there is now.
    All,
    /// The newest.
    Newest,
    /// The one with this id.
    Only(VersionId),
}
