//! What a document belongs to: key-value pairs that are bound to it and not stored in it.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use crate::error::Error;

/// Greatest length of a key or a value in bytes.
const MAX_LEN: usize = u16::MAX as usize;
/// Greatest number of pairs.
const MAX_PAIRS: usize = 256;

/// Key-value pairs that a document is sealed with and opened with again: tenant, file name,
/// purpose. They are authenticated, not stored and not secret.
///
/// The canonical encoding sorts the pairs by key, bytewise; each is the key's length (u16,
/// big-endian), the key, the value's length (u16, big-endian) and the value, in UTF-8. No pairs
/// are no bytes.
///
/// # Example
///
/// ```
/// use strongroom::document::Context;
///
/// let mut context = Context::new();
/// context.insert("tenant", "7")?;
/// context.insert("file", "contract.pdf")?;
/// assert_eq!(context.encode(), b"\0\x04file\0\x0ccontract.pdf\0\x06tenant\0\x017");
/// # Ok::<(), strongroom::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    pairs: BTreeMap<String, String>,
}

impl Context {
    /// No pairs.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a pair.
    ///
    /// # Errors
    ///
    /// [`Error::Argument`] where the key is there already or is empty; [`Error::Length`] where key
    /// or value is longer than 65,535 bytes or there are more than 256 pairs.
    pub fn insert(&mut self, key: &str, value: &str) -> Result<(), Error> {
        if key.is_empty() {
            return Err(Error::Argument { what: "context", reason: "a key must not be empty" });
        }
        for (what, text) in [("context key, in bytes", key), ("context value, in bytes", value)] {
            if text.len() > MAX_LEN {
                let (length, limit) = (text.len() as u64, MAX_LEN as u64);
                return Err(Error::Length { what, length, limit });
            }
        }
        if self.pairs.contains_key(key) {
            return Err(Error::Argument {
                what: "context",
                reason: "a key stands there twice; give each key once",
            });
        }
        if self.pairs.len() >= MAX_PAIRS {
            let length = self.pairs.len() as u64 + 1;
            let limit = MAX_PAIRS as u64;
            return Err(Error::Length { what: "context pairs", length, limit });
        }
        self.pairs.insert(key.into(), value.into());
        Ok(())
    }

    /// The pairs, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// The canonical encoding.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for text in self.pairs.iter().flat_map(|(key, value)| [key, value]) {
            // `insert` has checked that every length fits.
            let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
            bytes.extend(length.to_be_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_of_insertion_does_not_matter() {
        let mut one = Context::new();
        one.insert("b", "2").unwrap();
        one.insert("a", "1").unwrap();
        let mut other = Context::new();
        other.insert("a", "1").unwrap();
        other.insert("b", "2").unwrap();
        assert_eq!(one.encode(), other.encode());
        assert_eq!(Context::new().encode(), b"");
    }

    /// Bytes cannot move between keys, values and pairs.
    #[test]
    fn encodings_are_distinct() {
        let sets: [&[(&str, &str)]; 7] = [
            &[],
            &[("a", "")],
            &[("a", "b")],
            &[("ab", "")],
            &[("a", "b\0\u{1}c")],
            &[("a", "b"), ("c", "")],
            &[("a", ""), ("b", "c")],
        ];
        let mut encodings: Vec<_> = sets
            .iter()
            .map(|pairs| {
                let mut context = Context::new();
                for (key, value) in *pairs {
                    context.insert(key, value).unwrap();
                }
                context.encode()
            })
            .collect();
        encodings.sort();
        encodings.dedup();
        assert_eq!(encodings.len(), sets.len());
    }

    #[test]
    fn bad_pairs_are_refused() {
        let mut context = Context::new();
        context.insert("k", "v").unwrap();
        assert!(matches!(context.insert("k", "v"), Err(Error::Argument { .. })));
        assert!(matches!(context.insert("", "v"), Err(Error::Argument { .. })));
        let long = "x".repeat(65_536);
        assert!(matches!(context.insert(&long, ""), Err(Error::Length { .. })));
        assert!(matches!(context.insert("long", &long), Err(Error::Length { .. })));
        context.insert("long", &long[1..]).unwrap();
        for n in 2..256 {
            context.insert(&format!("{n}"), "").unwrap();
        }
        assert!(matches!(context.insert("one more", ""), Err(Error::Length { limit: 256, .. })));
    }
}
