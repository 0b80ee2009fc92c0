//! The caller's demands on a document, checked before any of its keys is tried.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use alloc::vec::Vec;

use crate::document::header::Header;
use crate::document::header::recipient::Recipient;
use crate::error::Error;
use crate::wrap::{Algorithm, KeyId};

/// The caller's demands on a document, checked before any of its keys is tried. A header is an
/// attacker's input: its key ids are matched with these, never obeyed, and no vault is to be asked for
/// a key that is not [permitted](OpenPolicy::permits).
///
/// # Security
///
/// Two layers protect against the loss of one key only where their keys differ: name the keys of each
/// layer, or a document whose layers are both wrapped by one key passes for one of two.
///
/// # Example
///
/// ```
/// use strongroom::document::{OpenOptions, OpenPolicy};
/// use strongroom::wrap::{Algorithm, KeyId};
///
/// let service = vec![KeyId::new("resource/7/service/1")?];
/// let customer = vec![KeyId::new("resource/7/customer/2")?];
/// let policy = OpenPolicy {
///     key_ids: Some([service, customer]),
///     algorithms: vec![Algorithm::A256Kw],
///     least_layers: 2,
///     least_generation: 1,
/// };
/// let options = OpenOptions { policy, ..OpenOptions::default() };
/// # Ok::<(), strongroom::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenPolicy {
    /// The keys that may be used for each layer: the inner one's (the service's), then the outer one's
    /// (the customer's). `None` allows all that the caller hands in, for both.
    pub key_ids: Option<[Vec<KeyId>; 2]>,
    /// The wrapping algorithms that may be used; all that are known by default.
    pub algorithms: Vec<Algorithm>,
    /// The least number of layers, 1 by default: with 2 a document that lacks the customer's layer is
    /// refused.
    pub least_layers: u8,
    /// The least generation of the header, 1 by default. A caller that remembers the generation it last
    /// wrote thus refuses an older header that was put back, with recipients that were removed since.
    pub least_generation: u64,
}

impl OpenPolicy {
    /// True where a recipient's key may be used.
    #[must_use]
    pub fn permits(&self, recipient: &Recipient) -> bool {
        let named = |ids: &[Vec<KeyId>; 2]| {
            let of_layer = usize::from(recipient.layer()).checked_sub(1).and_then(|at| ids.get(at));
            of_layer.is_some_and(|ids| ids.contains(recipient.key_id()))
        };
        recipient.algorithm().is_some_and(|algorithm| self.algorithms.contains(&algorithm))
            && self.key_ids.as_ref().is_none_or(named)
    }

    /// Refuses a document of fewer layers, or a header of an older generation, than is demanded.
    pub(crate) fn check(&self, header: &Header) -> Result<(), Error> {
        if header.layers() < self.least_layers {
            let reason = "it has fewer layers of encryption than the policy demands";
            return Err(Error::format(10, reason));
        }
        let (generation, least) = (header.generation(), self.least_generation);
        if generation < least {
            return Err(Error::RolledBack { generation, least });
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
            least_generation: 1,
        }
    }
}
