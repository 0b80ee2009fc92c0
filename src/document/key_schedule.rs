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

use hkdf::HkdfExtract;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroize;

use super::data_key::DataKey;
use super::prologue::CORE_LEN;
use super::slot::MAC_LEN;
use crate::error::Error;
use crate::secret::Secret;

/// The pseudo-random key of one document. Wiped on drop, by the hash's own `zeroize`.
pub(crate) struct KeySchedule {
    prk: hkdf::Hkdf<Sha256>,
    layer: u8,
}

impl KeySchedule {
    pub(crate) fn new(salt: &[u8; 32], data_key: &DataKey) -> Self {
        let mut extract = HkdfExtract::<Sha256>::new(Some(salt));
        extract.input_ikm(data_key.expose());
        let (mut prk_bytes, prk) = extract.finalize();
        prk_bytes.as_mut_slice().zeroize();
        Self { prk, layer: data_key.layer() }
    }

    /// HMAC-SHA-256 of the encoded context under the context key.
    pub(crate) fn context_tag(&self, context: &[u8]) -> Result<[u8; 32], Error> {
        hmac(&self.expand(&[b"strongroom/1 context"])?, &[context])
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

    fn expand(&self, info: &[&[u8]]) -> Result<Secret<32>, Error> {
        // It fails for outputs above 255 hashes only.
        Secret::fill_with(|key| self.prk.expand_multi_info(info, key))
            .map_err(|_| Error::Authentication)
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
        hmac(&self.header_key, &[prologue_and_geometry, content])
    }
}

fn hmac(key: &Secret<32>, parts: &[&[u8]]) -> Result<[u8; 32], Error> {
    let key: &[u8] = key.expose();
    // It takes keys of every length: the error is one of the trait, not of HMAC.
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| Error::Authentication)?;
    for part in parts {
        mac.update(part);
    }
    Ok(mac.finalize().into_bytes().into())
}
