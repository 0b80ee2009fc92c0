//! OpenSSL, the system's: one EVP context a direction keeps the key; a message sets the nonce.

use anyhow::Result;
use openssl::cipher::Cipher;
use openssl::cipher_ctx::CipherCtx;
use openssl::error::ErrorStack;

use super::{KEY, Peer};

pub(crate) struct OpenSsl {
    name: &'static str,
    sealing: CipherCtx,
    opening: CipherCtx,
}

impl OpenSsl {
    pub(crate) fn new(name: &'static str) -> Result<Self> {
        let (mut sealing, mut opening) = (CipherCtx::new()?, CipherCtx::new()?);
        sealing.encrypt_init(Some(Cipher::aes_256_gcm()), Some(&KEY), None)?;
        opening.decrypt_init(Some(Cipher::aes_256_gcm()), Some(&KEY), None)?;
        Ok(Self { name, sealing, opening })
    }

    #[inline]
    fn try_seal(
        &mut self,
        nonce: &[u8; 12],
        ad: &[u8],
        text: &mut [u8],
    ) -> Result<[u8; 16], ErrorStack> {
        let context = &mut self.sealing;
        context.encrypt_init(None, None, Some(nonce))?;
        update(context, ad, text)?;
        let mut tag = [0; 16];
        context.cipher_final(&mut [0; 16])?;
        context.tag(&mut tag)?;
        Ok(tag)
    }

    #[inline]
    fn try_open(
        &mut self,
        nonce: &[u8; 12],
        ad: &[u8],
        text: &mut [u8],
        tag: &[u8; 16],
    ) -> Result<(), ErrorStack> {
        let context = &mut self.opening;
        context.decrypt_init(None, None, Some(nonce))?;
        context.set_tag(tag)?;
        update(context, ad, text)?;
        context.cipher_final(&mut [0; 16])?;
        Ok(())
    }
}

#[inline]
fn update(context: &mut CipherCtx, ad: &[u8], text: &mut [u8]) -> Result<(), ErrorStack> {
    if !ad.is_empty() {
        context.cipher_update(ad, None)?;
    }
    if !text.is_empty() {
        let length = text.len();
        context.cipher_update_inplace(text, length)?;
    }
    Ok(())
}

impl Peer for OpenSsl {
    fn name(&self) -> &'static str {
        self.name
    }

    #[inline]
    fn seal(&mut self, nonce: &[u8; 12], ad: &[u8], text: &mut [u8]) -> Option<[u8; 16]> {
        self.try_seal(nonce, ad, text).ok()
    }

    #[inline]
    fn open(&mut self, nonce: &[u8; 12], ad: &[u8], text: &mut [u8], tag: &[u8; 16]) -> bool {
        self.try_open(nonce, ad, text, tag).is_ok()
    }
}
