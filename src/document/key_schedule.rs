//! From the data keys to every key and tag of a document (HKDF-SHA-256, RFC 5869).
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

use alloc::vec::Vec;

use hmac::digest::FixedOutput;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::data_key::DataKey;
use super::prologue::CORE_LEN;
use super::slot::MAC_LEN;
use crate::error::Error;
use crate::secret::Secret;

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
}
