//! `strongroom service backup`, and `restore` from one.

use std::path::Path;

use serde::Serialize;
use strongroom_keys::resource::ResourceId;

use crate::args::{HomeBackupArgs, HomeOption, JsonOption};
use crate::failure::{BackupFailure, Failure};
use crate::hint;
use crate::print::{self, Channel};
use crate::service::{
    BackedUp, CustomerVault, FromBackup, HomeLocation, MadeBackup, TrailOf, UndoneChanges,
    from_backup,
};
use crate::time::display_time;

#[derive(Serialize)]
struct BackupReport<'a> {
    operation: &'static str,
    home: &'a Path,
    backup: &'a Path,
    made: u64,
    recorded: bool,
    resources: &'a [BackedUp],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    lost: &'a [ResourceId],
}

/// Makes a backup of the home.
///
/// # Errors
///
/// A [`Failure`] when it cannot be made whole; [`BackupFailure::Lacks`] when it is made, and the home lacks something.
pub(super) fn backup(args: HomeBackupArgs) -> Result<(), Failure> {
    let HomeBackupArgs { output, home, json } = args;
    let service = HomeLocation::find(home)?.open()?;
    let MadeBackup { backup: made, unrecorded } = service.back_up(&output)?;
    let recorded = unrecorded.is_none();
    if let Some(failure) = unrecorded {
        let text = format!("the audit trail does not say that this backup was made: {failure}");
        print::notice("warning", &text);
    }
    if json.enabled {
        let (operation, home, backup) = ("backed-up", service.path(), output.as_path());
        let (made, resources, lost) = (made.made, &made.resources[..], &made.lost[..]);
        let report = BackupReport { operation, home, backup, made, recorded, resources, lost };
        print::json(Channel::Output, &report)?;
    } else {
        let options = [("--from", output.as_os_str())];
        let text = format!(
            "backed up the service's home {} with {} to {}, and read it back; the service's keys are in it, so keep it \
             as safe as the home; restore it with: {}",
            service.path().display(),
            resources(made.resources.len()),
            output.display(),
            hint::strongroom("service restore", &[], &options)
        );
        print::line(Channel::Output, &text)?;
    }
    if made.lost.is_empty() {
        return Ok(());
    }
    Err(BackupFailure::Lacks { path: output, lost: made.lost }.into())
}

fn resources(count: usize) -> String {
    if count == 1 { "1 resource".to_owned() } else { format!("{count} resources") }
}

#[derive(Serialize)]
struct Restored<'a> {
    operation: &'static str,
    home: &'a Path,
    backup: &'a Path,
    made: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    moved_aside: Option<&'a Path>,
    trail: &'static str,
    resources: Vec<RestoredResource<'a>>,
    lost: &'a [ResourceId],
    vaults: Vec<Place<'a>>,
    /// Vaults whose places nobody knows any more.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    unplaced: &'a [String],
}

#[derive(Serialize)]
struct RestoredResource<'a> {
    resource: &'a ResourceId,
    #[serde(skip_serializing_if = "Option::is_none")]
    in_backup: Option<u64>,
    number: u64,
    state: &'static str,
    /// True where it gives no access until somebody confirms that it is the newest.
    #[serde(skip_serializing_if = "is_false")]
    in_doubt: bool,
    #[serde(flatten)]
    undone: Option<&'a UndoneChanges>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_false(value: &bool) -> bool {
    !value
}

#[derive(Serialize)]
struct Place<'a> {
    vault: &'a str,
    directory: &'a Path,
}

impl<'a> Place<'a> {
    fn of((vault, place): (&'a str, &'a CustomerVault)) -> Self {
        Self { vault, directory: &place.directory }
    }
}

/// Makes the home from a backup.
///
/// # Errors
///
/// A [`Failure`] when the backup does not hold, or the home that is there is not to be replaced.
pub(super) fn restore(
    from: &Path,
    accept_states: bool,
    home: HomeOption,
    json: JsonOption,
) -> Result<(), Failure> {
    let restored = from_backup(&HomeLocation::find(home)?, from, accept_states)?;
    let resources: Vec<_> = restored
        .checked
        .states
        .iter()
        .map(|one| RestoredResource {
            resource: &one.resource,
            in_backup: restored.number_in_backup(&one.resource),
            number: one.number,
            state: one.protection.name(),
            in_doubt: one.in_doubt,
            undone: restored.undone.get(&one.resource),
        })
        .collect();
    if json.enabled {
        let trail = match restored.trail {
            TrailOf::Home => "home",
            TrailOf::Backup => "backup",
        };
        let report = Restored {
            operation: "restored-from-backup",
            home: &restored.home,
            backup: from,
            made: restored.backup.made,
            moved_aside: restored.aside.as_deref(),
            trail,
            resources,
            lost: &restored.checked.lost,
            vaults: restored.vaults.iter().map(Place::of).collect(),
            unplaced: &restored.unplaced,
        };
        return print::json(Channel::Output, &report);
    }
    tell(&restored, from, &resources)
}

fn tell(
    restored: &FromBackup,
    from: &Path,
    resources: &[RestoredResource<'_>],
) -> Result<(), Failure> {
    let made = display_time(restored.backup.made);
    let line = |text: &str| print::line(Channel::Output, text);
    line(&format!(
        "restored the service's home {} from the backup {} of {made}",
        restored.home.display(),
        from.display()
    ))?;
    if let Some(aside) = &restored.aside {
        line(&format!(
            "what was there is at {} now: remove it once nothing in it is needed",
            aside.display()
        ))?;
    }
    for one in resources {
        let RestoredResource { resource, in_backup, number, state, .. } = one;
        let from = match in_backup {
            Some(then) if then == number => "as it was in the backup".to_owned(),
            Some(then) => format!("number {then} in the backup"),
            None => "not in the backup".to_owned(),
        };
        line(&format!("the resource {resource} has its state number {number}, {from}: {state}"))?;
        if let Some(undone) = one.undone.and_then(|undone| undone.sentence(resource)) {
            line(&undone)?;
        }
    }
    let in_doubt = resources.iter().filter(|one| one.in_doubt);
    let in_doubt: Vec<_> = in_doubt.map(|one| one.resource.clone()).collect();
    crate::commands::audit::tell_doubts(&in_doubt)?;
    for resource in &restored.checked.lost {
        line(&format!("the resource {resource} is lost: it was made since the backup"))?;
    }
    for (id, vault) in restored.vaults.iter() {
        line(&format!(
            "the customer's vault {id} is not part of a backup: the home expects it at {}",
            vault.directory.display()
        ))?;
    }
    for id in &restored.unplaced {
        let moved = hint::strongroom("service move-vault", &[], &[("--vault", "DIR".as_ref())]);
        line(&format!(
            "the customer's vault {id} may have been moved, which nothing here shows any more: say where it is, with: \
             {moved}"
        ))?;
    }
    let note = match restored.trail {
        TrailOf::Home => {
            "the audit trail of the home that was there goes on: what it records as withdrawn or destroyed stays so; keys \
             that only lost states had are lost, with what was sealed under them"
                .to_owned()
        }
        TrailOf::Backup => format!(
            "nothing here knows what was done since {made}: keys that were made since are lost with what was sealed \
             under them, and what was withdrawn or destroyed since is not so any more, until it is done again; compare \
             with a head of the trail that was kept elsewhere, with: {}; destroy the keys of hours that are over with: \
             {}",
            hint::strongroom("audit verify", &[], &[("--anchor", "HEAD".as_ref())]),
            hint::strongroom("resource sweep --accept-time", &[], &[]),
        ),
    };
    print::notice("note", &note);
    Ok(())
}
