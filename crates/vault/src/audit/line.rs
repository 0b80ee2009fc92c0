//! One line of a trail: how it is written, read and checked.

use std::fmt;

use serde::{Deserialize, Serialize};
use strongroom::secret::Secret;

use super::chain::{AuditKey, Head, sha256};
use super::error::{AuditError, Tampering};
use super::event::AuditEvent;
use super::repair::Repaired;
use super::text::SafeJson;
use crate::hex;

/// No line is longer, its newline included.
pub(super) const LONGEST_LINE: usize = 16 * 1024;

/// The format of the trails that this version reads and writes.
pub(super) const FORMAT: u32 = 2;

/// Separator between a line's other members and its MAC.
const BEFORE_MAC: &[u8] = b",\"mac\":\"";

/// End of a line, before its newline.
const AFTER_MAC: &[u8] = b"\"}";

/// A line of a trail, as [`verify_each`](super::verify_each) shows it once it holds.
///
/// # Example
///
/// ```
/// use strongroom_vault::audit::{AuditKey, AuditLine, AuditSink, JsonLines, verify_each};
/// # use strongroom_vault::audit::{AuditEvent, AuditResult};
/// # let new = AuditEvent::new("unwrap", AuditResult::Done);
/// # let event = AuditEvent { time: 1_790_000_000, duration_us: 812, ..new };
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("audit.jsonl");
/// let key = AuditKey::new(&[7; 32]);
/// futures_lite::future::block_on(JsonLines::new(&path, &key).record(&event))?;
///
/// let mut shown = Vec::new();
/// verify_each(&path, &key, None, &mut |line: &AuditLine| shown.push(line.to_string()))?;
/// assert_eq!(shown, ["1 time=1790000000 operation=\"unwrap\" result=done duration_us=812"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditLine {
    /// Its number; the first line has 1.
    pub number: u64,
    /// The trail's random id, in hexadecimal: in the first line of the first file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trail: Option<String>,
    /// The trail's format, beside its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<u32>,
    /// The last line of the file before: in the first line of every later file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Head>,
    /// The rest of a torn line, where this one took its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub torn: Option<Torn>,
    /// The damaged part before this line, in the first line after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repaired: Option<Repaired>,
    /// The event.
    #[serde(flatten)]
    pub event: AuditEvent,
}

impl fmt::Display for AuditLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number, self.event)?;
        self.torn.as_ref().map_or(Ok(()), |torn| write!(f, " torn={torn}"))
    }
}

/// The beginning of a line that a crash left at the end of a trail.
///
/// # Example
///
/// ```
/// use strongroom_vault::audit::{AuditKey, verify};
///
/// let directory = tempfile::tempdir()?;
/// let path = directory.path().join("audit.jsonl");
/// std::fs::write(&path, r#"{"number":1,"trai"#)?;
///
/// let torn = verify(&path, &AuditKey::new(&[7; 32]), None)?.torn.ok_or("it is torn")?;
/// assert_eq!(torn.length, 17);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Torn {
    /// Its length, in bytes.
    pub length: u64,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
}

impl Torn {
    /// Length and SHA-256 of `bytes`.
    pub(super) fn of(bytes: &[u8]) -> Self {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Self { length, sha256: hex::encode(&sha256(bytes)) }
    }
}

impl fmt::Display for Torn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes, SHA-256 {}", self.length, super::text::printable(&self.sha256))
    }
}

/// A new trail's id.
fn random_id() -> Result<[u8; 16], AuditError> {
    let mut id = [0; 16];
    getrandom::fill(&mut id)
        .map_err(|error| AuditError::Unwritable { reason: error.to_string() })?;
    Ok(id)
}

impl AuditLine {
    /// The line that follows `after`; `begins` says that it is the first of its file.
    pub(super) fn following(
        after: Option<Head>,
        begins: bool,
        torn: Option<Torn>,
        event: AuditEvent,
    ) -> Result<Self, AuditError> {
        Ok(Self {
            number: number_after(after),
            trail: if after.is_none() { Some(hex::encode(&random_id()?)) } else { None },
            format: after.is_none().then_some(FORMAT),
            previous: after.filter(|_| begins),
            torn,
            repaired: None,
            event,
        })
    }

    /// The line's bytes with its newline, and the head it makes.
    pub(super) fn seal(
        &self,
        key: &AuditKey,
        after: Option<Head>,
    ) -> Result<(Vec<u8>, Head), AuditError> {
        let unwritable = |reason: &str| AuditError::Unwritable { reason: reason.to_owned() };
        let mut line = Vec::new();
        self.serialize(&mut serde_json::Serializer::with_formatter(&mut line, SafeJson))
            .map_err(|error| unwritable(&error.to_string()))?;
        line.pop(); // the closing brace, which comes after the mac
        let previous = match after {
            Some(head) => head.mac,
            None => self.first_previous(key).ok_or_else(|| unwritable("it has no id"))?,
        };
        let mac = *key.line_mac(&previous, &line).expose();
        line.extend_from_slice(BEFORE_MAC);
        line.extend_from_slice(hex::encode(&mac).as_bytes());
        line.extend_from_slice(AFTER_MAC);
        line.push(b'\n');
        Ok((line, Head { number: self.number, mac }))
    }

    /// The previous mac of a line that begins a file, by what the line says.
    fn first_previous(&self, key: &AuditKey) -> Option<[u8; 32]> {
        match (&self.trail, self.previous) {
            (Some(id), None) => Some(key.first_previous(&hex::decode_array(id)?)),
            (None, Some(head)) => Some(head.mac),
            _ => None,
        }
    }
}

/// The number of the line that follows `after`.
pub(super) fn number_after(after: Option<Head>) -> u64 {
    after.map_or(0, |head| head.number).saturating_add(1)
}

/// The mac at the end of `line`, which has no newline, and what the mac covers.
pub(super) fn split_mac(line: &[u8]) -> Option<(&[u8], [u8; 32])> {
    let line = line.strip_suffix(AFTER_MAC)?;
    let (rest, mac) = line.split_at_checked(line.len().checked_sub(64)?)?;
    Some((rest.strip_suffix(BEFORE_MAC)?, hex::decode_array(std::str::from_utf8(mac).ok()?)?))
}

/// Position of a line in its file.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// It follows the line with this mac, in the same file.
    After([u8; 32]),
    /// It begins a file.
    Begins,
}

/// A line that was read, and is not believed yet.
#[derive(Debug)]
pub(super) struct Unchecked<'a> {
    pub(super) line: AuditLine,
    body: &'a [u8],
    mac: [u8; 32],
}

impl<'a> Unchecked<'a> {
    /// Reads `bytes`, without the newline.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, Tampering> {
        let (body, mac) = split_mac(bytes).ok_or(Tampering::Unreadable)?;
        let line = serde_json::from_slice(bytes).map_err(|_| Tampering::Unreadable)?;
        Ok(Self { line, body, mac })
    }

    /// Checks the line's mac; the head that it makes.
    pub(super) fn check(&self, key: &AuditKey, place: Place) -> Result<Head, Tampering> {
        let previous = match place {
            Place::After(mac) => mac,
            Place::Begins => self.line.first_previous(key).ok_or(Tampering::Beginning)?,
        };
        if key.line_mac(&previous, self.body) != Secret::copy_from(&self.mac) {
            return Err(Tampering::Mac);
        }
        Ok(Head { number: self.line.number, mac: self.mac })
    }
}
