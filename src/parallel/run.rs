//! Jobs drawn in order by several workers of rayon's current pool.

use crate::error::Error;
use crate::secret::wipe_stack;
#[cfg(feature = "parallel")]
use crate::threads;

/// Below this many bytes the work runs where it is: handing it over would cost more.
#[cfg(feature = "parallel")]
const INLINE: u64 = 256 * 1024;

/// Bytes of work that a draw is worth.
#[cfg(feature = "parallel")]
const DRAW: u64 = 256 * 1024;

/// Work to be done: so many bytes in so many jobs.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(
    not(feature = "parallel"),
    allow(dead_code, reason = "one worker: neither work nor memory is divided")
)]
pub(crate) struct Work {
    pub(crate) bytes: u64,
    pub(crate) jobs: u64,
}

/// The memory that workers take for buffers.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(
    not(feature = "parallel"),
    allow(dead_code, reason = "one worker: neither work nor memory is divided")
)]
pub(crate) enum Memory {
    /// None: input and output are the caller's.
    Callers,
    /// A buffer of so many bytes for each worker, all of them within a budget.
    Buffers { len: usize, budget: usize },
}

/// Workers, and how many jobs each of them draws at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Team {
    pub(crate) workers: usize,
    pub(crate) draw: usize,
}

impl Work {
    /// The work of a stream, whose end is not known, in jobs of `len` bytes.
    #[cfg(feature = "std")]
    pub(crate) fn endless(len: usize) -> Self {
        Self { bytes: u64::MAX, jobs: u64::MAX / (len as u64).max(1) }
    }

    /// The workers that this is worth within `memory`, one at least.
    ///
    /// A draw takes a lock, and what it hands out lies apart from what the worker before had: it is worth
    /// [`DRAW`] bytes, or as many as leave each worker two draws.
    #[cfg(feature = "parallel")]
    pub(crate) fn team(self, memory: Memory) -> Team {
        if self.bytes <= INLINE {
            return Team { workers: 1, draw: 1 };
        }
        let within_budget = match memory {
            Memory::Callers => usize::MAX,
            Memory::Buffers { len, budget } => budget.checked_div(len).unwrap_or(usize::MAX),
        };
        let jobs = usize::try_from(self.jobs).unwrap_or(usize::MAX);
        let workers = threads::count().min(within_budget).min(jobs).max(1);
        let of_a_job = self.bytes.checked_div(self.jobs).unwrap_or(u64::MAX).max(1);
        let draw = usize::try_from(DRAW.div_ceil(of_a_job)).unwrap_or(usize::MAX);
        Team { workers, draw: draw.min(jobs / (2 * workers)).max(1) }
    }

    /// A team of one worker, without other threads.
    #[cfg(not(feature = "parallel"))]
    pub(crate) fn team(self, _: Memory) -> Team {
        Team { workers: 1, draw: 1 }
    }
}

/// Runs `work` on every job: [`for_each_init`] without a state.
pub(crate) fn for_each<J: Send>(
    team: Team,
    jobs: impl Iterator<Item = J> + Send,
    work: impl Fn(J) -> Result<(), Error> + Sync,
) -> Result<(), Error> {
    for_each_init(team, jobs, || (), |(), job| work(job))
}

/// Runs `work` on every job. Each worker draws the next jobs when it has done its last, so that
/// files are read and written nearly in order, and keeps a state of its own (its buffer), which `init`
/// makes for its first job.
///
/// After an error no further job is drawn. Of several errors the one of the earliest job is
/// returned, whatever the timing.
pub(crate) fn for_each_init<J: Send, S>(
    team: Team,
    mut jobs: impl Iterator<Item = J> + Send,
    init: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, J) -> Result<(), Error> + Sync,
) -> Result<(), Error> {
    #[cfg(feature = "parallel")]
    if team.workers > 1 {
        return concurrent::for_each_init(team, jobs, init, work);
    }
    debug_assert!(team.workers == 1, "several workers need the feature `parallel`");
    let mut state = init();
    let done = jobs.try_for_each(|job| work(&mut state, job));
    wipe_stack();
    done
}

#[cfg(feature = "parallel")]
mod concurrent {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use super::Team;
    use crate::error::Error;
    use crate::secret::wipe_stack;

    /// Jobs and the first error, shared by the workers. The lock is held to draw jobs or to note an error,
    /// never while working.
    struct Queue<I> {
        jobs: I,
        drawn: u64,
        failed: Option<(u64, Error)>,
    }

    impl<I: Iterator> Queue<I> {
        /// Moves the next jobs, `most` at most, into `own`; returns the number of the first.
        fn draw(&mut self, most: usize, own: &mut Vec<I::Item>) -> Option<u64> {
            if self.failed.is_some() {
                return None;
            }
            own.extend(self.jobs.by_ref().take(most));
            let first = self.drawn;
            self.drawn += own.len() as u64;
            (!own.is_empty()).then_some(first)
        }

        fn fail(&mut self, number: u64, error: Error) {
            if self.failed.as_ref().is_none_or(|(earliest, _)| number < *earliest) {
                self.failed = Some((number, error));
            }
        }
    }

    pub(super) fn for_each_init<J: Send, S>(
        Team { workers, draw }: Team,
        jobs: impl Iterator<Item = J> + Send,
        init: impl Fn() -> S + Sync,
        work: impl Fn(&mut S, J) -> Result<(), Error> + Sync,
    ) -> Result<(), Error> {
        let queue = Mutex::new(Queue { jobs, drawn: 0, failed: None });
        // The earliest job that has failed: those before it may still fail, and those behind it are not
        // wanted any more.
        let earliest = AtomicU64::new(u64::MAX);
        let worker = || {
            let (mut state, mut own) = (None, Vec::with_capacity(draw));
            loop {
                let first = lock(&queue).draw(draw, &mut own);
                let Some(first) = first else { break };
                for (number, job) in (first..).zip(own.drain(..)) {
                    if number > earliest.load(Ordering::Relaxed) {
                        break;
                    }
                    if let Err(error) = work(state.get_or_insert_with(&init), job) {
                        earliest.fetch_min(number, Ordering::Relaxed);
                        lock(&queue).fail(number, error);
                    }
                }
            }
            wipe_stack();
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

#[cfg(feature = "parallel")]
#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use super::*;

    /// Threads of its own: the tests below wait for each other's jobs.
    fn in_pool<R: Send>(test: impl FnOnce() -> R + Send) -> R {
        rayon::ThreadPoolBuilder::new().num_threads(4).build().unwrap().install(test)
    }

    #[test]
    fn every_job_runs_once_and_a_worker_has_one_state() {
        for (workers, draw) in [(1, 1), (2, 1), (4, 1), (2, 7), (4, 64), (4, 5000)] {
            let states = AtomicUsize::new(0);
            let done = Mutex::new(Vec::new());
            let init = || states.fetch_add(1, Ordering::Relaxed);
            in_pool(|| {
                for_each_init(Team { workers, draw }, 0..1000, init, |_, job| {
                    done.lock().unwrap().push(job);
                    Ok(())
                })
            })
            .unwrap();
            let mut done = done.into_inner().unwrap();
            done.sort_unstable();
            assert_eq!(done, (0..1000).collect::<Vec<_>>());
            assert!((1..=workers).contains(&states.into_inner()));
        }
    }

    /// Checks that the earliest job's error is returned, also where a later job failed first; and that after
    /// an error no further job is drawn.
    #[test]
    fn the_earliest_error_wins_and_ends_the_run() {
        let late_has_failed = AtomicBool::new(false);
        let drawn = AtomicUsize::new(0);
        let jobs = (0..1_000_000_u64).inspect(|_| {
            drawn.fetch_add(1, Ordering::Relaxed);
        });
        let result = in_pool(|| {
            for_each(Team { workers: 2, draw: 1 }, jobs, |job| match job {
                3 => {
                    // Job 4 runs beside this one and has failed when its worker draws no more:
                    // the flag is set before the error is returned, so wait a little longer.
                    while !late_has_failed.load(Ordering::Acquire) {
                        std::hint::spin_loop();
                    }
                    std::thread::sleep(std::time::Duration::from_millis(20));
                    Err(Error::Format { offset: 3, reason: "early" })
                }
                4 => {
                    late_has_failed.store(true, Ordering::Release);
                    Err(Error::Format { offset: 4, reason: "late" })
                }
                _ => Ok(()),
            })
        });
        assert!(matches!(result, Err(Error::Format { offset: 3, .. })));
        assert_eq!(drawn.into_inner(), 5);

        let drawn = AtomicUsize::new(0);
        let result = for_each(Team { workers: 1, draw: 1 }, 0..100_u64, |job| {
            drawn.fetch_add(1, Ordering::Relaxed);
            if job < 7 { Ok(()) } else { Err(Error::Authentication) }
        });
        assert!(matches!(result, Err(Error::Authentication)));
        assert_eq!(drawn.into_inner(), 8);
    }

    /// Of two runs the later one fails first. What the earlier one has before its own error is done, and
    /// nothing behind an error is.
    #[test]
    fn the_earliest_error_of_two_runs_wins() {
        let late_has_failed = AtomicBool::new(false);
        let done = Mutex::new(Vec::new());
        let result = in_pool(|| {
            for_each(Team { workers: 2, draw: 10 }, 0..1_000_000_u64, |job| {
                match job {
                    0 => {
                        while !late_has_failed.load(Ordering::Acquire) {
                            std::hint::spin_loop();
                        }
                        std::thread::sleep(std::time::Duration::from_millis(20));
                    }
                    7 => return Err(Error::Format { offset: 7, reason: "early" }),
                    12 => {
                        late_has_failed.store(true, Ordering::Release);
                        return Err(Error::Format { offset: 12, reason: "late" });
                    }
                    _ => {}
                }
                done.lock().unwrap().push(job);
                Ok(())
            })
        });
        assert!(matches!(result, Err(Error::Format { offset: 7, .. })));
        let mut done = done.into_inner().unwrap();
        done.sort_unstable();
        assert_eq!(done, [0, 1, 2, 3, 4, 5, 6, 10, 11]);
    }

    #[test]
    fn a_draw_is_worth_a_quarter_of_a_mebibyte_where_there_is_enough() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(8).build().unwrap();
        let draw = |bytes: u64, len: u64| {
            Work { bytes, jobs: bytes.div_ceil(len) }.team(Memory::Callers).draw
        };
        pool.install(|| {
            assert_eq!(draw(1 << 30, 4096), 64);
            assert_eq!(draw(1 << 30, 65_536), 4);
            assert_eq!(draw(1 << 30, 1 << 20), 1);
            assert_eq!(draw(1 << 20, 4096), 16);
            assert_eq!(draw(256 * 1024 + 1, 4096), 4);
            assert_eq!(Work::endless(4096).team(Memory::Callers), Team { workers: 8, draw: 64 });
        });
    }

    #[test]
    fn workers_stay_within_threads_jobs_and_memory() {
        const MIB: usize = 1 << 20;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(8).build().unwrap();
        let workers = |bytes, jobs, len, budget| {
            Work { bytes, jobs }.team(Memory::Buffers { len, budget }).workers
        };
        pool.install(|| {
            assert_eq!(workers(1 << 30, 1024, MIB, 64 * MIB), 8);
            assert_eq!(workers(1 << 30, 64, 16 * MIB, 64 * MIB), 4);
            assert_eq!(workers(1 << 30, 3, MIB, 64 * MIB), 3);
            assert_eq!(workers(1 << 30, 64, 16 * MIB, MIB), 1);
            assert_eq!(workers(256 * 1024, 64, 4096, 64 * MIB), 1);
            assert_eq!(workers(256 * 1024 + 1, 65, 4096, 64 * MIB), 8);
            assert_eq!(Work { bytes: 1 << 30, jobs: 5 }.team(Memory::Callers).workers, 5);
        });
    }
}
