//! A report as text.

use std::fmt::Write as _;

use super::{Case, Report};
use crate::statistics::Ratio;

/// Machine, build and command, above the cases.
pub(super) fn head(report: &Report) -> String {
    let machine = &report.machine;
    format!(
        "{} ({} cores), {}\n{}\n{}; RustCrypto runs its {}; transparent huge pages: {}; load before: {}\n\
         {}\n{} interleaved rounds. A ratio is printed twice: median of the rounds' ratios / ratio of \
         the medians.\n",
        machine.processor,
        machine.cores,
        machine.date,
        machine.command,
        machine.compiler,
        machine.rustcrypto,
        machine.transparent_huge_pages,
        machine.load_before,
        machine.versions_line(),
        report.rounds,
    )
}

/// One case, a row a contender.
pub(super) fn case(case: &Case) -> String {
    let unit = case.unit.symbol();
    let mut header = vec![case.title.clone(), unit.into(), "min".into(), "max".into()];
    header.extend(case.columns.iter().cloned());
    let mut lines = vec![header];
    for row in &case.rows {
        let mut line = vec![row.name.clone(), figure(row.median), figure(row.min), figure(row.max)];
        line.extend(row.ratios.iter().map(|ratio| ratio.map_or_else(String::new, both)));
        lines.push(line);
    }
    format!("\n{}", aligned(&lines))
}

/// The report's notes, a line each.
pub(super) fn notes(report: &Report) -> String {
    report.notes.iter().fold(String::new(), |text, note| format!("{text}\nNote: {note}\n"))
}

/// Four significant digits, as far as they go.
fn figure(value: f64) -> String {
    let decimals = if value >= 1000.0 {
        0
    } else if value >= 100.0 {
        1
    } else if value >= 10.0 {
        2
    } else {
        3
    };
    format!("{value:.decimals$}")
}

fn both(ratio: Ratio) -> String {
    format!("{:.3} / {:.3}", ratio.median_of_ratios, ratio.ratio_of_medians)
}

/// The first column to the left, the others to the right.
pub(crate) fn aligned(lines: &[Vec<String>]) -> String {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<_> = (0..columns)
        .map(|column| {
            lines.iter().filter_map(|line| line.get(column)).map(|cell| cell.chars().count()).max()
        })
        .map(|width| width.unwrap_or(0))
        .collect();
    let mut text = String::new();
    for line in lines {
        let mut row = String::new();
        for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
            // A string takes whatever is written to it.
            let _ = if column == 0 {
                write!(row, "{cell:<width$}")
            } else {
                write!(row, "  {cell:>width$}")
            };
        }
        text.push_str(row.trim_end());
        text.push('\n');
    }
    text
}
