//! The threads of rayon's current pool, which the system may refuse.

use core::error::Error as _;
use std::sync::OnceLock;

/// True where there are threads to hand work to: those of the pool that this one belongs to, else of rayon's
/// global pool. Rayon would panic where the system does not give that one its threads.
pub(crate) fn are_there() -> bool {
    static GLOBAL: OnceLock<bool> = OnceLock::new();
    // An error without a source says that the pool was made before.
    let make = || match rayon::ThreadPoolBuilder::new().build_global() {
        Ok(()) => true,
        Err(error) => error.source().is_none(),
    };
    rayon::current_thread_index().is_some() || *GLOBAL.get_or_init(make)
}

/// Number of those threads; one, the caller's own, where there are none.
pub(crate) fn count() -> usize {
    if are_there() { rayon::current_num_threads() } else { 1 }
}
