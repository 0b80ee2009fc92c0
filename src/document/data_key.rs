//! The key of one layer of one document, and what of it is wrapped.

use core::fmt;

use subtle::ConstantTimeEq;

use super::prologue::{SUITE, VERSION};
use crate::error::Error;
use crate::secret::{Secret, SecretVec};

/// Length of what is wrapped, in bytes: `"SRMDK" || version || suite || layer || key`.
pub(crate) const PAYLOAD_LEN: usize = 40;

/// The data key of one layer of one document: 32 random bytes, used for nothing else.
///
/// # Example
///
/// A vault that unwraps remotely gives back the payload; the document takes it from there.
///
/// ```
/// use strongroom::document::{self, DataKey, Header, OpenOptions, SealOptions};
/// use strongroom::secret::Secret;
/// use strongroom::wrap::{KeyId, UnwrappingKey, WrappingKey};
///
/// let (id, key) = (KeyId::new("vault/contracts/1")?, [7; 32]);
/// let wrapping = WrappingKey::aes(id.clone(), Secret::copy_from(&key));
/// let sealed = document::seal(b"text", &[wrapping], &SealOptions::default())?;
///
/// let header = Header::parse(&sealed)?;
/// let remote = UnwrappingKey::aes(id, Secret::copy_from(&key));
/// let payload = remote.unwrap(header.recipients()[0].wrapped())?;
/// let data_key = DataKey::from_payload(1, &payload)?;
/// let opener = header.unlock(&[data_key], &OpenOptions::default())?;
/// assert_eq!(opener.open_slice(&sealed)?, b"text");
/// # Ok::<(), strongroom::Error>(())
/// ```
pub struct DataKey {
    layer: u8,
    key: Secret<32>,
}

impl DataKey {
    /// A new key for a layer.
    pub(crate) fn generate(layer: u8) -> Result<Self, Error> {
        Ok(Self { layer, key: Secret::generate()? })
    }

    /// The key in what a vault unwrapped for `layer` (1 or 2).
    ///
    /// # Errors
    ///
    /// [`Error::Authentication`] where `payload` is no data key of this format version, suite and
    /// layer.
    pub fn from_payload(layer: u8, payload: &SecretVec) -> Result<Self, Error> {
        let Ok(payload) = <&[u8; PAYLOAD_LEN]>::try_from(payload.expose()) else {
            return Err(Error::Authentication);
        };
        let Some((found, key)) = payload.split_last_chunk::<32>() else {
            return Err(Error::Authentication);
        };
        if bool::from(found.ct_eq(&prefix(layer))) {
            Ok(Self { layer, key: Secret::copy_from(key) })
        } else {
            Err(Error::Authentication)
        }
    }

    /// What is wrapped.
    pub(crate) fn payload(&self) -> SecretVec {
        let mut payload = SecretVec::zeroed(PAYLOAD_LEN);
        let (front, key) = payload.expose_mut().split_at_mut(PAYLOAD_LEN - 32);
        front.copy_from_slice(&prefix(self.layer));
        key.copy_from_slice(self.key.expose());
        payload
    }

    pub(crate) fn layer(&self) -> u8 {
        self.layer
    }

    pub(crate) fn expose(&self) -> &[u8; 32] {
        self.key.expose()
    }

    /// A chosen key, for the format's worked examples and for findings that can be repeated.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn fixed(layer: u8, key: &[u8; 32]) -> Self {
        Self { layer, key: Secret::copy_from(key) }
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataKey").field("layer", &self.layer).finish_non_exhaustive()
    }
}

fn prefix(layer: u8) -> [u8; PAYLOAD_LEN - 32] {
    let mut prefix = *b"SRMDK\0\0\0";
    prefix[5..].copy_from_slice(&[VERSION, SUITE, layer]);
    prefix
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payload_is_prefix_and_key() {
        let payload = DataKey::fixed(2, &[9; 32]).payload();
        assert_eq!(payload.expose()[..8], *b"SRMDK\x01\x01\x02");
        assert_eq!(payload.expose()[8..], [9; 32]);
        assert_eq!(DataKey::from_payload(2, &payload).unwrap().expose(), &[9; 32]);
    }

    /// Another kind of wrapped secret, or another layer's, is not taken for a data key.
    #[test]
    fn every_byte_of_the_prefix_counts() {
        for byte in 0..8 {
            let mut payload = DataKey::fixed(1, &[9; 32]).payload();
            payload.expose_mut()[byte] ^= 1;
            let refused = DataKey::from_payload(1, &payload);
            assert!(matches!(refused, Err(Error::Authentication)), "{byte}");
        }
        assert!(DataKey::from_payload(2, &DataKey::fixed(1, &[9; 32]).payload()).is_err());
        for length in [0, 39, 41] {
            assert!(DataKey::from_payload(1, &SecretVec::zeroed(length)).is_err());
        }
    }

    #[test]
    fn debug_shows_no_key() {
        assert_eq!(format!("{:?}", DataKey::fixed(1, &[0x42; 32])), "DataKey { layer: 1, .. }");
    }
}
