//! Place that a command reads from or writes to, as the command line names it.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};

use crate::platform;
use crate::print::Channel;

/// A path, or `-` for standard input or output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// `-`; a file of that name is `./-`.
    Standard,
    /// Anything else.
    Path(PathBuf),
}

impl Place {
    /// The path, if it is one.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::Standard => None,
            Self::Path(path) => Some(path),
        }
    }

    /// Its name in messages where it is read.
    pub(crate) fn input_name(&self) -> String {
        self.path().map_or_else(|| "standard input".to_owned(), |path| path.display().to_string())
    }

    /// True where what is written there is seen at a terminal.
    pub(crate) fn is_terminal(&self) -> bool {
        match self {
            Self::Standard => io::stdout().is_terminal(),
            Self::Path(path) => {
                let is_device =
                    fs::metadata(path).is_ok_and(|found| platform::is_character_device(&found));
                is_device && File::open(path).is_ok_and(|file| file.is_terminal())
            }
        }
    }

    /// Standard output itself where the path is another name of it, as `/dev/stdout` is.
    pub(crate) fn into_output(self) -> Self {
        match self {
            Self::Path(path) if platform::number_of_descriptor(&path) == Some(1) => Self::Standard,
            other => other,
        }
    }

    /// The channel for the last line of a command that writes its result here.
    pub(crate) fn report_channel(&self) -> Channel {
        match self {
            Self::Standard => Channel::Error,
            Self::Path(_) => Channel::Output,
        }
    }

    /// Its name in messages where it is written.
    pub(crate) fn output_name(&self) -> String {
        self.path().map_or_else(|| "standard output".to_owned(), |path| path.display().to_string())
    }
}

impl From<&OsStr> for Place {
    fn from(text: &OsStr) -> Self {
        if text == "-" { Self::Standard } else { Self::Path(PathBuf::from(text)) }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Standard => f.write_str("-"),
            Self::Path(path) => path.display().fmt(f),
        }
    }
}
