//! The files that a command reads, so that nothing is read or written by two.
//!
//! Two readers of one pipe share its bytes: each lacks what the other took. An output that is an input
//! is read again while it is written. Both show in device and inode of what is open, whatever name it
//! was given by: `/dev/stdin`, `/dev/fd/3`, a link.

use std::fs::{self, File, Metadata};
use std::io::IsTerminal as _;
use std::path::Path;

use crate::args::VaultOption;
use crate::failure::Failure;
use crate::input::Input;
use crate::place::Place;
use crate::platform::{self, Identity};

/// Identity of the reader `file`; `None` of a device such as `/dev/null`, which any number of readers may
/// share. The lines of a terminal go to one reader each.
fn identity(file: &File) -> Option<Identity> {
    let shared = platform::is_character_device(&file.metadata().ok()?) && !file.is_terminal();
    if shared { None } else { platform::identity(file).ok() }
}

/// The same of the file at `path`, which is not opened: opening a named pipe would wait for its writer.
fn identity_at(path: &Path) -> Option<Identity> {
    let metadata = fs::metadata(path).ok()?;
    if platform::is_character_device(&metadata) {
        identity(&File::open(path).ok()?)
    } else {
        platform::identity_at(path).ok()
    }
}

fn two_readers(name: String, other: &Reader, role: &'static str) -> Failure {
    Failure::TwoReaders { name, roles: [other.role, role] }
}

/// Something that is read.
#[derive(Debug)]
struct Reader {
    /// The command's argument that it is, in words.
    role: &'static str,
    identity: Identity,
    /// True where it is read once for all documents: a passphrase, and a pipe, which cannot be read again.
    lasts: bool,
}

/// The readers of a command.
#[derive(Debug)]
pub(crate) struct Readers(Vec<Reader>);

impl Readers {
    /// Those of a command on the vault of `option`: the file with its passphrase, where one is named. That it
    /// cannot be read shows when it is.
    pub(crate) fn new(option: &VaultOption) -> Self {
        let reader = option.passphrase_file.as_deref().and_then(|path| {
            let identity = identity_at(path)?;
            Some(Reader { role: "the passphrase file", identity, lasts: true })
        });
        Self(reader.into_iter().collect())
    }

    /// Those of a command without a vault, before it reads anything.
    pub(crate) fn none() -> Self {
        Self(Vec::new())
    }

    /// Refuses the file at `path`, which is `role`, where another argument is the same one. That it is not
    /// there shows when it is read.
    ///
    /// # Errors
    ///
    /// [`Failure::TwoReaders`].
    pub(crate) fn check_path(&self, role: &'static str, path: &Path) -> Result<(), Failure> {
        match identity_at(path).and_then(|identity| self.find(identity)) {
            Some(other) => Err(two_readers(path.display().to_string(), other, role)),
            None => Ok(()),
        }
    }

    /// Takes note of `input`, which is `role`.
    ///
    /// # Errors
    ///
    /// [`Failure::TwoReaders`] where another argument is the same file.
    pub(crate) fn add(&mut self, role: &'static str, input: &Input) -> Result<(), Failure> {
        let Some(identity) = identity(input.file()) else { return Ok(()) };
        if let Some(other) = self.find(identity) {
            return Err(two_readers(input.name().to_owned(), other, role));
        }
        let is_file = input.file().metadata().is_ok_and(|metadata| metadata.is_file());
        self.0.push(Reader { role, identity, lasts: !is_file });
        Ok(())
    }

    /// Takes note of the file at `place`, which was named as `role` and in whose stead another may be read.
    pub(crate) fn add_named(&mut self, role: &'static str, place: &Place) {
        let Some(identity) = place.path().and_then(identity_at) else { return };
        if self.find(identity).is_none() {
            self.0.push(Reader { role, identity, lasts: false });
        }
    }

    /// Forgets the files of a document that is done, which another document may name again.
    pub(crate) fn next_document(&mut self) {
        self.0.retain(|reader| reader.lasts);
    }

    /// The argument that reads the file with this identity and metadata, in words, if one does.
    pub(crate) fn role_of(&self, identity: Identity, metadata: &Metadata) -> Option<&'static str> {
        // A terminal, and a socket, are read and written by turns.
        if platform::is_character_device(metadata) || platform::is_socket(metadata) {
            return None;
        }
        Some(self.find(identity)?.role)
    }

    fn find(&self, identity: Identity) -> Option<&Reader> {
        self.0.iter().find(|reader| reader.identity == identity)
    }
}
