//! One wrapped copy of a data key, and who can unwrap it.
//!
//! ```text
//! 0   1   layer, 1 or 2
//! 1   1   algorithm: 1 RSA-OAEP-256, 2 A256KW
//! 2   2   length of the key id, n
//! 4   2   length of the wrapped key, m
//! 6   n   key id, visible ASCII
//! 6+n m   wrapped key
//! ```

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use alloc::vec::Vec;

use crate::document::key_schedule::{DataKey, PAYLOAD_LEN};
use crate::error::Error;
use crate::secret::SecretVec;
use crate::wrap::{Algorithm, KeyId, UnwrappingKey, WrappingKey};

/// Greatest number of recipients a layer.
pub(crate) const MAX_A_LAYER: usize = 8;

/// A data key wrapped for one holder of a key.
///
/// What it says is not authenticated until the document is unlocked: it shows which of the keys
/// at hand may fit, never which key to fetch.
///
/// # Example
///
/// ```
/// use strongroom::document::{self, Header, SealOptions};
/// use strongroom::secret::Secret;
/// use strongroom::wrap::{KeyId, WrappingKey};
///
/// let key = WrappingKey::aes(KeyId::new("resource/7/service/1")?, Secret::generate()?);
/// let sealed = document::seal(b"text", &[key], &SealOptions::default())?;
/// let header = Header::parse(&sealed)?;
/// assert_eq!(header.recipients()[0].key_id().as_str(), "resource/7/service/1");
/// # Ok::<(), strongroom::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    layer: u8,
    algorithm_code: u8,
    key_id: KeyId,
    wrapped: Vec<u8>,
}

impl Recipient {
    pub(crate) fn new(layer: u8, algorithm: Algorithm, key_id: KeyId, wrapped: Vec<u8>) -> Self {
        Self { layer, algorithm_code: algorithm.code(), key_id, wrapped }
    }

    /// A data key wrapped with each of `keys`.
    pub(crate) fn wrap_for(data_key: &DataKey, keys: &[WrappingKey]) -> Result<Vec<Self>, Error> {
        keys.iter().map(|key| Self::wrap(data_key, key)).collect()
    }

    /// A data key wrapped with `key`.
    pub(crate) fn wrap(data_key: &DataKey, key: &WrappingKey) -> Result<Self, Error> {
        let wrapped = key.wrap(data_key.payload())?;
        Ok(Self::new(data_key.layer(), key.algorithm(), key.id().clone(), wrapped))
    }

    /// 1 for the inner layer (the service's), 2 for the outer one (the customer's).
    #[must_use]
    pub fn layer(&self) -> u8 {
        self.layer
    }

    /// The algorithm that wrapped the data key; `None` for one that this version does not know.
    #[must_use]
    pub fn algorithm(&self) -> Option<Algorithm> {
        Algorithm::from_code(self.algorithm_code)
    }

    /// The number of the algorithm in the document format, known or not.
    #[must_use]
    pub fn algorithm_code(&self) -> u8 {
        self.algorithm_code
    }

    /// The versioned id of the key that unwraps it.
    #[must_use]
    pub fn key_id(&self) -> &KeyId {
        &self.key_id
    }

    /// The wrapped data key.
    #[must_use]
    pub fn wrapped(&self) -> &[u8] {
        &self.wrapped
    }

    /// The payload of the data key, as `key` unwraps it; one that is not a data key of this layer is refused together
    /// with the padding.
    ///
    /// # Errors
    ///
    /// Those of [`UnwrappingKey::unwrap_expected`].
    pub fn unwrap_with(&self, key: &UnwrappingKey) -> Result<SecretVec, Error> {
        key.unwrap_expected(&self.wrapped, DataKey::expected(self.layer))
    }

    /// True where `key` has its id and algorithm.
    pub(crate) fn is_for(&self, key: &UnwrappingKey) -> bool {
        self.algorithm() == Some(key.algorithm()) && self.key_id() == key.id()
    }

    /// Length of a list's encoding in bytes.
    pub(crate) fn encoded_len_of(list: &[Self]) -> usize {
        let one = |recipient: &Self| {
            let fields = [recipient.key_id.as_str().len(), recipient.wrapped.len()];
            fields.into_iter().fold(6, usize::saturating_add)
        };
        list.iter().map(one).fold(0, usize::saturating_add)
    }

    /// True where a header has room for one of the two only.
    pub(crate) fn replaces(&self, other: &Self) -> bool {
        self.order() == other.order()
    }

    /// Brings a list into the order in which it is written.
    pub(crate) fn sort(list: &mut [Self]) {
        list.sort_by(|a, b| a.order().cmp(&b.order()));
    }

    /// The order of recipients in a header; no two of a document have the same.
    fn order(&self) -> (u8, u8, &KeyId) {
        (self.layer, self.algorithm_code, &self.key_id)
    }
}

/// Appends the list's bytes to `out`, sorted.
pub(crate) fn encode_list(
    layers: u8,
    recipients: &mut [Recipient],
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    Recipient::sort(recipients);
    check_list(layers, recipients)
        .map_err(|reason| Error::Argument { what: "recipients", reason })?;
    for recipient in recipients {
        out.extend([recipient.layer, recipient.algorithm_code]);
        for field in [recipient.key_id.as_str().as_bytes(), &recipient.wrapped] {
            let length = u16::try_from(field.len()).map_err(|_| Error::Length {
                what: "key id or wrapped key, in bytes",
                length: field.len() as u64,
                limit: u64::from(u16::MAX),
            })?;
            out.extend(length.to_be_bytes());
        }
        out.extend_from_slice(recipient.key_id.as_str().as_bytes());
        out.extend_from_slice(&recipient.wrapped);
    }
    Ok(())
}

/// Reads recipients until the zeros that fill the slot up, which must reach its end.
/// The error is a reason.
pub(crate) fn parse_list(layers: u8, mut bytes: &[u8]) -> Result<Vec<Recipient>, &'static str> {
    const CUT: &str = "a recipient runs past the end of its slot";
    let mut recipients = Vec::new();
    while bytes.first().is_some_and(|layer| *layer != 0) {
        let ([layer, algorithm_code, i0, i1, w0, w1], rest) =
            bytes.split_first_chunk().ok_or(CUT)?;
        let id_len = usize::from(u16::from_be_bytes([*i0, *i1]));
        let wrapped_len = usize::from(u16::from_be_bytes([*w0, *w1]));
        let (id, rest) = rest.split_at_checked(id_len).ok_or(CUT)?;
        let (wrapped, rest) = rest.split_at_checked(wrapped_len).ok_or(CUT)?;
        let key_id = core::str::from_utf8(id)
            .ok()
            .and_then(|id| KeyId::new(id).ok())
            .ok_or("a recipient's key id is not a key id")?;
        recipients.push(Recipient {
            layer: *layer,
            algorithm_code: *algorithm_code,
            key_id,
            wrapped: wrapped.to_vec(),
        });
        bytes = rest;
    }
    if bytes.iter().any(|byte| *byte != 0) {
        return Err("bytes behind the recipients are not zero");
    }
    check_list(layers, &recipients)?;
    Ok(recipients)
}

/// The rules for a list as a whole, in a document of so many layers.
fn check_list(layers: u8, recipients: &[Recipient]) -> Result<(), &'static str> {
    if !recipients.is_sorted_by(|a, b| a.order() < b.order()) {
        return Err("recipients are not in order, or one stands there twice");
    }
    for layer in 1..=layers {
        let count = recipients.iter().filter(|recipient| recipient.layer == layer).count();
        if !(1..=MAX_A_LAYER).contains(&count) {
            return Err("a layer has no recipient or more than 8");
        }
    }
    for recipient in recipients {
        if !(1..=layers).contains(&recipient.layer) {
            return Err("a recipient is of a layer that the document does not have");
        }
        if let Some(algorithm) = recipient.algorithm()
            && recipient.wrapped.len() != algorithm.wrapped_len(PAYLOAD_LEN)
        {
            return Err("a wrapped key has the wrong length for its algorithm");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::unlock::unwrap_with;
    use crate::secret::Secret;

    fn recipient(layer: u8, id: &str) -> Recipient {
        Recipient::new(layer, Algorithm::A256Kw, KeyId::new(id).unwrap(), vec![7; 48])
    }

    /// Not only what is made of it afterwards: the key itself gives nothing out.
    #[test]
    fn a_payload_of_another_layer_or_kind_is_not_unwrapped() {
        let id = KeyId::new("a/1").unwrap();
        let wrapping = WrappingKey::aes(id.clone(), Secret::copy_from(&[5; 32]));
        let keys = [UnwrappingKey::aes(id.clone(), Secret::copy_from(&[5; 32]))];
        let mut refused = 0;
        for layer in [1, 2] {
            let sound = DataKey::new(layer, &[9; 32]);
            let wrapped = |payload: &[u8]| {
                let wrapped = wrapping.wrap(payload).unwrap();
                Recipient::new(layer, Algorithm::A256Kw, id.clone(), wrapped)
            };
            let unwrapped = unwrap_with(&keys, &wrapped(sound.payload())).unwrap();
            assert_eq!(unwrapped.unwrap().expose(), sound.payload());
            for index in 0..8 {
                let mut payload = *sound.payload();
                payload[index] ^= 3; // of 1 it makes 2, of the layer the other one
                let unwrapped = unwrap_with(&keys, &wrapped(&payload)).unwrap();
                assert!(matches!(unwrapped, Err(Error::Authentication)), "byte {index}");
                refused += 1;
            }
            let key = DataKey::new(layer, &[9; 32]);
            assert!(wrapped(&key.payload()[..32]).unwrap_with(&keys[0]).is_err());
        }
        assert_eq!(refused, 16);
    }

    fn encoded(layers: u8, recipients: &[Recipient]) -> Vec<u8> {
        let mut out = Vec::new();
        encode_list(layers, &mut recipients.to_vec(), &mut out).unwrap();
        out
    }

    #[test]
    fn lists_round_trip_sorted() {
        let list = [recipient(2, "c/1"), recipient(1, "b/1"), recipient(1, "a/2")];
        let mut bytes = encoded(2, &list);
        bytes.extend([0; 9]);
        let parsed = parse_list(2, &bytes).unwrap();
        assert_eq!(parsed, [list[2].clone(), list[1].clone(), list[0].clone()]);
    }

    #[test]
    fn lists_that_break_a_rule_are_refused() {
        let one = encoded(1, &[recipient(1, "a/1")]);
        let two = encoded(1, &[recipient(1, "b/1")]);
        let refused = |bytes: &[u8]| parse_list(1, bytes).unwrap_err();
        assert!(refused(&[&two[..], &one].concat()).contains("order"));
        assert!(refused(&[&one[..], &one].concat()).contains("twice"));
        assert!(refused(&[&one[..], &[0, 1]].concat()).contains("zero"));
        assert!(refused(&[0; 4]).contains("no recipient"));
        for len in 1..one.len() {
            assert!(refused(&one[..len]).contains("past the end"), "{len}");
        }
        let mut id = one.clone();
        id[6] = 0x07;
        assert!(refused(&id).contains("key id"));
        let mut short = one.clone();
        short[5] -= 1;
        short.pop();
        assert!(refused(&short).contains("wrong length"));

        let nine: Vec<_> = (0..9).map(|n| recipient(1, &format!("k/{n}"))).collect();
        assert!(encode_list(1, &mut nine.clone(), &mut Vec::new()).is_err());
        assert_eq!(parse_list(1, &encoded(1, &nine[..8])).unwrap().len(), 8);
    }

    /// Each layer that there is has a recipient, and no recipient is of another.
    #[test]
    fn recipients_are_of_the_documents_layers() {
        let inner = encoded(1, &[recipient(1, "a/1")]);
        let both = encoded(2, &[recipient(1, "a/1"), recipient(2, "a/1")]);
        assert!(parse_list(2, &inner).unwrap_err().contains("no recipient"));
        assert!(parse_list(1, &both).unwrap_err().contains("does not have"));
        assert!(parse_list(1, &[&[2], &inner[1..]].concat()).unwrap_err().contains("no recipient"));
        assert!(parse_list(2, &[&both[..], &[3], &inner[1..]].concat()).is_err());
        assert_eq!(parse_list(2, &both).unwrap().len(), 2);
    }

    /// A number that this version does not know is carried along: another program may.
    #[test]
    fn unknown_algorithms_are_carried() {
        let mut unknown = 0;
        for code in 0..=u8::MAX {
            let mut bytes = encoded(1, &[recipient(1, "a/1")]);
            bytes[1] = code;
            let parsed = parse_list(1, &bytes).unwrap_or_default();
            let Some(found) = parsed.first() else {
                assert_eq!(code, 1, "RSA's wrapped key is longer");
                continue;
            };
            assert_eq!(found.algorithm().is_some(), code == 2);
            assert_eq!(encoded(1, &parsed), bytes);
            unknown += usize::from(found.algorithm().is_none());
        }
        assert_eq!(unknown, 254);
    }

    /// Their wrapped keys have any length, and they count as all others.
    #[test]
    fn unknown_recipients_count_among_the_eight() {
        let unknown = |id: &str, length: usize| Recipient {
            layer: 1,
            algorithm_code: 9,
            key_id: KeyId::new(id).unwrap(),
            wrapped: vec![7; length],
        };
        let mut list: Vec<_> = (0..7).map(|n| recipient(1, &format!("k/{n}"))).collect();
        for length in [0, 1, 2000] {
            let eight = encoded(1, &[&list[..], &[unknown("u/1", length)]].concat());
            assert_eq!(parse_list(1, &eight).unwrap().len(), 8);
        }
        assert_eq!(parse_list(1, &encoded(1, &[unknown("u/1", 0)])).unwrap().len(), 1);
        list.extend([unknown("u/1", 0), unknown("u/2", 0)]);
        assert!(encode_list(1, &mut list, &mut Vec::new()).is_err());
        let nine: Vec<u8> =
            list.iter().flat_map(|one| encoded(1, core::slice::from_ref(one))).collect();
        assert!(parse_list(1, &nine).unwrap_err().contains("more than 8"));
    }
}
