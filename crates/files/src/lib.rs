//! Private files that processes share and that outlast a power cut: the ground floor of Strongroom's vaults, states,
//! trails and documents.
//!
//! ```text
//! file_system   what keys need of a file system; names that are given once; temporary files and their sweep
//! durable       a file that is replaced whole
//! platform      what differs between operating systems
//! words         the systems' errors in words
//! ```
//!
//! # Example
//!
//! ```
//! # let directory = tempfile::tempdir()?;
//! let path = directory.path().join("settings.json");
//! strongroom_files::replace(&path, b"{}")?;
//! strongroom_files::replace(&path, b"{\"a\":1}")?;
//! assert_eq!(std::fs::read(&path)?, b"{\"a\":1}");
//! # Ok::<(), std::io::Error>(())
//! ```

mod durable;
mod file_system;
mod platform;
mod words;

pub use self::durable::replace;
pub use self::file_system::{
    Lacking, MARK, is_temporary_name, may_be_written_elsewhere, name_unless_taken, sweep,
    temporary_name, try_for_keys,
};
pub use self::platform::{
    DIRECTORY_MODE, FILE_MODE, LOCK_FILE, append, create_private, create_private_directory,
    gives_no_locks, is_at, is_not_there, is_on_read_only_mount, is_symbolic_link,
    make_directory_private, mode, names, open_directory_lock, open_regular, open_to_append,
    open_unfollowed, overwrite, private, sync_directory,
};
pub use self::words::words;
