//! `strongroom resource events`.

use serde::Serialize;
use strongroom_keys::audit::{AuditEvent, AuditLine, AuditResult, HeadStore as _, verify_each};
use strongroom_keys::block_on;
use strongroom_keys::resource::ResourceId;

use crate::args::ResourceArgs;
use crate::failure::Failure;
use crate::print::{self, Channel};
use crate::service::HomeLocation;
use crate::time::display_time;

#[derive(Serialize)]
struct Events<'a> {
    resource: &'a ResourceId,
    events: Vec<AuditEvent>,
}

/// Shows what the audit trail says of a resource, once the whole trail is known to hold.
///
/// # Errors
///
/// [`Failure::Audit`] where it does not hold, [`Failure::Resource`] where there is no such resource.
pub(super) fn events(args: ResourceArgs) -> Result<(), Failure> {
    let service = HomeLocation::find(args.home)?.open()?;
    block_on(service.resources_with(&args.name, args.pins.pins())?.status(&args.name))?;
    let mut events = Vec::new();
    let kept = service.head_store().load()?;
    verify_each(&service.trail_path(), service.audit_key(), kept, &mut |line: &AuditLine| {
        if line.event.resource.as_deref() == Some(args.name.as_str()) {
            events.push(line.event.clone());
        }
    })?;
    if args.json.enabled {
        return print::json(Channel::Output, &Events { resource: &args.name, events });
    }
    let lines: Vec<String> = events.iter().map(line).collect();
    print::text(Channel::Output, &lines.join("\n"))
}

fn line(event: &AuditEvent) -> String {
    // The text of an event may be a caller's; `AuditEvent` itself escapes what commands a terminal.
    let key = event.key.as_ref().map_or_else(String::new, |key| format!("  {key}"));
    let operation = strongroom_keys::audit::printable(&event.operation);
    let result = match &event.result {
        AuditResult::Done => String::new(),
        AuditResult::Begun => "  begun".to_owned(),
        failed @ AuditResult::Failed(_) => format!("  {failed}"),
    };
    format!("{}  {operation}{key}{result}", display_time(event.time))
}
