//! A drop-in for the `aes-gcm` crate, version 0.11: only the `use` line changes.
//!
//! It has the names of that crate that belong to AES-256 with nonces of 96 bits and tags of 128 bits. Other
//! sizes, and `AesGcm` over them, have no counterpart here. New code without `aead` takes
//! [`crate::gcm::Aes256Gcm`].
//!
//! # Example
//!
//! ```
//! use strongroom::aes_gcm::{
//!     Aes256Gcm, Nonce,
//!     aead::{Aead, Generate, Key, KeyInit},
//! };
//!
//! let key = Key::<Aes256Gcm>::generate();
//! let cipher = Aes256Gcm::new(&key);
//! let nonce = Nonce::generate(); // must be unique for each message
//! let ciphertext = cipher.encrypt(&nonce, b"plaintext message".as_ref())?;
//! assert_eq!(cipher.decrypt(&nonce, ciphertext.as_ref())?, b"plaintext message");
//! # Ok::<(), strongroom::aes_gcm::Error>(())
//! ```

use alloc::sync::Arc;

pub use aead::{self, AeadCore, AeadInOut, Error, Key, KeyInit, KeySizeUser};

use aead::array::Array;
use aead::consts::U16;
use aead::inout::InOutBuf;

use crate::gcm;

/// Greatest length of associated data in bytes.
pub const A_MAX: u64 = gcm::MAX_ASSOCIATED_DATA_LEN;
/// Greatest length of a plaintext in bytes.
pub const P_MAX: u64 = gcm::MAX_TEXT_LEN;

/// A nonce.
pub type Nonce<NonceSize> = Array<u8, NonceSize>;
/// A tag.
pub type Tag<TagSize = U16> = Array<u8, TagSize>;

/// AES-256-GCM behind the traits of [`aead`] alone, so that [`KeyInit::new`] is the only `new` and infers what
/// `key.into()` is. Clones share one expanded key, which is wiped when the last of them is dropped.
///
/// # Security
///
/// As [`gcm::Aes256Gcm`]: the caller guarantees that no nonce is used twice to seal under one key.
#[derive(Clone, Debug)]
pub struct Aes256Gcm(Arc<gcm::Aes256Gcm>);

impl KeySizeUser for Aes256Gcm {
    type KeySize = <gcm::Aes256Gcm as KeySizeUser>::KeySize;
}

impl KeyInit for Aes256Gcm {
    fn new(key: &Key<Self>) -> Self {
        Self(Arc::new(gcm::Aes256Gcm::new(key)))
    }
}

impl AeadCore for Aes256Gcm {
    type NonceSize = <gcm::Aes256Gcm as AeadCore>::NonceSize;
    type TagSize = <gcm::Aes256Gcm as AeadCore>::TagSize;
    const TAG_POSITION: aead::TagPosition = <gcm::Aes256Gcm as AeadCore>::TAG_POSITION;
}

impl AeadInOut for Aes256Gcm {
    fn encrypt_inout_detached(
        &self,
        nonce: &aead::Nonce<Self>,
        associated_data: &[u8],
        buffer: InOutBuf<'_, '_, u8>,
    ) -> aead::Result<aead::Tag<Self>> {
        self.0.encrypt_inout_detached(nonce, associated_data, buffer)
    }

    /// Authenticates and decrypts. After a tag mismatch one buffer holds the ciphertext again; of two the
    /// second is zeroed.
    fn decrypt_inout_detached(
        &self,
        nonce: &aead::Nonce<Self>,
        associated_data: &[u8],
        buffer: InOutBuf<'_, '_, u8>,
        tag: &aead::Tag<Self>,
    ) -> aead::Result<()> {
        self.0.decrypt_inout_detached(nonce, associated_data, buffer, tag)
    }
}
