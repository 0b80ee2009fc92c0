//! The `armv8` tier: AESE and PMULL on eight blocks at a time, EOR3 where there is one.
//!
//! ```text
//! counter = J0 + 1
//! keystream = AES(counter + i), i < 8               without the last round key
//! for each group of 8 blocks but the last:
//!     output[i] = input[i] ^ last round key ^ keystream[i]
//!     interleaved, three rounds and two blocks at a time:
//!         keystream = AES(the next eight counters)
//!         hash = (hash ^ ciphertext[0]) · H^8 ^ ciphertext[1] · H^7 ^ … ^ ciphertext[7] · H
//! for what is left, 8 blocks or fewer, the last perhaps partial:
//!     output = input ^ last round key ^ keystream
//!     hash it
//! tag = AES(J0) ^ (hash ^ lengths) · H
//! ```
//!
//! NIST SP 800-38D, algorithms 4 and 5. The keystream runs one group ahead of the hash: so both are
//! there at once to fill each other's gaps, for sealing as for opening. It runs to the group in which
//! the text ends and no further.
//!
//! The body is compiled twice: plainly, and with the `sha3` feature, where the compiler makes EOR3
//! of two XORs.
//!
//! Constant-time: branches and indexes depend on lengths alone.

use core::arch::aarch64::{
    uint8x16_t, uint32x4_t, vaddq_u32, vdupq_n_u8, vdupq_n_u32, veorq_u8, vreinterpretq_u8_u32,
    vreinterpretq_u32_u8, vrev32q_u8, vsetq_lane_u32,
};
use core::hint::black_box;

use zeroize::Zeroize;

use super::aes::RoundKeys;
use super::ghash::{Power, Product, multiply, powers, reverse_bits, xor3};
use super::memory::{load, store};
use crate::arch::features::Features;
use crate::arch::{BLOCK_LEN, InOutBuf, OPEN, SEAL, length_block};

/// Blocks in flight.
const GROUP: usize = 8;
const GROUP_LEN: usize = GROUP * BLOCK_LEN;

/// Const-generic argument of the kernel: compiled with the `sha3` feature.
const EOR3: bool = true;
/// Const-generic argument of the kernel: compiled without.
const NO_EOR3: bool = false;

/// Proof that this processor has what the kernel needs, and whether it has EOR3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    eor3: bool,
}

impl Token {
    pub(crate) fn detect() -> Option<Self> {
        let features = Features::detect();
        features.support_armv8().then_some(Self { eor3: features.support_eor3() })
    }
}

/// The expanded key, wiped on drop. It exists only where a [`Token`] did.
pub(crate) struct Key {
    round_keys: RoundKeys,
    /// H^8, H^7, …, H^1.
    powers: [Power; GROUP],
    token: Token,
}

impl Key {
    pub(crate) fn new(token: Token, key: &[u8; 32]) -> Self {
        // SAFETY: the token says that `Features::support_armv8` holds.
        unsafe { expand(token, key) }
    }

    pub(crate) fn seal(
        &self,
        pre_counter_block: u128,
        associated_data: &[u8],
        buffer: InOutBuf<'_, '_, u8>,
    ) -> [u8; 16] {
        self.crypt::<SEAL>(pre_counter_block, associated_data, buffer)
    }

    pub(crate) fn open(
        &self,
        pre_counter_block: u128,
        associated_data: &[u8],
        buffer: InOutBuf<'_, '_, u8>,
    ) -> [u8; 16] {
        self.crypt::<OPEN>(pre_counter_block, associated_data, buffer)
    }

    #[inline]
    fn crypt<const DIRECTION: bool>(
        &self,
        pre_counter_block: u128,
        associated_data: &[u8],
        buffer: InOutBuf<'_, '_, u8>,
    ) -> [u8; 16] {
        if self.token.eor3 {
            // SAFETY: a `Key` is made from a token only: `Features::support_armv8` holds, and this
            // token says that `Features::support_eor3` does.
            unsafe { crypt_eor3::<DIRECTION>(self, pre_counter_block, associated_data, buffer) }
        } else {
            // SAFETY: a `Key` is made from a token only: `Features::support_armv8` holds.
            unsafe { crypt_plain::<DIRECTION>(self, pre_counter_block, associated_data, buffer) }
        }
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.powers.zeroize();
    }
}

#[target_feature(enable = "neon,aes")]
fn expand(token: Token, key: &[u8; 32]) -> Key {
    let round_keys = RoundKeys::expand(key);
    let h = reverse_bits(round_keys.encrypt_block(vdupq_n_u8(0)));
    Key { round_keys, powers: powers(h), token }
}

#[target_feature(enable = "neon,aes,sha3")]
fn crypt_eor3<const DIRECTION: bool>(
    key: &Key,
    pre_counter_block: u128,
    associated_data: &[u8],
    buffer: InOutBuf<'_, '_, u8>,
) -> [u8; 16] {
    crypt::<DIRECTION, EOR3>(key, pre_counter_block, associated_data, buffer)
}

#[target_feature(enable = "neon,aes")]
fn crypt_plain<const DIRECTION: bool>(
    key: &Key,
    pre_counter_block: u128,
    associated_data: &[u8],
    buffer: InOutBuf<'_, '_, u8>,
) -> [u8; 16] {
    crypt::<DIRECTION, NO_EOR3>(key, pre_counter_block, associated_data, buffer)
}

/// The kernel. `EOR3` is not read: it gives each of the two functions above a body of its own, with
/// one caller, into which the compiler puts it. There it takes on that function's features.
#[inline]
#[target_feature(enable = "neon,aes")]
fn crypt<const DIRECTION: bool, const EOR3: bool>(
    key: &Key,
    pre_counter_block: u128,
    associated_data: &[u8],
    buffer: InOutBuf<'_, '_, u8>,
) -> [u8; 16] {
    let text_len = buffer.len();
    let mut hash = absorb_padded(key, vdupq_n_u8(0), associated_data);
    let j0 = load(&pre_counter_block.to_be_bytes());

    // The counter is the last word, big-endian: with the bytes of each word reversed it can count.
    let mut counter = vreinterpretq_u32_u8(vrev32q_u8(j0));
    counter = vaddq_u32(counter, one());
    let mut keystream = first_keystream(key, &mut counter, text_len);
    let mask = key.round_keys.encrypt_block(j0);

    // All groups but the last, of which at least a byte is left.
    let main_len = text_len.saturating_sub(1) / GROUP_LEN * GROUP_LEN;
    let (main, mut rest) = buffer.split_at(main_len);
    let (groups, _) = main.into_chunks::<aes::cipher::consts::U128>();
    for mut group in groups {
        // As if the key were another in each turn: else the compiler loads all of it once, into more
        // registers than there are, and leaves it on the stack.
        let key = black_box(key);
        let last_key = key.round_keys.last();
        let input: &[u8; GROUP_LEN] = group.get_in().as_ref();
        let mut ciphertext = [vdupq_n_u8(0); GROUP];
        for ((block, text), hashed) in
            keystream.iter_mut().zip(input.as_chunks().0).zip(&mut ciphertext)
        {
            let text = load(text);
            *block = xor3(*block, last_key, text);
            *hashed = if DIRECTION == SEAL { *block } else { text };
        }
        let output: &mut [u8; GROUP_LEN] = group.get_out().as_mut();
        for (bytes, block) in output.as_chunks_mut().0.iter_mut().zip(keystream) {
            store(bytes, block);
        }

        // The first block comes last: it waits for the hash of the group before.
        keystream = counters(&mut counter);
        let mut product = Product::zero();
        for block in &mut ciphertext {
            *block = reverse_bits(*block);
        }
        ciphertext[0] = veorq_u8(ciphertext[0], hash);
        key.round_keys.rounds::<0, 3>(&mut keystream);
        product.add(ciphertext[7], &key.powers[7]);
        product.add(ciphertext[6], &key.powers[6]);
        key.round_keys.rounds::<3, 6>(&mut keystream);
        product.add(ciphertext[5], &key.powers[5]);
        product.add(ciphertext[4], &key.powers[4]);
        key.round_keys.rounds::<6, 9>(&mut keystream);
        product.add(ciphertext[3], &key.powers[3]);
        product.add(ciphertext[2], &key.powers[2]);
        key.round_keys.rounds::<9, 12>(&mut keystream);
        product.add(ciphertext[1], &key.powers[1]);
        product.add(ciphertext[0], &key.powers[0]);
        key.round_keys.rounds::<12, 13>(&mut keystream);
        key.round_keys.final_round(&mut keystream);
        hash = product.reduce();
    }

    // Eight blocks or fewer, in private memory: each byte of the caller's is read once.
    let left = rest.len();
    if left > 0 {
        let last_key = key.round_keys.last();
        let mut text = [[0; 16]; GROUP];
        text.as_flattened_mut()[..left].copy_from_slice(rest.get_in());
        if DIRECTION == OPEN {
            hash = absorb_padded(key, hash, &text.as_flattened()[..left]);
        }
        for (bytes, block) in text.iter_mut().zip(keystream) {
            let output = xor3(load(bytes), last_key, block);
            store(bytes, output);
        }
        if DIRECTION == SEAL {
            hash = absorb_padded(key, hash, &text.as_flattened()[..left]);
        }
        rest.get_out().copy_from_slice(&text.as_flattened()[..left]);
        text.zeroize();
    }

    let lengths = load(&length_block(associated_data.len(), text_len).to_be_bytes());
    let hash = veorq_u8(hash, reverse_bits(lengths));
    let hash = reverse_bits(multiply(hash, &key.powers[GROUP - 1]));
    let mut tag = [0; 16];
    store(&mut tag, veorq_u8(hash, mask));
    tag
}

/// One in the last word.
#[inline]
#[target_feature(enable = "neon")]
fn one() -> uint32x4_t {
    vsetq_lane_u32::<3>(1, vdupq_n_u32(0))
}

/// The next counter blocks.
#[inline]
#[target_feature(enable = "neon")]
fn counters(counter: &mut uint32x4_t) -> [uint8x16_t; GROUP] {
    let mut blocks = [vdupq_n_u8(0); GROUP];
    for block in &mut blocks {
        *block = vrev32q_u8(vreinterpretq_u8_u32(*counter));
        *counter = vaddq_u32(*counter, one());
    }
    blocks
}

/// The first group's keystream without the last round key. A short text needs a half of it or none.
#[inline]
#[target_feature(enable = "neon,aes")]
fn first_keystream(key: &Key, counter: &mut uint32x4_t, text_len: usize) -> [uint8x16_t; GROUP] {
    const HALF_LEN: usize = GROUP_LEN / 2;
    let mut blocks = counters(counter);
    let (first, second) = blocks.split_at_mut(GROUP / 2);
    for (half, from) in [(first, 0), (second, HALF_LEN)] {
        if text_len > from {
            key.round_keys.rounds::<0, 13>(half);
            key.round_keys.final_round(half);
        }
    }
    blocks
}

/// GHASH of up to eight blocks onto `hash`: one reduction.
#[inline]
#[target_feature(enable = "neon,aes")]
fn absorb(key: &Key, hash: uint8x16_t, blocks: &[[u8; 16]]) -> uint8x16_t {
    let mut product = Product::zero();
    let mut carried = hash;
    for (block, power) in blocks.iter().zip(&key.powers[GROUP - blocks.len()..]) {
        product.add(veorq_u8(reverse_bits(load(block)), carried), power);
        carried = vdupq_n_u8(0);
    }
    product.reduce()
}

/// GHASH of any number of bytes onto `hash`, the last block filled up with zeros.
#[inline]
#[target_feature(enable = "neon,aes")]
fn absorb_padded(key: &Key, mut hash: uint8x16_t, bytes: &[u8]) -> uint8x16_t {
    for group in bytes.chunks(GROUP_LEN) {
        let mut padded = [[0; 16]; GROUP];
        padded.as_flattened_mut()[..group.len()].copy_from_slice(group);
        hash = absorb(key, hash, &padded[..group.len().div_ceil(BLOCK_LEN)]);
    }
    hash
}

#[cfg(test)]
mod tests;
