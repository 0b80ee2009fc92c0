//! Counter-mode caching: the first two AES rounds of 256 counter blocks, computed once.
//!
//! ```text
//! Of a counter block only byte 15 changes for 256 blocks in a row. It is in row 3, column 3;
//! ShiftRows of round 1 moves it to column 0, whose other bytes are 0, 5 and 10 of the nonce.
//! Round 2 spreads that column and is linear behind its S-boxes. So the state after round 2 is
//!
//!     T[b] ^ D        T depends on the key and nonce bytes 0, 5, 10; D is constant for 256 blocks
//!
//! T[b] = rounds 1 and 2 of a block that is zero but for bytes 0, 5, 10 and 15 = b
//! D    = rounds 1 and 2 of the block at hand with byte 15 = 0,  ^ T[0]
//! ```
//!
//! Park and Lee, "FACE: Fast AES CTR mode Encryption Techniques based on the Reuse of Repetitive
//! Data", TCHES 2018(3).
//!
//! Constant-time: the table is indexed by the counter, which is public. It is key material: wiped.
//!
//! A flipped bit in it would spoil what is sealed and opened with it while every tag holds. Over all
//! 256 values of `b` every byte that enters round 2's S-boxes takes every value once, or one value
//! throughout; so the XOR of all entries is zero. [`CounterCache::is_sound`] is asked after each text.

use super::BLOCK_LEN;

/// Values of the counter's last byte.
const VALUES: usize = 256;
/// Text starts at counter 2, so that the last group of 16 or 32 blocks before a wrap reaches two past it.
pub(crate) const FIRST_COUNTER: usize = 2;

/// Bytes 0, 5 and 10 of a block.
const NONCE_BYTES: u128 = 0xff00_0000_00ff_0000_0000_ff00_0000_0000;

/// The table `T`, for one key and three nonce bytes.
#[repr(align(64))]
pub(crate) struct CounterCache {
    /// T[0], …, T[255], T[0], T[1].
    entries: [[u8; BLOCK_LEN]; VALUES + FIRST_COUNTER],
    /// Bytes 0, 5 and 10 of the counter blocks that it serves; the others are zero.
    nonce_bytes: u128,
}

impl CounterCache {
    /// A table for nonces with these bytes, to be filled in place.
    pub(crate) fn empty(pre_counter_block: u128) -> Self {
        let entries = [[0; BLOCK_LEN]; VALUES + FIRST_COUNTER];
        Self { entries, nonce_bytes: nonce_bytes(pre_counter_block) }
    }

    /// Whether the table serves this pre-counter block, and the text behind it starts where the
    /// groups are aligned with it: at counter 2, as with every 96-bit nonce.
    pub(crate) fn serves(&self, pre_counter_block: u128) -> bool {
        self.nonce_bytes == nonce_bytes(pre_counter_block) && starts_aligned(pre_counter_block)
    }

    /// The block of which `T[0]` is two rounds.
    pub(crate) fn base_block(&self) -> u128 {
        self.nonce_bytes
    }

    /// The entries to fill; [`CounterCache::close`] adds those behind them.
    pub(crate) fn entries_mut(&mut self) -> &mut [[u8; BLOCK_LEN]] {
        &mut self.entries[..VALUES]
    }

    /// Repeats the first entries behind the last.
    pub(crate) fn close(&mut self) {
        self.entries.copy_within(..FIRST_COUNTER, VALUES);
    }

    /// `T[0]`.
    pub(crate) fn first(&self) -> &[u8; BLOCK_LEN] {
        &self.entries[0]
    }

    /// `LEN` bytes of entries from `T[b]` on, past 255 from 0 on; `b` is the last byte of a group's
    /// first counter.
    #[inline]
    pub(crate) fn group<const LEN: usize>(&self, b: usize) -> &[u8; LEN] {
        let bytes = self.entries.as_flattened();
        // A group ends at `FIRST_COUNTER` of the next run at most: the slice is always long enough.
        bytes[b * BLOCK_LEN..].first_chunk().unwrap_or(&[0; LEN])
    }

    /// `T[0]`, …, `T[255]`.
    pub(crate) fn entries(&self) -> &[[u8; BLOCK_LEN]] {
        &self.entries[..VALUES]
    }

    /// Whether no bit has flipped; `sum` is the XOR of [`CounterCache::entries`].
    pub(crate) fn is_sound(&self, sum: [u8; BLOCK_LEN]) -> bool {
        let (entries, repeated) = self.entries.split_at(VALUES);
        let differences = entries.iter().zip(repeated).fold(0, |differences, (entry, repeated)| {
            differences | (u128::from_ne_bytes(*entry) ^ u128::from_ne_bytes(*repeated))
        });
        u128::from_ne_bytes(sum) | differences == 0
    }

    /// Flips a bit, as failing memory would.
    #[cfg(test)]
    pub(crate) fn flip(&mut self, bit: usize) {
        self.entries.as_flattened_mut()[bit / 8] ^= 1 << (bit % 8);
    }
}

impl Drop for CounterCache {
    fn drop(&mut self) {
        // In whole vectors: byte by byte it would take longer than what the table saves.
        self.entries.as_flattened_mut().fill(0);
        zeroize::optimization_barrier(&self.entries);
    }
}

/// The counter block `blocks` further on: the counter is the last 32 bits, and wraps into itself
/// (inc32 of SP 800-38D, section 6.2, so many times).
pub(crate) fn add_to_counter(block: u128, blocks: u32) -> u128 {
    const COUNTER: u128 = u32::MAX as u128;
    (block & !COUNTER) | (block.wrapping_add(u128::from(blocks)) & COUNTER)
}

/// Whether the first text block's counter ends in 2.
pub(crate) fn starts_aligned(pre_counter_block: u128) -> bool {
    pre_counter_block & 0xff == FIRST_COUNTER as u128 - 1
}

fn nonce_bytes(block: u128) -> u128 {
    block & NONCE_BYTES
}
