//! Sources and sinks of bytes: two small traits that no runtime owns.

#[cfg(feature = "futures")]
mod futures_io;
#[cfg(feature = "tokio")]
mod tokio_io;

use std::io;
use std::task::{Context, Poll};

#[cfg(feature = "futures")]
pub use futures_io::FuturesIo;
#[cfg(feature = "tokio")]
pub use tokio_io::TokioIo;

/// Gives bytes asynchronously. `FuturesIo` and `TokioIo` make one of a reader.
///
/// # Example
///
/// ```
/// use std::io;
/// use std::task::{Context, Poll};
/// use strongroom_async::Input;
///
/// struct Zeros(usize);
///
/// impl Input for Zeros {
///     fn poll_read(&mut self, _: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
///         let count = buffer.len().min(self.0);
///         buffer[..count].fill(0);
///         self.0 -= count;
///         Poll::Ready(Ok(count))
///     }
/// }
/// ```
pub trait Input {
    /// Puts bytes at the start of `buffer`, which is not empty, and says how many; 0 is the end.
    /// Where there are none yet, wakes the task when there are.
    ///
    /// # Errors
    ///
    /// What the source returns; it is not asked again.
    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>>;
}

/// Takes bytes asynchronously. `FuturesIo` and `TokioIo` make one of a writer.
///
/// # Example
///
/// ```
/// use std::io;
/// use std::task::{Context, Poll};
/// use strongroom_async::Output;
///
/// struct Count(u64);
///
/// impl Output for Count {
///     fn poll_write(&mut self, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
///         self.0 += bytes.len() as u64;
///         Poll::Ready(Ok(bytes.len()))
///     }
///
///     fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
///         Poll::Ready(Ok(()))
///     }
/// }
/// ```
pub trait Output {
    /// Takes bytes from the start of `bytes`, which are not empty, and says how many. Where it can
    /// take none yet, wakes the task when it can.
    ///
    /// # Errors
    ///
    /// What the destination returns; it is not asked again.
    fn poll_write(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>>;

    /// Passes on what is buffered.
    ///
    /// # Errors
    ///
    /// What the destination returns.
    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>>;
}

impl<T: Input + ?Sized> Input for &mut T {
    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        (**self).poll_read(context, buffer)
    }
}

impl<T: Output + ?Sized> Output for &mut T {
    fn poll_write(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        (**self).poll_write(context, bytes)
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        (**self).poll_flush(context)
    }
}

/// Takes everything and keeps nothing.
pub(crate) struct Discard;

impl Output for Discard {
    fn poll_write(&mut self, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
