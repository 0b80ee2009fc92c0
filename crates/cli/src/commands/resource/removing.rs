//! `strongroom resource sweep` and `delete-documents`: documents that go, each once it is known to be one that may.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use strongroom::document::Header;
use strongroom_keys::block_on;
use strongroom_keys::resource::{DocumentError, ResourceId};

use super::super::keys::open_failure;
use super::destroying;
use super::stored::{self, Stored, of_document};
use crate::args::{DeleteDocumentsArgs, JsonOption, SweepArgs};
use crate::failure::Failure;
use crate::found::{self, Found};
use crate::output::parent;
use crate::platform::Directory;
use crate::print::{self, Channel, ErrorFormat};
use crate::time::display_time;

#[derive(Serialize)]
struct Swept {
    operation: &'static str,
    resources: usize,
    #[serde(flatten)]
    documents: Option<Tally>,
}

/// Destroys the keys of past hours, and removes the expired documents that the arguments name.
///
/// # Errors
///
/// A [`Failure`] when a resource cannot be swept: then no document is removed; or when documents cannot be proved to
/// have expired: they stay, and each is named.
pub(super) fn sweep(args: SweepArgs) -> Result<(), Failure> {
    let SweepArgs { name, paths, time, home, json } = args;
    let (resources, now) = destroying(time, home)?;
    let mut removed = Tally::new(json);
    let mut expired = Vec::new();
    if let Some(id) = &name {
        block_on(resources.status(id))?;
        let files = found::files(paths, &mut |failure| removed.add_failed(None, &failure));
        // While the keys of their hours are there.
        for document in removed.documents(files) {
            let proved = document.open().and_then(|sealed| {
                let (header, file) = (sealed.header(), sealed.input().name());
                let proved = block_on(resources.expired(id, header, now));
                let failed = |error: DocumentError| of_document(file, open_failure(file, error));
                Ok(proved.map_err(failed)?.map(|_| Going::of(&document, header)))
            });
            match proved {
                Ok(Some(going)) => expired.push(going),
                Ok(None) => removed.kept += 1,
                Err(failure) => removed.add_failed(Some(&document.path), &failure),
            }
        }
    }
    // Refused where the clock cannot be right: then no document goes either.
    let swept = block_on(resources.sweep(now))?;
    for going in expired {
        let said = format!(", which expired at {}", display_time(going.expires_at.unwrap_or(now)));
        removed.remove(&going, &said);
    }
    let text = format!("destroyed the keys of past hours in {swept} resources");
    if json.enabled {
        let documents = name.is_some().then_some(&removed).cloned();
        let swept = Swept { operation: "swept", resources: swept, documents };
        print::json(Channel::Output, &swept)?;
    } else if name.is_some() {
        let Tally { removed, kept, failed, .. } = &removed;
        let counts =
            format!("{removed} expired documents removed, {kept} not expired, {failed} failed");
        print::line(Channel::Output, &format!("{counts}; {text}"))?;
    } else {
        print::line(Channel::Output, &text)?;
    }
    removed.finish("removed")
}

#[derive(Serialize)]
struct Deleted {
    operation: &'static str,
    resource: ResourceId,
    #[serde(flatten)]
    documents: Tally,
}

/// Deletes the documents that the arguments name. No key is asked for: it only takes access away.
///
/// # Errors
///
/// A [`Failure`] when some are none of the resource, or cannot be removed; each is named.
pub(super) fn delete(args: DeleteDocumentsArgs) -> Result<(), Failure> {
    let DeleteDocumentsArgs { name, paths, json } = args;
    let mut removed = Tally::new(json);
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            removed.add_failed(Some(&path), &Failure::InputIsDirectory { path: path.clone() });
        } else if is_absent(&path) {
            removed.add_absent(&path);
        } else {
            files.push(Found { path, is_named: true });
        }
    }
    for document in removed.documents(files) {
        let going = document.open().and_then(|sealed| {
            let header = sealed.header();
            let is_own = |one: &strongroom::document::Recipient| {
                ResourceId::of_key(one.key_id()).as_ref() == Some(&name)
            };
            if header.recipients().iter().any(is_own) {
                return Ok(Going::of(&document, header));
            }
            let ids = header.recipients().iter().map(|one| one.key_id().as_str());
            let wrapped_by = ids.collect::<Vec<_>>().join(", ");
            let resource = name.clone();
            Err(Failure::Foreign { name: document.name(), resource, wrapped_by })
        });
        match going {
            Ok(going) => {
                let said = match going.expires_at {
                    Some(time) => {
                        format!("; other copies of it stay readable until {}", display_time(time))
                    }
                    None => "; other copies of it stay readable: it does not expire".to_owned(),
                };
                removed.remove(&going, &said);
            }
            Err(failure) => removed.add_failed(Some(&document.path), &failure),
        }
    }
    if json.enabled {
        let (resource, documents) = (name, removed.clone());
        let deleted = Deleted { operation: "documents-deleted", resource, documents };
        print::json(Channel::Output, &deleted)?;
    }
    removed.finish("deleted")
}

/// A document that is to be removed.
struct Going {
    document: Stored,
    /// Tells it from any other.
    salt: [u8; 32],
    expires_at: Option<u64>,
}

impl Going {
    fn of(document: &Stored, header: &Header) -> Self {
        let (salt, expires_at) = (*header.salt(), header.expires_at());
        Self { document: document.clone(), salt, expires_at }
    }

    /// Removes its files, durably; false where another document has the name by now.
    fn remove(&self) -> Result<bool, Failure> {
        let Stored { path, header } = &self.document;
        let sealed = self.document.open()?;
        if *sealed.header().salt() != self.salt {
            return Ok(false);
        }
        sealed.say_other_names();
        // A header without its document is removed by the next run; a document without its header would be nobody's.
        for path in std::iter::once(path).chain(header) {
            let removed = remove(path);
            removed.map_err(|source| Failure::Remove { path: path.clone(), source })?;
        }
        Ok(true)
    }
}

/// Removes the file that `path` leads to, durably. It may be gone.
fn remove(path: &Path) -> io::Result<()> {
    let target = match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    let directory = Directory::open(parent(&target))?;
    match directory.remove(target.file_name().unwrap_or_default()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        removed => removed?,
    }
    directory.sync()
}

fn is_absent(path: &Path) -> bool {
    matches!(fs::metadata(path), Err(error) if error.kind() == io::ErrorKind::NotFound)
}

#[derive(Clone, Serialize)]
struct FileReport {
    path: PathBuf,
    /// `removed`, `absent` or `failed`.
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// The documents of a run, by what became of them.
#[derive(Clone, Serialize)]
struct Tally {
    removed: usize,
    /// Those that have not expired.
    kept: usize,
    /// Names that no file has.
    absent: usize,
    failed: usize,
    files: Vec<FileReport>,
    #[serde(skip)]
    json: JsonOption,
}

impl Tally {
    fn new(json: JsonOption) -> Self {
        Self { removed: 0, kept: 0, absent: 0, failed: 0, files: Vec::new(), json }
    }

    /// The documents among `files`. Other files are left out where no one named them.
    fn documents(&mut self, files: Vec<Found>) -> Vec<Stored> {
        let failed = &mut |failure| self.add_failed(None, &failure);
        stored::documents(files, None, &mut |_| {}, failed)
    }

    /// Removes a document and prints its line, which ends in `said`.
    fn remove(&mut self, going: &Going, said: &str) {
        let path = &going.document.path;
        match going.remove() {
            Ok(true) => {
                self.removed += 1;
                self.tell(&format!("removed {}{said}", path.display()));
                let (path, expires_at) = (path.clone(), going.expires_at);
                self.files.push(FileReport { path, outcome: "removed", expires_at, error: None });
            }
            Ok(false) => {
                self.kept += 1;
                let text =
                    format!("{} was replaced meanwhile; the newer file is kept", path.display());
                print::notice("note", &text);
            }
            Err(failure) => self.add_failed(Some(path), &failure),
        }
    }

    fn add_absent(&mut self, path: &Path) {
        self.absent += 1;
        self.tell(&format!("{} is not there", path.display()));
        let path = path.to_owned();
        self.files.push(FileReport { path, outcome: "absent", expires_at: None, error: None });
    }

    fn add_failed(&mut self, path: Option<&Path>, failure: &Failure) {
        self.failed += 1;
        print::error(failure, ErrorFormat::asked_for(self.json.enabled));
        if let Some(path) = path {
            let (path, error) = (path.to_owned(), Some(failure.to_string()));
            self.files.push(FileReport { path, outcome: "failed", expires_at: None, error });
        }
    }

    /// Prints a line about what was done. That nobody reads it keeps nothing from being removed.
    fn tell(&self, text: &str) {
        if !self.json.enabled {
            let _unread = print::line(Channel::Output, text);
        }
    }

    /// The failure of the run, if there is one; `done` is a participle.
    fn finish(self, done: &'static str) -> Result<(), Failure> {
        let Self { removed, kept, absent, failed, .. } = self;
        let files = removed + kept + absent + failed;
        if failed == 0 { Ok(()) } else { Err(Failure::SomeNotDone { failed, files, done }) }
    }
}
