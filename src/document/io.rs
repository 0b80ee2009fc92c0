//! Files, readers and writers over the sealed document: what needs an operating system.

pub(crate) mod adapters;
pub(crate) mod batch;
pub(crate) mod file;
pub(crate) mod in_place;
pub(crate) mod limits;
pub(crate) mod read_at;
pub(crate) mod stream;

/// Labels of reading and writing, as [`Error::Io`](crate::Error::Io) names them: the same wherever
/// documents are moved.
///
/// # Example
///
/// ```
/// use std::io;
/// use strongroom::Error;
/// use strongroom::document::IoLabels;
///
/// let full = io::Error::from(io::ErrorKind::StorageFull);
/// let error = Error::io(IoLabels::OPENING.writing)(full);
/// assert!(error.to_string().starts_with("writing the plaintext: "));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IoLabels {
    /// Label of reading what goes in.
    pub reading: &'static str,
    /// Label of writing what comes out.
    pub writing: &'static str,
}

impl IoLabels {
    /// A text in, a sealed document out.
    pub const SEALING: Self =
        Self { reading: "reading the input", writing: "writing the sealed document" };
    /// A sealed document in, its text out.
    pub const OPENING: Self =
        Self { reading: "reading the sealed document", writing: "writing the plaintext" };
    /// A document's header alone.
    pub const HEADER: Self = Self { reading: "reading the header", writing: "writing the header" };
}
