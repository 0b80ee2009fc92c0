//! Progress of the work: a bar on a terminal, a line now and then in a log, a line on SIGUSR1.

use std::io::{self, IsTerminal as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{DecimalBytes, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::platform;
use crate::print;

/// Interval between a log's lines. Short work leaves none.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

/// Shows how far the work is. A bar vanishes when it is dropped, so that the report stands alone.
#[derive(Debug)]
pub(crate) struct Progress {
    /// On a terminal.
    bar: Option<ProgressBar>,
    doing: &'static str,
    total: Option<u64>,
    done: AtomicU64,
    started: Instant,
    /// Time of a log's next line, in milliseconds after the start; never where it is `u64::MAX`.
    next_line: AtomicU64,
}

impl Progress {
    /// For `total` bytes, where the total is known. With `quiet` SIGUSR1 alone makes it speak.
    pub(crate) fn new(doing: &'static str, total: Option<u64>, quiet: bool) -> Self {
        let terminal = io::stderr().is_terminal();
        request::listen();
        Self {
            bar: (platform::is_in_foreground() && !quiet).then(|| bar(doing, total)),
            doing,
            total,
            done: AtomicU64::new(0),
            started: Instant::now(),
            next_line: AtomicU64::new(if terminal || quiet {
                u64::MAX
            } else {
                millis(LOG_INTERVAL)
            }),
        }
    }

    /// `bytes` more are done.
    pub(crate) fn advance(&self, bytes: u64) {
        let done = self.done.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if let Some(bar) = self.bar.as_ref().filter(|_| platform::is_in_foreground()) {
            bar.set_position(done);
        }
        let requested = request::take();
        if requested || self.is_line_due() {
            let line = self.line(done);
            match &self.bar {
                Some(bar) if platform::is_in_foreground() => {
                    bar.suspend(|| print::notice("progress", &line));
                }
                _ => print::notice("progress", &line),
            }
        }
    }

    /// True for one caller an interval.
    fn is_line_due(&self) -> bool {
        let next = self.next_line.load(Ordering::Relaxed);
        if next == u64::MAX {
            return false;
        }
        let now = millis(self.started.elapsed());
        let after = now.saturating_add(millis(LOG_INTERVAL));
        now >= next
            && self
                .next_line
                .compare_exchange(next, after, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }

    fn line(&self, done: u64) -> String {
        let elapsed = self.started.elapsed();
        let rate =
            u64::try_from(u128::from(done).saturating_mul(1000) / elapsed.as_millis().max(1))
                .unwrap_or(u64::MAX);
        let (doing, rate_text) = (self.doing, DecimalBytes(rate));
        let Some(total) = self.total.filter(|total| *total > 0) else {
            return format!("{doing}: {} done, {rate_text} a second", DecimalBytes(done));
        };
        let percent = u128::from(done).saturating_mul(100) / u128::from(total);
        let left = Duration::from_secs(total.saturating_sub(done) / rate.max(1));
        format!(
            "{doing}: {} of {} done ({percent} %), {rate_text} a second, {} left",
            DecimalBytes(done),
            DecimalBytes(total),
            HumanDuration(left)
        )
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            if !platform::is_in_foreground() {
                bar.set_draw_target(ProgressDrawTarget::hidden());
            }
            bar.finish_and_clear();
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn bar(doing: &'static str, total: Option<u64>) -> ProgressBar {
    let template = match total {
        Some(_) => {
            "{msg} {wide_bar} {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {eta}"
        }
        None => "{msg} {spinner} {decimal_bytes} {decimal_bytes_per_sec}",
    };
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
    bar.set_style(style);
    bar.set_message(doing);
    bar
}

/// SIGUSR1, which asks a running command how far it is (as `dd` answers it).
#[cfg(unix)]
mod request {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, OnceLock};

    static REQUESTED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

    /// From now on the signal is noted and does not end the process. Where the system refuses, it
    /// does as before.
    pub(super) fn listen() {
        REQUESTED.get_or_init(|| {
            let requested = Arc::new(AtomicBool::new(false));
            let _ =
                signal_hook::flag::register(signal_hook::consts::SIGUSR1, Arc::clone(&requested));
            requested
        });
    }

    /// True once after a signal.
    pub(super) fn take() -> bool {
        REQUESTED.get().is_some_and(|requested| {
            requested.load(Ordering::Relaxed) && requested.swap(false, Ordering::Relaxed)
        })
    }
}

/// Other systems have no such signal.
#[cfg(not(unix))]
mod request {
    pub(super) fn listen() {}

    pub(super) fn take() -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_gets_one_line_an_interval() {
        let mut progress = Progress::new("sealing", Some(200), true);
        assert!(!progress.is_line_due());
        progress.next_line = AtomicU64::new(0);
        assert!(progress.is_line_due());
        assert!(!progress.is_line_due());
    }

    #[test]
    fn a_line_says_how_much_of_how_much() {
        let of_known = Progress::new("sealing", Some(4_000_000), true);
        let line = of_known.line(1_000_000);
        assert!(line.starts_with("sealing: 1.00 MB of 4.00 MB done (25 %), "), "{line}");
        let of_stream = Progress::new("opening", None, true);
        let line = of_stream.line(1_000_000);
        assert!(line.starts_with("opening: 1.00 MB done, "), "{line}");
    }
}
