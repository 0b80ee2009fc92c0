//! Loads and stores: the only pointers of the aarch64 tier.

use core::arch::aarch64::{uint8x16_t, vld1q_u8, vst1q_u8};

/// Sixteen bytes as a vector, the first byte lowest.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn load(bytes: &[u8; 16]) -> uint8x16_t {
    // SAFETY: the reference is valid for reads of 16 bytes; a vector of bytes needs no alignment.
    unsafe { vld1q_u8(bytes.as_ptr()) }
}

/// Writes a vector as sixteen bytes.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn store(bytes: &mut [u8; 16], vector: uint8x16_t) {
    // SAFETY: the reference is valid for writes of 16 bytes; a vector of bytes needs no alignment.
    unsafe { vst1q_u8(bytes.as_mut_ptr(), vector) }
}
