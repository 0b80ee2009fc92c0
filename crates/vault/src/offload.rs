//! Work that blocks: on threads of its own in a host with an async runtime, in place in one without.

use std::cell::Cell;
use std::future::Future;

thread_local! {
    static IN_PLACE: Cell<bool> = const { Cell::new(false) };
}

/// Runs `future` to its end on this thread and starts no other: what blocks, such as reading a
/// vault in a directory or a state's file, is done in place. For hosts without an async
/// runtime, also where the system allows them no further thread.
///
/// Work in place cannot be given up: a time limit does not cut off the answer of a vault that blocks.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use strongroom_vault::block_on;
/// use strongroom_vault::clock::{Clock, SystemClock};
///
/// let before = SystemClock.elapsed();
/// block_on(SystemClock.sleep(Duration::from_millis(2)));
/// assert!(SystemClock.elapsed() > before);
/// ```
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let _restored = Restored(IN_PLACE.replace(true));
    futures_lite::future::block_on(future)
}

/// Sets the thread's mark back, also where the future panics.
struct Restored(bool);

impl Drop for Restored {
    fn drop(&mut self) {
        IN_PLACE.set(self.0);
    }
}

/// True where the current future runs under [`block_on`].
pub(crate) fn in_place() -> bool {
    IN_PLACE.get()
}

/// Does `work`, which may block: on a thread of its own, or in place under [`block_on`]. For vaults and stores
/// whose calls block.
///
/// # Example
///
/// ```
/// let read = strongroom_vault::unblock(|| std::fs::read("Cargo.toml"));
/// assert!(!strongroom_vault::block_on(read)?.is_empty());
/// # Ok::<(), std::io::Error>(())
/// ```
pub async fn unblock<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    if in_place() { work() } else { blocking::unblock(work).await }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::clock::{Clock as _, SystemClock};

    #[test]
    fn work_that_blocks_stays_on_the_thread_of_block_on_and_leaves_any_other() {
        let here = thread::current().id();
        let there = || unblock(|| thread::current().id());
        assert_eq!(block_on(there()), here);
        // One within another, as a callback does, and a panic.
        assert_eq!(block_on(async { (block_on(there()), there().await) }), (here, here));
        assert!(catch_unwind(AssertUnwindSafe(|| block_on(async { panic!("planned") }))).is_err());
        assert_ne!(futures_lite::future::block_on(there()), here);
        block_on(SystemClock.sleep(Duration::from_millis(1)));
    }
}
