//! Pipes hold more than the system gives them at first.

use std::fs::File;

/// Capacity of a pipe in bytes, the most that an unprivileged process may ask for.
#[cfg(target_os = "linux")]
const CAPACITY: usize = 1 << 20;

/// Enlarges `file`, if it is a pipe: with the usual 64 KiB the two ends wait for each other more often
/// than they work. Best effort: another kind of file, and a refusal, are as they are.
#[cfg(target_os = "linux")]
pub(crate) fn enlarge(file: &File) {
    // Setting it could make a larger one smaller.
    if rustix::pipe::fcntl_getpipe_size(file).is_ok_and(|capacity| capacity < CAPACITY) {
        let _ = rustix::pipe::fcntl_setpipe_size(file, CAPACITY);
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn enlarge(_file: &File) {}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::os::fd::OwnedFd;

    use super::*;

    #[test]
    fn a_pipe_grows_and_never_shrinks() {
        let (reader, _writer) = std::io::pipe().unwrap();
        let reader = File::from(OwnedFd::from(reader));
        assert!(rustix::pipe::fcntl_getpipe_size(&reader).unwrap() < CAPACITY);
        enlarge(&reader);
        assert_eq!(rustix::pipe::fcntl_getpipe_size(&reader).unwrap(), CAPACITY);
        enlarge(&reader);
        assert_eq!(rustix::pipe::fcntl_getpipe_size(&reader).unwrap(), CAPACITY);
        enlarge(&tempfile::tempfile().unwrap());
    }
}
