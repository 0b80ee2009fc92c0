//! The choice on records of real processors, and the tiers that this run must have.

use super::Backend;
use super::known_answer::passes;
use super::tier::Tier;
use crate::arch::features::Features;

fn choose(features: Features) -> Tier {
    Tier::supported_by(features).next().unwrap()
}

/// Features that the named processors report, from the vendors' and sandpile.org's CPUID tables.
const PROCESSORS: [(&str, Features, Tier); 12] = {
    const NEHALEM: Features = Features {
        aes: false,
        pclmulqdq: false,
        sse3: true,
        ssse3: true,
        sse41: true,
        sse42: true,
        avx: false,
        avx2: false,
        fma: false,
        f16c: false,
        vaes: false,
        vpclmulqdq: false,
        avx512f: false,
        avx512bw: false,
        avx512vl: false,
        avx512dq: false,
        avx512ifma: false,
        sse4a: false,
        avx512vp2intersect: false,
        pmull: false,
        sha2: false,
        sha3: false,
    };
    const WESTMERE: Features = Features { aes: true, pclmulqdq: true, ..NEHALEM };
    const SANDY_BRIDGE: Features = Features { avx: true, ..WESTMERE };
    const HASWELL: Features = Features { avx2: true, fma: true, f16c: true, ..SANDY_BRIDGE };
    const ALDER_LAKE: Features = Features { vaes: true, vpclmulqdq: true, ..HASWELL };
    const ZEN_3: Features = Features { sse4a: true, ..ALDER_LAKE };
    const SKYLAKE_X: Features =
        Features { avx512f: true, avx512bw: true, avx512vl: true, avx512dq: true, ..HASWELL };
    const ICE_LAKE: Features =
        Features { vaes: true, vpclmulqdq: true, avx512ifma: true, ..SKYLAKE_X };
    const TIGER_LAKE: Features = Features { avx512vp2intersect: true, ..ICE_LAKE };
    const ZEN_4: Features = Features { sse4a: true, ..ICE_LAKE };
    const ZEN_5: Features = Features { avx512vp2intersect: true, ..ZEN_4 };
    [
        ("Nehalem", NEHALEM, Tier::Software),
        ("Westmere", WESTMERE, Tier::Aesni),
        ("Sandy Bridge", SANDY_BRIDGE, Tier::Aesni),
        ("Haswell", HASWELL, Tier::Aesni),
        ("Zen 3", ZEN_3, Tier::Vaes256),
        ("Alder Lake", ALDER_LAKE, Tier::Vaes256),
        ("Skylake-X", SKYLAKE_X, Tier::Aesni),
        ("Ice Lake", ICE_LAKE, Tier::Vaes512),
        ("Tiger Lake", TIGER_LAKE, Tier::Vaes512),
        ("Zen 4", ZEN_4, Tier::Vaes512),
        ("Zen 5", ZEN_5, Tier::Vaes512),
        ("Sapphire Rapids", ICE_LAKE, Tier::Vaes512),
    ]
};

#[test]
fn each_processor_gets_its_tier() {
    for (processor, features, tier) in PROCESSORS {
        assert_eq!(choose(features), tier, "{processor}");
        assert_eq!(Tier::supported_by(features).last(), Some(Tier::Software), "{processor}");
        let before_avx = matches!(processor, "Nehalem" | "Westmere");
        assert_eq!(features.support_avx(), !before_avx, "{processor}");
        assert_eq!(features.are_of_zen_5(), processor == "Zen 5", "{processor}");
    }
}

/// Processors of the aarch64 kind, from Arm's reference manuals, what Linux shows of them, and
/// LLVM's table of Apple's: what they have, their tier, and whether it uses EOR3.
#[test]
fn each_aarch64_processor_gets_its_tier() {
    let none = Features::default();
    let aes_and_pmull = Features { aes: true, pmull: true, ..none };
    let with_sha3 = Features { sha2: true, sha3: true, ..aes_and_pmull };
    for (processor, features, tier, eor3) in [
        ("Cortex-A53 without the cryptographic extension", none, Tier::Software, false),
        ("Cortex-A72 of the Raspberry Pi 4", none, Tier::Software, false),
        ("AES without PMULL", Features { aes: true, ..none }, Tier::Software, false),
        ("PMULL without AES", Features { pmull: true, ..none }, Tier::Software, false),
        ("SHA-3 without SHA-2", Features { sha2: false, ..with_sha3 }, Tier::Armv8, false),
        ("SHA-3 without AES", Features { aes: false, ..with_sha3 }, Tier::Software, true),
        ("Cortex-A72 with the cryptographic extension", aes_and_pmull, Tier::Armv8, false),
        ("Neoverse N1", aes_and_pmull, Tier::Armv8, false),
        ("Graviton 3, a Neoverse V1", with_sha3, Tier::Armv8, true),
        ("Apple M1", with_sha3, Tier::Armv8, true),
    ] {
        assert_eq!(choose(features), tier, "{processor}");
        assert_eq!(features.support_eor3(), eor3, "{processor}");
        assert_eq!(Tier::supported_by(features).last(), Some(Tier::Software), "{processor}");
    }
}

/// Taking away any one feature that a tier needs takes the tier away, and nothing below it that
/// does without that feature.
#[test]
fn a_tier_needs_each_of_its_features() {
    type Clear = fn(&mut Features);
    let (_, ice_lake, _) = PROCESSORS[7];
    let for_vaes512: [Clear; 6] = [
        // The compiler takes these two for granted with AVX-512 F.
        |f| f.fma = false,
        |f| f.f16c = false,
        |f| f.avx512f = false,
        |f| f.avx512bw = false,
        |f| f.avx512vl = false,
        |f| f.avx512dq = false,
    ];
    let for_vaes256: [Clear; 5] = [
        // These two with AVX2.
        |f| f.sse42 = false,
        |f| f.avx = false,
        |f| f.avx2 = false,
        |f| f.vaes = false,
        |f| f.vpclmulqdq = false,
    ];
    let for_aesni: [Clear; 5] = [
        |f| f.aes = false,
        |f| f.pclmulqdq = false,
        // With SSSE3.
        |f| f.sse3 = false,
        |f| f.ssse3 = false,
        |f| f.sse41 = false,
    ];
    for clear in &for_vaes256[..2] {
        let mut features = ice_lake;
        clear(&mut features);
        assert!(!features.support_avx(), "{features:?}");
    }
    for clear in for_vaes512 {
        let mut features = ice_lake;
        clear(&mut features);
        assert_eq!(choose(features), Tier::Vaes256, "{features:?}");
    }
    for clear in for_vaes256 {
        let mut features = ice_lake;
        clear(&mut features);
        assert_eq!(choose(features), Tier::Aesni, "{features:?}");
    }
    for clear in for_aesni {
        let mut features = ice_lake;
        clear(&mut features);
        assert_eq!(choose(features), Tier::Software, "{features:?}");
    }
}

/// `STRONGROOM_REQUIRE_BACKENDS=a,b,c` lists the tiers this run must have, fastest first, and all
/// of them: a tier is never skipped in silence.
#[test]
fn required_backends_are_available() {
    let available: Vec<_> = Backend::available().map(Backend::name).collect();
    println!("backends: {}", available.join(","));
    if let Ok(required) = std::env::var("STRONGROOM_REQUIRE_BACKENDS") {
        let required: Vec<_> = required.split(',').collect();
        assert_eq!(available, required, "the tiers of this processor and the tiers required");
    }
    assert_eq!(available.last(), Some(&"software"));
    assert_eq!(Some(&Backend::detect().name()), available.first());
}

#[test]
fn names_lead_back_to_their_backends() {
    for backend in Backend::available() {
        assert_eq!(Backend::by_name(backend.name()), Some(backend));
        assert_eq!(format!("{backend:?}"), format!("Backend({})", backend.name()));
    }
    assert_eq!(Backend::by_name("vaes1024"), None);
}

/// The test must be able to fail: under another tier's slot nothing is known yet, and the answer
/// is computed, not assumed.
#[test]
fn known_answer_is_computed_for_every_tier() {
    for backend in Backend::available() {
        assert!(passes(backend, backend.tier()), "{backend:?}");
    }
    assert!(super::known_answer::catches_a_wrong_key());
}

/// Without this the `software` tier would run the processor's AES instructions.
#[test]
fn software_is_software() {
    assert!(
        !aes::hardware_accelerated(),
        "the aes crate runs hardware code: a RUSTFLAGS variable has replaced the flags of \
         .cargo/config.toml; add --cfg aes_backend=\"soft\" --cfg polyval_backend=\"soft\" to it"
    );
}
