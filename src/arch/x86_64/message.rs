//! The message that a kernel works on, and its tag.

use core::arch::x86_64::{__m128i, _mm_xor_si128};

use super::aes::RoundKeys;
use super::ghash::{reverse_bytes, reversed_block};
use super::memory::store_128;
use crate::arch::InOutBuf;

/// A message of which some groups are done: the hash so far, and the text that is left.
pub(super) struct Message<'i, 'o> {
    /// GHASH of associated data and of the text so far.
    pub(super) hash: __m128i,
    /// The block of lengths, byte-reversed.
    pub(super) lengths: __m128i,
    /// The text that is not yet encrypted or decrypted.
    pub(super) rest: InOutBuf<'i, 'o, u8>,
}

/// The hash of all under AES(J0).
#[inline]
#[target_feature(enable = "aes,ssse3")]
pub(super) fn tag(round_keys: &RoundKeys, pre_counter_block: u128, hash: __m128i) -> [u8; 16] {
    let mask = round_keys.encrypt_block(reverse_bytes(reversed_block(pre_counter_block)));
    let mut tag = [0; 16];
    store_128(&mut tag, _mm_xor_si128(reverse_bytes(hash), mask));
    tag
}
