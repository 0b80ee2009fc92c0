//! Public RSA-2048 keys as JSON Web Keys (RFC 7517, RFC 7518 section 6.3.1), and their thumbprints (RFC 7638).
//!
//! Here, and not in the engine, which has no JSON: a JWK is how vaults describe their keys.
//!
//! # Example
//!
//! ```
//! use strongroom::rsa::PrivateKey;
//! use strongroom_vault::jwk;
//!
//! let key = PrivateKey::generate()?.public_key();
//! let text = jwk::write(&key);
//! assert!(text.starts_with(r#"{"e":"AQAB","kty":"RSA","n":""#));
//! assert_eq!(jwk::read(&text)?, key);
//! assert_eq!(jwk::thumbprint(&key).len(), 43);
//! # Ok::<(), strongroom::Error>(())
//! ```

use base64ct::{Base64UrlUnpadded, Encoding as _};
use serde::Deserialize;
use serde::de::IgnoredAny;
use sha2::{Digest, Sha256};
use strongroom::Error;
use strongroom::rsa::PublicKey;

const NOT_JWK: &str = "it is not a JSON object that has each member of a JWK once, as text; give the JWK as it was made";
const SET: &str = "it is a set of keys; give one of its keys";
const PRIVATE: &str = "it holds a private or symmetric key; give the public JWK, of kty, n and e alone, and keep this \
    one to yourself";
const NO_TYPE: &str = "it has no kty; give the JWK as it was made";
const OTHER_TYPE: &str = "its kty is not RSA; use an RSA key of 2048 bits";
const SIGNATURES: &str = "its use or key_ops do not allow encrypting or wrapping with it; use a key that is made for that";
const OTHER_ALGORITHM: &str =
    "its alg is not RSA-OAEP-256; use a key that is made for it, or for any algorithm";
const NO_NUMBERS: &str = "it has no n or no e; give the JWK as it was made";
const PADDED: &str = "its n or e ends in =, and base64url stands without padding in a JWK (RFC 7515 section 2); give the \
    JWK as it was made";
const NOT_BASE64URL: &str = "its n or e is not base64url in the one form that there is of each number (RFC 7515 section \
    2); give the JWK as it was made";
const LEADING_ZERO: &str = "its n or e is empty or begins with a zero octet, and a number has the fewest octets that it \
    takes in a JWK (RFC 7518 section 2); give the JWK as it was made";

/// Members of a JWK that matter here; others are ignored, as RFC 7517 section 4 demands.
#[derive(Deserialize)]
struct Members {
    kty: Option<String>,
    n: Option<String>,
    e: Option<String>,
    #[serde(rename = "use")]
    public_key_use: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    keys: Option<IgnoredAny>,
    // Private members of RFC 7518 sections 6.2.2, 6.3.2 and 6.4, which are not looked at.
    d: Option<IgnoredAny>,
    p: Option<IgnoredAny>,
    q: Option<IgnoredAny>,
    dp: Option<IgnoredAny>,
    dq: Option<IgnoredAny>,
    qi: Option<IgnoredAny>,
    oth: Option<IgnoredAny>,
    k: Option<IgnoredAny>,
}

/// The public key in `text`, a JWK.
///
/// # Errors
///
/// [`Error::Key`] where `text` is not a JWK of a public key; where it holds a private key or is of another kind; where
/// `n` or `e` are not written as RFC 7518 section 2 demands; where it is not for wrapping keys with RSA-OAEP-256 by its
/// `use`, `key_ops` or `alg`; and where the key breaks a rule of [`strongroom::rsa`]. The reason names the rule.
///
/// # Security
///
/// `kid`, `x5c` and all other members are ignored: what is read is a key, and whose it is has to be known from elsewhere.
pub fn read(text: &str) -> Result<PublicKey, Error> {
    let members: Members = serde_json::from_str(text).map_err(|_| refuse(NOT_JWK))?;
    let Members { d, p, q, dp, dq, qi, oth, k, .. } = &members;
    if [d, p, q, dp, dq, qi, oth, k].into_iter().any(Option::is_some) {
        return Err(refuse(PRIVATE));
    }
    match members.kty.as_deref() {
        Some("RSA") => {}
        Some(_) => return Err(refuse(OTHER_TYPE)),
        None => return Err(refuse(if members.keys.is_some() { SET } else { NO_TYPE })),
    }
    let wraps = |operation: &String| matches!(operation.as_str(), "wrapKey" | "encrypt");
    if members.public_key_use.is_some_and(|of| of != "enc")
        || members.key_ops.is_some_and(|operations| !operations.iter().any(wraps))
    {
        return Err(refuse(SIGNATURES));
    }
    if members.alg.is_some_and(|alg| alg != "RSA-OAEP-256") {
        return Err(refuse(OTHER_ALGORITHM));
    }
    let (Some(n), Some(e)) = (members.n, members.e) else { return Err(refuse(NO_NUMBERS)) };
    PublicKey::from_numbers(&number(&n)?, &number(&e)?)
}

/// A Base64urlUInt (RFC 7518 section 2).
fn number(text: &str) -> Result<Vec<u8>, Error> {
    if text.ends_with('=') {
        return Err(refuse(PADDED));
    }
    let number = Base64UrlUnpadded::decode_vec(text).map_err(|_| refuse(NOT_BASE64URL))?;
    if Base64UrlUnpadded::encode_string(&number) != text {
        return Err(refuse(NOT_BASE64URL));
    }
    match number.first() {
        None | Some(0) => Err(refuse(LEADING_ZERO)),
        Some(_) => Ok(number),
    }
}

/// The JWK of a key, of the required members alone, in their order and without a space: the input of
/// [`thumbprint`] (RFC 7638 section 3.2).
#[must_use]
pub fn write(key: &PublicKey) -> String {
    let e = key.exponent().to_be_bytes();
    let zeros = e.iter().take_while(|byte| **byte == 0).count();
    let e = Base64UrlUnpadded::encode_string(e.get(zeros..).unwrap_or_default());
    let n = Base64UrlUnpadded::encode_string(&key.modulus_bytes());
    format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#)
}

/// The thumbprint of a key's JWK (RFC 7638) with SHA-256, in base64url: 43 characters, the usual `kid`.
///
/// It is another one than [`KeyDescription::thumbprint`](super::KeyDescription::thumbprint), which is made of the
/// `SubjectPublicKeyInfo`.
#[must_use]
pub fn thumbprint(key: &PublicKey) -> String {
    Base64UrlUnpadded::encode_string(&Sha256::digest(write(key)))
}

fn refuse(reason: &'static str) -> Error {
    Error::Key { key: "JWK".into(), reason }
}

#[cfg(test)]
mod tests;
