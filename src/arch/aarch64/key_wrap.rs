//! AES key wrap with the AES instructions: see `arch/key_wrap.rs`.
//!
//! Constant-time: straight-line code for each step.

use core::arch::aarch64::{
    uint8x16_t, vcombine_u64, vcreate_u64, vgetq_lane_u64, vreinterpretq_u8_u64,
    vreinterpretq_u64_u8,
};

use super::aes::RoundKeys;
use crate::arch::key_wrap::{Semiblock, WRAP, each_step, key};

key!(support_armv8);

#[target_feature(enable = "neon,aes")]
fn expand<const DIRECTION: bool>(round_keys: &mut RoundKeys, key: &[u8; 32]) {
    round_keys.set(key);
    if DIRECTION != WRAP {
        round_keys.invert();
    }
}

#[target_feature(enable = "neon,aes")]
fn crypt<const DIRECTION: bool>(
    round_keys: &RoundKeys,
    register: Semiblock,
    semiblocks: &mut [Semiblock],
) -> Semiblock {
    let step = |a: u64, semiblock: &mut Semiblock, t: u64| {
        let (t, r) = (t.to_be(), u64::from_ne_bytes(*semiblock));
        let (a, block) = if DIRECTION == WRAP {
            let block = round_keys.encrypt_block(pair(a, r));
            (low(block) ^ t, block)
        } else {
            let block = round_keys.decrypt_block(pair(a ^ t, r));
            (low(block), block)
        };
        *semiblock = vgetq_lane_u64::<1>(vreinterpretq_u64_u8(block)).to_ne_bytes();
        a
    };
    each_step::<DIRECTION, _>(u64::from_ne_bytes(register), semiblocks, step).to_ne_bytes()
}

#[inline]
#[target_feature(enable = "neon")]
fn pair(low: u64, high: u64) -> uint8x16_t {
    vreinterpretq_u8_u64(vcombine_u64(vcreate_u64(low), vcreate_u64(high)))
}

#[inline]
#[target_feature(enable = "neon")]
fn low(block: uint8x16_t) -> u64 {
    vgetq_lane_u64::<0>(vreinterpretq_u64_u8(block))
}
