//! The `vaes256` tier: VAES and VPCLMULQDQ on eight 256-bit vectors, 16 blocks, at a time, without
//! AVX-512.
//!
//! ```text
//! for each group of 8 vectors (see group.rs; each reads its text once):
//!     states = AES rounds 1 and 2 of the counters, computed, or from the counter cache
//!     rounds 3 to 13, between them GHASH of
//!         sealing: the group before, so that AES never waits for it
//!         opening: this group's ciphertext, which is there
//!     output = last round of states, its key ^ text
//! what is left and the block of lengths: see tail.rs
//! tag = AES(J0) ^ hash
//! ```
//!
//! NIST SP 800-38D, algorithms 4 and 5; `counter_cache.rs` for the cache.
//!
//! Constant-time: branches and indexes depend on lengths and counters alone.

mod cached;
mod ghash;
mod group;
mod tail;

use alloc::boxed::Box;
use core::arch::x86_64::{
    __m128i, __m256i, _mm_setzero_si128, _mm_xor_si128, _mm256_add_epi32,
    _mm256_broadcastsi128_si256, _mm256_set_epi32, _mm256_setzero_si256, _mm256_xor_si256,
    _mm256_zextsi128_si256,
};

use zeroize::Zeroize;

use self::cached::{cached_groups, fill_second_round, own_cache, shared_cache};
use self::ghash::{Product, reverse_lanes};
use self::group::{GROUP, GROUP_BLOCKS, GROUP_LEN, each_group, round_key};
use self::tail::Tail;
use super::aes::RoundKeys;
use super::counter_cache::fill_first_round;
use super::ghash::{fill_powers, hash_key, reverse_bytes, reversed_block};
use super::memory::{load_256, load_partial_256, store_128};
use crate::arch::counter_cache::CounterCache;
use crate::arch::features::Features;
use crate::arch::{BLOCK_LEN, Fault, InOutBuf, OPEN, SEAL, length_block};

const VECTOR_LEN: usize = 32;
/// H^17 and below: a group's blocks, and the block of lengths behind the last ones.
const POWERS: usize = GROUP_BLOCKS + 1;
/// Entries behind H^1, so that a vector of powers may be read from any entry. They meet the zero
/// blocks behind the text's last one.
const PADDING: usize = 1;
/// From this length on a table for one text pays for itself.
const CACHE_FROM: usize = 16 * 1024;

/// Proof that this processor has what the kernel needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token(());

impl Token {
    pub(crate) fn detect() -> Option<Self> {
        Features::detect().support_vaes256().then_some(Self(()))
    }
}

/// The expanded key, wiped on drop. It exists only where a [`Token`] did.
pub(crate) struct Key {
    round_keys: RoundKeys,
    /// H^17, H^16, …, H^1, and padding.
    powers: [[u8; 16]; POWERS + PADDING],
    first_round: Box<CounterCache<1>>,
}

impl Key {
    pub(crate) fn new(_: Token, key: &[u8; 32]) -> Self {
        // SAFETY: the token says that `Features::support_vaes256` holds.
        unsafe { expand(key) }
    }

    /// Fills a cache for pre-counter blocks like the one it was made for.
    pub(crate) fn fill(&self, cache: &mut CounterCache<2>) {
        // SAFETY: a `Key` is made from a token only: `Features::support_vaes256` holds.
        let outcome = unsafe { fill_second_round(self, cache) };
        // What a fault spoils here is seen again where the cache is used.
        outcome.unwrap_or_default();
    }

    pub(crate) fn seal(
        &self,
        cache: Option<&CounterCache<2>>,
        pre_counter_block: u128,
        associated_data: &[u8],
        buffer: InOutBuf<'_, '_, u8>,
    ) -> Result<[u8; 16], Fault> {
        // SAFETY: a `Key` is made from a token only: `Features::support_vaes256` holds.
        unsafe { crypt::<SEAL>(self, cache, pre_counter_block, associated_data, buffer) }
    }

    pub(crate) fn open(
        &self,
        cache: Option<&CounterCache<2>>,
        pre_counter_block: u128,
        associated_data: &[u8],
        buffer: InOutBuf<'_, '_, u8>,
    ) -> Result<[u8; 16], Fault> {
        // SAFETY: a `Key` is made from a token only: `Features::support_vaes256` holds.
        unsafe { crypt::<OPEN>(self, cache, pre_counter_block, associated_data, buffer) }
    }

    #[cfg(any(test, fuzzing))]
    pub(crate) fn first_round_mut(&mut self) -> &mut CounterCache<1> {
        &mut self.first_round
    }

    /// The powers for a vector that starts `blocks_left` blocks before the end.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn powers_for(&self, blocks_left: usize) -> __m256i {
        let from = (POWERS - blocks_left) * BLOCK_LEN;
        let bytes = &self.powers.as_flattened()[from..];
        load_256(bytes.first_chunk().unwrap_or(&[0; VECTOR_LEN]))
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.powers.zeroize();
    }
}

#[target_feature(enable = "aes,pclmulqdq,avx2,vaes,vpclmulqdq")]
fn expand(key: &[u8; 32]) -> Key {
    let round_keys = RoundKeys::expand(key);
    let h = hash_key(round_keys.encrypt_block(_mm_setzero_si128()));
    let mut powers = [[0; 16]; POWERS + PADDING];
    fill_powers(&mut powers[..POWERS], h);
    let mut first_round = Box::new(CounterCache::empty(0));
    fill_first_round(&round_keys, &mut first_round);
    Key { round_keys, powers, first_round }
}

#[target_feature(enable = "aes,pclmulqdq,avx2,vaes,vpclmulqdq")]
fn crypt<const DIRECTION: bool>(
    key: &Key,
    cache: Option<&CounterCache<2>>,
    pre_counter_block: u128,
    associated_data: &[u8],
    buffer: InOutBuf<'_, '_, u8>,
) -> Result<[u8; 16], Fault> {
    let text_len = buffer.len();
    let hash = absorb_padded(key, _mm_setzero_si128(), associated_data);
    let (hash, rest) = if text_len < GROUP_LEN {
        (hash, buffer)
    } else {
        groups::<DIRECTION>(key, cache, pre_counter_block, hash, buffer)?
    };

    let left = rest.len();
    let counter = counters(pre_counter_block, (text_len - left) / BLOCK_LEN);
    let mut tail = Tail::new(key, counter, hash, left);
    tail.crypt::<DIRECTION>(rest);
    let lengths = reversed_block(length_block(associated_data.len(), text_len));
    let hash = reverse_bytes(tail.finish(lengths));

    let mask = key.round_keys.encrypt_block(reverse_bytes(reversed_block(pre_counter_block)));
    let mut tag = [0; 16];
    store_128(&mut tag, _mm_xor_si128(hash, mask));
    Ok(tag)
}

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

/// All whole groups of a text; returns the hash and what is left.
#[inline]
#[target_feature(enable = "aes,pclmulqdq,avx2,vaes,vpclmulqdq")]
fn groups<'i, 'o, const DIRECTION: bool>(
    key: &Key,
    cache: Option<&CounterCache<2>>,
    pre_counter_block: u128,
    hash: __m128i,
    buffer: InOutBuf<'i, 'o, u8>,
) -> Result<(__m128i, InOutBuf<'i, 'o, u8>), Fault> {
    if let Some(cache) = cache.filter(|cache| cache.serves(pre_counter_block)) {
        shared_cache::<DIRECTION>(key, cache, pre_counter_block, hash, buffer)
    } else if !key.first_round.serves(pre_counter_block) {
        Ok(plain_groups::<DIRECTION>(key, pre_counter_block, hash, buffer))
    } else if buffer.len() >= CACHE_FROM {
        own_cache::<DIRECTION>(key, pre_counter_block, hash, buffer)
    } else {
        cached_groups::<DIRECTION, 1>(key, &key.first_round, pre_counter_block, hash, buffer)
    }
}

/// Groups whose fourteen rounds are all computed.
#[inline(never)]
#[target_feature(enable = "aes,pclmulqdq,avx2,vaes,vpclmulqdq")]
fn plain_groups<'i, 'o, const DIRECTION: bool>(
    key: &Key,
    pre_counter_block: u128,
    hash: __m128i,
    buffer: InOutBuf<'i, 'o, u8>,
) -> (__m128i, InOutBuf<'i, 'o, u8>) {
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
    each_group::<DIRECTION, 0>(key, hash, buffer, states)
}

/// GHASH of any number of bytes onto `hash`, the last block filled up with zeros.
#[inline]
#[target_feature(enable = "avx2,vpclmulqdq")]
fn absorb_padded(key: &Key, mut hash: __m128i, bytes: &[u8]) -> __m128i {
    for group in bytes.chunks(GROUP_LEN) {
        let mut product = Product::zero();
        let mut carried = _mm256_zextsi128_si256(hash);
        let mut blocks_left = group.len().div_ceil(BLOCK_LEN);
        for vector in group.chunks(VECTOR_LEN) {
            let blocks = reverse_lanes(load_partial_256(vector));
            product.add(_mm256_xor_si256(blocks, carried), key.powers_for(blocks_left));
            carried = _mm256_setzero_si256();
            blocks_left = blocks_left.saturating_sub(2);
        }
        hash = product.reduce();
    }
    hash
}
