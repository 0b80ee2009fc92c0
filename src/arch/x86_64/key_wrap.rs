//! AES key wrap with AES-NI: see `arch/key_wrap.rs`.
//!
//! A stays in a vector from step to step: what a block waits for is AES alone.
//!
//! Constant-time: straight-line code for each step.

use core::arch::x86_64::{
    __m128i, _mm_cvtsi64_si128, _mm_cvtsi128_si64, _mm_move_epi64, _mm_set_epi64x,
    _mm_unpackhi_epi64, _mm_xor_si128,
};

use super::aes::RoundKeys;
use crate::arch::key_wrap::{Semiblock, WRAP, each_step, key};

key!(support_aesni);

#[target_feature(enable = "aes,ssse3")]
fn expand<const DIRECTION: bool>(round_keys: &mut RoundKeys, key: &[u8; 32]) {
    round_keys.set(key);
    if DIRECTION != WRAP {
        round_keys.invert();
    }
}

#[target_feature(enable = "aes,ssse3")]
fn crypt<const DIRECTION: bool>(
    round_keys: &RoundKeys,
    register: Semiblock,
    semiblocks: &mut [Semiblock],
) -> Semiblock {
    let step = |a: __m128i, semiblock: &mut Semiblock, t: u64| {
        let t = _mm_cvtsi64_si128(i64::from_ne_bytes(t.to_be_bytes()));
        let r = _mm_set_epi64x(i64::from_ne_bytes(*semiblock), 0);
        let (a, block) = if DIRECTION == WRAP {
            let block = round_keys.encrypt_block(_mm_xor_si128(_mm_move_epi64(a), r));
            (_mm_xor_si128(block, t), block)
        } else {
            let block = _mm_xor_si128(_mm_move_epi64(a), _mm_xor_si128(r, t));
            let block = round_keys.decrypt_block(block);
            (block, block)
        };
        *semiblock = low(_mm_unpackhi_epi64(block, block));
        a
    };
    let register = _mm_cvtsi64_si128(i64::from_ne_bytes(register));
    low(each_step::<DIRECTION, _>(register, semiblocks, step))
}

#[inline]
#[target_feature(enable = "sse2")]
fn low(block: __m128i) -> Semiblock {
    _mm_cvtsi128_si64(block).to_ne_bytes()
}
