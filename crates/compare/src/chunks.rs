//! A text in chunks that are sealed or opened in place over and over, without a copy between two calls.
//!
//! Counter mode is its own inverse: opening a chunk twice under one nonce gives it back as it was. So
//! each chunk has one nonce and two tags, one for either of its states, and every call is one with
//! a tag that holds. [`Messages`](crate::messages::Messages) does the same for one text under many nonces.

use anyhow::{Context as _, Result, ensure};

use crate::buffer::Buffer;
use crate::peer::Peer;

/// A document's chunk where nothing else is said, in bytes.
pub(crate) const DOCUMENT_CHUNK: usize = 1 << 20;

/// The chunks of one buffer, each with what it takes to open it.
#[derive(Debug)]
pub(crate) struct Chunks {
    buffer: Buffer,
    chunk_len: usize,
    keys: Vec<Key>,
}

#[derive(Debug)]
struct Key {
    nonce: [u8; 12],
    /// The tags of the text as it was, and as it is when it was opened once.
    tags: [[u8; 16]; 2],
    opened: bool,
}

impl Chunks {
    /// `length` bytes in chunks of `chunk_len`, the last of which may be shorter.
    ///
    /// # Errors
    ///
    /// Where `peer` cannot seal them.
    pub(crate) fn new(length: usize, chunk_len: usize, peer: &mut dyn Peer) -> Result<Self> {
        let mut buffer = Buffer::new(length);
        let keys = buffer.bytes_mut().chunks_mut(chunk_len).enumerate().map(|(index, text)| {
            // The nonces of a document.
            let mut nonce = [0; 12];
            nonce[6..10].copy_from_slice(&u32::try_from(index)?.to_be_bytes());
            let mut seal = || peer.seal(&nonce, &[], text).context("refused to seal");
            let (of_sealed, of_text) = (seal()?, seal()?);
            Ok(Key { nonce, tags: [of_text, of_sealed], opened: false })
        });
        let keys = keys.collect::<Result<_>>().with_context(|| peer.name().to_owned())?;
        Ok(Self { buffer, chunk_len, keys })
    }

    /// Number of chunks.
    pub(crate) fn count(&self) -> usize {
        self.keys.len()
    }

    /// A copy of the text as it is now, to be brought back by [`Chunks::restore`].
    pub(crate) fn text(&self) -> Vec<u8> {
        self.buffer.bytes().to_vec()
    }

    /// Copies one chunk of `text` back, which was opened or sealed an even number of times since.
    pub(crate) fn restore(&mut self, index: usize, text: &[u8]) {
        let start = index * self.chunk_len;
        let end = text.len().min(start + self.chunk_len);
        self.buffer.bytes_mut()[start..end].copy_from_slice(&text[start..end]);
    }

    /// The nonce of a chunk, its text, and the tag with which it opens.
    #[inline]
    fn next(&mut self, index: usize) -> (&[u8; 12], &mut [u8], &[u8; 16]) {
        let key = &mut self.keys[index];
        let tag = &key.tags[usize::from(key.opened)];
        key.opened = !key.opened;
        let start = index * self.chunk_len;
        let bytes = self.buffer.bytes_mut();
        let end = bytes.len().min(start + self.chunk_len);
        (&key.nonce, &mut bytes[start..end], tag)
    }

    /// Has `peer` seal one in place.
    ///
    /// # Errors
    ///
    /// Where it refuses.
    pub(crate) fn seal(&mut self, index: usize, peer: &mut dyn Peer) -> Result<()> {
        let (nonce, text, _) = self.next(index);
        let tag = peer.seal(nonce, &[], text);
        ensure!(std::hint::black_box(tag).is_some(), "{}: refused to seal", peer.name());
        Ok(())
    }

    /// Has `peer` open one in place.
    ///
    /// # Errors
    ///
    /// Where it refuses.
    pub(crate) fn open(&mut self, index: usize, peer: &mut dyn Peer) -> Result<()> {
        let (nonce, text, tag) = self.next(index);
        ensure!(peer.open(nonce, &[], text, tag), "{}: refused a right tag", peer.name());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use strongroom::backend::Backend;

    use super::*;
    use crate::peer::Strongroom;

    #[test]
    fn every_chunk_opens_again_and_again_in_any_order_and_sealing_changes_nothing_of_that() {
        let mut peer = Strongroom::new(Backend::detect());
        let mut chunks = Chunks::new(10_000, 4096, &mut peer).unwrap();
        assert_eq!(chunks.count(), 3);
        let text = chunks.buffer.bytes().to_vec();
        for index in [0, 2, 2, 1, 0, 2, 1, 2] {
            let before = chunks.buffer.bytes().to_vec();
            chunks.open(index, &mut peer).unwrap();
            let changed = before.iter().zip(chunks.buffer.bytes()).position(|(a, b)| a != b);
            assert_eq!(changed.unwrap() / 4096, index);
        }
        assert_eq!(text, chunks.buffer.bytes());
        for index in 0..3 {
            chunks.seal(index, &mut peer).unwrap();
            chunks.open(index, &mut peer).unwrap();
        }
        assert_eq!(text, chunks.text());
        chunks.buffer.bytes_mut().fill(0);
        for index in 0..3 {
            chunks.restore(index, &text);
            chunks.open(index, &mut peer).unwrap();
        }
    }

    #[test]
    fn a_changed_chunk_is_refused() {
        let mut peer = Strongroom::new(Backend::detect());
        let mut chunks = Chunks::new(8192, 4096, &mut peer).unwrap();
        chunks.buffer.bytes_mut()[5000] ^= 1;
        assert!(chunks.open(0, &mut peer).is_ok());
        assert!(chunks.open(1, &mut peer).is_err());
    }
}
