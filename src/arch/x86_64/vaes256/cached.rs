//! Groups whose first two AES rounds come from a counter cache: see `counter_cache.rs`.

use core::arch::x86_64::{
    __m128i, __m256i, _mm_aesenc_si128, _mm_xor_si128, _mm256_add_epi32, _mm256_aesenc_epi128,
    _mm256_broadcastsi128_si256, _mm256_set_epi32, _mm256_setzero_si256, _mm256_xor_si256,
};

use super::Key;
use super::ghash::xor_lanes;
use super::group::{GROUP, GROUP_BLOCKS, each_group, load_group, round_key};
use crate::arch::counter_cache::{CounterCache, FIRST_COUNTER, add_to_counter};
use crate::arch::x86_64::ghash::{reverse_bytes, reversed_block};
use crate::arch::x86_64::memory::{load_128, load_256, store_128, store_256};
use crate::arch::{BLOCK_LEN, Fault, InOutBuf};

/// With a cache for this text alone, on the stack: a function of its own, so that short texts do
/// not pay for the room.
#[inline(never)]
#[target_feature(enable = "aes,pclmulqdq,avx2,vaes,vpclmulqdq")]
pub(super) fn long_groups<'i, 'o, const DIRECTION: bool>(
    key: &Key,
    pre_counter_block: u128,
    hash: __m128i,
    buffer: InOutBuf<'i, 'o, u8>,
) -> Result<(__m128i, InOutBuf<'i, 'o, u8>), Fault> {
    let mut cache = CounterCache::empty(pre_counter_block);
    fill(key, &mut cache);
    cached_groups::<DIRECTION>(key, &cache, pre_counter_block, hash, buffer)
}

/// Groups whose first two rounds come from the cache.
#[inline(never)]
#[target_feature(enable = "aes,pclmulqdq,avx2,vaes,vpclmulqdq")]
pub(super) fn cached_groups<'i, 'o, const DIRECTION: bool>(
    key: &Key,
    cache: &CounterCache,
    pre_counter_block: u128,
    hash: __m128i,
    buffer: InOutBuf<'i, 'o, u8>,
) -> Result<(__m128i, InOutBuf<'i, 'o, u8>), Fault> {
    /// The last byte of the counter at the group that reaches into the next 256.
    const STRADDLING: usize = 256 + FIRST_COUNTER - GROUP_BLOCKS;

    let mut windows = Windows::new(key, cache, pre_counter_block);
    let mut window = windows.next();
    let mut b = FIRST_COUNTER;
    let states = || {
        let mut states = load_group(cache.group(b));
        let current = window;
        let mut last = window;
        b += GROUP_BLOCKS;
        if b > STRADDLING {
            b = FIRST_COUNTER;
            window = windows.next();
            // The last vector's two counters end in 0 and 1.
            last = window;
        }
        for (vector, state) in states.iter_mut().enumerate() {
            let difference = if vector == GROUP - 1 { last } else { current };
            *state = _mm256_xor_si256(*state, difference);
        }
        states
    };
    let outcome = each_group::<DIRECTION, 3>(key, hash, buffer, states);
    if cache.is_sound(sum(cache)) { Ok(outcome) } else { Err(Fault) }
}

/// The XOR of all entries.
#[inline]
#[target_feature(enable = "avx2")]
fn sum(cache: &CounterCache) -> [u8; BLOCK_LEN] {
    let mut sums = [_mm256_setzero_si256(); 4];
    for vectors in cache.entries().as_flattened().as_chunks().0.chunks_exact(4) {
        for (sum, vector) in sums.iter_mut().zip(vectors) {
            *sum = _mm256_xor_si256(*sum, load_256(vector));
        }
    }
    let [a, b, c, d] = sums;
    let all = xor_lanes(_mm256_xor_si256(_mm256_xor_si256(a, b), _mm256_xor_si256(c, d)));
    let mut bytes = [0; BLOCK_LEN];
    store_128(&mut bytes, all);
    bytes
}

/// The differences `D` of one run of 256 counters after the other.
struct Windows<'k> {
    key: &'k Key,
    first: __m128i,
    /// The counter block with its last byte zero.
    block: u128,
}

impl<'k> Windows<'k> {
    #[inline]
    #[target_feature(enable = "sse2")]
    fn new(key: &'k Key, cache: &CounterCache, pre_counter_block: u128) -> Self {
        Self { key, first: load_128(cache.first()), block: pre_counter_block & !0xff }
    }

    #[inline]
    #[target_feature(enable = "aes,avx2")]
    fn next(&mut self) -> __m256i {
        let state = two_rounds(self.key, reverse_bytes(reversed_block(self.block)));
        self.block = add_to_counter(self.block, 256);
        _mm256_broadcastsi128_si256(_mm_xor_si128(state, self.first))
    }
}

/// The state of a block after rounds 1 and 2.
#[inline]
#[target_feature(enable = "aes")]
fn two_rounds(key: &Key, block: __m128i) -> __m128i {
    let [k0, k1, k2, ..] = &key.round_keys.0;
    let state = _mm_aesenc_si128(_mm_xor_si128(block, load_128(k0)), load_128(k1));
    _mm_aesenc_si128(state, load_128(k2))
}

#[target_feature(enable = "aes,pclmulqdq,avx2,vaes,vpclmulqdq")]
pub(super) fn fill(key: &Key, cache: &mut CounterCache) {
    let base = _mm256_broadcastsi128_si256(reverse_bytes(reversed_block(cache.base_block())));
    let base = _mm256_xor_si256(base, round_key(key, 0));
    let (first, second) = (round_key(key, 1), round_key(key, 2));
    // The last byte of each lane is the highest of its highest word.
    let lanes = _mm256_set_epi32(1 << 24, 0, 0, 0, 0, 0, 0, 0);
    let step = _mm256_set_epi32(2 << 24, 0, 0, 0, 2 << 24, 0, 0, 0);
    let mut values = lanes;
    for entries in cache.entries_mut().as_flattened_mut().as_chunks_mut().0 {
        let state = _mm256_aesenc_epi128(_mm256_xor_si256(base, values), first);
        store_256(entries, _mm256_aesenc_epi128(state, second));
        values = _mm256_add_epi32(values, step);
    }
    cache.close();
}
