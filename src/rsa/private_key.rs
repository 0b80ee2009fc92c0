//! The private half.

#![expect(clippy::many_single_char_names, reason = "the letters are those of RFC 8017")]

use core::fmt;

use ::rsa::hazmat::rsa_decrypt_and_check;
use ::rsa::pkcs1::{self, RsaPrivateKeyRef, UintRef};
use ::rsa::pkcs8::der::asn1::OctetStringRef;
use ::rsa::pkcs8::{PrivateKeyInfoRef, SecretDocument, SubjectPublicKeyInfoRef};
use ::rsa::rand_core::TryCryptoRng;
use ::rsa::traits::{PrivateKeyParts, PublicKeyParts};
use ::rsa::{BoxedUint, RsaPrivateKey};
use getrandom::SysRng;
use zeroize::{Zeroize, Zeroizing};

use super::entropy::Entropy;
use super::rules::{self, refuse};
use super::{MODULUS_LEN, PublicKey, oaep, pem};
use crate::error::Error;
use crate::secret::SecretVec;

const NOT_PKCS8: &str =
    "it is not a private key in PKCS#8 form; pass the file that says BEGIN PRIVATE KEY";
const NOT_ENCODED: &str = "it cannot be written as PKCS#8; use another key";

/// An RSA-2048 private key: two distinct primes of 1024 bits, a modulus of 2048 bits and an odd
/// public exponent in 3..2^32.
///
/// Both primes are tested (Miller-Rabin) when a key is read, too, unless it is known from before.
///
/// # Security
///
/// Wiped on drop and redacted in `Debug`. The big-integer arithmetic beneath does not wipe its
/// intermediate values.
///
/// # Example
///
/// ```
/// use strongroom::rsa::PrivateKey;
///
/// let key = PrivateKey::generate()?;
/// let pem = key.to_pkcs8_pem()?; // wiped on drop
/// let text = std::str::from_utf8(pem.expose())?;
///
/// let again = PrivateKey::from_pkcs8_pem(text)?;
/// assert_eq!(again.public_key(), key.public_key());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct PrivateKey(pub(super) RsaPrivateKey);

impl PrivateKey {
    /// Generates a key with the public exponent 65537. It takes a fraction of a second, more or less
    /// as luck has it.
    ///
    /// # Errors
    ///
    /// [`Error::Random`] when the operating system gives no random bytes, at the beginning or in
    /// between.
    pub fn generate() -> Result<Self, Error> {
        Self::generate_from(SysRng)
    }

    /// Generates a key from the randomness of `source`.
    pub(super) fn generate_from(source: impl TryCryptoRng) -> Result<Self, Error> {
        let mut entropy = Entropy::new(source);
        let key = RsaPrivateKey::new(&mut entropy, MODULUS_LEN * 8);
        if entropy.failed() {
            return Err(Error::Random);
        }
        Ok(Self(rules::all(key.map_err(|_| refuse(rules::NOT_PRIME))?)?))
    }

    /// Reads a PKCS#8 key (RFC 5958, `rsaEncryption`, not encrypted) in PEM, `BEGIN PRIVATE KEY`.
    ///
    /// # Errors
    ///
    /// [`Error::Key`] when the text is not such a key, or the key breaks a rule of this module; the
    /// reason names the rule and the next step. [`Error::Random`] when the operating system gives no
    /// random bytes to test the primes with.
    ///
    /// # Security
    ///
    /// The caller wipes the text.
    pub fn from_pkcs8_pem(text: &str) -> Result<Self, Error> {
        Self::from_pkcs8_pem_known(text, |_| false)
    }

    /// Reads a key as [`from_pkcs8_pem`](Self::from_pkcs8_pem) does, but for the test of its primes
    /// where its public half `is_known`, which takes most of the time: a modulus has one pair of
    /// prime factors, and the key must consist of two that multiply to it.
    ///
    /// # Errors
    ///
    /// As [`from_pkcs8_pem`](Self::from_pkcs8_pem).
    ///
    /// # Security
    ///
    /// The caller wipes the text. `is_known` says so only of keys that this module generated or read
    /// without it.
    pub fn from_pkcs8_pem_known(
        text: &str,
        is_known: impl FnOnce(&PublicKey) -> bool,
    ) -> Result<Self, Error> {
        pem::decode(text, pem::PRIVATE, |der| Self::from_pkcs8_der_known(der, is_known))
    }

    /// Reads a PKCS#8 key (RFC 5958, `rsaEncryption`, not encrypted) in DER.
    ///
    /// # Errors
    ///
    /// As [`from_pkcs8_pem`](Self::from_pkcs8_pem).
    ///
    /// # Security
    ///
    /// The caller wipes `der`.
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self, Error> {
        Self::from_pkcs8_der_known(der, |_| false)
    }

    /// Reads PKCS#8 in DER as [`from_pkcs8_pem_known`](Self::from_pkcs8_pem_known) does in PEM.
    ///
    /// # Errors
    ///
    /// As [`from_pkcs8_pem`](Self::from_pkcs8_pem).
    ///
    /// # Security
    ///
    /// As [`from_pkcs8_pem_known`](Self::from_pkcs8_pem_known).
    pub fn from_pkcs8_der_known(
        der: &[u8],
        is_known: impl FnOnce(&PublicKey) -> bool,
    ) -> Result<Self, Error> {
        let info = PrivateKeyInfoRef::try_from(der).map_err(|_| {
            let public = SubjectPublicKeyInfoRef::try_from(der).is_ok();
            refuse(if public { pem::IS_PUBLIC } else { NOT_PKCS8 })
        })?;
        rules::algorithm(info.algorithm)?;
        let key = RsaPrivateKeyRef::try_from(info.private_key.as_bytes())
            .map_err(|_| refuse(NOT_PKCS8))?;
        Ok(Self(rules::private(&key, is_known)?))
    }

    /// Writes PKCS#8 (RFC 5958) in PEM, `BEGIN PRIVATE KEY`: ASCII text, wiped on drop.
    ///
    /// # Errors
    ///
    /// [`Error::Key`] when the key cannot be encoded, which no key that was accepted is known to do.
    ///
    /// # Security
    ///
    /// The text is the key, in the clear.
    pub fn to_pkcs8_pem(&self) -> Result<SecretVec, Error> {
        let der = self.to_pkcs8_der()?;
        Ok(SecretVec::from(pem::encode(pem::PRIVATE, der.expose())?.into_bytes()))
    }

    /// Writes PKCS#8 (RFC 5958) in DER, wiped on drop.
    ///
    /// # Errors
    ///
    /// As [`to_pkcs8_pem`](Self::to_pkcs8_pem).
    ///
    /// # Security
    ///
    /// The bytes are the key, in the clear.
    pub fn to_pkcs8_der(&self) -> Result<SecretVec, Error> {
        let key = self.to_pkcs1()?;
        let info = OctetStringRef::new(key.as_bytes())
            .map(|key| PrivateKeyInfoRef::new(pkcs1::ALGORITHM_ID, key))
            .and_then(|info| SecretDocument::encode_msg(&info))
            .map_err(|_| refuse(NOT_ENCODED))?;
        Ok(SecretVec::from(info.as_bytes().to_vec()))
    }

    /// The `RSAPrivateKey` inside (RFC 8017 appendix A.1.2), from the values at hand: the `rsa`
    /// crate's own encoder computes them again and leaves them in memory.
    fn to_pkcs1(&self) -> Result<SecretDocument, Error> {
        let key = &self.0;
        let ([p, q], Some(dp), Some(dq), Some(qinv)) =
            (key.primes(), key.dp(), key.dq(), key.qinv())
        else {
            return Err(refuse(NOT_ENCODED));
        };
        let mut coefficient = qinv.retrieve();
        let numbers = [key.n(), key.e(), key.d(), p.as_ref(), q.as_ref(), dp, dq, &coefficient]
            .map(|number| Zeroizing::new(number.to_be_bytes()));
        coefficient.zeroize();
        let [n, e, d, p, q, dp, dq, coefficient] = &numbers;
        let encode = || {
            SecretDocument::encode_msg(&RsaPrivateKeyRef {
                modulus: UintRef::new(n)?,
                public_exponent: UintRef::new(e)?,
                private_exponent: UintRef::new(d)?,
                prime1: UintRef::new(p)?,
                prime2: UintRef::new(q)?,
                exponent1: UintRef::new(dp)?,
                exponent2: UintRef::new(dq)?,
                coefficient: UintRef::new(coefficient)?,
                other_prime_infos: None,
            })
        };
        encode().map_err(|_| refuse(NOT_ENCODED))
    }

    /// The public half.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        PublicKey::new(self.0.to_public_key())
    }

    /// Decrypts an RSA-OAEP-256 ciphertext of 256 bytes into a message of at most 190.
    ///
    /// # Errors
    ///
    /// [`Error::Authentication`], whatever is wrong with the ciphertext: its length, its value, its
    /// padding, or that it was made for another key. [`Error::Random`] when the operating system
    /// gives no random bytes to blind the operation with.
    ///
    /// # Security
    ///
    /// Blinded, checked with the public exponent against faults, and unpadded in constant time: how
    /// long it takes says no more than whether it worked.
    pub fn decrypt_oaep_256(&self, ciphertext: &[u8]) -> Result<SecretVec, Error> {
        self.decrypt_labelled(ciphertext, b"")
    }

    /// RSAES-OAEP-DECRYPT with the label given (RFC 8017 section 7.1.2).
    pub(super) fn decrypt_labelled(
        &self,
        ciphertext: &[u8],
        label: &[u8],
    ) -> Result<SecretVec, Error> {
        self.decrypt_blinded(ciphertext, label, &mut SysRng)
    }

    /// The same, with the source of the numbers that blind the private operation.
    pub(super) fn decrypt_blinded(
        &self,
        ciphertext: &[u8],
        label: &[u8],
        blinding: &mut impl TryCryptoRng,
    ) -> Result<SecretVec, Error> {
        if ciphertext.len() != MODULUS_LEN {
            return Err(Error::Authentication);
        }
        let number = BoxedUint::from_be_slice(ciphertext, rules::MODULUS_BITS)
            .map_err(|_| Error::Authentication)?;
        // Refuses a number that is not less than the modulus.
        let mut result = rsa_decrypt_and_check(&self.0, Some(blinding), &number).map_err(
            // Randomness does not depend on the ciphertext, so this says nothing about it.
            |error| match error {
                ::rsa::Error::Rng => Error::Random,
                _ => Error::Authentication,
            },
        )?;
        let mut encoded = SecretVec::from(result.to_be_bytes().into_vec());
        result.zeroize();
        oaep::decode(encoded.expose_mut(), label)
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey(redacted, of {:?})", self.public_key())
    }
}
