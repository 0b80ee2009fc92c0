//! Output on standard output and standard error.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, Write as _};

use serde::Serialize;
use strongroom_keys::audit::is_unsafe;

use crate::failure::Failure;
use crate::platform::Patient;

/// Channel for the last line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Channel {
    /// Standard output.
    Output,
    /// Standard error, while standard output carries a document.
    Error,
}

/// Prints `text` as one line. Characters of file names and other texts that would command the terminal, or begin
/// another line, are printed as escapes.
///
/// # Errors
///
/// [`Failure::Print`] when nobody reads it any more.
pub(crate) fn line(channel: Channel, text: &str) -> Result<(), Failure> {
    print(channel, &escaped(text, |_| false, escape_unicode))
}

/// Prints a text of several lines, whose ends are the program's own: what comes from elsewhere goes through
/// [`name`] before it is put in.
///
/// # Errors
///
/// As [`line()`].
pub(crate) fn text(channel: Channel, text: &str) -> Result<(), Failure> {
    print(channel, &escaped(text, |c| c == '\n', escape_unicode))
}

/// The name of a file or of something else as one word of a longer text, as [`line()`] would print it.
pub(crate) fn name(name: &str) -> Cow<'_, str> {
    escaped(name, |_| false, escape_unicode)
}

fn escape_unicode(c: char, out: &mut String) -> std::fmt::Result {
    write!(out, "{}", c.escape_unicode())
}

fn print(channel: Channel, text: &str) -> Result<(), Failure> {
    let printed = match channel {
        Channel::Output => {
            let mut output = Patient(io::stdout().lock());
            writeln!(output, "{text}").and_then(|()| output.flush())
        }
        Channel::Error => writeln!(Patient(io::stderr()), "{text}"),
    };
    match printed {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failure::Print),
        printed => printed.map_err(Failure::NotPrinted),
    }
}

/// Prints `value` as one line of JSON.
///
/// # Errors
///
/// As [`line()`].
pub(crate) fn json(channel: Channel, value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value).map_err(|error| Failure::NotPrinted(error.into()))?;
    // What is not safe stands in strings alone.
    let escape = |c: char, out: &mut String| {
        c.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(out, "\\u{unit:04x}"))
    };
    print(channel, &escaped(&text, |_| false, escape))
}

/// `text` with what is not safe on a terminal as `escape` writes it, but for what `stays`.
fn escaped(
    text: &str,
    stays: impl Fn(char) -> bool,
    escape: impl Fn(char, &mut String) -> std::fmt::Result,
) -> Cow<'_, str> {
    let goes = |c: char| is_unsafe(c) && !stays(c);
    if !text.contains(goes) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        // Writing to a string cannot fail.
        let _ = if goes(c) { escape(c, &mut safe) } else { safe.write_char(c) };
    }
    Cow::Owned(safe)
}

/// The form of errors on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorFormat {
    /// `error: ` and a sentence.
    Text,
    /// One line of JSON: `{"error":{"kind":…,"message":…}}`.
    Json,
}

impl ErrorFormat {
    /// JSON where `--json` was given.
    pub(crate) fn asked_for(json: bool) -> Self {
        if json { Self::Json } else { Self::Text }
    }
}

#[derive(Serialize)]
struct ErrorLine<'a> {
    error: ErrorBody<'a>,
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    kind: &'static str,
    message: &'a str,
}

/// Prints why something was not done. A closed standard error does not change the exit code.
pub(crate) fn error(failure: &Failure, format: ErrorFormat) {
    let message = failure.to_string();
    let error = ErrorBody { kind: failure.kind(), message: &message };
    match format {
        ErrorFormat::Text => notice("error", &message),
        ErrorFormat::Json => {
            let _ = json(Channel::Error, &ErrorLine { error });
        }
    }
}

/// Tells the user something beside the result. A closed standard error does not stop the work.
pub(crate) fn notice(kind: &str, text: &str) {
    let text = escaped(text, |_| false, |c, out| write!(out, "{}", c.escape_default()));
    let _ = writeln!(Patient(io::stderr()), "{kind}: {text}");
}
