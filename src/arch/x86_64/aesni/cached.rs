//! Groups whose first two AES rounds come from a counter cache: see `counter_cache.rs`.

use core::arch::x86_64::{_mm_setzero_si128, _mm_xor_si128};

use super::Key;
use super::group::{IN_FLIGHT, each_group, load_blocks};
use crate::arch::Fault;
use crate::arch::counter_cache::{CounterCache, ENTRIES, FIRST_COUNTER, sum_of_entries};
use crate::arch::x86_64::counter_cache::Differences;
use crate::arch::x86_64::ghash::number;
use crate::arch::x86_64::message::Message;
use crate::arch::x86_64::reload::reload;

/// Groups whose first two rounds come from the cache.
#[inline]
#[target_feature(enable = "aes,pclmulqdq,ssse3,sse4.1")]
pub(super) fn cached_groups<'i, 'o, const DIRECTION: bool, const AVX: bool>(
    key: &Key,
    cache: &CounterCache<2>,
    pre_counter_block: u128,
    message: Message<'i, 'o>,
) -> Result<Message<'i, 'o>, Fault> {
    let mut differences = Differences::<2>::new(pre_counter_block);
    let mut difference = differences.next(&key.round_keys);
    let mut done = 0;
    let states = || {
        let mut states = load_blocks(cache.group(done));
        let current = difference;
        done += IN_FLIGHT;
        if done % ENTRIES == 0 {
            difference = differences.next(&key.round_keys);
        }
        for (number, state) in states.iter_mut().enumerate() {
            // The last two counters of a run's last eight end in 0 and 1.
            let of_next = number >= IN_FLIGHT - usize::from(FIRST_COUNTER);
            *state = _mm_xor_si128(*state, if of_next { difference } else { current });
        }
        states
    };
    let message = each_group::<DIRECTION, AVX, 2>(key, message, states);
    if CounterCache::<2>::is_sound_in_all(sum(cache)) { Ok(message) } else { Err(Fault) }
}

/// The sum of all entries.
#[inline]
#[target_feature(enable = "ssse3,sse4.1")]
fn sum(cache: &CounterCache<2>) -> u128 {
    // As if it were another table: what was written to it must be read again.
    let cache = reload(cache);
    number(sum_of_entries!(
        cache,
        IN_FLIGHT,
        IN_FLIGHT,
        load_blocks,
        _mm_setzero_si128(),
        _mm_xor_si128
    ))
}
