//! GHASH on two lanes: two sums of products side by side. See the tier-independent part,
//! `x86_64/ghash.rs`, for the arithmetic.

use core::arch::asm;
use core::arch::x86_64::{
    __m128i, __m256i, _mm_set_epi8, _mm_xor_si128, _mm256_broadcastsi128_si256,
    _mm256_bslli_epi128, _mm256_bsrli_epi128, _mm256_castsi256_si128, _mm256_clmulepi64_epi128,
    _mm256_extracti128_si256, _mm256_set1_epi64x, _mm256_setzero_si256, _mm256_shuffle_epi8,
    _mm256_shuffle_epi32, _mm256_xor_si256,
};

use crate::arch::x86_64::ghash::REDUCTION;

/// Both blocks with their bytes in reverse order.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn reverse_lanes(vector: __m256i) -> __m256i {
    let order = _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    _mm256_shuffle_epi8(vector, _mm256_broadcastsi128_si256(order))
}

/// `a ^ b ^ c`.
#[inline]
#[target_feature(enable = "avx2")]
fn xor3(a: __m256i, b: __m256i, c: __m256i) -> __m256i {
    _mm256_xor_si256(a, _mm256_xor_si256(b, c))
}

/// Two sums of products before their reduction.
pub(super) struct Product {
    low: __m256i,
    middle: __m256i,
    high: __m256i,
}

impl Product {
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn zero() -> Self {
        let zero = _mm256_setzero_si256();
        Self { low: zero, middle: zero, high: zero }
    }

    /// Adds `blocks · powers`, lane by lane; the blocks are byte-reversed.
    #[inline]
    #[target_feature(enable = "avx2,vpclmulqdq")]
    pub(super) fn add(&mut self, blocks: __m256i, powers: __m256i) {
        self.low = _mm256_xor_si256(self.low, _mm256_clmulepi64_epi128::<0x00>(blocks, powers));
        self.high = _mm256_xor_si256(self.high, _mm256_clmulepi64_epi128::<0x11>(blocks, powers));
        self.middle = xor3(
            self.middle,
            _mm256_clmulepi64_epi128::<0x01>(blocks, powers),
            _mm256_clmulepi64_epi128::<0x10>(blocks, powers),
        );
    }

    /// Keeps the sums up to date in their three registers: the compiler would add up later, and store
    /// the products until then.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn pin(&mut self) {
        if cfg!(miri) {
            return; // an interpreter has no registers to keep in order
        }
        let Self { low, middle, high } = self;
        // SAFETY: the template is a comment. No instruction is added, and every register keeps its
        // value.
        unsafe {
            asm!(
                "/* {} {} {} */",
                inout(ymm_reg) * low,
                inout(ymm_reg) * middle,
                inout(ymm_reg) * high,
                options(nomem, nostack, preserves_flags)
            );
        }
    }

    /// The first of three steps to [`Lanes::sum`], which a kernel spreads over its AES rounds.
    #[inline]
    #[target_feature(enable = "avx2,vpclmulqdq")]
    pub(super) fn fold(self) -> Folded {
        let low = _mm256_xor_si256(self.low, _mm256_bslli_epi128::<8>(self.middle));
        let high = _mm256_xor_si256(self.high, _mm256_bsrli_epi128::<8>(self.middle));
        let multiple = _mm256_clmulepi64_epi128::<0x00>(low, _mm256_set1_epi64x(REDUCTION));
        Folded { low: _mm256_xor_si256(_mm256_shuffle_epi32::<0x4e>(low), multiple), high }
    }

    /// Both sums modulo the polynomial, added up.
    #[inline]
    #[target_feature(enable = "avx2,vpclmulqdq")]
    pub(super) fn reduce(self) -> __m128i {
        self.fold().fold().sum()
    }
}

/// A product whose lowest 64 bits are cleared.
pub(super) struct Folded {
    low: __m256i,
    high: __m256i,
}

impl Folded {
    /// Clears the next 64 bits.
    #[inline]
    #[target_feature(enable = "avx2,vpclmulqdq")]
    pub(super) fn fold(self) -> Lanes {
        let multiple = _mm256_clmulepi64_epi128::<0x00>(self.low, _mm256_set1_epi64x(REDUCTION));
        Lanes(xor3(self.high, _mm256_shuffle_epi32::<0x4e>(self.low), multiple))
    }
}

/// Two reduced sums.
pub(super) struct Lanes(__m256i);

impl Lanes {
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn sum(self) -> __m128i {
        xor_lanes(self.0)
    }
}

/// The XOR of both blocks.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn xor_lanes(vector: __m256i) -> __m128i {
    _mm_xor_si128(_mm256_castsi256_si128(vector), _mm256_extracti128_si256::<1>(vector))
}
