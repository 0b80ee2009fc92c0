//! `file`: sealing and opening a warm file, against `cp` and `age`.
//!
//! Each tool runs once a round, as its users run it. After it its output is synced, so that one run
//! gives both times: until the tool is done, and until the output is safe. `strongroom` syncs by
//! itself; its report says how long that took.

mod tool;

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};

use crate::args::FileArgs;
use crate::buffer::Buffer;
use crate::clock::children_time;
use crate::peer::Operation;
use crate::report::chart::{Chart, Kind, Panel, Shape};
use crate::report::{Case, Report, Unit};
use crate::rounds::Speeds;
use crate::size;
use tool::{Tool, tools};

/// What is counted of one run.
const COUNTS: [&str; 3] = ["done", "safe on the device", "processor time"];

/// One run's seconds, in the order of [`COUNTS`].
type Seconds = [f64; COUNTS.len()];

/// Measures and reports.
///
/// # Errors
///
/// A tool's; the system's; an opened file that differs.
pub(super) fn run(args: &FileArgs) -> Result<()> {
    let parent = args.dir.clone().unwrap_or_else(std::env::temp_dir);
    let folder = tempfile::Builder::new()
        .prefix("strongroom-compare-")
        .tempdir_in(&parent)
        .with_context(|| format!("making a folder in {}", parent.display()))?;
    let plain = folder.path().join("plain");
    write_plain(&plain, args.size)?;
    let tools = tools(args, folder.path(), &plain)?;

    let title = format!("A warm file of {}, sealed and opened", size::display(args.size));
    let mut report = Report::begin(args.common.rounds, Chart { title, panels: Vec::new() });
    report.notes.push(tool::about(&tools, folder.path()));
    report.print_head()?;

    // Once without a clock: every sealed file is there to be opened, and opens to what it was.
    for tool in &tools {
        tool.run()?;
        if tool.operation == Some(Operation::Open) {
            ensure!(same(&plain, &tool.output)?, "{} did not give the file back", tool.name);
        }
    }
    let mut seconds = vec![Vec::new(); tools.len()];
    let mut order: Vec<_> = (0..tools.len()).collect();
    for _ in 0..args.common.rounds {
        fastrand::shuffle(&mut order);
        for &turn in &order {
            seconds[turn].push(measure(&tools[turn])?);
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

fn write_plain(path: &Path, length: usize) -> Result<()> {
    let mut file = File::create(path)?;
    let buffer = Buffer::new(length.min(64 << 20));
    let mut left = length;
    while left > 0 {
        let part = left.min(buffer.bytes().len());
        file.write_all(&buffer.bytes()[..part])?;
        left -= part;
    }
    file.sync_all()?;
    Ok(())
}

/// Whether two files have the same bytes.
fn same(one: &Path, other: &Path) -> Result<bool> {
    Ok(fs::read(one)? == fs::read(other)?)
}

/// One run of one tool, after everything written before is on its device.
fn measure(tool: &Tool) -> Result<Seconds> {
    remove(&tool.output)?;
    rustix::fs::sync();
    let before = children_time()?;
    let start = Instant::now();
    let own_sync = tool.run()?;
    let wall = start.elapsed();
    let processor = children_time()?.saturating_sub(before);
    let (done, safe) = if let Some(sync) = own_sync {
        (wall.saturating_sub(sync), wall)
    } else {
        let start = Instant::now();
        File::open(&tool.output)?.sync_all()?;
        (wall, wall + start.elapsed())
    };
    Ok([done.as_secs_f64(), safe.as_secs_f64(), processor.as_secs_f64()])
}

/// Takes a file away, if it is there.
fn remove(path: &PathBuf) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", path.display()))
        }
        _ => Ok(()),
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
