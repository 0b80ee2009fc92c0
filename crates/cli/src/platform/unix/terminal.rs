//! A line that is typed at the terminal of this process and not shown.

use std::fs::File;
use std::io::{self, Read as _, Write as _};

use rustix::process::{Signal, kill_current_process_group};
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};
use zeroize::Zeroizing;

use super::signals::undo_before_end;

/// The terminal of this process, whatever its standard input and output are.
pub(crate) const TERMINAL: &str = "/dev/tty";

/// No terminal hands out a longer line, in bytes.
const LONGEST_LINE: usize = 4_096;

/// A terminal that shows again what is typed when this is dropped.
struct Hidden<'a> {
    terminal: &'a File,
    before: Termios,
}

impl<'a> Hidden<'a> {
    /// Lets `terminal` show nothing, and forget what was typed already. The keys that interrupt and quit end the
    /// line: their signals would end the process before the terminal is as it was.
    fn new(terminal: &'a File) -> io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ISIG);
        hidden.local_modes.insert(LocalModes::ICANON);
        let code = |index| before.special_codes[index];
        hidden.special_codes[SpecialCodeIndex::VEOL] = code(SpecialCodeIndex::VINTR);
        hidden.special_codes[SpecialCodeIndex::VEOL2] = code(SpecialCodeIndex::VQUIT);
        tcsetattr(terminal, OptionalActions::Flush, &hidden)?;
        Ok(Self { terminal, before })
    }

    /// The signal of the key that ended a line, if it was one of these.
    fn signal(&self, last: u8) -> Option<Signal> {
        let is_key = |index| {
            let takes_signals = self.before.local_modes.contains(LocalModes::ISIG);
            takes_signals && last != 0 && last == self.before.special_codes[index]
        };
        match last {
            _ if is_key(SpecialCodeIndex::VINTR) => Some(Signal::INT),
            _ if is_key(SpecialCodeIndex::VQUIT) => Some(Signal::QUIT),
            _ => None,
        }
    }
}

impl Drop for Hidden<'_> {
    fn drop(&mut self) {
        // Best effort: a terminal that is gone shows nothing.
        let _ = tcsetattr(self.terminal, OptionalActions::Now, &self.before);
    }
}

/// Asks `question` and reads the answer, without its line end.
///
/// # Errors
///
/// What the system says; of the kind `Interrupted` where the user interrupted it and the process goes on.
pub(crate) fn ask_unseen(question: &str) -> io::Result<Zeroizing<Vec<u8>>> {
    let terminal = File::options().read(true).write(true).open(TERMINAL)?;
    let shown = tcgetattr(&terminal)?;
    let again = terminal.try_clone()?;
    let undone = undo_before_end(move || {
        let _ = tcsetattr(&again, OptionalActions::Now, &shown);
    });
    let hidden = Hidden::new(&terminal)?;
    (&terminal).write_all(question.as_bytes())?;
    // Of its greatest length at once: a vector that grows leaves copies behind.
    let mut line = Zeroizing::new(vec![0; LONGEST_LINE]);
    let mut length = 0;
    let mut signal = None;
    while let Some(room) = line.get_mut(length..).filter(|room| !room.is_empty()) {
        let read = match (&terminal).read(room) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        length += read;
        let last = line.get(length.saturating_sub(1)).copied().filter(|_| read > 0);
        signal = last.and_then(|last| hidden.signal(last));
        if matches!(last, None | Some(b'\n')) || signal.is_some() {
            break;
        }
    }
    (&terminal).write_all(b"\n")?;
    drop(hidden);
    drop(undone);
    if let Some(signal) = signal {
        // As the key does: to all of the job.
        kill_current_process_group(signal)?;
        return Err(io::ErrorKind::Interrupted.into());
    }
    line.truncate(length);
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    Ok(line)
}
