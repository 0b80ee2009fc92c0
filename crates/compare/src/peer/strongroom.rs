//! Strongroom: `gcm::Aes256Gcm` on one of its tiers.

use strongroom::backend::Backend;
use strongroom::gcm::Aes256Gcm;

use super::{KEY, Peer, is_software};

pub(crate) struct Strongroom {
    name: String,
    cipher: Aes256Gcm,
}

impl Strongroom {
    pub(crate) fn new(backend: Backend) -> Self {
        // The last tier stands on RustCrypto's `aes`, and is portable where that is.
        let code = match backend.name() {
            "software" if !is_software() => " (hw)",
            _ => "",
        };
        let name = format!("strongroom {}{code}", backend.name());
        Self { name, cipher: Aes256Gcm::with_backend(&KEY, backend) }
    }
}

impl Peer for Strongroom {
    fn name(&self) -> &str {
        &self.name
    }

    #[inline]
    fn seal(&mut self, nonce: &[u8; 12], ad: &[u8], text: &mut [u8]) -> Option<[u8; 16]> {
        self.cipher.seal_in_place(nonce, ad, text).ok()
    }

    #[inline]
    fn open(&mut self, nonce: &[u8; 12], ad: &[u8], text: &mut [u8], tag: &[u8; 16]) -> bool {
        self.cipher.open_in_place(nonce, ad, text, tag).is_ok()
    }
}
