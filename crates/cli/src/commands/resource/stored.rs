//! The sealed documents among files: whole ones, and bodies with the headers that are kept apart from them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use strongroom::Error;
use strongroom::document::{Header, ReadAt as _};

use super::super::sealed::{Sealed, header_failure};
use crate::failure::Failure;
use crate::found::Found;
use crate::input::Input;
use crate::output::successor::open_locked;
use crate::output::{next_header, pair};
use crate::place::Place;
use crate::tagged::Source;

/// A document in one file or in two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) path: PathBuf,
    /// The file of its header, where that is apart.
    pub(super) header: Option<PathBuf>,
}

/// The content of a file, by its first bytes.
enum Content {
    /// A header, and what belongs to it; or a file that cannot be read, which shows when it is worked on.
    Document,
    /// A header and nothing else, which begins so.
    Header([u8; next_header::LEADING]),
    /// A body that begins so, whose header is apart.
    Body([u8; next_header::LEADING]),
    /// Something else.
    Other,
}

/// The documents among `files`. A body and its header become one where both are there; a failure says which half is
/// missing. The names of files that are not documents go to `other`.
pub(super) fn documents(
    files: Vec<Found>,
    most: Option<Duration>,
    other: &mut dyn FnMut(&Path),
    failed: &mut dyn FnMut(Failure),
) -> Vec<Stored> {
    let mut documents = Vec::new();
    let mut headers: BTreeMap<[u8; next_header::LEADING], PathBuf> = BTreeMap::new();
    let mut bodies = Vec::new();
    for Found { path, is_named } in files {
        match content(&path) {
            Content::Other if !is_named && !is_called_sealed(&path) => other(&path),
            Content::Document | Content::Other => documents.push(Stored { path, header: None }),
            Content::Header(begins) => drop(headers.insert(begins, path)),
            Content::Body(begins) => bodies.push((begins, path)),
        }
    }
    let mut without = Vec::new();
    for (begins, path) in bodies {
        match headers.remove(&begins) {
            Some(header) => documents.push(Stored { path, header: Some(header) }),
            None => without.push(path),
        }
    }
    // Once the headers are known that are of none of these, for one of which the new one may wait still.
    for path in without {
        match finished(&path, &mut headers, most) {
            Ok(Some(header)) => documents.push(Stored { path, header: Some(header) }),
            Ok(None) => {
                let next = "name that file as well";
                failed(Failure::HeaderApart { name: path.display().to_string(), next });
            }
            Err(failure) => failed(failure),
        }
    }
    documents.extend(headers.into_values().map(|path| Stored { path, header: None }));
    documents
}

/// The header of the document at `body` among `headers`, once it has the name that a stopped run was to give it.
fn finished(
    body: &Path,
    headers: &mut BTreeMap<[u8; next_header::LEADING], PathBuf>,
    most: Option<Duration>,
) -> Result<Option<PathBuf>, Failure> {
    for (begins, header) in &*headers {
        if pair::finish(body, header, most)? {
            let begins = *begins;
            return Ok(headers.remove(&begins));
        }
    }
    Ok(None)
}

fn is_called_sealed(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "sealed")
}

fn content(path: &Path) -> Content {
    // Opening a pipe would wait for its writer.
    if !fs::metadata(path).is_ok_and(|found| found.is_file()) {
        return Content::Document;
    }
    let Ok(file) = File::open(path) else { return Content::Document };
    let begins = || {
        let mut begins = [0; next_header::LEADING];
        file.read_exact_at(&mut begins, 0).ok().map(|()| begins)
    };
    let name = path.display().to_string();
    let header = Header::read_at(&Source { file: &file, name: &name });
    let length = file.byte_len().unwrap_or_default();
    match header {
        Ok(header) if header.len() as u64 == length => {
            begins().map_or(Content::Document, Content::Header)
        }
        Ok(_) => Content::Document,
        Err(Error::Format { offset: 0, .. }) => Content::Other,
        // The shortest body: of an empty document there is nothing behind the first bytes.
        Err(_) if length == next_header::LEADING as u64 => {
            begins().map_or(Content::Document, Content::Body)
        }
        Err(error) => match header_failure(&name, error, "") {
            Failure::HeaderApart { .. } => begins().map_or(Content::Document, Content::Body),
            _ => Content::Document,
        },
    }
}

impl Stored {
    /// Its name in messages.
    pub(super) fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// The document, of which the header is read.
    ///
    /// # Errors
    ///
    /// Those of [`Sealed::of_files`].
    pub(super) fn open(&self) -> Result<Sealed, Failure> {
        let open = |path: &PathBuf| Input::open(&Place::Path(path.clone()));
        let refuse_stream = |path: &PathBuf| match fs::metadata(path) {
            Ok(found) if !found.is_file() && !found.is_dir() => {
                Err(Failure::NotAFile { path: path.clone() })
            }
            _ => Ok(()),
        };
        refuse_stream(&self.path)?;
        let header = self.header.as_ref().map(open).transpose()?;
        Sealed::of_files(open(&self.path)?, header)
    }

    /// The document, with the lock of the file that has its header, for which it waits at most as long as `most`
    /// says; `None` where another file has the name by then.
    ///
    /// # Errors
    ///
    /// Those of [`Sealed::of_files`]; [`Failure::Waited`].
    pub(super) fn open_locked(&self, most: Option<Duration>) -> Result<Option<Sealed>, Failure> {
        let holder = self.header.as_deref().unwrap_or(&self.path);
        let name = holder.display().to_string();
        // A file that is not there is said as elsewhere.
        if !fs::metadata(holder).is_ok_and(|found| found.is_file()) {
            self.open()?;
            return Err(Failure::NotAFile { path: holder.to_owned() });
        }
        let Some(file) = open_locked(holder, &name, false, most)? else { return Ok(None) };
        let locked = Input::of_file(holder, file)?;
        if self.header.is_none() {
            return Sealed::of_files(locked, None).map(Some);
        }
        let body = Input::open(&Place::Path(self.path.clone()))?;
        Sealed::of_files(body, Some(locked)).map(Some)
    }
}

/// A failure of the resource's with the document `name`, where it is that document's alone.
pub(super) fn of_document(name: &str, failure: Failure) -> Failure {
    use strongroom_keys::Error::{Expired, ForeignDocument};
    let Failure::Resource(error) = failure else { return failure };
    let name = name.to_owned();
    match *error {
        Expired { expires_at } => Failure::Document { name, source: Error::Expired { expires_at } },
        ForeignDocument { resource, wrapped_by } => Failure::Foreign { name, resource, wrapped_by },
        error => error.into(),
    }
}
