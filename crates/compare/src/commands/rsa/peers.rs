//! The implementations of RSA with OAEP that are compared, each with the same key, for threads to share.
//!
//! `ring`, `graviola` and `rind` are not among them: with RSA they sign and verify, and offer neither OAEP nor the
//! private operation by itself.

use std::sync::{Mutex, MutexGuard, PoisonError};

use ::rsa::Oaep;
use ::rsa::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _};
use ::rsa::rand_core::UnwrapErr;
use anyhow::{Context as _, Result};
use aws_lc_rs::rsa::{
    OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, OaepPublicEncryptingKey,
    PrivateDecryptingKey, PublicEncryptingKey,
};
use getrandom::SysRng;
use openssl::encrypt::{Decrypter, Encrypter};
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Padding;
use sha2::Sha256;
use strongroom::rsa::{PrivateKey, PublicKey};

/// A number of operations, each of which any thread may do.
pub(in crate::commands) trait Peer: Sync {
    /// Its name in a report.
    fn name(&self) -> &'static str;

    /// The message in a ciphertext, written to the beginning of `message`; its length.
    fn decrypt(&self, ciphertext: &[u8], message: &mut [u8; 256]) -> Result<usize>;

    /// A ciphertext of `message`.
    fn encrypt(&self, message: &[u8], ciphertext: &mut [u8; 256]) -> Result<()>;
}

/// Every peer, and Strongroom behind them. OpenSSL's key comes from [`openssl_key`].
pub(super) fn all<'k>(
    key: &PrivateKey,
    of_openssl: &'k PKey<Private>,
) -> Result<Vec<Box<dyn Peer + 'k>>> {
    Ok(vec![
        Box::new(AwsLc::new(key)?),
        Box::new(OpenSsl::new(of_openssl)?),
        Box::new(RustCrypto::new(key)?),
        Box::new(Strongroom::new(key)?),
    ])
}

/// The key as OpenSSL has it.
pub(super) fn openssl_key(key: &PrivateKey) -> Result<PKey<Private>> {
    Ok(PKey::private_key_from_pkcs8(key.to_pkcs8_der()?.expose())?)
}

/// AWS-LC, through `aws-lc-rs`.
pub(in crate::commands) struct AwsLc {
    private: OaepPrivateDecryptingKey,
    public: OaepPublicEncryptingKey,
}

impl AwsLc {
    /// The same key.
    pub(in crate::commands) fn new(key: &PrivateKey) -> Result<Self> {
        let private = PrivateDecryptingKey::from_pkcs8(key.to_pkcs8_der()?.expose());
        let public = PublicEncryptingKey::from_der(&key.public_key().to_spki_der()?);
        Ok(Self {
            private: OaepPrivateDecryptingKey::new(private.context("aws-lc-rs")?)
                .context("aws-lc-rs")?,
            public: OaepPublicEncryptingKey::new(public.context("aws-lc-rs")?)
                .context("aws-lc-rs")?,
        })
    }
}

impl Peer for AwsLc {
    fn name(&self) -> &'static str {
        "aws-lc-rs"
    }

    fn decrypt(&self, ciphertext: &[u8], message: &mut [u8; 256]) -> Result<usize> {
        let opened = self.private.decrypt(&OAEP_SHA256_MGF1SHA256, ciphertext, message, None);
        Ok(opened.context("aws-lc-rs")?.len())
    }

    fn encrypt(&self, message: &[u8], ciphertext: &mut [u8; 256]) -> Result<()> {
        let sealed = self.public.encrypt(&OAEP_SHA256_MGF1SHA256, message, ciphertext, None);
        sealed.context("aws-lc-rs")?;
        Ok(())
    }
}

/// OpenSSL: one context a thread, made before the clock runs.
struct OpenSsl<'k> {
    decrypters: Vec<Mutex<Decrypter<'k>>>,
    encrypters: Vec<Mutex<Encrypter<'k>>>,
}

impl<'k> OpenSsl<'k> {
    fn new(key: &'k PKey<Private>) -> Result<Self> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let decrypter = || {
            let mut decrypter = Decrypter::new(key)?;
            decrypter.set_rsa_padding(Padding::PKCS1_OAEP)?;
            decrypter.set_rsa_oaep_md(MessageDigest::sha256())?;
            decrypter.set_rsa_mgf1_md(MessageDigest::sha256())?;
            anyhow::Ok(Mutex::new(decrypter))
        };
        let encrypter = || {
            let mut encrypter = Encrypter::new(key)?;
            encrypter.set_rsa_padding(Padding::PKCS1_OAEP)?;
            encrypter.set_rsa_oaep_md(MessageDigest::sha256())?;
            encrypter.set_rsa_mgf1_md(MessageDigest::sha256())?;
            anyhow::Ok(Mutex::new(encrypter))
        };
        Ok(Self {
            decrypters: (0..threads).map(|_| decrypter()).collect::<Result<_>>()?,
            encrypters: (0..threads).map(|_| encrypter()).collect::<Result<_>>()?,
        })
    }
}

/// The current thread's context; no other thread waits for it while there are as many cores.
fn own<T>(contexts: &[Mutex<T>]) -> Result<MutexGuard<'_, T>> {
    let thread = rayon::current_thread_index().unwrap_or(0) % contexts.len().max(1);
    let context = contexts.get(thread).context("no contexts")?;
    Ok(context.lock().unwrap_or_else(PoisonError::into_inner))
}

impl Peer for OpenSsl<'_> {
    fn name(&self) -> &'static str {
        "OpenSSL"
    }

    fn decrypt(&self, ciphertext: &[u8], message: &mut [u8; 256]) -> Result<usize> {
        Ok(own(&self.decrypters)?.decrypt(ciphertext, message)?)
    }

    fn encrypt(&self, message: &[u8], ciphertext: &mut [u8; 256]) -> Result<()> {
        own(&self.encrypters)?.encrypt(message, ciphertext)?;
        Ok(())
    }
}

/// The `rsa` crate.
struct RustCrypto {
    private: ::rsa::PrivateKey,
    public: ::rsa::PublicKey,
}

impl RustCrypto {
    fn new(key: &PrivateKey) -> Result<Self> {
        Ok(Self {
            private: ::rsa::PrivateKey::from_pkcs8_der(key.to_pkcs8_der()?.expose())?,
            public: ::rsa::PublicKey::from_public_key_der(&key.public_key().to_spki_der()?)?,
        })
    }
}

impl Peer for RustCrypto {
    fn name(&self) -> &'static str {
        "rsa"
    }

    fn decrypt(&self, ciphertext: &[u8], message: &mut [u8; 256]) -> Result<usize> {
        let (random, padding) = (&mut UnwrapErr(SysRng), Oaep::<Sha256>::new());
        Ok(copy(&self.private.decrypt_blinded(random, padding, ciphertext)?, message))
    }

    fn encrypt(&self, message: &[u8], ciphertext: &mut [u8; 256]) -> Result<()> {
        let (random, padding) = (&mut UnwrapErr(SysRng), Oaep::<Sha256>::new());
        copy(&self.public.encrypt(random, padding, message)?, ciphertext);
        Ok(())
    }
}

/// Strongroom, one operation at a time.
struct Strongroom {
    private: PrivateKey,
    public: PublicKey,
}

impl Strongroom {
    fn new(key: &PrivateKey) -> Result<Self> {
        let der = key.to_pkcs8_der()?;
        let public = key.public_key();
        let private = PrivateKey::from_pkcs8_der_known(der.expose(), |known| *known == public)?;
        Ok(Self { private, public })
    }
}

impl Peer for Strongroom {
    fn name(&self) -> &'static str {
        "strongroom"
    }

    fn decrypt(&self, ciphertext: &[u8], message: &mut [u8; 256]) -> Result<usize> {
        Ok(copy(self.private.decrypt_oaep_256(ciphertext)?.expose(), message))
    }

    fn encrypt(&self, message: &[u8], ciphertext: &mut [u8; 256]) -> Result<()> {
        *ciphertext = self.public.encrypt_oaep_256(message)?;
        Ok(())
    }
}

/// Copies what fits, and says how much there was.
fn copy(from: &[u8], to: &mut [u8; 256]) -> usize {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
    from.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_implementation_opens_what_every_other_one_sealed() {
        let key = PrivateKey::generate().unwrap();
        let of_openssl = openssl_key(&key).unwrap();
        let peers = all(&key, &of_openssl).unwrap();
        for seals in &peers {
            let mut ciphertext = [0; 256];
            seals.encrypt(b"a data key", &mut ciphertext).unwrap();
            for opens in &peers {
                let mut message = [0; 256];
                let length = opens.decrypt(&ciphertext, &mut message).unwrap();
                assert_eq!(&message[..length], b"a data key", "{}", opens.name());
            }
        }
    }
}
