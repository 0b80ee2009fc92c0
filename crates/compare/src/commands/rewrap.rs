//! `rewrap`: many wrapped keys, unwrapped with one RSA-2048 key and wrapped with another.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use rayon::ThreadPool;
use rayon::prelude::*;
use strongroom::rsa::PrivateKey;
use strongroom::wrap::{KeyId, UnwrappingKey, WrappingKey};

use super::rsa::peers::{AwsLc, Peer};
use crate::args::RewrapArgs;
use crate::clock::own_time;
use crate::cores::{self, named, pool};
use crate::report::chart::{Chart, Kind, Panel, Shape};
use crate::report::{Case, Report, Unit};
use crate::rounds::{Contender, float, rates_of_single_calls};
use crate::statistics::median;

const COLUMNS: [&str; 2] = ["to aws-lc-rs, 1 thread", "to aws-lc-rs, all threads"];
/// As long as what a document's recipients wrap.
const PAYLOAD: usize = 40;
/// Wrapped keys that are looked at after each call.
const LOOKED_AT: usize = 64;

/// Both keys, for everyone, and what is wrapped under the old one.
struct Work {
    payloads: Vec<[u8; PAYLOAD]>,
    wrapped: Vec<Vec<u8>>,
    unwrapping: UnwrappingKey,
    wrapping: WrappingKey,
    old: AwsLc,
    new: AwsLc,
    /// Of each call, with the contender's name.
    processor_times: Vec<(String, Duration)>,
}

/// Measures and reports.
///
/// # Errors
///
/// Keys that do not come back; the system's and the peer's.
pub(super) fn run(args: &RewrapArgs) -> Result<()> {
    let cores = cores::allowed()?;
    let threads = args.threads.map_or(cores.len(), usize::from);
    let pools = [pool(1, &cores)?, pool(threads, &cores)?];
    let title = format!("{} keys rewrapped under RSA-2048", args.count);
    let mut report = Report::begin(args.common.rounds, Chart { title, panels: Vec::new() });
    report.notes.push(
        "Timed by the wall clock: what others took of the cores is in these figures. A round rewraps the whole set once \
         with each of them."
            .to_owned(),
    );
    report.print_head()?;
    let [one, all] = &pools;
    let mut work = all.install(|| Work::new(args.count))?;
    let mut contenders = vec![
        by_aws_lc(one, args.count),
        by_aws_lc(all, args.count),
        by_strongroom(one, args.count),
        by_strongroom(all, args.count),
    ];
    let speeds = rates_of_single_calls(&mut contenders, &mut work, args.common.rounds)?;
    drop(contenders);
    let title = format!("{} keys of {PAYLOAD} bytes", args.count);
    let case = Case::new(title, Unit::Operations, &COLUMNS, &speeds, |row, column| {
        Some(column).filter(|to| *to != row)
    })?;
    let mut panel = Panel::new(&case.title, case.unit.symbol(), Shape::Bars);
    let kind = |name: &str| if name.starts_with("strongroom") { Kind::Ours } else { Kind::Peer };
    panel.add("", case.rows.iter().map(|row| (row.name.as_str(), kind(&row.name), row.median)));
    report.chart.panels.push(panel);
    for row in &case.rows {
        let wall = float(args.count.into()) / row.median;
        let of_row = work.processor_times.iter().filter(|(name, _)| *name == row.name);
        let processor: Vec<f64> = of_row.map(|(_, time)| time.as_secs_f64()).collect();
        let processor = median(&processor).context("no processor time")?;
        report.notes.push(format!(
            "{}: {wall:.2} s for all of them, and {processor:.2} s of processor time.",
            row.name
        ));
    }
    report.add(case)?;
    report.finish(args.common.json.as_deref(), args.common.svg.as_deref())
}

impl Work {
    fn new(count: u32) -> Result<Self> {
        let [old, new] = [PrivateKey::generate()?, PrivateKey::generate()?];
        let [of_old, of_new] = [AwsLc::new(&old)?, AwsLc::new(&new)?];
        let id = || KeyId::new("compare/rewrap/1");
        let wrapping = WrappingKey::rsa(id()?, new.public_key());
        let old_wrapping = WrappingKey::rsa(id()?, old.public_key());
        let payload = |number: u32| std::array::from_fn(|at| number.to_le_bytes()[at % 4]);
        let payloads: Vec<[u8; PAYLOAD]> = (0..count).map(payload).collect();
        let wrapped = payloads.par_iter().map(|payload| Ok(old_wrapping.wrap(payload)?));
        let wrapped = wrapped.collect::<Result<_>>()?;
        let unwrapping = UnwrappingKey::rsa(id()?, old);
        Ok(Self {
            payloads,
            wrapped,
            unwrapping,
            wrapping,
            old: of_old,
            new: of_new,
            processor_times: Vec::new(),
        })
    }

    /// Opens some with the peer, whoever has wrapped them.
    fn check(&self, rewrapped: &[Vec<u8>]) -> Result<()> {
        ensure!(rewrapped.len() == self.payloads.len(), "some keys are missing");
        let step = rewrapped.len().div_ceil(LOOKED_AT);
        for (payload, wrapped) in self.payloads.iter().zip(rewrapped).step_by(step) {
            let mut message = [0; 256];
            let length = self.new.decrypt(wrapped, &mut message)?;
            ensure!(message.get(..length) == Some(&payload[..]), "a key does not come back");
        }
        Ok(())
    }
}

/// One call that unwraps all of them in a batch, and wraps each.
fn by_strongroom(pool: &ThreadPool, count: u32) -> Contender<'_, Work> {
    timed("strongroom", pool, count, |work| {
        let wrapped: Vec<&[u8]> = work.wrapped.iter().map(Vec::as_slice).collect();
        let payloads = work.unwrapping.unwrap_batch(&wrapped);
        payloads.into_par_iter().map(|payload| Ok(work.wrapping.wrap(payload?.expose())?)).collect()
    })
}

/// One after the other, on each of the threads.
fn by_aws_lc(pool: &ThreadPool, count: u32) -> Contender<'_, Work> {
    timed("aws-lc-rs", pool, count, |work| {
        let each = work.wrapped.par_iter().map(|wrapped| {
            let (mut message, mut again) = ([0; 256], [0; 256]);
            let length = work.old.decrypt(wrapped, &mut message)?;
            work.new.encrypt(message.get(..length).context("a length")?, &mut again)?;
            Ok(again.to_vec())
        });
        each.collect()
    })
}

fn timed<'c>(
    name: &str,
    pool: &'c ThreadPool,
    count: u32,
    rewrap: impl Fn(&Work) -> Result<Vec<Vec<u8>>> + Sync + Send + 'c,
) -> Contender<'c, Work> {
    let name = named(name, pool);
    Contender::new(name.clone(), count.into(), move |work: &mut Work, _| {
        let (used, start) = (own_time()?, Instant::now());
        let rewrapped = pool.install(|| rewrap(work))?;
        let elapsed = start.elapsed();
        let used = own_time()?.saturating_sub(used);
        work.processor_times.push((name.clone(), used));
        work.check(&rewrapped)?;
        Ok(elapsed)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_rewrap_to_what_the_peer_opens_and_a_lost_key_is_seen() {
        let mut work = Work::new(5).unwrap();
        let pool = pool(1, &[]).unwrap();
        for mut contenders in [vec![by_aws_lc(&pool, 5)], vec![by_strongroom(&pool, 5)]] {
            rates_of_single_calls(&mut contenders, &mut work, 1).unwrap();
        }
        assert_eq!(work.processor_times.len(), 2);
        assert!(work.check(&work.wrapped[..4]).is_err());
        assert!(work.check(&work.wrapped).is_err(), "they are under the old key");
    }
}
