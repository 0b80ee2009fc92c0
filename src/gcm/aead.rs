//! The `aead` crate's traits, so that [`Aes256Gcm`] can stand where `aes_gcm::Aes256Gcm` stood.
//!
//! One difference: where a tag does not hold the buffer is zeroed, while `aes_gcm` leaves the
//! ciphertext in it. Whoever tries several keys keeps a copy.

use aead::consts::{U12, U16, U32};
use aead::inout::InOutBuf;
use aead::{AeadCore, AeadInOut, Key, KeyInit, KeySizeUser, Nonce, Tag, TagPosition};

use super::{Aes256Gcm, Output};

impl KeySizeUser for Aes256Gcm {
    type KeySize = U32;
}

impl KeyInit for Aes256Gcm {
    fn new(key: &Key<Self>) -> Self {
        Self::new(key.as_ref())
    }
}

impl AeadCore for Aes256Gcm {
    type NonceSize = U12;
    type TagSize = U16;
    const TAG_POSITION: TagPosition = TagPosition::Postfix;
}

impl AeadInOut for Aes256Gcm {
    fn encrypt_inout_detached(
        &self,
        nonce: &Nonce<Self>,
        associated_data: &[u8],
        buffer: InOutBuf<'_, '_, u8>,
    ) -> aead::Result<Tag<Self>> {
        let output = Output::of_len(buffer.len() as u64);
        let tag =
            self.seal(nonce.as_ref(), associated_data, buffer, output).map_err(|_| aead::Error)?;
        Ok(tag.into())
    }

    fn decrypt_inout_detached(
        &self,
        nonce: &Nonce<Self>,
        associated_data: &[u8],
        buffer: InOutBuf<'_, '_, u8>,
        tag: &Tag<Self>,
    ) -> aead::Result<()> {
        let tag: &[u8; 16] = tag.as_ref();
        let output = Output::of_len(buffer.len() as u64);
        self.open(nonce.as_ref(), associated_data, buffer, tag, output).map_err(|_| aead::Error)
    }
}
