//! rscrypto: `Aes256Gcm`, made once; its expert interface takes the caller's nonce.

use rscrypto::aead::Nonce96;
use rscrypto::aead::expert::AeadWithNonce as _;
use rscrypto::{Aes256Gcm, Aes256GcmKey, Aes256GcmTag};

use super::{KEY, Peer};

pub(super) struct RsCrypto(Aes256Gcm);

impl RsCrypto {
    pub(super) fn new() -> Self {
        Self(Aes256Gcm::new(&Aes256GcmKey::from_bytes(KEY)))
    }
}

impl Peer for RsCrypto {
    fn name(&self) -> &'static str {
        "rscrypto"
    }

    #[inline]
    fn seal(&mut self, nonce: &[u8; 12], ad: &[u8], text: &mut [u8]) -> Option<[u8; 16]> {
        let tag = self.0.encrypt_in_place(&Nonce96::from_bytes(*nonce), ad, text).ok()?;
        tag.as_ref().try_into().ok()
    }

    #[inline]
    fn open(&mut self, nonce: &[u8; 12], ad: &[u8], text: &mut [u8], tag: &[u8; 16]) -> bool {
        let (nonce, tag) = (Nonce96::from_bytes(*nonce), Aes256GcmTag::from_bytes(*tag));
        self.0.decrypt_in_place(&nonce, ad, text, &tag).is_ok()
    }
}
