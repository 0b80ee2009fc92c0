//! Interleaved rounds: in each of them every contender runs once, in a new order.
//!
//! Clock rates, neighbours and interrupts change from second to second. Contenders that run one after
//! the other are measured on different machines; in one round they share it.

use std::time::Duration;

use anyhow::{Result, ensure};

/// Fewest rounds of a measurement; fewer are a trial of the program.
pub(crate) const ENOUGH: usize = 9;

/// Approximate time that one contender runs in one round.
const TARGET: Duration = Duration::from_millis(3);

/// Something to measure on the work `W`.
pub(crate) struct Contender<'c, W> {
    name: String,
    amount: u64,
    run: Run<'c, W>,
}

/// Makes so many calls and says how long they took.
type Run<'c, W> = Box<dyn FnMut(&mut W, u64) -> Result<Duration> + 'c>;

impl<'c, W> Contender<'c, W> {
    /// A contender whose every call works through `amount`: bytes, or documents.
    pub(crate) fn new(
        name: impl Into<String>,
        amount: u64,
        run: impl FnMut(&mut W, u64) -> Result<Duration> + 'c,
    ) -> Self {
        Self { name: name.into(), amount, run: Box::new(run) }
    }
}

/// Speeds of one contender, one a round, in units of 10^9 bytes a second if not stated otherwise.
#[derive(Clone, Debug)]
pub(crate) struct Speeds {
    /// The contender's name.
    pub(crate) name: String,
    /// One speed a round.
    pub(crate) samples: Vec<f64>,
}

/// Measures the contenders, interleaved, over so many rounds.
///
/// # Errors
///
/// The first error of a contender.
pub(crate) fn measure<W>(
    contenders: &mut [Contender<'_, W>],
    work: &mut W,
    rounds: usize,
) -> Result<Vec<Speeds>> {
    let mut speeds = rates(contenders, work, rounds)?;
    for sample in speeds.iter_mut().flat_map(|speeds| &mut speeds.samples) {
        *sample /= 1e9;
    }
    Ok(speeds)
}

/// The same, in whatever the contenders' amounts count, a second.
///
/// # Errors
///
/// The first error of a contender.
pub(crate) fn rates<W>(
    contenders: &mut [Contender<'_, W>],
    work: &mut W,
    rounds: usize,
) -> Result<Vec<Speeds>> {
    let calls = contenders
        .iter_mut()
        .map(|contender| calibrate(|calls| (contender.run)(work, calls)))
        .collect::<Result<Vec<_>>>()?;
    interleaved(contenders, work, rounds, &calls)
}

/// The same for contenders of which one call is long enough: each makes one a round, and none before.
///
/// # Errors
///
/// The first error of a contender.
pub(crate) fn rates_of_single_calls<W>(
    contenders: &mut [Contender<'_, W>],
    work: &mut W,
    rounds: usize,
) -> Result<Vec<Speeds>> {
    let calls = vec![1; contenders.len()];
    interleaved(contenders, work, rounds, &calls)
}

/// The rounds, with so many calls of each contender.
fn interleaved<W>(
    contenders: &mut [Contender<'_, W>],
    work: &mut W,
    rounds: usize,
    calls: &[u64],
) -> Result<Vec<Speeds>> {
    let mut speeds: Vec<_> = contenders
        .iter()
        .map(|contender| Speeds { name: contender.name.clone(), samples: Vec::new() })
        .collect();
    let mut order: Vec<_> = (0..contenders.len()).collect();
    for _ in 0..rounds {
        fastrand::shuffle(&mut order);
        for &turn in &order {
            let contender = &mut contenders[turn];
            let elapsed = (contender.run)(work, calls[turn])?;
            ensure!(!elapsed.is_zero(), "{}: too short to measure", contender.name);
            let amount = contender.amount * calls[turn];
            speeds[turn].samples.push(float(amount) / elapsed.as_secs_f64());
        }
    }
    Ok(speeds)
}

/// The same, in microseconds that a contender took for one of what its amount counts.
///
/// # Errors
///
/// The first error of a contender.
pub(crate) fn microseconds<W>(
    contenders: &mut [Contender<'_, W>],
    work: &mut W,
    rounds: usize,
) -> Result<Vec<Speeds>> {
    let mut taken = rates(contenders, work, rounds)?;
    for sample in taken.iter_mut().flat_map(|speeds| &mut speeds.samples) {
        *sample = 1e6 / *sample;
    }
    Ok(taken)
}

/// Number of calls that take about [`TARGET`]; the calls made here warm caches and clock up.
fn calibrate(mut run: impl FnMut(u64) -> Result<Duration>) -> Result<u64> {
    let mut calls = 1_u64;
    loop {
        // The shortest of three: one that was interrupted would leave too few calls.
        let elapsed = run(calls)?.min(run(calls)?).min(run(calls)?);
        if elapsed >= TARGET / 4 {
            let wanted = u128::from(calls) * TARGET.as_nanos() / elapsed.as_nanos();
            return Ok(u64::try_from(wanted)?.max(1));
        }
        calls *= 2;
    }
}

/// A count as a number to divide by.
#[allow(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_contender_runs_once_a_round_and_long_enough() {
        let mut log = Vec::new();
        let contender = |name: &'static str, nanoseconds: u64| {
            Contender::new(name, 100, move |log: &mut Vec<_>, calls| {
                log.push((name, calls));
                Ok(Duration::from_nanos(calls * nanoseconds))
            })
        };
        let mut contenders = [contender("a", 10), contender("b", 1000), contender("c", 5_000_000)];
        let speeds = measure(&mut contenders, &mut log, 9).unwrap();
        let measured = &log[log.len() - 27..];
        for round in measured.chunks(3) {
            let mut round = round.to_vec();
            round.sort_unstable();
            assert_eq!(round, [("a", 300_000), ("b", 3_000), ("c", 1)]);
        }
        let orders: std::collections::BTreeSet<_> = measured.chunks(3).collect();
        assert!(orders.len() > 1, "the order changes");
        let are = |speeds: &[Speeds], expected: [f64; 3]| {
            for (speed, expected) in speeds.iter().zip(expected) {
                assert_eq!(speed.samples.len(), 9);
                assert!(speed.samples.iter().all(|sample| (sample / expected - 1.0).abs() < 1e-9));
            }
        };
        are(&speeds, [10.0, 0.1, 2e-5]);
        are(&rates(&mut contenders, &mut log, 9).unwrap(), [1e10, 1e8, 2e4]);
        are(&microseconds(&mut contenders, &mut log, 9).unwrap(), [1e-4, 0.01, 50.0]);
    }
}
