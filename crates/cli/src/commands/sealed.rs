//! A sealed document as the command line names it: one file or stream, or a body and its header.

use std::ops::Range;

use strongroom::Error;
use strongroom::document::{Header, OpenOptions, Opener, ReadAt as _};

use super::keys::Keys;
use crate::args::HeaderOption;
use crate::failure::Failure;
use crate::input::Input;
use crate::place::Place;
use crate::tagged::{self, Source};

/// Where a document says how many slots its header has. The body of a detached header has records
/// there, which no header agrees with but by chance (below 2^-48).
const GEOMETRY: Range<u64> = 128..136;

/// A sealed document of which the header is read.
#[derive(Debug)]
pub(super) struct Sealed {
    input: Input,
    header: Header,
    /// The header's own file, where it is detached.
    detached: Option<Input>,
}

impl Sealed {
    /// Opens the document at `place`, and its header where that is detached, and reads the header. The
    /// input then stands at the body, or of a detached one at its first byte.
    ///
    /// # Errors
    ///
    /// [`Failure::Document`] and its like when there is no header; [`Failure::Read`] when something
    /// cannot be read; [`Failure::Usage`] when both are to come from standard input.
    pub(super) fn open(place: &Place, header: &HeaderOption) -> Result<Self, Failure> {
        if *place == Place::Standard && header.place == Some(Place::Standard) {
            return Err(Failure::Usage(
                "the document and its --header cannot both be standard input; name a file"
                    .to_owned(),
            ));
        }
        let input = Input::open(place)?;
        let detached = header.place.as_ref().map(Input::open).transpose()?;
        let (from, next) = match &detached {
            None => (&input, "name that file with --header"),
            Some(detached) => {
                (detached, "name the header's file, and not the body's, with --header")
            }
        };
        let mut source = Source { file: from.file(), name: from.name() };
        let header =
            Header::read(&mut source).map_err(|error| header_failure(from.name(), error, next))?;
        Ok(Self { input, header, detached })
    }

    /// What holds the body.
    pub(super) fn input(&self) -> &Input {
        &self.input
    }

    /// All that is read, which no output may replace.
    pub(super) fn inputs(&self) -> Vec<&Input> {
        [&self.input].into_iter().chain(&self.detached).collect()
    }

    /// The header, parsed but not authenticated.
    pub(super) fn header(&self) -> &Header {
        &self.header
    }

    /// Whether the header is kept apart.
    pub(super) fn is_detached(&self) -> bool {
        self.detached.is_some()
    }

    /// What holds the header.
    pub(super) fn header_input(&self) -> &Input {
        self.detached.as_ref().unwrap_or(&self.input)
    }

    /// Whether there is a header and nothing behind it.
    pub(super) fn is_header_alone(&self) -> bool {
        !self.is_detached() && self.input.length() == Some(self.header.len() as u64)
    }

    /// Whether the body, which is a file and not cut before its records, begins as one of another
    /// header. In one piece with its header it cannot.
    ///
    /// # Errors
    ///
    /// [`Failure::Read`] when it cannot be read.
    pub(super) fn is_of_another_header(&self) -> Result<bool, Failure> {
        if !self.is_detached() {
            return Ok(false);
        }
        let mut leading = *self.header.prologue();
        self.input
            .file()
            .read_exact_at(&mut leading, 0)
            .map_err(|source| Failure::read(self.input.name(), source))?;
        Ok(leading != *self.header.prologue())
    }

    /// What opens the body, with `keys`.
    ///
    /// # Errors
    ///
    /// [`Failure::HeaderAlone`] where there is no body, and those of [`Keys::unlock`].
    pub(super) fn unlock(&self, keys: &Keys, options: &OpenOptions) -> Result<Opener, Failure> {
        if self.is_header_alone() {
            return Err(Failure::HeaderAlone { name: self.input.name().to_owned() });
        }
        let opener = keys.unlock(&self.header, self.input.name(), options)?;
        Ok(if self.is_detached() { opener.detached() } else { opener })
    }

    /// What the engine said of the body.
    pub(super) fn failure(&self, error: Error) -> Failure {
        match (&self.detached, error) {
            // Only what a detached body begins with is compared there. An empty file ends there, too.
            (Some(header), Error::Format { offset: 0, .. }) if self.input.length() != Some(0) => {
                Failure::OtherHeader {
                    name: self.input.name().to_owned(),
                    header: header.name().to_owned(),
                }
            }
            (_, error) => tagged::failure(self.input.name(), error),
        }
    }
}

/// What the engine said of the header of `name`; `next` is what to do where it is a body without one.
pub(super) fn header_failure(name: &str, error: Error, next: &'static str) -> Failure {
    match error {
        Error::Format { offset, .. } if GEOMETRY.contains(&offset) => {
            Failure::HeaderApart { name: name.to_owned(), next }
        }
        error => tagged::failure(name, error),
    }
}
