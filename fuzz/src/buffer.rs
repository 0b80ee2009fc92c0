//! Texts at any offset from a cache line, in place or from one buffer into another.

use aes::cipher::inout::InOutBuf;
use arbitrary::{Arbitrary, Result, Unstructured};

/// Position of a text in memory: bytes before the input, and before the output where it is another buffer.
/// Memory itself begins at a multiple of 16.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    input_offset: usize,
    output_offset: Option<usize>,
}

impl<'a> Arbitrary<'a> for Layout {
    fn arbitrary(input: &mut Unstructured<'a>) -> Result<Self> {
        let input_offset = input.int_in_range(0..=63)?;
        let output_offset = match input.int_in_range(0..=127)? {
            offset @ 0..=63 => Some(offset),
            _ => None,
        };
        Ok(Self { input_offset, output_offset })
    }
}

/// A text to encrypt or decrypt.
pub enum Buffers<'b> {
    InPlace(&'b mut [u8]),
    /// From the first into the second.
    Apart(&'b [u8], &'b mut [u8]),
}

impl<'b> From<Buffers<'b>> for InOutBuf<'b, 'b, u8> {
    fn from(buffers: Buffers<'b>) -> Self {
        match buffers {
            Buffers::InPlace(text) => text.into(),
            Buffers::Apart(input, output) => Self::new(input, output).expect("of one length"),
        }
    }
}

impl Layout {
    /// The output is where the input was.
    pub fn is_in_place(self) -> bool {
        self.output_offset.is_none()
    }

    /// Runs `work` on a copy of `text`; returns what it returned, and the output.
    ///
    /// The address sanitizer sees whoever reads or writes behind a buffer, whose memory ends with
    /// it. This sees who writes before one, or to an input that is not the output.
    pub fn run<T>(self, text: &[u8], work: impl FnOnce(Buffers<'_>) -> T) -> (T, Vec<u8>) {
        let mut input = Placed::new(self.input_offset, text);
        let Some(output_offset) = self.output_offset else {
            let result = work(Buffers::InPlace(input.text_mut()));
            return (result, input.take());
        };
        let mut output = Placed::new(output_offset, &vec![0x5a; text.len()]);
        let result = work(Buffers::Apart(input.text_mut(), output.text_mut()));
        assert_eq!(input.take(), text, "the input was written to");
        (result, output.take())
    }
}

/// A text behind zeros, at the end of its memory.
struct Placed {
    memory: Vec<u8>,
    offset: usize,
}

impl Placed {
    fn new(offset: usize, text: &[u8]) -> Self {
        let mut memory = Vec::with_capacity(offset + text.len());
        memory.resize(offset, 0);
        memory.extend(text);
        Self { memory, offset }
    }

    fn text_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.offset..]
    }

    fn take(mut self) -> Vec<u8> {
        let before: Vec<u8> = self.memory.drain(..self.offset).collect();
        assert!(before.iter().all(|byte| *byte == 0), "written before the buffer");
        self.memory
    }
}
