//! The words that sentences of failures have in common: errors of the system and of the engine, and the next step.

use std::fmt;
use std::io;

use strongroom::Error;
use strongroom_keys::resource::ResourceId;

use crate::hint;
use crate::place::Place;
use crate::time::display_time;

/// The system's error, in words and without its number.
pub(super) struct Said<'a>(pub(super) &'a io::Error);

impl fmt::Display for Said<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.kind() {
            io::ErrorKind::NotFound => f.write_str("there is no such file or directory"),
            io::ErrorKind::PermissionDenied => f.write_str("permission denied"),
            io::ErrorKind::StorageFull => f.write_str("no space is left on the device"),
            io::ErrorKind::BrokenPipe => f.write_str("the reader has closed it"),
            io::ErrorKind::InvalidFilename => f.write_str("the name is too long or not allowed"),
            io::ErrorKind::ReadOnlyFilesystem => f.write_str("the file system is read-only"),
            io::ErrorKind::FileTooLarge => f.write_str("the file is too large for the file system, or for the limit of this process (ulimit -f)"),
            io::ErrorKind::QuotaExceeded => f.write_str("the quota is used up"),
            _ => f.write_str(&strongroom_files::words(self.0)),
        }
    }
}

/// `places`, as a shell takes them.
pub(super) fn listed(places: &[Place]) -> String {
    let words: Vec<String> = places
        .iter()
        .map(|place| place.path().map_or_else(|| "-".to_owned(), hint::quoted))
        .collect();
    words.join(" ")
}

/// The names of `resources`.
pub(super) fn named(resources: &[ResourceId]) -> String {
    resources.iter().map(ResourceId::as_str).collect::<Vec<_>>().join(", ")
}

/// The next step after `error` of reading.
pub(super) fn read_advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => "check the path",
        io::ErrorKind::PermissionDenied => "check who may read it with ls -l",
        _ => "check the device it is on",
    }
}

/// The next step after `error` of writing an output.
pub(super) fn write_advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::BrokenPipe => "what it got is incomplete and must be discarded",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free some space, or choose another place with -o"
        }
        _ => "choose another place with -o",
    }
}

/// The next step after `error` of replacing a document.
pub(super) fn rewrap_advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free some space",
        io::ErrorKind::PermissionDenied => "check who may write it and its directory with ls -l",
        _ => "check the device it is on",
    }
}

/// The next step after `error` with a file of a home.
pub(super) fn home_advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free some space, or name another home with --home"
        }
        io::ErrorKind::ReadOnlyFilesystem => "mount it writable, or name another home with --home",
        _ => "check what is there and whose it is with ls -l, or name another home with --home",
    }
}

/// The next step after `error` with a file of a vault.
pub(super) fn vault_advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free some space, or name another vault with --vault"
        }
        io::ErrorKind::PermissionDenied => {
            "check whose it is with ls -l, or name another vault with --vault"
        }
        _ => "name another vault with --vault",
    }
}

/// The engine's `error` about the document `name`, and the next step.
pub(super) fn document_sentence(name: &str, error: &Error) -> String {
    let next = match error {
        Error::Format { .. } => "give a file that strongroom has sealed, in full",
        Error::Authentication => {
            "give the --context it was sealed with, or restore the file from a copy"
        }
        Error::InputChanged { expected } => {
            return format!(
                "{name} is not the {expected} bytes that its length was given as: it was changed while \
                 it was read, or the file system reports a wrong length; try again when nothing writes \
                 to it"
            );
        }
        Error::Expired { expires_at } => {
            return format!(
                "{name}: the document expired at {} and is not opened any more",
                display_time(*expires_at)
            );
        }
        _ => return format!("{name}: {error}"),
    };
    format!("{name}: {error}; {next}")
}

/// The name of the kind of the engine's `error`, for programs.
pub(super) fn document_kind(error: &Error) -> &'static str {
    match error {
        Error::Authentication => "authentication",
        Error::Format { .. } => "format",
        Error::Expired { .. } => "expired",
        Error::NoKey { .. } => "no-key",
        Error::Io { .. } => "io",
        _ => "document",
    }
}
