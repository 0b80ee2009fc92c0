//! What is said on standard output and standard error.

use std::io::{self, Write as _};

use serde::Serialize;

use crate::failure::Failure;
use crate::platform::Patient;

/// Where the last line goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Channel {
    /// Standard output.
    Output,
    /// Standard error, while standard output carries a document.
    Error,
}

/// Prints `text` and a line's end.
///
/// # Errors
///
/// [`Failure::Print`] when nobody reads it any more.
pub(crate) fn line(channel: Channel, text: &str) -> Result<(), Failure> {
    let printed = match channel {
        Channel::Output => {
            let mut output = Patient(io::stdout().lock());
            writeln!(output, "{text}").and_then(|()| output.flush())
        }
        Channel::Error => writeln!(Patient(io::stderr()), "{text}"),
    };
    match printed {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failure::Print),
        printed => printed.map_err(|source| Failure::write("standard output", source)),
    }
}

/// Prints `value` as one line of JSON.
///
/// # Errors
///
/// As [`line()`].
pub(crate) fn json(channel: Channel, value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value)
        .map_err(|error| Failure::write("standard output", error.into()))?;
    line(channel, &text)
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
    let _ = writeln!(Patient(io::stderr()), "{kind}: {text}");
}
