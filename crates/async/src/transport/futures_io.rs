//! Readers and writers with the traits of `futures-io`.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};

use super::{Input, Output};
use crate::adapters::{AsyncSealWriter, AsyncStreamReader};

/// A reader or a writer of `futures-io`, or a `&mut` of one.
///
/// # Example
///
/// ```
/// use strongroom::document::{PlaintextLen, SealOptions, Sealer};
/// use strongroom::secret::Secret;
/// use strongroom::wrap::{KeyId, WrappingKey};
/// use strongroom_async::{FuturesIo, Options, seal};
///
/// # futures::executor::block_on(async {
/// let key = WrappingKey::aes(KeyId::new("vault/contracts/1")?, Secret::generate()?);
/// let sealer = Sealer::new(PlaintextLen::Stream, &[key], &SealOptions::default())?;
/// let mut sealed = futures::io::Cursor::new(Vec::new());
/// let (from, to) = (FuturesIo(&b"text"[..]), FuturesIo(&mut sealed));
/// let totals = seal(sealer, from, to, &Options::default()).await?;
/// assert_eq!(sealed.get_ref().len() as u64, totals.sealed_len);
/// # Ok::<(), strongroom::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Copy, Debug)]
pub struct FuturesIo<T>(pub T);

impl<T: AsyncRead + Unpin> Input for FuturesIo<T> {
    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl<T: AsyncWrite + Unpin> Output for FuturesIo<T> {
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
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Input::poll_read(&mut *self, context, buffer)
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

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncSealWriter::poll_close(&mut self, context)
    }
}
