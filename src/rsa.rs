//! RSA-2048 keys and RSA-OAEP-256 (RFC 8017 section 7.1 with SHA-256 and MGF1-SHA-256, empty label;
//! the name is that of RFC 7518 section 4.3).
//!
//! A key has a modulus of 2048 bits, two distinct primes of 1024 bits and an odd public exponent in
//! 3..2^32. Keys that are read are held to the same rules as keys that are generated; any other key
//! is refused with an [`Error::Key`](crate::Error::Key) that says which rule it breaks.
//!
//! Keys are read from and written as PKCS#8 (RFC 5958) and `SubjectPublicKeyInfo` (RFC 5280
//! section 4.1), in PEM (RFC 7468) or DER. [`PrivateKey::import`] and [`PublicKey::import`] read PKCS#1 (RFC 8017) as
//! well, and find out which form a file has; with the feature `encrypted-keys`
//! `PrivateKey::import_encrypted` takes a passphrase. A public key as JWK (RFC 7517) is read and written by the crate
//! `strongroom-vault`, which has JSON.
//!
//! RSA-OAEP with SHA-1 is only read ([`PrivateKey::decrypt_oaep_sha1`]), `RSA1_5` neither read nor written.
//!
//! # Security
//!
//! The private operation takes the same instructions and addresses whatever its numbers are, and its result is
//! checked with the public exponent before anything looks at it. Whatever is wrong with a ciphertext, the answer is the one
//! [`Error::Authentication`](crate::Error::Authentication).
//!
//! An operation takes up to 64 KiB of stack, 128 KiB with debug assertions: what it left there is overwritten.
//!
//! # Example
//!
//! ```
//! use strongroom::rsa::{PrivateKey, PublicKey};
//!
//! let private = PrivateKey::generate()?;
//! let public = PublicKey::from_spki_pem(&private.public_key().to_spki_pem()?)?;
//!
//! let ciphertext = public.encrypt_oaep_256(b"a data key")?;
//! assert_eq!(private.decrypt_oaep_256(&ciphertext)?.expose(), b"a data key");
//! # Ok::<(), strongroom::Error>(())
//! ```

mod arithmetic;
mod batch;
mod crt;
#[cfg(feature = "encrypted-keys")]
mod encrypted;
mod generate;
mod import;
#[cfg(fuzzing)]
pub(crate) mod inner;
mod oaep;
mod pem;
mod primality;
mod private_key;
mod public_key;
mod rules;
#[cfg(test)]
#[cfg(feature = "std")]
mod tests;

pub use batch::unwrap_batch;
pub(crate) use batch::unwrap_each;
pub use private_key::PrivateKey;
pub use public_key::PublicKey;

/// The length of a modulus, and with it of a ciphertext, in bytes.
pub const MODULUS_LEN: usize = 256;

/// The length in bytes of the longest message that fits into one RSA-OAEP-256 ciphertext
/// (RFC 8017 section 7.1.1: the modulus length less two hashes and two bytes).
pub const MESSAGE_MAX: usize = MODULUS_LEN - oaep::OVERHEAD;
