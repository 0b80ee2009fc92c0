//! Counter-mode caching: the first AES rounds of 256 counter blocks in a row, computed once.
//!
//! ```text
//! Of a counter block only byte 15 changes for 256 blocks in a row. It is in row 3, column 3;
//! ShiftRows of round 1 moves it to column 0, whose other bytes are 0, 5 and 10 of the nonce.
//! Round 1 is linear behind its S-boxes, so after it the state is
//!
//!     T[b] ^ D        T depends on the key; D is constant for 256 blocks
//!
//! Round 2 spreads column 0 and is linear behind its S-boxes as well. After it the state is again
//!
//!     T[b] ^ D        T depends on the key and nonce bytes 0, 5, 10; D is constant for 256 blocks
//!
//! With one round or two:
//! T[b] = a block that is zero but for bytes 0, 5, 10 (of two rounds) and 15 = b, after the rounds,
//!        ^ the same with b = 0
//! D    = the block at hand with byte 15 = 0, after the rounds
//! ```
//!
//! Park and Lee, "FACE: Fast AES CTR mode Encryption Techniques based on the Reuse of Repetitive
//! Data", TCHES 2018(3).
//!
//! Constant-time: the table is indexed by the counter, which is public. It is key material: wiped.
//!
//! A flipped bit in it would spoil what is sealed and opened with it while every tag holds: see
//! `is_sound`, which is asked after each text.

use alloc::boxed::Box;

use super::BLOCK_LEN;

/// Entries of a table: as many as values of the counter's last byte.
pub(crate) const ENTRIES: usize = 256;
/// The last byte of the first entry: with a 96-bit nonce text starts at counter 2.
pub(crate) const FIRST_COUNTER: u8 = 2;
/// Bytes 0, 5 and 10 of a block.
const NONCE_BYTES: u128 = 0xff00_0000_00ff_0000_0000_ff00_0000_0000;

/// The table `T` after `ROUNDS` rounds, one or two, for one key and, of two rounds, three nonce bytes.
#[repr(align(64))]
pub(crate) struct CounterCache<const ROUNDS: usize> {
    /// T[2], …, T[255], T[0], T[1].
    entries: [[u8; BLOCK_LEN]; ENTRIES],
    /// Bytes 0, 5 and 10 of the counter blocks that it serves, the others zero; then zeros up to the next
    /// cache line. Padding would take along what lay on the stack, and be freed with it.
    nonce_bytes: [u128; 4],
}

impl<const ROUNDS: usize> CounterCache<ROUNDS> {
    /// The bytes of a counter block that the table depends on.
    const BYTES: u128 = if ROUNDS == 1 { 0 } else { NONCE_BYTES };

    /// A table for such pre-counter blocks, to be filled in place.
    pub(crate) fn empty(pre_counter_block: u128) -> Self {
        let nonce_bytes = pre_counter_block & Self::BYTES;
        Self { entries: [[0; BLOCK_LEN]; ENTRIES], nonce_bytes: [nonce_bytes, 0, 0, 0] }
    }

    /// The same on the heap, filled by a kernel.
    pub(crate) fn filled(pre_counter_block: u128, fill: impl FnOnce(&mut Self)) -> Box<Self> {
        // Not `Box::new`: the table would be on the stack first.
        let mut cache = Box::<Self>::default();
        cache.nonce_bytes[0] = pre_counter_block & Self::BYTES;
        fill(&mut cache);
        cache
    }

    /// True where the table serves this pre-counter block, and the text behind it starts where the groups are
    /// aligned with it: at counter 2, as with every 96-bit nonce.
    pub(crate) fn serves(&self, pre_counter_block: u128) -> bool {
        starts_aligned(pre_counter_block) && pre_counter_block & Self::BYTES == self.nonce_bytes[0]
    }

    /// The block of which `T[0]` would be, were it not subtracted from all.
    pub(crate) fn base_block(&self) -> u128 {
        self.nonce_bytes[0]
    }

    /// T[2], …, T[255], T[0], T[1].
    pub(crate) fn entries(&self) -> &[[u8; BLOCK_LEN]; ENTRIES] {
        &self.entries
    }

    /// The same, to be filled.
    pub(crate) fn entries_mut(&mut self) -> &mut [[u8; BLOCK_LEN]; ENTRIES] {
        &mut self.entries
    }

    /// The entries for `LEN` bytes of text behind the first `done` blocks. `done` is a multiple of
    /// the blocks in `LEN` bytes, which is a power of two.
    #[inline]
    pub(crate) fn group<const LEN: usize>(&self, done: usize) -> &[u8; LEN] {
        let bytes = self.entries.as_flattened();
        bytes[done % ENTRIES * BLOCK_LEN..].first_chunk().unwrap_or(&[0; LEN])
    }

    /// True where this can be the sum of all entries. No single flipped bit escapes; an even number of them
    /// at one position of their entries does.
    ///
    /// Over all values of `b` every byte that enters the last round's S-boxes takes every value once, or
    /// one value throughout: the sum is zero.
    pub(crate) fn is_sound_in_all(sum: u128) -> bool {
        sum == 0
    }

    /// Flips a bit, as failing memory would.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn flip(&mut self, bit: usize) {
        self.entries.as_flattened_mut()[bit / 8] ^= 1 << (bit % 8);
    }
}

impl<const ROUNDS: usize> Default for CounterCache<ROUNDS> {
    /// For pre-counter blocks whose bytes that matter are zero.
    fn default() -> Self {
        Self::empty(0)
    }
}

impl CounterCache<1> {
    /// True where this can be the sum of some entries, each of which is in it at most once. No single flipped
    /// bit in them escapes; some that cancel each other do.
    ///
    /// An entry is what MixColumns makes of a difference in row 3, and that is linear: the sum is
    /// zero but for column 0, and that is (s, s, 3s, 2s) for some s.
    pub(crate) fn is_sound(sum: u128) -> bool {
        let s = sum & 0xff;
        let two_s = ((s << 1) ^ (0x1b & 0_u128.wrapping_sub(s >> 7))) & 0xff;
        sum == s | s << 8 | (two_s ^ s) << 16 | two_s << 24
    }
}

impl<const ROUNDS: usize> Drop for CounterCache<ROUNDS> {
    fn drop(&mut self) {
        // In whole vectors: byte by byte it would take longer than what the table saves.
        self.entries.as_flattened_mut().fill(0);
        zeroize::optimization_barrier(&self.entries);
    }
}

/// True where the text behind this pre-counter block starts with the first entry.
pub(crate) fn starts_aligned(pre_counter_block: u128) -> bool {
    pre_counter_block & 0xff == u128::from(FIRST_COUNTER) - 1
}

/// The counter block `blocks` further on: the counter is the last 32 bits, and wraps into itself
/// (inc32 of SP 800-38D, section 6.2, so many times).
pub(crate) fn add_to_counter(block: u128, blocks: u32) -> u128 {
    const COUNTER: u128 = u32::MAX as u128;
    (block & !COUNTER) | (block.wrapping_add(u128::from(blocks)) & COUNTER)
}

/// The sum of a cache's entries: `$load` takes so many blocks of them to vectors, which `$xor` adds up.
#[cfg(any(x86_64_kernels, aarch64_kernels))]
macro_rules! sum_of_entries {
    ($cache:ident, $vectors:expr, $blocks:expr, $load:path, $zero:expr, $xor:path) => {{
        let mut sums = [$zero; $vectors];
        for done in (0..ENTRIES).step_by($blocks) {
            for (sum, entries) in sums.iter_mut().zip($load($cache.group(done))) {
                *sum = $xor(*sum, entries);
            }
        }
        sums.into_iter().fold($zero, |sum, next| $xor(sum, next))
    }};
}

#[cfg(any(x86_64_kernels, aarch64_kernels))]
pub(crate) use sum_of_entries;
