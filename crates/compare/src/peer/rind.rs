//! rind: `Key`, made once.

use anyhow::{Result, anyhow};
use rind::aead::{AES_256_GCM, Key, Nonce, Tag};

use super::{KEY, Peer};

pub(super) struct Rind(Key);

impl Rind {
    pub(super) fn new() -> Result<Self> {
        Ok(Self(Key::new(&AES_256_GCM, &KEY).map_err(|_| anyhow!("rind: key"))?))
    }
}

impl Peer for Rind {
    fn name(&self) -> &'static str {
        "rind"
    }

    #[inline]
    fn seal(&mut self, nonce: &[u8; 12], ad: &[u8], text: &mut [u8]) -> Option<[u8; 16]> {
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let tag = self.0.seal_in_place_separate_tag(nonce, ad, text).ok()?;
        tag.as_ref().try_into().ok()
    }

    #[inline]
    fn open(&mut self, nonce: &[u8; 12], ad: &[u8], text: &mut [u8], tag: &[u8; 16]) -> bool {
        let nonce = Nonce::assume_unique_for_key(*nonce);
        Tag::try_from(&tag[..])
            .and_then(|tag| self.0.open_in_place_separate_tag(nonce, ad, tag, text))
            .is_ok()
    }
}
