//! The part of the header that rotation rewrites: recipients under a generation number, in one slot or
//! two; and where the slots lie.
//!
//! ```text
//! 0        8   generation, from 1
//! 8        .   recipients, then zeros
//! end-48  32   HMAC-SHA-256 of prologue, geometry and the slot so far
//! end-16  16   SHA-256 of the slot so far, its first 16 bytes: distinguishes a damaged slot from a whole one
//! ```
//!
//! The checksum comes last, so that it covers every other byte: whatever byte of one of two slots is
//! damaged, the other one serves. It needs no key, and whoever changes a slot on purpose makes it anew;
//! the HMAC is what refuses that.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use alloc::vec::Vec;
use core::ops::Range;

use sha2::{Digest, Sha256};

use crate::document::header::prologue::PROLOGUE_LEN;
use crate::document::header::recipient::{Recipient, encode_list, parse_list};
use crate::document::key_schedule::HeaderKey;
use crate::error::Error;

const GENERATION_LEN: usize = 8;
pub(crate) const MAC_LEN: usize = 32;
pub(crate) const CHECKSUM_LEN: usize = 16;
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
    /// Appends the slot, in `length` bytes, to a header that begins with prologue and geometry.
    pub(crate) fn encode(
        &mut self,
        layers: u8,
        length: usize,
        key: &HeaderKey,
        header: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let start = header.len();
        header.extend(self.generation.to_be_bytes());
        encode_list(layers, &mut self.recipients, header)?;
        let used = header.len().saturating_sub(start);
        let room = length.saturating_sub(MAC_LEN).saturating_sub(CHECKSUM_LEN);
        if used > room {
            return Err(Error::Length {
                what: "recipients in a header slot, in bytes",
                length: used.saturating_sub(GENERATION_LEN) as u64,
                limit: room.saturating_sub(GENERATION_LEN) as u64,
            });
        }
        header.resize(start.saturating_add(room), 0);
        let (before, slot) = header.split_at(start);
        let mac = key.slot_mac(before.get(..PREFIX_LEN).unwrap_or_default(), slot);
        header.extend(mac);
        let checksum = checksum(header.get(start..).unwrap_or_default());
        header.extend(checksum);
        Ok(())
    }

    /// True where the slot was written to its end and is undamaged: its checksum holds.
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
    let hash: [u8; 32] = Sha256::digest(checked).into();
    *hash.first_chunk().unwrap_or(&[0; CHECKSUM_LEN])
}

pub(crate) const GEOMETRY_LEN: usize = 8;
/// Prologue and geometry: enough to know the header's length.
pub(crate) const PREFIX_LEN: usize = PROLOGUE_LEN + GEOMETRY_LEN;
/// Length of a sector, and of what stands before the first of two slots.
const UNIT: usize = 512;

/// Number of copies of the recipients in a header.
///
/// # Example
///
/// ```
/// use strongroom::document::{SealOptions, Slots};
///
/// let options = SealOptions { slots: Slots::One, ..SealOptions::default() };
/// assert_ne!(options.slots, SealOptions::default().slots);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Slots {
    /// One: for objects in a store, which are replaced as a whole. A header of 512 bytes.
    One,
    /// Two: for files, whose recipients can then be rewritten in place. A header of 2,560 bytes.
    #[default]
    Two,
}

/// Number and size of the slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    slots: Slots,
    units: u8,
}

impl Geometry {
    /// The smallest geometry whose slots hold `recipients_len` bytes of recipients.
    pub(crate) fn holding(slots: Slots, recipients_len: usize) -> Result<Self, Error> {
        let least = match slots {
            Slots::One => 1,
            Slots::Two => 2,
        };
        (least..=u8::MAX)
            .map(|units| Self { slots, units })
            .find(|geometry| geometry.holds(recipients_len))
            .ok_or(Error::Length {
                what: "recipients in a header slot, in bytes",
                length: recipients_len as u64,
                limit: usize::from(u8::MAX).saturating_mul(UNIT).saturating_sub(FIXED_LEN) as u64,
            })
    }

    /// True where a slot holds so many bytes of recipients.
    pub(crate) fn holds(self, recipients_len: usize) -> bool {
        self.slot_len() >= recipients_len.saturating_add(FIXED_LEN)
    }

    pub(crate) fn encode(self) -> [u8; GEOMETRY_LEN] {
        let slots = match self.slots {
            Slots::One => 1,
            Slots::Two => 2,
        };
        [slots, self.units, 0, 0, 0, 0, 0, 0]
    }

    pub(crate) fn parse(bytes: [u8; GEOMETRY_LEN]) -> Result<Self, Error> {
        let [slots, units, reserved @ ..] = bytes;
        let slots = match slots {
            1 => Slots::One,
            2 => Slots::Two,
            _ => {
                return Err(Error::format(PROLOGUE_LEN, "the number of slots is neither 1 nor 2"));
            }
        };
        if units == 0 {
            return Err(Error::format(PROLOGUE_LEN + 1, "the slots have no size"));
        }
        if reserved != [0; 6] {
            return Err(Error::format(PROLOGUE_LEN + 2, "reserved bytes are not zero"));
        }
        Ok(Self { slots, units })
    }

    pub(crate) fn slots(self) -> Slots {
        self.slots
    }

    fn units_len(self) -> usize {
        UNIT.saturating_mul(usize::from(self.units))
    }

    /// Length of a slot in bytes.
    pub(crate) fn slot_len(self) -> usize {
        match self.slots {
            Slots::One => self.units_len().saturating_sub(PREFIX_LEN),
            Slots::Two => self.units_len(),
        }
    }

    /// Length of the whole header in bytes.
    pub(crate) fn header_len(self) -> usize {
        match self.slots {
            Slots::One => self.units_len(),
            Slots::Two => self.units_len().saturating_mul(2).saturating_add(UNIT),
        }
    }

    /// Positions of the slots in the header.
    pub(crate) fn slot_ranges(self) -> impl Iterator<Item = Range<usize>> {
        let (first, count) = match self.slots {
            Slots::One => (PREFIX_LEN, 1),
            Slots::Two => (UNIT, 2),
        };
        (0..count).map(move |slot: usize| {
            let start = first.saturating_add(self.slot_len().saturating_mul(slot));
            start..start.saturating_add(self.slot_len())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_have_the_lengths_of_the_format() {
        let two = Geometry::holding(Slots::Two, 700).unwrap();
        assert_eq!((two.header_len(), two.slot_len()), (2560, 1024));
        assert_eq!(two.slot_ranges().collect::<Vec<_>>(), [512..1536, 1536..2560]);
        let one = Geometry::holding(Slots::One, 300).unwrap();
        assert_eq!((one.header_len(), one.slot_len()), (512, 376));
        assert!(one.slot_ranges().eq(std::iter::once(136..512)));
    }

    #[test]
    fn slots_grow_with_their_recipients() {
        for slots in [Slots::One, Slots::Two] {
            for recipients_len in 0..20_000 {
                let geometry = Geometry::holding(slots, recipients_len).unwrap();
                assert!(geometry.slot_len() >= recipients_len + FIXED_LEN);
                assert_eq!(Geometry::parse(geometry.encode()).unwrap(), geometry);
                assert_eq!(geometry.slot_ranges().last().unwrap().end, geometry.header_len());
            }
            assert!(Geometry::holding(slots, 255 * 512).is_err());
        }
    }

    #[test]
    fn bad_geometries_are_refused() {
        for bytes in [[0, 1], [3, 1], [255, 1], [1, 0], [2, 0]] {
            let [slots, units] = bytes;
            assert!(Geometry::parse([slots, units, 0, 0, 0, 0, 0, 0]).is_err());
        }
        for reserved in 2..8 {
            let mut bytes = [2, 2, 0, 0, 0, 0, 0, 0];
            bytes[reserved] = 1;
            assert!(Geometry::parse(bytes).is_err());
        }
    }
}
