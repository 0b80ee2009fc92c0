//! The features of a processor, as far as the operating system supports them: a plain record.

/// The processor features that decide between tiers.
///
/// A record like any other: tests fill it in for processors that are not at hand. Only
/// [`Features::detect`] says what this one has, and only that opens a tier.
#[allow(clippy::struct_excessive_bools, reason = "one for each bit that a processor shows")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Features {
    /// AES-NI, or aarch64's FEAT_AES.
    pub(crate) aes: bool,
    pub(crate) pclmulqdq: bool,
    pub(crate) sse3: bool,
    pub(crate) ssse3: bool,
    pub(crate) sse41: bool,
    pub(crate) sse42: bool,
    pub(crate) avx: bool,
    pub(crate) avx2: bool,
    pub(crate) fma: bool,
    pub(crate) f16c: bool,
    pub(crate) vaes: bool,
    pub(crate) vpclmulqdq: bool,
    pub(crate) avx512f: bool,
    pub(crate) avx512bw: bool,
    pub(crate) avx512vl: bool,
    pub(crate) avx512dq: bool,
    pub(crate) avx512ifma: bool,
    /// Of those with VAES, AMD's processors have it.
    pub(crate) sse4a: bool,
    pub(crate) avx512vp2intersect: bool,
    /// aarch64's FEAT_PMULL: the product of 64-bit polynomials.
    pub(crate) pmull: bool,
    /// aarch64's FEAT_SHA1 and FEAT_SHA256.
    pub(crate) sha2: bool,
    /// aarch64's FEAT_SHA3: EOR3 is one of its instructions.
    pub(crate) sha3: bool,
}

impl Features {
    /// This processor's features, as far as the operating system saves their registers.
    /// Cached below: a few atomic loads after the first call.
    pub(crate) fn detect() -> Self {
        #[cfg(x86_64_kernels)]
        {
            x86_64::detect()
        }
        #[cfg(aarch64_kernels)]
        {
            aarch64::detect()
        }
        #[cfg(not(any(x86_64_kernels, aarch64_kernels)))]
        {
            Self::default()
        }
    }

    /// The `aesni` kernel may run.
    ///
    /// Here and below stand all features that the compiler takes for granted where it may use the tier's
    /// own: a hypervisor may hide one and show the other. They are those of rustc's table
    /// (`compiler/rustc_target/src/target_features.rs`), which `rustc --print cfg -C target-feature=+vaes` shows
    /// for each; SSE2 and NEON are the platforms' own.
    pub(crate) fn support_aesni(self) -> bool {
        self.aes && self.pclmulqdq && self.sse3 && self.ssse3 && self.sse41
    }

    /// The `aesni` kernel may use AVX.
    pub(crate) fn support_avx(self) -> bool {
        self.sse42 && self.avx
    }

    /// The `vaes256` kernel may run.
    pub(crate) fn support_vaes256(self) -> bool {
        self.support_aesni() && self.support_avx2() && self.vaes && self.vpclmulqdq
    }

    fn support_avx2(self) -> bool {
        self.support_avx() && self.avx2
    }

    fn support_avx512f(self) -> bool {
        self.support_avx2() && self.avx512f && self.fma && self.f16c
    }

    /// The `vaes512` kernel may run.
    pub(crate) fn support_vaes512(self) -> bool {
        let avx512 = self.support_avx512f() && self.avx512bw && self.avx512vl && self.avx512dq;
        self.support_vaes256() && avx512
    }

    /// The `ifma` kernel may run.
    #[cfg(any(all(x86_64_kernels, feature = "rsa"), test))]
    pub(crate) fn support_ifma(self) -> bool {
        self.support_avx512f() && self.avx512ifma
    }

    /// The processor is AMD's Zen 5 or later. No kernel needs that; one is faster in another form there.
    #[cfg(any(x86_64_kernels, test))]
    pub(crate) fn are_of_zen_5(self) -> bool {
        self.sse4a && self.avx512vp2intersect
    }

    /// The `armv8` kernel may run. AES and PMULL are two features: the architecture allows
    /// the first without the second.
    pub(crate) fn support_armv8(self) -> bool {
        self.aes && self.pmull
    }

    /// The `armv8` kernel may use EOR3.
    #[cfg(any(aarch64_kernels, test))]
    pub(crate) fn support_eor3(self) -> bool {
        self.sha2 && self.sha3
    }
}

#[cfg(x86_64_kernels)]
mod x86_64 {
    use super::Features;

    cpufeatures::new!(cpu_aes, "aes");
    cpufeatures::new!(cpu_pclmulqdq, "pclmulqdq");
    cpufeatures::new!(cpu_sse3, "sse3");
    cpufeatures::new!(cpu_ssse3, "ssse3");
    cpufeatures::new!(cpu_sse41, "sse4.1");
    cpufeatures::new!(cpu_sse42, "sse4.2");
    cpufeatures::new!(cpu_avx, "avx");
    cpufeatures::new!(cpu_avx2, "avx2");
    cpufeatures::new!(cpu_fma, "fma");
    cpufeatures::new!(cpu_avx512f, "avx512f");
    cpufeatures::new!(cpu_avx512bw, "avx512bw");
    cpufeatures::new!(cpu_avx512vl, "avx512vl");
    cpufeatures::new!(cpu_avx512dq, "avx512dq");
    cpufeatures::new!(cpu_avx512ifma, "avx512ifma");
    // Without `std` these two come from here as well. `cpufeatures` wants zmm state for them, so that
    // a processor without AVX-512 then runs `aesni`, not `vaes256`.
    #[cfg(not(feature = "std"))]
    cpufeatures::new!(cpu_vaes, "vaes");
    #[cfg(not(feature = "std"))]
    cpufeatures::new!(cpu_vpclmulqdq, "vpclmulqdq");

    pub(super) fn detect() -> Features {
        Features {
            aes: cpu_aes::get(),
            pclmulqdq: cpu_pclmulqdq::get(),
            sse3: cpu_sse3::get(),
            ssse3: cpu_ssse3::get(),
            sse41: cpu_sse41::get(),
            sse42: cpu_sse42::get(),
            avx: cpu_avx::get(),
            avx2: cpu_avx2::get(),
            fma: cpu_fma::get(),
            avx512f: cpu_avx512f::get(),
            avx512bw: cpu_avx512bw::get(),
            avx512vl: cpu_avx512vl::get(),
            avx512dq: cpu_avx512dq::get(),
            avx512ifma: cpu_avx512ifma::get(),
            // `cpufeatures` does not know these three: without `std` a processor that has not told the compiler
            // of F16C runs `vaes256`, and none is taken for a Zen 5.
            #[cfg(feature = "std")]
            f16c: std::arch::is_x86_feature_detected!("f16c"),
            #[cfg(not(feature = "std"))]
            f16c: cfg!(target_feature = "f16c"),
            #[cfg(feature = "std")]
            sse4a: std::arch::is_x86_feature_detected!("sse4a"),
            #[cfg(feature = "std")]
            avx512vp2intersect: std::arch::is_x86_feature_detected!("avx512vp2intersect"),
            #[cfg(feature = "std")]
            vaes: std::arch::is_x86_feature_detected!("vaes"),
            #[cfg(feature = "std")]
            vpclmulqdq: std::arch::is_x86_feature_detected!("vpclmulqdq"),
            #[cfg(not(feature = "std"))]
            vaes: cpu_vaes::get(),
            #[cfg(not(feature = "std"))]
            vpclmulqdq: cpu_vpclmulqdq::get(),
            ..Features::default()
        }
    }
}

#[cfg(aarch64_kernels)]
mod aarch64 {
    use super::Features;

    /// `cpufeatures` 0.3 does not serve here: on Linux its "aes" is AES or PMULL, its "sha3" SHA-3
    /// or SHA-512.
    #[cfg(feature = "std")]
    pub(super) fn detect() -> Features {
        Features {
            aes: std::arch::is_aarch64_feature_detected!("aes"),
            pmull: std::arch::is_aarch64_feature_detected!("pmull"),
            sha2: std::arch::is_aarch64_feature_detected!("sha2"),
            sha3: std::arch::is_aarch64_feature_detected!("sha3"),
            ..Features::default()
        }
    }

    /// Features that the compiler may use (on Apple's processors all): programs may not ask the processor,
    /// and without `std` nobody asks the operating system. Its "aes" includes PMULL.
    #[cfg(not(feature = "std"))]
    pub(super) fn detect() -> Features {
        Features {
            aes: cfg!(target_feature = "aes"),
            pmull: cfg!(target_feature = "aes"),
            sha2: cfg!(target_feature = "sha2"),
            sha3: cfg!(target_feature = "sha3"),
            ..Features::default()
        }
    }
}
