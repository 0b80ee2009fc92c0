//! `--sparse`: runs of zeros become holes, which take no room on the device.

use std::io::{self, Write};

use strongroom::document::WriteAt;

use crate::tagged::Sink;

/// The unit in which file systems leave holes, in bytes.
const BLOCK: usize = 4096;

/// A new file in which blocks of zeros are left out.
#[derive(Debug)]
pub(crate) struct SparseSink<'a> {
    sink: Sink<'a>,
    /// Bytes written one after the other.
    position: u64,
}

impl<'a> SparseSink<'a> {
    /// Writes to `sink`, an empty file.
    pub(crate) fn new(sink: Sink<'a>) -> Self {
        Self { sink, position: 0 }
    }

    /// Gives the file the length of all that was written one after the other, its last hole included.
    ///
    /// # Errors
    ///
    /// That of the file.
    pub(crate) fn finish(self) -> io::Result<()> {
        self.sink.set_len(self.position)
    }
}

impl WriteAt for SparseSink<'_> {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut rest = bytes;
        let mut at = offset;
        let mut data = 0; // bytes at the start of `rest` that are written
        while data < rest.len() {
            // To the next border of the file's blocks.
            let position = at.wrapping_add(data as u64);
            let within = usize::try_from(position % BLOCK as u64).unwrap_or(0);
            let end = rest.len().min(data + BLOCK - within);
            if rest[data..end].iter().any(|byte| *byte != 0) {
                data = end;
                continue;
            }
            self.sink.write_all_at(&rest[..data], at)?;
            at = at.wrapping_add(end as u64);
            rest = &rest[end..];
            data = 0;
        }
        if rest.is_empty() { Ok(()) } else { self.sink.write_all_at(rest, at) }
    }

    /// The length alone: the room that is taken beforehand would be no hole.
    fn set_byte_len(&self, length: u64) -> io::Result<()> {
        self.sink.set_len(length)
    }
}

impl Write for SparseSink<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all_at(bytes, self.position)?;
        self.position += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_whatever_is_left_out() {
        let data = |length: usize| vec![7; length];
        let zeros = |length: usize| vec![0; length];
        for pieces in [
            vec![],
            vec![zeros(1)],
            vec![zeros(20_000)],
            vec![data(5), zeros(20_000), data(5)],
            vec![data(BLOCK), zeros(BLOCK), data(BLOCK)],
            vec![zeros(BLOCK), data(1), zeros(3 * BLOCK - 2), data(1), zeros(2 * BLOCK + 3)],
        ] {
            let text = pieces.concat();
            for step in [text.len().max(1), 4096, 1000, 6000] {
                let (by_offset, in_turn) =
                    (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
                let sparse = SparseSink::new(Sink { file: &by_offset, name: "a" });
                sparse.set_byte_len(text.len() as u64).unwrap();
                let mut writing = SparseSink::new(Sink { file: &in_turn, name: "b" });
                for (number, piece) in text.chunks(step).enumerate() {
                    sparse.write_all_at(piece, (number * step) as u64).unwrap();
                    writing.write_all(piece).unwrap();
                }
                writing.finish().unwrap();
                for file in [&by_offset, &in_turn] {
                    use std::io::{Read as _, Seek as _};
                    let (mut file, mut read) = (file, Vec::new());
                    file.rewind().unwrap();
                    file.read_to_end(&mut read).unwrap();
                    assert_eq!(read, text);
                }
            }
        }
    }
}
