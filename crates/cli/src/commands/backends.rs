//! `strongroom backends`: what this processor runs.

use serde::Serialize;
use strongroom::backend::Backend;

use crate::args::BackendsArgs;
use crate::failure::Failure;
use crate::print::{self, Channel};

#[derive(Serialize)]
struct Entry {
    name: &'static str,
    default: bool,
}

/// Prints the implementations, fastest first.
///
/// # Errors
///
/// A [`Failure`] when nobody reads it.
pub(super) fn run(args: &BackendsArgs) -> Result<(), Failure> {
    let default = Backend::detect().name();
    let entries: Vec<Entry> = Backend::available()
        .map(|backend| Entry { name: backend.name(), default: backend.name() == default })
        .collect();
    if args.json.enabled {
        return print::json(Channel::Output, &entries);
    }
    let lines: Vec<String> = entries
        .iter()
        .map(|entry| format!("{}{}", entry.name, if entry.default { " (default)" } else { "" }))
        .collect();
    print::text(Channel::Output, &lines.join("\n"))
}
