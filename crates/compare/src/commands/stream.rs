//! `stream`: sealing and opening through pipes, against the pipes alone and against files.
//!
//! ```text
//! cat FILE | strongroom seal - -o - | cat >/dev/null      cat FILE | cat >/dev/null
//! ```
//!
//! All of a line runs at once, on the same cores: what `cat` takes of them strongroom does not have.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::files;
use super::tool::{self, Strongroom, Tool};
use crate::args::FileArgs;
use crate::peer::Operation;
use crate::report::chart::{Chart, Kind, Panel, Shape};
use crate::report::{Case, Report, Unit};
use crate::rounds::{Speeds, float};
use crate::size;
use crate::statistics::median;

/// Titles of the columns: the two that stand beside the line with strongroom, and the slower of them.
const COLUMNS: [&str; 3] = ["to cat | cat", "to the files", "to the lesser"];

/// Measures and reports.
///
/// # Errors
///
/// A program's; the system's; an opened file that differs.
pub(super) fn run(args: &FileArgs) -> Result<()> {
    let folder = files::folder(args.dir.as_deref())?;
    let path = |name: &str| folder.path().join(name);
    let plain = path("plain");
    files::write_plain(&plain, args.size)?;
    let strongroom = Strongroom::new(args, folder.path())?;
    let (sealed, opened) = (path("sealed"), path("opened"));
    let tools = [
        strongroom.tool(Operation::Seal, &plain, &sealed),
        strongroom.tool(Operation::Open, &sealed, &opened),
    ];

    let title = format!("{} through pipes", size::display(args.size));
    let mut report = Report::begin(args.common.rounds, Chart { title, panels: Vec::new() });
    report.notes.push(tool::about(&tools[..1], folder.path()));
    report.notes.push("Timed by the wall clock, from the start of the first program.".to_owned());
    report.print_head()?;

    // Once without a clock: what was sealed through pipes opens through pipes to what it was, and so
    // it does from file to file.
    let streamed = path("streamed");
    line(&plain, Some(strongroom.filter(Operation::Seal)), File::create(&streamed)?.into())?;
    line(&streamed, Some(strongroom.filter(Operation::Open)), File::create(&opened)?.into())?;
    ensure!(files::same(&plain, &opened)?, "the stream was not opened to what it was");
    File::open(&streamed)?.sync_all()?;
    for tool in &tools {
        tool.measure()?;
    }
    ensure!(files::same(&plain, &opened)?, "the file was not opened to what it was");

    let inputs = [&plain, &streamed];
    let mut runs = Vec::new();
    for ((operation, input), tool) in Operation::ALL.into_iter().zip(inputs).zip(&tools) {
        runs.push(Way::Stream(operation, input));
        runs.push(Way::Pipe(input));
        runs.push(Way::File(tool));
    }
    let mut speeds: Vec<_> =
        runs.iter().map(|way| Speeds { name: way.name(), samples: Vec::new() }).collect();
    let mut order: Vec<_> = (0..runs.len()).collect();
    for _ in 0..args.common.rounds {
        fastrand::shuffle(&mut order);
        for &turn in &order {
            let taken = runs[turn].measure(&strongroom)?;
            let speed = float(args.size as u64) / taken.as_secs_f64() / 1e9;
            speeds[turn].samples.push(speed);
        }
    }
    for (operation, speeds) in Operation::ALL.into_iter().zip(speeds.chunks(runs.len() / 2)) {
        let title = format!("{} {}", operation.name(), size::display(args.size));
        let case = case(title, speeds)?;
        let mut panel = Panel::new(&case.title, case.unit.symbol(), Shape::Bars);
        let kind = |row| if row == 0 { Kind::Ours } else { Kind::Yardstick };
        let rows = case.rows.iter().enumerate();
        panel.add("", rows.map(|(row, is)| (is.name.as_str(), kind(row), is.median)));
        report.chart.panels.push(panel);
        report.add(case)?;
    }
    report.finish(args.common.json.as_deref(), args.common.svg.as_deref())
}

/// The line with strongroom, the pipes alone, the files.
fn case(title: String, speeds: &[Speeds]) -> Result<Case> {
    let beside = [1, 2];
    let by_median = |row: &usize| median(&speeds[*row].samples).unwrap_or(f64::NAN);
    let lesser = beside.into_iter().min_by(|a, b| by_median(a).total_cmp(&by_median(b)));
    Case::new(title, Unit::Speed, &COLUMNS, speeds, |row, column| {
        if row > 0 { None } else { beside.get(column).copied().or(lesser) }
    })
}

/// One of the ways through which a text goes.
enum Way<'f> {
    /// Through pipes, sealed or opened on its way.
    Stream(Operation, &'f Path),
    /// Through pipes as it is.
    Pipe(&'f Path),
    /// From file to file.
    File(&'f Tool),
}

impl Way<'_> {
    fn name(&self) -> String {
        match self {
            Self::Stream(operation, _) => format!("cat | strongroom {} | cat", operation.name()),
            Self::Pipe(_) => "cat | cat".to_owned(),
            Self::File(_) => "strongroom, from file to file".to_owned(),
        }
    }

    /// How long the text took.
    fn measure(&self, strongroom: &Strongroom) -> Result<Duration> {
        match self {
            Self::File(tool) => Ok(tool.measure()?.done),
            Self::Pipe(input) => line(input, None, Stdio::null()),
            Self::Stream(operation, input) => {
                line(input, Some(strongroom.filter(*operation)), Stdio::null())
            }
        }
    }
}

/// Runs `cat INPUT | FILTER | cat` into `output`, and says how long that took.
fn line(input: &Path, filter: Option<Command>, output: Stdio) -> Result<Duration> {
    let mut first = Command::new("cat");
    first.arg(input);
    let start = Instant::now();
    let mut children = Vec::new();
    let mut source = Stdio::null();
    for command in std::iter::once(first).chain(filter) {
        let (child, piped) = spawn(command, source, Stdio::piped())?;
        source = piped.context("a pipe that is not there")?;
        children.push(child);
    }
    children.push(spawn(Command::new("cat"), source, output)?.0);
    for child in children {
        let output = child.wait_with_output()?;
        let message = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{}: {}", input.display(), message.trim());
    }
    Ok(start.elapsed())
}

/// Starts a program; with it what its standard output can be read from. The command goes with
/// its end of the pipe: a writer whose reader has died must learn of it.
fn spawn(mut command: Command, input: Stdio, output: Stdio) -> Result<(Child, Option<Stdio>)> {
    let program = command.get_program().to_string_lossy().into_owned();
    let command = command.stdin(input).stdout(output).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| program)?;
    let piped = child.stdout.take().map(Stdio::from);
    Ok((child, piped))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_line_moves_all_and_says_who_failed() {
        let folder = tempfile::tempdir().unwrap();
        let (input, output) = (folder.path().join("in"), folder.path().join("out"));
        fs::write(&input, vec![b'a'; 1 << 20]).unwrap();
        let mut filter = Command::new("tr");
        filter.args(["a", "b"]);
        line(&input, Some(filter), File::create(&output).unwrap().into()).unwrap();
        assert_eq!(fs::read(&output).unwrap(), vec![b'b'; 1 << 20]);
        line(&input, None, File::create(&output).unwrap().into()).unwrap();
        assert!(files::same(&input, &output).unwrap());
        let mut filter = Command::new("tr");
        filter.args(["--no-such-option"]);
        assert!(line(&input, Some(filter), Stdio::null()).is_err());
        assert!(line(&folder.path().join("none"), None, Stdio::null()).is_err());
    }

    #[test]
    fn the_lesser_of_the_two_is_what_counts() {
        let speeds = |samples: [f64; 3]| {
            let named = |samples: f64| Speeds { name: String::new(), samples: vec![samples; 9] };
            samples.map(named)
        };
        for (samples, ratio) in [([3.0, 4.0, 6.0], 0.75), ([3.0, 6.0, 4.0], 0.75)] {
            let case = case(String::new(), &speeds(samples)).unwrap();
            let lesser = case.rows[0].ratios[2].unwrap();
            assert!((lesser.median_of_ratios - ratio).abs() < 1e-9);
            assert!(case.rows[1].ratios.iter().all(Option::is_none));
        }
    }
}
