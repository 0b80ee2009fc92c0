//! AES-256 for the aarch64 tier: key expansion and rounds.
//!
//! ```text
//! rk[0..2] = key
//! rk[2k]   = prefix_xor(rk[2k-2]) ^ SubWord(RotWord(last word of rk[2k-1])) ^ rcon[k]   k = 1..=7
//! rk[2k+1] = prefix_xor(rk[2k-1]) ^ SubWord(last word of rk[2k])                        k = 1..=6
//!
//! AESE(state, rk) = ShiftRows(SubBytes(state ^ rk))      AESMC(state) = MixColumns(state)
//! AES(block)      = AESE(AESMC(AESE(… block, rk[0] …)), rk[13]) ^ rk[14]
//! ```
//!
//! FIPS 197, section 5.2; Arm Architecture Reference Manual, C7.2. The key is added before a round
//! and not after it, as FIPS 197 has it: so the last round key is an XOR by itself. SubWord is AESE
//! under a zero key on a block whose four columns are equal: there ShiftRows changes nothing. AESE
//! and the AESMC behind it stand next to each other: most cores run the two as one.
//!
//! Constant-time: straight-line code; AESE and AESMC are among the instructions whose time the
//! architecture lets be independent of data (PSTATE.DIT).

use core::arch::aarch64::{
    uint8x16_t, vaesdq_u8, vaeseq_u8, vaesimcq_u8, vaesmcq_u8, vdupq_laneq_u32, vdupq_n_u8,
    vdupq_n_u32, veorq_u8, vextq_u8, vqtbl1q_u8, vreinterpretq_u8_u32, vreinterpretq_u32_u8,
};

use zeroize::Zeroize;

use super::memory::{load, store};

/// Number of round keys of AES-256: fourteen rounds and the whitening before them.
pub(super) const ROUND_KEYS: usize = 15;

/// The round keys in the byte order of memory.
#[repr(align(64))]
pub(super) struct RoundKeys([[u8; 16]; ROUND_KEYS]);

impl RoundKeys {
    /// A place for round keys.
    pub(super) fn zeroed() -> Self {
        Self([[0; 16]; ROUND_KEYS])
    }

    /// Expands `key` where this is.
    #[inline]
    #[target_feature(enable = "neon,aes")]
    pub(super) fn set(&mut self, key: &[u8; 32]) {
        let keys = self;
        let halves = key.as_chunks().0;
        let (mut even, mut odd) = (load(&halves[0]), load(&halves[1]));
        store(&mut keys.0[0], even);
        store(&mut keys.0[1], odd);

        // Bytes 13, 14, 15, 12 in every column: RotWord of the last word, four times.
        let rotate_last_word = vreinterpretq_u8_u32(vdupq_n_u32(0x0c0f_0e0d));
        for k in 1..8 {
            let rcon = vreinterpretq_u8_u32(vdupq_n_u32(1 << (k - 1)));
            let word = veorq_u8(sub_word(vqtbl1q_u8(odd, rotate_last_word)), rcon);
            even = veorq_u8(prefix_xor(even), word);
            store(&mut keys.0[2 * k], even);
            if k < 7 {
                let last_word = vdupq_laneq_u32::<3>(vreinterpretq_u32_u8(even));
                let word = sub_word(vreinterpretq_u8_u32(last_word));
                odd = veorq_u8(prefix_xor(odd), word);
                store(&mut keys.0[2 * k + 1], odd);
            }
        }
    }

    /// Makes of them those of [`RoundKeys::decrypt_block`], the equivalent inverse cipher (FIPS 197,
    /// section 5.3.5).
    #[inline]
    #[target_feature(enable = "neon,aes")]
    pub(super) fn invert(&mut self) {
        self.0.reverse();
        for key in &mut self.0[1..ROUND_KEYS - 1] {
            let inverse = vaesimcq_u8(load(key));
            store(key, inverse);
        }
    }

    /// The inverse of AES-256 on one block, with the round keys inverted.
    #[inline]
    #[target_feature(enable = "neon,aes")]
    pub(super) fn decrypt_block(&self, block: uint8x16_t) -> uint8x16_t {
        let mut state = block;
        for round_key in &self.0[..ROUND_KEYS - 2] {
            state = vaesimcq_u8(vaesdq_u8(state, load(round_key)));
        }
        veorq_u8(vaesdq_u8(state, load(&self.0[ROUND_KEYS - 2])), self.last())
    }

    /// Rounds `FROM..TO` of the first thirteen, on all blocks.
    #[inline]
    #[target_feature(enable = "neon,aes")]
    pub(super) fn rounds<const FROM: usize, const TO: usize>(&self, blocks: &mut [uint8x16_t]) {
        for round_key in &self.0[FROM..TO] {
            let round_key = load(round_key);
            for block in blocks.iter_mut() {
                *block = vaesmcq_u8(vaeseq_u8(*block, round_key));
            }
        }
    }

    /// The fourteenth round, which mixes no columns, on all blocks; [`Self::last`] is still to be
    /// added.
    #[inline]
    #[target_feature(enable = "neon,aes")]
    pub(super) fn final_round(&self, blocks: &mut [uint8x16_t]) {
        let round_key = load(&self.0[ROUND_KEYS - 2]);
        for block in blocks.iter_mut() {
            *block = vaeseq_u8(*block, round_key);
        }
    }

    /// The last round key.
    #[inline]
    #[target_feature(enable = "neon")]
    pub(super) fn last(&self) -> uint8x16_t {
        load(&self.0[ROUND_KEYS - 1])
    }

    /// AES-256 of one block.
    #[inline]
    #[target_feature(enable = "neon,aes")]
    pub(super) fn encrypt_block(&self, block: uint8x16_t) -> uint8x16_t {
        let mut state = [block];
        self.rounds::<0, 13>(&mut state);
        self.final_round(&mut state);
        veorq_u8(state[0], self.last())
    }
}

impl Drop for RoundKeys {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// SubWord in every column of a block of four equal ones.
#[inline]
#[target_feature(enable = "neon,aes")]
fn sub_word(columns: uint8x16_t) -> uint8x16_t {
    vaeseq_u8(columns, vdupq_n_u8(0))
}

/// Each word XORed with all words below it.
#[inline]
#[target_feature(enable = "neon")]
fn prefix_xor(words: uint8x16_t) -> uint8x16_t {
    let zero = vdupq_n_u8(0);
    let pairs = veorq_u8(words, vextq_u8::<12>(zero, words));
    veorq_u8(pairs, vextq_u8::<8>(zero, pairs))
}
