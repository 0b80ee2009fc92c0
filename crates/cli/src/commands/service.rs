//! `strongroom service` and `service-key`.

use std::path::Path;

use serde::Serialize;
use strongroom_keys::Resources;
use strongroom_keys::block_on;

use crate::args::{ServiceCommand, ServiceKeyCommand};
use crate::failure::Failure;
use crate::print::{self, Channel};
use crate::service::{HomeLocation, SERVICE_KEY, Service};

#[derive(Serialize)]
struct Made<'a> {
    operation: &'static str,
    home: &'a Path,
}

/// Makes a home.
///
/// # Errors
///
/// A [`Failure`] when there is one, or it cannot be made.
pub(super) fn run(command: ServiceCommand) -> Result<(), Failure> {
    let ServiceCommand::Init { home, json } = command;
    let service = HomeLocation::find(home)?.init()?;
    if json.enabled {
        let made = Made { operation: "initialised", home: service.path() };
        return print::json(Channel::Output, &made);
    }
    let text = format!(
        "initialised the service's home {}: keep a copy of it in a safe place, losing it loses the \
         documents of its resources",
        service.path().display()
    );
    print::line(Channel::Output, &text)
}

#[derive(Serialize)]
struct Rotated {
    operation: &'static str,
    key: String,
    moved: usize,
    moved_before: usize,
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
        let rotated = Rotated { operation: "rotated", key, moved, moved_before: before };
        return print::json(Channel::Output, &rotated);
    }
    let of = if before == 0 { String::new() } else { format!(" ({before} were before)") };
    let text = format!("rotated the service's key: {moved} resources are under {key} now{of}");
    print::line(Channel::Output, &text)
}

/// Whether a rotation before this one left resources under an older version.
fn is_interrupted(service: &Service, resources: &Resources) -> Result<bool, Failure> {
    let newest = service.vault().show(SERVICE_KEY)?.versions.pop().map(|one| one.id.to_string());
    for id in block_on(resources.list())? {
        if newest.as_ref() != Some(&block_on(resources.status(&id))?.signed_by) {
            return Ok(true);
        }
    }
    Ok(false)
}
