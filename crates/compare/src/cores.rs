//! Assignment of threads to cores: a thread that wanders measures the scheduler.

use anyhow::{Context as _, Result, ensure};
use rayon::{ThreadPool, ThreadPoolBuilder};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The cores that this process may use.
///
/// # Errors
///
/// The system's.
pub(crate) fn allowed() -> Result<Vec<usize>> {
    let set = sched_getaffinity(None).context("which cores this process may use")?;
    Ok((0..CpuSet::MAX_CPU).filter(|&core| set.is_set(core)).collect())
}

/// Keeps the calling thread, and threads it starts from now on, on one core: on `wanted`, or else
/// on the last of those allowed, which has the fewest interrupts as a rule. Returns the core.
///
/// # Errors
///
/// Where that core is not allowed.
pub(crate) fn pin(wanted: Option<usize>) -> Result<usize> {
    let allowed = allowed()?;
    let core = wanted.or(allowed.last().copied()).context("no core is allowed")?;
    ensure!(allowed.contains(&core), "core {core} is not one of those allowed: {allowed:?}");
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).with_context(|| format!("staying on core {core}"))?;
    Ok(core)
}

/// Runs `work` with all it spreads over rayon's current pool on one core: on the only thread of a pool
/// of its own. It is told the core.
///
/// # Errors
///
/// Those of [`pin`] and of `work`.
pub(crate) fn alone<R: Send>(
    wanted: Option<usize>,
    work: impl FnOnce(usize) -> Result<R> + Send,
) -> Result<R> {
    let core = pin(wanted)?;
    let pool = ThreadPoolBuilder::new().num_threads(1).build().context("starting a thread")?;
    pool.install(|| work(core))
}

/// Threads that each stay on a core, as long as there are cores.
///
/// # Errors
///
/// The system's.
pub(crate) fn pool(threads: usize, cores: &[usize]) -> Result<ThreadPool> {
    let cores = cores.to_vec();
    ThreadPoolBuilder::new()
        .num_threads(threads)
        .start_handler(move |thread| {
            // A thread that may not stay still works; the affinity is for steadier figures.
            let _ = pin(cores.get(thread % cores.len().max(1)).copied());
        })
        .build()
        .context("starting threads")
}

/// A contender's name on that pool.
pub(crate) fn named(name: &str, pool: &ThreadPool) -> String {
    let threads = pool.current_num_threads();
    format!("{name}, {threads} thread{}", if threads == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spread_over_threads_stays_on_the_core() {
        let last = allowed().unwrap().pop().unwrap();
        let (first, second) = alone(None, |core| {
            assert_eq!((core, rayon::current_num_threads()), (last, 1));
            Ok(rayon::join(|| allowed().unwrap(), || allowed().unwrap()))
        })
        .unwrap();
        assert_eq!((first, second), (vec![last], vec![last]));
    }
}
