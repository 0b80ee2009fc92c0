//! Groups whose first AES round or two come from a counter cache: see `counter_cache.rs`.

use core::arch::x86_64::{
    _mm_aesenc_si128, _mm_setzero_si128, _mm256_aesenc_epi128, _mm256_broadcastsi128_si256,
    _mm256_setzero_si256, _mm256_xor_si256,
};

use super::Key;
use super::ghash::xor_lanes;
use super::group::{GROUP, GROUP_BLOCKS, each_group, load_group};
use crate::arch::Fault;
use crate::arch::counter_cache::{CounterCache, ENTRIES};
use crate::arch::x86_64::counter_cache::{Differences, after_round};
use crate::arch::x86_64::ghash::number;
use crate::arch::x86_64::memory::{load_256, store_256};
use crate::arch::x86_64::message::Message;
use crate::arch::x86_64::reload::reload;

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
    if CounterCache::<2>::is_sound_in_all(sum(cache)) { Ok(message) } else { Err(Fault) }
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
    shared_cache::<DIRECTION>(key, &cache, pre_counter_block, message)
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
    let mut differences = Differences::<ROUNDS>::new(pre_counter_block);
    let mut difference = _mm256_broadcastsi128_si256(differences.next(&key.round_keys));
    let mut done = 0;
    let mut used = _mm256_setzero_si256();
    let mut sound = true;
    let states = || {
        let mut states = load_group(cache.group(done));
        if ROUNDS == 1 {
            used = states.iter().fold(used, |used, entry| _mm256_xor_si256(used, *entry));
        }
        let current = difference;
        let mut last = difference;
        done += GROUP_BLOCKS;
        if done % ENTRIES == 0 {
            difference = _mm256_broadcastsi128_si256(differences.next(&key.round_keys));
            // The last vector's two counters end in 0 and 1.
            last = difference;
            if ROUNDS == 1 {
                sound &= CounterCache::<1>::is_sound_in_all(number(xor_lanes(used)));
                used = _mm256_setzero_si256();
            }
        }
        for (vector, state) in states.iter_mut().enumerate() {
            let difference = if vector == GROUP - 1 { last } else { current };
            *state = _mm256_xor_si256(*state, difference);
        }
        states
    };
    let message = each_group::<DIRECTION, ROUNDS>(key, message, states);
    sound &= ROUNDS != 1 || CounterCache::<1>::is_sound(number(xor_lanes(used)));
    if sound { Ok(message) } else { Err(Fault) }
}

/// The sum of all entries.
#[inline]
#[target_feature(enable = "avx2")]
fn sum(cache: &CounterCache<2>) -> u128 {
    // As if it were another table: what was written to it must be read again.
    let cache = reload(cache);
    let mut sums = [_mm256_setzero_si256(); GROUP];
    for done in (0..ENTRIES).step_by(GROUP_BLOCKS) {
        for (sum, entries) in sums.iter_mut().zip(load_group(cache.group(done))) {
            *sum = _mm256_xor_si256(*sum, entries);
        }
    }
    number(xor_lanes(
        sums.into_iter().fold(_mm256_setzero_si256(), |sum, next| _mm256_xor_si256(sum, next)),
    ))
}

/// Fills a cache of two rounds from that of one. A flipped bit in that one would be seen in this.
#[target_feature(enable = "aes,avx2,vaes")]
fn fill_second_round(key: &Key, first_round: &CounterCache<1>, cache: &mut CounterCache<2>) {
    let base = after_round::<1>(&key.round_keys, cache.base_block());
    // A round ends with the XOR of its key: here that subtracts T[0].
    let first = _mm_aesenc_si128(base, _mm_setzero_si128());
    let (base, first) = (_mm256_broadcastsi128_si256(base), _mm256_broadcastsi128_si256(first));
    let after_one = first_round.entries().as_flattened().as_chunks().0;
    let after_two = cache.entries_mut().as_flattened_mut().as_chunks_mut().0;
    for (after_two, after_one) in after_two.iter_mut().zip(after_one) {
        let state = load_256(after_one);
        store_256(after_two, _mm256_aesenc_epi128(_mm256_xor_si256(state, base), first));
    }
}
