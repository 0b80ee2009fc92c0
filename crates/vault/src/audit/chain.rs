//! The key of a trail, its macs, and its head.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use strongroom::secret::Secret;

use crate::hex;
use crate::mac::hmac_sha256;

/// Prefix of the data under a line's MAC, before the MAC of the line before and the line.
const LINE: &[u8] = b"strongroom/audit/2 line\0";

/// Prefix of the data under the first line's previous MAC, before the trail's id.
const TRAIL: &[u8] = b"strongroom/audit/2 trail\0";

/// Prefix of the data under a kept head's MAC, before the head.
const HEAD: &[u8] = b"strongroom/audit/2 head\0";

/// Prefix of the data under a summary's MAC, before the summary.
const SUMMARY: &[u8] = b"strongroom/audit/2 summary\0";

/// The key that an audit trail's macs are made and checked with: 32 bytes, derived by the caller for
/// this alone. Redacted when printed, wiped when the last copy is dropped.
///
/// # Example
///
/// ```
/// use strongroom_vault::audit::AuditKey;
///
/// let key = AuditKey::new(&[7; 32]);
/// assert_eq!(format!("{key:?}"), "AuditKey(redacted)");
/// ```
#[derive(Clone)]
pub struct AuditKey(Arc<Secret<32>>);

impl AuditKey {
    /// Copies `bytes`. The caller wipes the original.
    #[must_use]
    pub fn new(bytes: &[u8; 32]) -> Self {
        Self(Arc::new(Secret::copy_from(bytes)))
    }

    fn mac(&self, parts: &[&[u8]]) -> Secret<32> {
        hmac_sha256(&self.0, parts)
    }

    /// The mac of a line, of which `body` is what its mac covers.
    pub(super) fn line_mac(&self, previous: &[u8; 32], body: &[u8]) -> Secret<32> {
        self.mac(&[LINE, previous, covered(body)])
    }

    /// The previous mac of the first line of the trail `id`.
    pub(super) fn first_previous(&self, id: &[u8; 16]) -> [u8; 32] {
        *self.mac(&[TRAIL, id]).expose()
    }

    /// The mac of a kept head.
    pub(super) fn head_mac(&self, head: &Head) -> Secret<32> {
        self.mac(&[HEAD, &head.number.to_be_bytes(), &head.mac])
    }

    /// The mac of a summary.
    pub(super) fn summary_mac(&self, summary: &[u8]) -> Secret<32> {
        self.mac(&[SUMMARY, summary])
    }
}

/// All of a line's body.
#[cfg(not(test))]
fn covered(body: &[u8]) -> &[u8] {
    body
}

/// All of a line's body, unless a test plants the mistake of leaving some out.
#[cfg(test)]
fn covered(body: &[u8]) -> &[u8] {
    super::tests::planted::covered(body)
}

impl fmt::Debug for AuditKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuditKey(redacted)")
    }
}

/// The last line of a trail: its number and its mac. Who keeps it out of reach of those who can write
/// to the trail notices when lines are cut from the end.
///
/// Its text form, and how serde writes it, is `NUMBER:MAC`, the mac in hexadecimal.
///
/// # Example
///
/// ```
/// use strongroom_vault::audit::Head;
///
/// let head = Head { number: 30, mac: [0xa5; 32] };
/// assert_eq!(head.to_string(), format!("30:{}", "a5".repeat(32)));
/// assert_eq!(head.to_string().parse(), Ok(head));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Head {
    /// The line's number; the first line has 1.
    pub number: u64,
    /// The line's mac.
    pub mac: [u8; 32],
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.number, hex::encode(&self.mac))
    }
}

impl FromStr for Head {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (number, mac) = text.split_once(':')?;
            let number = number.parse().ok().filter(|number| *number > 0)?;
            Some(Self { number, mac: hex::decode_array(mac)? })
        };
        parse().ok_or_else(|| {
            format!(
                "{text:?} is not a head of an audit trail; write NUMBER:MAC, as `audit head` prints it"
            )
        })
    }
}

impl TryFrom<String> for Head {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Head> for String {
    fn from(head: Head) -> Self {
        head.to_string()
    }
}

/// SHA-256.
pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}
