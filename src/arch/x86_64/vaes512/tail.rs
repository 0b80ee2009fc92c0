//! The end of a text: fewer than 32 blocks, the last one perhaps partial, and the block of lengths.
//!
//! ```text
//! hash = Σ block[i] · H^(n-i)   over what is left and the block of lengths, n in all: one reduction
//! ```

use core::arch::x86_64::{
    __m128i, __m512i, _mm512_aesenc_epi128, _mm512_aesenclast_epi128, _mm512_setzero_si512,
    _mm512_xor_si512, _mm512_zextsi128_si512,
};

use super::ghash::{Product, reverse_lanes};
use super::group::round_key;
use super::{Key, VECTOR_LEN, next_vector};
use crate::arch::x86_64::aes::ROUND_KEYS;
use crate::arch::x86_64::memory::{load_partial_512, store_partial_512};
use crate::arch::{BLOCK_LEN, InOutBuf, SEAL};

/// What goes from vector to vector.
pub(super) struct Tail<'k> {
    key: &'k Key,
    counter: __m512i,
    product: Product,
    /// The hash so far, until it is added to the next block.
    carried: __m512i,
    /// Blocks to come, that of lengths included.
    blocks_left: usize,
}

impl<'k> Tail<'k> {
    /// A tail of `length` bytes behind `hash`.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn new(key: &'k Key, counter: __m512i, hash: __m128i, length: usize) -> Self {
        let carried = _mm512_zextsi128_si512(hash);
        let blocks_left = length.div_ceil(BLOCK_LEN) + 1;
        Self { key, counter, product: Product::zero(), carried, blocks_left }
    }

    /// Encrypts or decrypts `text`, as many vectors at once as it has.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,vaes,vpclmulqdq")]
    pub(super) fn crypt<const DIRECTION: bool>(&mut self, mut text: InOutBuf<'_, '_, u8>) {
        while !text.is_empty() {
            let vectors = text.len().div_ceil(VECTOR_LEN).min(4);
            let length = text.len().min(vectors * VECTOR_LEN);
            let (front, rest) = text.split_at(length);
            match vectors {
                1 => self.vectors::<DIRECTION, 1>(front),
                2 => self.vectors::<DIRECTION, 2>(front),
                _ => self.vectors::<DIRECTION, 4>(front),
            }
            text = rest;
        }
    }

    /// Up to `N` vectors, all in flight.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,vaes,vpclmulqdq")]
    fn vectors<const DIRECTION: bool, const N: usize>(&mut self, mut text: InOutBuf<'_, '_, u8>) {
        let whitening = round_key(self.key, 0);
        let mut states = [_mm512_setzero_si512(); N];
        for state in &mut states {
            *state = _mm512_xor_si512(reverse_lanes(self.counter), whitening);
            self.counter = next_vector(self.counter);
        }
        for round in 1..ROUND_KEYS - 1 {
            let round_key = round_key(self.key, round);
            for state in &mut states {
                *state = _mm512_aesenc_epi128(*state, round_key);
            }
        }
        let last = round_key(self.key, ROUND_KEYS - 1);
        for (vector, state) in states.into_iter().enumerate() {
            // Of the last vectors some may have no text at all.
            let at = (vector * VECTOR_LEN).min(text.len());
            let input = load_partial_512(&text.get_in()[at..]);
            let output = _mm512_aesenclast_epi128(state, _mm512_xor_si512(last, input));
            let written = store_partial_512(&mut text.get_out()[at..], output);
            self.absorb(if DIRECTION == SEAL { written } else { input });
        }
    }

    /// Adds up to four blocks to the hash; those behind the text are zero.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,vpclmulqdq")]
    fn absorb(&mut self, ciphertext: __m512i) {
        let blocks = _mm512_xor_si512(reverse_lanes(ciphertext), self.carried);
        self.product.add(blocks, self.key.powers_for(self.blocks_left));
        self.carried = _mm512_setzero_si512();
        self.blocks_left = self.blocks_left.saturating_sub(4).max(1);
    }

    /// The hash of all, the block of lengths, byte-reversed, included.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,vpclmulqdq")]
    pub(super) fn finish(mut self, lengths: __m128i) -> __m128i {
        let lengths = _mm512_xor_si512(_mm512_zextsi128_si512(lengths), self.carried);
        self.product.add(lengths, self.key.powers_for(1));
        self.product.reduce()
    }
}
