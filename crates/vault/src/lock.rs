//! Locks that a panic elsewhere does not close.
//!
//! What is behind such a lock is whole between statements: a thread that panicked with the lock held
//! spoils nothing that others rely on, and a withdrawal of access must not fail for it.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The contents of `mutex`, also after a thread has panicked with them in hand.
///
/// # Example
///
/// ```
/// let counter = std::sync::Mutex::new(1);
/// *strongroom_vault::lock(&counter) += 1;
/// assert_eq!(*strongroom_vault::lock(&counter), 2);
/// ```
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    #[test]
    fn a_panic_with_the_lock_held_leaves_it_open_to_others() {
        let mutex = Mutex::new(1);
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let mut held = lock(&mutex);
            *held = 2;
            assert!(mutex.is_poisoned(), "it panics here");
        }));
        assert!(panicked.is_err() && mutex.is_poisoned());
        assert_eq!(*lock(&mutex), 2);
    }
}
