//! Errors of an audit trail.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::chain::Head;

/// Error of an audit trail that could not be written, or does not hold. A message never carries key material.
///
/// # Example
///
/// ```
/// use std::path::Path;
///
/// use strongroom_vault::audit::{AuditError, AuditKey, Tampering, verify};
///
/// let directory = tempfile::tempdir()?;
/// let path = directory.path().join("audit.jsonl");
/// std::fs::write(&path, "nothing that a trail says\n")?;
///
/// let error = verify(&path, &AuditKey::new(&[7; 32]), None).unwrap_err();
/// assert!(matches!(error, AuditError::Tampered { line: 1, found: Tampering::Unreadable, .. }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuditError {
    /// A sink could not keep an event.
    #[error("the audit trail cannot be written: {reason}; nothing is done that leaves no trace")]
    Unwritable {
        /// The hindrance.
        reason: String,
    },
    /// The operating system refused something.
    #[error("cannot {doing} {}: {reason}; {}", path.display(), next_step(*kind))]
    File {
        /// The operation that failed.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Kind of the error.
        kind: io::ErrorKind,
        /// The operating system's words.
        reason: String,
    },
    /// Others may write to the trail.
    #[error("{} may be written by others (mode {mode:03o}); make it private to its owner", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file exists and is not a trail: a directory, a device, a kept head that does not hold.
    #[error("{} {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The defect, and the next step.
        reason: &'static str,
    },
    /// Somebody changed, removed, added or moved a line.
    #[error(
        "{}: line number {line} {found}; the trail does not hold from there on: keep the files as \
         they are and find out who wrote to them", path.display()
    )]
    Tampered {
        /// The file.
        path: PathBuf,
        /// The number that the line should have; in a trail of one file, its place counted from 1.
        line: u64,
        /// The defect of the line.
        found: Tampering,
    },
    /// The trail cannot be written on: its last line does not hold.
    #[error("the last line of {} {found}; keep the file as it is and find out who wrote to it", path.display())]
    End {
        /// The file.
        path: PathBuf,
        /// The defect of its last line.
        found: Tampering,
    },
    /// A file of a trail of several is not there.
    #[error("{} is missing from the trail; put it back", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The trail ends before the head that was kept: lines were cut from its end.
    #[error(
        "{} ends at line number {found}, but line {} was there: its end was cut off; keep the files \
         as they are and find out who wrote to them", path.display(), kept.number
    )]
    Truncated {
        /// The current file.
        path: PathBuf,
        /// The head that was kept.
        kept: Head,
        /// The last line that is there; 0 for none.
        found: u64,
    },
    /// The trail has another line where the kept head was: it was cut and written on, or is another.
    #[error(
        "{}: line number {} is not the one that was there: the trail was cut and written on, or is \
         another; keep the files as they are and find out who wrote to them", path.display(), kept.number
    )]
    Replaced {
        /// The file.
        path: PathBuf,
        /// The head that was kept.
        kept: Head,
    },
}

impl AuditError {
    /// True where the trail does not hold, which no retry mends: [`JsonLines::repair`](super::JsonLines::repair)
    /// closes the part that is damaged.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Damaged { .. }
            | Self::Tampered { .. }
            | Self::End { .. }
            | Self::Missing { .. }
            | Self::Truncated { .. }
            | Self::Replaced { .. } => true,
            Self::Unwritable { .. } | Self::File { .. } | Self::Exposed { .. } => false,
        }
    }

    /// The file that the error is about.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Unwritable { .. } => None,
            Self::File { path, .. }
            | Self::Exposed { path, .. }
            | Self::Damaged { path, .. }
            | Self::Tampered { path, .. }
            | Self::End { path, .. }
            | Self::Missing { path }
            | Self::Truncated { path, .. }
            | Self::Replaced { path, .. } => Some(path),
        }
    }

    /// For `map_err`: an error of the operating system while `doing` something with `path`.
    pub(super) fn io<'a>(
        doing: &'static str,
        path: &'a Path,
    ) -> impl FnOnce(io::Error) -> Self + use<'a> {
        move |error| Self::File {
            doing,
            path: path.to_owned(),
            kind: error.kind(),
            reason: strongroom_files::words(&error),
        }
    }
}

/// Next step after the system's refusal.
fn next_step(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::ReadOnlyFilesystem => "mount it writable",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free some space",
        io::ErrorKind::PermissionDenied => "check whose it is, and its permissions",
        _ => "check the disk and the permissions",
    }
}

/// Defect of a line of an audit trail.
///
/// # Example
///
/// ```
/// use strongroom_vault::audit::Tampering;
///
/// // The line after the one that is gone is where it shows.
/// assert_eq!(Tampering::Number { found: 6 }.to_string(), "is numbered 6: a line was removed, added or moved");
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tampering {
    /// It is not a line of an audit trail.
    Unreadable,
    /// It is longer than any line of an audit trail.
    TooLong,
    /// It has another number.
    Number {
        /// The number found.
        found: u64,
    },
    /// Its mac does not fit it, the line before, or the key.
    Mac,
    /// It begins a file and does not say rightly which line it follows.
    Beginning,
    /// It begins a trail of a format that this version does not read.
    Format {
        /// The format.
        found: u32,
    },
}

impl fmt::Display for Tampering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable => f.write_str("is not a line of an audit trail"),
            Self::TooLong => f.write_str("is longer than any line of an audit trail"),
            Self::Number { found } => {
                write!(f, "is numbered {found}: a line was removed, added or moved")
            }
            Self::Mac => f.write_str("was changed or moved, or the key is not this trail's"),
            Self::Beginning => f.write_str("does not say rightly which line it follows"),
            Self::Format { found } => {
                write!(f, "begins a trail of format {found}, which this version does not read")
            }
        }
    }
}
