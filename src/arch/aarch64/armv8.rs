//! The `armv8` tier: AESE and PMULL on eight blocks at a time, EOR3 where there is one.
//!
//! ```text
//! for each group of 8 blocks (see group.rs):
//!     states = the counters, or their AES rounds 1 and 2 from the counter cache (see cached.rs)
//!     the other rounds, between them GHASH of the group before
//!     output = input ^ last round key ^ states
//! tag = AES(J0) ^ (hash ^ lengths) · H
//! ```
//!
//! NIST SP 800-38D, algorithms 4 and 5; `counter_cache.rs` for the cache.
//!
//! The body is compiled twice: plainly, and with the `sha3` feature, where the compiler makes EOR3
//! of two XORs.
//!
//! Constant-time: branches and indexes depend on lengths and counters alone.

mod cached;
mod group;

use core::arch::aarch64::{
    uint8x16_t, uint32x4_t, vaddq_u32, vdupq_n_u8, vdupq_n_u32, veorq_u8, vreinterpretq_u8_u32,
    vreinterpretq_u32_u8, vrev32q_u8, vsetq_lane_u32,
};

use zeroize::Zeroize;

use self::cached::{cached_groups, fill};
use self::group::{Blocks, GROUP, GROUP_LEN, each_group};
use super::aes::RoundKeys;
use super::ghash::{Power, Product, fill_powers, multiply, reverse_bits};
use super::memory::{load, store};
use crate::arch::counter_cache::{self, CounterCache};
use crate::arch::{BLOCK_LEN, Fault, Hints, InOutBuf, Kernel, length_block, token};
use crate::secret::wipe_stack;

/// From this length on a table for one text pays for itself: in LLVM's models of Neoverse N1 and V1,
/// with the slowest stores, after 20 KiB and 13 KiB.
const CACHE_FROM: usize = 24 * 1024;

/// Const-generic argument of the kernel: compiled with the `sha3` feature.
const EOR3: bool = true;
/// Const-generic argument of the kernel: compiled without.
const NO_EOR3: bool = false;

token!(support_armv8, eor3: support_eor3);

/// The expanded key, wiped on drop. It exists only where a [`Token`] did.
pub(crate) struct Key {
    round_keys: RoundKeys,
    /// H^8, H^7, …, H^1.
    powers: [Power; GROUP],
    token: Token,
}

impl Kernel for Key {
    type Token = Token;

    fn new(token: Token, key: &[u8; 32], _first_rounds: bool) -> Box<Self> {
        let powers = [Power::zeroed(); GROUP];
        let mut expanded = Box::new(Self { round_keys: RoundKeys::zeroed(), powers, token });
        // SAFETY: the token says that `Features::support_armv8` holds.
        unsafe { expand(&mut expanded, key) };
        expanded
    }

    fn ghash(&self, hash: u128, bytes: &[u8]) -> u128 {
        // SAFETY: a `Key` is made from a token only: `Features::support_armv8` holds.
        unsafe { ghash(self, hash, bytes) }
    }

    #[inline]
    fn crypt<const DIRECTION: bool>(
        &self,
        hints: Hints<'_>,
        pre_counter_block: u128,
        associated_data: &[u8],
        buffer: InOutBuf<'_, '_, u8>,
    ) -> Result<[u8; 16], Fault> {
        match hints.cache.filter(|cache| cache.serves(pre_counter_block)) {
            None if buffer.len() >= CACHE_FROM
                && counter_cache::starts_aligned(pre_counter_block) =>
            {
                self.crypt_long::<DIRECTION>(pre_counter_block, associated_data, buffer)
            }
            cache => {
                self.crypt_with::<DIRECTION>(cache, pre_counter_block, associated_data, buffer)
            }
        }
    }

    fn counter_cache(&self, pre_counter_block: u128) -> Option<Box<CounterCache<2>>> {
        Some(CounterCache::filled(pre_counter_block, |cache| self.fill(cache)))
    }
}

impl Key {
    /// Fills a cache for pre-counter blocks like the one it was made for.
    pub(crate) fn fill(&self, cache: &mut CounterCache<2>) {
        // SAFETY: a `Key` is made from a token only: `Features::support_armv8` holds.
        unsafe { fill(self, cache) }
    }

    /// With a cache for this text alone, on the stack: a function of its own, so that short texts do
    /// not pay for the room.
    #[inline(never)]
    fn crypt_long<const DIRECTION: bool>(
        &self,
        pre_counter_block: u128,
        associated_data: &[u8],
        buffer: InOutBuf<'_, '_, u8>,
    ) -> Result<[u8; 16], Fault> {
        let mut cache = CounterCache::empty(pre_counter_block);
        self.fill(&mut cache);
        let result =
            self.crypt_with::<DIRECTION>(Some(&cache), pre_counter_block, associated_data, buffer);
        // What lies deeper for the table is not reached from where the key is dropped.
        wipe_stack();
        result
    }

    /// With a cache that serves `pre_counter_block`, or none.
    #[inline]
    fn crypt_with<const DIRECTION: bool>(
        &self,
        cache: Option<&CounterCache<2>>,
        pre_counter_block: u128,
        associated_data: &[u8],
        buffer: InOutBuf<'_, '_, u8>,
    ) -> Result<[u8; 16], Fault> {
        if self.token.eor3 {
            // SAFETY: a `Key` is made from a token only: `Features::support_armv8` holds, and this
            // token says that `Features::support_eor3` does.
            unsafe {
                crypt_eor3::<DIRECTION>(self, cache, pre_counter_block, associated_data, buffer)
            }
        } else {
            // SAFETY: a `Key` is made from a token only: `Features::support_armv8` holds.
            unsafe {
                crypt_plain::<DIRECTION>(self, cache, pre_counter_block, associated_data, buffer)
            }
        }
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.powers.zeroize();
    }
}

#[target_feature(enable = "neon,aes")]
fn expand(expanded: &mut Key, key: &[u8; 32]) {
    expanded.round_keys.set(key);
    let h = reverse_bits(expanded.round_keys.encrypt_block(vdupq_n_u8(0)));
    fill_powers(&mut expanded.powers, h);
}

#[target_feature(enable = "neon,aes,sha3")]
fn crypt_eor3<const DIRECTION: bool>(
    key: &Key,
    cache: Option<&CounterCache<2>>,
    pre_counter_block: u128,
    associated_data: &[u8],
    buffer: InOutBuf<'_, '_, u8>,
) -> Result<[u8; 16], Fault> {
    crypt::<DIRECTION, EOR3>(key, cache, pre_counter_block, associated_data, buffer)
}

#[target_feature(enable = "neon,aes")]
fn crypt_plain<const DIRECTION: bool>(
    key: &Key,
    cache: Option<&CounterCache<2>>,
    pre_counter_block: u128,
    associated_data: &[u8],
    buffer: InOutBuf<'_, '_, u8>,
) -> Result<[u8; 16], Fault> {
    crypt::<DIRECTION, NO_EOR3>(key, cache, pre_counter_block, associated_data, buffer)
}

/// The kernel. `EOR3` is not read: it gives each of the two functions above a body of its own, with
/// one caller, into which the compiler puts it. There it takes on that function's features.
#[inline]
#[target_feature(enable = "neon,aes")]
fn crypt<const DIRECTION: bool, const EOR3: bool>(
    key: &Key,
    cache: Option<&CounterCache<2>>,
    pre_counter_block: u128,
    associated_data: &[u8],
    buffer: InOutBuf<'_, '_, u8>,
) -> Result<[u8; 16], Fault> {
    let text_len = buffer.len();
    let hash = absorb_padded(key, vdupq_n_u8(0), associated_data);
    let j0 = load(&pre_counter_block.to_be_bytes());
    let mask = key.round_keys.encrypt_block(j0);
    let hash = match cache.filter(|_| text_len >= GROUP_LEN) {
        Some(cache) => {
            cached_groups::<DIRECTION, EOR3>(key, cache, pre_counter_block, hash, buffer)?
        }
        None => plain_groups::<DIRECTION, EOR3>(key, j0, hash, buffer),
    };

    let lengths = load(&length_block(associated_data.len(), text_len).to_be_bytes());
    let hash = veorq_u8(hash, reverse_bits(lengths));
    let hash = reverse_bits(multiply(hash, &key.powers[GROUP - 1]));
    let mut tag = [0; 16];
    store(&mut tag, veorq_u8(hash, mask));
    Ok(tag)
}

/// Groups whose fourteen rounds are all computed.
#[inline]
#[target_feature(enable = "neon,aes")]
fn plain_groups<const DIRECTION: bool, const EOR3: bool>(
    key: &Key,
    j0: uint8x16_t,
    hash: uint8x16_t,
    buffer: InOutBuf<'_, '_, u8>,
) -> uint8x16_t {
    // The counter is the last word, big-endian: with the bytes of each word reversed it can count.
    let mut counter = vreinterpretq_u32_u8(vrev32q_u8(j0));
    counter = vaddq_u32(counter, one());
    let keystream = first_keystream::<DIRECTION, EOR3>(key, &mut counter, buffer.len());
    let states = || counters(&mut counter);
    each_group::<DIRECTION, EOR3, 0>(key, keystream, hash, buffer, states)
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
fn counters(counter: &mut uint32x4_t) -> Blocks {
    let mut blocks = [vdupq_n_u8(0); GROUP];
    for block in &mut blocks {
        *block = vrev32q_u8(vreinterpretq_u8_u32(*counter));
        *counter = vaddq_u32(*counter, one());
    }
    blocks
}

/// The first group's keystream without the last round key. A short text needs a half of it or none.
///
/// `DIRECTION` and `EOR3` give it one caller: inlined, it leaves the keystream in registers.
#[inline]
#[target_feature(enable = "neon,aes")]
fn first_keystream<const DIRECTION: bool, const EOR3: bool>(
    key: &Key,
    counter: &mut uint32x4_t,
    text_len: usize,
) -> Blocks {
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

#[target_feature(enable = "neon,aes")]
fn ghash(key: &Key, hash: u128, bytes: &[u8]) -> u128 {
    let hash = absorb_padded(key, reverse_bits(load(&hash.to_be_bytes())), bytes);
    let mut out = [0; 16];
    store(&mut out, reverse_bits(hash));
    u128::from_be_bytes(out)
}

#[cfg(test)]
mod tests;
