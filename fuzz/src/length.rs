//! Lengths of texts, most of them where a kernel changes its ways.

use arbitrary::{Arbitrary, Result, Unstructured};

/// Lengths at which the kernels begin to make a counter cache for one text, chunks, and powers of two.
const BOUNDARIES: [usize; 9] =
    [4096, 8192, 12 * 1024, 16 * 1024, 24 * 1024, 32 * 1024, 64 * 1024, 128 * 1024, 256 * 1024];

/// Length of a text in bytes, up to 300 KiB.
#[derive(Clone, Copy, Debug)]
pub struct TextLen(pub usize);

impl TextLen {
    const MAX: usize = 300 * 1024;
}

impl<'a> Arbitrary<'a> for TextLen {
    /// Long ones are rare: they cost a hundred times what short ones do.
    fn arbitrary(input: &mut Unstructured<'a>) -> Result<Self> {
        let len = match input.int_in_range(0..=63)? {
            0..=15 => input.int_in_range(0..=2100)?,
            // Around the strides of all kernels, of which 512 bytes is the longest.
            16..=31 => around(input, 0..=24, |group| group * 512)?,
            // Text begins at counter 2: a run of 256 counters ends 254 blocks in.
            32..=47 => around(input, 0..=5, |run| (254 + 256 * run) * 16)?,
            48..=58 => around(input, 0..=4, |at| BOUNDARIES[at])?,
            59..=60 => around(input, 0..=8, |at| BOUNDARIES[at])?,
            61..=62 => around(input, 0..=74, |run| (254 + 256 * run) * 16)?,
            _ => input.int_in_range(0..=Self::MAX)?,
        };
        Ok(Self(len.min(Self::MAX)))
    }
}

/// A length within one long stride of a boundary, often within a block of it.
fn around(
    input: &mut Unstructured<'_>,
    numbers: std::ops::RangeInclusive<usize>,
    boundary: impl Fn(usize) -> usize,
) -> Result<usize> {
    let boundary = boundary(input.int_in_range(numbers)?);
    let reach = if input.arbitrary()? { 17 } else { 529 };
    let distance: isize = input.int_in_range(-reach..=reach)?;
    Ok(boundary.saturating_add_signed(distance))
}

/// Length of associated data in bytes, up to two of the longest strides and a bit.
#[derive(Clone, Copy, Debug)]
pub struct AssociatedDataLen(pub usize);

impl<'a> Arbitrary<'a> for AssociatedDataLen {
    fn arbitrary(input: &mut Unstructured<'a>) -> Result<Self> {
        let limit = if input.arbitrary()? { 40 } else { 1100 };
        Ok(Self(input.int_in_range(0..=limit)?))
    }
}
