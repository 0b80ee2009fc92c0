//! Memory that is there before the clock runs.

/// The alignment of a buffer from which on huge pages can hold it.
const HUGE_PAGE: usize = 2 << 20;
const PAGE: usize = 4096;

/// Bytes on page boundaries, all of them written once, so that no page is missing later.
#[derive(Debug)]
pub(crate) struct Buffer {
    memory: Vec<u8>,
    start: usize,
    length: usize,
}

impl Buffer {
    /// `length` bytes that no compression or zero page makes special.
    pub(crate) fn new(length: usize) -> Self {
        let alignment = if length >= HUGE_PAGE { HUGE_PAGE } else { PAGE };
        let mut memory = vec![0; length + alignment];
        let start = memory.as_ptr().align_offset(alignment);
        let pattern: [u8; PAGE] = std::array::from_fn(|_| fastrand::u8(..));
        for page in memory.chunks_mut(PAGE) {
            page.copy_from_slice(&pattern[..page.len()]);
        }
        Self { memory, start, length }
    }

    /// The bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.memory[self.start..self.start + self.length]
    }

    /// The bytes, to write.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..self.start + self.length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_begin_on_a_page_and_have_their_length() {
        for length in [0, 1, 64, PAGE, PAGE + 1, HUGE_PAGE - 1, HUGE_PAGE, HUGE_PAGE + 7] {
            let mut buffer = Buffer::new(length);
            assert_eq!(buffer.bytes().len(), length);
            assert_eq!(buffer.bytes_mut().len(), length);
            let alignment = if length >= HUGE_PAGE { HUGE_PAGE } else { PAGE };
            assert_eq!(buffer.bytes().as_ptr().addr() % alignment, 0, "{length}");
        }
    }
}
