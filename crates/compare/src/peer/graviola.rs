//! graviola: `AesGcm`, made once.

use graviola::aead::AesGcm;

use super::{KEY, Peer};

pub(super) struct Graviola(AesGcm);

impl Graviola {
    pub(super) fn new() -> Self {
        Self(AesGcm::new(&KEY))
    }
}

impl Peer for Graviola {
    fn name(&self) -> &'static str {
        "graviola"
    }

    #[inline]
    fn seal(&mut self, nonce: &[u8; 12], ad: &[u8], text: &mut [u8]) -> Option<[u8; 16]> {
        let mut tag = [0; 16];
        self.0.encrypt(nonce, ad, text, &mut tag);
        Some(tag)
    }

    #[inline]
    fn open(&mut self, nonce: &[u8; 12], ad: &[u8], text: &mut [u8], tag: &[u8; 16]) -> bool {
        self.0.decrypt(nonce, ad, text, tag).is_ok()
    }
}
