//! Code that the fuzz targets share: reference code that is not the engine's, and buffers.
//!
//! `scripts/fuzz` runs the targets. Each makes a case from the fuzzer's bytes, has the engine work on
//! it, and panics where that gives anything else than `gcm`, `rsa` and `format`, which are written from the
//! standards and from `docs/format.md` on crates by others.

pub mod buffer;
pub mod change;
pub mod format;
pub mod gcm;
pub mod key;
pub mod length;
pub mod rsa;
pub mod seed;

use std::fmt::Display;
use std::sync::LazyLock;

use strongroom::backend::Backend;

/// True where the target is to plant a bug in the engine's output: a run that does not find it shows that the
/// target cannot fail.
pub fn planted() -> bool {
    static PLANTED: LazyLock<bool> =
        LazyLock::new(|| std::env::var_os("STRONGROOM_FUZZ_PLANTED").is_some());
    *PLANTED
}

/// Every backend of this processor, fastest first, in a build that is what it should be.
pub fn backends() -> &'static [Backend] {
    static BACKENDS: LazyLock<Vec<Backend>> = LazyLock::new(|| {
        assert!(
            !aes::hardware_accelerated(),
            "the software tier runs the processor's instructions: the flags of .cargo/config.toml \
             are lost; run the target with scripts/fuzz, which passes them on"
        );
        let backends: Vec<_> = Backend::available().collect();
        let names: Vec<_> = backends.iter().map(|backend| backend.name()).collect();
        eprintln!("backends: {}", names.join(","));
        if let Ok(required) = std::env::var("STRONGROOM_REQUIRE_BACKENDS") {
            assert_eq!(names.join(","), required, "the tiers here and the tiers required");
        }
        backends
    });
    &BACKENDS
}

/// Panics where two texts differ, and says where; all of their bytes would fill the screen.
#[track_caller]
pub fn assert_same(found: &[u8], expected: &[u8], case: &dyn Display) {
    if found != expected {
        let at = found.iter().zip(expected).position(|(one, other)| one != other);
        let (len, expected_len) = (found.len(), expected.len());
        panic!("{case}: they differ at {at:?}, {len} bytes, {expected_len} expected");
    }
}
