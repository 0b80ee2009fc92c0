//! Names for the kernel tiers that a target compiles; it probes nothing.
//!
//! - `x86_64_kernels`: the `vaes512`, `vaes256` and `aesni` tiers.
//!
//! `--cfg strongroom_software_only` in RUSTFLAGS leaves every kernel out, for audits of the
//! portable code.

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-check-cfg=cfg(x86_64_kernels)");
    println!("cargo:rustc-check-cfg=cfg(strongroom_software_only)");

    let software_only = env::var_os("CARGO_CFG_STRONGROOM_SOFTWARE_ONLY").is_some();
    let arch = env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_default();
    if arch == "x86_64" && !software_only {
        println!("cargo:rustc-cfg=x86_64_kernels");
    }
}
