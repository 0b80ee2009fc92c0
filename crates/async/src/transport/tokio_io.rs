//! Readers and writers with the traits of `tokio`.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Input, Output};
use crate::adapters::{AsyncSealWriter, AsyncStreamReader};

/// A reader or a writer of `tokio`, or a `&mut` of one.
///
/// # Example
///
/// ```
/// use strongroom::document::{PlaintextLen, SealOptions, Sealer};
/// use strongroom::secret::Secret;
/// use strongroom::wrap::{KeyId, WrappingKey};
/// use strongroom_async::{Options, TokioIo, seal};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let key = WrappingKey::aes(KeyId::new("vault/contracts/1")?, Secret::generate()?);
/// let sealer = Sealer::new(PlaintextLen::Stream, &[key], &SealOptions::default())?;
/// let mut sealed = Vec::new();
/// let (from, to) = (TokioIo(&b"text"[..]), TokioIo(&mut sealed));
/// let totals = seal(sealer, from, to, &Options::default()).await?;
/// assert_eq!(sealed.len() as u64, totals.sealed_len);
/// # Ok::<(), strongroom::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Copy, Debug)]
pub struct TokioIo<T>(pub T);

impl<T: AsyncRead + Unpin> Input for TokioIo<T> {
    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        ready!(Pin::new(&mut self.0).poll_read(context, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().len()))
    }
}

impl<T: AsyncWrite + Unpin> Output for TokioIo<T> {
    fn poll_write(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }
}

impl AsyncRead for AsyncStreamReader<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let count = ready!(Input::poll_read(&mut *self, context, buffer.initialize_unfilled()))?;
        buffer.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for AsyncSealWriter<'_> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Output::poll_write(&mut *self, context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Output::poll_flush(&mut *self, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_close(context)
    }
}
