//! `leases`: documents of a resource, whose keys are cached under a lease, against the engine alone.

use std::hint::black_box;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use rayon::ThreadPoolBuilder;
use strongroom::document::{Header, OpenOptions, SealOptions, Slots, open, seal};
use strongroom_keys::resource::SealRequest;

use crate::args::LeasesArgs;
use crate::buffer::Buffer;
use crate::clock::{Share, ThreadClock};
use crate::cores;
use crate::keys::Keys;
use crate::report::chart::{Chart, Kind, Panel, Shape};
use crate::report::{Case, Report, Unit};
use crate::rounds::{Contender, measure, rates};
use crate::service::Service;
use crate::size;

/// The title of the only column.
const TO_THE_ENGINE: &str = "to the engine alone";

/// Measures and reports.
///
/// # Errors
///
/// Documents that do not open to what they were; the system's.
pub(super) fn run(args: &LeasesArgs) -> Result<()> {
    let title = "Documents under leased keys".to_owned();
    let mut report = Report::begin(args.common.rounds, Chart { title, panels: Vec::new() });
    report.print_head()?;
    // Large ones first: they use all cores, and the small ones stay on one from then on.
    for layers in [1, 2] {
        let case = large(args, layers)?;
        add(&mut report, case)?;
    }
    let share = Share::start()?;
    let note = cores::alone(args.core.core, |core| {
        for &length in &args.small {
            let case = small(length, args.common.rounds)?;
            add(&mut report, case)?;
        }
        share.note(core)
    })?;
    report.notes.push("Large documents are timed by the wall clock.".to_owned());
    report.notes.push(format!("Small ones: {note}"));
    report.finish(args.common.json.as_deref(), args.common.svg.as_deref())
}

fn add(report: &mut Report, case: Case) -> Result<()> {
    let mut panel = Panel::new(&case.title, case.unit.symbol(), Shape::Bars);
    for rows in case.rows.chunks(2) {
        if let [engine, leased] = rows {
            let bars =
                [("engine", Kind::Peer, engine.median), ("leased", Kind::Ours, leased.median)];
            panel.add(&leased.name, bars);
        }
    }
    report.chart.panels.push(panel);
    report.add(case)
}

/// Small documents one by one on the calling thread, each with its keys, header and copy of the text.
///
/// # Errors
///
/// Those of [`run`].
pub(super) fn small(length: usize, rounds: usize) -> Result<Case> {
    let seal_options = SealOptions { slots: Slots::One, ..SealOptions::default() };
    let open_options = OpenOptions::default();
    let (keys, text) = (Keys::aes()?, Buffer::new(length));
    let request = SealRequest { options: seal_options.clone(), ..SealRequest::default() };
    let service = Service::start(request)?;
    let (keys, text, service) = (&keys, text.bytes(), &service);
    let (seal_options, open_options) = (&seal_options, &open_options);

    let mut contenders = Vec::new();
    for (layers, named) in [(1, "one layer"), (2, "two layers")] {
        let of_engine = seal(text, keys.wrapping(layers), seal_options)?;
        let leased = service.seal(layers, text)?;
        ensure!(service.open(layers, &leased)? == text, "a document did not open to its text");
        contenders.extend([
            documents(format!("seal, engine, {named}"), move || {
                seal(text, keys.wrapping(layers), seal_options).map_err(Into::into)
            }),
            documents(format!("seal, leased, {named}"), move || service.seal(layers, text)),
            documents(format!("open, engine, {named}"), move || {
                open(&of_engine, keys.unwrapping(layers), open_options).map_err(Into::into)
            }),
            documents(format!("open, leased, {named}"), move || service.open(layers, &leased)),
        ]);
    }
    let speeds = rates(&mut contenders, &mut (), rounds)?;
    let title = format!("leased keys, documents of {}", size::display(length));
    Case::new(title, Unit::Documents, &[TO_THE_ENGINE], &speeds, engine_of)
}

/// A contender that makes or opens one document a call.
fn documents<'c>(name: String, call: impl Fn() -> Result<Vec<u8>> + 'c) -> Contender<'c, ()> {
    Contender::new(name, 1, move |(): &mut (), calls| {
        let start = ThreadClock::start();
        for _ in 0..calls {
            black_box(call()?);
        }
        Ok(start.elapsed())
    })
}

/// The texts of the large documents.
struct Texts {
    plain: Buffer,
    /// The engine's document and the resource's.
    documents: [Vec<u8>; 2],
    scratch: Buffer,
}

/// A large document in memory on several threads, from one buffer to another.
fn large(args: &LeasesArgs, layers: usize) -> Result<Case> {
    let (length, threads) = (args.size, usize::from(args.threads));
    let pool = ThreadPoolBuilder::new().num_threads(threads).build().context("starting threads")?;
    let options = SealOptions::default();
    let service = Service::start(SealRequest::default())?;
    let (keys, plain) = (Keys::aes()?, Buffer::new(length));
    let (keys, service, options, pool) = (&keys, &service, &options, &pool);
    let documents = [
        keys.sealer(layers, length, options)?.seal_slice(plain.bytes())?,
        service.sealer(layers, length)?.seal_slice(plain.bytes())?,
    ];
    let scratch = Buffer::new(documents.iter().map(Vec::len).max().unwrap_or(length));
    let mut texts = Texts { plain, documents, scratch };

    let mut contenders = Vec::new();
    for (index, name) in ["engine", "leased"].into_iter().enumerate() {
        let seal = move |texts: &mut Texts, calls| {
            let Texts { plain, documents, scratch } = texts;
            let sealed = &mut scratch.bytes_mut()[..documents[index].len()];
            let start = Instant::now();
            for _ in 0..calls {
                let sealer = match index {
                    0 => keys.sealer(layers, length, options)?,
                    _ => service.sealer(layers, length)?,
                };
                pool.install(|| sealer.seal_into(plain.bytes(), sealed))?;
            }
            Ok(start.elapsed())
        };
        let open = move |texts: &mut Texts, calls| {
            let Texts { plain, documents, scratch } = texts;
            let (document, opened) =
                (&documents[index][..], &mut scratch.bytes_mut()[..plain.bytes().len()]);
            let start = Instant::now();
            for _ in 0..calls {
                if index == 0 {
                    let opener = keys.opener(layers, &Header::parse(document)?)?;
                    pool.install(|| opener.open_into(document, opened))?;
                } else {
                    let opener = service.opener(layers, document)?;
                    pool.install(|| opener.open_into(document, opened))?;
                }
            }
            let elapsed = start.elapsed();
            ensure!(opened == plain.bytes(), "a document did not open to its text");
            Ok(elapsed)
        };
        let bytes = length as u64;
        contenders.push(Contender::new(format!("seal, {name}"), bytes, seal));
        contenders.push(Contender::new(format!("open, {name}"), bytes, open));
    }
    // The engine's and the leased one of an operation side by side.
    contenders.swap(1, 2);
    let speeds = measure(&mut contenders, &mut texts, args.common.rounds)?;
    let title =
        format!("leased keys, {}, {layers} layers, {threads} threads", size::display(length));
    Case::new(title, Unit::Speed, &[TO_THE_ENGINE], &speeds, engine_of)
}

/// Of each pair the first is the engine alone, with which the second is compared.
fn engine_of(row: usize, _column: usize) -> Option<usize> {
    (row % 2 == 1).then(|| row - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leased_document_is_compared_with_the_engines_own() {
        let case = small(64, 1).unwrap();
        for pair in case.rows.chunks(2) {
            assert!(pair[0].name.contains("engine") && pair[0].ratios == [None]);
            assert_eq!(pair[1].name, pair[0].name.replace("engine", "leased"));
            assert!(pair[1].ratios[0].is_some());
        }
        assert_eq!(case.rows.len(), 8);
    }
}
