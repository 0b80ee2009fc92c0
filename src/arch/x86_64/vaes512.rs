//! The `vaes512` tier: VAES and VPCLMULQDQ on eight 512-bit vectors, 32 blocks, at a time.
//!
//! ```text
//! for each group of 8 vectors (see group.rs; each reads its text once):
//!     states = AES round 1 of the counters or rounds 1 and 2, from a counter cache, or neither
//!     the rounds from there to the 13th, between them GHASH of
//!         sealing: the group before, so that AES never waits for it
//!         opening: this group's ciphertext, which is there
//!     output = last round of states, its key ^ text
//! what is left and the block of lengths: see wide/tail.rs
//! tag = AES(J0) ^ hash
//! ```
//!
//! NIST SP 800-38D, algorithms 4 and 5; `counter_cache.rs` for the cache.
//!
//! Constant-time: branches, indexes and masks depend on lengths, counters and addresses of texts alone.

mod cached;
mod ghash;
mod group;
mod group_product;
mod groups;
mod powers;
mod stream;
mod tuning;
/// The end of a text: see `wide/tail.rs`.
mod tail {
    crate::arch::x86_64::wide::tail::tail!(
        "aes,pclmulqdq,avx512f,avx512bw,avx512vl,avx512dq,vaes,vpclmulqdq"
    );
}
mod vector;

use alloc::boxed::Box;
use core::arch::x86_64::{
    __m128i, __m512i, _mm_setzero_si128, _mm512_add_epi32, _mm512_broadcast_i32x4,
    _mm512_set_epi32, _mm512_setzero_si512, _mm512_xor_si512, _mm512_zextsi128_si512,
};

use self::cached::{own_cache, placed_groups, shared_cache};
use self::ghash::{Product, reverse_lanes};
use self::group::{GROUP, GROUP_LEN, each_group, hash_group, load_group, round_key};
use self::groups::whole_groups;
use self::powers::{POWERS, PowerSums, Powers};
use self::tail::Tail;
use self::tuning::{OTHER, ZEN_5};
use self::vector::VECTOR_LEN;
use super::aes::RoundKeys;
use super::counter_cache::fill;
use super::ghash::{hash_key, number, reversed_block};
use super::memory::load_partial_512;
use super::message::{Message, tag};
use super::wide::crypt::crypt;
use crate::arch::counter_cache::CounterCache;
use crate::arch::{BLOCK_LEN, Fault, Hints, InOutBuf, Kernel, length_block, token};

/// From this length on a table for one text pays for itself.
const CACHE_FROM: usize = 32 * 1024;
const CACHE_FROM_ZEN_5: usize = 128 * 1024;

token!(support_vaes512, zen_5: are_of_zen_5);

/// The expanded key, wiped on drop. It exists only where a [`Token`] did.
pub(crate) struct Key {
    round_keys: RoundKeys,
    powers: Powers,
    power_sums: PowerSums,
    /// 1 on Zen 5. A number, for the values that a `bool` does not have would distinguish
    /// [`ExpandedKey`](crate::backend)'s variants, and short texts wait for that.
    zen_5: usize,
    /// For texts that share no cache of two rounds.
    first_round: Option<Box<CounterCache<1>>>,
}

impl Kernel for Key {
    type Token = Token;

    fn new(token: Token, key: &[u8; 32], first_rounds: bool) -> Box<Self> {
        let mut expanded = Box::new(Self {
            round_keys: RoundKeys::zeroed(),
            powers: Powers::zeroed(),
            power_sums: PowerSums::zeroed(),
            zen_5: token.zen_5.into(),
            first_round: None,
        });
        // SAFETY: the token says that `Features::support_vaes512` holds.
        unsafe { expand(&mut expanded, key, first_rounds) };
        expanded
    }

    #[inline]
    fn crypt<const DIRECTION: bool>(
        &self,
        hints: Hints<'_>,
        pre_counter_block: u128,
        associated_data: &[u8],
        buffer: InOutBuf<'_, '_, u8>,
    ) -> Result<[u8; 16], Fault> {
        // SAFETY: a `Key` is made from a token only: `Features::support_vaes512` holds.
        unsafe { crypt::<DIRECTION>(self, hints, pre_counter_block, associated_data, buffer) }
    }

    fn ghash(&self, hash: u128, bytes: &[u8]) -> u128 {
        // SAFETY: a `Key` is made from a token only: `Features::support_vaes512` holds.
        unsafe { ghash(self, hash, bytes) }
    }

    fn counter_cache(&self, pre_counter_block: u128) -> Option<Box<CounterCache<2>>> {
        Some(CounterCache::filled(pre_counter_block, |cache| self.fill(cache)))
    }

    #[cfg(any(test, fuzzing))]
    fn first_round_mut(&mut self) -> Option<&mut CounterCache<1>> {
        self.first_round.as_deref_mut()
    }
}

impl Key {
    /// Fills a cache for pre-counter blocks like the one it was made for.
    pub(crate) fn fill(&self, cache: &mut CounterCache<2>) {
        // SAFETY: a `Key` is made from a token only: `Features::support_vaes512` holds.
        unsafe { fill(&self.round_keys, cache) }
    }
}

#[target_feature(enable = "aes,pclmulqdq,avx512f,avx512bw,avx512vl,avx512dq,vaes,vpclmulqdq")]
fn expand(expanded: &mut Key, key: &[u8; 32], first_rounds: bool) {
    let Key { round_keys, powers, power_sums, first_round, .. } = expanded;
    round_keys.set(key);
    // Before the powers, which the compiler would keep on the stack while this is made.
    *first_round = first_rounds.then(|| CounterCache::filled(0, |cache| fill(round_keys, cache)));
    powers.set(hash_key(round_keys.encrypt_block(_mm_setzero_si128())));
    power_sums.set(powers);
}

crypt!("aes,pclmulqdq,avx512f,avx512bw,avx512vl,avx512dq,vaes,vpclmulqdq");

/// The counters of four blocks, `done` blocks after the first of the text, byte-reversed: the 32-bit
/// counter is the lowest word of a lane.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn counters(pre_counter_block: u128, done: usize) -> __m512i {
    // Counters are 32 bits wide and wrap.
    #[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "as they do")]
    let done = done as u32 as i32;
    let j0 = _mm512_broadcast_i32x4(reversed_block(pre_counter_block));
    let lanes = _mm512_set_epi32(0, 0, 0, 4, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 1);
    let offset = _mm512_set_epi32(0, 0, 0, done, 0, 0, 0, done, 0, 0, 0, done, 0, 0, 0, done);
    _mm512_add_epi32(_mm512_add_epi32(j0, lanes), offset)
}

/// Four in each lane's counter: one vector further.
#[inline]
#[target_feature(enable = "avx512f")]
fn next_vector(counter: __m512i) -> __m512i {
    let four = _mm512_set_epi32(0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 4);
    _mm512_add_epi32(counter, four)
}

/// All whole groups of a text.
#[inline(never)]
#[target_feature(enable = "aes,pclmulqdq,avx512f,avx512bw,avx512vl,avx512dq,vaes,vpclmulqdq")]
fn groups<'i, 'o, const DIRECTION: bool>(
    key: &Key,
    hints: Hints<'_>,
    pre_counter_block: u128,
    message: Message<'i, 'o>,
) -> Result<Message<'i, 'o>, Fault> {
    if message.rest.len() < GROUP_LEN {
        Ok(message)
    } else if key.zen_5 == 1 {
        groups_by::<DIRECTION, ZEN_5>(key, hints, pre_counter_block, message)
    } else {
        groups_by::<DIRECTION, OTHER>(key, hints, pre_counter_block, message)
    }
}

/// The same, in the form that suits one kind of core.
#[inline]
#[target_feature(enable = "aes,pclmulqdq,avx512f,avx512bw,avx512vl,avx512dq,vaes,vpclmulqdq")]
fn groups_by<'i, 'o, const DIRECTION: bool, const CORE: bool>(
    key: &Key,
    hints: Hints<'_>,
    pre_counter_block: u128,
    message: Message<'i, 'o>,
) -> Result<Message<'i, 'o>, Fault> {
    if let Some(cache) = hints.cache.filter(|cache| cache.serves(pre_counter_block)) {
        shared_cache::<DIRECTION, CORE>(key, cache, hints.non_temporal, pre_counter_block, message)
    } else if let Some(first_round) =
        key.first_round.as_deref().filter(|cache| cache.serves(pre_counter_block))
    {
        if message.rest.len() >= if CORE == ZEN_5 { CACHE_FROM_ZEN_5 } else { CACHE_FROM } {
            own_cache::<DIRECTION, CORE>(
                key,
                first_round,
                hints.non_temporal,
                pre_counter_block,
                message,
            )
        } else {
            placed_groups::<DIRECTION, CORE, 1>(key, first_round, pre_counter_block, message)
        }
    } else {
        Ok(plain_groups::<DIRECTION, CORE>(key, pre_counter_block, message))
    }
}

/// Groups whose fourteen rounds are all computed.
#[inline(never)]
#[target_feature(enable = "aes,pclmulqdq,avx512f,avx512bw,avx512vl,avx512dq,vaes,vpclmulqdq")]
fn plain_groups<'i, 'o, const DIRECTION: bool, const CORE: bool>(
    key: &Key,
    pre_counter_block: u128,
    message: Message<'i, 'o>,
) -> Message<'i, 'o> {
    let whitening = round_key(key, 0);
    let mut counter = counters(pre_counter_block, 0);
    let states = || {
        let mut states = [_mm512_setzero_si512(); GROUP];
        for state in &mut states {
            *state = _mm512_xor_si512(reverse_lanes(counter), whitening);
            counter = next_vector(counter);
        }
        states
    };
    let (groups, message) = whole_groups(message);
    each_group::<DIRECTION, CORE, 0, _>(key, groups, message, states)
}

/// GHASH of any number of bytes onto `hash`, the last block filled up with zeros.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,vpclmulqdq")]
fn absorb_padded(key: &Key, mut hash: __m128i, bytes: &[u8]) -> __m128i {
    let (groups, rest) = bytes.as_chunks::<GROUP_LEN>();
    for group in groups {
        let blocks = load_group(group);
        hash = if key.zen_5 == 1 {
            hash_group::<ZEN_5>(key, &blocks, hash)
        } else {
            hash_group::<OTHER>(key, &blocks, hash)
        };
    }
    if !rest.is_empty() {
        let vectors = rest.chunks(VECTOR_LEN).map(|vector| load_partial_512(vector));
        hash = absorb_group(key, hash, rest.len().div_ceil(BLOCK_LEN), vectors);
    }
    hash
}

/// GHASH of so many blocks, at most a group, onto `hash`: it comes in last, for it is the last to be
/// known.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,vpclmulqdq")]
fn absorb_group(
    key: &Key,
    hash: __m128i,
    blocks: usize,
    vectors: impl ExactSizeIterator<Item = __m512i> + DoubleEndedIterator,
) -> __m128i {
    let mut product = Product::zero();
    for (number, vector) in vectors.enumerate().rev() {
        let vector = match number {
            0 => _mm512_xor_si512(reverse_lanes(vector), _mm512_zextsi128_si512(hash)),
            _ => reverse_lanes(vector),
        };
        product.add(vector, key.powers.vector(blocks - 4 * number));
    }
    product.reduce()
}

#[target_feature(enable = "aes,pclmulqdq,avx512f,avx512bw,vpclmulqdq")]
fn ghash(key: &Key, hash: u128, bytes: &[u8]) -> u128 {
    number(absorb_padded(key, reversed_block(hash), bytes))
}

#[cfg(test)]
mod tests;
