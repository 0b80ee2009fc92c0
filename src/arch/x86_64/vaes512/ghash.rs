//! GHASH on four lanes: four sums of products side by side. See the tier-independent part,
//! `x86_64/ghash.rs`, for the arithmetic.

use core::arch::x86_64::{
    __m128i, __m512i, _mm_set_epi8, _mm_xor_si128, _mm256_castsi256_si128,
    _mm256_extracti128_si256, _mm256_xor_si256, _mm512_broadcast_i32x4, _mm512_castsi512_si256,
    _mm512_clmulepi64_epi128, _mm512_extracti64x4_epi64, _mm512_set1_epi64, _mm512_setzero_si512,
    _mm512_shuffle_epi8, _mm512_shuffle_epi32, _mm512_unpackhi_epi64, _mm512_unpacklo_epi64,
    _mm512_xor_si512,
};

use crate::arch::x86_64::barrier::barrier;
use crate::arch::x86_64::ghash::REDUCTION;

/// Each of the four blocks with its bytes in reverse order.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn reverse_lanes(vector: __m512i) -> __m512i {
    let order = _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    _mm512_shuffle_epi8(vector, _mm512_broadcast_i32x4(order))
}

/// `a ^ b ^ c`: the compiler makes one `vpternlogq` of it.
#[inline]
#[target_feature(enable = "avx512f")]
fn xor3(a: __m512i, b: __m512i, c: __m512i) -> __m512i {
    _mm512_xor_si512(_mm512_xor_si512(a, b), c)
}

/// The sums of the halves of eight blocks, four of either vector.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn half_sums(first: __m512i, second: __m512i) -> __m512i {
    _mm512_xor_si512(_mm512_unpacklo_epi64(first, second), _mm512_unpackhi_epi64(first, second))
}

/// Four sums of products before their reduction.
pub(super) struct Product {
    low: __m512i,
    middle: __m512i,
    high: __m512i,
}

impl Product {
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn zero() -> Self {
        let zero = _mm512_setzero_si512();
        Self { low: zero, middle: zero, high: zero }
    }

    /// Adds `blocks · powers`, lane by lane; the blocks are byte-reversed.
    #[inline]
    #[target_feature(enable = "avx512f,vpclmulqdq")]
    pub(super) fn add(&mut self, blocks: __m512i, powers: __m512i) {
        self.add_outer(blocks, powers);
        self.middle = xor3(
            self.middle,
            _mm512_clmulepi64_epi128::<0x01>(blocks, powers),
            _mm512_clmulepi64_epi128::<0x10>(blocks, powers),
        );
    }

    /// Two of three parts of Karatsuba's product.
    #[inline]
    #[target_feature(enable = "avx512f,vpclmulqdq")]
    pub(super) fn add_outer(&mut self, blocks: __m512i, powers: __m512i) {
        self.low = _mm512_xor_si512(self.low, _mm512_clmulepi64_epi128::<0x00>(blocks, powers));
        self.high = _mm512_xor_si512(self.high, _mm512_clmulepi64_epi128::<0x11>(blocks, powers));
    }

    /// The third part, for two vectors: [`half_sums`] of their blocks and of the powers.
    #[inline]
    #[target_feature(enable = "avx512f,vpclmulqdq")]
    pub(super) fn add_half_sums(&mut self, blocks: __m512i, powers: __m512i) {
        self.middle = xor3(
            self.middle,
            _mm512_clmulepi64_epi128::<0x00>(blocks, powers),
            _mm512_clmulepi64_epi128::<0x11>(blocks, powers),
        );
    }

    /// Keeps the sums up to date in their three registers: the compiler would add up later, and store
    /// the products until then.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn barrier(&mut self) {
        let Self { low, middle, high } = self;
        barrier!(zmm_reg: low, middle, high);
    }

    /// Subtracts both outer parts from the middle one, which in Karatsuba's product is the sum of all three.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn subtract_outer(&mut self) {
        self.middle = xor3(self.middle, self.low, self.high);
    }

    /// The first of three steps to [`Lanes::sum`], which a kernel spreads over its AES rounds.
    #[inline]
    #[target_feature(enable = "avx512f,vpclmulqdq")]
    pub(super) fn fold(self) -> Folded {
        let swapped = _mm512_shuffle_epi32::<0x4e>(self.low);
        Folded { middle: xor3(self.middle, swapped, multiple(self.low)), high: self.high }
    }

    /// The four sums modulo the polynomial, added up.
    #[inline]
    #[target_feature(enable = "avx512f,vpclmulqdq")]
    pub(super) fn reduce(self) -> __m128i {
        self.fold().fold().sum()
    }
}

/// The multiple of the polynomial that clears the low 64 bits, without those.
#[inline]
#[target_feature(enable = "avx512f,vpclmulqdq")]
fn multiple(low: __m512i) -> __m512i {
    _mm512_clmulepi64_epi128::<0x00>(low, _mm512_set1_epi64(REDUCTION))
}

/// Four products modulo the polynomial, lane by lane.
#[inline]
#[target_feature(enable = "avx512f,vpclmulqdq")]
pub(super) fn dot_lanes(a: __m512i, b: __m512i) -> __m512i {
    let mut product = Product::zero();
    product.add(a, b);
    product.fold().fold().0
}

/// A product whose lowest 64 bits are cleared.
pub(super) struct Folded {
    middle: __m512i,
    high: __m512i,
}

impl Folded {
    /// Clears the next 64 bits.
    #[inline]
    #[target_feature(enable = "avx512f,vpclmulqdq")]
    pub(super) fn fold(self) -> Lanes {
        let swapped = _mm512_shuffle_epi32::<0x4e>(self.middle);
        Lanes(xor3(self.high, swapped, multiple(self.middle)))
    }
}

/// Four reduced sums.
pub(super) struct Lanes(__m512i);

impl Lanes {
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn sum(self) -> __m128i {
        xor_lanes(self.0)
    }
}

/// The XOR of the four blocks.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn xor_lanes(vector: __m512i) -> __m128i {
    let (low, high) = (_mm512_castsi512_si256(vector), _mm512_extracti64x4_epi64::<1>(vector));
    let half = _mm256_xor_si256(low, high);
    _mm_xor_si128(_mm256_castsi256_si128(half), _mm256_extracti128_si256::<1>(half))
}
