//! `strongroom-compare`: Strongroom beside its peers, in the same run, on the same core.
//!
//! ```text
//! args -> commands -> contenders (peer, yardstick, ...) -> rounds -> statistics -> report
//! ```

mod args;
mod buffer;
mod chunks;
mod clock;
mod commands;
mod cores;
mod keys;
mod machine;
mod masked;
mod memory;
mod messages;
mod peer;
mod report;
mod rounds;
mod service;
mod size;
mod statistics;
mod yardstick;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    match commands::run(args::Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            use std::io::Write as _;
            // Where nobody reads standard error, the exit code has to do.
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
