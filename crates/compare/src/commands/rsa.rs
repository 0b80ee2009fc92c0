//! `rsa`: RSA-2048 with OAEP, one operation at a time and in batches, against its peers.

use std::hint::black_box;
use std::time::Duration;

use ::rsa::Oaep;
use ::rsa::pkcs8::{DecodePrivateKey, DecodePublicKey};
use ::rsa::rand_core::UnwrapErr;
use anyhow::{Context as _, Result, ensure};
use aws_lc_rs::rsa::{
    OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, OaepPublicEncryptingKey, PrivateDecryptingKey,
};
use getrandom::SysRng;
use openssl::encrypt::{Decrypter, Encrypter};
use openssl::hash::MessageDigest;
use openssl::pkey::PKey;
use openssl::rsa::Padding;
use sha2::Sha256;
use strongroom::rsa::{PrivateKey, unwrap_batch};

use crate::args::RsaArgs;
use crate::clock::{Share, ThreadClock};
use crate::cores;
use crate::report::chart::{Chart, Kind, Panel, Shape};
use crate::report::{Case, Report, Unit};
use crate::rounds::{Contender, rates};
use crate::yardstick::Multiplications;

/// Titles of the columns, with the contenders that they compare with.
const COLUMNS: [(&str, usize); 3] = [("to aws-lc-rs", 0), ("to OpenSSL", 1), ("to rsa", 2)];

/// As long as what a document's recipients wrap.
const MESSAGE: [u8; 40] = *b"a message as long as a wrapped data key ";

/// Products of 52 bits in eight lanes that a private operation cannot do without: 1,020 squarings and 256
/// multiplications modulo each prime, and four keys fill the lanes.
const PRODUCTS: u64 = (1020 * 1240 + 256 * 1620) / 4;

/// Measures and reports.
///
/// # Errors
///
/// Messages that do not come back; the system's and the peers'.
pub(super) fn run(args: &RsaArgs) -> Result<()> {
    let title = "RSA-2048, one core".to_owned();
    let mut report = Report::begin(args.common.rounds, Chart { title, panels: Vec::new() });
    report.print_head()?;
    cores::alone(args.core.core, |core| {
        let share = Share::start()?;
        let key = PrivateKey::generate()?;
        for case in [private(&key, args)?, public(&key, args)?] {
            let mut panel = Panel::new(&case.title, case.unit.symbol(), Shape::Bars);
            let kind = |name: &str| {
                if name.starts_with("strongroom") { Kind::Ours } else { Kind::Peer }
            };
            let rows = case.rows.iter();
            panel.add("", rows.map(|row| (row.name.as_str(), kind(&row.name), row.median)));
            report.chart.panels.push(panel);
            report.add(case)?;
        }
        if Multiplications::available().is_some() {
            report.notes.push(format!(
                "Its multiplications: the {PRODUCTS} multiply-adds of 512 bits that an operation of a full batch takes, and \
                 nothing else."
            ));
        }
        report.notes.push(share.note(core)?);
        report.finish(args.common.json.as_deref(), args.common.svg.as_deref())
    })
}

/// Decryption, each contender with the same key; what is decrypted is looked at.
fn private(key: &PrivateKey, args: &RsaArgs) -> Result<Case> {
    let der = key.to_pkcs8_der()?;
    let ciphertext = key.public_key().encrypt_oaep_256(&MESSAGE)?;

    let aws_lc = PrivateDecryptingKey::from_pkcs8(der.expose()).context("aws-lc-rs")?;
    let aws_lc = OaepPrivateDecryptingKey::new(aws_lc).context("aws-lc-rs")?;
    let pkey = PKey::private_key_from_pkcs8(der.expose())?;
    let mut openssl = Decrypter::new(&pkey)?;
    openssl.set_rsa_padding(Padding::PKCS1_OAEP)?;
    openssl.set_rsa_oaep_md(MessageDigest::sha256())?;
    openssl.set_rsa_mgf1_md(MessageDigest::sha256())?;
    let of_rsa = ::rsa::PrivateKey::from_pkcs8_der(der.expose())?;

    let mut contenders = vec![
        each("aws-lc-rs", || {
            let mut message = [0; 256];
            let opened = aws_lc.decrypt(&OAEP_SHA256_MGF1SHA256, &ciphertext, &mut message, None);
            Ok(opened.context("aws-lc-rs")? == MESSAGE)
        }),
        each("OpenSSL", || {
            let mut message = [0; 256];
            let length = openssl.decrypt(&ciphertext, &mut message)?;
            Ok(message[..length] == MESSAGE)
        }),
        each("rsa", || {
            let message = of_rsa.decrypt_blinded(
                &mut UnwrapErr(SysRng),
                Oaep::<Sha256>::new(),
                &ciphertext,
            )?;
            Ok(message == MESSAGE)
        }),
        each("strongroom, one", || Ok(key.decrypt_oaep_256(&ciphertext)?.expose() == MESSAGE)),
    ];
    for &count in &args.batches {
        let count = usize::from(count);
        let items = vec![(key, &ciphertext[..]); count];
        contenders.push(several(format!("strongroom, batches of {count}"), count, move || {
            Ok(unwrap_batch(&items)
                .into_iter()
                .all(|message| message.is_ok_and(|it| it.expose() == MESSAGE)))
        }));
    }
    if let Some(multiplications) = Multiplications::available() {
        contenders.push(Contender::new(
            "a bound: its multiplications",
            1,
            move |(): &mut (), calls| Ok(multiplications.time(calls * PRODUCTS)),
        ));
    }
    case("decrypt with RSA-OAEP-256", &mut contenders, args)
}

/// Encryption with the same key.
fn public(key: &PrivateKey, args: &RsaArgs) -> Result<Case> {
    let ours = key.public_key();
    let der = ours.to_spki_der()?;
    let aws_lc = aws_lc_rs::rsa::PublicEncryptingKey::from_der(&der).context("aws-lc-rs")?;
    let aws_lc = OaepPublicEncryptingKey::new(aws_lc).context("aws-lc-rs")?;
    let pkey = PKey::public_key_from_der(&der)?;
    let mut openssl = Encrypter::new(&pkey)?;
    openssl.set_rsa_padding(Padding::PKCS1_OAEP)?;
    openssl.set_rsa_oaep_md(MessageDigest::sha256())?;
    openssl.set_rsa_mgf1_md(MessageDigest::sha256())?;
    let of_rsa = ::rsa::PublicKey::from_public_key_der(&der)?;
    let mut contenders = vec![
        each("aws-lc-rs", || {
            let mut ciphertext = [0; 256];
            let sealed = aws_lc.encrypt(&OAEP_SHA256_MGF1SHA256, &MESSAGE, &mut ciphertext, None);
            Ok(sealed.context("aws-lc-rs")?.len() == 256)
        }),
        each("OpenSSL", || Ok(openssl.encrypt(&MESSAGE, &mut [0; 256])? == 256)),
        each("rsa", || {
            let ciphertext =
                of_rsa.encrypt(&mut UnwrapErr(SysRng), Oaep::<Sha256>::new(), &MESSAGE)?;
            Ok(ciphertext.len() == 256)
        }),
        each("strongroom, one", || Ok(ours.encrypt_oaep_256(&MESSAGE)?.len() == 256)),
    ];
    case("encrypt with RSA-OAEP-256", &mut contenders, args)
}

fn case(title: &str, contenders: &mut [Contender<'_, ()>], args: &RsaArgs) -> Result<Case> {
    let speeds = rates(contenders, &mut (), args.common.rounds)?;
    let titles = COLUMNS.map(|(title, _)| title);
    Case::new(title, Unit::Operations, &titles, &speeds, |row, column| {
        COLUMNS.get(column).map(|(_, to)| *to).filter(|to| *to != row)
    })
}

/// A contender whose every call is one operation, and right.
fn each<'c>(name: &str, call: impl FnMut() -> Result<bool> + 'c) -> Contender<'c, ()> {
    several(name.to_owned(), 1, call)
}

/// A contender whose every call is so many operations.
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
