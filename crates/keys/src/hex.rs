//! Bytes as lower-case hexadecimal text in JSON.

use serde::{Deserialize, Deserializer, Serializer, de};

/// `bytes` as text.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// The bytes of `text`; `None` where it is none of [`encode`]'s.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let lower = |digit: &u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
    let pair = |pair: &[u8; 2]| {
        let text = std::str::from_utf8(pair).ok()?;
        pair.iter().all(lower).then(|| u8::from_str_radix(text, 16).ok())?
    };
    pairs.iter().map(pair).collect()
}

pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&encode(bytes))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    decode(&text).ok_or_else(|| de::Error::custom("not lower-case hexadecimal"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(decode(&encode(&bytes)), Some(bytes));
        assert_eq!(encode(&[0x0f, 0xa0]), "0fa0");
        for text in ["0", "0G", "0A", "+1", "é"] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
