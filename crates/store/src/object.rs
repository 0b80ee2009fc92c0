//! One version of an object: its header, opened, and where its text lies.

use std::ops::Range;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{GetOptions, ObjectMeta};
use strongroom::document::{Header, Layout};
use strongroom_keys::resource::LeasedOpener;

use crate::error::StoreError;

/// An object whose header was opened. It may be read as long as the lease of its keys serves.
#[derive(Debug)]
pub(crate) struct OpenObject {
    pub(crate) version: Version,
    /// The first bytes of the object, as they came.
    pub(crate) header_bytes: Bytes,
    pub(crate) header: Header,
    pub(crate) opener: LeasedOpener,
    pub(crate) layout: Layout,
}

/// Distinguishes the versions of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) e_tag: Option<String>,
    /// The inner store's own name for it.
    id: Option<String>,
    /// Length of the sealed object in bytes.
    pub(crate) sealed_len: u64,
    /// In milliseconds since 1970.
    last_modified: i64,
}

impl Version {
    pub(crate) fn of(meta: &ObjectMeta) -> Self {
        Self {
            e_tag: meta.e_tag.clone(),
            id: meta.version.clone(),
            sealed_len: meta.size,
            last_modified: meta.last_modified.timestamp_millis(),
        }
    }

    /// `options` for a range of this version and no other.
    pub(crate) fn range(&self, options: &GetOptions, sealed: Range<u64>) -> GetOptions {
        // A weak tag matches nothing (RFC 9110): versions are compared in any case.
        let strong = self.e_tag.clone().filter(|e_tag| !e_tag.starts_with("W/"));
        let if_match = options.if_match.clone().or(strong);
        GetOptions { range: Some(sealed.into()), if_match, head: false, ..options.clone() }
    }
}

impl OpenObject {
    /// Length of the text in bytes.
    pub(crate) fn text_len(&self) -> u64 {
        self.layout.plaintext_len()
    }

    /// The bytes of the inner object that hold a range of the text.
    pub(crate) fn sealed_range(
        &self,
        location: &Path,
        text: Range<u64>,
    ) -> Result<Range<u64>, StoreError> {
        self.layout.sealed_range(text).map_err(StoreError::engine(location))
    }
}
