//! Filling counter caches, and the differences `D`: see `arch/counter_cache.rs`.

use core::arch::x86_64::{
    __m128i, _mm_aesenc_si128, _mm_set_epi32, _mm_setzero_si128, _mm_xor_si128,
};

use super::aes::RoundKeys;
use super::ghash::{reverse_bytes, reversed_block};
use super::memory::{load_128, store_128};
use crate::arch::counter_cache::{CounterCache, FIRST_COUNTER, add_to_counter};

/// The state of a block after round `ROUNDS`.
#[inline]
#[target_feature(enable = "aes,ssse3")]
pub(super) fn after_round<const ROUNDS: usize>(round_keys: &RoundKeys, block: u128) -> __m128i {
    let [whitening, round_keys @ ..] = &round_keys.0;
    let mut state = _mm_xor_si128(reverse_bytes(reversed_block(block)), load_128(whitening));
    for round_key in &round_keys[..ROUNDS] {
        state = _mm_aesenc_si128(state, load_128(round_key));
    }
    state
}

/// The differences `D` of one run of 256 counters after the other.
pub(super) struct Differences<const ROUNDS: usize> {
    /// The counter block with its last byte zero.
    block: u128,
}

impl<const ROUNDS: usize> Differences<ROUNDS> {
    /// From the run with this block on.
    pub(super) fn new(pre_counter_block: u128) -> Self {
        Self { block: pre_counter_block & !0xff }
    }

    #[inline]
    #[target_feature(enable = "aes,ssse3")]
    pub(super) fn next(&mut self, round_keys: &RoundKeys) -> __m128i {
        let difference = after_round::<ROUNDS>(round_keys, self.block);
        self.block = add_to_counter(self.block, 256);
        difference
    }
}

/// Fills a cache from nothing but round keys. (A kernel that has a cache of one round makes that of two
/// from it in half the time.)
#[inline]
#[target_feature(enable = "aes,ssse3")]
pub(super) fn fill<const ROUNDS: usize>(round_keys: &RoundKeys, cache: &mut CounterCache<ROUNDS>) {
    let base = after_round::<0>(round_keys, cache.base_block());
    let before_last = |mut state| {
        for round_key in &round_keys.0[1..ROUNDS] {
            state = _mm_aesenc_si128(state, load_128(round_key));
        }
        state
    };
    // A round ends with the XOR of its key: here that subtracts T[0].
    let first = _mm_aesenc_si128(before_last(base), _mm_setzero_si128());
    let mut last_byte = FIRST_COUNTER;
    for entry in cache.entries_mut() {
        let block = _mm_set_epi32(i32::from_le_bytes([0, 0, 0, last_byte]), 0, 0, 0);
        store_128(entry, _mm_aesenc_si128(before_last(_mm_xor_si128(base, block)), first));
        last_byte = last_byte.wrapping_add(1);
    }
}
