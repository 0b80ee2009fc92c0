//! What is said on standard output and standard error.

use std::io::{self, Write as _};

use serde::Serialize;

use crate::failure::Failure;

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
            let mut output = io::stdout().lock();
            writeln!(output, "{text}").and_then(|()| output.flush())
        }
        Channel::Error => writeln!(io::stderr(), "{text}"),
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

/// Tells the user something beside the result. A closed standard error does not stop the work.
pub(crate) fn notice(kind: &str, text: &str) {
    let _ = writeln!(io::stderr(), "{kind}: {text}");
}
