//! GHASH with PMULL.
//!
//! ```text
//! The bits of each byte are reversed on load. Then bit n of the 128-bit little-endian number is
//! the coefficient of x^n, and the field is that of x^128 + x^7 + x^2 + x + 1 as it is written.
//!
//! product: low = a0 · b0    high = a1 · b1    middle = (a0 ^ a1) · (b0 ^ b1)       (Karatsuba)
//! reduce:  fold 0x87 = x^7 + x^2 + x + 1 for x^128, from the top:
//!          middle ^= low ^ high ^ high[1] · 0x87
//!          low ^= middle << 64    high ^= middle >> 64
//!          result = low ^ high[0] · 0x87
//! ```
//!
//! NIST SP 800-38D, sections 6.3 and 6.4; Gouvêa and López, "Implementing GCM on ARMv8", CT-RSA
//! 2015.
//!
//! Constant-time: straight-line code; PMULL is among the instructions whose time the architecture
//! lets be independent of data (PSTATE.DIT).

use core::arch::aarch64::{
    uint8x16_t, vdupq_n_u8, vdupq_n_u64, veorq_u8, vextq_u8, vgetq_lane_p64, vmull_high_p64,
    vmull_p64, vrbitq_u8, vreinterpretq_p64_u8, vreinterpretq_u8_p128, vreinterpretq_u8_u64,
};

use zeroize::Zeroize;

use super::memory::{load, store};

/// x^128 modulo the polynomial: x^7 + x^2 + x + 1.
const REDUCTION: u64 = 0x87;

/// A block as a field element, and back.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn reverse_bits(block: uint8x16_t) -> uint8x16_t {
    vrbitq_u8(block)
}

/// The low half XORed with the high half, twice.
#[inline]
#[target_feature(enable = "neon")]
fn sum_of_halves(vector: uint8x16_t) -> uint8x16_t {
    veorq_u8(vector, vextq_u8::<8>(vector, vector))
}

/// A field element to multiply by: with the sum of its halves, which the middle product takes.
#[derive(Clone, Copy)]
pub(super) struct Power {
    value: [u8; 16],
    sum: [u8; 16],
}

impl Power {
    /// A place for a power.
    pub(super) const fn zeroed() -> Self {
        Self { value: [0; 16], sum: [0; 16] }
    }

    #[inline]
    #[target_feature(enable = "neon")]
    fn set(&mut self, element: uint8x16_t) {
        store(&mut self.value, element);
        store(&mut self.sum, sum_of_halves(element));
    }
}

impl Zeroize for Power {
    fn zeroize(&mut self) {
        self.value.zeroize();
        self.sum.zeroize();
    }
}

/// H^N, H^(N-1), …, H^1: the first entry belongs to the first of N blocks.
#[inline]
#[target_feature(enable = "neon,aes")]
pub(super) fn fill_powers(powers: &mut [Power], hash_key: uint8x16_t) {
    let Some((first, others)) = powers.split_last_mut() else { return };
    first.set(hash_key);
    let mut power = hash_key;
    for entry in others.iter_mut().rev() {
        power = multiply(power, first);
        entry.set(power);
    }
}

/// A sum of products before its reduction, 256 bits in three overlapping parts.
#[derive(Clone, Copy)]
pub(super) struct Product {
    low: uint8x16_t,
    middle: uint8x16_t,
    high: uint8x16_t,
}

impl Product {
    #[inline]
    #[target_feature(enable = "neon")]
    pub(super) fn zero() -> Self {
        let zero = vdupq_n_u8(0);
        Self { low: zero, middle: zero, high: zero }
    }

    /// Adds `block · power`.
    #[inline]
    #[target_feature(enable = "neon,aes")]
    pub(super) fn add(&mut self, block: uint8x16_t, power: &Power) {
        let (power, sum) = (load(&power.value), load(&power.sum));
        self.low = veorq_u8(self.low, multiply_low(block, power));
        self.high = veorq_u8(self.high, multiply_high(block, power));
        self.middle = veorq_u8(self.middle, multiply_low(sum_of_halves(block), sum));
    }

    /// The sum modulo the polynomial.
    #[inline]
    #[target_feature(enable = "neon,aes")]
    pub(super) fn reduce(self) -> uint8x16_t {
        let zero = vdupq_n_u8(0);
        let reduction = vreinterpretq_u8_u64(vdupq_n_u64(REDUCTION));
        let Self { low, middle, high } = self;
        let middle = veorq_u8(xor3(middle, low, high), multiply_high(high, reduction));
        let low = veorq_u8(low, vextq_u8::<8>(zero, middle));
        let high = veorq_u8(high, vextq_u8::<8>(middle, zero));
        veorq_u8(low, multiply_low(high, reduction))
    }
}

/// The product of two field elements.
#[inline]
#[target_feature(enable = "neon,aes")]
pub(super) fn multiply(a: uint8x16_t, b: &Power) -> uint8x16_t {
    let mut product = Product::zero();
    product.add(a, b);
    product.reduce()
}

/// The sum of three: the compiler makes it EOR3 in functions that have the `sha3` feature.
#[inline]
#[target_feature(enable = "neon")]
pub(super) fn xor3(a: uint8x16_t, b: uint8x16_t, c: uint8x16_t) -> uint8x16_t {
    veorq_u8(veorq_u8(a, b), c)
}

/// Carry-less product of the low halves.
#[inline]
#[target_feature(enable = "neon,aes")]
fn multiply_low(a: uint8x16_t, b: uint8x16_t) -> uint8x16_t {
    let a = vgetq_lane_p64::<0>(vreinterpretq_p64_u8(a));
    let b = vgetq_lane_p64::<0>(vreinterpretq_p64_u8(b));
    vreinterpretq_u8_p128(vmull_p64(a, b))
}

/// Carry-less product of the high halves.
#[inline]
#[target_feature(enable = "neon,aes")]
fn multiply_high(a: uint8x16_t, b: uint8x16_t) -> uint8x16_t {
    vreinterpretq_u8_p128(vmull_high_p64(vreinterpretq_p64_u8(a), vreinterpretq_p64_u8(b)))
}
