//! The traits of the `aead` crate, for [`Aes256Gcm`] as for `aes_gcm::Aes256Gcm`.

use aead::consts::{U12, U16, U32};
use aead::inout::InOutBuf;
use aead::{AeadCore, AeadInOut, Key, KeyInit, KeySizeUser, Nonce, Tag, TagPosition};

use super::{Aes256Gcm, Output};

impl KeySizeUser for Aes256Gcm {
    type KeySize = U32;
}

impl KeyInit for Aes256Gcm {
    fn new(key: &Key<Self>) -> Self {
        Self::new(key)
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
        let sealed = self.seal(nonce.as_ref(), associated_data, buffer, output);
        sealed.map(Into::into).map_err(|_| aead::Error)
    }

    /// Authenticates and decrypts. After a tag mismatch one buffer is the ciphertext again, as `aes_gcm`
    /// leaves it; of two the second is zeroed.
    fn decrypt_inout_detached(
        &self,
        nonce: &Nonce<Self>,
        associated_data: &[u8],
        mut buffer: InOutBuf<'_, '_, u8>,
        tag: &Tag<Self>,
    ) -> aead::Result<()> {
        let (nonce, tag) = (nonce.as_ref(), tag.as_ref());
        let in_place = buffer.get_in().as_ptr() == buffer.get_out().as_ptr();
        let opened = if in_place {
            self.open_in_place(nonce, associated_data, buffer.get_out(), tag)
        } else {
            let output = Output::of_len(buffer.len() as u64);
            self.open(nonce, associated_data, buffer, tag, output)
        };
        opened.map_err(|_| aead::Error)
    }
}
