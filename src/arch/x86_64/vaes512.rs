//! The `vaes512` tier: VAES and VPCLMULQDQ on eight 512-bit vectors, 32 blocks, at a time.
//!
//! ```text
//! absorb(vectors): hash ^= first block; Σ vector[v] · (H^(n-4v) … H^(n-4v-3)) lane by lane,
//!                  reduced once a group, then the four lanes are added
//!
//! counter = J0 + 1, + 2, + 3, + 4 in the four lanes
//! for each group of 8 vectors, then for what is left, the last vector masked:
//!     keystream[v] = AES(counter + 4v)         8 vectors in flight, a round at a time
//!     output[v] = input[v] ^ keystream[v]
//!     absorb(ciphertext)
//! tag = AES(J0) ^ (hash ^ lengths) · H
//! ```
//!
//! NIST SP 800-38D, algorithms 4 and 5.
//!
//! Constant-time: branches, indexes and masks depend on lengths alone.

use core::arch::x86_64::{
    __m128i, __m512i, _mm_set_epi8, _mm_setzero_si128, _mm_xor_si128, _mm256_castsi256_si128,
    _mm256_extracti128_si256, _mm256_xor_si256, _mm512_add_epi32, _mm512_aesenc_epi128,
    _mm512_aesenclast_epi128, _mm512_broadcast_i32x4, _mm512_bslli_epi128, _mm512_bsrli_epi128,
    _mm512_castsi512_si256, _mm512_clmulepi64_epi128, _mm512_extracti64x4_epi64, _mm512_set_epi32,
    _mm512_set1_epi64, _mm512_setzero_si512, _mm512_shuffle_epi8, _mm512_shuffle_epi32,
    _mm512_xor_si512, _mm512_zextsi128_si512,
};

use zeroize::Zeroize;

use super::aes::{ROUND_KEYS, RoundKeys};
use super::ghash::{REDUCTION, dot, fill_powers, hash_key, reverse_bytes};
use super::memory::{
    load_128, load_512, load_partial_512, store_128, store_512, store_partial_512,
};
use crate::arch::features::Features;
use crate::arch::{BLOCK_LEN, InOutBuf, OPEN, SEAL, length_block};

/// Vectors in flight.
const GROUP: usize = 8;
const VECTOR_LEN: usize = 64;
const GROUP_LEN: usize = GROUP * VECTOR_LEN;
const GROUP_BLOCKS: usize = GROUP_LEN / BLOCK_LEN;
/// Entries behind H^1, so that a vector of powers may be read from any entry. They meet the zero
/// blocks behind the text's last one.
const PADDING: usize = 3;

/// Proof that this processor has what the kernel needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token(());

impl Token {
    pub(crate) fn detect() -> Option<Self> {
        Features::detect().support_vaes512().then_some(Self(()))
    }
}

/// The expanded key, wiped on drop. It exists only where a [`Token`] did.
pub(crate) struct Key {
    round_keys: RoundKeys,
    /// H^32, H^31, …, H^1, and padding.
    powers: [[u8; 16]; GROUP_BLOCKS + PADDING],
}

impl Key {
    pub(crate) fn new(_: Token, key: &[u8; 32]) -> Self {
        // SAFETY: the token says that `Features::support_vaes512` holds.
        unsafe { expand(key) }
    }

    pub(crate) fn seal(
        &self,
        pre_counter_block: &[u8; 16],
        associated_data: &[u8],
        buffer: InOutBuf<'_, '_, u8>,
    ) -> [u8; 16] {
        // SAFETY: a `Key` is made from a token only: `Features::support_vaes512` holds.
        unsafe { crypt::<SEAL>(self, pre_counter_block, associated_data, buffer) }
    }

    pub(crate) fn open(
        &self,
        pre_counter_block: &[u8; 16],
        associated_data: &[u8],
        buffer: InOutBuf<'_, '_, u8>,
    ) -> [u8; 16] {
        // SAFETY: a `Key` is made from a token only: `Features::support_vaes512` holds.
        unsafe { crypt::<OPEN>(self, pre_counter_block, associated_data, buffer) }
    }

    /// The powers for a vector that starts `blocks_left` blocks before the end of a group.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn powers_for(&self, blocks_left: usize) -> __m512i {
        let from = (GROUP_BLOCKS - blocks_left) * BLOCK_LEN;
        let bytes = &self.powers.as_flattened()[from..];
        load_512(bytes.first_chunk().unwrap_or(&[0; VECTOR_LEN]))
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.powers.zeroize();
    }
}

#[target_feature(enable = "aes,pclmulqdq,avx512f,avx512bw,avx512vl,avx512dq,vaes,vpclmulqdq")]
fn expand(key: &[u8; 32]) -> Key {
    let round_keys = RoundKeys::expand(key);
    let h = hash_key(round_keys.encrypt_block(_mm_setzero_si128()));
    let mut powers = [[0; 16]; GROUP_BLOCKS + PADDING];
    fill_powers(&mut powers[..GROUP_BLOCKS], h);
    Key { round_keys, powers }
}

#[target_feature(enable = "aes,pclmulqdq,avx512f,avx512bw,avx512vl,avx512dq,vaes,vpclmulqdq")]
fn crypt<const DIRECTION: bool>(
    key: &Key,
    pre_counter_block: &[u8; 16],
    associated_data: &[u8],
    buffer: InOutBuf<'_, '_, u8>,
) -> [u8; 16] {
    let text_len = buffer.len();
    let mut hash = absorb_padded(key, _mm_setzero_si128(), associated_data);

    // The counter is the last four bytes, big-endian: reversed, it is the lowest word of a lane.
    let j0 = load_128(pre_counter_block);
    let next_vector = _mm512_set_epi32(0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0, 4);
    let lanes = _mm512_set_epi32(0, 0, 0, 4, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 1);
    let mut counter = _mm512_add_epi32(_mm512_broadcast_i32x4(reverse_bytes(j0)), lanes);

    let (groups, mut rest) = buffer.into_chunks::<aes::cipher::consts::U512>();
    for mut group in groups {
        let mut vectors = [_mm512_setzero_si512(); GROUP];
        for vector in &mut vectors {
            *vector = reverse_lanes(counter);
            counter = _mm512_add_epi32(counter, next_vector);
        }
        encrypt_vectors(&key.round_keys, &mut vectors);

        let input: &[u8; GROUP_LEN] = group.get_in().as_ref();
        let mut ciphertext = [_mm512_setzero_si512(); GROUP];
        for ((vector, text), hashed) in
            vectors.iter_mut().zip(input.as_chunks().0).zip(&mut ciphertext)
        {
            let text = load_512(text);
            *vector = _mm512_xor_si512(*vector, text);
            *hashed = if DIRECTION == SEAL { *vector } else { text };
        }
        let output: &mut [u8; GROUP_LEN] = group.get_out().as_mut();
        for (bytes, vector) in output.as_chunks_mut().0.iter_mut().zip(vectors) {
            store_512(bytes, vector);
        }

        let mut product = Product::zero();
        let mut carried = _mm512_zextsi128_si512(hash);
        for (v, vector) in ciphertext.iter().enumerate() {
            let blocks = _mm512_xor_si512(reverse_lanes(*vector), carried);
            product.add(blocks, key.powers_for(GROUP_BLOCKS - 4 * v));
            carried = _mm512_setzero_si512();
        }
        hash = product.reduce();
    }

    // Fewer than eight vectors, the last one perhaps partial.
    let left = rest.len();
    if left > 0 {
        let mut product = Product::zero();
        let mut carried = _mm512_zextsi128_si512(hash);
        let blocks_left = left.div_ceil(BLOCK_LEN);
        for from in (0..left).step_by(VECTOR_LEN) {
            let mut vector = [reverse_lanes(counter)];
            counter = _mm512_add_epi32(counter, next_vector);
            encrypt_vectors(&key.round_keys, &mut vector);
            let text = load_partial_512(&rest.get_in()[from..]);
            let output = _mm512_xor_si512(vector[0], text);
            let written = store_partial_512(&mut rest.get_out()[from..], output);
            let ciphertext = if DIRECTION == SEAL { written } else { text };
            let blocks = _mm512_xor_si512(reverse_lanes(ciphertext), carried);
            product.add(blocks, key.powers_for(blocks_left - from / BLOCK_LEN));
            carried = _mm512_setzero_si512();
        }
        hash = product.reduce();
    }

    let lengths = load_128(&length_block(associated_data.len(), text_len));
    let hash = _mm_xor_si128(hash, reverse_bytes(lengths));
    let hash = reverse_bytes(dot(hash, load_128(&key.powers[GROUP_BLOCKS - 1])));
    let mut tag = [0; 16];
    store_128(&mut tag, _mm_xor_si128(hash, key.round_keys.encrypt_block(j0)));
    tag
}

/// AES-256 of all blocks of `N` vectors, a round at a time.
#[inline]
#[target_feature(enable = "avx512f,vaes")]
fn encrypt_vectors<const N: usize>(round_keys: &RoundKeys, vectors: &mut [__m512i; N]) {
    let whitening = _mm512_broadcast_i32x4(load_128(&round_keys.0[0]));
    for vector in vectors.iter_mut() {
        *vector = _mm512_xor_si512(*vector, whitening);
    }
    for round_key in &round_keys.0[1..ROUND_KEYS - 1] {
        let round_key = _mm512_broadcast_i32x4(load_128(round_key));
        for vector in vectors.iter_mut() {
            *vector = _mm512_aesenc_epi128(*vector, round_key);
        }
    }
    let last = _mm512_broadcast_i32x4(load_128(&round_keys.0[ROUND_KEYS - 1]));
    for vector in vectors.iter_mut() {
        *vector = _mm512_aesenclast_epi128(*vector, last);
    }
}

/// Each of the four blocks with its bytes in reverse order.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn reverse_lanes(vector: __m512i) -> __m512i {
    let order = _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    _mm512_shuffle_epi8(vector, _mm512_broadcast_i32x4(order))
}

/// Four sums of products side by side, before their reduction; see `ghash::Product`.
struct Product {
    low: __m512i,
    middle: __m512i,
    high: __m512i,
}

impl Product {
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn zero() -> Self {
        let zero = _mm512_setzero_si512();
        Self { low: zero, middle: zero, high: zero }
    }

    /// Adds `blocks · powers`, lane by lane.
    #[inline]
    #[target_feature(enable = "avx512f,vpclmulqdq")]
    fn add(&mut self, blocks: __m512i, powers: __m512i) {
        self.low = _mm512_xor_si512(self.low, _mm512_clmulepi64_epi128::<0x00>(blocks, powers));
        self.high = _mm512_xor_si512(self.high, _mm512_clmulepi64_epi128::<0x11>(blocks, powers));
        let cross = _mm512_xor_si512(
            _mm512_clmulepi64_epi128::<0x01>(blocks, powers),
            _mm512_clmulepi64_epi128::<0x10>(blocks, powers),
        );
        self.middle = _mm512_xor_si512(self.middle, cross);
    }

    /// The four sums modulo the polynomial, added up.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,vpclmulqdq")]
    fn reduce(self) -> __m128i {
        let reduction = _mm512_set1_epi64(REDUCTION);
        let mut low = _mm512_xor_si512(self.low, _mm512_bslli_epi128::<8>(self.middle));
        let high = _mm512_xor_si512(self.high, _mm512_bsrli_epi128::<8>(self.middle));
        for _ in 0..2 {
            let multiple = _mm512_clmulepi64_epi128::<0x00>(low, reduction);
            low = _mm512_xor_si512(_mm512_shuffle_epi32::<0x4e>(low), multiple);
        }
        let sum = _mm512_xor_si512(high, low);
        let sum =
            _mm256_xor_si256(_mm512_castsi512_si256(sum), _mm512_extracti64x4_epi64::<1>(sum));
        _mm_xor_si128(_mm256_castsi256_si128(sum), _mm256_extracti128_si256::<1>(sum))
    }
}

/// GHASH of any number of bytes onto `hash`, the last block filled up with zeros.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,vpclmulqdq")]
fn absorb_padded(key: &Key, mut hash: __m128i, bytes: &[u8]) -> __m128i {
    for group in bytes.chunks(GROUP_LEN) {
        let mut product = Product::zero();
        let mut carried = _mm512_zextsi128_si512(hash);
        let mut blocks_left = group.len().div_ceil(BLOCK_LEN);
        for vector in group.chunks(VECTOR_LEN) {
            let blocks = reverse_lanes(load_partial_512(vector));
            product.add(_mm512_xor_si512(blocks, carried), key.powers_for(blocks_left));
            carried = _mm512_setzero_si512();
            blocks_left = blocks_left.saturating_sub(4);
        }
        hash = product.reduce();
    }
    hash
}
