//! The report of `move-documents`: a line a document and a count, or one JSON document.

use std::time::Duration;

use serde::Serialize;
use strongroom_keys::resource::{ResourceId, Status};

use super::Outcome;
use crate::args::PrintOptions;
use crate::commands::summary::Lines;
use crate::failure::Failure;
use crate::print;

/// Entry of one file in the report.
#[derive(Debug, Serialize)]
struct FileReport {
    path: String,
    /// `moved`, `unchanged`, `failed` or `not-a-document`.
    outcome: &'static str,
    /// Bytes of plaintext.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// All documents of a run.
#[derive(Debug)]
pub(super) struct Summary {
    report: Report,
    lines: Lines,
}

/// The report in JSON.
#[derive(Debug, Serialize)]
struct Report {
    operation: &'static str,
    resource: ResourceId,
    moved: usize,
    unchanged: usize,
    failed: usize,
    not_documents: usize,
    /// Bytes of plaintext that were sealed again.
    bytes: u64,
    seconds: f64,
    /// Documents that were sealed before the key was enabled; `null` where that is not known.
    documents_before: Option<u64>,
    /// Those of them that are not under it yet; `null` where that is not known.
    outside_cmk: Option<u64>,
    files: Vec<FileReport>,
}

impl Summary {
    /// For documents of `resource`.
    pub(super) fn new(resource: ResourceId, print: PrintOptions) -> Self {
        let report = Report {
            operation: "documents-moved",
            resource,
            moved: 0,
            unchanged: 0,
            failed: 0,
            not_documents: 0,
            bytes: 0,
            seconds: 0.0,
            documents_before: None,
            outside_cmk: None,
            files: Vec::new(),
        };
        Self { report, lines: Lines::new(0, print) }
    }

    /// There are `documents` more than have failed already.
    pub(super) fn expect(&mut self, documents: usize) {
        self.lines.expect(documents);
    }

    /// Counts a document that is under the key now, and prints its line.
    pub(super) fn add(&mut self, path: String, outcome: &Outcome) {
        let (word, bytes, sentence) = match outcome {
            Outcome::Unchanged => {
                self.report.unchanged += 1;
                let text = format!("{path} is under the customer's key already; left as it is");
                ("unchanged", None, text)
            }
            Outcome::Moved { bytes } => {
                self.report.moved += 1;
                self.report.bytes += bytes;
                let text =
                    format!("moved {path} under the customer's key: {bytes} bytes, sealed again");
                ("moved", Some(*bytes), text)
            }
        };
        self.lines.add(&sentence);
        self.keep(FileReport { path, outcome: word, bytes, error: None });
    }

    /// Takes note of a file in a directory, not a document.
    pub(super) fn add_other(&mut self, path: &str) {
        self.report.not_documents += 1;
        if self.lines.are_printed() {
            print::notice("note", &format!("{path} is not a sealed document; left as it is"));
        }
        let (path, outcome) = (path.to_owned(), "not-a-document");
        self.keep(FileReport { path, outcome, bytes: None, error: None });
    }

    /// Counts a document, `path` where it has one name, that is not under the key, and prints why where it is one of
    /// several.
    pub(super) fn add_failed(&mut self, path: Option<String>, failure: Failure) {
        if let Some(path) = path {
            let error = Some(failure.to_string());
            self.keep(FileReport { path, outcome: "failed", bytes: None, error });
        }
        self.lines.add_failed(failure);
    }

    /// Prints the counts, with those of `status`.
    ///
    /// # Errors
    ///
    /// The failure of the only document; [`Failure::SomeNotDone`] when there were some; [`Failure::Print`] when all
    /// went well and nobody read it.
    pub(super) fn finish(mut self, status: &Status, elapsed: Duration) -> Result<(), Failure> {
        let report = &mut self.report;
        report.failed = self.lines.failed();
        report.seconds = elapsed.as_secs_f64();
        (report.documents_before, report.outside_cmk) =
            (status.documents_before, status.outside_cmk);
        let count = self.report.count();
        self.lines.finish(&self.report, Some(&count), "moved")
    }

    fn keep(&mut self, file: FileReport) {
        if self.lines.is_json() {
            self.report.files.push(file);
        }
    }
}

impl Report {
    fn count(&self) -> String {
        let Self { moved, unchanged, failed, resource, .. } = self;
        let of = match (self.documents_before, self.outside_cmk) {
            (Some(before), Some(outside)) => {
                let moved = before.saturating_sub(outside);
                format!(
                    "{moved} of {before} documents sealed before the key was enabled have been moved"
                )
            }
            _ => {
                "how many documents were sealed before the key was enabled is not known".to_owned()
            }
        };
        format!("{resource}: {moved} moved, {unchanged} there already, {failed} failed; {of}")
    }
}
