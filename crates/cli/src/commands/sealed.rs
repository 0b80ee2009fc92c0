//! A sealed document as the command line names it: one file or stream, or a body and its header.

use std::io::{Read, Seek as _, SeekFrom};
use std::ops::Range;
use std::path::Path;

use strongroom::Error;
use strongroom::document::{Header, IoLabels, OpenOptions, ReadAt as _};
use strongroom_keys::resource::{DocumentError, LeasedOpener};
use zeroize::Zeroizing;

use super::keys::Keys;
use super::unlock::mended;
use crate::args::HeaderOption;
use crate::failure::Failure;
use crate::hint;
use crate::hint::naming;
use crate::input::Input;
use crate::output::{directory_lock, next_header, parent};
use crate::place::Place;
use crate::platform::{self, Patient};
use crate::print;
use crate::readers::Readers;
use crate::tagged::{self, Source};

/// Position in a document of the number of its header's slots. The body of a detached header has records
/// there, which no header agrees with but by chance (below 2^-48).
const GEOMETRY: Range<u64> = 128..136;

/// The reason why a body does not belong to a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Foreign {
    /// It is of another document.
    OtherDocument,
    /// It does not begin as any: it was changed as if it were text, for instance.
    NoDocument { reason: &'static str },
}

/// A sealed document of which the header is read.
#[derive(Debug)]
pub(super) struct Sealed {
    input: Input,
    header: Header,
    /// The header's own file, where it is detached.
    detached: Option<Input>,
    /// Headers of stopped seals that begin as the body does, to be tried where that one does not open it.
    others: Vec<Input>,
    /// The first bytes of a body whose header is detached, at most as many as its prologue has; of a stream
    /// they are read already.
    begins: Vec<u8>,
}

impl Sealed {
    /// Opens the document at `place`, and its header where that is detached, and reads the header. The
    /// input then stands at the body, or of a detached one at its first byte.
    ///
    /// # Errors
    ///
    /// [`Failure::Document`] and its like when there is no header; [`Failure::Read`] when something
    /// cannot be read; [`Failure::Usage`] when both are to come from standard input;
    /// [`Failure::TwoReaders`] when they are one file, or one that `readers` read already.
    pub(super) fn open(
        place: &Place,
        header: &HeaderOption,
        readers: &mut Readers,
    ) -> Result<Self, Failure> {
        readers.next_document();
        if *place == Place::Standard && header.place == Some(Place::Standard) {
            return Err(Failure::Usage(
                "the document and its --header cannot both be standard input; name a file"
                    .to_owned(),
            ));
        }
        let input = Input::open(place)?;
        readers.add("the input", &input)?;
        let Some(place) = &header.place else { return Self::read(input, None, Vec::new()) };
        let begins = beginning(&input)?;
        let Headers { first, others } = Headers::open(place, &begins)?;
        readers.add("the header", &first)?;
        readers.add_named("the header", place);
        let mut sealed = Self::read(input, Some(first), begins)?;
        sealed.others = others;
        Ok(sealed)
    }

    /// Takes the first of several headers that is found to open this document, where there are several: anybody may
    /// have made a file of such a name. Where `opens` is true of none, the first stays.
    pub(super) fn choose(&mut self, mut opens: impl FnMut(&Header) -> bool) {
        if self.others.is_empty() || opens(&self.header) {
            return;
        }
        for other in std::mem::take(&mut self.others) {
            let mut source = Source { file: other.file(), name: other.name() };
            if let Ok(header) = Header::read(&mut source)
                && opens(&header)
            {
                self.header = header;
                self.detached = Some(other);
                return;
            }
        }
    }

    /// Tells of a header that was found under another name than `option` gives.
    pub(super) fn say_where_header_is(&self, option: &HeaderOption) {
        let named = option.place.as_ref().and_then(Place::path);
        let found = self.detached.as_ref().and_then(Input::file_path);
        let (Some(named), Some(found)) = (named, found) else { return };
        if named == found {
            return;
        }
        let (body, next) = (self.input.name(), found.display());
        if directory_lock::is_held(parent(found)) {
            let text = format!(
                "the header of {body} is {next} at this moment: another command is about to name it {}",
                named.display()
            );
            return print::notice("note", &text);
        }
        let own = next_header::own_name(found, named);
        let text = format!(
            "the header of {body} is {next}: a seal was stopped before it became {}, which may be that of another \
             document and stays; give it a name of its own, and open {body} with that as --header: {}",
            named.display(),
            naming(found, &own)
        );
        print::notice("warning", &text);
    }

    /// The document of which `input` is the body, and `detached` the header where that is apart: two files.
    ///
    /// # Errors
    ///
    /// Those of [`Sealed::open`].
    pub(super) fn of_files(input: Input, detached: Option<Input>) -> Result<Self, Failure> {
        let begins = if detached.is_some() { beginning(&input)? } else { Vec::new() };
        Self::read(input, detached, begins)
    }

    fn read(input: Input, detached: Option<Input>, begins: Vec<u8>) -> Result<Self, Failure> {
        let (from, next) = match &detached {
            None => (&input, "name that file with --header"),
            Some(detached) => {
                (detached, "name the header's file, and not the body's, with --header")
            }
        };
        let mut source = Source { file: from.file(), name: from.name() };
        let header =
            Header::read(&mut source).map_err(|error| header_failure(from.name(), error, next))?;
        Ok(Self { input, header, detached, others: Vec::new(), begins })
    }

    /// The input with the body.
    pub(super) fn input(&self) -> &Input {
        &self.input
    }

    /// The body from its beginning on, to be read as a stream.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where the position of a file cannot be set.
    pub(super) fn stream(&self) -> Result<impl Read + Send, Error> {
        let mut file = self.input.file();
        let source = Source { file, name: self.input.name() };
        if self.input.length().is_none() {
            return Ok(self.begins[..].chain(source));
        }
        // On Windows reading at an offset moves the position.
        let start = if self.is_detached() { 0 } else { self.header.len() as u64 };
        file.seek(SeekFrom::Start(start)).map_err(Error::io(IoLabels::OPENING.reading))?;
        Ok(self.begins[..0].chain(source))
    }

    /// The header, parsed but not authenticated.
    pub(super) fn header(&self) -> &Header {
        &self.header
    }

    /// True where the header is kept apart.
    pub(super) fn is_detached(&self) -> bool {
        self.detached.is_some()
    }

    /// The input with the header.
    pub(super) fn header_input(&self) -> &Input {
        self.detached.as_ref().unwrap_or(&self.input)
    }

    /// True where there is a header and nothing behind it.
    pub(super) fn is_header_alone(&self) -> bool {
        !self.is_detached() && self.input.length() == Some(self.header.len() as u64)
    }

    /// The reason why the body does not belong to this detached header, if its first bytes show one.
    pub(super) fn foreign(&self) -> Option<Foreign> {
        if self.header.prologue().starts_with(&self.begins) {
            return None;
        }
        match Header::parse(&self.begins) {
            Err(Error::Format { offset: 0, reason }) => Some(Foreign::NoDocument { reason }),
            _ => Some(Foreign::OtherDocument),
        }
    }

    /// Warns where one copy of the recipients made up for the other.
    pub(super) fn warn_of_damage(&self) {
        let Some(mended) = mended(&self.header) else { return };
        let holder = self.header_input();
        let next = match holder.file_path() {
            Some(path) => {
                let rewrap = hint::strongroom("rewrap", &[path.into()], &[]);
                format!("; write both anew with: {rewrap}")
            }
            None => String::new(),
        };
        print::notice("warning", &format!("{}: {mended}{next}", holder.name()));
    }

    /// Tells that the file has other names, which keep the document when this one goes.
    pub(super) fn say_other_names(&self) {
        let names = platform::names(self.input.file());
        if names.is_ok_and(|names| names > 1) {
            let text = format!(
                "{} has other names (hard links), and they keep the document as it was: give them, too, or remove them",
                self.input.name()
            );
            print::notice("note", &text);
        }
    }

    /// An opener of the body, with `keys`.
    ///
    /// # Errors
    ///
    /// [`Failure::HeaderAlone`] where there is no body, and those of [`Keys::unlock`].
    pub(super) fn unlock(
        &self,
        keys: &Keys,
        options: &OpenOptions,
    ) -> Result<LeasedOpener, Failure> {
        if self.is_header_alone() {
            let next = "give the document that belongs to it, and this file with --header";
            return Err(Failure::HeaderAlone { name: self.input.name().to_owned(), next });
        }
        let opener =
            keys.unlock(&self.header, self.input.name(), options).map_err(
                |failure| match failure {
                    Failure::Document { source: Error::Authentication, .. } => {
                        Failure::Header { name: self.header_input().name().to_owned() }
                    }
                    failure => failure,
                },
            )?;
        Ok(if self.is_detached() { opener.detached() } else { opener })
    }

    /// The failure to open the body, which `keys` had unlocked: where the body is none of this header's, it says
    /// that, whatever its length is; where a chunk of a file is not authentic, it names the first.
    pub(super) fn failure(
        &self,
        error: DocumentError,
        keys: &Keys,
        options: &OpenOptions,
    ) -> Failure {
        let error = match error {
            DocumentError::Document(error) => error,
            DocumentError::Resource(error) => return error.into(),
        };
        let name = self.input.name();
        match (error, self.foreign()) {
            (Error::Authentication, _) => Failure::Chunk {
                name: name.to_owned(),
                place: self
                    .changed_chunk(keys, options)
                    .unwrap_or_else(|| "something behind it".to_owned()),
            },
            (Error::Format { .. } | Error::Length { .. }, Some(Foreign::OtherDocument)) => {
                let header = self.header_input().name().to_owned();
                Failure::OtherHeader { name: name.to_owned(), header }
            }
            (Error::Format { .. } | Error::Length { .. }, Some(Foreign::NoDocument { reason })) => {
                tagged::failure(name, Error::Format { offset: 0, reason })
            }
            (error, _) => tagged::failure(name, error),
        }
    }
}

impl Sealed {
    /// The first chunk that is not authentic, in words. Its number is not secret: who changed it knows it.
    fn changed_chunk(&self, keys: &Keys, options: &OpenOptions) -> Option<String> {
        let sealed_len = self.input.length()?;
        let opener = self.unlock(keys, options).ok()?;
        let chunk_len = self.header.chunk_len().bytes();
        let words = |start: u64, record: Range<u64>| {
            let number = start / chunk_len + 1;
            Some(format!("its chunk {number} (bytes {} to {})", record.start, record.end))
        };
        let source = Source { file: self.input.file(), name: self.input.name() };
        let Ok(layout) = opener.file_layout(&source) else {
            // The last chunk of a stream is authenticated first: it says how long the document is.
            let claimed = opener.layout(sealed_len).ok()?;
            let record = Some(claimed.proof_range()).filter(|record| !record.is_empty())?;
            return words(claimed.claimed_plaintext_len().saturating_sub(1), record);
        };
        let length = layout.plaintext_len();
        let place = |start: u64| {
            let end = start.saturating_add(chunk_len).min(length);
            words(start, layout.sealed_range(start..end).ok()?)
        };
        let reader = opener.into_reader(source).ok()?;
        let mut text = Zeroizing::new(vec![0; usize::try_from(chunk_len).ok()?]);
        let mut start = 0;
        while start < length {
            let wanted = usize::try_from(chunk_len.min(length - start)).ok()?;
            if reader.read_exact_at(text.get_mut(..wanted)?, start).is_err() {
                return place(start);
            }
            start += chunk_len;
        }
        None
    }
}

/// The first bytes of `body`, at most as many as a prologue has; of a stream they are taken.
fn beginning(body: &Input) -> Result<Vec<u8>, Failure> {
    let most = next_header::LEADING as u64;
    let mut begins = Vec::with_capacity(next_header::LEADING);
    let read = match body.length() {
        Some(length) => {
            begins.resize(usize::try_from(length.min(most)).unwrap_or(next_header::LEADING), 0);
            body.file().read_exact_at(&mut begins, 0)
        }
        None => Patient(body.file()).take(most).read_to_end(&mut begins).map(drop),
    };
    read.map_err(|source| Failure::read(body.name(), source))?;
    Ok(begins)
}

/// Headers of stopped seals that are looked at for one document, the newest first: anybody who may write there may
/// make more.
const MOST_NEXT_HEADERS: usize = 64;

/// The files that may have the header of a document.
struct Headers {
    first: Input,
    others: Vec<Input>,
}

impl Headers {
    /// The header at `place`, and behind it those of stopped seals for that name, as far as they begin with `begins`
    /// as the body does. Where none does it is the one at `place`.
    fn open(place: &Place, begins: &[u8]) -> Result<Self, Failure> {
        let alone = || Input::open(place).map(|first| Self { first, others: Vec::new() });
        let Some(path) = place.path() else { return alone() };
        let next = next_header::next_headers(path);
        if next.is_empty() {
            return alone();
        }
        let belongs =
            |path: &Path| next_header::leading(path).is_some_and(|found| found[..] == *begins);
        let next = next.into_iter().take(MOST_NEXT_HEADERS);
        let next = next.filter(|next| belongs(next) && is_header(next));
        let mut next = next.filter_map(|next| Input::open(&Place::Path(next)).ok());
        let first = if belongs(path) { None } else { next.next() };
        match first {
            None => Ok(Self { first: Input::open(place)?, others: next.collect() }),
            Some(first) => Ok(Self { first, others: next.collect() }),
        }
    }
}

/// True where the file at `path` can be read as a header.
fn is_header(path: &Path) -> bool {
    let name = path.display().to_string();
    std::fs::File::open(path)
        .is_ok_and(|file| Header::read_at(&Source { file: &file, name: &name }).is_ok())
}

/// Converts the engine's error about the header of `name`; `next` is the next step for a body without one.
pub(super) fn header_failure(name: &str, error: Error, next: &'static str) -> Failure {
    match error {
        Error::Format { offset, .. } if GEOMETRY.contains(&offset) => {
            Failure::HeaderApart { name: name.to_owned(), next }
        }
        error => tagged::failure(name, error),
    }
}
