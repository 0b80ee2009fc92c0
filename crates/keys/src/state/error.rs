//! The errors of states.

use std::path::PathBuf;

/// The version of states that this code writes, and the highest `min_reader` that it reads.
pub const READER_VERSION: u32 = 1;

/// The reason why a state cannot be read or written.
///
/// # Example
///
/// ```
/// use strongroom_keys::state::StateError;
///
/// let error = StateError::Missing { name: "contoso".into() };
/// assert!(error.to_string().contains("contoso"));
/// ```
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// The store has no object of this name.
    #[error("there is no state of {name:?}: create it, or restore the store from a backup")]
    Missing {
        /// The object's name.
        name: String,
    },
    /// The newest object is not what this service wrote, in this place.
    #[error(
        "the state {name}/{number} is not valid: {reason}; nothing older is used in its place, restore \
         this object from a backup"
    )]
    Invalid {
        /// The object's name.
        name: String,
        /// The object's number.
        number: u64,
        /// The reason.
        reason: String,
    },
    /// The object was written by a newer version.
    #[error(
        "the state {name}/{number} needs a reader of version {min_reader} and this is version \
         {READER_VERSION}: upgrade this process"
    )]
    TooNew {
        /// The object's name.
        name: String,
        /// The object's number.
        number: u64,
        /// The least version that may read it.
        min_reader: u32,
    },
    /// The store holds less than it did before.
    #[error(
        "the state of {name:?} went back from number {seen} to {found}: the store was rolled back; \
         restore its newest objects"
    )]
    RolledBack {
        /// The object's name.
        name: String,
        /// The highest number that was there.
        seen: u64,
        /// The highest number that is there.
        found: u64,
    },
    /// The store holds another object than the one that was there.
    #[error(
        "the state {name}/{number} is another one than this host's audit trail recorded: the store was rolled back and \
         written on; put its own objects back"
    )]
    Replaced {
        /// Name of the states.
        name: String,
        /// The object's number.
        number: u64,
    },
    /// The state that is there may be older than one that is not known of any more.
    #[error(
        "the state {name}/{number} may not be the newest one of the resource: a newer one may have been in the damaged \
         part of the audit trail; it gives no access until somebody confirms that it is the newest"
    )]
    InDoubt {
        /// Name of the states.
        name: String,
        /// The object's number.
        number: u64,
    },
    /// A name that no object may have.
    #[error("{name:?} cannot name a state: use 1 to 64 lower-case letters, digits, - and _")]
    Name {
        /// The name.
        name: String,
    },
    /// Others can reach the store's directory.
    #[error(
        "the directory {} of states is open to other users (mode {mode:03o}): make it private to its owner",
        path.display()
    )]
    Exposed {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The store cannot be read or written.
    #[error("cannot {doing}: {reason}")]
    Io {
        /// The activity, with the object's name.
        doing: String,
        /// The store's error.
        reason: String,
    },
}
