//! Residue of RSA in memory: after reading, using, writing and generating keys, all of a process's writable memory
//! holds no number of a private key, no message, and no form of either that a kernel computes with.
//!
//! The process is a child, which is started from this test and says when it is ready to be looked at. Its threads
//! wait, each where it has worked, so that their stacks are as the work has left them.

#![cfg(target_os = "linux")]
#![cfg(feature = "rsa")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails should stop")]

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::{env, mem, thread};

use crypto_bigint::modular::{BoxedMontyForm, BoxedMontyParams};
use crypto_bigint::{BoxedUint, NonZero, Odd};
use pkcs1::RsaPrivateKeyRef;
use pkcs8::PrivateKeyInfoRef;
use sha2::{Digest, Sha256};
use strongroom::rsa::{PrivateKey, unwrap_batch};
use strongroom::secret::Expected;
use zeroize::Zeroize;

/// Says to the child what it is, and what it does with its secrets in the end.
const ROLE: &str = "STRONGROOM_RSA_RESIDUE";
/// The line before the first frame: the test harness writes to the same output.
const BEGIN: &[u8] = b"\nframes:\n";
/// Bits that are enough for every number here.
const WIDTH: u32 = 2176;
const CIPHERTEXTS: u8 = 17;

// ---- the child ----

fn read_frame(from: &mut impl Read) -> Vec<u8> {
    let mut length = [0; 4];
    from.read_exact(&mut length).unwrap();
    let mut frame = vec![0; u32::from_le_bytes(length) as usize];
    from.read_exact(&mut frame).unwrap();
    frame
}

fn write_frame(to: &mut impl Write, frame: &[u8]) {
    to.write_all(&u32::try_from(frame.len()).unwrap().to_le_bytes()).unwrap();
    to.write_all(frame).unwrap();
    to.flush().unwrap();
}

/// Threads that have done their work, and wait where they have done it until the senders are dropped.
#[derive(Default)]
struct Threads(Vec<Sender<()>>);

impl Threads {
    fn run<T: Send + 'static>(&mut self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let (done, result) = mpsc::channel();
        let (end, waits): (_, Receiver<()>) = mpsc::channel();
        thread::spawn(move || {
            done.send(work()).unwrap();
            let _ = waits.recv();
        });
        self.0.push(end);
        result.recv().unwrap()
    }
}

/// A file that OpenSSL wrote, all of the same key.
fn imported(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/imported").join(name)).unwrap()
}

/// Reads and drops the key in every form.
fn import(threads: &mut Threads) {
    for name in ["pkcs8.pem", "pkcs1.pem", "pkcs1.der"] {
        drop(threads.run(move || {
            let mut contents = imported(name);
            let key = PrivateKey::import(&contents).unwrap();
            contents.zeroize();
            key
        }));
    }
    #[cfg(feature = "encrypted-keys")]
    for name in ["encrypted.pem", "encrypted.der", "scrypt.pem"] {
        drop(threads.run(move || PrivateKey::import_encrypted(&imported(name), b"open").unwrap()));
    }
}

/// Does everything that there is to do with a key, drops and wipes all of it, and waits to be looked at.
fn child(leaks: bool) {
    // Without buffers of the standard library, which would keep what is secret.
    let (mut input, mut output) =
        (File::open("/dev/stdin").unwrap(), File::create("/dev/stdout").unwrap());
    output.write_all(BEGIN).unwrap();
    let (mut der, mut pem) = (read_frame(&mut input), read_frame(&mut input));
    let mut payload = read_frame(&mut input);
    let ciphertexts: Arc<Vec<Vec<u8>>> =
        Arc::new((0..CIPHERTEXTS).map(|_| read_frame(&mut input)).collect());

    let mut threads = Threads::default();
    let key = Arc::new(threads.run(move || {
        let key = PrivateKey::from_pkcs8_der(&der).unwrap();
        der.zeroize();
        key
    }));
    drop(threads.run(move || {
        let key = PrivateKey::from_pkcs8_pem(str::from_utf8(&pem).unwrap()).unwrap();
        pem.zeroize();
        key
    }));
    let written = threads.run({
        let key = key.clone();
        move || {
            let text = key.to_pkcs8_pem().unwrap();
            let written = (key.to_pkcs8_der().unwrap().expose().len(), text.expose().len());
            drop(key);
            written
        }
    });
    assert!(written.0 > 1000 && written.1 > 1400);

    import(&mut threads);

    let opened = threads.run({
        let (key, ciphertexts) = (key.clone(), ciphertexts.clone());
        move || {
            let opened = ciphertexts.iter().enumerate().map(|(number, text)| {
                // Either decoder.
                if number % 2 == 0 {
                    key.decrypt_oaep_256(text).unwrap()
                } else {
                    key.decrypt_oaep_256_expected(text, Expected::new(b"", 48)).unwrap()
                }
            });
            let opened = opened.filter(|payload| payload.expose().len() == 48).count();
            drop(key);
            opened
        }
    });
    assert_eq!(opened, ciphertexts.len());
    for length in [1, 2, 3, 4, 8, 9, ciphertexts.len()] {
        let opened = threads.run({
            let (key, ciphertexts) = (key.clone(), ciphertexts.clone());
            move || {
                let items: Vec<_> =
                    ciphertexts[..length].iter().map(|text| (&*key, &text[..])).collect();
                let opened = unwrap_batch(&items).iter().filter(|result| result.is_ok()).count();
                drop(items);
                drop(key);
                opened
            }
        });
        assert_eq!(opened, length);
    }
    // One at a time in every thread of rayon's.
    let opened = rayon::broadcast(|_| key.decrypt_oaep_256(&ciphertexts[0]).is_ok());
    assert!(opened.iter().all(|is| *is));
    // What is refused was a secret, too.
    let refused = threads.run({
        let (key, ciphertexts) = (key.clone(), ciphertexts.clone());
        move || {
            let mut changed = ciphertexts[0].clone();
            changed[255] ^= 1;
            key.decrypt_oaep_256(&changed).is_err()
        }
    });
    assert!(refused);

    let public = key.public_key();
    let (wrapped, kept) = threads.run(move || {
        let wrapped = public.encrypt_oaep_256(&payload).unwrap();
        if leaks {
            return (wrapped, Some(payload));
        }
        payload.zeroize();
        (wrapped, None)
    });
    let mut out = threads.run(move || {
        let key = PrivateKey::generate().unwrap();
        write_frame(&mut output, key.to_pkcs8_der().unwrap().expose());
        output
    });
    write_frame(&mut out, &wrapped);
    if leaks {
        mem::forget((key, kept));
    } else {
        drop(key);
    }
    write_frame(&mut out, b"look");
    // Until the other end closes.
    let _ = input.read(&mut [0]);
}

// ---- the parent ----

fn number(bytes: &[u8]) -> BoxedUint {
    let padded = [&vec![0; WIDTH as usize / 8 - bytes.len()], bytes].concat();
    BoxedUint::from_be_slice(&padded, WIDTH).unwrap()
}

fn power_of_two(exponent: u32) -> BoxedUint {
    BoxedUint::one_with_precision(WIDTH).shl(exponent)
}

/// Arithmetic with one modulus.
struct Ring(BoxedMontyParams, NonZero<BoxedUint>);

impl Ring {
    fn new(modulus: &BoxedUint) -> Self {
        let params = BoxedMontyParams::new(Odd::new(modulus.clone()).unwrap());
        Self(params, NonZero::new(modulus.clone()).unwrap())
    }

    fn reduce(&self, number: &BoxedUint) -> BoxedUint {
        number.rem(&self.1)
    }

    fn multiply(&self, one: &BoxedUint, other: &BoxedUint) -> BoxedUint {
        let form = |number: &BoxedUint| BoxedMontyForm::new(self.reduce(number), &self.0);
        (form(one) * form(other)).retrieve()
    }

    fn power(&self, base: &BoxedUint, exponent: &BoxedUint) -> BoxedUint {
        BoxedMontyForm::new(self.reduce(base), &self.0).pow(exponent).retrieve()
    }
}

/// Words of eight bytes that nothing else has by chance, by name.
#[derive(Default)]
struct Secrets {
    names: Vec<String>,
    words: HashMap<u64, usize>,
    /// Low bits of the words: most of memory is passed by with these.
    sieve: Vec<u64>,
}

impl Secrets {
    fn add_words(&mut self, name: &str, words: impl IntoIterator<Item = u64>) {
        self.sieve.resize(1 << 14, 0);
        self.names.push(String::from(name));
        // Few bits are anything's.
        for word in words.into_iter().filter(|word| word >> 40 != 0 && !word >> 40 != 0) {
            self.words.entry(word).or_insert(self.names.len() - 1);
            let low = (word & 0xf_ffff) as usize;
            self.sieve[low / 64] |= 1 << (low % 64);
        }
    }

    fn add_bytes(&mut self, name: &str, bytes: &[u8]) {
        self.add_words(name, bytes.as_chunks().0.iter().map(|word| u64::from_ne_bytes(*word)));
    }

    /// A number as 64-bit limbs, and as big-endian bytes.
    fn add_number(&mut self, name: &str, number: &BoxedUint) {
        let limbs = number.as_words();
        self.add_words(name, limbs.iter().copied());
        self.add_words(&format!("{name}, big-endian"), limbs.iter().map(|limb| limb.swap_bytes()));
    }

    /// A number as digits of 52 bits, a word each.
    fn add_digits(&mut self, name: &str, number: &BoxedUint) {
        let limbs = number.as_words();
        let limb = |index: usize| u128::from(limbs.get(index).copied().unwrap_or(0));
        let digits = (0..WIDTH as usize / 52).map(|digit| {
            let (index, shift) = (52 * digit / 64, 52 * digit % 64);
            let both = limb(index) | limb(index + 1) << 64;
            u64::try_from(both >> shift & ((1 << 52) - 1)).unwrap()
        });
        self.add_words(name, digits);
    }

    /// A number modulo a modulus, plain and in the Montgomery forms of both kernels, in which it may be greater by the
    /// modulus: in limbs as long as it is not longer, in digits of 52 bits always.
    fn add_residue(&mut self, name: &str, number: &BoxedUint, modulus: &BoxedUint) {
        let (ring, bits) = (Ring::new(modulus), modulus.bit_width());
        let mut forms = vec![(String::from(name), ring.reduce(number))];
        for exponent in [bits, bits.next_multiple_of(52)] {
            let form = ring.multiply(number, &ring.reduce(&power_of_two(exponent)));
            forms.push((format!("{name} * 2^{exponent}"), form));
        }
        for (name, form) in forms {
            self.add_number(&name, &form);
            let greater = form.wrapping_add(modulus);
            if greater.bit_width() <= bits {
                self.add_number(&name, &greater);
            }
            self.add_digits(&format!("{name} in digits"), &form);
            self.add_digits(&format!("{name} in digits"), &greater);
        }
    }

    /// A private key: its numbers, its text, and what kernels keep of its primes.
    fn add_key(&mut self, name: &str, der: &[u8], pem: &str) -> Key {
        let info = PrivateKeyInfoRef::try_from(der).unwrap();
        let key = RsaPrivateKeyRef::try_from(info.private_key.as_bytes()).unwrap();
        for (what, field) in [
            ("d", key.private_exponent),
            ("p", key.prime1),
            ("q", key.prime2),
            ("dP", key.exponent1),
            ("dQ", key.exponent2),
            ("qInv", key.coefficient),
        ] {
            self.add_number(&format!("{what} of {name}"), &number(field.as_bytes()));
            self.add_digits(&format!("{what} of {name} in digits"), &number(field.as_bytes()));
        }
        let [n, d, p, q, coefficient] =
            [key.modulus, key.private_exponent, key.prime1, key.prime2, key.coefficient]
                .map(|field| number(field.as_bytes()));
        self.add_residue(&format!("qInv of {name}"), &coefficient, &p);
        self.add_residue(&format!("q of {name}"), &q, &p);
        for (what, prime) in [("p", &p), ("q", &q)] {
            let ring = Ring::new(prime);
            let mut power = ring.reduce(&power_of_two(1024));
            for exponent in 1024..=2112 {
                let name = format!("2^{exponent} modulo {what} of {name}");
                self.add_number(&name, &power);
                self.add_digits(&name, &power);
                power = ring.reduce(&power.shl(1));
            }
            // Less 1, halved: the odd parts of the test of primes.
            for shift in 1..8 {
                self.add_number(&format!("{what} of {name} >> {shift}"), &prime.shr(shift));
            }
        }
        // The text from the private exponent on: what comes before is public, or says that it is a key.
        let lines: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let from = der.windows(64).position(|part| part == &key.private_exponent.as_bytes()[..64]);
        let text = &lines.as_bytes()[(from.unwrap() / 3 * 4).next_multiple_of(64)..];
        for (number, line) in text.chunks(64).enumerate() {
            self.add_bytes(&format!("line {number} of {name}"), line);
        }
        Key { n, d, p, q, e: number(key.public_exponent.as_bytes()) }
    }

    /// The numbers and bytes between a ciphertext and its payload, which it returns.
    fn add_operation(&mut self, name: &str, key: &Key, ciphertext: &[u8]) -> Vec<u8> {
        let ciphertext = number(ciphertext);
        let whole = Ring::new(&key.n);
        let message = whole.power(&ciphertext, &key.d);
        assert_eq!(whole.power(&message, &key.e), ciphertext);
        for (what, prime) in [("p", &key.p), ("q", &key.q)] {
            let ring = Ring::new(prime);
            self.add_residue(&format!("{name} modulo {what}: result"), &message, prime);
            let base = ring.reduce(&ciphertext);
            let mut power = base.clone();
            for exponent in 1..32 {
                let name = format!("{name} modulo {what}: base^{exponent}");
                self.add_residue(&name, &power, prime);
                power = ring.multiply(&power, &base);
            }
        }
        let product = message.wrapping_sub(Ring::new(&key.q).reduce(&message));
        self.add_number(&format!("{name}: h q"), &product);
        let h = product.wrapping_div(&NonZero::new(key.q.clone()).unwrap());
        self.add_residue(&format!("{name}: h"), &h, &key.p);
        let mut square = message.clone();
        for exponent in 0..16 {
            self.add_residue(&format!("{name}: encoded^(2^{exponent})"), &square, &key.n);
            square = whole.multiply(&square, &square);
        }

        let encoded = message.to_be_bytes()[WIDTH as usize / 8 - 256..].to_vec();
        self.add_bytes(&format!("{name}: encoded"), &encoded);
        let mask = |source: &[u8], target: &[u8]| -> Vec<u8> {
            let pads = (0_u32..).flat_map(|counter| {
                Sha256::new_with_prefix(source).chain_update(counter.to_be_bytes()).finalize()
            });
            target.iter().zip(pads).map(|(byte, pad)| byte ^ pad).collect()
        };
        let (masked_seed, masked) = encoded[1..].split_at(32);
        let seed = mask(masked, masked_seed);
        let block = mask(&seed, masked);
        let separator = block[32..].iter().position(|byte| *byte != 0).unwrap();
        let payload = &block[32 + separator + 1..];
        assert_eq!((block[32 + separator], payload.len()), (1, 48));
        self.add_bytes(&format!("{name}: seed"), &seed);
        self.add_bytes(&format!("{name}: payload"), payload);
        payload.to_vec()
    }

    /// Those that are in the memory.
    fn found_in<'a>(&'a self, memory: &'a [u8]) -> impl Iterator<Item = (usize, &'a str)> {
        memory.windows(8).enumerate().filter_map(|(at, word)| {
            let word = u64::from_ne_bytes(word.try_into().unwrap());
            let low = (word & 0xf_ffff) as usize;
            let may_be = self.sieve[low / 64] >> (low % 64) & 1 == 1;
            let name = may_be.then(|| self.words.get(&word)).flatten()?;
            Some((at, &self.names[*name][..]))
        })
    }
}

struct Key {
    n: BoxedUint,
    e: BoxedUint,
    d: BoxedUint,
    p: BoxedUint,
    q: BoxedUint,
}

/// Secrets that are found in the child's memory, by name and place; and how many bytes were looked at.
fn look(child: &Child, secrets: &Secrets) -> (Vec<String>, usize) {
    let maps = fs::read_to_string(format!("/proc/{}/maps", child.id())).unwrap();
    let memory = File::open(format!("/proc/{}/mem", child.id())).unwrap();
    let address = |digits| u64::from_str_radix(digits, 16).unwrap();
    let (mut found, mut length) = (Vec::new(), 0);
    for line in maps.lines() {
        let mut fields = line.split_whitespace();
        let (range, access) = (fields.next().unwrap(), fields.next().unwrap());
        if !access.starts_with("rw") {
            continue;
        }
        let place = fields.nth(3).unwrap_or("anonymous");
        let (start, end) = range.split_once('-').unwrap();
        let (start, end) = (address(start), address(end));
        let mut bytes = vec![0; 1 << 20];
        for at in (start..end).step_by(bytes.len()) {
            let here = usize::try_from((end - at).min(1 << 20)).unwrap();
            memory.read_exact_at(&mut bytes[..here], at).unwrap();
            length += here;
            found.extend(secrets.found_in(&bytes[..here]).map(|(offset, name)| {
                format!("{name}: {:x} in {place} {range}", at + offset as u64)
            }));
        }
    }
    (found, length)
}

/// Secrets found in the memory of a child that has done all its work.
fn found_after_all(role: &str) -> Vec<String> {
    let key = PrivateKey::generate().unwrap();
    let (der, pem) = (key.to_pkcs8_der().unwrap(), key.to_pkcs8_pem().unwrap());
    let mut payload = [0; 48];
    payload[..32].copy_from_slice(&Sha256::digest(b"the beginning of all payloads"));
    payload[32..].copy_from_slice(&Sha256::digest(b"the end of one")[..16]);
    let ciphertexts: Vec<_> = (0..CIPHERTEXTS)
        .map(|place| {
            let mut payload = payload;
            payload[16..].copy_from_slice(&Sha256::digest([place]));
            key.public_key().encrypt_oaep_256(&payload).unwrap()
        })
        .collect();
    let mut secrets = Secrets::default();
    let numbers = secrets.add_key("the key", der.expose(), str::from_utf8(pem.expose()).unwrap());
    let text = imported("pkcs8.pem");
    secrets.add_key("the imported key", &imported("pkcs8.der"), str::from_utf8(&text).unwrap());
    for (place, ciphertext) in ciphertexts.iter().enumerate() {
        secrets.add_operation(&format!("ciphertext {place}"), &numbers, ciphertext);
    }

    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "an_rsa_key_leaves_nothing_in_memory", "--nocapture", "--test-threads=1"])
        .env(ROLE, role)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    for frame in [der.expose(), pem.expose(), &payload] {
        write_frame(&mut input, frame);
    }
    for ciphertext in &ciphertexts {
        write_frame(&mut input, ciphertext);
    }
    let mut output = child.stdout.take().unwrap();
    let mut before = Vec::new();
    while !before.ends_with(BEGIN) {
        let mut byte = [0];
        output.read_exact(&mut byte).unwrap();
        before.extend(byte);
    }
    let generated = read_frame(&mut output);
    let wrapped = read_frame(&mut output);
    assert_eq!(read_frame(&mut output), b"look");
    let text = PrivateKey::from_pkcs8_der(&generated).unwrap().to_pkcs8_pem().unwrap();
    secrets.add_key("the generated key", &generated, str::from_utf8(text.expose()).unwrap());
    assert_eq!(secrets.add_operation("what was wrapped", &numbers, &wrapped), payload);

    let (found, length) = look(&child, &secrets);
    println!("{} words, {length} bytes", secrets.words.len());
    assert!(length > 1 << 20, "{length}");
    assert!(secrets.words.len() > 50_000);
    drop(input);
    assert!(child.wait().unwrap().success());
    found
}

#[test]
fn an_rsa_key_leaves_nothing_in_memory() {
    match env::var(ROLE).as_deref() {
        Ok("wipes") => return child(false),
        Ok("leaks") => return child(true),
        _ => {}
    }
    let found = found_after_all("wipes");
    assert!(found.is_empty(), "{} words:\n{}", found.len(), found.join("\n"));

    // What a child keeps is seen.
    let found = found_after_all("leaks");
    let names: BTreeSet<_> = found.iter().filter_map(|found| found.split(':').next()).collect();
    for name in [
        "p of the key",
        "q of the key",
        "d of the key",
        "dP of the key",
        "dQ of the key",
        "qInv of the key * 2^1024",
        "2^2048 modulo p of the key",
        "2^2080 modulo q of the key",
        "what was wrapped",
    ] {
        assert!(names.contains(name), "{name} is not seen: {names:?}");
    }
}
