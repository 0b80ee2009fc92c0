//! An audit trail on a disk, what befalls it, and what it still knows of states then.

use std::fs;
use std::io::Write as _;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use strongroom_keys::audit::{
    AuditEvent, AuditKey, AuditResult, AuditSink, HeadStore as _, JsonLines, Sync,
};
use strongroom_keys::clock::Clock as _;
use strongroom_keys::{Error, block_on};
use tempfile::TempDir;

use crate::acts::Act;
use crate::history::{Checked, History};
use crate::perform::Seen;
use crate::reference::Kind;
use crate::sink::{Heads, Sink};
use crate::tally::Tally;

/// Something that befalls a trail.
#[derive(Clone, Copy, Debug)]
pub enum Harm {
    /// A bit of the last line is flipped.
    FlipLast(usize),
    /// A bit of a line before the last is flipped.
    FlipEarlier { line: usize, at: usize },
    /// Lines are cut from its end; the rest of one may stay.
    Cut { lines: usize, rest: usize },
    /// It is deleted; with all that is known of it elsewhere, or not.
    Delete { all: bool },
    /// A writer was killed in the middle of a line.
    Tear(usize),
    /// Its disk is full.
    Fill,
    /// Its disk has room again.
    Room,
}

/// Damage that was not repaired yet.
#[derive(Clone, Copy, Debug)]
struct Damage {
    /// The number of lines of the current file that hold.
    holds: usize,
    /// The number of those that the summary tells of.
    summed_up: usize,
    /// The lines that say nothing any more.
    lost: (usize, usize),
    /// True where each writer meets it.
    stops: bool,
    /// True where a summary tells of all lines up to it, so that nobody who starts looks at it.
    is_covered: bool,
}

/// A trail with the reference of it.
pub struct Trail {
    directory: TempDir,
    id: Option<String>,
    heads: Arc<Heads>,
    full: Arc<AtomicBool>,
    fails: Arc<AtomicBool>,
    damage: Option<Damage>,
    /// True where the process that plays the history found the damage when it started.
    is_found: bool,
    /// The newest state that closed files tell of.
    closed: u64,
    /// The lines of the current file of which one at least tells of that state.
    learned: Vec<(Range<usize>, u64)>,
    /// The number of closed parts that it tells of.
    repairs: usize,
}

impl Trail {
    pub fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            id: None,
            heads: Arc::default(),
            full: Arc::default(),
            fails: Arc::default(),
            damage: None,
            is_found: false,
            closed: 0,
            learned: Vec::new(),
            repairs: 0,
        }
    }

    /// The same trail in another place.
    pub fn copy(&self) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for entry in fs::read_dir(self.directory.path()).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), directory.path().join(entry.file_name())).unwrap();
        }
        Self {
            directory,
            id: self.id.clone(),
            heads: Arc::new(Heads(Mutex::new(*self.heads.0.lock().unwrap()))),
            full: Arc::new(AtomicBool::new(self.is_full())),
            fails: Arc::default(),
            learned: self.learned.clone(),
            ..*self
        }
    }

    /// The service has been made: its home knows the trail by its id from now on.
    /// Its trail gets so many lines more.
    pub fn begin(&mut self, lines: usize) {
        self.id = block_on(self.lines().recall()).trail;
        let event = AuditEvent::new("unwrap", AuditResult::Done);
        (0..lines).for_each(|_| self.lines().record_blocking(&event).unwrap());
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("audit.jsonl")
    }

    fn summary_path(&self) -> PathBuf {
        self.directory.path().join("audit.jsonl.known")
    }

    fn lines(&self) -> JsonLines {
        let lines = JsonLines::new(self.path(), &AuditKey::new(&[7; 32]))
            .sync(Sync::Never)
            .head_store(Arc::clone(&self.heads) as _);
        self.id.iter().fold(lines, |lines, id| lines.of(id))
    }

    /// The trail for another process.
    pub fn sink(&self) -> Arc<dyn AuditSink> {
        let (full, fails) = (Arc::clone(&self.full), Arc::clone(&self.fails));
        Arc::new(Sink { lines: self.lines(), full, fails })
    }

    pub fn is_full(&self) -> bool {
        self.full.load(Ordering::SeqCst)
    }

    fn is_refused(&self, is_found: bool) -> bool {
        self.is_full() || self.damage.is_some_and(|damage| damage.stops || is_found)
    }

    /// True where nothing can be recorded by the process that plays the history.
    pub fn is_mute(&self) -> bool {
        self.is_refused(self.is_found)
    }

    /// True where nothing can be recorded by a process that starts.
    pub fn is_mute_at_start(&self) -> bool {
        self.is_refused(self.damage.is_some_and(|damage| !damage.is_covered))
    }

    pub fn restarted(&mut self, tally: &mut Tally) {
        self.is_found = self.damage.is_some_and(|damage| !damage.is_covered);
        if self.is_found && self.damage.is_some_and(|damage| !damage.stops) {
            tally.note("trail", "found at a start");
        }
    }

    /// Notes that a process that started has seen the newest state.
    pub fn learn(&mut self, number: u64) {
        let newest = self.learned.last().map_or(self.closed, |(_, newest)| *newest);
        if number > newest && !self.is_mute_at_start() {
            let start = self.learned.last().map_or(0, |(lines, _)| lines.end);
            self.learned.push((start..self.ends().len(), number));
        }
    }

    /// The newest state that the trail tells of, damaged lines aside: those behind them are its own all the same.
    pub fn known(&self) -> u64 {
        let (summed_up, lost) = self.damage.map_or((0, 0..0), |damage| {
            let (from, to) = damage.lost;
            (damage.summed_up, from..to)
        });
        let tells = |lines: &Range<usize>| {
            lines.end <= summed_up || lines.end <= lost.start || lost.end <= lines.start
        };
        let told = self.learned.iter().filter(|(lines, _)| tells(lines));
        told.map(|(_, number)| *number).fold(self.closed, u64::max)
    }

    /// The ends of the lines of the current file.
    fn ends(&self) -> Vec<usize> {
        let text = fs::read(self.path()).unwrap_or_default();
        let newlines = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        newlines.map(|(at, _)| at + 1).collect()
    }

    /// The number of lines of the current file that the summary tells of.
    fn summed_up(&self) -> usize {
        let read = |path| fs::read(path).ok();
        let field = |json: &[u8], name: &str| {
            serde_json::from_slice::<Value>(json).ok()?.get(name).cloned()
        };
        let first = || {
            let text = read(self.path())?;
            field(text.split(|byte| *byte == b'\n').next()?, "number")?.as_u64()
        };
        let head = || {
            let summary = field(&read(self.summary_path())?, "summary")?;
            let head = field(summary.as_str()?.as_bytes(), "head")?;
            head.as_str()?.split(':').next()?.parse::<u64>().ok()
        };
        let lines = head().zip(first()).map_or(0, |(head, first)| (head + 1).saturating_sub(first));
        usize::try_from(lines).unwrap()
    }

    /// Does it: its name, where there was something to do.
    fn harm(&mut self, harm: Harm) -> Option<&'static str> {
        let (ends, summed_up) = (self.ends(), self.summed_up());
        let count = ends.len();
        let start = |line: usize| line.checked_sub(1).map_or(0, |before| ends[before]);
        let (lost, stops, name) = match harm {
            Harm::Fill | Harm::Room => {
                let full = matches!(harm, Harm::Fill);
                let name = if full { "its disk is full" } else { "its disk has room" };
                return (self.full.swap(full, Ordering::SeqCst) != full).then_some(name);
            }
            _ if count < 2 => return None,
            Harm::FlipLast(at) if self.damage.is_none() => {
                let start = start(count - 1);
                self.flip(start + at % (ends[count - 1] - 1 - start));
                (count - 1..count, true, "its last line is changed")
            }
            Harm::FlipEarlier { line, at } if self.damage.is_none() => {
                let line = line % (count - 1);
                // Not in its MAC, which is looked at with the next line.
                self.flip(start(line) + at % (ends[line] - start(line) - 80));
                (line..line + 1, false, "an earlier line is changed")
            }
            Harm::Cut { lines, rest } => {
                let line = lines % count;
                let length = start(line) + rest % (ends[line] - start(line));
                let file = fs::OpenOptions::new().write(true).open(self.path()).unwrap();
                file.set_len(length as u64).unwrap();
                (line..usize::MAX, true, "its end is cut off")
            }
            Harm::Delete { all } => {
                fs::remove_file(self.path()).unwrap();
                // A part that was closed before would tell of it.
                if all && self.repairs == 0 {
                    let _ = fs::remove_file(self.summary_path());
                    *self.heads.0.lock().unwrap() = None;
                    self.learned.clear();
                }
                (0..usize::MAX, true, "it is deleted")
            }
            Harm::Tear(length) if self.damage.is_none() => {
                let line = br#"{"number":7,"time":1800000000,"operation":"unwrap""#;
                let mut file = fs::OpenOptions::new().append(true).open(self.path()).unwrap();
                file.write_all(&line[..=length % (line.len() - 1)]).unwrap();
                return Some("a line is torn");
            }
            Harm::FlipLast(_) | Harm::FlipEarlier { .. } | Harm::Tear(_) => return None,
        };
        let before = self.damage.map_or(usize::MAX, |damage| damage.holds);
        let holds = lost.start.min(before);
        // A second one is a cut: what was lost before is taken for lost with it.
        let lost = (holds, lost.end);
        let is_covered = !stops && holds < summed_up;
        self.damage = Some(Damage { holds, summed_up, lost, stops, is_covered });
        Some(if is_covered {
            "an earlier line is changed, and a summary tells of it"
        } else {
            name
        })
    }

    fn flip(&self, at: usize) {
        let mut text = fs::read(self.path()).unwrap();
        text[at] ^= 1;
        fs::write(self.path(), text).unwrap();
    }

    /// Checks that a look at all of it says what it is.
    fn verify(&self) -> Checked {
        let kept = self.heads.load().unwrap();
        match (self.lines().verify(kept), self.damage) {
            (Ok(verified), None) if verified.repaired.len() == self.repairs => Ok(()),
            (Err(error), Some(_)) if error.is_damage() => Ok(()),
            (found, damage) => Err(format!("{damage:?}, {} repairs: {found:?}", self.repairs)),
        }
    }

    /// Repairs it, and checks that nothing is lost by that; true where there was something to repair.
    pub fn repair(&mut self, time: u64) -> Result<bool, String> {
        let before = fs::read(self.path()).unwrap_or_default();
        let repaired = self.lines().repair(time, Some("ops")).map_err(|error| error.to_string())?;
        if repaired.is_some() != self.damage.is_some() {
            return Err(format!("{:?} is repaired as {repaired:?}", self.damage));
        }
        let Some(repaired) = repaired else { return Ok(false) };
        if let Some(file) = repaired.files.last().filter(|_| !before.is_empty()) {
            let kept = fs::read(self.directory.path().join(&file.name)).unwrap();
            if kept != before {
                return Err(format!("{} is not what was damaged", file.name));
            }
        }
        self.closed = self.known();
        let damage = self.damage.take();
        self.learned.clear();
        // Where the line is lost that told of the part before, the new one tells of both.
        let is_untold = self.repairs > 0 && damage.is_some_and(|damage| damage.holds == 0);
        self.repairs += usize::from(!is_untold);
        self.is_found = false;
        self.verify().map(|()| true)
    }
}

impl History<'_> {
    pub fn harm(&mut self, harm: Harm) -> Checked {
        if let (Harm::FlipEarlier { .. }, Some(Trail { damage: None, .. })) = (harm, &self.trail) {
            // One that was in doubt reads the trail anew with its next request, and finds no damage yet.
            let seen = self.outside(|world| world.run(world.resources.status(&world.id)));
            self.knows |= seen.is_ok();
        }
        let Some(trail) = &mut self.trail else { return Ok(()) };
        let name = trail.harm(harm);
        if let Some(name) = name {
            self.tally.note("trail", name);
        }
        self.check_trail()
    }

    pub fn repair(&mut self) -> Checked {
        let unix = self.world.clock.unix_time();
        let Some(trail) = self.trail.as_mut().filter(|trail| !trail.is_full()) else {
            return Ok(());
        };
        if trail.repair(unix)? {
            self.tally.note("trail", "repaired");
            self.confirm()?;
        }
        Ok(())
    }

    /// Checks that after a repair nothing opens that may be older than what was lost, and that only a confirmation ends
    /// that.
    fn confirm(&mut self) -> Checked {
        // It may have been withdrawn, and written by nobody before the process started.
        let seen = self.look()?;
        let opened = self.opened_by_another();
        let failed = |error: Error| format!("after a repair: {error}");
        let process = self.process().map_err(failed)?;
        let in_doubt = !process.in_doubt().is_empty();
        if opened > 0 || in_doubt != seen.state.is_open() {
            return Err(format!(
                "{opened} documents open after a repair, in doubt: {in_doubt}: {seen:?}"
            ));
        }
        let accepted = self.outside(|_| block_on(process.accept_states())).map_err(failed)?;
        if accepted.len() != usize::from(in_doubt) {
            return Err(format!("accepted: {accepted:?}"));
        }
        self.tally.note("trail", if in_doubt { "confirmed" } else { "closed by a repair" });
        Ok(())
    }

    /// All that is wrong with the trail is mended.
    pub fn mend(&mut self) -> Checked {
        self.harm(Harm::Room)?;
        self.repair()
    }

    pub fn check_trail(&self) -> Checked {
        self.trail.as_ref().map_or(Ok(()), Trail::verify)
    }

    /// Has the trail refuse each event, or none.
    pub fn fail_trail(&self, fails: bool) {
        match &self.trail {
            None => self.world.audit.fail(fails),
            Some(trail) => trail.fails.store(fails, Ordering::SeqCst),
        }
    }

    /// Checks what is done while nothing can be recorded: access is taken away, and nothing else.
    pub fn check_mute(
        &mut self,
        act: &Act,
        done: Option<&Result<(), Error>>,
        seen: &Seen,
    ) -> Checked {
        let changed = seen.number != self.number;
        let name = match (done, changed) {
            (_, true) => "access is taken away without a trail",
            (Some(Ok(())), false) if act.is_document() => "served from memory without a trail",
            (Some(Ok(())), false) => "nothing to do without a trail",
            (Some(Err(_)) | None, false) => "refused without a trail",
        };
        self.tally.note("trail", name);
        // A refusal that was heard meanwhile, or what was told before.
        let is_taken_away = match seen.state.kind {
            _ if act.only_closes() || self.on_the_way().contains(&seen.state) => true,
            Kind::Denied(_) | Kind::Pending(_) => !matches!(act, Act::Restore),
            _ => false,
        };
        if changed && !is_taken_away {
            return Err(format!("without a trail there is a new state: {seen:?}, {done:?}"));
        }
        Ok(())
    }
}
