//! Which core a thread runs on: a thread that wanders measures the scheduler.

use anyhow::{Context as _, Result, ensure};
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
