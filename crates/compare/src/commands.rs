//! The subcommands.

mod documents;
mod file;
mod files;
mod gcm;
mod leases;
mod parallel;
mod ranges;
mod rewrap;
mod rsa;
mod store;
mod stream;
mod tiers;
mod tool;

use anyhow::Result;

use crate::args::Command;
use crate::masked;

/// Runs one.
///
/// # Errors
///
/// Whatever keeps it from measuring.
pub(crate) fn run(command: Command) -> Result<()> {
    match command {
        Command::Gcm(args) => gcm::run(&args),
        Command::Tiers(args) => tiers::run(&args),
        Command::Parallel(args) => parallel::run(&args),
        Command::File(args) => file::run(&args),
        Command::Ranges(args) => ranges::run(&args),
        Command::Documents(args) => documents::run(&args),
        Command::Leases(args) => leases::run(&args),
        Command::Rsa(args) => rsa::run(&args),
        Command::Rewrap(args) => rewrap::run(&args),
        Command::Store(args) => store::run(&args),
        Command::Stream(args) => stream::run(&args),
        Command::OpensslChild => masked::serve(),
    }
}
