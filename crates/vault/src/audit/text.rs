//! Text from callers: cut to a length, and without characters that command a terminal.

use std::borrow::Cow;
use std::fmt;
use std::io;

use serde::Serialize as _;
use serde_json::Value;
use serde_json::ser::Formatter;

use super::event::{AuditEvent, AuditResult};

/// The longest texts of an event, in bytes as written in JSON. With a key id of at most 255 bytes
/// they leave a line room for its other members.
const LONGEST_OPERATION: usize = 256;
const LONGEST_NAME: usize = 1024;
pub(super) const LONGEST_RESULT: usize = 6 * 1024;
const LONGEST_DETAIL: usize = 3 * 1024;

/// True for a character that must not reach a terminal from a caller's text: it commands the terminal (C0, DEL,
/// C1), ends a line for some (U+2028, U+2029), reorders the text around it (bidirectional controls) or is not
/// seen at all.
///
/// # Example
///
/// ```
/// use strongroom_vault::audit::is_unsafe;
///
/// assert!("\u{1b}\u{9b}\u{202e}\n".chars().all(is_unsafe));
/// assert!(!"Löschung \"a\"".chars().any(is_unsafe));
/// ```
#[must_use]
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// `text` for a terminal: one line, in which no character commands the terminal, reorders the text
/// or ends the quotation marks around it.
///
/// # Example
///
/// ```
/// use strongroom_vault::audit::printable;
///
/// assert_eq!(printable("a\n\u{1b}[31m\u{202e}\"").to_string(), r#"a\n\u{1b}[31m\u{202e}\""#);
/// assert_eq!(printable("Löschung").to_string(), "Löschung");
/// ```
#[must_use]
pub fn printable(text: &str) -> impl fmt::Display + '_ {
    Printable(text)
}

struct Printable<'a>(&'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        self.0.chars().try_for_each(|c| match c {
            '"' | '\\' | '\n' | '\r' | '\t' => write!(f, "{}", c.escape_default()),
            c if is_unsafe(c) => write!(f, "{}", c.escape_unicode()),
            c => f.write_char(c),
        })
    }
}

/// JSON in which characters that are not safe on a terminal are escaped, too: a trail is looked at
/// with whatever is at hand.
pub(super) struct SafeJson;

impl Formatter for SafeJson {
    fn write_string_fragment<W: io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        for part in fragment.split_inclusive(is_unsafe) {
            match part.char_indices().next_back() {
                Some((at, c)) if is_unsafe(c) => {
                    let (before, _) = part.split_at(at);
                    writer.write_all(before.as_bytes())?;
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        write!(writer, "\\u{unit:04x}")?;
                    }
                }
                _ => writer.write_all(part.as_bytes())?,
            }
        }
        Ok(())
    }
}

/// Greatest number of bytes that `c` takes in JSON.
fn written_length(c: char) -> usize {
    match c {
        '"' | '\\' => 2,
        c if is_unsafe(c) => 6 * c.len_utf16(),
        c => c.len_utf8(),
    }
}

/// `text`, cut where it would take more than `longest` bytes, with a mark that says so.
pub(super) fn cut(text: &str, longest: usize) -> Cow<'_, str> {
    let mut written = 0_usize;
    let too_long = text.char_indices().find(|(_, c)| {
        written = written.saturating_add(written_length(*c));
        written > longest
    });
    match too_long.and_then(|(at, _)| text.get(..at)) {
        None => Cow::Borrowed(text),
        Some(kept) => Cow::Owned(format!("{kept}… (cut: {} of {} bytes)", kept.len(), text.len())),
    }
}

fn is_short(detail: &Value) -> bool {
    let mut written = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut written, SafeJson);
    detail.serialize(&mut serializer).is_ok() && written.len() <= LONGEST_DETAIL
}

/// `event` with its texts cut to what a line has room for.
pub(super) fn bounded(event: &AuditEvent) -> AuditEvent {
    let name =
        |text: &Option<String>| text.as_deref().map(|text| cut(text, LONGEST_NAME).into_owned());
    AuditEvent {
        time: event.time,
        operation: cut(&event.operation, LONGEST_OPERATION).into_owned(),
        key: event.key.clone(),
        resource: name(&event.resource),
        identity: name(&event.identity),
        result: match &event.result {
            AuditResult::Failed(why) => AuditResult::Failed(cut(why, LONGEST_RESULT).into_owned()),
            other => other.clone(),
        },
        duration_us: event.duration_us,
        caller: name(&event.caller),
        correlation_id: name(&event.correlation_id),
        state: event.state.clone(),
        // A part of it would be of no use.
        detail: event.detail.clone().filter(is_short),
        clock: event.clock,
        doubt: event.doubt,
    }
}
