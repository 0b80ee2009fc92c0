//! Groups whose first two AES rounds come from a counter cache: see `counter_cache.rs`.
//!
//! A round ends here before its key is added: of the states after round 2 none has the third round
//! key, which round 3 brings with it.

use core::arch::aarch64::{uint8x16_t, vaddq_u8, vdupq_n_u8, veorq_u8, vsetq_lane_u8};
use core::hint::black_box;

use super::Key;
use super::group::{Blocks, GROUP, GROUP_LEN, each_group};
use crate::arch::aarch64::memory::{load, store};
use crate::arch::counter_cache::{
    CounterCache, ENTRIES, FIRST_COUNTER, add_to_counter, sum_of_entries,
};
use crate::arch::{BLOCK_LEN, Fault, InOutBuf};

/// Groups whose first two rounds come from the cache.
#[inline]
#[target_feature(enable = "neon,aes")]
pub(super) fn cached_groups<const DIRECTION: bool, const EOR3: bool>(
    key: &Key,
    cache: &CounterCache<2>,
    pre_counter_block: u128,
    hash: uint8x16_t,
    buffer: InOutBuf<'_, '_, u8>,
) -> Result<uint8x16_t, Fault> {
    let mut differences = Differences { key, block: pre_counter_block & !0xff };
    let mut difference = differences.next();
    let mut done = 0;
    let mut states = || {
        let (first, current) = (done, difference);
        done += GROUP;
        if done % ENTRIES == 0 {
            difference = differences.next();
        }
        // Loaded behind that branch: before it they would take the hash's register.
        let mut states = load_group(cache.group(first));
        // Of the last group's counters in a run the last two end in 0 and 1.
        let (before, behind) = states.split_at_mut(GROUP - usize::from(FIRST_COUNTER));
        for state in before {
            *state = veorq_u8(*state, current);
        }
        for state in behind {
            *state = veorq_u8(*state, difference);
        }
        states
    };
    let mut keystream = states();
    key.round_keys.rounds::<2, 13>(&mut keystream);
    key.round_keys.final_round(&mut keystream);
    let hash = each_group::<DIRECTION, EOR3, 2>(key, keystream, hash, buffer, states);
    if CounterCache::<2>::is_sound_in_all(sum(cache)) { Ok(hash) } else { Err(Fault) }
}

/// The sum of all entries.
#[inline]
#[target_feature(enable = "neon")]
fn sum(cache: &CounterCache<2>) -> u128 {
    // As if it were another table: what was written to it must be read again.
    let cache = black_box(cache);
    let mut bytes = [0; BLOCK_LEN];
    store(&mut bytes, sum_of_entries!(cache, GROUP, GROUP, load_group, vdupq_n_u8(0), veorq_u8));
    u128::from_le_bytes(bytes)
}

#[inline]
#[target_feature(enable = "neon")]
fn load_group(entries: &[u8; GROUP_LEN]) -> Blocks {
    let mut blocks = [vdupq_n_u8(0); GROUP];
    for (block, entry) in blocks.iter_mut().zip(entries.as_chunks().0) {
        *block = load(entry);
    }
    blocks
}

/// The differences `D` of one run of 256 counters after the other.
struct Differences<'k> {
    key: &'k Key,
    /// The counter block with its last byte zero.
    block: u128,
}

impl Differences<'_> {
    #[inline]
    #[target_feature(enable = "neon,aes")]
    fn next(&mut self) -> uint8x16_t {
        // As if it were another in each run: else the compiler leaves what it has loaded of it on the
        // stack.
        let key = black_box(self.key);
        let difference = two_rounds(key, load(&self.block.to_be_bytes()));
        self.block = add_to_counter(self.block, 256);
        difference
    }
}

#[inline]
#[target_feature(enable = "neon,aes")]
fn two_rounds(key: &Key, block: uint8x16_t) -> uint8x16_t {
    let mut state = [block];
    key.round_keys.rounds::<0, 2>(&mut state);
    state[0]
}

#[target_feature(enable = "neon,aes")]
pub(super) fn fill(key: &Key, cache: &mut CounterCache<2>) {
    let base = load(&cache.base_block().to_be_bytes());
    let zeroth = two_rounds(key, base);
    let mut block = vsetq_lane_u8::<15>(FIRST_COUNTER, base);
    let step = vsetq_lane_u8::<15>(1, vdupq_n_u8(0));
    for entries in cache.entries_mut().chunks_exact_mut(GROUP) {
        let mut states = [block; GROUP];
        for state in &mut states {
            *state = block;
            block = vaddq_u8(block, step);
        }
        key.round_keys.rounds::<0, 2>(&mut states);
        for (entry, state) in entries.iter_mut().zip(states) {
            store(entry, veorq_u8(state, zeroth));
        }
    }
}
