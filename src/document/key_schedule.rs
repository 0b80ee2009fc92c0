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
//! Every output is one hash long, so that both steps are one HMAC each. Each key's two states are made
//! once: see `hmac.rs`. The `hkdf` crate is what the tests compare with: it leaves its outputs on the
//! stack.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use sha2::{Digest, Sha256};

use crate::document::header::prologue::{CORE_LEN, SUITE, VERSION};
use crate::document::header::slots::MAC_LEN;
use crate::document::hmac::HmacKey;
use crate::error::Error;
use crate::secret::{Expected, Scratch, Secret, SecretVec, wipe_stack};

/// The greatest number of layers.
pub(crate) const MAX_LAYERS: usize = 2;

/// The pseudo-random keys of one document.
pub(crate) struct KeySchedule(Box<Prks>);

struct Prks {
    prk: HmacKey,
    /// `PRK_1` and `PRK_2`; with one layer `prk` is all there is.
    of_layers: [HmacKey; MAX_LAYERS],
    layers: u8,
}

impl Drop for KeySchedule {
    /// It lives for as long as a document's keys are set up, the kernel's forms of them included.
    fn drop(&mut self) {
        wipe_stack();
    }
}

impl KeySchedule {
    /// For the data keys of all layers, in order: of one or two.
    pub(crate) fn new<'k>(
        salt: &[u8; 32],
        data_keys: impl IntoIterator<Item = &'k DataKey>,
    ) -> Self {
        let empty = [const { HmacKey::empty() }; MAX_LAYERS];
        let mut prks = Box::new(Prks { prk: HmacKey::empty(), of_layers: empty, layers: 1 });
        // HKDF-Extract is HMAC(salt, input).
        let mut salt_key = HmacKey::empty();
        salt_key.set(salt);
        let mut output = Scratch::<32>::zeroed();
        let mut data_keys = data_keys.into_iter();
        match (data_keys.next(), data_keys.next()) {
            (Some(one), Some(two)) => {
                for (prk, key) in prks.of_layers.iter_mut().zip([one, two]) {
                    salt_key.mac(&[key.expose()], &mut output);
                    prk.set(&output);
                }
                salt_key.mac(&[one.expose(), two.expose()], &mut output);
                prks.layers = 2;
            }
            (Some(one), None) => salt_key.mac(&[one.expose()], &mut output),
            (None, _) => salt_key.mac(&[], &mut output),
        }
        prks.prk.set(&output);
        Self(prks)
    }

    /// HMAC-SHA-256 of the encoded context under the context key.
    pub(crate) fn context_tag(&self, context: &[u8]) -> [u8; 32] {
        let mut tag = [0; 32];
        let mut context_key = HmacKey::empty();
        expand_key(&self.0.prk, [b"strongroom/1 context", &[], &[]], &mut context_key);
        context_key.mac(&[context], &mut tag);
        tag
    }

    /// The keys that depend on the core.
    pub(crate) fn bind(&self, core: &[u8; CORE_LEN]) -> BoundKeys {
        let core: [u8; 32] = Sha256::digest(core).into();
        let Prks { prk, of_layers, layers } = &*self.0;
        let of_layers = if *layers == 1 { core::slice::from_ref(prk) } else { &of_layers[..] };
        let mut keys = BoundKeys {
            chunk_keys: Secret::zeroed(),
            layers: *layers,
            commitment: [0; 32],
            header_key: HeaderKey(Box::new(HmacKey::empty())),
        };
        let places = keys.chunk_keys.expose_mut().as_chunks_mut().0;
        for ((layer, prk), place) in (1..).zip(of_layers).zip(places) {
            expand(prk, [b"strongroom/1 chunk key", &[layer], &core], place);
        }
        expand(prk, [b"strongroom/1 commit", &[], &core], &mut keys.commitment);
        expand_key(prk, [b"strongroom/1 header", &[], &core], &mut keys.header_key.0);
        keys
    }
}

/// The keys of one document with its core bound in.
pub(crate) struct BoundKeys {
    chunk_keys: Secret<{ 32 * MAX_LAYERS }>,
    layers: u8,
    pub(crate) commitment: [u8; 32],
    pub(crate) header_key: HeaderKey,
}

impl BoundKeys {
    /// One a layer, the inner one first.
    pub(crate) fn chunk_keys(&self) -> &[[u8; 32]] {
        let keys = self.chunk_keys.expose().as_chunks().0;
        &keys[..keys.len().min(self.layers.into())]
    }
}

/// Key that authenticates a header's slots.
pub(crate) struct HeaderKey(Box<HmacKey>);

impl HeaderKey {
    /// HMAC-SHA-256 of prologue, geometry and a slot's content.
    pub(crate) fn slot_mac(&self, prologue_and_geometry: &[u8], content: &[u8]) -> [u8; MAC_LEN] {
        let mut mac = [0; MAC_LEN];
        self.0.mac(&[prologue_and_geometry, content], &mut mac);
        mac
    }
}

/// The first 32 bytes of HKDF-Expand: HMAC(PRK, info || 1), written where they belong.
fn expand(prk: &HmacKey, [label, layer, core]: [&[u8]; 3], out: &mut [u8; 32]) {
    prk.mac(&[label, layer, core, &[1]], out);
}

/// The same, as a key to use.
fn expand_key(prk: &HmacKey, info: [&[u8]; 3], key: &mut HmacKey) {
    let mut output = Scratch::<32>::zeroed();
    expand(prk, info, &mut output);
    key.set(&output);
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
    /// The payload that is wrapped, with the key at its end.
    payload: Secret<PAYLOAD_LEN>,
}

const PREFIX_LEN: usize = PAYLOAD_LEN - 32;

impl DataKey {
    /// The key of a layer: 32 bytes that nothing else is made of.
    pub(crate) fn new(layer: u8, key: &[u8; 32]) -> Self {
        let mut payload = Secret::<PAYLOAD_LEN>::zeroed();
        let (front, place) = payload.expose_mut().split_at_mut(PREFIX_LEN);
        front.copy_from_slice(&prefix(layer));
        place.copy_from_slice(key);
        Self { payload }
    }

    /// The key in what a vault unwrapped for `layer` (1 or 2).
    ///
    /// # Errors
    ///
    /// [`Error::Authentication`] where `payload` is not a data key of this format version, suite and
    /// layer.
    pub fn from_payload(layer: u8, payload: &SecretVec) -> Result<Self, Error> {
        match <&[u8; PAYLOAD_LEN]>::try_from(payload.expose()) {
            Ok(payload) if Self::expected(layer).is_form_of(payload).into() => {
                Ok(Self { payload: Secret::copy_from(payload) })
            }
            _ => Err(Error::Authentication),
        }
    }

    /// Form of what a vault unwraps for `layer` (1 or 2): a key that unwraps by itself compares it together with the
    /// padding, as [`UnwrappingKey::unwrap_expected`](crate::wrap::UnwrappingKey::unwrap_expected) does.
    #[must_use]
    pub const fn expected(layer: u8) -> Expected<'static> {
        match layer {
            1 => Expected::new(INNER, PAYLOAD_LEN),
            2 => Expected::new(OUTER, PAYLOAD_LEN),
            // No payload is of a layer that does not exist.
            _ => Expected::new(&[], 0),
        }
    }

    /// The payload that is wrapped.
    pub(crate) fn payload(&self) -> &[u8; PAYLOAD_LEN] {
        self.payload.expose()
    }

    pub(crate) fn layer(&self) -> u8 {
        self.payload.expose()[PREFIX_LEN - 1]
    }

    pub(crate) fn expose(&self) -> &[u8; 32] {
        self.payload.expose().last_chunk().unwrap_or(&[0; 32])
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataKey").field("layer", &self.layer()).finish_non_exhaustive()
    }
}

const INNER: &[u8] = &prefix(1);
const OUTER: &[u8] = &prefix(2);

const fn prefix(layer: u8) -> [u8; PREFIX_LEN] {
    [b'S', b'R', b'M', b'D', b'K', VERSION, SUITE, layer]
}

/// Greatest length of a key or a value in bytes.
const MAX_LEN: usize = u16::MAX as usize;
/// Greatest number of pairs.
const MAX_PAIRS: usize = 256;

/// Key-value pairs that a document is sealed with and opened with again: tenant, file name,
/// purpose. They are authenticated, not stored and not secret.
///
/// The canonical encoding sorts the pairs by key, bytewise; each is the key's length (u16,
/// big-endian), the key, the value's length (u16, big-endian) and the value, in UTF-8. Without
/// pairs it is empty.
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
    use hmac::{Hmac, KeyInit, Mac};

    use super::*;

    /// Both numbers of layers against the `hkdf` crate, label by label.
    #[test]
    fn keys_are_what_hkdf_gives() {
        let (salt, core) = ([3; 32], [5; CORE_LEN]);
        let data_keys = [DataKey::new(1, &[4; 32]), DataKey::new(2, &[6; 32])];
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
            let schedule = KeySchedule::new(&salt, data_keys);
            let keys = schedule.bind(&core);
            let core = Sha256::digest(core);
            assert_eq!(keys.chunk_keys().len(), layers);
            for (layer, (found, input)) in (1..).zip(keys.chunk_keys().iter().zip(&inputs)) {
                let label = [b"strongroom/1 chunk key", &[layer][..], &core];
                assert_eq!(found, &expand(&hkdf(input), &label));
            }
            assert_eq!(keys.commitment, expand(&prk, &[b"strongroom/1 commit", &core]));
            let header_key = expand(&prk, &[b"strongroom/1 header", &core]);
            assert_eq!(keys.header_key.slot_mac(b"pro", b"logue"), hmac(&header_key, b"prologue"));

            let context_key = expand(&prk, &[b"strongroom/1 context"]);
            assert_eq!(schedule.context_tag(b"context"), hmac(&context_key, b"context"));
        }
    }

    fn hmac(key: &[u8; 32], text: &[u8]) -> [u8; 32] {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        mac.update(text);
        mac.finalize().into_bytes().into()
    }

    fn payload(layer: u8) -> SecretVec {
        DataKey::new(layer, &[9; 32]).payload().to_vec().into()
    }

    #[test]
    fn payload_is_prefix_and_key() {
        let data_key = DataKey::new(2, &[9; 32]);
        assert_eq!(data_key.payload()[..8], *b"SRMDK\x01\x01\x02");
        assert_eq!(data_key.payload()[8..], [9; 32]);
        let unwrapped = DataKey::from_payload(2, &payload(2)).unwrap();
        assert_eq!((unwrapped.layer(), unwrapped.expose()), (2, &[9; 32]));
    }

    /// Another kind of wrapped secret, or another layer's, is not taken for a data key.
    #[test]
    fn every_byte_of_the_prefix_counts() {
        for byte in 0..8 {
            let mut payload = payload(1);
            payload.expose_mut()[byte] ^= 1;
            let refused = DataKey::from_payload(1, &payload);
            assert!(matches!(refused, Err(Error::Authentication)), "{byte}");
        }
        assert!(DataKey::from_payload(2, &payload(1)).is_err());
        for length in [0, 39, 41] {
            assert!(DataKey::from_payload(1, &SecretVec::zeroed(length)).is_err());
        }
    }

    #[test]
    fn debug_shows_no_key() {
        assert_eq!(format!("{:?}", DataKey::new(1, &[0x42; 32])), "DataKey { layer: 1, .. }");
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
    fn strings_are_not_normalised() {
        let (one, two) = ("\u{e9}", "e\u{301}");
        let mut context = Context::new();
        context.insert(one, two).unwrap();
        context.insert(two, one).unwrap();
        let expected = [&[0, 3][..], two.as_bytes(), &[0, 2], one.as_bytes()];
        let rest = [&[0, 2][..], one.as_bytes(), &[0, 3], two.as_bytes()];
        assert_eq!(context.encode(), [expected.concat(), rest.concat()].concat());
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
