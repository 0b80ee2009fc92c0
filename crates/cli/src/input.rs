//! What a command reads: a file of known length, or a stream.

use std::fs::File;

use crate::exec::ShellCommand;
use crate::failure::Failure;
use crate::pipe;
use crate::place::Place;
use crate::platform;

/// An open input.
#[derive(Debug)]
pub(crate) struct Input {
    name: String,
    file: File,
    length: Option<u64>,
    /// Writes it.
    command: Option<ShellCommand>,
}

impl Input {
    /// Opens `place`.
    ///
    /// # Errors
    ///
    /// [`Failure::Read`] when it cannot be read, [`Failure::StdinClosed`] when there is no standard input,
    /// [`Failure::InputIsDirectory`] when it is a directory.
    pub(crate) fn open(place: &Place) -> Result<Self, Failure> {
        let name = place.input_name();
        let failed = |source| Failure::read(place.input_name(), source);
        let Some(path) = place.path() else {
            let file = platform::standard_input().map_err(failed)?;
            if platform::leads_nowhere(&file) {
                return Err(Failure::StdinClosed);
            }
            pipe::enlarge(&file);
            return Ok(Self { name, file, length: None, command: None });
        };
        let file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        if metadata.is_dir() {
            return Err(Failure::InputIsDirectory { path: path.to_owned() });
        }
        let length = metadata.is_file().then_some(metadata.len());
        pipe::enlarge(&file);
        Ok(Self { name, file, length, command: None })
    }

    /// The output of a command for the shell, which is not yet started.
    ///
    /// # Errors
    ///
    /// [`Failure::CommandNotStarted`].
    pub(crate) fn of_command(line: &str) -> Result<Self, Failure> {
        let (command, file) = ShellCommand::new(line)?;
        pipe::enlarge(&file);
        let name = format!("the output of {line:?}");
        Ok(Self { name, file, length: None, command: Some(command) })
    }

    /// The command that writes it, if one does.
    pub(crate) fn command(&self) -> Option<&ShellCommand> {
        self.command.as_ref()
    }

    /// How messages call it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The file or stream itself.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// The length in bytes of a regular file, which can be read at any offset; `None` for a stream.
    pub(crate) fn length(&self) -> Option<u64> {
        self.length
    }
}
