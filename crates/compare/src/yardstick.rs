//! Limits of this processor at this moment, whatever the program.
//!
//! AES-256 has 14 rounds. A kernel that runs them all cannot be faster than the loop that does nothing
//! else: 14 VAES instructions a vector, or 14 pairs of AESE and AESMC. Counter mode can share the first
//! two rounds of neighbouring blocks, so 12 a vector is the lower limit.
//!
//! ```text
//! repeat: for each of ROUNDS: for each of 12 accumulators: accumulator = round(accumulator, key)
//! ```
//!
//! Where AES is not the only thing that the ports are short of, their limit is that of a tier's whole
//! [mix](Mix) of vector instructions.
//!
//! Twelve accumulators cover the instruction's latency on every processor so far (at most 5 cycles at
//! one a cycle, 4 at two). The only `unsafe` code of this crate: calls of functions that are compiled
//! for instructions which [`Yardstick::available`], [`Mix::available`] and [`xor_sweep`] have found, and the
//! mix, in assembly.

#![cfg_attr(
    any(target_arch = "x86_64", target_arch = "aarch64"),
    allow(unsafe_code, reason = "target features; see above")
)]

use std::hint::black_box;
use std::time::Duration;

use crate::clock::ThreadClock;

/// Accumulators, each a chain of its own.
const ACCUMULATORS: u32 = 12;

/// AES rounds in vectors of one width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Yardstick(Width);

/// Vectors, by the registers that hold them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Width {
    Zmm,
    Ymm,
    Xmm,
    /// aarch64's only one.
    Q,
}

impl Yardstick {
    /// The widths that this processor has instructions for, widest first.
    pub(crate) fn available() -> Vec<Self> {
        let mut available = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("vaes") {
                available.push(Self(Width::Zmm));
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("vaes") {
                available.push(Self(Width::Ymm));
            }
            if is_x86_feature_detected!("avx") && is_x86_feature_detected!("aes") {
                available.push(Self(Width::Xmm));
            }
        }
        #[cfg(target_arch = "aarch64")]
        if std::arch::is_aarch64_feature_detected!("aes") {
            available.push(Self(Width::Q));
        }
        available
    }

    /// The one whose vectors that tier of Strongroom's works in.
    pub(crate) fn of_tier(tier: &str) -> Option<Self> {
        let width = match tier {
            "vaes512" => Width::Zmm,
            "vaes256" => Width::Ymm,
            "aesni" => Width::Xmm,
            "armv8" => Width::Q,
            _ => return None,
        };
        Self::available().into_iter().find(|yardstick| yardstick.0 == width)
    }

    /// `zmm`, `ymm`, `xmm` or `q`.
    pub(crate) fn name(self) -> &'static str {
        match self.0 {
            Width::Zmm => "zmm",
            Width::Ymm => "ymm",
            Width::Xmm => "xmm",
            Width::Q => "q",
        }
    }

    /// Bytes that one call of [`Yardstick::time`] stands for.
    pub(crate) fn bytes_per_call(self) -> u64 {
        let vector = match self.0 {
            Width::Zmm => 64,
            Width::Ymm => 32,
            Width::Xmm | Width::Q => 16,
        };
        vector * u64::from(ACCUMULATORS)
    }

    /// Times so many passes of `ROUNDS` rounds over all accumulators.
    pub(crate) fn time<const ROUNDS: u32>(self, calls: u64) -> Duration {
        match self.0 {
            // SAFETY: `available` is the only place where a `Yardstick` is made, and it has
            // detected `avx512f` and `vaes` for this width.
            #[cfg(target_arch = "x86_64")]
            Width::Zmm => unsafe { x86_64::zmm::<ROUNDS>(calls) },
            // SAFETY: as above, with `avx2` and `vaes`.
            #[cfg(target_arch = "x86_64")]
            Width::Ymm => unsafe { x86_64::ymm::<ROUNDS>(calls) },
            // SAFETY: as above, with `avx` and `aes`.
            #[cfg(target_arch = "x86_64")]
            Width::Xmm => unsafe { x86_64::xmm::<ROUNDS>(calls) },
            // SAFETY: as above, with `aes`; `neon` is part of the target.
            #[cfg(target_arch = "aarch64")]
            Width::Q => unsafe { aarch64::q::<ROUNDS>(calls) },
            // Another architecture's: `available` has none of them.
            _ => {
                let _ = calls;
                Duration::ZERO
            }
        }
    }
}

/// As many vector instructions of each kind as the `vaes256` tier's loop over a cached counter has for
/// eight vectors, loads and stores included, and nothing that one of them waits for but AES for AES:
///
/// ```text
/// 188 to compute   96 AES rounds, 26 products, 18 shuffles, 48 XORs
///  48 loads        12 round keys and 12 pairs of powers, 16 bytes in both lanes; 8 vectors of the table,
///                  of the text, and to hash: 12 of these as operands of XORs
///  16 stores       8 vectors of text, and the same to be hashed
/// ```
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mix(());

impl Mix {
    /// Bytes that one call of [`Mix::time`] stands for.
    pub(crate) const BYTES_PER_CALL: u64 = 256;
    /// Its name in a report.
    pub(crate) const NAME: &str = "its instructions, ymm";

    /// If this processor has the instructions.
    pub(crate) fn available() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("vaes")
            && is_x86_feature_detected!("vpclmulqdq")
        {
            return Some(Self(()));
        }
        None
    }

    /// Times so many passes.
    pub(crate) fn time(self, calls: u64) -> Duration {
        let Self(()) = self;
        // SAFETY: `available` is the only place where a `Mix` is made, and it has detected `avx2`, `vaes`
        // and `vpclmulqdq`.
        #[cfg(target_arch = "x86_64")]
        return unsafe { x86_64::mix(calls) };
        #[cfg(not(target_arch = "x86_64"))]
        {
            let _ = calls;
            Duration::ZERO
        }
    }
}

/// Multiplications that do not wait for each other: what modular exponentiation cannot do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Multiplications {
    /// Multiply-adds of 52 bits in eight lanes (AVX-512 IFMA).
    Lanes(Ifma),
    /// Products of 64 bits, both halves.
    Wide,
}

/// AVX-512 IFMA was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ifma(());

impl Multiplications {
    /// Those in lanes, if this processor has the instruction.
    pub(crate) fn in_lanes() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512ifma") {
            return Some(Self::Lanes(Ifma(())));
        }
        None
    }

    /// Times so many of them, to the nearest dozen.
    pub(crate) fn time(self, count: u64) -> Duration {
        match self {
            // SAFETY: `in_lanes` is the only place where an `Ifma` is made, and it has detected `avx512f` and
            // `avx512ifma`.
            #[cfg(target_arch = "x86_64")]
            Self::Lanes(Ifma(())) => unsafe {
                x86_64::multiplications::<1>(count / u64::from(ACCUMULATORS))
            },
            #[cfg(not(target_arch = "x86_64"))]
            Self::Lanes(Ifma(())) => Duration::ZERO,
            Self::Wide => wide_products(count),
        }
    }
}

/// Eight chains of products, which cover a latency of four cycles at one a cycle, and of six at one and a third.
fn wide_products(count: u64) -> Duration {
    const CHAINS: usize = 8;
    let factor = black_box(0xfedc_ba98_7654_3211_u64);
    let mut chains = black_box([u64::MAX; CHAINS]);
    let start = ThreadClock::start();
    for _ in 0..count / CHAINS as u64 {
        chains = chains.map(|number| number.carrying_mul(factor, 0).1);
    }
    let elapsed = start.elapsed();
    black_box(chains);
    elapsed
}

/// XORs all of `bytes` with a constant, in place, in the widest vectors there are: the least that any
/// encryption in place can do to memory.
pub(crate) fn xor_sweep(bytes: &mut [u8]) {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw") {
            // SAFETY: `avx512f` and `avx512bw` were detected.
            return unsafe { x86_64::xor_avx512(bytes) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: `avx2` was detected.
            return unsafe { x86_64::xor_avx2(bytes) };
        }
    }
    xor(bytes);
}

#[allow(clippy::inline_always, reason = "compiled anew for the instructions of each caller")]
#[inline(always)]
fn xor(bytes: &mut [u8]) {
    for byte in bytes {
        *byte ^= 0x5a;
    }
}

/// A loop of nothing but AES rounds.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! rounds {
    ($name:ident, $features:literal, $key:expr, $round:ident) => {
        #[target_feature(enable = $features)]
        pub(super) fn $name<const ROUNDS: u32>(calls: u64) -> Duration {
            let key = black_box($key);
            // Variables and not an array: an array ends in memory where a loop stays rolled.
            let [mut a, mut b, mut c, mut d] = black_box([key; 4]);
            let [mut e, mut f, mut g, mut h] = black_box([key; 4]);
            let [mut i, mut j, mut k, mut l] = black_box([key; 4]);
            let start = ThreadClock::start();
            for _ in 0..calls {
                for _ in 0..ROUNDS {
                    (a, b, c) = ($round(a, key), $round(b, key), $round(c, key));
                    (d, e, f) = ($round(d, key), $round(e, key), $round(f, key));
                    (g, h, i) = ($round(g, key), $round(h, key), $round(i, key));
                    (j, k, l) = ($round(j, key), $round(k, key), $round(l, key));
                }
            }
            let elapsed = start.elapsed();
            black_box([a, b, c, d, e, f, g, h, i, j, k, l]);
            elapsed
        }
    };
}

/// Half a round key; any will do.
#[cfg(target_arch = "x86_64")]
const KEY: i64 = 0x0123_4567_89ab_cdef;

#[cfg(target_arch = "x86_64")]
mod x86_64 {
    use std::arch::asm;
    use std::arch::x86_64::{
        __m512i, _mm_aesenc_si128, _mm_set1_epi64x, _mm256_aesenc_epi128, _mm256_set1_epi64x,
        _mm512_aesenc_epi128, _mm512_madd52lo_epu64, _mm512_set1_epi64,
    };
    use std::hint::black_box;
    use std::time::Duration;

    use super::KEY;
    use crate::clock::ThreadClock;

    rounds!(zmm, "avx512f,vaes", _mm512_set1_epi64(KEY), _mm512_aesenc_epi128);
    rounds!(ymm, "avx2,vaes", _mm256_set1_epi64x(KEY), _mm256_aesenc_epi128);
    rounds!(xmm, "avx,aes", _mm_set1_epi64x(KEY), _mm_aesenc_si128);
    rounds!(multiplications, "avx512f,avx512ifma", _mm512_set1_epi64(KEY), multiply_add);

    /// The sum is a factor as well, so that nothing can be computed beforehand.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma")]
    fn multiply_add(sum: __m512i, factor: __m512i) -> __m512i {
        _mm512_madd52lo_epu64(sum, sum, factor)
    }

    /// In assembly: a compiler computes once what never changes.
    #[target_feature(enable = "avx2,vaes,vpclmulqdq")]
    pub(super) fn mix(calls: u64) -> Duration {
        #[repr(align(64))]
        struct Memory([u8; 512]);

        if calls == 0 {
            return Duration::ZERO;
        }
        let mut memory = Memory([0x5a; 512]);
        let start = ThreadClock::start();
        // SAFETY: it touches flags, the registers that it names, and `memory` within its 512 bytes.
        unsafe {
            asm!(
                "vpcmpeqd ymm14, ymm14, ymm14",
                ".p2align 6",
                "2:",
                ".rept 12",
                "vbroadcasti128 ymm15, [{memory}]",
                "vaesenc ymm0, ymm0, ymm15",
                "vaesenc ymm1, ymm1, ymm15",
                "vbroadcasti128 ymm13, [{memory} + 32]",
                "vpclmulqdq ymm8, ymm12, ymm13, 0x00",
                "vaesenc ymm2, ymm2, ymm15",
                "vaesenc ymm3, ymm3, ymm15",
                "vpclmulqdq ymm9, ymm12, ymm13, 0x11",
                "vpunpcklqdq ymm12, ymm14, ymm13",
                "vaesenc ymm4, ymm4, ymm15",
                "vaesenc ymm5, ymm5, ymm15",
                "vpxor ymm10, ymm8, ymm9",
                "vpxor ymm11, ymm10, [{memory} + 64]",
                "vaesenc ymm6, ymm6, ymm15",
                "vaesenc ymm7, ymm7, ymm15",
                "vpxor ymm9, ymm10, ymm13",
                "vpxor ymm8, ymm11, ymm12",
                "vmovdqu [{memory} + 256], ymm11",
                ".endr",
                ".rept 2",
                "vmovdqu ymm13, [{memory} + 128]",
                "vmovdqu ymm11, [{memory} + 160]",
                "vpclmulqdq ymm8, ymm13, ymm14, 0x00",
                "vpshufb ymm12, ymm13, ymm14",
                "vmovdqu ymm10, [{memory} + 192]",
                "vmovdqu ymm9, [{memory} + 224]",
                "vpshufb ymm13, ymm11, ymm14",
                "vmovdqu ymm8, [{memory} + 384]",
                "vmovdqu ymm11, [{memory} + 416]",
                "vpshufb ymm12, ymm10, ymm14",
                "vmovdqu [{memory} + 288], ymm12",
                "vmovdqu [{memory} + 320], ymm13",
                ".endr",
                "dec {calls}",
                "jnz 2b",
                calls = inout(reg) calls => _,
                memory = in(reg) memory.0.as_mut_ptr(),
                out("ymm0") _, out("ymm1") _, out("ymm2") _, out("ymm3") _,
                out("ymm4") _, out("ymm5") _, out("ymm6") _, out("ymm7") _,
                out("ymm8") _, out("ymm9") _, out("ymm10") _, out("ymm11") _,
                out("ymm12") _, out("ymm13") _, out("ymm14") _, out("ymm15") _,
                options(nostack)
            );
        }
        start.elapsed()
    }

    #[target_feature(enable = "avx512f,avx512bw")]
    pub(super) fn xor_avx512(bytes: &mut [u8]) {
        super::xor(bytes);
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn xor_avx2(bytes: &mut [u8]) {
        super::xor(bytes);
    }
}

#[cfg(target_arch = "aarch64")]
mod aarch64 {
    use std::arch::aarch64::{uint8x16_t, vaeseq_u8, vaesmcq_u8, vdupq_n_u8};
    use std::hint::black_box;
    use std::time::Duration;

    use crate::clock::ThreadClock;

    /// One instruction after the other on one register: most cores run the two as one.
    #[inline]
    #[target_feature(enable = "neon,aes")]
    fn round(block: uint8x16_t, key: uint8x16_t) -> uint8x16_t {
        vaesmcq_u8(vaeseq_u8(block, key))
    }

    rounds!(q, "neon,aes", vdupq_n_u8(0x5a), round);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sweep_reaches_every_byte() {
        for length in [0, 1, 63, 64, 65, 4096, 100_003] {
            let mut bytes: Vec<u8> = (0..length).map(|_| fastrand::u8(..)).collect();
            let expected: Vec<u8> = bytes.iter().map(|byte| byte ^ 0x5a).collect();
            xor_sweep(&mut bytes);
            assert_eq!(bytes, expected);
        }
    }

    #[test]
    fn a_tier_has_the_yardstick_of_its_vectors() {
        for (tier, name, bytes) in [
            ("vaes512", "zmm", 64),
            ("vaes256", "ymm", 32),
            ("aesni", "xmm", 16),
            ("armv8", "q", 16),
        ] {
            if let Some(yardstick) = Yardstick::of_tier(tier) {
                assert_eq!((yardstick.name(), yardstick.bytes_per_call()), (name, 12 * bytes));
                assert!(yardstick.time::<14>(1000) > Duration::ZERO);
            }
        }
        assert_eq!(Yardstick::of_tier("software"), None);
        if let Some(mix) = Mix::available() {
            assert!(mix.time(1000) > Duration::ZERO);
        }
    }
}
