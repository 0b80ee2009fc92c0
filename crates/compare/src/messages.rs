//! Messages to seal and to open, without a copy between two calls.
//!
//! Counter mode is its own inverse. Let text S(0) be opened under nonce 0 to S(1), that under nonce 1
//! to S(2), and so on, twice through all nonces: each keystream is applied twice, so the last text is
//! S(0) again, and the walk is a circle. Sealing walks it backwards and yields the tag of each
//! step. So every call opens what was never opened under that nonce before it in the walk, with a tag
//! that holds, in place, and no clock has to stop for a copy.

use anyhow::{Context as _, Result, ensure};

use crate::buffer::Buffer;
use crate::peer::Peer;

/// Nonces, all of their bytes random: no two of them share what a kernel might keep of one.
const NONCES: usize = 16;
/// Steps of the circle.
const STEPS: usize = 2 * NONCES;

/// A buffer with the nonces and tags for it.
#[derive(Debug)]
pub(crate) struct Messages {
    buffer: Buffer,
    nonces: [[u8; 12]; NONCES],
    tags: [[u8; 16]; STEPS],
    step: usize,
}

impl Messages {
    /// Messages of `length` bytes each.
    ///
    /// # Errors
    ///
    /// Where `peer` cannot seal them.
    pub(crate) fn new(length: usize, peer: &mut dyn Peer) -> Result<Self> {
        let mut messages = Self {
            buffer: Buffer::new(length),
            nonces: std::array::from_fn(|_| std::array::from_fn(|_| fastrand::u8(..))),
            tags: [[0; 16]; STEPS],
            step: 0,
        };
        let sample = |bytes: &[u8]| bytes.iter().step_by(997).copied().collect::<Vec<_>>();
        let start = sample(messages.buffer.bytes());
        for step in (0..STEPS).rev() {
            let nonce = &messages.nonces[step % NONCES];
            let tag = peer.seal(nonce, &[], messages.buffer.bytes_mut());
            messages.tags[step] = tag.with_context(|| peer.name().to_owned())?;
        }
        ensure!(start == sample(messages.buffer.bytes()), "the walk did not come back");
        Ok(messages)
    }

    /// The next nonce, and the text to seal in place.
    #[inline]
    pub(crate) fn next_to_seal(&mut self) -> (&[u8; 12], &mut [u8]) {
        let (nonce, text, _) = self.next_to_open();
        (nonce, text)
    }

    /// The next nonce, the text to open in place, and its tag (if all were opened in turn).
    #[inline]
    pub(crate) fn next_to_open(&mut self) -> (&[u8; 12], &mut [u8], &[u8; 16]) {
        let step = self.step;
        self.step = (step + 1) % STEPS;
        (&self.nonces[step % NONCES], self.buffer.bytes_mut(), &self.tags[step])
    }

    /// The text alone, for what does not encrypt.
    pub(crate) fn text(&mut self) -> &mut [u8] {
        self.buffer.bytes_mut()
    }
}

#[cfg(test)]
mod tests {
    use strongroom::backend::Backend;

    use super::*;
    use crate::peer::{Operation, Strongroom};

    #[test]
    fn all_steps_of_the_circle_open_and_no_two_texts_in_a_row_are_alike() {
        for length in [1, 64, 4096, 100_001] {
            let mut peer = Strongroom::new(Backend::detect());
            let mut messages = Messages::new(length, &mut peer).unwrap();
            let start = messages.text().to_vec();
            for _ in 0..STEPS {
                let before = messages.text().to_vec();
                Operation::Open.time(&mut peer, &mut messages, 1).unwrap();
                assert!(length == 1 || before != messages.text());
            }
            assert_eq!(start, messages.text());
            Operation::Open.time(&mut peer, &mut messages, 1000).unwrap();
        }
    }

    #[test]
    fn a_step_out_of_turn_is_refused() {
        let mut peer = Strongroom::new(Backend::detect());
        let mut messages = Messages::new(64, &mut peer).unwrap();
        messages.next_to_open();
        assert!(Operation::Open.time(&mut peer, &mut messages, 1).is_err());
    }
}
