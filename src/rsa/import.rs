//! Keys in files that other programs wrote, whose form is found out.
//!
//! | | in PEM | in DER |
//! |---|---|---|
//! | private, PKCS#8 (RFC 5958) | `PRIVATE KEY` | version, algorithm, OCTET STRING |
//! | private, PKCS#1 (RFC 8017 appendix A.1.2) | `RSA PRIVATE KEY` | version, then eight numbers |
//! | private, encrypted PKCS#8 (RFC 8018 section 6.2) | `ENCRYPTED PRIVATE KEY` | algorithm, OCTET STRING |
//! | public, `SubjectPublicKeyInfo` (RFC 5280 section 4.1) | `PUBLIC KEY` | algorithm, BIT STRING |
//! | public, PKCS#1 (RFC 8017 appendix A.1.1) | `RSA PUBLIC KEY` | two numbers |
//!
//! In PEM the label says which part of a text is the key's, and the structure which form it is.

use pkcs1::{RsaPrivateKeyRef, RsaPublicKeyRef};
use pkcs8::PrivateKeyInfoRef;
use pkcs8::der::Decode;
use pkcs8::der::asn1::{AnyRef, OctetStringRef};
use pkcs8::spki::SubjectPublicKeyInfo;

use super::{PrivateKey, PublicKey, pem, rules};
use crate::error::Error;
use crate::secret::with_wiped_stack;

impl PrivateKey {
    /// Reads a key from the contents of a file: PKCS#8 (RFC 5958) or PKCS#1 (RFC 8017 appendix A.1.2), each in PEM or
    /// DER.
    ///
    /// PEM may have lines of any length and end, text around it and other parts beside it: the first private key counts.
    ///
    /// # Errors
    ///
    /// [`Error::KeyEncrypted`] when the key is encrypted: the feature `encrypted-keys` has
    /// `import_encrypted` for it. [`Error::Key`] when the file is not such a key, or the key breaks a rule of this module;
    /// the reason names the rule and the next step. [`Error::Random`] when the operating system gives no random bytes to
    /// test the primes with.
    ///
    /// # Security
    ///
    /// The caller wipes `contents`; what is decoded of it is wiped here.
    ///
    /// # Example
    ///
    /// ```
    /// use strongroom::rsa::PrivateKey;
    ///
    /// let file = PrivateKey::generate()?.to_pkcs8_pem()?; // by OpenSSL, for instance
    /// let key = PrivateKey::import(file.expose())?;
    /// assert_eq!(key.to_pkcs8_pem()?.expose(), file.expose());
    /// # Ok::<(), strongroom::Error>(())
    /// ```
    pub fn import(contents: &[u8]) -> Result<Self, Error> {
        with_wiped_stack(|| decode_file(contents, pem::PRIVATE_FORMS, read_private))
    }

    /// Reads a key as [`import`](Self::import) does, also one that is encrypted with `passphrase`: PKCS#8 with PBES2
    /// (RFC 8018 section 6.2) of AES-CBC or AES-GCM, and PBKDF2 with a hash of the SHA-2 family, or scrypt (RFC 7914). A key that is not
    /// encrypted is read, and the passphrase not looked at.
    ///
    /// # Errors
    ///
    /// [`Error::KeyPassphrase`] when it is another passphrase, or the encrypted bytes were changed; [`Error::Key`] when the
    /// key is encrypted in another way, or the file asks for more than 10,000,000 rounds of PBKDF2 or 256 MiB for scrypt; those
    /// of [`import`](Self::import).
    ///
    /// # Security
    ///
    /// The caller wipes `contents` and `passphrase`. A hostile file takes seconds and 256 MiB at most. The stack is
    /// overwritten; what scrypt leaves on the heap is wiped by its crate or not at all.
    #[cfg(feature = "encrypted-keys")]
    pub fn import_encrypted(contents: &[u8], passphrase: &[u8]) -> Result<Self, Error> {
        let read = |der: &[u8]| {
            if !is_encrypted(der) {
                return read_private(der);
            }
            let decrypted = super::encrypted::decrypt(der, passphrase)?;
            Self::decode(decrypted.as_bytes(), |_| false)
        };
        with_wiped_stack(|| decode_file(contents, pem::PRIVATE_FORMS, read))
    }
}

impl PublicKey {
    /// Reads a key from the contents of a file: `SubjectPublicKeyInfo` (RFC 5280 section 4.1) or PKCS#1 (RFC 8017
    /// appendix A.1.1), each in PEM or DER.
    ///
    /// # Errors
    ///
    /// [`Error::Key`] when the file is not such a key, or the key breaks a rule of this module; the reason names the rule
    /// and the next step.
    ///
    /// # Example
    ///
    /// ```
    /// use strongroom::rsa::{PrivateKey, PublicKey};
    ///
    /// let key = PrivateKey::generate()?.public_key();
    /// assert_eq!(PublicKey::import(key.to_spki_pem()?.as_bytes())?, key);
    /// assert_eq!(PublicKey::import(&key.to_spki_der()?)?, key);
    /// # Ok::<(), strongroom::Error>(())
    /// ```
    pub fn import(contents: &[u8]) -> Result<Self, Error> {
        decode_file(contents, pem::PUBLIC_FORMS, read_public)
    }
}

/// Hands the DER in `contents`, or what is taken for it, to `read`.
fn decode_file<T>(
    contents: &[u8],
    labels: &[&str],
    read: impl FnOnce(&[u8]) -> Result<T, Error>,
) -> Result<T, Error> {
    // What stands around PEM may be in another encoding.
    let texts = contents.utf8_chunks().map(|chunk| chunk.valid());
    if texts.clone().any(pem::is_begun) { pem::decode(texts, labels, read) } else { read(contents) }
}

fn read_private(der: &[u8]) -> Result<PrivateKey, Error> {
    if let Ok(key) = RsaPrivateKeyRef::try_from(der) {
        return PrivateKey::of(&key, |_| false);
    }
    if RsaPublicKeyRef::try_from(der).is_ok() {
        return Err(rules::refuse(pem::IS_PUBLIC));
    }
    if is_encrypted(der) {
        return Err(Error::KeyEncrypted);
    }
    PrivateKey::decode(der, |_| false)
}

fn read_public(der: &[u8]) -> Result<PublicKey, Error> {
    if let Ok(key) = RsaPublicKeyRef::try_from(der) {
        return rules::public(&key);
    }
    let is_private = RsaPrivateKeyRef::try_from(der).is_ok()
        || PrivateKeyInfoRef::try_from(der).is_ok()
        || is_encrypted(der);
    if is_private { Err(rules::refuse(pem::IS_PRIVATE)) } else { PublicKey::from_spki_der(der) }
}

/// True for an `EncryptedPrivateKeyInfo`: an algorithm and an OCTET STRING, where a `SubjectPublicKeyInfo` has a BIT
/// STRING.
fn is_encrypted(der: &[u8]) -> bool {
    SubjectPublicKeyInfo::<AnyRef<'_>, &OctetStringRef>::from_der(der).is_ok()
}
