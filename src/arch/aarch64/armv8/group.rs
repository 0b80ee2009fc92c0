//! Eight blocks: their AES rounds, with GHASH of the eight blocks before between them.
//!
//! ```text
//! keystream = AES of the first eight counters      without the last round key
//! for each group of 8 blocks but the last:
//!     output[i] = input[i] ^ last round key ^ keystream[i]
//!     interleaved, three rounds and two blocks at a time:
//!         keystream = AES of the next eight counters
//!         hash = (hash ^ ciphertext[0]) · H^8 ^ ciphertext[1] · H^7 ^ … ^ ciphertext[7] · H
//! for what is left, 8 blocks or fewer, the last perhaps partial:
//!     output = input ^ last round key ^ keystream
//!     hash it
//! ```
//!
//! The keystream runs one group ahead of the hash: so both are there at once to fill each other's
//! gaps, for sealing as for opening. It runs to the group in which the text ends and no further.

use core::arch::aarch64::{uint8x16_t, vdupq_n_u8, veorq_u8};
use core::hint::black_box;

use zeroize::Zeroize;

use super::{Key, absorb_padded};
use crate::arch::aarch64::ghash::{Product, reverse_bits, xor3};
use crate::arch::aarch64::memory::{load, store};
use crate::arch::{BLOCK_LEN, InOutBuf, OPEN, SEAL};

/// Blocks in flight.
pub(super) const GROUP: usize = 8;
pub(super) const GROUP_LEN: usize = GROUP * BLOCK_LEN;

pub(super) type Blocks = [uint8x16_t; GROUP];

/// Encrypts or decrypts a text and hashes its ciphertext onto `hash`. `keystream` is the first
/// group's; the later groups' is made of states before round `FIRST + 1`.
///
/// `EOR3` keeps the two bodies of the kernel apart: see there.
#[inline]
#[target_feature(enable = "neon,aes")]
pub(super) fn each_group<const DIRECTION: bool, const EOR3: bool, const FIRST: usize>(
    key: &Key,
    mut keystream: Blocks,
    mut hash: uint8x16_t,
    buffer: InOutBuf<'_, '_, u8>,
    mut next_states: impl FnMut() -> Blocks,
) -> uint8x16_t {
    // All groups but the last, of which at least a byte is left.
    let main_len = buffer.len().saturating_sub(1) / GROUP_LEN * GROUP_LEN;
    let (main, rest) = buffer.split_at(main_len);
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
        keystream = next_states();
        let mut product = Product::zero();
        for block in &mut ciphertext {
            *block = reverse_bits(*block);
        }
        ciphertext[0] = veorq_u8(ciphertext[0], hash);
        key.round_keys.rounds::<FIRST, 3>(&mut keystream);
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
    last_group::<DIRECTION, EOR3, FIRST>(key, keystream, hash, rest)
}

/// Eight blocks or fewer, in private memory: each byte of the caller's is read once.
///
/// `EOR3` and `FIRST` give it one caller: inlined, it takes the keystream in registers, of which
/// nothing stays behind.
#[inline]
#[target_feature(enable = "neon,aes")]
fn last_group<const DIRECTION: bool, const EOR3: bool, const FIRST: usize>(
    key: &Key,
    keystream: Blocks,
    mut hash: uint8x16_t,
    mut buffer: InOutBuf<'_, '_, u8>,
) -> uint8x16_t {
    let left = buffer.len();
    if left > 0 {
        let last_key = key.round_keys.last();
        let mut text = [[0; 16]; GROUP];
        text.as_flattened_mut()[..left].copy_from_slice(buffer.get_in());
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
        buffer.get_out().copy_from_slice(&text.as_flattened()[..left]);
        text.zeroize();
    }
    hash
}
