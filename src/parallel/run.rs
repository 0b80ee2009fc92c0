//! Jobs drawn in order by several workers of rayon's current pool.

use crate::error::Error;

/// Below this many bytes the work runs where it is: handing it over would cost more.
#[cfg(feature = "parallel")]
const INLINE: u64 = 256 * 1024;

/// How many workers `bytes` of work are worth when each holds `buffer` bytes of a budget of
/// `memory`; at least one.
#[cfg(feature = "parallel")]
pub(crate) fn workers(bytes: u64, jobs: u64, buffer: usize, memory: usize) -> usize {
    if bytes <= INLINE {
        return 1;
    }
    let within_budget = memory.checked_div(buffer).unwrap_or(usize::MAX);
    let jobs = usize::try_from(jobs).unwrap_or(usize::MAX);
    rayon::current_num_threads().min(within_budget).min(jobs).max(1)
}

#[cfg(not(feature = "parallel"))]
pub(crate) fn workers(_: u64, _: u64, _: usize, _: usize) -> usize {
    1
}

/// Runs `work` on every job. Each worker draws the next job when it has done its last, so that
/// files are read and written nearly in order, and keeps a `state` of its own (its buffer).
///
/// After an error no further job is drawn. Of several errors the one of the earliest job is
/// returned, whatever the timing.
pub(crate) fn for_each<J: Send, S>(
    workers: usize,
    jobs: impl Iterator<Item = J> + Send,
    state: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, J) -> Result<(), Error> + Sync,
) -> Result<(), Error> {
    #[cfg(feature = "parallel")]
    if workers > 1 {
        return concurrent::for_each(workers, jobs, state, work);
    }
    debug_assert!(workers == 1, "several workers need the feature `parallel`");
    let mut state = state();
    for job in jobs {
        work(&mut state, job)?;
    }
    Ok(())
}

#[cfg(feature = "parallel")]
mod concurrent {
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use crate::error::Error;

    /// What the workers share. The lock is held to draw a job or to note an error, never while
    /// working.
    struct Queue<I> {
        jobs: I,
        drawn: u64,
        failed: Option<(u64, Error)>,
    }

    impl<I: Iterator> Queue<I> {
        fn draw(&mut self) -> Option<(u64, I::Item)> {
            if self.failed.is_some() {
                return None;
            }
            let job = self.jobs.next()?;
            let number = self.drawn;
            self.drawn += 1;
            Some((number, job))
        }

        fn fail(&mut self, number: u64, error: Error) {
            if self.failed.as_ref().is_none_or(|(earliest, _)| number < *earliest) {
                self.failed = Some((number, error));
            }
        }
    }

    pub(super) fn for_each<J: Send, S>(
        workers: usize,
        jobs: impl Iterator<Item = J> + Send,
        state: impl Fn() -> S + Sync,
        work: impl Fn(&mut S, J) -> Result<(), Error> + Sync,
    ) -> Result<(), Error> {
        let queue = Mutex::new(Queue { jobs, drawn: 0, failed: None });
        let worker = || {
            let mut state = state();
            loop {
                let drawn = lock(&queue).draw();
                let Some((number, job)) = drawn else { break };
                if let Err(error) = work(&mut state, job) {
                    lock(&queue).fail(number, error);
                }
            }
        };
        rayon::scope(|scope| {
            for _ in 1..workers {
                scope.spawn(|_| worker());
            }
            worker();
        });
        let queue = queue.into_inner().unwrap_or_else(PoisonError::into_inner);
        queue.failed.map_or(Ok(()), |(_, error)| Err(error))
    }

    /// A panic elsewhere ends the whole scope; the queue itself is never left half changed.
    fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(all(test, feature = "parallel"))]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn every_job_runs_once_and_every_worker_has_one_state() {
        for workers in [1, 2, 7] {
            let states = AtomicUsize::new(0);
            let done = Mutex::new(Vec::new());
            let state = || states.fetch_add(1, Ordering::Relaxed);
            for_each(workers, 0..1000, state, |_, job| {
                done.lock().unwrap().push(job);
                Ok(())
            })
            .unwrap();
            let mut done = done.into_inner().unwrap();
            done.sort_unstable();
            assert_eq!(done, (0..1000).collect::<Vec<_>>());
            assert_eq!(states.into_inner(), workers);
        }
    }

    /// The earliest job's error is the one that is told, also when a later job failed first.
    #[test]
    fn the_earliest_error_wins() {
        for workers in [1, 2, 4] {
            let later_failed = std::sync::Barrier::new(if workers == 1 { 1 } else { 2 });
            let result = for_each(
                workers,
                0..100_u64,
                || (),
                |(), job| match job {
                    3 => {
                        later_failed.wait();
                        Err(Error::Format { offset: 3, reason: "early" })
                    }
                    4 => {
                        later_failed.wait();
                        Err(Error::Format { offset: 4, reason: "late" })
                    }
                    _ => Ok(()),
                },
            );
            assert!(matches!(result, Err(Error::Format { offset: 3, .. })), "{workers}");
        }
    }

    #[test]
    fn workers_stay_within_threads_jobs_and_memory() {
        const MIB: usize = 1 << 20;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(8).build().unwrap();
        pool.install(|| {
            assert_eq!(workers(1 << 30, 1024, MIB, 64 * MIB), 8);
            assert_eq!(workers(1 << 30, 64, 16 * MIB, 64 * MIB), 4);
            assert_eq!(workers(1 << 30, 3, MIB, 64 * MIB), 3);
            assert_eq!(workers(1 << 30, 64, 16 * MIB, MIB), 1);
            assert_eq!(workers(256 * 1024, 64, 4096, 64 * MIB), 1);
            assert_eq!(workers(256 * 1024 + 1, 65, 4096, 64 * MIB), 8);
        });
    }
}
