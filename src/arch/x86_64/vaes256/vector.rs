//! Vectors of 256 bits, two blocks each, under the names that the parts of both wide tiers use.

pub(super) use core::arch::x86_64::{
    __m256i as Vector, _mm256_aesenc_epi128 as aes_round,
    _mm256_aesenclast_epi128 as aes_last_round, _mm256_broadcastsi128_si256 as broadcast,
    _mm256_setzero_si256 as zero, _mm256_xor_si256 as xor, _mm256_zextsi128_si256 as zero_extended,
};

pub(super) use crate::arch::x86_64::memory::{
    load_256 as load_vector, load_partial_256 as load_partial_vector, store_256 as store_vector,
    store_partial_256 as store_partial_vector,
};

/// Length of a vector in bytes.
pub(super) const VECTOR_LEN: usize = 32;

/// The differences of the last vector in a run of 256 counters: its two counters end in 0 and 1.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn last_difference(_: Vector, next: Vector) -> Vector {
    next
}
