//! `strongroom vault`: the keys that documents are sealed under.

use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;
use strongroom_keys::LocalVault;
use strongroom_keys::local_vault::LocalVaultError;
use strongroom_keys::local_vault::{KeyEntry, LocalKeyId};

use crate::args::{JsonOption, KeyArgs, VaultCommand};
use crate::failure::Failure;
use crate::print::{self, Channel};
use crate::time::{display_time, since_epoch};
use crate::vaults::{Location, missing_key};

/// Does what the command asks for.
///
/// # Errors
///
/// A [`Failure`] when the vault or the key will not do.
pub(super) fn run(command: VaultCommand) -> Result<(), Failure> {
    match command {
        VaultCommand::Init { vault, json } => init(&Location::find(vault.directory)?, json),
        VaultCommand::List { vault, json } => list(&Location::find(vault.directory)?, json),
        VaultCommand::Create(args) => change(args, "created", LocalVault::create),
        VaultCommand::Rotate(args) => change(args, "rotated", LocalVault::rotate),
    }
}

#[derive(Serialize)]
struct Made<'a> {
    operation: &'static str,
    vault: &'a Path,
    id: String,
}

fn init(location: &Location, json: JsonOption) -> Result<(), Failure> {
    let vault = LocalVault::init(location.path())?;
    let id = vault.id().to_string();
    if json.enabled {
        return print::json(
            Channel::Output,
            &Made { operation: "initialised", vault: vault.path(), id },
        );
    }
    let text = format!(
        "initialised the vault {} (id {id}): keep a copy of it in a safe place, losing it loses the \
         documents sealed with it",
        vault.path().display()
    );
    print::line(Channel::Output, &text)
}

fn change(
    args: KeyArgs,
    operation: &'static str,
    work: impl FnOnce(&LocalVault, &str) -> Result<LocalKeyId, LocalVaultError>,
) -> Result<(), Failure> {
    let vault = Location::find(args.vault.directory)?.open()?;
    let id = work(&vault, &args.name).map_err(|error| missing_key(&vault, error))?.to_string();
    if args.json.enabled {
        return print::json(Channel::Output, &Made { operation, vault: vault.path(), id });
    }
    let text = format!(
        "{operation} the key {:?}: from now on {id} seals; copy the vault {} to a safe place again",
        args.name,
        vault.path().display()
    );
    print::line(Channel::Output, &text)
}

#[derive(Serialize)]
struct Listing<'a> {
    vault: &'a Path,
    id: &'a str,
    keys: Vec<Key<'a>>,
}

#[derive(Serialize)]
struct Key<'a> {
    name: &'a str,
    versions: Vec<Version>,
}

#[derive(Serialize)]
struct Version {
    #[serde(rename = "version")]
    number: u32,
    id: String,
    algorithm: &'static str,
    /// Seconds since the Unix epoch.
    created: u64,
}

fn list(location: &Location, json: JsonOption) -> Result<(), Failure> {
    let vault = location.open()?;
    let entries = vault.list()?;
    let keys = entries.iter().map(key).collect();
    let listing = Listing { vault: vault.path(), id: vault.id().as_str(), keys };
    if json.enabled {
        return print::json(Channel::Output, &listing);
    }
    let mut text = format!("vault {} (id {})", vault.path().display(), listing.id);
    if listing.keys.is_empty() {
        text.push_str("\nno keys yet: create one with strongroom vault create NAME");
    }
    for Key { name, versions } in &listing.keys {
        for Version { number, algorithm, created, .. } in versions {
            // Writing to a string cannot fail.
            let _ = write!(text, "\n{name}/{number}  {algorithm}  {}", display_time(*created));
        }
    }
    print::line(Channel::Output, &text)
}

fn key(entry: &KeyEntry) -> Key<'_> {
    let versions = entry.versions.iter().map(|version| Version {
        number: version.id.version(),
        id: version.id.to_string(),
        algorithm: version.algorithm.name(),
        created: since_epoch(version.created),
    });
    Key { name: entry.name.as_str(), versions: versions.collect() }
}
