//! `strongroom resource`: resources, and the customers' keys that they are under.

mod cmk;
mod events;
mod moving;
mod removing;
mod status;
mod stored;

use serde::Serialize;
use strongroom_keys::Resources;
use strongroom_keys::block_on;
use strongroom_keys::resource::{NewResource, Protection, ResourceId};

use crate::args::{
    CreateResourceArgs, DeleteResourceArgs, HomeOption, JsonOption, MovedToTenantArgs,
    ResourceArgs, ResourceCommand, TimeOption,
};
use crate::failure::Failure;
use crate::hint;
use crate::print::{self, Channel, ErrorFormat};
use crate::service::HomeLocation;
use crate::time::since_epoch;

/// Does what the command asks for.
///
/// # Errors
///
/// A [`Failure`] when the resource or its keys will not do.
pub(super) fn run(command: ResourceCommand) -> Result<(), Failure> {
    match command {
        ResourceCommand::Create(args) => create(args),
        ResourceCommand::Status(args) => status::status(args),
        ResourceCommand::List { home, json } => status::list(home, json),
        ResourceCommand::EnableCmk(args) => cmk::enable(args),
        ResourceCommand::RotateCmk(args) => cmk::rotate(args),
        ResourceCommand::MoveDocuments(args) => moving::run(args),
        ResourceCommand::DisableCmk(args) => change(
            args,
            "cmk-disabled",
            "is under the service's keys alone now; what is sealed already opens as before",
            // Under the customer's key, which is not needed any more, in earlier backups.
            Keys::New,
            |resources, id| block_on(resources.disable_cmk(id)),
        ),
        ResourceCommand::RotateKey(args) => change(
            args,
            "key-rotated",
            "has new keys for what is sealed from now on; what is sealed already opens as before",
            Keys::New,
            |resources, id| block_on(resources.rotate_resource_key(id)),
        ),
        ResourceCommand::Revoke(args) => {
            let refresh = hint::strongroom("resource refresh", &[args.name.as_str().into()], &[]);
            let next = format!("is revoked: nothing opens or is sealed until: {refresh}");
            change(args, "revoked", &next, Keys::Same, |resources, id| {
                block_on(resources.revoke_now(id))
            })
        }
        ResourceCommand::IdentityDisabled(args) => {
            let refresh = hint::strongroom("resource refresh", &[args.name.as_str().into()], &[]);
            let next = format!(
                "is closed: enable or replace the identity that asks its vault, then run: {refresh}"
            );
            change(args, "identity-disabled", &next, Keys::Same, |resources, id| {
                block_on(resources.identity_disabled(id))
            })
        }
        ResourceCommand::MovedToTenant(args) => moved_to_tenant(args),
        ResourceCommand::Refresh(args) => {
            change(args, "refreshed", "is accessible", Keys::Same, |resources, id| {
                block_on(resources.refresh(id))
            })
        }
        ResourceCommand::Delete(DeleteResourceArgs { resource: args, states_lost: true }) => {
            change(
                args,
                "given-up",
                "is given up: all its states are lost, and with them what was sealed under its keys; where they come back, \
             it is deleted",
                Keys::Same,
                |resources, id| block_on(resources.accept_loss(id)),
            )
        }
        ResourceCommand::Delete(DeleteResourceArgs { resource: args, .. }) => {
            let shred = hint::strongroom("resource shred", &[], &[]);
            let restore = hint::strongroom("resource restore", &[args.name.as_str().into()], &[]);
            let next = format!(
                "is deleted: its keys are destroyed by {shred} from 24 hours on; take it back before with: \
                 {restore}"
            );
            change(args, "deleted", &next, Keys::Same, |resources, id| {
                block_on(resources.resource_deleted(id))
            })
        }
        ResourceCommand::Restore(args) => {
            let refresh = hint::strongroom("resource refresh", &[args.name.as_str().into()], &[]);
            let next =
                format!("is not deleted any more: nothing opens or is sealed until: {refresh}");
            change(args, "restored", &next, Keys::Same, |resources, id| {
                block_on(resources.resource_restored(id))
            })
        }
        ResourceCommand::Shred { time, home, json } => shred(time, home, json),
        ResourceCommand::Sweep(args) => removing::sweep(args),
        ResourceCommand::DeleteDocuments(args) => removing::delete(args),
        ResourceCommand::Events(args) => events::events(args),
    }
}

#[derive(Serialize)]
struct Changed<'a> {
    operation: &'static str,
    resource: &'a ResourceId,
    /// The command that makes a backup with the keys that were made.
    #[serde(skip_serializing_if = "Option::is_none")]
    copy_again: Option<String>,
}

/// Keys in the home after a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keys {
    /// Those of before.
    Same,
    /// One that earlier backups lack.
    New,
}

fn tell(
    resource: &ResourceId,
    operation: &'static str,
    text: &str,
    keys: Keys,
    json: JsonOption,
) -> Result<(), Failure> {
    let copy_again = (keys == Keys::New).then(hint::backup);
    if json.enabled {
        return print::json(Channel::Output, &Changed { operation, resource, copy_again });
    }
    let text = format!("the resource {resource} {text}");
    let text = copy_again.map_or(text.clone(), |command| hint::with_backup(&text, &command));
    print::line(Channel::Output, &text)
}

/// Does `work` to a resource, and says `text` of it.
fn change(
    args: ResourceArgs,
    operation: &'static str,
    text: &str,
    keys: Keys,
    work: impl FnOnce(&Resources, &ResourceId) -> Result<(), strongroom_keys::Error>,
) -> Result<(), Failure> {
    let service = HomeLocation::find(args.home)?.open()?;
    let resources = service.resources_with(&args.name, args.pins.pins())?;
    work(&resources, &args.name)?;
    tell(&args.name, operation, text, keys, args.json)
}

fn moved_to_tenant(args: MovedToTenantArgs) -> Result<(), Failure> {
    let MovedToTenantArgs { resource: ResourceArgs { name, pins, home, json }, tenant } = args;
    let service = HomeLocation::find(home)?.open()?;
    let resources = service.resources_with(&name, pins.pins())?;
    block_on(resources.moved_to_tenant(&name, &tenant))?;
    let status = block_on(resources.status(&name))?;
    let text = match (&status.moved_to, &status.protection) {
        (Some(_), _) => {
            let words = [name.as_str().into(), status.tenant.as_str().into()];
            let back = hint::strongroom("resource moved-to-tenant", &words, &[]);
            format!(
                "belongs to another tenant now: nothing opens or is sealed until it is back, with: {back}"
            )
        }
        (None, Protection::Denied { .. }) => {
            let refresh = hint::strongroom("resource refresh", &[name.as_str().into()], &[]);
            format!("belongs to the tenant {tenant} again; restore access with: {refresh}")
        }
        _ => format!("belongs to the tenant {tenant}"),
    };
    tell(&name, "moved-to-tenant", &text, Keys::Same, json)
}

fn create(args: CreateResourceArgs) -> Result<(), Failure> {
    let ResourceArgs { name, pins: _, home, json } = args.resource;
    let location = HomeLocation::find(home)?;
    let service = if location.exists() {
        location.open()?
    } else {
        match location.init() {
            // Another first one was quicker.
            Err(Failure::HomeExists { .. }) => location.open()?,
            made => {
                let service = made?;
                let text = format!(
                    "made the service's home {}: documents of its resources open with it alone, so \
                     keep backups of it in a safe place",
                    service.path().display()
                );
                print::notice("note", &text);
                service
            }
        }
    };
    let new = NewResource {
        id: name.clone(),
        tenant: args.tenant,
        region: args.region,
        cmk_allowed: !args.no_cmk,
        created_at: args.created_at,
    };
    block_on(service.resources()?.create(new))?;
    tell(&name, "created", "is made, under the service's keys", Keys::New, json)
}

fn now() -> u64 {
    since_epoch(std::time::SystemTime::now())
}

#[derive(Serialize)]
struct Shredded {
    operation: &'static str,
    resources: Vec<ResourceId>,
}

/// The resources, and the time by which keys are destroyed.
fn destroying(time: TimeOption, home: HomeOption) -> Result<(Resources, u64), Failure> {
    let (resources, now) = (HomeLocation::find(home)?.open()?.resources()?, now());
    if time.accept_time {
        block_on(resources.accept_time(now))?;
    }
    Ok((resources, now))
}

fn shred(time: TimeOption, home: HomeOption, json: JsonOption) -> Result<(), Failure> {
    let (resources, now) = destroying(time, home)?;
    let mut failed = 0;
    let mut shredded = Vec::new();
    for (id, outcome) in block_on(resources.shred_due(now))? {
        match outcome {
            Ok(()) => shredded.push(id),
            Err(error) => {
                failed += 1;
                print::error(&Failure::from(error), ErrorFormat::asked_for(json.enabled));
            }
        }
    }
    if json.enabled {
        let shredded = Shredded { operation: "shredded", resources: shredded };
        print::json(Channel::Output, &shredded)?;
    } else if shredded.is_empty() {
        print::line(Channel::Output, "no resource was shredded: none is due")?;
    } else {
        for id in shredded {
            let text = format!("shredded the resource {id}: nothing opens its documents any more");
            print::line(Channel::Output, &text)?;
        }
    }
    if failed == 0 { Ok(()) } else { Err(Failure::SomeNotShredded { failed }) }
}
