//! Time, given from outside: what is fresh, what has expired, and waiting.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;

use crate::offload::in_place;

/// The time of day, the age of things, and waiting.
///
/// # Example
///
/// ```
/// use strongroom_vault::clock::{Clock, SystemClock};
///
/// let start = SystemClock.elapsed();
/// assert!(SystemClock.unix_time() > 1_700_000_000);
/// assert!(SystemClock.elapsed() >= start);
/// ```
#[async_trait]
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// Seconds since 1970: for dates that people or vaults set.
    fn unix_time(&self) -> u64;

    /// Time since some moment in the past. It never goes back, and it goes on while the machine is
    /// suspended: a key's time runs out then, too.
    fn elapsed(&self) -> Duration;

    /// Waits.
    async fn sleep(&self, duration: Duration);
}

/// The operating system's clocks. Waiting needs no particular runtime.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn unix_time(&self) -> u64 {
        // Before 1970 nothing has expired, and nothing is valid that has a not-before date.
        SystemTime::UNIX_EPOCH.elapsed().map_or(0, |elapsed| elapsed.as_secs())
    }

    fn elapsed(&self) -> Duration {
        elapsed()
    }

    async fn sleep(&self, duration: Duration) {
        if in_place() {
            std::thread::sleep(duration);
        } else {
            async_io::Timer::after(duration).await;
        }
    }
}

#[cfg(unix)]
fn elapsed() -> Duration {
    use rustix::time::{ClockId, clock_gettime};

    #[cfg(target_os = "linux")]
    const THROUGH_SUSPEND: ClockId = ClockId::Boottime;
    // On Apple's systems this one goes on during sleep; elsewhere nothing better is known.
    #[cfg(not(target_os = "linux"))]
    const THROUGH_SUSPEND: ClockId = ClockId::Monotonic;
    let time = clock_gettime(THROUGH_SUSPEND);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(not(unix))]
fn elapsed() -> Duration {
    use std::sync::LazyLock;
    use std::time::Instant;

    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed()
}
