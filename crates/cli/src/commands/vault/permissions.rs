//! `strongroom vault grant`.

use std::path::Path;

use serde::Serialize;
use strongroom_keys::vault::{Operation, Operations};

use super::show::names;
use crate::args::{GrantArgs, PermissionOption};
use crate::failure::Failure;
use crate::print::{self, Channel};
use crate::vaults::Location;

#[derive(Serialize)]
struct Granted<'a> {
    operation: &'static str,
    vault: &'a Path,
    identity: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    /// `null` where it was only enabled or disabled.
    permissions: Option<Vec<&'static str>>,
}

/// Grants what the arguments say, or enables or disables the identity.
///
/// # Errors
///
/// A [`Failure`] when the vault refuses; [`Failure::Usage`] where `none` stands beside others.
pub(super) fn grant(args: GrantArgs) -> Result<(), Failure> {
    let vault = Location::find(args.vault)?.open()?;
    let (identity, key) = (&args.identity, args.key.as_deref());
    let place = vault.path().display().to_string();
    let (operation, permissions, text) = if args.enable || args.disable {
        vault.set_identity_enabled(identity, args.enable)?;
        let operation = if args.enable { "enabled" } else { "disabled" };
        (operation, None, format!("{operation} the identity {identity:?} in the vault {place}"))
    } else {
        let operations = operations(&args.permissions)?;
        vault.grant(identity, key, operations)?;
        let names = names(operations);
        let what = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
        let on = match key {
            Some(key) => format!("the key {key:?}"),
            None => "every key".to_owned(),
        };
        let text = format!("granted {identity:?} on {on} of the vault {place}: {what}");
        ("granted", Some(names), text)
    };
    if args.json.enabled {
        let granted = Granted { operation, vault: vault.path(), identity, key, permissions };
        return print::json(Channel::Output, &granted);
    }
    print::line(Channel::Output, &text)
}

fn operations(permissions: &[PermissionOption]) -> Result<Operations, Failure> {
    if permissions.contains(&PermissionOption::None) && permissions.len() > 1 {
        let reason = "--permissions none stands alone; leave it out, or everything else";
        return Err(Failure::Usage(reason.to_owned()));
    }
    let operations = permissions.iter().filter_map(|permission| match permission {
        PermissionOption::Get => Some(Operation::Get),
        PermissionOption::Wrap => Some(Operation::WrapKey),
        PermissionOption::Unwrap => Some(Operation::UnwrapKey),
        PermissionOption::None => None,
    });
    Ok(Operations::from(operations.collect::<Vec<_>>()))
}
