//! `--exec`: the output of a command is sealed, and only where the command succeeds.

use std::fs::File;
use std::io::{self, PipeWriter, Read};
use std::process::{Child, Command, ExitStatus};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::failure::Failure;
use crate::platform;

/// A command for the shell; ended when this is dropped before it has ended by itself.
#[derive(Debug)]
pub(crate) struct ShellCommand {
    line: String,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    /// Not started: the end of the pipe that it is to write to.
    Ready(PipeWriter),
    Running(Child),
}

impl ShellCommand {
    /// The command `line`, not yet started, and what it will write to its standard output.
    ///
    /// # Errors
    ///
    /// [`Failure::CommandNotStarted`] where the system has no pipe left.
    pub(crate) fn new(line: &str) -> Result<(Self, File), Failure> {
        let (reader, writer) = io::pipe()
            .map_err(|source| Failure::CommandNotStarted { command: line.to_owned(), source })?;
        let state = Mutex::new(State::Ready(writer));
        Ok((Self { line: line.to_owned(), state }, platform::pipe(reader)))
    }

    /// Starts it, once everything else is known to be in order.
    ///
    /// # Errors
    ///
    /// [`Failure::CommandNotStarted`].
    pub(crate) fn start(&self) -> Result<(), Failure> {
        let failed = |source| Failure::CommandNotStarted { command: self.line.clone(), source };
        let mut state = self.state();
        let State::Ready(writer) = &*state else { return Ok(()) };
        let (shell, option) = if cfg!(windows) { ("cmd", "/C") } else { ("sh", "-c") };
        let output = writer.try_clone().map_err(failed)?;
        let child = Command::new(shell).args([option, &self.line]).stdout(output).spawn();
        // The last writing end of this process goes: the output ends when the command's does.
        *state = State::Running(child.map_err(failed)?);
        Ok(())
    }

    /// The command's failure, if it has failed.
    pub(crate) fn failure(&self) -> Option<Failure> {
        let ended = match &mut *self.state() {
            State::Ready(_) => false,
            State::Running(child) => child.try_wait().is_ok_and(|status| status.is_some()),
        };
        if ended { self.succeed().err() } else { None }
    }

    /// Waits for its end.
    ///
    /// # Errors
    ///
    /// [`Failure::Command`] where it did not succeed.
    pub(crate) fn succeed(&self) -> Result<(), Failure> {
        let outcome = match &mut *self.state() {
            State::Ready(_) => "it was not started".to_owned(),
            State::Running(child) => match child.wait() {
                Ok(status) if status.success() => return Ok(()),
                Ok(status) => outcome(status),
                Err(error) => error.to_string(),
            },
        };
        Err(Failure::Command { command: self.line.clone(), outcome })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for ShellCommand {
    fn drop(&mut self) {
        if let State::Running(child) = &mut *self.state() {
            // Nobody reads it any more; it may have ended. Best effort.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Reads to the end of an input; where a command writes it, its end counts only if the command
/// succeeded, so that a failed command leaves no document that opens.
#[derive(Debug)]
pub(crate) struct Checked<'a, R> {
    pub(crate) input: R,
    pub(crate) command: Option<&'a ShellCommand>,
}

impl<R: Read> Read for Checked<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.input.read(buffer)?;
        if let (0, Some(command)) = (length, self.command)
            && !buffer.is_empty()
        {
            command.succeed().map_err(io::Error::other)?;
        }
        Ok(length)
    }
}

fn outcome(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("it ended with exit code {code}"),
        None => format!("it was ended by a {status}"),
    }
}
