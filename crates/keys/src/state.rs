//! State as numbered objects that are only ever created.
//!
//! Whoever changes a resource reads the object with the highest number, `n`, and creates `n + 1`. Of
//! two who do so at once one creates it, the other finds that it exists, reads it and decides anew:
//! creating is the only synchronisation that every store offers.
//!
//! # Which object counts
//!
//! The one with the highest number, and no other. Where it does not verify, that is an error which names
//! it, and nobody falls back to the one before: a store publishes an object whole or not at all, so that
//! no crash leaves a torn one, and whoever could make readers fall back could undo a revocation by
//! writing one object of garbage. No objects at all is an error too, never a new resource.
//!
//! # What becomes of old objects
//!
//! The newest [`KEPT`] keep their content, for people who look into what happened. Older ones are
//! [erased](StateStore::erase): the number stays taken, so that a slow writer cannot create it a second
//! time and believe that it was first. Where a key was destroyed, every older object is erased at once,
//! because it holds the key, wrapped. Numbers are given free only [`NUMBERED`] below the newest.

mod error;
mod file;
mod signed;
mod store;

pub use self::error::{READER_VERSION, StateError};
pub use self::file::FileStore;
pub use self::signed::StateKey;
pub(crate) use self::signed::{key_id_of, mac_of, open};
pub(crate) use self::store::prune;
pub use self::store::{Created, KEPT, LONGEST, NUMBERED, StateStore, check_name};
