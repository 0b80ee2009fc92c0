//! Reading a trail and checking all of it, in memory that does not grow with it.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read};
use std::path::Path;

use super::chain::{AuditKey, Head};
use super::error::{AuditError, Tampering};
use super::line::{AuditLine, LONGEST_LINE, Place, Torn, Unchecked, number_after};
use super::tail::{self, Access};

/// A trail that holds, from its first line to its last.
///
/// # Example
///
/// ```
/// use strongroom_keys::audit::{AuditKey, verify};
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
    /// Number of lines.
    pub lines: u64,
    /// The last one.
    pub head: Option<Head>,
    /// Number of lines that stand in the place of a torn one.
    pub mended: u64,
    /// The torn line that a crash left at the end, which the next event's writer will mend.
    pub torn: Option<Torn>,
    /// Number of files.
    pub files: u64,
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
/// use strongroom_keys::audit::{AuditError, AuditKey, Head, verify};
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
    // What there is at this moment: lines are only added to the current file, nothing to the full ones.
    let locked = tail::open_locked(path, Access::Read)?;
    let full = tail::full_files(path)?;
    let current = match &locked {
        Some(file) => {
            let length = file.metadata().map_err(AuditError::io("read", path))?.len();
            // It is read when its lock is gone, and while the lock is held nobody renames it.
            Some(File::open(path).map_err(AuditError::io("open", path))?.take(length))
        }
        None if full.is_empty() && anchor.is_none() => {
            return Err(AuditError::Missing { path: path.to_owned() });
        }
        None => None,
    };
    drop(locked);

    let mut check = Check { key, anchor, visit, verified: Verified::default() };
    for (number, expected) in full.into_iter().zip(1..) {
        let path = tail::full_file(path, expected);
        if number != expected {
            return Err(AuditError::Missing { path });
        }
        let file = File::open(&path).map_err(AuditError::io("open", &path))?;
        if check.file(&path, file)?.is_some() {
            // A file is mended before it is renamed.
            return Err(check.tampered(&path, Tampering::Unreadable));
        }
    }
    if let Some(file) = current {
        check.verified.torn = check.file(path, file)?;
    }
    let verified = check.verified;
    match anchor {
        Some(kept) if kept.number > verified.lines => {
            Err(AuditError::Truncated { path: path.to_owned(), kept, found: verified.lines })
        }
        _ => Ok(verified),
    }
}

/// State of a verification.
struct Check<'a> {
    key: &'a AuditKey,
    anchor: Option<Head>,
    visit: &'a mut dyn FnMut(&AuditLine),
    verified: Verified,
}

impl Check<'_> {
    fn tampered(&self, path: &Path, found: Tampering) -> AuditError {
        let line = number_after(self.verified.head);
        AuditError::Tampered { path: path.to_owned(), line, found }
    }

    /// Checks the lines of one file; what is torn at its end.
    fn file(&mut self, path: &Path, contents: impl Read) -> Result<Option<Torn>, AuditError> {
        self.verified.files = self.verified.files.saturating_add(1);
        let mut reader = BufReader::with_capacity(64 * 1024, contents);
        let mut line = Vec::with_capacity(LONGEST_LINE.saturating_add(1));
        let mut begins = true;
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
            let head = self.line(whole, begins).map_err(|found| self.tampered(path, found))?;
            if let Some(kept) =
                self.anchor.filter(|kept| kept.number == head.number && *kept != head)
            {
                return Err(AuditError::Replaced { path: path.to_owned(), kept });
            }
            self.verified.head = Some(head);
            self.verified.lines = head.number;
            begins = false;
        }
    }

    /// Checks one line.
    fn line(&mut self, bytes: &[u8], begins: bool) -> Result<Head, Tampering> {
        let after = self.verified.head;
        let unchecked = Unchecked::parse(bytes)?;
        let found = unchecked.line.number;
        if found != number_after(after) {
            return Err(Tampering::Number { found });
        }
        let place = match after {
            Some(head) if !begins => Place::After(head.mac),
            _ if unchecked.line.previous != after => return Err(Tampering::Beginning),
            _ => Place::Begins,
        };
        let head = unchecked.check(self.key, place)?;
        if unchecked.line.torn.is_some() {
            self.verified.mended = self.verified.mended.saturating_add(1);
        }
        (self.visit)(&unchecked.line);
        Ok(head)
    }
}
