//! An input whose beginning was read ahead, to know whether the document is a short one.

use std::io;
use std::task::{Context, Poll};

use zeroize::Zeroizing;

use crate::place::INLINE;
use crate::transfer::fill;
use crate::transport::Input;

/// Bytes that are read at first: most short documents need no more.
const FIRST: usize = 4096;

/// Gives what was read ahead, then the rest.
pub(crate) struct Peeked<I> {
    head: Zeroizing<Vec<u8>>,
    head_len: usize,
    given: usize,
    ended: bool,
    input: I,
}

impl<I: Input> Peeked<I> {
    /// Reads until the end, or until there are too many bytes to compute them in the task.
    pub(crate) async fn new(mut input: I) -> io::Result<Self> {
        let mut head = Zeroizing::new(vec![0; FIRST]);
        let mut head_len = 0;
        let ended = loop {
            head_len += fill(&mut input, &mut head[head_len..]).await?;
            if head_len < head.len() {
                break true;
            }
            if head_len >= INLINE {
                break false;
            }
            // A new buffer instead of a longer one: the old one is wiped.
            let mut longer = Zeroizing::new(vec![0; (4 * head_len).min(INLINE)]);
            longer[..head_len].copy_from_slice(&head);
            head = longer;
        };
        Ok(Self { head, head_len, given: 0, ended, input })
    }

    /// True where all of the input was read ahead.
    pub(crate) fn is_short(&self) -> bool {
        self.ended
    }
}

impl<I: Input> Input for Peeked<I> {
    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let left = &self.head[self.given..self.head_len];
        if left.is_empty() {
            // An input that has ended is not asked again.
            return if self.ended {
                Poll::Ready(Ok(0))
            } else {
                self.input.poll_read(context, buffer)
            };
        }
        let count = left.len().min(buffer.len());
        buffer[..count].copy_from_slice(&left[..count]);
        self.given += count;
        if self.given == self.head_len {
            (self.head, self.head_len, self.given) = (Zeroizing::default(), 0, 0);
        }
        Poll::Ready(Ok(count))
    }
}
