//! The `strongroom` command.

mod args;
mod commands;
mod counted;
mod exec;
mod failure;
mod found;
mod hint;
mod input;
mod output;
mod passphrase_file;
mod pipe;
mod place;
mod platform;
mod preserve;
mod print;
mod progress;
mod prompt;
mod range;
mod readers;
mod report;
mod service;
mod size;
mod stores;
mod tagged;
mod targets;
mod time;
mod vaults;
mod waiting;
mod workers;

use std::process::ExitCode;

fn main() -> ExitCode {
    platform::outlive_size_limits();
    let (cli, errors) = args::Cli::of_process();
    match commands::run(cli.command, platform::umask()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            print::error(&failure, errors);
            failure.exit_code()
        }
    }
}
