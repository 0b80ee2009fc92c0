//! `strongroom vault init` and `settings`.

use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;
use strongroom_keys::vault::Place as VaultPlace;
use strongroom_local_vault::LocalVault;
use strongroom_local_vault::{InitOptions, VaultSettings};

use super::tell;
use crate::args::{InitArgs, SettingsArgs};
use crate::failure::Failure;
use crate::print::{self, Channel};
use crate::prompt;
use crate::vaults::Location;

/// Makes a vault.
///
/// # Errors
///
/// A [`Failure`] when the vault refuses.
pub(super) fn init(args: InitArgs) -> Result<(), Failure> {
    let options = InitOptions {
        purge_protection: args.purge_protection,
        retention_days: args.retention_days,
        place: VaultPlace { tenant: args.tenant, region: args.region },
        passphrase: args
            .passphrase
            .then(|| prompt::new_passphrase("--passphrase-file"))
            .transpose()?,
        ..InitOptions::default()
    };
    let vault = Location::find(args.vault)?.init(options)?;
    let id = vault.id().to_string();
    let text = format!(
        "initialised the vault {} (id {id}): keep a copy of it in a safe place, losing it loses the \
         documents sealed with it",
        vault.path().display()
    );
    tell(&vault, "initialised", id, &text, args.json)
}

#[derive(Serialize)]
struct Shown<'a> {
    vault: &'a Path,
    id: &'a str,
    purge_protection: bool,
    retention_days: u32,
    recovery_level: &'a str,
    has_passphrase: bool,
    tenant: Option<&'a str>,
    region: Option<&'a str>,
}

/// Changes what the arguments say, and shows what holds then.
///
/// # Errors
///
/// A [`Failure`] when the vault refuses.
pub(super) fn settings(args: SettingsArgs) -> Result<(), Failure> {
    let vault = Location::find(args.vault)?.open()?;
    let before = vault.settings()?;
    if args.purge_protection {
        vault.protect_from_purge()?;
    }
    if args.tenant.is_some() || args.region.is_some() {
        let VaultPlace { tenant, region } = before.place.clone();
        let place = VaultPlace { tenant: args.tenant.or(tenant), region: args.region.or(region) };
        vault.set_place(place)?;
    }
    let after = vault.settings()?;
    if args.json.enabled {
        let shown = Shown {
            vault: vault.path(),
            id: vault.id().as_str(),
            purge_protection: after.purge_protection,
            retention_days: after.retention_days,
            recovery_level: after.recovery_level.as_str(),
            has_passphrase: after.has_passphrase,
            tenant: after.place.tenant.as_deref(),
            region: after.place.region.as_deref(),
        };
        print::json(Channel::Output, &shown)?;
    } else {
        print::text(Channel::Output, &described(&vault, &after))?;
    }
    if after.purge_protection && !before.purge_protection {
        print::notice("note", "purge protection is on from now on, and nobody can switch it off");
    }
    if after.place != before.place {
        let note = "resources that are under a key of this vault stay so; one that comes under a key of it, or goes over \
                    to another, must be of this tenant and region from now on; a service that has the vault open sees \
                    it when it opens it again";
        print::notice("note", note);
    }
    Ok(())
}

fn described(vault: &LocalVault, settings: &VaultSettings) -> String {
    let mut text =
        format!("vault {} (id {})", print::name(&vault.path().display().to_string()), vault.id());
    let or_none = |text: &Option<String>| {
        text.as_deref().map_or_else(|| "none".to_owned(), |text| print::name(text).into_owned())
    };
    let on = |is_on: bool| if is_on { "yes" } else { "no" };
    let rows = [
        ("purge protection", on(settings.purge_protection).to_owned()),
        ("retention", format!("{} days", settings.retention_days)),
        ("recovery", settings.recovery_level.as_str().to_owned()),
        ("passphrase", on(settings.has_passphrase).to_owned()),
        ("tenant", or_none(&settings.place.tenant)),
        ("region", or_none(&settings.place.region)),
    ];
    for (name, value) in rows {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n{name:<16}  {value}");
    }
    text
}
