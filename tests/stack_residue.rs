//! Residue on the stack: after sealing and opening no key, no form of one that a kernel works with, and no
//! power of the hash key.
//!
//! Stacks are read by another thread, through `/proc/self/mem`, while their own waits and calls nothing that would
//! overwrite what is there.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails should stop")]

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::hint::{black_box, spin_loop};
use std::io::Read as _;
use std::os::unix::fs::FileExt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use aes::cipher::{BlockCipherEncrypt, KeyInit};
use hkdf::Hkdf;
use sha2::block_api::compress256;
use sha2::{Digest, Sha256};
use strongroom::backend::Backend;
use strongroom::document::{self, ChunkLen, Header, Layers, OpenOptions, SealOptions};
use strongroom::gcm::Aes256Gcm;
use strongroom::secret::Secret;
use strongroom::wrap::{KeyId, UnwrappingKey, WrappingKey};

/// Bytes of a stack that are looked at: more than anything here takes.
const DEPTH: usize = 256 * 1024;
/// Powers of the hash key that a tier has at most.
const POWERS: usize = 33;
const KEK: [u8; 32] = *b"the key that wraps the data keys";

/// Secrets, each eight bytes that nothing else has by chance, or sixteen where eight would be too few bits.
#[derive(Default)]
struct Secrets {
    words: HashMap<u64, String>,
    pairs: HashMap<u128, String>,
}

impl Secrets {
    fn add(&mut self, name: &str, bytes: &[u8]) {
        for (at, word) in bytes.as_chunks().0.iter().enumerate() {
            self.words.insert(u64::from_ne_bytes(*word), format!("{name}, word {at}"));
        }
    }

    /// Bytes that are few bits repeated, or few bits among zeros.
    fn add_sparse(&mut self, name: &str, bytes: &[u8]) {
        for (at, pair) in bytes.as_chunks().0.iter().enumerate() {
            self.pairs.insert(u128::from_ne_bytes(*pair), format!("{name}, pair {at}"));
        }
    }

    /// A key of 32 bytes, in the byte order of memory and as words of SHA-256.
    fn add_bytes(&mut self, name: &str, key: &[u8]) {
        self.add(name, key);
        let words =
            key.as_chunks().0.iter().flat_map(|word| u32::from_be_bytes(*word).to_ne_bytes());
        self.add(&format!("{name} in words"), &words.collect::<Vec<_>>());
    }

    /// A key of HMAC-SHA-256: itself, its padded blocks and the states behind them.
    fn add_hmac_key(&mut self, name: &str, key: &[u8; 32]) {
        self.add_bytes(name, key);
        for pad in [0x36, 0x5c] {
            let mut block = [pad; 64];
            block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
            self.add_bytes(&format!("{name} ^ {pad:x}"), &block[..32]);
            let mut state = INITIAL;
            compress256(&mut state, &[block]);
            let state: Vec<u8> = state.into_iter().flat_map(u32::to_ne_bytes).collect();
            self.add(&format!("state of {name} ^ {pad:x}"), &state);
        }
    }

    /// A key of AES-256-GCM: itself, its round keys, and powers of its hash key, in every tier's form.
    fn add_cipher_key(&mut self, name: &str, key: &[u8; 32]) {
        self.add_bytes(name, key);
        for (number, round_key) in round_keys(key).iter().enumerate() {
            self.add(&format!("round key {number} of {name}"), round_key);
        }
        let cipher = aes::Aes256Enc::new(key.into());
        let mut bitsliced = vec![0; size_of_val(&cipher)];
        read(std::ptr::from_ref(&cipher).addr(), &mut bitsliced);
        self.add_sparse(&format!("bitsliced round keys of {name}"), &bitsliced);
        let spread = bitsliced.as_chunks().0.iter().flat_map(|half| {
            let bits = u16::from_ne_bytes(*half);
            (0..16)
                .fold(0_u64, |word, bit| word | (u64::from(bits >> bit & 1) * 0xf) << (4 * bit))
                .to_ne_bytes()
        });
        self.add_sparse(&format!("spread round keys of {name}"), &spread.collect::<Vec<_>>());

        let mut h = aes::Block::default();
        cipher.encrypt_block(&mut h);
        self.add(&format!("H of {name}"), &h);
        let polynomial = 0xe1 << 120_u32;
        let h = u128::from_be_bytes(h.into());
        let mut power = h;
        for exponent in 1..=POWERS {
            let name = format!("H^{exponent} of {name}");
            // As a big-endian number; with bytes in order and bits reversed; times x, as POLYVAL has it.
            let times_x =
                (power << 1) ^ ((power >> 127) * 0xc200_0000_0000_0000_0000_0000_0000_0001);
            for form in [power, power.reverse_bits(), times_x] {
                let [low, high] = [form & u128::from(u64::MAX), form >> 64]
                    .map(|half| u64::try_from(half).unwrap());
                for part in [low, high, low ^ high] {
                    self.add(&name, &part.to_ne_bytes());
                    let every_fourth = [0, 1, 2, 3].map(|bit| part & 0x1111_1111_1111_1111 << bit);
                    self.add_sparse(&name, &every_fourth.map(u64::to_ne_bytes).concat());
                }
            }
            power = (0..128)
                .rev()
                .fold((0, h), |(sum, multiple), bit| {
                    let sum = if power >> bit & 1 == 1 { sum ^ multiple } else { sum };
                    (sum, (multiple >> 1) ^ ((multiple & 1) * polynomial))
                })
                .0;
        }
    }

    /// Those of them that are in `memory`, at any address, by name, with the distance from the end; and at
    /// how many places there was something but zeros.
    fn found_in(&self, memory: &[u8]) -> (BTreeMap<String, usize>, usize) {
        let (mut found, mut places) = (BTreeMap::new(), 0);
        for (at, word) in memory.windows(8).enumerate() {
            let word = u64::from_ne_bytes(word.try_into().unwrap());
            if word == 0 {
                continue;
            }
            places += 1;
            let pair = memory[at..].first_chunk().map(|pair| u128::from_ne_bytes(*pair));
            let name = self.words.get(&word).or_else(|| self.pairs.get(&pair?));
            if let Some(name) = name {
                found.insert(name.clone(), memory.len() - at);
            }
        }
        (found, places)
    }
}

/// FIPS 180-4, section 5.3.3.
const INITIAL: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// The key expansion of FIPS 197, section 5.2.
fn round_keys(key: &[u8; 32]) -> Vec<[u8; 16]> {
    fn times(mut a: u8, mut b: u8) -> u8 {
        let mut product = 0;
        while b != 0 {
            product ^= a * (b & 1);
            a = (a << 1) ^ ((a >> 7) * 0x1b);
            b >>= 1;
        }
        product
    }
    fn substitute(byte: u8) -> u8 {
        let inverse = (0..=255).find(|other| times(byte, *other) == 1).unwrap_or(0);
        (0..5).fold(0x63, |sum, turn| sum ^ inverse.rotate_left(turn))
    }
    let mut words: Vec<[u8; 4]> = key.as_chunks().0.to_vec();
    let mut constant = 1;
    for at in 8..60 {
        let mut word = words[at - 1];
        if at % 8 == 0 {
            word.rotate_left(1);
        }
        if at % 4 == 0 {
            word = word.map(substitute);
        }
        if at % 8 == 0 {
            word[0] ^= constant;
            constant = times(constant, 2);
        }
        let before = words[at - 8];
        words.push(std::array::from_fn(|byte| word[byte] ^ before[byte]));
    }
    words.as_flattened().as_chunks().0.to_vec()
}

/// Reads this process's memory.
fn read(address: usize, into: &mut [u8]) {
    let memory = File::open("/proc/self/mem").unwrap();
    memory.read_exact_at(into, address as u64).unwrap();
}

/// The stack that `address` is on, from its end or `DEPTH` bytes below on, and `above` bytes above it.
fn stack_at(address: usize, above: usize) -> Vec<u8> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let number = |digits| usize::from_str_radix(digits, 16).unwrap();
    let ranges = maps.lines().filter_map(|line| line.split(' ').next()?.split_once('-'));
    let mut ranges = ranges.map(|(from, to)| number(from)..number(to));
    let mapping = ranges.find(|range| range.contains(&address)).unwrap();
    let start = mapping.start.max(address.saturating_sub(DEPTH));
    let mut stack = vec![0; mapping.end.min(address + above) - start];
    read(start, &mut stack);
    stack
}

/// The address of something in the caller's frame, or near it.
#[inline(never)]
fn here() -> usize {
    let here = 0_u8;
    std::ptr::from_ref(black_box(&here)).addr()
}

/// The stack that `work` leaves in a thread, which waits without calling anything, and the result of `work`.
fn stack_after<T: Send>(work: impl FnOnce() -> T + Send) -> (T, Vec<u8>) {
    #[inline(never)]
    fn below(work: impl FnOnce()) {
        work();
    }
    let (done, looked) = (AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        let worker = thread::Builder::new().stack_size(2 << 20).spawn_scoped(scope, || {
            let address = here();
            let mut result = None;
            below(|| result = Some(work()));
            done.store(address, Ordering::Release);
            while !looked.load(Ordering::Acquire) {
                spin_loop();
            }
            result
        });
        let worker = worker.unwrap();
        while done.load(Ordering::Acquire) == 0 {
            assert!(!worker.is_finished(), "it panicked");
            thread::yield_now();
        }
        let stack = stack_at(done.load(Ordering::Acquire), 64);
        looked.store(true, Ordering::Release);
        (worker.join().unwrap().unwrap(), stack)
    })
}

fn options(backend: Backend) -> (SealOptions, OpenOptions) {
    let chunk_len = ChunkLen::new(65_536).unwrap();
    let sealing = SealOptions { backend, chunk_len, ..SealOptions::default() };
    (sealing, OpenOptions { backend, ..OpenOptions::default() })
}

/// The secrets of a document: `docs/format.md` says what they are.
fn secrets_of(sealed: &[u8]) -> Secrets {
    let mut secrets = Secrets::default();
    secrets.add_cipher_key("wrapping key", &KEK);
    let core = Sha256::digest(&sealed[..96]);
    let header = Header::parse(sealed).unwrap();
    let mut both = Vec::new();
    for recipient in header.recipients() {
        let layer = recipient.layer();
        let payload = unwrapping().unwrap(recipient.wrapped()).unwrap();
        let data_key = payload.expose().last_chunk::<32>().unwrap();
        secrets.add_bytes(&format!("data key {layer}"), data_key);
        both.extend_from_slice(data_key);
        let (prk, expand) = Hkdf::<Sha256>::extract(Some(&sealed[32..64]), data_key);
        secrets.add_hmac_key(&format!("PRK {layer}"), prk.as_ref());
        let mut chunk_key = [0; 32];
        let info = [b"strongroom/1 chunk key", &[layer][..], &core];
        expand.expand_multi_info(&info, &mut chunk_key).unwrap();
        secrets.add_cipher_key(&format!("chunk key {layer}"), &chunk_key);
        if layer == header.layers() {
            opens_the_first_record(&chunk_key, layer, &sealed[header.len()..]);
        }
    }
    let (prk, expand) = Hkdf::<Sha256>::extract(Some(&sealed[32..64]), &both);
    secrets.add_hmac_key("PRK", prk.as_ref());
    for (name, info) in [
        ("header key", [&b"strongroom/1 header"[..], &core]),
        ("context key", [b"strongroom/1 context", &[]]),
    ] {
        let mut key = [0; 32];
        expand.expand_multi_info(&info, &mut key).unwrap();
        secrets.add_hmac_key(name, &key);
    }
    secrets
}

/// The key that was derived here is the document's.
#[track_caller]
fn opens_the_first_record(chunk_key: &[u8; 32], layers: u8, body: &[u8]) {
    let record = &body[..body.len().min(65_536 + 16 * usize::from(layers))];
    let nonce = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, u8::from(record.len() == body.len())];
    let (text, tag) = record.split_last_chunk().unwrap();
    let opened = Aes256Gcm::new(chunk_key).open_in_place(&nonce, &[], &mut text.to_vec(), tag);
    opened.unwrap();
}

fn id() -> KeyId {
    KeyId::new("vault/k/1").unwrap()
}

fn wrapping() -> [WrappingKey; 1] {
    [WrappingKey::aes(id(), Secret::copy_from(&KEK))]
}

fn unwrapping() -> UnwrappingKey {
    UnwrappingKey::aes(id(), Secret::copy_from(&KEK))
}

/// The stacks that were looked at, and what was found on them.
#[derive(Default)]
struct Report {
    stacks: usize,
    places: usize,
    complaints: Vec<String>,
}

impl Report {
    fn look(&mut self, case: &str, secrets: &Secrets, stack: &[u8]) {
        let (found, places) = secrets.found_in(stack);
        // Something was called.
        assert!(places > 40, "{case}: {places}");
        self.stacks += 1;
        self.places += places;
        self.complaints
            .extend(found.iter().map(|(name, depth)| format!("{case}: {name} at {depth}")));
    }

    fn end(self, stacks: usize) {
        println!("{} stacks, {} places", self.stacks, self.places);
        assert!(self.complaints.is_empty(), "{}", self.complaints.join("\n"));
        assert_eq!(self.stacks, stacks);
    }
}

/// A copy at an odd address is found, whole or by halves, and in either form of the `software` tier.
#[test]
fn what_is_planted_is_found() {
    #[inline(never)]
    fn leave(secret: &[u8]) {
        let mut copy = [0xa5; 999];
        copy[33..][..secret.len()].copy_from_slice(secret);
        black_box(&copy);
    }
    let key: [u8; 32] = std::array::from_fn(|at| u8::try_from(at * 37 % 251).unwrap());
    let mut secrets = Secrets::default();
    secrets.add_hmac_key("the key", &key);
    secrets.add_cipher_key("the key", &key);
    // 15 round keys, twice 15 of them bitsliced and spread; the powers' forms; the key's own.
    assert!(secrets.words.len() > 300, "{}", secrets.words.len());
    assert!(secrets.pairs.len() > 600, "{}", secrets.pairs.len());
    let words = secrets.words.keys().map(|word| word.to_ne_bytes().to_vec());
    let planted = words.chain(secrets.pairs.keys().map(|pair| pair.to_ne_bytes().to_vec()));
    for secret in planted.step_by(41) {
        let ((), stack) = stack_after(|| leave(&secret));
        assert_eq!(secrets.found_in(&stack).0.len(), 1, "{secret:?}");
    }
}

#[test]
fn documents_leave_no_key_on_the_stack() {
    let (mut report, mut cases) = (Report::default(), 0);
    for backend in Backend::available() {
        let (sealing, opening) = options(backend);
        let keys = wrapping();
        for (layers, of_layers) in
            [(1, Layers::One(&keys)), (2, Layers::Two { service: &keys, customer: &keys })]
        {
            // One short chunk, one that a counter cache is made for, and several.
            for length in [100, 4096, 20_000, 200_000] {
                let text = vec![7; length];
                let case = |what| format!("{backend:?}, {layers} layers, {length} bytes, {what}");
                let (sealed, stack) =
                    stack_after(|| document::seal(&text, of_layers, &sealing).unwrap());
                let secrets = secrets_of(&sealed);
                report.look(&case("sealed"), &secrets, &stack);

                let holders = [unwrapping()];
                let (opened, stack) =
                    stack_after(|| document::open(&sealed, &holders, &opening).unwrap());
                assert_eq!(opened, text);
                report.look(&case("opened"), &secrets, &stack);

                let mut changed = sealed.clone();
                *changed.last_mut().unwrap() ^= 1;
                let (refused, stack) =
                    stack_after(|| document::open(&changed, &holders, &opening).is_err());
                assert!(refused);
                report.look(&case("refused"), &secrets, &stack);

                // Made in one thread, used in another, dropped in a third.
                let (opener, stack) =
                    stack_after(|| Header::parse(&sealed)?.unlock_with(&holders, &opening));
                let opener = opener.unwrap();
                report.look(&case("unlocked"), &secrets, &stack);
                let (opened, stack) = stack_after(|| opener.open_slice(&sealed).unwrap());
                assert_eq!(opened, text);
                report.look(&case("opened with an opener"), &secrets, &stack);

                // In a row, each chunk when it is reached.
                let mut reader = opener.into_reader(&sealed[..]).unwrap();
                let (read, stack) = stack_after(|| {
                    let mut read = Vec::new();
                    reader.read_to_end(&mut read).unwrap();
                    read
                });
                assert_eq!(read, text);
                report.look(&case("read"), &secrets, &stack);
                cases += 6;
            }
        }
    }
    report.end(cases);
}

#[test]
fn the_threads_of_a_pool_are_left_without_keys() {
    let (mut report, mut cases) = (Report::default(), 0);
    for backend in Backend::available() {
        let (sealing, opening) = options(backend);
        let stacks = std::sync::Arc::new(Mutex::new(Vec::new()));
        let noted = stacks.clone();
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(2)
            .start_handler(move |_| noted.lock().unwrap().push(here()))
            .build()
            .unwrap();
        let text = vec![7; 1 << 20];
        let keys = wrapping();
        let sealed = pool.install(|| document::seal(&text, &keys, &sealing).unwrap());
        let secrets = secrets_of(&sealed);
        let mut look = |what| {
            for address in stacks.lock().unwrap().iter() {
                report.look(&format!("{backend:?}, {what}"), &secrets, &stack_at(*address, 2048));
                cases += 1;
            }
        };
        look("sealed");
        let holders = [unwrapping()];
        let opened = pool.install(|| document::open(&sealed, &holders, &opening).unwrap());
        assert_eq!(opened, text);
        look("opened");
    }
    report.end(cases);
}

#[test]
fn a_wrapping_key_leaves_nothing_on_the_stack() {
    let mut report = Report::default();
    let mut secrets = Secrets::default();
    secrets.add_cipher_key("wrapping key", &KEK);
    let payload = [7; 40];
    let (_key, stack) = stack_after(wrapping);
    report.look("made to wrap", &secrets, &stack);
    let (wrapped, stack) = stack_after(|| wrapping()[0].wrap(&payload).unwrap());
    report.look("wrapped", &secrets, &stack);
    let (_key, stack) = stack_after(unwrapping);
    report.look("made to unwrap", &secrets, &stack);
    let (unwrapped, stack) = stack_after(|| unwrapping().unwrap(&wrapped).unwrap());
    assert_eq!(unwrapped.expose(), payload);
    report.look("unwrapped", &secrets, &stack);
    report.end(4);
}

#[test]
fn a_dropped_cipher_leaves_no_key_on_the_stack() {
    let (mut report, mut cases) = (Report::default(), 0);
    for backend in Backend::available() {
        for length in [0, 16, 100, 1000, 5000, 50_000, 300_000] {
            let case = |what| format!("{backend:?}, {length} bytes, {what}");
            // Its own: threads get stacks again that others had.
            let key = Sha256::digest(case("key")).into();
            let mut secrets = Secrets::default();
            secrets.add_cipher_key("the key", &key);
            let mut text = vec![7; length];
            let (tag, stack) = stack_after(|| {
                let cipher = Aes256Gcm::with_backend(&key, backend);
                cipher.seal_in_place(&[1; 12], b"data", &mut text).unwrap()
            });
            report.look(&case("sealed"), &secrets, &stack);
            for (what, tag) in [("refused", [0; 16]), ("opened", tag)] {
                let (opened, stack) = stack_after(|| {
                    let cipher = Aes256Gcm::with_backend(&key, backend);
                    cipher.open_in_place(&[1; 12], b"data", &mut text, &tag)
                });
                assert_eq!(opened.is_ok(), what == "opened");
                report.look(&case(what), &secrets, &stack);
            }
            let (_cipher, stack) = stack_after(|| Aes256Gcm::with_backend(&key, backend));
            report.look(&case("expanded"), &secrets, &stack);
            cases += 4;
        }
    }
    report.end(cases);
}
