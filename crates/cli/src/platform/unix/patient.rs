//! Reading and writing where a descriptor does not wait by itself.
//!
//! A pipe or a terminal may have been opened so that it answers "not now" (`O_NONBLOCK`), by this
//! process or by whoever shares it. That is not a failure: the command waits until there is something to
//! read or room to write.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;

/// A descriptor that is waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patient<T>(pub(crate) T);

impl<T: AsFd> Patient<T> {
    /// Does `work`, again and again, until it does not answer "not now".
    fn insist<R>(
        &mut self,
        ready: PollFlags,
        mut work: impl FnMut(&mut T) -> io::Result<R>,
    ) -> io::Result<R> {
        loop {
            match work(&mut self.0) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                done => return done,
            }
            match rustix::event::poll(&mut [PollFd::new(&self.0, ready)], None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl<T: Read + AsFd> Read for Patient<T> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.insist(PollFlags::IN, |input| input.read(buffer))
    }
}

impl<T: Write + AsFd> Write for Patient<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.insist(PollFlags::OUT, |output| output.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.insist(PollFlags::OUT, Write::flush)
    }
}
