//! The registry of wrapping algorithms.

use core::fmt;

/// Algorithm that wraps a data key. The names are those of JOSE (RFC 7518 section 4.1).
///
/// The registry is closed: a code has one meaning for ever. 3 and 4 are reserved for RSA-OAEP-256
/// with RSA-3072 and RSA-4096, 5 and 6 for ML-KEM-768 and ML-KEM-1024, and 7 to 15 for what comes
/// after them.
///
/// # Example
///
/// ```
/// use strongroom::wrap::Algorithm;
///
/// assert_eq!(Algorithm::from_code(2), Some(Algorithm::A256Kw));
/// assert_eq!(Algorithm::A256Kw.name(), "A256KW");
/// assert_eq!(Algorithm::A256Kw.wrapped_len(40), 48);
/// assert_eq!(Algorithm::RsaOaep256.wrapped_len(40), 256);
/// ```
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// RSA-OAEP with SHA-256, MGF1-SHA-256 and an empty label (RFC 8017 section 7.1; RFC 7518
    /// section 4.3), under an RSA-2048 key. The same key and payload give another result each time.
    RsaOaep256,
    /// AES Key Wrap (RFC 3394 section 2.2.3.1, "KW" of NIST SP 800-38F; RFC 7518 section 4.4), under
    /// a 256-bit key. The same key and payload give the same result.
    A256Kw,
}

impl Algorithm {
    /// The name in JOSE, which key vaults use as well: `RSA-OAEP-256` or `A256KW`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::RsaOaep256 => "RSA-OAEP-256",
            Self::A256Kw => "A256KW",
        }
    }

    /// The number in the document format: 1 or 2.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::RsaOaep256 => 1,
            Self::A256Kw => 2,
        }
    }

    /// The algorithm with this number in the document format, if it is one that is known.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::RsaOaep256),
            2 => Some(Self::A256Kw),
            _ => None,
        }
    }

    /// The length in bytes of a payload of `payload_len` bytes once it is wrapped: 256, or eight more
    /// than the payload. Whether the algorithm takes a payload of that length is for
    /// [`WrappingKey::wrap`](super::WrappingKey::wrap) to say.
    #[must_use]
    pub const fn wrapped_len(self, payload_len: usize) -> usize {
        match self {
            Self::RsaOaep256 => 256,
            Self::A256Kw => payload_len.saturating_add(8),
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
