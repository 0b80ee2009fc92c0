//! Batches over the threads of a pool: of one thread, and of one a core.

use std::hint::black_box;
use std::time::Instant;

use anyhow::{Result, ensure};
use rayon::ThreadPool;
use rayon::prelude::*;
use strongroom::rsa::PrivateKey;

use super::peers::Peer;
use super::{BOUND, Bound, MESSAGE, all_come_back, decrypts, encrypts, kind};
use crate::args::RsaArgs;
use crate::cores::{self, named, pool};
use crate::report::chart::{Panel, Shape};
use crate::report::{Case, Report, Row, Unit};
use crate::rounds::{Contender, Speeds, rates};
use crate::statistics::Ratio;

const COLUMNS: [&str; 4] = ["to aws-lc-rs", "to OpenSSL", "to rsa", "to one thread"];

/// Measures each batch of each operation on one thread and on several, and adds the cases.
pub(super) fn measure(
    key: &PrivateKey,
    peers: &[Box<dyn Peer + '_>],
    bound: Bound,
    args: &RsaArgs,
    report: &mut Report,
) -> Result<()> {
    let cores = cores::allowed()?;
    let threads = args.threads.map_or(cores.len(), usize::from);
    let mut pools = vec![pool(1, &cores)?];
    if threads > 1 {
        pools.push(pool(threads, &cores)?);
    }
    report.notes.push(
        "Batches are timed by the wall clock: what others took of the cores is in these figures. Strongroom decrypts a \
         batch in one call; all else is one operation after the other, spread over the threads by rayon."
            .to_owned(),
    );
    let ciphertext = key.public_key().encrypt_oaep_256(&MESSAGE)?;
    for operation in ["decrypt", "encrypt"] {
        let mut panel = Panel::new(
            format!("{operation}, by ciphertexts in a batch"),
            Unit::Operations.symbol(),
            Shape::Lines,
        );
        for &count in &args.batches {
            let count = usize::from(count);
            let items = vec![(key, &ciphertext[..]); count];
            let mut contenders = Vec::new();
            for pool in &pools {
                for peer in peers {
                    contenders.push(if operation == "encrypt" {
                        each(pool, peer.as_ref(), count, encrypts)
                    } else if peer.name() == "strongroom" {
                        batches(pool, &items)
                    } else {
                        each(pool, peer.as_ref(), count, |peer| decrypts(peer, &ciphertext))
                    });
                }
                contenders.push(bound_of(pool, bound, count, operation == "decrypt"));
            }
            let speeds = rates(&mut contenders, &mut (), args.common.rounds)?;
            let case = case(format!("{operation}, batches of {count}"), &speeds, pools.len())?;
            let rows = case.rows.iter();
            panel.add(
                count.to_string(),
                rows.map(|row| (row.name.as_str(), kind(&row.name), row.median)),
            );
            report.add(case)?;
        }
        report.chart.panels.push(panel);
    }
    Ok(())
}

/// So many operations of a peer's, spread over the pool.
fn each<'c>(
    pool: &'c ThreadPool,
    peer: &'c (dyn Peer + 'c),
    count: usize,
    operation: impl Fn(&dyn Peer) -> Result<bool> + Sync + Send + 'c,
) -> Contender<'c, ()> {
    let name = named(peer.name(), pool);
    timed(pool, name, count, move || {
        (0..count)
            .into_par_iter()
            .map(|_| operation(peer))
            .try_reduce(|| true, |one, other| Ok(one && other))
    })
}

/// One call that decrypts all of them.
fn batches<'c>(pool: &'c ThreadPool, items: &'c [(&'c PrivateKey, &'c [u8])]) -> Contender<'c, ()> {
    let name = named("strongroom", pool);
    timed(pool, name, items.len(), move || Ok(all_come_back(items)))
}

fn timed<'c>(
    pool: &'c ThreadPool,
    name: String,
    count: usize,
    call: impl Fn() -> Result<bool> + Sync + Send + 'c,
) -> Contender<'c, ()> {
    Contender::new(name.clone(), count as u64, move |(): &mut (), calls| {
        let start = Instant::now();
        for _ in 0..calls {
            ensure!(black_box(pool.install(&call)?), "{name}: a wrong result");
        }
        Ok(start.elapsed())
    })
}

/// The bound of a batch on all threads of the pool at once, each with its share.
fn bound_of(pool: &ThreadPool, bound: Bound, count: usize, decrypts: bool) -> Contender<'_, ()> {
    let threads = pool.current_num_threads() as u64;
    let operations = count as u64 * threads;
    Contender::new(named(BOUND, pool), operations, move |(): &mut (), calls| {
        let start = Instant::now();
        pool.broadcast(|_| bound.time(decrypts, calls * count as u64));
        Ok(start.elapsed())
    })
}

/// Contenders of one thread and, where there are several, of all, in the same order; the first three of each are the
/// peers.
fn case(title: String, speeds: &[Speeds], pools: usize) -> Result<Case> {
    let contenders = speeds.len() / pools.max(1);
    let mut rows = Vec::new();
    for (index, of) in speeds.iter().enumerate() {
        let (pool, place) = (index / contenders, index % contenders);
        let ratio = |to: Option<&Speeds>| Ratio::new(&of.samples, &to?.samples);
        let mut ratios: Vec<_> = (0..3)
            .map(|peer| ratio(speeds.get(pool * contenders + peer).filter(|_| peer != place)))
            .collect();
        ratios.push(ratio(speeds.get(place).filter(|_| pool > 0)));
        rows.push(Row::new(of.clone(), ratios)?);
    }
    let columns = COLUMNS.map(str::to_owned).to_vec();
    Ok(Case { title, unit: Unit::Operations, columns, rows })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contender_is_compared_with_its_peers_and_with_itself_on_one_thread() {
        let speeds = |name: &str, sample: f64| Speeds {
            name: name.to_owned(),
            samples: vec![sample, 2.0 * sample, sample],
        };
        let one = [10.0, 8.0, 2.0, 16.0, 20.0].map(|sample| speeds("1 thread", sample));
        let two = [20.0, 12.0, 4.0, 24.0, 40.0].map(|sample| speeds("2 threads", sample));
        let case = case("decrypt".to_owned(), &[one, two].concat(), 2).unwrap();
        let ratios = |row: usize| -> Vec<_> {
            case.rows[row].ratios.iter().map(|r| r.map(|r| r.median_of_ratios)).collect()
        };
        assert_eq!(ratios(0), [None, Some(1.25), Some(5.0), None]);
        assert_eq!(ratios(3), [Some(1.6), Some(2.0), Some(8.0), None]);
        assert_eq!(ratios(6), [Some(0.6), None, Some(3.0), Some(1.5)]);
        assert_eq!(ratios(8), [Some(1.2), Some(2.0), Some(6.0), Some(1.5)]);
    }
}
