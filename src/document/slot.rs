//! The part of the header that rotation rewrites: recipients under a generation number.
//!
//! ```text
//! 0        8   generation, from 1
//! 8        .   recipients, then zeros
//! end-48  32   HMAC-SHA-256 of prologue, geometry and the slot so far
//! end-16  16   SHA-256 of the slot so far, its first 16 bytes: tells a damaged slot from a whole one
//! ```
//!
//! The checksum comes last, so that it covers every other byte: whatever byte of one of two slots is
//! damaged, the other one serves. It needs no key, and whoever changes a slot on purpose makes it anew;
//! the HMAC is what refuses that.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use alloc::vec::Vec;

use sha2::{Digest, Sha256};

use super::recipient::{Recipient, encode_list, parse_list};
use crate::error::Error;

const GENERATION_LEN: usize = 8;
pub(crate) const MAC_LEN: usize = 32;
const CHECKSUM_LEN: usize = 16;
/// Bytes of a slot that are not recipients.
pub(crate) const FIXED_LEN: usize = GENERATION_LEN + MAC_LEN + CHECKSUM_LEN;

/// Generation and recipients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) generation: u64,
    pub(crate) recipients: Vec<Recipient>,
}

/// A slot's bytes up to its checksum, split where the HMAC begins.
pub(crate) struct Parts<'s> {
    pub(crate) authenticated: &'s [u8],
    pub(crate) mac: &'s [u8; MAC_LEN],
}

/// Splits a slot without looking inside; `None` where it is too short to be one.
pub(crate) fn parts(slot: &[u8]) -> Option<Parts<'_>> {
    let (checked, _) = slot.split_last_chunk::<CHECKSUM_LEN>()?;
    let (authenticated, mac) = checked.split_last_chunk()?;
    Some(Parts { authenticated, mac })
}

impl Slot {
    /// The slot in `length` bytes; `mac` computes the HMAC over what stands before it.
    pub(crate) fn encode(
        &mut self,
        layers: u8,
        length: usize,
        mac: impl FnOnce(&[u8]) -> Result<[u8; MAC_LEN], Error>,
    ) -> Result<Vec<u8>, Error> {
        let mut bytes = self.generation.to_be_bytes().to_vec();
        encode_list(layers, &mut self.recipients, &mut bytes)?;
        let room = length.saturating_sub(MAC_LEN).saturating_sub(CHECKSUM_LEN);
        if bytes.len() > room {
            return Err(Error::Length {
                what: "recipients in a header slot, in bytes",
                length: bytes.len().saturating_sub(GENERATION_LEN) as u64,
                limit: room.saturating_sub(GENERATION_LEN) as u64,
            });
        }
        bytes.resize(room, 0);
        let mac = mac(&bytes)?;
        bytes.extend(mac);
        let checksum = checksum(&bytes);
        bytes.extend(checksum);
        Ok(bytes)
    }

    /// Whether the slot was written to its end and is undamaged: its checksum holds.
    pub(crate) fn is_whole(slot: &[u8]) -> bool {
        slot.split_last_chunk::<CHECKSUM_LEN>()
            .is_some_and(|(checked, found)| checksum(checked) == *found)
    }

    /// Reads a whole slot of a document of so many layers. The error is a reason.
    pub(crate) fn parse(layers: u8, slot: &[u8]) -> Result<Self, &'static str> {
        let (generation, recipients) = parts(slot)
            .and_then(|parts| parts.authenticated.split_first_chunk::<GENERATION_LEN>())
            .ok_or("a header slot is too short")?;
        let generation = u64::from_be_bytes(*generation);
        if generation == 0 {
            return Err("a header slot has no generation");
        }
        Ok(Self { generation, recipients: parse_list(layers, recipients)? })
    }
}

fn checksum(checked: &[u8]) -> [u8; CHECKSUM_LEN] {
    let mut checksum = [0; CHECKSUM_LEN];
    for (byte, hash) in checksum.iter_mut().zip(Sha256::digest(checked)) {
        *byte = hash;
    }
    checksum
}
