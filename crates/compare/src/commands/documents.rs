//! `documents`: two layers against one and against two passes of every peer; many small documents.

use std::cell::RefCell;
use std::hint::black_box;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use strongroom::Error;
use strongroom::document::{
    Header, OpenOptions, Opener, SealOptions, Sealer, Slots, open_many, seal_many,
};

use crate::args::DocumentsArgs;
use crate::buffer::Buffer;
use crate::chunks::{Chunks, DOCUMENT_CHUNK};
use crate::clock::{Share, ThreadClock};
use crate::commands::leases;
use crate::cores;
use crate::keys::Keys;
use crate::peer::{self, Operation, Peer, agreement, is_software};
use crate::report::chart::{Chart, Kind, Panel, Shape};
use crate::report::{Case, Report, Unit};
use crate::rounds::{Contender, Speeds, measure, rates};
use crate::size;
use crate::statistics::median;

/// Sealers that are made before the clock runs, and then used up: few enough that they stay in cache.
const READY: u64 = 8;

/// Titles of the columns of the layers.
const LAYERS_COLUMNS: [&str; 3] =
    ["to one layer", "to the fastest in place", "to the fastest from a copy"];

/// The first contenders of the layers: ours, of two layers and of one. Passes follow.
const OURS: usize = 2;

/// Names of the contenders that make two passes.
const IN_PLACE: &str = "two passes in place";
const FROM_A_COPY: &str = "copied, two passes";

/// Measures and reports.
///
/// # Errors
///
/// Peers that disagree; documents that do not open to what they were; the system's.
pub(super) fn run(args: &DocumentsArgs) -> Result<()> {
    let title = "Documents in memory, one core".to_owned();
    let mut report = Report::begin(args.common.rounds, Chart { title, panels: Vec::new() });
    cores::alone(args.core.core, |core| {
        // Two objects of each library, so that each pass has a key of its own to fetch.
        let mut peers = [peer::all()?, peer::all()?];
        for peers in &mut peers {
            agreement::check(peers)?;
        }
        let keys = Keys::aes()?;
        let share = Share::start()?;
        report.notes.push(
            "Layers go from one buffer to another, the header made before. A pass in place goes over \
             the whole text, and then the second; from a copy, chunk by chunk: copied from another \
             buffer, then both passes."
                .to_owned(),
        );
        if is_software() {
            report
                .notes
                .push("RustCrypto's code is its portable software code in this build.".to_owned());
        }
        report.print_head()?;
        for operation in Operation::ALL {
            let title = format!("{} two layers", operation.name());
            let mut panel = Panel::new(title, Unit::Speed.symbol(), Shape::Lines);
            for &length in &args.sizes {
                let case = layers(&keys, &mut peers, operation, length, args.common.rounds)?;
                add(&mut panel, length, &case);
                report.add(case)?;
            }
            report.chart.panels.push(panel);
        }
        for &length in &args.small {
            let title = format!("many documents of {}", size::display(length));
            let mut panel = Panel::new(title, Unit::Documents.symbol(), Shape::Bars);
            for slots in [Slots::One, Slots::Two] {
                let case = many(&keys, slots, length, args)?;
                let rows = case.rows.iter();
                panel.add(
                    slots_name(slots),
                    rows.map(|row| (row.name.as_str(), Kind::Ours, row.median)),
                );
                report.add(case)?;
            }
            report.chart.panels.push(panel);
            report.add(leases::small(length, args.common.rounds)?)?;
        }
        report.notes.push(share.note(core)?);
        report.finish(args.common.json.as_deref(), args.common.svg.as_deref())
    })
}

/// Adds a place; passes from a copy would hide those in place.
fn add(panel: &mut Panel, length: usize, case: &Case) {
    let rows = case.rows.iter().enumerate().filter(|(_, row)| !row.name.ends_with(FROM_A_COPY));
    let kind = |row, name: &str| match row {
        _ if row < OURS => Kind::Ours,
        _ if is_ours(name) => Kind::Yardstick,
        _ => Kind::Peer,
    };
    let values = rows.map(|(row, is)| (is.name.as_str(), kind(row, &is.name), is.median));
    panel.add(size::display(length), values);
}

/// True where the contender is one of Strongroom's.
fn is_ours(name: &str) -> bool {
    name.starts_with("strongroom")
}

/// Texts and documents for the contenders of the layers.
struct Texts {
    plain: Buffer,
    /// Sealed in one layer and in two.
    documents: [Vec<u8>; 2],
    scratch: Buffer,
    /// For the passes.
    chunks: Chunks,
    /// The text that is copied for the passes from a copy.
    original: Vec<u8>,
}

fn layers(
    keys: &Keys,
    peers: &mut [Vec<Box<dyn Peer>>; 2],
    operation: Operation,
    length: usize,
    rounds: usize,
) -> Result<Case> {
    let plain = Buffer::new(length);
    let sealed = |layers| {
        let document = sealer(keys, layers, length)?.seal_slice(plain.bytes())?;
        let opened = opener(keys, layers, &document)?.open_slice(&document)?;
        ensure!(opened == plain.bytes(), "{layers} layers did not open to the text");
        anyhow::Ok(document)
    };
    let documents = [sealed(1)?, sealed(2)?];
    let openers = [opener(keys, 1, &documents[0])?, opener(keys, 2, &documents[1])?];
    let scratch = Buffer::new(documents[1].len());
    let [first, second] = peers;
    let chunks =
        Chunks::new(length, DOCUMENT_CHUNK, first.first_mut().context("no peers")?.as_mut())?;
    let original = chunks.text();
    let mut texts = Texts { plain, documents, scratch, chunks, original };

    let mut contenders = Vec::new();
    for (layers, name) in [(2, "strongroom, two layers"), (1, "strongroom, one layer")] {
        let opener = &openers[layers - 1];
        contenders.push(Contender::new(name, length as u64, move |texts: &mut Texts, calls| {
            match operation {
                Operation::Seal => time_seals(keys, layers, texts, calls),
                Operation::Open => time_opens(opener, layers, texts, calls),
            }
        }));
    }
    for (first, second) in first.iter_mut().zip(second) {
        contenders.extend(passes(operation, length, [first.as_mut(), second.as_mut()]));
    }
    let speeds = measure(&mut contenders, &mut texts, rounds)?;
    layers_case(operation, length, speeds)
}

/// Both ways in which a peer does two layers.
fn passes(
    operation: Operation,
    length: usize,
    peers: [&mut dyn Peer; 2],
) -> [Contender<'_, Texts>; 2] {
    let name = peers[0].name().to_owned();
    let once = move |peer: &mut dyn Peer, chunks: &mut Chunks, index| match operation {
        Operation::Seal => chunks.seal(index, peer),
        Operation::Open => chunks.open(index, peer),
    };
    let peers = Rc::new(RefCell::new(peers));
    let of_copy = Rc::clone(&peers);
    let in_place = move |texts: &mut Texts, calls| {
        let mut peers = peers.borrow_mut();
        let start = ThreadClock::start();
        for _ in 0..calls {
            for peer in &mut *peers {
                for index in 0..texts.chunks.count() {
                    once(*peer, &mut texts.chunks, index)?;
                }
            }
        }
        Ok(start.elapsed())
    };
    let copied = move |texts: &mut Texts, calls| {
        let mut peers = of_copy.borrow_mut();
        let Texts { chunks, original, .. } = texts;
        let start = ThreadClock::start();
        for _ in 0..calls {
            for index in 0..chunks.count() {
                chunks.restore(index, original);
                for peer in &mut *peers {
                    once(*peer, chunks, index)?;
                }
            }
        }
        Ok(start.elapsed())
    };
    [
        Contender::new(format!("{name}, {IN_PLACE}"), length as u64, in_place),
        Contender::new(format!("{name}, {FROM_A_COPY}"), length as u64, copied),
    ]
}

fn sealer(keys: &Keys, layers: usize, length: usize) -> Result<Sealer> {
    keys.sealer(layers, length, &SealOptions::default())
}

fn opener(keys: &Keys, layers: usize, document: &[u8]) -> Result<Opener> {
    keys.opener(layers, &Header::parse(document)?)
}

fn time_seals(keys: &Keys, layers: usize, texts: &mut Texts, calls: u64) -> Result<Duration> {
    let Texts { plain, documents, scratch, .. } = texts;
    let sealed = &mut scratch.bytes_mut()[..documents[layers - 1].len()];
    let mut elapsed = Duration::ZERO;
    let mut left = calls;
    while left > 0 {
        let now = left.min(READY);
        let sealers = (0..now).map(|_| sealer(keys, layers, plain.bytes().len()));
        let sealers = sealers.collect::<Result<Vec<_>>>()?;
        let start = ThreadClock::start();
        for sealer in sealers {
            sealer.seal_into(black_box(plain.bytes()), black_box(sealed))?;
        }
        elapsed += start.elapsed();
        left -= now;
    }
    Ok(elapsed)
}

fn time_opens(opener: &Opener, layers: usize, texts: &mut Texts, calls: u64) -> Result<Duration> {
    let Texts { plain, documents, scratch, .. } = texts;
    let document = &documents[layers - 1];
    let opened = &mut scratch.bytes_mut()[..plain.bytes().len()];
    let start = ThreadClock::start();
    for _ in 0..calls {
        opener.open_into(black_box(document), black_box(opened))?;
    }
    Ok(start.elapsed())
}

/// The rows: two layers, one layer, all passes from the fastest on.
fn layers_case(operation: Operation, length: usize, mut speeds: Vec<Speeds>) -> Result<Case> {
    if let Some(passes) = speeds.get_mut(OURS..) {
        let speed = |speeds: &Speeds| median(&speeds.samples).unwrap_or(f64::NAN);
        passes.sort_by(|a, b| speed(b).total_cmp(&speed(a)));
    }
    let fastest = |how: &str| {
        speeds.iter().position(|speeds| !is_ours(&speeds.name) && speeds.name.ends_with(how))
    };
    let (in_place, copied) = (fastest(IN_PLACE), fastest(FROM_A_COPY));
    let title = format!("{} {}", operation.name(), size::display(length));
    Case::new(title, Unit::Speed, &LAYERS_COLUMNS, &speeds, |row, column| match column {
        _ if row > 0 => None,
        0 => Some(1),
        1 => in_place,
        _ => copied,
    })
}

fn slots_name(slots: Slots) -> &'static str {
    match slots {
        Slots::One => "one slot",
        Slots::Two => "two slots",
    }
}

/// Many small documents, each with its keys and header, in one call.
fn many(keys: &Keys, slots: Slots, length: usize, args: &DocumentsArgs) -> Result<Case> {
    let seal_options = SealOptions { slots, ..SealOptions::default() };
    let open_options = OpenOptions::default();
    let count = usize::from(args.count);
    let texts: Vec<_> = (0..count).map(|_| Buffer::new(length)).collect();
    let to_seal: Vec<_> = texts.iter().map(|text| (text.bytes(), &seal_options)).collect();
    let sealed = all(seal_many(&to_seal, keys.wrapping(1)))?;
    let to_open: Vec<_> = sealed.iter().map(|sealed| (&sealed[..], &open_options)).collect();
    for (text, opened) in texts.iter().zip(all(open_many(&to_open, keys.unwrapping(1)))?) {
        ensure!(opened == text.bytes(), "a small document did not open to its text");
    }

    let amount = u64::from(args.count);
    let seal = |(): &mut (), calls| {
        let start = ThreadClock::start();
        for _ in 0..calls {
            all(seal_many(black_box(&to_seal), keys.wrapping(1)))?;
        }
        Ok(start.elapsed())
    };
    let open = |(): &mut (), calls| {
        let start = ThreadClock::start();
        for _ in 0..calls {
            all(open_many(black_box(&to_open), keys.unwrapping(1)))?;
        }
        Ok(start.elapsed())
    };
    let mut contenders =
        [Contender::new("seal_many", amount, seal), Contender::new("open_many", amount, open)];
    let speeds = rates(&mut contenders, &mut (), args.common.rounds)?;
    let title = format!("{count} of {}, {}", size::display(length), slots_name(slots));
    Case::new(title, Unit::Documents, &[], &speeds, |_, _| None)
}

/// All results, or the first error.
fn all(results: Vec<Result<Vec<u8>, Error>>) -> Result<Vec<Vec<u8>>> {
    Ok(results.into_iter().collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fastest_peer_is_what_two_layers_are_compared_with() {
        let speeds = |name: &str, sample: f64| Speeds {
            name: name.to_owned(),
            samples: vec![sample, sample],
        };
        let speeds = vec![
            speeds("strongroom, two layers", 6.0),
            speeds("strongroom, one layer", 12.0),
            speeds("strongroom, two passes in place", 8.0),
            speeds("a, two passes in place", 2.0),
            speeds("a, copied, two passes", 3.0),
            speeds("b, two passes in place", 4.0),
        ];
        let case = layers_case(Operation::Seal, 1 << 20, speeds).unwrap();
        let names: Vec<_> = case.rows.iter().map(|row| &row.name[..]).collect();
        let sorted = ["strongroom", "b", "a, copied", "a, two"];
        assert!(names[2..].iter().zip(sorted).all(|(name, start)| name.starts_with(start)));
        let ratios = |row: usize| -> Vec<_> {
            case.rows[row].ratios.iter().map(|r| r.map(|r| r.median_of_ratios)).collect()
        };
        assert_eq!(ratios(0), [Some(0.5), Some(1.5), Some(2.0)]);
        assert!((1..6).all(|row| ratios(row) == [None; 3]));
    }
}
