//! The part of the header that rotation rewrites: recipients under a generation number.
//!
//! ```text
//! 0        8   generation, from 1
//! 8        .   recipients, then zeros
//! end-48  16   SHA-256 of the slot so far, its first 16 bytes: tells a torn slot from a whole one
//! end-32  32   HMAC-SHA-256 of prologue, geometry and the slot so far
//! ```

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use alloc::vec::Vec;

use sha2::{Digest, Sha256};

use super::recipient::{Recipient, encode_list, parse_list};
use crate::error::Error;

const GENERATION_LEN: usize = 8;
const CHECKSUM_LEN: usize = 16;
pub(crate) const MAC_LEN: usize = 32;
/// Bytes of a slot that are not recipients.
pub(crate) const FIXED_LEN: usize = GENERATION_LEN + CHECKSUM_LEN + MAC_LEN;

/// Generation and recipients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) generation: u64,
    pub(crate) recipients: Vec<Recipient>,
}

/// A slot's bytes, split where the HMAC begins.
pub(crate) struct Parts<'s> {
    pub(crate) authenticated: &'s [u8],
    pub(crate) mac: &'s [u8; MAC_LEN],
}

/// Splits a slot without looking inside; `None` where it is too short to be one.
pub(crate) fn parts(slot: &[u8]) -> Option<Parts<'_>> {
    let (authenticated, mac) = slot.split_last_chunk()?;
    Some(Parts { authenticated, mac })
}

impl Slot {
    /// The slot in `length` bytes; `mac` computes the HMAC over all but itself.
    pub(crate) fn encode(
        &mut self,
        length: usize,
        mac: impl FnOnce(&[u8]) -> Result<[u8; MAC_LEN], Error>,
    ) -> Result<Vec<u8>, Error> {
        let mut bytes = self.generation.to_be_bytes().to_vec();
        encode_list(&mut self.recipients, &mut bytes)?;
        let room = length.saturating_sub(CHECKSUM_LEN).saturating_sub(MAC_LEN);
        if bytes.len() > room {
            return Err(Error::Length {
                what: "recipients in a header slot, in bytes",
                length: bytes.len().saturating_sub(GENERATION_LEN) as u64,
                limit: room.saturating_sub(GENERATION_LEN) as u64,
            });
        }
        bytes.resize(room, 0);
        let checksum = checksum(&bytes);
        bytes.extend(checksum);
        let mac = mac(&bytes)?;
        bytes.extend(mac);
        Ok(bytes)
    }

    /// Whether the slot was written to its end: its checksum holds.
    pub(crate) fn is_whole(slot: &[u8]) -> bool {
        parts(slot)
            .and_then(|parts| parts.authenticated.split_last_chunk::<CHECKSUM_LEN>())
            .is_some_and(|(content, found)| checksum(content) == *found)
    }

    /// Reads a whole slot. The error is a reason.
    pub(crate) fn parse(slot: &[u8]) -> Result<Self, &'static str> {
        let (generation, recipients) = parts(slot)
            .and_then(|parts| parts.authenticated.split_last_chunk::<CHECKSUM_LEN>())
            .and_then(|(content, _)| content.split_first_chunk::<GENERATION_LEN>())
            .ok_or("a header slot is too short")?;
        let generation = u64::from_be_bytes(*generation);
        if generation == 0 {
            return Err("a header slot has no generation");
        }
        Ok(Self { generation, recipients: parse_list(recipients)? })
    }
}

fn checksum(content: &[u8]) -> [u8; CHECKSUM_LEN] {
    let mut checksum = [0; CHECKSUM_LEN];
    for (byte, hash) in checksum.iter_mut().zip(Sha256::digest(content)) {
        *byte = hash;
    }
    checksum
}
