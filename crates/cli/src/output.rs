//! The output of a command: a file that appears whole or not at all, or a stream.

mod atomic;
pub(crate) mod directory_lock;
pub(crate) mod exchange;
pub(crate) mod new_directory;
pub(crate) mod next_header;
pub(crate) mod pair;
pub(crate) mod room;
pub(crate) mod sparse;
pub(crate) mod successor;
mod sweep;

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use self::atomic::{AtomicFile, Refused, Way};
use crate::failure::Failure;
use crate::pipe;
use crate::place::Place;
use crate::platform::{self, Directory, Identity};
use crate::print;
use crate::readers::Readers;
use crate::stores;

/// Treatment of a file that has the output's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Existing {
    /// It stays, and the command fails.
    Keep,
    /// The output takes its place, and its permissions.
    Replace,
}

/// Treatment of other commands that name files in the output's directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Others {
    /// Another lock keeps them away.
    Excluded,
    /// They are waited for where a file is replaced, at most for so long.
    WaitedFor(Option<Duration>),
}

/// Rules by which an output becomes a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// Treatment of a file that has its name.
    pub(crate) existing: Existing,
    /// The permissions of a file that is new.
    pub(crate) mode: u32,
    /// True where these are for a file that is replaced, too; else it hands its own on.
    pub(crate) is_mode_asked_for: bool,
    /// The option that names it, for messages.
    pub(crate) option: &'static str,
    /// Treatment of other commands.
    pub(crate) others: Others,
}

/// The result of a command, on its way.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "a command has one or two")]
pub(crate) enum Output {
    /// A file, under its name after [`Output::publish`] only.
    File(NewFile),
    /// Standard output, a pipe or a device: what is written is out.
    Stream {
        /// Its name in messages.
        name: String,
        /// The file to write to.
        file: File,
    },
}

impl Output {
    /// Opens `place` for what is made of what `readers` read, after a look at everything that could
    /// refuse it in the end. No file of a vault or of a service's home is one.
    ///
    /// # Errors
    ///
    /// A [`Failure`] when something has the name and is to be kept, is read itself, keeps keys or is a
    /// directory, or when the directory cannot be written.
    pub(crate) fn create(place: &Place, readers: &Readers, rules: Rules) -> Result<Self, Failure> {
        if let Place::Path(path) = place {
            // What a link points to is replaced, not the link.
            let target = fs::canonicalize(path);
            refuse_store(path, target.as_deref().unwrap_or(path), rules.option)?;
        }
        Self::open(place, readers, rules)
    }

    /// The file at `path` of the home that the command is about.
    ///
    /// # Errors
    ///
    /// Those of [`Output::create`], but for the home itself.
    pub(crate) fn of_home(path: &Path, rules: Rules) -> Result<Self, Failure> {
        Self::open(&Place::Path(path.to_owned()), &Readers::none(), rules)
    }

    fn open(place: &Place, readers: &Readers, rules: Rules) -> Result<Self, Failure> {
        let Rules { existing, option, .. } = rules;
        let refuse_reader =
            |identity, metadata: &fs::Metadata| match readers.role_of(identity, metadata) {
                Some(role) => Err(Failure::SameFile { name: place.output_name(), role, option }),
                None => Ok(()),
            };
        let path = match place {
            Place::Standard => return Self::descriptor(1, place, &refuse_reader),
            Place::Path(path) => path,
        };
        if let Some(number) = platform::number_of_descriptor(path) {
            return Self::descriptor(number, place, &refuse_reader);
        }
        let failed = |source| Failure::write(place.output_name(), source);
        refuse_reserved(path, option)?;
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => {
                Err(Failure::OutputIsDirectory { path: path.clone(), option })
            }
            Ok(metadata) if metadata.is_file() => {
                refuse_reader(platform::identity_at(path).map_err(failed)?, &metadata)?;
                if existing == Existing::Keep {
                    return Err(Failure::Exists { path: path.clone(), option });
                }
                // What a link points to is replaced, not the link.
                let target = fs::canonicalize(path).map_err(failed)?;
                refuse_reserved(&target, option)?;
                let mode =
                    if rules.is_mode_asked_for { rules.mode } else { platform::mode(&metadata) };
                sweep(&target);
                let new = NewFile::create(&target, path, Rules { mode, ..rules })?;
                Ok(Self::File(NewFile { replaced: Some(metadata), ..new }))
            }
            Ok(metadata) => {
                refuse_reader(platform::identity_at(path).map_err(failed)?, &metadata)?;
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

    /// The file to write to, and its name in messages.
    pub(crate) fn parts(&self) -> (&File, String) {
        match self {
            Self::File(file) => (file.file(), file.name()),
            Self::Stream { name, file } => (file, name.clone()),
        }
    }

    /// True where both are to be the same file, or go to the same stream.
    pub(crate) fn is_same_file(&self, other: &Self) -> Result<bool, Failure> {
        let of_stream = |name: &String, file: &File| {
            let failed = |source| Failure::write(name, source);
            let Some(metadata) = platform::metadata(file).map_err(failed)? else { return Ok(None) };
            let shared = platform::is_character_device(&metadata);
            if shared { Ok(None) } else { platform::identity(file).map(Some).map_err(failed) }
        };
        match (self, other) {
            (Self::File(one), Self::File(other)) => Ok(one.destination()? == other.destination()?),
            (Self::Stream { name, file }, Self::File(new))
            | (Self::File(new), Self::Stream { name, file }) => {
                let identity = of_stream(name, file)?;
                Ok(identity.is_some() && platform::identity_at(new.path()).ok() == identity)
            }
            (Self::Stream { name, file }, Self::Stream { name: other_name, file: other }) => {
                let identity = of_stream(name, file)?;
                Ok(identity.is_some() && identity == of_stream(other_name, other)?)
            }
        }
    }

    /// Makes a file durable, gives it its name and returns how long that took. A stream is out.
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

    /// The open file behind a descriptor, which is written to and never replaced.
    fn descriptor(
        number: u32,
        place: &Place,
        refuse_reader: &dyn Fn(Identity, &fs::Metadata) -> Result<(), Failure>,
    ) -> Result<Self, Failure> {
        let name = place.output_name();
        let failed = |source| Failure::write(place.output_name(), source);
        let file = platform::share_descriptor(number).map_err(failed)?;
        if number <= 2 && platform::leads_nowhere(&file) {
            return Err(Failure::StdoutClosed { name });
        }
        if let Some(metadata) = platform::metadata(&file).map_err(failed)? {
            refuse_reader(platform::identity(&file).map_err(failed)?, &metadata)?;
        }
        pipe::enlarge(&file);
        Ok(Self::Stream { name, file })
    }
}

/// Refuses a name of the files that the command makes while it works.
fn refuse_reserved(path: &Path, option: &'static str) -> Result<(), Failure> {
    let is_own = |name| next_header::is_next_name(name) || directory_lock::is_lock_name(name);
    if is_temporary(path) || path.file_name().is_some_and(is_own) {
        return Err(Failure::Reserved { path: path.to_owned(), option });
    }
    Ok(())
}

/// True of the name of an unfinished file, which a later run removes.
pub(crate) fn is_temporary(path: &Path) -> bool {
    path.file_name().is_some_and(strongroom_files::is_temporary_name)
}

/// Refuses `target`, which is shown as `path`, in the directory of a vault or of a service's home.
fn refuse_store(path: &Path, target: &Path, option: &'static str) -> Result<(), Failure> {
    // That it is not there shows when it is written into.
    match stores::store_of(parent(target)) {
        Some(store) => Err(Failure::InsideStore { path: path.to_owned(), store, option }),
        None => Ok(()),
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
    /// The path that it is to have.
    target: PathBuf,
    rules: Rules,
    /// The file whose owner and group it keeps.
    replaced: Option<fs::Metadata>,
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
        let (target, shown) = (path.to_owned(), shown.to_owned());
        Ok(Self { atomic, shown, target, rules, replaced: None })
    }

    /// The file, open for reading and writing.
    pub(crate) fn file(&self) -> &File {
        self.atomic.file()
    }

    /// Its path, as it was given.
    pub(crate) fn path(&self) -> &Path {
        &self.shown
    }

    /// Its name in messages.
    pub(crate) fn name(&self) -> String {
        self.shown.display().to_string()
    }

    /// The directory that it is to be in, and its name there.
    fn destination(&self) -> Result<(Identity, &OsStr), Failure> {
        self.atomic.destination().map_err(|source| Failure::write(self.name(), source))
    }

    /// The directory that it is to be in.
    fn directory(&self) -> &Directory {
        self.atomic.directory()
    }

    /// Identity of what has its name now.
    fn named(&self) -> Result<Option<Identity>, Failure> {
        let found = self.directory().identity_of(self.atomic.name());
        found.map_err(|source| Failure::write(self.name(), source))
    }

    /// Makes the file durable and gives it its name.
    ///
    /// # Errors
    ///
    /// As [`Output::publish`].
    pub(crate) fn publish(self) -> Result<(), Failure> {
        self.publish_if(&|| Ok(true)).map(drop)
    }

    /// The same where `may_be` says so once no other command replaces a file there; false where it does not.
    ///
    /// # Errors
    ///
    /// Those of [`NewFile::publish`] and of `may_be`.
    pub(crate) fn publish_if(
        mut self,
        may_be: &dyn Fn() -> Result<bool, Failure>,
    ) -> Result<bool, Failure> {
        self.settle()?;
        let replaces = self.rules.existing == Existing::Replace;
        // A name that is to be new is taken in one step.
        let _lock = if replaces { self.lock()? } else { None };
        if !may_be()? {
            return Ok(false);
        }
        match self.give_name(replaces) {
            Ok(()) => Ok(true),
            Err(refused) if refused.is_named && !replaces => {
                let _lock = self.lock()?;
                Err(self.withdraw(refused))
            }
            Err(refused) => Err(self.failure(refused)),
        }
    }

    /// The lock of its directory, where that can be locked.
    fn lock(&self) -> Result<Option<directory_lock::DirectoryLocks>, Failure> {
        match self.rules.others {
            Others::Excluded => Ok(None),
            Others::WaitedFor(most) => {
                directory_lock::lock(self.directory(), parent(&self.target), most)
            }
        }
    }

    /// Gives it what it keeps of the file that it replaces, and makes it durable: nothing long is left to do.
    fn settle(&mut self) -> Result<(), Failure> {
        let (name, mode) = (self.name(), self.rules.mode);
        let failed = |source| Failure::write(&name, source);
        if let Some(replaced) = self.replaced.take() {
            let kept = platform::keep_what_is_allowed(&replaced, self.file(), mode);
            let (mode, lost) = kept.map_err(failed)?;
            self.rules.mode = mode;
            if let Some(lost) = lost {
                let text = format!("{name} is a new file of yours: {lost} could not be kept");
                print::notice("note", &text);
            }
        }
        self.file().sync_all().map_err(failed)
    }

    fn give_name(&mut self, replace: bool) -> Result<(), Refused> {
        self.atomic.publish(self.rules.mode, replace)
    }

    /// Takes the name away from the file, which was not there before, where it has it.
    fn withdraw(&self, refused: Refused) -> Failure {
        let is_named = refused.is_named && !self.atomic.withdraw();
        self.failure(Refused { is_named, ..refused })
    }

    fn failure(&self, refused: Refused) -> Failure {
        let (is_taken, Refused { source, is_named }) = (refused.is_taken(), refused);
        if is_taken {
            return Failure::Exists { path: self.shown.clone(), option: self.rules.option };
        }
        if is_named {
            return Failure::NotDurable { name: self.name(), source };
        }
        Failure::write(self.name(), source)
    }
}
