//! Where the result goes: a file that appears whole or not at all, or a stream.

mod atomic;
pub(crate) mod room;
pub(crate) mod sparse;
mod sweep;

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use self::atomic::{AtomicFile, Way};
use crate::failure::Failure;
use crate::input::Input;
use crate::pipe;
use crate::place::Place;
use crate::platform::{self, Identity};

/// What happens to a file that has the output's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Existing {
    /// It stays, and the command fails.
    Keep,
    /// The output takes its place, and its permissions.
    Replace,
}

/// How an output becomes a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// What happens to a file that has its name.
    pub(crate) existing: Existing,
    /// The permissions of a file that is new.
    pub(crate) mode: u32,
    /// The option that names it, for messages.
    pub(crate) option: &'static str,
}

/// The result of a command, on its way.
#[derive(Debug)]
pub(crate) enum Output {
    /// A file, under its name after [`Output::publish`] only.
    File(NewFile),
    /// Standard output, a pipe or a device: what is written is out.
    Stream {
        /// How messages call it.
        name: String,
        /// What to write to.
        file: File,
    },
}

impl Output {
    /// Opens `place` for what is made of `inputs`, after a look at everything that could refuse it in
    /// the end.
    ///
    /// # Errors
    ///
    /// A [`Failure`] when something has the name and is to be kept, is an input itself or a
    /// directory, or when the directory cannot be written.
    pub(crate) fn create(place: &Place, inputs: &[&Input], rules: Rules) -> Result<Self, Failure> {
        let Place::Path(path) = place else { return Self::standard() };
        let Rules { existing, option, .. } = rules;
        let failed = |source| Failure::write(place.output_name(), source);
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => {
                Err(Failure::OutputIsDirectory { path: path.clone(), option })
            }
            Ok(metadata) if metadata.is_file() => {
                let identity = Some(platform::identity_at(path).map_err(failed)?);
                if inputs.iter().any(|input| input.identity() == identity) {
                    return Err(Failure::SameFile { path: path.clone(), option });
                }
                if existing == Existing::Keep {
                    return Err(Failure::Exists { path: path.clone(), option });
                }
                // What a link points to is replaced, not the link.
                let target = fs::canonicalize(path).map_err(failed)?;
                let mode = platform::mode(&metadata);
                sweep(&target);
                NewFile::create(&target, path, Rules { mode, ..rules }).map(Self::File)
            }
            Ok(_) => {
                // A pipe or a device is written to, never replaced.
                let file = OpenOptions::new().write(true).open(path).map_err(failed)?;
                pipe::enlarge(&file);
                Ok(Self::Stream { name: place.output_name(), file })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if existing == Existing::Keep && fs::symlink_metadata(path).is_ok() {
                    return Err(Failure::Exists { path: path.clone(), option });
                }
                sweep(path);
                NewFile::create(path, path, rules).map(Self::File)
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// What to write to, and how messages call it.
    pub(crate) fn parts(&self) -> (&File, String) {
        match self {
            Self::File(file) => (file.file(), file.name()),
            Self::Stream { name, file } => (file, name.clone()),
        }
    }

    /// Whether both are to be the same file.
    pub(crate) fn is_same_file(&self, other: &Self) -> Result<bool, Failure> {
        let (Self::File(one), Self::File(other)) = (self, other) else { return Ok(false) };
        Ok(one.destination()? == other.destination()?)
    }

    /// Makes a file durable, gives it its name and tells how long that took. A stream is out.
    ///
    /// # Errors
    ///
    /// A [`Failure`] when another file took the name meanwhile and is to be kept, or when the
    /// system refuses; then the file is gone.
    pub(crate) fn publish(self) -> Result<Option<Duration>, Failure> {
        let Self::File(file) = self else { return Ok(None) };
        let started = Instant::now();
        file.publish()?;
        Ok(Some(started.elapsed()))
    }

    fn standard() -> Result<Self, Failure> {
        let name = Place::Standard.output_name();
        match platform::standard_output() {
            Ok(file) if platform::leads_nowhere(&file) => Err(Failure::StdoutClosed),
            Ok(file) => {
                pipe::enlarge(&file);
                Ok(Self::Stream { name, file })
            }
            Err(source) => Err(Failure::write(name, source)),
        }
    }
}

/// Removes what killed runs left beside `target`, once a directory.
pub(crate) fn sweep(target: &Path) {
    sweep::sweep(parent(target));
}

/// The directory that `path` is in.
pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// A file that is not there yet.
#[derive(Debug)]
pub(crate) struct NewFile {
    atomic: AtomicFile,
    shown: PathBuf,
    rules: Rules,
}

impl NewFile {
    /// A file that is to be `path`, which messages call `shown`.
    ///
    /// # Errors
    ///
    /// A [`Failure`] when its directory cannot be written.
    pub(crate) fn create(path: &Path, shown: &Path, rules: Rules) -> Result<Self, Failure> {
        let option = rules.option;
        let parent = parent(path);
        let Some(name) = path.file_name() else {
            return Err(Failure::OutputIsDirectory { path: path.to_owned(), option });
        };
        let atomic = AtomicFile::create(parent, name, Way::BestEffort)
            .map_err(|source| Failure::Directory { path: parent.to_owned(), source, option })?;
        Ok(Self { atomic, shown: shown.to_owned(), rules })
    }

    /// The file, open for reading and writing.
    pub(crate) fn file(&self) -> &File {
        self.atomic.file()
    }

    /// Its path, as it was given.
    pub(crate) fn path(&self) -> &Path {
        &self.shown
    }

    /// How messages call it.
    pub(crate) fn name(&self) -> String {
        self.shown.display().to_string()
    }

    /// The directory that it is to be in, and its name there.
    fn destination(&self) -> Result<(Identity, &OsStr), Failure> {
        self.atomic.destination().map_err(|source| Failure::write(self.name(), source))
    }

    /// Makes the file durable and gives it its name.
    ///
    /// # Errors
    ///
    /// As [`Output::publish`].
    pub(crate) fn publish(self) -> Result<(), Failure> {
        let name = self.name();
        let Rules { existing, mode, option } = self.rules;
        match self.atomic.publish(mode, existing == Existing::Replace) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(Failure::Exists { path: self.shown, option })
            }
            published => published.map_err(|source| Failure::write(name, source)),
        }
    }
}
