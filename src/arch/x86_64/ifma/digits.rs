//! Digits of 52 bits, and the vectors that hold eight of them.

/// Digits in a vector.
pub(crate) const LANES: usize = 8;

/// A vector in memory, one digit a lane.
pub(super) type Vector = [u8; 64];

/// Puts `value` into a lane.
pub(super) fn put(vector: &mut Vector, lane: usize, value: u64) {
    vector[8 * lane..][..8].copy_from_slice(&value.to_le_bytes());
}

/// The digit in a lane.
pub(super) fn take(vector: &Vector, lane: usize) -> u64 {
    vector[8 * lane..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// Joins digits, the lowest first, to limbs; returns the bits from 2^(64 N) on.
pub(super) fn join<const N: usize>(digits: impl Iterator<Item = u64>, limbs: &mut [u64; N]) -> u64 {
    limbs.fill(0);
    let mut above = 0;
    for (index, digit) in digits.enumerate() {
        let (limb, shift) = (52 * index / 64, 52 * index % 64);
        *limbs.get_mut(limb).unwrap_or(&mut above) |= digit << shift;
        // By 64 less the shift, in two steps.
        *limbs.get_mut(limb + 1).unwrap_or(&mut above) |= digit >> 1 >> (63 - shift);
    }
    above
}
