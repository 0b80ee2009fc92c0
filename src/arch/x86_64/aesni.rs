//! The `aesni` tier: AES-NI and PCLMULQDQ on eight 128-bit blocks at a time, with AVX where there is
//! one and without.
//!
//! ```text
//! for each group of 2 x 8 blocks (see group.rs; each reads its text once):
//!     states = AES rounds 1 and 2 of the counters, from a counter cache, or neither
//!     the rounds from there to the 13th, between them GHASH of
//!         sealing: the group before, so that AES never waits for it
//!         opening: this group's ciphertext, which is there
//!     output = last round of states, its key ^ text
//! what is left and the block of lengths: see tail.rs
//! tag = AES(J0) ^ hash
//! ```
//!
//! NIST SP 800-38D, algorithms 4 and 5; `counter_cache.rs` for the cache.
//!
//! The groups are compiled twice: for the first processors with AES-NI, and with AVX, whose
//! instructions have a register of their own for the result and so need fewer copies.
//!
//! Constant-time: branches and indexes depend on lengths and counters alone.

mod cached;
mod ghash;
mod group;
mod tail;

use alloc::boxed::Box;
use core::arch::x86_64::{__m128i, _mm_add_epi32, _mm_set_epi32, _mm_setzero_si128, _mm_xor_si128};

use zeroize::Zeroize;

use self::cached::cached_groups;
use self::ghash::{HALF_SUMS, Hash, POWERS, half_sums};
use self::group::{GROUP_LEN, IN_FLIGHT, each_group};
use self::tail::Tail;
use super::aes::RoundKeys;
use super::counter_cache::fill;
use super::ghash::{fill_powers, hash_key, number, reverse_bytes, reversed_block};
use super::memory::{load_128, load_partial_128, store_128};
use super::message::{Message, tag};
use crate::arch::counter_cache::{CounterCache, starts_aligned};
use crate::arch::{BLOCK_LEN, Fault, Hints, InOutBuf, Kernel, length_block, token};
use crate::secret::wipe_stack;

/// From this length on a table for one text pays for itself.
const CACHE_FROM: usize = 16 * 1024;

/// Const-generic argument of the groups: compiled with AVX.
const AVX: bool = true;
/// Const-generic argument of the groups: compiled without.
const NO_AVX: bool = false;

token!(support_aesni, avx: support_avx);

/// The expanded key, wiped on drop. It exists only where a [`Token`] did.
pub(crate) struct Key {
    round_keys: RoundKeys,
    /// H^17, H^16, …, H^1.
    powers: [[u8; 16]; POWERS],
    /// The two halves of a power added up: H^16 and H^15, …, H^2 and H^1.
    half_sums: [[u8; 16]; HALF_SUMS],
    token: Token,
}

impl Kernel for Key {
    type Token = Token;

    fn new(token: Token, key: &[u8; 32], _first_rounds: bool) -> Box<Self> {
        let mut expanded = Box::new(Self {
            round_keys: RoundKeys::zeroed(),
            powers: [[0; 16]; POWERS],
            half_sums: [[0; 16]; HALF_SUMS],
            token,
        });
        // SAFETY: the token says that `Features::support_aesni` holds.
        unsafe { expand(&mut expanded, key) };
        expanded
    }

    #[inline]
    fn crypt<const DIRECTION: bool>(
        &self,
        hints: Hints<'_>,
        pre_counter_block: u128,
        associated_data: &[u8],
        buffer: InOutBuf<'_, '_, u8>,
    ) -> Result<[u8; 16], Fault> {
        // SAFETY: a `Key` is made from a token only: `Features::support_aesni` holds.
        unsafe { crypt::<DIRECTION>(self, hints.cache, pre_counter_block, associated_data, buffer) }
    }

    fn ghash(&self, hash: u128, bytes: &[u8]) -> u128 {
        // SAFETY: a `Key` is made from a token only: `Features::support_aesni` holds.
        unsafe { ghash(self, hash, bytes) }
    }

    fn counter_cache(&self, pre_counter_block: u128) -> Option<Box<CounterCache<2>>> {
        Some(CounterCache::filled(pre_counter_block, |cache| self.fill(cache)))
    }
}

impl Key {
    /// Fills a cache for pre-counter blocks like the one it was made for.
    pub(crate) fn fill(&self, cache: &mut CounterCache<2>) {
        // SAFETY: a `Key` is made from a token only: `Features::support_aesni` holds.
        unsafe { fill(&self.round_keys, cache) }
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.powers.zeroize();
        self.half_sums.zeroize();
    }
}

#[target_feature(enable = "aes,pclmulqdq,ssse3,sse4.1")]
fn expand(expanded: &mut Key, key: &[u8; 32]) {
    expanded.round_keys.set(key);
    let h = hash_key(expanded.round_keys.encrypt_block(_mm_setzero_si128()));
    fill_powers(&mut expanded.powers, h);
    let (_, of_a_group) = expanded.powers.as_rchunks();
    for (sums, [first, second]) in expanded.half_sums.iter_mut().zip(of_a_group) {
        store_128(sums, half_sums(load_128(first), load_128(second)));
    }
}

#[target_feature(enable = "aes,pclmulqdq,ssse3,sse4.1")]
fn crypt<const DIRECTION: bool>(
    key: &Key,
    cache: Option<&CounterCache<2>>,
    pre_counter_block: u128,
    associated_data: &[u8],
    buffer: InOutBuf<'_, '_, u8>,
) -> Result<[u8; 16], Fault> {
    let text_len = buffer.len();
    let hash = absorb_padded(key, _mm_setzero_si128(), associated_data);
    let lengths = reversed_block(length_block(associated_data.len(), text_len));
    let mut message = Message { hash, lengths, rest: buffer };
    if text_len >= GROUP_LEN {
        let cache = cache.filter(|cache| cache.serves(pre_counter_block));
        message = if cache.is_none() && text_len >= CACHE_FROM && starts_aligned(pre_counter_block)
        {
            long_groups::<DIRECTION>(key, pre_counter_block, message)?
        } else {
            groups::<DIRECTION>(key, cache, pre_counter_block, message)?
        };
    }
    let left = message.rest.len();
    let hash = if left == 0 && text_len > 0 {
        message.hash
    } else {
        let counter = counter(pre_counter_block, (text_len - left) / BLOCK_LEN);
        let mut tail = Tail::new(key, counter, message.hash, left);
        tail.crypt::<DIRECTION>(message.rest);
        tail.finish(message.lengths)
    };

    Ok(tag(&key.round_keys, pre_counter_block, hash))
}

/// With a cache for this text alone, on the stack: a function of its own, so that short texts do
/// not pay for the room.
#[inline(never)]
#[target_feature(enable = "aes,pclmulqdq,ssse3,sse4.1")]
fn long_groups<'i, 'o, const DIRECTION: bool>(
    key: &Key,
    pre_counter_block: u128,
    message: Message<'i, 'o>,
) -> Result<Message<'i, 'o>, Fault> {
    let mut cache = CounterCache::empty(pre_counter_block);
    fill(&key.round_keys, &mut cache);
    let message = groups::<DIRECTION>(key, Some(&cache), pre_counter_block, message);
    // What lies deeper for the table is not reached from where the key is dropped.
    wipe_stack();
    message
}

/// All whole groups of a text.
#[inline]
#[target_feature(enable = "aes,pclmulqdq,ssse3,sse4.1")]
fn groups<'i, 'o, const DIRECTION: bool>(
    key: &Key,
    cache: Option<&CounterCache<2>>,
    pre_counter_block: u128,
    message: Message<'i, 'o>,
) -> Result<Message<'i, 'o>, Fault> {
    if key.token.avx {
        // SAFETY: the key's token says that `Features::support_avx` holds.
        unsafe { groups_avx::<DIRECTION>(key, cache, pre_counter_block, message) }
    } else {
        groups_plain::<DIRECTION>(key, cache, pre_counter_block, message)
    }
}

#[inline(never)]
#[target_feature(enable = "avx,aes,pclmulqdq")]
fn groups_avx<'i, 'o, const DIRECTION: bool>(
    key: &Key,
    cache: Option<&CounterCache<2>>,
    pre_counter_block: u128,
    message: Message<'i, 'o>,
) -> Result<Message<'i, 'o>, Fault> {
    any_groups::<DIRECTION, AVX>(key, cache, pre_counter_block, message)
}

#[inline(never)]
#[target_feature(enable = "aes,pclmulqdq,ssse3,sse4.1")]
fn groups_plain<'i, 'o, const DIRECTION: bool>(
    key: &Key,
    cache: Option<&CounterCache<2>>,
    pre_counter_block: u128,
    message: Message<'i, 'o>,
) -> Result<Message<'i, 'o>, Fault> {
    any_groups::<DIRECTION, NO_AVX>(key, cache, pre_counter_block, message)
}

/// Groups with a cache or without.
///
/// `AVX` is not read: it gives each of the two functions above a body of its own, with one caller,
/// into which the compiler puts it. There it takes on that function's features.
#[inline]
#[target_feature(enable = "aes,pclmulqdq,ssse3,sse4.1")]
fn any_groups<'i, 'o, const DIRECTION: bool, const AVX: bool>(
    key: &Key,
    cache: Option<&CounterCache<2>>,
    pre_counter_block: u128,
    message: Message<'i, 'o>,
) -> Result<Message<'i, 'o>, Fault> {
    match cache {
        Some(cache) => cached_groups::<DIRECTION, AVX>(key, cache, pre_counter_block, message),
        None => Ok(computed_groups::<DIRECTION, AVX>(key, pre_counter_block, message)),
    }
}

/// Groups whose fourteen rounds are all computed.
#[inline]
#[target_feature(enable = "aes,pclmulqdq,ssse3,sse4.1")]
fn computed_groups<'i, 'o, const DIRECTION: bool, const AVX: bool>(
    key: &Key,
    pre_counter_block: u128,
    message: Message<'i, 'o>,
) -> Message<'i, 'o> {
    let mut counter = counter(pre_counter_block, 0);
    let states = || {
        let whitening = load_128(&key.round_keys.0[0]);
        let mut states = [_mm_setzero_si128(); IN_FLIGHT];
        for state in &mut states {
            *state = _mm_xor_si128(reverse_bytes(counter), whitening);
            counter = next(counter);
        }
        states
    };
    each_group::<DIRECTION, AVX, 0>(key, message, states)
}

/// The counter block `done` blocks after the first of the text, byte-reversed: the 32-bit counter is
/// the lowest word.
#[inline]
#[target_feature(enable = "sse2")]
fn counter(pre_counter_block: u128, done: usize) -> __m128i {
    // Counters are 32 bits wide and wrap.
    #[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "as they do")]
    let done = done as u32 as i32;
    next(_mm_add_epi32(reversed_block(pre_counter_block), _mm_set_epi32(0, 0, 0, done)))
}

/// The counter block behind this one.
#[inline]
#[target_feature(enable = "sse2")]
fn next(counter: __m128i) -> __m128i {
    _mm_add_epi32(counter, _mm_set_epi32(0, 0, 0, 1))
}

/// GHASH of any number of bytes onto `hash`, the last block filled up with zeros.
#[inline]
#[target_feature(enable = "pclmulqdq,ssse3")]
fn absorb_padded(key: &Key, mut hash: __m128i, bytes: &[u8]) -> __m128i {
    for group in bytes.chunks(GROUP_LEN) {
        let mut sum = Hash::new(key, hash, group.len().div_ceil(BLOCK_LEN));
        for block in group.chunks(BLOCK_LEN) {
            sum.add(reverse_bytes(load_partial_128(block)));
        }
        hash = sum.reduce();
    }
    hash
}

#[target_feature(enable = "aes,pclmulqdq,ssse3,sse4.1")]
fn ghash(key: &Key, hash: u128, bytes: &[u8]) -> u128 {
    number(absorb_padded(key, reversed_block(hash), bytes))
}

#[cfg(test)]
mod tests;
