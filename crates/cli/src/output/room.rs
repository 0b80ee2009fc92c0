//! Room on the device for files that are about to be written.

use std::fs::File;
use std::io;
use std::path::Path;

/// Number of bytes that are free on the file system that the directory `path` is on; `None` where it does not say.
#[cfg(unix)]
pub(crate) fn free(path: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(path).ok().filter(|found| found.f_blocks > 0)?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

/// On other systems it shows when they are written.
#[cfg(not(unix))]
pub(crate) fn free(_: &Path) -> Option<u64> {
    None
}

/// Gives an empty file its length, and takes the room for it: a full device shows before the work and not in
/// its midst, and the system need not look for room at each write (7 % of the processor time of sealing 1 GiB
/// on ext4).
///
/// Where the file system cannot, the file grows as it is written; so it does where the system says that there
/// is not enough room and writing may show otherwise, as on file systems that compress.
///
/// # Errors
///
/// No room, or a length that the system or the user's quota does not allow: what writing would end with.
#[cfg(any(
    target_os = "linux",
    target_os = "android",
    target_os = "freebsd",
    target_vendor = "apple"
))]
pub(crate) fn take(file: &File, length: u64) -> io::Result<()> {
    use rustix::fs::FallocateFlags;
    use rustix::io::Errno;

    loop {
        match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, length) {
            Err(Errno::INTR) => {}
            Err(Errno::NOSPC | Errno::DQUOT) if !stores_what_is_written(file) => {
                // It may have taken a part.
                return file.set_len(0);
            }
            Err(error @ (Errno::NOSPC | Errno::DQUOT | Errno::FBIG)) => return Err(error.into()),
            // It cannot, or not for this file, or no bytes were asked for.
            Ok(()) | Err(_) => return Ok(()),
        }
    }
}

/// True where a byte that is written takes a byte of room on the file system of `file`: so it is known of
/// ext, XFS and tmpfs. Btrfs, ZFS, F2FS and others compress.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn stores_what_is_written(file: &File) -> bool {
    const KNOWN: [u32; 3] = [0xEF53, 0x5846_5342, 0x0102_1994];
    let kind = |found: rustix::fs::StatFs| u32::try_from(found.f_type).ok();
    rustix::fs::fstatfs(file).ok().and_then(kind).is_some_and(|kind| KNOWN.contains(&kind))
}

#[cfg(any(target_os = "freebsd", target_vendor = "apple"))]
fn stores_what_is_written(_: &File) -> bool {
    false
}

/// On other systems the file grows as it is written.
#[cfg(not(any(
    target_os = "linux",
    target_os = "android",
    target_os = "freebsd",
    target_vendor = "apple"
)))]
#[allow(clippy::unnecessary_wraps, reason = "as on the systems that can")]
pub(crate) fn take(_: &File, _: u64) -> io::Result<()> {
    Ok(())
}

#[cfg(all(test, unix))] // blocks
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    /// Checks length and room where the file system can reserve them; else both stay as they were.
    #[test]
    fn a_file_has_its_length_and_its_room_before_it_is_written() {
        let file = tempfile::tempfile().unwrap();
        take(&file, 0).unwrap();
        assert_eq!(file.metadata().unwrap().len(), 0);
        take(&file, 1 << 20).unwrap();
        let metadata = file.metadata().unwrap();
        println!("{} bytes, {} blocks", metadata.len(), metadata.blocks());
        match metadata.len() {
            0 => assert_eq!(metadata.blocks(), 0),
            length => assert!(length == 1 << 20 && metadata.blocks() >= 1 << 11),
        }
    }
}
