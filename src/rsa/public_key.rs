//! The public half.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::{fmt, iter};

use pkcs1::{RsaPublicKeyRef, UintRef};
use pkcs8::der::Encode;
use pkcs8::der::asn1::BitStringRef;
use pkcs8::{PrivateKeyInfoRef, SubjectPublicKeyInfoRef};
use sha2::{Digest, Sha256};

use super::arithmetic::{from_bytes, to_bytes};
use super::rules::{self, refuse};
use super::{MODULUS_LEN, oaep, pem};
use crate::backend::mod_exp::{MODULUS, ModExp, Modulus, Power};
use crate::error::Error;
use crate::secret::{Secret, SecretVec, with_wiped_stack};

const NOT_SPKI: &str = "it is not a public key in SubjectPublicKeyInfo form; pass the file that says \
    BEGIN PUBLIC KEY";

/// An RSA-2048 public key: a modulus of 2048 bits and an odd exponent in 3..2^32.
///
/// Two keys are equal when modulus and exponent are. `Debug` shows the beginning of the SHA-256 of
/// the key's `SubjectPublicKeyInfo`.
///
/// # Example
///
/// ```
/// use strongroom::rsa::PublicKey;
///
/// let key = PublicKey::from_spki_pem(
///     "-----BEGIN PUBLIC KEY-----
/// MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAorRRoH0KpfluRVZxUTVQ
/// UUqKW0YuvvcXCU+h/ugiJOY3+XRtP3yv0xh42AMltu9aFwD2WQO0aUKeidbqyIRQ
/// l7WrOTGJ25JRLtincRoSU/rNIPecFegkfz0+QuRuSMmOJUov6XZTE6A+/48X4aAp
/// OXofomqNzib0kO2BKZYV2YFMItphBCjgnH2WWFlCZvXAIdD87KCNlFoSvoLeTR7O
/// a0wDFFtdNJXU7VQR64eNrwX9evw+Ca2g8RJkIvWQl1oZaYFvSGmLy7obTZyuedRg
/// 2Pn4Xnl1AF2bwixOWsD3waRdElaaYoB9O5oC5aUw53MGb0U9H1tMLpz3ggKD90K5
/// 1QIDAQAB
/// -----END PUBLIC KEY-----
/// ",
/// )?;
/// assert_eq!(key.encrypt_oaep_256(b"a data key")?.len(), 256);
/// # Ok::<(), strongroom::Error>(())
/// ```
#[derive(Clone)]
pub struct PublicKey {
    modulus: Box<Modulus<MODULUS>>,
    exponent: u32,
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.modulus.limbs == other.modulus.limbs && self.exponent == other.exponent
    }
}

impl Eq for PublicKey {}

impl PublicKey {
    pub(super) fn new(modulus: Modulus<MODULUS>, exponent: u32) -> Self {
        Self { modulus: Box::new(modulus), exponent }
    }

    pub(super) fn modulus(&self) -> &Modulus<MODULUS> {
        &self.modulus
    }

    /// The key of these numbers, each big-endian; leading zeros do not count.
    ///
    /// # Errors
    ///
    /// [`Error::Key`] when the key breaks a rule of this module; the reason names the rule and the next step.
    pub fn from_numbers(modulus: &[u8], exponent: &[u8]) -> Result<Self, Error> {
        let modulus = UintRef::new(modulus).map_err(|_| refuse(rules::SIZE))?;
        let public_exponent = UintRef::new(exponent).map_err(|_| refuse(rules::EXPONENT))?;
        rules::public(&RsaPublicKeyRef { modulus, public_exponent })
    }

    /// The modulus, big-endian. Its first bit is set.
    #[must_use]
    pub fn modulus_bytes(&self) -> [u8; MODULUS_LEN] {
        let mut n = [0; MODULUS_LEN];
        to_bytes(&self.modulus.limbs, &mut n);
        n
    }

    /// The public exponent.
    #[must_use]
    pub fn exponent(&self) -> u32 {
        self.exponent
    }

    /// Reads a `SubjectPublicKeyInfo` (RFC 5280 section 4.1) in PEM, `BEGIN PUBLIC KEY`.
    ///
    /// # Errors
    ///
    /// [`Error::Key`] when the text is not such a key, or the key breaks a rule of this module; the
    /// reason names the rule and the next step.
    pub fn from_spki_pem(text: &str) -> Result<Self, Error> {
        pem::decode(iter::once(text), &[pem::PUBLIC], Self::from_spki_der)
    }

    /// Reads a `SubjectPublicKeyInfo` (RFC 5280 section 4.1) in DER.
    ///
    /// # Errors
    ///
    /// As [`from_spki_pem`](Self::from_spki_pem).
    pub fn from_spki_der(der: &[u8]) -> Result<Self, Error> {
        let info = SubjectPublicKeyInfoRef::try_from(der).map_err(|_| {
            refuse(if PrivateKeyInfoRef::try_from(der).is_ok() {
                pem::IS_PRIVATE
            } else {
                NOT_SPKI
            })
        })?;
        rules::algorithm(info.algorithm)?;
        let key = info.subject_public_key.as_bytes().ok_or_else(|| refuse(NOT_SPKI))?;
        rules::public(&RsaPublicKeyRef::try_from(key).map_err(|_| refuse(NOT_SPKI))?)
    }

    /// Writes a `SubjectPublicKeyInfo` (RFC 5280 section 4.1) in PEM, `BEGIN PUBLIC KEY`.
    ///
    /// # Errors
    ///
    /// [`Error::Key`] when the key cannot be encoded, which no key that was accepted is known to do.
    pub fn to_spki_pem(&self) -> Result<String, Error> {
        pem::encode(pem::PUBLIC, &self.to_spki_der()?)
    }

    /// Writes a `SubjectPublicKeyInfo` (RFC 5280 section 4.1) in DER.
    ///
    /// # Errors
    ///
    /// As [`to_spki_pem`](Self::to_spki_pem).
    pub fn to_spki_der(&self) -> Result<Vec<u8>, Error> {
        let n = self.modulus_bytes();
        let encode = || {
            let e = self.exponent.to_be_bytes();
            let (modulus, public_exponent) = (UintRef::new(&n)?, UintRef::new(&e)?);
            let key = RsaPublicKeyRef { modulus, public_exponent }.to_der()?;
            let subject_public_key = BitStringRef::from_bytes(&key)?;
            let algorithm = pkcs1::ALGORITHM_ID;
            SubjectPublicKeyInfoRef { algorithm, subject_public_key }.to_der()
        };
        encode().map_err(|_| refuse(NOT_SPKI))
    }

    /// Encrypts `message`, at most [`MESSAGE_MAX`](super::MESSAGE_MAX) bytes, with RSA-OAEP-256: the
    /// ciphertext has 256 bytes, and is another one each time.
    ///
    /// # Errors
    ///
    /// [`Error::Length`] when the message is longer than 190 bytes; [`Error::Random`] when the
    /// operating system gives no seed.
    ///
    /// # Security
    ///
    /// Anyone can encrypt under a public key: a ciphertext says nothing about who made it.
    pub fn encrypt_oaep_256(&self, message: &[u8]) -> Result<[u8; MODULUS_LEN], Error> {
        self.encrypt_labelled(message, b"", &Secret::generate()?)
    }

    /// RSAES-OAEP-ENCRYPT with the label and seed given (RFC 8017 section 7.1.1).
    pub(super) fn encrypt_labelled(
        &self,
        message: &[u8],
        label: &[u8],
        seed: &Secret<32>,
    ) -> Result<[u8; MODULUS_LEN], Error> {
        with_wiped_stack(|| {
            let mut encoded = SecretVec::zeroed(MODULUS_LEN);
            oaep::encode(message, label, seed.expose(), encoded.expose_mut())?;
            // The first byte is zero, so the number is less than the modulus.
            let message = from_bytes(encoded.expose()).unwrap_or_default();
            let mut powers =
                [Power { modulus: &*self.modulus, exponent: self.exponent, value: *message }];
            ModExp::detect().public(&mut powers);
            let mut ciphertext = [0; MODULUS_LEN];
            let [Power { value, .. }] = &powers;
            to_bytes(value, &mut ciphertext);
            Ok(ciphertext)
        })
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicKey(RSA-2048")?;
        if let Ok(der) = self.to_spki_der() {
            f.write_str(", SHA-256 ")?;
            for byte in Sha256::digest(&der).iter().take(8) {
                write!(f, "{byte:02x}")?;
            }
        }
        f.write_str(")")
    }
}
