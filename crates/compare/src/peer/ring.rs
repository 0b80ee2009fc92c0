//! ring: `LessSafeKey`, made once.

use anyhow::{Result, anyhow};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, Tag, UnboundKey};

use super::{KEY, Peer};

pub(super) struct Ring(LessSafeKey);

impl Ring {
    pub(super) fn new() -> Result<Self> {
        let key = UnboundKey::new(&AES_256_GCM, &KEY).map_err(|_| anyhow!("ring: key"))?;
        Ok(Self(LessSafeKey::new(key)))
    }
}

impl Peer for Ring {
    fn name(&self) -> &'static str {
        "ring"
    }

    #[inline]
    fn seal(&mut self, nonce: &[u8; 12], ad: &[u8], text: &mut [u8]) -> Option<[u8; 16]> {
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let tag = self.0.seal_in_place_separate_tag(nonce, Aad::from(ad), text).ok()?;
        tag.as_ref().try_into().ok()
    }

    #[inline]
    fn open(&mut self, nonce: &[u8; 12], ad: &[u8], text: &mut [u8], tag: &[u8; 16]) -> bool {
        let (nonce, tag) = (Nonce::assume_unique_for_key(*nonce), Tag::from(*tag));
        self.0.open_in_place_separate_tag(nonce, Aad::from(ad), tag, text, 0..).is_ok()
    }
}
