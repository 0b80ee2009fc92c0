//! Where the header's slots are.
//!
//! ```text
//! 128   1   slots, 1 or 2
//! 129   1   size: 512-byte units of a slot
//! 130   6   zero
//!
//! one slot:  the header is size x 512 bytes, the slot is its rest from byte 136
//! two slots: zeros to byte 512, then two slots of size x 512 bytes each
//! ```
//!
//! Two slots start and end at sector boundaries, so that a torn write harms one of them at most.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use core::ops::Range;

use super::prologue::PROLOGUE_LEN;
use super::slot::FIXED_LEN;
use crate::error::Error;

pub(crate) const GEOMETRY_LEN: usize = 8;
/// Prologue and geometry: enough to know the header's length.
pub(crate) const PREFIX_LEN: usize = PROLOGUE_LEN + GEOMETRY_LEN;
/// Length of a sector, and of what stands before the first of two slots.
const UNIT: usize = 512;

/// How many copies of the recipients a header keeps.
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
        let needed = recipients_len.saturating_add(FIXED_LEN);
        (least..=u8::MAX)
            .map(|units| Self { slots, units })
            .find(|geometry| geometry.slot_len() >= needed)
            .ok_or(Error::Length {
                what: "recipients in a header slot, in bytes",
                length: recipients_len as u64,
                limit: usize::from(u8::MAX).saturating_mul(UNIT) as u64,
            })
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

    /// Where in the header the slots are.
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
