//! Reading a trail and checking all of it, in memory that does not grow with it.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;

use super::chain::{AuditKey, Head};
use super::error::{AuditError, Tampering};
use super::line::{AuditLine, FORMAT, LONGEST_LINE, Place, Torn, Unchecked, number_after};
use super::repair::{Repaired, are, naming};
use super::tail::{self, Moment};

/// A trail that holds, from its first line to its last, the [repaired](Self::repaired) parts aside.
///
/// # Example
///
/// ```
/// use strongroom_vault::audit::{AuditKey, verify};
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("audit.jsonl");
/// # std::fs::write(&path, "")?;
/// let verified = verify(&path, &AuditKey::new(&[7; 32]), None)?;
/// assert_eq!((verified.lines, verified.head, verified.mended), (0, None, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Number of lines that hold.
    pub lines: u64,
    /// The last one.
    pub head: Option<Head>,
    /// Number of lines that stand in the place of a torn one.
    pub mended: u64,
    /// The torn line that a crash left at the end, which the next event's writer will mend.
    pub torn: Option<Torn>,
    /// Number of files.
    pub files: u64,
    /// The damaged parts that [`JsonLines::repair`](super::JsonLines::repair) closed: what they held is lost.
    pub repaired: Vec<Repaired>,
}

/// Checks the trail in the file `path` and in the full ones before it, and that it still has the line
/// `anchor`. It may have more lines after that one, which were written later.
///
/// It blocks this thread, for about a second a million lines, and not the trail's writers: what they
/// add meanwhile is not looked at.
///
/// # Errors
///
/// [`AuditError::Tampered`], [`Missing`](AuditError::Missing), [`Truncated`](AuditError::Truncated) or
/// [`Replaced`](AuditError::Replaced) where the trail does not hold, and what else hinders reading it.
///
/// # Example
///
/// ```
/// use strongroom_vault::audit::{AuditError, AuditKey, Head, verify};
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("audit.jsonl");
/// # std::fs::write(&path, "")?;
/// let kept = Head { number: 30, mac: [0xa5; 32] };
/// let error = verify(&path, &AuditKey::new(&[7; 32]), Some(kept)).unwrap_err();
/// assert!(matches!(error, AuditError::Truncated { found: 0, .. }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn verify(path: &Path, key: &AuditKey, anchor: Option<Head>) -> Result<Verified, AuditError> {
    verify_each(path, key, anchor, &mut |_| {})
}

/// Does what [`verify`] does, and shows each line to `visit` as soon as it is known to hold. Only when this
/// returns is it known that nothing was cut off after it.
///
/// # Errors
///
/// Those of [`verify`].
pub fn verify_each(
    path: &Path,
    key: &AuditKey,
    anchor: Option<Head>,
    visit: &mut dyn FnMut(&AuditLine),
) -> Result<Verified, AuditError> {
    let Moment { full, current, locked } = Moment::of(path)?;
    drop(locked);
    if current.is_none() && full.is_empty() && anchor.is_none() {
        return Err(AuditError::Missing { path: path.to_owned() });
    }
    let (verified, read) = read_files(path, key, anchor, &full, current, visit)?;
    read?;
    let found = verified.head.map_or(0, |head| head.number);
    match anchor {
        Some(kept) if kept.number > found => {
            Err(AuditError::Truncated { path: path.to_owned(), kept, found })
        }
        _ => Ok(verified),
    }
}

/// Checks the full files with these numbers and as much of the current one as is said, and what does not hold:
/// then only the files before it are counted.
pub(super) fn read_files(
    path: &Path,
    key: &AuditKey,
    anchor: Option<Head>,
    full: &[u64],
    current: Option<(File, u64)>,
    visit: &mut dyn FnMut(&AuditLine),
) -> Result<(Verified, Result<(), AuditError>), AuditError> {
    let mut check = Check { key, anchor, visit, begins: true, verified: Verified::default() };
    let mut at = 0;
    while let Some(number) = full.get(at) {
        let damage = match check.full_file(path, *number, at) {
            Err(error) if error.is_damage() => error,
            read => {
                read?;
                at = at.saturating_add(1);
                check.verified.files = at as u64;
                continue;
            }
        };
        // A later file may name this part as damaged.
        let Some(next) = check.after_damage(path, full, at, current.is_some())? else {
            return Ok((check.verified, Err(damage)));
        };
        at = next;
        check.verified.files = at as u64;
    }
    if let Some((file, length)) = current {
        check.begins = true;
        match check.file(path, file.take(length)) {
            Err(error) if error.is_damage() => return Ok((check.verified, Err(error))),
            torn => check.verified.torn = torn?,
        }
        check.verified.files = check.verified.files.saturating_add(1);
    }
    Ok((check.verified, Ok(())))
}

/// State of a verification.
pub(super) struct Check<'a> {
    key: &'a AuditKey,
    anchor: Option<Head>,
    visit: &'a mut dyn FnMut(&AuditLine),
    /// True before the first line of a file.
    begins: bool,
    pub(super) verified: Verified,
}

impl<'a> Check<'a> {
    /// A check that goes on in a file after the line `head`.
    pub(super) fn after(
        key: &'a AuditKey,
        head: Head,
        visit: &'a mut dyn FnMut(&AuditLine),
    ) -> Self {
        let verified = Verified { head: Some(head), ..Verified::default() };
        Self { key, anchor: None, visit, begins: false, verified }
    }

    fn tampered(&self, path: &Path, found: Tampering) -> AuditError {
        let line = number_after(self.verified.head);
        AuditError::Tampered { path: path.to_owned(), line, found }
    }

    /// Checks the full file with this number, which is the one at `at`.
    fn full_file(&mut self, path: &Path, number: u64, at: usize) -> Result<(), AuditError> {
        let expected = number_of(at);
        if number != expected {
            return Err(AuditError::Missing { path: tail::full_file(path, expected) });
        }
        let path = tail::full_file(path, number);
        let file = strongroom_files::open_regular(&path).map_err(AuditError::io("open", &path))?;
        self.begins = true;
        match self.file(&path, file)? {
            None => Ok(()),
            // A file is mended before it is renamed.
            Some(_) => Err(self.tampered(&path, Tampering::Unreadable)),
        }
    }

    /// The place of the file, after the damaged one at `at`, whose first line names what is damaged.
    fn after_damage(
        &self,
        path: &Path,
        full: &[u64],
        at: usize,
        has_current: bool,
    ) -> Result<Option<usize>, AuditError> {
        for next in at.saturating_add(1)..=full.len() {
            let place = match full.get(next) {
                Some(number) => tail::full_file(path, *number),
                None if has_current => path.to_owned(),
                None => break,
            };
            let Some((line, _)) = naming(&place, self.key) else { continue };
            let Some(repaired) = &line.repaired else { continue };
            let damaged = full.get(at..next).unwrap_or_default();
            if line.previous == self.verified.head && are(&repaired.files, path, damaged)? {
                return Ok(Some(next));
            }
        }
        Ok(None)
    }

    /// Checks the lines of one file; what is torn at its end.
    pub(super) fn file(
        &mut self,
        path: &Path,
        contents: impl Read,
    ) -> Result<Option<Torn>, AuditError> {
        let mut reader = BufReader::with_capacity(64 * 1024, contents);
        let mut line = Vec::with_capacity(LONGEST_LINE.saturating_add(1));
        loop {
            line.clear();
            // One byte more than any line has, so that a longer one shows.
            Read::take(&mut reader, LONGEST_LINE as u64 + 1)
                .read_until(b'\n', &mut line)
                .map_err(AuditError::io("read", path))?;
            if line.is_empty() {
                return Ok(None);
            } else if line.len() > LONGEST_LINE {
                return Err(self.tampered(path, Tampering::TooLong));
            }
            let Some(whole) = line.strip_suffix(b"\n") else { return Ok(Some(Torn::of(&line))) };
            let before = self.verified.head.map_or(0, |head| head.number);
            let head = self.line(whole).map_err(|found| self.tampered(path, found))?;
            let is_passed = |kept: &Head| {
                // A repair leaves numbers out.
                let is_left_out = before < kept.number && kept.number < head.number;
                is_left_out || (kept.number == head.number && *kept != head)
            };
            if let Some(kept) = self.anchor.filter(is_passed) {
                return Err(AuditError::Replaced { path: path.to_owned(), kept });
            }
            self.verified.head = Some(head);
            self.verified.lines = self.verified.lines.saturating_add(1);
            self.begins = false;
        }
    }

    /// Checks one line.
    fn line(&mut self, bytes: &[u8]) -> Result<Head, Tampering> {
        let after = self.verified.head;
        let unchecked = Unchecked::parse(bytes)?;
        let line = &unchecked.line;
        if line.trail.is_some() && line.format != Some(FORMAT) {
            return Err(Tampering::Format { found: line.format.unwrap_or(1) });
        }
        let follows = match &line.repaired {
            Some(repaired) if self.begins => {
                repaired.held == after.map_or(0, |head| head.number)
                    && line.number >= number_after(after)
            }
            _ => line.number == number_after(after),
        };
        if !follows {
            return Err(Tampering::Number { found: line.number });
        }
        let place = match after {
            Some(head) if !self.begins => Place::After(head.mac),
            _ if line.previous != after => return Err(Tampering::Beginning),
            _ => Place::Begins,
        };
        let head = unchecked.check(self.key, place)?;
        if line.torn.is_some() {
            self.verified.mended = self.verified.mended.saturating_add(1);
        }
        self.verified.repaired.extend(line.repaired.clone());
        (self.visit)(line);
        Ok(head)
    }
}

/// The number of the full file at `at`.
fn number_of(at: usize) -> u64 {
    (at as u64).saturating_add(1)
}
