//! EME-OAEP encoding and decoding (RFC 8017 section 7.1) with SHA-256 and MGF1-SHA-256; SHA-1 with MGF1-SHA-1 is decoded,
//! and never encoded.
//!
//! ```text
//! EM = 00 || seed ^ MGF1(masked DB) || DB ^ MGF1(seed)
//! DB = Hash(label) || 00 .. 00 || 01 || message
//! ```
//!
//! Two decoders. The one for a message whose length and first bytes are known, as those of a wrapped data key are, looks
//! for nothing: each part of DB has its place.
//!
//! ```text
//! decode_expected(EM, label, prefix, length)       decode(EM, label)
//!     seed = EM[1..h + 1] ^ MGF1(masked DB)            the same; h is the length of a hash
//!     DB = masked DB ^ MGF1(seed)                      the same
//!     padding || one || message = DB[h..]              start = after the first 01 of DB[h..], looked for in all of it
//!         with |message| = length
//!     valid = (EM[0] == 00)                            valid = (EM[0] == 00)
//!           & (DB[..h] == Hash(label))                       & (DB[..h] == Hash(label))
//!           & (OR of padding == 00) & (one == 01)            & (there is a 01, and 00 alone before it)
//!           & (message[..|prefix|] == prefix)
//!                                                      DB[h..] moves down by start, whatever start is
//!     if valid: message, else: the one error           if valid: message, else: the one error
//! ```
//!
//! The instructions, branches and addresses of either are the same for every encoded message of one
//! length, up to the one bit that says whether it is accepted. Anything more would be an oracle that
//! decrypts (Manger, CRYPTO 2001). A prefix that were looked at only once the padding holds would be another bit.

use sha2::digest::Output;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use zeroize::Zeroize;

use crate::error::Error;
use crate::secret::{Expected, SecretVec, reveal, reveal_bit};

/// The length of a SHA-256 hash in bytes, and with it of the seed.
const HASH_LEN: usize = 32;

/// Bytes of a message encoded with SHA-256 that are not the message: two hashes, the first byte and the separator.
pub(super) const OVERHEAD: usize = 2 * HASH_LEN + 2;

/// Writes the encoding of `message` over `encoded`, whose length is the modulus length in bytes.
///
/// # Errors
///
/// [`Error::Length`] when the message is longer than `encoded` less [`OVERHEAD`].
pub(super) fn encode(
    message: &[u8],
    label: &[u8],
    seed: &[u8; HASH_LEN],
    encoded: &mut [u8],
) -> Result<(), Error> {
    let limit = encoded.len().saturating_sub(OVERHEAD);
    let too_long = Error::Length {
        what: "message for RSA-OAEP-256",
        length: message.len() as u64,
        limit: limit as u64,
    };
    let Some((first, masked_seed, db)) = split::<Sha256>(encoded) else { return Err(too_long) };
    let (label_hash, tail) = db.split_at_mut(HASH_LEN);
    let Some(padding_len) = tail.len().checked_sub(message.len() + 1) else {
        return Err(too_long);
    };
    let (padding, tail) = tail.split_at_mut(padding_len);

    label_hash.copy_from_slice(&Sha256::digest(label));
    padding.fill(0);
    if let Some((separator, body)) = tail.split_first_mut() {
        *separator = 1;
        body.copy_from_slice(message);
    }
    *first = 0;
    masked_seed.copy_from_slice(seed);
    mask::<Sha256>(masked_seed, db);
    mask::<Sha256>(db, masked_seed);
    Ok(())
}

/// The message in `encoded`, which is overwritten with secrets on the way: the caller wipes it.
///
/// # Errors
///
/// [`Error::Authentication`], whatever is wrong.
pub(super) fn decode<D: Digest>(encoded: &mut [u8], label: &[u8]) -> Result<SecretVec, Error> {
    let (mut valid, tail) = unmask::<D>(encoded, label)?;
    // In the padding until the first 01 has gone by; nothing but 00 may come before it.
    let mut in_padding = Choice::from(1);
    let mut start = 0_u64;
    for (next, byte) in (1_u64..).zip(tail.iter()) {
        let separator = in_padding & byte.ct_eq(&1);
        start.conditional_assign(&next, separator);
        in_padding &= !separator;
        valid &= !in_padding | byte.ct_eq(&0);
    }
    valid &= !in_padding;
    shift_left(tail, start);

    if !reveal_bit(valid) {
        return Err(Error::Authentication);
    }
    // Accepted: from here the length of the message is public.
    let message_len =
        usize::try_from(reveal(start)).ok().and_then(|start| tail.len().checked_sub(start));
    let message = message_len.and_then(|len| tail.get(..len)).ok_or(Error::Authentication)?;
    Ok(SecretVec::from(message.to_vec()))
}

/// The message in `encoded`, which has the form that is `expected` or is refused; `encoded` is overwritten with secrets
/// on the way: the caller wipes it.
///
/// # Errors
///
/// [`Error::Authentication`], whatever is wrong.
pub(super) fn decode_expected(
    encoded: &mut [u8],
    label: &[u8],
    expected: Expected<'_>,
) -> Result<SecretVec, Error> {
    let (mut valid, tail) = unmask::<Sha256>(encoded, label)?;
    // Both lengths are public, and with them the places.
    let parts = tail.len().checked_sub(expected.length()).and_then(|at| tail.split_at_checked(at));
    let (before, message) = parts.ok_or(Error::Authentication)?;
    let (separator, padding) = before.split_last().ok_or(Error::Authentication)?;
    valid &= padding.iter().fold(0, |all, byte| all | byte).ct_eq(&0);
    valid &= separator.ct_eq(&1);
    valid &= expected.is_form_of(message);

    if reveal_bit(valid) {
        Ok(SecretVec::from(message.to_vec()))
    } else {
        Err(Error::Authentication)
    }
}

/// Takes the masks off; returns whether the first byte and the label are right, and the data block behind the label's
/// hash.
fn unmask<'a, D: Digest>(
    encoded: &'a mut [u8],
    label: &[u8],
) -> Result<(Choice, &'a mut [u8]), Error> {
    // The length is public: it is the modulus length.
    let (first, seed, db) = split::<D>(encoded).ok_or(Error::Authentication)?;
    mask::<D>(db, seed);
    mask::<D>(seed, db);
    let (label_hash, tail) = db.split_at_mut(<D as Digest>::output_size());
    Ok((first.ct_eq(&0) & label_hash.ct_eq(&D::digest(label)), tail))
}

/// The first byte, the (masked) seed and the (masked) data block of an encoded message; nothing when
/// it is shorter than the shortest there is.
fn split<D: Digest>(encoded: &mut [u8]) -> Option<(&mut u8, &mut [u8], &mut [u8])> {
    let hash_len = <D as Digest>::output_size();
    if encoded.len() < 2 * hash_len + 2 {
        return None;
    }
    let (first, rest) = encoded.split_first_mut()?;
    let (seed, db) = rest.split_at_mut_checked(hash_len)?;
    Some((first, seed, db))
}

/// `target ^= MGF1(source)` (RFC 8017 appendix B.2.1).
pub(super) fn mask<D: Digest>(source: &[u8], target: &mut [u8]) {
    let mut block = Output::<D>::default();
    for (counter, chunk) in (0_u32..).zip(target.chunks_mut(block.len())) {
        let hash = D::new_with_prefix(source).chain_update(counter.to_be_bytes());
        Digest::finalize_into(hash, &mut block);
        for (byte, pad) in chunk.iter_mut().zip(block.iter()) {
            *byte ^= pad;
        }
    }
    block.as_mut_slice().zeroize();
}

/// Moves `bytes` down by `distance`, which stays secret: one pass for each bit that a distance within
/// `bytes` can have, and each pass touches every byte.
fn shift_left(bytes: &mut [u8], distance: u64) {
    let len = bytes.len();
    let mut step = 1_usize;
    let mut bits = distance;
    while step <= len {
        let moved = Choice::from((bits & 1) as u8);
        for index in 0..len {
            let from = bytes.get(index + step).copied().unwrap_or(0);
            if let Some(to) = bytes.get_mut(index) {
                to.conditional_assign(&from, moved);
            }
        }
        step <<= 1;
        bits >>= 1;
    }
}
