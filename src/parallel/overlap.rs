//! Computing and waiting for input and output at the same time.

use crate::error::Error;
#[cfg(feature = "parallel")]
use crate::threads;

/// Runs `compute` on a thread of rayon's current pool while `transfer` reads and writes on this one; one
/// after the other where there is no pool.
#[cfg(feature = "parallel")]
pub(crate) fn overlap<T>(
    compute: impl FnOnce() -> Result<(), Error> + Send,
    transfer: impl FnOnce() -> T,
) -> (Result<(), Error>, T) {
    if !threads::are_there() {
        let computed = compute();
        return (computed, transfer());
    }
    let mut computed = Ok(());
    let transferred = rayon::in_place_scope(|scope| {
        scope.spawn(|_| computed = compute());
        transfer()
    });
    (computed, transferred)
}

/// Runs one after the other, without other threads.
#[cfg(not(feature = "parallel"))]
pub(crate) fn overlap<T>(
    compute: impl FnOnce() -> Result<(), Error>,
    transfer: impl FnOnce() -> T,
) -> (Result<(), Error>, T) {
    let computed = compute();
    (computed, transfer())
}

#[cfg(all(test, feature = "parallel"))]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Each side waits for the other: one after the other they would wait for ever.
    #[test]
    fn both_sides_run_at_once() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        let (to_compute, from_transfer) = mpsc::channel();
        let (to_transfer, from_compute) = mpsc::channel();
        let (computed, transferred) = pool.install(move || {
            overlap(
                move || {
                    to_transfer.send(1).unwrap();
                    from_transfer.recv().map_err(|_| Error::Fault).map(|_: i32| ())
                },
                move || {
                    to_compute.send(2).unwrap();
                    from_compute.recv().unwrap()
                },
            )
        });
        assert!(computed.is_ok());
        assert_eq!(transferred, 1);
    }

    #[test]
    fn an_error_is_handed_back_and_one_thread_is_enough() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let (computed, transferred) = pool.install(|| overlap(|| Err(Error::Fault), || 7));
        assert!(matches!(computed, Err(Error::Fault)));
        assert_eq!(transferred, 7);
    }
}
