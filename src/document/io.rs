//! Files, readers and writers over the sealed document: what needs an operating system.

pub(crate) mod adapters;
pub(crate) mod batch;
pub(crate) mod file;
pub(crate) mod in_place;
pub(crate) mod limits;
pub(crate) mod read_at;
pub(crate) mod stream;
