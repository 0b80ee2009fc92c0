//! Reading and writing at an offset, so that several workers can share one file.

use std::fs::File;
use std::io;
use std::time::SystemTime;

/// A source of known length that is read at offsets, by several threads at once.
///
/// # Example
///
/// ```
/// use strongroom::document::ReadAt;
///
/// let mut bytes = [0; 2];
/// b"sealed"[..].read_exact_at(&mut bytes, 2)?;
/// assert_eq!(&bytes, b"al");
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait ReadAt: Sync {
    /// Fills `buffer` from `offset` (bytes from the start) on.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::UnexpectedEof`] where the source ends before that.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;

    /// The source's length in bytes, as it is now.
    ///
    /// # Errors
    ///
    /// What the source returns.
    fn byte_len(&self) -> io::Result<u64>;

    /// The time of the last change of the bytes, where the source has it: sealing compares the time before
    /// with the time after. By default there is none.
    ///
    /// # Errors
    ///
    /// What the source returns.
    fn modified(&self) -> io::Result<Option<SystemTime>> {
        Ok(None)
    }
}

/// A destination that is written at offsets, by several threads at once.
///
/// A file must not be the input.
///
/// # Example
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use strongroom::document::WriteAt;
///
/// struct Count(AtomicU64);
///
/// impl WriteAt for Count {
///     fn write_all_at(&self, bytes: &[u8], _offset: u64) -> std::io::Result<()> {
///         self.0.fetch_add(bytes.len() as u64, Ordering::Relaxed);
///         Ok(())
///     }
/// }
/// ```
pub trait WriteAt: Sync {
    /// Writes all of `bytes` at `offset` (bytes from the start).
    ///
    /// # Errors
    ///
    /// What the destination returns.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Receives the length of all that will be written, in bytes, before the first byte: the destination's
    /// former content beyond it is to go. A file takes that length; the default does nothing.
    ///
    /// # Errors
    ///
    /// What the destination returns.
    fn set_byte_len(&self, length: u64) -> io::Result<()> {
        let _ = length;
        Ok(())
    }

    /// Refuses a destination that puts bytes at another offset than the one given, before anything is written
    /// there: its content stays. A file that is open for appending is one; the default accepts.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidInput`] for such a destination, and what it returns.
    fn check_offsets(&self) -> io::Result<()> {
        Ok(())
    }

    /// Receives the length of all that was written, in bytes, after the last byte: refuses a destination of
    /// another length. A file looks; the default accepts.
    ///
    /// # Errors
    ///
    /// What the destination returns.
    fn check_byte_len(&self, length: u64) -> io::Result<()> {
        let _ = length;
        Ok(())
    }
}

/// A file that is changed in place: read, written, and made durable.
///
/// # Example
///
/// ```no_run
/// use std::fs::File;
/// use strongroom::document::{Durable, WriteAt};
///
/// let file = File::options().read(true).write(true).open("contract.sealed")?;
/// file.write_all_at(b"bytes", 512)?;
/// file.sync()?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait Durable: ReadAt + WriteAt {
    /// Returns when all that was written before is on the disk and survives a loss of power.
    ///
    /// # Errors
    ///
    /// What the file returns; nothing written since the last success can then be relied on.
    fn sync(&self) -> io::Result<()>;
}

#[cfg(any(unix, windows))]
impl Durable for File {
    // On Apple's systems this is `F_FULLFSYNC`, which reaches the medium; their `fsync` does not.
    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}

#[cfg(any(unix, windows))]
impl ReadAt for File {
    #[cfg(unix)]
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(self, buffer, offset)
    }

    // Each read moves the file's position, which nobody may rely on.
    #[cfg(windows)]
    fn read_exact_at(&self, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buffer.is_empty() {
            match std::os::windows::fs::FileExt::seek_read(self, buffer, offset) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => {
                    buffer = buffer.get_mut(read..).unwrap_or_default();
                    offset += read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn byte_len(&self) -> io::Result<u64> {
        self.metadata().map(|metadata| metadata.len())
    }

    fn modified(&self) -> io::Result<Option<SystemTime>> {
        match self.metadata()?.modified() {
            Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(None),
            modified => modified.map(Some),
        }
    }
}

#[cfg(any(unix, windows))]
impl WriteAt for File {
    #[cfg(unix)]
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::write_all_at(self, bytes, offset)
    }

    #[cfg(windows)]
    fn write_all_at(&self, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
        while !bytes.is_empty() {
            match std::os::windows::fs::FileExt::seek_write(self, bytes, offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    bytes = bytes.get(written..).unwrap_or_default();
                    offset += written as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn set_byte_len(&self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    /// Linux and FreeBSD append what is written at an offset to a file that is open for appending. One
    /// byte shows it: the first, as it is, or where none can be read one behind the end.
    fn check_offsets(&self) -> io::Result<()> {
        let length = self.byte_len()?;
        let mut byte = [0];
        let (offset, expected) = match self.read_exact_at(&mut byte, 0) {
            Ok(()) => (0, length),
            Err(_) => (length.saturating_add(1), length.saturating_add(2)),
        };
        self.write_all_at(&byte, offset)?;
        let found = self.byte_len()?;
        // Not what somebody else appends meanwhile.
        if (length.saturating_add(1)..=length.saturating_add(2)).contains(&found) {
            self.set_len(length)?;
        }
        if found == expected {
            return Ok(());
        }
        Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is open for appending and ignores offsets; open it for writing alone",
        ))
    }

    fn check_byte_len(&self, length: u64) -> io::Result<()> {
        let found = self.byte_len()?;
        if found == length {
            return Ok(());
        }
        let message = format!("it has {found} bytes, and {length} were written");
        Err(io::Error::other(message))
    }
}

impl ReadAt for [u8] {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let bytes = usize::try_from(offset)
            .ok()
            .and_then(|offset| self.get(offset..)?.get(..buffer.len()))
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }

    fn byte_len(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }
}

impl<S: ReadAt + ?Sized> ReadAt for &S {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        (**self).read_exact_at(buffer, offset)
    }

    fn byte_len(&self) -> io::Result<u64> {
        (**self).byte_len()
    }

    fn modified(&self) -> io::Result<Option<SystemTime>> {
        (**self).modified()
    }
}

/// Takes everything and keeps nothing: opening into it verifies a document.
pub(crate) struct Discard;

impl WriteAt for Discard {
    fn write_all_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        Ok(())
    }
}

impl io::Write for Discard {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
