//! Vectors of 512 bits, four blocks each, under the names that the parts of both wide tiers use.

use core::arch::x86_64::_mm512_mask_blend_epi64;
pub(super) use core::arch::x86_64::{
    __m512i as Vector, _mm512_aesenc_epi128 as aes_round,
    _mm512_aesenclast_epi128 as aes_last_round, _mm512_broadcast_i32x4 as broadcast,
    _mm512_setzero_si512 as zero, _mm512_xor_si512 as xor, _mm512_zextsi128_si512 as zero_extended,
};

pub(super) use crate::arch::x86_64::memory::{
    load_512 as load_vector, load_partial_512 as load_partial_vector, store_512 as store_vector,
    store_partial_512 as store_partial_vector,
};

/// Length of a vector in bytes.
pub(super) const VECTOR_LEN: usize = 64;

/// The differences of the last vector in a run of 256 counters: two of its four counters end in 254 and
/// 255, two in 0 and 1.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn last_difference(current: Vector, next: Vector) -> Vector {
    _mm512_mask_blend_epi64(0xf0, current, next)
}
