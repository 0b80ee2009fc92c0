//! The input of a command: a file of known length, or a stream.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use strongroom::document::ReadAt as _;

use crate::exec::ShellCommand;
use crate::failure::Failure;
use crate::output::sweep;
use crate::pipe;
use crate::place::Place;
use crate::platform;

/// An open input.
#[derive(Debug)]
pub(crate) struct Input {
    name: String,
    /// The path that it was opened by.
    path: Option<PathBuf>,
    file: File,
    length: Option<u64>,
    /// Writes it.
    command: Option<ShellCommand>,
    /// Modification time of a file, standard input's too.
    modified: Option<SystemTime>,
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
            let modified = modified(&file).map_err(failed)?;
            return Ok(Self { name, path: None, file, length: None, modified, command: None });
        };
        let file = match File::open(path) {
            // Windows refuses to open a directory.
            Err(_) if path.is_dir() => {
                return Err(Failure::InputIsDirectory { path: path.to_owned() });
            }
            opened => opened.map_err(failed)?,
        };
        Self::of_file(path, file)
    }

    /// Opens the file at `path`, and nothing else.
    ///
    /// # Errors
    ///
    /// [`Failure::NotAFile`]; those of [`Input::open`].
    pub(crate) fn open_file(path: &Path) -> Result<Self, Failure> {
        let refused = || Failure::NotAFile { path: path.to_owned() };
        // Opening a pipe would wait for its writer.
        if fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
            return Err(refused());
        }
        let input = Self::open(&Place::Path(path.to_owned()))?;
        if input.length().is_some() { Ok(input) } else { Err(refused()) }
    }

    /// The open file or stream at `path`.
    ///
    /// # Errors
    ///
    /// Those of [`Input::open`].
    pub(crate) fn of_file(path: &Path, file: File) -> Result<Self, Failure> {
        let name = path.display().to_string();
        let failed = |source| Failure::read(path.display().to_string(), source);
        sweep(path);
        let metadata = file.metadata().map_err(failed)?;
        if metadata.is_dir() {
            return Err(Failure::InputIsDirectory { path: path.to_owned() });
        }
        let length = if metadata.is_file() { length(&file).map_err(failed)? } else { None };
        pipe::enlarge(&file);
        let modified = modified(&file).map_err(failed)?;
        let path = Some(path.to_owned());
        Ok(Self { name, path, file, length, modified, command: None })
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
        let (path, length, modified) = (None, None, None);
        Ok(Self { name, path, file, length, modified, command: Some(command) })
    }

    /// The command that writes it, if one does.
    pub(crate) fn command(&self) -> Option<&ShellCommand> {
        self.command.as_ref()
    }

    /// Refuses a file whose bytes were changed since it was opened.
    ///
    /// # Errors
    ///
    /// [`Failure::Changed`], and [`Failure::Read`] when the system does not show that.
    pub(crate) fn check_unchanged(&self) -> Result<(), Failure> {
        let now = modified(&self.file).map_err(|source| Failure::read(&self.name, source))?;
        if now == self.modified {
            return Ok(());
        }
        Err(Failure::Changed { name: self.name.clone() })
    }

    /// Its name in messages.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The path of a regular file that was given by one.
    pub(crate) fn file_path(&self) -> Option<&Path> {
        self.length.and(self.path.as_deref())
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

/// The length of a regular file; `None` where it is given as 0 and there are bytes, as below `/proc`:
/// that is read as a stream.
fn length(file: &File) -> io::Result<Option<u64>> {
    let length = file.byte_len()?;
    if length > 0 {
        return Ok(Some(length));
    }
    match file.read_exact_at(&mut [0], 0) {
        Ok(()) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Some(0)),
        Err(error) => Err(error),
    }
}

/// Modification time of a regular file. Of a pipe or a device the time says nothing.
fn modified(file: &File) -> io::Result<Option<SystemTime>> {
    let is_file = platform::metadata(file)?.is_some_and(|metadata| metadata.is_file());
    if is_file { file.modified() } else { Ok(None) }
}
