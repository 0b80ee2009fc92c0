//! Open descriptors of this process: what paths name them, and whether they lead anywhere.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, OFlags};

/// Number of symbolic links that are followed, as by the system.
const MOST_LINKS: u32 = 40;

/// The number of the descriptor that `path` names, as `/dev/stdout`, `/dev/fd/3` and
/// `/proc/self/fd/3` do, and links to them.
pub(crate) fn number_of_descriptor(path: &Path) -> Option<u32> {
    let directories: Vec<PathBuf> = ["/proc/self/fd", "/dev/fd"]
        .iter()
        .filter_map(|path| fs::canonicalize(path).ok())
        .collect();
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        let parent = fs::canonicalize(crate::output::parent(&path)).ok()?;
        let name = path.file_name()?;
        if directories.contains(&parent) {
            return name.to_str()?.parse().ok();
        }
        path = parent.join(fs::read_link(parent.join(name)).ok()?);
    }
    None
}

/// The open file behind descriptor `number`: written at its own offset, and appended to where it was
/// opened for that.
///
/// # Errors
///
/// What the system says, or that it cannot share a descriptor.
#[cfg(target_os = "linux")]
pub(crate) fn share_descriptor(number: u32) -> io::Result<File> {
    use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

    match number {
        0 => return Ok(File::from(io::stdin().as_fd().try_clone_to_owned()?)),
        1 => return Ok(File::from(io::stdout().as_fd().try_clone_to_owned()?)),
        2 => return Ok(File::from(io::stderr().as_fd().try_clone_to_owned()?)),
        _ => {}
    }
    let number = i32::try_from(number).map_err(|_| io::ErrorKind::NotFound)?;
    let own = pidfd_open(getpid(), PidfdFlags::empty())?;
    Ok(File::from(pidfd_getfd(own, number, PidfdGetfdFlags::empty())?))
}

/// The standard descriptors; others need what this system does not have.
///
/// # Errors
///
/// What the system says, or that it cannot share a descriptor.
#[cfg(not(target_os = "linux"))]
pub(crate) fn share_descriptor(number: u32) -> io::Result<File> {
    let descriptor = match number {
        0 => io::stdin().as_fd().try_clone_to_owned(),
        1 => io::stdout().as_fd().try_clone_to_owned(),
        2 => io::stderr().as_fd().try_clone_to_owned(),
        _ => Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "this system shares descriptors 0 to 2 only",
        )),
    };
    descriptor.map(File::from)
}

/// True where a standard descriptor was closed when the program started.
///
/// Rust's runtime then opens `/dev/null` in its place, for reading and writing; a shell that throws
/// output away opens it for writing only, and one that gives no input for reading only. A document must
/// not vanish there with a report of success, nor an empty one be sealed.
pub(crate) fn leads_nowhere(descriptor: &File) -> bool {
    let (Ok(found), Ok(null)) = (rustix::fs::fstat(descriptor), rustix::fs::stat("/dev/null"))
    else {
        return false;
    };
    let is_device = FileType::from_raw_mode(found.st_mode) == FileType::CharacterDevice;
    let both_ways = rustix::fs::fcntl_getfl(descriptor)
        .is_ok_and(|flags| flags & OFlags::ACCMODE == OFlags::RDWR);
    is_device && found.st_rdev == null.st_rdev && both_ways
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_descriptors_and_of_other_things() {
        let directory = tempfile::tempdir().unwrap();
        let link = directory.path().join("link");
        std::os::unix::fs::symlink("/dev/stdout", &link).unwrap();
        let indirect = directory.path().join("indirect");
        std::os::unix::fs::symlink("link", &indirect).unwrap();
        let round = directory.path().join("round");
        std::os::unix::fs::symlink("round", &round).unwrap();
        for (path, descriptor) in [
            (Path::new("/dev/stdin"), Some(0)),
            (Path::new("/dev/stdout"), Some(1)),
            (Path::new("/dev/../dev/stderr"), Some(2)),
            (Path::new("/dev/fd/7"), Some(7)),
            (Path::new("/proc/self/fd/12"), Some(12)),
            (Path::new("/proc/thread-self/fd/1x"), None),
            (Path::new("/dev/null"), None),
            (Path::new("/"), None),
            (Path::new("7"), None),
            (Path::new("no/such/directory"), None),
            (&link, Some(1)),
            (&indirect, Some(1)),
            (&round, None),
        ] {
            assert_eq!(number_of_descriptor(path), descriptor, "{}", path.display());
        }
    }
}
