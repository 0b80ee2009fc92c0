//! Eight vectors, 16 blocks: their AES rounds, with GHASH of the eight before them between those.
//!
//! ```text
//! round       1 (2 or 3)    2 …              8 …         9 …      10 …          last
//! AES      8 x aesenc       8 x aesenc    …                                     8 x aesenclast
//! GHASH    vectors 6 and 7, in four steps …  0 and 1     fold     fold          reverse bytes
//!
//! hash in two lanes: (even, odd) = ((even, odd) ^ vector 0) · H^16 ^ vector 1 · H^14 ^ … ^ vector 7 · H^2
//! at the end, with the last vectors: even · H^16 ^ odd · H^15
//! ```
//!
//! What is hashed waits in memory of the function's own, byte-reversed, and is ciphertext in both
//! directions. Both lanes are multiplied by the same power, so that they need not be added up before
//! the end.
//!
//! Vector instructions find three ports (of Intel's Golden Cove: AES two of them, `vpclmulqdq` the
//! third, shuffles two, XOR all), and without AVX-512's three-way XOR it is their number that limits.
//! For eight vectors whose first two rounds are cached:
//!
//! ```text
//! AES rounds                                                96
//! counters: XOR of table and difference                      8
//! XOR of text and last round key                             8
//! byte reversal                                              8
//! halves and their sums (Karatsuba): 3 for two vectors      12
//! products: 3 a vector, and the XORs that add them up       24 + 21
//! reduction: 2 products, 2 shuffles, 6 XORs; hash           10 + 1
//! ----------------------------------------------------------------------
//! instructions                                             188, of which 96 AES: 63 cycles, not 48
//! ```
//!
//! Of sixteen registers the states take eight, GHASH's sums three, and a round key, two vectors' halves
//! and sums, and a product the rest: the order is pinned, or the compiler sorts by kind and runs out.

use core::arch::x86_64::{
    __m128i, __m256i, _mm256_aesenc_epi128, _mm256_aesenclast_epi128, _mm256_broadcastsi128_si256,
    _mm256_xor_si256, _mm256_zextsi128_si256,
};

use aes::cipher::array::Array;
use aes::cipher::consts::U256;
use aes::cipher::inout::InOut;

use super::Key;
use super::ghash::{Halves, Product, reverse_lanes};
use super::vector::VECTOR_LEN;
use crate::arch::x86_64::aes::ROUND_KEYS;
use crate::arch::x86_64::barrier::barrier;
use crate::arch::x86_64::memory::{PREFETCH_FROM, load_128, load_256, prefetch_behind, store_256};
use crate::arch::x86_64::message::Message;
use crate::arch::x86_64::reload::reload;
use crate::arch::{BLOCK_LEN, SEAL};

/// Vectors in flight.
pub(super) const GROUP: usize = 8;
pub(super) const GROUP_BLOCKS: usize = 2 * GROUP;
pub(super) const GROUP_LEN: usize = GROUP_BLOCKS * BLOCK_LEN;

pub(super) type Vectors = [__m256i; GROUP];
type Group<'i, 'o> = InOut<'i, 'o, Array<u8, U256>>;

/// Ciphertext on its way to GHASH, its blocks byte-reversed.
///
/// `reload` before each use has it read from there: otherwise the compiler would keep vectors in
/// registers until they run out, and write them to a stack that is aligned to 16 bytes only.
#[repr(align(64))]
struct Waiting([u8; GROUP_LEN]);

impl Waiting {
    /// Two blocks.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn blocks(&self, vector: usize) -> __m256i {
        let bytes = self.0[vector * VECTOR_LEN..].first_chunk();
        load_256(bytes.unwrap_or(&[0; VECTOR_LEN]))
    }
}

/// Round key `round` in both lanes.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn round_key(key: &Key, round: usize) -> __m256i {
    _mm256_broadcastsi128_si256(load_128(&key.round_keys.0[round]))
}

/// Encrypts or decrypts every whole group, from states after round `DONE`, and hashes its
/// ciphertext a group late. Where they are all of the text, the block of lengths is hashed as well.
///
/// `reload` has the key loaded anew for each group: kept in two lanes each, its round keys would
/// take the registers that states and sums need.
#[inline]
#[target_feature(enable = "aes,pclmulqdq,avx2,vaes,vpclmulqdq")]
pub(super) fn each_group<'i, 'o, const DIRECTION: bool, const DONE: usize>(
    key: &Key,
    message: Message<'i, 'o>,
    mut next_states: impl FnMut() -> Vectors,
) -> Message<'i, 'o> {
    let Message { mut hash, lengths, rest } = message;
    let ask_ahead = rest.len() >= PREFETCH_FROM;
    let (groups, rest) = rest.into_chunks::<U256>();
    let mut groups = groups.into_iter();
    let lengths_are_next = rest.is_empty();
    if let Some(group) = groups.next() {
        let mut waiting = Waiting([0; GROUP_LEN]);
        let mut states = next_states();
        rounds::<DONE>(key, &mut states);
        last_round::<DIRECTION>(key, states, group, &mut waiting);
        let mut carried = _mm256_zextsi128_si256(hash);
        for mut group in groups {
            let key = reload(key);
            if ask_ahead {
                prefetch_behind(&mut group);
            }
            let ciphertext = reload(&waiting);
            let mut states = next_states();
            carried = rounds_with_hash::<DIRECTION, DONE>(key, &mut states, ciphertext, carried);
            last_round::<DIRECTION>(key, states, group, &mut waiting);
        }
        hash = hash_alone(key, reload(&waiting), carried, lengths_are_next.then_some(lengths));
    }
    Message { hash, lengths, rest }
}

/// The rounds behind `DONE` up to the 13th on `states`. Then comes [`last_round`].
#[inline]
#[target_feature(enable = "avx2,vaes")]
fn rounds<const DONE: usize>(key: &Key, states: &mut Vectors) {
    for round in DONE + 1..ROUND_KEYS - 1 {
        aes_round(key, round, states);
    }
}

/// The same, and GHASH of the 16 blocks of `ciphertext` onto `hash` between them, in two lanes.
#[inline]
#[target_feature(enable = "avx2,vaes,vpclmulqdq")]
fn rounds_with_hash<const DIRECTION: bool, const DONE: usize>(
    key: &Key,
    states: &mut Vectors,
    ciphertext: &Waiting,
    hash: __m256i,
) -> __m256i {
    let mut product = Product::zero();
    for step in 0..GROUP / 2 {
        let pair = GROUP / 2 - 1 - step;
        let powers = &key.power_pairs[pair];
        half_round::<0>(key, DONE + 2 * step + 1, states);
        let mut first = ciphertext.blocks(2 * pair);
        if pair == 0 {
            first = _mm256_xor_si256(first, hash);
        }
        let blocks = Halves::of(first, ciphertext.blocks(2 * pair + 1));
        half_round::<1>(key, DONE + 2 * step + 1, states);
        product.add_low_halves(&blocks, powers);
        half_round::<0>(key, DONE + 2 * step + 2, states);
        product.add_high_halves(&blocks, powers);
        half_round::<1>(key, DONE + 2 * step + 2, states);
        product.add_sums(&blocks, powers);
        product.barrier();
    }
    aes_round(key, DONE + GROUP + 1, states);
    let folded = product.fold();
    barrier(states);
    aes_round(key, DONE + GROUP + 2, states);
    let hash = folded.fold();
    barrier(states);
    for round in DONE + GROUP + 3..ROUND_KEYS - 1 {
        aes_round(key, round, states);
        barrier(states);
    }
    hash
}

/// GHASH of 16 blocks onto `hash`, with nothing beside it, and of the block of lengths behind them
/// where it is given: one reduction for both.
#[inline]
#[target_feature(enable = "avx2,vpclmulqdq")]
fn hash_alone(key: &Key, ciphertext: &Waiting, hash: __m256i, lengths: Option<__m128i>) -> __m128i {
    let mut product = Product::zero();
    let behind = usize::from(lengths.is_some());
    for vector in 0..GROUP {
        let mut blocks = ciphertext.blocks(vector);
        if vector == 0 {
            blocks = _mm256_xor_si256(blocks, hash);
        }
        product.add(blocks, key.powers.vector(2 * (GROUP - vector) + behind));
    }
    if let Some(lengths) = lengths {
        product.add(_mm256_zextsi128_si256(lengths), key.powers.vector(1));
    }
    product.reduce()
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn load_group(text: &[u8; GROUP_LEN]) -> Vectors {
    let mut vectors = [_mm256_broadcastsi128_si256(load_128(&[0; 16])); GROUP];
    for (vector, bytes) in vectors.iter_mut().zip(text.as_chunks().0) {
        *vector = load_256(bytes);
    }
    vectors
}

/// The last round, with the text folded into its key: the output is text ^ keystream.
#[inline]
#[target_feature(enable = "avx2,vaes")]
fn last_round<const DIRECTION: bool>(
    key: &Key,
    mut states: Vectors,
    mut group: Group<'_, '_>,
    waiting: &mut Waiting,
) {
    let last = round_key(key, ROUND_KEYS - 1);
    let texts: &[u8; GROUP_LEN] = group.get_in().as_ref();
    let waiting = waiting.0.as_chunks_mut().0;
    for ((state, text), waiting) in states.iter_mut().zip(texts.as_chunks().0).zip(waiting) {
        let text = load_256(text);
        *state = _mm256_aesenclast_epi128(*state, _mm256_xor_si256(last, text));
        store_256(waiting, reverse_lanes(if DIRECTION == SEAL { *state } else { text }));
    }
    let outputs: &mut [u8; GROUP_LEN] = group.get_out().as_mut();
    for (output, state) in outputs.as_chunks_mut().0.iter_mut().zip(states) {
        store_256(output, state);
    }
}

#[inline]
#[target_feature(enable = "avx2,vaes")]
fn aes_round(key: &Key, round: usize, states: &mut Vectors) {
    let round_key = round_key(key, round);
    for state in states {
        *state = _mm256_aesenc_epi128(*state, round_key);
    }
}

/// A round of the vectors' first or second half: a step of the hash then stands behind each four.
#[inline]
#[target_feature(enable = "avx2,vaes")]
fn half_round<const HALF: usize>(key: &Key, round: usize, states: &mut Vectors) {
    let round_key = round_key(key, round);
    for state in &mut states[HALF * GROUP / 2..][..GROUP / 2] {
        *state = _mm256_aesenc_epi128(*state, round_key);
    }
}

/// Keeps the compiler from moving what stands before beyond what stands behind.
#[inline]
#[target_feature(enable = "avx2")]
fn barrier(states: &mut Vectors) {
    let [s0, s1, s2, s3, s4, s5, s6, s7] = states;
    barrier!(ymm_reg: s0, s1, s2, s3, s4, s5, s6, s7);
}
