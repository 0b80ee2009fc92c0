//! Recalling what a trail knows: from a kept summary and the lines after it, or from all lines.

use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use strongroom::secret::Secret;

use super::chain::{AuditKey, Head};
use super::error::AuditError;
use super::event::AuditResult;
use super::known::Known;
use super::line::AuditLine;
use super::salvage::salvage;
use super::tail::{self, Access};
use super::verify::{Check, verify_each};
use crate::hex;

/// With so many lines after a summary a new one is written.
const LINES: u64 = 128;

/// No summary is read that is longer.
const LONGEST: u64 = 64 << 20;

/// Knowledge of a trail at one of its lines. It is only a shortcut: without it the whole trail is read.
#[derive(Serialize, Deserialize)]
struct Summary {
    head: Head,
    /// Offset of the line after `head` in the current file.
    offset: u64,
    /// The number of full files by then.
    full: usize,
    known: Known,
}

/// A summary's JSON, and its mac.
#[derive(Serialize, Deserialize)]
struct Kept {
    summary: String,
    mac: String,
}

/// Damage that was found in a trail, and the files that there were.
#[derive(Clone, Debug)]
pub(super) struct FoundDamage {
    pub(super) error: AuditError,
    files: Files,
}

/// The number of full files, and true where the current one has bytes; a repair changes either.
type Files = Option<(usize, bool)>;

impl FoundDamage {
    pub(super) fn of(error: &AuditError, path: &Path) -> Self {
        Self { error: error.clone(), files: files(path) }
    }

    pub(super) fn is_repaired(&self, path: &Path) -> bool {
        // Where they could not be listed, nobody knows what there was.
        let found = files(path);
        self.files.is_some() && found.is_some() && found != self.files
    }
}

fn files(path: &Path) -> Files {
    let full = tail::full_files(path).ok()?.len();
    Some((full, fs::metadata(path).is_ok_and(|current| current.len() > 0)))
}

/// Knowledge of the trail `path`; `damage` says where it does not hold.
pub(super) fn recall(path: &Path, key: &AuditKey) -> Known {
    let summary = load(path, key);
    if let Some(summary) = &summary
        && let Some(known) = go_on(path, key, summary)
    {
        return known;
    }
    let mut known = Known::default();
    let read = verify_each(path, key, None, &mut |line| note(&mut known, line));
    if let Some(summary) = summary {
        known.add(summary.known);
    }
    if read.as_ref().map_or(true, |verified| !verified.repaired.is_empty()) {
        salvage(path, key, &mut |line| {
            if let (AuditResult::Done, Some(state)) = (&line.event.result, &line.event.state) {
                known.note_state(state);
            }
        });
    }
    match read {
        // There was never a line.
        Err(AuditError::Missing { path: missing }) if missing == path && known.trail.is_none() => {}
        Err(damage) => known.damage = Some(damage),
        Ok(verified) => {
            if let Some(head) = verified.head.filter(|_| verified.lines >= LINES) {
                keep(path, key, head, &known);
            }
        }
    }
    known
}

fn note(known: &mut Known, line: &AuditLine) {
    if line.trail.is_some() {
        known.trail.clone_from(&line.trail);
    }
    if line.repaired.is_some() {
        (known.was_repaired, known.all_in_doubt) = (true, true);
    }
    known.note(&line.event);
}

/// The summary with the lines after it; `None` where they do not follow it.
fn go_on(path: &Path, key: &AuditKey, summary: &Summary) -> Option<Known> {
    let locked = tail::open_locked(path, Access::Read).ok()??;
    if tail::full_files(path).ok()?.len() != summary.full {
        return None;
    }
    let length = locked.metadata().ok()?.len();
    let rest = length.checked_sub(summary.offset)?;
    let mut file = strongroom_files::open_regular(path).ok()?;
    drop(locked);
    file.seek(SeekFrom::Start(summary.offset)).ok()?;
    let mut known = summary.known.clone();
    let mut visit = |line: &AuditLine| note(&mut known, line);
    let mut check = Check::after(key, summary.head, &mut visit);
    check.file(path, file.take(rest)).ok()?;
    let (lines, head) = (check.verified.lines, check.verified.head?);
    if lines >= LINES {
        keep(path, key, head, &known);
    }
    Some(known)
}

fn place(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".known");
    PathBuf::from(name)
}

fn load(path: &Path, key: &AuditKey) -> Option<Summary> {
    let mut text = Vec::new();
    let file = strongroom_files::open_regular(&place(path)).ok()?;
    file.take(LONGEST).read_to_end(&mut text).ok()?;
    let kept: Kept = serde_json::from_slice(&text).ok()?;
    let mac = Secret::copy_from(&hex::decode_array(&kept.mac)?);
    (key.summary_mac(kept.summary.as_bytes()) == mac).then_some(())?;
    serde_json::from_str(&kept.summary).ok()
}

/// Writes a summary, where the trail still ends with `head`. Best effort: it saves time and nothing else.
fn keep(path: &Path, key: &AuditKey, head: Head, known: &Known) {
    let write = || -> Option<()> {
        let file = tail::open_locked(path, Access::Read).ok()??;
        let end = tail::Tail::read(&file, path, key).ok()?;
        if end.head != Some(head) || !end.torn.is_empty() {
            return None;
        }
        let full = tail::full_files(path).ok()?.len();
        let summary = Summary { head, offset: end.length, full, known: known.clone() };
        let summary = serde_json::to_string(&summary).ok()?;
        let mac = hex::encode(key.summary_mac(summary.as_bytes()).expose());
        let text = serde_json::to_vec(&Kept { summary, mac }).ok()?;
        strongroom_files::replace(&place(path), &text).ok()
    };
    let _only_a_shortcut = write();
}
