//! `rsa`: RSA-2048 with OAEP against its peers, one operation at a time and in batches, on one core and on several.

pub(super) mod peers;
mod threads;
mod without_ifma;

use std::hint::black_box;
use std::time::Duration;

use anyhow::{Result, ensure};
use strongroom::rsa::{PrivateKey, unwrap_batch};

use crate::args::RsaArgs;
use crate::clock::{Share, ThreadClock};
use crate::cores;
use crate::report::chart::{Chart, Kind, Panel, Shape};
use crate::report::{Case, Report, Unit};
use crate::rounds::{Contender, rates};
use crate::yardstick::Multiplications;
use peers::Peer;

/// Titles of the columns, with the contenders that they compare with.
const COLUMNS: [(&str, usize); 3] = [("to aws-lc-rs", 0), ("to OpenSSL", 1), ("to rsa", 2)];

/// As long as what a document's recipients wrap.
const MESSAGE: [u8; 40] = *b"a message as long as a wrapped data key ";

/// The multiplications that an operation of a full batch cannot do without.
#[derive(Clone, Copy)]
struct Bound {
    multiplications: Multiplications,
    /// Of an operation with the private key.
    private: u64,
    /// Of one with the public key.
    public: u64,
}

/// Beginning of a bound's name in a report.
const BOUND: &str = "a bound: its multiplications";

impl Bound {
    /// 1,020 squarings and 256 multiplications modulo each prime; 16 and one modulo their product.
    fn new(multiplications: Multiplications) -> Self {
        let [private, public] = match multiplications {
            // Of 20 and 40 digits, both halves of each product. Two numbers of an operation have two lanes of eight.
            Multiplications::Lanes(_) => [(1020 * 1240 + 256 * 1620) / 4, (16 * 4880 + 6440) / 8],
            // Of 16 and 32 limbs.
            Multiplications::Wide => [2 * (1020 * 408 + 256 * 528), 16 * 1584 + 2080],
        };
        Self { multiplications, private, public }
    }

    fn note(self) -> String {
        let of = match self.multiplications {
            Multiplications::Lanes(_) => "multiply-adds of 512 bits",
            Multiplications::Wide => "products of 64 bits",
        };
        format!(
            "The bound: {} {of} to decrypt in a full batch and {} to encrypt, and nothing else.",
            self.private, self.public
        )
    }

    /// Those of so many operations, and nothing else.
    fn time(self, decrypts: bool, operations: u64) -> Duration {
        let count = if decrypts { self.private } else { self.public };
        self.multiplications.time(operations * count)
    }
}

/// Measures and reports.
///
/// # Errors
///
/// Messages that do not come back; the system's and the peers'.
pub(super) fn run(args: &RsaArgs) -> Result<()> {
    let masked = args.without_ifma.then(without_ifma::begin).transpose()?;
    let multiplications = Multiplications::in_lanes().filter(|_| masked.is_none());
    let bound = Bound::new(multiplications.unwrap_or(Multiplications::Wide));
    let title = "RSA-2048 with OAEP".to_owned();
    let mut report = Report::begin(args.common.rounds, Chart { title, panels: Vec::new() });
    report.notes.extend(masked);
    report.print_head()?;
    let key = PrivateKey::generate()?;
    let of_openssl = peers::openssl_key(&key)?;
    let peers = peers::all(&key, &of_openssl)?;
    threads::measure(&key, &peers, bound, args, &mut report)?;
    cores::alone(args.core.core, |core| {
        let share = Share::start()?;
        for case in [private(&key, &peers, bound, args)?, public(&peers, bound, args)?] {
            let mut panel = Panel::new(&case.title, case.unit.symbol(), Shape::Bars);
            let rows = case.rows.iter();
            panel.add("", rows.map(|row| (row.name.as_str(), kind(&row.name), row.median)));
            report.chart.panels.push(panel);
            report.add(case)?;
        }
        report.notes.push(share.note(core)?);
        anyhow::Ok(())
    })?;
    report.notes.push(bound.note());
    report.finish(args.common.json.as_deref(), args.common.svg.as_deref())
}

fn kind(name: &str) -> Kind {
    if name.starts_with("strongroom") {
        Kind::Ours
    } else if name.starts_with(BOUND) {
        Kind::Yardstick
    } else {
        Kind::Peer
    }
}

/// Decryption on this thread, each contender with the same key; what is decrypted is looked at.
fn private(
    key: &PrivateKey,
    peers: &[Box<dyn Peer + '_>],
    bound: Bound,
    args: &RsaArgs,
) -> Result<Case> {
    let ciphertext = key.public_key().encrypt_oaep_256(&MESSAGE)?;
    let each = peers
        .iter()
        .map(|peer| several(one_of(peer.name()), 1, || decrypts(peer.as_ref(), &ciphertext)));
    let mut contenders: Vec<_> = each.collect();
    for &count in &args.batches {
        let count = usize::from(count);
        let items = vec![(key, &ciphertext[..]); count];
        let name = format!("strongroom, batches of {count}");
        contenders.push(several(name, count, move || Ok(all_come_back(&items))));
    }
    contenders.push(bound_alone(bound, true));
    case("decrypt with RSA-OAEP-256, one core", &mut contenders, args)
}

/// Encryption on this thread, with the same key.
fn public(peers: &[Box<dyn Peer + '_>], bound: Bound, args: &RsaArgs) -> Result<Case> {
    let each = peers.iter().map(|peer| several(one_of(peer.name()), 1, || encrypts(peer.as_ref())));
    let mut contenders: Vec<_> = each.collect();
    contenders.push(bound_alone(bound, false));
    case("encrypt with RSA-OAEP-256, one core", &mut contenders, args)
}

fn one_of(name: &str) -> String {
    if name == "strongroom" { format!("{name}, one") } else { name.to_owned() }
}

/// Decrypts, and says if that was the message.
fn decrypts(peer: &dyn Peer, ciphertext: &[u8]) -> Result<bool> {
    let mut message = [0; 256];
    let length = peer.decrypt(ciphertext, &mut message)?;
    Ok(message.get(..length) == Some(&MESSAGE[..]))
}

/// Encrypts the message; what comes out has no length but its own.
fn encrypts(peer: &dyn Peer) -> Result<bool> {
    let mut ciphertext = [0; 256];
    peer.encrypt(&MESSAGE, &mut ciphertext)?;
    Ok(ciphertext != [0; 256])
}

/// Decrypts all in one call, and says if each was the message.
fn all_come_back(items: &[(&PrivateKey, &[u8])]) -> bool {
    let messages = unwrap_batch(items);
    messages.into_iter().all(|message| message.is_ok_and(|it| it.expose() == MESSAGE))
}

fn bound_alone<'c>(bound: Bound, decrypts: bool) -> Contender<'c, ()> {
    Contender::new(BOUND, 1, move |(): &mut (), calls| Ok(bound.time(decrypts, calls)))
}

fn case(title: &str, contenders: &mut [Contender<'_, ()>], args: &RsaArgs) -> Result<Case> {
    let speeds = rates(contenders, &mut (), args.common.rounds)?;
    let titles = COLUMNS.map(|(title, _)| title);
    Case::new(title, Unit::Operations, &titles, &speeds, |row, column| {
        COLUMNS.get(column).map(|(_, to)| *to).filter(|to| *to != row)
    })
}

/// A contender whose every call is so many operations, all of them right.
fn several<'c>(
    name: String,
    count: usize,
    mut call: impl FnMut() -> Result<bool> + 'c,
) -> Contender<'c, ()> {
    Contender::new(name.clone(), count as u64, move |(): &mut (), calls| -> Result<Duration> {
        let start = ThreadClock::start();
        for _ in 0..calls {
            ensure!(black_box(call()?), "{name}: a wrong result");
        }
        Ok(start.elapsed())
    })
}
