//! Two processes at once, killed again and again, and a look at what is left each time.

use std::fs;
use std::io::{PipeReader, Read as _, pipe};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::check::{Found, Known, check};
use crate::child::Orders;
use crate::phase::{Announcement, Met, Operation, Phase};
use crate::place::{Place, Random};
use crate::proxies::Planted;

const SIGKILL: i32 = 9;
/// A phase that is not met for so long is given up for this round.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest wait between an announcement and the kill, in microseconds.
const LONGEST_WAIT: u64 = 400;

/// Longest time in microseconds for which two processes work undisturbed, and one after the other was killed.
const WORK: u64 = 400_000;
const LATER: u64 = 100_000;

/// Plan of a run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Number of kills: each time one process at a chosen moment, and the other then or later.
    pub kills: u64,
    pub seed: u64,
    /// Versions of the customer's key that are made beforehand.
    pub customer_versions: usize,
    pub planted: Option<Planted>,
    /// The one phase to aim at; each in turn where there is none.
    pub aim: Option<Phase>,
}

/// Results of a run.
#[derive(Debug, Default)]
pub struct Report {
    pub kills: u64,
    /// Numbers of kills in each phase, of the process that was killed first and of the other one.
    pub hits: Vec<[u64; 2]>,
    /// Numbers of hits of the phase that was aimed at, and of aims.
    pub aimed: [u64; 2],
    pub done: Vec<u64>,
    pub met: Vec<u64>,
    pub found: Found,
    pub took: Duration,
    /// The part of it that the checks took.
    pub checked: Duration,
}

impl Report {
    fn new() -> Self {
        Self {
            hits: vec![[0; 2]; Phase::ALL.len()],
            done: vec![0; Operation::ALL.len()],
            met: vec![0; Met::ALL.len()],
            ..Self::default()
        }
    }

    /// Number of phases that the process that was killed first was in, over all kills.
    pub fn phases_hit(&self) -> usize {
        self.hits.iter().filter(|[first, _]| *first > 0).count()
    }

    pub fn print(&self) {
        println!("{:>45}  killed first, the other", "phase");
        for (phase, [first, other]) in Phase::ALL.iter().zip(&self.hits) {
            println!("{:>45}  {first:>12}, {other:>9}", phase.name());
        }
        let sum = |n: usize| self.hits.iter().map(|hits| hits[n]).sum::<u64>();
        println!("{:>45}  {:>12}, {:>9}", "all", sum(0), sum(1));
        println!("aimed at a phase {} times, hit it {} times", self.aimed[1], self.aimed[0]);
        for (operation, done) in Operation::ALL.iter().zip(&self.done) {
            println!("{:>45}  {done} done", operation.name());
        }
        for (met, times) in Met::ALL.iter().zip(&self.met) {
            println!("{:>45}  {times} times", met.name());
        }
        let all: u64 = self.done.iter().sum();
        let [took, checked] = [self.took, self.checked].map(|time| time.as_secs_f64());
        println!("{all} operations in {took:.1} s, {checked:.1} s of checks; {:#?}", self.found);
    }
}

/// The two processes of one round, killed at the latest when this is dropped.
struct Pair {
    children: [Child; 2],
    said: [PathBuf; 2],
    pipe: PipeReader,
    last: [Option<Phase>; 2],
}

impl Drop for Pair {
    fn drop(&mut self) {
        for child in &mut self.children {
            // Gone already, mostly.
            let _ignored = child.kill();
            let _ignored = child.wait();
        }
    }
}

impl Pair {
    fn start(orders: &[Orders; 2]) -> Self {
        let (reader, writer) = pipe().unwrap();
        let said = [0, 1].map(|n: usize| {
            let orders = &orders[n];
            orders.place.root.join(format!("process-{}", orders.index))
        });
        let start = |n: usize| {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "as_another_process", "--nocapture"])
                .envs(orders[n].variables())
                .stdin(Stdio::null())
                .stdout(writer.try_clone().unwrap())
                .stderr(fs::File::create(&said[n]).unwrap())
                .spawn()
                .unwrap()
        };
        let children = [start(0), start(1)];
        Self { children, said, pipe: reader, last: [None; 2] }
    }

    /// Takes what was announced since the last time; `false` where both processes are gone.
    fn listen(&mut self, report: &mut Report) -> bool {
        let mut bytes = [0; 4096];
        let length = self.pipe.read(&mut bytes).unwrap();
        for (index, announced) in
            bytes[..length].iter().filter_map(|byte| Announcement::parse(*byte))
        {
            match announced {
                Announcement::Phase(phase) => self.last[index] = Some(phase),
                Announcement::Done(operation) => {
                    report.done[usize::from(operation.code())] += 1;
                }
                Announcement::Met(met) => report.met[usize::from(met.code())] += 1,
            }
        }
        length > 0
    }

    /// Waits until one of them is in `phase`, and says which.
    fn wait_for(&mut self, phase: Option<Phase>, report: &mut Report) -> Option<usize> {
        let start = Instant::now();
        while self.listen(report) {
            let reached = (0..2).find(|n| match phase {
                Some(phase) => self.last[*n] == Some(phase),
                None => self.last.iter().all(Option::is_some),
            });
            if reached.is_some() || start.elapsed() > PATIENCE {
                return reached;
            }
        }
        None
    }

    fn listen_for(&mut self, duration: Duration, report: &mut Report) {
        let until = Instant::now() + duration;
        while Instant::now() < until && self.listen(report) {}
    }

    fn kill(&mut self, n: usize) -> Result<(), String> {
        self.children[n].kill().unwrap();
        let status = self.children[n].wait().unwrap();
        if status.signal() == Some(SIGKILL) {
            return Ok(());
        }
        let said = fs::read_to_string(&self.said[n]).unwrap_or_default();
        Err(format!("process {n} ended by itself ({status}): {}", said.trim()))
    }
}

fn wait(microseconds: u64) {
    let until = Instant::now() + Duration::from_micros(microseconds);
    // A short sleep takes longer than it should.
    while Instant::now() < until {
        if microseconds > 1_000 {
            sleep(Duration::from_micros(100));
        } else {
            std::hint::spin_loop();
        }
    }
}

/// Kills as `plan` says.
///
/// # Errors
///
/// What did not hold, and after how many kills.
pub fn run(plan: &Plan) -> Result<Report, String> {
    let started = Instant::now();
    let directory = tempfile::tempdir().unwrap();
    let place = Place::make(directory.path(), plan.customer_versions);
    let mut random = Random(plan.seed);
    let (mut report, mut known) = (Report::new(), Known::default());
    let mut longest = vec![LONGEST_WAIT; Phase::ALL.len()];
    for round in 0..plan.kills {
        let failed = |what: String| format!("seed {}, kill {}: {what}", plan.seed, round + 1);
        // One in five at any moment.
        let wanted =
            plan.aim.or_else(|| (random.below(5) > 0).then(|| least_hit(&report, &mut random)));
        let orders = [0, 1].map(|index| Orders {
            place: place.clone(),
            index,
            life: 2 * round + u64::from(index),
            seed: random.next(),
            wanted,
            planted: plan.planted,
        });
        let mut pair = Pair::start(&orders);
        pair.listen_for(Duration::from_micros(random.below(WORK)), &mut report);
        let reached = pair.wait_for(wanted, &mut report);
        let either = usize::from(random.below(2) == 1);
        let first = reached.filter(|_| wanted.is_some()).unwrap_or(either);
        match (wanted, reached) {
            (Some(phase), Some(_)) => wait(random.below(longest[usize::from(phase.code())])),
            _ => wait(random.below(60_000)),
        }
        pair.kill(first).map_err(failed)?;
        // The other one at once, or after some work among what the first has left.
        if random.below(2) == 0 {
            pair.listen_for(Duration::from_micros(random.below(LATER)), &mut report);
        }
        pair.kill(1 - first).map_err(failed)?;
        while pair.listen(&mut report) {}
        report.kills += 1;
        for (n, process) in [first, 1 - first].into_iter().enumerate() {
            if let Some(phase) = pair.last[process] {
                report.hits[usize::from(phase.code())][n] += 1;
            }
        }
        if let Some(phase) = wanted {
            let hit = pair.last[first] == Some(phase);
            report.aimed = [report.aimed[0] + u64::from(hit), report.aimed[1] + 1];
            // Where a phase is short, sooner the next time.
            let longest = &mut longest[usize::from(phase.code())];
            *longest = if hit { LONGEST_WAIT.min(*longest * 2) } else { 1.max(*longest / 2) };
        }
        let checking = Instant::now();
        check(&place, &mut known, round % 3 == 2, &mut random).map_err(failed)?;
        report.checked += checking.elapsed();
        // A process that is killed leaves one unnamed file at most, wherever it wrote.
        let left = [known.found.left_in_states, known.found.left_in_documents];
        if left.into_iter().any(|left| left as u64 > 2 * report.kills) {
            return Err(failed(format!("{left:?} temporary files are left")));
        }
    }
    report.found = known.found;
    report.took = started.elapsed();
    Ok(report)
}

fn least_hit(report: &Report, random: &mut Random) -> Phase {
    let least = report.hits.iter().map(|[first, _]| *first).min().unwrap_or(0);
    let of_least = |phase: &&Phase| report.hits[usize::from(phase.code())][0] == least;
    let phases: Vec<Phase> = Phase::ALL.iter().filter(of_least).copied().collect();
    random.pick(&phases)
}
