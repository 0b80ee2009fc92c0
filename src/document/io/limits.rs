//! Limits of one run over a document, and its totals.

use core::fmt;

/// Memory and progress of one run. Threads are those of the current rayon pool.
///
/// # Example
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use strongroom::document::Run;
///
/// let done = AtomicU64::new(0);
/// let report = |bytes| {
///     done.fetch_add(bytes, Ordering::Relaxed);
/// };
/// let run = Run { progress: Some(&report), ..Run::default() };
/// assert_eq!(run.memory, 64 << 20);
/// ```
#[derive(Clone, Copy)]
pub struct Run<'p> {
    /// Greatest number of bytes in buffers; 64 MiB by default. One record is always allowed.
    pub memory: usize,
    /// Called with the plaintext bytes of each chunk when it is done, from any thread.
    pub progress: Option<&'p (dyn Fn(u64) + Sync)>,
}

impl Run<'_> {
    pub(crate) fn report(&self, bytes: u64) {
        if let Some(progress) = self.progress {
            progress(bytes);
        }
    }
}

impl Default for Run<'_> {
    fn default() -> Self {
        Self { memory: 64 << 20, progress: None }
    }
}

impl fmt::Debug for Run<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("memory", &self.memory).finish_non_exhaustive()
    }
}

/// Lengths of a document that was sealed or opened.
///
/// # Example
///
/// ```
/// use strongroom::document::{Header, OpenOptions, Run, SealOptions, seal};
/// use strongroom::secret::Secret;
/// use strongroom::wrap::{KeyId, UnwrappingKey, WrappingKey};
///
/// let (id, key) = (KeyId::new("vault/contracts/1")?, [7; 32]);
/// let wrapping = WrappingKey::aes(id.clone(), Secret::copy_from(&key));
/// let sealed = seal(b"text", &[wrapping], &SealOptions::default())?;
///
/// let key = UnwrappingKey::aes(id, Secret::copy_from(&key));
/// let opener = Header::parse(&sealed)?.unlock_with(&[key], &OpenOptions::default())?;
/// let totals = opener.verify_file(&sealed[..], &Run::default())?;
/// assert_eq!((totals.plaintext_len, totals.sealed_len), (4, 2580));
/// # Ok::<(), strongroom::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    /// Bytes of plaintext.
    pub plaintext_len: u64,
    /// Bytes of the sealed document, header included.
    pub sealed_len: u64,
}
