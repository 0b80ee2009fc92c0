//! The report of `rewrap`: a line a file and a count, or one JSON document.

use std::time::Duration;

use serde::Serialize;

use super::Job;
use crate::args::PrintOptions;
use crate::commands::summary::Lines;
use crate::failure::Failure;

/// Outcome for a file whose header is whole now.
#[derive(Debug)]
pub(super) struct Outcome {
    word: &'static str,
    from: Vec<String>,
    to: Vec<String>,
    in_place: Option<bool>,
}

impl Outcome {
    /// It was as asked, and nothing was written.
    pub(super) fn unchanged(ids: Vec<String>) -> Self {
        Self { word: UNCHANGED, from: ids.clone(), to: ids, in_place: None }
    }

    /// Its header was written; `mended`: for the sake of its two copies alone.
    pub(super) fn written(
        from: Vec<String>,
        to: Vec<String>,
        in_place: bool,
        mended: bool,
    ) -> Self {
        let word = if mended { MENDED } else { REWRAPPED };
        Self { word, from, to, in_place: Some(in_place) }
    }
}

const UNCHANGED: &str = "unchanged";
const MENDED: &str = "mended";
const REWRAPPED: &str = "rewrapped";
const FAILED: &str = "failed";

/// Entry of one file in the report.
#[derive(Debug, Serialize)]
pub(super) struct FileReport {
    path: String,
    /// `rewrapped`, `mended`, `unchanged` or `failed`.
    outcome: &'static str,
    /// The ids of the keys of its recipients before.
    from: Vec<String>,
    /// And now.
    to: Vec<String>,
    /// True where the file is the same and its header was written where it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    in_place: Option<bool>,
    bytes_read: u64,
    bytes_written: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl FileReport {
    /// Of a file that is as asked now.
    pub(super) fn done(job: &Job, outcome: Outcome) -> Self {
        let Outcome { word, from, to, in_place } = outcome;
        Self { outcome: word, from, to, in_place, ..Self::new(job) }
    }

    /// Of a file that is not.
    pub(super) fn failed(job: &Job, failure: &Failure) -> Self {
        Self { error: Some(failure.to_string()), ..Self::new(job) }
    }

    fn new(job: &Job) -> Self {
        Self {
            path: job.name.clone(),
            outcome: FAILED,
            from: Vec::new(),
            to: Vec::new(),
            in_place: None,
            bytes_read: job.counts.read(),
            bytes_written: job.counts.written(),
            error: None,
        }
    }

    fn sentence(&self) -> String {
        let path = &self.path;
        let place = if self.in_place == Some(true) { "in place" } else { "in a new file" };
        match self.outcome {
            UNCHANGED => format!("{path} is wrapped as asked already; left as it is"),
            MENDED => {
                format!("mended {path} {place}: both copies of its recipients are written anew")
            }
            _ => {
                let without = |ids: &[String], others: &[String]| {
                    let left: Vec<&str> =
                        ids.iter().filter(|id| !others.contains(id)).map(String::as_str).collect();
                    left.join(", ")
                };
                let (gone, come) = (without(&self.from, &self.to), without(&self.to, &self.from));
                let come = if come.is_empty() { self.to.join(", ") } else { come };
                if gone.is_empty() {
                    format!("rewrapped {path} {place}: wrapped anew for {come}")
                } else {
                    format!("rewrapped {path} {place}: from {gone} to {come}")
                }
            }
        }
    }
}

/// All files of a run.
#[derive(Debug)]
pub(super) struct Summary {
    report: Report,
    lines: Lines,
}

/// The report in JSON.
#[derive(Debug, Serialize)]
struct Report {
    operation: &'static str,
    rewrapped: usize,
    mended: usize,
    unchanged: usize,
    failed: usize,
    bytes_read: u64,
    bytes_written: u64,
    seconds: f64,
    files: Vec<FileReport>,
}

impl Summary {
    /// For `expected` files.
    pub(super) fn new(expected: usize, print: PrintOptions) -> Self {
        let report = Report {
            operation: REWRAPPED,
            rewrapped: 0,
            mended: 0,
            unchanged: 0,
            failed: 0,
            bytes_read: 0,
            bytes_written: 0,
            seconds: 0.0,
            files: Vec::new(),
        };
        Self { report, lines: Lines::new(expected, print) }
    }

    /// Counts a file that is as asked now, and prints its line.
    pub(super) fn add(&mut self, file: FileReport) {
        match file.outcome {
            UNCHANGED => self.report.unchanged += 1,
            MENDED => self.report.mended += 1,
            _ => self.report.rewrapped += 1,
        }
        self.lines.add(&file.sentence());
        self.keep(file);
    }

    /// Counts a file that is not, and prints why where it is one of several.
    pub(super) fn add_failed(&mut self, file: FileReport, failure: Failure) {
        self.lines.add_failed(failure);
        self.keep(file);
    }

    /// Prints the count.
    ///
    /// # Errors
    ///
    /// The failure of the only file; [`Failure::SomeNotDone`] when there were some;
    /// [`Failure::Print`] when all went well and nobody read it.
    pub(super) fn finish(mut self, elapsed: Duration) -> Result<(), Failure> {
        self.report.failed = self.lines.failed();
        self.report.seconds = elapsed.as_secs_f64();
        let expected = self.lines.expected();
        let count = (expected > 1).then(|| self.report.count(expected));
        self.lines.finish(&self.report, count.as_deref(), REWRAPPED)
    }

    fn keep(&mut self, file: FileReport) {
        self.report.bytes_read += file.bytes_read;
        self.report.bytes_written += file.bytes_written;
        if self.lines.is_json() {
            self.report.files.push(file);
        }
    }
}

impl Report {
    fn count(&self, expected: usize) -> String {
        let Self { rewrapped, mended, unchanged, failed, .. } = self;
        let Self { bytes_read, bytes_written, seconds, .. } = self;
        format!(
            "{expected} files: {rewrapped} rewrapped, {mended} mended, {unchanged} left as they are, \
             {failed} failed; {bytes_read} bytes read and {bytes_written} written in {seconds:.3} s"
        )
    }
}
