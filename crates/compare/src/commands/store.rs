//! `store`: the sealed store over one in memory, against the engine alone.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use futures_lite::future::block_on;
use futures_util::stream::TryStreamExt as _;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore as _, ObjectStoreExt as _};
use rayon::ThreadPoolBuilder;
use strongroom::document::{ChunkLen, Header, SealOptions, Slots};
use strongroom_keys::resource::SealRequest;
use strongroom_store::Settings;

use crate::args::StoreArgs;
use crate::buffer::Buffer;
use crate::clock::{Share, ThreadClock};
use crate::cores;
use crate::keys::Keys;
use crate::report::chart::{Chart, Kind, Panel, Shape};
use crate::report::{Case, Report, Unit};
use crate::rounds::{Contender, measure, rates};
use crate::service::Service;
use crate::size;

const TO_THE_ENGINE: &str = "to the engine alone";
/// Length of a short range in bytes.
const RANGE: u64 = 4096;
/// Length in bytes of the object whose ranges are read.
const OBJECT: usize = 64 << 20;
/// Ranges in one call.
const MANY: u64 = 100;

/// Measures and reports.
///
/// # Errors
///
/// Objects that do not come out as they went in; the system's.
pub(super) fn run(args: &StoreArgs) -> Result<()> {
    let title = "Objects of a sealed store".to_owned();
    let mut report = Report::begin(args.common.rounds, Chart { title, panels: Vec::new() });
    report.print_head()?;
    // Large ones first: they use all cores, and the small ones stay on one from then on.
    for layers in [1, 2] {
        add(&mut report, large(args, layers)?)?;
    }
    let share = Share::start()?;
    let note = cores::alone(args.core.core, |core| {
        for layers in [1, 2] {
            add(&mut report, ranges(layers, args.common.rounds)?)?;
        }
        share.note(core)
    })?;
    report.notes.push("Large objects are timed by the wall clock.".to_owned());
    report.notes.push(format!("Ranges: {note}"));
    report.finish(args.common.json.as_deref(), args.common.svg.as_deref())
}

fn add(report: &mut Report, case: Case) -> Result<()> {
    let mut panel = Panel::new(&case.title, case.unit.symbol(), Shape::Bars);
    for row in &case.rows {
        let kind = if row.name.contains("engine") { Kind::Peer } else { Kind::Ours };
        panel.add(&row.name, [("median", kind, row.median)]);
    }
    report.chart.panels.push(panel);
    report.add(case)
}

/// A large object, from one place in memory to another that is allocated for it.
fn large(args: &StoreArgs, layers: usize) -> Result<Case> {
    let (length, threads) = (args.size, usize::from(args.threads));
    let pool = ThreadPoolBuilder::new().num_threads(threads).build().context("starting threads")?;
    let (pool, chunk_len) = (Arc::new(pool), ChunkLen::new(64 * 1024)?);
    let options = SealOptions { chunk_len, slots: Slots::One, ..SealOptions::default() };
    let service = Service::start(SealRequest::default())?;
    let settings = Settings {
        memory: length.saturating_mul(2).saturating_add(64 << 20),
        pool: Some(Arc::clone(&pool)),
        ..Settings::default()
    };
    let store = service.store(layers, Arc::new(InMemory::new()), chunk_len, settings)?;
    let (keys, path) = (Keys::aes()?, Path::from("large"));
    let text = Bytes::copy_from_slice(Buffer::new(length).bytes());
    block_on(store.put(&path, text.clone().into()))?;
    let document = keys.sealer(layers, length, &options)?.seal_slice(&text)?;
    let (keys, options, pool, text) = (&keys, &options, &pool, &text);
    let (store, path, document) = (&store, &path, &document);

    let bytes = length as u64;
    let mut contenders = vec![
        Contender::new("seal, engine", bytes, move |(): &mut (), calls| {
            let start = Instant::now();
            for _ in 0..calls {
                let sealer = keys.sealer(layers, length, options)?;
                black_box(pool.install(|| sealer.seal_slice(text))?);
            }
            Ok(start.elapsed())
        }),
        Contender::new("put, store", bytes, move |(): &mut (), calls| {
            let start = Instant::now();
            for _ in 0..calls {
                block_on(store.put(path, text.clone().into()))?;
            }
            Ok(start.elapsed())
        }),
        Contender::new("open, engine", bytes, move |(): &mut (), calls| {
            let start = Instant::now();
            for _ in 0..calls {
                let opener = keys.opener(layers, &Header::parse(document)?)?;
                black_box(pool.install(|| opener.open_slice(document))?);
            }
            Ok(start.elapsed())
        }),
        Contender::new("get, store", bytes, move |(): &mut (), calls| {
            let start = Instant::now();
            for _ in 0..calls {
                let read = block_on(async {
                    let mut text = store.get(path).await?.into_stream();
                    let mut read = 0;
                    while let Some(piece) = text.try_next().await? {
                        read += piece.len();
                    }
                    Ok::<_, object_store::Error>(read)
                })?;
                ensure!(read == length, "an object has another length");
            }
            Ok(start.elapsed())
        }),
    ];
    let speeds = measure(&mut contenders, &mut (), args.common.rounds)?;
    let title =
        format!("an object of {}, {layers} layers, {threads} threads", size::display(length));
    Case::new(title, Unit::Speed, &[TO_THE_ENGINE], &speeds, |row, _| {
        (row % 2 == 1).then(|| row - 1)
    })
}

/// Ranges of an object whose header is known, one by one and a hundred in a call, on the calling thread.
///
/// # Errors
///
/// Those of [`run`].
pub(super) fn ranges(layers: usize, rounds: usize) -> Result<Case> {
    let service = Service::start(SealRequest::default())?;
    let text = Bytes::copy_from_slice(Buffer::new(OBJECT).bytes());
    let path = Path::from("object");
    let mut stores = Vec::new();
    for chunk_len in [64 << 10, 1 << 20] {
        let inner = Arc::new(InMemory::new());
        let chunk_len = ChunkLen::new(chunk_len)?;
        let store = service.store(layers, inner, chunk_len, Settings::default())?;
        block_on(store.put(&path, text.clone().into()))?;
        let read = block_on(store.get_range(&path, 12_345..12_345 + RANGE))?;
        ensure!(read == text.slice(12_345..12_345 + 4096), "a range is not that of the text");
        stores.push((chunk_len, store));
    }
    let path = &path;
    let mut contenders = Vec::new();
    for (chunk_len, store) in &stores {
        let named = size::display(usize::try_from(chunk_len.bytes())?);
        let mut at = 0_u64;
        let mut next = move || {
            at = at.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (at >> 33) % (OBJECT as u64 - RANGE)
        };
        contenders.push(Contender::new(
            format!("range, chunks of {named}"),
            1,
            move |(): &mut (), calls| {
                let start = ThreadClock::start();
                for _ in 0..calls {
                    let from = next();
                    black_box(block_on(store.get_range(path, from..from + RANGE))?);
                }
                Ok(start.elapsed())
            },
        ));
    }
    let (_, store) = &stores[0];
    let step = OBJECT as u64 / MANY;
    let many: Vec<_> = (0..MANY).map(|at| at * step..at * step + RANGE).collect();
    contenders.push(Contender::new(
        format!("{MANY} ranges in a call, each"),
        MANY,
        move |(): &mut (), calls| {
            let start = ThreadClock::start();
            for _ in 0..calls {
                black_box(block_on(store.get_ranges(path, &many))?);
            }
            Ok(start.elapsed())
        },
    ));
    let speeds = rates(&mut contenders, &mut (), rounds)?;
    let title = format!("ranges of {RANGE} bytes, {layers} layers, a known header");
    Case::new(title, Unit::Documents, &[], &speeds, |_, _| None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_measured_for_both_lengths_of_chunks_and_many_at_once() {
        let case = ranges(1, 1).unwrap();
        assert_eq!(case.rows.len(), 3);
        assert!(case.rows.iter().all(|row| row.median > 0.0));
    }
}
