//! GHASH in integer multiplications, four blocks to a reduction.
//!
//! ```text
//! Bits of a block, first to last: coefficients of x^0, x^1, …, x^127. So as a big-endian number it
//! is the element with its bits reversed, and a product of two is reversed and shifted by one bit.
//!
//! carry-less product of 64-bit a and b, low half:      "holes" of three bits take up the carries
//!     a[i] = a & (0x1111… << i)    b[j] likewise    sum[k] = XOR of a[i] * b[j] over i + j = k mod 4
//!     low  = OR of sum[k] & (0x1111… << k)
//! high half: the low half of the product with the bits of both reversed, reversed
//!
//! product: Karatsuba, 3 products of 64 bits, each in both halves: 6 parts
//! hash = (hash ^ block[0]) · H^4 ^ block[1] · H^3 ^ block[2] · H^2 ^ block[3] · H      one reduction
//! ```
//!
//! NIST SP 800-38D, sections 6.3 and 6.4; Pornin, BearSSL, "Constant-time crypto", ghash_ctmul64. All
//! that depends on a power alone is kept with it; sums are masked, combined and reduced once.
//!
//! Constant-time: straight-line code, where the processor's multiplication is.

use zeroize::Zeroize;

/// Blocks to a reduction.
const GROUP: usize = 4;
/// Every fourth bit. Up to 15 of them meet in a sum, whose carries end in the three between; 16 only in
/// the highest, whose carry leaves the word.
const HOLES: u64 = 0x1111_1111_1111_1111;
/// Products of 64 bits in a product of 128: low, high and middle, and each with its bits reversed.
const PARTS: usize = 6;

/// The hash key's powers, ready to multiply by; wiped on drop.
pub(super) struct HashKey {
    /// H^4, H^3, H^2, H.
    powers: [[[u64; 4]; PARTS]; GROUP],
}

impl HashKey {
    /// A place for powers.
    pub(super) fn zeroed() -> Self {
        Self { powers: [[[0; 4]; PARTS]; GROUP] }
    }

    /// Writes the powers where this is.
    pub(super) fn set(&mut self, h: u128) {
        let mut power = h;
        self.powers[GROUP - 1] = parts(h).map(spread);
        for n in (0..GROUP - 1).rev() {
            power = self.absorb(0, [power]);
            self.powers[n] = parts(power).map(spread);
        }
    }

    /// GHASH of any number of bytes onto `hash`, the last block filled up with zeros.
    pub(super) fn absorb_padded(&self, mut hash: u128, bytes: &[u8]) -> u128 {
        let (blocks, rest) = bytes.as_chunks();
        let (groups, single) = blocks.as_chunks::<GROUP>();
        for group in groups {
            hash = self.absorb(hash, group.map(u128::from_be_bytes));
        }
        for block in single {
            hash = self.absorb(hash, [u128::from_be_bytes(*block)]);
        }
        if !rest.is_empty() {
            let mut padded = [0; 16];
            padded[..rest.len()].copy_from_slice(rest);
            hash = self.absorb(hash, [u128::from_be_bytes(padded)]);
        }
        hash
    }

    /// GHASH of `N` blocks onto `hash`.
    #[inline]
    fn absorb<const N: usize>(&self, hash: u128, mut blocks: [u128; N]) -> u128 {
        blocks[0] ^= hash;
        let blocks = blocks.map(parts);
        let powers = &self.powers[GROUP - N..];
        reduce(core::array::from_fn(|part| {
            let mut sums = [0; 4];
            for (block, power) in blocks.iter().zip(powers) {
                add_product(&mut sums, spread(block[part]), power[part]);
            }
            let [a, b, c, d] = sums;
            (a & HOLES) | (b & (HOLES << 1)) | (c & (HOLES << 2)) | (d & (HOLES << 3))
        }))
    }
}

impl Drop for HashKey {
    fn drop(&mut self) {
        self.powers.zeroize();
    }
}

/// The factors of an element for each of the six products.
#[allow(clippy::cast_possible_truncation, reason = "halves")]
#[inline]
fn parts(element: u128) -> [u64; PARTS] {
    let (low, high) = (element as u64, (element >> 64) as u64);
    let (low_reversed, high_reversed) = (low.reverse_bits(), high.reverse_bits());
    [low, high, low ^ high, low_reversed, high_reversed, low_reversed ^ high_reversed]
}

/// Every fourth bit, from the first, the second, the third and the fourth on.
#[inline]
fn spread(part: u64) -> [u64; 4] {
    [part & HOLES, part & (HOLES << 1), part & (HOLES << 2), part & (HOLES << 3)]
}

/// Adds a carry-less product of 64 bits, of whose sums only every fourth bit counts.
#[inline]
fn add_product(sums: &mut [u64; 4], a: [u64; 4], b: [u64; 4]) {
    for (i, a) in a.iter().enumerate() {
        for (j, b) in b.iter().enumerate() {
            sums[(i + j) % 4] ^= a.wrapping_mul(*b);
        }
    }
}

/// The element of which these are the parts of a product.
#[inline]
fn reduce(parts: [u64; PARTS]) -> u128 {
    let [low, high, middle, low_reversed, high_reversed, middle_reversed] = parts;
    let middle = middle ^ low ^ high;
    let middle_reversed = middle_reversed ^ low_reversed ^ high_reversed;
    // The upper half of a product of 64 bits has 63.
    let upper = |reversed: u64| reversed.reverse_bits() >> 1;

    let v0 = low;
    let v1 = upper(low_reversed) ^ middle;
    let v2 = high ^ upper(middle_reversed);
    let v3 = upper(high_reversed);
    let v3 = (v3 << 1) | (v2 >> 63);
    let v2 = (v2 << 1) | (v1 >> 63);
    let v1 = (v1 << 1) | (v0 >> 63);
    let v0 = v0 << 1;

    // x^128 = x^7 + x^2 + x + 1, one word after the other.
    let v2 = v2 ^ v0 ^ (v0 >> 1) ^ (v0 >> 2) ^ (v0 >> 7);
    let v1 = v1 ^ (v0 << 63) ^ (v0 << 62) ^ (v0 << 57);
    let v3 = v3 ^ v1 ^ (v1 >> 1) ^ (v1 >> 2) ^ (v1 >> 7);
    let v2 = v2 ^ (v1 << 63) ^ (v1 << 62) ^ (v1 << 57);
    (u128::from(v3) << 64) | u128::from(v2)
}

#[cfg(test)]
mod tests {
    //! Against the `ghash` crate.

    use ghash::GHash;
    use ghash::universal_hash::UniversalHash;

    use super::*;

    /// Bits without a pattern.
    fn noise(seed: usize) -> u128 {
        let mut state = seed as u128 ^ 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c834;
        for _ in 0..4 {
            state = state.wrapping_mul(0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645).rotate_left(41);
        }
        state
    }

    fn of(h: u128) -> HashKey {
        let mut key = HashKey::zeroed();
        key.set(h);
        key
    }

    #[test]
    fn every_length_to_three_groups_agrees() {
        for len in 0..=3 * GROUP * 16 {
            let bytes: Vec<u8> =
                (0..len).flat_map(|at| noise(at).to_be_bytes()).take(len).collect();
            let mut theirs = GHash::new(&noise(len).to_be_bytes().into());
            theirs.update_padded(&bytes);
            let ours = of(noise(len)).absorb_padded(0, &bytes);
            assert_eq!(ours.to_be_bytes(), <[u8; 16]>::from(theirs.finalize()), "{len}");
        }
    }

    /// Compares products of runs of ones, in which carries run furthest.
    #[test]
    fn every_pair_of_extremes_agrees() {
        let ones = |count: u32| u128::MAX.checked_shr(128 - count).unwrap_or(0);
        let extremes =
            (0..=128).flat_map(|count| [ones(count), !ones(count), ones(count).reverse_bits()]);
        for h in extremes.clone() {
            let key = of(h);
            for block in extremes.clone().step_by(5) {
                let mut theirs = GHash::new(&h.to_be_bytes().into());
                theirs.update(&[block.to_be_bytes().into(); GROUP]);
                let ours = key.absorb_padded(0, &block.to_be_bytes().repeat(GROUP));
                assert_eq!(
                    ours.to_be_bytes(),
                    <[u8; 16]>::from(theirs.finalize()),
                    "{h:x} {block:x}"
                );
            }
        }
    }
}
