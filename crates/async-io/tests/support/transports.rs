//! Transports that are as awkward as the traits allow.

use std::io;
use std::task::{Context, Poll};

use strongroom_async::{Input, Output};

/// How a transport behaves.
#[derive(Clone, Copy, Debug)]
pub struct Manners {
    /// Greatest number of bytes that it moves at once.
    pub piece: usize,
    /// Whether it is ready only every other time.
    pub pending: bool,
    /// After how many bytes it fails.
    pub fails_at: Option<usize>,
}

pub const EASY: Manners = Manners { piece: usize::MAX, pending: false, fails_at: None };
pub const HARD: [Manners; 4] = [
    EASY,
    Manners { piece: 1, pending: true, fails_at: None },
    Manners { piece: 5000, pending: true, fails_at: None },
    Manners { piece: 777, pending: false, fails_at: None },
];
pub const PLANTED: &str = "planted";

/// A reader of bytes or a writer that keeps them.
#[derive(Debug)]
pub struct Transport<B> {
    pub bytes: B,
    pub manners: Manners,
    pub moved: usize,
    pub flushed: bool,
    waited: bool,
}

impl<B> Transport<B> {
    pub fn new(bytes: B, manners: Manners) -> Self {
        Self { bytes, manners, moved: 0, flushed: false, waited: false }
    }

    /// How many of `wanted` bytes may move now.
    fn most(&mut self, context: &Context<'_>, wanted: usize) -> Poll<io::Result<usize>> {
        let Manners { piece, pending, fails_at } = self.manners;
        self.waited = !self.waited;
        if pending && self.waited {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let left = fails_at.map_or(usize::MAX, |at| at - self.moved);
        if left == 0 {
            return Poll::Ready(Err(io::Error::other(PLANTED)));
        }
        let most = wanted.min(piece).min(left);
        Poll::Ready(Ok(most))
    }
}

impl Input for Transport<&[u8]> {
    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        assert!(!buffer.is_empty());
        self.most(context, buffer.len().min(self.bytes.len())).map_ok(|count| {
            buffer[..count].copy_from_slice(self.bytes.split_off(..count).unwrap());
            self.moved += count;
            count
        })
    }
}

impl Output for Transport<Vec<u8>> {
    fn poll_write(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        assert!(!bytes.is_empty());
        self.most(context, bytes.len()).map_ok(|count| {
            self.bytes.extend_from_slice(&bytes[..count]);
            self.moved += count;
            self.flushed = false;
            count
        })
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.most(context, usize::MAX).map_ok(|_| self.flushed = true)
    }
}
