//! `tiers`: each of Strongroom's tiers against the bounds of its own vectors.

use anyhow::{Context as _, Result};
use strongroom::backend::Backend;

use super::gcm::bounds;
use crate::args::TiersArgs;
use crate::clock::Share;
use crate::cores;
use crate::masked::MaskedOpenSsl;
use crate::messages::Messages;
use crate::peer::openssl::OpenSsl;
use crate::peer::{Operation, Peer, RustCrypto, Strongroom, agreement, is_software};
use crate::report::chart::{Chart, Kind, Panel, Shape};
use crate::report::{Case, Report, Unit};
use crate::rounds::{Contender, Speeds, measure};
use crate::size;
use crate::yardstick::{Mix, Yardstick};

const MASKED: &str = "openssl without VAES";
const COLUMNS: [&str; 5] = [
    "of 14 rounds",
    "of 12 rounds",
    "of its instructions",
    "to openssl without VAES",
    "to aes-gcm",
];

/// Measures and reports.
///
/// # Errors
///
/// Implementations that disagree; the system's.
pub(super) fn run(args: &TiersArgs) -> Result<()> {
    let tiers: Vec<_> = Backend::available().collect();
    let mut peers: Vec<Box<dyn Peer>> = Vec::new();
    for backend in &tiers {
        peers.push(Box::new(Strongroom::new(*backend)));
    }
    peers.push(Box::new(OpenSsl::new("openssl")?));
    peers.push(Box::new(RustCrypto::new()));
    agreement::check(&mut peers)?;
    let title = "Strongroom's tiers, one core".to_owned();
    let mut report = Report::begin(args.common.rounds, Chart { title, panels: Vec::new() });
    let core = cores::pin(args.core.core)?;
    let share = Share::start()?;
    let mut masked = MaskedOpenSsl::start()?;
    report.notes.push(masked.note());
    report.notes.push(if is_software() {
        "The software tier and aes-gcm both run portable software code.".to_owned()
    } else {
        "In this build aes-gcm runs RustCrypto's hardware code, and the software tier (hw) that of the aes \
         crate, beside its own software GHASH. For software against software build without RUSTFLAGS."
            .to_owned()
    });
    report.print_head()?;
    for operation in Operation::ALL {
        let mut panel = Panel::new(operation.name(), Unit::Speed.symbol(), Shape::Lines);
        for &length in &args.sizes {
            let speeds = one_length(&mut peers, &tiers, &mut masked, operation, length, args)?;
            let case = case(&tiers, operation, length, &speeds)?;
            let rows = case.rows.iter();
            panel.add(
                size::display(length),
                rows.map(|row| (row.name.as_str(), kind(&row.name), row.median)),
            );
            report.add(case)?;
        }
        report.chart.panels.push(panel);
    }
    drop(masked); // its time counts when it has ended
    report.notes.push(share.note(core)?);
    report.finish(args.common.json.as_deref(), args.common.svg.as_deref())
}

fn kind(name: &str) -> Kind {
    if name.starts_with("strongroom") {
        Kind::Ours
    } else if name.contains("rounds") || name == Mix::NAME {
        Kind::Yardstick
    } else {
        Kind::Peer
    }
}

fn one_length(
    peers: &mut [Box<dyn Peer>],
    tiers: &[Backend],
    masked: &mut MaskedOpenSsl,
    operation: Operation,
    length: usize,
    args: &TiersArgs,
) -> Result<Vec<Speeds>> {
    let first = peers.first_mut().context("no tiers")?;
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
    contenders.push(Contender::new(MASKED, length as u64, |_: &mut Messages, calls| {
        masked.time(operation, length, calls)
    }));
    let yardsticks = tiers.iter().filter_map(|tier| Yardstick::of_tier(tier.name()));
    contenders.extend(yardsticks.flat_map(bounds));
    contenders.extend(Mix::available().map(|mix| {
        let time = move |_: &mut Messages, calls| Ok(mix.time(calls));
        Contender::new(Mix::NAME, Mix::BYTES_PER_CALL, time)
    }));
    measure(&mut contenders, &mut messages, args.common.rounds)
}

fn case(tiers: &[Backend], operation: Operation, length: usize, speeds: &[Speeds]) -> Result<Case> {
    let position = |name: &str| speeds.iter().position(|speed| speed.name == name);
    let title = format!("{}, {}", operation.name(), size::display(length));
    Case::new(title, Unit::Speed, &COLUMNS, speeds, |row, column| {
        let tier = tiers.get(row)?.name();
        let bound = |rounds: u32| {
            position(&format!("{rounds} rounds, {}", Yardstick::of_tier(tier)?.name()))
        };
        match (column, tier) {
            (0, _) => bound(14),
            (1, _) => bound(12),
            (2, "vaes256") => position(Mix::NAME),
            (3, "aesni") => position(MASKED),
            // RustCrypto stands after the tiers and OpenSSL.
            (4, "software") => Some(tiers.len() + 1),
            _ => None,
        }
    })
}
