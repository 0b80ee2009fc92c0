//! AES key wrap with the AES instructions: see `arch/key_wrap.rs`.
//!
//! Constant-time: straight-line code for each step.

use core::arch::aarch64::{
    uint8x16_t, vcombine_u64, vcreate_u64, vgetq_lane_u64, vreinterpretq_u8_u64,
    vreinterpretq_u64_u8,
};

use super::aes::RoundKeys;
use crate::arch::key_wrap::{Semiblock, WRAP, each_step};
use crate::arch::token;

token!(support_armv8);

/// The round keys of one direction, wiped on drop; it has them only where a [`Token`] was.
pub(crate) struct Key<const DIRECTION: bool>(RoundKeys);

impl<const DIRECTION: bool> Key<DIRECTION> {
    /// A place for a key.
    pub(crate) fn empty(_: Token) -> Self {
        Self(RoundKeys::zeroed())
    }

    /// Expands `key` where this is.
    pub(crate) fn set(&mut self, key: &[u8; 32]) {
        // SAFETY: a `Key` is made from a token only: `Features::support_armv8` holds.
        unsafe { expand::<DIRECTION>(&mut self.0, key) }
    }

    /// Wraps or unwraps in place; takes the first A and returns the last.
    pub(crate) fn crypt(&self, register: Semiblock, semiblocks: &mut [Semiblock]) -> Semiblock {
        // SAFETY: a `Key` is made from a token only: `Features::support_armv8` holds.
        unsafe { crypt::<DIRECTION>(&self.0, register, semiblocks) }
    }
}

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
