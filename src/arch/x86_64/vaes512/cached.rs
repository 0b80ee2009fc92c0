//! Groups whose first AES round or two come from a counter cache: see `counter_cache.rs`.

use core::arch::x86_64::{_mm_aesenc_si128, _mm_setzero_si128};

use super::Key;
use super::ghash::xor_lanes;
use super::group::{GROUP, GROUP_BLOCKS, Vectors, each_group, load_group};
use super::groups::{Group, Groups, whole_groups};
use super::stream::Stream;
use super::vector::{aes_round, broadcast, last_difference, load_vector, store_vector, xor, zero};
use crate::arch::counter_cache::{CounterCache, ENTRIES, sum_of_entries};
use crate::arch::x86_64::counter_cache::{Differences, after_round};
use crate::arch::x86_64::ghash::number;
use crate::arch::x86_64::message::Message;
use crate::arch::x86_64::reload::reload;
use crate::arch::x86_64::wide::cached::{whole_caches, with_cached_states};
use crate::arch::{Fault, OPEN};
use crate::secret::wipe_stack;

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
    if is_sound(cache) { Ok(message) } else { Err(Fault) }
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
    let message =
        shared_cache::<DIRECTION, CORE>(key, &cache, non_temporal, pre_counter_block, message);
    // What lies deeper for the table is not reached from where the key is dropped.
    wipe_stack();
    message
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
    // A stream needs so many registers that the compiler would leave round keys on the stack. Without
    // one it does not, and reading them again takes 2 to 4 % of a long text.
    with_cached_states!(
        key,
        cache,
        ROUNDS,
        pre_counter_block,
        if G::STREAMED { reload(key) } else { key },
        states => each_group::<DIRECTION, CORE, ROUNDS, G>(key, groups, message, states)
    )
}

whole_caches!("aes,pclmulqdq,avx512f,avx512bw,avx512vl,avx512dq,vaes,vpclmulqdq");
