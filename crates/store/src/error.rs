//! Errors of the sealed store, and the errors of `object_store` that stand for them.
//!
//! | the reason | is given as |
//! |---|---|
//! | the customer withdrew the key, the resource is closed or shredded, no resource has the path | `PermissionDenied` |
//! | the document has expired, and its key is or will be destroyed | `NotFound` |
//! | a vault or the state store cannot be reached | `Generic`, whose source [is transient](StoreError::is_transient) |
//! | a byte was changed, the document is another's or was moved, a length that no document has | `Generic`, not transient |
//! | an error of the inner store | that error, untouched |

use std::sync::Arc;

use object_store::path::Path;
use strongroom_keys::resource::{DocumentError, ResourceId};
use strongroom_keys::vault::VaultError;

/// The name of this store in the errors of `object_store`.
pub(crate) const STORE: &str = "Sealed";

/// The reason why an operation on a sealed store failed, other than an error of the inner store.
///
/// # Example
///
/// ```
/// use object_store::path::Path;
/// use strongroom_store::StoreError;
///
/// let error = StoreError::HiddenPath { path: Path::from(".strongroom/manifest") };
/// assert!(matches!(object_store::Error::from(error), object_store::Error::PermissionDenied { .. }));
/// ```
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The path is one of the store's own objects'.
    #[error("{path} is a name of the sealed store's own objects; use another path")]
    HiddenPath {
        /// The path.
        path: Path,
    },
    /// No resource has the path.
    #[error("{path} belongs to no resource; give its prefix to a resource, or use another path")]
    NoResource {
        /// The path.
        path: Path,
    },
    /// The object cannot be sealed or opened.
    #[error("{path}: {source}")]
    Document {
        /// The object.
        path: Path,
        /// The reason.
        source: Box<DocumentError>,
    },
    /// The object has a length that no sealed document of this store has.
    #[error(
        "{path} is not a sealed object of this store: no such object has {sealed_len} bytes; move it away, or copy it \
         into the store"
    )]
    ForeignLen {
        /// The object.
        path: Path,
        /// Its length in bytes.
        sealed_len: u64,
    },
    /// The object was replaced again and again while a range of it was read.
    #[error("{path} is replaced again and again while it is read; try again")]
    Replaced {
        /// The object.
        path: Path,
    },
    /// The header does not fit where the manifest has it.
    #[error(
        "the header for {path} has {header_len} bytes, and those of this store have {expected}; use a shorter name for the resource {resource}"
    )]
    HeaderLen {
        /// The object.
        path: Path,
        /// Its resource.
        resource: ResourceId,
        /// The header's length in bytes.
        header_len: usize,
        /// The length in bytes of every header in this store.
        expected: u64,
    },
    /// The object would need a second layer, and those of this store have one.
    #[error(
        "{path} belongs to {resource}, which has a customer's key, and this store has one layer; use a store of two"
    )]
    OneLayer {
        /// The object.
        path: Path,
        /// Its resource.
        resource: ResourceId,
    },
    /// The object is a sealed document, and none of this store's.
    #[error(
        "{path} was not sealed by this store: it has other chunks, layers or headers; move it away"
    )]
    ForeignShape {
        /// The object.
        path: Path,
    },
    /// The object would have more parts than an upload can.
    #[error(
        "{path} would have more than {limit} parts of {part_len} bytes; configure longer parts"
    )]
    TooManyParts {
        /// The object.
        path: Path,
        /// Length of a part in bytes.
        part_len: usize,
        /// The greatest number of parts.
        limit: u64,
    },
    /// An object was renamed, and what stands under its old name is not what was copied.
    #[error(
        "{path} was copied to {copy}, and what is there now is another object, or the copy itself: it was not removed"
    )]
    NotRemoved {
        /// The old name.
        path: Path,
        /// The new name.
        copy: Path,
    },
    /// An upload has failed, and each of its parts says why.
    #[error(transparent)]
    Upload(Arc<object_store::Error>),
    /// The upload has failed or has ended before.
    #[error("the upload of {path} has ended; begin another")]
    UploadEnded {
        /// The object.
        path: Path,
    },
    /// The store has no manifest.
    #[error(
        "there is no sealed store here: {path} is missing; initialise it, or look for the right prefix"
    )]
    NoManifest {
        /// The manifest's path.
        path: Path,
    },
    /// The store has a manifest already.
    #[error("there is a sealed store here already: open it, or use another prefix ({path})")]
    ManifestExists {
        /// The manifest's path.
        path: Path,
    },
    /// The manifest says what this version does not understand.
    #[error("{path} is not a manifest that this version reads: {reason}; use a newer version")]
    Manifest {
        /// The manifest's path.
        path: Path,
        /// The reason.
        reason: String,
    },
    /// A setting cannot work.
    #[error("{what}: {reason}")]
    Setting {
        /// The setting.
        what: &'static str,
        /// The reason, and a value that works.
        reason: &'static str,
    },
    /// The inner store's error while the store itself was made or opened.
    #[error(transparent)]
    Inner(#[from] object_store::Error),
}

impl StoreError {
    pub(crate) fn document(path: &Path) -> impl FnOnce(DocumentError) -> Self {
        let path = path.clone();
        move |source| Self::Document { path, source: Box::new(source) }
    }

    pub(crate) fn engine(path: &Path) -> impl FnOnce(strongroom::Error) -> Self {
        let document = Self::document(path);
        move |source| document(source.into())
    }

    pub(crate) fn keys(path: &Path) -> impl FnOnce(strongroom_keys::Error) -> Self {
        let document = Self::document(path);
        move |source| document(source.into())
    }

    /// True where the same call may succeed later although nobody changes anything here: a vault or the store of the
    /// states could not be reached. Never of an object that does not authenticate.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        use strongroom_keys::Error as Keys;
        match (self, self.keys_error()) {
            (Self::Replaced { .. }, _) => true,
            (Self::Upload(told), _) => match &**told {
                object_store::Error::Generic { source, .. } => {
                    source.downcast_ref().is_some_and(Self::is_transient)
                }
                _ => false,
            },
            (_, Some(error)) => matches!(
                error,
                Keys::Unreachable { .. }
                    | Keys::NotRefreshed { .. }
                    | Keys::LeaseEnded { .. }
                    | Keys::Contended { .. }
                    | Keys::State(_)
                    | Keys::Audit(_)
                    | Keys::Vault(VaultError::Unavailable { .. })
            ),
            _ => false,
        }
    }
}

impl StoreError {
    /// The error of the keys that it is of.
    fn keys_error(&self) -> Option<&strongroom_keys::Error> {
        match self {
            Self::Document { source, .. } => match &**source {
                DocumentError::Resource(error) => Some(error),
                DocumentError::Document(_) => None,
            },
            _ => None,
        }
    }
}

impl From<StoreError> for object_store::Error {
    fn from(error: StoreError) -> Self {
        use strongroom_keys::Error as Keys;
        let path = match &error {
            StoreError::HiddenPath { path }
            | StoreError::NoResource { path }
            | StoreError::Document { path, .. } => Some(path.to_string()),
            _ => None,
        };
        let is_denied = match (&error, error.keys_error()) {
            (StoreError::HiddenPath { .. } | StoreError::NoResource { .. }, _) => true,
            (_, Some(error)) => matches!(
                error,
                Keys::Denied { .. }
                    | Keys::Shredded { .. }
                    | Keys::NotFound { .. }
                    | Keys::Vault(VaultError::Denied { .. })
            ),
            _ => false,
        };
        let is_expired = matches!(error.keys_error(), Some(Keys::Expired { .. }));
        match (error, path) {
            (StoreError::Inner(inner), _) => inner,
            (error, Some(path)) if is_denied => {
                Self::PermissionDenied { path, source: Box::new(error) }
            }
            (error, Some(path)) if is_expired => Self::NotFound { path, source: Box::new(error) },
            (error, _) => Self::Generic { store: STORE, source: Box::new(error) },
        }
    }
}
