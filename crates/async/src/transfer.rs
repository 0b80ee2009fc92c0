//! Moving bytes between transports and batches, in turns that leave time for other tasks.

use std::future::poll_fn;
use std::io;
use std::task::Poll;

use strongroom::document::Batch;

use crate::place::INLINE;
use crate::transport::{Input, Output};

/// Bytes that are handed to a transport at once, and after which the task gives way: a transport in
/// memory is always ready, and copying this much into fresh memory takes a fraction of a millisecond.
const TURN: usize = INLINE;

/// Reads until the batch is full; returns false where the input has ended before.
pub(crate) async fn read_to_full(input: &mut impl Input, batch: &mut Batch) -> io::Result<bool> {
    let mut turn = Turn::default();
    while let Some(place) = batch.unfilled() {
        let count = read(input, place).await?;
        if count == 0 {
            return Ok(false);
        }
        batch.advance(count);
        turn.moved(count).await;
    }
    Ok(true)
}

/// Reads once; returns false where the input has ended.
pub(crate) async fn read_some(input: &mut impl Input, batch: &mut Batch) -> io::Result<bool> {
    let Some(place) = batch.unfilled() else { return Ok(true) };
    let count = read(input, place).await?;
    batch.advance(count);
    Ok(count > 0)
}

/// Reads until `buffer` is full or the input has ended; returns the count.
pub(crate) async fn fill(input: &mut impl Input, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    let mut turn = Turn::default();
    while filled < buffer.len() {
        let count = read(input, &mut buffer[filled..]).await?;
        if count == 0 {
            break;
        }
        filled += count;
        turn.moved(count).await;
    }
    Ok(filled)
}

/// Writes what was made of the batch.
pub(crate) async fn write_batch(output: &mut impl Output, batch: &Batch) -> io::Result<()> {
    for bytes in batch.outputs() {
        write_all(output, bytes).await?;
    }
    Ok(())
}

pub(crate) async fn write_all(output: &mut impl Output, mut bytes: &[u8]) -> io::Result<()> {
    let mut turn = Turn::default();
    while !bytes.is_empty() {
        let piece = &bytes[..bytes.len().min(TURN)];
        let count = poll_fn(|context| output.poll_write(context, piece)).await?;
        if count == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = bytes.get(count..).ok_or_else(more_than_there_was)?;
        turn.moved(count).await;
    }
    Ok(())
}

pub(crate) async fn flush(output: &mut impl Output) -> io::Result<()> {
    poll_fn(|context| output.poll_flush(context)).await
}

async fn read(input: &mut impl Input, place: &mut [u8]) -> io::Result<usize> {
    let most = place.len().min(TURN);
    let place = &mut place[..most];
    let count = poll_fn(|context| input.poll_read(context, place)).await?;
    if count > most { Err(more_than_there_was()) } else { Ok(count) }
}

fn more_than_there_was() -> io::Error {
    io::Error::other("the transport says that it moved more bytes than it was given")
}

/// Bytes moved since the task last yielded.
#[derive(Default)]
struct Turn {
    moved: usize,
}

impl Turn {
    async fn moved(&mut self, count: usize) {
        self.moved = self.moved.saturating_add(count);
        if self.moved >= TURN {
            self.moved = 0;
            give_way().await;
        }
    }
}

/// Lets the executor poll others first.
async fn give_way() {
    let mut gave_way = false;
    poll_fn(|context| {
        if gave_way {
            return Poll::Ready(());
        }
        gave_way = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
