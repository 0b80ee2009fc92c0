//! Loads and stores: the pointers of the x86_64 tiers, beside that of `reload`.

use core::arch::x86_64::{
    __m128i, __m256i, __m512i, __mmask64, _MM_HINT_T0, _MM_HINT_T1, _mm_loadu_si128, _mm_prefetch,
    _mm_sfence, _mm_storeu_si128, _mm256_loadu_si256, _mm256_storeu_si256, _mm512_loadu_si512,
    _mm512_mask_storeu_epi8, _mm512_maskz_loadu_epi8, _mm512_storeu_si512, _mm512_stream_si512,
};
use core::slice;

use aes::cipher::array::{Array, ArraySize};
use aes::cipher::inout::{InOut, InOutBuf};

/// Sixteen bytes as a vector, the first byte lowest.
#[inline]
#[target_feature(enable = "sse2")]
pub(super) fn load_128(bytes: &[u8; 16]) -> __m128i {
    // SAFETY: the reference is valid for reads of 16 bytes; `loadu` needs no alignment.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
}

/// Writes a vector as sixteen bytes.
#[inline]
#[target_feature(enable = "sse2")]
pub(super) fn store_128(bytes: &mut [u8; 16], vector: __m128i) {
    // SAFETY: the reference is valid for writes of 16 bytes; `storeu` needs no alignment.
    unsafe { _mm_storeu_si128(bytes.as_mut_ptr().cast(), vector) }
}

/// The first 16 bytes or, of a shorter slice, all of them with zeros behind.
#[inline]
#[target_feature(enable = "sse2")]
pub(super) fn load_partial_128(bytes: &[u8]) -> __m128i {
    if let Some(bytes) = bytes.first_chunk() {
        return load_128(bytes);
    }
    let mut padded = [0; 16];
    padded[..bytes.len()].copy_from_slice(bytes);
    let vector = load_128(&padded);
    wipe(&mut padded);
    vector
}

/// Writes the first 16 bytes or, of a shorter slice, as many as it holds; returns the vector with
/// the bytes that were not written zeroed.
#[inline]
#[target_feature(enable = "sse2")]
pub(super) fn store_partial_128(bytes: &mut [u8], vector: __m128i) -> __m128i {
    if let Some(bytes) = bytes.first_chunk_mut() {
        store_128(bytes, vector);
        return vector;
    }
    let mut padded = [0; 16];
    store_128(&mut padded, vector);
    bytes.copy_from_slice(&padded[..bytes.len()]);
    padded[bytes.len()..].fill(0);
    let written = load_128(&padded);
    wipe(&mut padded);
    written
}

/// Thirty-two bytes as a vector.
#[inline]
#[target_feature(enable = "avx")]
pub(super) fn load_256(bytes: &[u8; 32]) -> __m256i {
    // SAFETY: the reference is valid for reads of 32 bytes; `loadu` needs no alignment.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

/// Writes a vector as thirty-two bytes.
#[inline]
#[target_feature(enable = "avx")]
pub(super) fn store_256(bytes: &mut [u8; 32], vector: __m256i) {
    // SAFETY: the reference is valid for writes of 32 bytes; `storeu` needs no alignment.
    unsafe { _mm256_storeu_si256(bytes.as_mut_ptr().cast(), vector) }
}

/// The first 32 bytes or, of a shorter slice, all of them with zeros behind.
#[inline]
#[target_feature(enable = "avx")]
pub(super) fn load_partial_256(bytes: &[u8]) -> __m256i {
    if let Some(bytes) = bytes.first_chunk() {
        return load_256(bytes);
    }
    let mut padded = [0; 32];
    padded[..bytes.len()].copy_from_slice(bytes);
    let vector = load_256(&padded);
    wipe(&mut padded);
    vector
}

/// Writes the first 32 bytes or, of a shorter slice, as many as it holds; returns the vector with
/// the bytes that were not written zeroed.
#[inline]
#[target_feature(enable = "avx")]
pub(super) fn store_partial_256(bytes: &mut [u8], vector: __m256i) -> __m256i {
    if let Some(bytes) = bytes.first_chunk_mut() {
        store_256(bytes, vector);
        return vector;
    }
    let mut padded = [0; 32];
    store_256(&mut padded, vector);
    bytes.copy_from_slice(&padded[..bytes.len()]);
    padded[bytes.len()..].fill(0);
    let written = load_256(&padded);
    wipe(&mut padded);
    written
}

/// Clears text and keystream in one store.
#[inline]
fn wipe<const LEN: usize>(bytes: &mut [u8; LEN]) {
    bytes.fill(0);
    zeroize::optimization_barrier(bytes);
}

/// Sixty-four bytes as a vector.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn load_512(bytes: &[u8; 64]) -> __m512i {
    // SAFETY: the reference is valid for reads of 64 bytes; `loadu` needs no alignment.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

/// Writes a vector as sixty-four bytes.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn store_512(bytes: &mut [u8; 64], vector: __m512i) {
    // SAFETY: the reference is valid for writes of 64 bytes; `storeu` needs no alignment.
    unsafe { _mm512_storeu_si512(bytes.as_mut_ptr().cast(), vector) }
}

/// One mask bit for each of the first `length` bytes of a vector, all 64 from there on.
#[inline]
fn mask(length: usize) -> __mmask64 {
    if length < 64 { (1 << length) - 1 } else { !0 }
}

/// The first 64 bytes or, of a shorter slice, all of them with zeros behind.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn load_partial_512(bytes: &[u8]) -> __m512i {
    let mask = mask(bytes.len());
    // SAFETY: bytes whose mask bit is clear are neither read nor do they fault, and the mask has
    // no bit at or past the slice's length.
    unsafe { _mm512_maskz_loadu_epi8(mask, bytes.as_ptr().cast()) }
}

/// Writes the first 64 bytes or, of a shorter slice, as many as it holds; returns the vector with
/// the bytes that were not written zeroed.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn store_partial_512(bytes: &mut [u8], vector: __m512i) -> __m512i {
    let mask = mask(bytes.len());
    // SAFETY: bytes whose mask bit is clear are neither written nor do they fault, and the mask
    // has no bit at or past the slice's length.
    unsafe { _mm512_mask_storeu_epi8(bytes.as_mut_ptr().cast(), mask, vector) }
    core::arch::x86_64::_mm512_maskz_mov_epi8(mask, vector)
}

pub(super) const LINE_LEN: usize = 64;

/// A line of the caches.
#[repr(C, align(64))]
pub(super) struct Line([u8; LINE_LEN]);

/// The whole lines in `bytes`.
#[inline]
pub(super) fn lines(bytes: &mut [u8]) -> &mut [Line] {
    // SAFETY: a `Line` is any 64 bytes.
    let (_, lines, _) = unsafe { bytes.align_to_mut() };
    lines
}

/// Writes a line past the caches. Behind the last one of a text belongs [`end_of_stream`].
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn stream_512(line: &mut Line, vector: __m512i) {
    if cfg!(miri) {
        return store_512(&mut line.0, vector); // an interpreter has no caches
    }
    // SAFETY: the reference is valid for writes of 64 bytes, and aligned to as many.
    unsafe { _mm512_stream_si512(line.0.as_mut_ptr().cast(), vector) }
}

/// Has every line that went past the caches written before whatever comes next.
#[inline]
#[target_feature(enable = "sse")]
pub(super) fn end_of_stream() {
    if !cfg!(miri) {
        _mm_sfence();
    }
}

/// Input and output of a text's first `length` bytes, if it goes from one place to another, and the rest;
/// or all of it, if it stays where it is.
#[inline]
#[allow(clippy::type_complexity, reason = "two places, and the rest")]
pub(super) fn split_apart<'i, 'o>(
    mut text: InOutBuf<'i, 'o, u8>,
    length: usize,
) -> Result<(&'i [u8], &'o mut [u8], InOutBuf<'i, 'o, u8>), InOutBuf<'i, 'o, u8>> {
    if text.get_in().as_ptr() == text.get_out().as_ptr() {
        return Err(text);
    }
    let (first, rest) = text.split_at(length);
    // SAFETY: an `InOutBuf` is one place or two that do not overlap, and this is two: nothing writes to the
    // first, which is valid for reads as long as its type says.
    let input = unsafe { slice::from_raw_parts(first.get_in().as_ptr(), length) };
    Ok((input, first.into_out(), rest))
}

/// Length in bytes of a text from which on its memory is asked for ahead. Shorter ones often are in
/// the core's own cache, where asking costs up to a tenth.
pub(super) const PREFETCH_FROM: usize = 512 * 1024;
/// Distance in bytes at which memory is prefetched into the first-level cache before its use.
const INTO_FIRST: usize = 1024;
/// And before that into the second one. In Intel's cores it can have 48 lines on their way, 3 KiB, which
/// a text that goes to another place shares with it.
const INTO_SECOND: usize = 3 * 1024;
const INTO_SECOND_OF_TWO: usize = 2 * 1024;

/// Asks for the memory behind a group of text, where it comes from and where it goes to. Left to
/// itself the processor asks ahead within a page only, and has to begin anew in each.
///
/// Line by line, the nearer one first: a line that is on its way into the second cache already takes no
/// place for long among the few (16) that the first one can wait for.
#[inline]
pub(super) fn prefetch_behind<Len: ArraySize>(text: &mut InOut<'_, '_, Array<u8, Len>>) {
    let (input, output) = (text.get_in().as_ptr(), text.get_out().as_ptr());
    if input == output {
        prefetch_behind_input(text.get_in());
    } else {
        for line in (0..Len::USIZE).step_by(LINE_LEN) {
            prefetch::<_MM_HINT_T0>(input, line + INTO_FIRST);
            prefetch::<_MM_HINT_T0>(output, line + INTO_FIRST);
            prefetch::<_MM_HINT_T1>(input, line + INTO_SECOND_OF_TWO);
            prefetch::<_MM_HINT_T1>(output, line + INTO_SECOND_OF_TWO);
        }
    }
}

/// The same for a group that comes from there only.
#[inline]
pub(super) fn prefetch_behind_input(text: &[u8]) {
    for line in (0..text.len()).step_by(LINE_LEN) {
        prefetch::<_MM_HINT_T0>(text.as_ptr(), line + INTO_FIRST);
        prefetch::<_MM_HINT_T1>(text.as_ptr(), line + INTO_SECOND);
    }
}

#[inline]
fn prefetch<const CACHE: i32>(from: *const u8, ahead: usize) {
    if cfg!(miri) {
        return; // an interpreter has no caches
    }
    #[allow(unused_unsafe, reason = "a safe function in newer compilers")]
    // SAFETY: a prefetch reads nothing and never faults, wherever it points.
    unsafe {
        _mm_prefetch::<CACHE>(from.wrapping_add(ahead).cast());
    }
}
