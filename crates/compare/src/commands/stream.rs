//! `stream`: sealing and opening through pipes, against the pipes alone and against files.
//!
//! ```text
//! cat FILE | strongroom seal - -o - >/dev/null            cat FILE | cat >/dev/null
//! cat FILE | strongroom seal - -o - | cat >/dev/null      cat FILE | cat | cat >/dev/null
//! ```
//!
//! In each line strongroom stands where the one beside it has a `cat`. All of a line runs at once, on the
//! same cores: what `cat` takes of them strongroom does not have.

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

/// Titles of the columns: what stands beside the lines with strongroom: the pipes alone, the files, and
/// the slower of the two.
const COLUMNS: [&str; 3] = ["to the pipes", "to the files", "to the lesser"];
/// Rows of a case.
const STREAM: usize = 0;
const BETWEEN: usize = 1;
const PIPE: usize = 2;
const PIPES: usize = 3;
const FILES: usize = 4;

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
    let through = |operation| [strongroom.filter(operation), cat()];
    line(&plain, through(Operation::Seal), File::create(&streamed)?.into())?;
    line(&streamed, through(Operation::Open), File::create(&opened)?.into())?;
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
        runs.push(Way::Between(operation, input));
        runs.push(Way::Pipe(input));
        runs.push(Way::Pipes(input));
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
        let kind = |row| if row < PIPE { Kind::Ours } else { Kind::Yardstick };
        let rows = case.rows.iter().enumerate();
        panel.add("", rows.map(|(row, is)| (is.name.as_str(), kind(row), is.median)));
        report.chart.panels.push(panel);
        report.add(case)?;
    }
    report.finish(args.common.json.as_deref(), args.common.svg.as_deref())
}

/// The lines with strongroom, those without, the files.
fn case(title: String, speeds: &[Speeds]) -> Result<Case> {
    let by_median = |row: &usize| median(&speeds[*row].samples).unwrap_or(f64::NAN);
    Case::new(title, Unit::Speed, &COLUMNS, speeds, |row, column| {
        let pipes = match row {
            STREAM => PIPE,
            BETWEEN => PIPES,
            _ => return None,
        };
        let beside = [pipes, FILES];
        let lesser = beside.into_iter().min_by(|a, b| by_median(a).total_cmp(&by_median(b)));
        beside.get(column).copied().or(lesser)
    })
}

/// One of the ways through which a text goes.
enum Way<'f> {
    /// Through a pipe, and sealed or opened at its end.
    Stream(Operation, &'f Path),
    /// Through two pipes, sealed or opened between them.
    Between(Operation, &'f Path),
    /// Through a pipe as it is.
    Pipe(&'f Path),
    /// Through two.
    Pipes(&'f Path),
    /// From file to file.
    File(&'f Tool),
}

impl Way<'_> {
    fn name(&self) -> String {
        match self {
            Self::Stream(operation, _) => format!("cat | strongroom {}", operation.name()),
            Self::Between(operation, _) => format!("cat | strongroom {} | cat", operation.name()),
            Self::Pipe(_) => "cat | cat".to_owned(),
            Self::Pipes(_) => "cat | cat | cat".to_owned(),
            Self::File(_) => "strongroom, from file to file".to_owned(),
        }
    }

    /// Measures the time that the text takes.
    fn measure(&self, strongroom: &Strongroom) -> Result<Duration> {
        let nowhere = Stdio::null();
        match self {
            Self::File(tool) => Ok(tool.measure()?.done),
            Self::Pipe(input) => line(input, [cat()], nowhere),
            Self::Pipes(input) => line(input, [cat(), cat()], nowhere),
            Self::Stream(operation, input) => line(input, [strongroom.filter(*operation)], nowhere),
            Self::Between(operation, input) => {
                line(input, [strongroom.filter(*operation), cat()], nowhere)
            }
        }
    }
}

fn cat() -> Command {
    Command::new("cat")
}

/// Runs `cat INPUT | COMMAND | …` into `output`, and says how long that took.
fn line<const N: usize>(input: &Path, commands: [Command; N], output: Stdio) -> Result<Duration> {
    let mut first = cat();
    first.arg(input);
    let start = Instant::now();
    let (child, mut source) = spawn(first, Stdio::null(), Stdio::piped())?;
    let mut children = vec![child];
    let mut output = Some(output);
    for (number, command) in commands.into_iter().enumerate() {
        let goes_to = output.take_if(|_| number + 1 == N).unwrap_or_else(Stdio::piped);
        let from = source.take().context("a pipe that is not there")?;
        let (child, piped) = spawn(command, from, goes_to)?;
        source = piped;
        children.push(child);
    }
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
        let turned = || {
            let mut filter = Command::new("tr");
            filter.args(["a", "b"]);
            filter
        };
        let into = || Stdio::from(File::create(&output).unwrap());
        line(&input, [turned()], into()).unwrap();
        assert_eq!(fs::read(&output).unwrap(), vec![b'b'; 1 << 20]);
        line(&input, [turned(), cat()], into()).unwrap();
        assert_eq!(fs::read(&output).unwrap(), vec![b'b'; 1 << 20]);
        line(&input, [cat(), cat()], into()).unwrap();
        assert!(files::same(&input, &output).unwrap());
        let mut filter = Command::new("tr");
        filter.args(["--no-such-option"]);
        assert!(line(&input, [filter, cat()], Stdio::null()).is_err());
        assert!(line(&folder.path().join("none"), [cat()], Stdio::null()).is_err());
    }

    #[test]
    fn the_lesser_of_the_two_is_what_counts() {
        let speeds = |samples: [f64; 5]| {
            let named = |samples: f64| Speeds { name: String::new(), samples: vec![samples; 9] };
            samples.map(named)
        };
        for (samples, ratios) in
            [([3.0, 2.0, 4.0, 5.0, 6.0], [0.75, 0.4]), ([3.0, 2.0, 6.0, 5.0, 4.0], [0.75, 0.5])]
        {
            let case = case(String::new(), &speeds(samples)).unwrap();
            for (row, ratio) in [STREAM, BETWEEN].into_iter().zip(ratios) {
                let lesser = case.rows[row].ratios[2].unwrap();
                assert!((lesser.median_of_ratios - ratio).abs() < 1e-9);
            }
            assert!(case.rows[PIPE].ratios.iter().all(Option::is_none));
        }
    }
}
