//! `strongroom resource status` and `list`.

use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;
use strongroom_keys::block_on;
use strongroom_keys::resource::{Cmk, OnKeyLoss, Protection, ResourceId, Scope, Status};

use crate::args::{HomeOption, JsonOption, ResourceArgs};
use crate::failure::Failure;
use crate::hint;
use crate::print::{self, Channel, ErrorFormat};
use crate::service::HomeLocation;
use crate::time::display_time;

/// Status of a resource; times are seconds since the Unix epoch.
#[derive(Serialize)]
struct Shown<'a> {
    resource: &'a ResourceId,
    tenant: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    moved_to: Option<&'a str>,
    region: &'a str,
    cmk_allowed: bool,
    created_at: u64,
    epoch: u64,
    protection: &'a Protection,
    /// The directory of the customer's vault; `null` where it is not known, or there is none.
    vault: Option<&'a Path>,
    /// `null` where it is not known.
    documents_before: Option<u64>,
    /// Those of them that are not under the key yet; `null` where it is not known.
    outside_cmk: Option<u64>,
    hour_keys: usize,
    state_number: u64,
    /// True where it gives no access until somebody confirms that it is the newest.
    in_doubt: bool,
    signed_by: &'a str,
}

/// Shows one resource.
///
/// # Errors
///
/// A [`Failure`] when there is none of the name, or its state is not valid.
pub(super) fn status(args: ResourceArgs) -> Result<(), Failure> {
    let service = HomeLocation::find(args.home)?.open()?;
    let status =
        block_on(service.resources_with(&args.name, args.pins.pins())?.status(&args.name))?;
    let vault = match &status.cmk {
        Some(cmk) => service.customers().get(cmk.key.vault())?.map(|vault| vault.directory),
        None => None,
    };
    if args.json.enabled {
        let shown = Shown {
            resource: &status.id,
            tenant: &status.tenant,
            moved_to: status.moved_to.as_deref(),
            region: &status.region,
            cmk_allowed: status.cmk_allowed,
            created_at: status.created_at,
            epoch: status.epoch,
            protection: &status.protection,
            vault: vault.as_deref(),
            documents_before: status.documents_before,
            outside_cmk: status.outside_cmk,
            hour_keys: status.hours.len(),
            state_number: status.number,
            in_doubt: status.in_doubt,
            signed_by: &status.signed_by,
        };
        return print::json(Channel::Output, &shown);
    }
    print::text(Channel::Output, &text(&status, vault.as_deref()))
}

fn text(status: &Status, vault: Option<&Path>) -> String {
    let mut text = format!(
        "resource      {}\nstate         {}\ntenant        {}\nregion        {}\ncreated       {}",
        status.id,
        status.protection.name(),
        print::name(&status.tenant),
        print::name(&status.region),
        display_time(status.created_at)
    );
    // Writing to a string cannot fail.
    match &status.protection {
        Protection::Denied { cause, since, .. } => {
            let _ = write!(text, "\nno access     since {}: {cause}", display_time(*since));
        }
        Protection::ShredPending { cause, since, due, .. } => {
            let (since, due) = (display_time(*since), display_time(*due));
            let _ = write!(text, "\nno access     since {since}: {cause}\nshredded from {due} on");
        }
        Protection::Shredded { since } => {
            let _ = write!(text, "\nshredded      {}", display_time(*since));
        }
        Protection::Rotating { to, .. } => {
            let _ = write!(text, "\nrotating to   {to}");
        }
        _ => {}
    }
    if status.in_doubt {
        let accept = hint::accept_states();
        let _ = write!(
            text,
            "\nin doubt      closed: its newest state may be lost; where it is not, open it with: {accept}"
        );
    }
    if let Some(cmk) = &status.cmk {
        text.push_str(&cmk_text(cmk, status, vault));
    }
    text
}

fn cmk_text(cmk: &Cmk, status: &Status, vault: Option<&Path>) -> String {
    let covers = match cmk.scope {
        Scope::Models => "models",
        Scope::ModelsAndResults => "models and results",
    };
    let loss = match cmk.on_key_loss {
        OnKeyLoss::Block => "blocked until the key is back".to_owned(),
        OnKeyLoss::CryptoShred { grace } => format!("destroyed by shred after {grace} seconds"),
    };
    let outside = match (status.outside_cmk, status.documents_before) {
        (Some(outside), Some(before)) => format!("{outside} of {before} documents"),
        _ => "not known".to_owned(),
    };
    let vault = vault.map_or_else(|| "not known".to_owned(), |path| path.display().to_string());
    let vault = print::name(&vault);
    format!(
        "\ncustomer key  {}, asked as {}\nin the vault  {vault}\ncovers        {covers}, since {}\nif withdrawn  \
         {loss}\noutside it    {outside}, sealed before it was enabled",
        cmk.key,
        print::name(&cmk.identity),
        display_time(cmk.enabled_at)
    )
}

#[derive(Serialize)]
struct Listed {
    resource: ResourceId,
    state: &'static str,
    in_doubt: bool,
}

/// Lists the resources.
///
/// # Errors
///
/// A [`Failure`] when they cannot be listed, or the state of one is not valid; the others are listed then.
pub(super) fn list(home: HomeOption, json: JsonOption) -> Result<(), Failure> {
    let resources = HomeLocation::find(home)?.open()?.resources()?;
    let (mut listed, mut failed) = (Vec::new(), Ok(()));
    for resource in block_on(resources.list())? {
        match block_on(resources.status(&resource)) {
            Ok(status) => {
                let (state, in_doubt) = (status.protection.name(), status.in_doubt);
                listed.push(Listed { resource, state, in_doubt });
            }
            Err(error) => {
                // The last is the command's own error, and the others are said before it.
                if let Err(earlier) = std::mem::replace(&mut failed, Err(error.into())) {
                    print::error(&earlier, ErrorFormat::asked_for(json.enabled));
                }
            }
        }
    }
    if json.enabled {
        print::json(Channel::Output, &listed)?;
        return failed;
    }
    if listed.is_empty() && failed.is_ok() {
        let create = hint::create_resource("NAME");
        return print::line(
            Channel::Output,
            &format!("no resources yet: create one with {create}"),
        );
    }
    for one in listed {
        let doubt = if one.in_doubt { ", in doubt" } else { "" };
        print::line(Channel::Output, &format!("{}  {}{doubt}", one.resource, one.state))?;
    }
    failed
}
