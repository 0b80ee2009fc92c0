//! `strongroom service` and `service-key`.

mod backups;

use std::path::Path;

use serde::Serialize;
use strongroom_keys::audit::AuditResult;
use strongroom_keys::resource::{NamedVault, ResourceId, Restored};
use strongroom_keys::vault::{DeniedReason, Vault, VaultError, VersionedKeyId};
use strongroom_keys::{Resources, block_on};

use crate::args::{HomeOption, JsonOption, ServiceCommand, ServiceKeyCommand, VaultOption};
use crate::failure::{BackupFailure, Failure};
use crate::hint;
use crate::print::{self, Channel};
use crate::service::{CustomerVault, HomeLocation, SERVICE_KEY, Service, UndoneChanges};

#[derive(Serialize)]
struct Made<'a> {
    operation: &'static str,
    home: &'a Path,
}

/// Does what the command asks for.
///
/// # Errors
///
/// A [`Failure`] when the home or the vault will not do.
pub(super) fn run(command: ServiceCommand) -> Result<(), Failure> {
    match command {
        ServiceCommand::Init { home, json } => init(home, json),
        ServiceCommand::Backup(args) => backups::backup(args),
        ServiceCommand::Restore { from: Some(from), accept_states, home, json } => {
            backups::restore(&from, accept_states, home, json)
        }
        ServiceCommand::Restore { from: None, accept_states, home, json } => {
            restore(accept_states, home, json)
        }
        ServiceCommand::MoveVault { vault, home, json } => move_vault(vault, home, json),
    }
}

/// Makes a home.
fn init(home: HomeOption, json: JsonOption) -> Result<(), Failure> {
    let service = HomeLocation::find(home)?.init()?;
    if json.enabled {
        let made = Made { operation: "initialised", home: service.path() };
        return print::json(Channel::Output, &made);
    }
    let text = format!(
        "initialised the service's home {}: losing it loses the documents of its resources, so make backups of it, \
         with: {}",
        service.path().display(),
        hint::backup()
    );
    print::line(Channel::Output, &text)
}

#[derive(Serialize)]
struct RestoredStates {
    operation: &'static str,
    resources: Vec<RestoredState>,
    /// Resources that were in doubt, and go on with the states that they have.
    accepted: Vec<RestoredState>,
    /// Resources that stay in doubt.
    in_doubt: Vec<ResourceId>,
    /// Resources without any state.
    lost: Vec<ResourceId>,
}

#[derive(Serialize)]
struct RestoredState {
    resource: ResourceId,
    from: u64,
    to: u64,
    state: &'static str,
    #[serde(flatten)]
    undone: Option<UndoneChanges>,
}

impl From<Restored> for RestoredState {
    fn from(Restored { resource, from, to, protection }: Restored) -> Self {
        Self { resource, from, to, state: protection.name(), undone: None }
    }
}

/// Goes on from states that were rolled back, and from those in doubt where `accept_states` says so.
fn restore(accept_states: bool, home: HomeOption, json: JsonOption) -> Result<(), Failure> {
    let service = HomeLocation::find(home)?.open()?;
    let restored = service.restore();
    // What hinders one resource keeps no other one closed.
    let accepted = if accept_states { service.accept_states() } else { Ok(Vec::new()) };
    let ((restored, lost), accepted) = (restored?, accepted?);
    let in_doubt = service.resources()?.in_doubt();
    let mut undone = service.undone(&restored)?;
    let restored = restored.into_iter().map(|one| {
        let undone = undone.remove(&one.resource);
        RestoredState { undone, ..one.into() }
    });
    let report = RestoredStates {
        operation: "restored",
        resources: restored.collect(),
        accepted: accepted.into_iter().map(RestoredState::from).collect(),
        in_doubt,
        lost,
    };
    let outcome = report.lost.first().map_or(Ok(()), |resource| {
        Err(BackupFailure::StatesLost { resource: resource.clone() }.into())
    });
    if json.enabled {
        print::json(Channel::Output, &report)?;
        return outcome;
    }
    if report.resources.is_empty() && report.accepted.is_empty() && outcome.is_ok() {
        let text = "no state is older than the audit trail knows: there is nothing to restore";
        print::line(Channel::Output, text)?;
    }
    for RestoredState { resource, from, to, state, undone } in &report.resources {
        let text = format!(
            "the resource {resource} goes on from its state number {from} as number {to}: {state}"
        );
        print::line(Channel::Output, &text)?;
        if let Some(undone) = undone.as_ref().and_then(|undone| undone.sentence(resource)) {
            print::line(Channel::Output, &undone)?;
        }
    }
    for RestoredState { resource, to, state, .. } in &report.accepted {
        let text = format!(
            "the resource {resource} goes on with its state number {to}, which counts as the newest from now on: {state}"
        );
        print::line(Channel::Output, &text)?;
    }
    super::audit::tell_doubts(&report.in_doubt)?;
    outcome
}

#[derive(Serialize)]
struct Moved<'a> {
    operation: &'static str,
    vault: &'a str,
    directory: &'a Path,
    resources: Vec<ResourceId>,
}

/// Records the new place of a customer's vault, once it has shown the keys that resources are under.
fn move_vault(vault: VaultOption, home: HomeOption, json: JsonOption) -> Result<(), Failure> {
    let service = HomeLocation::find(home)?.open()?;
    let lock_timeout = vault.lock_timeout();
    let (vault, location) = CustomerVault::find(vault, service.path())?;
    let (id, directory) = (Vault::id(&vault).to_owned(), location.directory.clone());
    let named = NamedVault { id: id.clone(), location: location.clone(), moved: true };
    let vaults = service.customers().with(named, lock_timeout)?;
    let under = resources_under(&service, &id)?;
    // Where no resource is under its keys any more, it is moved for the next one that will be.
    if under.is_empty() && service.customers().get(&id)?.is_none() {
        let home = service.path().to_owned();
        return Err(Failure::VaultUnused { id, named: directory, home });
    }
    for (resource, key) in &under {
        match block_on(vault.describe(key)) {
            Ok(_) => {}
            Err(VaultError::Denied { reason: DeniedReason::KeyMissing, .. }) => {
                let (resource, key) = (resource.clone(), key.clone());
                return Err(Failure::VaultOlder { named: directory, key, resource });
            }
            // A file that cannot be read says nothing about the copy's age.
            Err(error) => return Err(strongroom_keys::Error::from(error).into()),
        }
    }
    // Before it is done: what could not be recorded afterwards would have left no trace.
    let audit = |result: &AuditResult| {
        if under.is_empty() {
            return service.record_move(&id, &location, None, result);
        }
        let mut each = under.iter();
        each.try_for_each(|under| service.record_move(&id, &location, Some(under), result))
    };
    audit(&AuditResult::Begun)?;
    let moved = vaults.record();
    audit(&AuditResult::of(&moved))?;
    moved?;
    let resources: Vec<ResourceId> = under.into_iter().map(|(resource, _)| resource).collect();
    if json.enabled {
        let (operation, directory) = ("vault-moved", directory.as_path());
        let moved = Moved { operation, vault: &id, directory, resources };
        return print::json(Channel::Output, &moved);
    }
    let text = format!(
        "the vault {id} is at {} from now on: what is disabled or deleted in a copy of it does not count",
        directory.display()
    );
    print::line(Channel::Output, &text)
}

/// The resources that are under keys of the vault `id`, with these keys.
fn resources_under(
    service: &Service,
    id: &str,
) -> Result<Vec<(ResourceId, VersionedKeyId)>, Failure> {
    let resources = service.resources()?;
    let mut under = Vec::new();
    for resource in block_on(resources.list())? {
        match block_on(resources.status(&resource))?.cmk {
            Some(cmk) if cmk.key.vault() == id => under.push((resource, cmk.key)),
            _ => {}
        }
    }
    Ok(under)
}

#[derive(Serialize)]
struct Rotated {
    operation: &'static str,
    key: String,
    moved: usize,
    moved_before: usize,
    /// The command that makes a backup with the new version.
    copy_again: String,
}

/// Rotates the service's key.
///
/// # Errors
///
/// A [`Failure`]; run again, it goes on where it stopped.
pub(super) fn rotate(command: ServiceKeyCommand) -> Result<(), Failure> {
    let ServiceKeyCommand::Rotate { home, json } = command;
    let service = HomeLocation::find(home)?.open()?;
    let resources = service.resources()?;
    if !is_interrupted(&service, &resources)? {
        service.vault().rotate(SERVICE_KEY)?;
    }
    let rotation = block_on(resources.rotate_service_key())?;
    let (key, moved, before) = (rotation.key.to_string(), rotation.moved, rotation.before);
    if json.enabled {
        let (operation, copy_again) = ("rotated", hint::backup());
        let rotated = Rotated { operation, key, moved, moved_before: before, copy_again };
        return print::json(Channel::Output, &rotated);
    }
    let of = if before == 0 { String::new() } else { format!(" ({before} were before)") };
    let text = format!("rotated the service's key: {moved} resources are under {key} now{of}");
    print::line(Channel::Output, &hint::with_backup(&text, &hint::backup()))
}

/// True where a rotation before this one left resources under an older version.
fn is_interrupted(service: &Service, resources: &Resources) -> Result<bool, Failure> {
    let newest = service.vault().show(SERVICE_KEY)?.versions.pop().map(|one| one.id.to_string());
    for id in block_on(resources.list())? {
        if newest.as_ref() != Some(&block_on(resources.status(&id))?.signed_by) {
            return Ok(true);
        }
    }
    Ok(false)
}
