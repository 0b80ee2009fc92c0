//! GHASH with carry-less multiplication: the 128-bit parts that every x86_64 tier needs.
//!
//! ```text
//! Blocks are byte-reversed on load, and the hash key is multiplied by x once. GHASH then is
//! POLYVAL (RFC 8452, appendix A), whose product needs no bit reversal:
//!
//!   dot(a, b) = a · b · x^-128  mod  x^128 + x^127 + x^126 + x^121 + 1
//!
//! product: four 64 x 64 multiplications into low + middle · x^64 + high · x^128
//! fold:    middle += swap(low) ^ low[0] · (x^63 + x^62 + x^57)
//! fold:    result = high ^ swap(middle) ^ middle[0] · (x^63 + x^62 + x^57)
//!
//! Each fold adds the multiple of the polynomial that clears the lowest 64 bits.
//! ```
//!
//! Gueron and Kounavis, "Intel Carry-Less Multiplication Instruction and its Usage for Computing
//! the GCM Mode"; NIST SP 800-38D, section 6.4.
//!
//! Constant-time: straight-line code; `pclmulqdq` takes no data-dependent time.

use core::arch::x86_64::{
    __m128i, _mm_clmulepi64_si128, _mm_cvtsi128_si64, _mm_extract_epi64, _mm_set_epi8,
    _mm_set_epi64x, _mm_set1_epi64x, _mm_setzero_si128, _mm_shuffle_epi8, _mm_shuffle_epi32,
    _mm_xor_si128,
};

use zeroize::Zeroize;

use super::memory::{load_128, store_128};

/// x^63 + x^62 + x^57: the polynomial's middle terms, 64 bits further down.
pub(super) const REDUCTION: i64 = 0xc2_u64.cast_signed() << 56;

/// The block with its bytes in reverse order.
#[inline]
#[target_feature(enable = "ssse3")]
pub(super) fn reverse_bytes(block: __m128i) -> __m128i {
    let order = _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    _mm_shuffle_epi8(block, order)
}

/// The block that is this number in big-endian order, with its bytes in reverse order.
#[inline]
#[target_feature(enable = "sse2")]
pub(super) fn reversed_block(number: u128) -> __m128i {
    #[allow(clippy::cast_possible_truncation, reason = "the halves of the number")]
    let (high, low) = ((number >> 64) as u64, number as u64);
    _mm_set_epi64x(high.cast_signed(), low.cast_signed())
}

/// The number that a block is in little-endian order.
#[inline]
#[target_feature(enable = "sse4.1")]
pub(super) fn number(block: __m128i) -> u128 {
    let (low, high) = (_mm_cvtsi128_si64(block), _mm_extract_epi64::<1>(block));
    u128::from(low.cast_unsigned()) | u128::from(high.cast_unsigned()) << 64
}

/// The hash key H = AES(0) in the form that `dot` wants: byte-reversed and multiplied by x.
#[inline]
#[target_feature(enable = "ssse3")]
pub(super) fn hash_key(encrypted_zero_block: __m128i) -> __m128i {
    const POLYNOMIAL: u128 = 0xc200_0000_0000_0000_0000_0000_0000_0001;
    let mut bytes = [0; 16];
    store_128(&mut bytes, reverse_bytes(encrypted_zero_block));
    let h = u128::from_le_bytes(bytes);
    let carry = 0_u128.wrapping_sub(h >> 127);
    let product = (h << 1) ^ (carry & POLYNOMIAL);
    bytes = product.to_le_bytes();
    let hash_key = load_128(&bytes);
    bytes.zeroize();
    hash_key
}

/// Writes H^N, H^(N-1), …, H^1: the first entry belongs to the first of N blocks.
#[inline]
#[target_feature(enable = "pclmulqdq,ssse3")]
pub(super) fn fill_powers(powers: &mut [[u8; 16]], hash_key: __m128i) {
    let mut power = hash_key;
    for entry in powers.iter_mut().rev() {
        store_128(entry, power);
        power = dot(power, hash_key);
    }
}

/// A sum of products before its reduction, 256 bits in three overlapping parts.
#[derive(Clone, Copy)]
pub(super) struct Product {
    pub(super) low: __m128i,
    pub(super) middle: __m128i,
    pub(super) high: __m128i,
}

impl Product {
    #[inline]
    #[target_feature(enable = "sse2")]
    pub(super) fn zero() -> Self {
        let zero = _mm_setzero_si128();
        Self { low: zero, middle: zero, high: zero }
    }

    /// Adds `block · power`.
    #[inline]
    #[target_feature(enable = "pclmulqdq")]
    pub(super) fn add(&mut self, block: __m128i, power: __m128i) {
        self.low = _mm_xor_si128(self.low, _mm_clmulepi64_si128::<0x00>(block, power));
        self.high = _mm_xor_si128(self.high, _mm_clmulepi64_si128::<0x11>(block, power));
        let cross = _mm_clmulepi64_si128::<0x01>(block, power);
        self.middle = _mm_xor_si128(self.middle, cross);
        let cross = _mm_clmulepi64_si128::<0x10>(block, power);
        self.middle = _mm_xor_si128(self.middle, cross);
    }

    /// The sum modulo the polynomial, times x^-128.
    #[inline]
    #[target_feature(enable = "pclmulqdq")]
    pub(super) fn reduce(self) -> __m128i {
        let reduction = _mm_set1_epi64x(REDUCTION);
        let fold = |onto, low| {
            let multiple = _mm_clmulepi64_si128::<0x00>(low, reduction);
            _mm_xor_si128(onto, _mm_xor_si128(_mm_shuffle_epi32::<0x4e>(low), multiple))
        };
        fold(self.high, fold(self.middle, self.low))
    }
}

/// POLYVAL's product of two field elements.
#[inline]
#[target_feature(enable = "pclmulqdq")]
pub(super) fn dot(a: __m128i, b: __m128i) -> __m128i {
    let mut product = Product::zero();
    product.add(a, b);
    product.reduce()
}
