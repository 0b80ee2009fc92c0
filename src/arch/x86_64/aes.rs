//! AES-256 key expansion and the encryption of single blocks, for every x86_64 tier.
//!
//! ```text
//! rk[0..2] = key
//! rk[2k]   = prefix_xor(rk[2k-2]) ^ SubWord(RotWord(last word of rk[2k-1])) ^ rcon[k]   k = 1..=7
//! rk[2k+1] = prefix_xor(rk[2k-1]) ^ SubWord(last word of rk[2k])                        k = 1..=6
//! ```
//!
//! FIPS 197, section 5.2. SubWord is `aesenclast` on a block whose four columns are equal: there
//! ShiftRows changes nothing. (`aeskeygenassist` is slower on most processors, and interpreters
//! of this code do not know it.)
//!
//! Constant-time: straight-line code; `aesenc` and `pshufb` take no data-dependent time.

use core::arch::x86_64::{
    __m128i, _mm_aesdec_si128, _mm_aesdeclast_si128, _mm_aesenc_si128, _mm_aesenclast_si128,
    _mm_aesimc_si128, _mm_set1_epi32, _mm_setzero_si128, _mm_shuffle_epi8, _mm_shuffle_epi32,
    _mm_slli_si128, _mm_xor_si128,
};

use zeroize::Zeroize;

use super::memory::{load_128, store_128};

/// Number of round keys of AES-256: fourteen rounds and the whitening before them.
pub(super) const ROUND_KEYS: usize = 15;

/// The round keys in the byte order of memory.
#[repr(align(64))]
pub(super) struct RoundKeys(pub(super) [[u8; 16]; ROUND_KEYS]);

impl RoundKeys {
    /// A place for round keys.
    pub(super) fn zeroed() -> Self {
        Self([[0; 16]; ROUND_KEYS])
    }

    /// Expands `key` where this is.
    #[inline]
    #[target_feature(enable = "aes,ssse3")]
    pub(super) fn set(&mut self, key: &[u8; 32]) {
        let keys = self;
        let halves = key.as_chunks().0;
        let (mut even, mut odd) = (load_128(&halves[0]), load_128(&halves[1]));
        store_128(&mut keys.0[0], even);
        store_128(&mut keys.0[1], odd);

        // Bytes 13, 14, 15, 12 in every column: RotWord of the last word, four times.
        let rotate_last_word = _mm_set1_epi32(0x0c0f_0e0d);
        for k in 1..8 {
            let rcon = _mm_set1_epi32(1 << (k - 1));
            let word = _mm_aesenclast_si128(_mm_shuffle_epi8(odd, rotate_last_word), rcon);
            even = _mm_xor_si128(prefix_xor(even), word);
            store_128(&mut keys.0[2 * k], even);
            if k < 7 {
                let last_word = _mm_shuffle_epi32::<0xff>(even);
                let word = _mm_aesenclast_si128(last_word, _mm_setzero_si128());
                odd = _mm_xor_si128(prefix_xor(odd), word);
                store_128(&mut keys.0[2 * k + 1], odd);
            }
        }
    }

    /// Makes of them those of [`RoundKeys::decrypt_block`], the equivalent inverse cipher (FIPS 197,
    /// section 5.3.5).
    #[inline]
    #[target_feature(enable = "aes")]
    pub(super) fn invert(&mut self) {
        self.0.reverse();
        for key in &mut self.0[1..ROUND_KEYS - 1] {
            let inverse = _mm_aesimc_si128(load_128(key));
            store_128(key, inverse);
        }
    }

    /// The inverse of AES-256 on one block, with the round keys inverted.
    #[inline]
    #[target_feature(enable = "aes")]
    pub(super) fn decrypt_block(&self, block: __m128i) -> __m128i {
        let mut state = _mm_xor_si128(block, load_128(&self.0[0]));
        for key in &self.0[1..ROUND_KEYS - 1] {
            state = _mm_aesdec_si128(state, load_128(key));
        }
        _mm_aesdeclast_si128(state, load_128(&self.0[ROUND_KEYS - 1]))
    }

    /// AES-256 of one block.
    #[inline]
    #[target_feature(enable = "aes")]
    pub(super) fn encrypt_block(&self, block: __m128i) -> __m128i {
        let mut state = _mm_xor_si128(block, load_128(&self.0[0]));
        for key in &self.0[1..ROUND_KEYS - 1] {
            state = _mm_aesenc_si128(state, load_128(key));
        }
        _mm_aesenclast_si128(state, load_128(&self.0[ROUND_KEYS - 1]))
    }
}

impl Drop for RoundKeys {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// Each word XORed with all words below it.
#[inline]
#[target_feature(enable = "sse2")]
fn prefix_xor(words: __m128i) -> __m128i {
    let pairs = _mm_xor_si128(words, _mm_slli_si128::<4>(words));
    _mm_xor_si128(pairs, _mm_slli_si128::<8>(pairs))
}
