//! GHASH on two lanes: two sums of products side by side. See the tier-independent part,
//! `x86_64/ghash.rs`, for the arithmetic.
//!
//! ```text
//! product (Karatsuba): low = a0 · b0   high = a1 · b1   middle = (a0 + a1) · (b0 + b1) + low + high
//! ```
//!
//! Three multiplications and not four: on processors without AVX-512 they are dear.

use core::arch::x86_64::{
    __m128i, __m256i, _mm_set_epi8, _mm_xor_si128, _mm256_broadcastsi128_si256,
    _mm256_castsi256_si128, _mm256_clmulepi64_epi128, _mm256_extracti128_si256, _mm256_set1_epi64x,
    _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_shuffle_epi32, _mm256_unpackhi_epi64,
    _mm256_unpacklo_epi64, _mm256_xor_si256,
};

use zeroize::Zeroize;

use crate::arch::x86_64::barrier::barrier;
use crate::arch::x86_64::ghash::REDUCTION;
use crate::arch::x86_64::memory::load_128;

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

/// Two vectors of blocks or powers, taken apart as Karatsuba's products want them: in each lane the low
/// halves of one block of either vector, their high halves, and the sums of both.
///
/// Three instructions for two vectors, where a sum for each alone takes four.
pub(super) struct Halves {
    low: __m256i,
    high: __m256i,
    sums: __m256i,
}

impl Halves {
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn of(first: __m256i, second: __m256i) -> Self {
        let low = _mm256_unpacklo_epi64(first, second);
        let high = _mm256_unpackhi_epi64(first, second);
        Self { low, high, sums: _mm256_xor_si256(low, high) }
    }
}

/// In both halves of each lane the XOR of its halves.
#[inline]
#[target_feature(enable = "avx2")]
fn half_sums(blocks: __m256i) -> __m256i {
    _mm256_xor_si256(blocks, _mm256_shuffle_epi32::<0x4e>(blocks))
}

/// A power's two halves and their sum, each beside another power's: what [`Halves`] meet.
pub(super) struct PowerPair {
    low: [u8; 16],
    high: [u8; 16],
    sums: [u8; 16],
}

impl PowerPair {
    /// A place for a pair.
    pub(super) const fn zeroed() -> Self {
        Self { low: [0; 16], high: [0; 16], sums: [0; 16] }
    }

    /// Writes the pair where this is.
    pub(super) fn set(&mut self, first: u128, second: u128) {
        const LOW: u128 = u64::MAX as u128;
        let low = (first & LOW) | second << 64;
        let high = first >> 64 | (second & !LOW);
        self.low = low.to_le_bytes();
        self.high = high.to_le_bytes();
        self.sums = (low ^ high).to_le_bytes();
    }
}

impl Drop for PowerPair {
    fn drop(&mut self) {
        self.low.zeroize();
        self.high.zeroize();
        self.sums.zeroize();
    }
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
        let low = _mm256_clmulepi64_epi128::<0x00>(blocks, powers);
        let high = _mm256_clmulepi64_epi128::<0x11>(blocks, powers);
        let middle = _mm256_clmulepi64_epi128::<0x00>(half_sums(blocks), half_sums(powers));
        self.low = _mm256_xor_si256(self.low, low);
        self.high = _mm256_xor_si256(self.high, high);
        self.middle = _mm256_xor_si256(self.middle, middle);
    }

    /// The first of three steps that add the products of two vectors, which a kernel spreads over its
    /// AES rounds: in both lanes the same two powers.
    #[inline]
    #[target_feature(enable = "avx2,vpclmulqdq")]
    pub(super) fn add_low_halves(&mut self, blocks: &Halves, powers: &PowerPair) {
        self.low = add_both(self.low, blocks.low, &powers.low);
    }

    /// The second step.
    #[inline]
    #[target_feature(enable = "avx2,vpclmulqdq")]
    pub(super) fn add_high_halves(&mut self, blocks: &Halves, powers: &PowerPair) {
        self.high = add_both(self.high, blocks.high, &powers.high);
    }

    /// The third step.
    #[inline]
    #[target_feature(enable = "avx2,vpclmulqdq")]
    pub(super) fn add_sums(&mut self, blocks: &Halves, powers: &PowerPair) {
        self.middle = add_both(self.middle, blocks.sums, &powers.sums);
    }

    /// Keeps the sums up to date in their three registers: the compiler would add up later, and store
    /// the products until then.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn barrier(&mut self) {
        let Self { low, middle, high } = self;
        barrier!(ymm_reg: low, middle, high);
    }

    /// The first of two steps to the sums modulo the polynomial, which a kernel spreads over its AES
    /// rounds.
    #[inline]
    #[target_feature(enable = "avx2,vpclmulqdq")]
    pub(super) fn fold(self) -> Folded {
        let Self { low, middle, high } = self;
        let middle = xor3(middle, low, high);
        Folded { middle: xor3(middle, _mm256_shuffle_epi32::<0x4e>(low), multiple(low)), high }
    }

    /// Both sums modulo the polynomial, added up.
    #[inline]
    #[target_feature(enable = "avx2,vpclmulqdq")]
    pub(super) fn reduce(self) -> __m128i {
        xor_lanes(self.fold().fold())
    }
}

/// Adds the products of both vectors' halves.
#[inline]
#[target_feature(enable = "avx2,vpclmulqdq")]
fn add_both(sum: __m256i, halves: __m256i, powers: &[u8; 16]) -> __m256i {
    let powers = _mm256_broadcastsi128_si256(load_128(powers));
    xor3(
        sum,
        _mm256_clmulepi64_epi128::<0x00>(halves, powers),
        _mm256_clmulepi64_epi128::<0x11>(halves, powers),
    )
}

/// A product whose lowest 64 bits are cleared.
pub(super) struct Folded {
    middle: __m256i,
    high: __m256i,
}

impl Folded {
    /// Clears the next 64 bits: both sums modulo the polynomial.
    #[inline]
    #[target_feature(enable = "avx2,vpclmulqdq")]
    pub(super) fn fold(self) -> __m256i {
        let Self { middle, high } = self;
        xor3(high, _mm256_shuffle_epi32::<0x4e>(middle), multiple(middle))
    }
}

/// The multiple of the polynomial that clears the low 64 bits, without those.
#[inline]
#[target_feature(enable = "avx2,vpclmulqdq")]
fn multiple(low: __m256i) -> __m256i {
    _mm256_clmulepi64_epi128::<0x00>(low, _mm256_set1_epi64x(REDUCTION))
}

/// The XOR of both blocks.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn xor_lanes(vector: __m256i) -> __m128i {
    _mm_xor_si128(_mm256_castsi256_si128(vector), _mm256_extracti128_si256::<1>(vector))
}
