//! Seals documents at rest: AES-256-GCM at the speed the processor allows, under keys that the
//! customer manages.
//!
//! - [`document`] seals and opens whole documents, in memory, in files and through streams.
//! - [`wrap`] wraps their keys; [`rsa`] holds the RSA-2048 keys that do.
//! - [`gcm`] is AES-256-GCM alone, on the [`backend`] that the processor allows; with the feature `aead`,
//!   `aes_gcm` stands in for the crate of that name.
//!
//! Modules stand in layers, and imports go down only: `document`, `parallel`, then `gcm`, `rsa` and
//! `wrap`, then `backend`, then the kernels in `arch`, which holds all unsafe code.

#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate alloc;

#[cfg(feature = "aead")]
pub mod aes_gcm;
mod arch;
pub mod backend;
pub mod document;
pub mod error;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
pub mod gcm;
mod parallel;
mod random;
#[cfg(feature = "rsa")]
pub mod rsa;
pub mod secret;
#[cfg(feature = "parallel")]
mod threads;
pub mod time;
pub mod wrap;

pub use error::Error;

/// The README's example, so that it stays true.
#[cfg(all(doctest, feature = "rsa"))]
#[doc = include_str!("../README.md")]
struct Readme;
