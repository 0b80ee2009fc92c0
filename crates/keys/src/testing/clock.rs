//! A clock that a test moves.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use std::task::{Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;

use crate::clock::Clock;
use strongroom_vault::lock;

/// Stands still until it is [advanced](ManualClock::advance), which wakes who sleeps.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use strongroom_keys::clock::Clock;
/// use strongroom_keys::testing::ManualClock;
///
/// let clock = ManualClock::default();
/// let before = clock.unix_time();
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(clock.unix_time(), before + 60);
/// assert_eq!(clock.elapsed(), Duration::from_secs(60));
/// ```
#[derive(Debug)]
pub struct ManualClock(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    start: u64,
    elapsed: Duration,
    /// By the moment at which they wake, and their number.
    sleepers: BTreeMap<(Duration, u64), Waker>,
    ids: u64,
}

impl Default for ManualClock {
    /// At 2027-01-15T08:00:00Z, a whole hour.
    fn default() -> Self {
        Self::at(1_800_000_000)
    }
}

impl ManualClock {
    /// A clock that starts at `unix_time`, in seconds since 1970.
    #[must_use]
    pub fn at(unix_time: u64) -> Self {
        let (elapsed, sleepers, ids) = (Duration::ZERO, BTreeMap::new(), 0);
        Self(Mutex::new(Inner { start: unix_time, elapsed, sleepers, ids }))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.0)
    }

    /// Sets the time of day, as people do: no time passes by that.
    pub fn set_unix_time(&self, unix_time: u64) {
        let mut inner = self.lock();
        inner.start = unix_time.saturating_sub(inner.elapsed.as_secs());
    }

    /// Goes on by `duration` and wakes who has slept long enough.
    pub fn advance(&self, duration: Duration) {
        let woken: Vec<Waker> = {
            let mut inner = self.lock();
            inner.elapsed = inner.elapsed.saturating_add(duration);
            let later = inner.elapsed.saturating_add(Duration::from_nanos(1));
            let asleep = inner.sleepers.split_off(&(later, 0));
            std::mem::replace(&mut inner.sleepers, asleep).into_values().collect()
        };
        woken.into_iter().for_each(Waker::wake);
    }

    /// Goes on to the moment at which the first sleeper wakes, but no further than `at_most` from now; how
    /// far that was.
    pub fn advance_to_next(&self, at_most: Duration) -> Duration {
        let step = {
            let inner = self.lock();
            let first = inner.sleepers.first_key_value();
            first
                .map_or(at_most, |((until, _), _)| until.saturating_sub(inner.elapsed))
                .min(at_most)
        };
        self.advance(step);
        step
    }

    /// The number of sleepers.
    #[must_use]
    pub fn sleepers(&self) -> usize {
        self.lock().sleepers.len()
    }
}

/// Takes its place in the list away when the sleep is dropped.
struct Sleeper<'a> {
    clock: &'a ManualClock,
    place: (Duration, u64),
}

impl Drop for Sleeper<'_> {
    fn drop(&mut self) {
        self.clock.lock().sleepers.remove(&self.place);
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn unix_time(&self) -> u64 {
        let inner = self.lock();
        inner.start.saturating_add(inner.elapsed.as_secs())
    }

    fn elapsed(&self) -> Duration {
        self.lock().elapsed
    }

    async fn sleep(&self, duration: Duration) {
        let place @ (until, _) = {
            let mut inner = self.lock();
            inner.ids = inner.ids.wrapping_add(1);
            (inner.elapsed.saturating_add(duration), inner.ids)
        };
        let sleeper = Sleeper { clock: self, place };
        std::future::poll_fn(|context| {
            let mut inner = self.lock();
            if inner.elapsed >= until {
                return Poll::Ready(());
            }
            inner.sleepers.insert(sleeper.place, context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}
