//! The last line of a command that worked through a document.

use std::ops::Range;
use std::time::Duration;

use serde::Serialize;

use crate::args::{JsonOption, PrintOptions};
use crate::failure::Failure;
use crate::hint;
use crate::input::Input;
use crate::print::{self, Channel};
use crate::time::display_time;
use crate::workers::Workers;

/// Operation, input, output and speed of one run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// `sealed`, `opened` or `verified`.
    pub(crate) operation: &'static str,
    /// The input.
    pub(crate) input: String,
    /// The output, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) output: Option<String>,
    /// The header's file, where it was written apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) header: Option<String>,
    /// Bytes of plaintext.
    pub(crate) bytes: u64,
    /// Range of the plaintext, if not all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) range: Option<Range<u64>>,
    /// From the first byte read to the last byte written.
    pub(crate) seconds: f64,
    /// Plaintext, in units of 10^9 bytes a second.
    pub(crate) gb_per_second: f64,
    /// Until a file was safe on its device and had its name, after `seconds`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sync_seconds: Option<f64>,
    /// The AES-256-GCM implementation.
    pub(crate) backend: &'static str,
    /// Number of threads that worked.
    pub(crate) threads: usize,
    /// The ids of the keys that it is sealed under, the inner layer's where there are two.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) keys: Vec<String>,
    /// The id of the customer's key that its outer layer is sealed under.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) customer_key: Option<String>,
    /// The time from which it is not opened any more, in seconds since 1970, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<u64>,
    /// Check of the result, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) check: Option<Check>,
    /// The command that makes a backup of the home with the key that was made for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) copy_again: Option<String>,
    /// The part of the header that is damaged and was mended from its second copy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mended: Option<String>,
}

/// Check of a sealed document before it got its name.
#[derive(Debug, Serialize)]
pub(crate) struct Check {
    /// The implementation that opened it again.
    pub(crate) backend: &'static str,
    /// True where the plaintext was compared with the input.
    pub(crate) compared: bool,
    /// Duration of the check, beside the report's `seconds`.
    pub(crate) seconds: f64,
}

impl Report {
    /// The report of `workers` on `bytes` bytes of `input` in `elapsed`; the rest is `None`.
    pub(crate) fn new(
        operation: &'static str,
        input: &Input,
        bytes: u64,
        elapsed: Duration,
        workers: &Workers,
    ) -> Self {
        let seconds = elapsed.as_secs_f64();
        #[allow(clippy::cast_precision_loss, reason = "a figure to look at, of three digits")]
        let gigabytes = bytes as f64 / 1e9;
        Self {
            operation,
            input: input.name().to_owned(),
            output: None,
            header: None,
            bytes,
            range: None,
            seconds,
            sync_seconds: None,
            gb_per_second: if seconds > 0.0 { gigabytes / seconds } else { 0.0 },
            backend: workers.backend().name(),
            threads: workers.threads(),
            keys: Vec::new(),
            customer_key: None,
            expires_at: None,
            check: None,
            copy_again: None,
            mended: None,
        }
    }

    /// Prints the report, as JSON or as a line, or not at all.
    ///
    /// # Errors
    ///
    /// [`Failure::PrintAfter`] when nobody reads it any more.
    pub(crate) fn print(&self, channel: Channel, options: PrintOptions) -> Result<(), Failure> {
        let printed = match options {
            PrintOptions { json: JsonOption { enabled: true }, .. } => print::json(channel, self),
            PrintOptions { quiet: true, .. } => Ok(()),
            _ => print::line(channel, &self.sentence()),
        };
        match printed {
            Err(Failure::Print) => Err(Failure::PrintAfter {
                name: self.output.clone().unwrap_or_else(|| self.input.clone()),
            }),
            printed => printed,
        }
    }

    fn sentence(&self) -> String {
        let Self { operation, input, bytes, seconds, gb_per_second, backend, threads, .. } = self;
        let output = match &self.output {
            Some(output) => format!(" to {output}"),
            None => String::new(),
        };
        let header = match &self.header {
            Some(header) => format!(" and its header to {header}"),
            None => String::new(),
        };
        let range = match &self.range {
            Some(Range { start, end }) => format!(" from {start} to {end}"),
            None => String::new(),
        };
        let plural = if *threads == 1 { "" } else { "s" };
        let check = match &self.check {
            None => String::new(),
            Some(Check { backend, compared, seconds }) => {
                let how = if *compared { "compared with the input" } else { "authenticated" };
                format!("; opened again with {backend} and {how} in {seconds:.3} s")
            }
        };
        let sync = self
            .sync_seconds
            .map_or_else(String::new, |seconds| format!("; safe on the disk {seconds:.3} s later"));
        let expiry = self
            .expires_at
            .map_or_else(String::new, |time| format!("; it expires at {}", display_time(time)));
        let text = format!(
            "{operation} {input}{output}{header}: {bytes} bytes{range} in {seconds:.3} s, {gb_per_second:.3} GB/s \
             (backend {backend}, {threads} thread{plural}){check}{sync}{expiry}"
        );
        match &self.copy_again {
            Some(command) => hint::with_backup(&text, command),
            None => text,
        }
    }
}
