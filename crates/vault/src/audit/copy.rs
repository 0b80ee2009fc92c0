//! A copy of a trail as it is at one moment, while others write to it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::path::Path;

use super::chain::Head;
use super::error::AuditError;
use super::json_lines::JsonLines;
use super::tail::{self, Moment};
use super::verify::{Verified, verify};

impl JsonLines {
    /// Copies the trail to the file `to`, and its full files to that name with their numbers, as it is at one moment:
    /// writers wait until the files are open, and not for the copying. Both are verified: the trail from its first
    /// line to the line that its head store keeps, and the copy. It blocks this thread.
    ///
    /// # Errors
    ///
    /// Those of [`JsonLines::verify`], also where the trail lacks the line that is kept; [`AuditError::File`] where the
    /// copy cannot be written, as where there is a file of its name.
    ///
    /// # Example
    ///
    /// ```
    /// use strongroom_vault::audit::{AuditEvent, AuditKey, AuditResult, JsonLines};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let (path, copy) = (directory.path().join("audit.jsonl"), directory.path().join("copy.jsonl"));
    /// let trail = JsonLines::new(&path, &AuditKey::new(&[7; 32]));
    /// trail.record_blocking(&AuditEvent::new("refresh", AuditResult::Done))?;
    /// assert_eq!(trail.copy_to(&copy)?.lines, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn copy_to(&self, to: &Path) -> Result<Verified, AuditError> {
        let path = self.path();
        let kept = self.kept_head()?;
        self.verify(kept)?;
        let Moment { full, current, locked } = Moment::of(path)?;
        drop(locked);
        for number in full {
            let (from, to) = (tail::full_file(path, number), tail::full_file(to, number));
            let file =
                strongroom_files::open_regular(&from).map_err(AuditError::io("open", &from))?;
            copy(&file, None, &to)?;
        }
        if let Some((file, length)) = current {
            copy(&file, Some(length), to)?;
        }
        let directory = tail::directory(to);
        strongroom_files::sync_directory(directory).map_err(AuditError::io("sync", directory))?;
        verify(to, &self.trail().key, kept)
    }

    fn kept_head(&self) -> Result<Option<Head>, AuditError> {
        self.trail().head_store.as_ref().map_or(Ok(None), |store| store.load())
    }
}

/// Writes the first `length` bytes of `from`, or all, to the new private file `to`.
fn copy(from: &File, length: Option<u64>, to: &Path) -> Result<(), AuditError> {
    let mut options = OpenOptions::new();
    strongroom_files::private(options.write(true).create_new(true))
        .open(to)
        .and_then(|mut new| {
            let copied = io::copy(&mut from.take(length.unwrap_or(u64::MAX)), &mut new)?;
            if length.is_some_and(|length| length != copied) {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            new.sync_all()
        })
        .map_err(AuditError::io("write", to))
}
