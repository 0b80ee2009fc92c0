//! The aarch64 tier and its parts.

mod aes;
pub(crate) mod armv8;
mod ghash;
mod memory;
