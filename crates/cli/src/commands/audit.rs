//! `strongroom audit`.

use serde::Serialize;
use strongroom_keys::audit::{HeadStore as _, verify};
use strongroom_keys::block_on;

use crate::args::AuditCommand;
use crate::failure::Failure;
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
}

#[derive(Serialize)]
struct Head {
    head: Option<String>,
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
            let verified = verify(&path, service.audit_key(), kept)?;
            if anchor.is_some() {
                verify(&path, service.audit_key(), anchor)?;
            }
            let shown = Shown {
                lines: verified.lines,
                files: verified.files,
                head: verified.head.map(|head| head.to_string()),
                mended: verified.mended,
                torn: verified.torn.map(|torn| torn.to_string()),
            };
            if json.enabled {
                return print::json(Channel::Output, &shown);
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
            print::line(Channel::Output, &text)
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
