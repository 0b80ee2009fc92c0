//! The first 128 bytes of a sealed document. They never change.
//!
//! ```text
//!   0   8   magic                       16   8   plaintext length, or 2^64 - 1
//!   8   1   version                     24   8   expires_at, or 0
//!   9   1   suite                       32  32   salt
//!  10   1   layers                      64  32   context tag
//!  11   1   log2 of the chunk length    96  32   commitment
//!  12   4   reserved, zero              (0..96 are the core)
//! ```

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use crate::document::PlaintextLen;
use crate::error::Error;
use crate::parallel::{ChunkLen, ChunkPlan};

/// The magic number at the start of every sealed document. A byte above 0x7f, CR LF and ^Z show a transfer
/// that took it for text.
pub(crate) const MAGIC: [u8; 8] = *b"\x93SRM\r\n\x1a\n";

/// Beginnings of documents that went through a conversion of text, which is what the magic is made to show;
/// the longest ones first where one begins another.
const CONVERTED: [(&[u8], &str); 14] = [
    (b"\x93SRM\n\x1a\n", CR_LF_TO_LF),
    (b"\x93SRM\n\n\x1a\n", CR_TO_LF),
    (b"\x93SRM\r\r\n\x1a\r\n", LF_TO_CR_LF),
    (b"\x93SRM\r\n\x1a\r\n", LF_TO_CR_LF),
    (b"\x93SRM\r\r\x1a\r", LF_TO_CR),
    (b"\xC2\x93SRM", TO_UTF_8),
    (b"\xE2\x80\x9CSRM", TO_UTF_8),
    (b"\xEF\xBF\xBDSRM", TO_UTF_8),
    (b"\xEF\xBB\xBF", TO_UTF_8),
    (b"\xFF\xFE", TO_UTF_16),
    (b"\xFE\xFF", TO_UTF_16),
    (b"\x93\0S\0R\0M\0", TO_UTF_16),
    (b"\0\x93\0S\0R\0M", TO_UTF_16),
    (b"\x13SRM", TO_SEVEN_BITS),
];

const CR_LF_TO_LF: &str = "its line ends were changed from CR LF to LF: copy it again, in binary";
const CR_TO_LF: &str = "its line ends were changed from CR to LF: copy it again, in binary";
const LF_TO_CR_LF: &str = "its line ends were changed from LF to CR LF: copy it again, in binary";
const LF_TO_CR: &str = "its line ends were changed from LF to CR: copy it again, in binary";
const TO_UTF_8: &str = "it was changed to UTF-8 as if it were text: copy it again, in binary";
const TO_UTF_16: &str = "it was changed to UTF-16 as if it were text: copy it again, in binary (in \
    PowerShell, with -o and not with >)";
const TO_SEVEN_BITS: &str = "the highest bit of its bytes was removed: copy it again, in binary";

/// The reason for which `bytes`, which do not begin with the magic, are not a document.
pub(crate) fn not_a_document(bytes: &[u8]) -> &'static str {
    let converted = CONVERTED.iter().find(|(begins, _)| bytes.starts_with(begins));
    converted.map_or("it does not begin as one", |(_, reason)| reason)
}
/// The format's version.
pub(crate) const VERSION: u8 = 1;
/// AES-256-GCM with HKDF-SHA-256.
pub(crate) const SUITE: u8 = 1;

pub(crate) const CORE_LEN: usize = 96;
pub(crate) const PROLOGUE_LEN: usize = 128;

/// The plaintext length of a stream: unknown.
const STREAM: u64 = u64::MAX;

/// The fields that are bound into every chunk's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Core {
    pub(crate) layers: u8,
    pub(crate) chunk_len: ChunkLen,
    pub(crate) plaintext_len: PlaintextLen,
    /// Seconds since the Unix epoch; 0 is never.
    pub(crate) expires_at: u64,
    pub(crate) salt: [u8; 32],
    pub(crate) context_tag: [u8; 32],
}

impl Core {
    pub(crate) fn encode(&self) -> [u8; CORE_LEN] {
        let plaintext_len = match self.plaintext_len {
            PlaintextLen::Known(bytes) => bytes,
            PlaintextLen::Stream => STREAM,
        };
        let fields = [
            &MAGIC[..],
            &[VERSION, SUITE, self.layers, self.chunk_len.log2()],
            &[0; 4],
            &plaintext_len.to_be_bytes(),
            &self.expires_at.to_be_bytes(),
            &self.salt,
            &self.context_tag,
        ];
        let mut bytes = [0; CORE_LEN];
        let mut rest = &mut bytes[..];
        for field in fields {
            if let Some(place) = rest.split_off_mut(..field.len()) {
                place.copy_from_slice(field);
            }
        }
        bytes
    }

    pub(crate) fn parse(bytes: &[u8; CORE_LEN]) -> Result<Self, Error> {
        let [
            m0,
            m1,
            m2,
            m3,
            m4,
            m5,
            m6,
            m7, //
            version,
            suite,
            layers,
            chunk_len, //
            r0,
            r1,
            r2,
            r3, //
            l0,
            l1,
            l2,
            l3,
            l4,
            l5,
            l6,
            l7, //
            e0,
            e1,
            e2,
            e3,
            e4,
            e5,
            e6,
            e7, //
            salt_and_context_tag @ ..,
        ] = *bytes;
        if [m0, m1, m2, m3, m4, m5, m6, m7] != MAGIC {
            return Err(Error::format(0, not_a_document(bytes)));
        }
        if version != VERSION {
            return Err(Error::format(
                8,
                "its version is not known to this program; a newer one may read it",
            ));
        }
        if suite != SUITE {
            return Err(Error::format(9, "its cipher suite is not known here"));
        }
        if !matches!(layers, 1 | 2) {
            return Err(Error::format(10, "the number of layers is neither 1 nor 2"));
        }
        let Some(chunk_len) = ChunkLen::from_log2(chunk_len) else {
            return Err(Error::format(11, "the chunk length is out of range"));
        };
        if [r0, r1, r2, r3] != [0; 4] {
            return Err(Error::format(12, "reserved bytes are not zero"));
        }
        let plaintext_len = match u64::from_be_bytes([l0, l1, l2, l3, l4, l5, l6, l7]) {
            STREAM => PlaintextLen::Stream,
            bytes => {
                if ChunkPlan::new(chunk_len, layers, bytes).is_err() {
                    return Err(Error::format(16, "the plaintext length is above the limit"));
                }
                PlaintextLen::Known(bytes)
            }
        };
        let mut core = Self {
            layers,
            chunk_len,
            plaintext_len,
            expires_at: u64::from_be_bytes([e0, e1, e2, e3, e4, e5, e6, e7]),
            salt: [0; 32],
            context_tag: [0; 32],
        };
        let (salt, context_tag) = salt_and_context_tag.split_at(32);
        core.salt.copy_from_slice(salt);
        core.context_tag.copy_from_slice(context_tag);
        Ok(core)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn core() -> Core {
        Core {
            layers: 2,
            chunk_len: ChunkLen::new(4096).unwrap(),
            plaintext_len: PlaintextLen::Known(0x0102_0304_0506),
            expires_at: 0x1112_1314_1516_1718,
            salt: [0x21; 32],
            context_tag: [0x22; 32],
        }
    }

    #[test]
    fn fields_are_where_the_format_says() {
        let bytes = core().encode();
        assert_eq!(bytes[..12], *b"\x93SRM\x0d\x0a\x1a\x0a\x01\x01\x02\x0c");
        assert_eq!(bytes[12..24], [0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(bytes[24..32], [0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18]);
        assert_eq!(bytes[32..64], [0x21; 32]);
        assert_eq!(bytes[64..], [0x22; 32]);
        assert_eq!(Core::parse(&bytes).unwrap(), core());

        let stream = Core { plaintext_len: PlaintextLen::Stream, ..core() };
        assert_eq!(stream.encode()[16..24], [0xff; 8]);
        assert_eq!(Core::parse(&stream.encode()).unwrap(), stream);
    }

    /// Every value that the first 16 bytes may not have is refused, at its offset.
    #[test]
    fn bad_fields_are_refused_at_their_offset() {
        let mut refused = 0;
        for offset in 0..16 {
            for value in 0..=255 {
                let mut bytes = core().encode();
                bytes[offset] = value;
                let allowed = match offset {
                    10 => matches!(value, 1 | 2),
                    11 => (12..=24).contains(&value),
                    _ => value == core().encode()[offset],
                };
                match Core::parse(&bytes) {
                    Ok(_) => assert!(allowed, "{offset} {value}"),
                    Err(Error::Format { offset: at, .. }) => {
                        let field = [0, 0, 0, 0, 0, 0, 0, 0, 8, 9, 10, 11, 12, 12, 12, 12];
                        assert_eq!(at, field[offset]);
                        assert!(!allowed, "{offset} {value}");
                        refused += 1;
                    }
                    Err(other) => panic!("{other}"),
                }
            }
        }
        assert_eq!(refused, 16 * 256 - 14 - 2 - 13);
    }

    #[test]
    fn lengths_beyond_the_limits_are_refused() {
        for bytes in [(1_u64 << 44) + 1, u64::MAX - 1] {
            let core = Core { plaintext_len: PlaintextLen::Known(bytes), ..core() };
            assert!(matches!(Core::parse(&core.encode()), Err(Error::Format { offset: 16, .. })));
        }
        let most = Core { plaintext_len: PlaintextLen::Known(1 << 44), ..core() };
        assert_eq!(Core::parse(&most.encode()).unwrap(), most);
    }
}
