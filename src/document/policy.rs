//! What a document must be like to be opened, whatever its header says.

use alloc::vec::Vec;

use super::header::Header;
use super::recipient::Recipient;
use crate::error::Error;
use crate::wrap::{Algorithm, KeyId};

/// What the caller demands of a document before any of its keys is tried. A header is an attacker's
/// input: its key ids are matched with these, never obeyed, and no vault is to be asked for a key that
/// is not [permitted](OpenPolicy::permits).
///
/// # Example
///
/// ```
/// use strongroom::document::{OpenOptions, OpenPolicy};
/// use strongroom::wrap::{Algorithm, KeyId};
///
/// let policy = OpenPolicy {
///     key_ids: Some(vec![KeyId::new("resource/7/service/1")?, KeyId::new("resource/7/customer/2")?]),
///     algorithms: vec![Algorithm::A256Kw],
///     least_layers: 2,
/// };
/// let options = OpenOptions { policy, ..OpenOptions::default() };
/// # Ok::<(), strongroom::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenPolicy {
    /// The keys that may be used; `None` allows all that the caller hands in.
    pub key_ids: Option<Vec<KeyId>>,
    /// The wrapping algorithms that may be used; all that are known by default.
    pub algorithms: Vec<Algorithm>,
    /// The least number of layers, 1 by default: with 2 a document that lacks the customer's layer is
    /// refused.
    pub least_layers: u8,
}

impl OpenPolicy {
    /// Whether a recipient's key may be used.
    #[must_use]
    pub fn permits(&self, recipient: &Recipient) -> bool {
        recipient.algorithm().is_some_and(|algorithm| self.algorithms.contains(&algorithm))
            && self.key_ids.as_ref().is_none_or(|ids| ids.contains(recipient.key_id()))
    }

    /// Refuses a document of fewer layers than there must be.
    pub(crate) fn check(&self, header: &Header) -> Result<(), Error> {
        if header.layers() < self.least_layers {
            let reason = "it has fewer layers of encryption than the policy demands";
            return Err(Error::format(10, reason));
        }
        Ok(())
    }
}

impl Default for OpenPolicy {
    fn default() -> Self {
        Self {
            key_ids: None,
            algorithms: [Algorithm::RsaOaep256, Algorithm::A256Kw].into(),
            least_layers: 1,
        }
    }
}
