//! The files of a home.

use std::fs::{self, File, TryLockError};
use std::io::{self, BufReader, Read as _, Write as _};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;
use strongroom_files::{gives_no_locks, try_for_keys};

use super::HOME;
use crate::failure::Failure;
use crate::output::{Existing, Others, Output, Rules};
use crate::{platform, print};

/// Interval between attempts at a lock that another process holds.
const LOCK_INTERVAL: Duration = Duration::from_millis(20);

/// The longest wait for a restore that replaces the home.
const HOLD_WAIT: Duration = Duration::from_secs(60);

/// No file of a home that is read here is longer, in bytes.
const LONGEST: u64 = 8 << 20;

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Failure {
    let path = path.to_owned();
    move |source| Failure::HomeFile { doing, path, source }
}

/// Makes the directory of a home with its parents, private; it may be there. A new one is made where keys can
/// be kept only.
///
/// # Errors
///
/// [`Failure::HomeFile`], [`Failure::HomeExposed`], [`Failure::HomeFileSystem`].
pub(super) fn make_directory(path: &Path) -> Result<(), Failure> {
    let is_new = !path.exists();
    platform::create_private_directory(path).map_err(failed("create", path))?;
    if is_new && let Some(note) = platform::NO_PERMISSIONS {
        print::notice("note", note);
    }
    if is_new && let Err(failure) = require_fit(path) {
        // Empty again. Best effort.
        let _ = fs::remove_dir(path);
        return Err(failure);
    }
    require_private(path)
}

/// Refuses a directory whose file system lacks what keys need.
///
/// # Errors
///
/// [`Failure::HomeFileSystem`], [`Failure::HomeFile`].
pub(super) fn require_fit(path: &Path) -> Result<(), Failure> {
    try_for_keys(path)
        .map_err(failed("use", path))?
        .map_err(|lacking| Failure::HomeFileSystem { path: path.to_owned(), lacking })
}

/// Refuses a home that other users can reach.
///
/// # Errors
///
/// [`Failure::HomeExposed`], [`Failure::HomeFile`].
pub(super) fn require_private(path: &Path) -> Result<(), Failure> {
    let mode = platform::mode(&fs::metadata(path).map_err(failed("read", path))?);
    if mode & 0o077 != 0 {
        return Err(Failure::HomeExposed { path: path.to_owned(), mode });
    }
    Ok(())
}

/// Keeps other processes from changing the home until the file is dropped; waits for them, at most for `most`.
///
/// # Errors
///
/// [`Failure::HomeFile`], [`Failure::HomeLocked`].
pub(super) fn lock(path: &Path, most: Option<Duration>) -> Result<File, Failure> {
    let directory = platform::open_directory_lock(path).map_err(failed("lock", path))?;
    let Some(most) = most else {
        directory.lock().map_err(failed("lock", path))?;
        return Ok(directory);
    };
    let started = Instant::now();
    loop {
        match directory.try_lock() {
            Ok(()) => return Ok(directory),
            Err(TryLockError::Error(error)) => return Err(failed("lock", path)(error)),
            Err(TryLockError::WouldBlock) => wait_since(started, most, path)?,
        }
    }
}

/// Holds `home` as one of many, until what is returned is dropped: whoever [alone](hold_alone) may hold it waits for
/// that. `None` where there is no home, or there are no locks.
///
/// # Errors
///
/// [`Failure::HomeLocked`], [`Failure::HomeFile`].
pub(super) fn hold(home: &Path) -> Result<Option<File>, Failure> {
    match hold_by(home, HOLD_WAIT, File::try_lock_shared) {
        Err(Failure::HomeFile { source, .. }) if gives_no_locks(&source) => Ok(None),
        held => held,
    }
}

/// Holds `home` alone; `None` where there is none, so that no command can use it.
///
/// # Errors
///
/// [`Failure::HomeLocked`], [`Failure::HomeFile`].
pub(super) fn hold_alone(home: &Path, most: Duration) -> Result<Option<File>, Failure> {
    hold_by(home, most, File::try_lock)
}

fn hold_by(
    home: &Path,
    most: Duration,
    try_lock: impl Fn(&File) -> Result<(), TryLockError>,
) -> Result<Option<File>, Failure> {
    let (path, started) = (home.join(HOME), Instant::now());
    loop {
        let file = match strongroom_files::open_regular(&path) {
            // None, or what no command takes for a home.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::InvalidInput
                ) =>
            {
                return Ok(None);
            }
            file => file.map_err(failed("open", &path))?,
        };
        match try_lock(&file) {
            // The name may be another file's by now.
            Ok(()) if strongroom_files::is_at(&file, &path).unwrap_or(false) => {
                return Ok(Some(file));
            }
            Ok(()) => {}
            Err(TryLockError::Error(error)) => return Err(failed("lock", &path)(error)),
            Err(TryLockError::WouldBlock) => wait_since(started, most, home)?,
        }
    }
}

/// Waits a little for a lock of `home`, and no longer than `most` since `started`.
fn wait_since(started: Instant, most: Duration, home: &Path) -> Result<(), Failure> {
    let waited = started.elapsed();
    if waited >= most {
        return Err(Failure::HomeLocked { path: home.to_owned(), waited });
    }
    thread::sleep(LOCK_INTERVAL);
    Ok(())
}

/// Content of the file; `None` where there is none.
///
/// # Errors
///
/// [`Failure::HomeDamaged`], [`Failure::HomeFile`].
pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, Failure> {
    read_json_within(path, LONGEST)
}

/// The same of a file of at most `longest` bytes.
///
/// # Errors
///
/// Those of [`read_json`].
pub(super) fn read_json_within<T: DeserializeOwned>(
    path: &Path,
    longest: u64,
) -> Result<Option<T>, Failure> {
    let Some(file) = open_within(path, longest)? else { return Ok(None) };
    // Not all of it first: a file of holes takes memory for as long as it says that it is.
    match serde_json::from_reader(BufReader::new(file.take(longest))) {
        Err(error) if error.is_io() => Err(failed("read", path)(error.into())),
        Err(_) => Err(damaged(path, "it is not what was written there")),
        Ok(value) => Ok(Some(value)),
    }
}

/// The file, open to be read, of at most `longest` bytes; `None` where there is none.
fn open_within(path: &Path, longest: u64) -> Result<Option<File>, Failure> {
    if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        return Err(damaged(path, "it is not a file"));
    }
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(failed("read", path))?,
    };
    let found = file.metadata().map_err(failed("read", path))?;
    // A pipe in its place would be waited for.
    if !found.is_file() {
        return Err(damaged(path, "it is not a file"));
    }
    if found.len() > longest {
        return Err(damaged(path, "it is longer than what was written there"));
    }
    Ok(Some(file))
}

/// Replaces the file `to` by a copy of the file `from`, as a whole; false where there is none.
///
/// # Errors
///
/// [`Failure::HomeDamaged`], [`Failure::HomeFile`], and those of [`Output`].
pub(super) fn copy(from: &Path, to: &Path) -> Result<bool, Failure> {
    copy_within(from, to, LONGEST)
}

/// The same of a file of at most `longest` bytes.
///
/// # Errors
///
/// Those of [`copy`]; [`Failure::HomeDamaged`] of a longer one.
pub(super) fn copy_within(from: &Path, to: &Path, longest: u64) -> Result<bool, Failure> {
    let Some(file) = open_within(from, longest)? else { return Ok(false) };
    // It may grow.
    let mut file = file.take(longest);
    replace(to, |mut to, name| {
        let mut piece = vec![0; 64 << 10];
        loop {
            let count = file.read(&mut piece).map_err(failed("read", from))?;
            if count == 0 {
                return Ok(());
            }
            let written = to.write_all(&piece[..count]);
            written.map_err(|source| Failure::write(name.as_str(), source))?;
        }
    })?;
    Ok(true)
}

fn damaged(path: &Path, reason: &'static str) -> Failure {
    Failure::HomeDamaged { path: path.to_owned(), reason }
}

/// Replaces the file as a whole.
///
/// # Errors
///
/// Those of [`Output`].
pub(super) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), Failure> {
    replace(path, |mut file, name| {
        let text =
            serde_json::to_vec(value).map_err(|error| Failure::write(&name, error.into()))?;
        file.write_all(&text).map_err(|source| Failure::write(name, source))
    })
}

/// Replaces the file by what `write` writes, as a whole.
fn replace(
    path: &Path,
    write: impl FnOnce(&File, String) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let rules = Rules {
        existing: Existing::Replace,
        mode: 0o600,
        is_mode_asked_for: false,
        option: "--home",
        others: Others::Excluded, // by the home's lock, which is its directory's
    };
    let output = Output::of_home(path, rules)?;
    {
        let (file, name) = output.parts();
        write(file, name)?;
    }
    output.publish().map(drop)
}
