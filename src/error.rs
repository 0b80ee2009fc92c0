//! The engine's one error type.

use alloc::string::String;
use core::fmt;

use crate::time::Rfc3339;

/// Error of the engine, with the reason and the next step.
///
/// A message never carries key material or plaintext.
///
/// # Example
///
/// ```
/// use strongroom::Error;
/// use strongroom::document::Header;
///
/// let error = Header::parse(b"no sealed document").unwrap_err();
/// assert!(matches!(error, Error::Format { offset: 0, .. }));
/// ```
#[non_exhaustive]
#[derive(Debug)]
pub enum Error {
    /// A tag, key, context, commitment or padding did not hold. One opaque answer on purpose:
    /// which of them it was would help an attacker.
    Authentication,
    /// The bytes at `offset` (in bytes from the start of what was parsed) are not what the format
    /// says there.
    Format {
        /// Position in bytes.
        offset: u64,
        /// The deviation from the format.
        reason: &'static str,
    },
    /// A key cannot be used.
    Key {
        /// The key's id, or what it was called where it was read.
        key: String,
        /// The reason, and the next step.
        reason: &'static str,
    },
    /// A key that is to be read is encrypted with a passphrase.
    KeyEncrypted,
    /// The passphrase is not the one that a key is encrypted with.
    KeyPassphrase,
    /// None of the keys at hand is one that the document is wrapped with.
    NoKey {
        /// The ids of the keys that would open it, as the document names them.
        wrapped_with: String,
    },
    /// The document's `expires_at` has passed.
    Expired {
        /// Seconds since the Unix epoch.
        expires_at: u64,
    },
    /// The document's header is of an older generation than the caller's policy demands: one from before
    /// a rewrap was put back.
    RolledBack {
        /// The header's generation.
        generation: u64,
        /// The least that the policy allows.
        least: u64,
    },
    /// A length is outside what the standard or the format allows.
    Length {
        /// Name of the measured thing.
        what: &'static str,
        /// The length given, in bytes (or items, where `what` says so).
        length: u64,
        /// The greatest length allowed, in the same unit.
        limit: u64,
    },
    /// An argument has a value that cannot work.
    Argument {
        /// The argument's name.
        what: &'static str,
        /// The reason, and a value that would work.
        reason: &'static str,
    },
    /// The input is not what was announced: it ended elsewhere, or was modified while it was read.
    InputChanged {
        /// The length that was announced, in bytes.
        expected: u64,
    },
    /// The operating system gave no random bytes.
    Random,
    /// Memory or processor changed what was computed from the key. Nothing was kept.
    Fault,
    /// Reading or writing failed.
    #[cfg(feature = "std")]
    Io {
        /// The operation that failed.
        doing: &'static str,
        /// The operating system's error.
        source: std::io::Error,
    },
}

impl Error {
    /// A [`Error::Format`] at `offset`.
    pub(crate) fn format(offset: usize, reason: &'static str) -> Self {
        Self::Format { offset: offset as u64, reason }
    }

    /// Wraps what the operating system said while `doing` something, in `map_err`.
    #[cfg(feature = "std")]
    pub fn io(doing: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { doing, source }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Authentication => f.write_str(
                "authentication failed: the key or the context is not the one it was sealed with, \
                 or the bytes were changed",
            ),
            Self::Format { offset, reason } => {
                write!(f, "not a valid sealed document: {reason} (at byte {offset})")
            }
            Self::Key { key, reason } => write!(f, "{key}: {reason}"),
            Self::KeyEncrypted => {
                f.write_str("the key is encrypted with a passphrase; give that passphrase")
            }
            Self::KeyPassphrase => f.write_str(
                "the passphrase does not open the key; give the one that it was encrypted with",
            ),
            Self::NoKey { wrapped_with } => {
                write!(f, "no key for this document: it is wrapped with {wrapped_with}")
            }
            Self::Expired { expires_at } => write!(
                f,
                "the document expired at {} and is not opened any more",
                Rfc3339(*expires_at)
            ),
            Self::RolledBack { generation, least } => write!(
                f,
                "the header is of generation {generation} and {least} is the least allowed: an older \
                 one was put back; restore the newest"
            ),
            Self::Length { what, length, limit } if length > limit => {
                write!(f, "{what}: {length} is more than the {limit} allowed")
            }
            // It is longer than can be counted.
            Self::Length { what, limit, .. } => write!(f, "{what}: more than the {limit} allowed"),
            Self::Argument { what, reason } => write!(f, "{what}: {reason}"),
            Self::InputChanged { expected } => write!(
                f,
                "the input is not the {expected} bytes that were announced: it changed while it was \
                 read, or its length was given wrongly; try again when nothing writes to it, or seal it \
                 as a stream"
            ),
            Self::Random => f.write_str("the operating system gave no random bytes"),
            Self::Fault => f.write_str(
                "this machine computed wrongly and nothing was kept: test its memory before it \
                 seals or opens anything else",
            ),
            #[cfg(feature = "std")]
            Self::Io { doing, source } => write!(f, "{doing}: {source}"),
        }
    }
}

// `source` stays empty: `Io` prints what the operating system said as part of its own message, and a
// chain that repeats it would say everything twice.
impl core::error::Error for Error {}

/// Gives the error of a reader or writer of [`std::io`]: the transport's own error where there was one, and
/// [`InvalidData`](std::io::ErrorKind::InvalidData) with this error inside for all others.
#[cfg(feature = "std")]
impl From<Error> for std::io::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Io { source, .. } => source,
            error => Self::new(std::io::ErrorKind::InvalidData, error),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::Error;

    #[test]
    fn an_expired_document_is_told_with_its_date() {
        let text = Error::Expired { expires_at: 1_795_291_487 }.to_string();
        assert_eq!(text, "the document expired at 2026-11-21T20:04:47Z and is not opened any more");
    }

    #[test]
    fn an_overflow_is_not_told_as_a_number_above_itself() {
        let error = |length| Error::Length { what: "bytes", length, limit: 7 }.to_string();
        assert_eq!(error(8), "bytes: 8 is more than the 7 allowed");
        assert_eq!(error(7), "bytes: more than the 7 allowed");
    }
}
