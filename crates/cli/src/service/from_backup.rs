//! A home made from a backup: where there is none, or in place of one of the same service that is damaged.
//!
//! Of a damaged home the audit trail counts where it holds and goes on from the backup's: then the newest states that
//! are authentic are taken over, and what the trail knows beyond them is applied again, as after a rollback. A damaged
//! trail is for `audit repair` first: the lines behind the damage still count then. Where the trail is gone, nothing
//! shows which of the states are the last ones, and all is as it was in the backup. What only cannot be read ends the
//! restore.
//!
//! The home is made beside its place, proved, and gets its name last. What was there is moved aside, never removed.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use strongroom_keys::audit::{
    AuditError, AuditEvent, AuditResult, HeadStore, JsonLines, MemorySink,
};
use strongroom_keys::block_on;
use strongroom_keys::resource::{Checked, ResourceId, VaultLocations};
use strongroom_keys::state::{FileStore, StateError};
use strongroom_local_vault::{LocalVault, LocalVaultError};

use super::{
    Backup, CustomerVault, HOME, HomeLocation, Manifest, STATES, Service, TRAIL, UndoneChanges,
    VAULTS, files,
};
use crate::failure::{BackupFailure, Failure};
use crate::output::exchange;
use crate::output::new_directory::NewDirectory;
use crate::output::parent;

/// The longest wait for commands that change the home.
const LOCK_WAIT: Duration = Duration::from_secs(30);

/// A home that was made from a backup.
#[derive(Debug)]
pub(crate) struct FromBackup {
    pub(crate) home: PathBuf,
    pub(crate) backup: Backup,
    /// The new name of the home that was there.
    pub(crate) aside: Option<PathBuf>,
    pub(crate) trail: TrailOf,
    pub(crate) checked: Checked,
    /// The places of the customers' vaults, by their ids.
    pub(crate) vaults: VaultLocations<CustomerVault>,
    /// The ids of those whose places nobody knows any more.
    pub(crate) unplaced: Vec<String>,
    /// Changes of resources that are undone, where the trail knows them.
    pub(crate) undone: BTreeMap<ResourceId, UndoneChanges>,
}

impl FromBackup {
    /// The number of the state that `resource` has in the backup.
    pub(crate) fn number_in_backup(&self, resource: &ResourceId) -> Option<u64> {
        self.backup.number_of(resource)
    }
}

/// Origin of a home's audit trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TrailOf {
    /// The home that was there: it knows all that was done.
    Home,
    /// The backup.
    Backup,
}

/// A home that is to give way, and the locks that keep every command away from it.
struct Damaged {
    path: PathBuf,
    locks: (File, Option<File>),
}

/// Makes the home at `location` from the backup in the directory `from`.
///
/// # Errors
///
/// [`BackupFailure::Damaged`] and its like, [`BackupFailure::HomeWhole`], [`BackupFailure::OtherHome`], and those of the home's
/// parts: then the home is as it was.
pub(crate) fn from_backup(
    location: &HomeLocation,
    from: &Path,
    accept_states: bool,
) -> Result<FromBackup, Failure> {
    let backup = Backup::read(from)?;
    let home = fs::canonicalize(location.path()).unwrap_or_else(|_| location.path().to_owned());
    let within =
        |one: &Path, other: &Path| one.canonicalize().is_ok_and(|one| one.starts_with(other));
    if within(from, &home) {
        return Err(BackupFailure::InHome { backup: from.to_owned(), home }.into());
    }
    super::finish_exchange(&home);
    backup.check_lengths(from, parent(&home))?;
    let new = NewDirectory::create(&home, "--home")?;
    files::require_fit(new.path())?;
    backup.copy_home(from, new.path())?;
    backup.check_home(from, new.path())?;
    let damaged = Damaged::find(&home, new.path(), &backup)?;
    let mut service = HomeLocation::at(new.path()).open_unheld()?;
    let (mut trail, mut unplaced) = (TrailOf::Backup, Vec::new());
    let mut restored = Vec::new();
    if let Some(damaged) = &damaged
        && damaged.trail_into(&service, &backup)?
    {
        trail = TrailOf::Home;
        (service, unplaced) = damaged.rest_into(service)?;
        // What was made since the backup, and whose states are lost: the check tells of it.
        (restored, _) = service.restore()?;
    }
    if accept_states {
        service.accept_states()?;
    }
    let checked = service.prove()?;
    let vaults = service.customers().places()?;
    let undone = service.undone(&restored)?;
    service.record(AuditEvent {
        detail: Some(
            serde_json::json!({ "from": from.display().to_string(), "made": backup.made }),
        ),
        ..AuditEvent::new("restore-backup", AuditResult::Done)
    })?;
    let aside = match damaged {
        None => {
            new.publish()?;
            None
        }
        Some(Damaged { path, locks }) => {
            exchange::remove_unfinished(&path);
            // An open file would keep its directory's name there.
            let _locks = (!cfg!(windows)).then_some(locks);
            Some(new.publish_in_place()?)
        }
    };
    let home = location.path().to_owned();
    Ok(FromBackup { home, backup, aside, trail, checked, vaults, unplaced, undone })
}

impl Damaged {
    /// The home at `path`, which must be the one that `backup` is of, and damaged; `None` where there is none. `copy`
    /// is the home in the backup.
    fn find(path: &Path, copy: &Path, backup: &Backup) -> Result<Option<Self>, Failure> {
        let failed = |source| Failure::HomeFile { doing: "read", path: path.to_owned(), source };
        match fs::read_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return match exchange::newest_aside(path) {
                    Some(aside) => {
                        Err(BackupFailure::HomeAside { home: path.to_owned(), aside }.into())
                    }
                    None => Ok(None),
                };
            }
            entries => {
                if entries.map_err(failed)?.next().is_none() {
                    return Ok(None);
                }
            }
        }
        let other = || Failure::from(BackupFailure::OtherHome { path: path.to_owned() });
        let vault = |home: &Path| LocalVault::open(&home.join("vault"));
        match files::read_json::<Manifest>(&path.join(HOME)) {
            Ok(Some(manifest)) if manifest.trail.as_ref() == Some(&backup.trail) => {
                // A trail's id is no secret: who can write a backup could take it over.
                if let (Ok(one), Ok(copied)) = (vault(path), vault(copy))
                    && one.id() != copied.id()
                {
                    return Err(other());
                }
            }
            Ok(Some(_)) => return Err(other()),
            // Its vault tells whose it is, too.
            _ => match (vault(path), vault(copy)) {
                (Ok(one), Ok(copied)) if one.id() == copied.id() => {}
                _ => return Err(other()),
            },
        }
        let held = files::hold_alone(path, LOCK_WAIT)?;
        let locks = (files::lock(path, Some(LOCK_WAIT))?, held);
        let opened = HomeLocation::at(path).open_unheld();
        let proved = opened.and_then(|service| match service.prove() {
            Err(failure) if is_of_trail(&failure) => {
                if !service.holds_without_trail(backup)? {
                    return Err(failure);
                }
                let (path, source) = (path.to_owned(), Box::new(failure));
                Err(BackupFailure::TrailDamaged { path, source }.into())
            }
            Ok(checked) => Ok(checked.lost.is_empty() && !service.lacks_places(&checked)?),
            Err(failure) => Err(failure),
        });
        match proved {
            Ok(true) => Err(BackupFailure::HomeWhole { path: path.to_owned() }.into()),
            Err(failure) if !is_damage(&failure) => Err(failure),
            _ => Ok(Some(Self { path: path.to_owned(), locks })),
        }
    }

    /// Gives `service`, made from `backup`, the audit trail of this home, where that holds and goes on from the
    /// backup's; whether it does.
    fn trail_into(&self, service: &Service, backup: &Backup) -> Result<bool, Failure> {
        let heads = service.head_store_in(&self.path);
        // Once the damage is closed the lines behind it count, and with them what was withdrawn since the backup.
        let to_repair = |error: AuditError| {
            let is_gone = matches!(
                error,
                AuditError::Missing { .. } | AuditError::Truncated { found: 0, .. }
            );
            let can_be = !is_gone
                && match HomeLocation::at(&self.path).open_unheld() {
                    Err(failure) if is_damage(&failure) => false,
                    opened => opened.map(|_| true)?,
                };
            let (path, source) = (self.path.clone(), Box::new(Failure::from(error)));
            if can_be {
                Err(BackupFailure::TrailDamaged { path, source }.into())
            } else {
                Ok(false)
            }
        };
        let kept = match heads.load() {
            Ok(kept) => kept,
            Err(error) if error.is_damage() => return to_repair(error),
            Err(error) => return Err(error.into()),
        };
        let store: Arc<dyn HeadStore> = Arc::new(heads);
        let trail = JsonLines::new(self.path.join(TRAIL), service.audit_key());
        let trail = trail.of(&backup.trail).head_store(store);
        let verified = match trail.verify(kept) {
            Err(error) if error.is_damage() => return to_repair(error),
            verified => verified?,
        };
        match trail.verify(Some(backup.head)) {
            // It is older than the backup, unless the backup's last line is in a part that was closed as damaged.
            Err(error) if error.is_damage() && verified.repaired.is_empty() => return Ok(false),
            Err(error) if error.is_damage() => {}
            held => drop(held?),
        }
        for entry in fs::read_dir(service.path()).map_err(read_failure(service.path()))? {
            let entry = entry.map_err(read_failure(service.path()))?;
            if entry.file_name().to_string_lossy().starts_with(TRAIL) {
                fs::remove_file(entry.path()).map_err(read_failure(&entry.path()))?;
            }
        }
        if let Some(head) = trail.copy_to(&service.trail_path())?.head {
            service.head_store().store(&head)?;
        }
        Ok(true)
    }

    /// Gives `service` the vault, the states and the places of customers' vaults of this home as far as they hold and
    /// are newer; the vaults whose places nobody knows any more.
    fn rest_into(&self, service: Service) -> Result<(Service, Vec<String>), Failure> {
        let service = self.vault_into(service)?;
        let own = match files::read_json(&self.path.join(VAULTS)) {
            Err(failure) if !is_damage(&failure) => return Err(failure),
            own => own.ok().flatten(),
        };
        let older = service.customers().places()?;
        let (places, unplaced) = service.moves()?.places(own.as_ref(), &older);
        files::write_json(&service.path().join(VAULTS), &places)?;
        let states = self.path.join(STATES);
        if states.is_dir() {
            let states = block_on(FileStore::open(states)).map_err(strongroom_keys::Error::from)?;
            block_on(service.config(service.customers())?.take_newer(&states))?;
        }
        Ok((service, unplaced))
    }

    /// Gives `service` the vault of this home, where it is whole and has all that the service's has.
    fn vault_into(&self, service: Service) -> Result<Service, Failure> {
        let whole = |failure: LocalVaultError| -> Result<(), Failure> {
            let failure = Failure::from(failure);
            if is_damage(&failure) { Ok(()) } else { Err(failure) }
        };
        let vault = match LocalVault::open(&self.path.join("vault")) {
            Ok(vault) => vault,
            Err(failure) => return whole(failure).map(|()| service),
        };
        let versions = |vault: &LocalVault| -> Result<Vec<String>, LocalVaultError> {
            let entries = vault.list()?.into_iter();
            Ok(entries.flat_map(|key| key.versions).map(|one| one.id.to_string()).collect())
        };
        let theirs = versions(service.vault())?;
        let ours = match versions(&vault) {
            Ok(ours) => ours,
            Err(failure) => return whole(failure).map(|()| service),
        };
        if !theirs.iter().all(|id| ours.contains(id)) {
            return Ok(service);
        }
        let home = service.path().to_owned();
        let (copy, place, before) =
            (home.join(".vault-new"), home.join("vault"), home.join(".vault-before"));
        if let Err(failure) = vault.copy_to(&copy) {
            // Private as all that is there. Best effort.
            let _ = fs::remove_dir_all(&copy);
            return whole(failure).map(|()| service);
        }
        fs::rename(&place, &before)
            .and_then(|()| fs::rename(&copy, &place))
            .and_then(|()| fs::remove_dir_all(&before))
            .map_err(read_failure(&place))?;
        HomeLocation::at(&home).open_unheld()
    }
}

impl Service {
    /// True where all but the audit trail holds, and has all that `backup` has.
    fn holds_without_trail(&self, backup: &Backup) -> Result<bool, Failure> {
        let checked = self.config(self.customers()).and_then(|config| {
            Ok(block_on(config.with_audit(Arc::new(MemorySink::default())).check())?)
        });
        let checked = checked.and_then(|checked| self.customers().places().map(|_| checked));
        let Checked { states, .. } = match checked {
            Err(failure) if is_damage(&failure) => return Ok(false),
            checked => checked?,
        };
        let number =
            |id: &ResourceId| states.iter().find(|one| one.resource == *id).map(|one| one.number);
        Ok(backup.resources.iter().all(|one| number(&one.resource) >= Some(one.number)))
    }
}

/// True of a failure that says that the home is not what it was: not of one that may pass, or that others mend.
fn is_damage(failure: &Failure) -> bool {
    match failure {
        Failure::NoService { .. } | Failure::HomeLacks { .. } | Failure::HomeDamaged { .. } => true,
        Failure::VaultFile { source, .. } | Failure::HomeFile { source, .. } => {
            source.kind() == io::ErrorKind::NotFound
        }
        Failure::Vault(error) => matches!(
            error,
            LocalVaultError::Missing { .. }
                | LocalVaultError::Damaged { .. }
                | LocalVaultError::Key { .. }
                | LocalVaultError::KeyMissing { .. }
                | LocalVaultError::VersionMissing { .. }
        ),
        Failure::Resource(error) => match &**error {
            strongroom_keys::Error::State(error) => matches!(
                error,
                StateError::Missing { .. }
                    | StateError::Invalid { .. }
                    | StateError::RolledBack { .. }
                    | StateError::Replaced { .. }
            ),
            strongroom_keys::Error::WrongKey { .. } | strongroom_keys::Error::NotFound { .. } => {
                true
            }
            strongroom_keys::Error::Vault(error) => matches!(
                error,
                strongroom_keys::VaultError::Invalid { .. }
                    | strongroom_keys::VaultError::Denied {
                        reason: strongroom_keys::vault::DeniedReason::KeyMissing,
                        ..
                    }
            ),
            _ => is_of_trail(failure),
        },
        _ => is_of_trail(failure),
    }
}

/// True where the audit trail is damaged.
fn is_of_trail(failure: &Failure) -> bool {
    match failure {
        Failure::Audit(error) => error.is_damage(),
        Failure::Resource(error) => {
            matches!(&**error, strongroom_keys::Error::Audit(error) if error.is_damage())
        }
        _ => false,
    }
}

fn read_failure(path: &Path) -> impl FnOnce(io::Error) -> Failure {
    let path = path.to_owned();
    move |source| Failure::HomeFile { doing: "change", path, source }
}
