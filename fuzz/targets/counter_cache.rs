//! Counter-mode caching against RustCrypto's AES in counter mode and GHASH.
//!
//! - `Message`: one text on the kernels of every backend, from any pre-counter block on; with a cache
//!   that is made for it, for one like it or for another, or with the kernel's own. Then the same with
//!   a flipped bit in that cache or in the key's own: a fault, which is never seen without one.
//! - `Document`: a document whose chunks share a cache, sealed on every backend, to the same bytes;
//!   opened on every backend, and by the reader written from the format's description.

#![no_main]

use std::fmt::Debug;
use std::num::NonZeroU8;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use strongroom::Error;
use strongroom::backend::Backend;
use strongroom::document::{
    ChunkLen, Header, Layers, OpenOptions, PlaintextLen, SealOptions, Slots,
};
use strongroom::fuzzing::{Kernel, sealer};
use strongroom::secret::Secret;
use strongroom::wrap::{KeyId, UnwrappingKey, WrappingKey};
use strongroom_fuzz::buffer::Layout;
use strongroom_fuzz::format::{self, Holder};
use strongroom_fuzz::gcm::{self, pre_counter_block};
use strongroom_fuzz::length::{AssociatedDataLen, TextLen};
use strongroom_fuzz::seed::Seed;
use strongroom_fuzz::{assert_same, backends, planted};

#[derive(Arbitrary, Debug)]
struct Case {
    seed: Seed,
    kind: Kind,
}

#[derive(Arbitrary, Debug)]
enum Kind {
    Message(Message),
    Document(Document),
}

#[derive(Arbitrary, Debug)]
struct Message {
    text_len: TextLen,
    counter: Counter,
    cache: Cache,
    flip: Flip,
    nonce: Nonce,
    layout: Layout,
    /// True where the output goes past the processor's caches, where a kernel can and the layout lets it.
    streams: bool,
    associated_data_len: AssociatedDataLen,
}

/// The counter of the pre-counter block.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Counter {
    /// As with every nonce of 96 bits.
    One,
    /// Any upper bytes above a last one of 1: the cache serves it, and its windows carry.
    Aligned(u32),
    /// The same, so many windows before the counter wraps.
    AlignedBeforeWrap(u8),
    /// So many blocks before the counter wraps.
    BeforeWrap(u16),
    Any(u32),
}

/// The 96 bits before the counter.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Nonce {
    /// Of a document's chunk.
    Chunk {
        index: u32,
        last: bool,
    },
    Any,
}

/// Nonce that the cache is made for.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Cache {
    /// The kernel makes its own where it wants one.
    Own,
    /// The message's.
    Same,
    /// One that agrees with it in bytes 0, 5 and 10.
    Alike,
    /// One that differs in one of those bytes, and may in others.
    Unlike { byte: u8, bits: NonZeroU8 },
}

/// Failing memory: a bit (modulo how many there are) in the shared cache, or in the key's own.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Flip {
    Nothing,
    SharedCache(u16),
    FirstRounds(u16),
}

/// The bytes of a nonce that a cache depends on.
const CACHED_BYTES: [usize; 3] = [0, 5, 10];
/// Bytes that every tier with a cache takes at a time, at most: what is left over needs no cache.
const STRIDE: usize = 512;

impl Message {
    fn counter(&self) -> u32 {
        match self.counter {
            Counter::One => 1,
            Counter::Aligned(upper) => upper << 8 | 1,
            Counter::AlignedBeforeWrap(windows) => (0x00ff_ffff - u32::from(windows)) << 8 | 1,
            Counter::BeforeWrap(blocks) => u32::MAX - u32::from(blocks),
            Counter::Any(counter) => counter,
        }
    }

    fn nonce(&self, seed: Seed) -> [u8; 12] {
        match self.nonce {
            Nonce::Chunk { index, last } => {
                let [i0, i1, i2, i3] = index.to_be_bytes();
                [0, 0, 0, 0, 0, 0, i0, i1, i2, i3, 0, last.into()]
            }
            Nonce::Any => seed.array(0),
        }
    }

    /// The nonce that the cache is made for, and whether the cache serves the message's.
    fn made_for(&self, seed: Seed) -> Option<([u8; 12], bool)> {
        let nonce = self.nonce(seed);
        let others = seed.array(1);
        let (others, difference) = match self.cache {
            Cache::Own => return None,
            Cache::Same => (nonce, None),
            Cache::Alike => (others, None),
            Cache::Unlike { byte, bits } => (others, Some((byte, bits))),
        };
        let mut made_for = others;
        for at in CACHED_BYTES {
            made_for[at] = nonce[at];
        }
        if let Some((byte, bits)) = difference {
            made_for[CACHED_BYTES[usize::from(byte) % CACHED_BYTES.len()]] ^= bits.get();
        }
        Some((made_for, difference.is_none()))
    }

    fn check(&self, seed: Seed) {
        let key = seed.array(2);
        let associated_data = seed.bytes(3, self.associated_data_len.0);
        let text = seed.bytes(4, self.text_len.0);
        let j0 = pre_counter_block(self.nonce(seed), self.counter());
        let (ciphertext, tag) = gcm::seal(&key, j0, &associated_data, &text);
        let expected = Expected { j0, associated_data, text, ciphertext, tag };
        for backend in backends() {
            self.check_on(*backend, &key, self.made_for(seed), &expected);
        }
    }

    fn check_on(
        &self,
        backend: Backend,
        key: &[u8; 32],
        made_for: Option<([u8; 12], bool)>,
        expected: &Expected,
    ) {
        let is_aligned = self.counter() & 0xff == 1;
        let cached = made_for.and_then(|(nonce, serves)| {
            let kernel = Kernel::with_cache(key, backend, pre_counter_block(nonce, 1))?;
            Some((kernel, serves && is_aligned))
        });
        let (kernel, is_served) = cached.unwrap_or_else(|| (Kernel::new(key, backend), false));
        let mut kernel = kernel.streaming(self.streams);
        for mut outcome in self.seal_and_open(&kernel, expected) {
            // As if the first block behind 256 counters had the difference of those before.
            if planted() && is_served && expected.text.len() > 254 * 16 {
                outcome.output[254 * 16] ^= 1;
            }
            outcome.check(expected, &backend);
        }

        // Of the shared cache all is checked, of the first rounds what is used: entries in order.
        let used = expected.text.len() / STRIDE * STRIDE;
        let (is_flipped, is_used) = match self.flip {
            Flip::Nothing => return,
            Flip::SharedCache(bit) => (kernel.flip_shared_cache(bit), is_served && used > 0),
            Flip::FirstRounds(bit) => {
                let byte = usize::from(bit) / 8 % (256 * 16);
                (kernel.flip_first_rounds(bit), is_aligned && !is_served && byte < used)
            }
        };
        if !is_flipped {
            return;
        }
        for outcome in self.seal_and_open(&kernel, expected) {
            let case = format_args!("{:?}, {backend:?}", self.flip);
            match outcome.tag {
                Err(Error::Fault) => assert!(is_aligned, "{case}: no cache was to be used"),
                _ if is_used => panic!("{case}: unnoticed"),
                _ => outcome.check(expected, &case),
            }
        }
    }

    fn seal_and_open(&self, kernel: &Kernel, expected: &Expected) -> [Outcome; 2] {
        let Expected { j0, associated_data, text, ciphertext, .. } = expected;
        let run = |text, open: bool| {
            let (tag, output) = self.layout.run(text, |buffers| {
                if open {
                    kernel.open(*j0, associated_data, buffers.into())
                } else {
                    kernel.seal(*j0, associated_data, buffers.into())
                }
            });
            Outcome { open, tag, output }
        };
        [run(text, false), run(ciphertext, true)]
    }
}

/// Message, and the result that the kernels must give.
struct Expected {
    j0: u128,
    associated_data: Vec<u8>,
    text: Vec<u8>,
    ciphertext: Vec<u8>,
    tag: [u8; 16],
}

/// Result of a kernel.
struct Outcome {
    open: bool,
    tag: Result<[u8; 16], Error>,
    output: Vec<u8>,
}

impl Outcome {
    fn check(&self, expected: &Expected, case: &dyn Debug) {
        let (direction, output) =
            if self.open { ("opening", &expected.text) } else { ("sealing", &expected.ciphertext) };
        assert_same(&self.output, output, &format_args!("{direction}, {case:?}"));
        let tag = &self.tag;
        assert!(matches!(tag, Ok(tag) if *tag == expected.tag), "{direction}, {case:?}: {tag:?}");
    }
}

#[derive(Arbitrary, Debug)]
struct Document {
    text_len: TextLen,
    chunk_len_log2: ChunkLenLog2,
    two_slots: bool,
    is_stream: bool,
}

/// 4 KiB to 64 KiB: several chunks, or a part of one.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum ChunkLenLog2 {
    L12 = 12,
    L13 = 13,
    L14 = 14,
    L16 = 16,
}

const KEY_ID: &str = "vault/fuzz/1";
const KEY: [u8; 32] = [0x5c; 32];

impl Document {
    fn seal(&self, seed: Seed, backend: Backend, text: &[u8]) -> Result<Vec<u8>, Error> {
        let options = SealOptions {
            chunk_len: ChunkLen::new(1 << self.chunk_len_log2 as u32)?,
            slots: if self.two_slots { Slots::Two } else { Slots::One },
            backend,
            ..SealOptions::default()
        };
        let plaintext_len = if self.is_stream {
            PlaintextLen::Stream
        } else {
            PlaintextLen::Known(text.len() as u64)
        };
        let key = WrappingKey::aes(KeyId::new(KEY_ID)?, Secret::copy_from(&KEY));
        sealer(&[seed.array(0)], seed.array(1), plaintext_len, Layers::One(&[key]), &options)?
            .seal_slice(text)
    }

    fn check(&self, seed: Seed) {
        let text = seed.bytes(2, self.text_len.0);
        let holder = Holder { key_id: KEY_ID, key: &KEY, context: b"", now: 0 };
        let mut first: Option<Vec<u8>> = None;
        for backend in backends() {
            let sealed = self.seal(seed, *backend, &text).expect("a text of this length");
            let first = first.get_or_insert_with(|| {
                let opened = format::open(&sealed, holder);
                let opened = opened.expect("the format's reader opens it");
                assert_same(&opened, &text, &format_args!("the format's reader, {backend:?}"));
                sealed.clone()
            });
            assert_same(&sealed, first, &format_args!("sealed, {backend:?}"));

            let key =
                UnwrappingKey::aes(KeyId::new(KEY_ID).expect("an id"), Secret::copy_from(&KEY));
            let options = OpenOptions { backend: *backend, ..OpenOptions::default() };
            let opened = Header::parse(&sealed)
                .and_then(|header| header.unlock_with(&[key], &options))
                .and_then(|opener| opener.open_slice(&sealed))
                .expect("nothing was changed");
            assert_same(&opened, &text, &format_args!("opened, {backend:?}"));
        }
    }
}

fuzz_target!(|case: Case| match case.kind {
    Kind::Message(message) => message.check(case.seed),
    Kind::Document(document) => document.check(case.seed),
});
