//! The end of a text: fewer than 16 blocks, the last one perhaps partial, and the block of lengths.
//!
//! ```text
//! hash = Σ block[i] · H^(n-i)   over what is left and the block of lengths, n in all: one reduction
//! ```

use core::arch::x86_64::{
    __m128i, _mm_aesenc_si128, _mm_aesenclast_si128, _mm_setzero_si128, _mm_xor_si128,
};

use super::ghash::Hash;
use super::group::IN_FLIGHT;
use super::{Key, next};
use crate::arch::x86_64::aes::ROUND_KEYS;
use crate::arch::x86_64::ghash::reverse_bytes;
use crate::arch::x86_64::memory::{load_128, load_partial_128, store_partial_128};
use crate::arch::{BLOCK_LEN, InOutBuf, SEAL};

/// State carried from block to block of the tail.
pub(super) struct Tail<'k> {
    key: &'k Key,
    counter: __m128i,
    hash: Hash<'k>,
}

impl<'k> Tail<'k> {
    /// A tail of `length` bytes behind `hash`.
    #[inline]
    #[target_feature(enable = "sse2")]
    pub(super) fn new(key: &'k Key, counter: __m128i, hash: __m128i, length: usize) -> Self {
        Self { key, counter, hash: Hash::new(key, hash, length.div_ceil(BLOCK_LEN) + 1) }
    }

    /// Encrypts or decrypts `text`, as many blocks at once as it has.
    #[inline]
    #[target_feature(enable = "aes,pclmulqdq,ssse3")]
    pub(super) fn crypt<const DIRECTION: bool>(&mut self, mut text: InOutBuf<'_, '_, u8>) {
        while !text.is_empty() {
            let blocks = text.len().div_ceil(BLOCK_LEN).min(IN_FLIGHT);
            let length = text.len().min(blocks * BLOCK_LEN);
            let (front, rest) = text.split_at(length);
            match blocks {
                1 => self.blocks::<DIRECTION, 1>(front),
                2 => self.blocks::<DIRECTION, 2>(front),
                3 | 4 => self.blocks::<DIRECTION, 4>(front),
                _ => self.blocks::<DIRECTION, IN_FLIGHT>(front),
            }
            text = rest;
        }
    }

    /// Up to `N` blocks, all in flight.
    #[inline]
    #[target_feature(enable = "aes,pclmulqdq,ssse3")]
    fn blocks<const DIRECTION: bool, const N: usize>(&mut self, mut text: InOutBuf<'_, '_, u8>) {
        let round_keys = &self.key.round_keys.0;
        let whitening = load_128(&round_keys[0]);
        let mut states = [_mm_setzero_si128(); N];
        for state in &mut states {
            *state = _mm_xor_si128(reverse_bytes(self.counter), whitening);
            self.counter = next(self.counter);
        }
        for round_key in &round_keys[1..ROUND_KEYS - 1] {
            let round_key = load_128(round_key);
            for state in &mut states {
                *state = _mm_aesenc_si128(*state, round_key);
            }
        }
        let last = load_128(&round_keys[ROUND_KEYS - 1]);
        for (state, at) in states.into_iter().zip((0..text.len()).step_by(BLOCK_LEN)) {
            let input = load_partial_128(&text.get_in()[at..]);
            let output = _mm_aesenclast_si128(state, _mm_xor_si128(last, input));
            let written = store_partial_128(&mut text.get_out()[at..], output);
            self.hash.add(reverse_bytes(if DIRECTION == SEAL { written } else { input }));
        }
    }

    /// The hash of all, the block of lengths, byte-reversed, included.
    #[inline]
    #[target_feature(enable = "pclmulqdq")]
    pub(super) fn finish(mut self, lengths: __m128i) -> __m128i {
        self.hash.add(lengths);
        self.hash.reduce()
    }
}
