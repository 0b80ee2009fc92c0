//! Going on after damage: the damaged files keep their bytes, and a new one names them.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::chain::{AuditKey, Head};
use super::error::AuditError;
use super::event::{AuditEvent, AuditResult};
use super::json_lines::{JsonLines, Trail};
use super::line::{AuditLine, LONGEST_LINE, Place, Unchecked};
use super::tail::{self, Access};
use super::text::{LONGEST_RESULT, bounded, cut};
use super::verify::{Verified, read_files};
use crate::hex;

/// A damaged part of a trail, as the first line after it names it.
///
/// # Example
///
/// ```
/// use strongroom_vault::audit::{AuditKey, JsonLines, verify};
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("audit.jsonl");
/// std::fs::write(&path, "nothing that a trail says\n")?;
/// let key = AuditKey::new(&[7; 32]);
/// let repaired = JsonLines::new(&path, &key).repair(1_790_000_000, Some("ops"))?.ok_or("it is damaged")?;
/// assert_eq!((repaired.held, repaired.files[0].length), (0, 26));
/// // The trail is written on, and says for ever that it was damaged.
/// assert_eq!(verify(&path, &key, None)?.repaired, [repaired]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repaired {
    /// The files from the first that does not hold; none where they are gone.
    pub files: Vec<DamagedFile>,
    /// The number of the last line that held; 0 for none.
    pub held: u64,
    /// Sentence that says what was found wrong.
    pub reason: String,
}

/// A file that was closed because it, or one before it, does not hold.
///
/// # Example
///
/// ```
/// use strongroom_vault::audit::DamagedFile;
///
/// let file = DamagedFile { name: "audit.jsonl.1".into(), length: 26, sha256: "5f…".into() };
/// assert_eq!(file.name, "audit.jsonl.1");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DamagedFile {
    /// Its name, beside the trail.
    pub name: String,
    /// Its length, in bytes.
    pub length: u64,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
}

impl DamagedFile {
    /// Name, length and digest of the file at `path`.
    pub(super) fn of(path: &Path) -> Result<Self, AuditError> {
        let mut file =
            strongroom_files::open_regular(path).map_err(AuditError::io("open", path))?;
        let (mut hash, mut length, mut piece) = (Sha256::new(), 0_u64, vec![0; 64 * 1024]);
        loop {
            let count = file.read(&mut piece).map_err(AuditError::io("read", path))?;
            let Some(bytes) = piece.get(..count).filter(|bytes| !bytes.is_empty()) else { break };
            hash.update(bytes);
            length = length.saturating_add(bytes.len() as u64);
        }
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { name, length, sha256: hex::encode(&hash.finalize()) })
    }
}

impl JsonLines {
    /// Closes the part of the trail that does not hold and begins a new file, whose first line names it:
    /// nothing is removed or changed, and [`verify`](super::verify) lists it for ever. `None` where the
    /// trail holds. It blocks this thread.
    ///
    /// # Errors
    ///
    /// [`AuditError`] where files cannot be read, renamed or written.
    pub fn repair(&self, time: u64, caller: Option<&str>) -> Result<Option<Repaired>, AuditError> {
        let event = AuditEvent {
            time,
            caller: caller.map(str::to_owned),
            ..AuditEvent::new("repair-audit-trail", AuditResult::Done)
        };
        self.trail().repair(&bounded(&event))
    }
}

impl Trail {
    fn repair(&self, event: &AuditEvent) -> Result<Option<Repaired>, AuditError> {
        let path = &self.path;
        // Others wait until the new file is there.
        let locked = tail::open_locked(path, Access::Append)?;
        let is_empty = locked
            .as_ref()
            .is_none_or(|file| file.metadata().is_ok_and(|metadata| metadata.len() == 0));
        let kept = self.head_store.as_ref().map_or(Ok(None), |store| store.load());
        let (verified, reason) = self.find_damage(is_empty, &kept)?;
        let Some(reason) = reason else { return Ok(None) };

        if !is_empty {
            self.rotate()?;
        }
        let full = tail::full_files(path)?;
        // A closed file with a torn end is not whole, though its lines hold.
        let whole = verified.files.saturating_sub(u64::from(verified.torn.is_some()));
        let held = usize::try_from(whole).unwrap_or(usize::MAX).min(full.len());
        let damaged = full.get(held..).unwrap_or_default();
        let mut files = Vec::new();
        for number in damaged {
            files.push(DamagedFile::of(&tail::full_file(path, *number))?);
        }
        let held = verified.head.map_or(0, |head| head.number);
        let reason = cut(&reason, LONGEST_RESULT).into_owned();
        let repaired = Repaired { files, held, reason };
        let kept = kept.ok().flatten().map_or(0, |head| head.number);
        let line = AuditLine {
            number: held.max(kept).saturating_add(1),
            repaired: Some(repaired.clone()),
            ..AuditLine::following(verified.head, true, None, event.clone())?
        };
        drop(locked);
        self.begin_file(&line, verified.head)?;
        Ok(Some(repaired))
    }

    /// The part that holds, and the fault of the rest: the files before the first that does not hold are counted.
    fn find_damage(
        &self,
        is_empty: bool,
        kept: &Result<Option<Head>, AuditError>,
    ) -> Result<(Verified, Option<String>), AuditError> {
        let current =
            if is_empty { None } else { Some(strongroom_files::open_regular(&self.path)) };
        let current = current.transpose().map_err(AuditError::io("open", &self.path))?;
        let current = current.map(|file| (file, u64::MAX));
        let full = tail::full_files(&self.path)?;
        let (verified, read) =
            read_files(&self.path, &self.key, None, &full, current, &mut |_| {})?;
        let found = verified.head.map_or(0, |head| head.number);
        let wrong = match (read, kept) {
            (Err(error), _) => Some(error),
            (Ok(()), Err(error)) => Some(error.clone()),
            (Ok(()), Ok(Some(kept))) if found < kept.number => {
                Some(AuditError::Truncated { path: self.path.clone(), kept: *kept, found })
            }
            (Ok(()), Ok(Some(kept))) if found == kept.number && verified.head != Some(*kept) => {
                Some(AuditError::Replaced { path: self.path.clone(), kept: *kept })
            }
            (Ok(()), Ok(_)) if self.is_gone(verified.head) => {
                Some(AuditError::Missing { path: self.path.clone() })
            }
            (Ok(()), Ok(_)) => None,
        };
        Ok((verified, wrong.map(|error| error.to_string())))
    }
}

/// True where `files` are the full files of the trail `path` with these numbers, unchanged.
pub(super) fn are(files: &[DamagedFile], path: &Path, numbers: &[u64]) -> Result<bool, AuditError> {
    if files.len() != numbers.len() {
        return Ok(false);
    }
    for (file, number) in files.iter().zip(numbers) {
        let path = tail::full_file(path, *number);
        if fs::metadata(&path).is_err() || DamagedFile::of(&path)? != *file {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The first line of the file `path`, where it is one that names a damaged part.
pub(super) fn naming(path: &Path, key: &AuditKey) -> Option<(AuditLine, Head)> {
    let file = strongroom_files::open_regular(path).ok()?;
    let mut line = Vec::new();
    BufReader::new(file.take(LONGEST_LINE as u64)).read_until(b'\n', &mut line).ok()?;
    let unchecked = Unchecked::parse(line.strip_suffix(b"\n")?).ok()?;
    unchecked.line.repaired.as_ref()?;
    let head = unchecked.check(key, Place::Begins).ok()?;
    Some((unchecked.line, head))
}
