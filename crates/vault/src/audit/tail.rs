//! The files of a trail, and the end of one: all that a writer needs to know.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use strongroom::document::ReadAt as _;

use super::chain::{AuditKey, Head};
use super::error::{AuditError, Tampering};
use super::line::{LONGEST_LINE, Place, Unchecked, split_mac};

/// The permission bits that let others write.
const OTHERS_WRITE: u32 = 0o022;

/// Mode in which the current file is opened and locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// To append; it is made where it is missing.
    Append,
    /// To read.
    Read,
}

/// The trail's current file, locked until it is dropped; `None` where there is none to read.
pub(super) fn open_locked(path: &Path, access: Access) -> Result<Option<File>, AuditError> {
    let append = access == Access::Append;
    loop {
        let opened = if append {
            strongroom_files::open_to_append(path)
        } else {
            strongroom_files::open_regular(path)
        };
        let file = match opened {
            Err(error) if is_of_no_file(&error) => return Err(not_a_file(path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound && !append => return Ok(None),
            opened => opened.map_err(AuditError::io("open", path))?,
        };
        let lock = if append { file.lock() } else { file.lock_shared() };
        lock.map_err(AuditError::io("lock", path))?;
        let metadata = file.metadata().map_err(AuditError::io("read", path))?;
        // Another process may have renamed it while this one waited.
        match strongroom_files::is_at(&file, path) {
            Ok(true) => {}
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(AuditError::io("read", path)(error));
            }
            _ => continue,
        }
        if !metadata.is_file() {
            return Err(not_a_file(path));
        }
        let mode = strongroom_files::mode(&metadata);
        if append && mode & OTHERS_WRITE != 0 {
            return Err(AuditError::Exposed { path: path.to_owned(), mode });
        }
        return Ok(Some(file));
    }
}

/// True of the refusal to open what is not a file.
pub(super) fn is_of_no_file(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::IsADirectory)
}

pub(super) fn not_a_file(path: &Path) -> AuditError {
    let reason = "is not a file; move it away";
    AuditError::Damaged { path: path.to_owned(), reason }
}

/// The directory that the trail is in.
pub(super) fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The name of the full file `number` of the trail.
pub(super) fn full_file(path: &Path, number: u64) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

/// The numbers of the trail's full files, from the oldest.
pub(super) fn full_files(path: &Path) -> Result<Vec<u64>, AuditError> {
    let directory = directory(path);
    let prefix = path.file_name().map(OsStr::as_encoded_bytes).unwrap_or_default();
    let mut numbers = Vec::new();
    let entries = fs::read_dir(directory).map_err(AuditError::io("list", directory))?;
    for entry in entries {
        let name = entry.map_err(AuditError::io("list", directory))?.file_name();
        let number = name.as_encoded_bytes().strip_prefix(prefix).and_then(|rest| {
            let digits = std::str::from_utf8(rest.strip_prefix(b".")?).ok()?;
            digits.parse().ok().filter(|number: &u64| number.to_string() == digits)
        });
        numbers.extend(number);
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// The files of a trail at one moment: lines are only added to the current file, nothing to the full ones.
#[derive(Debug)]
pub(super) struct Moment {
    /// The numbers of the full files.
    pub(super) full: Vec<u64>,
    /// The current file, and its length by then.
    pub(super) current: Option<(File, u64)>,
    /// The current file's lock: while it is held nobody adds a line, or renames the file.
    pub(super) locked: Option<File>,
}

impl Moment {
    /// This moment of the trail `path`.
    pub(super) fn of(path: &Path) -> Result<Self, AuditError> {
        let locked = open_locked(path, Access::Read)?;
        let full = full_files(path)?;
        // It is read when its lock is gone.
        let open = |_| {
            let file =
                strongroom_files::open_regular(path).map_err(AuditError::io("open", path))?;
            let length = file.metadata().map_err(AuditError::io("read", path))?.len();
            Ok((file, length))
        };
        let current = locked.as_ref().map(open).transpose()?;
        Ok(Self { full, current, locked })
    }
}

/// The end of a file.
#[derive(Debug)]
pub(super) struct Tail {
    /// The last whole line; `None` where there is none.
    pub(super) head: Option<Head>,
    /// The line before, where it is in the same file.
    pub(super) before: Option<Head>,
    /// Bytes that a crash left after it.
    pub(super) torn: Vec<u8>,
    /// The file's length.
    pub(super) length: u64,
}

impl Tail {
    /// Reads the end of `file` and checks its last line: whoever writes on with the wrong key, or
    /// after a line that somebody else made, would spoil the trail.
    pub(super) fn read(file: &File, path: &Path, key: &AuditKey) -> Result<Self, AuditError> {
        let wrong = |found| AuditError::End { path: path.to_owned(), found };
        let length = file.metadata().map_err(AuditError::io("read", path))?.len();
        // A torn line, the last one, and the one before, which has the mac that the last is chained to.
        let wanted = length.min(3 * LONGEST_LINE as u64);
        let mut bytes = vec![0; usize::try_from(wanted).unwrap_or(0)];
        let start = length.saturating_sub(wanted);
        file.read_exact_at(&mut bytes, start).map_err(AuditError::io("read", path))?;

        let end =
            bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at.saturating_add(1));
        let torn = bytes.split_off(end);
        if torn.len() > LONGEST_LINE {
            return Err(wrong(Tampering::TooLong));
        }
        let Some((_, whole)) = bytes.split_last() else {
            return Ok(Self { head: None, before: None, torn, length });
        };
        let mut lines = whole.rsplit(|byte| *byte == b'\n');
        let last = lines.next().unwrap_or_default();
        if last.len() >= LONGEST_LINE {
            return Err(wrong(Tampering::TooLong));
        }
        let last = Unchecked::parse(last).map_err(wrong)?;
        let before = match lines.next() {
            None => None,
            Some(line) => {
                let (_, mac) = split_mac(line).ok_or_else(|| wrong(Tampering::Unreadable))?;
                Some(Head { number: last.line.number.saturating_sub(1), mac })
            }
        };
        let place = before.map_or(Place::Begins, |before| Place::After(before.mac));
        let head = Some(last.check(key, place).map_err(wrong)?);
        Ok(Self { head, before, torn, length })
    }
}

/// The last line of the trail's newest full file; `None` where no file is full yet.
pub(super) fn head_of_full_files(path: &Path, key: &AuditKey) -> Result<Option<Head>, AuditError> {
    let Some(newest) = full_files(path)?.pop() else { return Ok(None) };
    let path = full_file(path, newest);
    let file = strongroom_files::open_regular(&path).map_err(AuditError::io("open", &path))?;
    let tail = Tail::read(&file, &path, key)?;
    match tail.head {
        Some(head) if tail.torn.is_empty() => Ok(Some(head)),
        // A file is mended before it is renamed.
        _ => Err(AuditError::End { path, found: Tampering::Unreadable }),
    }
}
