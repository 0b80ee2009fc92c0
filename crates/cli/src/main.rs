//! The `strongroom` command.

mod args;
mod commands;
mod counted;
mod exec;
mod failure;
mod input;
mod output;
mod pipe;
mod place;
mod preserve;
mod print;
mod progress;
mod prompt;
mod range;
mod report;
mod service;
mod size;
mod tagged;
mod targets;
mod time;
mod vaults;
mod workers;

use std::process::ExitCode;

use rustix::fs::Mode;

fn main() -> ExitCode {
    let (cli, errors) = args::Cli::of_process();
    // The mask is told only when it is set; no other thread makes files yet.
    let umask = rustix::process::umask(Mode::RWXG | Mode::RWXO);
    rustix::process::umask(umask);
    match commands::run(cli.command, umask.bits()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            print::error(&failure, errors);
            failure.exit_code()
        }
    }
}
