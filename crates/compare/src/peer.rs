//! The implementations of AES-256-GCM that are measured, behind one small trait.
//!
//! Each keeps its key in the object that its library makes for that, set up before the clock runs.

pub(crate) mod agreement;
mod aws_lc;
mod graviola;
pub(crate) mod openssl;
mod rind;
mod ring;
mod rscrypto;
mod rustcrypto;
mod strongroom;

use std::hint::black_box;
use std::time::Duration;

use ::strongroom::backend::Backend;
use anyhow::{Context as _, Result, ensure};

pub(crate) use rustcrypto::{RustCrypto, is_software};
pub(crate) use strongroom::Strongroom;

use crate::clock::ThreadClock;
use crate::messages::Messages;

/// The key that all use.
pub(crate) const KEY: [u8; 32] = *b"not a secret, only for measuring";

/// AES-256-GCM under one key, in place, the tag apart.
pub(crate) trait Peer {
    /// The library's name.
    fn name(&self) -> &str;

    /// Encrypts `text` and returns the tag; `None` if the library refuses.
    fn seal(&mut self, nonce: &[u8; 12], ad: &[u8], text: &mut [u8]) -> Option<[u8; 16]>;

    /// Decrypts `text`; whether the tag holds.
    fn open(&mut self, nonce: &[u8; 12], ad: &[u8], text: &mut [u8], tag: &[u8; 16]) -> bool;

    // The loops stand here and not with the caller, so that the calls in them are the library's
    // own, not calls through a table.

    /// Seals so many messages and says how long that took.
    fn time_seals(&mut self, messages: &mut Messages, calls: u64) -> Result<Duration> {
        let start = ThreadClock::start();
        for _ in 0..calls {
            let (nonce, text) = messages.next_to_seal();
            ensure!(black_box(self.seal(nonce, &[], black_box(text))).is_some(), "refused to seal");
        }
        Ok(start.elapsed())
    }

    /// Opens so many messages and says how long that took.
    fn time_opens(&mut self, messages: &mut Messages, calls: u64) -> Result<Duration> {
        let start = ThreadClock::start();
        for _ in 0..calls {
            let (nonce, text, tag) = messages.next_to_open();
            ensure!(black_box(self.open(nonce, &[], black_box(text), tag)), "refused a right tag");
        }
        Ok(start.elapsed())
    }
}

/// Direction of a measurement: messages are sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Seal,
    Open,
}

impl Operation {
    /// Both.
    pub(crate) const ALL: [Self; 2] = [Self::Seal, Self::Open];

    /// `seal` or `open`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Seal => "seal",
            Self::Open => "open",
        }
    }

    /// Times so many calls of `peer`.
    pub(crate) fn time(
        self,
        peer: &mut dyn Peer,
        messages: &mut Messages,
        calls: u64,
    ) -> Result<Duration> {
        match self {
            Self::Seal => peer.time_seals(messages, calls),
            Self::Open => peer.time_opens(messages, calls),
        }
        .with_context(|| peer.name().to_owned())
    }
}

/// Strongroom's fastest tier, then every peer.
///
/// # Errors
///
/// A library's, where it does not take the key.
pub(crate) fn all() -> Result<Vec<Box<dyn Peer>>> {
    Ok(vec![
        Box::new(Strongroom::new(Backend::detect())),
        Box::new(aws_lc::AwsLc::new()?),
        Box::new(ring::Ring::new()?),
        Box::new(graviola::Graviola::new()),
        Box::new(rind::Rind::new()?),
        Box::new(rscrypto::RsCrypto::new()),
        Box::new(openssl::OpenSsl::new("openssl")?),
        Box::new(RustCrypto::new()),
    ])
}
