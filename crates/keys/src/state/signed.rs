//! States under an HMAC: which resource, which number, and who signed.
//!
//! ```text
//! {"version":1,"min_reader":1,"name":"contoso","number":7,"body":{…}}        one line of JSON
//! hmac-sha256 KEY-ID HEX                                                     over all before HEX
//! ```
//!
//! Nothing of the JSON is looked at before the HMAC holds.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::Sha256;
use strongroom::secret::Secret;

use super::error::{READER_VERSION, StateError};
use strongroom_vault::hex;
use strongroom_vault::mac::hmac_sha256;

const LABEL: &[u8] = b"strongroom/1 state\0";
const ALGORITHM: &str = "hmac-sha256";

/// The key that states are signed with: derived from one version of the service key.
///
/// # Example
///
/// ```
/// use strongroom::secret::Secret;
/// use strongroom_keys::state::StateKey;
///
/// let key = StateKey::derive("local/0123456789abcdef/service/1", &Secret::generate()?);
/// let signed = key.sign("contoso", 7, &["any", "body"])?;
/// let body: Vec<String> = key.verify("contoso", 7, &signed)?;
/// assert_eq!(body, ["any", "body"]);
/// // Neither another resource's state nor an older one's place will do.
/// assert!(key.verify::<Vec<String>>("fabrikam", 7, &signed).is_err());
/// assert!(key.verify::<Vec<String>>("contoso", 8, &signed).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct StateKey {
    id: String,
    key: Secret<32>,
}

#[derive(Serialize, Deserialize)]
struct Envelope<B> {
    version: u32,
    min_reader: u32,
    name: String,
    number: u64,
    body: B,
}

/// The fields that every version of an envelope has.
#[derive(Deserialize)]
struct Outline {
    min_reader: u32,
    name: String,
    number: u64,
}

impl StateKey {
    /// The key derived (HKDF-SHA-256) from `secret`, which the service key `id` wraps.
    #[must_use]
    pub fn derive(id: &str, secret: &Secret<32>) -> Self {
        let mut key = [0; 32];
        // 32 bytes are less than HKDF's limit of 255 hashes, the only way to fail.
        let expanded = hkdf::Hkdf::<Sha256>::new(None, secret.expose())
            .expand(b"strongroom/1 state key", &mut key);
        debug_assert!(expanded.is_ok());
        let derived = Self { id: id.to_owned(), key: Secret::copy_from(&key) };
        zeroize::Zeroize::zeroize(&mut key);
        derived
    }

    /// The id of the service key's version.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// `body` as a state of `name`, object `number`.
    ///
    /// # Errors
    ///
    /// [`StateError::Invalid`] where `body` is nothing that JSON can say.
    pub fn sign(
        &self,
        name: &str,
        number: u64,
        body: &impl Serialize,
    ) -> Result<Vec<u8>, StateError> {
        let envelope = Envelope {
            version: READER_VERSION,
            min_reader: READER_VERSION,
            name: name.to_owned(),
            number,
            body,
        };
        let json = serde_json::to_string(&envelope)
            .map_err(|error| invalid(name, number, &error.to_string()))?;
        Ok(self.sign_line(&json))
    }

    fn sign_line(&self, json: &str) -> Vec<u8> {
        let mut text = format!("{json}\n{ALGORITHM} {} ", self.id);
        let mac = self.mac(text.as_bytes());
        text.push_str(&hex::encode(mac.expose()));
        text.push('\n');
        text.into_bytes()
    }

    /// The body of a state of `name`, object `number`.
    ///
    /// # Errors
    ///
    /// [`StateError::Invalid`] where it was not signed with this key for this place, or says what this
    /// code does not understand; [`StateError::TooNew`].
    pub fn verify<B: DeserializeOwned>(
        &self,
        name: &str,
        number: u64,
        bytes: &[u8],
    ) -> Result<B, StateError> {
        let invalid = |reason: &str| invalid(name, number, reason);
        let parts = split(bytes).ok_or_else(|| invalid("it is cut, or no state"))?;
        if parts.key_id != self.id {
            return Err(invalid("it was signed under another version of the service key"));
        }
        if self.mac(parts.signed) != Secret::copy_from(&parts.mac) {
            return Err(invalid("its HMAC does not hold"));
        }
        let json = |error: serde_json::Error| invalid(&error.to_string());
        let outline: Outline = serde_json::from_str(parts.json).map_err(json)?;
        if (outline.name.as_str(), outline.number) != (name, number) {
            return Err(invalid("it was written for another place"));
        }
        if outline.min_reader > READER_VERSION {
            let (name, min_reader) = (name.to_owned(), outline.min_reader);
            return Err(StateError::TooNew { name, number, min_reader });
        }
        Ok(serde_json::from_str::<Envelope<B>>(parts.json).map_err(json)?.body)
    }

    fn mac(&self, text: &[u8]) -> Secret<32> {
        hmac_sha256(&self.key, &[LABEL, text])
    }
}

struct Parts<'a> {
    json: &'a str,
    key_id: &'a str,
    signed: &'a [u8],
    mac: [u8; 32],
}

fn split(bytes: &[u8]) -> Option<Parts<'_>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (json, trailer) = text.strip_suffix('\n')?.split_once('\n')?;
    let mut words = trailer.split(' ');
    let (algorithm, key_id, mac) = (words.next()?, words.next()?, words.next()?);
    if algorithm != ALGORITHM || words.next().is_some() {
        return None;
    }
    // One newline and the HMAC end the text.
    let signed = bytes.get(..bytes.len().checked_sub(mac.len().checked_add(1)?)?)?;
    Some(Parts { json, key_id, signed, mac: hex::decode_array(mac)? })
}

/// The MAC that a state ends with. It is not verified here.
pub(crate) fn mac_of(bytes: &[u8]) -> Option<[u8; 32]> {
    Some(split(bytes)?.mac)
}

/// The version of the service key that a state claims to be signed under. It is not authenticated.
pub(crate) fn key_id_of(bytes: &[u8]) -> Option<&str> {
    split(bytes).map(|parts| parts.key_id)
}

/// The body of a state that nobody has verified yet: only to find the key that verifies it.
pub(crate) fn open<B: DeserializeOwned>(bytes: &[u8]) -> Option<B> {
    Some(serde_json::from_str::<Envelope<B>>(split(bytes)?.json).ok()?.body)
}

fn invalid(name: &str, number: u64, reason: &str) -> StateError {
    StateError::Invalid { name: name.to_owned(), number, reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> StateKey {
        StateKey::derive("local/0123456789abcdef/service/1", &Secret::copy_from(&[7; 32]))
    }

    #[test]
    fn every_byte_counts() {
        let signed = key().sign("contoso", 3, &"body").unwrap();
        assert_eq!(key().verify::<String>("contoso", 3, &signed).unwrap(), "body");
        let mut refused = 0;
        for at in 0..signed.len() {
            for bit in [1, 0x20, 0x80] {
                let mut changed = signed.clone();
                changed[at] ^= bit;
                assert!(key().verify::<String>("contoso", 3, &changed).is_err(), "byte {at}");
                refused += 1;
            }
            assert!(key().verify::<String>("contoso", 3, &signed[..at]).is_err(), "cut at {at}");
        }
        assert_eq!(refused, signed.len() * 3);
    }

    #[test]
    fn other_secrets_and_ids_refuse() {
        let signed = key().sign("contoso", 3, &"body").unwrap();
        let secret = StateKey::derive(key().id(), &Secret::copy_from(&[8; 32]));
        let id = StateKey::derive("local/0123456789abcdef/service/2", &Secret::copy_from(&[7; 32]));
        for other in [secret, id] {
            assert!(matches!(
                other.verify::<String>("contoso", 3, &signed),
                Err(StateError::Invalid { number: 3, .. })
            ));
        }
    }

    /// A newer writer says who may read; its bodies are not even looked at.
    #[test]
    fn min_reader_is_obeyed() {
        let newer = r#"{"version":9,"min_reader":2,"name":"contoso","number":3,"body":{"new":1}}"#;
        let signed = key().sign_line(newer);
        let refused = key().verify::<String>("contoso", 3, &signed);
        assert!(matches!(refused, Err(StateError::TooNew { min_reader: 2, .. })));
        let readable = newer.replace("\"min_reader\":2", "\"min_reader\":1");
        let readable = readable.replace("{\"new\":1}", "\"body\"");
        let signed = key().sign_line(&readable);
        assert_eq!(key().verify::<String>("contoso", 3, &signed).unwrap(), "body");
    }
}
