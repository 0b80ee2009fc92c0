//! `strongroom completions`: what a shell needs to complete this command's words.

use clap::CommandFactory as _;

use crate::args::{Cli, CompletionsArgs};
use crate::failure::Failure;
use crate::print::{self, Channel};

/// Prints the script for a shell.
///
/// # Errors
///
/// A [`Failure`] when nobody reads it.
pub(super) fn run(args: &CompletionsArgs) -> Result<(), Failure> {
    // Into memory first: a closed standard output is ours to report.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "strongroom", &mut script);
    print::text(Channel::Output, String::from_utf8_lossy(&script).trim_end())
}
