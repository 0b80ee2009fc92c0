//! Sixteen blocks, eight in flight: their AES rounds, with GHASH of sixteen other blocks between them.
//!
//! ```text
//! round       1 (or 3)   2          …       8            9               last
//! AES      8 x aesenc   8 x aesenc   …                                    8 x aesenclast
//! GHASH    block 7      block 6      …       block 0      second eight:
//!                       (and cross)          (and cross)  reduction
//! ```
//!
//! Of sixteen registers the states take eight, GHASH's sums three, and a round key, two blocks, a power
//! and a product the rest. What is hashed waits in memory of the function's own, and is ciphertext in
//! both directions. Each round brings its eight AES instructions and about as many others, so that
//! every port finds work: the order is pinned, because the compiler would sort them by kind. The first
//! block comes last: it waits for the hash of the group before.

use core::arch::x86_64::{
    __m128i, _mm_aesenc_si128, _mm_aesenclast_si128, _mm_setzero_si128, _mm_xor_si128,
};

use aes::cipher::array::Array;
use aes::cipher::consts::U256;
use aes::cipher::inout::InOut;

use super::Key;
use super::ghash::{Hash, POWERS, PairProduct};
use crate::arch::x86_64::aes::ROUND_KEYS;
use crate::arch::x86_64::barrier::barrier;
use crate::arch::x86_64::ghash::{dot, reverse_bytes};
use crate::arch::x86_64::memory::{load_128, store_128};
use crate::arch::x86_64::message::Message;
use crate::arch::x86_64::reload::reload;
use crate::arch::{BLOCK_LEN, OPEN, SEAL};

/// Blocks in flight.
pub(super) const IN_FLIGHT: usize = 8;
const HALF_LEN: usize = IN_FLIGHT * BLOCK_LEN;
/// Blocks to a reduction.
pub(super) const GROUP: usize = 2 * IN_FLIGHT;
pub(super) const GROUP_LEN: usize = GROUP * BLOCK_LEN;

pub(super) type Blocks = [__m128i; IN_FLIGHT];

/// A group's text, read and written once.
type GroupText<'i, 'o> = InOut<'i, 'o, Array<u8, U256>>;

/// Ciphertext on its way to GHASH, in memory that nobody else writes to: the caller's is read once.
///
/// `reload` before each use has it read from there: otherwise the compiler would keep blocks in
/// registers until they run out.
#[repr(align(64))]
struct Waiting([[u8; HALF_LEN]; 2]);

/// Encrypts or decrypts every whole group, from states after round `ROUNDS`, and hashes its
/// ciphertext: at once when opening, a group late when sealing. Where they are all of the text, the
/// block of lengths is hashed as well.
///
/// `reload` has the key loaded anew for each group: kept in registers, its round keys would take
/// those that states and sums need.
#[inline]
#[target_feature(enable = "aes,pclmulqdq,ssse3,sse4.1")]
pub(super) fn each_group<'i, 'o, const DIRECTION: bool, const AVX: bool, const ROUNDS: usize>(
    key: &Key,
    message: Message<'i, 'o>,
    mut next_states: impl FnMut() -> Blocks,
) -> Message<'i, 'o> {
    let Message { mut hash, lengths, rest } = message;
    let (groups, rest) = rest.into_chunks::<U256>();
    let mut groups = groups.into_iter();
    let lengths_are_next = rest.is_empty();
    let mut waiting = Waiting([[0; HALF_LEN]; 2]);
    if DIRECTION == SEAL
        && let Some(mut group) = groups.next()
    {
        for half in 0..2 {
            let mut states = next_states();
            rounds::<ROUNDS>(key, &mut states);
            xor_text(key, &mut states, input(&group, half));
            store_blocks(output(&mut group, half), &states);
            store_blocks(&mut waiting.0[half], &states);
        }
    }
    for mut group in groups {
        let mut turn = Turn::<DIRECTION, AVX, ROUNDS>::new(reload(key), hash);
        turn.half::<0>(next_states(), &mut group, &mut waiting);
        turn.half::<1>(next_states(), &mut group, &mut waiting);
        hash = turn.hash;
    }
    if DIRECTION == SEAL {
        hash = hash_alone(key, &waiting, hash, lengths_are_next.then_some(lengths));
    } else if lengths_are_next {
        hash = dot(_mm_xor_si128(hash, lengths), load_128(&key.powers[POWERS - 1]));
    }
    Message { hash, lengths, rest }
}

/// State of one group's rounds and of the hash between them.
///
/// The parameters keep apart what sealing and opening, cached and computed states, AVX and its absence
/// call: a function with one caller is inlined, and the states stay in registers.
struct Turn<'k, const DIRECTION: bool, const AVX: bool, const ROUNDS: usize> {
    key: &'k Key,
    product: PairProduct,
    hash: __m128i,
}

impl<'k, const DIRECTION: bool, const AVX: bool, const ROUNDS: usize>
    Turn<'k, DIRECTION, AVX, ROUNDS>
{
    #[inline]
    #[target_feature(enable = "sse2")]
    fn new(key: &'k Key, hash: __m128i) -> Self {
        Self { key, product: PairProduct::zero(), hash }
    }

    /// Encrypts or decrypts one half of the group, and hashes the half that waits.
    #[inline]
    #[target_feature(enable = "aes,pclmulqdq,ssse3,sse4.1")]
    fn half<const HALF: usize>(
        &mut self,
        mut states: Blocks,
        group: &mut GroupText<'_, '_>,
        waiting: &mut Waiting,
    ) {
        if DIRECTION == OPEN {
            store_blocks(&mut waiting.0[HALF], &load_blocks(input(group, HALF)));
        }
        let hashed = &reload(waiting).0[HALF];
        self.pair::<HALF, 3>(&mut states, hashed);
        self.pair::<HALF, 2>(&mut states, hashed);
        self.pair::<HALF, 1>(&mut states, hashed);
        self.pair::<HALF, 0>(&mut states, hashed);
        if HALF == 1 {
            self.hash = self.product.reduce();
        }
        for round in ROUNDS + 1 + IN_FLIGHT..ROUND_KEYS - 1 {
            aes_round(self.key, round, &mut states);
            barrier(&mut states);
        }
        xor_text(
            self.key,
            &mut states,
            if DIRECTION == OPEN { hashed } else { input(group, HALF) },
        );
        store_blocks(output(group, HALF), &states);
        if DIRECTION == SEAL {
            store_blocks(&mut waiting.0[HALF], &states);
        }
    }

    /// Two rounds, and two blocks' products between them.
    #[inline]
    #[target_feature(enable = "aes,pclmulqdq,ssse3")]
    fn pair<const HALF: usize, const PAIR: usize>(
        &mut self,
        states: &mut Blocks,
        ciphertext: &[u8; HALF_LEN],
    ) {
        let round = ROUNDS + IN_FLIGHT - 1 - 2 * PAIR;
        let [first, second] = &ciphertext.as_chunks().0.as_chunks().0[PAIR];
        let [first_power, second_power] =
            &self.key.powers.as_rchunks().1[HALF * IN_FLIGHT / 2 + PAIR];
        let half_sums = &self.key.half_sums[HALF * IN_FLIGHT / 2 + PAIR];

        aes_round(self.key, round, states);
        let second = reverse_bytes(load_128(second));
        self.product.add_outer(second, load_128(second_power));
        self.product.barrier();
        barrier(states);

        aes_round(self.key, round + 1, states);
        let mut first = reverse_bytes(load_128(first));
        if HALF == 0 && PAIR == 0 {
            first = _mm_xor_si128(first, self.hash);
        }
        self.product.add_outer(first, load_128(first_power));
        self.product.add_cross([first, second], load_128(half_sums));
        self.product.barrier();
        barrier(states);
    }
}

#[inline]
fn input<'t>(group: &'t GroupText<'_, '_>, half: usize) -> &'t [u8; HALF_LEN] {
    let text: &[u8; GROUP_LEN] = group.get_in().as_ref();
    &text.as_chunks().0[half]
}

#[inline]
fn output<'t>(group: &'t mut GroupText<'_, '_>, half: usize) -> &'t mut [u8; HALF_LEN] {
    let text: &mut [u8; GROUP_LEN] = group.get_out().as_mut();
    &mut text.as_chunks_mut().0[half]
}

/// Rounds `ROUNDS` + 1, …, 13 on `states`. The last round is [`xor_text`]'s.
#[inline]
#[target_feature(enable = "aes")]
fn rounds<const ROUNDS: usize>(key: &Key, states: &mut Blocks) {
    for round in ROUNDS + 1..ROUND_KEYS - 1 {
        aes_round(key, round, states);
    }
}

/// GHASH of 16 blocks onto `hash`, with nothing beside it, and of the block of lengths behind them
/// where it is given: one reduction for both.
#[inline]
#[target_feature(enable = "pclmulqdq,ssse3")]
fn hash_alone(key: &Key, ciphertext: &Waiting, hash: __m128i, lengths: Option<__m128i>) -> __m128i {
    let mut sum = Hash::new(key, hash, GROUP + usize::from(lengths.is_some()));
    for block in ciphertext.0.as_flattened().as_chunks().0 {
        sum.add(reverse_bytes(load_128(block)));
    }
    if let Some(lengths) = lengths {
        sum.add(lengths);
    }
    sum.reduce()
}

#[inline]
#[target_feature(enable = "sse2")]
pub(super) fn load_blocks(text: &[u8; HALF_LEN]) -> Blocks {
    let mut blocks = [_mm_setzero_si128(); IN_FLIGHT];
    for (block, bytes) in blocks.iter_mut().zip(text.as_chunks().0) {
        *block = load_128(bytes);
    }
    blocks
}

#[inline]
#[target_feature(enable = "sse2")]
fn store_blocks(text: &mut [u8; HALF_LEN], blocks: &Blocks) {
    for (bytes, block) in text.as_chunks_mut().0.iter_mut().zip(blocks) {
        store_128(bytes, *block);
    }
}

/// The last round, with the text folded into its key: `states` becomes text ^ keystream.
#[inline]
#[target_feature(enable = "aes")]
fn xor_text(key: &Key, states: &mut Blocks, text: &[u8; HALF_LEN]) {
    let last = load_128(&key.round_keys.0[ROUND_KEYS - 1]);
    for (state, text) in states.iter_mut().zip(text.as_chunks().0) {
        *state = _mm_aesenclast_si128(*state, _mm_xor_si128(last, load_128(text)));
    }
}

#[inline]
#[target_feature(enable = "aes")]
fn aes_round(key: &Key, round: usize, states: &mut Blocks) {
    let round_key = load_128(&key.round_keys.0[round]);
    for state in states {
        *state = _mm_aesenc_si128(*state, round_key);
    }
}

/// Keeps the compiler from moving what stands before beyond what stands behind.
#[inline]
#[target_feature(enable = "sse2")]
fn barrier(states: &mut Blocks) {
    let [s0, s1, s2, s3, s4, s5, s6, s7] = states;
    barrier!(xmm_reg: s0, s1, s2, s3, s4, s5, s6, s7);
}
