//! The end of a text, or all of a short one: less than a group, the last perhaps partial.
//!
//! ```text
//! hash = Σ block[i] · H^(n-i)   over associated data or the hash so far, what is left and the block
//!                               of lengths, n in all: one reduction
//! ```
//!
//! No port is the limit here, but the number of instructions and the time from the nonce to the tag:
//! what need not wait for the ciphertext is multiplied before it, all loads are plain but the last.

/// The tail of a tier with these features.
macro_rules! tail {
    ($features:literal) => {
        use core::arch::x86_64::__m128i;

        use super::ghash::{Product, reverse_lanes};
        use super::group::round_key;
        use super::vector::{
            VECTOR_LEN, Vector, aes_last_round, aes_round, load_partial_vector, load_vector,
            store_partial_vector, store_vector, xor, zero, zero_extended,
        };
        use super::{Key, next_vector};
        use crate::arch::x86_64::aes::ROUND_KEYS;
        use crate::arch::x86_64::reload::reload;
        use crate::arch::{BLOCK_LEN, InOutBuf, SEAL};

        /// Vectors in flight.
        const MOST: usize = 4;
        const MOST_LEN: usize = MOST * VECTOR_LEN;

        /// Const-generic argument: no vector is partial.
        const WHOLE: bool = true;
        /// Const-generic argument: the last vector may be partial.
        const PARTIAL: bool = false;

        /// State carried from vector to vector of the tail.
        pub(super) struct Tail<'k> {
            key: &'k Key,
            product: Product,
            /// Blocks to come, that of lengths included.
            blocks_left: usize,
        }

        impl<'k> Tail<'k> {
            /// A tail of `blocks` blocks, of which the last is that of lengths (byte-reversed).
            #[inline]
            #[target_feature(enable = $features)]
            pub(super) fn new(key: &'k Key, blocks: usize, lengths: __m128i) -> Self {
                let mut product = Product::zero();
                product.add(zero_extended(lengths), key.powers.vector(1));
                Self { key, product, blocks_left: blocks }
            }

            /// Starts from the hash of what came before.
            #[inline]
            #[target_feature(enable = $features)]
            pub(super) fn carry(&mut self, hash: __m128i) {
                self.product.add(zero_extended(hash), self.key.powers.vector(self.blocks_left));
            }

            /// Hashes `bytes`, the last block filled up with zeros.
            #[inline]
            #[target_feature(enable = $features)]
            pub(super) fn absorb_padded(&mut self, bytes: &[u8]) {
                for vector in bytes.chunks(VECTOR_LEN) {
                    let blocks = reverse_lanes(load_partial_vector(vector));
                    self.product.add(blocks, self.key.powers.vector(self.blocks_left));
                    self.blocks_left -= vector.len().div_ceil(BLOCK_LEN);
                }
            }

            /// Encrypts or decrypts `text`, whose first counters are `counter`; returns the hash of all.
            #[inline]
            #[target_feature(enable = $features)]
            pub(super) fn finish<const DIRECTION: bool>(
                mut self,
                mut counter: Vector,
                mut text: InOutBuf<'_, '_, u8>,
            ) -> __m128i {
                if text.len() > MOST_LEN {
                    let (front, rest) = text.split_at(MOST_LEN);
                    counter = self.crypt::<DIRECTION, WHOLE, MOST>(counter, front);
                    text = rest;
                }
                match text.len().div_ceil(VECTOR_LEN) {
                    0 => {}
                    1 => _ = self.crypt::<DIRECTION, PARTIAL, 1>(counter, text),
                    2 => _ = self.crypt::<DIRECTION, PARTIAL, 2>(counter, text),
                    3 => _ = self.crypt::<DIRECTION, PARTIAL, 3>(counter, text),
                    _ => _ = self.crypt::<DIRECTION, PARTIAL, MOST>(counter, text),
                }
                self.product.reduce()
            }

            /// Encrypts or decrypts `N` vectors; returns the next counters.
            #[inline]
            #[target_feature(enable = $features)]
            fn crypt<const DIRECTION: bool, const WHOLE: bool, const N: usize>(
                &mut self,
                mut counter: Vector,
                mut text: InOutBuf<'_, '_, u8>,
            ) -> Vector {
                // Else the compiler loads the round keys for all numbers of vectors, before the choice.
                let key = reload(self.key);
                let whitening = round_key(key, 0);
                let mut states = [zero(); N];
                for state in &mut states {
                    *state = xor(reverse_lanes(counter), whitening);
                    counter = next_vector(counter);
                }
                for round in 1..ROUND_KEYS - 1 {
                    let round_key = round_key(key, round);
                    for state in &mut states {
                        *state = aes_round(*state, round_key);
                    }
                }
                let last = round_key(key, ROUND_KEYS - 1);
                let input = load::<WHOLE, N>(text.get_in());
                let mut output = input;
                for (output, state) in output.iter_mut().zip(states) {
                    *output = aes_last_round(state, xor(last, *output));
                }
                store::<WHOLE, N>(text.get_out(), &mut output);
                self.absorb(if DIRECTION == SEAL { &output } else { &input });
                self.blocks_left -= text.len().div_ceil(BLOCK_LEN);
                counter
            }

            /// Hashes up to four vectors; what is behind the text is zero.
            #[inline]
            #[target_feature(enable = $features)]
            fn absorb(&mut self, ciphertext: &[Vector]) {
                let powers: &[u8; MOST_LEN] = self.key.powers.at(self.blocks_left);
                for (vector, powers) in ciphertext.iter().zip(powers.as_chunks().0) {
                    self.product.add(reverse_lanes(*vector), load_vector(powers));
                }
            }
        }

        /// `N` vectors, of which the last may be partial.
        #[inline]
        #[target_feature(enable = $features)]
        fn load<const WHOLE: bool, const N: usize>(text: &[u8]) -> [Vector; N] {
            let mut vectors = [zero(); N];
            let whole = if WHOLE { N } else { N - 1 };
            let (whole, last) = text.split_at(whole * VECTOR_LEN);
            for (vector, bytes) in vectors.iter_mut().zip(whole.as_chunks().0) {
                *vector = load_vector(bytes);
            }
            if !WHOLE {
                vectors[N - 1] = load_partial_vector(last);
            }
            vectors
        }

        /// The same way back. What was not written of the last vector is cleared.
        #[inline]
        #[target_feature(enable = $features)]
        fn store<const WHOLE: bool, const N: usize>(text: &mut [u8], vectors: &mut [Vector; N]) {
            let whole = if WHOLE { N } else { N - 1 };
            let (whole, last) = text.split_at_mut(whole * VECTOR_LEN);
            for (vector, bytes) in vectors.iter().zip(whole.as_chunks_mut().0) {
                store_vector(bytes, *vector);
            }
            if !WHOLE {
                vectors[N - 1] = store_partial_vector(last, vectors[N - 1]);
            }
        }
    };
}

pub(in crate::arch::x86_64) use tail;
