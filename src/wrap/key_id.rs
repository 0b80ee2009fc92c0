//! The names of keys.

use alloc::boxed::Box;
use core::fmt;
use core::str::FromStr;

use crate::error::Error;

/// The name of one version of one key: 1 to 255 bytes of visible ASCII (0x21 to 0x7e).
///
/// An id always carries the key's version, in whatever way its vault writes it: a document sealed
/// before a rotation must still say which version opens it. For example
/// `https://contoso.vault.azure.net/keys/documents/3f5c6b7a8d9e` or `resource/42/service/1`.
///
/// Ids are compared byte for byte.
///
/// # Example
///
/// ```
/// use strongroom::wrap::KeyId;
///
/// let id = KeyId::new("resource/42/service/1")?;
/// assert_eq!(id.as_str(), "resource/42/service/1");
/// assert!(KeyId::new("no spaces").is_err());
/// # Ok::<(), strongroom::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(Box<str>);

impl KeyId {
    /// The greatest length in bytes.
    pub const MAX_LEN: usize = 255;

    /// The id with this text.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] when it is empty, longer than 255 bytes, or has a byte that is not visible
    /// ASCII.
    pub fn new(id: &str) -> Result<Self, Error> {
        let refuse = |reason| Err(Error::Argument { what: "key id", reason });
        if id.is_empty() {
            refuse("it is empty; pass the id that the vault gives the key, with its version")
        } else if id.len() > Self::MAX_LEN {
            refuse("it is longer than 255 bytes; use a key with a shorter id")
        } else if !id.bytes().all(|byte| byte.is_ascii_graphic()) {
            refuse(
                "it holds a space, a control character or a character beyond ASCII; percent-encode \
                 it, or use a key with another id",
            )
        } else {
            Ok(Self(id.into()))
        }
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True where both are versions of one key: the same text up to the last `/`, before the version.
    ///
    /// # Example
    ///
    /// ```
    /// use strongroom::wrap::KeyId;
    ///
    /// let id = KeyId::new("resource/42/service/2")?;
    /// assert!(id.is_version_of(&KeyId::new("resource/42/service/1")?));
    /// assert!(!id.is_version_of(&KeyId::new("resource/43/service/2")?));
    /// # Ok::<(), strongroom::Error>(())
    /// ```
    #[must_use]
    pub fn is_version_of(&self, other: &Self) -> bool {
        let name = self.name();
        name.is_some() && name == other.name()
    }

    fn name(&self) -> Option<&str> {
        self.0.rsplit_once('/').map(|(name, _)| name)
    }
}

impl FromStr for KeyId {
    type Err = Error;

    fn from_str(id: &str) -> Result<Self, Error> {
        Self::new(id)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
