//! `parallel`: large texts in memory, on one thread and on several.

use std::hint::black_box;
use std::time::Instant;

use anyhow::{Result, anyhow};
use rayon::ThreadPool;
use rayon::prelude::*;
use strongroom::document::{ChunkLen, Header, SealOptions};
use strongroom::gcm::Aes256Gcm;

use crate::args::ParallelArgs;
use crate::buffer::Buffer;
use crate::chunks::DOCUMENT_CHUNK;
use crate::cores::{self, named, pool};
use crate::keys::Keys;
use crate::memory::{COPY, XOR};
use crate::peer::KEY;
use crate::report::chart::{Chart, Kind, Panel, Shape};
use crate::report::{Case, Report, Row, Unit};
use crate::rounds::{Contender, Speeds, measure};
use crate::size;
use crate::statistics::{Ratio, quotients};
use crate::yardstick::{Yardstick, xor_sweep};

const COLUMNS: [&str; 3] = ["to one thread", "of the yardstick's scaling", "to XOR in place"];

/// The texts of all contenders.
struct Texts {
    plain: Buffer,
    /// One for each length of chunks.
    documents: Vec<Vec<u8>>,
    scratch: Buffer,
}

/// Measures and reports.
///
/// # Errors
///
/// The system's.
pub(super) fn run(args: &ParallelArgs) -> Result<()> {
    let cores = cores::allowed()?;
    let threads = args.threads.map_or_else(|| cores.len().max(2), usize::from);
    let pools = [pool(1, &cores)?, pool(threads, &cores)?];

    let title = format!("Texts in memory, on 1 and on {threads} threads");
    let mut report = Report::begin(args.common.rounds, Chart { title, panels: Vec::new() });
    if threads > cores.len() {
        let cores = cores.len();
        report.notes.push(format!("{threads} threads share {cores} cores: this is no scaling."));
    }
    let wall = "Timed by the wall clock: what others took of the cores is in these figures.";
    report.notes.push(wall.to_owned());
    report.print_head()?;
    for &length in &args.sizes {
        let speeds = one_length(&pools, length, args)?;
        let case = case(length, &speeds)?;
        report.chart.panels.push(panel(&case));
        report.add(case)?;
    }
    report.finish(args.common.json.as_deref(), args.common.svg.as_deref())
}

/// Each contender with one bar for one thread and one for all.
fn panel(case: &Case) -> Panel {
    let mut panel = Panel::new(&case.title, case.unit.symbol(), Shape::Bars);
    let (one, all) = case.rows.split_at(case.rows.len() / 2);
    for rows in one.iter().zip(all) {
        let [(name, one), (_, all)] = [rows.0, rows.1].map(|row| {
            let (name, threads) = row.name.rsplit_once(", ").unwrap_or((&row.name, ""));
            (name, (threads, row.median))
        });
        let name = name.trim_start_matches("strongroom, ");
        panel.add(name, [(one.0, Kind::Peer, one.1), (all.0, Kind::Ours, all.1)]);
    }
    panel
}

fn one_length(pools: &[ThreadPool], length: usize, args: &ParallelArgs) -> Result<Vec<Speeds>> {
    let plain = Buffer::new(length);
    let keys = Keys::aes()?;
    let options = args.chunks.iter().map(|&chunk_len| {
        let chunk_len = ChunkLen::new(chunk_len as u64)?;
        anyhow::Ok(SealOptions { chunk_len, ..SealOptions::default() })
    });
    let options = options.collect::<Result<Vec<_>>>()?;
    let documents = options
        .iter()
        .map(|options| Ok(keys.sealer(1, length, options)?.seal_slice(plain.bytes())?))
        .collect::<Result<Vec<_>>>()?;
    let scratch = Buffer::new(documents.iter().map(Vec::len).max().unwrap_or(length));
    let mut texts = Texts { plain, documents, scratch };
    let mut contenders = Vec::new();
    for pool in pools {
        for (number, options) in options.iter().enumerate() {
            contenders.extend(document(pool, &keys, length, (number, options)));
        }
        contenders.push(in_place(pool, length));
        contenders.extend(yardsticks(pool, length));
    }
    measure(&mut contenders, &mut texts, args.common.rounds)
}

/// Whole documents: sealed with all that belongs to one (keys, header), and opened.
fn document<'c>(
    pool: &'c ThreadPool,
    keys: &'c Keys,
    length: usize,
    (number, options): (usize, &'c SealOptions),
) -> [Contender<'c, Texts>; 2] {
    let bytes = length as u64;
    let chunks = match options.chunk_len {
        usual if usual == ChunkLen::default() => String::new(),
        other => format!(" in {} chunks", size::display(1 << other.bytes().trailing_zeros())),
    };
    let seal = move |texts: &mut Texts, calls| {
        let Texts { plain, documents, scratch } = texts;
        let sealed = &mut scratch.bytes_mut()[..documents[number].len()];
        let start = Instant::now();
        for _ in 0..calls {
            pool.install(|| {
                let sealer = keys.sealer(1, length, options)?;
                anyhow::Ok(sealer.seal_into(plain.bytes(), sealed)?)
            })?;
        }
        Ok(start.elapsed())
    };
    let open = move |texts: &mut Texts, calls| {
        let Texts { documents, scratch, .. } = texts;
        let document = &documents[number];
        let start = Instant::now();
        for _ in 0..calls {
            pool.install(|| {
                let opener = keys.opener(1, &Header::parse(document)?)?;
                anyhow::Ok(opener.open_into(document, &mut scratch.bytes_mut()[..length])?)
            })?;
        }
        Ok(start.elapsed())
    };
    [
        Contender::new(named(&format!("strongroom, seal a document{chunks}"), pool), bytes, seal),
        Contender::new(named(&format!("strongroom, open a document{chunks}"), pool), bytes, open),
    ]
}

/// The cipher alone, in place, chunk by chunk.
fn in_place(pool: &ThreadPool, length: usize) -> Contender<'_, Texts> {
    let cipher = Aes256Gcm::new(&KEY);
    Contender::new(
        named("strongroom, seal in place", pool),
        length as u64,
        move |texts: &mut Texts, calls| {
            let start = Instant::now();
            for _ in 0..calls {
                pool.install(|| {
                    texts.plain.bytes_mut().par_chunks_mut(DOCUMENT_CHUNK).enumerate().try_for_each(
                        |(index, chunk)| {
                            // The nonces of a document.
                            let mut nonce = [0; 12];
                            nonce[6..10].copy_from_slice(&u32::try_from(index)?.to_be_bytes());
                            black_box(cipher.seal_in_place(&nonce, &[], chunk)?);
                            anyhow::Ok(())
                        },
                    )
                })?;
            }
            Ok(start.elapsed())
        },
    )
}

fn yardsticks(pool: &ThreadPool, length: usize) -> Vec<Contender<'_, Texts>> {
    let bytes = length as u64;
    let mut contenders = vec![
        Contender::new(named(XOR, pool), bytes, move |texts: &mut Texts, calls| {
            let start = Instant::now();
            for _ in 0..calls {
                pool.install(|| {
                    texts.plain.bytes_mut().par_chunks_mut(DOCUMENT_CHUNK).for_each(xor_sweep);
                });
            }
            Ok(start.elapsed())
        }),
        Contender::new(named(COPY, pool), bytes, move |texts: &mut Texts, calls| {
            let Texts { plain, scratch, .. } = texts;
            let start = Instant::now();
            for _ in 0..calls {
                pool.install(|| {
                    let chunks = plain.bytes().par_chunks(DOCUMENT_CHUNK);
                    let copies = scratch.bytes_mut()[..length].par_chunks_mut(DOCUMENT_CHUNK);
                    chunks.zip(copies).for_each(|(chunk, copy)| copy.copy_from_slice(chunk));
                });
            }
            Ok(start.elapsed())
        }),
    ];
    if let Some(&widest) = Yardstick::available().first() {
        // As much work as the others have, in as many parts as there are threads.
        let threads = pool.current_num_threads() as u64;
        let passes = (bytes / widest.bytes_per_call() / threads).max(1);
        let worked = passes * widest.bytes_per_call() * threads;
        let name = named(&format!("14 rounds, {}", widest.name()), pool);
        contenders.push(Contender::new(name, worked, move |_: &mut Texts, calls| {
            let start = Instant::now();
            pool.broadcast(|_| widest.time::<14>(calls * passes));
            Ok(start.elapsed())
        }));
    }
    contenders
}

/// The first half of the speeds is of one thread, the second of all, in the same order.
fn case(length: usize, speeds: &[Speeds]) -> Result<Case> {
    let (one, all) = speeds.split_at(speeds.len() / 2);
    let yardstick = |half: &[Speeds]| {
        half.iter().find(|speeds| speeds.name.starts_with("14 rounds")).map(|s| s.samples.clone())
    };
    let yardstick = yardstick(all).zip(yardstick(one)).map(|(all, one)| quotients(&all, &one));
    let mut rows = Vec::new();
    for (index, speeds) in speeds.iter().enumerate() {
        let (half, single) = match index.checked_sub(one.len()) {
            None => (one, None),
            Some(index) => (all, one.get(index)),
        };
        let sweep = half
            .iter()
            .find(|speeds| speeds.name.starts_with(XOR))
            .ok_or_else(|| anyhow!("no sweep was measured"))?;
        let scaling = single.map(|single| quotients(&speeds.samples, &single.samples));
        let ratios = vec![
            single.and_then(|single| Ratio::new(&speeds.samples, &single.samples)),
            scaling.zip(yardstick.as_ref()).and_then(|(of, to)| Ratio::new(&of, to)),
            Ratio::new(&speeds.samples, &sweep.samples),
        ];
        rows.push(Row::new(speeds.clone(), ratios)?);
    }
    let columns = COLUMNS.map(str::to_owned).to_vec();
    Ok(Case { title: size::display(length), unit: Unit::Speed, columns, rows })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scaling_is_between_a_contender_and_itself() {
        let speeds = |name: &str, sample: f64| Speeds {
            name: name.to_owned(),
            samples: vec![sample, 2.0 * sample, sample],
        };
        let case = case(
            1 << 30,
            &[
                speeds("strongroom, 1 thread", 5.0),
                speeds("XOR in place, 1 thread", 10.0),
                speeds("14 rounds, zmm, 1 thread", 8.0),
                speeds("strongroom, 2 threads", 9.0),
                speeds("XOR in place, 2 threads", 12.0),
                speeds("14 rounds, zmm, 2 threads", 16.0),
            ],
        )
        .unwrap();
        let ratios = |row: usize| -> Vec<_> {
            case.rows[row].ratios.iter().map(|r| r.map(|r| r.median_of_ratios)).collect()
        };
        assert_eq!(ratios(0), [None, None, Some(0.5)]);
        assert_eq!(ratios(3), [Some(1.8), Some(0.9), Some(0.75)]);
        assert_eq!(ratios(5), [Some(2.0), Some(1.0), Some(16.0 / 12.0)]);
    }
}
