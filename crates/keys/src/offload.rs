//! Work that blocks: on threads of its own in a host with an async runtime, in place in one without.

use std::cell::Cell;
use std::future::Future;

thread_local! {
    static IN_PLACE: Cell<bool> = const { Cell::new(false) };
}

/// Runs `future` to its end on this thread and starts no other: what blocks, such as reading a
/// [`LocalVault`](crate::LocalVault) or a state's file, is done in place. For hosts without an async
/// runtime, also where the system allows them no further thread.
///
/// Work in place cannot be given up: `request_timeout` does not cut off a local vault's answer here.
///
/// # Example
///
/// ```
/// use strongroom_keys::LocalVault;
/// use strongroom_keys::vault::{KeyName, Vault};
///
/// # let directory = tempfile::tempdir()?;
/// let vault = LocalVault::init(&directory.path().join("vault"))?;
/// vault.create("invoices")?;
/// let newest = strongroom_keys::block_on(vault.newest(&KeyName::new("invoices")?))?;
/// assert_eq!(newest.id.name().as_str(), "invoices");
/// # Ok::<(), Box<dyn std::error::Error>>(())
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

/// Does `work`, which may block.
pub(crate) async fn unblock<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
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
