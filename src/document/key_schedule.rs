//! The data keys, the caller's context, and every key and tag that a document derives from them
//! (HKDF-SHA-256, RFC 5869).
//!
//! ```text
//! PRK_l      = HKDF-Extract(salt, data key l)
//! PRK        = HKDF-Extract(salt, data key 1 || data key 2), or PRK_1 where there is one layer
//! chunk key l = HKDF-Expand(PRK_l, "strongroom/1 chunk key" || l || SHA-256(core), 32)
//! commitment = HKDF-Expand(PRK, "strongroom/1 commit"    || SHA-256(core), 32)
//! header key = HKDF-Expand(PRK, "strongroom/1 header"    || SHA-256(core), 32)
//! context key = HKDF-Expand(PRK, "strongroom/1 context", 32)
//! ```
//!
//! The commitment makes the ciphertext open under one set of keys only, which AES-GCM alone does not
//! promise. The core, the context tag in it included, is bound into every chunk key: a changed
//! length, expiry or context fails on any single chunk.
//!
//! Every output is one hash long, so that both steps are one HMAC each. The `hkdf` crate is what
//! the tests compare with: it leaves its outputs on the stack.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use hmac::digest::FixedOutput;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::document::header::prologue::{CORE_LEN, SUITE, VERSION};
use crate::document::header::slots::MAC_LEN;
use crate::error::Error;
use crate::secret::{Secret, SecretVec};

/// The pseudo-random keys of one document.
pub(crate) struct KeySchedule {
    prk: Secret<32>,
    /// `PRK_1` and `PRK_2`; with one layer `prk` is all there is.
    layer_prks: Vec<Secret<32>>,
}

impl KeySchedule {
    /// For the data keys of all layers, in order.
    pub(crate) fn new(salt: &[u8; 32], data_keys: &[DataKey]) -> Result<Self, Error> {
        // HKDF-Extract is HMAC(salt, input).
        let extract = |keys: &[&[u8]]| Secret::fill_with(|prk| hmac(salt, keys, prk));
        let all: Vec<&[u8]> = data_keys.iter().map(|key| &key.expose()[..]).collect();
        let layer_prks = match all.as_slice() {
            [_] => Vec::new(),
            layers => layers.iter().map(|key| extract(&[key])).collect::<Result<_, _>>()?,
        };
        Ok(Self { prk: extract(&all)?, layer_prks })
    }

    /// HMAC-SHA-256 of the encoded context under the context key.
    pub(crate) fn context_tag(&self, context: &[u8]) -> Result<[u8; 32], Error> {
        let mut tag = [0; 32];
        hmac(expand(&self.prk, &[b"strongroom/1 context"])?.expose(), &[context], &mut tag)?;
        Ok(tag)
    }

    /// The keys that depend on the core.
    pub(crate) fn bind(&self, core: &[u8; CORE_LEN]) -> Result<BoundKeys, Error> {
        let core = Sha256::digest(core);
        let chunk_key = |(layer, prk): (u8, &Secret<32>)| {
            expand(prk, &[b"strongroom/1 chunk key", &[layer], &core])
        };
        let chunk_keys = if self.layer_prks.is_empty() {
            [chunk_key((1, &self.prk))?].into()
        } else {
            (1..).zip(&self.layer_prks).map(chunk_key).collect::<Result<_, _>>()?
        };
        Ok(BoundKeys {
            chunk_keys,
            commitment: *expand(&self.prk, &[b"strongroom/1 commit", &core])?.expose(),
            header_key: HeaderKey(expand(&self.prk, &[b"strongroom/1 header", &core])?),
        })
    }
}

/// The keys of one document with its core bound in.
pub(crate) struct BoundKeys {
    /// One a layer, the inner one first.
    pub(crate) chunk_keys: Vec<Secret<32>>,
    pub(crate) commitment: [u8; 32],
    pub(crate) header_key: HeaderKey,
}

/// What authenticates a header's slots.
pub(crate) struct HeaderKey(Secret<32>);

impl HeaderKey {
    /// HMAC-SHA-256 of prologue, geometry and a slot's content.
    pub(crate) fn slot_mac(
        &self,
        prologue_and_geometry: &[u8],
        content: &[u8],
    ) -> Result<[u8; MAC_LEN], Error> {
        let mut mac = [0; MAC_LEN];
        hmac(self.0.expose(), &[prologue_and_geometry, content], &mut mac)?;
        Ok(mac)
    }
}

/// The first 32 bytes of HKDF-Expand: HMAC(PRK, info || 1).
fn expand(prk: &Secret<32>, info: &[&[u8]]) -> Result<Secret<32>, Error> {
    let parts = [info, &[&[1]]].concat();
    Secret::fill_with(|key| hmac(prk.expose(), &parts, key))
}

/// HMAC-SHA-256 (RFC 2104) of the parts in a row, written where it belongs.
fn hmac(key: &[u8; 32], parts: &[&[u8]], out: &mut [u8; 32]) -> Result<(), Error> {
    // It takes keys of every length: the error is one of the trait, not of HMAC.
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| Error::Authentication)?;
    for part in parts {
        mac.update(part);
    }
    mac.finalize_into(out.into());
    Ok(())
}

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

/// Greatest length of a key or a value in bytes.
const MAX_LEN: usize = u16::MAX as usize;
/// Greatest number of pairs.
const MAX_PAIRS: usize = 256;

/// Key-value pairs that a document is sealed with and opened with again: tenant, file name,
/// purpose. They are authenticated, not stored and not secret.
///
/// The canonical encoding sorts the pairs by key, bytewise; each is the key's length (u16,
/// big-endian), the key, the value's length (u16, big-endian) and the value, in UTF-8. No pairs
/// are no bytes.
///
/// # Example
///
/// ```
/// use strongroom::document::Context;
///
/// let mut context = Context::new();
/// context.insert("tenant", "7")?;
/// context.insert("file", "contract.pdf")?;
/// assert_eq!(context.encode(), b"\0\x04file\0\x0ccontract.pdf\0\x06tenant\0\x017");
/// # Ok::<(), strongroom::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    pairs: BTreeMap<String, String>,
}

impl Context {
    /// No pairs.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a pair.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] where the key is there already or is empty; [`Error::Length`] where key
    /// or value is longer than 65,535 bytes or there are more than 256 pairs.
    pub fn insert(&mut self, key: &str, value: &str) -> Result<(), Error> {
        if key.is_empty() {
            return Err(Error::Argument { what: "context", reason: "a key must not be empty" });
        }
        for (what, text) in [("context key, in bytes", key), ("context value, in bytes", value)] {
            if text.len() > MAX_LEN {
                let (length, limit) = (text.len() as u64, MAX_LEN as u64);
                return Err(Error::Length { what, length, limit });
            }
        }
        if self.pairs.contains_key(key) {
            return Err(Error::Argument {
                what: "context",
                reason: "a key stands there twice; give each key once",
            });
        }
        if self.pairs.len() >= MAX_PAIRS {
            let length = self.pairs.len() as u64 + 1;
            let limit = MAX_PAIRS as u64;
            return Err(Error::Length { what: "context pairs", length, limit });
        }
        self.pairs.insert(key.into(), value.into());
        Ok(())
    }

    /// The pairs, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// The canonical encoding.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for text in self.pairs.iter().flat_map(|(key, value)| [key, value]) {
            // `insert` has checked that every length fits.
            let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
            bytes.extend(length.to_be_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both numbers of layers against the `hkdf` crate, label by label.
    #[test]
    fn keys_are_what_hkdf_gives() {
        let (salt, core) = ([3; 32], [5; CORE_LEN]);
        let data_keys = [DataKey::fixed(1, &[4; 32]), DataKey::fixed(2, &[6; 32])];
        for layers in 1..=2 {
            let data_keys = &data_keys[..layers];
            let inputs: Vec<&[u8]> = data_keys.iter().map(|key| &key.expose()[..]).collect();
            let hkdf = |input: &[u8]| hkdf::Hkdf::<Sha256>::new(Some(&salt), input);
            let expand = |hkdf: &hkdf::Hkdf<Sha256>, info: &[&[u8]]| {
                let mut key = [0; 32];
                hkdf.expand_multi_info(info, &mut key).unwrap();
                key
            };
            let prk = hkdf(&inputs.concat());
            let schedule = KeySchedule::new(&salt, data_keys).unwrap();
            let keys = schedule.bind(&core).unwrap();
            let core = Sha256::digest(core);
            assert_eq!(keys.chunk_keys.len(), layers);
            for (layer, (found, input)) in (1..).zip(keys.chunk_keys.iter().zip(&inputs)) {
                let label = [b"strongroom/1 chunk key", &[layer][..], &core];
                assert_eq!(found.expose(), &expand(&hkdf(input), &label));
            }
            assert_eq!(keys.commitment, expand(&prk, &[b"strongroom/1 commit", &core]));
            assert_eq!(keys.header_key.0.expose(), &expand(&prk, &[b"strongroom/1 header", &core]));

            let context_key = expand(&prk, &[b"strongroom/1 context"]);
            let mut mac = Hmac::<Sha256>::new_from_slice(&context_key).unwrap();
            mac.update(b"context");
            let tag: [u8; 32] = mac.finalize().into_bytes().into();
            assert_eq!(schedule.context_tag(b"context").unwrap(), tag);
        }
    }

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

    #[test]
    fn order_of_insertion_does_not_matter() {
        let mut one = Context::new();
        one.insert("b", "2").unwrap();
        one.insert("a", "1").unwrap();
        let mut other = Context::new();
        other.insert("a", "1").unwrap();
        other.insert("b", "2").unwrap();
        assert_eq!(one.encode(), other.encode());
        assert_eq!(Context::new().encode(), b"");
    }

    /// Bytes cannot move between keys, values and pairs.
    #[test]
    fn encodings_are_distinct() {
        let sets: [&[(&str, &str)]; 7] = [
            &[],
            &[("a", "")],
            &[("a", "b")],
            &[("ab", "")],
            &[("a", "b\0\u{1}c")],
            &[("a", "b"), ("c", "")],
            &[("a", ""), ("b", "c")],
        ];
        let mut encodings: Vec<_> = sets
            .iter()
            .map(|pairs| {
                let mut context = Context::new();
                for (key, value) in *pairs {
                    context.insert(key, value).unwrap();
                }
                context.encode()
            })
            .collect();
        encodings.sort();
        encodings.dedup();
        assert_eq!(encodings.len(), sets.len());
    }

    #[test]
    fn bad_pairs_are_refused() {
        let mut context = Context::new();
        context.insert("k", "v").unwrap();
        assert!(matches!(context.insert("k", "v"), Err(Error::Argument { .. })));
        assert!(matches!(context.insert("", "v"), Err(Error::Argument { .. })));
        let long = "x".repeat(65_536);
        assert!(matches!(context.insert(&long, ""), Err(Error::Length { .. })));
        assert!(matches!(context.insert("long", &long), Err(Error::Length { .. })));
        context.insert("long", &long[1..]).unwrap();
        for n in 2..256 {
            context.insert(&format!("{n}"), "").unwrap();
        }
        assert!(matches!(context.insert("one more", ""), Err(Error::Length { limit: 256, .. })));
    }
}
