//! The tools that work on files, with the arguments of each.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use crate::args::FileArgs;
use crate::clock::{ThreadClock, children_time};
use crate::peer::Operation;

/// A program with all its arguments.
#[derive(Debug)]
pub(super) struct Tool {
    pub(super) name: String,
    /// The operation that it runs; `None` for a copy.
    pub(super) operation: Option<Operation>,
    pub(super) output: PathBuf,
    program: PathBuf,
    arguments: Vec<OsString>,
    reports_sync: bool,
}

/// Times of one run of a tool.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// On the wall, until the tool was done.
    pub(super) done: Duration,
    /// On the wall, until its output was safe on the device.
    pub(super) safe: Duration,
    /// Of the processor, of the user and of the system, until its output was safe on the device.
    pub(super) processor: Duration,
}

/// The part of strongroom's report that is read here.
#[derive(Deserialize)]
struct SyncReport {
    sync_seconds: f64,
}

impl Tool {
    /// Runs it; how long it waited for its own sync, if it does that.
    ///
    /// # Errors
    ///
    /// Where it fails.
    pub(super) fn run(&self) -> Result<Option<Duration>> {
        let output = finished(Command::new(&self.program).args(&self.arguments))?;
        if !self.reports_sync {
            return Ok(None);
        }
        let report: SyncReport =
            serde_json::from_slice(&output.stdout).context("the report of strongroom")?;
        Ok(Some(Duration::try_from_secs_f64(report.sync_seconds)?))
    }

    /// One timed run, after everything written before is on its device.
    ///
    /// # Errors
    ///
    /// Where it fails; the system's.
    pub(super) fn measure(&self) -> Result<Times> {
        remove(&self.output)?;
        rustix::fs::sync();
        let before = children_time()?;
        let start = Instant::now();
        let own_sync = self.run()?;
        let wall = start.elapsed();
        let mut processor = children_time()?.saturating_sub(before);
        let (done, safe) = if let Some(sync) = own_sync {
            (wall.saturating_sub(sync), wall)
        } else {
            let (start, clock) = (Instant::now(), ThreadClock::start());
            File::open(&self.output)?.sync_all()?;
            processor += clock.elapsed();
            (wall, wall + start.elapsed())
        };
        Ok(Times { done, safe, processor })
    }
}

/// Takes a file away, if it is there.
fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// The strongroom command with a vault of its own.
#[derive(Debug)]
pub(super) struct Strongroom {
    program: PathBuf,
    vault: PathBuf,
    threads: Option<u16>,
}

impl Strongroom {
    /// The command of `args`, with a new vault in `folder`.
    ///
    /// # Errors
    ///
    /// Where the command is not there, or cannot make the vault.
    pub(super) fn new(args: &FileArgs, folder: &Path) -> Result<Self> {
        let program = args.strongroom.canonicalize().with_context(|| {
            format!(
                "{} is not there; build it with cargo build --release -p strongroom-cli",
                args.strongroom.display()
            )
        })?;
        let vault = folder.join("vault");
        for words in [&["vault", "init"][..], &["vault", "create", "default"]] {
            finished(Command::new(&program).args(words).arg("--vault").arg(&vault))?;
        }
        Ok(Self { program, vault, threads: args.threads })
    }

    /// The arguments that have it do `operation` from `input` to `output`.
    fn arguments(&self, operation: Operation, input: &OsStr, output: &OsStr) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec![operation.name().into(), input.into()];
        arguments.extend(["-o".into(), output.into(), "--vault".into(), (&self.vault).into()]);
        if let Some(threads) = self.threads {
            arguments.extend(["--threads".into(), threads.to_string().into()]);
        }
        arguments
    }

    /// From one file to another.
    pub(super) fn tool(&self, operation: Operation, input: &Path, output: &Path) -> Tool {
        let mut arguments = self.arguments(operation, input.as_os_str(), output.as_os_str());
        arguments.extend(["--json".into(), "--force".into()]);
        Tool {
            name: "strongroom".to_owned(),
            operation: Some(operation),
            output: output.to_owned(),
            program: self.program.clone(),
            arguments,
            reports_sync: true,
        }
    }

    /// From standard input to standard output.
    pub(super) fn filter(&self, operation: Operation) -> Command {
        let stream = OsStr::new("-");
        let mut command = Command::new(&self.program);
        command.args(self.arguments(operation, stream, stream));
        command
    }
}

/// Strongroom, `cp`, and of `age` and `rage` those that are installed; sealing before opening.
///
/// # Errors
///
/// Where one of them cannot make its keys.
pub(super) fn tools(args: &FileArgs, folder: &Path, plain: &Path) -> Result<Vec<Tool>> {
    let strongroom = Strongroom::new(args, folder)?;
    let (sealed, opened) = (folder.join("plain.strongroom"), folder.join("opened.strongroom"));
    let mut tools = vec![
        strongroom.tool(Operation::Seal, plain, &sealed),
        strongroom.tool(Operation::Open, &sealed, &opened),
    ];
    let copy = folder.join("copy");
    tools.push(Tool {
        name: "cp".to_owned(),
        operation: None,
        program: "cp".into(),
        arguments: vec!["--reflink=never".into(), plain.into(), (&copy).into()],
        output: copy,
        reports_sync: false,
    });
    for name in ["age", "rage"] {
        if Command::new(name).arg("--version").output().is_ok() {
            tools.extend(age(name, folder, plain)?);
        }
    }
    Ok(tools)
}

/// `age`, or `rage`, which takes the same arguments, with a fresh X25519 key.
fn age(name: &str, folder: &Path, plain: &Path) -> Result<[Tool; 2]> {
    let identity = folder.join(format!("{name}.key"));
    finished(Command::new(format!("{name}-keygen")).arg("-o").arg(&identity))?;
    let recipient = fs::read_to_string(&identity)?
        .lines()
        .find_map(|line| Some(line.strip_prefix("# public key: ")?.to_owned()))
        .with_context(|| format!("{name}-keygen did not write a public key"))?;
    let sealed = folder.join(format!("plain.{name}"));
    let opened = folder.join(format!("opened.{name}"));
    let tool = |operation, how: &[OsString], input: &Path, output: &Path| {
        let mut arguments = how.to_vec();
        arguments.extend(["-o".into(), output.into(), input.into()]);
        Tool {
            name: name.to_owned(),
            operation: Some(operation),
            output: output.to_owned(),
            program: name.into(),
            arguments,
            reports_sync: false,
        }
    };
    Ok([
        tool(Operation::Seal, &["-r".into(), recipient.into()], plain, &sealed),
        tool(Operation::Open, &["-d".into(), "-i".into(), identity.into()], &sealed, &opened),
    ])
}

/// The versions of the tools and the kind of the file system, for the notes.
pub(super) fn about(tools: &[Tool], folder: &Path) -> String {
    let line = |command: &mut Command| {
        let output = command.output().map(|output| output.stdout).unwrap_or_default();
        String::from_utf8_lossy(&output).lines().next().unwrap_or("unknown").to_owned()
    };
    let mut parts: Vec<String> = Vec::new();
    for tool in tools.iter().filter(|tool| tool.operation != Some(Operation::Open)) {
        let version = line(Command::new(&tool.program).arg("--version"));
        let named = version.starts_with(&tool.name);
        parts.push(if named { version } else { format!("{} {version}", tool.name) });
    }
    parts.push(format!(
        "file system {}",
        line(Command::new("stat").args(["-f", "-c", "%T"]).arg(folder))
    ));
    parts.join("; ") + "."
}

/// Runs a command to its end.
fn finished(command: &mut Command) -> Result<Output> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().with_context(|| program.clone())?;
    let message = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program}: {}", message.trim());
    Ok(output)
}
