//! Groups whose first AES round or two come from a counter cache: see `counter_cache.rs`.

use core::arch::x86_64::{_mm_aesenc_si128, _mm_setzero_si128};

use super::Key;
use super::ghash::xor_lanes;
use super::group::{GROUP, GROUP_BLOCKS, each_group, load_group};
use super::vector::{aes_round, broadcast, last_difference, load_vector, store_vector, xor, zero};
use crate::arch::Fault;
use crate::arch::counter_cache::{CounterCache, ENTRIES, sum_of_entries};
use crate::arch::x86_64::counter_cache::{Differences, after_round};
use crate::arch::x86_64::ghash::number;
use crate::arch::x86_64::message::Message;
use crate::arch::x86_64::reload::reload;
use crate::arch::x86_64::wide::cached::{whole_caches, with_cached_states};
use crate::secret::wipe_stack;

/// With a cache of two rounds that other texts use as well.
#[inline]
#[target_feature(enable = "aes,pclmulqdq,avx2,vaes,vpclmulqdq")]
pub(super) fn shared_cache<'i, 'o, const DIRECTION: bool>(
    key: &Key,
    cache: &CounterCache<2>,
    pre_counter_block: u128,
    message: Message<'i, 'o>,
) -> Result<Message<'i, 'o>, Fault> {
    let message = cached_groups::<DIRECTION, 2>(key, cache, pre_counter_block, message)?;
    if is_sound(cache) { Ok(message) } else { Err(Fault) }
}

/// With a cache of two rounds for this text alone, on the stack: a function of its own, so that
/// shorter texts do not pay for the room.
#[inline(never)]
#[target_feature(enable = "aes,pclmulqdq,avx2,vaes,vpclmulqdq")]
pub(super) fn own_cache<'i, 'o, const DIRECTION: bool>(
    key: &Key,
    first_round: &CounterCache<1>,
    pre_counter_block: u128,
    message: Message<'i, 'o>,
) -> Result<Message<'i, 'o>, Fault> {
    let mut cache = CounterCache::empty(pre_counter_block);
    fill_second_round(key, first_round, &mut cache);
    let message = shared_cache::<DIRECTION>(key, &cache, pre_counter_block, message);
    // What lies deeper for the table is not reached from where the key is dropped.
    wipe_stack();
    message
}

/// Groups whose first `ROUNDS` rounds come from the cache.
#[inline(never)]
#[target_feature(enable = "aes,pclmulqdq,avx2,vaes,vpclmulqdq")]
pub(super) fn cached_groups<'i, 'o, const DIRECTION: bool, const ROUNDS: usize>(
    key: &Key,
    cache: &CounterCache<ROUNDS>,
    pre_counter_block: u128,
    message: Message<'i, 'o>,
) -> Result<Message<'i, 'o>, Fault> {
    with_cached_states!(
        key,
        cache,
        ROUNDS,
        pre_counter_block,
        key,
        states => each_group::<DIRECTION, ROUNDS>(key, message, states)
    )
}

whole_caches!("aes,pclmulqdq,avx2,vaes,vpclmulqdq");
