//! Room on the device for a file that is about to be written.

use std::fs::File;
use std::io;

use rustix::fs::FallocateFlags;
use rustix::io::Errno;

/// Gives an empty file its length, and takes the room for it: a full device is told of before the work and
/// not in its midst, and the system need not look for room at each write (a tenth of the time it takes to
/// write 1 GiB to ext4).
///
/// Where the file system cannot, the file grows as it is written.
///
/// # Errors
///
/// The system's: no room, a limit on the length.
pub(crate) fn take(file: &File, length: u64) -> io::Result<()> {
    if length == 0 {
        return Ok(());
    }
    loop {
        match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, length) {
            Err(Errno::INTR) => {}
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => return Ok(()),
            taken => return Ok(taken?),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn a_file_has_its_length_and_its_room_before_it_is_written() {
        let file = tempfile::tempfile().unwrap();
        take(&file, 0).unwrap();
        assert_eq!(file.metadata().unwrap().len(), 0);
        take(&file, 1 << 20).unwrap();
        let metadata = file.metadata().unwrap();
        // A file system that cannot leaves both as they were.
        assert!(
            [(0, 0), (1 << 20, 1 << 11)].iter().any(|(length, blocks)| {
                metadata.len() == *length && metadata.blocks() >= *blocks
            })
        );
    }

    #[test]
    fn what_has_no_room_to_take_is_refused() {
        let file = tempfile::tempfile().unwrap();
        assert!(take(&file, u64::MAX >> 1).is_err() || file.metadata().unwrap().len() == 0);
    }
}
