//! The `aesni` tier: AES-NI and PCLMULQDQ on eight 128-bit blocks at a time.
//!
//! ```text
//! absorb(bytes): hash ^= first block; hash = Σ block[i] · H^(n-i), n <= 8, reduced once a group
//!
//! counter = J0 + 1
//! for each group of 8 blocks, then for what is left:
//!     keystream[i] = AES(counter + i)          8 blocks in flight, a round at a time
//!     output[i] = input[i] ^ keystream[i]
//!     absorb(ciphertext)
//! tag = AES(J0) ^ (hash ^ lengths) · H
//! ```
//!
//! NIST SP 800-38D, algorithms 4 and 5.
//!
//! Constant-time: branches and indexes depend on lengths alone.

use core::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_aesenc_si128, _mm_aesenclast_si128, _mm_set_epi32,
    _mm_setzero_si128, _mm_xor_si128,
};

use zeroize::Zeroize;

use super::aes::{ROUND_KEYS, RoundKeys};
use super::ghash::{Product, dot, fill_powers, hash_key, reverse_bytes, reversed_block};
use super::memory::{load_128, store_128};
use crate::arch::features::Features;
use crate::arch::{BLOCK_LEN, InOutBuf, OPEN, SEAL, length_block};

/// Blocks in flight.
const GROUP: usize = 8;
const GROUP_LEN: usize = GROUP * BLOCK_LEN;

/// Proof that this processor has what the kernel needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token(());

impl Token {
    pub(crate) fn detect() -> Option<Self> {
        Features::detect().support_aesni().then_some(Self(()))
    }
}

/// The expanded key, wiped on drop. It exists only where a [`Token`] did.
pub(crate) struct Key {
    round_keys: RoundKeys,
    /// H^8, H^7, …, H^1.
    powers: [[u8; 16]; GROUP],
}

impl Key {
    pub(crate) fn new(_: Token, key: &[u8; 32]) -> Self {
        // SAFETY: the token says that `Features::support_aesni` holds.
        unsafe { expand(key) }
    }

    pub(crate) fn seal(
        &self,
        pre_counter_block: u128,
        associated_data: &[u8],
        buffer: InOutBuf<'_, '_, u8>,
    ) -> [u8; 16] {
        // SAFETY: a `Key` is made from a token only: `Features::support_aesni` holds.
        unsafe { crypt::<SEAL>(self, pre_counter_block, associated_data, buffer) }
    }

    pub(crate) fn open(
        &self,
        pre_counter_block: u128,
        associated_data: &[u8],
        buffer: InOutBuf<'_, '_, u8>,
    ) -> [u8; 16] {
        // SAFETY: a `Key` is made from a token only: `Features::support_aesni` holds.
        unsafe { crypt::<OPEN>(self, pre_counter_block, associated_data, buffer) }
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.powers.zeroize();
    }
}

#[target_feature(enable = "aes,pclmulqdq,ssse3,sse4.1")]
fn expand(key: &[u8; 32]) -> Key {
    let round_keys = RoundKeys::expand(key);
    let h = hash_key(round_keys.encrypt_block(_mm_setzero_si128()));
    let mut powers = [[0; 16]; GROUP];
    fill_powers(&mut powers, h);
    Key { round_keys, powers }
}

#[target_feature(enable = "aes,pclmulqdq,ssse3,sse4.1")]
fn crypt<const DIRECTION: bool>(
    key: &Key,
    pre_counter_block: u128,
    associated_data: &[u8],
    buffer: InOutBuf<'_, '_, u8>,
) -> [u8; 16] {
    let text_len = buffer.len();
    let mut hash = absorb_padded(key, _mm_setzero_si128(), associated_data);

    // Reversed, the counter is the lowest lane.
    let j0 = reversed_block(pre_counter_block);
    let mut counter = _mm_add_epi32(j0, _mm_set_epi32(0, 0, 0, 1));

    let (groups, mut rest) = buffer.into_chunks::<aes::cipher::consts::U128>();
    for mut group in groups {
        let mut blocks = keystream(&key.round_keys, &mut counter);

        let input: &[u8; GROUP_LEN] = group.get_in().as_ref();
        let mut ciphertext = [_mm_setzero_si128(); GROUP];
        for ((block, text), hashed) in
            blocks.iter_mut().zip(input.as_chunks().0).zip(&mut ciphertext)
        {
            let text = load_128(text);
            *block = _mm_xor_si128(*block, text);
            *hashed = if DIRECTION == SEAL { *block } else { text };
        }
        let output: &mut [u8; GROUP_LEN] = group.get_out().as_mut();
        for (bytes, block) in output.as_chunks_mut().0.iter_mut().zip(blocks) {
            store_128(bytes, block);
        }
        hash = absorb(key, hash, &ciphertext);
    }

    // Fewer than eight blocks, in private memory: each byte of the caller's is read once.
    let left = rest.len();
    if left > 0 {
        let blocks = keystream(&key.round_keys, &mut counter);

        let mut text = [[0; 16]; GROUP];
        text.as_flattened_mut()[..left].copy_from_slice(rest.get_in());
        if DIRECTION == OPEN {
            hash = absorb_padded(key, hash, &text.as_flattened()[..left]);
        }
        for (bytes, block) in text.iter_mut().zip(blocks) {
            let output = _mm_xor_si128(load_128(bytes), block);
            store_128(bytes, output);
        }
        if DIRECTION == SEAL {
            hash = absorb_padded(key, hash, &text.as_flattened()[..left]);
        }
        rest.get_out().copy_from_slice(&text.as_flattened()[..left]);
        text.zeroize();
    }

    let lengths = reversed_block(length_block(associated_data.len(), text_len));
    let hash = _mm_xor_si128(hash, lengths);
    let hash = reverse_bytes(dot(hash, load_128(&key.powers[GROUP - 1])));
    let mut tag = [0; 16];
    store_128(&mut tag, _mm_xor_si128(hash, key.round_keys.encrypt_block(reverse_bytes(j0))));
    tag
}

/// AES-256 of the next eight counter blocks, a round at a time.
#[inline]
#[target_feature(enable = "aes,ssse3")]
fn keystream(round_keys: &RoundKeys, counter: &mut __m128i) -> [__m128i; GROUP] {
    let one = _mm_set_epi32(0, 0, 0, 1);
    let whitening = load_128(&round_keys.0[0]);
    let mut blocks = [_mm_setzero_si128(); GROUP];
    for block in &mut blocks {
        *block = _mm_xor_si128(reverse_bytes(*counter), whitening);
        *counter = _mm_add_epi32(*counter, one);
    }
    for round_key in &round_keys.0[1..ROUND_KEYS - 1] {
        let round_key = load_128(round_key);
        for block in &mut blocks {
            *block = _mm_aesenc_si128(*block, round_key);
        }
    }
    let last = load_128(&round_keys.0[ROUND_KEYS - 1]);
    for block in &mut blocks {
        *block = _mm_aesenclast_si128(*block, last);
    }
    blocks
}

/// GHASH of up to eight blocks onto `hash`: one reduction.
#[inline]
#[target_feature(enable = "pclmulqdq,ssse3")]
fn absorb(key: &Key, hash: __m128i, blocks: &[__m128i]) -> __m128i {
    let mut product = Product::zero();
    let mut carried = hash;
    for (block, power) in blocks.iter().zip(&key.powers[GROUP - blocks.len()..]) {
        product.add(_mm_xor_si128(reverse_bytes(*block), carried), load_128(power));
        carried = _mm_setzero_si128();
    }
    product.reduce()
}

/// GHASH of any number of bytes onto `hash`, the last block filled up with zeros.
#[inline]
#[target_feature(enable = "pclmulqdq,ssse3")]
fn absorb_padded(key: &Key, mut hash: __m128i, bytes: &[u8]) -> __m128i {
    for group in bytes.chunks(GROUP_LEN) {
        let mut padded = [[0; 16]; GROUP];
        padded.as_flattened_mut()[..group.len()].copy_from_slice(group);
        let mut blocks = [_mm_setzero_si128(); GROUP];
        for (block, bytes) in blocks.iter_mut().zip(&padded) {
            *block = load_128(bytes);
        }
        hash = absorb(key, hash, &blocks[..group.len().div_ceil(BLOCK_LEN)]);
    }
    hash
}
