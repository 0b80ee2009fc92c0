//! The `vaes256` tier: VAES and VPCLMULQDQ on eight 256-bit vectors, 16 blocks, at a time, without
//! AVX-512.
//!
//! ```text
//! for each group of 8 vectors (see group.rs; each reads its text once):
//!     states = AES round 1 of the counters or rounds 1 and 2, from a counter cache, or neither
//!     the rounds from there to the 13th, between them GHASH of the group before, so that AES never waits for it
//!     output = last round of states, its key ^ text
//! what is left and the block of lengths: see wide/tail.rs
//! tag = AES(J0) ^ hash
//! ```
//!
//! NIST SP 800-38D, algorithms 4 and 5; `counter_cache.rs` for the cache.
//!
//! Constant-time: branches and indexes depend on lengths and counters alone.

mod cached;
mod ghash;
mod group;
mod powers;
/// The end of a text: see `wide/tail.rs`.
mod tail {
    crate::arch::x86_64::wide::tail::tail!("aes,pclmulqdq,avx2,vaes,vpclmulqdq");
}
mod vector;

use alloc::boxed::Box;
use core::arch::x86_64::{
    __m128i, __m256i, _mm_setzero_si128, _mm256_add_epi32, _mm256_broadcastsi128_si256,
    _mm256_set_epi32, _mm256_setzero_si256, _mm256_xor_si256, _mm256_zextsi128_si256,
};

use self::cached::{cached_groups, own_cache, shared_cache};
use self::ghash::{PowerPair, Product, reverse_lanes};
use self::group::{GROUP, GROUP_BLOCKS, GROUP_LEN, each_group, round_key};
use self::powers::{POWERS, Powers};
use self::tail::Tail;
use self::vector::VECTOR_LEN;
use super::aes::RoundKeys;
use super::counter_cache::fill;
use super::ghash::{hash_key, number, reversed_block};
use super::memory::{load_256, load_partial_256};
use super::message::{Message, tag};
use super::wide::crypt::crypt;
use crate::arch::counter_cache::CounterCache;
use crate::arch::{BLOCK_LEN, Fault, Hints, InOutBuf, Kernel, length_block, token};

/// From this length on a table for one text pays for itself.
const CACHE_FROM: usize = 32 * 1024;

token!(support_vaes256);

/// The expanded key, wiped on drop. It exists only where a [`Token`] did.
pub(crate) struct Key {
    round_keys: RoundKeys,
    powers: Powers,
    /// H^16 and H^14, …, H^4 and H^2: one for each two vectors of a group whose lanes are hashed apart.
    power_pairs: [PowerPair; GROUP / 2],
    /// For texts that share no cache of two rounds.
    first_round: Option<Box<CounterCache<1>>>,
}

impl Kernel for Key {
    type Token = Token;

    fn new(_: Token, key: &[u8; 32], first_rounds: bool) -> Box<Self> {
        let mut expanded = Box::new(Self {
            round_keys: RoundKeys::zeroed(),
            powers: Powers::zeroed(),
            power_pairs: [const { PowerPair::zeroed() }; GROUP / 2],
            first_round: None,
        });
        // SAFETY: the token says that `Features::support_vaes256` holds.
        unsafe { expand(&mut expanded, key, first_rounds) };
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
        // SAFETY: a `Key` is made from a token only: `Features::support_vaes256` holds.
        unsafe { crypt::<DIRECTION>(self, hints, pre_counter_block, associated_data, buffer) }
    }

    fn ghash(&self, hash: u128, bytes: &[u8]) -> u128 {
        // SAFETY: a `Key` is made from a token only: `Features::support_vaes256` holds.
        unsafe { ghash(self, hash, bytes) }
    }

    fn counter_cache(&self, pre_counter_block: u128) -> Option<Box<CounterCache<2>>> {
        Some(CounterCache::filled(pre_counter_block, |cache| self.fill(cache)))
    }

    #[cfg(any(test, fuzzing))]
    fn first_round_mut(&mut self) -> Option<&mut CounterCache<1>> {
        self.first_round.as_deref_mut()
    }
}

impl Key {
    /// Fills a cache for pre-counter blocks like the one it was made for.
    pub(crate) fn fill(&self, cache: &mut CounterCache<2>) {
        // SAFETY: a `Key` is made from a token only: `Features::support_vaes256` holds.
        unsafe { fill(&self.round_keys, cache) }
    }
}

#[target_feature(enable = "aes,pclmulqdq,avx2,vaes,vpclmulqdq")]
fn expand(expanded: &mut Key, key: &[u8; 32], first_rounds: bool) {
    let Key { round_keys, powers, power_pairs, first_round } = expanded;
    round_keys.set(key);
    let h = hash_key(round_keys.encrypt_block(_mm_setzero_si128()));
    powers.set(h);
    let power = |exponent| u128::from_le_bytes(*powers.at(exponent));
    for (number, pair) in power_pairs.iter_mut().enumerate() {
        pair.set(power(16 - 4 * number), power(14 - 4 * number));
    }
    *first_round = first_rounds.then(|| CounterCache::filled(0, |cache| fill(round_keys, cache)));
}

crypt!("aes,pclmulqdq,avx2,vaes,vpclmulqdq");

/// The counters of two blocks, `done` blocks after the first of the text, byte-reversed: the 32-bit
/// counter is the lowest word of a lane.
#[inline]
#[target_feature(enable = "avx2")]
fn counters(pre_counter_block: u128, done: usize) -> __m256i {
    // Counters are 32 bits wide and wrap.
    #[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "as they do")]
    let done = done as u32 as i32;
    let j0 = _mm256_broadcastsi128_si256(reversed_block(pre_counter_block));
    let lanes = _mm256_set_epi32(0, 0, 0, 2, 0, 0, 0, 1);
    let offset = _mm256_set_epi32(0, 0, 0, done, 0, 0, 0, done);
    _mm256_add_epi32(_mm256_add_epi32(j0, lanes), offset)
}

/// Two in each lane's counter: one vector further.
#[inline]
#[target_feature(enable = "avx2")]
fn next_vector(counter: __m256i) -> __m256i {
    let two = _mm256_set_epi32(0, 0, 0, 2, 0, 0, 0, 2);
    _mm256_add_epi32(counter, two)
}

/// All whole groups of a text.
#[inline(never)]
#[target_feature(enable = "aes,pclmulqdq,avx2,vaes,vpclmulqdq")]
fn groups<'i, 'o, const DIRECTION: bool>(
    key: &Key,
    hints: Hints<'_>,
    pre_counter_block: u128,
    message: Message<'i, 'o>,
) -> Result<Message<'i, 'o>, Fault> {
    if message.rest.len() < GROUP_LEN {
        Ok(message)
    } else if let Some(cache) = hints.cache.filter(|cache| cache.serves(pre_counter_block)) {
        shared_cache::<DIRECTION>(key, cache, pre_counter_block, message)
    } else if let Some(first_round) =
        key.first_round.as_deref().filter(|cache| cache.serves(pre_counter_block))
    {
        if message.rest.len() >= CACHE_FROM {
            own_cache::<DIRECTION>(key, first_round, pre_counter_block, message)
        } else {
            cached_groups::<DIRECTION, 1>(key, first_round, pre_counter_block, message)
        }
    } else {
        Ok(plain_groups::<DIRECTION>(key, pre_counter_block, message))
    }
}

/// Groups whose fourteen rounds are all computed.
#[inline(never)]
#[target_feature(enable = "aes,pclmulqdq,avx2,vaes,vpclmulqdq")]
fn plain_groups<'i, 'o, const DIRECTION: bool>(
    key: &Key,
    pre_counter_block: u128,
    message: Message<'i, 'o>,
) -> Message<'i, 'o> {
    let whitening = round_key(key, 0);
    let mut counter = counters(pre_counter_block, 0);
    let states = || {
        let mut states = [_mm256_setzero_si256(); GROUP];
        for state in &mut states {
            *state = _mm256_xor_si256(reverse_lanes(counter), whitening);
            counter = next_vector(counter);
        }
        states
    };
    each_group::<DIRECTION, 0>(key, message, states)
}

/// GHASH of any number of bytes onto `hash`, the last block filled up with zeros.
#[inline]
#[target_feature(enable = "avx2,vpclmulqdq")]
fn absorb_padded(key: &Key, mut hash: __m128i, bytes: &[u8]) -> __m128i {
    let (groups, rest) = bytes.as_chunks::<GROUP_LEN>();
    for group in groups {
        let vectors = group.as_chunks().0.iter().map(|vector| load_256(vector));
        hash = absorb_group(key, hash, GROUP_BLOCKS, vectors);
    }
    if !rest.is_empty() {
        let vectors = rest.chunks(VECTOR_LEN).map(|vector| load_partial_256(vector));
        hash = absorb_group(key, hash, rest.len().div_ceil(BLOCK_LEN), vectors);
    }
    hash
}

/// GHASH of so many blocks, at most a group, onto `hash`: it comes in last, for it is the last to be
/// known.
#[inline]
#[target_feature(enable = "avx2,vpclmulqdq")]
fn absorb_group(
    key: &Key,
    hash: __m128i,
    blocks: usize,
    vectors: impl ExactSizeIterator<Item = __m256i> + DoubleEndedIterator,
) -> __m128i {
    let mut product = Product::zero();
    for (number, vector) in vectors.enumerate().rev() {
        let vector = match number {
            0 => _mm256_xor_si256(reverse_lanes(vector), _mm256_zextsi128_si256(hash)),
            _ => reverse_lanes(vector),
        };
        product.add(vector, key.powers.vector(blocks - 2 * number));
    }
    product.reduce()
}

#[target_feature(enable = "aes,pclmulqdq,avx2,vpclmulqdq")]
fn ghash(key: &Key, hash: u128, bytes: &[u8]) -> u128 {
    number(absorb_padded(key, reversed_block(hash), bytes))
}
