//! Results of a run, ready to be printed, charted and written as JSON.

pub(crate) mod chart;
mod svg;
mod table;

pub(crate) use table::aligned;

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Serialize;

use crate::machine::Machine;
use crate::rounds::{ENOUGH, Speeds};
use crate::statistics::{Ratio, median};
use chart::Chart;

/// All of one run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    /// Rounds a case.
    pub(crate) rounds: usize,
    pub(crate) cases: Vec<Case>,
    /// Notes with which the figures must be read.
    pub(crate) notes: Vec<String>,
    #[serde(skip)]
    pub(crate) chart: Chart,
}

/// Contenders that were measured in the same rounds.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Case {
    pub(crate) title: String,
    pub(crate) unit: Unit,
    /// Titles of the rows' ratios: the contenders that they are to.
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Row>,
}

/// Unit of the samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Unit {
    /// 10^9 bytes a second: more is better.
    #[serde(rename = "GB/s")]
    Speed,
    /// Seconds: less is better.
    #[serde(rename = "s")]
    Seconds,
    /// 10^-6 seconds: less is better.
    #[serde(rename = "µs")]
    Microseconds,
    /// Documents a second: more is better.
    #[serde(rename = "documents/s")]
    Documents,
    /// Operations a second: more is better.
    #[serde(rename = "operations/s")]
    Operations,
}

impl Unit {
    /// Its symbol.
    pub(crate) fn symbol(self) -> &'static str {
        match self {
            Self::Speed => "GB/s",
            Self::Seconds => "s",
            Self::Microseconds => "µs",
            Self::Documents => "documents/s",
            Self::Operations => "operations/s",
        }
    }
}

/// One contender.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
    /// One a column of the case; none where the comparison makes no sense.
    pub(crate) ratios: Vec<Option<Ratio>>,
    /// One a round.
    pub(crate) samples: Vec<f64>,
}

impl Row {
    /// A contender and its ratios.
    ///
    /// # Errors
    ///
    /// Without samples.
    pub(crate) fn new(speeds: Speeds, ratios: Vec<Option<Ratio>>) -> Result<Self> {
        let Speeds { name, samples } = speeds;
        let median = median(&samples).with_context(|| format!("{name}: no samples"))?;
        let min = samples.iter().copied().fold(f64::INFINITY, f64::min);
        let max = samples.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Ok(Self { name, median, min, max, ratios, samples })
    }
}

impl Case {
    /// A case whose columns are ratios to other contenders of the same rounds: `columns` are their
    /// titles, and `reference(row, column)` says which contender a cell compares its row with.
    ///
    /// # Errors
    ///
    /// Without samples.
    pub(crate) fn new(
        title: impl Into<String>,
        unit: Unit,
        columns: &[&str],
        speeds: &[Speeds],
        reference: impl Fn(usize, usize) -> Option<usize>,
    ) -> Result<Self> {
        let rows = speeds
            .iter()
            .enumerate()
            .map(|(row, of)| {
                let ratio = |column| {
                    let to = speeds.get(reference(row, column)?)?;
                    Ratio::new(&of.samples, &to.samples)
                };
                Row::new(of.clone(), (0..columns.len()).map(ratio).collect())
            })
            .collect::<Result<_>>()?;
        let columns = columns.iter().map(|&column| column.to_owned()).collect();
        Ok(Self { title: title.into(), unit, columns, rows })
    }
}

impl Report {
    /// An empty report of a run that begins now.
    pub(crate) fn begin(rounds: usize, chart: Chart) -> Self {
        let mut notes = Vec::new();
        if rounds < ENOUGH {
            notes.push(format!(
                "{rounds} rounds show that the program runs; a measurement has at least {ENOUGH}."
            ));
        }
        Self { machine: Machine::here(), rounds, cases: Vec::new(), notes, chart }
    }

    /// Prints what a case says, as soon as it is known.
    ///
    /// # Errors
    ///
    /// Where nobody reads it.
    pub(crate) fn add(&mut self, case: Case) -> Result<()> {
        print(&table::case(&case))?;
        self.cases.push(case);
        Ok(())
    }

    /// Prints the head of the report.
    ///
    /// # Errors
    ///
    /// Where nobody reads it.
    pub(crate) fn print_head(&self) -> Result<()> {
        print(&table::head(self))
    }

    /// Prints the notes and writes the files that were asked for.
    ///
    /// # Errors
    ///
    /// The system's.
    pub(crate) fn finish(&self, json: Option<&Path>, svg: Option<&Path>) -> Result<()> {
        print(&table::notes(self))?;
        if let Some(path) = json {
            let text = serde_json::to_string_pretty(self)? + "\n";
            fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
        }
        if let Some(path) = svg {
            let text = svg::document(self);
            fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
        }
        Ok(())
    }
}

/// Prints to standard output.
pub(crate) fn print(text: &str) -> Result<()> {
    use std::io::Write as _;
    let mut output = std::io::stdout().lock();
    output.write_all(text.as_bytes())?;
    output.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests;
