//! Waiting for other processes: said after a moment, and no longer than the user allows.

use std::fs::{File, TryLockError};
use std::io;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use strongroom_files::gives_no_locks;

use crate::failure::Failure;
use crate::print;

/// Time between two tries of a lock that another process holds, where the wait has an end.
const INTERVAL: Duration = Duration::from_millis(20);

/// Time for which a wait is silent.
const SILENT: Duration = Duration::from_secs(1);

/// Waits for the lock of `file`, which messages call `name`, at most as long as `most` says. It goes with the
/// file. A file system without locks gives none: false.
///
/// # Errors
///
/// [`Failure::Waited`] when another process holds it for longer; [`Failure::Lock`] when the system refuses.
pub(crate) fn lock(file: &File, name: &str, most: Option<Duration>) -> Result<bool, Failure> {
    let refused = |source| Failure::Lock { name: name.to_owned(), source };
    match (file.try_lock(), most) {
        (Ok(()), _) => Ok(true),
        (Err(TryLockError::Error(error)), _) if gives_no_locks(&error) => Ok(false),
        (Err(TryLockError::Error(error)), _) => Err(refused(error)),
        (Err(TryLockError::WouldBlock), None) => wait(file, name).map(|()| true).map_err(refused),
        (Err(TryLockError::WouldBlock), Some(most)) => try_until(file, name, most).map(|()| true),
    }
}

/// Waits in the queue of the system, and says so after a moment.
fn wait(file: &File, name: &str) -> io::Result<()> {
    thread::scope(|scope| {
        let (locked, waits) = mpsc::channel::<()>();
        let say = move || {
            if waits.recv_timeout(SILENT) == Err(RecvTimeoutError::Timeout) {
                say_waiting(name);
            }
        };
        // Where there is no thread left, nothing is said.
        let _ = thread::Builder::new().spawn_scoped(scope, say);
        let done = file.lock();
        drop(locked);
        done
    })
}

/// Tries again and again: the system's queue has no end.
fn try_until(file: &File, name: &str, most: Duration) -> Result<(), Failure> {
    let (started, mut said) = (Instant::now(), false);
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(source)) => {
                return Err(Failure::Lock { name: name.to_owned(), source });
            }
            Err(TryLockError::WouldBlock) => {}
        }
        let waited = started.elapsed();
        if waited >= most {
            return Err(Failure::Waited { name: name.to_owned(), waited });
        }
        if !said && waited >= SILENT {
            say_waiting(name);
            said = true;
        }
        thread::sleep(INTERVAL);
    }
}

fn say_waiting(name: &str) {
    print::notice("note", &format!("waiting for another command that holds the lock of {name}"));
}
