//! Who a document is sealed for: the wrapping keys of each of its layers.

use alloc::vec::Vec;

use crate::error::Error;
use crate::wrap::WrappingKey;

/// The keys that a document's data keys are wrapped with, 1 to 8 for each layer. Any one of a layer's
/// keys opens that layer; a document of two layers needs one of each.
///
/// A slice of keys is one layer.
///
/// # Example
///
/// ```
/// use strongroom::document::{self, Layers, OpenOptions, SealOptions};
/// use strongroom::secret::Secret;
/// use strongroom::wrap::{KeyId, UnwrappingKey, WrappingKey};
///
/// let ids = [KeyId::new("resource/7/service/1")?, KeyId::new("resource/7/customer/1")?];
/// let wrapping = |n: usize| WrappingKey::aes(ids[n].clone(), Secret::copy_from(&[n as u8; 32]));
/// let unwrapping = |n: usize| UnwrappingKey::aes(ids[n].clone(), Secret::copy_from(&[n as u8; 32]));
///
/// let layers = Layers::Two { service: &[wrapping(0)], customer: &[wrapping(1)] };
/// let sealed = document::seal(b"text", layers, &SealOptions::default())?;
///
/// let (one, both) = ([unwrapping(0)], [unwrapping(0), unwrapping(1)]);
/// assert!(document::open(&sealed, &one, &OpenOptions::default()).is_err());
/// assert_eq!(document::open(&sealed, &both, &OpenOptions::default())?, b"text");
/// # Ok::<(), strongroom::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub enum Layers<'k> {
    /// One layer of encryption, layer 1.
    One(&'k [WrappingKey]),
    /// Two layers with independent data keys: losing the keys of either makes the document
    /// unreadable.
    Two {
        /// Keys of layer 1, the inner one: the service's.
        service: &'k [WrappingKey],
        /// Keys of layer 2, the outer one: the customer's.
        customer: &'k [WrappingKey],
    },
}

impl<'k> Layers<'k> {
    /// Number of layers, 1 or 2.
    pub(crate) fn count(self) -> u8 {
        match self {
            Self::One(_) => 1,
            Self::Two { .. } => 2,
        }
    }

    /// Each layer's number and keys, the inner one first.
    pub(crate) fn each(self) -> impl Iterator<Item = (u8, &'k [WrappingKey])> {
        let (inner, outer) = match self {
            Self::One(keys) => (keys, None),
            Self::Two { service, customer } => (service, Some((2, customer))),
        };
        core::iter::once((1, inner)).chain(outer)
    }

    /// Refuses a layer that nobody could open.
    pub(crate) fn check(self) -> Result<(), Error> {
        if self.each().any(|(_, keys)| keys.is_empty()) {
            let reason = "each layer needs one at least, or nobody could open the document";
            return Err(Error::Argument { what: "recipients", reason });
        }
        Ok(())
    }
}

impl<'k> From<&'k [WrappingKey]> for Layers<'k> {
    fn from(keys: &'k [WrappingKey]) -> Self {
        Self::One(keys)
    }
}

impl<'k, const N: usize> From<&'k [WrappingKey; N]> for Layers<'k> {
    fn from(keys: &'k [WrappingKey; N]) -> Self {
        Self::One(keys)
    }
}

impl<'k> From<&'k Vec<WrappingKey>> for Layers<'k> {
    fn from(keys: &'k Vec<WrappingKey>) -> Self {
        Self::One(keys)
    }
}
