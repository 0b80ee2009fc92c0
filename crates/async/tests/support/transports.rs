//! Transports that are as awkward as the traits allow.

use std::io;
use std::task::{Context, Poll};

use strongroom_async::{Input, Output};

/// Behaviour of a transport.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manners {
    pub(crate) pace: Pace,
    /// Number of bytes after which it fails.
    pub(crate) fails_at: Option<usize>,
}

/// Number of bytes that a transport moves at once, and its readiness.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// All that is wanted, always.
    Easy,
    /// One byte, every other time.
    Byte,
    /// From one byte to a few chunks, and not ready one time in three: a generator with this seed says.
    Random(u64),
}

pub(crate) const EASY: Manners = paced(Pace::Easy);
pub(crate) const HARD: [Manners; 4] =
    [EASY, paced(Pace::Byte), paced(Pace::Random(1)), paced(Pace::Random(2))];
pub(crate) const PLANTED: &str = "planted";

pub(crate) const fn paced(pace: Pace) -> Manners {
    Manners { pace, fails_at: None }
}

/// A reader of bytes or a writer that keeps them.
#[derive(Debug)]
pub(crate) struct Transport<B> {
    pub(crate) bytes: B,
    pub(crate) manners: Manners,
    pub(crate) moved: usize,
    pub(crate) flushed: bool,
    /// Number of calls at which it was not ready.
    pub(crate) waits: usize,
    waited: bool,
    random: u64,
}

impl<B> Transport<B> {
    pub(crate) fn new(bytes: B, manners: Manners) -> Self {
        let random = match manners.pace {
            Pace::Random(seed) => seed,
            Pace::Easy | Pace::Byte => 0,
        };
        Self { bytes, manners, moved: 0, flushed: false, waits: 0, waited: false, random }
    }

    /// SplitMix64.
    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ (self.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Greatest number of bytes to move now; `None` where it is not ready.
    fn piece(&mut self) -> Option<usize> {
        match self.manners.pace {
            Pace::Easy => Some(usize::MAX),
            Pace::Byte => {
                self.waited = !self.waited;
                (!self.waited).then_some(1)
            }
            Pace::Random(_) => {
                let random = self.random();
                // Every order of magnitude up to 16 KiB is as likely.
                let most = 1_usize << (((random >> 8) & 0xff) % 15);
                let drawn = usize::try_from(random >> 16).unwrap();
                (!random.is_multiple_of(3)).then_some(1 + drawn % most)
            }
        }
    }

    /// Number of the `wanted` bytes that may move now.
    fn most(&mut self, context: &Context<'_>, wanted: usize) -> Poll<io::Result<usize>> {
        let Some(piece) = self.piece() else {
            self.waits += 1;
            context.waker().wake_by_ref();
            return Poll::Pending;
        };
        let left = self.manners.fails_at.map_or(usize::MAX, |at| at - self.moved);
        if left == 0 {
            return Poll::Ready(Err(io::Error::other(PLANTED)));
        }
        Poll::Ready(Ok(wanted.min(piece).min(left)))
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
