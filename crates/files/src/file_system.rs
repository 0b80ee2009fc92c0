//! The file systems that vaults, states and documents live on: what is needed of them, and the substitutes for
//! what is not there. `docs/file-systems.md` has the table.
//!
//! ```text
//! a file that replaces nothing    a hard link, else a rename with RENAME_NOREPLACE
//! a temporary file's name         .[TARGET].strongroom-tmp-HOST-BOOT-SPACE-PROCESS-RANDOM
//! ```
//!
//! The name identifies the writer of the file: locks may hold for one host only, and a process's number means
//! nothing in another container. What is not provably a dead writer's stays.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::Path;

use crate::platform;

/// Prefix of the writer in a temporary file's name.
pub const MARK: &str = ".strongroom-tmp-";

/// Bytes of the target's name that go into a temporary one: a name has at most 255 bytes.
const LONGEST_STEM: usize = 170;

/// The permission bits of everyone but the owner.
const OTHERS: u32 = 0o077;

/// The writer of a temporary file, as its name has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Writer {
    host: u32,
    boot: u64,
    /// The processes' name space: their numbers mean something within it.
    space: u32,
    process: u32,
}

/// Distance of a writer from this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Distance {
    /// Under this kernel: its locks are seen here.
    ThisBoot,
    /// This host, before it was started anew.
    EarlierBoot,
    /// Another host, or nobody knows.
    Elsewhere,
}

impl Writer {
    fn this() -> Self {
        let (boot, space) = platform::boot();
        let host = fnv(platform::host().as_bytes());
        Self { host, boot, space, process: std::process::id() }
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let mut part = |digits| {
            let part = parts.next().filter(|part| part.len() == digits)?;
            let lower = part.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase());
            u64::from_str_radix(part, 16).ok().filter(|_| lower)
        };
        let (host, boot, space, process) = (part(8)?, part(16)?, part(8)?, part(8)?);
        part(16)?; // random
        let narrow = |number| u32::try_from(number).ok();
        let writer =
            Self { host: narrow(host)?, boot, space: narrow(space)?, process: narrow(process)? };
        parts.next().is_none().then_some(writer)
    }

    fn distance(self) -> Distance {
        let this = Self::this();
        match self {
            Self { boot, .. } if boot == this.boot && boot != 0 => Distance::ThisBoot,
            Self { host, .. } if host == this.host => Distance::EarlierBoot,
            _ => Distance::Elsewhere,
        }
    }

    /// True where it is known to have ended, for use where locks show nothing.
    fn has_ended(self) -> bool {
        match self.distance() {
            // Where no start is known, all have the same.
            Distance::EarlierBoot => self.boot != Self::this().boot,
            Distance::ThisBoot if self.space == Self::this().space => {
                platform::has_ended(self.process)
            }
            _ => false,
        }
    }
}

/// FNV-1a, to distinguish hosts; not a cryptographic hash.
fn fnv(bytes: &[u8]) -> u32 {
    let step = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    bytes.iter().fold(0x811C_9DC5, step)
}

/// A fresh name for a file that is to get the name `target` (which may be empty) in the same directory.
///
/// # Errors
///
/// The system gives no random bytes.
pub fn temporary_name(target: &OsStr) -> io::Result<OsString> {
    let random = getrandom::u64().map_err(|_| io::Error::other("there are no random bytes"))?;
    let stem = target.to_string_lossy();
    let ends = stem.char_indices().map(|(at, char)| at + char.len_utf8());
    let end = ends.take_while(|end| *end <= LONGEST_STEM).last().unwrap_or(0);
    let stem = stem.get(..end).unwrap_or_default();
    let dot = if stem.is_empty() { "" } else { "." };
    let Writer { host, boot, space, process } = Writer::this();
    let writer = format!("{host:08x}-{boot:016x}-{space:08x}-{process:08x}-{random:016x}");
    Ok(OsString::from(format!("{dot}{stem}{MARK}{writer}")))
}

/// The writer of the file `name`, where that is one of [`temporary_name`]'s.
fn writer(name: &OsStr) -> Option<Writer> {
    let name = name.to_str().filter(|name| name.starts_with('.'))?;
    Writer::parse(name.rsplit_once(MARK)?.1)
}

/// True where `name` is one of [`temporary_name`]'s: a file of that name is removed once its writer has ended.
#[must_use]
pub fn is_temporary_name(name: &OsStr) -> bool {
    writer(name).is_some()
}

/// Removes from `directory` the temporary files of writers that have ended. Best effort: a directory that
/// cannot be listed, or a file that cannot be removed, does not stop the work at hand.
pub fn sweep(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        if let Some(writer) = writer(&entry.file_name()) {
            remove_abandoned(&entry.path(), writer);
        }
    }
}

/// Removes the plain file `path` if `writer` has ended. Its lock is held meanwhile, so that a writer that is
/// just beginning sees it.
fn remove_abandoned(path: &Path, writer: Writer) {
    let Ok(file) = platform::open_to_lock(path) else { return };
    if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
        return;
    }
    let ended = match file.try_lock() {
        Ok(()) => writer.distance() != Distance::Elsewhere || platform::is_of_one_host(&file),
        Err(TryLockError::WouldBlock) => false,
        Err(TryLockError::Error(_)) => writer.has_ended(),
    };
    if ended {
        let _ = fs::remove_file(path);
    }
}

/// True where a writer of the file or directory `path` may be alive on another host, whose locks are not seen
/// here. Whoever asks holds the lock that writers of this host take.
#[must_use]
pub fn may_be_written_elsewhere(path: &Path) -> bool {
    let near = path.file_name().and_then(writer).map(Writer::distance);
    let elsewhere = near.is_none_or(|distance| distance == Distance::Elsewhere);
    elsewhere && !File::open(path).is_ok_and(|file| platform::is_of_one_host(&file))
}

/// Gives the file `from` the name `to` unless that is taken; whether it was free. `from` may be gone then.
///
/// # Errors
///
/// Those of the system; of the kind `Unsupported` where there are neither hard links nor renames that replace
/// nothing.
pub fn name_unless_taken(from: &Path, to: &Path) -> io::Result<bool> {
    match fs::hard_link(from, to) {
        Ok(()) => return Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
        Err(error) if !platform::is_not_there(&error) => return Err(error),
        Err(_) => {}
    }
    match platform::rename_unless_taken(from, to) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) if platform::is_not_there(&error) => Err(io::ErrorKind::Unsupported.into()),
        Err(error) => Err(error),
    }
}

/// Property that keys need and a file system lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lacking {
    /// Permission bits that stay as they are set.
    #[error("does not keep permissions: other users could read the keys")]
    Permissions,
    /// Hard links, or renames that replace nothing.
    #[error(
        "has neither hard links nor renames that replace nothing: one key could take another's place"
    )]
    Names,
    /// Locks, for this host's processes at least.
    #[error("has no locks: two processes could change the same file at once")]
    Locks,
    /// Directories that can be synced.
    #[error("does not sync directories: a key could be lost in a power cut")]
    DirectorySync,
}

/// Tries in the private directory `path`, which its owner alone uses, what keys need.
///
/// # Errors
///
/// The inner one says what is lacking; the outer one is any other failure of the system.
///
/// # Example
///
/// ```
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path();
/// # #[cfg(unix)]
/// # std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
/// assert_eq!(strongroom_files::try_for_keys(path)?, Ok(()));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn try_for_keys(path: &Path) -> io::Result<Result<(), Lacking>> {
    let is_private =
        |path: &Path| fs::metadata(path).map(|metadata| platform::mode(&metadata) & OTHERS == 0);
    let files = [(); 3].map(|()| temporary_name(OsStr::new("")).map(|name| path.join(name)));
    let [first, second, name] = files;
    let (first, second, name) = (first?, second?, name?);
    let tried = (|| {
        for file in [&first, &second] {
            let mut file = platform::create_private(file)?;
            file.write_all(b"a try")?;
            if file.try_lock().is_err() {
                return Ok(Err(Lacking::Locks));
            }
        }
        if !is_private(path)? || !is_private(&first)? {
            return Ok(Err(Lacking::Permissions));
        }
        match (name_unless_taken(&first, &name), name_unless_taken(&second, &name)) {
            (Ok(true), Ok(false)) => {}
            // One that replaced the other all the same.
            (Ok(_), Ok(_)) => return Ok(Err(Lacking::Names)),
            (Err(error), _) | (_, Err(error)) if error.kind() == io::ErrorKind::Unsupported => {
                return Ok(Err(Lacking::Names));
            }
            (Err(error), _) | (_, Err(error)) => return Err(error),
        }
        match platform::sync_directory(path) {
            Err(error) if platform::is_not_there(&error) => Ok(Err(Lacking::DirectorySync)),
            synced => synced.map(Ok),
        }
    })();
    for file in [first, second, name] {
        let _ = fs::remove_file(file);
    }
    tried
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs::OpenOptions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn name(writer: Writer) -> OsString {
        let Writer { host, boot, space, process } = writer;
        let writer = format!("{host:08x}-{boot:016x}-{space:08x}-{process:08x}-{:016x}", 7);
        OsString::from(format!(".target{MARK}{writer}"))
    }

    #[test]
    fn a_name_tells_its_writer_and_fits() {
        let this = Writer::this();
        assert_eq!(this.distance(), Distance::ThisBoot);
        assert!(!this.has_ended());
        for target in ["", "target", &"n".repeat(255), &"ü".repeat(127)] {
            let name = temporary_name(OsStr::new(target)).unwrap();
            assert!(name.len() <= 255);
            assert_eq!(writer(&name), Some(this), "{name:?}");
        }
        for wrong in ["x", ".target.strongroom-tmp-0123456789abcdef", ".x.strongroom-tmp-0-0-0-0-0"]
        {
            assert_eq!(writer(OsStr::new(wrong)), None);
        }
        let longer = format!("{}-0", name(this).to_str().unwrap());
        assert_eq!(writer(OsStr::new(&longer)), None);
        assert_eq!(writer(OsStr::new(&name(this).to_str().unwrap().to_uppercase())), None);
    }

    /// Checks that a dead process and an earlier start of this host show an ended writer, where locks show
    /// nothing.
    #[test]
    fn who_has_ended() {
        let this = Writer::this();
        let dead = std::process::Command::new("true").spawn().and_then(|mut child| {
            child.wait()?;
            Ok(child.id())
        });
        let dead = Writer { process: dead.unwrap(), ..this };
        assert!(dead.has_ended());
        assert!(!Writer { space: 1, ..dead }.has_ended(), "a number of another container");
        assert!(Writer { boot: 1, ..this }.has_ended());
        assert!(!Writer { boot: 1, host: 1, ..dead }.has_ended(), "another host");
    }

    #[test]
    fn a_dead_writers_file_is_swept_and_a_live_ones_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let this = Writer::this();
        let at = |writer| directory.path().join(name(writer));
        let (dead, live) = (at(Writer { boot: 1, ..this }), at(this));
        for path in [&dead, &live] {
            fs::write(path, b"plaintext").unwrap();
        }
        let held = OpenOptions::new().write(true).open(&live).unwrap();
        held.lock().unwrap();
        let someones = directory.path().join(".target.strongroom-tmp-0123456789abcdef");
        fs::write(&someones, b"someone's").unwrap();
        sweep(directory.path());
        assert!(!dead.exists() && live.exists() && someones.exists());
        drop(held);
        sweep(directory.path());
        assert!(!live.exists() && someones.exists());
    }

    #[test]
    fn a_name_is_given_once() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("from"), b"1").unwrap();
        fs::write(at("other"), b"2").unwrap();
        assert!(name_unless_taken(&at("from"), &at("to")).unwrap());
        assert!(!name_unless_taken(&at("other"), &at("to")).unwrap());
        let taken = platform::rename_unless_taken(&at("other"), &at("to")).unwrap_err();
        assert_eq!(taken.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(at("to")).unwrap(), b"1");
        assert!(name_unless_taken(&at("none"), &at("new")).is_err());
    }

    #[test]
    fn a_directory_that_others_reach_is_not_for_keys() {
        let directory = tempfile::tempdir().unwrap();
        let set = |mode| fs::set_permissions(directory.path(), fs::Permissions::from_mode(mode));
        set(0o755).unwrap();
        assert_eq!(try_for_keys(directory.path()).unwrap(), Err(Lacking::Permissions));
        set(0o700).unwrap();
        assert_eq!(try_for_keys(directory.path()).unwrap(), Ok(()));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
