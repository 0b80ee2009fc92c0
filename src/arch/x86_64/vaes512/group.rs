//! Eight vectors, 32 blocks: their AES rounds, with GHASH of eight other vectors between them.
//!
//! ```text
//! round     1 (2, 3)     2 …            8 …       9 …      10 …            last
//! AES      8 x aesenc   8 x aesenc   …                                     8 x aesenclast
//! GHASH    vector 7     vector 6     …  vector 0  fold     fold    sum
//! ```
//!
//! On Intel's cores one port starts one 512-bit AES instruction a cycle and is the limit; everything
//! else must find its place on the other one. (Zen 5 starts two, and products are the limit.) That works
//! where each round brings its eight AES instructions and about as many others: the order is pinned,
//! because the compiler would sort them by kind.

use core::arch::x86_64::{
    __m128i, __m512i, _mm_xor_si128, _mm512_aesenc_epi128, _mm512_aesenclast_epi128,
    _mm512_broadcast_i32x4, _mm512_xor_si512, _mm512_zextsi128_si512,
};

use super::Key;
use super::ghash::{Product, reverse_lanes};
use super::group_product::GroupProduct;
use super::groups::{Group, Groups};
use super::tuning::OTHER;
use crate::arch::x86_64::aes::ROUND_KEYS;
use crate::arch::x86_64::barrier::barrier;
use crate::arch::x86_64::ghash::dot;
use crate::arch::x86_64::memory::{load_128, load_512, store_512};
use crate::arch::x86_64::message::Message;
use crate::arch::x86_64::reload::reload;
use crate::arch::{BLOCK_LEN, OPEN};

/// Vectors in flight.
pub(super) const GROUP: usize = 8;
pub(super) const GROUP_BLOCKS: usize = 4 * GROUP;
pub(super) const GROUP_LEN: usize = GROUP_BLOCKS * BLOCK_LEN;

pub(super) type Vectors = [__m512i; GROUP];

/// Round key `round` in all four lanes.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn round_key(key: &Key, round: usize) -> __m512i {
    _mm512_broadcast_i32x4(load_128(&key.round_keys.0[round]))
}

/// Encrypts or decrypts every group, from states after round `DONE`, and hashes its ciphertext: at once
/// when opening, a group late when sealing. Where they are all of the text, the block of lengths is hashed
/// as well.
///
/// `reload` has the key loaded anew for each group: kept in four lanes each, its round keys would
/// take the registers that states and text need.
#[inline]
#[target_feature(enable = "aes,pclmulqdq,avx512f,avx512bw,avx512vl,avx512dq,vaes,vpclmulqdq")]
pub(super) fn each_group<
    'i,
    'o,
    const DIRECTION: bool,
    const CORE: bool,
    const DONE: usize,
    G: Group,
>(
    key: &Key,
    groups: Groups<impl Iterator<Item = G>, impl FnMut(G, &Vectors)>,
    message: Message<'i, 'o>,
    mut next_states: impl FnMut() -> Vectors,
) -> Message<'i, 'o> {
    let Message { mut hash, lengths, rest } = message;
    let Groups { each: mut groups, mut put, ask_ahead } = groups;
    let ask_ahead = ask_ahead && (CORE == OTHER || G::STREAMED);
    let lengths_are_next = rest.is_empty();
    if DIRECTION == OPEN {
        for mut group in groups {
            let key = reload(key);
            if ask_ahead {
                group.prefetch_behind();
            }
            let ciphertext = load_group(group.input());
            let mut states = next_states();
            hash =
                rounds_with_hash::<DIRECTION, CORE, DONE, G>(key, &mut states, &ciphertext, hash);
            xor_text(key, &mut states, &ciphertext);
            put(group, &states);
        }
        if lengths_are_next {
            hash = dot(_mm_xor_si128(hash, lengths), load_128(key.powers.at(1)));
        }
    } else if let Some(group) = groups.next() {
        let mut states = next_states();
        rounds::<DONE>(key, &mut states);
        xor_text(key, &mut states, &load_group(group.input()));
        put(group, &states);
        let mut previous = states;
        for mut group in groups {
            let key = reload(key);
            if ask_ahead {
                group.prefetch_behind();
            }
            let mut states = next_states();
            hash = rounds_with_hash::<DIRECTION, CORE, DONE, G>(key, &mut states, &previous, hash);
            xor_text(key, &mut states, &load_group(group.input()));
            put(group, &states);
            previous = states;
        }
        hash = if lengths_are_next {
            hash_last_group(key, &previous, hash, lengths)
        } else {
            hash_group::<CORE>(key, &previous, hash)
        };
    }
    Message { hash, lengths, rest }
}

/// The rounds behind `DONE` up to the 13th on `states`. The last round is [`xor_text`]'s.
#[inline]
#[target_feature(enable = "avx512f,vaes")]
fn rounds<const DONE: usize>(key: &Key, states: &mut Vectors) {
    for round in DONE + 1..ROUND_KEYS - 1 {
        aes_round(key, round, states);
    }
}

/// The same, and GHASH of the 32 blocks of `ciphertext` onto `hash` between them.
///
/// `DIRECTION` and `G` keep apart what sealing and opening call, and what is written in either way: a
/// function with one caller is inlined, and the states stay in registers.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,vaes,vpclmulqdq")]
fn rounds_with_hash<const DIRECTION: bool, const CORE: bool, const DONE: usize, G: Group>(
    key: &Key,
    states: &mut Vectors,
    ciphertext: &Vectors,
    hash: __m128i,
) -> __m128i {
    let mut product = GroupProduct::<CORE>::new(key);
    // The compiler would leave a loop one, with the states in memory.
    two_rounds_with_pair::<DIRECTION, CORE, DONE, 3, G>(
        key,
        states,
        &mut product,
        ciphertext,
        hash,
    );
    two_rounds_with_pair::<DIRECTION, CORE, DONE, 2, G>(
        key,
        states,
        &mut product,
        ciphertext,
        hash,
    );
    two_rounds_with_pair::<DIRECTION, CORE, DONE, 1, G>(
        key,
        states,
        &mut product,
        ciphertext,
        hash,
    );
    two_rounds_with_pair::<DIRECTION, CORE, DONE, 0, G>(
        key,
        states,
        &mut product,
        ciphertext,
        hash,
    );
    aes_round(key, DONE + GROUP + 1, states);
    let folded = product.whole().fold();
    barrier(states);
    aes_round(key, DONE + GROUP + 2, states);
    let lanes = folded.fold();
    barrier(states);
    aes_round(key, DONE + GROUP + 3, states);
    let hash = lanes.sum();
    barrier(states);
    for round in DONE + GROUP + 4..ROUND_KEYS - 1 {
        aes_round(key, round, states);
        barrier(states);
    }
    hash
}

/// Two rounds, and the hash of one pair of vectors between them.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,vaes,vpclmulqdq")]
fn two_rounds_with_pair<
    const DIRECTION: bool,
    const CORE: bool,
    const DONE: usize,
    const PAIR: usize,
    G: Group,
>(
    key: &Key,
    states: &mut Vectors,
    product: &mut GroupProduct<'_, CORE>,
    ciphertext: &Vectors,
    hash: __m128i,
) {
    let round = DONE + GROUP - 1 - 2 * PAIR;
    aes_round(key, round, states);
    product.add_second(PAIR, ciphertext);
    barrier(states);
    product.barrier();
    aes_round(key, round + 1, states);
    product.add_first(PAIR, ciphertext, hash);
    barrier(states);
    product.barrier();
}

/// GHASH of 32 blocks onto `hash`, with nothing beside it.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,vpclmulqdq")]
pub(super) fn hash_group<const CORE: bool>(
    key: &Key,
    ciphertext: &Vectors,
    hash: __m128i,
) -> __m128i {
    let mut product = GroupProduct::<CORE>::new(key);
    for pair in (0..GROUP / 2).rev() {
        product.add_second(pair, ciphertext);
        product.add_first(pair, ciphertext, hash);
    }
    product.whole().reduce()
}

/// The same, and the block of lengths behind them: one reduction for both.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,vpclmulqdq")]
fn hash_last_group(key: &Key, ciphertext: &Vectors, hash: __m128i, lengths: __m128i) -> __m128i {
    let mut product = Product::zero();
    product.add(_mm512_zextsi128_si512(lengths), key.powers.vector(1));
    for (vector, ciphertext) in ciphertext.iter().enumerate().rev() {
        let mut blocks = reverse_lanes(*ciphertext);
        if vector == 0 {
            blocks = _mm512_xor_si512(blocks, _mm512_zextsi128_si512(hash));
        }
        product.add(blocks, key.powers.vector(4 * (GROUP - vector) + 1));
    }
    product.reduce()
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn load_group(text: &[u8; GROUP_LEN]) -> Vectors {
    let mut vectors = [_mm512_broadcast_i32x4(load_128(&[0; 16])); GROUP];
    for (vector, bytes) in vectors.iter_mut().zip(text.as_chunks().0) {
        *vector = load_512(bytes);
    }
    vectors
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn store_group(text: &mut [u8; GROUP_LEN], vectors: &Vectors) {
    for (bytes, vector) in text.as_chunks_mut().0.iter_mut().zip(vectors) {
        store_512(bytes, *vector);
    }
}

/// The last round, with the text folded into its key: `states` becomes text ^ keystream.
#[inline]
#[target_feature(enable = "avx512f,vaes")]
fn xor_text(key: &Key, states: &mut Vectors, text: &Vectors) {
    let last = round_key(key, ROUND_KEYS - 1);
    for (state, text) in states.iter_mut().zip(text) {
        *state = _mm512_aesenclast_epi128(*state, _mm512_xor_si512(last, *text));
    }
}

#[inline]
#[target_feature(enable = "avx512f,vaes")]
fn aes_round(key: &Key, round: usize, states: &mut Vectors) {
    let round_key = round_key(key, round);
    for state in states {
        *state = _mm512_aesenc_epi128(*state, round_key);
    }
}

/// Keeps the compiler from moving what stands before beyond what stands behind.
#[inline]
#[target_feature(enable = "avx512f")]
fn barrier(states: &mut Vectors) {
    let [s0, s1, s2, s3, s4, s5, s6, s7] = states;
    barrier!(zmm_reg: s0, s1, s2, s3, s4, s5, s6, s7);
}
