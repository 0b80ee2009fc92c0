//! `file`: sealing and opening a warm file, against `cp` and `age`.
//!
//! Each tool runs once a round, as its users run it. After it its output is synced, so that one run
//! gives both times: until the tool is done, and until the output is safe. `strongroom` syncs by
//! itself; its report says how long that took.

use anyhow::{Result, ensure};

use super::files;
use super::tool::{self, Times, Tool, tools};
use crate::args::FileArgs;
use crate::peer::Operation;
use crate::report::chart::{Chart, Kind, Panel, Shape};
use crate::report::{Case, Report, Unit};
use crate::rounds::Speeds;
use crate::size;

/// Titles of the measured times of one run.
const COUNTS: [&str; 3] = ["done", "safe on the device", "processor time, sync included"];

/// One run's seconds, in the order of [`COUNTS`].
type Seconds = [f64; COUNTS.len()];

/// Measures and reports.
///
/// # Errors
///
/// A tool's; the system's; an opened file that differs.
pub(super) fn run(args: &FileArgs) -> Result<()> {
    let folder = files::folder(args.dir.as_deref())?;
    let plain = folder.path().join("plain");
    files::write_plain(&plain, args.size)?;
    let tools = tools(args, folder.path(), &plain)?;

    let title = format!("A warm file of {}, sealed and opened", size::display(args.size));
    let mut report = Report::begin(args.common.rounds, Chart { title, panels: Vec::new() });
    report.notes.push(tool::about(&tools, folder.path()));
    report.print_head()?;

    // Once without a clock: every sealed file is there to be opened, and opens to what it was.
    for tool in &tools {
        tool.run()?;
        if tool.operation == Some(Operation::Open) {
            ensure!(files::same(&plain, &tool.output)?, "{} did not give the file back", tool.name);
        }
    }
    let mut seconds = vec![Vec::new(); tools.len()];
    let mut order: Vec<_> = (0..tools.len()).collect();
    for _ in 0..args.common.rounds {
        fastrand::shuffle(&mut order);
        for &turn in &order {
            let Times { done, safe, processor } = tools[turn].measure()?;
            seconds[turn].push([done, safe, processor].map(|time| time.as_secs_f64()));
        }
    }
    for (count, title) in COUNTS.iter().enumerate() {
        let mut panel = Panel::new(*title, Unit::Seconds.symbol(), Shape::Bars);
        for operation in Operation::ALL {
            let case = case(&tools, &seconds, operation, count, args.size)?;
            let rows = case.rows.iter();
            panel.add(
                operation.name(),
                rows.map(|row| (row.name.as_str(), kind(&row.name), row.median)),
            );
            report.add(case)?;
        }
        report.chart.panels.push(panel);
    }
    report.finish(args.common.json.as_deref(), args.common.svg.as_deref())
}

fn kind(name: &str) -> Kind {
    match name {
        "strongroom" => Kind::Ours,
        "cp" => Kind::Yardstick,
        _ => Kind::Peer,
    }
}

/// The tools for `operation`, and `cp`, by one of the counts.
fn case(
    tools: &[Tool],
    seconds: &[Vec<Seconds>],
    operation: Operation,
    count: usize,
    length: usize,
) -> Result<Case> {
    let speeds: Vec<_> = tools
        .iter()
        .zip(seconds)
        .filter(|(tool, _)| tool.operation.is_none_or(|own| own == operation))
        .map(|(tool, seconds)| Speeds {
            name: tool.name.clone(),
            samples: seconds.iter().map(|seconds| seconds[count]).collect(),
        })
        .collect();
    let columns: Vec<_> =
        speeds.iter().skip(1).map(|speeds| format!("to {}", speeds.name)).collect();
    let columns: Vec<_> = columns.iter().map(String::as_str).collect();
    let title = format!("{} {}, {}", operation.name(), size::display(length), COUNTS[count]);
    Case::new(title, Unit::Seconds, &columns, &speeds, |row, column| {
        (row != column + 1).then_some(column + 1)
    })
}
