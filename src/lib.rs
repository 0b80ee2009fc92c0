//! Seals documents at rest: AES-256-GCM at the speed the processor allows, under keys that the
//! customer manages.

#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate alloc;

mod arch;
pub mod backend;
pub mod document;
pub mod error;
pub mod gcm;
mod parallel;
mod random;
#[cfg(feature = "rsa")]
pub mod rsa;
pub mod secret;
pub mod wrap;

pub use error::Error;
