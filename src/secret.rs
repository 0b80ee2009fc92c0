//! Bytes that are wiped when they are dropped, redacted when they are printed and compared in
//! constant time.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::ops::{Deref, DerefMut};

use subtle::{Choice, ConstantTimeEq};
use zeroize::{Zeroize, optimization_barrier};

use crate::error::Error;

/// `N` secret bytes on the heap, so that moving the value leaves no copy behind.
///
/// # Example
///
/// ```
/// use strongroom::secret::Secret;
///
/// let key = Secret::<32>::generate()?;
/// assert_eq!(format!("{key:?}"), "Secret<32>(redacted)");
/// # Ok::<(), strongroom::Error>(())
/// ```
pub struct Secret<const N: usize>(Box<[u8; N]>);

impl<const N: usize> Secret<N> {
    /// `N` bytes from the operating system's random number generator.
    ///
    /// # Errors
    ///
    /// [`Error::Random`] when the operating system gives none.
    pub fn generate() -> Result<Self, Error> {
        Self::fill_with(|bytes| crate::random::fill(bytes))
    }

    /// Copies `bytes`. The caller wipes the original.
    #[must_use]
    pub fn copy_from(bytes: &[u8; N]) -> Self {
        let mut secret = Self::zeroed();
        secret.0.copy_from_slice(bytes);
        secret
    }

    /// Zero bytes, to be filled in place.
    pub(crate) fn zeroed() -> Self {
        Self(Box::new([0; N]))
    }

    /// The bytes that `fill` writes into zeroed memory.
    pub(crate) fn fill_with<E>(
        fill: impl FnOnce(&mut [u8; N]) -> Result<(), E>,
    ) -> Result<Self, E> {
        let mut secret = Self::zeroed();
        fill(&mut secret.0)?;
        Ok(secret)
    }

    /// The bytes themselves; copies of them are the caller's to wipe.
    #[must_use]
    pub fn expose(&self) -> &[u8; N] {
        &self.0
    }

    /// The bytes, to be written in place.
    pub(crate) fn expose_mut(&mut self) -> &mut [u8; N] {
        &mut self.0
    }
}

impl<const N: usize> Drop for Secret<N> {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

impl<const N: usize> fmt::Debug for Secret<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret<{N}>(redacted)")
    }
}

impl<const N: usize> ConstantTimeEq for Secret<N> {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&*other.0)
    }
}

impl<const N: usize> PartialEq for Secret<N> {
    fn eq(&self, other: &Self) -> bool {
        self.ct_eq(other).into()
    }
}

impl<const N: usize> Eq for Secret<N> {}

/// Wipes where `zeroize` would go element by element: in whole vectors.
pub(crate) fn wipe<T: Copy + Default, const N: usize>(values: &mut [T; N]) {
    values.fill(T::default());
    optimization_barrier(values);
}

/// Bytes of the stack that [`wipe_stack`] overwrites: more than the functions take that work with keys. With
/// debug assertions they take more.
const STACK: usize = if cfg!(debug_assertions) { 8192 } else { 4096 };

/// Overwrites what functions that were called from the same place, or from one further up, have left on the
/// stack. The compiler puts round keys and powers of the hash key there where a kernel has more of them than
/// registers.
#[inline(never)]
pub(crate) fn wipe_stack() {
    wipe(&mut [0_u8; STACK]);
}

/// Bytes that [`with_wiped_stack`] overwrites: tables of powers lie on the stack, and what computes with them is
/// called from below them.
#[cfg(feature = "rsa")]
const DEEP_STACK: usize = if cfg!(debug_assertions) { 96 * 1024 } else { 48 * 1024 };

/// Runs `work`, and overwrites all of the stack that it has used: its own frame and those below.
#[cfg(feature = "rsa")]
pub(crate) fn with_wiped_stack<T>(work: impl FnOnce() -> T) -> T {
    // In frames beside each other: what a function left in its own it could not overwrite itself.
    #[inline(never)]
    fn apart<T>(work: impl FnOnce() -> T) -> T {
        work()
    }
    #[inline(never)]
    #[expect(clippy::large_stack_arrays, reason = "it is the stack that is to be written over")]
    fn wipe_deep_stack() {
        wipe(&mut [0_u8; DEEP_STACK]);
    }
    let result = apart(work);
    wipe_deep_stack();
    result
}

/// A number that was computed from secrets and is public from here on: an answer that is given anyway, or a length.
/// Wherever secrets end in something that a branch may depend on they go through here, for the check of
/// `crates/memcheck`.
#[inline]
pub(crate) fn reveal(number: u64) -> u64 {
    #[cfg(fuzzing)]
    let number = {
        let mut number = number;
        if let Some(see) = REVEALED.get() {
            see(&mut number);
        }
        number
    };
    number
}

/// The same of a bit.
#[inline]
pub(crate) fn reveal_bit(bit: Choice) -> bool {
    reveal(u64::from(bit.unwrap_u8())) == 1
}

/// Sees each number that is revealed.
#[cfg(fuzzing)]
pub(crate) static REVEALED: std::sync::OnceLock<fn(&mut u64)> = std::sync::OnceLock::new();

/// Overwrites the stack when it is dropped.
pub(crate) struct StackWiper;

impl Drop for StackWiper {
    fn drop(&mut self) {
        wipe_stack();
    }
}

/// Secret bytes on the stack for the time of one computation. They are wiped where they are, and must not
/// be moved.
pub(crate) struct Scratch<const N: usize>(pub(crate) [u8; N]);

impl<const N: usize> Scratch<N> {
    /// Zeros, to be written over.
    pub(crate) const fn zeroed() -> Self {
        Self([0; N])
    }
}

impl<const N: usize> Deref for Scratch<N> {
    type Target = [u8; N];

    fn deref(&self) -> &[u8; N] {
        &self.0
    }
}

impl<const N: usize> DerefMut for Scratch<N> {
    fn deref_mut(&mut self) -> &mut [u8; N] {
        &mut self.0
    }
}

impl<const N: usize> Drop for Scratch<N> {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

/// Secret bytes of a length known at run time only.
///
/// # Example
///
/// ```
/// use strongroom::secret::SecretVec;
///
/// let secret = SecretVec::from(b"key material".to_vec());
/// assert_eq!(secret.expose().len(), 12);
/// assert_eq!(format!("{secret:?}"), "SecretVec(redacted)");
/// ```
pub struct SecretVec(Vec<u8>);

impl SecretVec {
    /// `length` zero bytes, to be filled in place.
    pub(crate) fn zeroed(length: usize) -> Self {
        Self(alloc::vec![0; length])
    }

    /// The bytes themselves; copies of them are the caller's to wipe.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, to be written in place.
    pub(crate) fn expose_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl From<Vec<u8>> for SecretVec {
    /// Takes the vector over, and wipes it in the end.
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl Drop for SecretVec {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for SecretVec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretVec(redacted)")
    }
}

/// Form that a secret is expected to have before it is known: its length, and the bytes that it begins with.
///
/// # Example
///
/// ```
/// use strongroom::secret::{Expected, Secret};
/// use strongroom::wrap::{KeyId, UnwrappingKey, WrappingKey};
///
/// let (id, key) = (KeyId::new("vault/keys/1")?, [7; 32]);
/// let wrapping = WrappingKey::aes(id.clone(), Secret::copy_from(&key));
/// let unwrapping = UnwrappingKey::aes(id, Secret::copy_from(&key));
///
/// let wrapped = wrapping.wrap(b"MINE, a secret..")?;
/// assert!(unwrapping.unwrap_expected(&wrapped, Expected::new(b"MINE", 16)).is_ok());
/// assert!(unwrapping.unwrap_expected(&wrapped, Expected::new(b"YOUR", 16)).is_err());
/// assert!(unwrapping.unwrap_expected(&wrapped, Expected::new(b"MINE", 24)).is_err());
/// # Ok::<(), strongroom::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected<'a> {
    prefix: &'a [u8],
    length: usize,
}

impl<'a> Expected<'a> {
    /// A secret of `length` bytes, the first of which are `prefix`. Neither is a secret.
    #[must_use]
    pub const fn new(prefix: &'a [u8], length: usize) -> Self {
        Self { prefix, length }
    }

    /// Length of the secret in bytes.
    #[cfg(feature = "rsa")]
    pub(crate) const fn length(&self) -> usize {
        self.length
    }

    /// True where `secret` has this form; nothing but its length shows in the time that this takes.
    pub(crate) fn is_form_of(&self, secret: &[u8]) -> Choice {
        let prefix = secret.get(..self.prefix.len());
        let found = prefix.filter(|_| secret.len() == self.length);
        found.map_or(Choice::from(0), |found| found.ct_eq(self.prefix))
    }
}

/// Memory that chunks pass through: wiped as a whole when it is dropped, which is many times faster than
/// the byte by byte of `Zeroizing<Vec<u8>>`.
#[derive(Default)]
pub(crate) struct Buffer(Vec<u8>);

impl Buffer {
    /// `length` zero bytes.
    pub(crate) fn zeroed(length: usize) -> Self {
        Self(alloc::vec![0; length])
    }

    /// Gives it another length. Where it must grow it is made anew, for a vector that grows frees what
    /// it held unwiped.
    #[cfg(feature = "std")]
    pub(crate) fn resize(&mut self, length: usize) {
        if self.0.capacity() < length {
            *self = Self::zeroed(length);
        } else {
            self.0.resize(length, 0);
        }
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // It may have been longer before.
        self.0.resize(self.0.capacity(), 0);
        self.0.as_mut_slice().zeroize();
    }
}
