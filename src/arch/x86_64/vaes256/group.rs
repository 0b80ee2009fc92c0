//! Eight vectors, 16 blocks: their AES rounds, with GHASH of eight other vectors between them.
//!
//! ```text
//! round       1 (or 3)   2 …            8 …       9 …      10 …            last
//! AES      8 x aesenc   8 x aesenc   …                                     8 x aesenclast
//! GHASH    vector 0     vector 1     …  vector 7  fold     fold    sum
//! ```
//!
//! Of sixteen registers the states take eight, GHASH's sums three, and a round key, a block, a power
//! and two products the rest. What is hashed waits in memory of the function's own, and is ciphertext
//! in both directions. Each round brings its eight AES instructions and about as many others, so that
//! every port finds work: the order is pinned, because the compiler would sort them by kind.

use core::arch::asm;
use core::arch::x86_64::{
    __m128i, __m256i, _mm256_aesenc_epi128, _mm256_aesenclast_epi128, _mm256_broadcastsi128_si256,
    _mm256_xor_si256, _mm256_zextsi128_si256,
};
use core::hint::black_box;

use super::Key;
use super::ghash::{Product, reverse_lanes};
use crate::arch::x86_64::aes::ROUND_KEYS;
use crate::arch::x86_64::memory::{load_128, load_256, store_256};
use crate::arch::{BLOCK_LEN, InOutBuf, OPEN};

/// Vectors in flight.
pub(super) const GROUP: usize = 8;
pub(super) const GROUP_BLOCKS: usize = 2 * GROUP;
pub(super) const GROUP_LEN: usize = GROUP_BLOCKS * BLOCK_LEN;

pub(super) type Vectors = [__m256i; GROUP];

/// Ciphertext on its way to GHASH, in memory that nobody else writes to: the caller's is read once.
///
/// `black_box` before each use has it read from there: otherwise the compiler would keep vectors in
/// registers until they run out, and write them to a stack that is aligned to 16 bytes only.
#[repr(align(64))]
struct Waiting([u8; GROUP_LEN]);

/// Round key `round` in both lanes.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn round_key(key: &Key, round: usize) -> __m256i {
    _mm256_broadcastsi128_si256(load_128(&key.round_keys.0[round]))
}

/// Encrypts or decrypts every whole group, from states after round `DONE`, and hashes its
/// ciphertext: at once when opening, a group late when sealing.
///
/// `black_box` has the key loaded anew for each group: kept in two lanes each, its round keys would
/// take the registers that states and sums need.
#[inline]
#[target_feature(enable = "aes,pclmulqdq,avx2,vaes,vpclmulqdq")]
pub(super) fn each_group<'i, 'o, const DIRECTION: bool, const DONE: usize>(
    key: &Key,
    mut hash: __m128i,
    buffer: InOutBuf<'i, 'o, u8>,
    mut next_states: impl FnMut() -> Vectors,
) -> (__m128i, InOutBuf<'i, 'o, u8>) {
    let (groups, rest) = buffer.into_chunks::<aes::cipher::consts::U256>();
    let mut groups = groups.into_iter();
    let mut waiting = Waiting([0; GROUP_LEN]);
    if DIRECTION == OPEN {
        for mut group in groups {
            let key = black_box(key);
            store_group(&mut waiting.0, &load_group(group.get_in().as_ref()));
            let ciphertext = black_box(&waiting);
            let mut states = next_states();
            hash = rounds_with_hash::<DIRECTION, DONE>(key, &mut states, ciphertext, hash);
            xor_text(key, &mut states, &ciphertext.0);
            store_group(group.get_out().as_mut(), &states);
        }
    } else if let Some(mut group) = groups.next() {
        let mut states = next_states();
        rounds::<DONE>(key, &mut states);
        xor_text(key, &mut states, group.get_in().as_ref());
        store_group(group.get_out().as_mut(), &states);
        store_group(&mut waiting.0, &states);
        for mut group in groups {
            let key = black_box(key);
            let ciphertext = black_box(&waiting);
            let mut states = next_states();
            hash = rounds_with_hash::<DIRECTION, DONE>(key, &mut states, ciphertext, hash);
            xor_text(key, &mut states, group.get_in().as_ref());
            store_group(group.get_out().as_mut(), &states);
            store_group(&mut waiting.0, &states);
        }
        hash = hash_alone(key, &waiting, hash);
    }
    (hash, rest)
}

/// The rounds behind `DONE` up to the 13th on `states`. The last round is [`xor_text`]'s.
#[inline]
#[target_feature(enable = "avx2,vaes")]
fn rounds<const DONE: usize>(key: &Key, states: &mut Vectors) {
    for round in DONE + 1..ROUND_KEYS - 1 {
        aes_round(key, round, states);
    }
}

/// The same, and GHASH of the 16 blocks of `ciphertext` onto `hash` between them.
///
/// `DIRECTION` keeps apart what sealing and opening call: a function with one caller is inlined, and
/// the states stay in registers.
#[inline]
#[target_feature(enable = "avx2,vaes,vpclmulqdq")]
fn rounds_with_hash<const DIRECTION: bool, const DONE: usize>(
    key: &Key,
    states: &mut Vectors,
    ciphertext: &Waiting,
    hash: __m128i,
) -> __m128i {
    let mut product = Product::zero();
    for (vector, ciphertext) in ciphertext.0.as_chunks().0.iter().enumerate() {
        aes_round(key, DONE + vector + 1, states);
        let mut blocks = reverse_lanes(load_256(ciphertext));
        if vector == 0 {
            blocks = _mm256_xor_si256(blocks, _mm256_zextsi128_si256(hash));
        }
        product.add(blocks, key.powers_for(2 * (GROUP - vector)));
        product.pin();
        pin(states);
    }
    aes_round(key, DONE + GROUP + 1, states);
    let folded = product.fold();
    pin(states);
    aes_round(key, DONE + GROUP + 2, states);
    let lanes = folded.fold();
    pin(states);
    aes_round(key, DONE + GROUP + 3, states);
    let hash = lanes.sum();
    pin(states);
    for round in DONE + GROUP + 4..ROUND_KEYS - 1 {
        aes_round(key, round, states);
        pin(states);
    }
    hash
}

/// GHASH of 16 blocks onto `hash`, with nothing beside it.
#[inline]
#[target_feature(enable = "avx2,vpclmulqdq")]
fn hash_alone(key: &Key, ciphertext: &Waiting, hash: __m128i) -> __m128i {
    let mut product = Product::zero();
    for (vector, ciphertext) in ciphertext.0.as_chunks().0.iter().enumerate() {
        let mut blocks = reverse_lanes(load_256(ciphertext));
        if vector == 0 {
            blocks = _mm256_xor_si256(blocks, _mm256_zextsi128_si256(hash));
        }
        product.add(blocks, key.powers_for(2 * (GROUP - vector)));
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

#[inline]
#[target_feature(enable = "avx2")]
fn store_group(text: &mut [u8; GROUP_LEN], vectors: &Vectors) {
    for (bytes, vector) in text.as_chunks_mut().0.iter_mut().zip(vectors) {
        store_256(bytes, *vector);
    }
}

/// The last round, with the text folded into its key: `states` becomes text ^ keystream.
#[inline]
#[target_feature(enable = "avx2,vaes")]
fn xor_text(key: &Key, states: &mut Vectors, text: &[u8; GROUP_LEN]) {
    let last = round_key(key, ROUND_KEYS - 1);
    for (state, text) in states.iter_mut().zip(text.as_chunks().0) {
        *state = _mm256_aesenclast_epi128(*state, _mm256_xor_si256(last, load_256(text)));
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

/// Keeps the compiler from moving what stands before beyond what stands behind.
#[inline]
#[target_feature(enable = "avx2")]
fn pin(states: &mut Vectors) {
    if cfg!(miri) {
        return; // an interpreter has no registers to keep in order
    }
    let [s0, s1, s2, s3, s4, s5, s6, s7] = states;
    // SAFETY: the template is a comment. No instruction is added, and every register keeps its value.
    unsafe {
        asm!(
            "/* {} {} {} {} {} {} {} {} */",
            inout(ymm_reg) * s0,
            inout(ymm_reg) * s1,
            inout(ymm_reg) * s2,
            inout(ymm_reg) * s3,
            inout(ymm_reg) * s4,
            inout(ymm_reg) * s5,
            inout(ymm_reg) * s6,
            inout(ymm_reg) * s7,
            options(nomem, nostack, preserves_flags)
        );
    }
}
