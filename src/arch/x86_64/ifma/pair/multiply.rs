//! Montgomery's multiplication of two numbers at once or of one of twice the length, and squaring of two.
//!
//! ```text
//! row i, whose quotient m and lowest sum w_0 are known:
//!     w_1 += lo(a_0 b_(i+1))
//!     w_1 += lo(n_1 m) + hi(n_0 m) + carry(w_0)        the next row's lowest sum is complete,
//!     next m = lo(w_1 factor)                          and its quotient on its way
//!     the rest of n m, and of a b_(i+1)
//!     w_5 += w_0, one group down; w = (w_1, ..., w_6)
//! ```
//!
//! `w_0 + lo(n_0 m)` is a multiple of 2^52: what is carried is `(w_0 + 2^52 - 1) / 2^52`, without waiting for m. Low and
//! high halves have windows of their own, so that the two that complete a sum do not wait for each other.
//!
//! A square needs the products of two different vectors once, not twice: row i, whose digit a_i is in vector k, adds its
//! product with a_k, and twice those with the vectors above k. The others are in rows of vectors below k. That is 60
//! products of vectors, not 100. They are doubled as sums, for a digit that is doubled has 53 bits.

use core::arch::x86_64::{
    __m512i, _mm512_add_epi64, _mm512_madd52hi_epu64, _mm512_madd52lo_epu64,
    _mm512_maskz_srli_epi64, _mm512_set1_epi64, _mm512_setzero_si512,
};

use super::numbers::{Numbers, PAIR, VECTORS, lowest_in_all, one_group_down};
use crate::arch::mod_exp::Modulus;
use crate::arch::x86_64::barrier::barrier;
use crate::arch::x86_64::reload::reload;

/// The modulus of each number, with what the multiplication needs to know of it.
pub(super) struct Moduli<const COUNT: usize> {
    numbers: Numbers<COUNT>,
    /// `-modulus^-1` modulo 2^52, as the lowest digits.
    factors: Numbers<COUNT>,
}

impl<const COUNT: usize> Moduli<COUNT> {
    pub(super) fn zeroed() -> Self {
        Self { numbers: Numbers::zeroed(), factors: Numbers::zeroed() }
    }

    pub(super) fn put<const N: usize>(&mut self, number: usize, modulus: &Modulus<N>) {
        self.numbers.put(number, &modulus.limbs);
        self.factors.put(number, core::array::from_ref(&modulus.factor));
    }
}

/// `value = value * factor * R^-1`.
#[inline(never)]
#[target_feature(enable = "avx512f,avx512ifma")]
pub(super) fn multiply<const COUNT: usize>(
    value: &mut Numbers<COUNT>,
    factor: &Numbers<COUNT>,
    moduli: &Moduli<COUNT>,
) {
    let mut window = Window::new(moduli);
    let digit = factor.digit(0);
    for index in 0..VECTORS {
        window.add_product(index, value.vector(index), digit);
    }
    window.find_quotient(0);
    macro_rules! rows {
        ($($index:literal)*) => {$(
            let (value, digit) = (reload(&*value), factor.digit($index)); // the registers are for the window
            window.add_low(1, value.vector(0), digit);
            window.reduce(moduli);
            window.add_high(2, value.vector(0), digit);
            for index in 1..VECTORS {
                window.add_product(index + 1, value.vector(index), digit);
            }
            window.shift();
        )*};
    }
    rows!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19);
    if COUNT == 1 {
        rows!(20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39);
    }
    window.reduce(moduli);
    window.shift();
    value.carry(window.sums());
}

/// `value = value * value * R^-1`.
#[inline(never)]
#[target_feature(enable = "avx512f,avx512ifma")]
#[expect(clippy::needless_range_loop, reason = "the index is that of a register")]
pub(super) fn square(value: &mut Numbers<PAIR>, moduli: &Moduli<PAIR>) {
    let mut window = Window::new(moduli);
    let mut twice = [_mm512_setzero_si512(); VECTORS + 2];
    let digit = value.digit(0);
    window.add_product(0, value.vector(0), digit);
    for index in 1..VECTORS {
        add_both(&mut twice, index, value.vector(index), digit);
    }
    window.find_quotient(0);
    macro_rules! rows {
        ($($index:literal)*) => {$(
            let value = reload(&*value); // the registers are for the window
            let (digit, vector) = (value.digit($index), $index % VECTORS);
            window.add(1, doubled(twice[1]));
            if vector == 0 {
                window.add_low(1, value.vector(0), digit);
            }
            window.reduce(moduli);
            if vector != 0 {
                window.add_low(vector + 1, value.vector(vector), digit);
            }
            window.add_high(vector + 2, value.vector(vector), digit);
            for index in vector + 1..VECTORS {
                add_both(&mut twice, index + 1, value.vector(index), digit);
            }
            window.shift();
            let [_, a, b, c, d, e, f] = twice;
            twice = [a, b, c, d, e, f, _mm512_setzero_si512()];
        )*};
    }
    rows!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19);
    for index in 1..VECTORS {
        window.add(index, doubled(twice[index]));
    }
    window.reduce(moduli);
    window.shift();
    value.carry(window.sums());
}

/// The sums from a row's place on, and what is known of the row.
struct Window<const COUNT: usize> {
    /// Low halves of products, and all else.
    low: [__m512i; VECTORS + 1],
    /// High halves of products.
    high: [__m512i; VECTORS + 2],
    factors: __m512i,
    /// The lowest sum, without the modulus that is added to it.
    lowest: __m512i,
    /// The number of times that the modulus is added, so that the lowest sum is a multiple of 2^52.
    quotient: __m512i,
    /// The carry out of the lowest sum then.
    carried: __m512i,
}

impl<const COUNT: usize> Window<COUNT> {
    /// The lowest group's lanes.
    const LOWEST: u8 = (1 << COUNT) - 1;

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn new(moduli: &Moduli<COUNT>) -> Self {
        let zero = _mm512_setzero_si512();
        Self {
            low: [zero; _],
            high: [zero; _],
            factors: moduli.factors.digit(0),
            lowest: zero,
            quotient: zero,
            carried: zero,
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn add(&mut self, index: usize, sum: __m512i) {
        self.low[index] = _mm512_add_epi64(self.low[index], sum);
    }

    /// Adds the low halves of products to the sums of that index.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn add_low(&mut self, index: usize, vector: __m512i, digit: __m512i) {
        self.low[index] = _mm512_madd52lo_epu64(self.low[index], vector, digit);
    }

    /// Adds the high halves of products to the sums of that index.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn add_high(&mut self, index: usize, vector: __m512i, digit: __m512i) {
        self.high[index] = _mm512_madd52hi_epu64(self.high[index], vector, digit);
    }

    /// Adds products to the sums of that index and the next.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn add_product(&mut self, index: usize, vector: __m512i, digit: __m512i) {
        self.add_low(index, vector, digit);
        self.add_high(index + 1, vector, digit);
    }

    /// Finds what there is to know of the row of that index, whose lowest sum is complete.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn find_quotient(&mut self, index: usize) {
        let lowest = _mm512_add_epi64(self.low[index], self.high[index]);
        let quotient = _mm512_madd52lo_epu64(_mm512_setzero_si512(), lowest, self.factors);
        let rounded = _mm512_add_epi64(lowest, _mm512_set1_epi64((1 << 52) - 1));
        self.lowest = lowest;
        self.quotient = lowest_in_all::<COUNT>(quotient);
        self.carried = _mm512_maskz_srli_epi64::<52>(Self::LOWEST, rounded);
    }

    /// Adds the modulus, and finds the next row's quotient on the way.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn reduce(&mut self, moduli: &Moduli<COUNT>) {
        let (modulus, times) = (reload(&moduli.numbers), self.quotient);
        self.low[0] = self.lowest;
        self.high[1] = _mm512_add_epi64(self.high[1], self.carried);
        self.add_low(1, modulus.vector(1), times);
        self.add_high(1, modulus.vector(0), times);
        self.find_quotient(1);
        // All of the next row waits for it: nothing goes before it.
        let Self { lowest, quotient, carried, .. } = self;
        barrier!(zmm_reg: lowest, quotient, carried);
        self.add_low(0, modulus.vector(0), times);
        for index in 2..VECTORS {
            self.add_low(index, modulus.vector(index), times);
        }
        for index in 1..VECTORS {
            self.add_high(index + 1, modulus.vector(index), times);
        }
    }

    /// Leaves the lowest place behind.
    #[inline]
    #[target_feature(enable = "avx512f")]
    #[expect(clippy::many_single_char_names, reason = "a letter a sum")]
    fn shift(&mut self) {
        let (zero, above) = (_mm512_setzero_si512(), one_group_down::<COUNT>(self.low[0]));
        self.add(VECTORS, above);
        // By name: a loop is compiled to a copy of memory.
        let [_, a, b, c, d, e] = self.low;
        self.low = [a, b, c, d, e, zero];
        let [_, a, b, c, d, e, f] = self.high;
        self.high = [a, b, c, d, e, f, zero];
    }

    /// The sums when all rows are left behind.
    #[inline]
    #[target_feature(enable = "avx512f")]
    #[expect(clippy::needless_range_loop, reason = "the index is that of a register")]
    fn sums(&self) -> [__m512i; VECTORS] {
        let mut sums = [self.lowest; VECTORS];
        for index in 1..VECTORS {
            sums[index] = _mm512_add_epi64(self.low[index], self.high[index]);
        }
        sums
    }
}

/// Adds both halves of products to the sums of that index and the next.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma")]
fn add_both(sums: &mut [__m512i; VECTORS + 2], index: usize, vector: __m512i, digit: __m512i) {
    sums[index] = _mm512_madd52lo_epu64(sums[index], vector, digit);
    sums[index + 1] = _mm512_madd52hi_epu64(sums[index + 1], vector, digit);
}

#[inline]
#[target_feature(enable = "avx512f")]
fn doubled(sum: __m512i) -> __m512i {
    _mm512_add_epi64(sum, sum)
}
