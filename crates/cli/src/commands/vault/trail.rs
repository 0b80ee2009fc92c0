//! `strongroom vault audit`.

use std::path::Path;

use serde::Serialize;
use strongroom_keys::audit::{AuditEvent, AuditLine, AuditResult, Repaired, printable};
use strongroom_local_vault::LocalVault;

use crate::args::{JsonOption, VaultAuditArgs};
use crate::commands::audit::{closed, unless_repaired};
use crate::failure::Failure;
use crate::print::{self, Channel};
use crate::time::display_time;
use crate::vaults::Location;

#[derive(Serialize)]
struct Shown<'a> {
    vault: &'a Path,
    lines: u64,
    /// `null` before the first event.
    head: Option<String>,
    /// Lines that stand in the place of torn ones.
    mended: u64,
    /// Damaged parts that were closed: what they held is lost.
    repaired: Vec<Repaired>,
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<Vec<AuditEvent>>,
}

/// Verifies the vault's trail, and shows it.
///
/// # Errors
///
/// A [`Failure`] when it does not hold.
pub(super) fn audit(args: VaultAuditArgs) -> Result<(), Failure> {
    let vault = Location::find(args.vault)?.open()?;
    if args.repair {
        return repair(&vault, args.json);
    }
    let mut events = Vec::new();
    let verified = vault.audit(args.anchor, &mut |line: &AuditLine| {
        if !args.verify {
            events.push(line.event.clone());
        }
    })?;
    let lines: Vec<String> = events.iter().map(line).collect();
    let shown = Shown {
        vault: vault.path(),
        lines: verified.lines,
        head: verified.head.map(|head| head.to_string()),
        mended: verified.mended,
        repaired: verified.repaired,
        events: (!args.verify).then_some(events),
    };
    let outcome = unless_repaired(&shown.repaired);
    if args.json.enabled {
        print::json(Channel::Output, &shown)?;
        return outcome;
    }
    for line in &lines {
        print::line(Channel::Output, line)?;
    }
    let head = shown.head.as_deref().map_or_else(String::new, |head| format!(", up to {head}"));
    let mended = match shown.mended {
        0 => String::new(),
        mended => format!("; {mended} torn lines were mended"),
    };
    let text = format!(
        "the audit trail of the vault {} holds: {} lines{head}{mended}",
        vault.path().display(),
        shown.lines
    );
    print::line(Channel::Output, &text)?;
    outcome
}

#[derive(Serialize)]
struct Repair {
    /// `null` where the trail holds.
    repaired: Option<Repaired>,
}

/// Closes the part of the trail of `vault` that does not hold.
fn repair(vault: &LocalVault, json: JsonOption) -> Result<(), Failure> {
    let repaired = vault.repair_audit()?;
    if json.enabled {
        return print::json(Channel::Output, &Repair { repaired });
    }
    let outcome = repaired.as_ref().map_or_else(
        || "holds: there is nothing to repair".to_owned(),
        |repaired| format!("goes on: {}", closed(repaired)),
    );
    let path = vault.path().display();
    print::line(Channel::Output, &format!("the audit trail of the vault {path} {outcome}"))
}

fn line(event: &AuditEvent) -> String {
    let mut words = vec![display_time(event.time), printable(&event.operation).to_string()];
    let about = event.key.as_ref().map(ToString::to_string);
    words.extend(about.or_else(|| event.resource.as_deref().map(|name| format!("{name:?}"))));
    if let Some(identity) = &event.identity {
        words.push(format!("identity {}", printable(identity)));
    }
    if let Some(caller) = &event.caller {
        words.push(format!("by {}", printable(caller)));
    }
    if let AuditResult::Failed(_) = event.result {
        words.push(event.result.to_string());
    }
    words.join("  ")
}
