//! One module a command, and what several share.

mod audit;
mod backends;
mod check;
mod completions;
mod inspect;
mod keys;
mod open;
mod resource;
mod rewrap;
mod seal;
mod sealed;
mod service;
mod summary;
mod unlock;
mod vault;
mod verify;

use strongroom::Error;
use strongroom::document::Context;

use crate::args::{Command, ContextOption};
use crate::failure::Failure;

/// Does what the command line asks for. `umask` is the process's, for the permissions of new files.
///
/// # Errors
///
/// A [`Failure`], which says what to do next.
pub(crate) fn run(command: Command, umask: u32) -> Result<(), Failure> {
    match command {
        Command::Seal(args) => seal::run(args, umask),
        Command::Open(args) => open::run(args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Verify(args) => verify::run(args),
        Command::Rewrap(args) => rewrap::run(args),
        Command::Vault(command) => vault::run(command),
        Command::Service(command) => service::run(command),
        Command::Resource(command) => resource::run(command),
        Command::ServiceKey(command) => service::rotate(command),
        Command::Audit(command) => audit::run(command),
        Command::Backends(args) => backends::run(&args),
        Command::Completions(args) => completions::run(&args),
    }
}

fn context(option: &ContextOption) -> Result<Context, Failure> {
    let mut context = Context::new();
    for (key, value) in &option.pairs {
        context.insert(key, value).map_err(|error| {
            let reason = match error {
                Error::Argument { reason, .. } => reason.to_owned(),
                error => error.to_string(),
            };
            Failure::Usage(format!("--context {key}={value}: {reason}"))
        })?;
    }
    Ok(context)
}
