//! `--preserve`: the output gets the permissions and the times of the input.

use std::fs::FileTimes;

use crate::failure::Failure;
use crate::input::Input;
use crate::output::{Output, Rules};
use crate::{platform, print};

/// Permissions and times of a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attributes {
    mode: u32,
    times: FileTimes,
}

impl Attributes {
    /// Those of `input`.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] for a stream, which has none; [`Failure::Read`].
    pub(crate) fn of(input: &Input) -> Result<Self, Failure> {
        if input.length().is_none() {
            return Err(Failure::Usage(format!(
                "--preserve keeps the permissions and times of a file, and {} is not one; leave it away",
                input.name()
            )));
        }
        if let Some(note) = platform::NO_PERMISSIONS {
            print::notice("note", note);
        }
        let failed = |source| Failure::read(input.name(), source);
        let metadata = input.file().metadata().map_err(failed)?;
        let times = FileTimes::new()
            .set_modified(metadata.modified().map_err(failed)?)
            .set_accessed(metadata.accessed().map_err(failed)?);
        Ok(Self { mode: platform::mode(&metadata), times })
    }

    /// `rules` with these permissions.
    pub(crate) fn permissions(self, rules: Rules) -> Rules {
        Rules { mode: self.mode, is_mode_asked_for: cfg!(unix), ..rules }
    }

    /// Refuses an output that is a stream.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`].
    pub(crate) fn check(self, output: &Output) -> Result<Self, Failure> {
        match output {
            Output::File(_) => Ok(self),
            Output::Stream { name, .. } => Err(Failure::Usage(format!(
                "--preserve gives a file its permissions and times, and {name} is not one; leave it away"
            ))),
        }
    }

    /// Gives `output`, to which everything is written, these times.
    ///
    /// # Errors
    ///
    /// [`Failure::Write`].
    pub(crate) fn set_times(self, output: &Output) -> Result<(), Failure> {
        let (file, name) = output.parts();
        file.set_times(self.times).map_err(|source| Failure::write(name, source))
    }
}
