//! From the data key to every key and tag of a document (HKDF-SHA-256, RFC 5869).
//!
//! ```text
//! PRK        = HKDF-Extract(salt, data key)
//! chunk key  = HKDF-Expand(PRK, "strongroom/1 chunk key" || layer || SHA-256(core), 32)
//! commitment = HKDF-Expand(PRK, "strongroom/1 commit"    || SHA-256(core), 32)
//! header key = HKDF-Expand(PRK, "strongroom/1 header"    || SHA-256(core), 32)
//! context key = HKDF-Expand(PRK, "strongroom/1 context", 32)
//! ```
//!
//! The commitment makes the ciphertext open under one key only, which AES-GCM alone does not
//! promise. The core, the context tag in it included, is bound into the chunk key: a changed
//! length, expiry or context fails on any single chunk.

//!
//! Every output is one hash long, so that both steps are one HMAC each. The `hkdf` crate is what
//! the tests compare with: it leaves its outputs on the stack.

use hmac::digest::FixedOutput;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::data_key::DataKey;
use super::prologue::CORE_LEN;
use super::slot::MAC_LEN;
use crate::error::Error;
use crate::secret::Secret;

/// The pseudo-random key of one document.
pub(crate) struct KeySchedule {
    prk: Secret<32>,
    layer: u8,
}

impl KeySchedule {
    pub(crate) fn new(salt: &[u8; 32], data_key: &DataKey) -> Result<Self, Error> {
        // HKDF-Extract is HMAC(salt, input).
        let prk = Secret::fill_with(|prk| hmac(salt, &[data_key.expose()], prk))?;
        Ok(Self { prk, layer: data_key.layer() })
    }

    /// HMAC-SHA-256 of the encoded context under the context key.
    pub(crate) fn context_tag(&self, context: &[u8]) -> Result<[u8; 32], Error> {
        let mut tag = [0; 32];
        hmac(self.expand(&[b"strongroom/1 context"])?.expose(), &[context], &mut tag)?;
        Ok(tag)
    }

    /// The keys that depend on the core.
    pub(crate) fn bind(&self, core: &[u8; CORE_LEN]) -> Result<BoundKeys, Error> {
        let core = Sha256::digest(core);
        Ok(BoundKeys {
            chunk_key: self.expand(&[b"strongroom/1 chunk key", &[self.layer], &core])?,
            commitment: *self.expand(&[b"strongroom/1 commit", &core])?.expose(),
            header_key: self.expand(&[b"strongroom/1 header", &core])?,
        })
    }

    /// The first 32 bytes of HKDF-Expand: HMAC(PRK, info || 1).
    fn expand(&self, info: &[&[u8]]) -> Result<Secret<32>, Error> {
        let parts = [info, &[&[1]]].concat();
        Secret::fill_with(|key| hmac(self.prk.expose(), &parts, key))
    }
}

/// The keys of one document with its core bound in.
pub(crate) struct BoundKeys {
    pub(crate) chunk_key: Secret<32>,
    pub(crate) commitment: [u8; 32],
    pub(crate) header_key: Secret<32>,
}

impl BoundKeys {
    /// HMAC-SHA-256 of prologue, geometry and a slot's content.
    pub(crate) fn slot_mac(
        &self,
        prologue_and_geometry: &[u8],
        content: &[u8],
    ) -> Result<[u8; MAC_LEN], Error> {
        let mut mac = [0; MAC_LEN];
        hmac(self.header_key.expose(), &[prologue_and_geometry, content], &mut mac)?;
        Ok(mac)
    }
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

    #[test]
    fn keys_are_what_hkdf_gives() {
        let (salt, data_key, core) = ([3; 32], DataKey::fixed(1, &[4; 32]), [5; CORE_LEN]);
        let hkdf = hkdf::Hkdf::<Sha256>::new(Some(&salt), data_key.expose());
        let expand = |info: &[&[u8]]| {
            let mut key = [0; 32];
            hkdf.expand_multi_info(info, &mut key).unwrap();
            key
        };
        let schedule = KeySchedule::new(&salt, &data_key).unwrap();
        let keys = schedule.bind(&core).unwrap();
        let core = Sha256::digest(core);
        assert_eq!(keys.chunk_key.expose(), &expand(&[b"strongroom/1 chunk key\x01", &core]));
        assert_eq!(keys.commitment, expand(&[b"strongroom/1 commit", &core]));
        assert_eq!(keys.header_key.expose(), &expand(&[b"strongroom/1 header", &core]));

        let mut mac = Hmac::<Sha256>::new_from_slice(&expand(&[b"strongroom/1 context"])).unwrap();
        mac.update(b"context");
        let tag: [u8; 32] = mac.finalize().into_bytes().into();
        assert_eq!(schedule.context_tag(b"context").unwrap(), tag);
    }
}
