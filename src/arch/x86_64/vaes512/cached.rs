//! Groups whose first two AES rounds come from a counter cache: see `counter_cache.rs`.

use core::arch::x86_64::{
    __m128i, __m512i, _mm_aesenc_si128, _mm_xor_si128, _mm512_add_epi32, _mm512_aesenc_epi128,
    _mm512_broadcast_i32x4, _mm512_mask_blend_epi64, _mm512_set_epi32, _mm512_setzero_si512,
    _mm512_xor_si512,
};

use super::Key;
use super::ghash::xor_lanes;
use super::group::{GROUP, GROUP_BLOCKS, Text, each_group, load_group, round_key};
use crate::arch::counter_cache::{CounterCache, FIRST_COUNTER, add_to_counter};
use crate::arch::x86_64::ghash::{reverse_bytes, reversed_block};
use crate::arch::x86_64::memory::{load_128, load_512, store_128, store_512};
use crate::arch::{BLOCK_LEN, Fault};

/// With a cache for this text alone, on the stack: a function of its own, so that short texts do
/// not pay for the room.
#[inline(never)]
#[target_feature(enable = "aes,pclmulqdq,avx512f,avx512bw,avx512vl,avx512dq,vaes,vpclmulqdq")]
pub(super) fn long_groups<'i, 'o, const DIRECTION: bool>(
    key: &Key,
    pre_counter_block: u128,
    text: Text<'i, 'o>,
) -> Result<Text<'i, 'o>, Fault> {
    let mut cache = CounterCache::empty(pre_counter_block);
    fill(key, &mut cache);
    cached_groups::<DIRECTION>(key, &cache, pre_counter_block, text)
}

/// Groups whose first two rounds come from the cache.
#[inline(never)]
#[target_feature(enable = "aes,pclmulqdq,avx512f,avx512bw,avx512vl,avx512dq,vaes,vpclmulqdq")]
pub(super) fn cached_groups<'i, 'o, const DIRECTION: bool>(
    key: &Key,
    cache: &CounterCache,
    pre_counter_block: u128,
    text: Text<'i, 'o>,
) -> Result<Text<'i, 'o>, Fault> {
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
            // Of the last vector's four counters two end in 254 and 255, two in 0 and 1.
            last = _mm512_mask_blend_epi64(0xf0, current, window);
        }
        for (vector, state) in states.iter_mut().enumerate() {
            let difference = if vector == GROUP - 1 { last } else { current };
            *state = _mm512_xor_si512(*state, difference);
        }
        states
    };
    let text = each_group::<DIRECTION, 3>(key, text, states);
    if cache.is_sound(sum(cache)) { Ok(text) } else { Err(Fault) }
}

/// The XOR of all entries.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn sum(cache: &CounterCache) -> [u8; BLOCK_LEN] {
    let mut sums = [_mm512_setzero_si512(); 4];
    for vectors in cache.entries().as_flattened().as_chunks().0.chunks_exact(4) {
        for (sum, vector) in sums.iter_mut().zip(vectors) {
            *sum = _mm512_xor_si512(*sum, load_512(vector));
        }
    }
    let [a, b, c, d] = sums;
    let all = xor_lanes(_mm512_xor_si512(_mm512_xor_si512(a, b), _mm512_xor_si512(c, d)));
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
    #[target_feature(enable = "aes,ssse3,avx512f")]
    fn next(&mut self) -> __m512i {
        let state = two_rounds(self.key, reverse_bytes(reversed_block(self.block)));
        self.block = add_to_counter(self.block, 256);
        _mm512_broadcast_i32x4(_mm_xor_si128(state, self.first))
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

#[target_feature(enable = "aes,pclmulqdq,avx512f,avx512bw,avx512vl,avx512dq,vaes,vpclmulqdq")]
pub(super) fn fill(key: &Key, cache: &mut CounterCache) {
    let base = _mm512_broadcast_i32x4(reverse_bytes(reversed_block(cache.base_block())));
    let base = _mm512_xor_si512(base, round_key(key, 0));
    let (first, second) = (round_key(key, 1), round_key(key, 2));
    // The last byte of each lane is the highest of its highest word.
    let lanes = _mm512_set_epi32(3 << 24, 0, 0, 0, 2 << 24, 0, 0, 0, 1 << 24, 0, 0, 0, 0, 0, 0, 0);
    let step =
        _mm512_set_epi32(4 << 24, 0, 0, 0, 4 << 24, 0, 0, 0, 4 << 24, 0, 0, 0, 4 << 24, 0, 0, 0);
    let mut values = lanes;
    for entries in cache.entries_mut().as_flattened_mut().as_chunks_mut().0 {
        let state = _mm512_aesenc_epi128(_mm512_xor_si512(base, values), first);
        store_512(entries, _mm512_aesenc_epi128(state, second));
        values = _mm512_add_epi32(values, step);
    }
    cache.close();
}
