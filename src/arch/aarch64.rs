//! The aarch64 tier and its parts.

mod aes;
pub(crate) mod armv8;
mod ghash;
pub(crate) mod key_wrap;
mod memory;
