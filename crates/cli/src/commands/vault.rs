//! `strongroom vault`: the keys that documents are sealed under.

mod backups;
mod passphrases;
mod permissions;
mod settings;
mod show;
mod trail;
mod versions;

use std::path::Path;

use serde::Serialize;
use strongroom_keys::vault::KeyName;
use strongroom_local_vault::LocalVault;
use strongroom_local_vault::{LocalVaultError, Versions};

use crate::args::{JsonOption, KeyArgs, PurgeArgs, VaultCommand, VersionsArgs};
use crate::failure::Failure;
use crate::hint;
use crate::print::{self, Channel};
use crate::time::display_time;
use crate::vaults::Location;

/// Does what the command asks for.
///
/// # Errors
///
/// A [`Failure`] when the vault or the key will not do.
pub(super) fn run(command: VaultCommand) -> Result<(), Failure> {
    match command {
        VaultCommand::Init(args) => settings::init(args),
        VaultCommand::List { vault, json } => show::list(&Location::find(vault)?.open()?, json),
        VaultCommand::Show(args) => show::show(args),
        VaultCommand::Create(args) => versions::create(args),
        VaultCommand::Rotate(args) => versions::rotate(args),
        VaultCommand::Import(args) => versions::import(args),
        VaultCommand::SetDates(args) => versions::set_dates(args),
        VaultCommand::Enable(args) => set_enabled(args, true),
        VaultCommand::Disable(args) => set_enabled(args, false),
        VaultCommand::Delete(args) => change(args, "deleted", |vault, name| {
            let until = display_time(vault.delete(name)?.purge_from);
            let kept = if vault.settings()?.purge_protection {
                format!("it cannot be purged before {until} and stays until it is")
            } else {
                "it stays until it is purged".to_owned()
            };
            let text = format!(
                "nothing opens with it any more; {kept}, bring it back with: {}",
                hint::strongroom("vault recover", &[name.into()], &[])
            );
            Ok((text, name.to_owned()))
        }),
        VaultCommand::Recover(args) => change(args, "recovered", |vault, name| {
            vault.recover(name)?;
            Ok(("it opens documents again".to_owned(), name.to_owned()))
        }),
        VaultCommand::Purge(args) => purge(args),
        VaultCommand::SetPassphrase(args) => passphrases::set(args),
        VaultCommand::RemovePassphrase { vault, json } => passphrases::remove(vault, json),
        VaultCommand::Settings(args) => settings::settings(args),
        VaultCommand::Grant(args) => permissions::grant(args),
        VaultCommand::Revoke(args) => permissions::revoke(args),
        VaultCommand::Grants { vault, json } => permissions::list(vault, json),
        VaultCommand::Audit(args) => trail::audit(args),
        VaultCommand::Backup(args) => backups::backup(args),
        VaultCommand::Restore(args) => backups::restore(args),
    }
}

#[derive(Serialize)]
struct Made<'a> {
    operation: &'static str,
    vault: &'a Path,
    id: String,
}

fn set_enabled(args: VersionsArgs, enabled: bool) -> Result<(), Failure> {
    let operation = if enabled { "enabled" } else { "disabled" };
    change(args.key, operation, |vault, name| {
        let versions = named(vault, name, args.key_version.as_deref())?.unwrap_or(Versions::All);
        vault.set_enabled(name, versions, enabled)?;
        let text = match (versions, enabled) {
            (Versions::Only(version), true) => {
                format!("its version {version} wraps and unwraps again")
            }
            (Versions::Only(version), false) => {
                format!("its version {version} neither wraps nor unwraps")
            }
            (_, true) => "all its versions wrap and unwrap again".to_owned(),
            (_, false) => "all its versions neither wrap nor unwrap".to_owned(),
        };
        Ok((text, name.to_owned()))
    })
}

/// The version of the key `name` whose id begins with `prefix`, where one was given.
fn named(
    vault: &LocalVault,
    name: &str,
    prefix: Option<&str>,
) -> Result<Option<Versions>, LocalVaultError> {
    let Some(prefix) = prefix else { return Ok(None) };
    Ok(Some(Versions::Only(vault.show(name)?.version(prefix)?.id.version())))
}

#[derive(Serialize)]
struct Purged<'a> {
    operation: &'static str,
    vault: &'a Path,
    keys: Vec<KeyName>,
}

fn purge(args: PurgeArgs) -> Result<(), Failure> {
    let PurgeArgs { name, expired_until, vault, json } = args;
    if let Some(name) = name {
        return change(KeyArgs { name, vault, json }, "purged", |vault, name| {
            vault.purge(name)?;
            Ok(("nothing opens what was sealed under it".to_owned(), name.to_owned()))
        });
    }
    let vault = Location::find(vault)?.open()?;
    let keys = vault.purge_expired(expired_until.unwrap_or_default())?;
    if json.enabled {
        let purged = Purged { operation: "purged", vault: vault.path(), keys };
        return print::json(Channel::Output, &purged);
    }
    let names: Vec<String> = keys.iter().map(|name| format!("{:?}", name.as_str())).collect();
    let text = match names[..] {
        [] => "no deleted key has been kept for its time by then; nothing was purged".to_owned(),
        _ => format!("purged {}: nothing opens what was sealed under them", names.join(", ")),
    };
    print::line(Channel::Output, &text)
}

/// Does `work` to a key, and prints the sentence that it returns, with the id.
fn change(
    args: KeyArgs,
    operation: &'static str,
    work: impl FnOnce(&LocalVault, &str) -> Result<(String, String), LocalVaultError>,
) -> Result<(), Failure> {
    let vault = Location::find(args.vault)?.open()?;
    let (text, id) = work(&vault, &args.name)?;
    tell(&vault, operation, id, &format!("{operation} the key {:?}: {text}", args.name), args.json)
}

fn tell(
    vault: &LocalVault,
    operation: &'static str,
    id: String,
    text: &str,
    json: JsonOption,
) -> Result<(), Failure> {
    if json.enabled {
        return print::json(Channel::Output, &Made { operation, vault: vault.path(), id });
    }
    print::line(Channel::Output, text)
}
