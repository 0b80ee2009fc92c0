//! Clocks that count what a thread or a child used of the processor.
//!
//! On one core the time of a measurement is the processor time of its thread. On a quiet machine that is
//! the time on the wall; on a shared one it leaves out the slices that the scheduler gave to others.
//! What others did to caches and clock rates stays in it: how much of the core was theirs is noted.

use std::time::{Duration, Instant};

use anyhow::Result;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use rustix::time::{ClockId, clock_gettime};

/// The processor time of the calling thread from a moment on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ThreadClock(Duration);

impl ThreadClock {
    /// From now on.
    pub(crate) fn start() -> Self {
        Self(Self::now())
    }

    /// Processor time that the thread has used since.
    pub(crate) fn elapsed(self) -> Duration {
        Self::now().saturating_sub(self.0)
    }

    fn now() -> Duration {
        // A thread's own clock is never before its start.
        clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap_or_default()
    }
}

/// Share of its core that a run on one core had.
#[derive(Debug)]
pub(crate) struct Share {
    wall: Instant,
    used: Duration,
}

impl Share {
    /// From now on.
    ///
    /// # Errors
    ///
    /// The system's.
    pub(crate) fn start() -> Result<Self> {
        Ok(Self { wall: Instant::now(), used: own_time()? })
    }

    /// A sentence on how much of the core this program and the children that have ended had.
    ///
    /// # Errors
    ///
    /// The system's.
    pub(crate) fn note(&self, core: usize) -> Result<String> {
        let used = own_time()?.saturating_sub(self.used).as_secs_f64();
        let percent = 100.0 * used / self.wall.elapsed().as_secs_f64();
        Ok(format!(
            "All ran on core {core}, timed by the processor time of the thread; the program had \
             {percent:.0} % of the core."
        ))
    }
}

/// Processor time of this program's threads and of its children that have ended.
///
/// # Errors
///
/// The system's.
pub(crate) fn own_time() -> Result<Duration> {
    Ok(time_of(UsageWho::RUSAGE_SELF)? + children_time()?)
}

/// Processor time of all children that have ended, the user's and the system's.
///
/// # Errors
///
/// The system's.
pub(crate) fn children_time() -> Result<Duration> {
    time_of(UsageWho::RUSAGE_CHILDREN)
}

fn time_of(who: UsageWho) -> Result<Duration> {
    let usage = getrusage(who)?;
    let microseconds =
        usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(Duration::from_micros(u64::try_from(microseconds)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_sleeps_uses_nothing_and_one_that_works_does() {
        let clock = ThreadClock::start();
        std::thread::sleep(Duration::from_millis(30));
        assert!(clock.elapsed() < Duration::from_millis(20));
        let mut sum = 0_u64;
        while clock.elapsed() < Duration::from_millis(20) {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(sum > 0);
    }
}
