//! A known-answer test a tier, run at its first use in a process (as FIPS 140-3 asks of a module
//! before it offers an algorithm).

use core::sync::atomic::{AtomicU8, Ordering};

use super::tier::Tier;
use super::{Backend, ExpandedKey};
use crate::arch::{Hints, InOutBuf};

const UNTESTED: u8 = 0;
const PASSED: u8 = 1;
const FAILED: u8 = 2;

/// The result for each tier. Two threads may both run a test; they find the same.
static RESULTS: [AtomicU8; Tier::ALL.len()] = [const { AtomicU8::new(UNTESTED) }; Tier::ALL.len()];

/// Long enough for two groups of every kernel, a masked vector and a partial block.
const TEXT_LEN: usize = 1127;

/// The tag of [`TEXT_LEN`] bytes `7 i + 3` under key 00, 01, …, 1f and nonce a0, a1, …, ab with
/// 50 bytes of associated data `5 i + 1`, as OpenSSL computes it.
const TAG: [u8; 16] = [
    0xa6, 0xe2, 0x14, 0x95, 0xa5, 0x9d, 0x0d, 0xfb, 0x23, 0x19, 0xab, 0xb5, 0x10, 0x01, 0xad, 0xf6,
];

/// True where the tier passes the known-answer test, which runs once.
pub(super) fn passes(backend: Backend, tier: Tier) -> bool {
    let result = &RESULTS[tier as usize];
    match result.load(Ordering::Relaxed) {
        UNTESTED => {
            let passed = answers_rightly(&backend.expand(&core::array::from_fn(to_u8), true));
            result.store(if passed { PASSED } else { FAILED }, Ordering::Relaxed);
            passed
        }
        known => known == PASSED,
    }
}

/// Seals the known text, compares the tag (which vouches for the ciphertext), opens it again.
fn answers_rightly(key: &ExpandedKey) -> bool {
    let mut pre_counter_block: [u8; 16] = core::array::from_fn(|i| to_u8(i + 0xa0));
    pre_counter_block[12..].copy_from_slice(&[0, 0, 0, 1]);
    let pre_counter_block = u128::from_be_bytes(pre_counter_block);
    let associated_data: [u8; 50] = core::array::from_fn(|i| to_u8(5 * i + 1));
    let text: [u8; TEXT_LEN] = core::array::from_fn(|i| to_u8(7 * i + 3));

    // Without a shared counter cache, with one, and past the processor's caches: on some tiers these are
    // three bodies.
    let cache = key.counter_cache(pre_counter_block);
    let cached = Hints { cache: cache.as_deref(), ..Hints::default() };
    [Hints::default(), cached, Hints { non_temporal: true, ..cached }].into_iter().all(|hints| {
        let mut sealed = Aligned([0; TEXT_LEN]);
        let Ok(buffer) = InOutBuf::new(&text, &mut sealed.0) else { return false };
        let sealed_tag = key.seal(hints, pre_counter_block, &associated_data, buffer);
        let mut opened = Aligned([0; TEXT_LEN]);
        let Ok(buffer) = InOutBuf::new(&sealed.0, &mut opened.0) else { return false };
        let opened_tag = key.open(hints, pre_counter_block, &associated_data, buffer);
        let right = |tag| matches!(tag, Ok(TAG));
        right(sealed_tag) && right(opened_tag) && opened.0 == text
    })
}

/// A text that begins with a word of eight bytes, as those that are streamed do.
#[repr(align(8))]
struct Aligned([u8; TEXT_LEN]);

#[allow(clippy::cast_possible_truncation, reason = "the pattern's low byte is what is meant")]
fn to_u8(value: usize) -> u8 {
    value as u8
}

/// True where the known-answer test fails under a wrong key in every tier.
#[cfg(test)]
pub(super) fn catches_a_wrong_key() -> bool {
    Backend::available().all(|backend| !answers_rightly(&backend.expand(&[0; 32], true)))
}
