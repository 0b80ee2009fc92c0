//! `strongroom vault grant`, `revoke` and `grants`.

use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;
use strongroom_keys::vault::{KeyName, Operation, Operations};
use strongroom_local_vault::Grants;
use strongroom_local_vault::LocalVault;

use super::show::names;
use crate::args::{GrantArgs, IdentityArgs, JsonOption, PermissionOption, VaultOption};
use crate::failure::Failure;
use crate::hint;
use crate::print::{self, Channel};
use crate::vaults::Location;

#[derive(Serialize)]
struct Changed<'a> {
    operation: &'static str,
    vault: &'a Path,
    #[serde(flatten)]
    identity: Identity<'a>,
}

/// Permissions of an identity.
#[derive(Serialize)]
struct Identity<'a> {
    #[serde(rename = "identity")]
    name: &'a str,
    enabled: bool,
    /// Granted on every key.
    every_key: Vec<&'static str>,
    /// The keys on which it is granted something of their own.
    keys: Vec<OnKey<'a>>,
}

#[derive(Serialize)]
struct OnKey<'a> {
    name: &'a str,
    /// Granted on this key.
    granted: Vec<&'static str>,
    /// Together with what is granted on every key.
    effective: Vec<&'static str>,
}

impl<'a> Identity<'a> {
    fn new(name: &'a str, grants: &'a Grants) -> Self {
        let keys = grants.keys.iter().map(|(name, granted)| OnKey {
            name: name.as_str(),
            granted: names(*granted),
            effective: names(grants.of_key(name.as_str())),
        });
        Self {
            name,
            enabled: grants.enabled,
            every_key: names(grants.every_key),
            keys: keys.collect(),
        }
    }
}

/// Grants what the arguments say, or enables or disables the identity.
///
/// # Errors
///
/// A [`Failure`] when the vault refuses; [`Failure::Usage`] where `none` stands beside others.
pub(super) fn grant(args: GrantArgs) -> Result<(), Failure> {
    let vault = Location::find(args.vault)?.open()?;
    let (identity, key) = (&*args.identity, args.key.as_deref());
    let place = vault.path().display();
    let (operation, grants, text) = if args.enable || args.disable {
        let grants = vault.set_identity_enabled(identity, args.enable)?;
        let operation = if args.enable { "enabled" } else { "disabled" };
        (operation, grants, format!("{operation} the identity {identity:?} in the vault {place}"))
    } else {
        let operations = operations(&args.permissions)?;
        let grants = vault.grant(identity, key, operations)?;
        let on = match key {
            Some(key) => format!("the key {key:?}"),
            None => "every key".to_owned(),
        };
        let what = listed(operations);
        let text = format!("granted {identity:?} on {on} of the vault {place}: {what}");
        if let Some(warning) = what_stays(identity, key, operations, &grants) {
            print::notice("warning", &warning);
        }
        ("granted", grants, text)
    };
    if !grants.enabled && !args.disable {
        let enable = hint::strongroom("vault grant --enable", &[identity.into()], &[]);
        print::notice(
            "warning",
            &format!("{identity:?} is disabled and may do nothing until: {enable}"),
        );
    }
    if args.json.enabled {
        let identity = Identity::new(identity, &grants);
        let changed = Changed { operation, vault: vault.path(), identity };
        return print::json(Channel::Output, &changed);
    }
    print::line(Channel::Output, &text)
}

/// Warning of what `identity` may do beyond `operations`, which it was just granted, by its other grants; and the
/// command that takes it away.
fn what_stays(
    identity: &str,
    key: Option<&str>,
    operations: Operations,
    grants: &Grants,
) -> Option<String> {
    let beyond = |effective: Operations| effective != operations;
    let (stays, why, take_away) = if let Some(key) = key {
        let effective = grants.of_key(key);
        let stays = format!("{} with the key {key:?}", listed(effective));
        let none = [("--permissions", "none".as_ref())];
        let take_away = hint::strongroom("vault grant", &[identity.into()], &none);
        (beyond(effective).then_some(stays)?, "what is granted on every key adds to it", take_away)
    } else {
        let more = |name: &KeyName| beyond(grants.of_key(name.as_str()));
        let keys: Vec<&str> =
            grants.keys.keys().filter(|name| more(name)).map(KeyName::as_str).collect();
        let each = keys.iter().map(|key| format!("{} with {key:?}", listed(grants.of_key(key))));
        let stays = each.collect::<Vec<_>>().join("; ");
        let take_away = match keys[..] {
            [] => return None,
            [key] => {
                let none = [("--key", key.as_ref()), ("--permissions", "none".as_ref())];
                hint::strongroom("vault grant", &[identity.into()], &none)
            }
            _ => hint::strongroom("vault revoke", &[identity.into()], &[]),
        };
        (stays, "what is granted on a single key adds to it", take_away)
    };
    Some(format!("in effect {identity:?} may {stays}: {why}, and is taken away with: {take_away}"))
}

/// Takes everything away from an identity.
///
/// # Errors
///
/// A [`Failure`] when the vault does not know it, or cannot be changed.
pub(super) fn revoke(args: IdentityArgs) -> Result<(), Failure> {
    let vault = Location::find(args.vault)?.open()?;
    let identity = &*args.identity;
    let grants = vault.revoke(identity)?;
    if args.json.enabled {
        let identity = Identity::new(identity, &grants);
        let changed = Changed { operation: "revoked", vault: vault.path(), identity };
        return print::json(Channel::Output, &changed);
    }
    let place = vault.path().display();
    let text = format!("revoked all that {identity:?} was granted in the vault {place}");
    print::line(Channel::Output, &text)
}

#[derive(Serialize)]
struct Listing<'a> {
    vault: &'a Path,
    id: &'a str,
    identities: Vec<Identity<'a>>,
}

/// Lists who may do what.
///
/// # Errors
///
/// A [`Failure`] when it cannot be read.
pub(super) fn list(vault: VaultOption, json: JsonOption) -> Result<(), Failure> {
    let vault = Location::find(vault)?.open()?;
    let identities = vault.identities()?;
    let listing = Listing {
        vault: vault.path(),
        id: vault.id().as_str(),
        identities: identities.iter().map(|(name, grants)| Identity::new(name, grants)).collect(),
    };
    if json.enabled {
        return print::json(Channel::Output, &listing);
    }
    print::text(Channel::Output, &described(&vault, &listing))
}

fn described(vault: &LocalVault, listing: &Listing<'_>) -> String {
    let path = vault.path().display().to_string();
    let mut text = format!("vault {} (id {})", print::name(&path), listing.id);
    if listing.identities.is_empty() {
        let grant = hint::strongroom("vault grant", &["IDENTITY".into()], &[]);
        text.push_str("\nnobody is granted anything; grant something with: ");
        text.push_str(&grant);
    }
    let list =
        |names: &[&str]| if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
    for Identity { name: identity, enabled, every_key, keys } in &listing.identities {
        let state = if *enabled { "" } else { "  disabled: may do nothing" };
        // Writing to a string cannot fail.
        let _ = write!(text, "\n{identity}{state}");
        for OnKey { name, effective, .. } in keys {
            let _ = write!(text, "\n  the key {name:?}: {}", list(effective));
        }
        let every = if keys.is_empty() { "every key" } else { "every other key" };
        let _ = write!(text, "\n  {every}: {}", list(every_key));
    }
    text
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

fn listed(operations: Operations) -> String {
    if operations == Operations::default() {
        return "nothing".to_owned();
    }
    names(operations).join(", ")
}
