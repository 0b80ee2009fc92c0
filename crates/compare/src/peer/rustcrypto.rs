//! RustCrypto's `aes-gcm`: `Aes256Gcm`, made once. Its name says which code the build gave it.

use aes_gcm::aead::{AeadInOut as _, KeyInit as _};
use aes_gcm::{Aes256Gcm, Nonce, Tag};

use super::{KEY, Peer};

pub(crate) struct RustCrypto(Aes256Gcm);

impl RustCrypto {
    pub(crate) fn new() -> Self {
        Self(Aes256Gcm::new(&KEY.into()))
    }
}

/// True where this build has RustCrypto's portable code, as the workspace's own flags ask for.
pub(crate) fn is_software() -> bool {
    !aes::hardware_accelerated()
}

impl Peer for RustCrypto {
    fn name(&self) -> &'static str {
        if is_software() { "aes-gcm (software)" } else { "aes-gcm" }
    }

    #[inline]
    fn seal(&mut self, nonce: &[u8; 12], ad: &[u8], text: &mut [u8]) -> Option<[u8; 16]> {
        let nonce = Nonce::from(*nonce);
        let tag = self.0.encrypt_inout_detached(&nonce, ad, text.into()).ok()?;
        Some(tag.into())
    }

    #[inline]
    fn open(&mut self, nonce: &[u8; 12], ad: &[u8], text: &mut [u8], tag: &[u8; 16]) -> bool {
        let (nonce, tag) = (Nonce::from(*nonce), Tag::from(*tag));
        self.0.decrypt_inout_detached(&nonce, ad, text.into(), &tag).is_ok()
    }
}
