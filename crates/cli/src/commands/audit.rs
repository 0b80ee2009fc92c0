//! `strongroom audit`.

use serde::Serialize;
use strongroom_keys::audit::{HeadStore as _, Repaired};
use strongroom_keys::block_on;
use strongroom_keys::resource::ResourceId;

use crate::args::AuditCommand;
use crate::failure::Failure;
use crate::hint;
use crate::print::{self, Channel};
use crate::service::HomeLocation;

#[derive(Serialize)]
struct Shown {
    lines: u64,
    files: u64,
    /// `null` before the first event.
    head: Option<String>,
    /// Lines that stand in the place of torn ones.
    mended: u64,
    /// Remains of a line that a crash cut short at the end; the next event's writer mends it.
    torn: Option<String>,
    /// Damaged parts that were closed: what they held is lost.
    repaired: Vec<Repaired>,
}

#[derive(Serialize)]
struct Head {
    head: Option<String>,
}

#[derive(Serialize)]
struct Repair {
    /// `null` where the trail holds.
    repaired: Option<Repaired>,
    /// Resources that stay closed, since the damaged part may have held newer states of theirs.
    in_doubt: Vec<ResourceId>,
}

/// The failure that says which parts of a trail were closed, where there are any.
pub(super) fn unless_repaired(repaired: &[Repaired]) -> Result<(), Failure> {
    if repaired.is_empty() {
        return Ok(());
    }
    Err(Failure::TrailRepaired { parts: repaired.iter().map(closed).collect() })
}

/// Says which resources stay closed after a repair, and how that ends.
pub(super) fn tell_doubts(resources: &[ResourceId]) -> Result<(), Failure> {
    for resource in resources {
        let text = format!(
            "the resource {resource} is closed: the damaged part may have held a newer state of it; where none is lost, \
             open it with: {}",
            hint::accept_states()
        );
        print::line(Channel::Output, &text)?;
    }
    Ok(())
}

/// A damaged part, in words.
pub(super) fn closed(repaired: &Repaired) -> String {
    let files: Vec<String> = repaired
        .files
        .iter()
        .map(|file| format!("{} ({} bytes, SHA-256 {})", file.name, file.length, file.sha256))
        .collect();
    let what = if files.is_empty() {
        "files that are gone were given up".to_owned()
    } else {
        format!("{} was closed", files.join(", "))
    };
    let held = match repaired.held {
        0 => "none of its lines holds".to_owned(),
        held => format!("its lines hold up to number {held}"),
    };
    format!("{what}, {held}; found: {}", repaired.reason)
}

/// Does what the command asks for.
///
/// # Errors
///
/// [`Failure::Audit`] where the trail does not hold, and those of the home.
pub(super) fn run(command: AuditCommand) -> Result<(), Failure> {
    match command {
        AuditCommand::Verify { anchor, home, json } => {
            let service = HomeLocation::find(home)?.open()?;
            let kept = service.head_store().load()?;
            let path = service.trail_path();
            let verified = service.trail().verify(kept)?;
            if anchor.is_some() {
                service.trail().verify(anchor)?;
            }
            let shown = Shown {
                lines: verified.lines,
                files: verified.files,
                head: verified.head.map(|head| head.to_string()),
                mended: verified.mended,
                torn: verified.torn.map(|torn| torn.to_string()),
                repaired: verified.repaired,
            };
            let outcome = unless_repaired(&shown.repaired);
            if json.enabled {
                print::json(Channel::Output, &shown)?;
                return outcome;
            }
            let torn = match &shown.torn {
                Some(torn) => {
                    format!("; a crash left a torn line ({torn}), the next event mends it")
                }
                None => String::new(),
            };
            let mended = match shown.mended {
                0 => String::new(),
                mended => format!("; {mended} torn lines were mended"),
            };
            let text = format!(
                "the audit trail {} holds: {} lines{mended}{torn}",
                path.display(),
                shown.lines
            );
            print::line(Channel::Output, &text)?;
            outcome
        }
        AuditCommand::Repair { home, json } => {
            let service = HomeLocation::find(home)?.open()?;
            let repaired = service.repair()?;
            // It records the states that are there: whatever follows, they cannot be rolled back.
            let in_doubt = match service.resources() {
                Ok(resources) => resources.in_doubt(),
                Err(failure) => {
                    let text = format!(
                        "all resources stay closed until their states were looked at: {failure}"
                    );
                    print::notice("warning", &text);
                    Vec::new()
                }
            };
            if json.enabled {
                return print::json(Channel::Output, &Repair { repaired, in_doubt });
            }
            let text = match repaired {
                None => format!(
                    "the audit trail {} holds: there is nothing to repair",
                    service.trail_path().display()
                ),
                Some(repaired) => format!(
                    "the audit trail {} goes on: {}",
                    service.trail_path().display(),
                    closed(&repaired)
                ),
            };
            print::line(Channel::Output, &text)?;
            tell_doubts(&in_doubt)
        }
        AuditCommand::Head { home, json } => {
            let service = HomeLocation::find(home)?.open()?;
            let head = block_on(service.trail().head())?.map(|head| head.to_string());
            if json.enabled {
                return print::json(Channel::Output, &Head { head });
            }
            print::line(Channel::Output, head.as_deref().unwrap_or("no events yet"))
        }
    }
}
