//! The x86_64 tiers and what they share.

mod aes;
pub(crate) mod aesni;
mod barrier;
mod counter_cache;
#[cfg(test)]
mod forms;
mod ghash;
#[cfg(feature = "rsa")]
pub(crate) mod ifma;
pub(crate) mod key_wrap;
mod memory;
mod message;
mod reload;
pub(crate) mod vaes256;
pub(crate) mod vaes512;
mod wide;
