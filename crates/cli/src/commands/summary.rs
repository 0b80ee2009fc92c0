//! Common part of the reports of commands that change many files: lines as files are done, failures as they happen, and
//! the end.

use serde::Serialize;

use crate::args::PrintOptions;
use crate::failure::Failure;
use crate::print::{self, Channel, ErrorFormat};

/// Lines and failures of a run.
#[derive(Debug)]
pub(super) struct Lines {
    print: PrintOptions,
    /// Number of files.
    expected: usize,
    failed: usize,
    /// The failure of the only file.
    alone: Option<Failure>,
    /// The failure to print lines.
    unprinted: Option<Failure>,
}

impl Lines {
    /// For `expected` files.
    pub(super) fn new(expected: usize, print: PrintOptions) -> Self {
        Self { print, expected, failed: 0, alone: None, unprinted: None }
    }

    /// There are `files` more than have failed already.
    pub(super) fn expect(&mut self, files: usize) {
        self.expected = files + self.failed;
    }

    /// Number of files.
    pub(super) fn expected(&self) -> usize {
        self.expected
    }

    /// Number of files that failed.
    pub(super) fn failed(&self) -> usize {
        self.failed
    }

    /// True where each file has a line.
    pub(super) fn are_printed(&self) -> bool {
        !self.print.json.enabled && !self.print.quiet
    }

    /// True where the report is JSON, with an entry for each file.
    pub(super) fn is_json(&self) -> bool {
        self.print.json.enabled
    }

    /// Prints the line of a file. Where nobody reads it the other files come first.
    pub(super) fn add(&mut self, sentence: &str) {
        if self.are_printed() && self.unprinted.is_none() {
            self.unprinted = print::line(Channel::Output, sentence).err();
        }
    }

    /// Counts a file that failed, and prints why where it is one of several.
    pub(super) fn add_failed(&mut self, failure: Failure) {
        self.failed += 1;
        if self.expected == 1 {
            self.alone = Some(failure);
        } else {
            print::error(&failure, ErrorFormat::asked_for(self.print.json.enabled));
        }
    }

    /// Prints `report`, or the line `count` where there is one.
    ///
    /// # Errors
    ///
    /// The failure of the only file; [`Failure::SomeNotDone`], of which `done` says what was not done, when there were
    /// some; [`Failure::Print`] when all went well and nobody read it.
    pub(super) fn finish(
        self,
        report: &impl Serialize,
        count: Option<&str>,
        done: &'static str,
    ) -> Result<(), Failure> {
        let are_printed = self.are_printed();
        let printed = match (self.unprinted, count) {
            (Some(failure), _) => Err(failure),
            (None, _) if self.print.json.enabled => print::json(Channel::Output, report),
            (None, Some(count)) if are_printed => print::line(Channel::Output, count),
            (None, _) => Ok(()),
        };
        match (self.alone, self.failed) {
            (Some(failure), _) => Err(failure),
            (None, 0) => printed,
            (None, failed) => Err(Failure::SomeNotDone { failed, files: self.expected, done }),
        }
    }
}
