//! A value that is reached under a lease only: every access checks it.
//!
//! The value is private to this file. What is built on it cannot hand out bytes without the check.

use std::fmt;
use std::io::{self, Write};
use std::sync::OnceLock;

use strongroom::document::WriteAt;
use zeroize::Zeroize;

use crate::cache::Lease;
use crate::error::{DocumentError, Error};

/// An engine's opener or reader, with the lease of the keys that it was unlocked with.
pub(crate) struct Guarded<T> {
    value: T,
    lease: Lease,
}

impl<T> Guarded<T> {
    pub(crate) fn new(value: T, lease: Lease) -> Self {
        Self { value, lease }
    }

    pub(crate) fn lease(&self) -> &Lease {
        &self.lease
    }

    /// The value in another form, under the same lease.
    pub(crate) fn map<U>(self, make: impl FnOnce(T) -> U) -> Guarded<U> {
        Guarded { value: make(self.value), lease: self.lease }
    }

    /// The value in another form, under the same lease, where that can be made.
    pub(crate) fn try_map<U, E>(
        self,
        make: impl FnOnce(T) -> Result<U, E>,
    ) -> Result<Guarded<U>, E> {
        Ok(Guarded { value: make(self.value)?, lease: self.lease })
    }

    /// As [`Guarded::try_map`], asynchronously.
    pub(crate) async fn try_map_async<U, E>(
        self,
        make: impl AsyncFnOnce(T) -> Result<U, E>,
    ) -> Result<Guarded<U>, E> {
        Ok(Guarded { value: make(self.value).await?, lease: self.lease })
    }

    /// Reads something, and wipes it where the lease does not serve any more by then.
    pub(crate) fn read<R: Zeroize, E: From<Error>>(
        &self,
        read: impl FnOnce(&T) -> Result<R, E>,
    ) -> Result<R, E> {
        self.lease.check()?;
        self.hand_out(read(&self.value)?)
    }

    /// As [`Guarded::read`], asynchronously.
    pub(crate) async fn read_async<R: Zeroize, E: From<Error>>(
        &self,
        read: impl AsyncFnOnce(&T) -> Result<R, E>,
    ) -> Result<R, E> {
        self.lease.check()?;
        self.hand_out(read(&self.value).await?)
    }

    fn hand_out<R: Zeroize, E: From<Error>>(&self, mut text: R) -> Result<R, E> {
        // The read may have taken long.
        let checked = self.lease.check();
        if checked.is_err() {
            text.zeroize();
        }
        checked?;
        Ok(text)
    }

    /// Reads into buffers, which are zeroed where the lease does not serve any more by then.
    pub(crate) fn read_into<B: Zeroize + ?Sized, R, E: From<Error>>(
        &self,
        buffers: &mut B,
        read: impl FnOnce(&T, &mut B) -> Result<R, E>,
    ) -> Result<R, E> {
        read_into(&self.lease, buffers, |buffers| read(&self.value, buffers))
    }

    /// As [`Guarded::read_into`], for readers with a position.
    pub(crate) fn read_into_mut<B: Zeroize + ?Sized, R, E: From<Error>>(
        &mut self,
        buffers: &mut B,
        read: impl FnOnce(&mut T, &mut B) -> Result<R, E>,
    ) -> Result<R, E> {
        read_into(&self.lease, buffers, |buffers| read(&mut self.value, buffers))
    }

    /// Reads something other than text: a layout, or lengths.
    pub(crate) fn look<R: Copy>(
        &self,
        look: impl FnOnce(&T) -> Result<R, strongroom::Error>,
    ) -> Result<R, DocumentError> {
        self.lease.check()?;
        Ok(look(&self.value)?)
    }

    /// Opens into `output`, which takes bytes while the lease serves. `open` gets no other output.
    pub(crate) fn open_to<W: ?Sized, R>(
        &self,
        output: &W,
        open: impl FnOnce(&T, &Checked<'_, &W>) -> Result<R, strongroom::Error>,
    ) -> Result<R, DocumentError> {
        self.lease.check()?;
        let output = Checked::new(output, &self.lease);
        let opened = open(&self.value, &output);
        output.end(opened)
    }

    /// As [`Guarded::open_to`], for an opener that opens once.
    pub(crate) fn open_once_to<W: ?Sized, R>(
        self,
        output: &mut W,
        open: impl FnOnce(T, &mut Checked<'_, &mut W>) -> Result<R, strongroom::Error>,
    ) -> Result<R, DocumentError> {
        self.lease.check()?;
        let mut output = Checked::new(output, &self.lease);
        let opened = open(self.value, &mut output);
        output.end(opened)
    }
}

fn read_into<B: Zeroize + ?Sized, R, E: From<Error>>(
    lease: &Lease,
    buffers: &mut B,
    read: impl FnOnce(&mut B) -> Result<R, E>,
) -> Result<R, E> {
    lease.check()?;
    let count = read(buffers)?;
    // The read may have taken long.
    let checked = lease.check();
    if checked.is_err() {
        buffers.zeroize();
    }
    checked?;
    Ok(count)
}

/// An output that takes bytes while a lease serves.
pub(crate) struct Checked<'l, W> {
    output: W,
    lease: &'l Lease,
    refused: OnceLock<Error>,
}

impl<'l, W> Checked<'l, W> {
    fn new(output: W, lease: &'l Lease) -> Self {
        Self { output, lease, refused: OnceLock::new() }
    }

    fn check(&self) -> io::Result<()> {
        self.lease.check().map_err(|error| {
            let _first_counts = self.refused.set(error.clone());
            error.into()
        })
    }

    /// The outcome for the caller: where the lease ended, that is the reason.
    fn end<R>(self, opened: Result<R, strongroom::Error>) -> Result<R, DocumentError> {
        match (self.refused.into_inner(), opened) {
            (Some(refused), _) => Err(refused.into()),
            (None, Err(error)) => Err(error.into()),
            (None, Ok(opened)) => {
                self.lease.check()?;
                Ok(opened)
            }
        }
    }
}

impl<W: Write + ?Sized> Write for Checked<'_, &mut W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.check()?;
        self.output.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

#[deny(clippy::missing_trait_methods)]
impl<W: WriteAt + ?Sized> WriteAt for Checked<'_, &W> {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.check()?;
        self.output.write_all_at(bytes, offset)
    }

    fn set_byte_len(&self, length: u64) -> io::Result<()> {
        self.output.set_byte_len(length)
    }

    fn check_offsets(&self) -> io::Result<()> {
        self.output.check_offsets()
    }

    fn check_byte_len(&self, length: u64) -> io::Result<()> {
        self.output.check_byte_len(length)
    }
}

impl<T> fmt::Debug for Guarded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guarded").field("lease", &self.lease).finish_non_exhaustive()
    }
}
