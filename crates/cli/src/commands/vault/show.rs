//! `strongroom vault list` and `show`.

use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;
use strongroom_keys::vault::{Operation, Operations};
use strongroom_local_vault::LocalVault;
use strongroom_local_vault::{KeyEntry, KeyKind, KeyVersion, VersionId};

use crate::args::{JsonOption, KeyArgs};
use crate::failure::Failure;
use crate::hint;
use crate::print::{self, Channel};
use crate::time::{display_time, since_epoch};
use crate::vaults::Location;

#[derive(Serialize)]
struct Listing<'a> {
    vault: &'a Path,
    id: &'a str,
    keys: Vec<Key<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    deleted: Vec<Deleted>,
}

#[derive(Serialize)]
struct Key<'a> {
    name: &'a str,
    versions: Vec<Version>,
}

#[derive(Serialize)]
struct Version {
    #[serde(rename = "version")]
    of_key: VersionId,
    id: String,
    algorithm: &'static str,
    /// Seconds since the Unix epoch.
    created: u64,
    enabled: bool,
    /// Seconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<u64>,
}

/// A deleted key; the times are seconds since the Unix epoch.
#[derive(Serialize)]
struct Deleted {
    name: String,
    #[serde(rename = "deleted_at")]
    since: u64,
    purge_from: u64,
}

impl From<&KeyVersion> for Version {
    fn from(version: &KeyVersion) -> Self {
        Self {
            of_key: version.id.version(),
            id: version.id.to_string(),
            algorithm: version.algorithm.name(),
            created: since_epoch(version.created),
            enabled: version.enabled,
            not_before: version.not_before,
            expires: version.expires,
        }
    }
}

impl Version {
    /// The line of a listing.
    fn line(&self, name: &str) -> String {
        let state = if self.enabled { "enabled" } else { "disabled" };
        let created = display_time(self.created);
        let mut line = format!("{name}/{}  {}  {created}  {state}", self.of_key, self.algorithm);
        // Writing to a string cannot fail.
        if let Some(time) = self.not_before {
            let _ = write!(line, "  wraps from {}", display_time(time));
        }
        if let Some(time) = self.expires {
            let _ = write!(line, "  wraps until {}", display_time(time));
        }
        line
    }
}

fn key(entry: &KeyEntry) -> Key<'_> {
    Key { name: entry.name.as_str(), versions: entry.versions.iter().map(Version::from).collect() }
}

/// Lists the keys of `vault`.
///
/// # Errors
///
/// A [`Failure`] when they cannot be read.
pub(super) fn list(vault: &LocalVault, json: JsonOption) -> Result<(), Failure> {
    let entries = vault.list()?;
    let deleted = vault.list_deleted()?.into_iter().map(|deleted| Deleted {
        name: deleted.key.name.to_string(),
        since: deleted.deleted_at,
        purge_from: deleted.purge_from,
    });
    let listing = Listing {
        vault: vault.path(),
        id: vault.id().as_str(),
        keys: entries.iter().map(key).collect(),
        deleted: deleted.collect(),
    };
    if json.enabled {
        return print::json(Channel::Output, &listing);
    }
    let mut text =
        format!("vault {} (id {})", print::name(&vault.path().display().to_string()), listing.id);
    if listing.keys.is_empty() && listing.deleted.is_empty() {
        let create = hint::strongroom("vault create NAME", &[], &[]);
        let _ = write!(text, "\nno keys yet: create one with {create}");
    }
    for Key { name, versions } in &listing.keys {
        for version in versions {
            text.push('\n');
            text.push_str(&version.line(name));
        }
    }
    for Deleted { name, since, purge_from } in &listing.deleted {
        let (since, until) = (display_time(*since), display_time(*purge_from));
        let _ = write!(text, "\n{name}  deleted {since}  retained until {until}");
    }
    print::text(Channel::Output, &text)
}

/// A key with all that the vault says of it.
#[derive(Serialize)]
struct Shown<'a> {
    vault: &'a Path,
    name: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    operations: Vec<&'static str>,
    recovery_level: &'a str,
    retention_days: u32,
    versions: Vec<Version>,
}

/// Shows one key.
///
/// # Errors
///
/// A [`Failure`] when there is none of the name.
pub(super) fn show(args: KeyArgs) -> Result<(), Failure> {
    let vault = Location::find(args.vault)?.open()?;
    let entry = vault.show(&args.name)?;
    let settings = vault.settings()?;
    let newest = entry.versions.last();
    let kind = match newest.map(|version| version.kind) {
        Some(KeyKind::Oct) => "AES-256",
        _ => "RSA-2048",
    };
    let operations = newest.map(|version| version.operations).unwrap_or_default();
    let shown = Shown {
        vault: vault.path(),
        name: entry.name.as_str(),
        kind,
        operations: names(operations),
        recovery_level: settings.recovery_level.as_str(),
        retention_days: settings.retention_days,
        versions: key(&entry).versions,
    };
    if args.json.enabled {
        return print::json(Channel::Output, &shown);
    }
    let mut text = format!(
        "key {} of the vault {}\ntype        {kind}\noperations  {}\nrecovery    {}, {} days",
        shown.name,
        print::name(&shown.vault.display().to_string()),
        shown.operations.join(", "),
        shown.recovery_level,
        shown.retention_days,
    );
    for version in &shown.versions {
        let _ = write!(text, "\nversion     {}", version.line(shown.name));
    }
    print::text(Channel::Output, &text)
}

/// The names of operations, in order.
pub(super) fn names(operations: Operations) -> Vec<&'static str> {
    Vec::from(operations).into_iter().map(Operation::name).collect()
}
