//! Groups whose first AES round or two come from a counter cache: see `counter_cache.rs`.

use core::arch::x86_64::{
    _mm_aesenc_si128, _mm_setzero_si128, _mm512_aesenc_epi128, _mm512_broadcast_i32x4,
    _mm512_mask_blend_epi64, _mm512_setzero_si512, _mm512_xor_si512,
};

use super::Key;
use super::ghash::xor_lanes;
use super::group::{GROUP, GROUP_BLOCKS, Vectors, each_group, load_group};
use super::groups::{Group, Groups, whole_groups};
use super::stream::Stream;
use crate::arch::counter_cache::{CounterCache, ENTRIES};
use crate::arch::x86_64::counter_cache::{Differences, after_round};
use crate::arch::x86_64::ghash::number;
use crate::arch::x86_64::memory::{load_512, store_512};
use crate::arch::x86_64::message::Message;
use crate::arch::x86_64::reload::reload;
use crate::arch::{Fault, OPEN};

/// With a cache of two rounds that other texts use as well. The output goes past the processor's caches
/// where `non_temporal` asks for it and it can.
#[inline]
#[target_feature(enable = "aes,pclmulqdq,avx512f,avx512bw,avx512vl,avx512dq,vaes,vpclmulqdq")]
pub(super) fn shared_cache<'i, 'o, const DIRECTION: bool, const CORE: bool>(
    key: &Key,
    cache: &CounterCache<2>,
    non_temporal: bool,
    pre_counter_block: u128,
    message: Message<'i, 'o>,
) -> Result<Message<'i, 'o>, Fault> {
    let message = if non_temporal {
        streamed_groups::<DIRECTION, CORE>(key, cache, pre_counter_block, message)?
    } else {
        placed_groups::<DIRECTION, CORE, 2>(key, cache, pre_counter_block, message)?
    };
    if CounterCache::<2>::is_sound_in_all(sum(cache)) { Ok(message) } else { Err(Fault) }
}

/// With a cache of two rounds for this text alone, on the stack: a function of its own, so that
/// shorter texts do not pay for the room.
#[inline(never)]
#[target_feature(enable = "aes,pclmulqdq,avx512f,avx512bw,avx512vl,avx512dq,vaes,vpclmulqdq")]
pub(super) fn own_cache<'i, 'o, const DIRECTION: bool, const CORE: bool>(
    key: &Key,
    first_round: &CounterCache<1>,
    non_temporal: bool,
    pre_counter_block: u128,
    message: Message<'i, 'o>,
) -> Result<Message<'i, 'o>, Fault> {
    let mut cache = CounterCache::empty(pre_counter_block);
    fill_second_round(key, first_round, &mut cache);
    shared_cache::<DIRECTION, CORE>(key, &cache, non_temporal, pre_counter_block, message)
}

/// Groups whose output goes past the processor's caches; those of a text that cannot, where it belongs.
#[inline(never)]
#[target_feature(enable = "aes,pclmulqdq,avx512f,avx512bw,avx512vl,avx512dq,vaes,vpclmulqdq")]
fn streamed_groups<'i, 'o, const DIRECTION: bool, const CORE: bool>(
    key: &Key,
    cache: &CounterCache<2>,
    pre_counter_block: u128,
    message: Message<'i, 'o>,
) -> Result<Message<'i, 'o>, Fault> {
    let (inputs, mut stream, message) = match Stream::of(message) {
        Ok(parts) => parts,
        Err(message) => {
            return placed_groups::<DIRECTION, CORE, 2>(key, cache, pre_counter_block, message);
        }
    };
    let mut groups = stream.groups(inputs);
    // However short this text is, it is part of more than the caches hold. (Sealing short ones it costs more
    // than it gains.)
    groups.ask_ahead |= DIRECTION == OPEN;
    let message =
        cached_groups::<DIRECTION, CORE, 2, _>(key, cache, pre_counter_block, groups, message);
    stream.finish();
    message
}

/// Groups whose output goes where their text's type says.
#[inline(never)]
#[target_feature(enable = "aes,pclmulqdq,avx512f,avx512bw,avx512vl,avx512dq,vaes,vpclmulqdq")]
pub(super) fn placed_groups<
    'i,
    'o,
    const DIRECTION: bool,
    const CORE: bool,
    const ROUNDS: usize,
>(
    key: &Key,
    cache: &CounterCache<ROUNDS>,
    pre_counter_block: u128,
    message: Message<'i, 'o>,
) -> Result<Message<'i, 'o>, Fault> {
    let (groups, message) = whole_groups(message);
    cached_groups::<DIRECTION, CORE, ROUNDS, _>(key, cache, pre_counter_block, groups, message)
}

/// Groups whose first `ROUNDS` rounds come from the cache. Returns the text behind them.
#[inline]
#[target_feature(enable = "aes,pclmulqdq,avx512f,avx512bw,avx512vl,avx512dq,vaes,vpclmulqdq")]
fn cached_groups<'i, 'o, const DIRECTION: bool, const CORE: bool, const ROUNDS: usize, G: Group>(
    key: &Key,
    cache: &CounterCache<ROUNDS>,
    pre_counter_block: u128,
    groups: Groups<impl Iterator<Item = G>, impl FnMut(G, &Vectors)>,
    message: Message<'i, 'o>,
) -> Result<Message<'i, 'o>, Fault> {
    let mut differences = Differences::<ROUNDS>::new(pre_counter_block);
    let mut difference = _mm512_broadcast_i32x4(differences.next(&key.round_keys));
    let mut done = 0;
    let mut used = _mm512_setzero_si512();
    let mut sound = true;
    let states = || {
        let mut states = load_group(cache.group(done));
        if ROUNDS == 1 {
            used = states.iter().fold(used, |used, entry| _mm512_xor_si512(used, *entry));
        }
        let current = difference;
        let mut last = difference;
        done += GROUP_BLOCKS;
        if done % ENTRIES == 0 {
            // A stream needs so many registers that the compiler would leave round keys on the stack. Without
            // one it does not, and reading them again takes 2 to 4 % of a long text.
            let key = if G::STREAMED { reload(key) } else { key };
            difference = _mm512_broadcast_i32x4(differences.next(&key.round_keys));
            // Of the last vector's four counters two end in 254 and 255, two in 0 and 1.
            last = _mm512_mask_blend_epi64(0xf0, current, difference);
            if ROUNDS == 1 {
                sound &= CounterCache::<1>::is_sound_in_all(number(xor_lanes(used)));
                used = _mm512_setzero_si512();
            }
        }
        for (vector, state) in states.iter_mut().enumerate() {
            let difference = if vector == GROUP - 1 { last } else { current };
            *state = _mm512_xor_si512(*state, difference);
        }
        states
    };
    let message = each_group::<DIRECTION, CORE, ROUNDS, G>(key, groups, message, states);
    sound &= ROUNDS != 1 || CounterCache::<1>::is_sound(number(xor_lanes(used)));
    if sound { Ok(message) } else { Err(Fault) }
}

/// The sum of all entries.
#[inline]
#[target_feature(enable = "avx512f")]
fn sum(cache: &CounterCache<2>) -> u128 {
    // As if it were another table: what was written to it must be read again.
    let cache = reload(cache);
    let mut sums = [_mm512_setzero_si512(); GROUP];
    for done in (0..ENTRIES).step_by(GROUP_BLOCKS) {
        for (sum, entries) in sums.iter_mut().zip(load_group(cache.group(done))) {
            *sum = _mm512_xor_si512(*sum, entries);
        }
    }
    number(xor_lanes(
        sums.into_iter().fold(_mm512_setzero_si512(), |sum, next| _mm512_xor_si512(sum, next)),
    ))
}

/// Fills a cache of two rounds from that of one. A flipped bit in that one would be seen in this.
#[target_feature(enable = "aes,avx512f,avx512bw,avx512vl,vaes")]
fn fill_second_round(key: &Key, first_round: &CounterCache<1>, cache: &mut CounterCache<2>) {
    let base = after_round::<1>(&key.round_keys, cache.base_block());
    // A round ends with the XOR of its key: here that subtracts T[0].
    let first = _mm_aesenc_si128(base, _mm_setzero_si128());
    let (base, first) = (_mm512_broadcast_i32x4(base), _mm512_broadcast_i32x4(first));
    let after_one = first_round.entries().as_flattened().as_chunks().0;
    let after_two = cache.entries_mut().as_flattened_mut().as_chunks_mut().0;
    for (after_two, after_one) in after_two.iter_mut().zip(after_one) {
        let state = load_512(after_one);
        store_512(after_two, _mm512_aesenc_epi128(_mm512_xor_si512(state, base), first));
    }
}
