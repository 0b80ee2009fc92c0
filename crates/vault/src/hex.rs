//! Bytes as lower-case hexadecimal text, in JSON by `#[serde(with = "hex")]`.
//!
//! # Example
//!
//! ```
//! use strongroom_vault::hex;
//!
//! assert_eq!(hex::encode(&[0x0f, 0xa0]), "0fa0");
//! assert_eq!(hex::decode_array("0fa0"), Some([0x0f, 0xa0]));
//! assert_eq!(hex::decode("0FA0"), None);
//! ```

use serde::{Deserialize, Deserializer, Serializer, de};

/// `bytes` as text.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    base16ct::lower::encode_string(bytes)
}

/// The bytes of `text`; `None` where it is none of [`encode`]'s.
#[must_use]
pub fn decode(text: &str) -> Option<Vec<u8>> {
    base16ct::lower::decode_vec(text).ok()
}

/// Exactly `N` bytes of `text`.
#[must_use]
pub fn decode_array<const N: usize>(text: &str) -> Option<[u8; N]> {
    decode(text)?.try_into().ok()
}

/// Writes `bytes` as text.
///
/// # Errors
///
/// The serializer's.
pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&encode(bytes))
}

/// Reads bytes from text: a vector, or an array of exactly as many.
///
/// # Errors
///
/// The deserializer's, and one for another length or another alphabet.
pub fn deserialize<'de, D: Deserializer<'de>, T: TryFrom<Vec<u8>>>(
    deserializer: D,
) -> Result<T, D::Error> {
    let text = String::deserialize(deserializer)?;
    let bytes = decode(&text).and_then(|bytes| T::try_from(bytes).ok());
    bytes.ok_or_else(|| de::Error::custom("not lower-case hexadecimal of the right length"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(decode(&encode(&bytes)), Some(bytes));
        assert_eq!(encode(&[0x0f, 0xa0]), "0fa0");
        assert_eq!(decode_array("0fa0"), Some([0x0f, 0xa0]));
        assert_eq!(decode_array::<3>("0fa0"), None);
        for text in ["0", "0G", "0A", "+1", "é"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
