//! Signals that would end the process before it has undone something.

use std::fs;
use std::io::{self, Read as _};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::{flag, low_level};

/// Work to do before a signal ends the process.
type Undo = Box<dyn FnOnce() + Send>;

/// The watch over signals that end the process.
struct Watch {
    /// True where a signal ends the process at once.
    at_once: Arc<AtomicBool>,
    undo: Arc<Mutex<Option<Undo>>>,
}

static WATCH: OnceLock<Option<Watch>> = OnceLock::new();

/// Something that is undone before a signal ends the process, until this is dropped.
pub(super) struct Undone(&'static Watch);

impl Drop for Undone {
    fn drop(&mut self) {
        self.0.at_once.store(true, Ordering::SeqCst);
        self.0.set(None);
    }
}

/// Has `undo` done where one of the signals that ask the process to end comes, before it ends as it would have;
/// `None` where the system does not allow it.
pub(super) fn undo_before_end(undo: impl FnOnce() + Send + 'static) -> Option<Undone> {
    let watch = WATCH.get_or_init(|| Watch::start().ok()).as_ref()?;
    watch.set(Some(Box::new(undo)));
    watch.at_once.store(false, Ordering::SeqCst);
    Some(Undone(watch))
}

impl Watch {
    fn set(&self, undo: Option<Undo>) {
        *self.undo.lock().unwrap_or_else(PoisonError::into_inner) = undo;
    }

    /// Listens to the signals in a thread that stays: a handler cannot be taken away again.
    fn start() -> io::Result<Self> {
        let (mut wake, waker) = UnixStream::pair()?;
        let at_once = Arc::new(AtomicBool::new(true));
        let last = Arc::new(AtomicUsize::new(0));
        for signal in [SIGTERM, SIGHUP, SIGINT, SIGQUIT] {
            if is_ignored(signal) {
                continue;
            }
            let number = usize::try_from(signal).map_err(io::Error::other)?;
            flag::register_conditional_default(signal, Arc::clone(&at_once))?;
            flag::register_usize(signal, Arc::clone(&last), number)?;
            low_level::pipe::register(signal, waker.try_clone()?)?;
        }
        let undo: Arc<Mutex<Option<Undo>>> = Arc::default();
        let of_thread = Arc::clone(&undo);
        thread::Builder::new().spawn(move || {
            // A pipe that fails is as good as a signal: there is nothing to wait for.
            while wake.read_exact(&mut [0]).is_ok() {
                let undo = of_thread.lock().unwrap_or_else(PoisonError::into_inner).take();
                if let Some(undo) = undo {
                    undo();
                }
                if let Ok(signal) = i32::try_from(last.load(Ordering::SeqCst)) {
                    let _ = low_level::emulate_default_handler(signal);
                }
            }
        })?;
        Ok(Self { at_once, undo })
    }
}

/// True where this process was started to ignore `signal`, as `nohup` starts it. Where the system does not show it,
/// every signal but the one that nobody ignores may be.
fn is_ignored(signal: i32) -> bool {
    let mask = fs::read_to_string("/proc/self/status").ok().and_then(|status| {
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
        u64::from_str_radix(mask.trim(), 16).ok()
    });
    mask.map_or(signal != SIGTERM, |mask| mask >> (signal - 1) & 1 == 1)
}
