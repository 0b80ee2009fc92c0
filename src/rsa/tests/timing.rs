//! Timing of the private operation and of the decoder: Welch's t of two classes of inputs, which come in turn at random,
//! in the same memory (Reparaz, Balasch and Verbauwhede, DATE 2017). `scripts/timing` measures and judges; without it
//! both are run a few times, and nothing is said of time.

#![expect(clippy::cast_precision_loss, reason = "statistics of nanoseconds")]

use std::env;
use std::hint::black_box;
use std::time::Instant;

use sha2::Sha256;

use super::KEY;
use crate::backend::mod_exp::ModExp;
use crate::random;
use crate::rsa::{crt, oaep};
use crate::secret::Expected;

/// Beyond this, in each of three runs, the classes take different times.
const LIMIT: f64 = 5.0;
/// The control leaks; beyond this it is seen.
const SEEN: f64 = 50.0;
/// Encoded messages that a class draws from.
const POOL: usize = 64;

fn random_number() -> u64 {
    let mut bytes = [0; 8];
    random::fill(&mut bytes).unwrap();
    u64::from_le_bytes(bytes)
}

fn random_bytes() -> [u8; 256] {
    let mut bytes = [0; 256];
    random::fill(&mut bytes).unwrap();
    bytes
}

/// Welch's t of the times of both classes up to this one.
fn welch(samples: &[(bool, f64)], limit: f64) -> f64 {
    let of_class = |class| {
        let times = || samples.iter().filter(|(of, time)| *of == class && *time <= limit);
        let count = times().count() as f64;
        let mean = times().map(|(_, time)| time).sum::<f64>() / count;
        let squares = times().map(|(_, time)| (time - mean).powi(2)).sum::<f64>();
        (mean, squares / (count - 1.0) / count)
    };
    let ((first, first_error), (second, second_error)) = (of_class(false), of_class(true));
    (first - second) / (first_error + second_error).sqrt()
}

/// The least of three runs' greatest |t|: of all times, and of the shorter ones, which nothing has interrupted.
fn least_t(
    name: &str,
    count: usize,
    mut prepare: impl FnMut(bool, &mut [u8; 256]),
    mut work: impl FnMut(&mut [u8; 256]),
) -> f64 {
    let mut least = f64::INFINITY;
    let mut buffer = Box::new([0; 256]);
    for _ in 0..3 {
        let mut samples = Vec::with_capacity(count);
        for _ in 0..count {
            let class = random_number() & 1 == 1;
            prepare(class, &mut buffer);
            let begin = Instant::now();
            work(black_box(&mut buffer));
            samples.push((class, begin.elapsed().as_nanos() as f64));
        }
        let mut times: Vec<f64> = samples.iter().map(|(_, time)| *time).collect();
        times.sort_by(f64::total_cmp);
        let ts = [2, 4, 6, 8, 9, 10].map(|tenths| {
            let limit = times[(count * tenths / 10).saturating_sub(1)];
            welch(&samples, limit).abs()
        });
        println!("{name}: |t| {ts:.1?}, median {} ns", times[count / 2]);
        least = least.min(ts.into_iter().fold(0.0, f64::max));
    }
    println!("{name}: |t| = {least:.1}, {count} times in each of 3 runs");
    least
}

const PREFIX: [u8; 8] = *b"SRMDK\x01\x01\x01";
const EXPECTED: Expected<'_> = Expected::new(&PREFIX, 40);

/// A payload as it is expected, but for its key.
fn payload(random: &[u8]) -> Vec<u8> {
    [&PREFIX, &random[..32]].concat()
}

/// A payload that is wrong in this way, encoded with a random seed; its padding holds.
fn unexpected(kind: &str) -> [u8; 256] {
    let (mut encoded, random) = ([0; 256], random_bytes());
    let mut message = payload(&random[64..]);
    match kind {
        "prefix" => message[usize::from(random[40] % 8)] ^= 1 + random[41] % 255,
        _ if random[40] & 1 == 0 => message.truncate(39 - usize::from(random[41] % 31)),
        _ => message.extend(&random[96..97 + usize::from(random[41] % 150)]),
    }
    oaep::encode(&message, b"", random.first_chunk().unwrap(), &mut encoded).unwrap();
    assert!(oaep::decode::<Sha256>(&mut encoded.clone(), b"").is_ok());
    assert!(oaep::decode_expected(&mut encoded.clone(), b"", EXPECTED).is_err());
    encoded
}

/// A message whose padding is wrong in this way, encoded with a random seed.
fn invalid(kind: &str) -> [u8; 256] {
    let (mut encoded, random) = ([0; 256], random_bytes());
    let message = &random[64..64 + usize::from(random[40] % 191)];
    let seed = random.first_chunk().unwrap();
    oaep::encode(message, if kind == "label" { b"another" } else { b"" }, seed, &mut encoded)
        .unwrap();
    if kind == "first byte" {
        encoded[0] = 1 + random[41] % 255;
    }
    if kind == "padding" || kind == "no separator" {
        let (seed, block) = encoded[1..].split_at_mut(32);
        oaep::mask::<Sha256>(block, seed);
        oaep::mask::<Sha256>(seed, block);
        block[32..].fill(0);
        if kind == "padding" {
            let place = 32 + usize::from(random[42] % 190);
            block[place] = 2 + random[43] % 254;
            block[place + 1] = 1;
        }
        oaep::mask::<Sha256>(seed, block);
        oaep::mask::<Sha256>(block, seed);
    }
    assert!(oaep::decode::<Sha256>(&mut encoded.clone(), b"").is_err());
    encoded
}

/// One of either class, at random.
fn draw(first: &[[u8; 256]], second: &[[u8; 256]], class: bool, buffer: &mut [u8; 256]) {
    let place = usize::try_from(random_number() % POOL as u64).unwrap();
    // From the same addresses: where a copy comes from shows in the times.
    let mask = u8::from(class).wrapping_neg();
    let pairs = first[place].iter().zip(&second[place]);
    for (byte, (first, second)) in buffer.iter_mut().zip(pairs) {
        *byte = (first & mask) | (second & !mask);
    }
}

#[test]
fn both_classes_of_inputs_are_timed() {
    let judged = env::var("STRONGROOM_TIMING").ok();
    let mut counts = judged.iter().flat_map(|counts| counts.split_whitespace());
    let mut count = |few| counts.next().map_or(few, |count| count.parse::<usize>().unwrap());
    let (operations, messages) = (count(20), count(200));
    let mut complaints = Vec::new();
    let mut judge = |name: String, t: f64| {
        if judged.is_some() && t > LIMIT {
            complaints.push(format!("{name}: |t| = {t:.1}"));
        }
    };

    let mut kernels = vec![ModExp::detect(), ModExp::SOFTWARE];
    kernels.dedup();
    for kernel in kernels {
        let fixed = KEY.public_key().encrypt_oaep_256(b"a data key").unwrap();
        // A kernel may compute four in another way than one.
        for at_once in [1, 4] {
            let name = format!("{kernel:?}, {at_once} at once, a fixed ciphertext and random ones");
            let prepare = |class, buffer: &mut [u8; 256]| {
                let mut random = random_bytes();
                random[0] = 0; // less than the modulus
                *buffer = if class { fixed } else { random };
            };
            let t = least_t(&name, operations / at_once, prepare, |buffer| {
                let items = [(&*KEY, &buffer[..]); 4];
                drop(black_box(crt::decrypt(kernel, &items[..at_once])));
            });
            judge(name, t);
        }
    }

    let decode = |buffer: &mut [u8; 256]| drop(black_box(oaep::decode::<Sha256>(buffer, b"")));
    let pool = |kind| -> Vec<[u8; 256]> { (0..POOL).map(|_| invalid(kind)).collect() };
    let first = pool("first byte");
    for kind in ["label", "padding", "no separator", "first byte"] {
        let second = pool(kind);
        let prepare = |class, buffer: &mut [u8; 256]| draw(&first, &second, class, buffer);
        let name = format!("decoder, wrong first byte and wrong {kind}");
        let t = least_t(&name, messages, prepare, decode);
        judge(name, t);
        if kind == "label" {
            // What Manger's attack needs.
            let t = least_t("control", messages, prepare, |buffer| {
                if buffer[0] == 0 {
                    decode(buffer);
                }
            });
            assert!(judged.is_none() || t > SEEN, "the control is not seen: {t:.1}");
        }
    }

    let decode = |buffer: &mut [u8; 256]| {
        drop(black_box(oaep::decode_expected(buffer, b"", EXPECTED)));
    };
    let padding = pool("padding");
    for kind in ["prefix", "length", "first byte"] {
        let second: Vec<_> = match kind {
            "first byte" => pool(kind),
            _ => (0..POOL).map(|_| unexpected(kind)).collect(),
        };
        let prepare = |class, buffer: &mut [u8; 256]| draw(&padding, &second, class, buffer);
        let name = format!("decoder of what is expected, wrong padding and wrong {kind}");
        let t = least_t(&name, messages, prepare, decode);
        judge(name, t);
        if kind == "prefix" {
            // A prefix that is looked at once the padding holds.
            let t = least_t("control", messages, prepare, |buffer| {
                if let Ok(message) = oaep::decode::<Sha256>(buffer, b"") {
                    black_box(message.expose().starts_with(&PREFIX));
                }
            });
            assert!(judged.is_none() || t > SEEN, "the control is not seen: {t:.1}");
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}
