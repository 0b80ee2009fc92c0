//! Layer 2: AES-256-GCM with 96-bit nonces and 128-bit tags (NIST SP 800-38D).
//!
//! The kernels below compute; this layer checks lengths, compares tags in constant time, and wipes
//! what must not be seen when a tag does not hold.

#[cfg(feature = "aead")]
mod aead;
mod partial;
mod split_output;

use alloc::boxed::Box;
use core::fmt;

use aes::cipher::array::Array;
use aes::cipher::consts::U32;
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

pub(crate) use crate::arch::InOutBuf;
use crate::arch::counter_cache::CounterCache;
use crate::arch::{Fault, Hints};
use crate::backend::{Backend, ExpandedKey};
use crate::error::Error;
use crate::secret::{StackWiper, reveal_bit, wipe_stack};

/// Length of a key in bytes.
pub const KEY_LEN: usize = 32;
/// Length of a nonce in bytes.
pub const NONCE_LEN: usize = 12;
/// Length of a tag in bytes.
pub const TAG_LEN: usize = 16;
/// Greatest length of a text in bytes: 2^39 - 256 bits (SP 800-38D, section 5.2.1.1).
pub const MAX_TEXT_LEN: u64 = (1 << 36) - 32;
/// Greatest length of associated data in bytes: 2^64 - 1 bits, in whole bytes (the same section).
pub const MAX_ASSOCIATED_DATA_LEN: u64 = (1 << 61) - 1;

/// AES-256-GCM under one key.
///
/// # Security
///
/// The caller guarantees that no nonce is used twice to seal under one key: two messages with one
/// nonce give away the XOR of their texts and the key of the hash. (Documents sealed by
/// [`crate::document`] keep that rule by themselves.) The key is wiped on drop.
///
/// # Example
///
/// ```
/// use strongroom::gcm::Aes256Gcm;
///
/// let cipher = Aes256Gcm::new(&[7; 32]);
/// let nonce = [1; 12];
///
/// let mut text = *b"a page of a database";
/// let tag = cipher.seal_in_place(&nonce, b"page 12", &mut text)?;
/// assert_ne!(&text, b"a page of a database");
///
/// cipher.open_in_place(&nonce, b"page 12", &mut text, &tag)?;
/// assert_eq!(&text, b"a page of a database");
/// # Ok::<(), strongroom::Error>(())
/// ```
pub struct Aes256Gcm {
    key: ExpandedKey,
    /// For nonces that agree in three bytes, where it was asked for.
    cache: Option<Box<CounterCache<2>>>,
    /// Wipes the stack on drop; `None` where something else wipes it after the last message.
    _wiper: Option<StackWiper>,
}

/// The bytes of a key, in one of the forms that [`Aes256Gcm::new`] takes: an array of 32 bytes, or the `Key` of
/// the `aead` crate, whether that is among the features or not. No other type has it.
pub trait AsKey: sealed::Sealed {
    /// The key's bytes.
    fn as_key(&self) -> &[u8; KEY_LEN];
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for [u8; super::KEY_LEN] {}
    impl Sealed for super::Array<u8, super::U32> {}
}

impl AsKey for [u8; KEY_LEN] {
    fn as_key(&self) -> &[u8; KEY_LEN] {
        self
    }
}

impl AsKey for Array<u8, U32> {
    fn as_key(&self) -> &[u8; KEY_LEN] {
        self.as_ref()
    }
}

/// Place for an output: the caches, or memory past them. It changes how fast a text is sealed or opened,
/// never what comes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// In the processor's caches, as usual.
    Cached,
    /// Past the caches in memory, where it goes to another place than the input: it is part of more than
    /// they hold, and not read before all of it is written.
    Streamed,
}

impl Output {
    /// For an output of so many bytes in all.
    #[inline]
    pub(crate) fn of_len(bytes: u64) -> Self {
        if bytes >= STREAM_FROM { Self::Streamed } else { Self::Cached }
    }
}

/// Length of a streamed output in bytes: more than the processor's caches hold, or than one program should
/// take of them.
const STREAM_FROM: u64 = 32 << 20;

impl Aes256Gcm {
    /// Expands `key` for the fastest implementation that this processor has. It takes a `&[u8; 32]`, and a
    /// `&Key` of the `aead` crate.
    #[must_use]
    pub fn new(key: &impl AsKey) -> Self {
        Self::with_backend(key.as_key(), Backend::detect())
    }

    /// Expands `key` for `backend`.
    #[must_use]
    pub fn with_backend(key: &[u8; KEY_LEN], backend: Backend) -> Self {
        let expanded = backend.expand(key, true);
        wipe_stack();
        Self { key: expanded, cache: None, _wiper: Some(StackWiper) }
    }

    /// The same for few and short messages: nothing is prepared that they would not earn back. Here and below the
    /// caller wipes the stack.
    pub(crate) fn unprepared(key: &[u8; KEY_LEN], backend: Backend) -> Self {
        Self { key: backend.expand(key, false), cache: None, _wiper: None }
    }

    /// The same, prepared for many messages whose nonces agree with `nonce` in bytes 0, 5 and 10: they
    /// need two AES rounds fewer. Every other nonce is served as well, with all rounds.
    pub(crate) fn with_counter_cache(
        key: &[u8; KEY_LEN],
        backend: Backend,
        nonce: &[u8; NONCE_LEN],
    ) -> Self {
        let key = backend.expand(key, false);
        let cache = key.counter_cache(pre_counter_block(nonce));
        Self { key, cache, _wiper: None }
    }

    /// Encrypts `text` in place and returns the tag over it and `associated_data`.
    ///
    /// # Errors
    ///
    /// [`Error::Length`] above [`MAX_TEXT_LEN`] or [`MAX_ASSOCIATED_DATA_LEN`]; `text` is as it was.
    /// [`Error::Fault`] where the machine computed wrongly; `text` is zeroed then.
    ///
    /// # Security
    ///
    /// The caller guarantees that `nonce` is new for this key.
    #[inline]
    pub fn seal_in_place(
        &self,
        nonce: &[u8; NONCE_LEN],
        associated_data: &[u8],
        text: &mut [u8],
    ) -> Result<[u8; TAG_LEN], Error> {
        self.seal(nonce, associated_data, text.into(), Output::Cached)
    }

    /// Encrypts `plaintext` into `ciphertext`, a buffer of the same length, and returns the tag.
    ///
    /// # Errors
    ///
    /// [`Error::Length`] above [`MAX_TEXT_LEN`] or [`MAX_ASSOCIATED_DATA_LEN`], and
    /// [`Error::Argument`] where the two lengths differ; `ciphertext` is as it was. [`Error::Fault`]
    /// where the machine computed wrongly; `ciphertext` is zeroed then.
    ///
    /// # Security
    ///
    /// The caller guarantees that `nonce` is new for this key.
    #[inline]
    pub fn seal_into(
        &self,
        nonce: &[u8; NONCE_LEN],
        associated_data: &[u8],
        plaintext: &[u8],
        ciphertext: &mut [u8],
    ) -> Result<[u8; TAG_LEN], Error> {
        let output = Output::of_len(plaintext.len() as u64);
        self.seal(nonce, associated_data, pair(plaintext, ciphertext)?, output)
    }

    /// Decrypts `text` in place if `tag` holds for it and `associated_data`.
    ///
    /// # Errors
    ///
    /// [`Error::Authentication`] where the tag does not hold: `text` is the ciphertext again, as it was, so
    /// that no unverified plaintext is left and another key may be tried. [`Error::Fault`] where the machine
    /// computed wrongly; `text` is zeroed then. [`Error::Length`] above [`MAX_TEXT_LEN`] or
    /// [`MAX_ASSOCIATED_DATA_LEN`]; `text` is as it was.
    #[inline]
    pub fn open_in_place(
        &self,
        nonce: &[u8; NONCE_LEN],
        associated_data: &[u8],
        text: &mut [u8],
        tag: &[u8; TAG_LEN],
    ) -> Result<(), Error> {
        check_lengths(associated_data, text.len())?;
        let block = pre_counter_block(nonce);
        let hints = self.hints(Output::Cached);
        match self.key.open(hints, block, associated_data, (&mut *text).into()) {
            Ok(computed) if tags_are_equal(computed, *tag) => Ok(()),
            refused => {
                let is_restored = self.restore(nonce, associated_data, text, refused.ok());
                Err(if is_restored { Error::Authentication } else { Error::Fault })
            }
        }
    }

    /// Decrypts `ciphertext` into `plaintext`, a buffer of the same length, if `tag` holds.
    ///
    /// # Errors
    ///
    /// [`Error::Authentication`] where the tag does not hold, [`Error::Fault`] where the machine
    /// computed wrongly: `plaintext` is zeroed then.
    /// [`Error::Length`] above [`MAX_TEXT_LEN`] or [`MAX_ASSOCIATED_DATA_LEN`], and
    /// [`Error::Argument`] where the two lengths differ.
    #[inline]
    pub fn open_into(
        &self,
        nonce: &[u8; NONCE_LEN],
        associated_data: &[u8],
        ciphertext: &[u8],
        plaintext: &mut [u8],
        tag: &[u8; TAG_LEN],
    ) -> Result<(), Error> {
        let output = Output::of_len(ciphertext.len() as u64);
        self.open(nonce, associated_data, pair(ciphertext, plaintext)?, tag, output)
    }

    #[inline]
    fn hints(&self, output: Output) -> Hints<'_> {
        Hints { cache: self.cache.as_deref(), non_temporal: output == Output::Streamed }
    }

    /// [`Aes256Gcm::seal_in_place`] and [`Aes256Gcm::seal_into`] in one.
    #[inline]
    pub(crate) fn seal(
        &self,
        nonce: &[u8; NONCE_LEN],
        associated_data: &[u8],
        mut buffer: InOutBuf<'_, '_, u8>,
        output: Output,
    ) -> Result<[u8; TAG_LEN], Error> {
        check_lengths(associated_data, buffer.len())?;
        let (hints, block) = (self.hints(output), pre_counter_block(nonce));
        let sealed = self.key.seal(hints, block, associated_data, buffer.reborrow());
        sealed.map_err(|Fault| {
            buffer.get_out().zeroize();
            Error::Fault
        })
    }

    /// Opens into another buffer, or in one of our own: zeros where the tag does not hold.
    #[inline]
    pub(crate) fn open(
        &self,
        nonce: &[u8; NONCE_LEN],
        associated_data: &[u8],
        mut buffer: InOutBuf<'_, '_, u8>,
        tag: &[u8; TAG_LEN],
        output: Output,
    ) -> Result<(), Error> {
        check_lengths(associated_data, buffer.len())?;
        let (hints, block) = (self.hints(output), pre_counter_block(nonce));
        let computed = self.key.open(hints, block, associated_data, buffer.reborrow());
        let error = match computed {
            Ok(computed) if tags_are_equal(computed, *tag) => return Ok(()),
            Ok(_) => Error::Authentication,
            Err(Fault) => Error::Fault,
        };
        buffer.get_out().zeroize();
        Err(error)
    }

    /// Makes the ciphertext again of what was decrypted in place: the key stream once more, over the same
    /// bytes. The tag of what comes of it shows that it is the ciphertext that was hashed before; where it is
    /// another one the machine computed wrongly, and zeros are left, as where it has been seen to before.
    ///
    /// Returns whether it is the ciphertext, and no `Error`: code that drops one of an unknown kind kept
    /// [`Aes256Gcm::open_in_place`] from being compiled into its caller's loop, which took 6 % more for 64 bytes.
    #[cold]
    #[inline(never)]
    fn restore(
        &self,
        nonce: &[u8; NONCE_LEN],
        associated_data: &[u8],
        text: &mut [u8],
        computed: Option<[u8; TAG_LEN]>,
    ) -> bool {
        let Some(mut computed) = computed else {
            text.zeroize();
            return false;
        };
        let (hints, block) = (self.hints(Output::Cached), pre_counter_block(nonce));
        let sealed = self.key.seal(hints, block, associated_data, (&mut *text).into());
        let is_restored = matches!(sealed, Ok(tag) if tags_are_equal(tag, computed));
        // The tag that would have been right, for whoever chose the ciphertext.
        computed.zeroize();
        if !is_restored {
            text.zeroize();
        }
        is_restored
    }
}

impl fmt::Debug for Aes256Gcm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aes256Gcm").field("backend", &self.key.name()).finish_non_exhaustive()
    }
}

/// J0 for a 96-bit nonce: the nonce and a 32-bit one (SP 800-38D, algorithm 4, step 2), as a
/// big-endian number.
#[inline]
fn pre_counter_block(nonce: &[u8; NONCE_LEN]) -> u128 {
    let [n0, n1, n2, n3, n4, n5, n6, n7, n8, n9, n10, n11] = *nonce;
    u128::from_be_bytes([n0, n1, n2, n3, n4, n5, n6, n7, n8, n9, n10, n11, 0, 0, 0, 1])
}

/// In constant time; as numbers, which takes one comparison and not one a byte.
#[inline]
fn tags_are_equal(one: [u8; TAG_LEN], other: [u8; TAG_LEN]) -> bool {
    reveal_bit(u128::from_ne_bytes(one).ct_eq(&u128::from_ne_bytes(other)))
}

#[inline]
fn check_lengths(associated_data: &[u8], text_len: usize) -> Result<(), Error> {
    within("text, in bytes", text_len, MAX_TEXT_LEN)?;
    within("associated data, in bytes", associated_data.len(), MAX_ASSOCIATED_DATA_LEN)
}

#[inline]
fn within(what: &'static str, length: usize, limit: u64) -> Result<(), Error> {
    let length = length as u64;
    if length <= limit { Ok(()) } else { Err(Error::Length { what, length, limit }) }
}

#[inline]
fn pair<'i, 'o>(input: &'i [u8], output: &'o mut [u8]) -> Result<InOutBuf<'i, 'o, u8>, Error> {
    InOutBuf::new(input, output).map_err(|_| Error::Argument {
        what: "output buffer",
        reason: "it must have the length of the input",
    })
}

#[cfg(test)]
mod tests;
