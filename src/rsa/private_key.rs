//! The private half.

#![expect(clippy::many_single_char_names, reason = "the letters are those of RFC 8017")]

use alloc::boxed::Box;
use core::{fmt, iter};

use pkcs1::{RsaPrivateKeyRef, UintRef};
use pkcs8::der::asn1::OctetStringRef;
use pkcs8::{PrivateKeyInfoRef, SecretDocument, SubjectPublicKeyInfoRef};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::arithmetic::{Half, ONE, Whole, to_bytes};
use super::rules::{self, refuse};
use super::{MODULUS_LEN, PublicKey, crt, generate, oaep, pem};
use crate::backend::mod_exp::{ModExp, Modulus, PRIME};
use crate::error::Error;
use crate::random;
use crate::secret::{Expected, SecretVec, with_wiped_stack};

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
/// Wiped on drop and redacted in `Debug`.
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
pub struct PrivateKey(Box<Numbers>);

/// The numbers of a private key (RFC 8017 section 3.2), wiped on drop; on the heap, for a move would leave a copy
/// behind.
pub(super) struct Numbers {
    pub(super) public: PublicKey,
    pub(super) d: Whole,
    pub(super) p: Modulus<PRIME>,
    pub(super) q: Modulus<PRIME>,
    pub(super) dp: Half,
    pub(super) dq: Half,
    /// `qInv` in Montgomery form.
    pub(super) coefficient: Half,
}

impl PrivateKey {
    /// Generates a key with the public exponent 65537. It takes some hundredths of a second, more or less
    /// as luck has it.
    ///
    /// # Errors
    ///
    /// [`Error::Random`] when the operating system gives no random bytes, at the beginning or in
    /// between.
    pub fn generate() -> Result<Self, Error> {
        Self::generate_from(random::fill)
    }

    /// Generates a key from the random bytes of `random`.
    pub(super) fn generate_from(
        random: impl FnMut(&mut [u8]) -> Result<(), Error>,
    ) -> Result<Self, Error> {
        with_wiped_stack(|| Ok(Self(generate::generate(ModExp::detect(), random)?)))
    }

    pub(super) fn numbers(&self) -> &Numbers {
        &self.0
    }

    #[cfg(test)]
    pub(super) fn numbers_mut(&mut self) -> &mut Numbers {
        &mut self.0
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
        with_wiped_stack(|| {
            pem::decode(iter::once(text), &[pem::PRIVATE], |der| Self::decode(der, is_known))
        })
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
        with_wiped_stack(|| Self::decode(der, is_known))
    }

    pub(super) fn decode(
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
        Self::of(&key, is_known)
    }

    /// The key of these numbers, once they keep the rules.
    pub(super) fn of(
        key: &RsaPrivateKeyRef<'_>,
        is_known: impl FnOnce(&PublicKey) -> bool,
    ) -> Result<Self, Error> {
        Ok(Self(rules::private(key, is_known)?))
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
        with_wiped_stack(|| {
            let der = self.encode()?;
            Ok(SecretVec::from(pem::encode(pem::PRIVATE, der.expose())?.into_bytes()))
        })
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
        with_wiped_stack(|| self.encode())
    }

    fn encode(&self) -> Result<SecretVec, Error> {
        let key = self.to_pkcs1()?;
        let info = OctetStringRef::new(key.as_bytes())
            .map(|key| PrivateKeyInfoRef::new(pkcs1::ALGORITHM_ID, key))
            .and_then(|info| SecretDocument::encode_msg(&info))
            .map_err(|_| refuse(NOT_ENCODED))?;
        Ok(SecretVec::from(info.as_bytes().to_vec()))
    }

    /// The `RSAPrivateKey` inside (RFC 8017 appendix A.1.2).
    fn to_pkcs1(&self) -> Result<SecretDocument, Error> {
        let key = &*self.0;
        // Out of Montgomery form, in which 1 is not R.
        let mut coefficient = Half::new(ONE);
        key.p.multiply(&mut coefficient, &key.coefficient);
        let n = key.public.modulus_bytes();
        let mut d = Zeroizing::new([0; MODULUS_LEN]);
        to_bytes(&key.d, &mut *d);
        let halves = [&key.p.limbs, &key.q.limbs, &*key.dp, &*key.dq, &*coefficient].map(|half| {
            let mut bytes = Zeroizing::new([0; MODULUS_LEN / 2]);
            to_bytes(half, &mut *bytes);
            bytes
        });
        let [p, q, dp, dq, coefficient] = &halves;
        let e = key.public.exponent().to_be_bytes();
        let encode = || {
            SecretDocument::encode_msg(&RsaPrivateKeyRef {
                modulus: UintRef::new(&n)?,
                public_exponent: UintRef::new(&e)?,
                private_exponent: UintRef::new(&*d)?,
                prime1: UintRef::new(&**p)?,
                prime2: UintRef::new(&**q)?,
                exponent1: UintRef::new(&**dp)?,
                exponent2: UintRef::new(&**dq)?,
                coefficient: UintRef::new(&**coefficient)?,
                other_prime_infos: None,
            })
        };
        encode().map_err(|_| refuse(NOT_ENCODED))
    }

    /// The public half.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        self.0.public.clone()
    }

    /// Decrypts an RSA-OAEP-256 ciphertext of 256 bytes into a message of at most 190.
    ///
    /// # Errors
    ///
    /// [`Error::Authentication`], whatever is wrong with the ciphertext: its length, its value, its
    /// padding, or that it was made for another key. [`Error::Fault`] when the processor or the memory
    /// computed wrongly.
    ///
    /// # Security
    ///
    /// Computed in constant time, checked with the public exponent against faults, and unpadded in constant
    /// time: how long it takes says no more than whether it worked.
    pub fn decrypt_oaep_256(&self, ciphertext: &[u8]) -> Result<SecretVec, Error> {
        self.decrypt_labelled::<Sha256>(ciphertext, b"")
    }

    /// Decrypts a ciphertext of 256 bytes of RSA-OAEP with SHA-1 and MGF1-SHA-1 (`RSA-OAEP` in RFC 7518 section 4.3) into a
    /// message of at most 214: for what others wrapped before they could do better. Nothing encrypts so here, and no
    /// document is wrapped so.
    ///
    /// # Errors
    ///
    /// As [`decrypt_oaep_256`](Self::decrypt_oaep_256), a ciphertext of RSA-OAEP-256 included.
    ///
    /// # Security
    ///
    /// As [`decrypt_oaep_256`](Self::decrypt_oaep_256). That two texts of one SHA-1 hash can be found does not break
    /// RSA-OAEP; wrap anew with RSA-OAEP-256 all the same.
    ///
    /// # Example
    ///
    /// ```
    /// use strongroom::Error;
    /// use strongroom::rsa::PrivateKey;
    ///
    /// let key = PrivateKey::generate()?;
    /// let other = key.public_key().encrypt_oaep_256(b"a data key")?;
    /// assert!(matches!(key.decrypt_oaep_sha1(&other), Err(Error::Authentication)));
    /// # Ok::<(), strongroom::Error>(())
    /// ```
    pub fn decrypt_oaep_sha1(&self, ciphertext: &[u8]) -> Result<SecretVec, Error> {
        self.decrypt_labelled::<Sha1>(ciphertext, b"")
    }

    /// Decrypts as [`decrypt_oaep_256`](Self::decrypt_oaep_256) does, a message whose form is known: any other is
    /// refused.
    ///
    /// # Errors
    ///
    /// As [`decrypt_oaep_256`](Self::decrypt_oaep_256): whether it is the padding, the length or the message's first
    /// bytes that are wrong cannot be told.
    ///
    /// # Security
    ///
    /// Length and first bytes are compared together with the padding, before the one branch. A caller that compares
    /// them afterwards says, by its time or its error, that the padding was right.
    ///
    /// # Example
    ///
    /// ```
    /// use strongroom::rsa::PrivateKey;
    /// use strongroom::secret::Expected;
    ///
    /// let key = PrivateKey::generate()?;
    /// let ciphertext = key.public_key().encrypt_oaep_256(b"MINE a key of 20 bytes..")?;
    /// let expected = Expected::new(b"MINE", 24);
    /// assert!(key.decrypt_oaep_256_expected(&ciphertext, expected).is_ok());
    /// assert!(key.decrypt_oaep_256_expected(&ciphertext, Expected::new(b"YOUR", 24)).is_err());
    /// # Ok::<(), strongroom::Error>(())
    /// ```
    pub fn decrypt_oaep_256_expected(
        &self,
        ciphertext: &[u8],
        expected: Expected<'_>,
    ) -> Result<SecretVec, Error> {
        self.decrypt_by(ciphertext, |encoded| oaep::decode_expected(encoded, b"", expected))
    }

    /// RSAES-OAEP-DECRYPT with the label given (RFC 8017 section 7.1.2).
    pub(super) fn decrypt_labelled<D: Digest>(
        &self,
        ciphertext: &[u8],
        label: &[u8],
    ) -> Result<SecretVec, Error> {
        self.decrypt_by(ciphertext, |encoded| oaep::decode::<D>(encoded, label))
    }

    /// The private operation, and what `decode` finds in its result.
    fn decrypt_by(
        &self,
        ciphertext: &[u8],
        decode: impl FnOnce(&mut [u8]) -> Result<SecretVec, Error>,
    ) -> Result<SecretVec, Error> {
        with_wiped_stack(|| {
            let messages = crt::decrypt(ModExp::detect(), &[(self, ciphertext)]);
            let mut encoded = messages.into_iter().next().unwrap_or(Err(Error::Authentication))?;
            decode(encoded.expose_mut())
        })
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey(redacted, of {:?})", self.public_key())
    }
}
