//! Names for the kernel tiers that a target compiles; it probes nothing.
//!
//! - `x86_64_kernels`: the `vaes512`, `vaes256` and `aesni` tiers.
//! - `aarch64_kernels`: the `armv8` tier, where vectors may be used and bytes go from low to high.
//!
//! `--cfg strongroom_software_only` in RUSTFLAGS leaves every kernel out, for audits of the
//! portable code.

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-check-cfg=cfg(x86_64_kernels)");
    println!("cargo:rustc-check-cfg=cfg(aarch64_kernels)");
    println!("cargo:rustc-check-cfg=cfg(strongroom_software_only)");
    println!("cargo:rustc-check-cfg=cfg(fuzzing)"); // cargo-fuzz sets it

    let software_only = env::var_os("CARGO_CFG_STRONGROOM_SOFTWARE_ONLY").is_some();
    let arch = env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_default();
    if arch == "x86_64" && !software_only {
        println!("cargo:rustc-cfg=x86_64_kernels");
    }
    let endian = env::var("CARGO_CFG_TARGET_ENDIAN").unwrap_or_default();
    let features = env::var("CARGO_CFG_TARGET_FEATURE").unwrap_or_default();
    let neon = features.split(',').any(|feature| feature == "neon");
    if arch == "aarch64" && endian == "little" && neon && !software_only {
        println!("cargo:rustc-cfg=aarch64_kernels");
    }
}
