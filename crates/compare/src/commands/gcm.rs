//! `gcm`: Strongroom's fastest tier against every peer, by the length of the message.

use anyhow::{Context as _, Result};

use crate::args::GcmArgs;
use crate::clock::Share;
use crate::cores;
use crate::memory::{self, LARGE};
use crate::messages::Messages;
use crate::peer::{self, Operation, Peer, agreement, is_software};
use crate::report::chart::{Chart, Kind, Panel, Shape};
use crate::report::{Case, Report, Unit, aligned, print};
use crate::rounds::{Contender, Speeds, measure};
use crate::size;
use crate::statistics::median;
use crate::yardstick::Yardstick;

/// Titles of the columns, and the contenders that they compare with.
const COLUMNS: [&str; 3] = ["to the fastest peer", "of 14 rounds", "of 12 rounds"];

/// Measures and reports.
///
/// # Errors
///
/// Peers that disagree; the system's.
pub(super) fn run(args: &GcmArgs) -> Result<()> {
    let mut peers = peer::all()?;
    agreement::check(&mut peers)?;
    let title = "AES-256-GCM in place, one core".to_owned();
    let mut report = Report::begin(args.common.rounds, Chart { title, panels: Vec::new() });
    let core = cores::pin(args.core.core)?;
    let share = Share::start()?;
    report.notes.push(format!("{} implementations gave the same bytes before.", peers.len()));
    if is_software() {
        report.notes.push(software_note());
    }
    report.print_head()?;
    let mut summary = vec![summary_head()];
    for operation in args.operations() {
        let mut panel = Panel::new(operation.name(), Unit::Speed.symbol(), Shape::Lines);
        for &length in &args.sizes {
            let speeds = one_length(&mut peers, operation, length, args.common.rounds)?;
            let case = case(operation, length, speeds, peers.len())?;
            let kind = |row: usize| match row {
                0 => Kind::Ours,
                _ if row < peers.len() => Kind::Peer,
                _ => Kind::Yardstick,
            };
            // Memory is several times as fast: beside it the others would lie flat.
            let rows = case.rows.iter().enumerate().filter(|(_, row)| !memory::is(&row.name));
            panel.add(
                size::display(length),
                rows.map(|(index, row)| (row.name.as_str(), kind(index), row.median)),
            );
            summary.push(summary_line(&case, operation, length));
            report.add(case)?;
        }
        report.chart.panels.push(panel);
    }
    print(&format!("\n{}", aligned(&summary)))?;
    report.notes.push(share.note(core)?);
    report.finish(args.common.json.as_deref(), args.common.svg.as_deref())
}

/// The note in the report of a build with the workspace's flags.
fn software_note() -> String {
    "RustCrypto's code is its PORTABLE SOFTWARE code in this build: its figures are not what it can \
     do here. Build with RUSTFLAGS=\"\" to compare with its hardware code."
        .to_owned()
}

fn one_length(
    peers: &mut [Box<dyn Peer>],
    operation: Operation,
    length: usize,
    rounds: usize,
) -> Result<Vec<Speeds>> {
    let first = peers.first_mut().context("no peers")?;
    let mut messages = Messages::new(length, first.as_mut())?;
    let mut contenders: Vec<_> = peers
        .iter_mut()
        .map(|peer| {
            let name = peer.name().to_owned();
            Contender::new(name, length as u64, move |messages: &mut Messages, calls| {
                operation.time(peer.as_mut(), messages, calls)
            })
        })
        .collect();
    if let Some(widest) = Yardstick::available().first() {
        contenders.extend(bounds(*widest));
    }
    if length >= LARGE {
        contenders.extend(memory::contenders(length));
    }
    measure(&mut contenders, &mut messages, rounds)
}

/// The loops of 14 and of 12 rounds.
pub(super) fn bounds<'c>(yardstick: Yardstick) -> [Contender<'c, Messages>; 2] {
    let (bytes, name) = (yardstick.bytes_per_call(), yardstick.name());
    [
        Contender::new(format!("14 rounds, {name}"), bytes, move |_: &mut Messages, calls| {
            Ok(yardstick.time::<14>(calls))
        }),
        Contender::new(format!("12 rounds, {name}"), bytes, move |_: &mut Messages, calls| {
            Ok(yardstick.time::<12>(calls))
        }),
    ]
}

/// The rows: ours, the peers from the fastest on, the yardsticks.
fn case(
    operation: Operation,
    length: usize,
    mut speeds: Vec<Speeds>,
    peers: usize,
) -> Result<Case> {
    if let Some(peers) = speeds.get_mut(1..peers) {
        peers.sort_by(|a, b| {
            let (a, b) = (median(&a.samples), median(&b.samples));
            b.partial_cmp(&a).unwrap_or(std::cmp::Ordering::Equal)
        });
    }
    let bound = |rounds: &str| speeds.iter().position(|speed| speed.name.starts_with(rounds));
    let (fourteen, twelve) = (bound("14 rounds"), bound("12 rounds"));
    let title = format!("{}, {}", operation.name(), size::display(length));
    Case::new(title, Unit::Speed, &COLUMNS, &speeds, |row, column| match column {
        0 => (row < peers).then_some(1),
        1 => fourteen,
        _ => twelve,
    })
}

fn summary_head() -> Vec<String> {
    ["Strongroom", "GB/s", "fastest peer", "GB/s"]
        .into_iter()
        .chain(COLUMNS)
        .map(str::to_owned)
        .collect()
}

/// One line of the table at the end, with the medians of the rounds' ratios.
fn summary_line(case: &Case, operation: Operation, length: usize) -> Vec<String> {
    let mut line = vec![format!("{}, {}", operation.name(), size::display(length))];
    if let [ours, fastest, ..] = &case.rows[..] {
        line.push(format!("{:.3}", ours.median));
        line.push(fastest.name.clone());
        line.push(format!("{:.3}", fastest.median));
        line.extend(ours.ratios.iter().map(|ratio| {
            ratio.map_or_else(String::new, |ratio| format!("{:.3}", ratio.median_of_ratios))
        }));
    }
    line
}
